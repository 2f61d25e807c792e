//! Adding votes up, over both kinds of signatures.

mod support;

use consensus::{Tally, VoteOutcome};
use support::Network;
use types::{
    BlockHash, BlsAndEd25519, Certificate, Epoch, Height, IdentitySignature, MemberIndex,
    Signatures, Simulated, Vote, VoteKind, members::FaultModel,
};

fn implementations() -> [Box<dyn Signatures>; 2] {
    [Box::new(BlsAndEd25519::new()), Box::new(Simulated)]
}

fn block(number: u8) -> BlockHash {
    BlockHash::new([number; 32])
}

fn indexes(places: &[u16]) -> Vec<MemberIndex> {
    places.iter().copied().map(MemberIndex).collect()
}

/// A tally with the network whose votes it counts.
struct Count {
    signatures: Box<dyn Signatures>,
    network: Network,
    tally: Tally,
}

impl Count {
    fn new(signatures: Box<dyn Signatures>, members: u8, model: FaultModel) -> Self {
        let network = Network::new(signatures.as_ref(), members, model);
        let tally = Tally::new();
        Self {
            signatures,
            network,
            tally,
        }
    }

    fn vote(&self, kind: VoteKind, number: u8, voter: u16) -> Vote {
        let signatures = self.signatures.as_ref();
        self.network.vote(signatures, kind, 1, block(number), voter)
    }

    fn add_vote(&mut self, vote: &Vote, own: bool) -> VoteOutcome {
        let (signatures, chain) = (self.signatures.as_ref(), self.network.genesis.chain_id());
        self.tally
            .add(signatures, &chain, &self.network.members, vote, own)
    }

    /// A right vote to certify block 1.
    fn add(&mut self, voter: u16) -> VoteOutcome {
        let vote = self.vote(VoteKind::Certify, 1, voter);
        self.add_vote(&vote, false)
    }

    /// A vote to certify block 1 whose share is of another block.
    fn add_wrong(&mut self, voter: u16) -> VoteOutcome {
        let mut vote = self.vote(VoteKind::Certify, 1, voter);
        vote.signature = self.vote(VoteKind::Certify, 9, voter).signature;
        self.add_vote(&vote, false)
    }

    #[track_caller]
    fn certified(&self, outcome: VoteOutcome, voters: &[u16], wrong: &[u16]) -> Certificate {
        let VoteOutcome::Certificate(certificate, found) = outcome else {
            panic!("no certificate: {outcome:?}");
        };
        let named: Vec<_> = certificate.votes.iter().map(|share| share.voter).collect();
        assert_eq!(named, indexes(voters));
        assert_eq!(found, indexes(wrong));
        let place = (certificate.kind, certificate.epoch, certificate.height);
        assert_eq!(place, (VoteKind::Certify, Epoch(0), Height(1)));
        assert_eq!(certificate.block, block(1));
        let (chain, members) = (self.network.genesis.chain_id(), &self.network.members);
        assert!(certificate.verify(self.signatures.as_ref(), &chain, members));
        certificate
    }
}

#[test]
fn a_quorum_certifies_in_both_fault_models() {
    let quorums = [
        (1, FaultModel::Byzantine, 1),
        (2, FaultModel::Byzantine, 2),
        (3, FaultModel::Byzantine, 3),
        (4, FaultModel::Byzantine, 3),
        (7, FaultModel::Byzantine, 5),
        (1, FaultModel::Crash, 1),
        (2, FaultModel::Crash, 2),
        (3, FaultModel::Crash, 2),
        (4, FaultModel::Crash, 3),
        (7, FaultModel::Crash, 4),
    ];
    for (members, model, quorum) in quorums {
        for signatures in implementations() {
            let mut count = Count::new(signatures, members, model);
            let voters: Vec<u16> = (0..u16::from(members)).rev().take(quorum).collect();
            for voter in &voters[1..] {
                assert_eq!(count.add(*voter), VoteOutcome::Counted);
            }
            let last = count.add(voters[0]);
            let rising: Vec<u16> = voters.iter().rev().copied().collect();
            count.certified(last, &rising, &[]);
        }
    }
}

#[test]
fn a_vote_counts_once() {
    for signatures in implementations() {
        let mut count = Count::new(signatures, 4, FaultModel::Byzantine);
        let vote = count.vote(VoteKind::Certify, 1, 0);
        assert!(!count.tally.has(&vote));
        assert_eq!(count.add(0), VoteOutcome::Counted);
        assert!(count.tally.has(&vote));
        assert_eq!(count.add(0), VoteOutcome::Ignored);
        assert_eq!(count.add_wrong(0), VoteOutcome::Ignored);
        assert_eq!(count.add(1), VoteOutcome::Counted);
        assert_eq!(count.add(1), VoteOutcome::Ignored);
        let last = count.add(2);
        count.certified(last, &[0, 1, 2], &[]);
    }
}

#[test]
fn late_votes_are_counted_and_make_no_second_certificate() {
    for signatures in implementations() {
        let mut count = Count::new(signatures, 4, FaultModel::Byzantine);
        for voter in [0, 1] {
            assert_eq!(count.add(voter), VoteOutcome::Counted);
        }
        let last = count.add(2);
        count.certified(last, &[0, 1, 2], &[]);
        assert_eq!(count.add(3), VoteOutcome::Counted);
        assert_eq!(count.add(3), VoteOutcome::Ignored);
        assert_eq!(count.add(2), VoteOutcome::Ignored);
    }
}

/// Blocks, kinds, heights and epochs add up apart.
#[test]
fn only_votes_that_say_the_same_add_up() {
    for signatures in implementations() {
        let mut count = Count::new(signatures, 4, FaultModel::Byzantine);
        assert_eq!(count.add(0), VoteOutcome::Counted);
        assert_eq!(count.add(1), VoteOutcome::Counted);
        let other_block = count.vote(VoteKind::Certify, 2, 2);
        let other_kind = count.vote(VoteKind::Finalize, 1, 2);
        let mut other_height = count.vote(VoteKind::Certify, 1, 2);
        other_height.height = Height(2);
        let mut other_epoch = count.vote(VoteKind::Certify, 1, 2);
        other_epoch.epoch = Epoch(1);
        for vote in [other_block, other_kind, other_height, other_epoch] {
            assert_eq!(count.add_vote(&vote, false), VoteOutcome::Counted);
        }
        let last = count.add(3);
        count.certified(last, &[0, 1, 3], &[]);
    }
}

#[test]
fn a_wrong_share_is_found_and_thrown_out() {
    for signatures in implementations() {
        let mut count = Count::new(signatures, 4, FaultModel::Byzantine);
        assert_eq!(count.add(0), VoteOutcome::Counted);
        assert_eq!(count.add_wrong(1), VoteOutcome::Counted);
        assert_eq!(count.add(2), VoteOutcome::Spoiled(indexes(&[1])));
        let vote = count.vote(VoteKind::Certify, 1, 1);
        assert!(!count.tally.has(&vote));
        let last = count.add(3);
        count.certified(last, &[0, 2, 3], &[]);
    }
}

#[test]
fn several_wrong_shares_are_found_wherever_they_are() {
    let wrongs: [&[u16]; 5] = [&[0], &[6], &[0, 1], &[2, 5], &[0, 3, 6]];
    for wrong in wrongs {
        for signatures in implementations() {
            let mut count = Count::new(signatures, 10, FaultModel::Byzantine);
            for voter in 0..6 {
                let outcome = if wrong.contains(&voter) {
                    count.add_wrong(voter)
                } else {
                    count.add(voter)
                };
                assert_eq!(outcome, VoteOutcome::Counted);
            }
            let seventh = if wrong.contains(&6) {
                count.add_wrong(6)
            } else {
                count.add(6)
            };
            assert_eq!(seventh, VoteOutcome::Spoiled(indexes(wrong)));
            let mut fresh = (7..10_u16).take(wrong.len()).peekable();
            while let Some(voter) = fresh.next() {
                let outcome = count.add(voter);
                if fresh.peek().is_some() {
                    assert_eq!(outcome, VoteOutcome::Counted);
                    continue;
                }
                let voters: Vec<u16> = (0..=voter).filter(|right| !wrong.contains(right)).collect();
                count.certified(outcome, &voters, &[]);
            }
        }
    }
}

#[test]
fn a_voter_who_is_no_member_and_a_share_that_is_no_signature_are_wrong_too() {
    for signatures in implementations() {
        let mut count = Count::new(signatures, 4, FaultModel::Byzantine);
        let mut stranger = count.vote(VoteKind::Certify, 1, 0);
        stranger.voter = MemberIndex(4);
        assert_eq!(count.add_vote(&stranger, false), VoteOutcome::Counted);
        let mut garbage = count.vote(VoteKind::Certify, 1, 1);
        garbage.signature = IdentitySignature::new([0xff; 64]);
        assert_eq!(count.add_vote(&garbage, false), VoteOutcome::Counted);
        assert_eq!(count.add(0), VoteOutcome::Spoiled(indexes(&[1, 4])));
        assert_eq!(count.add(2), VoteOutcome::Counted);
        let last = count.add(3);
        count.certified(last, &[0, 2, 3], &[]);
    }
}

#[test]
fn a_certificate_can_come_with_the_wrong_shares_it_left_out() {
    for signatures in implementations() {
        let mut count = Count::new(signatures, 4, FaultModel::Byzantine);
        assert_eq!(count.add_wrong(0), VoteOutcome::Counted);
        assert_eq!(count.add_wrong(1), VoteOutcome::Counted);
        assert_eq!(count.add(2), VoteOutcome::Spoiled(indexes(&[0, 1])));
        assert_eq!(count.add_wrong(1), VoteOutcome::Counted);
        assert_eq!(count.add(3), VoteOutcome::Spoiled(indexes(&[1])));
        // Who was wrong may be right later.
        let last = count.add(1);
        count.certified(last, &[1, 2, 3], &[]);
    }
}

#[test]
fn its_own_vote_counts_like_any_other() {
    for signatures in implementations() {
        let mut count = Count::new(signatures, 4, FaultModel::Byzantine);
        let own = count.vote(VoteKind::Certify, 1, 3);
        assert_eq!(count.add_vote(&own, true), VoteOutcome::Counted);
        assert_eq!(count.add_vote(&own, true), VoteOutcome::Ignored);
        assert_eq!(count.add(0), VoteOutcome::Counted);
        let last = count.add(1);
        count.certified(last, &[0, 1, 3], &[]);

        // Alone, it is a quorum by itself.
        let Count { signatures, .. } = count;
        let mut alone = Count::new(signatures, 1, FaultModel::Byzantine);
        let own = alone.vote(VoteKind::Certify, 1, 0);
        let outcome = alone.add_vote(&own, true);
        alone.certified(outcome, &[0], &[]);
    }
}

#[test]
fn at_most_n_hashes_a_voter_a_height_are_kept() {
    let mut count = Count::new(Box::new(Simulated), 4, FaultModel::Byzantine);
    for number in 1..=4 {
        let vote = count.vote(VoteKind::Certify, number, 0);
        assert_eq!(count.add_vote(&vote, false), VoteOutcome::Counted);
    }
    let fifth = count.vote(VoteKind::Certify, 5, 0);
    assert_eq!(count.add_vote(&fifth, false), VoteOutcome::Ignored);
    assert!(!count.tally.has(&fifth));
    // Not even where another's vote has made room for the hash.
    let of_another = count.vote(VoteKind::Certify, 5, 1);
    assert_eq!(count.add_vote(&of_another, false), VoteOutcome::Counted);
    assert_eq!(count.add_vote(&fifth, false), VoteOutcome::Ignored);
    // Votes of the other kind, and of other heights, are counted apart.
    let finalize = count.vote(VoteKind::Finalize, 5, 0);
    assert_eq!(count.add_vote(&finalize, false), VoteOutcome::Counted);
    let network = &count.network;
    let above = network.vote(&Simulated, VoteKind::Certify, 2, block(5), 0);
    assert_eq!(count.add_vote(&above, false), VoteOutcome::Counted);
}

#[test]
fn what_is_final_is_forgotten() {
    let mut count = Count::new(Box::new(Simulated), 4, FaultModel::Byzantine);
    let low = count.vote(VoteKind::Certify, 1, 0);
    let network = &count.network;
    let high = network.vote(&Simulated, VoteKind::Certify, 2, block(2), 0);
    assert_eq!(count.add_vote(&low, false), VoteOutcome::Counted);
    assert_eq!(count.add_vote(&high, false), VoteOutcome::Counted);
    count.tally.forget_to(Height(1));
    assert!(!count.tally.has(&low));
    assert!(count.tally.has(&high));
}
