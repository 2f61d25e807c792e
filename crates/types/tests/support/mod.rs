//! A small network with fixed secrets, for the tests of this crate.
#![allow(dead_code, reason = "every test file uses its own part")]

pub(crate) mod vectors;

use std::sync::Arc;

use types::{
    Amount, Batch, Block, BlsAndEd25519, Certificate, Entry, Epoch, FullBatch, Genesis, Header,
    Height, IdentitySecret, IdentitySignature, LogIndex, LogSize, LotterySecret, MemberCard,
    MemberIndex, Micros, Order, PersonalPart, Receipt, Signatures, SignedBlock, Simulated, Text,
    Timing, UnixMillis, Vote, VoteKind, Voucher,
    block::{batches_root, genesis_block_hash},
    genesis::Admission,
    members::FaultModel,
    merkle,
    vote::vote_signing_bytes,
};

/// Both implementations: what holds for one must hold for the other.
pub(crate) fn implementations() -> [(&'static str, Box<dyn Signatures>); 2] {
    [
        ("real", Box::new(BlsAndEd25519::new())),
        ("simulated", Box::new(Simulated)),
    ]
}

pub(crate) fn identity(number: u8) -> IdentitySecret {
    IdentitySecret::new([number; 32])
}

pub(crate) fn lottery(number: u8) -> LotterySecret {
    LotterySecret::new([number.wrapping_add(100); 32])
}

pub(crate) fn card(signatures: &dyn Signatures, number: u8) -> MemberCard {
    let name = Text::new(format!("Shop {number}")).unwrap();
    MemberCard::new(signatures, name, &identity(number), &lottery(number))
}

/// A network of members 1 to `members`.
pub(crate) fn genesis(signatures: &dyn Signatures, members: u8) -> Genesis {
    Genesis {
        version: types::FORMAT_VERSION,
        network: Text::new("Café Lane").unwrap(),
        genesis_time: UnixMillis(1_700_000_000_000),
        currency: "EUR".parse().unwrap(),
        fault_model: FaultModel::Byzantine,
        timing: Timing {
            min_wait: Micros(1_000),
            mean_wait: Micros(5_000),
            grace: Micros(5_000),
        },
        max_block_orders: 1_000,
        max_block_bytes: 128 * 1024,
        max_batch_orders: 100,
        heartbeat: Micros(0),
        admission: Admission::Fixed,
        members: (1..=members)
            .map(|number| card(signatures, number))
            .collect(),
    }
}

/// The secrets' number of a member, by its index.
pub(crate) fn number_of(signatures: &dyn Signatures, genesis: &Genesis, index: MemberIndex) -> u8 {
    let key = genesis.member_set().get(index).unwrap().lottery_key;
    let mut numbers = 1..=u8::MAX;
    numbers
        .find(|number| signatures.lottery_public(&lottery(*number)) == key)
        .unwrap()
}

pub(crate) fn personal(number: u8) -> PersonalPart {
    PersonalPart {
        salt: [number; 16],
        customer: Text::new(format!("ANON-{number}")).unwrap(),
        details: Text::new("1 Latte").unwrap(),
    }
}

/// An order at the till of the member with this card.
pub(crate) fn till_order(card: &MemberCard, number: u8) -> Order {
    Order {
        receiver: Text::new("Café Lane").unwrap(),
        amount: Amount {
            minor_units: 387,
            currency: "EUR".parse().unwrap(),
        },
        placed_at: UnixMillis(1_700_000_000_000 + u64::from(number)),
        personal_hash: personal(number).hash(),
        voucher: Voucher::Till(card.id()),
    }
}

/// An order signed by customer 200.
pub(crate) fn key_order(signatures: &dyn Signatures, genesis: &Genesis, number: u8) -> Order {
    let order = till_order(&genesis.members[0], number);
    order.sign(signatures, &genesis.chain_id(), &identity(200))
}

/// A batch of the first member: order 1 at its till and order 2 signed by a customer.
pub(crate) fn batch(signatures: &dyn Signatures, genesis: &Genesis) -> Batch {
    let entries = vec![
        Entry::Order(till_order(&genesis.members[0], 1)),
        Entry::Order(key_order(signatures, genesis, 2)),
    ];
    sign_batch(signatures, genesis, entries)
}

/// A batch of the first member.
pub(crate) fn sign_batch(
    signatures: &dyn Signatures,
    genesis: &Genesis,
    entries: Vec<Entry>,
) -> Batch {
    let author = genesis.members[0].id();
    let signed = Batch::sign(
        signatures,
        &genesis.chain_id(),
        &identity(1),
        author,
        7,
        entries,
    );
    signed.batch().as_ref().clone()
}

pub(crate) fn full(batch: Batch) -> FullBatch {
    FullBatch {
        batch: Arc::new(batch),
        personal: Arc::new(vec![Some(personal(1)), None]),
    }
}

/// A block at height 1 with [`batch`] in it, by member 0.
pub(crate) fn signed_block(signatures: &dyn Signatures, genesis: &Genesis) -> SignedBlock {
    let batch = batch(signatures, genesis);
    let leaves: Vec<_> = batch
        .entries
        .iter()
        .map(|entry| merkle::leaf_hash(&entry.leaf_bytes()))
        .collect();
    let batches = vec![batch.id()];
    let number = number_of(signatures, genesis, MemberIndex(0));
    let header = Header {
        version: types::FORMAT_VERSION,
        chain: genesis.chain_id(),
        epoch: Epoch(0),
        height: Height(1),
        parent: genesis_block_hash(&genesis.chain_id()),
        timestamp: UnixMillis(1_700_000_000_500),
        proposer: MemberIndex(0),
        ticket: signatures.sign_lottery(&lottery(number), b"a ticket"),
        batches_root: batches_root(&batches),
        log_size: LogSize(leaves.len() as u64),
        log_root: merkle::root(&leaves),
    };
    SignedBlock::sign(signatures, &identity(number), Block { header, batches })
}

/// A receipt for the entry at a place of the one batch there is.
pub(crate) fn receipt(signatures: &dyn Signatures, genesis: &Genesis, place: u8) -> Receipt {
    let batch = batch(signatures, genesis);
    let header = signed_block(signatures, genesis).header().clone();
    let sibling = &batch.entries[usize::from(1 - place)];
    Receipt {
        chain: genesis.chain_id(),
        entry: batch.entries[usize::from(place)].clone(),
        personal: Some(personal(place + 1)),
        log_index: LogIndex(place.into()),
        path: vec![merkle::leaf_hash(&sibling.leaf_bytes())],
        certificate: certificate(signatures, genesis, VoteKind::Finalize, &header, &[0, 2, 3]),
        header,
    }
}

/// The vote of the member at an index.
pub(crate) fn vote(
    signatures: &dyn Signatures,
    genesis: &Genesis,
    kind: VoteKind,
    header: &Header,
    voter: u16,
) -> Vote {
    let voter = MemberIndex(voter);
    let secret = identity(number_of(signatures, genesis, voter));
    let chain = genesis.chain_id();
    Vote::sign(
        signatures,
        &secret,
        &chain,
        kind,
        header.epoch,
        header.height,
        header.hash(),
        voter,
    )
}

/// A certificate by these members, whether or not they make a quorum.
pub(crate) fn certificate(
    signatures: &dyn Signatures,
    genesis: &Genesis,
    kind: VoteKind,
    header: &Header,
    voters: &[u16],
) -> Certificate {
    let votes = voters
        .iter()
        .map(|voter| vote(signatures, genesis, kind, header, *voter).share());
    Certificate {
        kind,
        epoch: header.epoch,
        height: header.height,
        block: header.hash(),
        votes: votes.collect(),
    }
}

/// What a vote on this header signs.
pub(crate) fn vote_bytes(genesis: &Genesis, kind: VoteKind, header: &Header) -> Vec<u8> {
    vote_signing_bytes(
        kind,
        &genesis.chain_id(),
        header.epoch,
        header.height,
        &header.hash(),
    )
}

/// A signature with one bit turned over.
pub(crate) fn spoiled(signature: IdentitySignature) -> IdentitySignature {
    let mut bytes = *signature.as_bytes();
    bytes[40] ^= 1;
    IdentitySignature::new(bytes)
}
