//! The project's own commands: `cargo xtask dev`, `build`, `test`, `soak`, `advantage`, `bench` and `check`.
//!
//! No dependencies, so that the first thing a newcomer sees starts within a second.

mod page;

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  dev [ARGUMENTS]  builds dexter and runs `dexter dev --shops 4`: shops on this machine that seal
                   one order book; further arguments are passed on (see: cargo xtask dev --help)
  build            builds dexter as it is shipped, with the web page in it where Node is installed
  test [ARGUMENTS] runs all tests, those of the web page too; with arguments for `cargo test` only what
                   they say
  soak [SEEDS [FIRST]]
                   simulates many networks under faults and liars, 20,000 unless told otherwise, and
                   prints a summary
  advantage [HEIGHTS]
                   prints what each kind of liar gains, and what it costs the others; every figure is of 20
                   networks with 1,000 blocks each unless told otherwise
  bench [ARGUMENTS]
                   builds dexter and measures what a network of it takes and costs, an hour or with
                   --quick three minutes; further arguments are passed on (see: cargo xtask bench --help)
  check            checks formatting and lints
";

/// How many shops `cargo xtask dev` starts: the fewest that go on when one of them lies or stops.
const DEFAULT_SHOPS: &str = "4";

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let command = arguments.next();
    let rest: Vec<OsString> = arguments.collect();
    let result = match command.as_deref().and_then(OsStr::to_str) {
        Some("dev") => dev(&rest),
        Some("build") if rest.is_empty() => build(),
        Some("test") => test(&rest),
        Some(program @ ("soak" | "advantage")) => simulate(program, &rest),
        Some("bench") => bench(&rest),
        Some("check") if rest.is_empty() => check(),
        Some("help" | "--help" | "-h") => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{}", message.trim_end());
            ExitCode::FAILURE
        }
    }
}

/// Builds the program as it is shipped and runs a network of shops with it.
fn dev(arguments: &[OsString]) -> Result<(), String> {
    build_dexter()?;
    let mut run = release_program("dexter");
    run.arg("dev").args(dev_arguments(arguments));
    replace_by(run)
}

/// Builds the program as it is shipped.
fn build() -> Result<(), String> {
    build_dexter()?;
    let program = target_folder().map(|folder| folder.join("release").join("dexter"));
    let shown = program.unwrap_or_else(|| "target/release/dexter".into());
    eprintln!("{} is ready", shown.display());
    Ok(())
}

/// Builds the program as it is shipped and measures a network of it.
fn bench(arguments: &[OsString]) -> Result<(), String> {
    build_dexter()?;
    let mut run = release_program("bench");
    run.args(arguments);
    replace_by(run)
}

/// Builds the web page and, with it, the program as it is shipped.
fn build_dexter() -> Result<(), String> {
    require_c_compiler()?;
    page::build()?;
    eprintln!(
        "building dexter in release mode; the first time takes about 5 minutes on four cores, 10 on \
         two, and afterwards seconds"
    );
    cargo([
        "build",
        "--release",
        "--package",
        "dexter-node",
        "--bin",
        "dexter",
    ])
}

/// A program of the project in release mode; what is added are its arguments. `cargo run` knows where
/// it is, and makes way for it: ctrl-c goes to it alone.
fn release_program(name: &str) -> Command {
    let manifest = project_root().join("Cargo.toml");
    let mut run = Command::new(cargo_path());
    run.args([
        "run",
        "--quiet",
        "--release",
        "--bin",
        name,
        "--manifest-path",
    ])
    .arg(manifest)
    .arg("--");
    run
}

/// The arguments of `dexter dev`: those given, and the default number of shops where none is given.
fn dev_arguments(given: &[OsString]) -> Vec<OsString> {
    let says_shops = |argument: &OsString| {
        argument
            .to_str()
            .is_some_and(|text| text == "--shops" || text.starts_with("--shops="))
    };
    let mut all = Vec::new();
    if !given.iter().any(says_shops) {
        all.extend(["--shops".into(), DEFAULT_SHOPS.into()]);
    }
    all.extend(given.iter().cloned());
    all
}

/// Runs every test of every crate.
fn test(arguments: &[OsString]) -> Result<(), String> {
    require_c_compiler()?;
    let everything = arguments.is_empty();
    if everything {
        page::prepare_tests()?;
    }
    eprintln!(
        "running all tests of all crates; the first time they are built for some minutes: cargo test --workspace"
    );
    let given = arguments.iter().map(OsString::as_os_str);
    cargo(
        ["test", "--workspace"]
            .map(OsStr::new)
            .into_iter()
            .chain(given),
    )?;
    if everything {
        eprintln!(
            "running the simulator with bugs put in on purpose, which its checkers must catch"
        );
        cargo([
            "test",
            "--package",
            "dexter-simulator",
            "--features",
            "mutations",
            "--test",
            "mutations",
        ])?;
        page::test()?;
    }
    eprintln!("all tests passed");
    Ok(())
}

/// Runs one of the simulator's programs.
fn simulate(program: &str, arguments: &[OsString]) -> Result<(), String> {
    require_c_compiler()?;
    let run = [
        "run",
        "--release",
        "--package",
        "dexter-simulator",
        "--bin",
        program,
        "--",
    ];
    let given = arguments.iter().map(OsString::as_os_str);
    cargo(run.map(OsStr::new).into_iter().chain(given))
}

/// Checks formatting and lints without changing anything.
fn check() -> Result<(), String> {
    require_c_compiler()?;
    eprintln!("checking the formatting: cargo fmt --all --check");
    cargo(["fmt", "--all", "--check"])?;
    eprintln!("checking lints: cargo clippy --workspace --all-targets -- -D warnings");
    cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ])?;
    eprintln!("formatting and lints are in order");
    Ok(())
}

/// Runs cargo in the project's folder and waits for it.
fn cargo(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<(), String> {
    let mut command = Command::new(cargo_path());
    command.args(arguments).current_dir(project_root());
    run(command)
}

/// Runs a command and waits for it.
fn run(mut command: Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("failed ({status}): {}", show(&command))),
        Err(error) => Err(cannot_start(&command, &error)),
    }
}

/// Ends this process in favour of another one, where the system can; elsewhere waits for it.
#[cfg(unix)]
fn replace_by(mut command: Command) -> Result<(), String> {
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    Err(cannot_start(&command, &error))
}

/// Ends this process in favour of another one, where the system can; elsewhere waits for it.
#[cfg(not(unix))]
fn replace_by(command: Command) -> Result<(), String> {
    run(command)
}

/// The signatures of the lottery are made by a library that is partly C and assembly, so building
/// needs a C compiler; without this check cargo would say so only after minutes, in many lines.
fn require_c_compiler() -> Result<(), String> {
    let compiler = env::var_os("CC").unwrap_or_else(|| default_c_compiler().into());
    let tried = Command::new(&compiler)
        .arg(version_flag())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // A compiler that dislikes the flag is still a compiler.
    if tried.is_ok() {
        return Ok(());
    }
    Err(format!(
        "building dexter needs a C compiler, and {compiler:?} cannot be started. Install one and try again:\n  \
         Debian, Ubuntu  sudo apt-get install gcc\n  \
         Fedora          sudo dnf install gcc\n  \
         macOS           xcode-select --install"
    ))
}

fn default_c_compiler() -> &'static str {
    if cfg!(target_env = "msvc") {
        "cl"
    } else {
        "cc"
    }
}

fn version_flag() -> &'static str {
    if cfg!(target_env = "msvc") {
        "/?"
    } else {
        "--version"
    }
}

/// The cargo that runs this program, so that `cargo +nightly xtask` stays with its toolchain.
fn cargo_path() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The project's folder: the parent of this crate's.
fn project_root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// Where cargo puts what it builds: this very program is in one of its folders.
fn target_folder() -> Option<PathBuf> {
    let own = env::current_exe().ok()?;
    own.parent()?.parent().map(Path::to_owned)
}

fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    let shown = show(command);
    format!("cannot start `{shown}`: {error}; is what it needs installed?")
}

/// A command as a person would type it.
fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_stem().unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(texts: &[&str]) -> Vec<OsString> {
        texts.iter().map(OsString::from).collect()
    }

    #[test]
    fn four_shops_unless_told_otherwise() {
        assert_eq!(dev_arguments(&[]), arguments(&["--shops", "4"]));
        assert_eq!(
            dev_arguments(&arguments(&["--wait", "1s..20s"])),
            arguments(&["--shops", "4", "--wait", "1s..20s"])
        );
        for given in [&["--shops", "3"][..], &["--shops=3"][..]] {
            assert_eq!(dev_arguments(&arguments(given)), arguments(given));
        }
    }

    #[test]
    fn the_project_is_found() {
        assert!(
            project_root()
                .join("crates")
                .join("node")
                .join("Cargo.toml")
                .is_file()
        );
    }

    #[test]
    fn a_command_is_shown_as_it_is_typed() {
        let mut command = Command::new("/some/where/cargo");
        command.args(["test", "--workspace"]);
        assert_eq!(show(&command), "cargo test --workspace");
    }
}
