//! `dexter simulate`: what a network would do with given settings, before anybody founds it.

mod charts;
mod faults;
mod figures;
mod json;
mod page;

use std::{
    fs::{self, File},
    io::Read as _,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use simulator::{
    Distance,
    study::{self, Ending, Faults, Moment, Rate, Report, Settings},
};
use types::{
    FaultModel, Preset,
    genesis::{MAX_BLOCK_ORDERS, MAX_MEMBERS},
};

use super::{genesis::FaultModelName, run::Stopping};
use crate::{
    durations::{TimingArgs, show},
    founding::{DEFAULT_MAX_BLOCK_ORDERS, fault_advice},
    output::{self, Progress},
};
use faults::{FaultName, gather, parse_rate};

/// Where the report goes unless told otherwise.
const DEFAULT_REPORT: &str = "dexter-simulation.html";

/// A simulation of more heights would run for days.
const MOST_HEIGHTS: u64 = 10_000_000;

/// After so long it is known well enough how fast a simulation goes.
const ESTIMATE_AFTER: Duration = Duration::from_millis(700);

/// A seed of so many bits is short enough to be typed again.
const SEED_BITS: u32 = 32;

/// How far apart members are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NetworkName {
    /// One building: messages take 0.1 to 0.4 ms.
    Lan,
    /// One city: 1 to 6 ms.
    Metro,
    /// The world: 10 to 100 ms, each pair its own; one message in a hundred takes at least twice as long.
    Wan,
}

impl NetworkName {
    fn distance(self) -> Distance {
        match self {
            Self::Lan => Distance::Lan,
            Self::Metro => Distance::Metro,
            Self::Wan => Distance::Wan,
        }
    }

    /// As it is written on the command line.
    fn word(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Metro => "metro",
            Self::Wan => "wan",
        }
    }

    fn preset(self) -> Preset {
        match self {
            Self::Lan => Preset::Lan,
            Self::Metro => Preset::Metro,
            Self::Wan => Preset::Wan,
        }
    }
}

/// Shows what a network would do with your settings, before you found it: how soon orders are final,
/// whether the lottery is fair, what faults cost. Runs the real members' code in simulated time.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// How many members, 1 to 100.
    #[arg(long, value_name = "N", default_value_t = 4)]
    members: usize,
    /// How far apart they are; waits and grace fit unless set otherwise.
    #[arg(long, value_enum, default_value = "wan")]
    network: NetworkName,
    #[command(flatten)]
    timing: TimingArgs,
    /// How members may fail.
    #[arg(long, value_enum, default_value = "byzantine")]
    fault_model: FaultModelName,
    /// What goes wrong, separated by commas [default: none].
    ///
    /// loss=P: P of 100 messages are lost. duplication=P: P of 100 arrive twice. partitions: about every
    /// 200 blocks the network falls into two parts for up to 20 blocks' time. crashes: about every 100
    /// blocks a member's process dies and is back within 50 blocks' time. slow-disks: a third of the
    /// members need up to 40 ms to write (10 ms in a lan). clocks: they run up to a tenth too fast or too
    /// slow. dead=N: N members never answer. liars=KIND:N: N members lie, for example
    /// liars=equivocating-proposer:1.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    faults: Vec<FaultName>,
    /// How many blocks are to become final.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    heights: u64,
    /// How many orders are placed in the whole network: 20 is orders a second, 3/block orders in the
    /// time that a block takes.
    #[arg(long, value_name = "RATE", default_value = "3/block", value_parser = parse_rate)]
    orders: Rate,
    /// The most orders a block seals.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_BLOCK_ORDERS)]
    max_block_orders: u32,
    /// Everything that happens by chance follows from this number; the same gives the same again
    /// [default: a random one, which is shown].
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// The page with charts to write [default: dexter-simulation.html; with --json none].
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `dexter simulate` to its end, or until it is told to stop.
///
/// # Errors
/// When the settings make no network, the report cannot be written, or what must always hold did not.
pub async fn run(args: SimulateArgs) -> anyhow::Result<()> {
    let settings = settings(&args)?;
    let page = match (&args.report, args.json) {
        (Some(path), _) => Some(path.clone()),
        (None, false) => Some(PathBuf::from(DEFAULT_REPORT)),
        (None, true) => None,
    };
    // Before hours of work.
    if let Some(path) = &page {
        check_page(path)?;
    }
    let mut stopping = Stopping::new()?;
    introduce(&settings, args.network);
    let stop = Arc::new(AtomicBool::new(false));
    let mut task = tokio::task::spawn_blocking({
        let (settings, stop) = (settings.clone(), stop.clone());
        move || simulate(&settings, &stop)
    });
    let (report, took) = tokio::select! {
        done = &mut task => done?,
        () = stopping.wait() => {
            stop.store(true, Ordering::Relaxed);
            task.await?
        }
    };
    if args.json {
        output::json(&json::view(&report, args.network, took))?;
    } else {
        show_figures(&report, took)?;
    }
    if let Some(path) = page {
        let text = page::render(&report, args.network);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("charts: {}", path.display());
    }
    if let Ending::Violated(what) = &report.ending {
        bail!(violated(&report, what));
    }
    Ok(())
}

/// What the network is that the arguments describe.
fn settings(args: &SimulateArgs) -> anyhow::Result<Settings> {
    let members = args.members;
    ensure!(
        (1..=MAX_MEMBERS).contains(&members),
        "--members takes 1 to {MAX_MEMBERS}"
    );
    ensure!(
        (1..=MOST_HEIGHTS).contains(&args.heights),
        "--heights takes 1 to {MOST_HEIGHTS}"
    );
    ensure!(
        (1..=MAX_BLOCK_ORDERS).contains(&args.max_block_orders),
        "--max-block-orders takes 1 to {MAX_BLOCK_ORDERS}"
    );
    let faults = gather(&args.faults).context("--faults")?;
    ensure!(
        faults.dead.saturating_add(faults.liars()) < members,
        "--faults leaves none of {members} members that is honest and lives"
    );
    let seed = match args.seed {
        Some(seed) => seed,
        None => getrandom::u64().context("the system gives no random number")? >> (64 - SEED_BITS),
    };
    Ok(Settings {
        members,
        fault_model: args.fault_model.into(),
        distance: args.network.distance(),
        timing: args
            .timing
            .timing(members, args.network.preset().timing())?,
        faults,
        heights: args.heights,
        orders: args.orders,
        max_block_orders: args.max_block_orders,
        seed,
    })
}

/// Tells on standard error what is simulated, and what may be expected of it.
fn introduce(settings: &Settings, network: NetworkName) {
    let members = settings.members;
    eprintln!(
        "simulating {} blocks of {members} member{}, {}, waits {} to {}, grace {}, faults {}, seed {}; Ctrl-C ends it \
         with what there is",
        settings.heights,
        if members == 1 { "" } else { "s" },
        figures::network_name(network),
        show(settings.timing.min_wait),
        show(settings.timing.longest_wait(members)),
        show(settings.timing.grace),
        figures::faults_in_words(&settings.faults),
        settings.seed,
    );
    eprintln!("{}", fault_advice(members, settings.fault_model));
    if is_too_much(settings) {
        eprintln!("Mind: more members fail here than this network tolerates.");
    }
}

/// True where more members fail than the fault model tolerates.
fn is_too_much(settings: &Settings) -> bool {
    let Faults { dead, .. } = settings.faults;
    let liars = settings.faults.liars();
    let tolerated = settings.fault_model.tolerated(settings.members);
    dead + liars > tolerated || (settings.fault_model == FaultModel::Crash && liars > 0)
}

/// Runs the simulation, shows how far it is, and measures how long it took.
fn simulate(settings: &Settings, stop: &AtomicBool) -> (Report, Duration) {
    let progress = Progress::new("blocks", settings.heights);
    let start = Instant::now();
    let mut estimated = false;
    let report = study::run(settings, &mut |moment: Moment| {
        progress.set(moment.heights);
        if !estimated && moment.heights > 0 && start.elapsed() >= ESTIMATE_AFTER {
            estimated = true;
            let left = output::left(start.elapsed(), moment.heights, settings.heights);
            progress.note(&format!("this takes about {left} more"));
        }
        if stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    (report, progress.finish())
}

fn show_figures(report: &Report, took: Duration) -> anyhow::Result<()> {
    let mut table = output::table(&["figure", "value", "meaning"]);
    for figure in figures::all(report) {
        table.add_row([figure.name, figure.value.as_str(), figure.meaning.as_str()]);
    }
    output::line(table)?;
    output::line(figures::fairness_in_words(report))?;
    output::line(format!(
        "{}; simulated in {:.1} s",
        figures::ending_in_words(report),
        took.as_secs_f64()
    ))?;
    Ok(())
}

/// Refuses to write over a file that is not a report, or where there is no folder.
fn check_page(path: &Path) -> anyhow::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        ensure!(
            folder.is_dir(),
            "--report: there is no folder {}",
            folder.display()
        );
    }
    if !path.exists() {
        return Ok(());
    }
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(page::START.len() as u64).read_to_end(&mut start))
        .with_context(|| format!("--report: cannot read {}", path.display()))?;
    ensure!(
        start == page::START.as_bytes(),
        "--report: {} exists and is not a report of a simulation; move it away or choose another name",
        path.display()
    );
    Ok(())
}

fn violated(report: &Report, what: &str) -> String {
    let settings = &report.settings;
    if is_too_much(settings) {
        return format!(
            "with more liars than the network tolerates, what must always hold did not: {what}"
        );
    }
    format!(
        "what must always hold did not, which is a bug: {what}; please report it with the seed {}",
        settings.seed
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: SimulateArgs,
    }

    pub(super) fn parse(arguments: &str) -> anyhow::Result<Settings> {
        let words = format!("simulate {arguments}");
        let program = Program::try_parse_from(words.split_whitespace())?;
        settings(&program.args)
    }

    #[test]
    fn the_issues_example() {
        let settings =
            parse("--members 7 --network wan --faults loss=5,crashes --heights 10000 --seed 3")
                .unwrap();
        assert_eq!(
            (settings.members, settings.heights, settings.seed),
            (7, 10_000, 3)
        );
        assert_eq!(settings.timing, Preset::Wan.timing());
        assert_eq!(settings.faults.loss, 5);
        assert!(settings.faults.crashes && !settings.faults.partitions);
    }

    #[test]
    fn waits_fit_the_network_unless_set() {
        assert_eq!(parse("--network lan").unwrap().timing, Preset::Lan.timing());
        let other = parse("--network wan --preset metro").unwrap();
        assert_eq!(
            (other.timing, other.distance),
            (Preset::Metro.timing(), Distance::Wan)
        );
        let original = parse("--members 3 --wait 1s..20s").unwrap();
        assert_eq!(original.timing.mean_wait.0, 4_750_000);
    }

    #[test]
    fn a_seed_is_drawn_where_none_is_given() {
        let seeds: Vec<u64> = (0..3).map(|_| parse("").unwrap().seed).collect();
        assert!(seeds[0] != seeds[1] || seeds[1] != seeds[2]);
        assert!(seeds.iter().all(|seed| *seed < 1 << SEED_BITS));
    }

    #[test]
    fn settings_that_make_no_network_are_refused_in_words() {
        for (arguments, words) in [
            ("--members 0", "--members takes 1 to 100"),
            ("--members 101", "--members takes 1 to 100"),
            ("--heights 0", "--heights takes 1 to 10000000"),
            (
                "--max-block-orders 0",
                "--max-block-orders takes 1 to 20000",
            ),
            (
                "--faults dead=4",
                "--faults leaves none of 4 members that is honest and lives",
            ),
            (
                "--faults dead=3,liars=vote-withholder:1",
                "--faults leaves none",
            ),
            (
                "--faults none,clocks",
                "--faults: none goes with nothing else",
            ),
            (
                "--faults fire",
                "error: invalid value 'fire' for '--faults <LIST>': there is no fault",
            ),
            (
                "--orders none",
                "error: invalid value 'none' for '--orders <RATE>': write orders a second",
            ),
            (
                "--wait 5",
                "error: invalid value '5' for '--wait <SHORTEST..LONGEST>'",
            ),
        ] {
            let refusal = format!("{:#}", parse(arguments).unwrap_err());
            assert!(refusal.starts_with(words), "{arguments}: {refusal}");
        }
    }
}
