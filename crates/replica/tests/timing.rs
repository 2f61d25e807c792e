//! What the lottery promises: a dead winner costs a gap between waits, winning is fair, heights are
//! final directly; and who was cut off catches up.

mod world;

use types::{FaultModel, Height, Micros};
use world::{
    LAN, World,
    liar::{head_of, waits},
    timing,
};

#[test]
fn a_dead_winner_costs_one_gap_between_waits() {
    for seed in 0..20 {
        let mut world = World::new(seed, 4, FaultModel::Byzantine, timing(100, 5), LAN);
        let waits = waits(&world, 4, &head_of(&world, 0).0);
        let (dead, second) = (waits[0].1, waits[1]);
        world.crash(dead, 0);
        let placed = world.time;
        world.place(second.1, 1);
        world.run_until(5, "the order final", World::all_final);
        let first = &world.finals[second.1][0];
        assert_eq!(
            (first.proposer.as_usize(), first.wait),
            (second.1, second.0)
        );
        // The wait, the grace, and a few flights and syncs.
        let most = second.0.0 + world.genesis.timing.grace.0 + 4_000;
        assert!(
            first.time - placed <= most,
            "seed {seed}: final after {} µs, at most {most} expected",
            first.time - placed
        );
    }
}

#[test]
fn a_member_that_hears_nothing_catches_up_over_hundreds_of_heights() {
    for deaf_only in [true, false] {
        let mut world = World::new(21, 4, FaultModel::Byzantine, timing(1, 5), LAN);
        for other in 0..3 {
            world.cut.insert((other, 3));
            if !deaf_only {
                world.cut.insert((3, other));
            }
        }
        let mut round = 0;
        while world.final_height(0) < Height(500) {
            world.place(round % 3, 1);
            world.run_for(8_000);
            round += 1;
        }
        assert_eq!(world.final_height(3), Height(0));
        let (time, ahead) = (world.time, world.final_height(0));
        world.cut.clear();
        world.run_until(5, "caught up", |world| world.final_height(3) >= ahead);
        assert!(world.time - time < 2_000_000, "{} µs", world.time - time);
        world.run_until(5, "all orders final", World::all_final);
        world.check_safety();
        world.check_nothing_lost();
        assert!(
            world.finals[3]
                .iter()
                .filter(|block| block.time_to_final.is_none())
                .count()
                >= 490
        );
    }
}

/// Ten thousand heights: with three degrees of freedom the chi-square statistic is above 11.345 once
/// in a hundred seeds.
#[test]
fn winning_is_fair_and_nearly_every_height_is_final_directly() {
    let mut world = World::new(22, 4, FaultModel::Byzantine, timing(5, 5), LAN);
    const HEIGHTS: u64 = 10_000;
    let mut round = 0;
    while world.final_height(0) < Height(HEIGHTS) {
        world.place(round % 4, 1);
        world.run_for(5_000);
        world.mail.clear();
        round += 1;
    }
    world.check_safety();
    let finals = &world.finals[0][..HEIGHTS as usize];
    let mut wins = [0_u64; 4];
    for block in finals {
        wins[block.proposer.as_usize()] += 1;
    }
    let expected = HEIGHTS as f64 / 4.0;
    let chi_square: f64 = wins
        .iter()
        .map(|won| (*won as f64 - expected).powi(2) / expected)
        .sum();
    assert!(chi_square < 11.345, "{wins:?}: chi-square {chi_square}");
    let alone = finals
        .iter()
        .filter(|block| world.sealed[&block.height].len() == 1)
        .count();
    let mut times = std::collections::BTreeMap::<u64, u64>::new();
    for block in finals {
        *times.entry(block.time).or_default() += 1;
    }
    // A height is final directly when no descendant had to carry it: it is announced alone.
    let direct = times.values().filter(|count| **count == 1).count();
    assert!(
        direct as u64 * 100 >= HEIGHTS * 99,
        "{direct} of {HEIGHTS} final directly"
    );
    assert!(
        alone as u64 * 100 >= HEIGHTS * 99,
        "{alone} of {HEIGHTS} with one certified block"
    );
    let mean = finals.iter().map(|block| block.wait.0).sum::<u64>() / HEIGHTS;
    let off = mean.abs_diff(Micros::from_millis(5).0);
    assert!(off < 200, "the winning wait is {mean} µs on average");
}
