//! Studies: figures of networks that run for many heights.

use std::ops::ControlFlow;

use simulator::{
    Distance,
    adversary::Kind,
    study::{
        self, Ending, Faults, MishapKind, Part, Rate, Report, Settings,
        advantage::{Advantage, Yardstick},
    },
};
use types::{FaultModel, Preset};

fn settings(members: usize, heights: u64, faults: Faults) -> Settings {
    Settings {
        members,
        fault_model: FaultModel::Byzantine,
        distance: Distance::Lan,
        timing: Preset::Lan.timing(),
        faults,
        heights,
        orders: Rate::ABlock(3.0),
        max_block_orders: 1_000,
        seed: 11,
    }
}

fn run(settings: &Settings) -> Report {
    study::run(settings, &mut |_| ControlFlow::Continue(()))
}

fn wins(report: &Report) -> Vec<u64> {
    report.members.iter().map(|member| member.wins).collect()
}

#[test]
fn a_calm_network_finalizes_every_height_directly_and_fairly() {
    let report = run(&settings(4, 600, Faults::default()));
    assert_eq!(report.ending, Ending::Complete);
    assert_eq!(report.heights, 600);
    assert_eq!(
        (report.direct, report.forks, report.shortest_wait_won),
        (600, 0, 600)
    );
    assert_eq!(wins(&report).iter().sum::<u64>(), 600);
    assert!(report.fairness.unwrap().p_value > 0.01);
    assert_eq!(report.orders.turned_away, 0);
    assert!(report.orders.final_ + 50 > report.orders.placed);
    // A height takes about its shortest wait, the way of a block, a sync and the grace.
    let typical = report.height_duration.quantile(0.5).unwrap();
    assert!((6_000..14_000).contains(&typical), "{typical}");
    assert!(report.mishaps.is_empty() && report.dead.is_none());
}

#[test]
fn a_seed_gives_one_report() {
    let faults = Faults {
        loss: 3,
        crashes: true,
        ..Faults::default()
    };
    let settings = settings(5, 150, faults);
    let figures = |report: &Report| {
        let Report {
            simulated, events, ..
        } = *report;
        (
            simulated,
            events,
            report.traffic,
            report.orders,
            wins(report),
        )
    };
    assert_eq!(figures(&run(&settings)), figures(&run(&settings)));
    let other = Settings {
        seed: 12,
        ..settings.clone()
    };
    assert_ne!(run(&settings).simulated, run(&other).simulated);
}

#[test]
fn members_come_back_after_all_have_forgotten_what_is_long_final() {
    let faults = Faults {
        loss: 1,
        duplication: 5,
        partitions: true,
        crashes: true,
        slow_disks: true,
        clocks: true,
        ..Faults::default()
    };
    let report = run(&settings(4, 1_200, faults));
    assert_eq!(report.ending, Ending::Complete);
    let is_crash = |kind: MishapKind| matches!(kind, MishapKind::Crash { .. });
    let (crashes, partitions): (Vec<_>, Vec<_>) = report
        .mishaps
        .iter()
        .partition(|mishap| is_crash(mishap.kind));
    assert!(
        crashes.len() > 5 && partitions.len() > 2,
        "{:?}",
        report.mishaps
    );
    assert!(report.orders.turned_away > 0);
}

#[test]
fn a_liar_that_brings_up_what_is_long_final_is_told_so() {
    let faults = Faults {
        liars: vec![(Kind::Replayer, 1)],
        ..Faults::default()
    };
    let report = run(&settings(4, 600, faults));
    assert_eq!(report.ending, Ending::Complete);
    assert_eq!(report.members[3].part, Part::Liar(Kind::Replayer));
    // Were an old batch sealed again, the liar's own replica would see that the others are wrong, and
    // propose no more.
    let wins = wins(&report)[3];
    assert!((110..190).contains(&wins), "{wins}");
}

#[test]
fn a_dead_winner_costs_about_one_gap() {
    let faults = Faults {
        dead: 1,
        ..Faults::default()
    };
    let report = run(&settings(4, 1_500, faults));
    let dead = report.dead.as_ref().unwrap();
    // A dead member draws the shortest wait in a quarter of the heights and wins none.
    assert!((300..450).contains(&dead.heights), "{}", dead.heights);
    assert_eq!(wins(&report)[3], 0);
    let mean = dead.winner.mean().unwrap();
    assert!((0.8..1.3).contains(&mean), "{mean}");
    assert!(dead.member.quantile(0.5).unwrap() < 0.2);
}

#[test]
fn more_dead_members_than_tolerated_stop_the_network() {
    let faults = Faults {
        dead: 2,
        ..Faults::default()
    };
    let report = run(&settings(4, 10, faults));
    assert_eq!((&report.ending, report.heights), (&Ending::StoodStill, 0));
    assert!(report.fairness.is_none() && report.expected_wins().is_none());
}

#[test]
fn a_study_can_be_stopped_and_has_what_there_is() {
    let settings = settings(4, 10_000, Faults::default());
    let mut seen = 0;
    let report = study::run(&settings, &mut |moment| {
        seen = moment.heights;
        if moment.heights >= 40 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!(report.ending, Ending::Stopped);
    assert_eq!(report.heights, seen);
    assert!((40..60).contains(&report.heights));
    assert!(report.order_to_final.count() > 0);
}

#[test]
fn few_orders_leave_the_network_asleep_and_not_at_a_standstill() {
    let settings = Settings {
        orders: Rate::ASecond(0.002),
        ..settings(3, 5, Faults::default())
    };
    let report = run(&settings);
    assert_eq!(report.ending, Ending::Complete);
    assert!(report.simulated > 500_000_000);
}

/// What `cargo xtask advantage` prints, with fewer blocks.
#[test]
fn no_kind_of_liar_gains_anything() {
    let network = Yardstick::new(settings(4, 50, Faults::default())).unwrap();
    for kind in Kind::ALL {
        let Advantage {
            wins,
            time_to_final,
        } = network.measure(kind).unwrap();
        assert!(wins.least <= 1.0, "{kind}: {wins:?}");
        assert!(time_to_final.mean < 1.5, "{kind}: {time_to_final:?}");
    }
}
