//! Idle is asleep.

use std::{fs, thread, time::Duration};

use tempfile::tempdir;

use crate::support::{Dev, eventually};

/// How long the network is watched.
const WATCHED: Duration = Duration::from_secs(3);
/// Processor time is counted in hundredths of a second on every Linux.
const TICKS_A_SECOND: f64 = 100.0;

#[test]
#[cfg(target_os = "linux")]
fn without_orders_there_are_no_blocks_and_next_to_no_work() {
    let folder = tempdir().unwrap();
    let dev = Dev::start(folder.path(), 4, &[]);
    dev.shops[0].place_final("Ada");
    let heights = || -> Vec<u64> {
        dev.shops
            .iter()
            .map(|shop| shop.status("final_height"))
            .collect()
    };
    eventually("all shops to be at rest", || {
        let heights = heights();
        heights
            .iter()
            .all(|height| *height == heights[0])
            .then_some(())
    });

    let (heights_before, ticks_before) = (heights(), ticks(dev.process.id()));
    thread::sleep(WATCHED);
    let share = (ticks(dev.process.id()) - ticks_before) / TICKS_A_SECOND / WATCHED.as_secs_f64();
    println!("four idle shops use {:.1} % of a core", share * 100.0);
    assert_eq!(heights(), heights_before, "no block was made");
    // What only a busy loop would exceed, on any machine and without optimization.
    assert!(
        share < 0.25,
        "four idle shops use {:.1} % of a core",
        share * 100.0
    );
}

/// How much processor time a process has used (proc(5): utime and stime).
fn ticks(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name of the program, in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()
}
