//! Both kinds of signatures. What the protocol relies on holds for the real and the simulated ones;
//! crafted signatures are judged alike, singly and in bulk.

mod support;

use blst::min_sig;
use support::{identity, implementations, lottery};
use types::{
    BlsAndEd25519, IdentityPublicKey, IdentitySignature, LotteryPublicKey, LotterySignature,
    MemberCard, Signatures, Text, signatures::IdentityCheck,
};

fn ordinary(signatures: &dyn Signatures, number: u8) -> IdentityCheck {
    let secret = identity(number);
    let message = vec![number; 40];
    IdentityCheck {
        key: signatures.identity_public(&secret),
        signature: signatures.sign_identity(&secret, &message),
        message,
    }
}

/// Asserts the verdict on one check: alone, twice in bulk, and before and after ordinary ones.
fn judged(signatures: &dyn Signatures, check: &IdentityCheck, right: bool, what: &str) {
    let alone = signatures.verify_identity(&check.key, &check.message, &check.signature);
    assert_eq!(alone, right, "{what}: alone");
    let (first, second) = (ordinary(signatures, 1), ordinary(signatures, 2));
    let one = || check.clone();
    let bulks = [
        vec![one()],
        vec![one(), one()],
        vec![first.clone(), one()],
        vec![one(), first.clone()],
        vec![first, one(), second, one()],
    ];
    for bulk in bulks {
        assert_eq!(
            signatures.verify_identities(&bulk),
            right,
            "{what}: in bulk"
        );
    }
}

#[test]
fn an_identity_signature_is_of_one_key_over_one_message() {
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let right = ordinary(signatures, 3);
        judged(signatures, &right, true, name);
        let wrong = |change: fn(&mut IdentityCheck)| {
            let mut check = right.clone();
            change(&mut check);
            judged(signatures, &check, false, name);
        };
        wrong(|check| check.message[0] ^= 1);
        wrong(|check| check.message.clear());
        wrong(|check| check.signature = IdentitySignature::ZERO);
        wrong(|check| check.signature = IdentitySignature::new([0xff; 64]));
        wrong(|check| {
            let mut bytes = *check.signature.as_bytes();
            bytes[63] ^= 0x80;
            check.signature = IdentitySignature::new(bytes);
        });
        let mut of_another = right.clone();
        of_another.key = ordinary(signatures, 4).key;
        judged(signatures, &of_another, false, name);
        assert!(signatures.verify_identities(&[]), "{name}");
    }
}

/// The eight points of small order, and the six further encodings of them that are not canonical.
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

fn crafted(key: &str, signature: &str, message: &str) -> IdentityCheck {
    IdentityCheck {
        key: key.parse::<IdentityPublicKey>().unwrap(),
        message: message.as_bytes().to_vec(),
        signature: signature.parse::<IdentitySignature>().unwrap(),
    }
}

/// ZIP-215 takes all 196 of them; rules without the cofactor take some and not others.
#[test]
fn keys_and_nonces_of_small_order_are_right_in_every_encoding() {
    let signatures = &BlsAndEd25519::new();
    let mut all = Vec::new();
    for key in SMALL_ORDER {
        for nonce in SMALL_ORDER {
            let check = crafted(key, &format!("{nonce}{}", "00".repeat(32)), "Zcash");
            judged(signatures, &check, true, &format!("{key} {nonce}"));
            all.push(check);
        }
    }
    assert!(signatures.verify_identities(&all));
    all.push(ordinary(signatures, 1));
    assert!(signatures.verify_identities(&all));
    all[100].signature = ordinary(signatures, 1).signature;
    assert!(!signatures.verify_identities(&all));
}

/// The key, the nonce or both carry a point of order eight, so that the equation holds only when
/// both sides are multiplied by eight: right by ZIP-215, wrong by ordinary single verification.
#[test]
fn mixed_torsion_is_right() {
    let signatures = &BlsAndEd25519::new();
    let plain = "88aa55e6afeed8960a3191de78600347db8acd0a3795412f275f049b86260488";
    let mixed = "99555efe5dbf5b50b6fb4d8c38ee05c4ea8a97011c08e11366e8c8c00e8ce5d5";
    let signed = [
        (
            "key",
            mixed,
            "3e54c441927f9f0ee5e13e34f0b0404c5043651a8f4b7ef087a1c42262a85d0a\
             66df95ffa9f30584d1cfc1ed9a6c3f0572a16ea7be199c100e31c38b943bde0a",
        ),
        (
            "nonce",
            plain,
            "5b61c2e3b93e6c06450f327ea72cdfeb8cde6aa020d2dd827ab3f86e708c8393\
             7ea48b4442af0af4d66569f7c3d3f237e94d77b2d1e7890674433f55a472f10b",
        ),
        (
            "both",
            mixed,
            "5b61c2e3b93e6c06450f327ea72cdfeb8cde6aa020d2dd827ab3f86e708c8393\
             6794ebede5409f2115f37c5ece5155fb0c8208aac58bf07aa27bf06200c47901",
        ),
    ];
    let all: Vec<_> = signed
        .iter()
        .map(|(_, key, signature)| crafted(key, signature, "order 0"))
        .collect();
    for (check, (what, ..)) in all.iter().zip(signed) {
        judged(signatures, check, true, what);
        let mut other = check.clone();
        other.message = b"order 1".to_vec();
        judged(signatures, &other, false, what);
    }
    assert!(signatures.verify_identities(&all));
}

#[test]
fn a_scalar_that_is_not_canonical_and_a_key_off_the_curve_are_wrong() {
    let signatures = &BlsAndEd25519::new();
    let mixed = "99555efe5dbf5b50b6fb4d8c38ee05c4ea8a97011c08e11366e8c8c00e8ce5d5";
    // The scalar of the mixed-torsion signature above, plus the group's order.
    let malleable = "3e54c441927f9f0ee5e13e34f0b0404c5043651a8f4b7ef087a1c42262a85d0a\
                     53b38b5cc45618dca76cb99079661e1a72a16ea7be199c100e31c38b943bde1a";
    let check = crafted(mixed, malleable, "order 0");
    judged(signatures, &check, false, "scalar above the order");

    let order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let identity = SMALL_ORDER[0];
    let check = crafted(identity, &format!("{identity}{order}"), "Zcash");
    judged(signatures, &check, false, "scalar equal to the order");

    let off_curve = format!("02{}", "00".repeat(31));
    let zero = "00".repeat(32);
    let check = crafted(&off_curve, &format!("{identity}{zero}"), "Zcash");
    judged(signatures, &check, false, "key off the curve");
    let check = crafted(identity, &format!("{off_curve}{zero}"), "Zcash");
    judged(signatures, &check, false, "nonce off the curve");
}

#[test]
fn a_lottery_signature_is_unique_and_of_one_key_over_one_message() {
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let key = signatures.lottery_public(&lottery(1));
        let signature = signatures.sign_lottery(&lottery(1), b"ticket");
        assert_eq!(
            signatures.sign_lottery(&lottery(1), b"ticket"),
            signature,
            "{name}"
        );
        assert!(
            signatures.verify_lottery(&key, b"ticket", &signature),
            "{name}"
        );
        assert!(
            !signatures.verify_lottery(&key, b"veto", &signature),
            "{name}"
        );
        let other = signatures.lottery_public(&lottery(2));
        assert!(
            !signatures.verify_lottery(&other, b"ticket", &signature),
            "{name}"
        );
        for wrong in [[0; 48], [0xff; 48]] {
            let wrong = LotterySignature::new(wrong);
            assert!(
                !signatures.verify_lottery(&key, b"ticket", &wrong),
                "{name}"
            );
        }
    }
}

#[test]
fn possession_is_proved_by_its_own_key_for_its_own_card() {
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let key = |number| signatures.lottery_public(&lottery(number));
        let proof = signatures.prove_possession(&lottery(1), b"card");
        let proved =
            |number, message: &[u8]| signatures.verify_possession(&key(number), message, &proof);
        assert!(proved(1, b"card"), "{name}");
        assert!(!proved(2, b"card"), "{name}: another key's");
        assert!(!proved(1, b"cart"), "{name}: another card's");
        let ticket = signatures.sign_lottery(&lottery(1), b"card");
        assert!(
            !signatures.verify_possession(&key(1), b"card", &ticket),
            "{name}: a ticket is no proof"
        );
        assert!(
            !signatures.verify_lottery(&key(1), b"card", &proof),
            "{name}: a proof is no ticket"
        );

        let card = |number, secret: u8| {
            let name = Text::new(format!("Shop {number}")).unwrap();
            MemberCard::new(signatures, name, &identity(number), &lottery(secret))
        };
        let honest = card(1, 1);
        assert!(honest.is_proved(signatures), "{name}");
        let mut copied = card(2, 2);
        copied.lottery_key = honest.lottery_key;
        copied.possession = honest.possession;
        assert!(!copied.is_proved(signatures), "{name}: a key taken over");
    }
}

/// With the point at infinity as key and as signature the pairing equation would hold.
#[test]
fn the_identity_point_is_nobodys_key() {
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let mut key = [0; 96];
        let mut signature = [0; 48];
        (key[0], signature[0]) = (0xc0, 0xc0);
        let key = LotteryPublicKey::new(key);
        let signature = LotterySignature::new(signature);
        assert!(
            !signatures.verify_possession(&key, b"card", &signature),
            "{name}"
        );
        assert!(
            !signatures.verify_lottery(&key, b"ticket", &signature),
            "{name}"
        );
        let honest = signatures.lottery_public(&lottery(1));
        assert!(
            !signatures.verify_lottery(&honest, b"ticket", &signature),
            "{name}"
        );
    }
}

/// Finds a point of the curve that is outside the subgroup: nearly every one is.
fn first_on_curve<const N: usize>(on_curve: impl Fn(&[u8; N]) -> bool) -> [u8; N] {
    let points = (1..=u8::MAX).map(|x| {
        let mut bytes = [0; N];
        (bytes[0], bytes[N - 1]) = (0x80, x);
        bytes
    });
    let mut points = points.filter(on_curve);
    points.next().unwrap()
}

#[test]
fn points_outside_the_subgroup_are_refused() {
    let signatures = &BlsAndEd25519::new();
    let key = first_on_curve(|bytes: &[u8; 96]| min_sig::PublicKey::from_bytes(bytes).is_ok());
    let key = LotteryPublicKey::new(key);
    let proof = signatures.prove_possession(&lottery(1), b"card");
    assert!(!signatures.verify_possession(&key, b"card", &proof));
    let ticket = signatures.sign_lottery(&lottery(1), b"ticket");
    assert!(!signatures.verify_lottery(&key, b"ticket", &ticket));

    let stray = first_on_curve(|bytes: &[u8; 48]| min_sig::Signature::from_bytes(bytes).is_ok());
    let stray = LotterySignature::new(stray);
    let honest = signatures.lottery_public(&lottery(1));
    assert!(!signatures.verify_lottery(&honest, b"ticket", &stray));
}

/// The order of the subgroup, most significant byte first.
const SUBGROUP_ORDER: &str = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";

fn add(first: LotterySignature, second: LotterySignature) -> LotterySignature {
    let points = [first, second].map(|one| min_sig::Signature::from_bytes(one.as_bytes()).unwrap());
    let sum = min_sig::AggregateSignature::aggregate(&points.each_ref(), false).unwrap();
    LotterySignature::new(sum.to_signature().compress())
}

/// A point multiplied by the subgroup's order: nothing of it is left that a pairing can see.
fn invisible(point: LotterySignature) -> LotterySignature {
    let mut product: Option<LotterySignature> = None;
    for byte in hex::decode(SUBGROUP_ORDER).unwrap() {
        for bit in (0..8).rev() {
            product = product.map(|sum| add(sum, sum));
            if byte >> bit & 1 == 1 {
                product = Some(product.map_or(point, |sum| add(sum, point)));
            }
        }
    }
    product.unwrap()
}

/// Unless the subgroup is checked, every signature has other forms for which the pairing equation
/// holds, and whoever draws a ticket could choose among them.
#[test]
fn a_signature_has_one_form() {
    let signatures = &BlsAndEd25519::new();
    let stray = first_on_curve(|bytes: &[u8; 48]| min_sig::Signature::from_bytes(bytes).is_ok());
    let invisible = invisible(LotterySignature::new(stray));
    let key = signatures.lottery_public(&lottery(1));
    let ticket = signatures.sign_lottery(&lottery(1), b"ticket");
    let other = add(ticket, invisible);
    assert_ne!(other, ticket);
    assert!(signatures.verify_lottery(&key, b"ticket", &ticket));
    assert!(!signatures.verify_lottery(&key, b"ticket", &other));
    let proof = signatures.prove_possession(&lottery(1), b"card");
    let other = add(proof, invisible);
    assert!(signatures.verify_possession(&key, b"card", &proof));
    assert!(!signatures.verify_possession(&key, b"card", &other));
}

#[test]
fn secrets_do_not_show() {
    assert_eq!(format!("{:?}", identity(1)), "IdentitySecret(hidden)");
    assert_eq!(format!("{:?}", lottery(1)), "LotterySecret(hidden)");
}
