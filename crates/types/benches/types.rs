//! What is done to every order, or to every thousand of them: encoding, signatures, the Merkle tree.

use divan::{Bencher, black_box, counter::ItemsCount};
use types::{
    Amount, BlsAndEd25519, ChainId, Currency, Digest, Entry, Frontier, IdentitySecret, MemberId,
    Order, PersonalPart, Signatures as _, Text, UnixMillis, Voucher, decode, encode,
    merkle::leaf_hash, signatures::IdentityCheck,
};

/// How many customers sign them: keys that are the same are cheaper together.
const CUSTOMERS: u64 = 64;
/// Leaves that are appended together.
const LEAVES: u64 = 1_000;

fn main() {
    divan::main();
}

/// A usual order; another one for every number.
fn order(number: u64) -> Order {
    let personal = PersonalPart {
        salt: [7; 16],
        customer: Text::new(format!("customer {number}")).expect("the name is short"),
        details: Text::new("2 flat white, 1 croissant").expect("the details are short"),
    };
    let euro: Currency = "EUR".parse().expect("it is a currency");
    Order {
        receiver: Text::new("shop1").expect("the name is short"),
        amount: Amount {
            minor_units: 820,
            currency: euro,
        },
        placed_at: UnixMillis(1_700_000_000_000 + number),
        personal_hash: personal.hash(),
        voucher: Voucher::Till(MemberId::new([1; 32])),
    }
}

#[divan::bench]
fn encode_an_order(bencher: Bencher<'_, '_>) {
    let entry = Entry::Order(order(0));
    bencher.bench(|| encode(black_box(&entry)));
}

#[divan::bench]
fn decode_an_order(bencher: Bencher<'_, '_>) {
    let bytes = encode(&Entry::Order(order(0)));
    bencher.bench(|| decode::<Entry>(black_box(&bytes)).expect("it is an entry"));
}

/// The more together, the less each costs.
#[divan::bench(args = [1, 32, 128, 512, 2_048])]
fn verify_signed_orders(bencher: Bencher<'_, '_>, count: u64) {
    let signatures = BlsAndEd25519::new();
    let chain = ChainId::new([9; 32]);
    let signed = |number: u64| {
        let mut seed = [3; 32];
        seed[..8].copy_from_slice(&(number % CUSTOMERS).to_le_bytes());
        order(number).sign(&signatures, &chain, &IdentitySecret::new(seed))
    };
    let checks: Vec<IdentityCheck> = (0..count)
        .filter_map(|number| signed(number).check(&chain))
        .collect();
    bencher
        .counter(ItemsCount::new(checks.len()))
        .bench(|| assert!(signatures.verify_identities(black_box(&checks))));
}

#[divan::bench]
fn append_1000_leaves(bencher: Bencher<'_, '_>) {
    let leaves: Vec<Digest> = (0..LEAVES)
        .map(|number| leaf_hash(&number.to_le_bytes()))
        .collect();
    bencher
        .counter(ItemsCount::new(leaves.len()))
        .with_inputs(Frontier::new)
        .bench_values(|mut frontier| {
            let mut nodes = Vec::new();
            for leaf in &leaves {
                frontier.append(*leaf, |_, node| nodes.push(node));
            }
            black_box(nodes);
            frontier.root()
        });
}
