//! A run in a file (`docs/storage-format.md`, "The runs"): pages of pairs, and a tail that tells where
//! each begins. A page is read and checked as a whole.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufWriter, Write as _},
    mem,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use borsh::{BorshDeserialize, BorshSerialize};

use super::{
    filter::Filter,
    merge::Merge,
    page::{self, PAGE_BYTES, Page},
    path_of,
    run::{ORDERS, Pair, Run, TABLES},
    times::Times,
};
use crate::{
    disk::{forget, read_exact_at, sync_folder},
    index::entries::KeyHasher,
};

/// A merge reads so many pages at a time, of at most some 4,000 pairs each.
const PAGES_A_CHUNK: usize = 16;
/// And writes so many bytes.
const BYTES_A_WRITE: usize = 64 * PAGE_BYTES;
/// A file that is being written is synced every so many pages, and those are forgotten: gigabytes at once would
/// hold up the log's own syncs for seconds.
const PAGES_A_SYNC: u64 = 2_048;
/// Between so many pages the one who writes may rest: some milliseconds of work.
const PAGES_A_REST: u64 = 64;
/// The tail's checksum and length.
const END_BYTES: usize = 12;

/// The end of a file: read when it is opened, and kept.
#[derive(BorshSerialize, BorshDeserialize)]
struct Tail {
    hasher: KeyHasher,
    times: Times,
    tables: [Table; TABLES],
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

/// An open file.
pub(super) struct File {
    path: PathBuf,
    file: fs::File,
    tables: [Table; TABLES],
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
/// others: what an interrupted merge left, what is damaged, what stands after a gap, and what has another secret
/// than the first. That is what makes their keys; `None` where there are no files.
pub(super) fn open_all(folder: &Path) -> io::Result<(Option<KeyHasher>, Vec<Arc<Run>>)> {
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
    let mut hasher = None;
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
            Some((its, run)) if hasher.is_none_or(|first| first == its) => {
                hasher = Some(its);
                runs.push(Arc::new(run));
            }
            _ => fs::remove_file(path)?,
        }
    }
    Ok((hasher, runs))
}

fn places_of(path: &Path) -> Option<Range<u64>> {
    let name = path.file_name()?.to_str()?;
    let (start, end) = name.strip_suffix(".pairs")?.split_once('-')?;
    let places = start.parse().ok()?..end.parse().ok()?;
    (places.start < places.end).then_some(places)
}

fn open(path: &Path, places: Range<u64>) -> io::Result<(KeyHasher, Run)> {
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
    Ok((
        tail.hasher,
        of_parts(path.to_path_buf(), places, file, tail)?,
    ))
}

fn of_parts(path: PathBuf, places: Range<u64>, file: fs::File, tail: Tail) -> io::Result<Run> {
    let filter = Filter::from_words(tail.filter).ok_or_else(damaged)?;
    if tail.tables[ORDERS].pairs != places.end - places.start {
        return Err(damaged());
    }
    let file = File {
        path,
        file,
        tables: tail.tables,
        is_obsolete: AtomicBool::new(false),
    };
    Ok(Run::in_file(places, tail.times, filter, file))
}

/// Merges runs of consecutive places, with keys of this hasher, into one file. Now and then `rest` is told how long
/// that has worked since the last time, and may wait or give up.
///
/// # Errors
/// When the disk fails, or those of `rest`; no file of that name is there then.
pub(super) fn write(
    folder: &Path,
    hasher: KeyHasher,
    runs: &[Arc<Run>],
    rest: &dyn Fn(Duration) -> io::Result<()>,
) -> io::Result<Run> {
    let start = runs.first().map_or(0, |run| run.places().start);
    let end = runs.last().map_or(0, |run| run.places().end);
    let path = path_of(folder, &(start..end));
    let unfinished = path.with_extension("unfinished");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&unfinished)?;
    let mut writer = Writer {
        out: BufWriter::with_capacity(BYTES_A_WRITE, file),
        pages: 0,
        filter: Filter::for_keys(runs.iter().map(|run| run.count(ORDERS)).sum()),
        rest,
        rested: Instant::now(),
    };
    let mut tables = Vec::with_capacity(TABLES);
    for table in 0..TABLES {
        tables.push(writer.table(table, Merge::new(runs, table)?)?);
    }
    let tables = <[Table; TABLES]>::try_from(tables).map_err(|_| damaged())?;
    let tail = Tail {
        hasher,
        times: Run::times_of(runs),
        tables,
        filter: writer.filter.into_words(),
    };
    let file = finish(writer.out, &tail)?;
    file.sync_all()?;
    fs::rename(&unfinished, &path)?;
    sync_folder(folder)?;
    of_parts(path, start..end, file, tail)
}

struct Writer<'a> {
    out: BufWriter<fs::File>,
    pages: u64,
    filter: Filter,
    rest: &'a dyn Fn(Duration) -> io::Result<()>,
    rested: Instant,
}

impl Writer<'_> {
    fn table(&mut self, table: usize, mut pairs: Merge) -> io::Result<Table> {
        let mut written = Table {
            first_page: self.pages,
            pairs: 0,
            fences: Vec::new(),
        };
        let mut page = Page::new();
        while let Some(pair) = pairs.next()? {
            if !page.push(pair) {
                self.page(mem::replace(&mut page, Page::new()))?;
                page.push(pair);
            }
            if page.count() == 1 {
                written.fences.push((pair.key, pair.place));
            }
            if table == ORDERS {
                self.filter.insert(pair.key);
            }
            written.pairs += 1;
        }
        if page.count() > 0 {
            self.page(page)?;
        }
        // Kept as long as the file.
        written.fences.shrink_to_fit();
        Ok(written)
    }

    fn page(&mut self, page: Page) -> io::Result<()> {
        self.out.write_all(&page.into_bytes())?;
        self.pages += 1;
        if self.pages.is_multiple_of(PAGES_A_REST) {
            (self.rest)(self.rested.elapsed())?;
            self.rested = Instant::now();
        }
        if self.pages.is_multiple_of(PAGES_A_SYNC) {
            self.out.flush()?;
            let file = self.out.get_ref();
            file.sync_data()?;
            forget(file, 0..self.pages * PAGE_BYTES as u64);
        }
        Ok(())
    }
}

/// Writes what follows on the pages.
fn finish(mut out: BufWriter<fs::File>, tail: &Tail) -> io::Result<fs::File> {
    // Megabytes: the buffer must not grow into them.
    let mut bytes = Vec::with_capacity(borsh::object_length(tail)?);
    borsh::to_writer(&mut bytes, tail)?;
    out.write_all(&bytes)?;
    out.write_all(&crc32fast::hash(&bytes).to_be_bytes())?;
    out.write_all(&(bytes.len() as u64).to_be_bytes())?;
    out.into_inner().map_err(io::IntoInnerError::into_error)
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
        let pages = first.min(pages)..(first + PAGES_A_CHUNK).min(pages);
        let pairs = self.pages(table, pages.clone())?;
        // It is read for a merge, and this file goes with it, unless that is given up.
        forget(&self.file, self.place_of(table, &pages));
        Ok(pairs)
    }

    /// Where these pages of a table are in the file.
    fn place_of(&self, table: usize, pages: &Range<usize>) -> Range<u64> {
        let place = |page| (self.tables[table].first_page + page as u64) * PAGE_BYTES as u64;
        place(pages.start)..place(pages.end)
    }

    /// The pairs of these pages of a table.
    fn pages(&self, table: usize, pages: Range<usize>) -> io::Result<Vec<Pair>> {
        let mut bytes = vec![0; pages.len() * PAGE_BYTES];
        read_exact_at(&self.file, self.place_of(table, &pages).start, &mut bytes)?;
        let mut pairs = Vec::new();
        for page in bytes.as_chunks().0 {
            page::read(page, &mut pairs).ok_or_else(damaged)?;
        }
        Ok(pairs)
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

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a sorted run is damaged")
}
