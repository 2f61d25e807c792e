//! Members that lie, each by name: the others stay safe, go on, and say what they saw. Member 3 of four
//! does not run; the test speaks for it.

mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use replica::Notice;
use types::{
    BlockHash, Certificate, FaultModel, Height, IdentitySignature, MemberIndex, Message, Micros,
    Share, SignedBlock, Simulated, Status, VoteKind,
};
use world::{
    LAN, World,
    liar::{block_of, block_with, head_of, later, proposal, tell, vote, waits},
    timing,
};

/// What a liar sends, made for the world it lives in.
type Deed<'a> = &'a dyn Fn(&World) -> Message;

const LIAR: usize = 3;
const HONEST: [usize; 3] = [0, 1, 2];

/// Four members, the last of which the test plays.
fn four(seed: u64, mean_millis: u64) -> World {
    let mut world = World::new(seed, 4, FaultModel::Byzantine, timing(mean_millis, 5), LAN);
    world.crash(LIAR, 0);
    world
}

/// A network in which the liar wins the first height with a wait of at least so many milliseconds.
fn where_the_liar_wins(mean_millis: u64, least_millis: u64) -> World {
    (0..1_000)
        .map(|seed| four(seed, mean_millis))
        .find(|world| {
            let waits = waits(world, 4, &head_of(world, 0).0);
            let gap = waits[1].0.0 - waits[0].0.0;
            waits[0].1 == LIAR && waits[0].0 >= Micros::from_millis(least_millis) && gap > 20_000
        })
        .unwrap()
}

/// Thirty rounds of an order at an honest member's till, with the liar's deed before each.
fn play(world: &mut World, mut deed: impl FnMut(&mut World)) {
    for round in 0..30 {
        deed(world);
        world.place(round % 3, 1);
        world.run_for(15_000);
        world.check_safety();
    }
    finish(world);
}

fn finish(world: &mut World) {
    world.run_until(20, "all orders final", World::all_final);
    world.check_safety();
    world.check_nothing_lost();
}

fn hold_up(world: &mut World, block: &SignedBlock, seconds: u64) {
    let (height, hash) = (block.header().height, block.hash());
    world.run_until(seconds, "the liar's block final", |world| {
        HONEST
            .iter()
            .all(|host| world.final_height(*host) >= height)
    });
    for host in HONEST {
        assert_eq!(world.finals[host][0].block, hash);
    }
}

/// What the honest members said about the liar, as (who, what).
fn faults(world: &World) -> Vec<(usize, String)> {
    let said = world.notices.iter().map(|(host, notice)| match notice {
        Notice::Fault { reason, .. } => (*host, reason.clone()),
        Notice::Equivocation { proposer, height } => {
            (*host, format!("{} lied at {height}", proposer.0))
        }
        other => panic!("{other:?}"),
    });
    said.collect()
}

#[test]
fn two_blocks_to_two_halves_disqualify_their_proposer() {
    let mut world = four(2, 5);
    let mut heights = Vec::new();
    play(&mut world, |world| {
        let head = head_of(world, 0);
        if heights.contains(&head.0.height.next()) {
            return;
        }
        heights.push(head.0.height.next());
        let (first, second) = (
            block_of(world, LIAR, &head, |_| {}),
            block_of(world, LIAR, &head, later),
        );
        tell(world, LIAR, [0], proposal(&first));
        tell(world, LIAR, [1, 2], proposal(&second));
        for block in [&first, &second] {
            let vote = vote(
                world,
                LIAR,
                VoteKind::Certify,
                head.0.height.next(),
                block.hash(),
            );
            tell(world, LIAR, HONEST, vote);
        }
    });
    // Nobody asks for a block that is not voted for, so where the liar's wait is long its second block may
    // stay unseen. Where it is seen, all are told, once.
    let said = faults(&world);
    let told: Vec<_> = heights
        .iter()
        .map(|height| format!("3 lied at {height}"))
        .filter(|what| said.iter().any(|(_, other)| other == what))
        .collect();
    assert!(told.len() >= 3, "{told:?}");
    assert_eq!(said.len(), 3 * told.len());
    for host in HONEST {
        for what in &told {
            assert!(said.contains(&(host, what.clone())), "{host} missed {what}");
        }
        // Each can prove it long afterwards.
        let mut proofs = world.store(host).reader().evidence(100).unwrap();
        proofs.reverse();
        let proved: Vec<_> = proofs
            .iter()
            .map(|proof| format!("3 lied at {}", proof.first.header.height))
            .collect();
        assert_eq!(proved, told);
    }
}

#[test]
fn votes_for_everything_change_nothing() {
    let mut world = four(2, 5);
    let mut next = 0_u64;
    play(&mut world, |world| {
        for (_, _, message) in std::mem::take(&mut world.mail) {
            let Message::Proposal(proposed) = &*message else {
                continue;
            };
            let (height, hash) = (proposed.block.header().height, proposed.block.hash());
            for kind in [VoteKind::Certify, VoteKind::Finalize] {
                let vote = vote(world, LIAR, kind, height, hash);
                tell(world, LIAR, HONEST, vote);
            }
        }
        let height = head_of(world, 0).0.height;
        for _ in 0..200 {
            next += 1;
            let mut bytes = [9; 32];
            bytes[..8].copy_from_slice(&next.to_le_bytes());
            for kind in [VoteKind::Certify, VoteKind::Finalize] {
                let vote = vote(
                    world,
                    LIAR,
                    kind,
                    height.plus(next % 20),
                    BlockHash::new(bytes),
                );
                tell(world, LIAR, HONEST, vote);
            }
        }
    });
    assert_eq!(faults(&world), []);
}

#[test]
fn a_member_that_proposes_and_never_votes_holds_nobody_up() {
    let mut world = where_the_liar_wins(20, 1);
    world.place(0, 1);
    let head = head_of(&world, 0);
    let block = block_of(&world, LIAR, &head, |_| {});
    world.run_for(waits(&world, 4, &head.0)[0].0.0);
    tell(&mut world, LIAR, HONEST, proposal(&block));
    hold_up(&mut world, &block, 5);
    finish(&mut world);
    assert_eq!(faults(&world), []);
}

#[test]
fn a_block_sent_to_one_member_only_reaches_all() {
    let mut world = where_the_liar_wins(20, 1);
    world.place(0, 1);
    let head = head_of(&world, 0);
    let block = block_of(&world, LIAR, &head, |_| {});
    world.run_for(waits(&world, 4, &head.0)[0].0.0);
    tell(&mut world, LIAR, [1], proposal(&block));
    hold_up(&mut world, &block, 5);
    finish(&mut world);
    assert_eq!(faults(&world), []);
}

#[test]
fn a_block_proposed_before_its_wait_gets_no_vote_before_it() {
    let mut world = where_the_liar_wins(200, 30);
    let head = head_of(&world, 0);
    let (wait, _) = waits(&world, 4, &head.0)[0];
    let block = block_of(&world, LIAR, &head, |_| {});
    tell(&mut world, LIAR, HONEST, proposal(&block));
    let placed = world.time;
    world.place(0, 1);
    hold_up(&mut world, &block, 5);
    let due = placed + wait.0 + world.genesis.timing.grace.0;
    for host in HONEST {
        let voted = world.vote_times[&(host, VoteKind::Certify, block.hash())];
        assert!(voted >= due, "member {host} voted at {voted}, due {due}");
    }
    finish(&mut world);
}

#[test]
fn whatever_is_not_right_is_refused_with_its_reason() {
    let signed_by_another = |world: &World| {
        let mut block = block_of(world, LIAR, &head_of(world, 0), |_| {});
        block.block.header.timestamp.0 += 1;
        proposal(&block)
    };
    let another_ticket = |world: &World| {
        let head = head_of(world, 0);
        let ticket = block_of(world, 2, &head, |_| {}).header().ticket;
        proposal(&block_of(world, LIAR, &head, |header| {
            header.ticket = ticket
        }))
    };
    let another_log = |world: &World| {
        proposal(&block_of(world, LIAR, &head_of(world, 0), |header| {
            header.log_size = header.log_size.plus(1);
        }))
    };
    let another_time = |world: &World| {
        let head = head_of(world, 0);
        let time = head.0.timestamp;
        proposal(&block_of(world, LIAR, &head, |header| {
            header.timestamp = time
        }))
    };
    let another_list = |world: &World| {
        proposal(&block_of(world, LIAR, &head_of(world, 0), |header| {
            header.batches_root = types::Digest::new([1; 32]);
        }))
    };
    let in_anothers_name = |world: &World| {
        vote(
            world,
            2,
            VoteKind::Certify,
            Height(1),
            BlockHash::new([1; 32]),
        )
    };
    let no_quorum = |world: &World| {
        let (height, block) = (Height(1), BlockHash::new([1; 32]));
        let vote = world::vote_of(world, LIAR, VoteKind::Finalize, height, block);
        Message::Certificate(Certificate {
            kind: VoteKind::Finalize,
            epoch: vote.epoch,
            height,
            block,
            votes: (0..3)
                .map(|voter| Share {
                    voter: MemberIndex(voter),
                    signature: vote.signature,
                })
                .collect(),
        })
    };
    let no_proof = |world: &World| {
        let block = block_of(world, LIAR, &head_of(world, 0), |_| {});
        Message::Evidence(Box::new(types::Equivocation {
            first: block.signed_header(),
            second: block.signed_header(),
        }))
    };
    let cases: [(&str, Deed<'_>); 8] = [
        (
            "it sent a block that its proposer did not sign",
            &signed_by_another,
        ),
        (
            "it sent an invalid block of height 1: its ticket is not its proposer's on the parent's seed",
            &another_ticket,
        ),
        (
            "it sent an invalid block of height 1: the order log it commits to is not what its orders yield",
            &another_log,
        ),
        (
            "it sent an invalid block of height 1: its timestamp is not later than its parent's",
            &another_time,
        ),
        (
            "it sent a block whose list of batches is not the one its header commits to",
            &another_list,
        ),
        ("it sent a vote in another member's name", &in_anothers_name),
        ("it sent a certificate that no quorum signed", &no_quorum),
        ("it sent evidence that proves nothing", &no_proof),
    ];
    for (reason, message) in cases {
        let mut world = four(3, 5);
        let message = message(&world);
        tell(&mut world, LIAR, [0], message);
        world.run_for(1_000);
        let refused = world.refused.iter().map(|(_, to, why)| (*to, why.clone()));
        let said: Vec<_> = faults(&world).into_iter().chain(refused).collect();
        assert_eq!(said, [(0, reason.to_owned())]);
        play(&mut world, |_| {});
    }
}

#[test]
fn a_wrong_share_is_thrown_out_and_named() {
    let mut world = four(4, 5);
    world.place(0, 1);
    // In time for the first quorum: the others still wait for the grace to pass.
    for _ in 0..1_000 {
        world.run_for(100);
        for (_, _, message) in std::mem::take(&mut world.mail) {
            let Message::Proposal(proposed) = &*message else {
                continue;
            };
            let (height, hash) = (proposed.block.header().height, proposed.block.hash());
            let mut vote = world::vote_of(&world, LIAR, VoteKind::Certify, height, hash);
            vote.signature = IdentitySignature::new([7; 64]);
            tell(&mut world, LIAR, HONEST, Message::Vote(vote));
        }
    }
    finish(&mut world);
    let mut said = faults(&world);
    said.sort();
    said.dedup();
    let wrong = "it sent a vote whose signature is wrong";
    assert_eq!(said, HONEST.map(|host| (host, wrong.to_owned())));
}

#[test]
fn batches_with_wrong_signatures_or_customers_stay_out() {
    let mut world = four(5, 5);
    world.place(0, 1);
    let (_, _, message) = world
        .mail
        .iter()
        .find(|(_, _, message)| matches!(&**message, Message::Batch(_)))
        .cloned()
        .unwrap();
    let Message::Batch(full) = &*message else {
        unreachable!()
    };
    let mut forged = full.clone();
    std::sync::Arc::make_mut(&mut forged.batch).number += 1;
    let mut garbled = full.clone();
    let parts = std::sync::Arc::make_mut(&mut garbled.personal);
    parts[0].as_mut().unwrap().salt[0] ^= 1;
    tell(&mut world, LIAR, [1], Message::Batch(forged));
    tell(&mut world, LIAR, [2], Message::Batch(garbled));
    finish(&mut world);
    let mut refused = world.refused.clone();
    refused.sort();
    assert_eq!(
        refused,
        [
            (
                LIAR,
                1,
                "it sent an invalid batch: a signature of the batch is wrong".to_owned()
            ),
            (
                LIAR,
                2,
                "it sent customers or details that are not those the orders commit to".to_owned()
            ),
        ]
    );
}

#[test]
fn old_messages_sent_again_change_nothing() {
    let mut world = four(6, 5);
    let mut heard: Vec<std::sync::Arc<Message>> = Vec::new();
    play(&mut world, |world| {
        heard.extend(
            std::mem::take(&mut world.mail)
                .into_iter()
                .map(|(_, _, message)| message),
        );
        for _ in 0..40.min(heard.len()) {
            let pick = world.random(heard.len() as u64) as usize;
            for to in HONEST {
                world.deliver(LIAR, to, &heard[pick].clone(), 0);
            }
        }
    });
    for (_, what) in faults(&world) {
        assert_eq!(what, "it sent a vote in another member's name");
    }
    world.run_for(1_000_000);
    let heights: Vec<_> = HONEST
        .iter()
        .map(|host| world.final_height(*host))
        .collect();
    for message in heard {
        tell(&mut world, LIAR, HONEST, (*message).clone());
    }
    world.run_for(5_000_000);
    assert_eq!(
        HONEST
            .iter()
            .map(|host| world.final_height(*host))
            .collect::<Vec<_>>(),
        heights
    );
    finish(&mut world);
}

#[test]
fn claims_to_be_far_ahead_do_not_keep_the_others_from_catching_up() {
    let mut world = four(7, 5);
    let boast = |world: &mut World| {
        let status = Status {
            epoch: types::Epoch(0),
            height: Height(1 << 40),
            final_height: Height(1 << 40),
        };
        tell(world, LIAR, HONEST, Message::Status(status));
    };
    world.crash(2, 0);
    world.start(2);
    for to in 0..2 {
        world.cut.insert((to, 2));
    }
    for round in 0..30 {
        boast(&mut world);
        world.place(round % 2, 1);
        world.run_for(5_000);
    }
    world.cut.clear();
    play(&mut world, boast);
    assert_eq!(faults(&world), []);
}

#[test]
fn final_blocks_under_a_wrong_signature_are_refused() {
    let mut world = four(8, 5);
    world.place(0, 1);
    finish(&mut world);
    world.mail.clear();
    tell(
        &mut world,
        LIAR,
        [0],
        Message::FetchFinal { from: Height(1) },
    );
    world.run_for(2_000);
    let answer = world
        .mail
        .iter()
        .find_map(|(_, _, message)| match &**message {
            Message::FinalBlocks { .. } => Some((**message).clone()),
            _ => None,
        });
    let Some(Message::FinalBlocks {
        mut blocks,
        headers,
        certificate,
    }) = answer
    else {
        panic!("no answer")
    };
    blocks[0].block.signature = types::IdentitySignature::ZERO;
    tell(
        &mut world,
        LIAR,
        [1],
        Message::FinalBlocks {
            blocks,
            headers,
            certificate,
        },
    );
    world.run_for(2_000);
    assert_eq!(
        world.refused,
        [(
            LIAR,
            1,
            "it sent a final block that its proposer did not sign".to_owned()
        )]
    );
}

#[test]
fn with_more_liars_than_tolerated_agreement_breaks_and_the_checker_sees_it() {
    // The liars draw the two shortest waits, so that each victim votes for its liar's block alone.
    let mut world = (0..1_000)
        .map(|seed| World::new(seed, 4, FaultModel::Byzantine, timing(50, 5), LAN))
        .find(|world| {
            let waits = waits(world, 4, &head_of(world, 0).0);
            waits[0].1 >= 2 && waits[1].1 >= 2 && waits[2].0.0 - waits[1].0.0 > 20_000
        })
        .unwrap();
    for liar in [2, 3] {
        world.crash(liar, 0);
    }
    world.cut.extend([(0, 1), (1, 0)]);
    let head = head_of(&world, 0);
    for (victim, liar) in [(0, 2), (1, 3)] {
        let block = block_of(&world, liar, &head, |_| {});
        tell(&mut world, liar, [victim], proposal(&block));
        for voter in [2, 3] {
            for kind in [VoteKind::Certify, VoteKind::Finalize] {
                let vote = vote(&world, voter, kind, Height(1), block.hash());
                tell(&mut world, voter, [victim], vote);
            }
        }
        world.place(victim, 1);
    }
    world.run_until(5, "two final blocks", |world| {
        (0..2).all(|host| world.final_height(host) >= Height(1))
    });
    let seen = catch_unwind(AssertUnwindSafe(|| world.check_safety())).unwrap_err();
    let said = seen.downcast_ref::<String>().unwrap();
    assert!(said.contains("two final blocks at height 1"), "{said}");
}

#[test]
fn one_members_vote_three_times_is_no_certificate_of_a_real_block() {
    let world = four(10, 5);
    let block = block_of(&world, LIAR, &head_of(&world, 0), |_| {});
    let vote = world::vote_of(&world, LIAR, VoteKind::Certify, Height(1), block.hash());
    let certificate = Certificate {
        kind: VoteKind::Certify,
        epoch: vote.epoch,
        height: Height(1),
        block: block.hash(),
        votes: vec![vote.share(); 3],
    };
    let (chain, members) = (world.genesis.chain_id(), world.genesis.member_set());
    assert!(!certificate.verify(&Simulated, &chain, &members));
}

#[test]
fn batches_named_without_their_customers_do_not_pile_up() {
    let mut world = four(11, 5);
    world.place(0, 1);
    let template = world
        .mail
        .iter()
        .find_map(|(_, _, message)| match &**message {
            Message::Batch(full) => Some(full.batch.entries.clone()),
            _ => None,
        });
    let till = world.genesis.member_set().get(MemberIndex(3)).unwrap().id;
    let mut entries = template.unwrap();
    let types::Entry::Order(order) = &mut entries[0];
    order.voucher = types::Voucher::Till(till);
    let mut number = 0;
    let mut most = 0;
    play(&mut world, |world| {
        number += 1;
        let types::Entry::Order(order) = &mut entries[0];
        order.amount.minor_units = number;
        let chain = world.genesis.chain_id();
        let secret = world.secrets(LIAR).0.clone();
        let batch = types::Batch::sign(&Simulated, &chain, &secret, till, number, entries.clone());
        let block = block_with(
            world,
            LIAR,
            &head_of(world, 0),
            std::slice::from_ref(batch.batch()),
            |_| {},
        );
        tell(world, LIAR, HONEST, proposal(&block));
        world.run_for(1_000);
        let full = types::FullBatch {
            batch: batch.batch().clone(),
            personal: std::sync::Arc::new(vec![None]),
        };
        tell(world, LIAR, HONEST, Message::Batch(full));
        world.run_for(1_000);
        most = most.max(world.replica(0).progress().pool_orders);
    });
    world.run_for(1_000_000);
    assert!((1..=4).contains(&most), "{most}");
    for host in HONEST {
        let held = world.replica(host).progress().pool_orders;
        assert!(held <= 2, "member {host} still holds {held} orders");
    }
}
