//! Each kind of liar really tells its lie, and with as many of it as there may be the others stay safe
//! and go on.

mod story;
mod too_many;

use std::collections::{BTreeMap, BTreeSet};

use replica::To;
use simulator::{adversary::Kind, observation::Observation, run_plan};
use story::{Story, blamed, check_blamed, check_refused, plan, stories};
use types::{Epoch, Height, Message, Vote, VoteKind};

/// What the simulator's genesis allows, and its pools take of one author.
const MAX_BLOCK_ORDERS: u64 = 100;
const POOL_ORDERS_AN_AUTHOR: usize = 200;

/// Messages for heights further ahead are not kept.
const HEIGHT_WINDOW: u64 = 16;

const MOST_AHEAD_MILLIS: u64 = 10_000;

/// What the world's clocks show at the beginning.
const EPOCH_MILLIS: u64 = 2_000_000_000;

#[test]
fn the_same_seed_gives_the_same_trace_with_every_kind() {
    for kind in Kind::ALL {
        let (first, second) = (run_plan(plan(kind, 1, 4)), run_plan(plan(kind, 1, 4)));
        assert_eq!(first.unwrap(), second.unwrap(), "{kind}");
    }
}

#[test]
fn certificate_forger() {
    let stories = stories(Kind::CertificateForger, 0..3);
    check_blamed(
        &stories,
        &[
            "a certificate that no quorum signed",
            "a vote in another member's name",
            "a vote whose signature is wrong",
        ],
    );
}

#[test]
fn early_proposer() {
    let stories = stories(Kind::EarlyProposer, 0..4);
    let (mut early, mut ahead) = (0, 0);
    for story in &stories {
        let (genesis, entered) = (&story.network.genesis, story.entered());
        for (time, proposal) in story.proposals() {
            let header = proposal.block.header();
            let members = story.network.len();
            let draw = consensus::draw_of(header.ticket, header.proposer, &genesis.timing, members);
            // Nobody else could know before of the block it builds on.
            early += usize::from(
                entered
                    .get(&header.height)
                    .is_some_and(|entered| time < entered + draw.wait.0 * 3 / 4),
            );
            let wall = EPOCH_MILLIS + time / 1_000;
            ahead += usize::from(header.timestamp.0 > wall + MOST_AHEAD_MILLIS);
        }
    }
    assert!(early > 10 && ahead > 5, "{early} {ahead}");
}

#[test]
fn equivocating_proposer() {
    let stories = stories(Kind::EquivocatingProposer, 0..3);
    let two_blocks = |story: &Story| story.blocks().values().any(|blocks| blocks.len() == 2);
    assert!(stories.iter().all(two_blocks));
    check_blamed(&stories, &["it signed two blocks of height"]);
}

#[test]
fn finality_withholder() {
    for story in &stories(Kind::FinalityWithholder, 0..3) {
        let finalize = |(_, vote): &(u64, &Vote)| vote.kind == VoteKind::Finalize;
        assert!(story.votes().any(|vote| !finalize(&vote)));
        assert!(!story.votes().any(|vote| finalize(&vote)));
    }
}

#[test]
fn flooder() {
    let stories = stories(Kind::Flooder, 0..2);
    check_refused(&stories, &["it asked for or sent more than one message"]);
    for story in &stories {
        let mut orders: BTreeMap<(u64, usize), usize> = BTreeMap::new();
        let mut hashes: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        let mut highest = Height(0);
        for (time, host, outgoing) in story.said() {
            match &*outgoing.message {
                Message::Batch(full) => {
                    *orders.entry((time, host)).or_default() += full.batch.entries.len();
                }
                Message::Vote(vote) => {
                    let place = (host, vote.kind, vote.height);
                    hashes.entry(place).or_default().insert(vote.block);
                    if vote.height < Height(u64::MAX) {
                        highest = vote.height.max(highest);
                    }
                }
                _ => {}
            }
        }
        let pools = story.seen().filter_map(|(_, seen)| match seen {
            Observation::Stepped { holdings, .. } => Some(holdings.pool_orders),
            _ => None,
        });
        let fullest = pools.max().unwrap();
        assert!(orders.values().any(|count| *count > POOL_ORDERS_AN_AUTHOR));
        assert!(fullest >= MAX_BLOCK_ORDERS, "{fullest}");
        let members = story.network.len();
        assert!(hashes.values().any(|hashes| hashes.len() > members));
        let first_flood = hashes.keys().map(|(_, _, height)| *height).min().unwrap();
        assert!(highest.above(first_flood.next()) > HEIGHT_WINDOW);
        assert!(story.blocks().values().any(|blocks| blocks.len() > 2));
    }
}

#[test]
fn header_forger() {
    let stories = stories(Kind::HeaderForger, 0..3);
    check_refused(&stories, &["evidence that proves nothing"]);
    check_blamed(&stories, &["a block that its proposer did not sign"]);
    // Whoever was blamed is a liar: the simulation itself sees to it. Nobody was taken for one who signed
    // two blocks, which no forger of headers does.
    let disqualified = blamed(&stories)
        .iter()
        .any(|reason| reason.contains("it signed two blocks"));
    assert!(!disqualified);
}

#[test]
fn invalid_author() {
    let stories = stories(Kind::InvalidAuthor, 0..4);
    check_refused(
        &stories,
        &[
            "a signature of the batch is wrong",
            "vouched for by another member",
            "the batch carries 0 entries",
            "the batch carries 51 entries",
            "the amount is too large",
            "is not a member",
            "customers or details that are not those",
        ],
    );
}

#[test]
fn invalid_proposer() {
    let stories = stories(Kind::InvalidProposer, 0..6);
    check_refused(
        &stories,
        &[
            "a block whose list of batches is not the one",
            "something of another network",
        ],
    );
    check_blamed(
        &stories,
        &[
            "a block that its proposer did not sign",
            "format version 4",
            "its height is not one above",
            "its timestamp is not later",
            "its ticket is not its proposer's",
            "a batch in it was sealed before",
            "more than the network's limits",
            "the order log it commits to",
        ],
    );
    // Other flaws are not noted, but nothing that it proposes becomes final either.
    for story in &stories {
        let liars: Vec<_> = story
            .liars
            .iter()
            .map(|host| story.network.index(*host))
            .collect();
        let mut proposers = story.finals().into_values().map(|(_, proposer)| proposer);
        assert!(!proposers.any(|proposer| liars.contains(&proposer)));
        let names_epoch = |epoch| {
            story
                .proposals()
                .any(|(_, proposal)| proposal.block.header().epoch == epoch)
        };
        assert!(names_epoch(Epoch(0)));
    }
    let of_epoch_1 = stories.iter().flat_map(Story::proposals);
    let mut epochs = of_epoch_1.map(|(_, proposal)| proposal.block.header().epoch);
    assert!(epochs.any(|epoch| epoch == Epoch(1)));
}

#[test]
fn invalid_server() {
    let late = |(seed, members)| {
        let mut plan = plan(Kind::InvalidServer, seed, members);
        for host in 0..2 {
            plan.hosts[host].starts_at = plan.faulty_until * (host as u64 + 1) / 3;
        }
        Story::of(plan)
    };
    let networks = (0..8).flat_map(|seed| [(seed, 4), (seed, 7)]);
    let stories: Vec<Story> = networks.map(late).collect();
    check_refused(
        &stories,
        &[
            "final blocks that do not follow from each other",
            "a final block that its proposer did not sign",
            "customers or details that are not those",
        ],
    );
}

#[test]
fn replayer() {
    for story in &stories(Kind::Replayer, 0..3) {
        let mut said: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let (mut highest, mut old, mut of_another_epoch) = (Height(0), 0, 0);
        for (_, _, outgoing) in story.said() {
            *said.entry(types::encode(&*outgoing.message)).or_default() += 1;
            let (epoch, height) = match &*outgoing.message {
                Message::Vote(vote) => (vote.epoch, vote.height),
                Message::Proposal(proposal) => {
                    let header = proposal.block.header();
                    (header.epoch, header.height)
                }
                Message::Certificate(certificate) => (certificate.epoch, certificate.height),
                _ => continue,
            };
            highest = highest.max(height);
            old += usize::from(highest.above(height) > 2);
            of_another_epoch += usize::from(epoch != Epoch(0));
        }
        assert!(said.values().filter(|count| **count > 1).count() > 10);
        assert!(old > 0 && of_another_epoch > 0, "{old} {of_another_epoch}");
    }
}

#[test]
fn selective_sender() {
    for story in &stories(Kind::SelectiveSender, 0..3) {
        let mut hearers: BTreeMap<_, BTreeSet<usize>> = BTreeMap::new();
        let (mut with_parts, mut without_parts) = (0, 0);
        for (_, host, outgoing) in story.said() {
            let To::Peer(peer) = outgoing.to else {
                panic!("it says nothing to everyone");
            };
            let peer = story.network.host_of(&peer).unwrap();
            match &*outgoing.message {
                Message::Vote(vote) => {
                    let vote = (host, vote.kind, vote.block);
                    hearers.entry(vote).or_default().insert(peer);
                }
                Message::Batch(full) if full.is_complete() == Some(true) => with_parts += 1,
                Message::Batch(_) => without_parts += 1,
                _ => {}
            }
        }
        let others = story.network.len() - 1;
        assert!(hearers.values().any(|hearers| hearers.len() < others));
        assert!(with_parts > 0 && without_parts > 0);
    }
}

#[test]
fn twins() {
    let stories = stories(Kind::Twins, 0..4);
    let two_blocks = |story: &Story| story.blocks().values().any(|blocks| blocks.len() == 2);
    assert!(stories.iter().filter(|story| two_blocks(story)).count() > 4);
    check_blamed(&stories, &["it signed two blocks of height"]);
    // Votes that one honest member never sends both of.
    let mut contradictions = 0;
    for story in &stories {
        let votes: Vec<_> = story.votes().map(|(_, vote)| vote).collect();
        for finalize in votes.iter().filter(|vote| vote.kind == VoteKind::Finalize) {
            contradictions += votes
                .iter()
                .filter(|vote| (vote.voter, vote.height) == (finalize.voter, finalize.height))
                .filter(|vote| vote.block != finalize.block)
                .count();
        }
    }
    assert!(contradictions > 0);
}

#[test]
fn vote_for_everything() {
    let stories = stories(Kind::VoteForEverything, 0..4);
    let mut contradicting = 0;
    for story in &stories {
        let mut finalized: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (_, vote) in story
            .votes()
            .filter(|(_, vote)| vote.kind == VoteKind::Finalize)
        {
            let place = (vote.voter, vote.height);
            finalized.entry(place).or_default().insert(vote.block);
        }
        contradicting += usize::from(finalized.values().any(|blocks| blocks.len() > 1));
    }
    assert!(contradicting > 0);
}

#[test]
fn late_equivocator() {
    let stories = stories(Kind::LateEquivocator, 0..3);
    for story in &stories {
        // One of them to most, two others to the last one, who never gets the first from the liar.
        assert!(story.blocks().values().any(|blocks| blocks.len() == 3));
        let mut receivers: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (_, host, outgoing) in story.said() {
            if let (Message::Proposal(proposal), To::Peer(peer)) = (&*outgoing.message, outgoing.to)
                && proposal.block.header().proposer == story.network.index(host)
            {
                let place = (host, proposal.block.header().height, peer);
                receivers
                    .entry(place)
                    .or_default()
                    .insert(proposal.block.hash());
            }
        }
        assert!(receivers.values().all(|blocks| blocks.len() <= 2));
        let odd = |(_, vote): (u64, &Vote)| vote.height.0 % 2 == 1;
        assert!(story.votes().count() > 0 && !story.votes().any(odd));
    }
    check_blamed(&stories, &["it signed two blocks of height"]);
}

#[test]
fn vote_withholder() {
    for story in &stories(Kind::VoteWithholder, 0..3) {
        assert!(story.said().count() > 0);
        let votes =
            |message: &Message| matches!(message, Message::Vote(_) | Message::Certificate(_));
        assert!(
            !story
                .said()
                .any(|(_, _, outgoing)| votes(&outgoing.message))
        );
        assert!(story.outcome.height > 1);
    }
}

#[test]
fn withholding_winner() {
    let (mut hidden, mut late, mut whispered) = (0, 0, 0);
    for story in &stories(Kind::WithholdingWinner, 0..4) {
        let mut receivers: BTreeMap<_, (bool, usize)> = BTreeMap::new();
        for (_, host, outgoing) in story.said() {
            if let Message::Proposal(proposal) = &*outgoing.message
                && proposal.block.header().proposer == story.network.index(host)
            {
                let (all, few) = receivers.entry(proposal.block.hash()).or_default();
                match outgoing.to {
                    To::All => *all = true,
                    To::Peer(_) => *few += 1,
                }
            }
        }
        let few = story.network.len() / 3;
        whispered += receivers
            .values()
            .filter(|told| **told == (false, few))
            .count();
        let mut told = BTreeMap::new();
        for (time, proposal) in story.proposals() {
            told.entry(proposal.block.hash()).or_insert(time);
        }
        // It votes for its own block as soon as the wait has passed.
        let mut own = BTreeSet::new();
        let known: BTreeSet<_> = story
            .seen()
            .filter_map(|(_, seen)| match seen {
                Observation::Block { block, .. } => Some(*block),
                _ => None,
            })
            .collect();
        for (time, vote) in story
            .votes()
            .filter(|(_, vote)| vote.kind == VoteKind::Certify)
        {
            match told.get(&vote.block) {
                None if !known.contains(&vote.block) && own.insert(vote.block) => hidden += 1,
                Some(told) if *told > time => late += 1,
                _ => {}
            }
        }
    }
    let all = hidden > 3 && late > 0 && whispered > 0;
    assert!(all, "{hidden} {late} {whispered}");
}
