//! Makes second headers of other proposers' blocks.

use std::collections::BTreeMap;

use replica::Outgoing;
use types::{
    Equivocation, Height, IdentityPublicKey, IdentitySignature, MemberIndex, Message, SignedBlock,
    SignedHeader, VoteKind,
};

use super::{
    Lie, Member,
    member::{Chance, garbage, proposal, to_all},
};
use crate::random::Random;

/// The headers of so many places are remembered.
const HEADERS_KEPT: usize = 64;

/// From a block it has seen, and so from a true ticket, it makes another one of the same height, as which
/// it signs or does not, votes for it, and shows the two headers as evidence that the proposer lied; and
/// so with two true headers of one proposer, of different heights. A block travels with its proposer's
/// signature, and only two *signed* headers of one height disqualify (`docs/protocol.md` §3, §5 rule 3).
pub(super) struct HeaderForger {
    member: Member,
    random: Random,
    /// The true headers seen of each proposer.
    headers: BTreeMap<(MemberIndex, Height), SignedHeader>,
}

impl HeaderForger {
    pub(super) fn new(member: Member) -> Self {
        Self {
            random: member.random(Chance::Lie),
            member,
            headers: BTreeMap::new(),
        }
    }

    fn forge(&mut self, block: &SignedBlock) -> SignedBlock {
        let mut header = block.header().clone();
        header.timestamp = header.timestamp.plus_millis(1);
        let mut forged = self.member.sign(header, block.block.batches.clone());
        match self.random.below(4) {
            // Signed, but by somebody else.
            0 => {}
            1 => forged.signature = block.signature,
            2 => forged.signature = garbage(&mut self.random),
            _ => forged.signature = IdentitySignature::ZERO,
        }
        forged
    }

    fn evidence(&self, forged: &SignedHeader, seen: &SignedHeader) -> Vec<Outgoing> {
        let mut unsigned = seen.clone();
        unsigned.signature = forged.signature;
        let place = (seen.header.proposer, seen.header.height);
        let below = self.headers.range(..place).next_back();
        let below = below.filter(|((proposer, _), _)| *proposer == seen.header.proposer);
        let mut pairs = vec![
            (seen, forged),
            (forged, seen),
            (seen, seen),
            (seen, &unsigned),
        ];
        pairs.extend(below.map(|(_, below)| (below, seen)));
        let mut said = Vec::new();
        for (first, second) in pairs {
            let (first, second) = (first.clone(), second.clone());
            let evidence = Equivocation { first, second };
            said.push(to_all(Message::Evidence(Box::new(evidence))));
        }
        said
    }
}

impl Lie for HeaderForger {
    fn overhear(&mut self, _: IdentityPublicKey, message: &Message) -> Vec<Outgoing> {
        let Message::Proposal(proposed) = message else {
            return Vec::new();
        };
        let seen = proposed.block.signed_header();
        let (proposer, height) = (seen.header.proposer, seen.header.height);
        let network = &self.member.network;
        let key = network
            .members
            .get(proposer)
            .map(|member| member.identity_key);
        // What another liar forged is no true header to begin with.
        let is_true = key.is_some_and(|key| seen.is_signed_by(&*network.signatures, &key));
        let place = (proposer, height);
        if !is_true || proposer == self.member.index() || self.headers.contains_key(&place) {
            return Vec::new();
        }
        self.headers.insert(place, seen.clone());
        while self.headers.len() > HEADERS_KEPT {
            let lowest = self.headers.keys().min_by_key(|(_, height)| *height);
            let Some(lowest) = lowest.copied() else { break };
            self.headers.remove(&lowest);
        }
        let forged = self.forge(&proposed.block);
        let mut said = vec![to_all(proposal(
            forged.clone(),
            proposed.parent_certificate.clone(),
        ))];
        for kind in [VoteKind::Certify, VoteKind::Finalize] {
            let vote = self.member.vote(kind, height, forged.hash());
            said.push(to_all(Message::Vote(vote)));
        }
        said.extend(self.evidence(&forged.signed_header(), &seen));
        said
    }
}
