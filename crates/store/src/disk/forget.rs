//! What is on the disk and hardly ever read again need not stay in the system's memory.
//!
//! A node that seals all day writes gigabytes. Kept in memory until something else needs the room, they push
//! out what other programs of a shop's machine read often, and every page of a file costs a new page of
//! memory, which in some virtual machines takes ten times as long as to write to one that was used before.

use std::{fs::File, ops::Range};

/// Gives back the memory that holds these bytes of a file. Only what is synced already goes; it is read from the
/// disk where it is needed again.
#[cfg(target_os = "linux")]
pub(crate) fn forget(file: &File, bytes: Range<u64>) {
    use std::num::NonZeroU64;

    use rustix::fs::{Advice, fadvise};

    // To the system no bytes at all would be all that follow.
    if let Some(length) = NonZeroU64::new(bytes.end.saturating_sub(bytes.start)) {
        // Advice: nothing is lost where the system does not take it.
        let _ = fadvise(file, bytes.start, Some(length), Advice::DontNeed);
    }
}

/// Elsewhere the system keeps what it likes.
#[cfg(not(target_os = "linux"))]
pub(crate) fn forget(_file: &File, _bytes: Range<u64>) {}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io::Write as _};

    use super::*;
    use crate::disk::read_exact_at;

    #[test]
    fn nothing_is_lost_by_forgetting_synced_or_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut options = OpenOptions::new();
        options.read(true).append(true).create_new(true);
        let mut file = options.open(folder.path().join("file")).expect("a file");
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|byte| byte as u8).collect();
        for part in bytes.chunks(1_000_000) {
            file.write_all(part).expect("it is written");
            forget(&file, 0..bytes.len() as u64);
            file.sync_data().expect("it is synced");
            forget(&file, 10..700_000);
        }
        // An empty range is none, and not all that follows.
        forget(&file, 7..7);
        let mut read = vec![0; bytes.len()];
        read_exact_at(&file, 0, &mut read).expect("it is read");
        assert!(read == bytes, "other bytes were read than were written");
    }
}
