//! The genesis: each fault, provoked by one change; presets and intervals; what the chain id covers.

mod support;

use support::{card, genesis, identity, implementations, lottery};
use types::{
    FORMAT_VERSION, Genesis, GenesisError, MemberCard, Micros, Preset, Simulated, Text, Timing,
    UnixMillis, members::FaultModel,
};

fn out_of_bounds(name: &'static str, value: u64, bounds: &str) -> GenesisError {
    let bounds = bounds.to_owned();
    GenesisError::OutOfBounds {
        name,
        value,
        bounds,
    }
}

fn duplicate(what: &'static str) -> GenesisError {
    let name = "Shop 1".to_owned();
    GenesisError::Duplicate { what, name }
}

type Change = fn(&mut Genesis);

#[test]
fn each_fault_is_found() {
    let hour = 3_600_000_000;
    let changes: [(Change, GenesisError); 16] = [
        (
            |genesis| genesis.version = FORMAT_VERSION + 1,
            GenesisError::Version {
                found: FORMAT_VERSION + 1,
                expected: FORMAT_VERSION,
            },
        ),
        (
            |genesis| genesis.members.clear(),
            GenesisError::MemberCount(0),
        ),
        (
            |genesis| genesis.network = Text::default(),
            GenesisError::NoName("the network"),
        ),
        (
            |genesis| {
                genesis.members[3] =
                    MemberCard::new(&Simulated, Text::default(), &identity(9), &lottery(9));
            },
            GenesisError::NoName("every member"),
        ),
        (
            |genesis| genesis.members[3].name = genesis.members[0].name.clone(),
            duplicate("name"),
        ),
        (
            |genesis| genesis.members[3].identity_key = genesis.members[0].identity_key,
            duplicate("identity key"),
        ),
        (
            |genesis| genesis.members[3].lottery_key = genesis.members[0].lottery_key,
            duplicate("lottery key"),
        ),
        (
            |genesis| genesis.members[2].possession = genesis.members[0].possession,
            GenesisError::Possession("Shop 3".to_owned()),
        ),
        (
            |genesis| genesis.members[2].name = Text::new("Shop 9").unwrap(),
            GenesisError::Possession("Shop 9".to_owned()),
        ),
        (
            |genesis| genesis.max_block_orders = 0,
            out_of_bounds("max_block_orders", 0, "1 to 20000"),
        ),
        (
            |genesis| genesis.max_batch_orders = 1_001,
            out_of_bounds("max_batch_orders", 1_001, "1 to 1000"),
        ),
        (
            |genesis| genesis.max_block_bytes = 8 * 1024 * 1024 + 1,
            out_of_bounds("max_block_bytes", 8_388_609, "131072 to 8388608"),
        ),
        (
            |genesis| genesis.timing.min_wait = Micros(3_600_000_001),
            out_of_bounds("min_wait_us", hour + 1, "0 to 3600000000"),
        ),
        (
            |genesis| genesis.timing.mean_wait = Micros(0),
            out_of_bounds("mean_wait_us", 0, "1 to 3600000000"),
        ),
        (
            |genesis| genesis.timing.grace = Micros(0),
            out_of_bounds("grace_us", 0, "1 to 3600000000"),
        ),
        (
            |genesis| genesis.max_batch_orders = 0,
            out_of_bounds("max_batch_orders", 0, "1 to 1000"),
        ),
    ];
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let right = genesis(signatures, 4);
        assert_eq!(right.check(signatures), Ok(()), "{name}");
        for (change, expected) in &changes {
            let mut changed = right.clone();
            change(&mut changed);
            assert_ne!(changed.chain_id(), right.chain_id(), "{name}: {expected}");
            assert_eq!(changed.check(signatures).as_ref(), Err(expected), "{name}");
        }
    }
}

#[test]
fn one_to_a_hundred_members() {
    assert_eq!(genesis(&Simulated, 1).check(&Simulated), Ok(()));
    assert_eq!(genesis(&Simulated, 100).check(&Simulated), Ok(()));
    let refused = genesis(&Simulated, 101).check(&Simulated);
    assert_eq!(refused, Err(GenesisError::MemberCount(101)));
}

#[test]
fn the_chain_id_covers_everything() {
    let changes: [Change; 13] = [
        |genesis| genesis.version += 1,
        |genesis| genesis.network = Text::new("Cafe Lane").unwrap(),
        |genesis| genesis.genesis_time = UnixMillis(genesis.genesis_time.0 + 1),
        |genesis| genesis.currency = "USD".parse().unwrap(),
        |genesis| genesis.fault_model = FaultModel::Crash,
        |genesis| genesis.timing.min_wait.0 += 1,
        |genesis| genesis.timing.mean_wait.0 += 1,
        |genesis| genesis.timing.grace.0 += 1,
        |genesis| genesis.max_block_orders += 1,
        |genesis| genesis.max_block_bytes += 1,
        |genesis| genesis.max_batch_orders += 1,
        |genesis| genesis.heartbeat.0 += 1,
        |genesis| genesis.members.swap(0, 1),
    ];
    let right = genesis(&Simulated, 4);
    assert_eq!(right.seed().as_bytes(), right.chain_id().as_bytes());
    let mut ids = vec![right.chain_id()];
    for change in changes {
        let mut changed = right.clone();
        change(&mut changed);
        ids.push(changed.chain_id());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), changes.len() + 1);
}

#[test]
fn members_are_sorted_by_lottery_key_and_named_by_their_cards() {
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let mut genesis = genesis(signatures, 7);
        let members = genesis.member_set();
        let keys: Vec<_> = members
            .members()
            .iter()
            .map(|one| one.lottery_key)
            .collect();
        assert!(keys.is_sorted(), "{name}");
        genesis.members.reverse();
        assert_eq!(genesis.member_set(), members, "{name}");
        for index in members.indexes() {
            let member = members.get(index).unwrap();
            assert_eq!(members.index_of(&member.id), Some(index), "{name}");
            let of_identity = members.index_of_identity(&member.identity_key);
            assert_eq!(of_identity, Some(index), "{name}");
            assert_eq!(members.by_id(&member.id), Some(member), "{name}");
        }
        assert_eq!(members.by_id(&card(signatures, 8).id()), None, "{name}");
        assert_eq!((members.len(), members.quorum()), (7, 5), "{name}");
    }
}

#[test]
fn presets_and_resend_intervals_are_those_of_the_protocol() {
    let millis =
        |timing: Timing| [timing.min_wait, timing.mean_wait, timing.grace].map(Micros::as_millis);
    assert_eq!(millis(Preset::Lan.timing()), [0, 5, 5]);
    assert_eq!(millis(Preset::Metro.timing()), [0, 20, 30]);
    assert_eq!(millis(Preset::Wan.timing()), [0, 100, 200]);
    let resend = |timing: Timing, members| timing.resend_interval(members).as_millis();
    // Small networks keep the preset; for larger ones 2 × (longest wait + grace) is more.
    assert_eq!(resend(Preset::Lan.timing(), 4), 100);
    assert_eq!(resend(Preset::Lan.timing(), 9), 110);
    assert_eq!(resend(Preset::Metro.timing(), 4), 300);
    assert_eq!(resend(Preset::Metro.timing(), 9), 460);
    assert_eq!(resend(Preset::Wan.timing(), 1), 800);
    let slow_disks = Timing {
        grace: Micros::from_millis(20),
        ..Preset::Lan.timing()
    };
    assert_eq!(resend(slow_disks, 4), 100);
    let original = Timing::between(
        Micros::from_millis(1_000),
        Micros::from_millis(20_000),
        3,
        Micros::from_millis(5),
    );
    assert_eq!(millis(original), [1_000, 4_750, 5]);
    assert_eq!(original.longest_wait(3).as_millis(), 20_000);
    assert_eq!(resend(original, 3), 40_010);
}

#[test]
fn the_file_reads_back_and_refuses_unknown_keys() {
    let right = genesis(&Simulated, 2);
    let text = serde_json::to_string(&right).unwrap();
    assert_eq!(serde_json::from_str::<Genesis>(&text).unwrap(), right);
    let unknown = text.replacen('{', "{\"max_orders\":1,", 1);
    let refused = serde_json::from_str::<Genesis>(&unknown).unwrap_err();
    assert!(refused.to_string().contains("unknown field `max_orders`"));
}
