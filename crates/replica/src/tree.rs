//! The blocks above the final head.

use std::collections::{BTreeMap, BTreeSet};

use consensus::{Candidate, Draw, Parent};
use ledger::Executed;
use types::{
    BatchId, BlockHash, Certificate, Frontier, Height, IdentityPublicKey, LogSize, MemberIndex,
    Monotonic, Seed, SignedBlock, VerifiedBatch, VoteKind,
};

/// The final head: everything at and below it is in the store.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) parent: Parent,
    pub(crate) frontier: Frontier,
}

/// A block above the final head.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) block: SignedBlock,
    pub(crate) hash: BlockHash,
    /// What its ticket draws, if that is the proposer's.
    pub(crate) draw: Draw,
    /// Whom to ask for what it needs.
    pub(crate) source: Option<IdentityPublicKey>,
    pub(crate) state: State,
    /// It is in the log already.
    pub(crate) persisted: bool,
    /// Its being certified has been acted upon.
    pub(crate) sealed: bool,
    /// It is known to be final by the hashes of a certified descendant.
    pub(crate) known_final: bool,
}

/// What is known of a block.
#[derive(Debug)]
pub(crate) enum State {
    /// Its parent or the parent's certificate is not here yet.
    Waiting,
    /// Its height is done, or a better block keeps the vote for it back: it is judged when that ends or a
    /// certificate speaks for it, which is seldom.
    Outranked,
    /// All but its batches has been checked, once, and some of them are not here yet.
    Lacking(Lacking),
    /// Valid (`docs/protocol.md` §6).
    Valid(Box<Valid>),
    /// Invalid for everyone and for ever.
    Invalid(String),
}

/// The batches a block waits for, and how much those that are here come to.
#[derive(Debug, Default)]
pub(crate) struct Lacking {
    pub(crate) batches: BTreeSet<BatchId>,
    pub(crate) orders: u64,
    pub(crate) bytes: u64,
}

/// A valid block, executed.
#[derive(Debug)]
pub(crate) struct Valid {
    pub(crate) executed: Executed,
    pub(crate) log_size_before: LogSize,
    pub(crate) seed: Seed,
    pub(crate) batches: Vec<VerifiedBatch>,
    /// When it was first valid here.
    pub(crate) since: Monotonic,
}

impl Lacking {
    /// Counts a batch that is here.
    pub(crate) fn count(&mut self, batch: &VerifiedBatch) {
        self.orders = self.orders.saturating_add(batch.len().into());
        self.bytes = self.bytes.saturating_add(batch.bytes().into());
    }
}

impl Node {
    pub(crate) const fn height(&self) -> Height {
        self.block.block.header.height
    }
    pub(crate) const fn parent(&self) -> BlockHash {
        self.block.block.header.parent
    }
    /// What the rules need to know of it, if it is valid.
    pub(crate) fn candidate(&self, votable: bool) -> Candidate {
        Candidate {
            block: self.hash,
            rank: self.draw.rank,
            wait: self.draw.wait,
            votable,
            empty: self.block.block.batches.is_empty(),
        }
    }
    pub(crate) fn valid(&self) -> Option<&Valid> {
        match &self.state {
            State::Valid(valid) => Some(valid),
            State::Waiting | State::Outranked | State::Lacking(_) | State::Invalid(_) => None,
        }
    }
    /// True when it is neither valid nor invalid yet.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(
            self.state,
            State::Waiting | State::Outranked | State::Lacking(_)
        )
    }
    /// True when it cannot be voted for as things are.
    pub(crate) const fn is_outranked(&self) -> bool {
        matches!(self.state, State::Outranked)
    }
    /// True when it is invalid.
    pub(crate) const fn is_invalid(&self) -> bool {
        matches!(self.state, State::Invalid(_))
    }
    /// True when all that keeps it from being valid is the batch, perhaps among others, or it is known
    /// to be final: then the caps of the pool do not apply to the batch.
    pub(crate) fn wants(&self, id: &BatchId) -> bool {
        match &self.state {
            State::Lacking(lacking) => lacking.batches.contains(id),
            State::Waiting | State::Outranked => {
                self.known_final && self.block.block.batches.contains(id)
            }
            State::Valid(_) => self.block.block.batches.contains(id),
            State::Invalid(_) => false,
        }
    }
}

/// The final head and the blocks above it, with their certificates.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) head: Head,
    nodes: BTreeMap<BlockHash, Node>,
    certificates: BTreeMap<BlockHash, Certificate>,
}

impl Tree {
    pub(crate) fn new(head: Head) -> Self {
        Self {
            head,
            nodes: BTreeMap::new(),
            certificates: BTreeMap::new(),
        }
    }

    pub(crate) fn get(&self, hash: &BlockHash) -> Option<&Node> {
        self.nodes.get(hash)
    }
    pub(crate) fn get_mut(&mut self, hash: &BlockHash) -> Option<&mut Node> {
        self.nodes.get_mut(hash)
    }
    /// Puts a block in. Where a descendant is final, so is the block, and with it its ancestors: those
    /// that are news are returned, highest first.
    pub(crate) fn insert(&mut self, node: Node) -> Vec<BlockHash> {
        let (hash, parent) = (node.hash, node.parent());
        self.nodes.insert(hash, node);
        let mut children = self.children(&hash).into_iter();
        if children.any(|child| self.is_covered(&child)) {
            self.known_final_from(hash)
        } else if self.is_covered(&hash) {
            self.known_final_from(parent)
        } else {
            Vec::new()
        }
    }

    /// True when the block is final by a certificate of its own or a descendant's.
    fn is_covered(&self, hash: &BlockHash) -> bool {
        let of_its_own = |certificate: &Certificate| certificate.kind == VoteKind::Finalize;
        self.certificates.get(hash).is_some_and(of_its_own)
            || self.nodes.get(hash).is_some_and(|node| node.known_final)
    }

    /// Takes note that a block is known to be final, and by its hash all its ancestors; those that are
    /// here are returned, highest first.
    pub(crate) fn known_final_from(&mut self, hash: BlockHash) -> Vec<BlockHash> {
        let mut marked = Vec::new();
        let mut next = hash;
        while let Some(node) = self.nodes.get_mut(&next).filter(|node| !node.known_final) {
            node.known_final = true;
            marked.push(next);
            next = node.parent();
        }
        marked
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.nodes.values_mut()
    }

    /// The most blocks of one proposer at one height that no certificate speaks for.
    pub(crate) fn most_uncertified(&self) -> usize {
        let mut counts: BTreeMap<(Height, MemberIndex), usize> = BTreeMap::new();
        for node in self.nodes.values() {
            if !self.certificates.contains_key(&node.hash) && !node.known_final {
                let place = (node.height(), node.block.header().proposer);
                let count = counts.entry(place).or_default();
                *count = count.saturating_add(1);
            }
        }
        counts.into_values().max().unwrap_or(0)
    }

    /// How many certificates there are.
    pub(crate) fn certificates(&self) -> usize {
        self.certificates.len()
    }

    /// Blocks of a proposer at a height that no certificate speaks for.
    pub(crate) fn uncertified_of(&self, height: Height, proposer: MemberIndex) -> usize {
        let of_it = |node: &&Node| {
            node.height() == height
                && node.block.header().proposer == proposer
                && !self.certificates.contains_key(&node.hash)
        };
        self.nodes.values().filter(of_it).count()
    }

    /// Any certificate of a block: to certify, or of finality, which serves as well.
    pub(crate) fn certificate(&self, hash: &BlockHash) -> Option<&Certificate> {
        self.certificates.get(hash)
    }
    /// Keeps the first certificate of a block, but prefers one of finality. Returns the blocks whose
    /// children may be valid now: the block, and those below it that are known to be final by it.
    pub(crate) fn certify(&mut self, certificate: Certificate) -> Vec<BlockHash> {
        let (block, kind) = (certificate.block, certificate.kind);
        let mut certified = vec![block];
        match kind {
            VoteKind::Certify => {
                self.certificates.entry(block).or_insert(certificate);
            }
            VoteKind::Finalize => {
                self.certificates.insert(block, certificate);
                if let Some(parent) = self.nodes.get(&block).map(Node::parent) {
                    certified.extend(self.known_final_from(parent));
                }
            }
        }
        certified
    }
    /// True when children may be built on the block: it is the final head, certified, or known final.
    pub(crate) fn is_certified(&self, hash: &BlockHash) -> bool {
        *hash == self.head.parent.hash
            || self.certificates.contains_key(hash)
            || self.nodes.get(hash).is_some_and(|node| node.known_final)
    }

    /// A block as a parent of others: the final head, or a valid block.
    pub(crate) fn as_parent(&self, hash: &BlockHash) -> Option<(Parent, &Frontier)> {
        if *hash == self.head.parent.hash {
            return Some((self.head.parent, &self.head.frontier));
        }
        let node = self.nodes.get(hash)?;
        let valid = node.valid()?;
        let parent = Parent {
            hash: *hash,
            height: node.height(),
            seed: valid.seed,
            timestamp: node.block.header().timestamp,
        };
        Some((parent, &valid.executed.frontier))
    }

    /// The blocks from one down to the final head, itself first, the head not included; `None` where
    /// one is missing or not valid, or the branch does not stand on the final head.
    pub(crate) fn path(&self, from: &BlockHash) -> Option<Vec<BlockHash>> {
        let mut path = Vec::new();
        let mut hash = *from;
        while hash != self.head.parent.hash {
            let node = self.nodes.get(&hash)?;
            node.valid()?;
            path.push(hash);
            hash = node.parent();
        }
        Some(path)
    }

    /// The batches sealed by a block and its ancestors above the final head.
    pub(crate) fn batches_on(&self, from: &BlockHash) -> BTreeSet<BatchId> {
        let path = self.path(from).unwrap_or_default();
        path.iter()
            .filter_map(|hash| self.nodes.get(hash))
            .flat_map(|node| node.block.block.batches.iter().copied())
            .collect()
    }

    /// Children of a block.
    pub(crate) fn children(&self, hash: &BlockHash) -> Vec<BlockHash> {
        self.nodes
            .values()
            .filter(|node| node.parent() == *hash)
            .map(|node| node.hash)
            .collect()
    }

    /// Takes a block out, to become the final head.
    pub(crate) fn take(&mut self, hash: &BlockHash) -> Option<Node> {
        self.nodes.remove(hash)
    }

    /// Drops everything that is not above the final head.
    pub(crate) fn prune(&mut self) {
        let height = self.head.parent.height;
        self.nodes.retain(|_, node| node.height() > height);
        self.certificates
            .retain(|_, certificate| certificate.height > height);
    }
}
