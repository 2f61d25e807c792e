//! Where orders, customers and receivers are, on disk as in memory: over many merges, restarts and damage.

use std::{fs, ops::Range, path::Path, thread, time::Duration};

use store::{
    FjallIndex, Index, MemoryIndex,
    index::{Entries, Space},
};
use types::{LogIndex, OrderId, Sought, UnixMillis, encoding::sha256};

/// More than a file of a run takes.
const A_FILE: u64 = 160_000;

/// More than eight runs that go to files, so that files are merged as well.
const ORDERS: u64 = 1_500_000;

fn order(place: u64) -> OrderId {
    sha256(format!("order {place}").as_bytes())
}

/// One a millisecond, and of every hundredth the clock is a year behind, or more.
fn placed_at(place: u64) -> UnixMillis {
    let clock = if place.is_multiple_of(100) {
        1_600_000_000_000 - place * 1_000
    } else {
        1_700_000_000_000
    };
    UnixMillis(clock + place)
}

/// The places of these orders, found by their ids alone, and where it is told when they were placed: there is no
/// difference.
fn places_of(index: &dyn Index, orders: &[u64]) -> Vec<Option<LogIndex>> {
    let ids: Vec<OrderId> = orders.iter().map(|place| order(*place)).collect();
    let by_id: Vec<Sought<'_>> = ids.iter().map(Sought::from).collect();
    let timed = orders.iter().zip(&ids).map(|(place, id)| Sought {
        id,
        placed_at: Some(placed_at(*place)),
    });
    let timed: Vec<Sought<'_>> = timed.collect();
    let half = orders.len() / 2;
    let mixed = [&timed[..half], &by_id[half..]].concat();
    let places = index.places_of_orders(&by_id).unwrap();
    assert_eq!(index.places_of_orders(&timed).unwrap(), places);
    assert_eq!(index.places_of_orders(&mixed).unwrap(), places);
    places
}

/// One in a hundred comes from each customer, all go to three receivers, and of every fifth one the
/// customer is not known.
fn entries(index: &dyn Index, places: Range<u64>) -> Entries {
    let mut entries = index.entries_from(LogIndex(places.start));
    for place in places {
        let receiver = format!("receiver {}", place % 3);
        let customer = (place % 5 > 0).then(|| format!("customer {}", place % 100));
        let customer = customer.as_deref();
        entries.push(&order(place), placed_at(place), &receiver, customer);
    }
    entries
}

/// Writes the orders of these places in blocks of very different lengths.
fn write(indexes: &[&dyn Index], places: Range<u64>) {
    let mut start = places.start;
    while start < places.end {
        let length = 1 + start * 7_919 % if start.is_multiple_of(3) { 5_000 } else { 40 };
        let end = (start + length).min(places.end);
        for index in indexes {
            index
                .write_entries(Vec::new(), entries(*index, start..end))
                .unwrap();
        }
        start = end;
    }
}

fn check(index: &dyn Index, oracle: &MemoryIndex, size: u64) {
    let place = |number| places_of(index, &[number])[0];
    for number in (0..size).step_by(997).chain([size - 1]) {
        assert_eq!(place(number), Some(LogIndex(number)));
    }
    assert!((size..size + 500).all(|number| place(number).is_none()));
    // Of many together each is found, or not, as it is alone.
    let mixed: Vec<u64> = (0..2 * size).step_by(1 + size as usize / 100).collect();
    let expected = mixed.iter().copied().map(LogIndex);
    let expected: Vec<_> = expected
        .map(|place| (place.0 < size).then_some(place))
        .collect();
    assert_eq!(places_of(index, &mixed), expected);
    for (space, what) in [
        (Space::Customers, "customer"),
        (Space::Receivers, "receiver"),
    ] {
        for number in [0, 1, 2, 57, 100] {
            for (from, limit) in [(0, 3), (size / 2, 1_000), (size - 10, 50), (0, 0)] {
                let text = format!("{what} {number}");
                let places = |index: &dyn Index| {
                    let from = index.text_key(&text, LogIndex(from));
                    let to = index.text_key(&text, LogIndex(size - 1));
                    let found = index.range(space, &from, &to, limit).unwrap();
                    let place = |(key, _): (Vec<u8>, _)| key[16..].to_vec();
                    found.into_iter().map(place).collect::<Vec<_>>()
                };
                assert_eq!(places(index), places(oracle));
            }
        }
    }
}

/// The index in a folder as the program makes it whole: what no file holds is written again.
fn reopen(folder: &Path, size: u64) -> FjallIndex {
    let index = FjallIndex::open(folder).unwrap();
    let end = index.entries_end().0;
    assert!(end + A_FILE > size, "{end} of {size}");
    write(&[&index], end..size);
    index
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(folder.join("runs")).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn pairs_are_found_over_merges_and_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let oracle = MemoryIndex::new();
    let mut written = 0;
    for end in [10, 70_000, 70_001, 300_000, ORDERS] {
        let index = reopen(folder.path(), written);
        if written > 0 {
            check(&index, &oracle, written);
        }
        write(&[&index, &oracle], written..end);
        written = end;
        check(&index, &oracle, end);
    }
    let index = reopen(folder.path(), ORDERS);
    check(&index, &oracle, ORDERS);
    // Some eleven go there, and eight are merged by and by.
    let is_merged = || (1..=7).contains(&files(folder.path()).len());
    let mut waits = (0..600).map(|_| thread::sleep(Duration::from_millis(100)));
    assert!(
        is_merged() || waits.any(|()| is_merged()),
        "{:?}",
        files(folder.path())
    );
    check(&index, &oracle, ORDERS);
    drop(index);
    check(&reopen(folder.path(), ORDERS), &oracle, ORDERS);
}

#[test]
fn what_the_files_hold_already_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let oracle = MemoryIndex::new();
    let index = FjallIndex::open(folder.path()).unwrap();
    write(&[&index, &oracle], 0..A_FILE);
    // As after a crash that undid the last writes of the head: the same blocks become final again, in
    // other groups.
    let end = A_FILE + 10;
    for places in [60_000..60_100, 0..1, A_FILE - 10..end] {
        let entries = entries(&index, places);
        index.write_entries(Vec::new(), entries).unwrap();
    }
    oracle
        .write_entries(Vec::new(), entries(&oracle, A_FILE..end))
        .unwrap();
    check(&index, &oracle, end);
    drop(index);
    check(&reopen(folder.path(), end), &oracle, end);
}

#[test]
fn damage_is_noticed_and_never_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    write(&[&FjallIndex::open(folder.path()).unwrap()], 0..A_FILE);
    let [file] = &files(folder.path())[..] else {
        panic!("one run is in a file")
    };
    let whole = fs::read(file).unwrap();
    for at in (0..whole.len())
        .step_by(whole.len() / 20)
        .chain([whole.len() - 1])
    {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(file, &damaged).unwrap();
        // Either it is seen at once, or when the damaged page is read.
        let index = FjallIndex::open(folder.path()).unwrap();
        let end = index.entries_end().0;
        if end > 0 {
            let read = |place| index.places_of_orders(&[(&order(place)).into()]);
            let right = |place| vec![Some(LogIndex(place))];
            assert!(
                (0..end)
                    .step_by(11)
                    .all(|place| read(place).map_or(true, |found| found == right(place)))
            );
        }
        assert_eq!(file.exists(), end > 0);
        fs::write(file, &whole).unwrap();
    }
    for length in [0, 5, whole.len() / 2, whole.len() - 1] {
        fs::write(file, &whole[..length]).unwrap();
        let index = FjallIndex::open(folder.path()).unwrap();
        assert_eq!(index.entries_end(), LogIndex(0), "cut to {length}");
        assert!(!file.exists());
    }
}

#[test]
fn no_index_takes_the_keys_of_another() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    for folder in &folders {
        write(&[&FjallIndex::open(folder.path()).unwrap()], 0..A_FILE);
    }
    let runs: Vec<_> = folders
        .iter()
        .flat_map(|folder| files(folder.path()))
        .collect();
    let [one, other] = &runs[..] else {
        panic!("one run of each is in a file")
    };
    // The same orders, and each index has keys of its own for them, and keeps them.
    assert_eq!(one.file_name(), other.file_name());
    let key = |index: &dyn Index| index.text_key("a customer", LogIndex(0));
    let keys = [0, 1].map(|number| key(&reopen(folders[number].path(), A_FILE)));
    assert_ne!(keys[0], keys[1]);
    let index = reopen(folders[0].path(), A_FILE);
    assert_eq!(key(&index), keys[0]);
    write(&[&index], A_FILE..2 * A_FILE);
    drop(index);
    let [first, second] = &files(folders[0].path())[..] else {
        panic!("two runs are in files")
    };
    fs::copy(other, first).unwrap();
    let index = FjallIndex::open(folders[0].path()).unwrap();
    assert!(index.entries_end().0 > 0);
    let place = |place| places_of(&index, &[place])[0];
    assert_eq!(place(0), Some(LogIndex(0)));
    assert!(first.exists() && !second.exists());
}

#[test]
fn large_blocks_go_to_files_too() {
    let folder = tempfile::tempdir().unwrap();
    let index = FjallIndex::open(folder.path()).unwrap();
    let oracle = MemoryIndex::new();
    let lengths = [50_000, 15_000, 15_000, 15_000, 25_000];
    let mut start = 0;
    for length in lengths.into_iter().cycle().take(10) {
        for index in [&index as &dyn Index, &oracle] {
            index
                .write_entries(Vec::new(), entries(index, start..start + length))
                .unwrap();
        }
        start += length;
    }
    check(&index, &oracle, start);
    drop(index);
    assert!(!files(folder.path()).is_empty());
    check(&reopen(folder.path(), start), &oracle, start);
}
