//! The pairs of several runs in one order.

use std::{io, sync::Arc, vec};

use super::run::{Pair, Run};

/// One run that is being read.
struct Source {
    run: Arc<Run>,
    table: usize,
    chunk: usize,
    pairs: vec::IntoIter<Pair>,
}

/// The pairs of a table of several runs, in order.
pub(super) struct Merge {
    /// The next pair of each source that has one, and the source.
    heads: Vec<(Pair, Source)>,
}

impl Source {
    fn next(&mut self) -> io::Result<Option<Pair>> {
        if let Some(pair) = self.pairs.next() {
            return Ok(Some(pair));
        }
        self.pairs = self.run.chunk(self.table, self.chunk)?.into_iter();
        self.chunk += 1;
        Ok(self.pairs.next())
    }
}

impl Merge {
    pub(super) fn new(runs: &[Arc<Run>], table: usize) -> io::Result<Self> {
        let mut heads = Vec::new();
        for run in runs {
            let mut source = Source {
                run: Arc::clone(run),
                table,
                chunk: 0,
                pairs: Vec::new().into_iter(),
            };
            if let Some(pair) = source.next()? {
                heads.push((pair, source));
            }
        }
        Ok(Self { heads })
    }

    /// The next pair.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<Pair>> {
        // A handful of runs: to look at all is faster than to keep them in a heap.
        let heads = self.heads.iter().enumerate();
        let Some((least, (pair, _))) = heads.min_by_key(|(_, (pair, _))| *pair) else {
            return Ok(None);
        };
        let pair = *pair;
        let (head, source) = &mut self.heads[least];
        match source.next()? {
            Some(next) => *head = next,
            None => drop(self.heads.swap_remove(least)),
        }
        Ok(Some(pair))
    }
}
