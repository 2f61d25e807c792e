//! `dexter order`: places, shows, lists and checks orders.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail, ensure};
use api::{
    model::{
        DecimalText, NewOrder, OrderPage, OrderState, OrderView, PlacedOrder, Proof, VoucherView,
    },
    money::format_amount,
    time::format_rfc3339,
};
use clap::{Args, Subcommand};
use serde_json::json;
use types::{BlsAndEd25519, Genesis, OrderId, Receipt, ReceiptError, Signatures};

use crate::{
    client::{Client, ClientError, NodeArgs},
    founding::read_genesis,
    keys, output,
};

/// How often placing an order is tried when the connection breaks; each time under the same
/// idempotency key.
const PLACE_ATTEMPTS: u32 = 3;
/// The pause between them.
const PLACE_PAUSE: Duration = Duration::from_millis(300);
/// The largest proof file read: a certificate of the most members, a path of 64 hashes and a largest
/// order are under 100 KB of JSON.
const MAX_PROOF_BYTES: u64 = 1024 * 1024;
/// What is said of a proof that names others than the genesis file does.
const OTHER_MEMBERS: &str = "the members it lists are not those of the genesis file";

/// Places, shows, lists and checks orders.
#[derive(Debug, Subcommand)]
pub enum OrderCommand {
    /// Places an order at a node's till.
    Place(PlaceArgs),
    /// Shows an order.
    Show(ShowArgs),
    /// Lists final orders, in the order of the order log.
    List(ListArgs),
    /// Checks that an order is final, from its proof and the genesis file alone.
    Verify(VerifyArgs),
}

/// Arguments of `dexter order place`.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// Who buys.
    #[arg(long)]
    customer: String,
    /// What is bought.
    #[arg(long)]
    details: String,
    /// How much, exactly: 38.70.
    // A negative one is refused by the node, which says why.
    #[arg(long, allow_negative_numbers = true)]
    amount: String,
    /// Who gets the money [default: the node's shop].
    #[arg(long)]
    receiver: Option<String>,
    /// What the amount is in [default: the network's currency].
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// Answer when the order is final.
    #[arg(long)]
    wait_final: bool,
    #[command(flatten)]
    node: NodeArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `dexter order show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The order's id.
    id: OrderId,
    /// Print the order's proof, for `dexter order verify`.
    #[arg(long)]
    proof: bool,
    #[command(flatten)]
    node: NodeArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `dexter order list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only orders of this customer.
    #[arg(long)]
    customer: Option<String>,
    /// Only orders to this receiver.
    #[arg(long)]
    receiver: Option<String>,
    /// The most orders shown.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u64,
    /// Only orders after this place in the order log; the end of a list names it.
    #[arg(long, value_name = "PLACE")]
    after: Option<u64>,
    #[command(flatten)]
    node: NodeArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `dexter order verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A proof saved with `dexter order show ID --proof > FILE`, or an order's id, whose proof the
    /// node is asked for.
    #[arg(value_name = "FILE|ID")]
    proof: String,
    /// The network's genesis file: all that is trusted.
    #[arg(long, value_name = "FILE", default_value = "genesis.json")]
    genesis: PathBuf,
    #[command(flatten)]
    node: NodeArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `dexter order`.
///
/// # Errors
/// When the node does not answer or refuses, or a proof does not hold.
pub fn run(command: OrderCommand) -> anyhow::Result<()> {
    match command {
        OrderCommand::Place(args) => place(args),
        OrderCommand::Show(args) => show(&args),
        OrderCommand::List(args) => list(args),
        OrderCommand::Verify(args) => verify(&args),
    }
}

fn place(args: PlaceArgs) -> anyhow::Result<()> {
    let client = args.node.client()?;
    let order = NewOrder {
        customer: args.customer,
        details: args.details,
        amount: DecimalText::new(args.amount),
        currency: args.currency,
        receiver: args.receiver,
        placed_at: None,
        salt: None,
        key: None,
        signature: None,
    };
    let placed = place_once(&client, &order, args.wait_final)?;
    if args.json {
        output::json(&placed)?;
        return Ok(());
    }
    let what = match placed.state {
        OrderState::Accepted => "accepted",
        OrderState::Sealed => "sealed",
        OrderState::Final => "final",
    };
    output::line(format!("{} order {}", output::green(what), placed.id))?;
    if let Some(finality) = &placed.finality {
        output::line(format!(
            "in block {} at place {} of the order log, won by {} after a wait of {:.3} s",
            finality.height,
            finality.log_index,
            output::plain(&finality.winner),
            finality.wait_us as f64 / 1e6
        ))?;
    } else if args.wait_final {
        output::line(format!(
            "not final yet; the order is safe and is sealed once enough members are up, see: dexter order show {}",
            placed.id
        ))?;
    }
    Ok(())
}

/// Places an order once, though the connection may break before the answer: the node answers a
/// repetition of an idempotency key like the first time.
fn place_once(client: &Client, order: &NewOrder, wait_final: bool) -> anyhow::Result<PlacedOrder> {
    let path = if wait_final {
        "/v1/orders?wait=final"
    } else {
        "/v1/orders"
    };
    let key = hex::encode(keys::random::<16>()?);
    let mut attempt = 1;
    loop {
        match client.post(path, Some(&key), order) {
            Err(ClientError::Connection { .. }) if attempt < PLACE_ATTEMPTS => {
                attempt += 1;
                thread::sleep(PLACE_PAUSE);
            }
            result => return Ok(result?),
        }
    }
}

fn show(args: &ShowArgs) -> anyhow::Result<()> {
    let client = args.node.client()?;
    if args.proof {
        let proof: Proof = client.get(&format!("/v1/orders/{}/proof", args.id), &[])?;
        output::json(&proof)?;
        return Ok(());
    }
    let order: OrderView = client.get(&format!("/v1/orders/{}", args.id), &[])?;
    if args.json {
        output::json(&order)?;
        return Ok(());
    }
    let mut table = output::facts();
    for (what, value) in facts(&order) {
        table.add_row([what, &output::plain(&value)]);
    }
    output::line(table)?;
    Ok(())
}

fn facts(order: &OrderView) -> Vec<(&'static str, String)> {
    let erased = || "(erased)".to_owned();
    let mut facts = vec![
        ("order", order.id.to_string()),
        ("state", state(order.state).to_owned()),
        ("customer", order.customer.clone().unwrap_or_else(erased)),
        ("details", order.details.clone().unwrap_or_else(erased)),
        ("receiver", order.receiver.clone()),
        ("amount", format!("{} {}", order.amount, order.currency)),
        ("placed at", format_rfc3339(order.placed_at.0)),
        (
            "vouched for by",
            match &order.voucher {
                VoucherView::Till { member, name } => {
                    format!(
                        "the till of {}",
                        name.clone().unwrap_or_else(|| member.short())
                    )
                }
                VoucherView::Key { key, .. } => format!("the customer's key {key}"),
            },
        ),
    ];
    if let Some(finality) = &order.finality {
        facts.extend([
            ("block", format!("{} ({})", finality.height, finality.block)),
            ("place in the log", finality.log_index.to_string()),
            (
                "winner",
                format!(
                    "{} after {:.3} s",
                    finality.winner,
                    finality.wait_us as f64 / 1e6
                ),
            ),
            ("sealed at", format_rfc3339(finality.sealed_at.0)),
        ]);
    }
    facts
}

const fn state(state: OrderState) -> &'static str {
    match state {
        OrderState::Accepted => "accepted: durable at its node, on its way into a block",
        OrderState::Sealed => "sealed: in a certified block, not final yet",
        OrderState::Final => "final: in the order book for ever",
    }
}

fn list(args: ListArgs) -> anyhow::Result<()> {
    let mut query = vec![("limit", args.limit.to_string())];
    query.extend(args.customer.map(|customer| ("customer", customer)));
    query.extend(args.receiver.map(|receiver| ("receiver", receiver)));
    query.extend(args.after.map(|after| ("after", after.to_string())));
    let page: OrderPage = args.node.client()?.get("/v1/orders", &query)?;
    if args.json {
        output::json(&page)?;
        return Ok(());
    }
    let mut table = output::table(&[
        "place",
        "placed at",
        "customer",
        "details",
        "receiver",
        "amount",
        "order",
    ]);
    for order in &page.orders {
        let erased = "(erased)";
        table.add_row([
            order
                .finality
                .as_ref()
                .map_or_else(String::new, |finality| finality.log_index.to_string()),
            format_rfc3339(order.placed_at.0),
            output::plain(order.customer.as_deref().unwrap_or(erased)),
            output::plain(order.details.as_deref().unwrap_or(erased)),
            output::plain(&order.receiver),
            output::plain(&format!("{} {}", order.amount, order.currency)),
            // Whole, because `dexter order show` takes nothing shorter.
            order.id.to_string(),
        ]);
    }
    output::line(table)?;
    if let Some(next) = page.next {
        output::line(format!("there are more: --after {next}"))?;
    }
    Ok(())
}

fn verify(args: &VerifyArgs) -> anyhow::Result<()> {
    let signatures = BlsAndEd25519::new();
    let genesis = read_genesis(&signatures, &args.genesis)?;
    let (proof, asked): (Proof, _) = match args.proof.parse::<OrderId>() {
        Ok(id) if !Path::new(&args.proof).exists() => (
            args.node
                .client()?
                .get(&format!("/v1/orders/{id}/proof"), &[])?,
            Some(id),
        ),
        _ => (read_proof(Path::new(&args.proof))?, None),
    };
    let same_members = proof.members == genesis.member_set().members();
    let receipt = Receipt::try_from(proof)?;
    let verdict = match receipt.verify(&signatures, &genesis) {
        // Nothing rests on that list, but people read it.
        Ok(_) if !same_members => Err(OTHER_MEMBERS.to_owned()),
        verdict => verdict.map_err(|error| error.to_string()),
    };
    if args.json {
        let error = verdict.as_ref().err();
        output::json(&json!({
            "verified": verdict.is_ok() && asked.is_none_or(|asked| verdict == Ok(asked)),
            "order": receipt.entry.id(), "log_index": receipt.log_index, "height": receipt.header.height,
            "chain": receipt.chain, "error": error,
        }))?;
    } else {
        for step in steps(&signatures, &receipt, &genesis) {
            output::line(step)?;
        }
    }
    let id = verdict.map_err(|reason| anyhow!("the proof does not hold: {reason}"))?;
    if let Some(asked) = asked {
        ensure!(
            id == asked,
            "the proof holds, but it is of order {id}: the node answered with another order's"
        );
    }
    Ok(())
}

fn read_proof(path: &Path) -> anyhow::Result<Proof> {
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(|| {
        format!(
            "cannot read {}: give a proof's file or an order's id of 64 hexadecimal digits",
            path.display()
        )
    })?;
    file.take(MAX_PROOF_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_PROOF_BYTES {
        bail!("{} is larger than any proof", path.display());
    }
    serde_json::from_slice(&bytes).with_context(|| {
        format!(
            "{} is not an order's proof; save one with: dexter order show ID --proof > FILE",
            path.display()
        )
    })
}

/// What is checked, in the order it is checked, each with the outcome; ends at the first that does
/// not hold.
fn steps(signatures: &dyn Signatures, receipt: &Receipt, genesis: &Genesis) -> Vec<String> {
    let order = receipt.entry.order();
    let header = &receipt.header;
    let certificate = &receipt.certificate;
    let personal = match &receipt.personal {
        Some(personal) => format!(
            "customer {:?} and details {:?} are those the order commits to",
            personal.customer.as_str(),
            personal.details.as_str()
        ),
        None => "customer and details were erased; the order stands without them".to_owned(),
    };
    let words = [
        format!(
            "the proof is of the network {:?}, chain {}",
            genesis.network.as_str(),
            receipt.chain
        ),
        personal,
        "whoever vouches for the order vouches for exactly this".to_owned(),
        format!(
            "the order, {} {} to {:?}, is at place {} of the order log",
            format_amount(&order.amount),
            order.amount.currency,
            order.receiver.as_str(),
            receipt.log_index.0
        ),
        format!(
            "that log is the one of block {} ({})",
            header.height,
            header.hash()
        ),
        format!(
            "{} of {} members signed that block as final; {} make a quorum",
            certificate.votes.len(),
            genesis.members.len(),
            genesis.member_set().quorum()
        ),
    ];
    let failure = receipt.verify(signatures, genesis).err();
    let failed = failure.as_ref().map_or(words.len(), |error| match error {
        ReceiptError::OtherNetwork { .. } | ReceiptError::OtherEpoch(_) => 0,
        ReceiptError::Personal => 1,
        ReceiptError::CustomerSignature => 2,
        ReceiptError::NotIncluded(_) => 3,
        ReceiptError::OtherHeader => 4,
        ReceiptError::NoQuorum => 5,
    });
    let held = words
        .iter()
        .take(failed)
        .map(|words| format!("{} {}", output::green("✓"), output::plain(words)));
    let last = match failure {
        Some(error) => format!("{} {error}", output::red("✗")),
        None => output::green(&format!("order {} is final", receipt.entry.id())),
    };
    held.chain([last]).collect()
}

#[cfg(test)]
mod tests {
    use types::{
        Amount, Certificate, ChainId, Digest, Entry, Epoch, Header, Height, IdentitySecret,
        LogIndex, LogSize, LotterySecret, LotterySignature, MemberCard, MemberId, MemberIndex,
        Order, PersonalPart, Preset, Simulated, Text, UnixMillis, Vote, VoteKind, Voucher,
        members::FaultModel, merkle,
    };

    use super::*;
    use crate::founding::{Terms, found};

    fn genesis() -> Genesis {
        let card = |seed| {
            let (identity, lottery) = (
                IdentitySecret::new([seed; 32]),
                LotterySecret::new([seed; 32]),
            );
            MemberCard::new(
                &Simulated,
                Text::new(format!("shop {seed}")).unwrap(),
                &identity,
                &lottery,
            )
        };
        let terms = Terms {
            network: Text::new("street").unwrap(),
            genesis_time: UnixMillis(1),
            currency: "EUR".parse().unwrap(),
            fault_model: FaultModel::Byzantine,
            timing: Preset::Lan.timing(),
            max_block_orders: 10,
            max_batch_orders: None,
        };
        found(&Simulated, terms, vec![card(1)]).unwrap()
    }

    fn receipt(genesis: &Genesis) -> Receipt {
        let personal = PersonalPart {
            salt: [1; 16],
            customer: Text::new("Ada").unwrap(),
            details: Text::new("Latte").unwrap(),
        };
        let order = Order {
            receiver: Text::new("shop 1").unwrap(),
            amount: Amount {
                minor_units: 450,
                currency: "EUR".parse().unwrap(),
            },
            placed_at: UnixMillis(2),
            personal_hash: personal.hash(),
            voucher: Voucher::Till(MemberId::new([2; 32])),
        };
        let entry = Entry::Order(order);
        let chain = genesis.chain_id();
        let header = Header {
            version: types::FORMAT_VERSION,
            chain,
            epoch: Epoch(0),
            height: Height(1),
            parent: types::block::genesis_block_hash(&chain),
            timestamp: UnixMillis(3),
            proposer: MemberIndex(0),
            ticket: LotterySignature::ZERO,
            batches_root: Digest::ZERO,
            log_size: LogSize(1),
            log_root: merkle::leaf_hash(&entry.leaf_bytes()),
        };
        let (kind, hash, secret) = (
            VoteKind::Finalize,
            header.hash(),
            IdentitySecret::new([1; 32]),
        );
        let vote = Vote::sign(
            &Simulated,
            &secret,
            &chain,
            kind,
            Epoch(0),
            Height(1),
            hash,
            MemberIndex(0),
        );
        let certificate = Certificate {
            kind,
            epoch: Epoch(0),
            height: Height(1),
            block: hash,
            votes: vec![vote.share()],
        };
        let (personal, path) = (Some(personal), Vec::new());
        Receipt {
            chain,
            entry,
            personal,
            log_index: LogIndex(0),
            path,
            header,
            certificate,
        }
    }

    #[test]
    fn every_step_of_a_good_proof_is_told() {
        let genesis = genesis();
        let receipt = receipt(&genesis);
        let steps = steps(&Simulated, &receipt, &genesis);
        assert_eq!(steps.len(), 7);
        assert_eq!(
            steps[1],
            "✓ customer \"Ada\" and details \"Latte\" are those the order commits to"
        );
        assert_eq!(
            steps[3],
            "✓ the order, 4.50 EUR to \"shop 1\", is at place 0 of the order log"
        );
        assert_eq!(
            steps[5],
            "✓ 1 of 1 members signed that block as final; 1 make a quorum"
        );
        assert_eq!(steps[6], format!("order {} is final", receipt.entry.id()));
    }

    #[test]
    fn a_bad_proof_is_told_up_to_the_step_that_fails() {
        let genesis = genesis();
        let good = receipt(&genesis);
        let other_network = Receipt {
            chain: ChainId::ZERO,
            ..good.clone()
        };
        let mut other_details = good.clone();
        other_details.personal.as_mut().unwrap().details = Text::new("Mocha").unwrap();
        let elsewhere = Receipt {
            log_index: LogIndex(1),
            ..good.clone()
        };
        let mut unsigned = good.clone();
        unsigned.certificate.votes[0].signature = types::IdentitySignature::ZERO;
        let mut other_block = good;
        other_block.certificate.height = Height(2);
        for (receipt, held, words) in [
            (other_network, 0, "the receipt is of network"),
            (other_details, 1, "customer or details are not those"),
            (elsewhere, 3, "the order is not at place 1"),
            (
                other_block,
                4,
                "the certificate is not a finality certificate",
            ),
            (unsigned, 5, "the certificate is not signed by a quorum"),
        ] {
            let steps = steps(&Simulated, &receipt, &genesis);
            assert_eq!(steps.len(), held + 1, "{steps:?}");
            assert!(steps[held].starts_with(&format!("✗ {words}")), "{steps:?}");
        }
    }

    #[test]
    fn what_is_no_proof_is_refused_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("receipt.json");
        assert!(
            read_proof(&path)
                .unwrap_err()
                .to_string()
                .contains("an order's id of 64 hexadecimal digits")
        );
        std::fs::write(&path, "{}").unwrap();
        assert!(
            read_proof(&path)
                .unwrap_err()
                .to_string()
                .contains("dexter order show ID --proof")
        );
        let proof = Proof::new(receipt(&genesis()), Vec::new());
        std::fs::write(&path, serde_json::to_vec(&proof).unwrap()).unwrap();
        assert_eq!(read_proof(&path).unwrap(), proof);
    }
}
