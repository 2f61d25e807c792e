//! Sends certificates and votes that nobody, or somebody else, signed.

use replica::Outgoing;
use types::{
    BlockHash, Certificate, Epoch, Height, IdentityPublicKey, IdentitySignature, MemberIndex,
    Message, Monotonic, Now, Proposal, Share, Vote, VoteKind,
};

use super::{
    Lie, Member, Puppet, Timer,
    member::{Chance, proposal, to_all},
};
use crate::random::Random;

/// For every block it hears of, a spoiled share and votes in others' names; and certificates signed by
/// too few, by one many times over, out of order, by nobody, by strangers, or of another kind, block,
/// height or epoch than was signed. A wrong share is found and thrown out, votes are
/// taken only from the voter, and a certificate is verified before it counts (`docs/protocol.md` §5).
pub(super) struct CertificateForger {
    member: Member,
    random: Random,
    timer: Timer,
    /// The last true certificate heard of, and the last block.
    certificate: Option<Certificate>,
    block: Option<Proposal>,
}

impl CertificateForger {
    pub(super) fn new(member: Member, now: Now) -> Self {
        let every = types::Micros(member.interval().0 / 2);
        Self {
            random: member.random(Chance::Lie),
            timer: Timer::new(&member, Chance::Timer, every, now),
            member,
            certificate: None,
            block: None,
        }
    }

    /// Votes for a block that are not this member's to cast, or not well signed.
    fn votes(&mut self, height: Height, block: BlockHash) -> Vec<Outgoing> {
        let mut said = Vec::new();
        let members = self.member.network.len();
        for kind in [VoteKind::Certify, VoteKind::Finalize] {
            let own = self.member.vote(kind, height, block);
            let spoiled = Vote {
                signature: IdentitySignature::new(self.random.bytes()),
                ..own.clone()
            };
            let other = (self.member.host + 1 + self.random.index(members - 1)) % members;
            let in_others_name = Vote {
                voter: self.member.network.index(other),
                ..own.clone()
            };
            let of_nobody = Vote {
                voter: MemberIndex(u16::MAX),
                ..own
            };
            let votes = [spoiled, in_others_name, of_nobody];
            said.extend(votes.map(|vote| to_all(Message::Vote(vote))));
        }
        said
    }

    fn certificates(&mut self) -> Vec<Certificate> {
        let Some(block) = &self.block else {
            return Vec::new();
        };
        let (height, block) = (block.block.header().height, block.block.hash());
        let mut forged = Vec::new();
        for kind in [VoteKind::Certify, VoteKind::Finalize] {
            forged.extend(self.of_own_signature(kind, height, block));
        }
        if let Some(real) = self.certificate.clone() {
            forged.extend(altered(&real, block));
        }
        forged
    }

    /// Certificates that rest on this member's signature alone.
    fn of_own_signature(
        &mut self,
        kind: VoteKind,
        height: Height,
        block: BlockHash,
    ) -> Vec<Certificate> {
        let network = &self.member.network;
        let own = self.member.vote(kind, height, block);
        let quorum = network.members.quorum();
        let everyone: Vec<MemberIndex> = network.members.indexes().collect();
        let strangers: Vec<MemberIndex> = (1_000..).map(MemberIndex).take(quorum).collect();
        let share = |voter: &MemberIndex| Share {
            voter: *voter,
            signature: own.signature,
        };
        let certificate = |voters: &[MemberIndex]| Certificate {
            kind,
            epoch: Epoch(0),
            height,
            block,
            votes: voters.iter().map(share).collect(),
        };
        let mut garbage = certificate(&everyone);
        for share in &mut garbage.votes {
            share.signature = IdentitySignature::new(self.random.bytes());
        }
        vec![
            certificate(&[own.voter]),
            certificate(&[]),
            certificate(&vec![own.voter; quorum]),
            certificate(&everyone),
            garbage,
            certificate(&strangers),
        ]
    }
}

/// True signatures under something else.
fn altered(real: &Certificate, block: BlockHash) -> Vec<Certificate> {
    let other_kind = match real.kind {
        VoteKind::Certify => VoteKind::Finalize,
        VoteKind::Finalize => VoteKind::Certify,
    };
    let mut out_of_order = real.clone();
    out_of_order.votes.reverse();
    let mut spoiled = real.clone();
    if let Some(share) = spoiled.votes.last_mut() {
        share.signature = IdentitySignature::ZERO;
    }
    let mut one_more = real.clone();
    one_more.votes.push(Share {
        voter: MemberIndex(u16::MAX),
        signature: IdentitySignature::ZERO,
    });
    vec![
        Certificate {
            kind: other_kind,
            ..real.clone()
        },
        Certificate {
            block,
            ..real.clone()
        },
        Certificate {
            height: real.height.next(),
            ..real.clone()
        },
        Certificate {
            epoch: Epoch(1),
            ..real.clone()
        },
        out_of_order,
        spoiled,
        one_more,
    ]
}

impl Lie for CertificateForger {
    fn overhear(&mut self, _: IdentityPublicKey, message: &Message) -> Vec<Outgoing> {
        match message {
            Message::Certificate(certificate) => self.certificate = Some(certificate.clone()),
            Message::Proposal(proposed) => {
                if let Some(certificate) = &proposed.parent_certificate {
                    self.certificate = Some(certificate.clone());
                }
                let header = proposed.block.header();
                let (height, block) = (header.height, proposed.block.hash());
                let known = self.block.replace(Proposal::clone(proposed));
                if known.is_none_or(|known| known.block.hash() != block) {
                    return self.votes(height, block);
                }
            }
            _ => {}
        }
        Vec::new()
    }

    /// It does not vote rightly.
    fn twist(&mut self, _: Now, mut said: Vec<Outgoing>) -> Vec<Outgoing> {
        said.retain(|outgoing| !matches!(&*outgoing.message, Message::Vote(_)));
        said
    }

    fn act(&mut self, now: Now, _: &mut Puppet) -> Vec<Outgoing> {
        if !self.timer.is_due(now) {
            return Vec::new();
        }
        let mut said = Vec::new();
        for certificate in self.certificates() {
            let block = self.block.as_ref().map(|known| known.block.clone());
            said.extend(block.map(|block| to_all(proposal(block, Some(certificate.clone())))));
            said.push(to_all(Message::Certificate(certificate)));
        }
        said
    }

    fn wake(&self) -> Option<Monotonic> {
        Some(self.timer.due())
    }
}
