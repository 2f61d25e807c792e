//! Machines that start and end.

use crate::{
    adversary::{Heard, Member},
    checkers::Violation,
    host::Running,
    plan::Role,
    process::{Effects, Process},
    queue::Happening,
    world::World,
};

impl World {
    /// Starts a machine's process, if it does not run.
    pub(crate) fn start(&mut self, host: usize) -> Result<(), Violation> {
        if self.hosts[host].is_running() {
            return Ok(());
        }
        let shown = self.random.below(1 << 40);
        let time = self.time;
        let place = &mut self.hosts[host];
        place.clock.boot(time, shown);
        place.life += 1;
        let now = place.clock.read(time);
        self.trace.number(host as u64);
        if let Role::Adversary(kind) = place.plan.role {
            let (network, seed) = (self.network.clone(), self.plan.seed);
            let member = Member {
                network,
                host,
                seed,
            };
            let mut adversary = kind.start(member, now);
            let said = adversary.hear(now, Heard::Start);
            place.running = Running::Adversary(adversary);
            self.connect(host);
            self.said(host, said);
            return Ok(());
        }
        let mut effects = Effects::default();
        let started = Process::start(
            host,
            self.network.clone(),
            &place.disk,
            &place.index,
            self.plan.segment_bytes,
            now,
            &mut effects,
        );
        match started {
            Ok((process, next)) => {
                if place.rotten {
                    return Err(Violation {
                        checker: "disk",
                        what: format!("member {host} did not notice that its disk had rotted"),
                    });
                }
                place.running = Running::Process(Box::new(process));
                self.connect(host);
                self.after(host, Ok(next), effects)
            }
            Err(stop) => self.after(host, Err(stop), effects),
        }
    }

    /// Makes the connections between a machine and all others that run.
    fn connect(&mut self, host: usize) {
        for peer in 0..self.hosts.len() {
            if peer != host && self.hosts[peer].is_running() {
                self.schedule_peer(host, peer, true, 0);
                self.schedule_peer(peer, host, true, 0);
            }
        }
    }

    pub(crate) fn schedule_peer(&mut self, host: usize, peer: usize, connected: bool, delay: u64) {
        let life = self.hosts[host].life;
        let happening = Happening::Peer {
            host,
            life,
            peer,
            connected,
        };
        self.schedule(self.time + delay, happening);
    }

    /// Ends a machine's process and starts it again after a while.
    pub(crate) fn end(&mut self, host: usize, power: bool, down: u64) {
        if !self.hosts[host].is_running() {
            return;
        }
        self.hosts[host].end(power, &mut self.disk_random);
        self.crashes += 1;
        self.trace.number(host as u64);
        for peer in 0..self.hosts.len() {
            if peer != host && self.hosts[peer].is_running() {
                self.schedule_peer(peer, host, false, 0);
            }
        }
        self.schedule(self.time + down, Happening::Start { host });
    }
}
