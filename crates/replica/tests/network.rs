//! Whole networks of production replicas in virtual time.

mod world;

use std::sync::Arc;

use types::{
    Batch, Entry, FaultModel, FullBatch, Height, IdentitySecret, MemberId, MemberIndex, Message,
    Order, PersonalPart, Simulated,
};
use world::{BAD, LAN, World, liar::tell, order, timing};

#[test]
fn four_members_seal_orders_and_agree() {
    let mut world = World::new(1, 4, FaultModel::Byzantine, timing(5, 5), LAN);
    for round in 0..50 {
        world.place(round % 4, 3);
        world.run_for(7_000);
    }
    world.run_until(10, "all orders final", World::all_final);
    world.check_safety();
    world.check_nothing_lost();
    assert_eq!(world.accepted.len(), 150);
}

#[test]
fn a_single_member_is_a_network() {
    let mut world = World::new(2, 1, FaultModel::Byzantine, timing(5, 5), LAN);
    world.place(0, 2);
    world.run_until(2, "all orders final", World::all_final);
    world.check_nothing_lost();
}

#[test]
fn without_orders_nobody_makes_a_block() {
    let mut world = World::new(3, 4, FaultModel::Byzantine, timing(5, 5), LAN);
    world.place(0, 1);
    world.run_until(5, "the order final", World::all_final);
    world.run_for(2_000_000);
    let blocks = world.blocks_sent;
    let heights: Vec<_> = (0..4).map(|host| world.final_height(host)).collect();
    world.run_for(60_000_000);
    assert_eq!(world.blocks_sent, blocks, "an idle network sent a block");
    assert_eq!(
        (0..4)
            .map(|host| world.final_height(host))
            .collect::<Vec<_>>(),
        heights
    );
    assert!(
        world.sealed.keys().all(|height| *height <= Height(2)),
        "more heights than the order needed"
    );
}

#[test]
fn one_of_four_down_and_one_of_three_in_the_crash_model() {
    for (members, model) in [(4, FaultModel::Byzantine), (3, FaultModel::Crash)] {
        let mut world = World::new(4, members, model, timing(20, 5), LAN);
        world.crash(members - 1, 0);
        for round in 0..30 {
            world.place(round % (members - 1), 1);
            world.run_for(50_000);
        }
        world.run_until(10, "all orders final", World::all_final);
        world.check_safety();
        world.check_nothing_lost();
        world.start(members - 1);
        world.run_until(10, "the one that was down has caught up", World::all_final);
        world.check_safety();
        world.check_nothing_lost();
    }
}

#[test]
fn lossy_slow_networks_stay_safe_and_finish() {
    for seed in 0..40 {
        let members = 2 + (seed as usize % 6);
        let mut world = World::new(
            100 + seed,
            members,
            FaultModel::Byzantine,
            timing(5, 5),
            BAD,
        );
        for _ in 0..20 {
            let host = world.random(members as u64) as usize;
            world.place(host, 1);
            let pause = world.random(40_000);
            world.run_for(pause);
            world.check_safety();
        }
        world.run_until(
            600,
            &format!("seed {seed}: all orders final"),
            World::all_final,
        );
        world.check_safety();
        world.check_nothing_lost();
    }
}

#[test]
fn crashes_at_any_moment_lose_nothing_and_contradict_nothing() {
    for seed in 0..60 {
        let crash_model = seed % 2 == 1;
        let (members, model) = if crash_model {
            (3, FaultModel::Crash)
        } else {
            (4, FaultModel::Byzantine)
        };
        let mut world = World::new(
            200 + seed,
            members,
            model,
            timing(5, 5),
            if seed % 3 == 0 { BAD } else { LAN },
        );
        for _ in 0..40 {
            let host = world.random(members as u64) as usize;
            if world.is_running(host) {
                world.place(host, 1);
            }
            let pause = world.random(15_000);
            world.run_for(pause);
            let victim = world.random(members as u64) as usize;
            if world.is_running(victim) {
                let keep = world.random(300) as usize;
                world.crash(victim, keep);
            } else {
                world.start(victim);
            }
            world.check_safety();
        }
        for host in 0..members {
            if !world.is_running(host) {
                world.start(host);
            }
        }
        world.run_until(
            600,
            &format!("seed {seed}: all orders final"),
            World::all_final,
        );
        world.check_safety();
        world.check_nothing_lost();
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut world = World::new(7, 4, FaultModel::Byzantine, timing(5, 5), BAD);
        for round in 0..20 {
            world.place(round % 4, 1);
            world.run_for(20_000);
        }
        world.run_until(600, "all orders final", World::all_final);
        (world.time, world.messages, world.finals)
    };
    assert_eq!(run(), run());
}

#[test]
fn an_order_that_comes_in_several_batches_is_recorded_once_whenever_they_come() {
    let mut world = World::new(3, 4, FaultModel::Byzantine, timing(5, 5), LAN);
    let recorded = |world: &World| world.store(0).reader().log_size().0;
    let mut orders = Vec::new();
    // The second batch comes before the first is sealed, while it is voted on, and when it is final.
    for delay in (0..30_000).step_by(1_000) {
        let start = orders.len();
        orders.extend((0..3).map(|salt| signed_order(&world, start as u8 + salt)));
        tell_batch(&mut world, 1, &orders[start..start + 2]);
        world.run_for(delay);
        tell_batch(&mut world, 2, &orders[start + 1..]);
        let all = orders.len() as u64;
        world.run_until(5, "three more are final", |world| recorded(world) >= all);
        assert_eq!(recorded(&world), all);
    }
    // One in which nothing is new does nothing.
    tell_batch(&mut world, 3, &orders);
    world.run_for(1_000_000);
    assert_eq!(recorded(&world), orders.len() as u64);
    for (order, _) in &orders {
        let place = world.store(3).reader().log_index(&order.id());
        assert!(place.unwrap().is_some());
    }
    world.check_safety();
}

/// An order that a customer signed, so that any member can take it in.
fn signed_order(world: &World, salt: u8) -> (Order, PersonalPart) {
    let (order, personal) = order(MemberId::ZERO, world.now().wall, [salt; 16]);
    let customer = IdentitySecret::new([7; 32]);
    let order = order.sign(&Simulated, &world.genesis.chain_id(), &customer);
    (order, personal)
}

/// Sends everyone a batch of these orders in a member's name.
fn tell_batch(world: &mut World, author: usize, orders: &[(Order, PersonalPart)]) {
    let members = world.genesis.member_set();
    let batch = Batch::sign(
        &Simulated,
        &world.genesis.chain_id(),
        world.secrets(author).0,
        members.get(MemberIndex(author as u16)).unwrap().id,
        world.time + 1,
        orders
            .iter()
            .map(|(order, _)| Entry::Order(order.clone()))
            .collect::<Vec<_>>(),
    );
    let personal = orders.iter().map(|(_, personal)| Some(personal.clone()));
    let full = FullBatch {
        batch: batch.batch().clone(),
        personal: Arc::new(personal.collect()),
    };
    tell(world, author, 0..4, Message::Batch(full));
}
