//! Mixed faults: links that lose, duplicate and reorder, cuts in one direction or both, crashes that
//! tear the last write. Safety is checked all the time; once everything is healed, progress.

mod world;

use types::FaultModel;
use world::{BAD, LAN, Links, World, timing};

const SLOW: Links = Links {
    shortest: 5_000,
    longest: 60_000,
    loss: 5,
    duplication: 5,
};

/// How many seeds to run: more on demand, for a long search.
fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str, default| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap_or(default))
    };
    let first = number("DEXTER_FAULTS_FROM", 0);
    first..first + number("DEXTER_FAULTS_SEEDS", 60)
}

fn run(seed: u64) {
    let crash_model = seed % 4 == 3;
    let (members, model) = if crash_model {
        (3 + 2 * (seed as usize / 4 % 2), FaultModel::Crash)
    } else {
        (2 + seed as usize / 4 % 6, FaultModel::Byzantine)
    };
    let links = [LAN, BAD, SLOW][seed as usize % 3];
    let mut world = World::new(10_000 + seed, members, model, timing(5, 5), links);
    for _ in 0..60 {
        let host = world.random(members as u64) as usize;
        if world.is_running(host) {
            let count = 1 + world.random(3) as usize;
            world.place(host, count);
        }
        let pause = world.random(30_000);
        world.run_for(pause);
        let victim = world.random(members as u64) as usize;
        let other = world.random(members as u64) as usize;
        match world.random(8) {
            0 | 1 if world.is_running(victim) => {
                let keep = world.random(2_000) as usize;
                world.crash(victim, keep);
            }
            0..=3 if !world.is_running(victim) => world.start(victim),
            4 => drop(world.cut.insert((victim, other))),
            5 => world.cut.clear(),
            6 => {
                for to in 0..members {
                    world.cut.insert((victim, to));
                    world.cut.insert((to, victim));
                }
            }
            _ => {}
        }
        world.check_safety();
    }
    world.cut.clear();
    for host in 0..members {
        if !world.is_running(host) {
            world.start(host);
        }
    }
    world.run_until(
        900,
        &format!("seed {seed}: all orders final"),
        World::all_final,
    );
    world.check_safety();
    world.check_nothing_lost();
    assert!(world.notices.is_empty(), "seed {seed}: {:?}", world.notices);
    assert!(world.refused.is_empty(), "seed {seed}: {:?}", world.refused);
}

#[test]
fn mixed_faults_lose_nothing_and_contradict_nothing() {
    for seed in seeds() {
        run(seed);
    }
}
