//! A `dexter` process and what it prints.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::JoinHandle,
};

use super::{PATIENCE, eventually};

/// A command line of the program.
fn command<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dexter"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn dexter<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Output {
    command(arguments).output().unwrap()
}

/// A running process; killed at the end of its test.
pub(crate) struct Process {
    child: Child,
    printed: Arc<Printed>,
    readers: Vec<JoinHandle<()>>,
}

/// All lines printed so far, on both streams.
#[derive(Default)]
struct Printed {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Process {
    pub(crate) fn start<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Self {
        let mut command = command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let printed = Arc::new(Printed::default());
        // Always read, so that the process is never held up by a full pipe.
        let readers = vec![
            printed.gather(child.stdout.take().unwrap()),
            printed.gather(child.stderr.take().unwrap()),
        ];
        Self {
            child,
            printed,
            readers,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How many lines were printed so far, for [`Self::line_after`].
    pub(crate) fn count(&self) -> usize {
        self.printed.lines.lock().unwrap().len()
    }

    /// Waits for a line with these words; returns it.
    pub(crate) fn line(&self, words: &str) -> String {
        self.line_after(0, words)
    }

    /// Waits for a line with these words after the first so many lines; returns it.
    pub(crate) fn line_after(&self, count: usize, words: &str) -> String {
        let find = |lines: &Vec<String>| {
            let mut after = lines.iter().skip(count);
            after.find(|line| line.contains(words)).cloned()
        };
        let lines = self.printed.lines.lock().unwrap();
        let (lines, _) = self
            .printed
            .more
            .wait_timeout_while(lines, PATIENCE, |lines| find(lines).is_none())
            .unwrap();
        find(&lines).unwrap_or_else(|| panic!("{words:?} was not printed:\n{}", lines.join("\n")))
    }

    /// Everything printed so far.
    pub(crate) fn text(&self) -> String {
        self.printed.lines.lock().unwrap().join("\n")
    }

    /// What Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        self.signal("INT");
    }

    /// Stops it in its tracks, as a machine that is put to sleep does, until [`Self::thaw`].
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on after [`Self::freeze`].
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Fails when it has ended by itself.
    pub(crate) fn assert_running(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "it ended with {ended:?}:\n{}", self.text());
    }

    /// Kills it at once, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end; everything it printed is there then.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let status = eventually("the process to end", || self.child.try_wait().unwrap());
        self.join();
        status
    }

    fn join(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- process {} printed:\n{}", self.child.id(), self.text());
        } else {
            self.join();
        }
    }
}

impl Printed {
    fn gather(self: &Arc<Self>, stream: impl Read + Send + 'static) -> JoinHandle<()> {
        let printed = Arc::clone(self);
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { return };
                printed.lines.lock().unwrap().push(line);
                printed.more.notify_all();
            }
        })
    }
}
