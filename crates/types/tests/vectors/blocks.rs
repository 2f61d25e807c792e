//! Seeds, headers and certificates.

use serde_json::{Value, json};
use types::{
    BlockHash, BlsAndEd25519, Certificate, Epoch, Genesis, Header, Height, IdentityPublicKey,
    IdentitySignature, LogSize, LotterySignature, MemberIndex, Seed, Share, Signatures as _,
    SignedHeader, UnixMillis, VoteKind, encode,
    encoding::{Domain, signing_bytes},
    genesis::next_seed,
    members::FaultModel,
};

use crate::support::{
    certificate, genesis, identity, number_of, signed_block, spoiled,
    vectors::{case, compare, compare_given, with},
    vote_bytes,
};

#[test]
fn seeds() {
    let chain = genesis(&BlsAndEd25519::new(), 4);
    let header = signed_block(&BlsAndEd25519::new(), &chain).header().clone();
    let next = |name: &str, parent: Seed, ticket: LotterySignature| {
        let outcome = Ok::<_, String>(json!({ "seed": next_seed(&parent, &ticket) }));
        case(name, json!({ "parent": parent, "ticket": ticket }), outcome)
    };
    let first = next_seed(&chain.seed(), &header.ticket);
    let cases = vec![
        next(
            "on the genesis, whose seed is the chain id",
            chain.seed(),
            header.ticket,
        ),
        next("on the block after it", first, header.ticket),
        next(
            "any bytes",
            Seed::new([3; 32]),
            LotterySignature::new([7; 48]),
        ),
        next("zeros", Seed::ZERO, LotterySignature::ZERO),
    ];
    compare(
        "seeds.json",
        "The seed of a block, from its parent's seed and its own ticket.",
        cases,
    );
}

fn header_case(name: &str, signed: &SignedHeader, key: &IdentityPublicKey) -> Value {
    let header = &signed.header;
    let json = serde_json::to_string(header).unwrap();
    let inputs = json!({ "json": json, "identity_key": key, "signature": signed.signature });
    let signing = signing_bytes(Domain::BlockSignature, &header.chain, &header.hash());
    let outcome = if signed.is_signed_by(&BlsAndEd25519::new(), key) {
        Ok(json!({
            "bytes": hex::encode(encode(header)),
            "block": header.hash(),
            "signing_bytes": hex::encode(signing),
        }))
    } else {
        Err("the signature is not the proposer's over this header")
    };
    case(name, inputs, outcome)
}

#[test]
fn headers() {
    let signatures = &BlsAndEd25519::new();
    let genesis = genesis(signatures, 4);
    let first = signed_block(signatures, &genesis).signed_header();
    let secret = identity(number_of(signatures, &genesis, MemberIndex(0)));
    let key = signatures.identity_public(&secret);
    let signed = |header: Header| {
        let bytes = signing_bytes(Domain::BlockSignature, &header.chain, &header.hash());
        let signature = signatures.sign_identity(&secret, &bytes);
        SignedHeader { header, signature }
    };
    let mut late = first.header.clone();
    late.height = Height(u64::MAX);
    late.epoch = Epoch((1 << 53) + 1);
    late.timestamp = UnixMillis(u64::MAX - 1);
    late.log_size = LogSize((1 << 63) + 1);
    late.proposer = MemberIndex(u16::MAX);
    let mut spoilt = first.clone();
    spoilt.signature = spoiled(first.signature);
    let mut moved = first.clone();
    moved.header.timestamp.0 += 1;
    let stranger = signatures.identity_public(&identity(99));
    let cases = vec![
        header_case("the first block", &first, &key),
        header_case("numbers beyond what a double holds", &signed(late), &key),
        header_case("a signature with another bit", &spoilt, &key),
        header_case("a header changed after it was signed", &moved, &key),
        header_case("the key of another member", &first, &stranger),
    ];
    compare(
        "headers.json",
        "A header in JSON, as a text, because its numbers have 64 bits; its canonical bytes and hash, and what \
         its proposer, of this key, signs.",
        cases,
    );
}

/// Whether a certificate is of votes of a kind for a block, by a quorum of the members.
fn judged(
    genesis: &Genesis,
    (kind, header): (VoteKind, &Header),
    certificate: &Certificate,
) -> Result<Value, &'static str> {
    let place = (certificate.epoch, certificate.height, certificate.block);
    if certificate.kind != kind {
        return Err("it is of votes of another kind");
    }
    if place != (header.epoch, header.height, header.hash()) {
        return Err("it is about another block");
    }
    let members = genesis.member_set();
    if certificate.verify(&BlsAndEd25519::new(), &genesis.chain_id(), &members) {
        let signing = vote_bytes(genesis, kind, header);
        return Ok(json!({
            "bytes": hex::encode(encode(certificate)),
            "signing_bytes": hex::encode(signing),
        }));
    }
    let votes = &certificate.votes;
    Err(
        if !votes.is_sorted_by(|first, second| first.voter < second.voter) {
            "its voters do not rise"
        } else if votes.len() < members.quorum() {
            "its voters are fewer than a quorum"
        } else if votes.iter().any(|vote| members.get(vote.voter).is_none()) {
            "a voter is not among the members"
        } else {
            "a signature is not that of its voter"
        },
    )
}

#[test]
fn certificates() {
    let signatures = &BlsAndEd25519::new();
    let four = genesis(signatures, 4);
    let header = signed_block(signatures, &four).header().clone();
    let by = |kind, signers: &[u16]| certificate(signatures, &four, kind, &header, signers);
    let judge = |name: &str, kind: VoteKind, certificate: &Certificate| {
        let inputs = json!({ "kind": kind, "certificate": certificate });
        case(name, inputs, judged(&four, (kind, &header), certificate))
    };
    let (certify, finalize) = (VoteKind::Certify, VoteKind::Finalize);
    let mut cases = vec![
        judge("three of four", finalize, &by(finalize, &[0, 1, 3])),
        judge("all four", finalize, &by(finalize, &[0, 1, 2, 3])),
        judge("votes to certify", certify, &by(certify, &[1, 2, 3])),
    ];
    let mut crash = genesis(signatures, 3);
    crash.fault_model = FaultModel::Crash;
    let of_crash = signed_block(signatures, &crash).header().clone();
    let two = certificate(signatures, &crash, finalize, &of_crash, &[0, 2]);
    let inputs = json!({
        "genesis": crash, "block": of_crash.hash(), "kind": finalize, "certificate": two,
    });
    let outcome = judged(&crash, (finalize, &of_crash), &two);
    cases.push(case("two of three that never lie", inputs, outcome));
    assert!(cases.iter().all(|case| case.get("expect").is_some()));

    let right = by(finalize, &[0, 1, 3]);
    let changed = |change: fn(&mut Certificate)| {
        let mut certificate = right.clone();
        change(&mut certificate);
        certificate
    };
    let refused = [
        ("too few voters", by(finalize, &[0, 1])),
        ("nobody", by(finalize, &[])),
        ("a voter twice", by(finalize, &[0, 1, 1])),
        ("voters that do not rise", by(finalize, &[1, 0, 3])),
        (
            "a voter beyond the members",
            changed(|of| of.votes[2].voter = MemberIndex(4)),
        ),
        (
            "a quorum, and one whose signature is another's",
            changed(|of| {
                let signature = of.votes[1].signature;
                let voter = MemberIndex(2);
                of.votes.insert(2, Share { voter, signature });
            }),
        ),
        (
            "another voter in the place of one",
            changed(|of| of.votes[2].voter = MemberIndex(2)),
        ),
        (
            "signatures of each other's",
            changed(|of| {
                let first = of.votes[0].signature;
                of.votes[0].signature = std::mem::replace(&mut of.votes[1].signature, first);
            }),
        ),
        (
            "the certificate of another block",
            changed(|of| of.block = BlockHash::new([5; 32])),
        ),
        ("another height", changed(|of| of.height = Height(2))),
        ("another epoch", changed(|of| of.epoch = Epoch(1))),
        ("votes of another kind", by(certify, &[0, 1, 3])),
        (
            "votes of another kind under this one's name",
            Certificate {
                kind: finalize,
                ..by(certify, &[0, 1, 3])
            },
        ),
        (
            "a signature that is none",
            changed(|of| of.votes[1].signature = IdentitySignature::new([0xff; 64])),
        ),
        (
            "a signature with one bit changed",
            changed(|of| of.votes[1].signature = spoiled(of.votes[1].signature)),
        ),
    ];
    for (name, certificate) in &refused {
        let case = judge(name, finalize, certificate);
        assert!(case.get("refused").is_some(), "{name}");
        cases.push(case);
    }
    let given = json!({ "epoch": 0, "height": 1, "block": header.hash() });
    compare_given(
        "certificates.json",
        "Whether a certificate proves that a quorum of the genesis' members voted for a block, of this epoch, \
         height and hash, to certify or to finalize it; its canonical bytes, and what each vote signs.",
        with(given, json!({ "genesis": four })),
        cases,
    );
}
