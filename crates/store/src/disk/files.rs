//! Segments as files: `<folder>/00000000.log` and so on.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Disk, forget};

/// How many segments are held open: 64 of 256 MiB are 16 GiB within reach, far below any limit of
/// the system on open files.
const MOST_OPEN_FILES: usize = 64;

/// So many bytes of the log stay in memory: some hundred thousand orders, which are asked for most.
const BYTES_REMEMBERED: u64 = 128 * 1024 * 1024;

/// What is older is forgotten whenever so many bytes have come.
const BYTES_A_FORGETTING: u64 = 8 * 1024 * 1024;

/// Segments as files in one folder.
#[derive(Debug)]
pub struct FileDisk {
    folder: PathBuf,
    files: Mutex<BTreeMap<u32, Arc<File>>>,
    /// How many bytes have come since older ones were forgotten.
    appended: AtomicU64,
}

impl FileDisk {
    /// In a folder, which is made if it does not exist.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        if let Some(parent) = folder.parent() {
            sync_folder(parent)?;
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            files: Mutex::default(),
            appended: AtomicU64::new(0),
        })
    }

    fn path(&self, segment: u32) -> PathBuf {
        self.folder.join(file_name(segment))
    }

    fn file(&self, segment: u32) -> io::Result<Arc<File>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(&segment) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(
            OpenOptions::new()
                .read(true)
                .append(true)
                .open(self.path(segment))?,
        );
        if files.len() >= MOST_OPEN_FILES {
            files.pop_first();
        }
        files.insert(segment, Arc::clone(&file));
        Ok(file)
    }

    /// Forgets all but the last bytes of the log, which ends with this segment. The one before it is the last
    /// that has any which were not forgotten yet.
    fn forget_old(&self, last: u32) -> io::Result<()> {
        let mut remembered = BYTES_REMEMBERED;
        for segment in [Some(last), last.checked_sub(1)].into_iter().flatten() {
            let file = self.file(segment)?;
            let length = file.metadata()?.len();
            forget(&file, 0..length.saturating_sub(remembered));
            remembered = remembered.saturating_sub(length);
        }
        Ok(())
    }
}

/// The name of a segment's file.
pub(crate) fn file_name(segment: u32) -> String {
    format!("{segment:08}.log")
}

/// Makes the names in a folder durable. Only Unix has and needs this: elsewhere a folder cannot be
/// opened as a file.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(folder)?.sync_all()
}

#[cfg(unix)]
pub(crate) fn read_exact_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
pub(crate) fn read_exact_at(file: &File, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, buffer, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = &mut buffer[read..];
        offset += read as u64;
    }
    Ok(())
}

impl Disk for FileDisk {
    fn segments(&self) -> io::Result<Vec<u32>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let number = name
                .to_str()
                .and_then(|name| name.strip_suffix(".log")?.parse().ok());
            // A file of any other name, such as one left by an editor, is not ours to judge.
            segments.extend(number.filter(|number| name.to_str() == Some(&file_name(*number))));
        }
        segments.sort_unstable();
        Ok(segments)
    }

    fn create(&self, segment: u32) -> io::Result<()> {
        OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(self.path(segment))?
            .sync_all()?;
        sync_folder(&self.folder)
    }

    fn append(&self, segment: u32, bytes: &[u8]) -> io::Result<()> {
        (&*self.file(segment)?).write_all(bytes)?;
        let bytes = bytes.len() as u64;
        self.appended.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn sync(&self, segment: u32) -> io::Result<()> {
        self.file(segment)?.sync_data()?;
        if self.appended.load(Ordering::Relaxed) >= BYTES_A_FORGETTING {
            self.appended.store(0, Ordering::Relaxed);
            // The sync has not failed because this does.
            let _ = self.forget_old(segment);
        }
        Ok(())
    }

    fn read_at(&self, segment: u32, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        read_exact_at(&*self.file(segment)?, offset, buffer)
    }

    fn len(&self, segment: u32) -> io::Result<u64> {
        Ok(self.file(segment)?.metadata()?.len())
    }

    fn truncate(&self, segment: u32, len: u64) -> io::Result<()> {
        self.file(segment)?.set_len(len)
    }
}
