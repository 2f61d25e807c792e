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
    sources: Vec<Source>,
    /// The next pair of each source that has one, and the source's place: the least comes last.
    heads: Vec<(Pair, usize)>,
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
        let sources = runs.iter().map(|run| Source {
            run: Arc::clone(run),
            table,
            chunk: 0,
            pairs: Vec::new().into_iter(),
        });
        let mut merge = Self {
            sources: sources.collect(),
            heads: Vec::with_capacity(runs.len()),
        };
        for source in 0..runs.len() {
            merge.advance(source)?;
        }
        Ok(merge)
    }

    /// Puts the next pair of a source, if it has one, to its place among the heads.
    fn advance(&mut self, source: usize) -> io::Result<()> {
        if let Some(pair) = self.sources[source].next()? {
            // From the least on: of one receiver or customer many follow each other in one run.
            let heads = self.heads.iter().rev();
            let less = heads.take_while(|(head, _)| *head < pair).count();
            self.heads.insert(self.heads.len() - less, (pair, source));
        }
        Ok(())
    }

    /// The next pair.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<Pair>> {
        let Some((pair, source)) = self.heads.pop() else {
            return Ok(None);
        };
        self.advance(source)?;
        Ok(Some(pair))
    }
}
