//! The checker's two claims that need a proof, compared with a search through all orders in which the
//! operations of small histories could have taken effect.

use super::{
    bad_histories::operation,
    checker::check,
    history::{Answer, Call, Entry, Operation, Place},
    random::Random,
};

const HISTORIES: u64 = 3_000;
/// Orders in the log, and numbers that operations show.
const ORDERS: u64 = 3;
const READS: u64 = 3;
/// Few moments, so that operations touch each other in all ways.
const MOMENTS: u64 = 8;

fn place(index: u64) -> Place {
    Place {
        index,
        height: 1,
        block: String::new(),
    }
}
fn log() -> Vec<Entry> {
    let entry = |index: u64| Entry {
        id: index.to_string(),
        order: index,
        place: place(index),
    };
    (0..ORDERS).map(entry).collect()
}
fn times(random: &mut Random) -> [u64; 2] {
    let mut times = [random.below(MOMENTS), random.below(MOMENTS)];
    times.sort_unstable();
    times
}

/// Is there an order of the operations that keeps to real time and that `explains` accepts step by
/// step, given what came before?
fn exists(
    operations: &[Operation],
    done: &mut Vec<usize>,
    explains: &dyn Fn(&[usize], usize) -> bool,
) -> bool {
    if done.len() == operations.len() {
        return true;
    }
    for next in 0..operations.len() {
        let over_before = |other: usize| {
            let never_ends = matches!(operations[other].answer, Answer::Unknown(_));
            !never_ends && operations[other].answered < operations[next].invoked
        };
        let open = |other: &usize| !done.contains(other);
        if !open(&next)
            || (0..operations.len()).filter(open).any(over_before)
            || !explains(done, next)
        {
            continue;
        }
        done.push(next);
        let found = exists(operations, done, explains);
        done.pop();
        if found {
            return true;
        }
    }
    false
}

#[test]
fn real_time_is_judged_as_a_search_judges_it() {
    let mut random = Random::new(1);
    let mut good = 0;
    for _ in 0..HISTORIES {
        // Every operation at a node of its own, so that no views are compared.
        let mut history = Vec::new();
        for order in 0..ORDERS {
            let answer = match random.below(3) {
                0 => Answer::Unknown(String::new()),
                _ => Answer::Final {
                    id: order.to_string(),
                    place: place(order),
                },
            };
            let call = Call::Place { order, wait: true };
            history.push(operation(history.len(), times(&mut random), call, answer));
        }
        for _ in 0..random.below(READS + 1) {
            let index = random.below(ORDERS);
            let id = index.to_string();
            let place = Some(place(index));
            let (call, answer) = (Call::Show { id }, Answer::Shown { place });
            history.push(operation(history.len(), times(&mut random), call, answer));
        }
        let orders = usize::try_from(ORDERS).unwrap();
        let explains = |done: &[usize], next: usize| {
            let size = done.iter().filter(|&&it| it < orders).count();
            match &history[next].answer {
                Answer::Shown { place: Some(place) } => {
                    size > usize::try_from(place.index).unwrap()
                }
                _ => size == next,
            }
        };
        let possible = exists(&history, &mut Vec::new(), &explains);
        let violations = check(&history, &[log()]);
        assert!(violations.iter().all(|it| it.rule == 4), "{violations:?}");
        assert_eq!(possible, violations.is_empty(), "{history:#?}");
        good += u64::from(possible);
    }
    assert!(
        good > HISTORIES / 20 && good < HISTORIES * 19 / 20,
        "{good}"
    );
}

#[test]
fn a_nodes_view_is_judged_as_a_search_judges_it() {
    let mut random = Random::new(2);
    let mut good = 0;
    for _ in 0..HISTORIES {
        let mut reads = Vec::new();
        for _ in 0..2 + random.below(READS + 1) {
            let index = random.below(ORDERS);
            let id = index.to_string();
            let (call, answer) = match random.below(3) {
                0 => (Call::Size, Answer::Size(index)),
                1 => (Call::Show { id }, Answer::NotFound),
                _ => {
                    let place = Some(place(index));
                    (Call::Show { id }, Answer::Shown { place })
                }
            };
            reads.push(operation(0, times(&mut random), call, answer));
        }
        let bounds = |read: usize| match (&reads[read].call, &reads[read].answer) {
            (_, Answer::Size(size)) => (*size, *size),
            (Call::Show { id }, Answer::NotFound) => (0, id.parse().unwrap()),
            (Call::Show { id }, _) => (id.parse::<u64>().unwrap() + 1, ORDERS),
            other => panic!("{other:?}"),
        };
        let explains = |done: &[usize], next: usize| {
            let least = done.iter().map(|it| bounds(*it).0).max().unwrap_or(0);
            least.max(bounds(next).0) <= bounds(next).1
        };
        let possible = exists(&reads, &mut Vec::new(), &explains);
        // Asked for at another node before anything else.
        let mut history = reads.clone();
        history.extend((0..ORDERS).map(|order| {
            let call = Call::Place { order, wait: true };
            operation(1, [0, 0], call, Answer::Unknown(String::new()))
        }));
        let violations = check(&history, &[log()]);
        assert!(violations.iter().all(|it| it.rule == 5), "{violations:?}");
        assert_eq!(possible, violations.is_empty(), "{history:#?}");
        good += u64::from(possible);
    }
    assert!(
        good > HISTORIES / 20 && good < HISTORIES * 19 / 20,
        "{good}"
    );
}
