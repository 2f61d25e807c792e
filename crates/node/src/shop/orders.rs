//! Groups of orders on their way from the REST interface to the replica: what is wrong with them by
//! themselves, and what becomes of each.

use std::{
    collections::{BTreeSet, VecDeque},
    mem,
};

use api::backend::{Accepted, Answer, Submission, SubmitError};
use replica::{Refusal, Submitted};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use types::{ChainId, Digest, OrderError, Signatures};

/// An answer for each order of a group, or the group itself where the pool has no room for it.
pub(super) type Reply = Result<Vec<Answer>, Vec<Submission>>;

/// Orders placed together, and who waits for their answers.
pub(super) struct Group {
    pub(super) submissions: Vec<Submission>,
    /// What is known to become of each; `None` where the replica is to say.
    pub(super) answers: Vec<Option<Answer>>,
    pub(super) reply: oneshot::Sender<Reply>,
    /// Its share of the orders that may wait.
    pub(super) places: OwnedSemaphorePermit,
}

impl Group {
    pub(super) fn len(&self) -> usize {
        self.submissions.len()
    }

    /// How many of its orders the replica is to take in.
    pub(super) fn unanswered(&self) -> usize {
        self.answers
            .iter()
            .filter(|answer| answer.is_none())
            .count()
    }

    /// Says that there is no room for it.
    pub(super) fn give_back(self) {
        // Who asked may have gone away.
        let _ = self.reply.send(Err(self.submissions));
    }
}

/// The orders of one round and who waits for them.
#[derive(Default)]
pub(super) struct Round {
    submissions: Vec<replica::Submission>,
    waiting: Vec<Waiting>,
    keys: BTreeSet<Digest>,
}

/// Who waits for the answers of a round.
struct Waiting {
    answers: Vec<Option<Answer>>,
    reply: oneshot::Sender<Reply>,
    _places: OwnedSemaphorePermit,
}

impl Round {
    /// How many orders the replica is to take in.
    pub(super) fn len(&self) -> usize {
        self.submissions.len()
    }

    /// Whether one of a group's idempotency keys is just being used by another group.
    pub(super) fn uses_a_key_of(&self, group: &Group) -> bool {
        let mut known = group
            .submissions
            .iter()
            .filter_map(|order| order.idempotency);
        known.any(|known| self.keys.contains(&known.key))
    }

    /// Adds a group. A key that it uses twice belongs to the first order.
    pub(super) fn add(&mut self, group: Group) {
        let Group {
            submissions,
            mut answers,
            reply,
            places,
        } = group;
        for (submission, answer) in submissions.into_iter().zip(&mut answers) {
            if answer.is_some() {
                continue;
            }
            let Submission {
                order,
                personal,
                idempotency,
            } = submission;
            if idempotency.is_some_and(|known| !self.keys.insert(known.key)) {
                *answer = Some(Err(SubmitError::KeyReused));
                continue;
            }
            let answered = idempotency.map(|known| replica::Answered {
                key: known.key,
                body: known.body,
            });
            self.submissions.push(replica::Submission {
                order,
                personal,
                answered,
            });
        }
        self.waiting.push(Waiting {
            answers,
            reply,
            _places: places,
        });
    }

    /// The orders, for the replica.
    pub(super) fn take_submissions(&mut self) -> Vec<replica::Submission> {
        mem::take(&mut self.submissions)
    }

    /// Answers everyone, once what the replica took in is durable.
    pub(super) fn answer(self, mut submitted: VecDeque<Submitted>) {
        for Waiting { answers, reply, .. } in self.waiting {
            let answers = answers.into_iter().map(|known| {
                let said = || submitted.pop_front().map(answer);
                known.or_else(said).unwrap_or(Err(SubmitError::Stopping))
            });
            // Who asked may have gone away.
            let _ = reply.send(Ok(answers.collect()));
        }
    }
}

/// What the replica says, in the interface's words. It was given no more than there is room for.
fn answer(submitted: Submitted) -> Answer {
    submitted
        .map(|id| Accepted { id })
        .map_err(|refusal| match refusal {
            Refusal::Duplicate(id) => SubmitError::Duplicate { id },
            other => SubmitError::Invalid(other.to_string()),
        })
}

/// What is wrong with each order by itself. Customers' signatures are checked together; only where
/// one of them is wrong is each looked at, so that a wrong one costs at most three times a right one.
pub(super) fn judge(
    group: &[Submission],
    chain: &ChainId,
    signatures: &dyn Signatures,
) -> Vec<Option<Answer>> {
    let mut wrong: Vec<Option<OrderError>> = group.iter().map(wrong_by_itself).collect();
    let (places, checks): (Vec<usize>, Vec<_>) = (0..)
        .zip(group)
        .filter_map(|(place, submission)| Some((place, submission.order.check(chain)?)))
        .unzip();
    if !signatures.verify_identities(&checks) {
        for (place, check) in places.into_iter().zip(&checks) {
            if !signatures.verify_identity(&check.key, &check.message, &check.signature) {
                wrong[place].get_or_insert(OrderError::WrongSignature);
            }
        }
    }
    wrong
        .into_iter()
        .map(|wrong| wrong.map(|error| Err(SubmitError::Invalid(error.to_string()))))
        .collect()
}

fn wrong_by_itself(submission: &Submission) -> Option<OrderError> {
    if let Err(error) = submission.order.check_bounds() {
        return Some(error);
    }
    let fits = submission.personal.hash() == submission.order.personal_hash;
    (!fits).then_some(OrderError::PersonalMismatch)
}
