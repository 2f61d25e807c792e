//! The program `dexter`.

use std::{io::IsTerminal as _, process::ExitCode};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use node::{
    commands::{chain, dev, genesis, import, init, members, order, run, simulate, status},
    output::note,
};

/// Orders come as many small pieces of memory, made by one thread and dropped by another; the system's
/// allocator took an eighth of all computing time (`docs/performance.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One order book kept together by independent shops, without anyone in charge.
#[derive(Debug, Parser)]
#[command(name = "dexter", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::DevArgs),
    Simulate(Box<simulate::SimulateArgs>),
    Run(run::RunArgs),
    Init(init::InitArgs),
    Genesis(genesis::GenesisArgs),
    /// Places, shows, lists and verifies orders.
    #[command(subcommand)]
    Order(order::OrderCommand),
    Import(import::ImportArgs),
    /// Shows and verifies the chain.
    #[command(subcommand)]
    Chain(chain::ChainCommand),
    Members(members::MembersArgs),
    Status(status::StatusArgs),
}

/// Warnings of this program only: libraries warn of what is no news, such as connections that close.
const USUAL_LOG: &str = "error,api=warn,network=warn,node=warn";

/// Says more while looking for the cause of a trouble: `DEXTER_LOG=debug dexter run …`.
const LOG_VARIABLE: &str = "DEXTER_LOG";

fn main() -> ExitCode {
    end_on_panic();
    let cli = Cli::parse();
    match log().and_then(|()| execute(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !reader_has_gone(&error) {
                note(format!("dexter: {}", in_words(&error)));
            }
            ExitCode::FAILURE
        }
    }
}

/// Sends what the crates note for developers to standard error.
fn log() -> anyhow::Result<()> {
    let filter = match std::env::var(LOG_VARIABLE) {
        Ok(wanted) => EnvFilter::try_new(&wanted).with_context(|| {
            format!(
                "{LOG_VARIABLE}={wanted} is not understood; write for example {LOG_VARIABLE}=debug"
            )
        })?,
        Err(_) => EnvFilter::new(USUAL_LOG),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}

/// True when whoever read what is printed has gone, as in `dexter chain show | head`: no news.
fn reader_has_gone(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// An error with its causes, but none that is told in the words before it already.
fn in_words(error: &anyhow::Error) -> String {
    let mut words = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

fn execute(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Dev(args) => on_runtime(dev::run(args)),
        Command::Simulate(args) => on_runtime(simulate::run(*args)),
        Command::Run(args) => on_runtime(run::run(args)),
        Command::Init(args) => init::run(args),
        Command::Genesis(args) => genesis::run(args),
        Command::Order(command) => order::run(command),
        Command::Import(args) => import::run(args),
        Command::Chain(command) => chain::run(command),
        Command::Members(args) => members::run(args),
        Command::Status(args) => status::run(args),
    }
}

fn on_runtime(task: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(task)
}

/// A panic in any thread or task ends the whole process: a node that has lost a part of itself must
/// not go on as if nothing had happened.
fn end_on_panic() {
    let standard = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        standard(panic);
        note(
            "dexter stopped by a bug, which is not your fault; what was accepted is safe on disk. Please report the lines above.",
        );
        std::process::exit(101);
    }));
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let cause = || io::Error::other("no space left");
        let told = anyhow::Error::new(cause()).context("cannot write a: no space left");
        assert_eq!(in_words(&told), "cannot write a: no space left");
        let untold = anyhow::Error::new(cause())
            .context("cannot write a")
            .context("stopped");
        assert_eq!(in_words(&untold), "stopped: cannot write a: no space left");
    }

    #[test]
    fn a_reader_that_has_gone_is_no_news() {
        let gone = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(reader_has_gone(&gone.into()));
        assert!(!reader_has_gone(&io::Error::other("full").into()));
        assert!(!reader_has_gone(&anyhow::anyhow!("something else")));
    }
}
