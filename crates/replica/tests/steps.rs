//! `Replica::step` by itself: what it persists, whether it asks for a sync, what it sends under which
//! seal, step by step.

mod world;

use std::sync::Arc;

use ledger::PoolLimits;
use replica::{Checker, Event, Notice, Outgoing, Output, Replica, Setup, Submission, To};
use store::{MemoryDisk, MemoryIndex, Record, SEGMENT_BYTES, Store};
use types::{
    Entry, FaultModel, Header, Height, LogSize, MemberIndex, Message, Monotonic, Now, SignedBlock,
    Simulated, UnixMillis, VoteKind,
};
use world::{
    LAN, World,
    liar::{block_of, block_with, head_of, later, proposal, vote, waits},
    order, timing,
};

/// One replica, its store, and a clock that stands still unless it is moved.
struct Bench {
    world: World,
    member: usize,
    disk: MemoryDisk,
    replica: Replica,
    store: Store,
    time: u64,
}

impl Bench {
    fn new(members: usize) -> Self {
        let world = World::new(1, members, FaultModel::Byzantine, timing(5, 5), LAN);
        let disk = MemoryDisk::new();
        let (replica, store, output) = open(&world, 0, &disk, 0);
        assert_eq!((records(&output), output.sync), (vec![], false));
        assert_eq!(sent(output.sealed.peek()), [(To::All, "status")]);
        Self {
            world,
            member: 0,
            disk,
            replica,
            store,
            time: 0,
        }
    }

    fn step(&mut self, event: Event) -> Output {
        let output = self.replica.step(at(self.time), event);
        assert_eq!(output.fatal, None);
        output
    }

    /// Writes what an output says, without a sync.
    fn append(&mut self, output: &Output) {
        self.store.append(&output.persist, output.sequence).unwrap();
    }

    fn submit(&mut self) -> Output {
        let submission = order_at(&self.world, self.member, 5);
        self.step(Event::Submit(vec![submission]))
    }

    fn hear(&mut self, from: usize, message: Message) -> Output {
        let genesis = &self.world.genesis;
        let (chain, members) = (genesis.chain_id(), genesis.member_set());
        let key = members.get(MemberIndex(from as u16)).unwrap().identity_key;
        let checker = Checker {
            signatures: &Simulated,
            genesis,
            chain: &chain,
            members: &members,
        };
        let checked = checker.check(message).unwrap();
        self.step(Event::Message(key, checked))
    }

    /// Moves the clock from wake-up to wake-up until there is something to persist.
    fn until_it_acts(&mut self) -> Output {
        for _ in 0..20 {
            let output = self.step(Event::Tick);
            if !output.persist.is_empty() {
                return output;
            }
            self.time = output.wake.unwrap().0.max(self.time + 1);
        }
        panic!("nothing was done");
    }

    /// Commits outputs and goes on until one makes a block final, which is returned and not committed.
    fn until_final(&mut self, mut output: Output) -> Output {
        while output.finalized.is_empty() {
            let committed = self.commit(&output);
            output = self.step(committed);
            if output.persist.is_empty() {
                output = self.until_it_acts();
            }
        }
        output
    }

    /// Appends and syncs.
    fn commit(&mut self, output: &Output) -> Event {
        self.append(output);
        Event::Committed(self.store.sync().unwrap())
    }
}

fn at(time: u64) -> Now {
    Now {
        monotonic: Monotonic(time),
        wall: UnixMillis(2_000_000 + time / 1_000),
    }
}

fn open(world: &World, member: usize, disk: &MemoryDisk, time: u64) -> (Replica, Store, Output) {
    let (store, recovered) = Store::open_on(
        Arc::new(disk.clone()),
        Arc::new(MemoryIndex::new()),
        &world.genesis.chain_id(),
        SEGMENT_BYTES,
    )
    .unwrap();
    let (identity, lottery) = world.secrets(member);
    let setup = Setup {
        genesis: world.genesis.clone(),
        identity: identity.clone(),
        lottery: lottery.clone(),
        signatures: Arc::new(Simulated),
        reader: store.reader(),
    };
    let mut replica = Replica::new(setup, at(time)).unwrap();
    for record in recovered {
        assert!(replica.recover(record.unwrap()).unwrap().0.is_empty());
    }
    let output = replica.start(at(time));
    (replica, store, output)
}

fn order_at(world: &World, member: usize, salt: u8) -> Submission {
    let members = world.genesis.member_set();
    let till = members.get(MemberIndex(member as u16)).unwrap().id;
    let (order, personal) = order(till, at(0).wall, [salt; 16]);
    Submission {
        entry: Entry::Order(order).into(),
        personal,
        answered: None,
    }
}

fn records(output: &Output) -> Vec<&'static str> {
    output.persist.iter().map(name_of_record).collect()
}

fn name_of_record(record: &Record) -> &'static str {
    match record {
        Record::Batch(..) => "batch",
        Record::Block(_) => "block",
        Record::Vote(vote) if vote.kind == VoteKind::Certify => "vote to certify",
        Record::Vote(_) => "vote to finalize",
        Record::Certificate(certificate) if certificate.kind == VoteKind::Certify => "certificate",
        Record::Certificate(_) => "finality certificate",
        Record::FinalityProof(_) => "finality proof",
        Record::Evidence(_) => "evidence",
        Record::Answer(_) => "answer",
    }
}

fn sent(messages: &[Outgoing]) -> Vec<(To, &'static str)> {
    messages
        .iter()
        .map(|outgoing| (outgoing.to, name_of(&outgoing.message)))
        .collect()
}

fn name_of(message: &Message) -> &'static str {
    match message {
        Message::Status(_) => "status",
        Message::Batch(_) => "batch",
        Message::Proposal(_) => "proposal",
        Message::Vote(vote) if vote.kind == VoteKind::Certify => "vote to certify",
        Message::Vote(_) => "vote to finalize",
        Message::Certificate(_) => "certificate",
        Message::Evidence(_) => "evidence",
        Message::FetchBlock { .. } => "fetch block",
        Message::FetchBatches(_) => "fetch batches",
        Message::FetchFinal { .. } => "fetch final",
        Message::FinalBlocks { .. } => "final blocks",
    }
}

#[test]
fn an_order_is_persisted_synced_and_only_then_sent() {
    let mut bench = Bench::new(4);
    let output = bench.submit();
    assert_eq!(records(&output), ["batch"]);
    assert!(output.sync);
    assert_eq!(output.submitted.len(), 1);
    assert!(output.submitted[0].is_ok());
    let sealed = output.sealed.unseal(None).unwrap_err();
    bench
        .store
        .append(&output.persist, output.sequence)
        .unwrap();
    let receipt = bench.store.sync().unwrap();
    assert_eq!(
        sent(&sealed.unseal(Some(&receipt)).unwrap()),
        [(To::All, "batch")]
    );
    let again = bench.submit();
    assert_eq!((records(&again), again.sync), (vec![], true));
    assert!(matches!(
        again.submitted[..],
        [Err(replica::Refusal::Duplicate(_))]
    ));
    assert!(again.sealed.is_empty());
}

#[test]
fn there_is_room_for_as_many_orders_as_it_takes_of_any_size() {
    let mut bench = Bench::new(4);
    let most = usize::try_from(PoolLimits::default().author_orders).unwrap();
    assert!(bench.replica.has_room_for(most));
    assert!(!bench.replica.has_room_for(most + 1));
    bench.submit();
    assert!(bench.replica.has_room_for(most - 1));
    assert!(!bench.replica.has_room_for(most));
}

#[test]
fn as_many_orders_at_once_are_taken_as_there_is_room_for() {
    let mut bench = Bench::new(4);
    let most = PoolLimits::default().author_orders;
    let template = order_at(&bench.world, bench.member, 1);
    let orders = (0..=most).map(|number| {
        let mut order = template.entry.entry().order().clone();
        order.placed_at = UnixMillis(number);
        Submission {
            entry: Entry::Order(order).into(),
            ..template.clone()
        }
    });
    let output = bench.step(Event::Submit(orders.collect()));
    let (last, others) = output.submitted.split_last().unwrap();
    assert!(others.iter().all(Result::is_ok));
    assert!(matches!(last, Err(replica::Refusal::PoolFull(_))));
}

/// A batch of another member, as that member sent it.
fn batch_of(bench: &Bench, member: usize) -> Message {
    let disk = MemoryDisk::new();
    let (mut replica, ..) = open(&bench.world, member, &disk, 0);
    let submission = order_at(&bench.world, member, 5);
    let output = replica.step(at(0), Event::Submit(vec![submission]));
    (*output.sealed.peek()[0].message).clone()
}

#[test]
fn a_batch_of_another_is_kept_without_a_sync() {
    let mut bench = Bench::new(4);
    let batch = batch_of(&bench, 1);
    let output = bench.hear(1, batch.clone());
    assert_eq!((records(&output), output.sync), (vec!["batch"], false));
    assert!(output.sealed.is_empty());
    assert_eq!(bench.replica.progress().clock, Some(Monotonic(0)));
    let again = bench.hear(2, batch);
    assert_eq!((records(&again), again.sync), (vec![], false));
    assert!(again.sealed.is_empty());
}

#[test]
fn proposal_and_vote_stay_sealed_until_their_own_commit() {
    let mut bench = Bench::new(4);
    let output = bench.submit();
    let first = bench.commit(&output);
    bench.step(first);
    let draw = *bench.replica.progress().own_draw.as_ref().unwrap();

    let proposed = bench.until_it_acts();
    assert_eq!(bench.time, draw.wait.0);
    assert_eq!((records(&proposed), proposed.sync), (vec!["block"], true));
    assert_eq!(sent(proposed.sealed.peek()), [(To::All, "proposal")]);
    bench.append(&proposed);

    let voted = bench.until_it_acts();
    assert_eq!(bench.time, draw.wait.0 + 5_000);
    assert_eq!(
        (records(&voted), voted.sync),
        (vec!["vote to certify"], true)
    );
    assert_eq!(sent(voted.sealed.peek()), [(To::All, "vote to certify")]);
    // A receipt for the proposal does not open the seal on the vote.
    let early = bench.store.sync().unwrap();
    let sealed = voted.sealed.unseal(Some(&early)).unwrap_err();
    bench.store.append(&voted.persist, voted.sequence).unwrap();
    let receipt = bench.store.sync().unwrap();
    assert_eq!(sealed.unseal(Some(&receipt)).unwrap().len(), 1);
}

#[test]
fn own_votes_count_once_they_are_durable() {
    let mut bench = Bench::new(1);
    let output = bench.submit();
    let committed = bench.commit(&output);
    bench.step(committed);
    let proposed = bench.until_it_acts();
    let committed = bench.commit(&proposed);
    bench.step(committed);
    let voted = bench.until_it_acts();
    assert_eq!(records(&voted), ["vote to certify"]);
    // One member is a quorum, yet nothing is certified before the commit is confirmed.
    let waiting = bench.step(Event::Tick);
    assert_eq!((records(&waiting), waiting.sync), (vec![], false));
    let committed = bench.commit(&voted);
    let certified = bench.step(committed);
    assert_eq!(records(&certified), ["certificate", "vote to finalize"]);
    assert!(certified.sync && certified.finalized.is_empty());
    let committed = bench.commit(&certified);
    let finalized = bench.step(committed);
    assert_eq!(records(&finalized), ["finality certificate"]);
    assert_eq!(finalized.finalized.len(), 1);
    assert_eq!(bench.replica.progress().final_height, Height(1));
}

#[test]
fn a_block_is_made_before_the_wait_is_over_and_leaves_when_it_is() {
    let mut bench = Bench::new(1);
    let output = bench.submit();
    let committed = bench.commit(&output);
    bench.step(committed);
    let output = bench.until_it_acts();
    // It takes so long until the first block is durable.
    bench.time += 200;
    let output = bench.until_final(output);
    bench.append(&output);
    let submission = order_at(&bench.world, bench.member, 6);
    let submitted = bench.step(Event::Submit(vec![submission]));
    let committed = bench.commit(&submitted);
    bench.step(committed);
    let progress = bench.replica.progress();
    let due = progress
        .clock
        .unwrap()
        .plus(progress.own_draw.unwrap().wait);

    let made = bench.until_it_acts();
    assert_eq!(bench.time, due.0 - 200);
    assert_eq!((records(&made), made.sync), (vec!["block"], true));
    assert!(made.sealed.is_empty());
    let committed = bench.commit(&made);
    bench.step(committed);
    bench.time = due.0 - 1;
    let waiting = bench.step(Event::Tick);
    assert!(waiting.persist.is_empty() && waiting.sealed.is_empty());

    bench.time = due.0;
    let proposed = bench.step(Event::Tick);
    assert_eq!((records(&proposed), proposed.sync), (vec![], false));
    // It rests on nothing but what is durable already.
    bench.append(&proposed);
    let receipt = bench.store.sync().unwrap();
    let messages = proposed.sealed.unseal(Some(&receipt)).unwrap();
    assert_eq!(sent(&messages), [(To::All, "proposal")]);
    let Message::Proposal(proposal) = &*messages[0].message else {
        panic!("a proposal")
    };
    assert!(
        made.persist
            .contains(&Record::Block(proposal.block.clone()))
    );
}

#[test]
fn who_asks_for_a_final_block_before_it_is_indexed_is_answered_then() {
    let mut bench = Bench::new(1);
    let output = bench.submit();
    let mut output = bench.until_final(output);
    bench.commit(&output);
    // A later question must not take the place of the first.
    for height in [1, 2] {
        let asked = Message::FetchFinal {
            from: Height(height),
        };
        assert!(bench.hear(0, asked).sealed.is_empty());
    }
    let run = output.finalized.pop().unwrap();
    let finality = run.certificate.as_ref();
    bench.store.finalize(run.blocks, finality).unwrap();
    let indexed = bench.step(Event::Indexed(Height(1)));
    let answers = indexed.sealed.peek();
    assert!(matches!(
        answers[..],
        [Outgoing {
            to: To::Peer(_),
            ..
        }]
    ));
    assert_eq!(name_of(&answers[0].message), "final blocks");
    // Once is enough.
    let again = bench.step(Event::Indexed(Height(1)));
    assert!(again.sealed.is_empty());
}

#[test]
fn a_vote_persisted_and_never_sent_is_sent_after_the_restart_and_no_other() {
    let mut bench = Bench::new(4);
    let output = bench.submit();
    bench.commit(&output);
    let proposed = bench.until_it_acts();
    bench.commit(&proposed);
    let voted = bench.until_it_acts();
    let Some(Record::Vote(vote)) = voted.persist.last().cloned() else {
        panic!("no vote")
    };
    bench.commit(&voted);
    drop(voted);

    // The process is gone before anything left.
    let disk = bench.disk.clone();
    disk.crash(0);
    let (replica, store, output) = open(&bench.world, 0, &disk, bench.time);
    (bench.replica, bench.store) = (replica, store);
    let votes = |messages: &[Outgoing]| -> Vec<_> {
        let votes = messages
            .iter()
            .filter_map(|outgoing| match &*outgoing.message {
                Message::Vote(vote) => Some(vote.clone()),
                _ => None,
            });
        votes.collect()
    };
    assert_eq!(votes(output.sealed.peek()), std::slice::from_ref(&vote));
    let end = bench.time + 60_000_000;
    let mut wake = output.wake;
    let mut resent = 0;
    while bench.time < end {
        bench.time = wake.unwrap().0.max(bench.time + 1);
        let output = bench.step(Event::Tick);
        assert_eq!(records(&output), Vec::<&str>::new());
        for other in votes(output.sealed.peek()) {
            assert_eq!(other, vote);
            resent += 1;
        }
        wake = output.wake;
    }
    assert!(resent > 10, "{resent}");
}

#[test]
fn an_idle_replica_sends_nothing_but_its_status() {
    let mut bench = Bench::new(4);
    let mut wakes = 0;
    while bench.time < 60_000_000 {
        let output = bench.step(Event::Tick);
        assert_eq!((records(&output), output.sync), (vec![], false));
        for (to, what) in sent(output.sealed.peek()) {
            assert_eq!((to, what), (To::All, "status"));
        }
        bench.time = output.wake.unwrap().0;
        wakes += 1;
    }
    // The resend interval of 100 ms, doubled three times.
    assert!(wakes < 85, "{wakes} wake-ups in a minute");
}

#[test]
fn two_hundred_missing_batches_are_asked_for_a_few_times_not_two_hundred() {
    let mut bench = Bench::new(4);
    let disk = MemoryDisk::new();
    let (mut other, mut store, _) = open(&bench.world, 1, &disk, 0);
    let mut batches = Vec::new();
    for salt in 0..200 {
        let submission = order_at(&bench.world, 1, salt);
        let output = other.step(at(0), Event::Submit(vec![submission]));
        batches.push((*output.sealed.peek()[0].message).clone());
        store.append(&output.persist, output.sequence).unwrap();
    }
    let wait = other.progress().own_draw.unwrap().wait;
    let proposed = other.step(at(wait.0), Event::Tick);
    let proposal = (*proposed.sealed.peek()[0].message).clone();
    assert_eq!(name_of(&proposal), "proposal");
    let mut asked = Vec::new();
    for message in [proposal].into_iter().chain(batches) {
        let output = bench.hear(1, message);
        asked.extend(output.sealed.peek().iter().map(|outgoing| {
            let Message::FetchBatches(wanted) = &*outgoing.message else {
                panic!("{}", name_of(&outgoing.message))
            };
            wanted.len()
        }));
    }
    assert_eq!(asked, [200, 127, 63, 31, 15, 7, 3, 1]);
    assert_eq!(bench.replica.progress().pool_orders, 200);
}

/// A member with an order that knows a valid block of another; that block's proposer; the next best of the
/// others' blocks, by whom, invalid if `spoil` says so; and when patience with the first ends for it.
fn outranked(spoil: impl FnOnce(&mut Header)) -> (Bench, usize, SignedBlock, usize, u64) {
    let mut bench = Bench::new(4);
    bench.submit();
    let head = head_of(&bench.world, 0);
    let others = waits(&bench.world, 4, &head.0).into_iter();
    let others: Vec<_> = others.filter(|(_, host)| *host != bench.member).collect();
    let [(_, first), (wait, second), _] = others[..] else {
        panic!("three others")
    };
    let better = block_of(&bench.world, first, &head, |_| ());
    let worse = block_of(&bench.world, second, &head, spoil);
    assert_eq!(sealed_or_blamed(&bench.hear(first, proposal(&better))), "");
    let patience = wait.0 + 5_000 + 8 * 5_000;
    (bench, first, worse, second, patience)
}

fn another_log(header: &mut Header) {
    header.log_size = LogSize(header.log_size.0 + 1);
}

/// What an output says of a block that was judged.
fn sealed_or_blamed(output: &Output) -> String {
    let of = |notice: &Notice| match notice {
        Notice::Sealed { block, .. } => Some(block.to_string()),
        Notice::Fault { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    let said: Vec<String> = output.notices.iter().filter_map(of).collect();
    said.join(", ")
}

const INVALID: &str = "it sent an invalid block of height 1: the order log it commits to is not what its orders yield";

#[test]
fn a_worse_block_is_judged_when_patience_with_the_better_one_ends() {
    let (mut bench, _, worse, second, patience) = outranked(another_log);
    let mut output = bench.hear(second, proposal(&worse));
    for _ in 0..20 {
        if !sealed_or_blamed(&output).is_empty() {
            break;
        }
        bench.time = output.wake.unwrap().0.max(bench.time + 1);
        output = bench.step(Event::Tick);
    }
    assert_eq!(sealed_or_blamed(&output), INVALID);
    assert_eq!(bench.time, patience);
}

#[test]
fn a_worse_block_is_judged_when_the_better_ones_proposer_lied() {
    let (mut bench, first, worse, second, _) = outranked(another_log);
    assert_eq!(sealed_or_blamed(&bench.hear(second, proposal(&worse))), "");
    let head = head_of(&bench.world, 0);
    let lie = block_of(&bench.world, first, &head, later);
    let output = bench.hear(first, proposal(&lie));
    assert_eq!(sealed_or_blamed(&output), INVALID);
}

#[test]
fn a_worse_block_is_judged_when_a_quorum_votes_for_it() {
    let (mut bench, _, worse, second, _) = outranked(|_| ());
    assert_eq!(sealed_or_blamed(&bench.hear(second, proposal(&worse))), "");
    let mut said = Vec::new();
    for host in [1, 2, 3] {
        let vote = vote(
            &bench.world,
            host,
            VoteKind::Certify,
            Height(1),
            worse.hash(),
        );
        let output = bench.hear(host, vote);
        let asked = sent(output.sealed.peek()).into_iter();
        let asked: Vec<_> = asked
            .filter(|(_, what)| what.starts_with("fetch"))
            .collect();
        assert_eq!(asked, [], "all of it is here");
        said.push(sealed_or_blamed(&output));
    }
    assert_eq!(said, ["", "", &worse.hash().to_string()]);
    assert_eq!(bench.replica.progress().height, Height(2));
}

#[test]
fn what_a_worse_block_lacks_is_asked_for_when_a_quorum_votes_for_it() {
    let (mut bench, _, _, second, _) = outranked(|_| ());
    let Message::Batch(full) = batch_of(&bench, second) else {
        panic!("no batch")
    };
    let head = head_of(&bench.world, 0);
    let worse = block_with(&bench.world, second, &head, &[full.batch], |_| ());
    assert_eq!(sent(bench.hear(second, proposal(&worse)).sealed.peek()), []);
    let mut asked = Vec::new();
    for host in [1, 2, 3] {
        let (height, block) = (Height(1), worse.hash());
        let vote = vote(&bench.world, host, VoteKind::Certify, height, block);
        let output = bench.hear(host, vote);
        asked.extend(
            sent(output.sealed.peek())
                .iter()
                .map(|(_, what)| (host, *what)),
        );
    }
    assert_eq!(asked.first(), Some(&(3, "fetch batches")));
}

#[test]
fn who_passes_a_liars_third_block_on_is_sent_the_proof() {
    let mut bench = Bench::new(4);
    let head = head_of(&bench.world, 0);
    let blocks = [0, 7, 14].map(|later| {
        let timestamp = |header: &mut Header| header.timestamp.0 += later;
        proposal(&block_of(&bench.world, 3, &head, timestamp))
    });
    let [first, second, third] = blocks;
    assert_eq!(sent(bench.hear(3, first).sealed.peek()), []);
    let output = bench.hear(3, second);
    assert_eq!(records(&output), ["evidence"]);
    assert_eq!(sent(output.sealed.peek()), [(To::All, "evidence")]);
    // It is not kept, so that a vote for it would not tell whose it is.
    let peer = bench
        .world
        .genesis
        .member_set()
        .get(MemberIndex(2))
        .unwrap()
        .identity_key;
    let output = bench.hear(2, third.clone());
    assert_eq!(sent(output.sealed.peek()), [(To::Peer(peer), "evidence")]);
    assert_eq!(bench.replica.holdings().blocks, 2);
    assert_eq!(
        sent(bench.hear(2, third).sealed.peek()),
        [],
        "not again at once"
    );
}
