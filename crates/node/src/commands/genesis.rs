//! `dexter genesis`: makes a network's genesis file from its members' cards.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum};
use serde_json::json;
use types::{
    BlsAndEd25519, Currency, Preset, Text, UnixMillis, genesis::MAX_MEMBERS, members::FaultModel,
};

use crate::{
    durations::{TimingArgs, show},
    founding::{DEFAULT_MAX_BLOCK_ORDERS, Terms, fault_advice, found, read_card, write_genesis},
    output,
};

/// The fault models by the names they have on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FaultModelName {
    /// Up to a third of the members may lie.
    Byzantine,
    /// Fewer than half of the members may stop; none may lie.
    Crash,
}

impl From<FaultModelName> for FaultModel {
    fn from(name: FaultModelName) -> Self {
        match name {
            FaultModelName::Byzantine => Self::Byzantine,
            FaultModelName::Crash => Self::Crash,
        }
    }
}

/// Makes a network's genesis file from its members' cards. Every member needs the same file.
#[derive(Debug, Args)]
pub struct GenesisArgs {
    /// The members' cards.
    #[arg(required = true, value_name = "CARD")]
    cards: Vec<PathBuf>,
    /// What people call the network.
    #[arg(long, value_name = "NAME")]
    network: String,
    /// What an amount without a currency is in.
    #[arg(long, value_name = "CODE", default_value = "EUR")]
    currency: Currency,
    /// How members may fail.
    #[arg(long, value_enum, default_value = "byzantine")]
    fault_model: FaultModelName,
    #[command(flatten)]
    timing: TimingArgs,
    /// The most orders a block seals.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_BLOCK_ORDERS)]
    max_block_orders: u32,
    /// The most orders a member sends in one batch [default: 1000, at most what a block seals].
    #[arg(long, value_name = "N")]
    max_batch_orders: Option<u32>,
    /// The file to make.
    #[arg(long, value_name = "FILE", default_value = "genesis.json")]
    out: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `dexter genesis`.
///
/// # Errors
/// When a card is wrong, the terms cannot work, or the file is there already.
pub fn run(args: GenesisArgs) -> anyhow::Result<()> {
    let count = args.cards.len();
    ensure!(
        count <= MAX_MEMBERS,
        "a network has at most {MAX_MEMBERS} members; {count} cards are given"
    );
    let signatures = BlsAndEd25519::new();
    let members = args
        .cards
        .iter()
        .map(|path| read_card(&signatures, path))
        .collect::<Result<Vec<_>, _>>()?;
    let now = u64::try_from(jiff::Timestamp::now().as_millisecond())
        .context("this machine's clock is before 1970")?;
    let fault_model = FaultModel::from(args.fault_model);
    let terms = Terms {
        network: Text::new(args.network).context("the network's name")?,
        genesis_time: UnixMillis(now),
        currency: args.currency,
        fault_model,
        timing: args.timing.timing(count, Preset::Lan.timing())?,
        max_block_orders: args.max_block_orders,
        max_batch_orders: args.max_batch_orders,
    };
    let genesis = found(&signatures, terms, members)?;
    write_genesis(&args.out, &genesis)?;
    let advice = fault_advice(count, fault_model);
    if args.json {
        output::json(&json!({
            "chain": genesis.chain_id(), "genesis": args.out, "members": count,
            "quorum": fault_model.quorum(count), "advice": advice,
        }))?;
        return Ok(());
    }
    let timing = genesis.timing;
    output::line(format!(
        "the network {network} is founded: chain {chain}\n\n  file    {file}\n  members {count}, of which \
         {quorum} make a quorum\n  waits   {shortest} to {longest}, grace {grace}\n\n{advice}\n\nnext: copy {file} to \
         every member; each starts with: dexter run --genesis {file} --data DIR",
        network = output::plain(genesis.network.as_str()),
        chain = genesis.chain_id(),
        file = args.out.display(),
        quorum = fault_model.quorum(count),
        shortest = show(timing.min_wait),
        longest = show(timing.longest_wait(count)),
        grace = show(timing.grace),
    ))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{commands::init, founding::read_genesis};

    #[derive(Parser)]
    enum Program {
        Init(init::InitArgs),
        Genesis(GenesisArgs),
    }

    fn dexter(arguments: &str) -> anyhow::Result<()> {
        match Program::try_parse_from(format!("dexter {arguments}").split(' '))? {
            Program::Init(args) => init::run(args),
            Program::Genesis(args) => run(args),
        }
    }

    #[test]
    fn three_shops_found_the_originals_network() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        for name in ["anna", "ben", "cleo"] {
            dexter(&format!("init --name {name} --data {at}/{name}")).unwrap();
        }
        let cards =
            format!("{at}/anna/anna.card.json {at}/ben/ben.card.json {at}/cleo/cleo.card.json");
        let out = folder.path().join("genesis.json");
        let command = format!(
            "genesis {cards} --network street --currency CHF --fault-model crash --wait 1s..20s --max-block-orders 1 \
             --out {at}/genesis.json"
        );
        dexter(&command).unwrap();
        let genesis = read_genesis(&BlsAndEd25519::new(), &out).unwrap();
        assert_eq!(genesis.members.len(), 3);
        assert_eq!(genesis.currency.as_str(), "CHF");
        assert_eq!(genesis.fault_model, FaultModel::Crash);
        assert_eq!(genesis.timing.mean_wait.0, 4_750_000);
        assert_eq!(genesis.timing.grace, Preset::Lan.timing().grace);
        assert_eq!((genesis.max_block_orders, genesis.max_batch_orders), (1, 1));

        assert!(
            dexter(&command)
                .unwrap_err()
                .to_string()
                .contains("never overwritten")
        );
        let twice = format!(
            "genesis {at}/ben/ben.card.json {at}/ben/ben.card.json --network n --out {at}/other.json"
        );
        assert!(
            dexter(&twice)
                .unwrap_err()
                .to_string()
                .ends_with("two members share the name of \"ben\"")
        );
    }
}
