//! Evidence against members that lied, on its way into the index.

use types::Equivocation;

use crate::{
    error::StoreError,
    frame::Position,
    index::{Change, Index, Space},
    layout::{evidence_key, number},
};

/// Evidence that is in the log and not yet in the index. As much as one commit brings.
#[derive(Debug, Default)]
pub(crate) struct PendingEvidence {
    changes: Vec<Change>,
}

impl PendingEvidence {
    pub(crate) fn push(&mut self, evidence: &Equivocation, position: Position) {
        let header = &evidence.first.header;
        let key = evidence_key(header.height, header.proposer);
        // The same once more proves nothing more.
        if self.changes.iter().all(|change| change.key != key) {
            let value = number(position.to_u64());
            self.changes.push(Change::put(Space::Evidence, key, value));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Puts it into the index.
    pub(crate) fn write(&mut self, index: &dyn Index) -> Result<(), StoreError> {
        if !self.changes.is_empty() {
            index.write(std::mem::take(&mut self.changes))?;
        }
        Ok(())
    }
}
