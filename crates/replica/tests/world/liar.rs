//! A member that does not run: a test signs in its name, knowing everything.

use std::sync::Arc;

use consensus::{Parent, draw, genesis_parent, ticket_bytes};
use types::{
    Batch, Block, BlockHash, Epoch, FORMAT_VERSION, Frontier, Header, Height, MemberIndex, Message,
    Micros, Proposal, Signatures, SignedBlock, Simulated, UnixMillis, VoteKind,
    block::batches_root, merkle,
};

use super::{World, vote_of};

/// The final head of a member, with the order log's right edge.
pub fn head_of(world: &World, host: usize) -> (Parent, Frontier) {
    let reader = world.store(host).reader();
    let Some((height, hash)) = reader.final_head() else {
        return (genesis_parent(&world.genesis), Frontier::new());
    };
    let parent = Parent {
        hash,
        height,
        seed: reader.seed(height).unwrap().unwrap(),
        timestamp: reader.block(height).unwrap().unwrap().header().timestamp,
    };
    (parent, reader.frontier().unwrap())
}

/// The waits of all members on a parent, shortest first.
pub fn waits(world: &World, members: usize, parent: &Parent) -> Vec<(Micros, usize)> {
    let chain = world.genesis.chain_id();
    let bytes = ticket_bytes(&chain, Epoch(0), parent.height.next(), &parent.seed);
    let timing = &world.genesis.timing;
    let mut waits: Vec<_> = (0..members)
        .map(|host| {
            let (_, lottery) = world.secrets(host);
            let index = MemberIndex(host as u16);
            (
                draw(&Simulated, lottery, &bytes, index, timing, members).wait,
                host,
            )
        })
        .collect();
    waits.sort();
    waits
}

/// A block of a member on a parent, empty, valid but for what the caller changes.
pub fn block_of(
    world: &World,
    host: usize,
    head: &(Parent, Frontier),
    change: impl FnOnce(&mut Header),
) -> SignedBlock {
    block_with(world, host, head, &[], change)
}

/// A block of a member on a parent with these batches, each of new orders only.
pub fn block_with(
    world: &World,
    host: usize,
    (parent, frontier): &(Parent, Frontier),
    batches: &[Arc<Batch>],
    change: impl FnOnce(&mut Header),
) -> SignedBlock {
    let mut frontier = frontier.clone();
    for entry in batches.iter().flat_map(|batch| &batch.entries) {
        frontier.append(merkle::leaf_hash(&entry.leaf_bytes()), |_, _| {});
    }
    let batches: Vec<_> = batches.iter().map(|batch| batch.id()).collect();
    let chain = world.genesis.chain_id();
    let (identity, lottery) = world.secrets(host);
    let height = parent.height.next();
    let bytes = ticket_bytes(&chain, Epoch(0), height, &parent.seed);
    let mut header = Header {
        version: FORMAT_VERSION,
        chain,
        epoch: Epoch(0),
        height,
        parent: parent.hash,
        timestamp: parent.timestamp.max(world.now().wall).plus_millis(1),
        proposer: MemberIndex(host as u16),
        ticket: Simulated.sign_lottery(lottery, &bytes),
        batches_root: batches_root(&batches),
        log_size: frontier.size(),
        log_root: frontier.root(),
    };
    change(&mut header);
    SignedBlock::sign(&Simulated, identity, Block { header, batches })
}

/// The same block a little later: another one of the same proposer.
pub fn later(header: &mut Header) {
    header.timestamp = UnixMillis(header.timestamp.0 + 7);
}

/// The message that proposes a block, without its parent's certificate: who is at its height has it.
pub fn proposal(block: &SignedBlock) -> Message {
    Message::Proposal(Box::new(Proposal {
        block: block.clone(),
        parent_certificate: None,
    }))
}

/// The message that votes for a block.
pub fn vote(
    world: &World,
    host: usize,
    kind: VoteKind,
    height: Height,
    block: BlockHash,
) -> Message {
    Message::Vote(vote_of(world, host, kind, height, block))
}

/// Sends a message in a member's name to others.
pub fn tell(world: &mut World, from: usize, to: impl IntoIterator<Item = usize>, message: Message) {
    let message = Arc::new(message);
    for to in to {
        world.deliver(from, to, &message, 0);
    }
}
