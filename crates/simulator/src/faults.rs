//! How the planned faults are done to the world, and undone.

use crate::{
    checkers::Violation,
    host::Running,
    plan::{Fault, Role},
    process::Stop,
    queue::Happening,
    world::World,
};

impl World {
    /// Does one of the plan's faults.
    pub(crate) fn fault(&mut self, number: usize) -> Result<(), Violation> {
        match self.plan.faults[number].1.clone() {
            Fault::Cut {
                links,
                until,
                reset,
            } => {
                for (from, to) in links {
                    self.links.cut(from, to);
                    if reset {
                        self.schedule_peer(from, to, false, 0);
                        self.schedule_peer(to, from, false, 0);
                    }
                }
                self.schedule(until, Happening::Mend { number });
            }
            Fault::Clog { from, to, until } => self.links.clog(from, to, until),
            Fault::Kill { host, power, down } => self.end(host, power, down),
            Fault::CrashPoint {
                host,
                moments,
                power,
            } => {
                self.hosts[host].crash_takes_power = power;
                if let Some(process) = self.hosts[host].process_mut() {
                    process.crash_in = Some(moments);
                }
            }
            Fault::Freeze {
                host,
                until,
                suspend,
            } => {
                let (time, place) = (self.time, &mut self.hosts[host]);
                if place.frozen_until <= time {
                    place.frozen_until = until;
                    if suspend {
                        place.clock.suspended(time, until);
                    }
                    // Placements do not wait in the queue; whatever they put in waits for this.
                    place.wake += 1;
                    place.wakes_at = None;
                    let number = place.wake;
                    self.schedule(until, Happening::Wake { host, number });
                }
            }
            Fault::SetWall {
                host,
                offset_millis,
            } => self.hosts[host].clock.set_wall_offset(offset_millis),
            Fault::Disk { host, failing } => self.hosts[host].disk.fail_next(failing),
            Fault::FullDisk { host, until } => {
                self.hosts[host].full_until = until;
                self.hosts[host].disk.set_full(true);
                self.schedule(until, Happening::Mend { number });
            }
            Fault::Rot { host } => {
                let place = &mut self.hosts[host];
                if place.is_running() && place.disk.rot(&mut self.random) {
                    place.rotten = true;
                    // Without its index the store reads everything, and so comes by the damage.
                    let down = self.random.between(1, 100_000);
                    self.end(host, false, down);
                    self.hosts[host].index = store::MemoryIndex::new();
                }
            }
        }
        Ok(())
    }

    /// Undoes a fault that lasts.
    pub(crate) fn mend(&mut self, number: usize) {
        if self.healed {
            return;
        }
        match self.plan.faults[number].1.clone() {
            Fault::Cut { links, reset, .. } => {
                for (from, to) in links {
                    self.links.mend(from, to);
                    if reset {
                        self.schedule_peer(from, to, true, 0);
                        self.schedule_peer(to, from, true, 0);
                    }
                }
            }
            Fault::FullDisk { host, .. } => self.hosts[host].disk.set_full(false),
            _ => {}
        }
    }

    /// A process has ended by itself.
    pub(crate) fn stopped(&mut self, host: usize, stop: &Stop) -> Result<(), Violation> {
        let place = &mut self.hosts[host];
        if place.is_honest() && !place.explains(stop) {
            let what = match stop {
                Stop::CrashPoint => "it crashed".to_owned(),
                Stop::Disk(error) => error.to_string(),
                Stop::Fatal(reason) => reason.clone(),
            };
            return Err(Violation {
                checker: "stopped",
                what: format!("member {host} stopped for no reason of its own: {what}"),
            });
        }
        if place.plan.role == Role::Forgetful && !matches!(stop, Stop::CrashPoint) {
            // Somebody puts a new disk in; this member has forgotten its votes.
            place.rotten = false;
            place.disk.replace();
            place.index = store::MemoryIndex::new();
        }
        let power = matches!(stop, Stop::CrashPoint) && place.crash_takes_power;
        let down = self.random.between(1, 4 * self.plan.faulty_until / 10);
        if place.is_running() {
            self.end(host, power, down);
        } else {
            let time = self.time + down;
            self.schedule(time, Happening::Start { host });
        }
        Ok(())
    }

    /// Everything heals: links and disks are good, clocks are set, everybody who is honest runs.
    /// Adversaries stay.
    pub(crate) fn heal(&mut self) {
        self.healed = true;
        self.links.heal();
        let time = self.time;
        for host in 0..self.hosts.len() {
            let place = &mut self.hosts[host];
            place.disk.heal();
            place.clock.set_wall_offset(place.plan.wall_offset_millis);
            place.frozen_until = place.frozen_until.min(time);
            if let Running::Process(process) = &mut place.running {
                process.crash_in = None;
            }
            if !place.is_running() {
                self.schedule(time, Happening::Start { host });
            }
        }
        // Connections that broke with a cut are made again.
        for (_, fault) in self.plan.faults.clone() {
            if let Fault::Cut {
                links,
                until,
                reset: true,
            } = fault
                && until >= time
            {
                for (from, to) in links {
                    self.schedule_peer(from, to, true, 0);
                    self.schedule_peer(to, from, true, 0);
                }
            }
        }
    }
}
