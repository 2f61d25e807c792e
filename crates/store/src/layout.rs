//! The index's keys and values, all numbers big-endian so that they sort
//! (`docs/storage-format.md`).

use borsh::{BorshDeserialize, BorshSerialize};
use types::{BlockHash, ChainId, FORMAT_VERSION, Height, LogSize, MemberIndex, decode, encode};

use crate::{
    error::StoreError,
    frame::Position,
    index::{Change, Index, IndexError, Space},
};

/// Rises when what the index holds changes: an index of another one is built again.
const LAYOUT_VERSION: u16 = 8;
const FORMAT_KEY: &[u8] = b"format";
const HEAD_KEY: &[u8] = b"head";

/// The final head, written together with everything that became final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Head {
    pub(crate) height: Height,
    pub(crate) hash: BlockHash,
    pub(crate) log_size: LogSize,
    /// A restart reads the log from here.
    pub(crate) scan_from: u64,
    /// The log was durable up to here.
    pub(crate) durable: u64,
}

/// What the index says about itself: made for this format and network, or for another.
///
/// # Errors
/// [`StoreError::ForeignIndex`] when for another.
pub(crate) fn check_format(index: &dyn Index, chain: &ChainId) -> Result<(), StoreError> {
    let ours = encode(&(FORMAT_VERSION, LAYOUT_VERSION, chain));
    match index.get(Space::Meta, FORMAT_KEY)? {
        Some(theirs) if theirs == ours => Ok(()),
        Some(_) => Err(StoreError::ForeignIndex),
        None => Ok(index.write(vec![Change::put(Space::Meta, FORMAT_KEY, ours)])?),
    }
}

pub(crate) fn read_head(index: &dyn Index) -> Result<Option<Head>, StoreError> {
    let Some(value) = index.get(Space::Meta, HEAD_KEY)? else {
        return Ok(None);
    };
    Ok(Some(decode(&value).map_err(|_| damaged("the final head"))?))
}

pub(crate) fn put_head(head: &Head) -> Change {
    Change::put(Space::Meta, HEAD_KEY, encode(head))
}

/// A value of the index that cannot be what was written.
pub(crate) fn damaged(what: &str) -> StoreError {
    StoreError::Index(IndexError {
        reason: format!("{what} is damaged"),
    })
}

pub(crate) fn number(value: u64) -> [u8; 8] {
    value.to_be_bytes()
}

/// Reads the next number from the front of a key or value.
pub(crate) fn take_number(bytes: &mut &[u8], what: &str) -> Result<u64, StoreError> {
    let (number, rest) = bytes
        .split_first_chunk::<8>()
        .ok_or_else(|| damaged(what))?;
    *bytes = rest;
    Ok(u64::from_be_bytes(*number))
}

pub(crate) fn two_numbers(first: u64, second: u64) -> Vec<u8> {
    [number(first), number(second)].concat()
}

/// The key under which an answer's age is kept.
pub(crate) fn answer_time_key(at: u64, key: &[u8]) -> Vec<u8> {
    [&number(at), key].concat()
}

/// The key of a piece of evidence; the highest height sorts first.
pub(crate) fn evidence_key(height: Height, proposer: MemberIndex) -> Vec<u8> {
    [&number(!height.0)[..], &(!proposer.0).to_be_bytes()].concat()
}

/// Consecutive entries of one batch, all recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Where the batch is in the log.
    pub(crate) batch: Position,
    /// The first entry's place in the batch.
    pub(crate) entry: u32,
    /// How many.
    pub(crate) count: u32,
}

/// The value of [`Space::Entries`]: the block's height, then its runs in order.
pub(crate) fn runs_value(height: Height, runs: &[Run]) -> Vec<u8> {
    let mut value = number(height.0).to_vec();
    for run in runs {
        value.extend_from_slice(&number(run.batch.to_u64()));
        value.extend_from_slice(&run.entry.to_be_bytes());
        value.extend_from_slice(&run.count.to_be_bytes());
    }
    value
}

/// What is damaged where a value of [`Space::Entries`] is.
pub(crate) const RUNS: &str = "a list of recorded entries";

/// Reads what [`runs_value`] wrote.
pub(crate) fn read_runs(
    mut value: &[u8],
) -> Result<(Height, impl Iterator<Item = Run>), StoreError> {
    let height = Height(take_number(&mut value, RUNS)?);
    let (runs, []) = value.as_chunks::<16>() else {
        return Err(damaged(RUNS));
    };
    let runs = runs.iter().map(|bytes| {
        let number = u128::from_be_bytes(*bytes);
        Run {
            batch: Position::from_u64((number >> 64) as u64),
            entry: (number >> 32) as u32,
            count: number as u32,
        }
    });
    Ok((height, runs))
}
