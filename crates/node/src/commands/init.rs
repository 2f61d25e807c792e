//! `dexter init`: makes a member's keys and its card.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Args;
use serde_json::json;
use types::{BlsAndEd25519, MemberCard, Text};

use crate::{
    founding::{card_file_name, write_card},
    keys::{DEFAULT_DATA_DIR, MemberKeys},
    output,
};

/// Makes a member's keys and its card, the file it hands to the founders of a network.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// What people call this shop.
    #[arg(long)]
    name: String,
    /// The folder for keys and data.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA_DIR)]
    data: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `dexter init`.
///
/// # Errors
/// When the keys or the card cannot be made, or a card is there already.
pub fn run(args: InitArgs) -> anyhow::Result<()> {
    ensure!(
        !args.name.trim().is_empty(),
        "a shop needs a name: --name NAME"
    );
    let name = Text::new(&*args.name).context("the name")?;
    let card_path = args.data.join(card_file_name(&args.name));
    ensure!(
        !card_path.exists(),
        "{} exists already and is never overwritten: this folder is set up; go on with its card, or choose another \
         folder with --data",
        card_path.display()
    );
    let keys = MemberKeys::load_or_create(&args.data)?;
    let card = MemberCard::new(&BlsAndEd25519::new(), name, &keys.identity, &keys.lottery);
    write_card(&card_path, &card)?;
    let (identity, lottery) = MemberKeys::paths(&args.data);
    if args.json {
        output::json(&json!({
            "member": card.id(), "card": card_path, "identity_key": identity, "lottery_key": lottery,
        }))?;
        return Ok(());
    }
    output::line(format!(
        "{name} is set up as member {id}\n\n  keys  {identity}\n        {lottery}\n        secret: keep a copy in a \
         safe place, never on a second running node\n  card  {card}\n        public: hand it to whoever makes the \
         genesis file\n\nnext: dexter genesis {card} OTHER-CARDS… --network NAME --out genesis.json",
        name = output::plain(&args.name),
        id = card.id().short(),
        identity = identity.display(),
        lottery = lottery.display(),
        card = card_path.display(),
    ))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::founding::read_card;

    fn init(data: PathBuf, name: &str) -> anyhow::Result<()> {
        run(InitArgs {
            name: name.to_owned(),
            data,
            json: true,
        })
    }

    #[test]
    fn a_shop_is_set_up_once() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("anna");
        init(data.clone(), "anna").unwrap();
        let card = read_card(&BlsAndEd25519::new(), &data.join("anna.card.json")).unwrap();
        let keys = MemberKeys::load(&data).unwrap();
        assert_eq!(card.name.as_str(), "anna");
        let again = MemberCard::new(
            &BlsAndEd25519::new(),
            card.name.clone(),
            &keys.identity,
            &keys.lottery,
        );
        assert_eq!(card, again);
        assert!(
            init(data, "anna")
                .unwrap_err()
                .to_string()
                .contains("exists already and is never overwritten")
        );
    }

    #[test]
    fn names_are_needed_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        assert!(init(folder.path().into(), " ").is_err());
        let error = init(folder.path().into(), &"a".repeat(65)).unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "the name: is 65 bytes of UTF-8; at most 64 are allowed"
        );
    }
}
