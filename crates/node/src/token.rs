//! The token that clients beyond this machine must show: a file only its owner can read.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::Path,
};

use anyhow::{Context as _, bail};

use crate::keys;

/// The longest token file read.
const MAX_TOKEN_BYTES: u64 = 4_096;

/// Reads the token, or makes a random one.
///
/// # Errors
/// When it can be read by others, is empty, or can neither be read nor made.
pub fn read_or_create(path: &Path) -> anyhow::Result<String> {
    if !path.exists() {
        let token = hex::encode(keys::random::<32>()?);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options
            .open(path)
            .with_context(|| format!("cannot make the token file {}", path.display()))?;
        writeln!(file, "{token}")
            .and_then(|()| file.sync_all())
            .with_context(|| format!("cannot write {}", path.display()))?;
        return Ok(token);
    }
    let file = fs::File::open(path)
        .with_context(|| format!("cannot read the token file {}", path.display()))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file
            .metadata()
            .context("the token file's permissions")?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            bail!(
                "{0} can be read by others on this machine; make it yours alone with: chmod 600 {0}",
                path.display()
            );
        }
    }
    let mut token = String::new();
    file.take(MAX_TOKEN_BYTES)
        .read_to_string(&mut token)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let token = token.trim();
    if token.is_empty() {
        bail!(
            "the token file {} is empty; delete it to have a new one made",
            path.display()
        );
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let token = read_or_create(&path).unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(read_or_create(&path).unwrap(), token);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(
                read_or_create(&path)
                    .unwrap_err()
                    .to_string()
                    .contains("chmod 600")
            );
        }
    }
}
