//! The benchmark: four nodes as real processes over real loopback connections with real syncs, a
//! load that keeps the time of every order, and what it all costs. `docs/performance.md` tells more.

mod chain;
mod cluster;
mod http;
mod limits;
mod load;
mod progress;
mod relay;
mod report;
mod saturation;
mod scenarios;
mod trial;
mod usage;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::{Parser, ValueEnum as _};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cluster::{Timing, Workshop},
    limits::Limits,
    report::Report,
    scenarios::{Effort, Name, Setting},
};

/// Measures a network of four nodes on this machine.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    /// Only a quick look, of less than three minutes.
    #[arg(long)]
    quick: bool,
    /// Only this scenario; may be given several times.
    #[arg(long, value_name = "NAME")]
    scenario: Vec<Name>,
    /// How often each scenario is run [default: 5, with --quick 1].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    runs: Option<u8>,
    /// In bulk, offer so many orders a second instead of searching for the most: to compare programs, or
    /// to profile one, under the same load.
    #[arg(long, value_name = "ORDERS")]
    rate: Option<u32>,
    /// The folder for networks, which are removed again, and for results.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    folder: PathBuf,
    /// The program to measure [default: dexter, beside this one].
    #[arg(long, value_name = "FILE")]
    dexter: Option<PathBuf>,
    /// Measure nothing, and tell what changed between two results beyond the noise.
    #[arg(long, num_args = 2, value_names = ["BEFORE", "AFTER"], exclusive = true)]
    compare: Option<Vec<PathBuf>>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.compare.as_deref() {
        Some([before, after]) => compare(before, after),
        _ => run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::say(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn compare(before: &Path, after: &Path) -> anyhow::Result<()> {
    let (before, after) = (Report::read(before)?, Report::read(after)?);
    println!("{}", report::compare(&before, &after));
    Ok(())
}

/// Runs until all is measured, or somebody has had enough: then all nodes end before this does.
#[tokio::main(flavor = "current_thread")]
async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    tokio::select! {
        measured = measure(arguments) => measured,
        _ = tokio::signal::ctrl_c() => bail!("stopped before the end; nothing is kept"),
        _ = terminate.recv() => bail!("stopped before the end; nothing is kept"),
    }
}

async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = &arguments.folder;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let workshop = Workshop {
        dexter: match &arguments.dexter {
            Some(given) => given.clone(),
            None => std::env::current_exe()?.with_file_name("dexter"),
        },
        folder: folder.clone(),
    };
    let mut effort = if arguments.quick {
        Effort::QUICK
    } else {
        Effort::WHOLE
    };
    effort.runs = arguments.runs.map_or(effort.runs, usize::from);
    effort.rate = arguments.rate.map(f64::from);
    let names = if arguments.scenario.is_empty() {
        Name::value_variants()
    } else {
        &arguments.scenario
    };
    let minutes = effort.estimate(names).as_secs_f64() / 60.0;
    progress::say(format_args!("this takes about {minutes:.1} minutes"));
    progress::say("measuring what this machine can do in one thread");
    let mut report = Report::new(
        usage::machine(),
        arguments.quick,
        Timing::Throughput.flags().join(" "),
        Limits::measure(folder)?,
    );
    let setting = Setting::new(workshop, effort);
    for name in names {
        report.scenarios.extend(setting.run(*name).await?);
    }
    let file = folder.join("bench.json");
    report.write(&file)?;
    report::plot(&report, folder)?;
    println!("{}", report::show(&report));
    progress::say(format_args!(
        "\nthe figures are in {}, drawings of them beside it",
        file.display()
    ));
    Ok(())
}
