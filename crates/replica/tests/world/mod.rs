//! A few production replicas in one thread and virtual time, over links that delay, lose, duplicate
//! and reorder, and disks that forget what was not synced. One seed decides everything.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]

pub mod liar;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use replica::{
    Checker, Event, Notice, Outgoing, Output, Replica, Setup, Submission, Submitted, To,
};
use store::{CommitReceipt, MemoryDisk, MemoryIndex, SEGMENT_BYTES, Store};
use types::{
    Amount, BlockHash, Entry, Epoch, FaultModel, Genesis, Height, IdentityPublicKey,
    IdentitySecret, LotterySecret, MemberCard, MemberId, MemberIndex, Message, Micros, Monotonic,
    Now, Order, OrderId, PersonalPart, Signatures, Simulated, Text, Timing, UnixMillis, Vote,
    VoteKind, Voucher,
};

/// The network between the members.
#[derive(Clone, Copy)]
pub struct Links {
    pub shortest: u64,
    pub longest: u64,
    /// In percent.
    pub loss: u64,
    pub duplication: u64,
}

pub const LAN: Links = Links {
    shortest: 100,
    longest: 400,
    loss: 0,
    duplication: 0,
};
pub const BAD: Links = Links {
    shortest: 100,
    longest: 20_000,
    loss: 25,
    duplication: 25,
};

/// How long a sync of a disk takes, in microseconds.
const SYNC: u64 = 200;

struct Host {
    identity: IdentitySecret,
    lottery: LotterySecret,
    key: IdentityPublicKey,
    disk: MemoryDisk,
    running: Option<(Replica, Store)>,
    wake: Option<Monotonic>,
    receipt: Option<CommitReceipt>,
    /// Starts anew with every restart, so that what was on its way to the old process is lost.
    life: u64,
}

enum Happening {
    Wake {
        host: usize,
        life: u64,
    },
    Arrival {
        from: usize,
        to: usize,
        life: u64,
        message: Arc<Message>,
    },
}

/// What a member told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalAt {
    pub time: u64,
    pub height: Height,
    pub block: BlockHash,
    pub proposer: MemberIndex,
    pub wait: Micros,
    pub orders: Vec<OrderId>,
    pub time_to_final: Option<Micros>,
}

pub struct World {
    pub genesis: Arc<Genesis>,
    pub links: Links,
    pub time: u64,
    hosts: Vec<Host>,
    queue: BTreeMap<(u64, u64), Happening>,
    arrivals: u64,
    random: ChaCha8Rng,
    /// What each member announced as final, in order; restarts go on where they were.
    pub finals: Vec<Vec<FinalAt>>,
    pub sealed: BTreeMap<Height, BTreeSet<BlockHash>>,
    /// Every vote that left a member's process.
    pub votes: BTreeMap<(usize, Height, VoteKind), BTreeSet<BlockHash>>,
    pub accepted: BTreeSet<OrderId>,
    pub messages: u64,
    pub blocks_sent: u64,
    pub notices: Vec<(usize, Notice)>,
    /// Messages of these are dropped: (from, to).
    pub cut: BTreeSet<(usize, usize)>,
    /// Messages refused before they reached a member: (from, to, why).
    pub refused: Vec<(usize, usize, String)>,
    /// What was sent to a member that does not run: a test may play it.
    pub mail: Vec<(usize, usize, Arc<Message>)>,
    /// When each member first sent a vote.
    pub vote_times: BTreeMap<(usize, VoteKind, BlockHash), u64>,
    placed: u64,
}

pub fn timing(mean_millis: u64, grace_millis: u64) -> Timing {
    Timing {
        min_wait: Micros(0),
        mean_wait: Micros::from_millis(mean_millis),
        grace: Micros::from_millis(grace_millis),
    }
}

/// An order that a till vouches for, and its personal part.
pub fn order(till: MemberId, placed_at: UnixMillis, salt: [u8; 16]) -> (Order, PersonalPart) {
    let personal = PersonalPart {
        salt,
        customer: Text::new("Ada").unwrap(),
        details: Text::new("Latte").unwrap(),
    };
    let order = Order {
        receiver: Text::new("shop").unwrap(),
        amount: Amount {
            minor_units: 450,
            currency: "EUR".parse().unwrap(),
        },
        placed_at,
        personal_hash: personal.hash(),
        voucher: Voucher::Till(till),
    };
    (order, personal)
}

impl World {
    pub fn new(seed: u64, members: usize, model: FaultModel, timing: Timing, links: Links) -> Self {
        Self::with(seed, members, model, timing, links, |_| {})
    }

    pub fn with(
        seed: u64,
        members: usize,
        model: FaultModel,
        timing: Timing,
        links: Links,
        change: impl FnOnce(&mut Genesis),
    ) -> Self {
        let secrets: Vec<(IdentitySecret, LotterySecret)> = (0..members)
            .map(|member| {
                let mut bytes = [0; 32];
                bytes[..8].copy_from_slice(&seed.to_le_bytes());
                bytes[8] = member as u8;
                (IdentitySecret::new(bytes), LotterySecret::new(bytes))
            })
            .collect();
        let cards = secrets
            .iter()
            .enumerate()
            .map(|(member, (identity, lottery))| {
                MemberCard::new(
                    &Simulated,
                    Text::new(format!("shop {member}")).unwrap(),
                    identity,
                    lottery,
                )
            })
            .collect();
        let mut genesis = Genesis {
            version: types::FORMAT_VERSION,
            network: Text::new("test").unwrap(),
            genesis_time: UnixMillis(1_000_000),
            currency: "EUR".parse().unwrap(),
            fault_model: model,
            timing,
            max_block_orders: 1_000,
            max_block_bytes: 1024 * 1024,
            max_batch_orders: 1_000,
            heartbeat: Micros(0),
            admission: types::genesis::Admission::Fixed,
            members: cards,
        };
        change(&mut genesis);
        genesis.check(&Simulated).unwrap();
        // Hosts stand in the order of the members' indexes.
        let set = genesis.member_set();
        let mut hosts: Vec<Host> = secrets
            .into_iter()
            .map(|(identity, lottery)| Host {
                key: Simulated.identity_public(&identity),
                identity,
                lottery,
                disk: MemoryDisk::new(),
                running: None,
                wake: None,
                receipt: None,
                life: 0,
            })
            .collect();
        hosts.sort_by_key(|host| set.index_of_identity(&host.key));
        let mut world = Self {
            genesis: Arc::new(genesis),
            links,
            time: 0,
            hosts,
            queue: BTreeMap::new(),
            arrivals: 0,
            random: ChaCha8Rng::seed_from_u64(seed),
            finals: vec![Vec::new(); members],
            sealed: BTreeMap::new(),
            votes: BTreeMap::new(),
            accepted: BTreeSet::new(),
            messages: 0,
            blocks_sent: 0,
            notices: Vec::new(),
            cut: BTreeSet::new(),
            refused: Vec::new(),
            mail: Vec::new(),
            vote_times: BTreeMap::new(),
            placed: 0,
        };
        for host in 0..members {
            world.start(host);
        }
        world
    }

    pub fn now(&self) -> Now {
        Now {
            monotonic: Monotonic(self.time),
            wall: UnixMillis(2_000_000 + self.time / 1_000),
        }
    }

    pub fn random(&mut self, below: u64) -> u64 {
        self.random.next_u64() % below
    }

    /// Starts a member on what its disk holds; the index is always built anew from the log.
    pub fn start(&mut self, host: usize) {
        let now = self.now();
        let chain = self.genesis.chain_id();
        let place = &mut self.hosts[host];
        place.life += 1;
        place.receipt = None;
        let (mut store, recovered) = Store::open_on(
            Arc::new(place.disk.clone()),
            Arc::new(MemoryIndex::new()),
            &chain,
            SEGMENT_BYTES,
        )
        .unwrap();
        let setup = Setup {
            genesis: self.genesis.clone(),
            identity: place.identity.clone(),
            lottery: place.lottery.clone(),
            signatures: Arc::new(Simulated),
            reader: store.reader(),
        };
        let mut replica = Replica::new(setup, now).unwrap();
        for record in recovered {
            for run in replica.recover(record.unwrap()).unwrap().0 {
                store
                    .finalize(run.blocks, run.certificate.as_ref())
                    .unwrap();
            }
        }
        let output = replica.start(now);
        self.hosts[host].running = Some((replica, store));
        self.handle(host, output);
        for other in 0..self.hosts.len() {
            if other != host && self.hosts[other].running.is_some() {
                let (ours, theirs) = (self.hosts[host].key, self.hosts[other].key);
                self.step(host, Event::Connected(theirs));
                self.step(other, Event::Connected(ours));
            }
        }
    }

    /// kill -9, or worse: what was not synced is lost but for `keep` bytes.
    pub fn crash(&mut self, host: usize, keep: usize) {
        self.hosts[host].running = None;
        self.hosts[host].disk.crash(keep);
        self.hosts[host].life += 1;
        let gone = self.hosts[host].key;
        for other in 0..self.hosts.len() {
            if self.hosts[other].running.is_some() {
                self.step(other, Event::Disconnected(gone));
            }
        }
    }

    pub fn is_running(&self, host: usize) -> bool {
        self.hosts[host].running.is_some()
    }

    pub fn replica(&self, host: usize) -> &Replica {
        &self.hosts[host].running.as_ref().unwrap().0
    }

    pub fn store(&self, host: usize) -> &Store {
        &self.hosts[host].running.as_ref().unwrap().1
    }

    pub fn final_height(&self, host: usize) -> Height {
        self.replica(host).progress().final_height
    }

    pub fn secrets(&self, host: usize) -> (&IdentitySecret, &LotterySecret) {
        (&self.hosts[host].identity, &self.hosts[host].lottery)
    }

    /// Places so many fresh orders at a member's till.
    pub fn place(&mut self, host: usize, count: usize) -> Vec<Submitted> {
        let till = self
            .genesis
            .member_set()
            .get(MemberIndex(host as u16))
            .unwrap()
            .id;
        let submissions = (0..count)
            .map(|_| {
                self.placed += 1;
                let mut salt = [0; 16];
                salt[..8].copy_from_slice(&self.placed.to_le_bytes());
                let (order, personal) = order(till, self.now().wall, salt);
                Submission {
                    entry: Entry::Order(order).into(),
                    personal,
                    answered: None,
                }
            })
            .collect();
        self.step(host, Event::Submit(submissions))
    }

    pub fn step(&mut self, host: usize, event: Event) -> Vec<Submitted> {
        let now = self.now();
        let Some((replica, _)) = &mut self.hosts[host].running else {
            return Vec::new();
        };
        let output = replica.step(now, event);
        self.handle(host, output)
    }

    /// What the driver of a node does with an output.
    fn handle(&mut self, host: usize, output: Output) -> Vec<Submitted> {
        assert_eq!(output.fatal, None);
        let (_, store) = self.hosts[host].running.as_mut().unwrap();
        store.append(&output.persist, output.sequence).unwrap();
        let mut delay = 0;
        if output.sync {
            let receipt = store.sync().unwrap();
            self.hosts[host].receipt = Some(receipt);
            delay = SYNC;
        }
        let receipt = self.hosts[host].receipt;
        let (_, store) = self.hosts[host].running.as_mut().unwrap();
        let messages = output.sealed.unseal(receipt.as_ref()).unwrap();
        let mut indexed = None;
        for run in output.finalized {
            let last = run.blocks.last();
            indexed = last.map(|block| block.block.header().height).or(indexed);
            store
                .finalize(run.blocks, run.certificate.as_ref())
                .unwrap();
        }
        store.forget_batches(&output.forget);
        self.hosts[host].wake = output.wake;
        if let Some(wake) = output.wake {
            let life = self.hosts[host].life;
            self.schedule(wake.0.max(self.time + 1), Happening::Wake { host, life });
        }
        for notice in output.notices {
            self.note(host, notice);
        }
        self.accepted.extend(output.submitted.iter().flatten());
        for message in messages {
            self.transmit(host, message, delay);
        }
        if let Some(receipt) = receipt.filter(|_| output.sync) {
            self.step(host, Event::Committed(receipt));
        }
        if let Some(height) = indexed {
            self.step(host, Event::Indexed(height));
        }
        output.submitted
    }

    fn note(&mut self, host: usize, notice: Notice) {
        match notice {
            Notice::Final {
                block,
                header,
                wait,
                recorded,
                time_to_final,
                ..
            } => {
                let (height, proposer) = (header.height, header.proposer);
                let known = self.finals[host]
                    .last()
                    .map_or(Height(0), |last| last.height);
                if height > known {
                    assert_eq!(height, known.next(), "member {host} skipped a height");
                    let time = self.time;
                    self.finals[host].push(FinalAt {
                        time,
                        height,
                        block,
                        proposer,
                        wait,
                        orders: recorded.ids().to_vec(),
                        time_to_final,
                    });
                }
            }
            Notice::Sealed { block, header, .. } => {
                self.sealed.entry(header.height).or_default().insert(block);
            }
            Notice::Pooled { .. } | Notice::Dropped(_) => {}
            other => self.notices.push((host, other)),
        }
    }

    fn transmit(&mut self, from: usize, outgoing: Outgoing, delay: u64) {
        if let Message::Vote(Vote {
            kind,
            height,
            block,
            ..
        }) = &*outgoing.message
        {
            self.votes
                .entry((from, *height, *kind))
                .or_default()
                .insert(*block);
            let time = self.time + delay;
            self.vote_times.entry((from, *kind, *block)).or_insert(time);
        }
        for to in 0..self.hosts.len() {
            let wanted = match outgoing.to {
                To::All => true,
                To::Peer(key) => self.hosts[to].key == key,
            };
            if to == from || !wanted {
                continue;
            }
            if self.hosts[to].running.is_none() {
                self.mail.push((from, to, outgoing.message.clone()));
                continue;
            }
            self.messages += 1;
            if matches!(&*outgoing.message, Message::Proposal(_)) {
                self.blocks_sent += 1;
            }
            self.deliver(from, to, &outgoing.message, delay);
        }
    }

    /// Puts a message on a link, whoever it claims to be from.
    pub fn deliver(&mut self, from: usize, to: usize, message: &Arc<Message>, delay: u64) {
        let links = self.links;
        let copies = if self.random(100) < links.duplication {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let lost = self.random(100) < links.loss || self.cut.contains(&(from, to));
            let flight = links.shortest + self.random(links.longest - links.shortest + 1);
            if !lost {
                let life = self.hosts[to].life;
                let arrival = Happening::Arrival {
                    from,
                    to,
                    life,
                    message: message.clone(),
                };
                self.schedule(self.time + delay + flight, arrival);
            }
        }
    }

    fn schedule(&mut self, time: u64, happening: Happening) {
        self.arrivals += 1;
        self.queue.insert((time, self.arrivals), happening);
    }

    /// Lets one thing happen; false when nothing will ever happen again.
    pub fn advance(&mut self) -> bool {
        let Some(((time, _), happening)) = self.queue.pop_first() else {
            return false;
        };
        self.time = self.time.max(time);
        match happening {
            Happening::Wake { host, life } => {
                let due = self.hosts[host]
                    .wake
                    .is_some_and(|wake| wake.0 <= self.time);
                if self.hosts[host].life == life && due {
                    self.step(host, Event::Tick);
                }
            }
            Happening::Arrival {
                from,
                to,
                life,
                message,
            } => {
                if self.hosts[to].life == life {
                    let (chain, members) = (self.genesis.chain_id(), self.genesis.member_set());
                    let checker = Checker {
                        signatures: &Simulated,
                        genesis: &self.genesis,
                        chain: &chain,
                        members: &members,
                    };
                    let checked = checker.check((*message).clone());
                    let key = self.hosts[from].key;
                    match checked {
                        Ok(checked) => {
                            self.step(to, Event::Message(key, checked));
                        }
                        Err(fault) => self.refused.push((from, to, fault.to_string())),
                    }
                }
            }
        }
        true
    }

    /// Runs until a condition holds; panics when it does not within so many virtual seconds.
    pub fn run_until(&mut self, seconds: u64, what: &str, condition: impl Fn(&Self) -> bool) {
        let end = self.time + seconds * 1_000_000;
        while !condition(self) {
            assert!(
                self.advance() && self.time < end,
                "{what}: not within {seconds} virtual seconds: {}",
                self.picture()
            );
        }
    }

    pub fn run_for(&mut self, micros: u64) {
        let end = self.time + micros;
        while self
            .queue
            .first_key_value()
            .is_some_and(|((time, _), _)| *time <= end)
        {
            self.advance();
        }
        self.time = end;
    }

    /// True when every running member has every accepted order in its final chain.
    pub fn all_final(&self) -> bool {
        let count = self.accepted.len() as u64;
        (0..self.hosts.len())
            .filter(|host| self.is_running(*host))
            .all(|host| self.replica(host).progress().log_size.0 >= count)
    }

    /// Agreement, no contradicted vote, nothing lost, nothing twice.
    pub fn check_safety(&self) {
        let longest = self.finals.iter().max_by_key(|finals| finals.len());
        for finals in &self.finals {
            for (mine, other) in finals.iter().zip(longest.unwrap()) {
                assert_eq!(
                    mine.block, other.block,
                    "two final blocks at height {}",
                    mine.height
                );
            }
            let mut seen = BTreeSet::new();
            for order in finals.iter().flat_map(|block| &block.orders) {
                assert!(seen.insert(*order), "an order is recorded twice");
            }
        }
        for ((host, height, kind), blocks) in &self.votes {
            if *kind == VoteKind::Finalize {
                assert_eq!(
                    blocks.len(),
                    1,
                    "member {host} voted to finalize two blocks at {height}"
                );
                if let Some(certified) = self.votes.get(&(*host, *height, VoteKind::Certify)) {
                    assert!(
                        certified.is_subset(blocks),
                        "member {host} finalized against its own vote at {height}"
                    );
                }
            }
        }
    }

    /// Every accepted order is in every running member's final chain.
    pub fn check_nothing_lost(&self) {
        for host in (0..self.hosts.len()).filter(|host| self.is_running(*host)) {
            let orders: BTreeSet<_> = self.finals[host]
                .iter()
                .flat_map(|block| block.orders.clone())
                .collect();
            assert!(
                self.accepted.is_subset(&orders),
                "member {host} lost an accepted order"
            );
        }
    }

    pub fn picture(&self) -> String {
        let states: Vec<_> = self
            .hosts
            .iter()
            .map(|host| host.running.as_ref().map(|(replica, _)| replica.progress()))
            .collect();
        format!(
            "time {} accepted {} {}",
            self.time,
            self.accepted.len(),
            states
                .iter()
                .map(|state| format!("\n  {state:?}"))
                .collect::<String>()
        )
    }
}

/// A vote signed by a member, for tests that put words in its mouth.
pub fn vote_of(
    world: &World,
    host: usize,
    kind: VoteKind,
    height: Height,
    block: BlockHash,
) -> Vote {
    let chain = world.genesis.chain_id();
    let (identity, _) = world.secrets(host);
    Vote::sign(
        &Simulated,
        identity,
        &chain,
        kind,
        Epoch(0),
        height,
        block,
        MemberIndex(host as u16),
    )
}
