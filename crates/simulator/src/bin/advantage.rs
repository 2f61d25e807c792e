//! Prints what each kind of liar gains: `cargo xtask advantage [HEIGHTS]`.

use std::{env, process::ExitCode};

use simulator::{
    Distance,
    adversary::Kind,
    study::{
        Faults, Rate, Settings,
        advantage::{Estimate, NETWORKS, Unfinished, Yardstick},
    },
};
use types::{FaultModel, Preset};

/// How many members the networks have.
const MEMBERS: [usize; 2] = [4, 7];

/// How many blocks become final in each network.
const HEIGHTS: u64 = 1_000;

fn main() -> ExitCode {
    let heights = match env::args().nth(1).map(|heights| heights.parse()) {
        None => HEIGHTS,
        Some(Ok(heights)) if heights > 0 => heights,
        Some(_) => {
            eprintln!("usage: advantage [HEIGHTS], the blocks of each network");
            return ExitCode::FAILURE;
        }
    };
    match print(heights) {
        Ok(()) => ExitCode::SUCCESS,
        Err(unfinished) => {
            eprintln!("{unfinished}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a row as soon as its figures are there.
fn print(heights: u64) -> Result<(), Unfinished> {
    eprintln!("each figure is of {NETWORKS} networks around the world, {heights} blocks each");
    let networks = MEMBERS.map(|members| Yardstick::new(settings(members, heights)));
    let networks: Vec<Yardstick> = networks.into_iter().collect::<Result<_, _>>()?;
    let mut titles = "| kind |".to_owned();
    for (members, network) in MEMBERS.iter().zip(&networks) {
        let liars = network.liars();
        titles += &format!(" wins, {liars} of {members} | time to final, {liars} of {members} |");
    }
    println!("{titles}\n| --- |{}", " ---: |".repeat(2 * MEMBERS.len()));
    for kind in Kind::ALL {
        let mut row = format!("| {kind} |");
        for network in &networks {
            let advantage = network.measure(kind)?;
            let (wins, time) = (shown(advantage.wins), shown(advantage.time_to_final));
            row += &format!(" {wins} | {time} |");
        }
        println!("{row}");
    }
    Ok(())
}

fn settings(members: usize, heights: u64) -> Settings {
    Settings {
        members,
        fault_model: FaultModel::Byzantine,
        distance: Distance::Wan,
        timing: Preset::Wan.timing(),
        faults: Faults::default(),
        heights,
        orders: Rate::ABlock(3.0),
        max_block_orders: 5_000,
        seed: 1,
    }
}

fn shown(estimate: Estimate) -> String {
    let Estimate { mean, least, most } = estimate;
    format!("{mean:.3} ({:.3} to {most:.3})", least.max(0.0))
}
