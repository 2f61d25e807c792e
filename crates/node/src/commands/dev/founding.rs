//! Founding a dev network, or finding the one that is there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use sha2::{Digest as _, Sha256};
use types::{
    BlsAndEd25519, FaultModel, Genesis, IdentitySecret, LotterySecret, MemberCard, Micros,
    Signatures as _, Text, Timing, UnixMillis, genesis::MAX_MEMBERS,
};

use super::{DevArgs, genesis_file};
use crate::{
    durations::show,
    founding::{DEFAULT_MAX_BLOCK_ORDERS, Terms, found, read_genesis, write_genesis},
    keys::{MemberKeys, create_private_folder},
};

/// Shops' names; the ones beyond are numbered.
const NAMES: [&str; 8] = [
    "Aroma", "Bohne", "Crema", "Doppio", "Espresso", "Filter", "Grinder", "Hario",
];

/// A person can watch a round of about a second.
const MEAN_WAIT: Micros = Micros::from_millis(1_000);

/// The genesis time of a network that follows from a seed, 2026-01-01: so that its id does too.
const SEEDED_GENESIS_TIME: UnixMillis = UnixMillis(1_767_225_600_000);

/// How many shops unless told otherwise.
const DEFAULT_SHOPS: usize = 4;

/// Which network is to run; nothing has been changed yet.
pub(super) enum Plan {
    /// The one in the data folder.
    Open(Box<Genesis>),
    /// A new one.
    Found {
        /// How many shops.
        shops: usize,
        /// The lottery's times.
        timing: Timing,
    },
}

/// Decides which network is to run, and checks that the flags fit it.
pub(super) fn plan(args: &DevArgs) -> anyhow::Result<Plan> {
    let path = genesis_file(&args.data);
    if path.exists() && !args.fresh {
        let genesis = read_genesis(&BlsAndEd25519::new(), &path)?;
        check_flags(args, &genesis)?;
        return Ok(Plan::Open(Box::new(genesis)));
    }
    let shops = args.shops.unwrap_or(DEFAULT_SHOPS);
    ensure!(
        (1..=MAX_MEMBERS).contains(&shops),
        "--shops takes 1 to {MAX_MEMBERS}"
    );
    let default = Timing {
        mean_wait: MEAN_WAIT,
        ..types::Preset::Lan.timing()
    };
    let timing = args.timing.timing(shops, default)?;
    Ok(Plan::Found { shops, timing })
}

impl Plan {
    /// How many shops are to run.
    pub(super) fn shops(&self) -> usize {
        match self {
            Self::Open(genesis) => genesis.members.len(),
            Self::Found { shops, .. } => *shops,
        }
    }

    /// The network with its shops' folders, founded where it is a new one.
    pub(super) fn carry_out(self, args: &DevArgs) -> anyhow::Result<(Genesis, Vec<PathBuf>)> {
        let genesis = match self {
            Self::Open(genesis) => *genesis,
            Self::Found { shops, timing } => {
                forget(&args.data)?;
                found_network(args, shops, timing)?
            }
        };
        let folders = (0..genesis.members.len())
            .map(|place| folder(&args.data, place))
            .collect();
        Ok((genesis, folders))
    }
}

fn folder(data: &Path, place: usize) -> PathBuf {
    data.join(format!("shop-{}", place + 1))
}

/// Removes a dev network, and nothing else that may be in its folder.
fn forget(data: &Path) -> anyhow::Result<()> {
    let path = genesis_file(data);
    if !path.exists() {
        return Ok(());
    }
    let folders: Vec<PathBuf> = (0..MAX_MEMBERS)
        .map(|place| folder(data, place))
        .filter(|folder| folder.join("keys").is_dir())
        .collect();
    // Its files must not vanish under the feet of a running network.
    if let Some(used) = folders.iter().find(|folder| in_use(folder)) {
        bail!(
            "another node is using this data folder: {}; stop that network first, or found this one in a folder of its \
             own with --data",
            used.display()
        );
    }
    for folder in folders {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
}

/// True while a node holds the lock of a shop's store.
fn in_use(folder: &Path) -> bool {
    fs::File::open(folder.join("chain").join("lock"))
        .is_ok_and(|lock| matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock)))
}

fn found_network(args: &DevArgs, shops: usize, timing: Timing) -> anyhow::Result<Genesis> {
    let signatures = BlsAndEd25519::new();
    create_private_folder(&args.data)
        .with_context(|| format!("cannot make {}", args.data.display()))?;
    let mut cards = Vec::new();
    for place in 0..shops {
        let folder = folder(&args.data, place);
        let keys = match args.seed {
            Some(seed) => {
                let keys = seeded_keys(seed, place);
                if folder.join("keys").exists() {
                    // They are left of a founding that was broken off.
                    ensure_same(&folder, &keys)?;
                } else {
                    keys.write_new(&folder)?;
                }
                keys
            }
            None => MemberKeys::load_or_create(&folder)?,
        };
        let name = NAMES
            .get(place)
            .map_or_else(|| format!("Shop {}", place + 1), |name| (*name).to_owned());
        cards.push(MemberCard::new(
            &signatures,
            Text::new(name)?,
            &keys.identity,
            &keys.lottery,
        ));
    }
    let terms = Terms {
        network: Text::new("dexter dev")?,
        genesis_time: args
            .seed
            .map_or_else(api::time::now, |_| SEEDED_GENESIS_TIME),
        currency: match args.currency {
            Some(currency) => currency,
            None => "EUR".parse()?,
        },
        fault_model: args
            .fault_model
            .map_or(FaultModel::Byzantine, FaultModel::from),
        timing,
        max_block_orders: args.max_block_orders.unwrap_or(DEFAULT_MAX_BLOCK_ORDERS),
        max_batch_orders: None,
    };
    let genesis = found(&signatures, terms, cards)?;
    write_genesis(&genesis_file(&args.data), &genesis)?;
    Ok(genesis)
}

/// Keys that follow from a number: for trying things out, never for a real shop.
fn seeded_keys(seed: u64, place: usize) -> MemberKeys {
    let derive = |what: &str| -> [u8; 32] {
        Sha256::digest(format!("dexter dev {what} {seed} {place}")).into()
    };
    MemberKeys {
        identity: IdentitySecret::new(derive("identity")),
        lottery: LotterySecret::new(derive("lottery")),
    }
}

/// Refuses keys in a folder that are not these.
fn ensure_same(folder: &Path, keys: &MemberKeys) -> anyhow::Result<()> {
    let found = MemberKeys::load(folder)?;
    let same = found.identity.expose() == keys.identity.expose()
        && found.lottery.expose() == keys.lottery.expose();
    ensure!(
        same,
        "{} holds keys that do not follow from this --seed; remove that folder, or found the network in another one \
         with --data",
        folder.display()
    );
    Ok(())
}

/// True when the keys of a network's first shop follow from this number.
fn is_of_seed(genesis: &Genesis, seed: u64) -> bool {
    let identity = BlsAndEd25519::new().identity_public(&seeded_keys(seed, 0).identity);
    genesis
        .members
        .first()
        .is_some_and(|first| first.identity_key == identity)
}

/// Refuses flags that the network found in the folder was not founded with.
fn check_flags(args: &DevArgs, genesis: &Genesis) -> anyhow::Result<()> {
    let members = genesis.members.len();
    let mut differences = Vec::new();
    if args.shops.is_some_and(|shops| shops != members) {
        differences.push(format!("it has {members} shops"));
    }
    let asked = args.timing.timing(members, genesis.timing)?;
    if asked != genesis.timing {
        let Timing {
            min_wait, grace, ..
        } = genesis.timing;
        let longest = genesis.timing.longest_wait(members);
        differences.push(format!(
            "its waits are {}..{} and its grace {}",
            show(min_wait),
            show(longest),
            show(grace)
        ));
    }
    if args
        .fault_model
        .is_some_and(|model| FaultModel::from(model) != genesis.fault_model)
    {
        differences.push(format!("its fault model is {:?}", genesis.fault_model).to_lowercase());
    }
    if args
        .max_block_orders
        .is_some_and(|most| most != genesis.max_block_orders)
    {
        differences.push(format!(
            "its blocks seal at most {} orders",
            genesis.max_block_orders
        ));
    }
    if args
        .currency
        .is_some_and(|currency| currency != genesis.currency)
    {
        differences.push(format!("its currency is {}", genesis.currency));
    }
    if let Some(seed) = args.seed {
        if genesis.genesis_time != SEEDED_GENESIS_TIME {
            differences.push("it was not founded with a seed".to_owned());
        } else if !is_of_seed(genesis, seed) {
            differences.push("it was founded with another seed".to_owned());
        }
    }
    if !differences.is_empty() {
        bail!(
            "the network in {} was founded otherwise: {}. Leave these flags out to go on with it, or found a new one with \
             --fresh",
            args.data.display(),
            differences.join("; "),
        );
    }
    Ok(())
}
