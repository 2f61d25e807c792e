//! The web page in `web/`: built before the program that it goes into, and tested with it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use crate::{project_root, run};

/// The oldest Node that the page's tools run on.
const LEAST_NODE: (u32, u32) = (20, 19);
/// The folder of what is installed, which npm makes anew.
const MODULES: &str = "node_modules";
/// What is installed in it, so that the same need not be installed again: a copy of `package-lock.json`.
const INSTALLED: &str = "node_modules/.installed-lock.json";
/// The page as it was built.
const BUILT: &str = "dist/index.html";
/// The folders of the page's sources; the files beside them count as well.
const SOURCE_FOLDERS: [&str; 2] = ["src", "public"];
/// Names the browser for the page's tests, where it is in none of these places.
const BROWSER: &str = "DEXTER_CHROMIUM";
const BROWSERS: [&str; 5] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// Builds the page where there is another one to build. Without Node it says that the page is left out,
/// and the program is built all the same.
pub(crate) fn build() -> Result<(), String> {
    let Some(web) = Web::of_project().filter(|web| !web.is_built()) else {
        return Ok(());
    };
    match require_node() {
        Ok(()) => web.build(),
        Err(missing) => {
            let what = if web.0.join(BUILT).exists() {
                "stays as it was built before"
            } else {
                "is left out"
            };
            eprintln!("the web page {what}: {missing}; then run cargo xtask build");
            Ok(())
        }
    }
}

/// Installs what the page's tests need, as far as that is possible, and builds the page.
pub(crate) fn prepare_tests() -> Result<(), String> {
    let Some(web) = Web::of_project() else {
        return Ok(());
    };
    if require_node().is_err() {
        install(&["nodejs", "npm"])?;
        require_node().map_err(|missing| format!("the web page cannot be tested: {missing}"))?;
    }
    if browser().is_none() {
        install(&["chromium"])?;
        require_browser()?;
    }
    web.install()?;
    if web.is_built() { Ok(()) } else { web.build() }
}

/// Runs the page's own tests; the last of them in a browser, with shops of the program that the tests
/// before were built for.
pub(crate) fn test() -> Result<(), String> {
    let Some(web) = Web::of_project() else {
        return Ok(());
    };
    let browser = require_browser()?;
    let own = env::current_exe().map_err(|error| error.to_string())?;
    let dexter = own.with_file_name(format!("dexter{}", env::consts::EXE_SUFFIX));
    for script in ["check", "test", "e2e"] {
        eprintln!("testing the web page: npm run {script}");
        let mut command = web.npm(&["run", script]);
        command.env("DEXTER_BIN", &dexter).env(BROWSER, &browser);
        run(command)?;
    }
    Ok(())
}

/// The page's folder.
struct Web(PathBuf);

impl Web {
    /// The folder, where the sources of the page are there.
    fn of_project() -> Option<Self> {
        let folder = project_root().join("web");
        folder
            .join("package.json")
            .is_file()
            .then_some(Self(folder))
    }

    /// True when the page was built from the sources as they are.
    fn is_built(&self) -> bool {
        let built = modified(&self.0.join(BUILT));
        built.is_some_and(|built| self.newest_source().is_ok_and(|newest| newest <= built))
    }

    /// When a source was changed last. A file that was removed or renamed changed its folder.
    fn newest_source(&self) -> io::Result<SystemTime> {
        let mut newest = SystemTime::UNIX_EPOCH;
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let is_folder = entry.file_type()?.is_dir();
                let name = entry.file_name();
                if is_folder
                    && folder == self.0
                    && !SOURCE_FOLDERS.iter().any(|known| name == *known)
                {
                    continue;
                }
                newest = newest.max(entry.metadata()?.modified()?);
                if is_folder {
                    folders.push(entry.path());
                }
            }
        }
        Ok(newest)
    }

    /// Installs what the page is built with, where that is not what is installed.
    fn install(&self) -> Result<(), String> {
        let lock = self.0.join("package-lock.json");
        let wanted = fs::read(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
        let installed = self.0.join(INSTALLED);
        if fs::read(&installed).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        eprintln!("installing what the web page is built with: npm ci");
        run(self.npm(&["ci", "--no-audit", "--no-fund"]))?;
        let note =
            fs::create_dir_all(self.0.join(MODULES)).and_then(|()| fs::write(&installed, wanted));
        note.map_err(|error| format!("{}: {error}", installed.display()))
    }

    fn build(&self) -> Result<(), String> {
        self.install()?;
        eprintln!("building the web page: npm run build");
        run(self.npm(&["run", "build"]))
    }

    fn npm(&self, arguments: &[&str]) -> Command {
        let mut npm = npm();
        npm.args(arguments).current_dir(&self.0);
        npm
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

fn npm() -> Command {
    Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
}

/// What a program says about its version; nothing where it cannot be started.
fn version_of(mut program: Command) -> Option<String> {
    let said = program
        .arg("--version")
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let version = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    said.status.success().then_some(version)
}

fn require_node() -> Result<(), String> {
    let (major, minor) = LEAST_NODE;
    let needs = format!("it needs Node {major}.{minor} or newer (https://nodejs.org)");
    let Some(node) = version_of(Command::new("node")) else {
        return Err(format!("{needs}, which is not installed"));
    };
    if node_version(&node).is_none_or(|version| version < LEAST_NODE) {
        return Err(format!("{needs}, and {node} is installed"));
    }
    if version_of(npm()).is_none() {
        return Err(format!("{needs} with npm, which is not installed"));
    }
    Ok(())
}

/// Reads `v20.19.5`.
fn node_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix('v')?.split('.');
    let mut next = || numbers.next()?.parse().ok();
    Some((next()?, next()?))
}

fn browser() -> Option<PathBuf> {
    let named = env::var_os(BROWSER).map(PathBuf::from);
    let known = BROWSERS.into_iter().map(PathBuf::from);
    named.into_iter().chain(known).find(|path| path.exists())
}

fn require_browser() -> Result<PathBuf, String> {
    browser().ok_or_else(|| {
        format!(
            "the web page cannot be tested: it needs Chromium, which is not at {}; install it, or say where it is with {BROWSER}",
            BROWSERS.join(", ")
        )
    })
}

/// Installs packages where that can be done without asking: as root, with apt. Elsewhere it does nothing,
/// and what is missing is said by who needs it.
fn install(packages: &[&str]) -> Result<(), String> {
    if !is_root() || version_of(Command::new("apt-get")).is_none() {
        return Ok(());
    }
    eprintln!("installing {0}: apt-get install {0}", packages.join(" "));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        run(command)
    };
    apt(&["update", "-qq"])?;
    let quietly = ["install", "-y", "-qq", "--no-install-recommends"];
    apt(&[&quietly, packages].concat())
}

fn is_root() -> bool {
    let mut id = Command::new("id");
    let said = id.arg("-u").stderr(Stdio::null()).output();
    said.is_ok_and(|said| said.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use std::{fs::File, time::Duration};

    use super::*;

    #[test]
    fn versions_of_node() {
        assert_eq!(node_version("v20.19.5"), Some((20, 19)));
        assert_eq!(node_version("v24.0.0-nightly\n"), Some((24, 0)));
        for text in ["", "20.19.5", "v20", "vx.y"] {
            assert_eq!(node_version(text), None, "{text}");
        }
        assert!(node_version("v18.20.4").unwrap() < LEAST_NODE);
        assert!(node_version("v20.18.3").unwrap() < LEAST_NODE);
        assert!(node_version("v22.1.0").unwrap() >= LEAST_NODE);
    }

    /// A folder that is gone when the test is over.
    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_page_is_built_again_when_a_source_changed() {
        let place = env::temp_dir().join(format!("dexter-page-{}", std::process::id()));
        let folder = Folder(place.clone());
        let web = Web(place.clone());
        let start = SystemTime::now();
        let touch = |name: &str, seconds: u64| {
            let path = place.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let time = start + Duration::from_secs(seconds);
            File::create(path).unwrap().set_modified(time).unwrap();
        };
        touch("package.json", 0);
        touch("src/deep/main.ts", 10);
        touch("node_modules/some/index.js", 90);
        touch("tests/main.test.ts", 90);
        assert!(!web.is_built(), "there is none");
        touch("dist/index.html", 20);
        assert!(web.is_built());
        touch("dist/index.html", 5);
        assert!(!web.is_built(), "a source is newer");
        touch("dist/index.html", 20);
        touch("public/icon.svg", 30);
        assert!(!web.is_built(), "a file was added");
        touch("dist/index.html", 40);
        touch("package-lock.json", 50);
        assert!(!web.is_built(), "what it is built with changed");
        drop(folder);
        assert!(!web.is_built());
    }
}
