//! Judges a history of operations by the final order log.
//!
//! **What is promised.** The order book is one append-only log. Placing an order appends it at some
//! moment after it was asked for; an answer that names its place says that this moment has passed.
//! Reads come from what is final at the node asked, which may lag behind the others but is always a
//! beginning of the one log, and never shrinks, not even when the node restarts. What was answered
//! with 2xx is kept: at once at the node that answered, in the end in the log, exactly once, however
//! often it was asked for under the same key.
//!
//! **What is checked.** The final logs of all nodes, read when everything has healed, are the witness:
//!
//! 1. *One log.* They are equal, without gaps, and no order is in them twice.
//! 2. *Exactly once.* Every order that was answered with 2xx is in the log once, under the one id that
//!    all answers name; every other one at most once; and nothing is there that nobody placed.
//! 3. *Places.* Whenever an answer says where an order stands (index, height and block), that is where
//!    it stands in the end; and a page leaves nothing out between its first order and its last.
//! 4. *Real time.* An answer that shows `n` final orders came after the first `n` orders of the log
//!    were asked for. So an order placed with `?wait=final` (it shows all orders up to its own) is
//!    before every order that was asked for later, and nobody reads what is yet to come.
//! 5. *One node's view grows.* When an answer of a node shows that `n` orders are final there, no
//!    question asked of it later is answered as if there were fewer: a final order stays final, a list
//!    does not become shorter. This holds for an order's placing and its later reading as well.
//! 6. *Kept at once.* A node that took an order knows it ever after.
//! 7. *Answers.* Nobody is told something that the interface does not say or should not have said,
//!    such as that a right order is refused.
//!
//! **Why this is enough.** A history is linearizable when its operations can be put in one order that
//! the log explains and that no operation enters before it was asked for or after it was answered.
//! For a log whose answers name places, only one order comes into question for the appends, that of
//! the log itself, so nothing needs to be searched for (which is what makes the general problem,
//! Wing and Gong 1993, so expensive). Let every order of the log take effect at the latest asking among
//! itself and all before it. Those moments follow the log, and none is before its own asking. One that
//! is after its answer, or after an answer that already shows it, is exactly a violation of rule 4.
//! Where there is none, every answer that shows `n` orders comes after the first `n` took effect, as
//! it should. An attempt without an answer may have had its effect at any time or never, and rule 4
//! asks nothing of its end. An order may be asked for several times under its key; it begins with the
//! first.
//!
//! For what a node shows, moments are needed at which its view is between the bounds that each answer
//! tells (rule 5 collects them), so that the view only grows. Two answers exclude each other when the
//! first is over before the second begins and shows more than the second allows. That no two do is
//! enough: "over before the other begins" and "shows less than the other at least" are both interval
//! orders, and in the union of two of these every cycle contains one of length two.
//! (`search.rs` compares both claims with a search through all orders of small histories.)
//!
//! Which views different nodes have at the same time is not compared: a read may be stale.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use super::history::{Answer, Call, Entry, Operation, Place};

/// The history breaks a rule.
#[derive(Debug)]
pub(crate) struct Violation {
    /// Of the rules above.
    pub(crate) rule: u8,
    what: String,
    operations: Vec<Operation>,
}

/// Everything that is wrong with a history, given the final logs of all nodes.
pub(crate) fn check(history: &[Operation], logs: &[Vec<Entry>]) -> Vec<Violation> {
    let mut judge = Judge::new(history, &logs[0]);
    judge.one_log(logs);
    judge.exactly_once();
    judge.places();
    judge.real_time();
    judge.views_grow();
    judge.kept_at_once();
    judge.answers();
    judge.violations
}

struct Judge<'a> {
    history: &'a [Operation],
    log: &'a [Entry],
    /// Where each order stands in the end.
    places: BTreeMap<&'a str, &'a Place>,
    /// The first attempt at each order.
    first: BTreeMap<u64, &'a Operation>,
    violations: Vec<Violation>,
}

impl<'a> Judge<'a> {
    fn new(history: &'a [Operation], log: &'a [Entry]) -> Self {
        let mut first: BTreeMap<u64, &Operation> = BTreeMap::new();
        for operation in history {
            if let Call::Place { order, .. } = operation.call {
                let known = first.entry(order).or_insert(operation);
                if operation.invoked < known.invoked {
                    *known = operation;
                }
            }
        }
        Self {
            history,
            log,
            places: log
                .iter()
                .map(|entry| (entry.id.as_str(), &entry.place))
                .collect(),
            first,
            violations: Vec::new(),
        }
    }

    fn violation(&mut self, rule: u8, what: impl Into<String>, operations: &[&Operation]) {
        self.violations.push(Violation {
            rule,
            what: what.into(),
            operations: operations.iter().map(|&it| it.clone()).collect(),
        });
    }

    /// Rule 1.
    fn one_log(&mut self, logs: &[Vec<Entry>]) {
        for (node, log) in logs.iter().enumerate() {
            if log != self.log {
                let differ = log
                    .iter()
                    .zip(self.log)
                    .position(|(one, other)| one != other);
                let differ = differ.unwrap_or(log.len().min(self.log.len()));
                let (one, other) = (self.log.get(differ), log.get(differ));
                let what = format!("at {differ} node 0 has {one:?}, node {node} {other:?}");
                self.violation(1, what, &[]);
            }
        }
        let log = self.log;
        let mut ids = BTreeSet::new();
        for (index, entry) in (0..).zip(log) {
            if entry.place.index != index {
                self.violation(1, format!("at {index} of the log is {entry:?}"), &[]);
            }
            if !ids.insert(&entry.id) {
                self.violation(1, format!("twice in the log: {entry:?}"), &[]);
            }
        }
    }

    /// Rule 2.
    fn exactly_once(&mut self) {
        let mut recorded: BTreeMap<u64, &Entry> = BTreeMap::new();
        for entry in self.log {
            if !self.first.contains_key(&entry.order) {
                self.violation(2, format!("nobody placed {entry:?}"), &[]);
            }
            if let Some(other) = recorded.insert(entry.order, entry) {
                let what = format!("one key, two orders: {other:?} and {entry:?}");
                self.violation(2, what, &[]);
            }
        }
        for operation in self.history {
            if let (Call::Place { order, .. }, Some(id)) = (&operation.call, taken(operation)) {
                match recorded.get(order) {
                    None => self.violation(2, "lost", &[operation]),
                    Some(entry) if entry.id != id => {
                        let what = format!("it is in the log as {}", entry.id);
                        self.violation(2, what, &[operation]);
                    }
                    Some(_) => {}
                }
            }
        }
    }

    /// Rule 3.
    fn places(&mut self) {
        for operation in self.history {
            for (id, place) in told_places(operation) {
                let known = self.places.get(id).copied();
                if known != Some(place) {
                    let what = format!("{id} is at {known:?} in the end");
                    self.violation(3, what, &[operation]);
                }
            }
            if let (Call::List { after, limit }, Answer::Page { orders, .. }) =
                (&operation.call, &operation.answer)
            {
                let expected = after.map_or(0, |after| after + 1)..;
                let gap = (expected.zip(orders)).any(|(index, (_, place))| place.index != index);
                if gap || u64::try_from(orders.len()).unwrap() > *limit {
                    self.violation(3, "this is not the page asked for", &[operation]);
                }
            }
        }
    }

    /// Rule 4.
    fn real_time(&mut self) {
        // At each length of the log: of its orders, the one that was asked for last.
        let mut latest: Vec<Option<&Operation>> = vec![None];
        for entry in self.log {
            let begins = |it: &Option<&Operation>| it.map(|it: &Operation| it.invoked);
            let (before, asked) = (latest[latest.len() - 1], self.first.get(&entry.order));
            latest.push(
                [before, asked.copied()]
                    .into_iter()
                    .max_by_key(begins)
                    .flatten(),
            );
        }
        for operation in self.history {
            let Some(shown) = at_least(operation) else {
                continue;
            };
            match latest.get(usize::try_from(shown).unwrap()) {
                None => {
                    let what = format!("{shown} orders are shown, {} there are", self.log.len());
                    self.violation(4, what, &[operation]);
                }
                Some(Some(asked)) if operation.answered < asked.invoked => {
                    let what = "the answer shows an order that was asked for only afterwards";
                    self.violation(4, what, &[operation, asked]);
                }
                Some(_) => {}
            }
        }
    }

    /// Rule 5.
    fn views_grow(&mut self) {
        let nodes: BTreeSet<usize> = self.history.iter().map(|it| it.node).collect();
        for node in nodes {
            let asked_here = || self.history.iter().filter(|it| it.node == node);
            let mut shown: Vec<(Duration, u64, &Operation)> = asked_here()
                .filter_map(|it| at_least(it).map(|shown| (it.answered, shown, it)))
                .collect();
            shown.sort_by_key(|(answered, ..)| *answered);
            // From now on the most that was shown up to each answer, and by which.
            for place in 1..shown.len() {
                if shown[place].1 < shown[place - 1].1 {
                    (shown[place].1, shown[place].2) = (shown[place - 1].1, shown[place - 1].2);
                }
            }
            let mut shrunk = Vec::new();
            for later in asked_here() {
                let Some(most) = self.at_most(later) else {
                    continue;
                };
                let before = shown.partition_point(|(answered, ..)| *answered < later.invoked);
                if let Some((_, least, earlier)) = shown[..before].last().copied()
                    && most < least
                {
                    shrunk.push((format!("{least} final orders, then {most}"), earlier, later));
                }
            }
            for (what, earlier, later) in shrunk {
                self.violation(5, what, &[earlier, later]);
            }
        }
    }

    /// Rule 6.
    fn kept_at_once(&mut self) {
        let mut kept: BTreeMap<(usize, &str), &Operation> = BTreeMap::new();
        for operation in self.history {
            if let Some(id) = taken(operation) {
                let first = kept.entry((operation.node, id)).or_insert(operation);
                if operation.answered < first.answered {
                    *first = operation;
                }
            }
        }
        for operation in self.history {
            if let (Call::Show { id }, Answer::NotFound) = (&operation.call, &operation.answer)
                && let Some(taken) = kept.get(&(operation.node, id.as_str()))
                && taken.answered < operation.invoked
            {
                self.violation(6, "taken, then not known", &[taken, operation]);
            }
        }
    }

    /// Rule 7.
    fn answers(&mut self) {
        for operation in self.history {
            if let Answer::Wrong(_) = operation.answer {
                self.violation(7, "no client should be told this", &[operation]);
            }
        }
    }

    /// How many orders are final at the node at most, at some moment of the operation.
    fn at_most(&self, operation: &Operation) -> Option<u64> {
        match (&operation.call, &operation.answer) {
            // All before it may be final there, but not the order itself.
            (Call::Show { id }, Answer::Shown { place: None } | Answer::NotFound) => {
                self.places.get(id.as_str()).map(|place| place.index)
            }
            (Call::List { after, .. }, Answer::Page { orders, last: true }) => {
                let last = orders.last().map(|(_, place)| place.index).or(*after);
                Some(last.map_or(0, |last| last + 1))
            }
            (Call::Size, Answer::Size(size)) => Some(*size),
            _ => None,
        }
    }
}

/// How many orders are final at the node at least, at some moment of the operation.
fn at_least(operation: &Operation) -> Option<u64> {
    match &operation.answer {
        Answer::Final { place, .. } | Answer::Shown { place: Some(place) } => Some(place.index + 1),
        // Where it is not the last page, there is one more.
        Answer::Page { orders, last } => orders
            .last()
            .map(|(_, place)| place.index + if *last { 1 } else { 2 }),
        Answer::Size(size) => Some(*size),
        _ => None,
    }
}

/// The id of the order that an operation's answer says is taken.
fn taken(operation: &Operation) -> Option<&str> {
    match &operation.answer {
        Answer::Accepted { id } | Answer::Final { id, .. } => Some(id),
        _ => None,
    }
}

/// Every order that an answer names a place of.
fn told_places(operation: &Operation) -> Vec<(&str, &Place)> {
    match (&operation.call, &operation.answer) {
        (_, Answer::Final { id, place }) => vec![(id, place)],
        (Call::Show { id }, Answer::Shown { place: Some(place) }) => vec![(id, place)],
        (_, Answer::Page { orders, .. }) => {
            orders.iter().map(|(id, place)| (&**id, place)).collect()
        }
        _ => Vec::new(),
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}: {}", self.rule, self.what)?;
        for operation in &self.operations {
            write!(f, "\n    {operation}")?;
        }
        Ok(())
    }
}
