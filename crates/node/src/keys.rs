//! The secrets of a member, and of an importer: files that only their owner may read.
//!
//! A key file is one line that says what it is and one line of 64 hexadecimal digits. It is created
//! once, written through to the disk, and never overwritten: a lost key is a lost member.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use types::{IdentitySecret, LotterySecret};
use zeroize::Zeroizing;

/// Where a node keeps its keys, chain and settings unless told otherwise.
pub const DEFAULT_DATA_DIR: &str = "dexter-data";

/// A key file is about 150 bytes; anything much longer is another file, and is not read.
const MAX_KEY_FILE_BYTES: u64 = 1024;

/// What a key file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// A member's Ed25519 seed.
    Identity,
    /// A member's BLS12-381 key material.
    Lottery,
    /// What an importer's salts derive from.
    Import,
}

impl KeyKind {
    /// The first line of the file: says what it is, and is checked when the file is read, so that
    /// one key is never taken for another.
    const fn header(self) -> &'static str {
        match self {
            Self::Identity => {
                "# Dexter identity key (Ed25519). Secret: whoever has it acts as this member."
            }
            Self::Lottery => {
                "# Dexter lottery key (BLS12-381). Secret: whoever has it draws as this member."
            }
            Self::Import => {
                "# Dexter import secret. Keep it: with it an import goes on without importing twice."
            }
        }
    }

    /// What people call it.
    const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity key",
            Self::Lottery => "lottery key",
            Self::Import => "import secret",
        }
    }
}

/// Why a key file could not be made or used. The operator's to put right; the message says how.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is not there.
    #[error("there is no {kind} at {path}; make one with: dexter init --name NAME --data DIR")]
    Missing {
        /// Which key.
        kind: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// It is there already.
    #[error("{path} exists already and is never overwritten; choose another folder")]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// Others may read it.
    #[error(
        "{path} can be read by others on this machine; make it yours alone with: chmod 600 {path}"
    )]
    Exposed {
        /// Where.
        path: PathBuf,
    },
    /// Not what a key file looks like.
    #[error(
        "{path} is not a {kind}: it must be the line {header:?} and a line of 64 hexadecimal digits; put it back from a copy"
    )]
    Damaged {
        /// Which key.
        kind: &'static str,
        /// Its first line.
        header: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// The system has no randomness to give.
    #[error("the operating system gives no random numbers for a key: {0}")]
    NoRandomness(getrandom::Error),
    /// The file system refused.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A member's two secrets.
#[derive(Debug, Clone)]
pub struct MemberKeys {
    /// Signs blocks, batches, votes and connections.
    pub identity: IdentitySecret,
    /// Draws tickets.
    pub lottery: LotterySecret,
}

impl MemberKeys {
    /// Where a data folder keeps the identity key and the lottery key.
    pub fn paths(data: &Path) -> (PathBuf, PathBuf) {
        let keys = data.join("keys");
        (keys.join("identity.key"), keys.join("lottery.key"))
    }

    /// Reads the keys of a data folder.
    ///
    /// # Errors
    /// When one is missing, damaged, or readable by others.
    pub fn load(data: &Path) -> Result<Self, KeyError> {
        let (identity, lottery) = Self::paths(data);
        Ok(Self {
            identity: IdentitySecret::new(*read(&identity, KeyKind::Identity)?),
            lottery: LotterySecret::new(*read(&lottery, KeyKind::Lottery)?),
        })
    }

    /// Reads the keys of a data folder, and makes those that are not there yet.
    ///
    /// # Errors
    /// When one can neither be read nor made.
    pub fn load_or_create(data: &Path) -> Result<Self, KeyError> {
        let (identity, lottery) = Self::paths(data);
        Ok(Self {
            identity: IdentitySecret::new(*read_or_create(&identity, KeyKind::Identity)?),
            lottery: LotterySecret::new(*read_or_create(&lottery, KeyKind::Lottery)?),
        })
    }

    /// Writes given keys into a data folder, for networks whose keys follow from a seed.
    ///
    /// # Errors
    /// When a file is there already or cannot be written.
    pub fn write_new(&self, data: &Path) -> Result<(), KeyError> {
        let (identity, lottery) = Self::paths(data);
        write_new(&identity, KeyKind::Identity, self.identity.expose())?;
        write_new(&lottery, KeyKind::Lottery, self.lottery.expose())
    }
}

/// Fills bytes from the operating system.
///
/// # Errors
/// When the system has none to give.
pub fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(KeyError::NoRandomness)?;
    Ok(bytes)
}

/// Reads a key file, or makes one with a new random key.
///
/// # Errors
/// When it can neither be read nor made.
pub fn read_or_create(path: &Path, kind: KeyKind) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    match read(path, kind) {
        Err(KeyError::Missing { .. }) => {
            let key = Zeroizing::new(random()?);
            write_new(path, kind, &key)?;
            Ok(key)
        }
        result => result,
    }
}

/// Reads a key file.
///
/// # Errors
/// When it is missing, damaged, of another kind, or readable by others.
pub fn read(path: &Path, kind: KeyKind) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => KeyError::Missing {
            kind: kind.name(),
            path: path.to_owned(),
        },
        _ => KeyError::File {
            action: "read",
            path: path.to_owned(),
            source,
        },
    };
    let file = File::open(path).map_err(failed)?;
    check_mode(&file, path)?;
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_KEY_FILE_BYTES)
        .read_to_string(&mut text)
        .map_err(failed)?;
    let damaged = || KeyError::Damaged {
        kind: kind.name(),
        header: kind.header(),
        path: path.to_owned(),
    };
    let mut lines = text.lines();
    let (header, digits) = lines.next().zip(lines.next()).ok_or_else(damaged)?;
    let mut key = Zeroizing::new([0; 32]);
    if header != kind.header() || lines.next().is_some() {
        return Err(damaged());
    }
    hex::decode_to_slice(digits, key.as_mut_slice()).map_err(|_| damaged())?;
    Ok(key)
}

/// Writes a key into a new file of mode 0600, through to the disk, making its folder where needed.
///
/// # Errors
/// When the file is there already or cannot be written.
pub fn write_new(path: &Path, kind: KeyKind, key: &[u8; 32]) -> Result<(), KeyError> {
    let failed = |action, source| KeyError::File {
        action,
        path: path.to_owned(),
        source,
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    create_private_folder(folder).map_err(|source| failed("make the folder of", source))?;
    let text = Zeroizing::new(format!("{}\n{}\n", kind.header(), hex::encode(key)));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyError::Exists {
            path: path.to_owned(),
        },
        _ => failed("make", source),
    })?;
    file.write_all(text.as_bytes())
        .map_err(|source| failed("write", source))?;
    file.sync_all().map_err(|source| failed("write", source))?;
    sync_folder(folder).map_err(|source| failed("write the folder of", source))
}

/// Makes a folder, and those above it, that only its owner may enter.
///
/// # Errors
/// When the file system refuses.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Writes a folder's list of files through to the disk, so that a new file survives a power cut.
///
/// # Errors
/// When the file system refuses.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    // Elsewhere a folder cannot be opened as a file, and the file system keeps its own journal.
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

#[cfg(unix)]
fn check_mode(file: &File, path: &Path) -> Result<(), KeyError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata().map_err(|source| KeyError::File {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(KeyError::Exposed {
            path: path.to_owned(),
        });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_file: &File, _path: &Path) -> Result<(), KeyError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            MemberKeys::load(folder.path()),
            Err(KeyError::Missing { .. })
        ));
        let made = MemberKeys::load_or_create(folder.path()).unwrap();
        let again = MemberKeys::load_or_create(folder.path()).unwrap();
        let read = MemberKeys::load(folder.path()).unwrap();
        assert_eq!(made.identity.expose(), again.identity.expose());
        assert_eq!(made.identity.expose(), read.identity.expose());
        assert_eq!(made.lottery.expose(), read.lottery.expose());
        assert_ne!(made.identity.expose(), made.lottery.expose());
        assert!(matches!(
            made.write_new(folder.path()),
            Err(KeyError::Exists { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn key_files_are_their_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        MemberKeys::load_or_create(folder.path()).unwrap();
        let (identity, lottery) = MemberKeys::paths(folder.path());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&identity), mode(&lottery)), (0o600, 0o600));
        assert_eq!(mode(&folder.path().join("keys")), 0o700);

        fs::set_permissions(&lottery, fs::Permissions::from_mode(0o640)).unwrap();
        let error = MemberKeys::load(folder.path()).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with(&format!("chmod 600 {}", lottery.display()))
        );
    }

    #[test]
    fn a_damaged_or_mistaken_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lottery.key");
        write_new(&path, KeyKind::Lottery, &[7; 32]).unwrap();
        assert_eq!(*read(&path, KeyKind::Lottery).unwrap(), [7; 32]);
        assert!(matches!(
            read(&path, KeyKind::Identity),
            Err(KeyError::Damaged { .. })
        ));
        let whole = fs::read_to_string(&path).unwrap();
        for damaged in [
            "",
            &whole[..whole.len() - 2],
            &format!("{whole}more\n"),
            &whole.replace("07", "0x"),
        ] {
            fs::write(&path, damaged).unwrap();
            assert!(
                matches!(read(&path, KeyKind::Lottery), Err(KeyError::Damaged { .. })),
                "{damaged:?}"
            );
        }
    }
}
