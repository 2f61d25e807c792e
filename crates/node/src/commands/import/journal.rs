//! What an importer remembers: its secret, and which rows a node has taken, in order.
//!
//! A journal is one header line and then one line a row: the row's key and the order's id. It is
//! written after the node's answer and synced now and then; a row that was taken but is missing here
//! after a crash is sent again under the same idempotency key, and answered the same.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use types::{ChainId, MemberId, OrderId};

use super::identity::RowKey;
use crate::keys::create_private_folder;

/// The version of the journal's form.
const VERSION: u16 = 1;
/// A row's line: 32 digits of key, a space, 64 digits of id, a line end.
const LINE_BYTES: u64 = 98;
/// A header is about 300 bytes, with the longest source's name a few thousand.
const MAX_HEADER_BYTES: u64 = 8 * 1024;
/// How often the journal is synced: what is lost in a crash is asked of the node again, so this
/// bounds only repeated work.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Why what an importer remembers cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum JournalError {
    /// The file system refused.
    #[error("cannot {action} the import's journal {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another import is running.
    #[error("another import of this file is running (it holds {path}); wait for it to end")]
    Busy {
        /// Where.
        path: PathBuf,
    },
    /// Not a journal of this program.
    #[error(
        "{path} is not an import's journal of this version; if no import of this file was ever begun, move it away"
    )]
    Damaged {
        /// Where.
        path: PathBuf,
    },
    /// Begun through another member.
    #[error(
        "this import was begun through the node of member {begun}, and rows may be under way there; go on with that \
         node (--node), this one is member {asked}"
    )]
    OtherMember {
        /// The member it was begun through.
        begun: String,
        /// The member asked now.
        asked: String,
    },
}

/// Which import a journal is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subject {
    /// The network.
    pub(super) chain: ChainId,
    /// The member whose node takes the orders.
    pub(super) member: MemberId,
    /// The name the rows are remembered by.
    pub(super) source: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u16,
    #[serde(flatten)]
    subject: Subject,
}

/// The rows a node has taken, from the first on without a gap.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    member: MemberId,
    header_bytes: u64,
    rows: u64,
    synced: Instant,
}

impl Journal {
    /// Opens the journal of an import, or begins one; holds it against a second import.
    ///
    /// # Errors
    /// When it cannot be used, belongs to an import through another member, or is in use.
    pub(super) fn open(path: &Path, subject: &Subject) -> Result<Self, JournalError> {
        let failed = |action| {
            move |source| JournalError::File {
                action,
                path: path.to_owned(),
                source,
            }
        };
        create_private_folder(path.parent().unwrap_or(Path::new(".")))
            .map_err(failed("make the folder of"))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed("open"))?;
        file.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => JournalError::Busy {
                path: path.to_owned(),
            },
            std::fs::TryLockError::Error(source) => failed("lock")(source),
        })?;
        let mut header = String::new();
        BufReader::new((&file).take(MAX_HEADER_BYTES))
            .read_line(&mut header)
            .map_err(failed("read"))?;
        if header.ends_with('\n') {
            check_header(path, &header, subject)?;
        } else {
            // New, or torn before its first row.
            let whole = Header {
                version: VERSION,
                subject: subject.clone(),
            };
            header = serde_json::to_string(&whole)
                .map_err(|error| failed("write")(error.into()))?
                + "\n";
            file.set_len(0).map_err(failed("write"))?;
            file.seek(SeekFrom::Start(0)).map_err(failed("write"))?;
            file.write_all(header.as_bytes()).map_err(failed("write"))?;
            file.sync_all().map_err(failed("write"))?;
        }
        let header_bytes = header.len() as u64;
        let length = file.metadata().map_err(failed("read"))?.len();
        let rows = length.saturating_sub(header_bytes) / LINE_BYTES;
        // A line torn by a crash is written again.
        file.set_len(header_bytes + rows * LINE_BYTES)
            .map_err(failed("write"))?;
        file.seek(SeekFrom::End(0)).map_err(failed("write"))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            member: subject.member,
            header_bytes,
            rows,
            synced: Instant::now(),
        })
    }

    /// The member whose node takes the rows.
    pub(super) const fn member(&self) -> MemberId {
        self.member
    }

    /// How many rows are taken.
    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    /// Remembers that the next row is taken.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn push(&mut self, key: &RowKey, id: &OrderId) -> Result<(), JournalError> {
        let line = format!("{} {id}\n", hex::encode(key));
        assert_eq!(
            line.len() as u64,
            LINE_BYTES,
            "every line has the same length"
        );
        self.file
            .write_all(line.as_bytes())
            .map_err(|source| self.failed("write", source))?;
        self.rows += 1;
        if self.synced.elapsed() >= SYNC_EVERY {
            self.sync()
        } else {
            Ok(())
        }
    }

    /// Writes everything through to the disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn sync(&mut self) -> Result<(), JournalError> {
        self.synced = Instant::now();
        self.file
            .sync_data()
            .map_err(|source| self.failed("write", source))
    }

    /// All rows taken so far, read from the disk one by one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn entries(
        &self,
    ) -> Result<impl Iterator<Item = Result<(RowKey, OrderId), JournalError>> + use<>, JournalError>
    {
        let path = self.path.clone();
        let failed = |source| self.failed("read", source);
        let mut file = File::open(&self.path).map_err(failed)?;
        file.seek(SeekFrom::Start(self.header_bytes))
            .map_err(failed)?;
        let lines = BufReader::new(file.take(self.rows * LINE_BYTES)).lines();
        Ok(lines.map(move |line| {
            let line = line.map_err(|source| JournalError::File {
                action: "read",
                path: path.clone(),
                source,
            })?;
            parse_line(&line).ok_or_else(|| JournalError::Damaged { path: path.clone() })
        }))
    }

    fn failed(&self, action: &'static str, source: io::Error) -> JournalError {
        JournalError::File {
            action,
            path: self.path.clone(),
            source,
        }
    }
}

fn check_header(path: &Path, header: &str, subject: &Subject) -> Result<(), JournalError> {
    let damaged = || JournalError::Damaged {
        path: path.to_owned(),
    };
    let header: Header = serde_json::from_str(header).map_err(|_| damaged())?;
    let begun = header.subject;
    if header.version != VERSION || begun.chain != subject.chain || begun.source != subject.source {
        return Err(damaged());
    }
    if begun.member != subject.member {
        return Err(JournalError::OtherMember {
            begun: begun.member.short(),
            asked: subject.member.short(),
        });
    }
    Ok(())
}

fn parse_line(line: &str) -> Option<(RowKey, OrderId)> {
    let (key, id) = line.split_once(' ')?;
    let mut bytes = RowKey::default();
    hex::decode_to_slice(key, &mut bytes).ok()?;
    Some((bytes, id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject {
            chain: ChainId::new([1; 32]),
            member: MemberId::new([2; 32]),
            source: "coffee.csv".to_owned(),
        }
    }

    fn entries(journal: &Journal) -> Vec<(RowKey, OrderId)> {
        journal
            .entries()
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    }

    #[test]
    fn rows_are_remembered_and_a_torn_line_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("journal");
        let rows = [
            ([3; 16], OrderId::new([4; 32])),
            ([5; 16], OrderId::new([6; 32])),
        ];
        let mut journal = Journal::open(&path, &subject()).unwrap();
        for (key, id) in &rows {
            journal.push(key, id).unwrap();
        }
        assert_eq!(entries(&journal), rows);
        drop(journal);

        let mut torn = OpenOptions::new().append(true).open(&path).unwrap();
        torn.write_all(b"0707").unwrap();
        let mut journal = Journal::open(&path, &subject()).unwrap();
        assert_eq!(journal.rows(), 2);
        journal.push(&[7; 16], &OrderId::new([8; 32])).unwrap();
        assert_eq!(entries(&journal)[2], ([7; 16], OrderId::new([8; 32])));
    }

    #[test]
    fn a_torn_header_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        std::fs::write(&path, "{\"version\":1,\"cha").unwrap();
        assert_eq!(Journal::open(&path, &subject()).unwrap().rows(), 0);
        assert_eq!(Journal::open(&path, &subject()).unwrap().rows(), 0);
    }

    #[test]
    fn one_import_at_a_time_and_through_one_member() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let first = Journal::open(&path, &subject()).unwrap();
        assert!(matches!(
            Journal::open(&path, &subject()),
            Err(JournalError::Busy { .. })
        ));
        drop(first);
        let other = Subject {
            member: MemberId::new([9; 32]),
            ..subject()
        };
        let error = Journal::open(&path, &other).unwrap_err().to_string();
        assert!(
            error.starts_with("this import was begun through the node of member 02020202"),
            "{error}"
        );
        let mistaken = Subject {
            source: "tea.csv".to_owned(),
            ..subject()
        };
        assert!(matches!(
            Journal::open(&path, &mistaken),
            Err(JournalError::Damaged { .. })
        ));
    }
}
