//! Groups of orders on their way from the REST interface to the replica: what is wrong with them by
//! themselves, and what becomes of each.

use std::{
    collections::{BTreeSet, VecDeque},
    mem,
};

use api::backend::{Accepted, Answer, Idempotency, Submission, SubmitError};
use replica::{Refusal, Submitted};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use types::{ChainId, Digest, Entry, HashedEntry, OrderError, Signatures};

/// An answer for each order of a group, or the group itself where there is no room for it.
pub(super) type Reply = Result<Vec<Answer>, NoRoom>;

/// A group that there is no room for, given back whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// Among what waits for the driver, which empties within moments.
    InQueue(Vec<Submission>),
    /// In the pool, which empties as blocks become final.
    InPool(Vec<Submission>),
}

/// Orders placed together, and who waits for their answers.
pub(super) struct Group {
    pub(super) submissions: Vec<replica::Submission>,
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

    /// Says that the pool has no room for it.
    pub(super) fn give_back(self) {
        // Who asked may have gone away.
        let _ = self
            .reply
            .send(Err(NoRoom::InPool(given_back(self.submissions))));
    }
}

/// The orders of one round and who waits for them.
#[derive(Default)]
pub(super) struct Intake {
    submissions: Vec<replica::Submission>,
    waiting: Vec<Waiting>,
    keys: BTreeSet<Digest>,
}

/// Who waits for the answers of a intake.
struct Waiting {
    answers: Vec<Option<Answer>>,
    reply: oneshot::Sender<Reply>,
    _places: OwnedSemaphorePermit,
}

impl Intake {
    /// How many orders the replica is to take in.
    pub(super) fn len(&self) -> usize {
        self.submissions.len()
    }

    /// Whether one of a group's idempotency keys is just being used by another group.
    pub(super) fn uses_a_key_of(&self, group: &Group) -> bool {
        let mut known = group.submissions.iter().filter_map(|order| order.answered);
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
        self.submissions.reserve(submissions.len());
        for (submission, answer) in submissions.into_iter().zip(&mut answers) {
            if answer.is_some() {
                continue;
            }
            let key = submission.answered.map(|answered| answered.key);
            if key.is_some_and(|key| !self.keys.insert(key)) {
                *answer = Some(Err(SubmitError::KeyReused));
                continue;
            }
            self.submissions.push(submission);
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

/// Orders as the replica takes them, hashed once and for all.
pub(super) fn hashed(group: Vec<Submission>) -> Vec<replica::Submission> {
    let mut scratch = Vec::new();
    let orders = group.into_iter().map(|submission| replica::Submission {
        entry: HashedEntry::new(Entry::Order(submission.order), &mut scratch),
        personal: submission.personal,
        answered: submission.idempotency.map(|known| replica::Answered {
            key: known.key,
            body: known.body,
        }),
    });
    orders.collect()
}

/// The same orders as they came.
pub(super) fn given_back(group: Vec<replica::Submission>) -> Vec<Submission> {
    let orders = group.into_iter().map(|submission| Submission {
        order: submission.entry.into_entry().into_order(),
        personal: submission.personal,
        idempotency: submission.answered.map(|answered| Idempotency {
            key: answered.key,
            body: answered.body,
        }),
    });
    orders.collect()
}

/// What is wrong with each order by itself. Customers' signatures are checked together; only where
/// one of them is wrong is each looked at, so that a wrong one costs at most three times a right one.
pub(super) fn judge(
    group: &[Submission],
    chain: &ChainId,
    signatures: &dyn Signatures,
) -> Vec<Option<Answer>> {
    let mut wrong: Vec<Option<OrderError>> = group
        .iter()
        .map(|submission| submission.order.check_bounds().err())
        .collect();
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

#[cfg(test)]
pub(super) mod tests {
    use tokio::sync::Semaphore;
    use types::{
        Amount, BlsAndEd25519, IdentitySecret, MemberId, Order, OrderId, PersonalPart, Text,
        UnixMillis, Voucher, units::MAX_MINOR_UNITS,
    };

    use super::*;

    const CHAIN: ChainId = ChainId::new([7; 32]);

    /// An order of a till; its personal part fits.
    pub(in crate::shop) fn submission(salt: u8) -> Submission {
        let personal = PersonalPart {
            salt: [salt; 16],
            customer: Text::new("Ada").unwrap(),
            details: Text::new("Latte").unwrap(),
        };
        let order = Order {
            receiver: Text::new("shop").unwrap(),
            amount: Amount {
                minor_units: 450,
                currency: "EUR".parse().unwrap(),
            },
            placed_at: UnixMillis(2_000_000),
            personal_hash: personal.hash(),
            voucher: Voucher::Till(MemberId::ZERO),
        };
        Submission {
            order,
            personal,
            idempotency: None,
        }
    }

    fn signed(salt: u8) -> Submission {
        let mut signed = submission(salt);
        let secret = IdentitySecret::new([salt; 32]);
        signed.order = signed.order.sign(&BlsAndEd25519::new(), &CHAIN, &secret);
        signed
    }

    fn under_key(salt: u8, key: u8) -> Submission {
        Submission {
            idempotency: Some(Idempotency {
                key: Digest::new([key; 32]),
                body: Digest::new([salt; 32]),
            }),
            ..submission(salt)
        }
    }

    fn group(submissions: Vec<Submission>) -> (Group, oneshot::Receiver<Reply>) {
        let (reply, answered) = oneshot::channel();
        let places = std::sync::Arc::new(Semaphore::new(1));
        let group = Group {
            answers: vec![None; submissions.len()],
            submissions: hashed(submissions),
            reply,
            places: places.try_acquire_owned().unwrap(),
        };
        (group, answered)
    }

    #[test]
    fn what_is_wrong_by_itself_is_found_and_nothing_else() {
        let mut group: Vec<Submission> = (0..6).map(signed).collect();
        group.push(submission(6));
        let judged = |group: &[Submission]| judge(group, &CHAIN, &BlsAndEd25519::new());
        assert!(judged(&group).iter().all(Option::is_none));
        assert!(judged(&[]).is_empty());

        group[1].order.placed_at = UnixMillis(1);
        group[4].order.amount.minor_units = MAX_MINOR_UNITS + 1;
        group[6].order.amount.minor_units += 1;
        let wrong: Vec<Option<OrderError>> = vec![
            None,
            Some(OrderError::WrongSignature),
            None,
            None,
            Some(OrderError::AmountTooLarge),
            None,
            None,
        ];
        let told = wrong
            .into_iter()
            .map(|wrong| wrong.map(|error| Err(SubmitError::Invalid(error.to_string())) as Answer));
        assert_eq!(judged(&group), told.collect::<Vec<_>>());
    }

    #[test]
    fn every_group_of_a_round_gets_its_own_answers_in_order() {
        let mut intake = Intake::default();
        let (mut first, first_answered) = group(vec![submission(1), submission(2), submission(3)]);
        let known = Err(SubmitError::Invalid("known".to_owned()));
        first.answers[1] = Some(known.clone());
        assert_eq!((first.len(), first.unanswered()), (3, 2));
        intake.add(first);
        let (second, second_answered) = group(vec![submission(4)]);
        intake.add(second);
        let submissions = intake.take_submissions();
        let salts: Vec<u8> = submissions
            .iter()
            .map(|order| order.personal.salt[0])
            .collect();
        assert_eq!(salts, [1, 3, 4]);

        let [a, b] = [8, 9].map(|byte| OrderId::new([byte; 32]));
        intake.answer([Ok(a), Err(Refusal::Duplicate(b)), Ok(b)].into());
        let duplicate = Err(SubmitError::Duplicate { id: b });
        assert_eq!(
            first_answered.blocking_recv().unwrap().unwrap(),
            [Ok(Accepted { id: a }), known, duplicate]
        );
        assert_eq!(
            second_answered.blocking_recv().unwrap().unwrap(),
            [Ok(Accepted { id: b })]
        );
    }

    #[test]
    fn a_key_belongs_to_the_first_order_that_uses_it() {
        let mut intake = Intake::default();
        let (twice, answered) = group(vec![under_key(1, 1), under_key(2, 1), under_key(3, 2)]);
        assert!(!intake.uses_a_key_of(&twice));
        intake.add(twice);
        assert_eq!(intake.len(), 2);
        assert!(intake.uses_a_key_of(&group(vec![submission(4), under_key(4, 2)]).0));
        assert!(!intake.uses_a_key_of(&group(vec![under_key(5, 3)]).0));
        let id = OrderId::ZERO;
        intake.answer([Ok(id), Ok(id)].into());
        assert_eq!(
            answered.blocking_recv().unwrap().unwrap(),
            [
                Ok(Accepted { id }),
                Err(SubmitError::KeyReused),
                Ok(Accepted { id })
            ]
        );
    }

    #[test]
    fn a_group_without_room_comes_back_whole() {
        let (full, answered) = group(vec![submission(1), submission(2)]);
        full.give_back();
        let back = answered.blocking_recv().unwrap().unwrap_err();
        assert_eq!(back, NoRoom::InPool(vec![submission(1), submission(2)]));
    }
}
