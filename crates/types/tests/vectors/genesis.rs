//! The genesis, and who its members are.

use serde_json::{Value, json};
use types::{
    BlsAndEd25519, Digest, Genesis, IdentityPublicKey, LotteryPublicKey, LotterySignature,
    MemberCard, Micros, Signatures as _, Text, encode,
    encoding::{Domain, hash},
    genesis::{MAX_BLOCK_BYTES, MAX_BLOCK_ORDERS, MAX_WAIT},
    members::FaultModel,
};

use crate::support::{
    card, genesis, identity, lottery,
    vectors::{case, compare},
};

fn judged(name: &str, genesis: &Genesis) -> Value {
    let outcome = genesis.check(&BlsAndEd25519::new()).map(|()| {
        let members = genesis.member_set();
        let ids: Vec<_> = members.members().iter().map(|member| member.id).collect();
        json!({
            "bytes": hex::encode(encode(genesis)),
            "chain": genesis.chain_id(),
            "members": ids,
            "quorum": members.quorum(),
        })
    });
    case(name, json!({ "genesis": genesis }), outcome)
}

type Change = fn(&mut Genesis);

/// The card of shop 2, changed after its possession was proved.
fn second(change: fn(&mut MemberCard)) -> MemberCard {
    let mut second = card(&BlsAndEd25519::new(), 2);
    change(&mut second);
    second
}

/// A point of order 8.
const ORDER_8: [u8; 32] = [
    0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
    0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
];

/// A card of shop 2 with this identity key, which its proof of possession fits.
fn weak(identity_key: [u8; 32]) -> MemberCard {
    let signatures = BlsAndEd25519::new();
    let (secret, identity_key) = (lottery(2), IdentityPublicKey::new(identity_key));
    let lottery_key = signatures.lottery_public(&secret);
    let name = Text::new("Shop 2").unwrap();
    let proved: Digest = hash(Domain::Possession, &(&name, &identity_key, &lottery_key));
    let possession = signatures.prove_possession(&secret, proved.as_bytes());
    MemberCard {
        name,
        identity_key,
        lottery_key,
        possession,
    }
}

#[test]
fn genesis_files() {
    let signatures = &BlsAndEd25519::new();
    let four = genesis(signatures, 4);
    let mut crash = genesis(signatures, 3);
    crash.fault_model = FaultModel::Crash;
    crash.network = Text::new("Straße der Röstereien ☕").unwrap();
    crash.currency = "JPY".parse().unwrap();
    crash.timing.min_wait = Micros(1_000_000);
    crash.timing.mean_wait = Micros(4_750_000);
    crash.heartbeat = Micros(60_000_000);
    let mut greatest = genesis(signatures, 7);
    greatest.max_block_orders = MAX_BLOCK_ORDERS;
    greatest.max_batch_orders = MAX_BLOCK_ORDERS;
    greatest.max_block_bytes = MAX_BLOCK_BYTES;
    greatest.timing.min_wait = MAX_WAIT;
    greatest.timing.mean_wait = MAX_WAIT;
    greatest.timing.grace = MAX_WAIT;
    let mut cases = vec![
        judged("four members, of which one may lie", &four),
        judged("three members that may stop and never lie", &crash),
        judged("seven members, and every limit at its most", &greatest),
        judged("one member", &genesis(signatures, 1)),
    ];
    // What may be left out of the file.
    let mut short = cases[0].clone();
    short["name"] = "heartbeat and admission left out".into();
    let fields = short["genesis"].as_object_mut().unwrap();
    assert!(fields.remove("heartbeat_us").is_some() && fields.remove("admission").is_some());
    let read: Genesis = serde_json::from_value(short["genesis"].clone()).unwrap();
    assert_eq!(read, four);
    cases.push(short);
    assert!(cases.iter().all(|case| case.get("expect").is_some()));

    let changes: [(&str, Change); 17] = [
        ("a proof of possession for another name", |of| {
            of.members[1] = second(|card| card.name = Text::new("Shop two").unwrap());
        }),
        ("a proof of possession for another identity key", |of| {
            of.members[1] =
                second(|of| of.identity_key = card(&BlsAndEd25519::new(), 9).identity_key);
        }),
        ("the proof of possession of another card", |of| {
            of.members[1].possession = of.members[0].possession;
        }),
        ("a proof of possession that is no point", |of| {
            of.members[1].possession = LotterySignature::new([0xff; 48]);
        }),
        ("a lottery key that is no point", |of| {
            of.members[1].lottery_key = LotteryPublicKey::new([0xff; 96]);
        }),
        ("a lottery key at infinity", |of| {
            let mut key = [0; 96];
            let mut proof = [0; 48];
            (key[0], proof[0]) = (0xc0, 0xc0);
            of.members[1].lottery_key = LotteryPublicKey::new(key);
            of.members[1].possession = LotterySignature::new(proof);
        }),
        ("an identity key that everybody can sign with", |of| {
            of.members[1] = weak([0; 32]);
        }),
        ("another one, of order 8", |of| {
            of.members[1] = weak(ORDER_8);
        }),
        ("one identity key twice", |of| {
            let name = Text::new("Shop 2").unwrap();
            let signatures = &BlsAndEd25519::new();
            of.members[1] = MemberCard::new(signatures, name, &identity(1), &lottery(2));
        }),
        ("one lottery key twice", |of| {
            let name = Text::new("Shop 2").unwrap();
            let signatures = &BlsAndEd25519::new();
            of.members[1] = MemberCard::new(signatures, name, &identity(2), &lottery(1));
        }),
        ("one name twice", |of| {
            let name = Text::new("Shop 1").unwrap();
            let signatures = &BlsAndEd25519::new();
            of.members[1] = MemberCard::new(signatures, name, &identity(2), &lottery(2));
        }),
        ("no members", |of| of.members.clear()),
        ("another version of the format", |of| of.version += 1),
        ("batches larger than blocks", |of| {
            of.max_batch_orders = of.max_block_orders + 1;
        }),
        ("a block too small", |of| of.max_block_bytes = 1_000),
        ("no mean wait", |of| of.timing.mean_wait = Micros(0)),
        ("a wait beyond an hour", |of| {
            of.timing.min_wait = MAX_WAIT.plus(Micros(1));
        }),
    ];
    for (name, change) in changes {
        let mut genesis = four.clone();
        change(&mut genesis);
        let case = judged(name, &genesis);
        assert!(case.get("refused").is_some(), "{name}");
        cases.push(case);
    }
    compare(
        "genesis.json",
        "A genesis as GET /v1/genesis and the genesis file have it: its canonical bytes, the chain id, the ids \
         of the members in the order of their indexes, and how many make a quorum.",
        cases,
    );
}
