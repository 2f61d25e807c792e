//! A small chain to store: batches, blocks and certificates without real signatures.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use std::sync::Arc;

use store::{Answer, ExecutedBlock, MemoryDisk, MemoryIndex, Record, Recovered, Store, StoreError};
use types::{
    Amount, Batch, BatchId, Block, Certificate, ChainId, Digest, Entry, EntryPlace, Epoch,
    Equivocation, Frontier, FullBatch, Header, Height, IdentitySignature, LogSize,
    LotterySignature, MemberId, MemberIndex, Order, OrderId, PersonalPart, RecordedEntries, Seed,
    Share, SignedBlock, Text, UnixMillis, VerifiedBatch, Vote, VoteKind, Voucher,
    block::batches_root, block::genesis_block_hash, merkle::LOWEST_KEPT_LEVEL,
};

pub const CHAIN: ChainId = ChainId::new([7; 32]);
pub const AUTHOR: MemberId = MemberId::new([1; 32]);

/// An order whose every field follows from a number, by one of three customers to one of two
/// receivers.
pub fn order(number: u64) -> (Entry, PersonalPart) {
    let personal = PersonalPart {
        salt: [number as u8; 16],
        customer: Text::new(format!("customer {}", number % 3)).unwrap(),
        details: Text::new(format!("latte number {number}")).unwrap(),
    };
    let order = Order {
        receiver: Text::new(format!("shop {}", number % 2)).unwrap(),
        amount: Amount {
            minor_units: number,
            currency: "EUR".parse().unwrap(),
        },
        placed_at: UnixMillis(number),
        personal_hash: personal.hash(),
        voucher: Voucher::Till(AUTHOR),
    };
    (Entry::Order(order), personal)
}

pub fn batch(number: u64, orders: &[u64]) -> FullBatch {
    let (entries, personal): (_, Vec<_>) = orders
        .iter()
        .map(|number| order(*number))
        .map(|(e, p)| (e, Some(p)))
        .unzip();
    let batch = Batch {
        author: AUTHOR,
        number,
        entries,
        signature: IdentitySignature::new([2; 64]),
    };
    FullBatch {
        batch: Arc::new(batch),
        personal: Arc::new(personal),
    }
}

pub fn record(full: FullBatch) -> Record {
    Record::Batch(VerifiedBatch::from_own_disk(full.batch), full.personal)
}

pub fn vote(height: u64, block: u8) -> Vote {
    Vote {
        kind: VoteKind::Certify,
        epoch: Epoch(0),
        height: Height(height),
        block: types::BlockHash::new([block; 32]),
        voter: MemberIndex(1),
        signature: IdentitySignature::new([3; 64]),
    }
}

pub fn answer(key: u8, at: u64) -> Answer {
    Answer {
        key: Digest::new([key; 32]),
        body: Digest::new([9; 32]),
        orders: vec![OrderId::new([key; 32])],
        at: UnixMillis(at),
    }
}

pub fn certificate(kind: VoteKind, block: &SignedBlock) -> Certificate {
    Certificate {
        kind,
        epoch: Epoch(0),
        height: block.header().height,
        block: block.hash(),
        votes: [0, 2]
            .map(|voter| Share {
                voter: MemberIndex(voter),
                signature: IdentitySignature::new([4; 64]),
            })
            .to_vec(),
    }
}

pub fn evidence(block: &SignedBlock) -> Equivocation {
    let first = block.signed_header();
    let mut second = first.clone();
    second.header.timestamp = UnixMillis(second.header.timestamp.0 + 1);
    Equivocation { first, second }
}

/// The seed after a height.
pub fn seed_after(height: Height) -> Seed {
    Seed::new([height.0 as u8; 32])
}

/// Grows a chain in the way the replica does, with its own Merkle tree beside.
pub struct Chain {
    pub blocks: Vec<ExecutedBlock>,
    pub frontier: Frontier,
    pub recorded: Vec<(OrderId, Entry, PersonalPart, Height)>,
}

impl Chain {
    pub fn new() -> Self {
        Self {
            blocks: Vec::new(),
            frontier: Frontier::new(),
            recorded: Vec::new(),
        }
    }

    /// The next block over these batches; entries recorded before are skipped.
    pub fn next(&mut self, batches: &[FullBatch]) -> ExecutedBlock {
        let before = self.frontier.size();
        let height = Height(self.blocks.len() as u64 + 1);
        let (mut recorded, mut nodes) = (RecordedEntries::default(), Vec::new());
        for (place, full) in batches.iter().enumerate() {
            for (entry_place, entry) in full.batch.entries.iter().enumerate() {
                if self.recorded.iter().any(|(id, ..)| *id == entry.id()) {
                    continue;
                }
                let leaf = types::merkle::leaf_hash(&entry.leaf_bytes());
                self.frontier.append(leaf, |level, node| {
                    if level >= LOWEST_KEPT_LEVEL {
                        nodes.push(node);
                    }
                });
                let at = EntryPlace {
                    batch: place as u32,
                    entry: entry_place as u32,
                };
                assert!(recorded.insert(entry.id(), at));
                let personal = full.personal[entry_place].clone().unwrap();
                self.recorded
                    .push((entry.id(), entry.clone(), personal, height));
            }
        }
        let ids: Vec<BatchId> = batches.iter().map(|full| full.batch.id()).collect();
        let parent = self
            .blocks
            .last()
            .map_or(genesis_block_hash(&CHAIN), |block| block.hash);
        let header = Header {
            version: types::FORMAT_VERSION,
            chain: CHAIN,
            epoch: Epoch(0),
            height,
            parent,
            timestamp: UnixMillis(1000 + height.0),
            proposer: MemberIndex(0),
            ticket: LotterySignature::new([5; 48]),
            batches_root: batches_root(&ids),
            log_size: self.frontier.size(),
            log_root: self.frontier.root(),
        };
        let block = Block {
            header,
            batches: ids,
        };
        let block = SignedBlock {
            block,
            signature: IdentitySignature::new([6; 64]),
        };
        let executed = ExecutedBlock {
            hash: block.hash(),
            block,
            log_size_before: before,
            batches: batches.to_vec(),
            seed: seed_after(height),
            recorded: Arc::new(recorded),
            nodes,
        };
        self.blocks.push(executed.clone());
        executed
    }

    /// Appends and syncs the next block, with what makes it final.
    pub fn persist(
        &mut self,
        store: &mut Store,
        batches: &[FullBatch],
    ) -> (ExecutedBlock, Certificate) {
        let executed = self.next(batches);
        let finality = certificate(VoteKind::Finalize, &executed.block);
        let mut records: Vec<Record> = batches.iter().cloned().map(record).collect();
        records.push(Record::Block(executed.block.clone()));
        records.push(Record::Certificate(finality.clone()));
        store.append(&records, 1).unwrap();
        store.sync().unwrap();
        (executed, finality)
    }

    /// Appends, syncs and finalizes the next block.
    pub fn seal(&mut self, store: &mut Store, batches: &[FullBatch]) -> ExecutedBlock {
        let (executed, finality) = self.persist(store, batches);
        store
            .finalize(vec![executed.clone()], Some(&finality))
            .unwrap();
        executed
    }

    pub fn size(&self) -> LogSize {
        self.frontier.size()
    }
}

pub const SEGMENT: u32 = 1 << 20;

pub fn open(disk: &MemoryDisk, index: &MemoryIndex) -> Result<(Store, Recovered), StoreError> {
    Store::open_on(
        Arc::new(disk.clone()),
        Arc::new(index.clone()),
        &CHAIN,
        SEGMENT,
    )
}

pub fn records(recovered: Recovered) -> Vec<Record> {
    recovered.collect::<Result<_, _>>().unwrap()
}
