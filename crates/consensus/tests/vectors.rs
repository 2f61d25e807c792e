//! The files in `docs/vectors` about the lottery.

#[path = "../../types/tests/support/mod.rs"]
mod support;

use consensus::{draw_of, ticket_bytes, wait_of};
use serde_json::{Value, json};
use support::{
    genesis, lottery,
    vectors::{case, compare},
};
use types::{
    BlsAndEd25519, ChainId, Epoch, Height, LotteryPublicKey, LotterySignature, MemberIndex, Micros,
    Seed, Signatures as _, Timing, genesis::MAX_WAIT,
};

/// A ticket, and what it is on.
#[derive(Clone)]
struct Ticket {
    key: LotteryPublicKey,
    chain: ChainId,
    epoch: Epoch,
    height: Height,
    seed: Seed,
    ticket: LotterySignature,
}

impl Ticket {
    fn bytes(&self) -> Vec<u8> {
        ticket_bytes(&self.chain, self.epoch, self.height, &self.seed)
    }

    fn case(&self, name: &str) -> Value {
        let inputs = json!({
            "lottery_key": self.key,
            "chain": self.chain,
            "epoch": self.epoch,
            "height": self.height,
            "parent_seed": self.seed,
            "ticket": self.ticket,
        });
        let held = BlsAndEd25519::new().verify_lottery(&self.key, &self.bytes(), &self.ticket);
        let outcome = if held {
            let timing = genesis(&BlsAndEd25519::new(), 1).timing;
            let drawn = draw_of(self.ticket, MemberIndex(0), &timing, 1);
            Ok(json!({
                "signing_bytes": hex::encode(self.bytes()),
                "u": drawn.rank.u.to_string(),
            }))
        } else {
            Err("the ticket is not this member's signature on the parent's seed at this height")
        };
        case(name, inputs, outcome)
    }
}

type Change = fn(&mut Ticket);

#[test]
fn tickets() {
    let signatures = &BlsAndEd25519::new();
    let genesis = genesis(signatures, 4);
    let drawn = |number: u8, height: u64, seed: Seed| {
        let secret = lottery(number);
        let mut ticket = Ticket {
            key: signatures.lottery_public(&secret),
            chain: genesis.chain_id(),
            epoch: Epoch(0),
            height: Height(height),
            seed,
            ticket: LotterySignature::ZERO,
        };
        ticket.ticket = signatures.sign_lottery(&secret, &ticket.bytes());
        ticket
    };
    let seed = Seed::new([3; 32]);
    let mut cases = vec![
        drawn(1, 1, genesis.seed()).case("shop 1 on the genesis"),
        drawn(2, 1, genesis.seed()).case("shop 2 on the genesis"),
        drawn(1, 2, seed).case("shop 1 at height 2"),
        drawn(4, (1 << 53) - 1, seed).case("shop 4 at a great height"),
    ];
    assert!(cases.iter().all(|case| case.get("expect").is_some()));
    let changes: [(&str, Change); 8] = [
        ("another height", |of| of.height = Height(3)),
        ("another epoch", |of| of.epoch = Epoch(1)),
        ("another seed", |of| of.seed = Seed::new([4; 32])),
        ("another network", |of| of.chain = ChainId::new([4; 32])),
        ("another member's key", |of| {
            of.key = BlsAndEd25519::new().lottery_public(&lottery(2));
        }),
        ("a key that is no point", |of| {
            of.key = LotteryPublicKey::new([0xff; 96]);
        }),
        ("a ticket that is no point", |of| {
            of.ticket = LotterySignature::new([0xff; 48]);
        }),
        ("a ticket at infinity", |of| {
            let mut bytes = [0; 48];
            bytes[0] = 0xc0;
            of.ticket = LotterySignature::new(bytes);
        }),
    ];
    for (name, change) in changes {
        let mut ticket = drawn(1, 2, seed);
        change(&mut ticket);
        let case = ticket.case(name);
        assert!(case.get("refused").is_some(), "{name}");
        cases.push(case);
    }
    compare(
        "tickets.json",
        "A member's ticket for a height on its parent's seed: what it signs, and the number u that it draws, \
         in decimal digits, because it has 64 bits.",
        cases,
    );
}

#[test]
fn waits() {
    let waits = |name: &str, u: u64, members: u64, min_wait: Micros, mean_wait: Micros| {
        let timing = Timing {
            min_wait,
            mean_wait,
            grace: Micros(1),
        };
        let wait = wait_of(u, &timing, usize::try_from(members).unwrap());
        let inputs = json!({
            "u": u.to_string(),
            "members": members,
            "min_wait_us": min_wait,
            "mean_wait_us": mean_wait,
        });
        case(name, inputs, Ok::<_, String>(json!({ "wait_us": wait })))
    };
    let (second, original) = (Micros::from_millis(1_000), Micros::from_millis(4_750));
    let cases = vec![
        waits("the shortest of 1 to 20 s", 0, 3, second, original),
        waits("the longest of 1 to 20 s", u64::MAX, 3, second, original),
        waits("the middle of 1 to 20 s", 1 << 63, 3, second, original),
        waits("just below the middle", (1 << 63) - 1, 3, second, original),
        waits(
            "a number beyond a double",
            (1 << 63) + 1,
            7,
            second,
            original,
        ),
        waits(
            "a local network",
            0x6195_4f91_dbee_31fa,
            4,
            Micros(0),
            Micros(5_000),
        ),
        waits(
            "one member alone",
            u64::MAX / 3,
            1,
            Micros(0),
            Micros(20_000),
        ),
        waits("the last microsecond", u64::MAX, 4, Micros(0), Micros(1)),
        waits("the longest there is", u64::MAX, 100, MAX_WAIT, MAX_WAIT),
    ];
    compare(
        "waits.json",
        "The wait in microseconds that a number u draws among so many members.",
        cases,
    );
}
