//! A run in a file (`docs/storage-format.md`, "The runs"): pages of pairs and nodes, and a tail that tells where
//! each begins. A page is read and checked as a whole.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufWriter, Write as _},
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use borsh::{BorshDeserialize, BorshSerialize};
use types::Digest;

use super::{
    filter::Filter,
    merge::Merge,
    path_of,
    run::{ORDERS, Pair, Run, TABLES, nodes_of},
};
use crate::disk::{read_exact_at, sync_folder};

/// What the system reads at once anyway.
const PAGE_BYTES: usize = 4096;
/// The checksum takes the rest.
const CONTENT_BYTES: usize = PAGE_BYTES - 4;
/// What a Merkle node takes.
const NODE_BYTES: usize = 32;
/// How many of them a page holds.
const NODES_A_PAGE: usize = CONTENT_BYTES / NODE_BYTES;
/// A merge reads so many pages at a time.
const PAGES_A_CHUNK: usize = 64;
/// A file that is being written is synced every so many pages: gigabytes at once would hold up the log's
/// own syncs for seconds.
const PAGES_A_SYNC: u64 = 2_048;
/// The tail's checksum and length.
const END_BYTES: usize = 12;

/// The end of a file: read when it is opened, and kept.
#[derive(BorshSerialize, BorshDeserialize)]
struct Tail {
    tables: [Table; TABLES],
    nodes: Nodes,
    filter: Vec<u64>,
}

/// The pages of one table.
#[derive(BorshSerialize, BorshDeserialize)]
struct Table {
    first_page: u64,
    pairs: u64,
    /// The first pair of each page.
    fences: Vec<(u128, u64)>,
}

/// The pages of the Merkle nodes.
#[derive(BorshSerialize, BorshDeserialize)]
struct Nodes {
    first_page: u64,
    nodes: u64,
}

/// An open file.
pub(super) struct File {
    path: PathBuf,
    file: fs::File,
    tables: [Table; TABLES],
    nodes: Nodes,
    is_obsolete: AtomicBool,
}

impl Drop for File {
    fn drop(&mut self) {
        if self.is_obsolete.load(Ordering::Relaxed) {
            // One that stays is removed at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Opens the files in a folder that follow on one another from the first place on, and removes all
/// others: what an interrupted merge left, what is damaged, and what stands after a gap.
pub(super) fn open_all(folder: &Path) -> io::Result<Vec<Arc<Run>>> {
    let mut files: Vec<(Range<u64>, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match places_of(&path) {
            Some(places) => files.push((places, path)),
            None => fs::remove_file(path)?,
        }
    }
    // Of those that begin at one place the longest first: it was merged from the others.
    files.sort_by_key(|(places, _)| (places.start, u64::MAX - places.end));
    let mut runs: Vec<Arc<Run>> = Vec::new();
    for (places, path) in files {
        let end = runs.last().map_or(0, |run| run.places().end);
        let run = if places.start == end {
            match open(&path, places) {
                Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
                opened => opened.ok(),
            }
        } else {
            None
        };
        match run {
            Some(run) => runs.push(Arc::new(run)),
            None => fs::remove_file(path)?,
        }
    }
    Ok(runs)
}

fn places_of(path: &Path) -> Option<Range<u64>> {
    let name = path.file_name()?.to_str()?;
    let (start, end) = name.strip_suffix(".run")?.split_once('-')?;
    let places = start.parse().ok()?..end.parse().ok()?;
    (places.start < places.end).then_some(places)
}

fn open(path: &Path, places: Range<u64>) -> io::Result<Run> {
    let file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    let end_at = length.checked_sub(END_BYTES as u64).ok_or_else(damaged)?;
    let mut end = [0; END_BYTES];
    read_exact_at(&file, end_at, &mut end)?;
    let (checksum, tail_bytes) = (take_u32(&end, 0), take_u64(&end, 4));
    let tail_at = end_at.checked_sub(tail_bytes).ok_or_else(damaged)?;
    let mut bytes = vec![0; usize::try_from(tail_bytes).map_err(|_| damaged())?];
    read_exact_at(&file, tail_at, &mut bytes)?;
    if crc32fast::hash(&bytes) != checksum {
        return Err(damaged());
    }
    let tail: Tail = borsh::from_slice(&bytes).map_err(|_| damaged())?;
    let filter = Filter::from_words(tail.filter).ok_or_else(damaged)?;
    let orders = places.end - places.start;
    if tail.tables[ORDERS].pairs != orders || tail.nodes.nodes != nodes_of(&places) {
        return Err(damaged());
    }
    let file = File {
        path: path.to_path_buf(),
        file,
        tables: tail.tables,
        nodes: tail.nodes,
        is_obsolete: AtomicBool::new(false),
    };
    Ok(Run::in_file(places, filter, file))
}

/// Merges runs of consecutive places into one file.
///
/// # Errors
/// When the disk fails; no file of that name is there then.
pub(super) fn write(folder: &Path, runs: &[Arc<Run>]) -> io::Result<Run> {
    let start = runs.first().map_or(0, |run| run.places().start);
    let end = runs.last().map_or(0, |run| run.places().end);
    let path = path_of(folder, &(start..end));
    let unfinished = path.with_extension("unfinished");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&unfinished)?;
    let mut writer = Writer {
        out: BufWriter::with_capacity(PAGES_A_CHUNK * PAGE_BYTES, file),
        pages: 0,
        filter: Filter::for_keys(runs.iter().map(|run| run.count(ORDERS)).sum()),
    };
    let mut tables = Vec::with_capacity(TABLES);
    for table in 0..TABLES {
        tables.push(writer.table(table, Merge::new(runs, table)?)?);
    }
    let tables = <[Table; TABLES]>::try_from(tables).map_err(|_| damaged())?;
    let nodes = writer.nodes(runs)?;
    writer.finish(tables, nodes)?.sync_all()?;
    fs::rename(&unfinished, &path)?;
    sync_folder(folder)?;
    open(&path, start..end)
}

struct Writer {
    out: BufWriter<fs::File>,
    pages: u64,
    filter: Filter,
}

impl Writer {
    fn table(&mut self, table: usize, mut pairs: Merge) -> io::Result<Table> {
        let mut written = Table {
            first_page: self.pages,
            pairs: 0,
            fences: Vec::new(),
        };
        let mut page = Vec::with_capacity(PAGE_BYTES);
        while let Some(pair) = pairs.next()? {
            if page.is_empty() {
                written.fences.push((pair.key, pair.place));
            }
            if table == ORDERS {
                self.filter.insert(pair.key);
            }
            self.put(&mut page, &pair.to_bytes())?;
            written.pairs += 1;
        }
        self.page(&mut page)?;
        Ok(written)
    }

    fn nodes(&mut self, runs: &[Arc<Run>]) -> io::Result<Nodes> {
        let mut written = Nodes {
            first_page: self.pages,
            nodes: 0,
        };
        let mut page = Vec::with_capacity(PAGE_BYTES);
        for run in runs {
            for chunk in 0.. {
                let nodes = run.nodes(chunk)?;
                if nodes.is_empty() {
                    break;
                }
                for node in nodes.iter() {
                    self.put(&mut page, node.as_bytes())?;
                }
                written.nodes += nodes.len() as u64;
            }
        }
        self.page(&mut page)?;
        Ok(written)
    }

    /// Adds to a page, which is written once nothing of the same length fits any more.
    fn put<const BYTES: usize>(
        &mut self,
        page: &mut Vec<u8>,
        bytes: &[u8; BYTES],
    ) -> io::Result<()> {
        page.extend_from_slice(bytes);
        if page.len() + BYTES > CONTENT_BYTES {
            self.page(page)?;
        }
        Ok(())
    }

    /// Writes a page, unless it is empty.
    fn page(&mut self, page: &mut Vec<u8>) -> io::Result<()> {
        if page.is_empty() {
            return Ok(());
        }
        page.resize(CONTENT_BYTES, 0);
        let checksum = crc32fast::hash(page);
        page.extend_from_slice(&checksum.to_be_bytes());
        self.out.write_all(page)?;
        self.pages += 1;
        if self.pages.is_multiple_of(PAGES_A_SYNC) {
            self.out.flush()?;
            self.out.get_ref().sync_data()?;
        }
        page.clear();
        Ok(())
    }

    fn finish(mut self, tables: [Table; TABLES], nodes: Nodes) -> io::Result<fs::File> {
        let tail = Tail {
            tables,
            nodes,
            filter: self.filter.words().to_vec(),
        };
        let bytes = borsh::to_vec(&tail)?;
        self.out.write_all(&bytes)?;
        self.out.write_all(&crc32fast::hash(&bytes).to_be_bytes())?;
        self.out.write_all(&(bytes.len() as u64).to_be_bytes())?;
        self.out
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
    }
}

impl File {
    /// Its file goes with it.
    pub(super) fn remove(&self) {
        self.is_obsolete.store(true, Ordering::Relaxed);
    }

    pub(super) fn count(&self, table: usize) -> usize {
        usize::try_from(self.tables[table].pairs).unwrap_or(usize::MAX)
    }

    pub(super) fn range(
        &self,
        table: usize,
        from: Pair,
        to: Pair,
        limit: usize,
        found: &mut Vec<Pair>,
    ) -> io::Result<()> {
        let fences = &self.tables[table].fences;
        let later = fences.partition_point(|fence| *fence <= (from.key, from.place));
        let end = found.len() + limit;
        for (page, fence) in fences.iter().enumerate().skip(later.saturating_sub(1)) {
            if *fence > (to.key, to.place) {
                break;
            }
            for pair in self.pages(table, page..page + 1)? {
                if pair > to || found.len() == end {
                    return Ok(());
                }
                if pair >= from {
                    found.push(pair);
                }
            }
        }
        Ok(())
    }

    pub(super) fn chunk(&self, table: usize, chunk: usize) -> io::Result<Vec<Pair>> {
        let first = chunk * PAGES_A_CHUNK;
        let pages = self.tables[table].fences.len();
        self.pages(table, first.min(pages)..(first + PAGES_A_CHUNK).min(pages))
    }

    /// The pairs of these pages of a table.
    fn pages(&self, table: usize, pages: Range<usize>) -> io::Result<Vec<Pair>> {
        let Table {
            first_page, pairs, ..
        } = self.tables[table];
        self.read(first_page, pairs, pages, Pair::from_bytes)
    }

    /// The node at a place among those of the file.
    pub(super) fn node(&self, place: usize) -> io::Result<Digest> {
        let (page, place) = (place / NODES_A_PAGE, place % NODES_A_PAGE);
        let nodes = self.pages_of_nodes(page..page + 1)?;
        nodes.get(place).copied().ok_or_else(damaged)
    }

    pub(super) fn nodes(&self, chunk: usize) -> io::Result<Vec<Digest>> {
        let first = chunk * PAGES_A_CHUNK;
        self.pages_of_nodes(first..first + PAGES_A_CHUNK)
    }

    /// The nodes of those of these pages that there are.
    fn pages_of_nodes(&self, pages: Range<usize>) -> io::Result<Vec<Digest>> {
        let Nodes { first_page, nodes } = self.nodes;
        let all = usize::try_from(nodes.div_ceil(NODES_A_PAGE as u64)).unwrap_or(usize::MAX);
        let pages = pages.start.min(all)..pages.end.min(all);
        self.read(first_page, nodes, pages, |bytes: &[u8; NODE_BYTES]| {
            Digest::new(*bytes)
        })
    }

    /// What these pages hold, of so many items of one length that begin with a page.
    fn read<T, const BYTES: usize>(
        &self,
        first_page: u64,
        count: u64,
        pages: Range<usize>,
        from_bytes: impl Fn(&[u8; BYTES]) -> T,
    ) -> io::Result<Vec<T>> {
        let a_page = CONTENT_BYTES / BYTES;
        let mut bytes = vec![0; pages.len() * PAGE_BYTES];
        let first = first_page + pages.start as u64;
        read_exact_at(&self.file, first * PAGE_BYTES as u64, &mut bytes)?;
        let left = usize::try_from(count)
            .unwrap_or(usize::MAX)
            .saturating_sub(pages.start * a_page);
        let mut items = Vec::with_capacity(left.min(pages.len() * a_page));
        for page in bytes.chunks_exact(PAGE_BYTES) {
            let (content, checksum) = page.split_at(CONTENT_BYTES);
            if crc32fast::hash(content) != take_u32(checksum, 0) {
                return Err(damaged());
            }
            let room = (left - items.len()).min(a_page);
            let content = content.as_chunks().0.iter();
            items.extend(content.take(room).map(&from_bytes));
        }
        Ok(items)
    }
}

fn take_u32(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(number)
}

fn take_u64(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(number)
}

pub(super) fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a sorted run is damaged")
}
