//! What was synced is there after any crash, and nothing else is made up.

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use store::{FailingDisk, MemoryDisk, MemoryIndex, Record, Store, StoreError};
use support::*;
use types::{ChainId, LogIndex, VoteKind};

/// One record of each kind.
fn one_of_each() -> Vec<Record> {
    let executed = Chain::new().next(&[batch(1, &[1, 2])]);
    vec![
        record(batch(1, &[1, 2])),
        Record::Block(executed.block.clone()),
        Record::Vote(vote(1, 8)),
        Record::Certificate(certificate(VoteKind::Certify, &executed.block)),
        Record::Evidence(evidence(&executed.block)),
        Record::Answer(answer(1, 1000)),
    ]
}

#[test]
fn every_kind_comes_back_in_order() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, recovered) = open(&disk, &index).unwrap();
    assert_eq!(records(recovered), []);
    store.append(&one_of_each(), 5).unwrap();
    assert_eq!(store.sync().unwrap().sequence(), 5);
    store.append(&[Record::Vote(vote(2, 9))], 6).unwrap();
    assert_eq!(store.sync().unwrap().sequence(), 6);
    drop(store);
    disk.crash(0);
    let mut expected = one_of_each();
    expected.push(Record::Vote(vote(2, 9)));
    for _ in 0..2 {
        let (_store, recovered) = open(&disk, &index).unwrap();
        assert_eq!(records(recovered), expected);
    }
}

#[test]
fn a_crash_at_every_byte_keeps_what_was_synced_and_invents_nothing() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, _) = open(&disk, &index).unwrap();
    store
        .append(&[record(batch(1, &[1])), Record::Vote(vote(1, 1))], 1)
        .unwrap();
    store.sync().unwrap();
    let synced = [record(batch(1, &[1])), Record::Vote(vote(1, 1))];
    let tail = one_of_each();
    let before = disk.bytes(0);
    store.append(&tail, 2).unwrap();
    let unsynced = disk.unsynced_bytes();
    let whole = disk.bytes(0);
    drop(store);
    let mut seen = Vec::new();
    for keep in 0..=unsynced {
        // A handle of its own, so that each crash starts from the same bytes.
        let crashed = MemoryDisk::new();
        use store::Disk as _;
        crashed.create(0).unwrap();
        crashed.append(0, &before).unwrap();
        crashed.sync(0).unwrap();
        crashed.append(0, &whole[before.len()..]).unwrap();
        crashed.crash(keep);
        let (mut store, recovered) = open(&crashed, &MemoryIndex::new()).unwrap();
        let back = records(recovered);
        assert_eq!(back[..2], synced[..], "{keep} bytes kept");
        assert_eq!(back[2..], tail[..back.len() - 2], "{keep} bytes kept");
        seen.push(back.len() - 2);
        // The torn tail is gone for good: the log goes on as if it had never been.
        store.append(&[Record::Vote(vote(9, 9))], 1).unwrap();
        store.sync().unwrap();
        drop(store);
        let (_store, recovered) = open(&crashed, &MemoryIndex::new()).unwrap();
        let again = records(recovered);
        assert_eq!(again[..again.len() - 1], back[..]);
        assert_eq!(again.last(), Some(&Record::Vote(vote(9, 9))));
    }
    assert!(seen.is_sorted());
    assert_eq!((seen[0], *seen.last().unwrap()), (0, tail.len()));
}

#[test]
fn pages_written_out_of_order_are_a_crash_and_not_damage() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, _) = open(&disk, &index).unwrap();
    store.append(&[Record::Vote(vote(1, 1))], 1).unwrap();
    store.sync().unwrap();
    let synced = disk.bytes(0).len();
    store
        .append(&[Record::Vote(vote(2, 2)), Record::Vote(vote(3, 3))], 2)
        .unwrap();
    drop(store);
    // The first unsynced vote did not reach the disk, the second did.
    disk.flip_bit(0, synced + 40, 0);
    let (_store, recovered) = open(&disk, &index).unwrap();
    assert_eq!(records(recovered), [Record::Vote(vote(1, 1))]);
}

#[test]
fn damage_to_what_was_synced_is_refused_with_file_and_offset() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, _) = open(&disk, &index).unwrap();
    store.append(&one_of_each(), 1).unwrap();
    store.sync().unwrap();
    let first_commit = disk.bytes(0).len();
    store.append(&[Record::Vote(vote(2, 2))], 2).unwrap();
    drop(store);
    for offset in 0..first_commit {
        let damaged = disk.copy();
        damaged.flip_bit(0, offset, (offset % 8) as u8);
        let error = open(&damaged, &MemoryIndex::new())
            .err()
            .expect("damage is refused");
        match (offset, error) {
            (0..8, StoreError::NotALog { .. }) | (8..10, StoreError::Version { .. }) => {}
            (10..50, StoreError::Corrupt { file, offset, .. }) => {
                assert_eq!((file.as_str(), offset), ("log/00000000.log", 0));
            }
            (
                50..,
                StoreError::Corrupt {
                    file, offset: at, ..
                },
            ) => {
                assert_eq!(file, "log/00000000.log");
                assert!(at >= 50 && at as usize <= offset);
            }
            (offset, error) => panic!("byte {offset}: {error}"),
        }
    }
}

#[test]
fn damage_in_the_last_commit_is_known_by_the_index() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, _) = open(&disk, &index).unwrap();
    store.append(&[record(batch(9, &[9]))], 0).unwrap();
    Chain::new().seal(&mut store, &[batch(1, &[1, 2])]);
    drop(store);
    let damaged = disk.copy();
    damaged.flip_bit(0, 60, 0);
    assert!(matches!(
        open(&damaged, &index),
        Err(StoreError::Corrupt { offset: 50, .. })
    ));
    let shorter = disk.copy();
    use store::Disk as _;
    shorter.truncate(0, 50).unwrap();
    assert!(matches!(
        open(&shorter, &index),
        Err(StoreError::CutShort { offset: 50, .. })
    ));
    let gone = MemoryDisk::new();
    assert!(matches!(
        open(&gone, &index),
        Err(StoreError::CutShort { .. })
    ));
}

#[test]
fn another_chain_version_or_file_is_refused_in_words() {
    use store::Disk as _;
    let disk = MemoryDisk::new();
    drop(open(&disk, &MemoryIndex::new()).unwrap());
    let other = ChainId::new([8; 32]);
    let opened = Store::open_on(
        Arc::new(disk.copy()),
        Arc::new(MemoryIndex::new()),
        &other,
        SEGMENT,
    );
    let message = opened.err().unwrap().to_string();
    assert!(
        message.contains(&CHAIN.to_string()) && message.contains(&other.to_string()),
        "{message}"
    );

    let index = MemoryIndex::new();
    drop(open(&MemoryDisk::new(), &index).unwrap());
    let opened = Store::open_on(
        Arc::new(MemoryDisk::new()),
        Arc::new(index),
        &other,
        SEGMENT,
    );
    assert!(matches!(opened, Err(StoreError::ForeignIndex)));

    let newer = disk.copy();
    newer.flip_bit(0, 8, 2);
    let message = open(&newer, &MemoryIndex::new()).err().unwrap().to_string();
    assert!(
        message.contains("version 7") && message.contains("version 3"),
        "{message}"
    );

    let stranger = MemoryDisk::new();
    stranger.create(0).unwrap();
    stranger.append(0, b"notes").unwrap();
    assert!(matches!(
        open(&stranger, &MemoryIndex::new()),
        Err(StoreError::NotALog { .. })
    ));
    stranger.append(0, &[b'x'; 60]).unwrap();
    assert!(matches!(
        open(&stranger, &MemoryIndex::new()),
        Err(StoreError::NotALog { .. })
    ));
}

#[test]
fn every_failing_write_poisons_and_loses_nothing_synced() {
    let run = |disk: &FailingDiskHandle,
               index: &MemoryIndex|
     -> (Result<(), StoreError>, u64, Option<Store>) {
        let opened = Store::open_on(disk.clone(), Arc::new(index.clone()), &CHAIN, 400);
        let mut store = match opened {
            Ok((store, _)) => store,
            Err(error) => return (Err(error), 0, None),
        };
        let mut persisted = 0;
        for number in 1..=6_u64 {
            let step = store
                .append(&[Record::Vote(vote(number, number as u8))], number)
                .and_then(|()| store.sync());
            match step {
                Ok(receipt) => persisted = receipt.sequence(),
                Err(error) => return (Err(error), persisted, Some(store)),
            }
        }
        (Ok(()), persisted, Some(store))
    };
    let mut failures = 0;
    for fail_at in 0.. {
        let (memory, index) = (MemoryDisk::new(), MemoryIndex::new());
        let disk = Arc::new(FailingDisk::new(Arc::new(memory.clone()), fail_at));
        let (result, persisted, store) = run(&disk, &index);
        if result.is_ok() {
            assert!(disk.writes() <= fail_at);
            break;
        }
        failures += 1;
        assert!(matches!(result, Err(StoreError::Io { .. })));
        if let Some(mut store) = store {
            let again = store.append(&[Record::Vote(vote(7, 7))], 7);
            assert!(matches!(again, Err(StoreError::Poisoned)));
            assert!(matches!(store.sync(), Err(StoreError::Poisoned)));
        }
        memory.crash(0);
        let (_store, recovered) = open(&memory, &index).unwrap();
        let expected: Vec<_> = (1..=6)
            .map(|number| Record::Vote(vote(number, number as u8)))
            .collect();
        let back = records(recovered);
        assert!(back.len() as u64 >= persisted, "failing write {fail_at}");
        assert_eq!(back[..], expected[..back.len()], "failing write {fail_at}");
    }
    assert!(
        failures > 12,
        "six appends and six syncs, and the beginnings of segments"
    );
}

type FailingDiskHandle = Arc<FailingDisk>;

#[test]
fn segments_roll_and_a_missing_one_is_refused() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let open_small = |disk: &MemoryDisk| {
        Store::open_on(
            Arc::new(disk.clone()),
            Arc::new(index.after_crash(LogIndex(0))),
            &CHAIN,
            1000,
        )
    };
    let (mut store, _) = open_small(&disk).unwrap();
    let votes: Vec<_> = (1..=40)
        .map(|number| Record::Vote(vote(number, 1)))
        .collect();
    store.append(&votes, 1).unwrap();
    store.sync().unwrap();
    drop(store);
    use store::Disk as _;
    let segments = disk.segments().unwrap();
    assert!(segments.len() >= 4);
    let (_store, recovered) = open_small(&disk).unwrap();
    assert_eq!(records(recovered), votes);

    let missing = MemoryDisk::new();
    for segment in segments.iter().filter(|segment| **segment != 1) {
        missing.create(*segment).unwrap();
        missing.append(*segment, &disk.bytes(*segment)).unwrap();
    }
    assert!(
        matches!(open_small(&missing), Err(StoreError::Corrupt { file, .. }) if file == "log/00000001.log")
    );

    // A crash while a segment was begun leaves it without its header.
    let begun = disk.copy();
    let next = segments.len() as u32;
    begun.create(next).unwrap();
    begun.append(next, b"DEXTR").unwrap();
    let (_store, recovered) = open_small(&begun).unwrap();
    assert_eq!(records(recovered), votes);
    assert_eq!(begun.bytes(next).len(), 50);

    // An inner segment may not be short.
    disk.truncate(1, disk.len(1).unwrap() - 1).unwrap();
    assert!(
        matches!(open_small(&disk), Err(StoreError::Corrupt { file, .. }) if file == "log/00000001.log")
    );
}

#[test]
fn golden_bytes_of_a_log_with_every_kind() {
    let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
    let (mut store, _) = open(&disk, &index).unwrap();
    store.append(&one_of_each(), 1).unwrap();
    store.sync().unwrap();
    store.append(&[Record::Vote(vote(2, 2))], 2).unwrap();
    let bytes = disk.bytes(0);
    let mut at = 50;
    let mut frames = Vec::new();
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let sum = u32::from_le_bytes(bytes[at + 5..at + 9].try_into().unwrap());
        frames.push((bytes[at + 4], length, format!("{sum:08x}")));
        at += 9 + length;
    }
    let frames: Vec<_> = frames
        .iter()
        .map(|(kind, length, sum)| (*kind, *length, sum.as_str()))
        .collect();
    assert_eq!(frames, GOLDEN_FRAMES);
    let mut header = b"DEXTRLOG".to_vec();
    header.extend([3, 0, 0, 0, 0, 0]);
    header.extend([7; 32]);
    header.extend([0xbb, 0xa8, 0x71, 0x6c]);
    assert_eq!(bytes[..50], header);
}

/// Kind, length of the payload, checksum (which pins the payload's bytes).
const GOLDEN_FRAMES: &[(u8, usize, &str)] = &[
    (1, 298, "09fb01ec"),
    (2, 102, "97e26b0a"),
    (3, 312, "c8cbb878"),
    (4, 115, "359046db"),
    (5, 185, "7d9058b1"),
    (6, 552, "04e9e568"),
    (7, 108, "0456a007"),
    (8, 8, "6d5b0dac"),
    (4, 115, "264230ed"),
];

fn any_record() -> impl Strategy<Value = Record> {
    prop_oneof![
        (1..50_u64, prop::collection::vec(0..1000_u64, 1..5))
            .prop_map(|(number, orders)| record(batch(number, &orders))),
        (1..50_u64, any::<u8>()).prop_map(|(height, block)| Record::Vote(vote(height, block))),
        (any::<u8>(), 0..10_000_u64).prop_map(|(key, at)| Record::Answer(answer(key, at))),
        Just(()).prop_map(|()| Record::Block(Chain::new().next(&[]).block)),
        Just(()).prop_map(|()| Record::Evidence(evidence(&Chain::new().next(&[]).block))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Commits, some followed by an unsynced tail, a crash that keeps part of it, and a restart.
    #[test]
    fn records_survive_restarts(
        lives in prop::collection::vec(
            (prop::collection::vec(any_record(), 0..8), prop::collection::vec(any_record(), 0..4), 0..2000_usize),
            1..6,
        ),
        segment in 300..3000_u32,
    ) {
        let (disk, index) = (MemoryDisk::new(), MemoryIndex::new());
        let mut expected: Vec<Record> = Vec::new();
        for (synced, unsynced, keep) in lives {
            let opened = Store::open_on(Arc::new(disk.clone()), Arc::new(index.clone()), &CHAIN, segment);
            let (mut store, recovered) = opened.unwrap();
            let back = records(recovered);
            prop_assert_eq!(&back, &expected);
            store.append(&synced, 1).unwrap();
            store.sync().unwrap();
            expected.extend(synced);
            store.append(&unsynced, 2).unwrap();
            drop(store);
            disk.crash(keep);
            let (_store, recovered) =
                Store::open_on(Arc::new(disk.clone()), Arc::new(index.clone()), &CHAIN, segment).unwrap();
            let back = records(recovered);
            let kept = back.len() - expected.len();
            prop_assert_eq!(&back[..expected.len()], &expected[..]);
            prop_assert_eq!(&back[expected.len()..], &unsynced[..kept]);
            expected = back;
        }
    }
}
