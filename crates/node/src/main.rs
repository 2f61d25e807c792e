//! The program `dexter`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use node::commands::{chain, dev, genesis, import, init, members, order, run, status};

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

/// Says more while looking for the cause of a trouble: `DEXTER_LOG=debug dexter run …`.
const LOG_VARIABLE: &str = "DEXTER_LOG";

fn main() -> ExitCode {
    end_on_panic();
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let cli = Cli::parse();
    match execute(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dexter: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Dev(args) => on_runtime(dev::run(args)),
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
        eprintln!(
            "dexter stopped by a bug, which is not your fault; what was accepted is safe on disk. Please report the lines above."
        );
        std::process::exit(101);
    }));
}
