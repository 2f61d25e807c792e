//! Many members in one thread and virtual time. The loop takes the next thing that happens, lets the
//! machine concerned do what follows from it, and shows the checkers what was seen.

use std::{
    collections::BTreeSet,
    sync::{Arc, mpsc::Sender},
};

use replica::{Event, Outgoing, Submission, To};
use types::{IdentityPublicKey, Message, Monotonic};

use crate::{
    adversary::{Adversary, Heard},
    checkers::{Checkers, Facts, Progress, Violation},
    host::{Host, Running},
    links::Links,
    network::Network,
    observation::{Observation, Overheard, What},
    orders,
    plan::Plan,
    process::{Effects, Input, Next, Process, Stop},
    queue::{Happening, Queue},
    random::{Random, Stream},
    study::Collector,
    trace::Trace,
};

/// The world of one seed.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) network: Arc<Network>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) links: Links,
    pub(crate) time: u64,
    pub(crate) healed: bool,
    pub(crate) random: Random,
    pub(crate) disk_random: Random,
    link_random: Random,
    queue: Queue,
    checkers: Checkers,
    pub(crate) progress: Progress,
    pub(crate) trace: Trace,
    pub(crate) events: u64,
    pub(crate) messages: u64,
    /// How many records honest members have written.
    pub(crate) records: u64,
    pub(crate) crashes: u64,
    /// Placements that have not happened yet.
    pub(crate) unplaced: usize,
    /// Who wants to know what liars say and what comes of it.
    pub(crate) listener: Option<Sender<Overheard>>,
    /// Takes the figures of a study.
    pub(crate) collector: Option<Box<Collector>>,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        let network = Network::found(&plan);
        let seed = plan.seed;
        let mut link_random = Random::new(seed, Stream::Links);
        let mut world = Self {
            hosts: plan.hosts.iter().cloned().map(Host::new).collect(),
            links: Links::new(plan.links, plan.members(), &mut link_random),
            time: 0,
            healed: false,
            random: Random::new(seed, Stream::World),
            disk_random: Random::new(seed, Stream::Disks),
            link_random,
            queue: Queue::default(),
            checkers: Checkers::new(Facts::new(&plan, &network), &plan),
            progress: Progress::default(),
            trace: Trace::new(seed),
            events: 0,
            messages: 0,
            records: 0,
            crashes: 0,
            unplaced: plan.placements.len(),
            listener: None,
            collector: None,
            plan,
            network,
        };
        for host in 0..world.hosts.len() {
            world.schedule(world.hosts[host].plan.starts_at, Happening::Start { host });
        }
        for number in 0..world.plan.faults.len() {
            world.schedule(world.plan.faults[number].0, Happening::Fault { number });
        }
        for number in 0..world.plan.placements.len() {
            let at = world.plan.placements[number].at;
            world.schedule(at, Happening::Placement { number });
        }
        world.schedule(world.plan.faulty_until, Happening::Heal);
        world
    }

    /// A world that lasts long: figures are taken, and no checker remembers everything.
    pub(crate) fn studied(plan: Plan, collector: impl FnOnce(&Arc<Network>) -> Collector) -> Self {
        let mut world = Self::new(plan);
        world.checkers = Checkers::lasting(Facts::new(&world.plan, &world.network));
        world.collector = Some(Box::new(collector(&world.network)));
        world
    }

    /// Leaves some of the checkers out.
    pub(crate) fn leave_out(&mut self, checkers: &[&str]) {
        self.checkers.leave_out(checkers);
    }

    /// When the next thing happens.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.queue.next_at()
    }

    pub(crate) fn schedule(&mut self, time: u64, happening: Happening) {
        self.queue.put(time.max(self.time), happening);
    }

    /// By how many heights the final head of the most advanced honest member lags behind.
    pub(crate) fn behind(&self) -> u64 {
        let lags = self.hosts.iter().filter(|host| host.is_honest());
        lags.filter_map(|host| host.process())
            .map(|process| {
                let (height, final_height) = process.heights();
                height.previous().above(final_height)
            })
            .max()
            .unwrap_or(0)
    }

    /// How many things are going to happen.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// True when every member runs, sleeps and has the same final head.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut heads = BTreeSet::new();
        self.hosts.iter().all(|host| {
            host.process().is_some_and(|process| {
                heads.insert(process.heights().1);
                process.is_asleep()
            })
        }) && heads.len() == 1
    }

    /// Lets the next thing happen; false when nothing ever will.
    pub(crate) fn advance(&mut self) -> Result<bool, Violation> {
        let Some((time, happening)) = self.queue.take() else {
            return Ok(false);
        };
        self.time = time;
        if let Some(host) = happening.host()
            && self.hosts[host].frozen_until > time
        {
            let thaw = self.hosts[host].frozen_until;
            self.schedule(thaw, happening);
            return Ok(true);
        }
        self.events += 1;
        self.trace.number(time);
        self.dispatch(happening)?;
        Ok(true)
    }

    fn dispatch(&mut self, happening: Happening) -> Result<(), Violation> {
        match happening {
            Happening::Start { host } => self.start(host),
            Happening::Wake { host, number } if self.hosts[host].wake == number => {
                self.trace.number(host as u64);
                self.hosts[host].wakes_at = None;
                self.awake(host)
            }
            Happening::Synced { host, life } if self.hosts[host].life == life => {
                self.trace.number(host as u64);
                self.run(host, Process::synced)
            }
            Happening::Arrival {
                from,
                to,
                life,
                message,
            } if self.hosts[to].life == life => {
                self.trace.bytes(&[from as u8, to as u8]);
                self.deliver(from, to, &message)
            }
            Happening::Peer {
                host,
                life,
                peer,
                connected,
            } if self.hosts[host].life == life => self.tell_of_peer(host, peer, connected),
            Happening::Fault { number } if !self.healed => self.fault(number),
            Happening::Mend { number } => {
                self.mend(number);
                Ok(())
            }
            Happening::Placement { number } => self.place(number),
            Happening::Heal => {
                self.heal();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn tell_of_peer(&mut self, host: usize, peer: usize, connected: bool) -> Result<(), Violation> {
        let key = self.network.keys(peer).public;
        self.trace
            .bytes(&[host as u8, peer as u8, u8::from(connected)]);
        let event = if connected {
            Event::Connected(key)
        } else {
            Event::Disconnected(key)
        };
        self.give(host, event, |adversary, now| {
            let heard = if connected {
                Heard::Connected(key)
            } else {
                Heard::Disconnected(key)
            };
            adversary.hear(now, heard)
        })
    }

    fn deliver(&mut self, from: usize, to: usize, message: &Arc<Message>) -> Result<(), Violation> {
        let key = self.network.keys(from).public;
        if let Running::Adversary(_) = self.hosts[to].running {
            return self.give(to, Event::Tick, |adversary, now| {
                adversary.hear(now, Heard::Message(key, message))
            });
        }
        let checker = self.network.checker();
        let checked = checker.check((**message).clone());
        match checked {
            Ok(checked) => self.give(to, Event::Message(key, checked), |_, _| Vec::new()),
            Err(fault) if self.hosts[from].is_honest() => Err(Violation {
                checker: "blame",
                what: format!("honest member {from} is blamed by member {to}: {fault}"),
            }),
            Err(fault) => {
                self.overheard(|| What::Refused { from, fault });
                Ok(())
            }
        }
    }

    /// Gives a production process an event, or lets an adversary act.
    fn give(
        &mut self,
        host: usize,
        event: Event,
        act: impl FnOnce(&mut dyn Adversary, types::Now) -> Vec<Outgoing>,
    ) -> Result<(), Violation> {
        let place = &mut self.hosts[host];
        let now = place.clock.read(self.time);
        match &mut place.running {
            Running::Nothing => Ok(()),
            Running::Process(process) => {
                process.put(Input::Event(Box::new(event)));
                self.run_if_idle(host)
            }
            Running::Adversary(adversary) => {
                let said = act(&mut **adversary, now);
                self.said(host, said);
                Ok(())
            }
        }
    }

    fn awake(&mut self, host: usize) -> Result<(), Violation> {
        let place = &mut self.hosts[host];
        let now = place.clock.read(self.time);
        if let Running::Adversary(adversary) = &mut place.running {
            let said = adversary.hear(now, Heard::Wake);
            self.said(host, said);
            return Ok(());
        }
        self.run_if_idle(host)
    }

    pub(crate) fn run_if_idle(&mut self, host: usize) -> Result<(), Violation> {
        match self.hosts[host].process() {
            Some(process) if !process.is_syncing() => self.run(host, Process::round),
            _ => Ok(()),
        }
    }

    fn run(
        &mut self,
        host: usize,
        what: fn(&mut Process, types::Now, &mut Effects) -> Result<Next, Stop>,
    ) -> Result<(), Violation> {
        let now = self.hosts[host].clock.read(self.time);
        let mut effects = Effects::default();
        let Some(process) = self.hosts[host].process_mut() else {
            return Ok(());
        };
        let next = what(process, now, &mut effects);
        self.after(host, next, effects)
    }

    /// What follows from what a process did.
    pub(crate) fn after(
        &mut self,
        host: usize,
        next: Result<Next, Stop>,
        effects: Effects,
    ) -> Result<(), Violation> {
        let Effects {
            sent,
            cut_short,
            seen,
        } = effects;
        if self.hosts[host].is_honest() {
            for seen in &seen {
                self.observe(seen)?;
            }
        }
        let last = sent.len();
        for (place, outgoing) in sent.into_iter().enumerate() {
            let to_some = cut_short && place + 1 == last;
            self.transmit(host, &outgoing, to_some);
        }
        match next {
            Ok(Next::Sync) => {
                let (least, most) = self.hosts[host].plan.sync_micros;
                let until = self.time + self.disk_random.between(least, most);
                let life = self.hosts[host].life;
                self.schedule(until, Happening::Synced { host, life });
            }
            Ok(Next::Sleep(wake)) => self.wake_at(host, wake),
            Err(stop) => self.stopped(host, &stop)?,
        }
        Ok(())
    }

    fn observe(&mut self, seen: &Observation) -> Result<(), Violation> {
        if let Observation::Final { block, .. } = seen {
            self.trace.bytes(block.as_ref());
        }
        if let Observation::Stepped { records, .. } = seen {
            self.records += *records as u64;
        }
        self.overheard(|| What::Seen(Box::new(seen.clone())));
        match &mut self.collector {
            Some(collector) => collector.seen(self.time, seen),
            None => self.progress.observe(seen),
        }
        self.checkers.observe(seen)
    }

    /// What an adversary says goes out at once.
    pub(crate) fn said(&mut self, host: usize, said: Vec<Outgoing>) {
        for outgoing in &said {
            self.overheard(|| What::Said {
                host,
                outgoing: outgoing.clone(),
            });
            self.transmit(host, outgoing, false);
        }
        if let Running::Adversary(adversary) = &self.hosts[host].running {
            let wake = adversary.wake();
            self.wake_at(host, wake);
        }
    }

    fn wake_at(&mut self, host: usize, wake: Option<Monotonic>) {
        let place = &mut self.hosts[host];
        // A sleep has at least the system's granularity.
        let at = wake.map(|wake| place.clock.when(wake, self.time).max(self.time + 1));
        if place.wakes_at == at {
            // It is in the queue already, which wake-ups that do not count any more must not fill.
            return;
        }
        place.wake += 1;
        place.wakes_at = at;
        if let Some(at) = at {
            let number = place.wake;
            self.schedule(at, Happening::Wake { host, number });
        }
    }

    fn transmit(&mut self, from: usize, outgoing: &Outgoing, to_some: bool) {
        let wanted = |key: IdentityPublicKey| match outgoing.to {
            To::All => true,
            To::Peer(peer) => peer == key,
        };
        let mut receivers = 0;
        for to in 0..self.hosts.len() {
            let key = self.network.keys(to).public;
            if to == from || !self.hosts[to].is_running() || !wanted(key) {
                continue;
            }
            if to_some && self.random.percent(50) {
                continue;
            }
            self.messages += 1;
            receivers += 1;
            let life = self.hosts[to].life;
            let arrivals = self
                .links
                .arrivals(from, to, self.time, &mut self.link_random);
            for at in arrivals {
                let message = outgoing.message.clone();
                self.schedule(
                    at,
                    Happening::Arrival {
                        from,
                        to,
                        life,
                        message,
                    },
                );
            }
        }
        if let Some(collector) = &mut self.collector {
            collector.sent(&outgoing.message, receivers);
        }
    }

    fn place(&mut self, number: usize) -> Result<(), Violation> {
        self.unplaced -= 1;
        let placement = self.plan.placements[number].clone();
        let network = self.network.clone();
        let orders = placement.orders.into_iter();
        let submissions = orders.map(|order| orders::submission(&network, order));
        self.submit(placement.host, submissions)
    }

    /// Somebody places orders at a member, in vain where it does not run.
    pub(crate) fn submit(
        &mut self,
        host: usize,
        submissions: impl Iterator<Item = Submission>,
    ) -> Result<(), Violation> {
        let Some(process) = self.hosts[host].process_mut() else {
            return Ok(());
        };
        for submission in submissions {
            process.put(Input::Submit(Box::new(submission)));
        }
        if self.hosts[host].frozen_until > self.time {
            return Ok(());
        }
        self.run_if_idle(host)
    }

    /// Tells who listens.
    fn overheard(&self, what: impl FnOnce() -> What) {
        if let Some(listener) = &self.listener {
            // Who does not listen any more misses nothing.
            let _ = listener.send(Overheard {
                time: self.time,
                what: what(),
            });
        }
    }

    /// Shows the checkers that everything is over.
    pub(crate) fn finish(&mut self) -> Result<(), Violation> {
        self.checkers.observe(&Observation::Ended)
    }

    /// Where everybody stands, for people.
    pub(crate) fn describe(&self) -> String {
        let mut lines = format!("at {} us", self.time);
        for (number, host) in self.hosts.iter().enumerate() {
            let state = match &host.running {
                Running::Nothing => "does not run".to_owned(),
                Running::Process(process) => process.describe(),
                Running::Adversary(_) => format!("lies: {:?}", host.plan.role),
            };
            lines.push_str(&format!("\n  member {number}: {state}"));
        }
        lines
    }
}
