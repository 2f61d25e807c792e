//! `dexter chain`: shows a node's chain, and checks all of it from genesis.

use std::{
    io::{self, Read},
    path::PathBuf,
};

use anyhow::{Context as _, bail, ensure};
use api::{
    model::{BlockPage, BlockSummary, StatusView},
    time::{Time, format_rfc3339},
};
use clap::{Args, Subcommand};
use consensus::ChainVerifier;
use serde::Serialize;
use serde_json::json;
use types::{
    BlockHash, BlsAndEd25519, Certificate, FinalBlock, MemberId, decode, genesis::MAX_BLOCK_ORDERS,
    order::MAX_PERSONAL_BYTES,
};

use crate::{
    client::{Client, NodeArgs},
    founding::read_genesis,
    output::{self, Progress},
};

/// How many blocks are asked for at once.
const PAGE: u64 = 100;
/// How many blocks a table shows unless told otherwise.
const SHOWN: u64 = 20;
/// The largest frame of a chain: a block of the most orders, each with the largest personal part and
/// at most 600 bytes of public part around it.
const MAX_FRAME_BYTES: u32 = MAX_BLOCK_ORDERS * (MAX_PERSONAL_BYTES as u32 + 600);

/// Shows or checks a node's chain.
#[derive(Debug, Subcommand)]
pub enum ChainCommand {
    /// Shows final blocks.
    Show(ShowArgs),
    /// Checks every hash, ticket, wait, certificate, signature and the order log, from genesis.
    Verify(VerifyArgs),
}

/// Arguments of `dexter chain show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The first height [default: the newest blocks; with --json all].
    #[arg(long, value_name = "HEIGHT")]
    from: Option<u64>,
    /// The most blocks [default: 20; with --json no limit].
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    node: NodeArgs,
    /// Print one JSON object a block, of what all nodes agree on: the same on every one.
    #[arg(long)]
    json: bool,
}

/// Arguments of `dexter chain verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The network's genesis file: all that is trusted.
    #[arg(long, value_name = "FILE", default_value = "genesis.json")]
    genesis: PathBuf,
    #[command(flatten)]
    node: NodeArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `dexter chain`.
///
/// # Errors
/// When the node does not answer, or its chain does not hold.
pub fn run(command: ChainCommand) -> anyhow::Result<()> {
    match command {
        ChainCommand::Show(args) => show(&args),
        ChainCommand::Verify(args) => verify(&args),
    }
}

/// What all nodes agree on about a final block.
#[derive(Serialize)]
struct CanonicalBlock<'a> {
    height: u64,
    hash: BlockHash,
    parent: BlockHash,
    epoch: u64,
    timestamp: Time,
    winner: &'a str,
    winner_id: MemberId,
    wait_us: u64,
    orders: u64,
    log_size: u64,
}

impl<'a> From<&'a BlockSummary> for CanonicalBlock<'a> {
    fn from(block: &'a BlockSummary) -> Self {
        Self {
            height: block.height,
            hash: block.hash,
            parent: block.parent,
            epoch: block.epoch,
            timestamp: block.timestamp,
            winner: &block.winner,
            winner_id: block.winner_id,
            wait_us: block.wait_us,
            orders: block.orders,
            log_size: block.log_size,
        }
    }
}

fn show(args: &ShowArgs) -> anyhow::Result<()> {
    let client = args.node.client()?;
    let status: StatusView = client.get("/v1/status", &[])?;
    let (first, end) = range(args, status.final_height);
    if args.json {
        return each_block(&client, first, end, |block| {
            Ok(output::json(&CanonicalBlock::from(block))?)
        });
    }
    let mut table = output::table(&[
        "height",
        "block",
        "sealed at",
        "winner",
        "wait",
        "orders",
        "all orders",
    ]);
    each_block(&client, first, end, |block| {
        table.add_row([
            block.height.to_string(),
            block.hash.short(),
            format_rfc3339(block.timestamp.0),
            output::plain(&block.winner),
            format!("{:.3} s", block.wait_us as f64 / 1e6),
            block.orders.to_string(),
            block.log_size.to_string(),
        ]);
        Ok(())
    })?;
    output::line(table)?;
    Ok(())
}

/// The heights to show: the first, and the one after the last.
fn range(args: &ShowArgs, final_height: u64) -> (u64, u64) {
    let end = final_height.saturating_add(1);
    let limit = args
        .limit
        .unwrap_or(if args.json { u64::MAX } else { SHOWN });
    let newest = if args.json && args.limit.is_none() {
        1
    } else {
        end.saturating_sub(limit)
    };
    let first = args.from.unwrap_or(newest).max(1);
    (first, end.min(first.saturating_add(limit)))
}

/// Calls `each` with the final blocks from `first` to before `end`, rising. The node lists blocks
/// downwards, so each page's worth is gathered before it is turned round.
fn each_block(
    client: &Client,
    first: u64,
    end: u64,
    mut each: impl FnMut(&BlockSummary) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut low = first;
    while low < end {
        let high = end.min(low.saturating_add(PAGE));
        let mut blocks = Vec::new();
        let mut before = high;
        while before > low {
            let query = [
                ("before", before.to_string()),
                ("limit", (before - low).to_string()),
            ];
            let page: BlockPage = client.get("/v1/blocks", &query)?;
            for block in page.blocks {
                ensure!(
                    block.height.checked_add(1) == Some(before) && block.is_final,
                    "the node listed block {} where final block {} belongs; do this program and the node have the \
                     same version?",
                    block.height,
                    before - 1
                );
                before = block.height;
                blocks.push(block);
                if before == low {
                    break;
                }
            }
            ensure!(before < high, "the node lists no block {}", high - 1);
        }
        blocks.iter().rev().try_for_each(&mut each)?;
        low = high;
    }
    Ok(())
}

fn verify(args: &VerifyArgs) -> anyhow::Result<()> {
    let signatures = BlsAndEd25519::new();
    let genesis = read_genesis(&signatures, &args.genesis)?;
    let client = args.node.client()?;
    let status: StatusView = client.get("/v1/status", &[])?;
    ensure!(
        status.chain == genesis.chain_id(),
        "{} keeps chain {}, the genesis file {} is of chain {}: give the genesis file of that node's network",
        client.url(),
        status.chain,
        args.genesis.display(),
        genesis.chain_id()
    );
    let mut frames = Frames::new(client.stream("/v1/chain?from=1")?);
    let mut verifier = ChainVerifier::new(&genesis);
    let progress = Progress::new("checking", status.final_height);
    while let Some((block, certificate)) = frames.next_frame()? {
        verifier
            .push(&signatures, &block, certificate.as_ref())
            .map_err(no_good)?;
        progress.add(1);
    }
    let elapsed = progress.finish();
    let verified = verifier.finish().map_err(no_good)?;
    ensure!(
        verified.height.0 >= status.final_height,
        "the node says that block {} is final, but sent its chain only up to {}",
        status.final_height,
        verified.height
    );
    if args.json {
        output::json(&json!({
            "verified": true, "chain": genesis.chain_id(), "height": verified.height, "block": verified.block,
            "orders": verified.orders, "certificates": verified.certificates, "seconds": elapsed.as_secs_f64(),
        }))?;
        return Ok(());
    }
    output::line(format!(
        "{} {} blocks with {} orders, {} finality certificates, checked at {} orders a second\nlast block {} at height {}",
        output::green("the chain holds, from genesis to its end:"),
        verified.height,
        verified.orders,
        verified.certificates,
        output::rate(verified.orders, elapsed),
        verified.block,
        verified.height,
    ))?;
    Ok(())
}

fn no_good(error: consensus::VerifyError) -> anyhow::Error {
    anyhow::Error::new(error).context("the chain does not hold")
}

/// A chain as it is streamed: frames of a length (32 bits, little-endian) and that many bytes.
struct Frames<R> {
    stream: R,
}

impl<R: Read> Frames<R> {
    const fn new(stream: R) -> Self {
        Self { stream }
    }

    /// The next block, with its finality certificate where it has one of its own; `None` at the end.
    fn next_frame(&mut self) -> anyhow::Result<Option<(FinalBlock, Option<Certificate>)>> {
        let broken = "the connection broke before the end of the chain; run the same command again";
        let mut prefix = Vec::new();
        (&mut self.stream)
            .take(4)
            .read_to_end(&mut prefix)
            .context(broken)?;
        if prefix.is_empty() {
            return Ok(None);
        }
        let Ok(prefix) = <[u8; 4]>::try_from(prefix) else {
            bail!(broken)
        };
        let length = u32::from_le_bytes(prefix);
        ensure!(
            length <= MAX_FRAME_BYTES,
            "the node sent a block of {length} bytes; no block is that large"
        );
        // Grows with what arrives, not with what was announced.
        let mut frame = Vec::new();
        let read = (&mut self.stream)
            .take(length.into())
            .read_to_end(&mut frame)
            .context(broken)?;
        if read != length as usize {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof)).context(broken);
        }
        Ok(Some(
            decode(&frame).context("the node sent something that is not a block")?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use types::encode;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(subcommand)]
        command: ChainCommand,
    }

    fn shown(arguments: &str, final_height: u64) -> (u64, u64) {
        let program =
            Program::try_parse_from(format!("dexter show {arguments}").split_whitespace()).unwrap();
        let ChainCommand::Show(args) = program.command else {
            panic!("show")
        };
        range(&args, final_height)
    }

    #[test]
    fn a_table_shows_the_newest_and_json_all() {
        assert_eq!(shown("", 100), (81, 101));
        assert_eq!(shown("", 5), (1, 6));
        assert_eq!(shown("", 0), (1, 1));
        assert_eq!(shown("--limit 3", 100), (98, 101));
        assert_eq!(shown("--from 7", 100), (7, 27));
        assert_eq!(shown("--from 7 --limit 2", 100), (7, 9));
        assert_eq!(shown("--from 0 --limit 2", 100), (1, 3));
        assert_eq!(shown("--from 200", 100), (200, 101));
        assert_eq!(shown("--json", 100), (1, 101));
        assert_eq!(shown("--json --from 7", 100), (7, 101));
        assert_eq!(shown("--json --limit 3", 100), (98, 101));
    }

    #[test]
    fn frames_end_cleanly_or_say_that_the_connection_broke() {
        let error = |bytes: &[u8]| format!("{:#}", Frames::new(bytes).next_frame().unwrap_err());
        assert!(Frames::new(&[][..]).next_frame().unwrap().is_none());
        assert!(error(&[1, 0]).starts_with("the connection broke before the end of the chain"));
        assert!(
            error(&[9, 0, 0, 0, 1]).starts_with("the connection broke before the end of the chain")
        );
        assert!(error(&[255; 4]).starts_with("the node sent a block of 4294967295 bytes"));
        let mut garbage = 3_u32.to_le_bytes().to_vec();
        garbage.extend(encode(&(1_u8, 2_u16)));
        assert!(error(&garbage).starts_with("the node sent something that is not a block"));
    }
}
