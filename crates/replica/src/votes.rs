//! Votes, certificates and evidence (`docs/protocol.md` §5 rules 2–4).

use consensus::VoteOutcome;
use store::Record;
use types::{
    BlockHash, Certificate, Epoch, Equivocation, Height, IdentityPublicKey, MemberIndex, Message,
    Mutation, Vote, VoteKind, mutated,
};

use crate::{
    output::{Notice, To},
    replica::{HEIGHT_WINDOW, Replica},
    tree::Node,
};

impl Replica {
    /// Rules 2 and 4: signs a vote, persists it with the block it rests on, and sends it. It counts
    /// here once it is durable.
    pub(crate) fn cast(&mut self, kind: VoteKind, height: Height, block: BlockHash) {
        let Some(me) = self.me else { return };
        self.persist_block(&block);
        let (signatures, secret, chain) = (&*self.signatures, &self.identity, &self.chain);
        let vote = Vote::sign(signatures, secret, chain, kind, Epoch(0), height, block, me);
        if !mutated(Mutation::ForgetToPersist) {
            self.out.persist.push(Record::Vote(vote.clone()));
        }
        self.own_votes.insert((height, kind, block), vote.clone());
        self.uncommitted
            .push_back((self.next_sequence(), vote.clone()));
        self.send(To::All, Message::Vote(vote));
    }

    pub(crate) fn persist_block(&mut self, block: &BlockHash) {
        if let Some(node) = self.tree.get_mut(block)
            && !node.persisted
        {
            node.persisted = true;
            self.out.persist.push(Record::Block(node.block.clone()));
        }
    }

    /// A vote from a member about itself; in another's name it would not be taken.
    pub(crate) fn vote(&mut self, from: IdentityPublicKey, vote: Vote) {
        let its_own = self.identity_of(vote.voter) == Some(from);
        if !its_own && !mutated(Mutation::VotesInAnyName) {
            self.fault(from, "it sent a vote in another member's name");
            return;
        }
        let ahead = vote.height.above(self.consensus.height());
        if vote.epoch != Epoch(0)
            || vote.height <= self.tree.head.parent.height
            || (ahead > HEIGHT_WINDOW && !mutated(Mutation::NoWindow))
        {
            return;
        }
        self.count(&vote, false);
        let block = self.tree.get(&vote.block);
        let proposer = block.map(|node| node.block.header().proposer);
        let whole = block.and_then(Node::valid).is_some_and(|valid| {
            let mut batches = valid.batches.iter();
            batches.all(|batch| self.pool.holds_whole(&batch.id()))
        });
        // What an outranked block lacks is asked for when it comes to matter.
        let outranked = block.is_some_and(Node::is_outranked);
        // More votes than an honest member sends are no reason to ask for anything.
        let counted = self.tally.has(&vote);
        let ask = !whole && !outranked && counted && !mutated(Mutation::NoFetch);
        if ask && vote.height > self.tree.head.parent.height {
            self.fetch_whole(from, vote.height, vote.block);
        }
        // Rule 3: who votes for a block of a liar has not seen the proof.
        if let Some(proposer) = proposer {
            self.send_evidence(from, vote.height, proposer);
        }
    }

    /// Sends a peer the proof that a proposer lies, where there is one: it seems not to have seen it.
    pub(crate) fn send_evidence(
        &mut self,
        to: IdentityPublicKey,
        height: Height,
        proposer: MemberIndex,
    ) {
        if let Some(evidence) = self.evidence.get(&(height, proposer)).cloned()
            && !mutated(Mutation::NoEvidenceForVoters)
            && self.may_ask(to, *evidence.second.header.hash().as_bytes())
        {
            self.send(To::Peer(to), Message::Evidence(Box::new(evidence)));
        }
    }

    /// Adds a vote up; a quorum makes a certificate.
    pub(crate) fn count(&mut self, vote: &Vote, own: bool) {
        if vote.height <= self.tree.head.parent.height {
            return;
        }
        let outcome = self
            .tally
            .add(&*self.signatures, &self.chain, &self.members, vote, own);
        let (certificate, wrong) = match outcome {
            VoteOutcome::Counted | VoteOutcome::Ignored => (None, Vec::new()),
            VoteOutcome::Spoiled(wrong) => (None, wrong),
            VoteOutcome::Certificate(certificate, wrong) => (Some(certificate), wrong),
        };
        for voter in wrong {
            self.note_wrong_share(voter);
        }
        if let Some(certificate) = certificate {
            self.take_certificate(None, certificate);
        }
    }

    fn note_wrong_share(&mut self, voter: MemberIndex) {
        if let Some(key) = self.identity_of(voter) {
            self.fault(key, "it sent a vote whose signature is wrong");
        }
    }

    /// A certificate from a peer.
    pub(crate) fn certificate(
        &mut self,
        from: Option<IdentityPublicKey>,
        certificate: Certificate,
    ) {
        let head = self.tree.head.parent.height;
        let known = match certificate.kind {
            VoteKind::Certify => self.tree.certificate(&certificate.block).is_some(),
            VoteKind::Finalize => self.final_targets.contains_key(&certificate.height),
        };
        let too_far = certificate.kind == VoteKind::Certify
            && certificate.height.above(self.consensus.height()) > HEIGHT_WINDOW;
        if certificate.height <= head || known || too_far || certificate.epoch != Epoch(0) {
            return;
        }
        if !certificate.verify(&*self.signatures, &self.chain, &self.members) {
            if let Some(from) = from {
                self.fault(from, "it sent a certificate that no quorum signed");
            }
            return;
        }
        self.take_certificate(from, certificate);
    }

    /// A certificate that holds.
    pub(crate) fn take_certificate(
        &mut self,
        from: Option<IdentityPublicKey>,
        certificate: Certificate,
    ) {
        let (height, block) = (certificate.height, certificate.block);
        if height <= self.tree.head.parent.height {
            return;
        }
        let valid = self
            .tree
            .get(&block)
            .is_some_and(|node| node.valid().is_some());
        if let Some(reason) = self.invalid_reason(&block) {
            self.certified_but_invalid(&block, &reason);
            return;
        }
        let certified = self.tree.certify(certificate.clone());
        if certificate.kind == VoteKind::Finalize {
            self.out
                .persist
                .push(Record::Certificate(certificate.clone()));
            self.final_targets
                .insert(height, (block, Some(certificate)));
        }
        if valid {
            self.seal(&block);
        } else if let Some(from) = from
            && self.tree.get(&block).is_none()
        {
            self.fetch_whole(from, height, block);
        }
        self.validate_certified(&certified);
        self.try_finalize();
    }

    pub(crate) fn invalid_reason(&self, block: &BlockHash) -> Option<String> {
        match &self.tree.get(block)?.state {
            crate::tree::State::Invalid(reason) => Some(reason.clone()),
            _ => None,
        }
    }

    /// Rule 4: a valid block has its certificate: persist both, and enter the height above.
    pub(crate) fn seal(&mut self, block: &BlockHash) {
        let Some(certificate) = self.tree.certificate(block).cloned() else {
            return;
        };
        let Some(node) = self.tree.get_mut(block) else {
            return;
        };
        if node.sealed {
            return;
        }
        node.sealed = true;
        let (height, proposer) = (node.height(), node.block.header().proposer);
        let Some(valid) = node.valid() else { return };
        let notice = Notice::Sealed {
            block: *block,
            header: node.block.header().clone(),
            wait: node.draw.wait,
            batches: node.block.block.batches.clone(),
            recorded: valid.executed.recorded.clone(),
        };
        self.persist_block(block);
        if certificate.kind == VoteKind::Certify {
            self.out.persist.push(Record::Certificate(certificate));
        }
        if self.consensus.is_disqualified(height, proposer)
            && mutated(Mutation::IgnoreCertifiedOfLiars)
        {
            return;
        }
        self.out.notices.push(notice);
        self.consensus.certified(height, *block);
        if height.next() > self.consensus.height() && !mutated(Mutation::StayAtDoneHeight) {
            self.enter(height.next(), *block);
        }
    }

    /// Rule 3: a proposer signed two blocks of one height: everyone is told.
    pub(crate) fn disqualified(&mut self, evidence: Equivocation) {
        let (height, proposer) = (evidence.first.header.height, evidence.first.header.proposer);
        self.out
            .notices
            .push(Notice::Equivocation { proposer, height });
        self.out.persist.push(Record::Evidence(evidence.clone()));
        self.evidence.insert((height, proposer), evidence.clone());
        if !mutated(Mutation::KeepEvidence) {
            self.send(To::All, Message::Evidence(Box::new(evidence)));
        }
    }

    /// Evidence from a peer, checked already.
    pub(crate) fn equivocation(&mut self, evidence: Equivocation) {
        let (height, proposer) = (evidence.first.header.height, evidence.first.header.proposer);
        if height.above(self.consensus.height()) <= HEIGHT_WINDOW
            && self.consensus.disqualify(height, proposer)
        {
            self.disqualified(evidence);
        }
    }
}
