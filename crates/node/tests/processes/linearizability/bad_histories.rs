//! The checker finds what is wrong with histories made by hand, and nothing wrong with good ones.

use std::time::Duration;

use super::{
    checker::check,
    history::{Answer, Call, Entry, Operation, Place},
};

/// The order log's order at a place; its number is its place, unless a test says otherwise.
fn entry(index: u64) -> Entry {
    Entry {
        id: id(index),
        order: index,
        place: place(index),
    }
}
fn id(order: u64) -> String {
    format!("o{order}")
}
fn place(index: u64) -> Place {
    Place {
        index,
        height: index / 2 + 1,
        block: format!("b{}", index / 2 + 1),
    }
}
fn placing(order: u64) -> Call {
    Call::Place { order, wait: true }
}
fn final_at(index: u64) -> Answer {
    Answer::Final {
        id: id(index),
        place: place(index),
    }
}
fn show(order: u64) -> Call {
    Call::Show { id: id(order) }
}
fn shown(index: Option<u64>) -> Answer {
    Answer::Shown {
        place: index.map(place),
    }
}
fn list(after: Option<u64>) -> Call {
    Call::List { after, limit: 3 }
}
fn page(indexes: &[u64], last: bool) -> Answer {
    let orders = indexes.iter().map(|index| (id(*index), place(*index)));
    Answer::Page {
        orders: orders.collect(),
        last,
    }
}
pub(super) fn operation(node: usize, times: [u64; 2], call: Call, answer: Answer) -> Operation {
    let [invoked, answered] = times.map(Duration::from_millis);
    Operation {
        client: 0,
        node,
        call,
        invoked,
        answered,
        answer,
    }
}

/// Four orders, the last of them never answered and never recorded, and all kinds of reading.
fn good() -> Vec<Operation> {
    let unknown = || Answer::Unknown("timeout".to_owned());
    vec![
        operation(0, [0, 10], placing(0), final_at(0)),
        operation(1, [5, 20], placing(1), unknown()),
        operation(1, [30, 35], placing(1), Answer::Accepted { id: id(1) }),
        operation(2, [31, 50], placing(2), final_at(2)),
        operation(1, [36, 37], show(1), shown(None)),
        operation(1, [60, 61], show(1), shown(Some(1))),
        operation(2, [70, 71], list(None), page(&[0, 1, 2], true)),
        operation(2, [72, 73], list(Some(0)), page(&[1, 2], true)),
        operation(2, [74, 75], list(Some(2)), page(&[], true)),
        // Behind the others, as it may be.
        operation(3, [76, 77], Call::Size, Answer::Size(1)),
        operation(3, [78, 79], show(2), Answer::NotFound),
        operation(3, [80, 90], placing(3), unknown()),
    ]
}
fn log() -> Vec<Entry> {
    (0..3).map(entry).collect()
}

/// The rules that are broken, each once.
fn broken(history: &[Operation], logs: &[Vec<Entry>]) -> Vec<u8> {
    let mut rules: Vec<u8> = check(history, logs).iter().map(|it| it.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}
/// The rules broken when this comes after a good history.
fn broken_by(operations: impl IntoIterator<Item = Operation>) -> Vec<u8> {
    let history: Vec<_> = good().into_iter().chain(operations).collect();
    broken(&history, &[log(), log()])
}

#[test]
fn a_good_history_passes() {
    assert_eq!(broken_by([]), [0; 0]);
    // What was never answered may have been recorded all the same.
    let more: Vec<_> = (0..4).map(entry).collect();
    assert_eq!(broken(&good(), &[more.clone(), more]), [0; 0]);
}

#[test]
fn logs_that_differ_or_hold_something_twice() {
    assert_eq!(broken(&good(), &[log(), log()[..2].to_vec()]), [1]);
    let mut other = log();
    other[1].place.block = "fork".to_owned();
    assert_eq!(broken(&good(), &[log(), other]), [1]);

    let mut gap = log();
    gap[2].place.index = 3;
    assert_eq!(broken(&good(), &[gap]), [1, 3]);
    let mut final_at_two = log();
    final_at_two.push(Entry {
        place: place(3),
        ..entry(0)
    });
    assert_eq!(broken(&good(), &[final_at_two]), [1, 2, 3]);
}

#[test]
fn an_acknowledged_order_that_is_lost() {
    let accepted = Answer::Accepted { id: id(3) };
    let lost = operation(0, [100, 101], placing(3), accepted);
    assert_eq!(broken_by([lost]), [2]);
    let elsewhere = Answer::Accepted { id: id(7) };
    let renamed = operation(1, [100, 101], placing(1), elsewhere);
    assert_eq!(broken_by([renamed]), [2]);
}

#[test]
fn a_key_used_for_two_orders_and_an_order_nobody_placed() {
    let mut twice = log();
    twice.push(Entry {
        order: 1,
        ..entry(3)
    });
    assert_eq!(broken(&good(), &[twice]), [2]);
    let mut invented = log();
    invented.push(Entry {
        order: 9,
        ..entry(3)
    });
    assert_eq!(broken(&good(), &[invented]), [2]);
}

#[test]
fn one_order_at_two_places_and_two_orders_at_one() {
    let moved = Answer::Shown {
        place: Some(place(2)),
    };
    assert_eq!(broken_by([operation(0, [100, 101], show(1), moved)]), [3]);
    let other_block = Place {
        block: "fork".to_owned(),
        ..place(1)
    };
    let orders = vec![(id(1), other_block)];
    let forked = Answer::Page {
        orders,
        last: false,
    };
    let forked = operation(0, [100, 101], list(Some(0)), forked);
    assert_eq!(broken_by([forked]), [3]);
    let same_place = Answer::Final {
        id: id(3),
        place: place(2),
    };
    let history = operation(0, [100, 101], placing(3), same_place);
    assert_eq!(broken_by([history]), [2, 3]);
}

#[test]
fn a_page_with_a_gap() {
    let gap = operation(0, [100, 101], list(None), page(&[0, 2], true));
    assert_eq!(broken_by([gap]), [3]);
    let too_much = operation(0, [100, 101], list(None), page(&[0, 1, 2], true));
    let too_much = Operation {
        call: Call::List {
            after: None,
            limit: 2,
        },
        ..too_much
    };
    assert_eq!(broken_by([too_much]), [3]);
}

#[test]
fn an_order_final_before_another_was_asked_for_but_behind_it() {
    // Order 1 was asked for at 5 ms; were it asked for only after order 2 was final, at 50 ms, it
    // would have to be behind that.
    let mut history = good();
    history.retain(|it| !matches!(it.call, Call::Place { order: 1, .. }));
    let late = |invoked| operation(1, [invoked, 59], placing(1), final_at(1));
    history.retain(|it| it.node != 1);
    history.push(late(50));
    assert_eq!(broken(&history, &[log()]), [0; 0]);
    history.pop();
    history.push(late(51));
    assert_eq!(broken(&history, &[log()]), [4]);
    // The same where nobody knows what became of the later one: it is in the log.
    history.pop();
    let unknown = Answer::Unknown(String::new());
    history.push(operation(1, [51, 59], placing(1), unknown));
    assert_eq!(broken(&history, &[log()]), [4]);
}

#[test]
fn reading_what_is_yet_to_come() {
    let mut history = good();
    // Order 2 was asked for at 31 ms.
    history.push(operation(0, [20, 30], Call::Size, Answer::Size(3)));
    assert_eq!(broken(&history, &[log()]), [4]);
    assert_eq!(
        broken_by([operation(0, [100, 101], Call::Size, Answer::Size(4))]),
        [4]
    );
    let more = operation(0, [100, 101], list(Some(1)), page(&[2], false));
    assert_eq!(broken_by([more]), [4], "there is no further page");
}

#[test]
fn seen_final_and_later_not() {
    // At node 2 all three orders were final at 71 ms.
    for (call, answer) in [
        (show(2), shown(None)),
        (show(1), Answer::NotFound),
        (list(Some(0)), page(&[1], true)),
        (list(Some(1)), page(&[], true)),
        (Call::Size, Answer::Size(2)),
    ] {
        let at = |node, times| operation(node, times, call.clone(), answer.clone());
        assert_eq!(broken_by([at(2, [100, 101])]), [5], "{call:?}");
        // Another node may be behind, and an operation at the same time may come first.
        assert_eq!(broken_by([at(3, [100, 101])]), [0; 0], "{call:?}");
        assert_eq!(broken_by([at(2, [45, 101])]), [0; 0], "{call:?}");
    }
}

#[test]
fn answered_final_and_then_not_final_at_the_same_node() {
    let later = operation(2, [51, 52], Call::Size, Answer::Size(2));
    assert_eq!(broken_by([later]), [5]);
}

#[test]
fn taken_and_then_not_known() {
    let forgotten = |node, times| operation(node, times, show(1), Answer::NotFound);
    assert_eq!(broken_by([forgotten(1, [36, 37])]), [6]);
    assert_eq!(broken_by([forgotten(1, [34, 37])]), [0; 0]);
    assert_eq!(broken_by([forgotten(0, [36, 37])]), [0; 0]);
}

#[test]
fn an_answer_that_should_never_be() {
    let refused = Answer::Wrong("409".to_owned());
    let refused = operation(1, [100, 101], placing(1), refused);
    assert_eq!(broken_by([refused.clone()]), [7]);
    let history: Vec<_> = good().into_iter().chain([refused]).collect();
    let text = check(&history, &[log()])[0].to_string();
    let expected = "rule 7: no client should be told this\n      0.100000 to   0.101000 s, client 0 at node 1: \
                    Place { order: 1, wait: true } -> Wrong(\"409\")";
    assert_eq!(text, expected);
}
