//! Sends more than anybody could keep.

use replica::Outgoing;
use types::{
    BatchId, BlockHash, Certificate, Digest, Epoch, Header, Height, IdentityPublicKey,
    IdentitySignature, LotterySignature, Message, Monotonic, Now, Share, SignedBlock, Status,
    VoteKind, block::batches_root, message::MAX_FETCHED_BATCHES,
};

use super::{
    Lie, Member, Puppet, Timer,
    member::{Chance, proposal, to_all, to_one},
};
use crate::{network::MAX_BATCH_ORDERS, random::Random};

/// How often it floods: so often in all, so that a simulation has an end.
const MOST_FLOODS: u64 = 6;

/// The first one has so many batches: more orders than all that a pool may hold of one author, those
/// included that blocks name.
const BATCHES: u64 = 80;

/// Heights that votes and blocks are for: the whole window of §7 and some beyond it.
const HEIGHTS: u64 = 20;

/// Blocks of one height: more than the two that are kept.
const BLOCKS_A_HEIGHT: u64 = 4;

/// It asks so many questions of a kind at a time.
const QUESTIONS: u64 = 4;

/// Once, batches beyond its share of the pool; at a time, votes for more hashes than there are members, at
/// every height of the window and beyond; several blocks of each height, which name batches that nobody
/// has; questions; and claims to be at absurd heights. Everything a member keeps, asks or answers is
/// bounded (`docs/protocol.md` §3 "Pool", §5, §7).
pub(super) struct Flooder {
    member: Member,
    random: Random,
    timer: Timer,
    floods: u64,
    /// What it asks for.
    known: Option<(Height, BlockHash)>,
    batch: Option<BatchId>,
}

impl Flooder {
    pub(super) fn new(member: Member, now: Now) -> Self {
        Self {
            random: member.random(Chance::Lie),
            timer: Timer::new(&member, Chance::Timer, member.interval().times(2), now),
            member,
            floods: 0,
            known: None,
            batch: None,
        }
    }

    fn batches(&mut self) -> Vec<Outgoing> {
        let each = u64::from(MAX_BATCH_ORDERS);
        let mut said = Vec::new();
        for number in 0..BATCHES {
            let full = self.member.batch(1_000_000 + number * each, each);
            self.batch = Some(full.batch.id());
            said.push(to_all(Message::Batch(full)));
        }
        said
    }

    /// All heights of the window and beyond the first time, then some of them.
    fn heights(&mut self, height: Height) -> Vec<Height> {
        let heights = (0..HEIGHTS).map(|ahead| height.previous().plus(ahead));
        let mut heights: Vec<Height> = heights.chain([Height(u64::MAX)]).collect();
        if self.floods > 0 {
            heights.retain(|_| self.random.percent(20));
        }
        heights
    }

    fn votes(&mut self, height: Height) -> Vec<Outgoing> {
        let mut said = Vec::new();
        for _ in 0..self.member.network.len() + 2 {
            let block = BlockHash::new(self.random.bytes());
            for kind in [VoteKind::Certify, VoteKind::Finalize] {
                let vote = self.member.vote(kind, height, block);
                said.push(to_all(Message::Vote(vote)));
            }
        }
        said
    }

    /// A block that is not worth much, under its signature.
    fn block(&mut self, height: Height, ticket: LotterySignature) -> SignedBlock {
        let batches: Vec<BatchId> = (0..3)
            .map(|_| BatchId::new(self.random.bytes()))
            .chain(self.batch)
            .collect();
        let known = self.known.filter(|(of, _)| of.next() == height);
        let parent = known.map_or_else(|| BlockHash::new(self.random.bytes()), |(_, block)| block);
        let header = Header {
            version: types::FORMAT_VERSION,
            chain: self.member.network.chain,
            epoch: Epoch(0),
            height,
            parent,
            timestamp: types::UnixMillis(u64::MAX),
            proposer: self.member.index(),
            ticket,
            batches_root: batches_root(&batches),
            log_size: types::LogSize(u64::MAX),
            log_root: Digest::new(self.random.bytes()),
        };
        self.member.sign(header, batches)
    }

    fn blocks(&mut self, height: Height, ticket: LotterySignature) -> Vec<Outgoing> {
        let block = BlockHash::new(self.random.bytes());
        let random = &mut self.random;
        let members = self.member.network.members.indexes();
        let shares = members.map(|voter| Share {
            voter,
            signature: IdentitySignature::new(random.bytes()),
        });
        let certificate = Certificate {
            kind: VoteKind::Certify,
            epoch: Epoch(0),
            height,
            block,
            votes: shares.collect(),
        };
        (0..BLOCKS_A_HEIGHT)
            .map(|_| {
                let block = self.block(height, ticket);
                to_all(proposal(block, Some(certificate.clone())))
            })
            .collect()
    }

    fn questions(&mut self, height: Height) -> Vec<Outgoing> {
        let mut messages = Vec::new();
        for below in 0..QUESTIONS {
            let from = Height(height.0.saturating_sub(below));
            messages.push(Message::FetchFinal { from });
            if let Some((height, block)) = self.known {
                messages.push(Message::FetchBlock { height, block });
            }
            let block = BlockHash::new(self.random.bytes());
            messages.push(Message::FetchBlock {
                height: from,
                block,
            });
            messages.push(Message::FetchBatches(self.batch.into_iter().collect()));
        }
        messages.push(Message::FetchFinal {
            from: Height(u64::MAX),
        });
        if self.floods == 1 {
            let too_many = vec![BatchId::new([0; 32]); MAX_FETCHED_BATCHES + 1];
            messages.push(Message::FetchBatches(too_many));
        }
        messages.into_iter().map(to_all).collect()
    }

    fn claims(&mut self, height: Height) -> Vec<Outgoing> {
        let heights = [0, height.0, height.0 + 1_000, u64::MAX];
        let mut said = Vec::new();
        for peer in self.member.others() {
            let status = Status {
                epoch: Epoch(0),
                height: Height(self.random.pick(&heights)),
                final_height: Height(self.random.pick(&heights)),
            };
            said.push(to_one(peer, Message::Status(status)));
        }
        said
    }
}

impl Lie for Flooder {
    fn overhear(&mut self, _: IdentityPublicKey, message: &Message) -> Vec<Outgoing> {
        if let Message::Proposal(proposal) = message {
            self.known = Some((proposal.block.header().height, proposal.block.hash()));
        }
        Vec::new()
    }

    fn act(&mut self, now: Now, puppet: &mut Puppet) -> Vec<Outgoing> {
        if self.floods >= MOST_FLOODS || !self.timer.is_due(now) {
            return Vec::new();
        }
        let height = puppet.height();
        let ticket = puppet.ticket().unwrap_or(LotterySignature::ZERO);
        let mut said = Vec::new();
        if self.floods == 0 {
            said.extend(self.batches());
        }
        for height in self.heights(height) {
            said.extend(self.votes(height));
            said.extend(self.blocks(height, ticket));
        }
        said.extend(self.questions(height));
        said.extend(self.claims(height));
        self.floods += 1;
        said
    }

    fn wake(&self) -> Option<Monotonic> {
        (self.floods < MOST_FLOODS).then(|| self.timer.due())
    }
}
