//! The figures of a simulation for programs.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::study::{Cost, Distribution, Ending, MishapKind, Part, Rate, Report};

use super::{NetworkName, faults::liar_name, figures::faults_in_words};

/// Everything, in microseconds of simulated time where a name ends in `_us`.
pub(super) fn view(report: &Report, network: NetworkName, took: Duration) -> Value {
    let (ending, violation) = match &report.ending {
        Ending::Complete => ("complete", None),
        Ending::Stopped => ("stopped", None),
        Ending::StoodStill => ("stood-still", None),
        Ending::Violated(what) => ("violated", Some(what)),
    };
    let blocks = report.heights.max(1) as f64;
    json!({
        "settings": settings(report, network),
        "ending": ending,
        "violation": violation,
        "heights": report.heights,
        "simulated_us": report.simulated,
        "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "events": report.events,
        "orders": {
            "placed": report.orders.placed,
            "accepted": report.orders.accepted,
            "final": report.orders.final_,
            "turned_away": report.orders.turned_away,
        },
        "order_to_final_us": spread(&report.order_to_final),
        "block_to_final_us": spread(&report.block_to_final),
        "height_us": spread(&report.height_duration),
        "heights_a_second": report.heights_a_second(),
        "final_directly": report.direct,
        "shortest_wait_won": report.shortest_wait_won,
        "empty_blocks": report.empty,
        "forks": report.forks,
        "members": members(report),
        "fairness": report.fairness.map(|fairness| json!({
            "chi_square": fairness.statistic,
            "degrees_of_freedom": fairness.degrees,
            "p_value": fairness.p_value,
        })),
        "dead": report.dead.as_ref().map(|dead| json!({
            "heights_won": dead.heights,
            "winner_cost_gaps": cost(&dead.winner),
            "member_cost_gaps": cost(&dead.member),
        })),
        "traffic": {
            "messages": report.traffic.messages,
            "bytes": report.traffic.bytes,
            "messages_a_block": report.traffic.messages as f64 / blocks,
            "bytes_a_block": report.traffic.bytes as f64 / blocks,
        },
        "mishaps": mishaps(report),
    })
}

fn settings(report: &Report, network: NetworkName) -> Value {
    let settings = &report.settings;
    let timing = &settings.timing;
    let (orders, measure) = match settings.orders {
        Rate::ASecond(number) => (number, "second"),
        Rate::ABlock(number) => (number, "block"),
    };
    json!({
        "members": settings.members,
        "quorum": settings.quorum(),
        "network": network.word(),
        "fault_model": settings.fault_model,
        "timing": timing,
        "faults": faults_in_words(&settings.faults),
        "heights": settings.heights,
        "orders": { "number": orders, "a": measure },
        "max_block_orders": settings.max_block_orders,
        "seed": settings.seed,
    })
}

fn members(report: &Report) -> Vec<Value> {
    let members = report.members.iter();
    members
        .map(|member| json!({ "is": part(member.part), "wins": member.wins }))
        .collect()
}

fn spread(times: &Distribution) -> Value {
    json!({
        "count": times.count(),
        "mean": times.mean(),
        "p50": times.quantile(0.5),
        "p90": times.quantile(0.9),
        "p99": times.quantile(0.99),
        "p999": times.quantile(0.999),
        "max": times.greatest(),
    })
}

fn cost(cost: &Cost) -> Value {
    json!({
        "mean": cost.mean(),
        "p50": cost.quantile(0.5),
        "p99": cost.quantile(0.99),
    })
}

/// What a member was.
pub(super) fn part(part: Part) -> String {
    match part {
        Part::Honest => "honest".to_owned(),
        Part::Dead => "dead".to_owned(),
        Part::Liar(kind) => liar_name(kind),
    }
}

fn mishaps(report: &Report) -> Vec<Value> {
    let mishaps = report.mishaps.iter().map(|mishap| {
        let (what, who) = match mishap.kind {
            MishapKind::Partition { apart } => ("partition", json!({ "members_apart": apart })),
            MishapKind::Crash { member } => ("crash", json!({ "member": member })),
        };
        json!({ "at_us": mishap.at, "until_us": mishap.until, "what": what, "who": who })
    });
    mishaps.collect()
}
