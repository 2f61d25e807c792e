//! Founding a network: members' cards, and the genesis file made from them.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use types::{
    Currency, FORMAT_VERSION, Genesis, GenesisError, MemberCard, Micros, Signatures, Text, Timing,
    UnixMillis,
    genesis::{Admission, MAX_NAME_BYTES},
    members::FaultModel,
};

use crate::keys::sync_folder;

/// The most entries a block seals unless the founders say otherwise: with personal parts of the
/// largest size such a block is 22 MB, within what one message between members may be.
pub const DEFAULT_MAX_BLOCK_ORDERS: u32 = 5_000;
/// The most entries a batch carries unless the founders say otherwise: enough to spread one
/// signature thin, and small enough to be on its way within milliseconds.
pub const DEFAULT_MAX_BATCH_ORDERS: u32 = 1_000;
/// The most bytes of public encoding a block seals: the default number of orders with the longest
/// receivers fits.
pub const DEFAULT_MAX_BLOCK_BYTES: u32 = 4 * 1024 * 1024;

/// The largest file read here: a genesis of the most members a network may have is under 100 KB.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Why a card or a genesis file could not be read or written. The founders' to put right; the
/// message says how.
#[derive(Debug, thiserror::Error)]
pub enum FoundingError {
    /// The file system refused.
    #[error("cannot {action} {what} {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// What the file is.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is there already.
    #[error("{path} exists already and is never overwritten; move it away or choose another name")]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// Not JSON of the right form.
    #[error("{path} is not {what}: {reason}; {advice}")]
    Json {
        /// What the file should be.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What is wrong in it.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// A card whose keys are not proved.
    #[error(
        "{path}: the card of {name:?} does not prove that its keys are its own; ask the member for its card again"
    )]
    CardNotProved {
        /// Where.
        path: PathBuf,
        /// Whose.
        name: String,
    },
    /// A genesis that cannot work.
    #[error(
        "{path}: {error}; all members must hold the same, correct genesis file: make it again from the cards with: dexter genesis"
    )]
    Genesis {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        error: GenesisError,
    },
    /// Terms no network can be founded on.
    #[error("no network can be founded on these terms: {0}")]
    Terms(GenesisError),
}

/// Reads a genesis file and checks that a network can work on it.
///
/// # Errors
/// When the file cannot be read, is not a genesis, or is one that cannot work.
pub fn read_genesis(signatures: &dyn Signatures, path: &Path) -> Result<Genesis, FoundingError> {
    let advice = "copy it again, unchanged, from another member";
    let genesis = match read_json::<Genesis>(path, "a genesis file", advice) {
        Ok(genesis) => genesis.check(signatures).map(|()| genesis),
        // What another version calls its fields is of no interest.
        Err(error) => match read_json(path, "a genesis file", advice) {
            Ok(Versioned { version }) if version != FORMAT_VERSION => Err(GenesisError::Version {
                found: version,
                expected: FORMAT_VERSION,
            }),
            _ => return Err(error),
        },
    };
    genesis.map_err(|error| FoundingError::Genesis {
        path: path.to_owned(),
        error,
    })
}

/// What every version of a genesis file has.
#[derive(Deserialize)]
struct Versioned {
    version: u16,
}

/// Writes a genesis into a new file.
///
/// # Errors
/// When the file is there already or cannot be written.
pub fn write_genesis(path: &Path, genesis: &Genesis) -> Result<(), FoundingError> {
    write_new_json(path, "the genesis file", genesis)
}

/// Reads a member's card and checks that it proves its keys.
///
/// # Errors
/// When the file cannot be read, is not a card, or proves nothing.
pub fn read_card(signatures: &dyn Signatures, path: &Path) -> Result<MemberCard, FoundingError> {
    let advice = "a card is made with: dexter init --name NAME";
    let card: MemberCard = read_json(path, "a member's card", advice)?;
    if !card.is_proved(signatures) {
        let name = card.name.to_string();
        return Err(FoundingError::CardNotProved {
            path: path.to_owned(),
            name,
        });
    }
    Ok(card)
}

/// Writes a member's card into a new file.
///
/// # Errors
/// When the file is there already or cannot be written.
pub fn write_card(path: &Path, card: &MemberCard) -> Result<(), FoundingError> {
    write_new_json(path, "the card", card)
}

/// The name of a card's file: the member's name with everything but letters, digits, `-` and `_`
/// replaced, so that a name is never a path.
pub fn card_file_name(name: &str) -> String {
    let safe = |letter: char| {
        if letter.is_alphanumeric() || matches!(letter, '-' | '_') {
            letter
        } else {
            '-'
        }
    };
    format!("{}.card.json", name.chars().map(safe).collect::<String>())
}

/// What the founders of a network agree on besides its members.
#[derive(Debug, Clone)]
pub struct Terms {
    /// What people call the network.
    pub network: Text<MAX_NAME_BYTES>,
    /// When it is founded.
    pub genesis_time: UnixMillis,
    /// What a bare amount is in.
    pub currency: Currency,
    /// How members may fail.
    pub fault_model: FaultModel,
    /// The lottery's times.
    pub timing: Timing,
    /// The most entries a block seals.
    pub max_block_orders: u32,
    /// The most entries a batch carries; unless given, the default or what a block takes.
    pub max_batch_orders: Option<u32>,
}

/// Makes a genesis from terms and cards, and checks that a network can work on it.
///
/// # Errors
/// When it cannot.
pub fn found(
    signatures: &dyn Signatures,
    terms: Terms,
    members: Vec<MemberCard>,
) -> Result<Genesis, FoundingError> {
    let most_a_batch = DEFAULT_MAX_BATCH_ORDERS.min(terms.max_block_orders);
    let genesis = Genesis {
        version: FORMAT_VERSION,
        network: terms.network,
        genesis_time: terms.genesis_time,
        currency: terms.currency,
        fault_model: terms.fault_model,
        timing: terms.timing,
        max_block_orders: terms.max_block_orders,
        max_block_bytes: DEFAULT_MAX_BLOCK_BYTES,
        max_batch_orders: terms.max_batch_orders.unwrap_or(most_a_batch),
        heartbeat: Micros(0),
        admission: Admission::Fixed,
        members,
    };
    genesis.check(signatures).map_err(FoundingError::Terms)?;
    Ok(genesis)
}

/// What the founders should know about how many members may fail.
pub fn fault_advice(members: usize, model: FaultModel) -> String {
    let tolerated = model.tolerated(members);
    match (members, model, tolerated) {
        (1, _, _) => "One member alone: the network stops when it stops.".to_owned(),
        (_, FaultModel::Byzantine, 0) => format!(
            "Mind: {members} members in the byzantine fault model need every one of them: the network stops when \
             one member stops. With a fourth member it would go on{}.",
            if members == 3 {
                ", or with --fault-model crash where members trust each other not to lie"
            } else {
                ""
            }
        ),
        (_, FaultModel::Crash, 0) => {
            format!(
                "Mind: {members} members need each other: the network stops when one member stops."
            )
        }
        (_, FaultModel::Byzantine, _) => {
            format!(
                "The network goes on, and stays correct, while at most {tolerated} of {members} members stop or lie."
            )
        }
        (_, FaultModel::Crash, _) => format!(
            "The network goes on while at most {tolerated} of {members} members stop. No member may lie: never run two \
             nodes with one member's keys."
        ),
    }
}

fn read_json<T: DeserializeOwned>(
    path: &Path,
    what: &'static str,
    advice: &'static str,
) -> Result<T, FoundingError> {
    let failed = |source| FoundingError::File {
        action: "read",
        what,
        path: path.to_owned(),
        source,
    };
    let wrong = |reason: String| FoundingError::Json {
        what,
        path: path.to_owned(),
        reason,
        advice,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(failed)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(wrong(format!("it is larger than {MAX_FILE_BYTES} bytes")));
    }
    serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))
}

fn write_new_json<T: Serialize>(
    path: &Path,
    what: &'static str,
    value: &T,
) -> Result<(), FoundingError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => FoundingError::Exists {
            path: path.to_owned(),
        },
        _ => FoundingError::File {
            action: "write",
            what,
            path: path.to_owned(),
            source,
        },
    };
    let mut text = serde_json::to_string_pretty(value).map_err(|error| failed(error.into()))?;
    text.push('\n');
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    sync_folder(path.parent().unwrap_or(Path::new("."))).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use types::{IdentitySecret, LotterySecret, Preset, Simulated};

    use super::*;

    fn card(name: &str, seed: u8) -> MemberCard {
        let (identity, lottery) = (
            IdentitySecret::new([seed; 32]),
            LotterySecret::new([seed; 32]),
        );
        MemberCard::new(&Simulated, Text::new(name).unwrap(), &identity, &lottery)
    }

    fn terms() -> Terms {
        Terms {
            network: Text::new("market street").unwrap(),
            genesis_time: UnixMillis(1_709_251_200_000),
            currency: "EUR".parse().unwrap(),
            fault_model: FaultModel::Byzantine,
            timing: Preset::Lan.timing(),
            max_block_orders: DEFAULT_MAX_BLOCK_ORDERS,
            max_batch_orders: None,
        }
    }

    #[test]
    fn a_genesis_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("genesis.json");
        let genesis = found(&Simulated, terms(), vec![card("anna", 1), card("ben", 2)]).unwrap();
        write_genesis(&path, &genesis).unwrap();
        let read = read_genesis(&Simulated, &path).unwrap();
        assert_eq!(read, genesis);
        assert_eq!(read.chain_id(), genesis.chain_id());
        assert!(matches!(
            write_genesis(&path, &genesis),
            Err(FoundingError::Exists { .. })
        ));
    }

    #[test]
    fn cards_are_read_as_they_were_written_and_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(card_file_name("anna"));
        let anna = card("anna", 1);
        write_card(&path, &anna).unwrap();
        assert_eq!(read_card(&Simulated, &path).unwrap(), anna);

        let renamed = fs::read_to_string(&path).unwrap().replace("anna", "emma");
        fs::write(&path, renamed).unwrap();
        let error = read_card(&Simulated, &path).unwrap_err().to_string();
        assert!(error.ends_with("the card of \"emma\" does not prove that its keys are its own; ask the member for its card again"));
    }

    #[test]
    fn what_is_no_genesis_is_refused_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("genesis.json");
        let refusal = || read_genesis(&Simulated, &path).unwrap_err().to_string();
        assert!(refusal().starts_with("cannot read a genesis file "));

        let genesis = found(&Simulated, terms(), vec![card("anna", 1)]).unwrap();
        let mut json = serde_json::to_value(&genesis).unwrap();
        json["colour"] = "green".into();
        fs::write(&path, json.to_string()).unwrap();
        let words = refusal();
        assert!(
            words.contains("is not a genesis file: unknown field `colour`"),
            "{words}"
        );
        assert!(
            words.ends_with("; copy it again, unchanged, from another member"),
            "{words}"
        );

        let mut json = serde_json::to_value(&genesis).unwrap();
        json["version"] = 9.into();
        json["colour"] = "green".into();
        fs::write(&path, json.to_string()).unwrap();
        assert!(
            refusal().contains("the genesis has format version 9; this program reads version 3")
        );

        fs::write(&path, vec![b' '; 1024 * 1024 + 1]).unwrap();
        assert!(refusal().contains("it is larger than 1048576 bytes"));
    }

    #[test]
    fn impossible_terms_are_refused() {
        let twice = found(&Simulated, terms(), vec![card("anna", 1), card("anna", 2)]).unwrap_err();
        assert_eq!(
            twice.to_string(),
            "no network can be founded on these terms: two members share the name of \"anna\""
        );
        let more_a_batch = Terms {
            max_block_orders: 10,
            max_batch_orders: Some(11),
            ..terms()
        };
        assert!(matches!(
            found(&Simulated, more_a_batch, vec![card("anna", 1)]),
            Err(FoundingError::Terms(GenesisError::OutOfBounds {
                name: "max_batch_orders",
                ..
            }))
        ));
    }

    #[test]
    fn a_small_block_makes_small_batches() {
        let one = found(
            &Simulated,
            Terms {
                max_block_orders: 1,
                ..terms()
            },
            vec![card("anna", 1)],
        )
        .unwrap();
        assert_eq!((one.max_block_orders, one.max_batch_orders), (1, 1));
    }

    #[test]
    fn founders_are_told_what_may_fail() {
        use FaultModel::{Byzantine, Crash};
        let stops = "stops when one member stops";
        assert!(fault_advice(2, Byzantine).contains(stops));
        assert!(fault_advice(3, Byzantine).contains(stops));
        assert!(fault_advice(2, Crash).contains(stops));
        assert!(fault_advice(4, Byzantine).contains("at most 1 of 4 members stop or lie"));
        assert!(fault_advice(3, Crash).contains("at most 1 of 3 members stop"));
    }

    #[test]
    fn a_name_is_never_a_path() {
        assert_eq!(card_file_name("../Café 7"), "---Café-7.card.json");
    }
}
