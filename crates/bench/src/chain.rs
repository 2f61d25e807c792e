//! Reading a node's final chain, to account for every order.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use api::{CHAIN_FRAME_LENGTH_BYTES, MAX_CHAIN_FRAME_BYTES, backend::FinalFrame};
use http_body_util::BodyExt as _;
use types::{OrderId, decode};

use crate::http;

/// A final block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FinalBlock {
    /// Its height.
    pub(crate) height: u64,
    /// What its batches carry, in order.
    pub(crate) orders: Vec<OrderId>,
    /// It has a finality certificate of its own: it was not made final by a later block.
    pub(crate) direct: bool,
}

/// Reads all final blocks above a height.
///
/// # Errors
/// When the node does not send whole blocks.
pub(crate) async fn blocks_above(node: SocketAddr, height: u64) -> anyhow::Result<Vec<FinalBlock>> {
    let from = height + 1;
    let mut body = http::stream(node, &format!("/v1/chain?from={from}")).await?;
    let (mut received, mut blocks) = (Vec::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame?.into_data() else {
            continue;
        };
        received.extend_from_slice(&piece);
        let mut rest = received.as_slice();
        while let Some((frame, behind)) = split_frame(rest)? {
            blocks.push(read_block(frame)?);
            rest = behind;
        }
        let taken = received.len() - rest.len();
        received.drain(..taken);
    }
    ensure!(
        received.is_empty(),
        "the chain's stream ends within a block"
    );
    Ok(blocks)
}

/// The first frame and what is behind it, if it is whole.
fn split_frame(bytes: &[u8]) -> anyhow::Result<Option<(&[u8], &[u8])>> {
    let Some((length, rest)) = bytes.split_first_chunk::<CHAIN_FRAME_LENGTH_BYTES>() else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_le_bytes(*length))?;
    ensure!(
        length <= MAX_CHAIN_FRAME_BYTES,
        "a block of {length} bytes is larger than any can be"
    );
    Ok(rest.split_at_checked(length))
}

fn read_block(frame: &[u8]) -> anyhow::Result<FinalBlock> {
    let (block, certificate): FinalFrame = decode(frame).context("a block cannot be read")?;
    let entries = block.batches.iter().flat_map(|full| &full.batch.entries);
    Ok(FinalBlock {
        height: block.block.header().height.0,
        orders: entries.map(types::Entry::id).collect(),
        direct: certificate.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_split_once_they_are_whole() {
        let bytes = [3, 0, 0, 0, 7, 8, 9, 1, 0];
        for end in 0..7 {
            assert_eq!(split_frame(&bytes[..end]).unwrap(), None, "{end}");
        }
        let (frame, rest) = split_frame(&bytes).unwrap().unwrap();
        assert_eq!((frame, rest), (&bytes[4..7], &bytes[7..]));
        assert!(split_frame(&[0xff; 4]).is_err());
    }
}
