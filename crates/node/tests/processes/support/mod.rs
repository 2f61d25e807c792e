//! Processes that print, networks of them, and a client for their REST interfaces.

mod links;
mod network;
mod process;
mod rest;

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

pub(crate) use links::{Condition, Links};
pub(crate) use network::{Dev, Founding, Node, WAIT, fail, succeed, text};
pub(crate) use process::{Process, dexter};
pub(crate) use rest::{Answer, Rest, order, read_chunk, read_head};

/// How long anything may take before a test fails: far longer than on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often something that cannot be waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks again and again until there is something to see.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
        thread::sleep(LOOK_EVERY);
    }
}

/// The first of so many neighbouring ports that nobody uses. They are below those that the system
/// gives away by itself, no two tests of a process get the same, and processes begin far apart.
pub(crate) fn free_ports(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const LOWEST: u16 = 10_000;
    const RANGE: u16 = 20_000;
    let start = u16::try_from(std::process::id().wrapping_mul(7_919) % u32::from(RANGE)).unwrap();
    eventually("free ports", || {
        let first = LOWEST + (start + NEXT.fetch_add(count, Ordering::Relaxed)) % RANGE;
        let free =
            (first..first + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
        free.then_some(first)
    })
}
