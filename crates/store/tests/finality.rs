//! What became final can be found in every way, and a restart reads no more of the log than it
//! needs.

mod support;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use store::{
    Disk, FjallIndex, Index, MOST_ORDERS_A_PAGE, MemoryDisk, MemoryIndex, Reader, Record,
    Recovered, Store, StoreError,
};
use support::*;
use types::{
    BlockHash, Digest, Height, LogIndex, LogSize, MemberIndex, OrderId, RecordedIds, Sought,
    VoteKind,
    merkle::{leaf_hash, root, verify_inclusion},
};

const DAY: u64 = 24 * 60 * 60 * 1000;

/// Four blocks: two batches, none, a batch of which entries are skipped, and a large one.
fn sealed(store: &mut Store) -> Chain {
    let mut chain = Chain::new();
    chain.seal(store, &[batch(1, &[1, 2, 3]), batch(2, &[4])]);
    chain.seal(store, &[]);
    chain.seal(store, &[batch(3, &[2, 5, 4, 6, 7, 1]), batch(4, &[5])]);
    chain.seal(store, &[batch(5, &(100..300).collect::<Vec<_>>())]);
    chain
}

/// Compares everything a reader says with the chain.
fn check(reader: &Reader, chain: &Chain) {
    let last = chain.blocks.last().unwrap();
    assert_eq!(
        reader.final_head(),
        Some((last.block.header().height, last.hash))
    );
    assert_eq!(reader.log_size(), chain.size());
    assert_eq!(reader.frontier().unwrap(), chain.frontier);
    for block in &chain.blocks {
        let height = block.block.header().height;
        assert_eq!(reader.block(height).unwrap().as_ref(), Some(&block.block));
        assert_eq!(reader.height_of(&block.hash).unwrap(), Some(height));
        assert_eq!(reader.seed(height).unwrap(), Some(seed_after(height)));
        let finality = certificate(VoteKind::Finalize, &block.block);
        assert_eq!(
            reader.next_certificate(height).unwrap().unwrap().kind,
            finality.kind
        );
        let whole = reader.final_block(height).unwrap().unwrap();
        let ids: Vec<_> = whole.batches.iter().map(|full| full.batch.id()).collect();
        assert_eq!(
            (whole.block, &ids),
            (block.block.clone(), &block.block.block.batches)
        );
        for id in ids {
            assert!(reader.is_final_batch(&id).unwrap());
        }
    }
    let above = last.block.header().height.next();
    assert_eq!(reader.block(above).unwrap(), None);
    assert_eq!(reader.final_block(above).unwrap(), None);
    assert_eq!(reader.seed(above).unwrap(), None);
    assert_eq!(reader.next_certificate(above).unwrap(), None);
    check_orders(reader, chain);
    check_lists(reader, chain);
}

fn check_orders(reader: &Reader, chain: &Chain) {
    let (size, root) = (chain.size(), chain.frontier.root());
    for (index, (id, entry, personal, height)) in (0..).map(LogIndex).zip(&chain.recorded) {
        let stored = reader.order(id).unwrap().unwrap();
        assert_eq!(
            (stored.id, stored.log_index, stored.height),
            (*id, index, *height)
        );
        assert_eq!(
            (&stored.entry, stored.personal.as_ref()),
            (entry, Some(personal))
        );
        assert_eq!(reader.order_at(index).unwrap(), Some(stored));
        assert!(reader.is_recorded(id.into()));
        let leaf = leaf_hash(&entry.leaf_bytes());
        let path = reader.inclusion_path(index, size).unwrap().unwrap();
        assert!(verify_inclusion(&leaf, index, size, &path, &root));
    }
    let timed = chain.recorded.iter().map(|(id, entry, ..)| Sought {
        id,
        placed_at: Some(entry.order().placed_at),
    });
    let timed: Vec<Sought<'_>> = timed.chain([(&OrderId::ZERO).into()]).collect();
    let recorded = reader.recorded_among(&timed);
    assert!(recorded.into_iter().eq(0..chain.recorded.len()));
    for block in &chain.blocks {
        let header = block.block.header();
        for index in 0..header.log_size.0 {
            let leaf = leaf_hash(&chain.recorded[index as usize].1.leaf_bytes());
            let path = reader
                .inclusion_path(LogIndex(index), header.log_size)
                .unwrap()
                .unwrap();
            assert!(verify_inclusion(
                &leaf,
                LogIndex(index),
                header.log_size,
                &path,
                &header.log_root
            ));
        }
    }
    assert_eq!(
        reader.inclusion_path(LogIndex(0), size.plus(1)).unwrap(),
        None
    );
    assert_eq!(reader.order_at(LogIndex(size.0)).unwrap(), None);
    assert_eq!(reader.order(&OrderId::ZERO).unwrap(), None);
    assert!(!reader.is_recorded((&OrderId::ZERO).into()));
}

fn check_lists(reader: &Reader, chain: &Chain) {
    let places = |is_right: &dyn Fn(&str, &str) -> bool| -> Vec<u64> {
        let all = chain.recorded.iter().enumerate();
        let right = all.filter(|(_, (_, entry, personal, _))| {
            is_right(personal.customer.as_str(), entry.order().receiver.as_str())
        });
        right.map(|(index, _)| index as u64).collect()
    };
    let paged =
        |page: &dyn Fn(Option<LogIndex>, usize) -> Vec<store::StoredOrder>, limit| -> Vec<u64> {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let orders = page(after, limit);
                assert!(orders.len() <= limit);
                let Some(last) = orders.last() else {
                    return found;
                };
                after = Some(last.log_index);
                found.extend(orders.iter().map(|order| order.log_index.0));
            }
        };
    for limit in [1, 7, 5000] {
        let page = |after, limit| reader.orders(after, limit).unwrap();
        assert_eq!(paged(&page, limit), places(&|_, _| true));
        for name in ["customer 0", "customer 1", "customer 2", "nobody"] {
            let page = |after, limit| reader.orders_of_customer(name, after, limit).unwrap();
            assert_eq!(paged(&page, limit), places(&|customer, _| customer == name));
        }
        for name in ["shop 0", "shop 1", ""] {
            let page = |after, limit| reader.orders_of_receiver(name, after, limit).unwrap();
            assert_eq!(paged(&page, limit), places(&|_, receiver| receiver == name));
        }
    }
    assert_eq!(reader.orders(None, 0).unwrap(), []);
    assert!(reader.orders(None, usize::MAX).unwrap().len() <= MOST_ORDERS_A_PAGE);
}

#[test]
fn an_empty_store_answers_nothing() {
    let (store, _) = open(&MemoryDisk::new(), &MemoryIndex::new()).unwrap();
    let reader = store.reader();
    assert_eq!((reader.final_head(), reader.log_size()), (None, LogSize(0)));
    assert_eq!(reader.frontier().unwrap(), types::Frontier::new());
    assert_eq!(reader.block(Height(1)).unwrap(), None);
    assert_eq!(reader.height_of(&BlockHash::ZERO).unwrap(), None);
    assert_eq!(reader.orders(None, 10).unwrap(), []);
    assert_eq!(reader.orders_of_customer("x", None, 10).unwrap(), []);
    assert_eq!(reader.certificate(Height(0)).unwrap(), None);
    assert_eq!(reader.next_certificate(Height(0)).unwrap(), None);
    assert_eq!(reader.answer(&Digest::ZERO).unwrap(), None);
}

#[test]
fn every_query_is_right_before_and_after_a_restart() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, _) = open(&disk, &index).unwrap();
    let chain = sealed(&mut store);
    check(&store.reader(), &chain);
    drop(store);
    disk.crash(0);
    let (store, _) = open(&disk, &index).unwrap();
    check(&store.reader(), &chain);
}

#[test]
fn every_query_is_right_on_real_files() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(folder.path(), &CHAIN).unwrap();
    let chain = sealed(&mut store);
    check(&store.reader(), &chain);
    drop(store);
    let (store, _) = Store::open(folder.path(), &CHAIN).unwrap();
    check(&store.reader(), &chain);
}

#[test]
fn one_certificate_can_cover_several_blocks() {
    let (mut store, _) = open(&MemoryDisk::new(), &MemoryIndex::new()).unwrap();
    let mut chain = Chain::new();
    let first = chain.next(&[batch(1, &[1])]);
    let second = chain.next(&[batch(2, &[2])]);
    let finality = certificate(VoteKind::Finalize, &second.block);
    let mut records = vec![record(batch(1, &[1])), record(batch(2, &[2]))];
    records.extend([&first, &second].map(|executed| Record::Block(executed.block.clone())));
    records.push(Record::Certificate(finality.clone()));
    store.append(&records, 1).unwrap();
    store.sync().unwrap();
    store
        .finalize(vec![first, second], Some(&finality))
        .unwrap();
    let reader = store.reader();
    check(&reader, &chain);
    assert_eq!(reader.certificate(Height(1)).unwrap(), None);
    assert_eq!(
        reader.certificate(Height(2)).unwrap().as_ref(),
        Some(&finality)
    );
    assert_eq!(reader.next_certificate(Height(1)).unwrap(), Some(finality));
}

#[test]
fn a_descendants_certificate_covers_a_block_without_one() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, _) = open(&disk, &index).unwrap();
    let mut chain = Chain::new();
    let first = chain.next(&[]);
    store
        .append(&[Record::Block(first.block.clone())], 1)
        .unwrap();
    store.sync().unwrap();
    store.finalize(vec![first.clone()], None).unwrap();
    assert_eq!(store.reader().final_head(), Some((Height(1), first.hash)));
    assert_eq!(store.reader().next_certificate(Height(1)).unwrap(), None);
    let second = chain.seal(&mut store, &[]);
    let finality = certificate(VoteKind::Finalize, &second.block);
    assert_eq!(
        store.reader().next_certificate(Height(1)).unwrap(),
        Some(finality)
    );
    check(&store.reader(), &chain);
}

#[test]
fn what_is_staged_is_seen_once_it_is_written_and_comes_back_where_it_was_not() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, _) = open(&disk, &index).unwrap();
    let mut chain = Chain::new();
    let mut staged = Vec::new();
    for number in 1..=3 {
        let (executed, finality) = chain.persist(&mut store, &[batch(number, &[number])]);
        staged.push(store.stage(vec![executed], Some(&finality)).unwrap());
    }
    let (reader, indexer) = (store.reader(), store.indexer());
    assert_eq!(reader.final_head(), None);
    let of_second = &chain.blocks[1].batches[0];
    assert_eq!(
        reader.batch(&of_second.batch.id()).unwrap().as_ref(),
        Some(of_second)
    );
    assert!(!reader.is_final_batch(&of_second.batch.id()).unwrap());
    for staged in staged.drain(..2) {
        indexer.write(staged).unwrap();
    }
    assert_eq!(reader.final_head(), Some((Height(2), chain.blocks[1].hash)));
    assert!(reader.is_final_batch(&of_second.batch.id()).unwrap());
    drop((store, reader, indexer, staged));
    disk.crash(0);

    let (mut store, recovered) = open(&disk, &index).unwrap();
    let last = &chain.blocks[2];
    let finality = certificate(VoteKind::Finalize, &last.block);
    let back = records(recovered);
    assert_eq!(back.first(), Some(&record(last.batches[0].clone())));
    assert_eq!(back.len(), 3);
    store.finalize(vec![last.clone()], Some(&finality)).unwrap();
    check(&store.reader(), &chain);
}

#[test]
#[should_panic(expected = "was appended and synced before it became final")]
fn the_index_is_never_ahead_of_the_log() {
    let (mut store, _) = open(&MemoryDisk::new(), &MemoryIndex::new()).unwrap();
    let executed = Chain::new().next(&[]);
    let finality = certificate(VoteKind::Finalize, &executed.block);
    let records = [
        Record::Block(executed.block.clone()),
        Record::Certificate(finality.clone()),
    ];
    store.append(&records, 1).unwrap();
    let _ = store.finalize(vec![executed], Some(&finality));
}

#[test]
fn live_batches_are_read_and_final_and_forgotten_ones_are_not_read_again() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, _) = open(&disk, &index).unwrap();
    let mut chain = Chain::new();
    chain.seal(&mut store, &[batch(1, &[1])]);
    let (live, useless) = (batch(2, &[2]), batch(3, &[1]));
    store
        .append(&[record(useless.clone()), record(live.clone())], 1)
        .unwrap();
    store.append(&[Record::Vote(vote(2, 2))], 1).unwrap();
    let reader = store.reader();
    assert_eq!(
        reader.batch(&live.batch.id()).unwrap().as_ref(),
        Some(&live)
    );
    assert!(!reader.is_final_batch(&live.batch.id()).unwrap());
    store.forget_batches(&[useless.batch.id(), batch(1, &[1]).batch.id()]);
    assert_eq!(reader.batch(&useless.batch.id()).unwrap(), None);
    assert_eq!(
        reader.batch(&batch(1, &[1]).batch.id()).unwrap(),
        Some(batch(1, &[1]))
    );
    chain.seal(&mut store, &[batch(4, &[4])]);
    store.append(&[Record::Vote(vote(3, 3))], 1).unwrap();
    store.sync().unwrap();
    drop((store, reader));
    disk.crash(0);

    let (store, recovered) = open(&disk, &index).unwrap();
    let back = records(recovered);
    // From the live batch on: not the first block, not the useless batch before the live one.
    assert_eq!(back.first(), Some(&record(live.clone())));
    assert_eq!(back.last(), Some(&Record::Vote(vote(3, 3))));
    assert_eq!(back.len(), 6);
    assert_eq!(store.reader().batch(&live.batch.id()).unwrap(), Some(live));
    assert_eq!(
        store.reader().batch(&batch(4, &[4]).batch.id()).unwrap(),
        Some(batch(4, &[4]))
    );
}

#[test]
fn records_above_the_final_height_are_read_again_however_old() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, _) = open(&disk, &index).unwrap();
    let mut chain = Chain::new();
    store
        .append(&[Record::Vote(vote(1, 1)), Record::Vote(vote(3, 3))], 1)
        .unwrap();
    chain.seal(&mut store, &[]);
    chain.seal(&mut store, &[]);
    drop(store);
    let (mut store, recovered) = open(&disk, &index).unwrap();
    assert_eq!(records(recovered).first(), Some(&Record::Vote(vote(3, 3))));
    chain.seal(&mut store, &[]);
    drop(store);
    let (_store, recovered) = open(&disk, &index).unwrap();
    assert_eq!(records(recovered), []);
}

#[test]
fn a_batch_written_again_with_more_personal_parts_is_read_as_written_last() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, _) = open(&disk, &index).unwrap();
    let whole = batch(1, &[1, 2]);
    let mut bare = whole.clone();
    bare.personal = std::sync::Arc::new(vec![None, None]);
    store.append(&[record(bare)], 1).unwrap();
    store.sync().unwrap();
    let mut chain = Chain::new();
    chain.seal(&mut store, std::slice::from_ref(&whole));
    check(&store.reader(), &chain);
    assert_eq!(
        store.reader().batch(&whole.batch.id()).unwrap(),
        Some(whole)
    );
}

/// Makes final again what the log hands back, as the replica does.
fn replay(store: &mut Store, recovered: Recovered, chain: &Chain) {
    let records = records(recovered);
    for executed in &chain.blocks {
        let finality = certificate(VoteKind::Finalize, &executed.block);
        assert!(records.contains(&Record::Block(executed.block.clone())));
        assert!(records.contains(&Record::Certificate(finality.clone())));
        store
            .finalize(vec![executed.clone()], Some(&finality))
            .unwrap();
    }
}

#[test]
fn without_its_index_the_log_comes_back_from_the_start() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, _) = open(&disk, &index).unwrap();
    store.append(&[Record::Answer(answer(1, 5))], 1).unwrap();
    let chain = sealed(&mut store);
    drop(store);
    let (mut store, recovered) = open(&disk, &MemoryIndex::new()).unwrap();
    assert_eq!(store.reader().final_head(), None);
    replay(&mut store, recovered, &chain);
    check(&store.reader(), &chain);
    assert_eq!(
        store.reader().answer(&answer(1, 5).key).unwrap(),
        Some(answer(1, 5))
    );
}

#[test]
fn entries_that_a_crash_took_are_read_back_from_the_log() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, _) = open(&disk, &index).unwrap();
    let chain = sealed(&mut store);
    drop(store);
    let size = chain.size().0;
    for end in (0..12).chain([100, size - 1, size]) {
        let left = index.after_crash(LogIndex(end));
        let (id, ..) = &chain.recorded[end.min(size - 1) as usize];
        let is_left = left.places_of_orders(&[id.into()]).unwrap()[0].is_some();
        assert_eq!(is_left, end == size);
        let (store, _) = open(&disk, &left).unwrap();
        assert_eq!(left.entries_end(), LogIndex(size));
        check(&store.reader(), &chain);
    }
}

/// Blocks that end within a subtree of the levels that are not kept, with one, and after several.
#[test]
fn the_tree_is_read_at_many_sizes() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, _) = open(&disk, &index).unwrap();
    let mut chain = Chain::new();
    let mut next = 0;
    for (number, orders) in (1..).zip([1, 62, 1, 64, 65, 0, 127, 3, 300, 17]) {
        let orders: Vec<u64> = (next..next + orders).collect();
        next += orders.len() as u64;
        let (first, second) = orders.split_at(orders.len() / 3);
        chain.seal(
            &mut store,
            &[batch(number, first), batch(number + 100, second)],
        );
        let reader = store.reader();
        assert_eq!(reader.frontier().unwrap(), chain.frontier);
    }
    let reader = store.reader();
    let leaf = |(_, entry, ..): &(_, types::Entry, _, _)| leaf_hash(&entry.leaf_bytes());
    let leaves: Vec<Digest> = chain.recorded.iter().map(leaf).collect();
    for size in (1..=next).filter(|size| size % 17 == 0 || (size + 1) % 64 < 3 || *size == next) {
        let root = root(&leaves[..size as usize]);
        let size = LogSize(size);
        for index in (0..size.0).filter(|index| index % 13 == 0 || index + 2 > size.0) {
            let index = LogIndex(index);
            let path = reader.inclusion_path(index, size).unwrap().unwrap();
            let leaf = &leaves[index.0 as usize];
            assert!(verify_inclusion(leaf, index, size, &path, &root));
        }
    }
}

/// Or a network of few orders would have ever more to read back.
#[test]
fn restarts_do_not_put_off_that_entries_go_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder
        .path()
        .join("index/runs/0000000000000000-0000000000001024.pairs");
    let mut chain = Chain::new();
    for restart in 0..3 {
        assert!(!file.exists(), "at restart {restart}");
        let (mut store, _) = Store::open(folder.path(), &CHAIN).unwrap();
        for number in (restart * 400..).take(400) {
            chain.seal(&mut store, &[batch(number, &[number])]);
        }
        // A thread of its own writes it.
        for _ in 0..if restart == 2 { 1_000 } else { 0 } {
            if file.exists() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
    assert!(file.exists());
    let (store, _) = Store::open(folder.path(), &CHAIN).unwrap();
    let (last, ..) = chain.recorded.last().unwrap();
    assert_eq!(
        store.reader().log_index(last).unwrap(),
        Some(LogIndex(1_199))
    );
}

/// However many of its entries were skipped, and however the rest lies between them.
#[test]
fn a_batch_is_read_once_to_restore_its_entries() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, _) = open(&disk, &index).unwrap();
    let mut chain = Chain::new();
    chain.seal(&mut store, &[batch(1, &[1])]);
    let alternating: Vec<u64> = (2..102).flat_map(|number| [1, number]).collect();
    chain.seal(&mut store, &[batch(2, &alternating)]);
    drop(store);
    let reads = |end| {
        let disk = Arc::new(CountingDisk(disk.clone(), AtomicUsize::new(0)));
        let left = Arc::new(index.after_crash(end));
        let opened = Store::open_on(disk.clone(), left, &CHAIN, SEGMENT);
        let count = disk.1.load(Ordering::Relaxed);
        check(&opened.unwrap().0.reader(), &chain);
        count
    };
    // The block, the public part of the batch before for the tree, both parts of this one; two reads each.
    let (all, none) = (reads(LogIndex(101)), reads(LogIndex(1)));
    assert_eq!(none, all + 8);
}

/// Counts how often it is read.
struct CountingDisk(MemoryDisk, AtomicUsize);

impl Disk for CountingDisk {
    fn segments(&self) -> io::Result<Vec<u32>> {
        self.0.segments()
    }
    fn create(&self, segment: u32) -> io::Result<()> {
        self.0.create(segment)
    }
    fn append(&self, segment: u32, bytes: &[u8]) -> io::Result<()> {
        self.0.append(segment, bytes)
    }
    fn sync(&self, segment: u32) -> io::Result<()> {
        self.0.sync(segment)
    }
    fn read_at(&self, segment: u32, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.read_at(segment, offset, buffer)
    }
    fn len(&self, segment: u32) -> io::Result<u64> {
        self.0.len(segment)
    }
    fn truncate(&self, segment: u32, len: u64) -> io::Result<()> {
        self.0.truncate(segment, len)
    }
}

#[test]
fn an_index_that_lost_its_last_writes_is_brought_up_to_date() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, _) = open(&disk, &index).unwrap();
    let mut chain = Chain::new();
    chain.seal(&mut store, &[batch(1, &[1])]);
    let stale = index.after_crash(index.entries_end());
    chain.seal(&mut store, &[batch(2, &[2])]);
    store.append(&[Record::Answer(answer(1, 5))], 1).unwrap();
    store.sync().unwrap();
    chain.seal(&mut store, &[batch(3, &[3])]);
    drop(store);
    // What was in files may still be there, whatever happened to all else.
    let with_entries = stale.with_entries_of(&index.after_crash(LogIndex(2)));
    for stale in [stale, with_entries] {
        let (mut store, recovered) = open(&disk, &stale).unwrap();
        let back = records(recovered);
        assert_eq!(back.first(), Some(&record(batch(2, &[2]))));
        for executed in &chain.blocks[1..] {
            store
                .finalize(
                    vec![executed.clone()],
                    Some(&certificate(VoteKind::Finalize, &executed.block)),
                )
                .unwrap();
        }
        check(&store.reader(), &chain);
        assert_eq!(
            store.reader().answer(&answer(1, 5).key).unwrap(),
            Some(answer(1, 5))
        );
    }
}

#[test]
fn answers_are_seen_once_synced_survive_and_go_after_a_day() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, _) = open(&disk, &index).unwrap();
    let reader = store.reader();
    let get = |reader: &Reader, key: u8| reader.answer(&Digest::new([key; 32])).unwrap();
    store
        .append(
            &[Record::Answer(answer(1, 10)), Record::Answer(answer(2, 20))],
            1,
        )
        .unwrap();
    assert_eq!(get(&reader, 1), None);
    store.sync().unwrap();
    assert_eq!(get(&reader, 1), Some(answer(1, 10)));
    Chain::new().seal(&mut store, &[]);
    drop((store, reader));
    disk.crash(0);
    let (mut store, recovered) = open(&disk, &index).unwrap();
    assert_eq!(records(recovered), []);
    let reader = store.reader();
    assert_eq!(
        (get(&reader, 1), get(&reader, 2)),
        (Some(answer(1, 10)), Some(answer(2, 20)))
    );
    // Key 1 is used again a day later; key 2 only grows old.
    store
        .append(&[Record::Answer(answer(1, 15 + DAY))], 1)
        .unwrap();
    store.sync().unwrap();
    assert_eq!(
        (get(&reader, 1), get(&reader, 2)),
        (Some(answer(1, 15 + DAY)), Some(answer(2, 20)))
    );
    store
        .append(&[Record::Answer(answer(3, 21 + DAY))], 1)
        .unwrap();
    store.sync().unwrap();
    assert_eq!(
        (get(&reader, 1), get(&reader, 2)),
        (Some(answer(1, 15 + DAY)), None)
    );
    assert_eq!(get(&reader, 3), Some(answer(3, 21 + DAY)));
}

#[test]
fn a_reader_sees_whole_blocks_while_the_writer_writes() {
    let (mut store, _) = open(&MemoryDisk::new(), &MemoryIndex::new()).unwrap();
    let reader = store.reader();
    let watcher = std::thread::spawn(move || {
        loop {
            let Some((height, hash)) = reader.final_head() else {
                continue;
            };
            assert_eq!(reader.height_of(&hash).unwrap(), Some(height));
            let block = reader.final_block(height).unwrap().unwrap();
            for full in &block.batches {
                assert!(reader.is_final_batch(&full.batch.id()).unwrap());
                assert!(reader.is_recorded((&full.batch.entries[0].id()).into()));
            }
            assert!(reader.frontier().unwrap().size() >= block.block.header().log_size);
            if height == Height(60) {
                return;
            }
        }
    });
    let mut chain = Chain::new();
    for number in 1..=60_u64 {
        chain.seal(&mut store, &[batch(number, &[2 * number, 2 * number + 1])]);
    }
    watcher.join().unwrap();
}

#[test]
fn a_folder_in_use_is_refused_and_a_damaged_index_is_built_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(folder.path(), &CHAIN).unwrap();
    let reader = store.reader();
    let second = Store::open(folder.path(), &CHAIN).err().unwrap();
    assert!(matches!(second, StoreError::InUse { .. }), "{second}");
    assert!(
        second
            .to_string()
            .contains(&folder.path().display().to_string())
    );
    let chain = sealed(&mut store);
    drop(store);
    // A reader uses the folder as well.
    assert!(matches!(
        Store::open(folder.path(), &CHAIN),
        Err(StoreError::InUse { .. })
    ));
    drop(reader);

    let other = types::ChainId::new([8; 32]);
    assert!(matches!(
        Store::open(folder.path(), &other),
        Err(StoreError::Chain { .. })
    ));

    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    std::fs::create_dir(folder.path().join("index")).unwrap();
    std::fs::write(folder.path().join("index/version"), b"garbage").unwrap();
    let (mut store, recovered) = Store::open(folder.path(), &CHAIN).unwrap();
    replay(&mut store, recovered, &chain);
    check(&store.reader(), &chain);
}

#[test]
fn both_indexes_agree() {
    use store::index::{Change, Space};
    let folder = tempfile::tempdir().unwrap();
    let indexes: [Arc<dyn Index>; 2] = [
        Arc::new(MemoryIndex::new()),
        Arc::new(FjallIndex::open(folder.path()).unwrap()),
    ];
    let put = |key: &[u8], value: &[u8]| Change::put(Space::Hashes, key, value);
    for index in indexes {
        index
            .write(vec![put(b"b", b"1"), put(b"d", b"2"), put(b"f", b"3")])
            .unwrap();
        index
            .write(vec![Change::remove(Space::Hashes, *b"d"), put(b"b", b"4")])
            .unwrap();
        assert_eq!(index.get(Space::Hashes, b"b").unwrap(), Some(b"4".to_vec()));
        assert_eq!(index.get(Space::Hashes, b"d").unwrap(), None);
        assert_eq!(index.get(Space::Nodes, b"b").unwrap(), None);
        let pair = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
        assert_eq!(
            index.last_at_or_below(Space::Hashes, b"e").unwrap(),
            Some(pair(b"b", b"4"))
        );
        assert_eq!(
            index.last_at_or_below(Space::Hashes, b"f").unwrap(),
            Some(pair(b"f", b"3"))
        );
        assert_eq!(index.last_at_or_below(Space::Hashes, b"a").unwrap(), None);
        let range = |from, to, limit| index.range(Space::Hashes, from, to, limit).unwrap();
        assert_eq!(range(b"a", b"f", 9), [pair(b"b", b"4"), pair(b"f", b"3")]);
        assert_eq!(range(b"a", b"f", 1), [pair(b"b", b"4")]);
        assert_eq!(range(b"f", b"a", 9), []);
    }
}

/// Evidence is kept for ever, whatever became final since.
#[test]
fn evidence_is_found_newest_first_also_after_a_restart_without_an_index() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, _) = open(&disk, &index).unwrap();
    let mut chain = Chain::new();
    let mut proofs = Vec::new();
    for number in 1..=4 {
        for proposer in [0, 3] {
            let mut block = Chain::new().next(&[]).block;
            block.block.header.height = Height(number);
            block.block.header.proposer = MemberIndex(proposer);
            let proof = evidence(&block);
            store.append(&[Record::Evidence(proof.clone())], 1).unwrap();
            proofs.push(proof);
        }
        if number == 1 {
            assert_eq!(store.reader().evidence(10).unwrap(), [], "not synced yet");
        }
        // The same once more is no news.
        let again = proofs.last().cloned().unwrap();
        store.append(&[Record::Evidence(again)], 1).unwrap();
        chain.seal(&mut store, &[batch(number, &[number])]);
    }
    proofs.reverse();
    let check = |reader: &Reader| {
        assert_eq!(reader.evidence(100).unwrap(), proofs);
        assert_eq!(reader.evidence(3).unwrap(), proofs[..3]);
    };
    check(&store.reader());
    drop(store);
    let (store, _) = open(&disk, &index).unwrap();
    check(&store.reader());
    drop(store);
    let (store, _) = open(&disk, &MemoryIndex::new()).unwrap();
    check(&store.reader());
}
