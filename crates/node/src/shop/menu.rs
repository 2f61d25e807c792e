//! The shop's own menu: a file in its data folder.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, bail};
use api::model::Menu;
use types::Currency;

use crate::keys::sync_folder;

/// The file's name in the data folder.
const FILE: &str = "menu.json";
/// A menu that is being written; one that is left over was not finished and means nothing.
const UNFINISHED: &str = "menu.json.new";
/// The longest file read: the largest menu, every byte escaped and every field on a line of its own, is
/// half of it.
const MAX_FILE_BYTES: u64 = 512 * 1024;

/// The menu and the file that keeps it.
pub(super) struct MenuFile {
    folder: PathBuf,
    menu: Mutex<Menu>,
    /// Held while the file is written, so that nobody who only reads waits for the disk.
    writing: Mutex<()>,
}

impl MenuFile {
    /// Reads the menu from a data folder; a sample where there is none.
    ///
    /// # Errors
    /// When the file cannot be read or is no menu: a till must not open with the wrong prices.
    pub(super) fn open(folder: &Path, currency: Currency) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        let menu = read(&path, currency).with_context(|| {
            format!(
                "the menu in {} cannot be used; correct it, or delete it to begin with a sample",
                path.display()
            )
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            menu: Mutex::new(menu.unwrap_or_else(|| Menu::sample(currency))),
            writing: Mutex::default(),
        })
    }

    /// The menu.
    pub(super) fn get(&self) -> Menu {
        lock(&self.menu).clone()
    }

    /// Puts another menu, checked already, in its place, and comes back once that is durable.
    ///
    /// # Errors
    /// When the disk fails; file and menu are then the old one or the new one, and the same.
    pub(super) fn put(&self, menu: Menu) -> io::Result<()> {
        let _writing = lock(&self.writing);
        let unfinished = self.folder.join(UNFINISHED);
        let mut file = File::create(&unfinished)?;
        serde_json::to_writer_pretty(&mut file, &menu)?;
        writeln!(file)?;
        file.sync_all()?;
        fs::rename(&unfinished, self.folder.join(FILE))?;
        *lock(&self.menu) = menu;
        sync_folder(&self.folder)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic ends the process; until then the menu is the one that was put last.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(path: &Path, currency: Currency) -> anyhow::Result<Option<Menu>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        bail!("it is larger than {MAX_FILE_BYTES} bytes");
    }
    let menu: Menu = serde_json::from_str(&text)?;
    Ok(Some(menu.checked(currency)?))
}

#[cfg(test)]
mod tests {
    use api::model::{DecimalText, MenuItem};

    use super::*;

    fn euro() -> Currency {
        "EUR".parse().unwrap()
    }

    fn menu(name: &str) -> Menu {
        let price = DecimalText::new("4.50");
        let (name, group) = (name.to_owned(), "Coffee".to_owned());
        Menu {
            items: vec![MenuItem { name, price, group }],
        }
    }

    #[test]
    fn a_menu_outlives_its_node() {
        let folder = tempfile::tempdir().unwrap();
        let kept = MenuFile::open(folder.path(), euro()).unwrap();
        assert_eq!(kept.get(), Menu::sample(euro()));
        assert!(!folder.path().join(FILE).exists(), "a sample is not kept");
        for name in ["Flat white", "Café crème"] {
            kept.put(menu(name)).unwrap();
            assert_eq!(kept.get(), menu(name));
        }
        // A crash in the midst of writing leaves an unfinished one behind.
        fs::write(folder.path().join(UNFINISHED), "{\"items\": [").unwrap();
        let again = MenuFile::open(folder.path(), euro()).unwrap();
        assert_eq!(again.get(), menu("Café crème"));
        again.put(menu("Latte")).unwrap();
        assert!(!folder.path().join(UNFINISHED).exists());
    }

    #[test]
    fn one_that_cannot_be_written_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let kept = MenuFile::open(folder.path(), euro()).unwrap();
        kept.put(menu("Latte")).unwrap();
        // Nobody can write a file where a folder is.
        fs::create_dir(folder.path().join(UNFINISHED)).unwrap();
        assert!(kept.put(menu("Mocha")).is_err());
        assert_eq!(kept.get(), menu("Latte"));
        let again = MenuFile::open(folder.path(), euro()).unwrap();
        assert_eq!(again.get(), menu("Latte"));
    }

    #[test]
    fn a_damaged_menu_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let long = " ".repeat(600 * 1024);
        for (text, words) in [
            ("{\"items\": [", "EOF while parsing"),
            ("{\"items\": [], \"x\": 1}", "unknown field `x`"),
            (
                "{\"items\": [{\"name\": \"Latte\", \"price\": \"4,50\", \"group\": \"\"}]}",
                "the price of item 1 of the menu: \"4,50\" is not an amount",
            ),
            (&*long, "it is larger than 524288 bytes"),
        ] {
            fs::write(&path, text).unwrap();
            let error = MenuFile::open(folder.path(), euro()).err().unwrap();
            let said = format!("{error:#}");
            assert!(said.contains(words), "{said}");
            let advice = "correct it, or delete it to begin with a sample";
            assert!(said.contains(&path.display().to_string()) && said.contains(advice));
        }
    }
}
