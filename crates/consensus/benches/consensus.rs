//! What a height costs in signatures: a draw of the lottery, and a quorum of votes.

use consensus::{Tally, VoteOutcome, draw, ticket_bytes};
use divan::{Bencher, black_box};
use types::{
    BlockHash, BlsAndEd25519, ChainId, Epoch, FaultModel, Height, IdentitySecret, LotterySecret,
    Member, MemberId, MemberIndex, MemberSet, Preset, Seed, Signatures as _, Vote, VoteKind,
};

/// The fewest members that go on when one of them lies.
const MEMBERS: u8 = 4;
const CHAIN: ChainId = ChainId::new([9; 32]);

fn main() {
    divan::main();
}

#[divan::bench]
fn draw_a_ticket(bencher: Bencher<'_, '_>) {
    let (signatures, secret) = (BlsAndEd25519::new(), LotterySecret::new([1; 32]));
    let timing = Preset::Lan.timing();
    let bytes = ticket_bytes(&CHAIN, Epoch(0), Height(1), &Seed::new([2; 32]));
    bencher.bench(|| {
        let (index, members) = (MemberIndex(0), usize::from(MEMBERS));
        draw(
            &signatures,
            &secret,
            black_box(&bytes),
            index,
            &timing,
            members,
        )
    });
}

/// The members, and a vote of each for one block.
fn network(signatures: &BlsAndEd25519) -> (MemberSet, Vec<Vote>) {
    let secrets: Vec<IdentitySecret> = (1..=MEMBERS)
        .map(|number| IdentitySecret::new([number; 32]))
        .collect();
    let members = (1..=MEMBERS).zip(&secrets).map(|(number, secret)| Member {
        id: MemberId::new([number; 32]),
        name: format!("shop{number}"),
        identity_key: signatures.identity_public(secret),
        lottery_key: signatures.lottery_public(&LotterySecret::new([number; 32])),
    });
    let members = MemberSet::new(members.collect(), FaultModel::Byzantine);
    let votes = secrets.iter().map(|secret| {
        let key = signatures.identity_public(secret);
        let voter = members
            .indexes()
            .find(|index| {
                members
                    .get(*index)
                    .is_some_and(|member| member.identity_key == key)
            })
            .expect("every voter is a member");
        let (kind, block) = (VoteKind::Certify, BlockHash::new([5; 32]));
        Vote::sign(
            signatures,
            secret,
            &CHAIN,
            kind,
            Epoch(0),
            Height(1),
            block,
            voter,
        )
    });
    let votes = votes.collect();
    (members, votes)
}

/// One's own vote and those of two others, checked together.
#[divan::bench]
fn tally_a_quorum_of_four(bencher: Bencher<'_, '_>) {
    let signatures = BlsAndEd25519::new();
    let (members, votes) = network(&signatures);
    bencher.bench(|| {
        let mut tally = Tally::new();
        let outcomes = votes
            .iter()
            .take(members.quorum())
            .enumerate()
            .map(|(place, vote)| {
                tally.add(&signatures, &CHAIN, &members, black_box(vote), place == 0)
            });
        let last = outcomes.last();
        assert!(matches!(last, Some(VoteOutcome::Certificate(..))));
    });
}
