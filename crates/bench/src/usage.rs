//! What processes cost, as the operating system counts it.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use anyhow::Context as _;

/// Linux counts processor time for programs in hundredths of a second, on every machine.
const TICKS_A_SECOND: u64 = 100;
/// `st_blocks` is in units of so many bytes, whatever the file system's own are.
const BLOCK_BYTES: u64 = 512;

/// What a process has used since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    /// Processor time of all its threads, those that ended too, in user and kernel.
    pub(crate) cpu: Duration,
    /// Memory it holds now.
    pub(crate) resident_bytes: u64,
    /// What it caused to be written to disks.
    pub(crate) written_bytes: u64,
}

impl Usage {
    /// Of a running process.
    ///
    /// # Errors
    /// When it has ended, or this is no Linux.
    pub(crate) fn of(process: u32) -> anyhow::Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/{process}/{file}");
            fs::read_to_string(&path).with_context(|| {
                format!("cannot read {path}: the node has ended, or this system is not Linux")
            })
        };
        let (stat, status, io) = (read("stat")?, read("status")?, read("io")?);
        Ok(Self {
            cpu: cpu_of(&stat).context("/proc/PID/stat has an unknown form")?,
            resident_bytes: field(&status, "VmRSS:").context("/proc/PID/status names no VmRSS")?
                * 1024,
            written_bytes: field(&io, "write_bytes:")
                .context("/proc/PID/io has an unknown form")?,
        })
    }
}

/// User and kernel time in `/proc/PID/stat`: fields 14 and 15. The second field is the program's name
/// in parentheses and may hold anything.
fn cpu_of(stat: &str) -> Option<Duration> {
    let (_, behind_name) = stat.rsplit_once(") ")?;
    let mut fields = behind_name.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let total = ticks()? + ticks()?;
    Some(Duration::from_millis(total * 1000 / TICKS_A_SECOND))
}

/// The number behind a name at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// What a folder takes on the disk, everything below it included.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn disk_bytes(folder: &Path) -> anyhow::Result<u64> {
    let look = || -> std::io::Result<u64> {
        let mut bytes = 0;
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next)? {
                let entry = entry?;
                match entry.metadata() {
                    Ok(data) if data.is_dir() => folders.push(entry.path()),
                    Ok(data) => bytes += data.blocks() * BLOCK_BYTES,
                    // A node at work replaces its files.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(bytes)
    };
    look().with_context(|| format!("cannot measure {}", folder.display()))
}

/// What the machine is, for whoever compares two results.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = field(&read("/proc/meminfo"), "MemTotal:").unwrap_or_default() / (1024 * 1024);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{cores} × {model}, {memory} GiB, Linux {}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "12 (a) b (c) S 1 12 12 0 -1 4194304 900 0 0 0 250 31 7 8 20 0 9 0 100 200 300";
        assert_eq!(cpu_of(stat), Some(Duration::from_millis(2_810)));
        assert_eq!(cpu_of("12 (cut) S 1 12"), None);
    }

    #[test]
    fn fields_are_found_by_name() {
        let status = "Name:\tdexter\nVmRSSx:\t1 kB\nVmRSS:\t  5120 kB\n";
        assert_eq!(field(status, "VmRSS:"), Some(5_120));
        assert_eq!(field(status, "VmHWM:"), None);
    }

    #[test]
    fn this_process_has_a_usage() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.resident_bytes > 0);
        assert!(Usage::of(u32::MAX).is_err());
    }

    #[test]
    fn a_folder_takes_what_its_files_take() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        assert_eq!(disk_bytes(folder.path()).unwrap(), 0);
        fs::write(folder.path().join("below/file"), vec![1; 100_000]).unwrap();
        fs::File::open(folder.path().join("below/file"))
            .unwrap()
            .sync_all()
            .unwrap();
        assert!(disk_bytes(folder.path()).unwrap() >= 100_000);
    }
}
