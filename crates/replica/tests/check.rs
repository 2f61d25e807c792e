//! Messages checked together: each gets the verdict that it would get alone.

use std::sync::Arc;

use replica::{Checker, Fault, VerifiedLately};
use types::{
    Amount, Batch, BatchError, BlsAndEd25519, ChainId, Entry, FullBatch, Genesis, IdentitySecret,
    MemberSet, Message, Order, PersonalPart, Signatures, Simulated, Text, UnixMillis, Voucher,
};

mod world;

use world::{LAN, World, timing};

struct Network {
    genesis: Genesis,
    chain: ChainId,
    members: MemberSet,
    author: IdentitySecret,
}

impl Network {
    fn found() -> Self {
        let world = World::new(1, 4, types::FaultModel::Byzantine, timing(5, 5), LAN);
        Self {
            genesis: (*world.genesis).clone(),
            chain: world.genesis.chain_id(),
            members: world.genesis.member_set(),
            author: world.secrets(0).0.clone(),
        }
    }

    fn check(
        &self,
        signatures: &dyn Signatures,
        messages: Vec<Message>,
        lately: &mut VerifiedLately,
    ) -> Vec<Result<(), Fault>> {
        let checker = Checker {
            signatures,
            genesis: &self.genesis,
            chain: &self.chain,
            members: &self.members,
        };
        let alone: Vec<_> = messages
            .iter()
            .map(|message| checker.check(message.clone()).map(drop))
            .collect();
        let together = checker.check_all(messages, lately);
        let together: Vec<_> = together
            .into_iter()
            .map(|checked| checked.map(drop))
            .collect();
        if signatures.identity_public(&self.author) == Simulated.identity_public(&self.author) {
            assert_eq!(together, alone);
        }
        together
    }

    fn batch(&self, number: u64) -> FullBatch {
        let personal = PersonalPart {
            salt: [7; 16],
            customer: Text::new(format!("customer {number}")).unwrap(),
            details: Text::new("1 Latte").unwrap(),
        };
        let key = Simulated.identity_public(&self.author);
        let author = self.members.index_of_identity(&key).unwrap();
        let author = self.members.get(author).unwrap().id;
        let order = Order {
            receiver: Text::new("shop").unwrap(),
            amount: Amount {
                minor_units: number,
                currency: self.genesis.currency,
            },
            placed_at: UnixMillis(1),
            personal_hash: personal.hash(),
            voucher: Voucher::Till(author),
        };
        let entries = vec![Entry::Order(order)];
        let batch = Batch::sign(
            &Simulated,
            &self.chain,
            &self.author,
            author,
            number,
            entries,
        );
        FullBatch {
            batch: batch.batch().clone(),
            personal: Arc::new(vec![Some(personal)]),
        }
    }
}

/// The same content under another number: its signature is wrong.
fn forged(full: &FullBatch) -> FullBatch {
    let mut forged = full.clone();
    Arc::make_mut(&mut forged.batch).number += 1_000;
    forged
}

const WRONG: Fault = Fault::Batch(BatchError::WrongSignature);

#[test]
fn a_wrong_signature_spoils_no_other_message() {
    let network = Network::found();
    let [first, second, third] = [1, 2, 3].map(|number| network.batch(number));
    let mut garbled = second.clone();
    Arc::make_mut(&mut garbled.personal)[0]
        .as_mut()
        .unwrap()
        .salt[0] ^= 1;
    let messages = vec![
        Message::Batch(first.clone()),
        Message::Batch(forged(&first)),
        Message::Batch(garbled),
        Message::FetchBatches(Vec::new()),
        Message::Batch(second),
        Message::Batch(forged(&third)),
        Message::Batch(third),
    ];
    let mut lately = VerifiedLately::default();
    let checked = network.check(&Simulated, messages.clone(), &mut lately);
    let expected = [
        Ok(()),
        Err(WRONG),
        Err(Fault::Personal),
        Ok(()),
        Ok(()),
        Err(WRONG),
        Ok(()),
    ];
    assert_eq!(checked, expected);
    // What was wrong is not remembered as right.
    assert_eq!(network.check(&Simulated, messages, &mut lately), expected);
}

#[test]
fn a_batch_that_is_sent_again_is_not_verified_again() {
    let network = Network::found();
    let [first, second] = [1, 2].map(|number| Message::Batch(network.batch(number)));
    let mut lately = VerifiedLately::default();
    let once = network.check(&Simulated, vec![first.clone()], &mut lately);
    assert_eq!(once, [Ok(())]);
    // For these signatures all of the others are wrong, so that it shows what is verified.
    let others = BlsAndEd25519::new();
    let again = vec![first.clone(), second.clone(), first];
    let checked = network.check(&others, again, &mut lately);
    assert_eq!(checked, [Ok(()), Err(WRONG), Ok(())]);
}

#[test]
fn so_many_batches_are_remembered() {
    let network = Network::found();
    let mut lately = VerifiedLately::default();
    let batches: Vec<Message> = (0..4_097)
        .map(|number| Message::Batch(network.batch(number)))
        .collect();
    let all = network.check(&Simulated, batches.clone(), &mut lately);
    assert!(all.iter().all(Result::is_ok));
    let others = BlsAndEd25519::new();
    let ends = vec![
        batches[0].clone(),
        batches[1].clone(),
        batches[4_096].clone(),
    ];
    let checked = network.check(&others, ends, &mut lately);
    assert_eq!(checked, [Err(WRONG), Ok(()), Ok(())]);
}
