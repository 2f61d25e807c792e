//! What can go wrong with the disk, in words for the one who runs the node.

use std::{io, path::PathBuf};

use types::ChainId;

use crate::index::IndexError;

/// Why the store cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Two nodes with one data folder would vote against themselves.
    #[error(
        "another node is using this data folder: {}; stop that node, or give this one a folder of its own",
        folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The disk failed, is full, or may not be written.
    #[error(
        "cannot {doing}: {source}; look at the disk's health, free space and permissions, then start the node again"
    )]
    Io {
        /// What was tried.
        doing: String,
        /// What the system answered.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{file} is not a log of Dexter; is this the right data folder?")]
    NotALog {
        /// The file.
        file: String,
    },
    /// Written by another version of the program.
    #[error(
        "{file} has format version {theirs}, this program reads version {ours}; use the program that wrote it"
    )]
    Version {
        /// The file.
        file: String,
        /// The version of the file.
        theirs: u16,
        /// The version this program reads.
        ours: u16,
    },
    /// Belongs to another network.
    #[error(
        "{file} belongs to network {theirs}, this node to network {ours}; give each network a data folder of its own"
    )]
    Chain {
        /// The file.
        file: String,
        /// The network of the file.
        theirs: ChainId,
        /// The network asked for.
        ours: ChainId,
    },
    /// Bytes that were once safely on disk have changed.
    #[error(
        "{file} is damaged at byte {offset}: {reason}. This is not the trace of a crash: the disk changed what was \
         safely written. Restore this folder's newest copy; if there is none, this member must not go on with what is left, \
         because it could contradict its own votes"
    )]
    Corrupt {
        /// The file.
        file: String,
        /// Where the damaged record begins.
        offset: u32,
        /// What is wrong there.
        reason: String,
    },
    /// The end of the log, once safely on disk, is gone.
    #[error(
        "the log ends in {file} at byte {offset}, but was once safely written to {durable_file} at byte {durable_offset}. \
         Restore the missing part; a member that goes on without it could contradict its own votes"
    )]
    CutShort {
        /// The file in which the log ends.
        file: String,
        /// Where it ends.
        offset: u32,
        /// The file up to which it was on disk.
        durable_file: String,
        /// The place up to which it was on disk.
        durable_offset: u32,
    },
    /// A record larger than the format allows; a caller let it through.
    #[error(
        "a record of {bytes} bytes is larger than the {most} the log takes; nothing was written"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The most allowed.
        most: usize,
    },
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The index was made for another network or by another version.
    #[error(
        "the index belongs to another network or version of the program; delete it, it is built again from the log"
    )]
    ForeignIndex,
    /// An earlier write failed.
    #[error(
        "an earlier write to the disk failed, so nothing more is written; start the node again"
    )]
    Poisoned,
}

impl StoreError {
    pub(crate) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            doing: doing.into(),
            source,
        }
    }
}
