//! Receipts and equivocations: each fault, provoked by one change, over both kinds of signatures.

mod support;

use support::{
    certificate, genesis, identity, implementations, number_of, receipt, signed_block, spoiled,
    vote_bytes,
};
use types::{
    BlockHash, ChainId, Digest, Entry, Epoch, Equivocation, Height, LogIndex, LogSize, MemberIndex,
    Receipt, ReceiptError, SignedBlock, Text, UnixMillis, VoteKind, Voucher,
};

#[test]
fn a_right_receipt_proves_its_order_also_without_personal_part() {
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let genesis = genesis(signatures, 4);
        for place in [0, 1] {
            let mut receipt = receipt(signatures, &genesis, place);
            let id = receipt.entry.id();
            assert_eq!(receipt.verify(signatures, &genesis), Ok(id), "{name}");
            receipt.personal = None;
            assert_eq!(receipt.verify(signatures, &genesis), Ok(id), "{name}");
        }
    }
}

type Change = fn(&mut Receipt);

#[test]
fn each_change_is_found() {
    let not_included = |place| ReceiptError::NotIncluded(place);
    let changes: [(&str, Change, ReceiptError); 18] = [
        (
            "epoch",
            |receipt| receipt.header.epoch = Epoch(3),
            ReceiptError::OtherEpoch(3),
        ),
        (
            "customer",
            |receipt| {
                receipt.personal.as_mut().unwrap().customer = Text::new("ANON-9").unwrap();
            },
            ReceiptError::Personal,
        ),
        (
            "customer's signature",
            |receipt| {
                let Entry::Order(order) = &mut receipt.entry;
                if let Voucher::Key { signature, .. } = &mut order.voucher {
                    *signature = spoiled(*signature);
                }
            },
            ReceiptError::CustomerSignature,
        ),
        (
            "amount of a signed order",
            |receipt| {
                let Entry::Order(order) = &mut receipt.entry;
                order.amount.minor_units -= 1;
            },
            ReceiptError::CustomerSignature,
        ),
        (
            "another order",
            |receipt| {
                let Entry::Order(order) = &mut receipt.entry;
                order.voucher = Voucher::Till(types::MemberId::ZERO);
            },
            not_included(1),
        ),
        (
            "place",
            |receipt| receipt.log_index = LogIndex(0),
            not_included(0),
        ),
        (
            "place beyond the log",
            |receipt| receipt.log_index = LogIndex(2),
            not_included(2),
        ),
        (
            "path",
            |receipt| receipt.path[0] = Digest::ZERO,
            not_included(1),
        ),
        ("path cut", |receipt| receipt.path.clear(), not_included(1)),
        (
            "path longer",
            |receipt| receipt.path.push(Digest::ZERO),
            not_included(1),
        ),
        (
            "log root",
            |receipt| receipt.header.log_root = Digest::ZERO,
            not_included(1),
        ),
        (
            "log size",
            |receipt| receipt.header.log_size = LogSize(4),
            not_included(1),
        ),
        (
            "another header",
            |receipt| receipt.header.timestamp = UnixMillis(1_700_000_000_999),
            ReceiptError::OtherHeader,
        ),
        (
            "certificate of another block",
            |receipt| receipt.certificate.block = BlockHash::ZERO,
            ReceiptError::OtherHeader,
        ),
        (
            "certificate of another height",
            |receipt| receipt.certificate.height = Height(2),
            ReceiptError::OtherHeader,
        ),
        (
            "certificate of another epoch",
            |receipt| receipt.certificate.epoch = Epoch(1),
            ReceiptError::OtherHeader,
        ),
        (
            "a certificate that only certifies",
            |receipt| receipt.certificate.kind = VoteKind::Certify,
            ReceiptError::OtherHeader,
        ),
        (
            "a voter left out",
            |receipt| {
                receipt.certificate.votes.pop();
            },
            ReceiptError::NoQuorum,
        ),
    ];
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let genesis = genesis(signatures, 4);
        for (what, change, expected) in &changes {
            let mut receipt = receipt(signatures, &genesis, 1);
            change(&mut receipt);
            assert_eq!(
                receipt.verify(signatures, &genesis).as_ref(),
                Err(expected),
                "{name}: {what}"
            );
        }
    }
}

#[test]
fn a_receipt_of_another_network_is_refused() {
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let genesis = genesis(signatures, 4);
        let ours = genesis.chain_id();
        let theirs = ChainId::new([1; 32]);
        let refused = Err(ReceiptError::OtherNetwork { theirs, ours });
        let mut of_header = receipt(signatures, &genesis, 0);
        of_header.header.chain = theirs;
        assert_eq!(of_header.verify(signatures, &genesis), refused, "{name}");
        let mut of_receipt = receipt(signatures, &genesis, 0);
        of_receipt.chain = theirs;
        assert_eq!(of_receipt.verify(signatures, &genesis), refused, "{name}");
    }
}

/// Three of four members make a quorum, each once, in rising order, each with its own share.
#[test]
fn a_certificate_needs_a_quorum_of_different_members() {
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let genesis = genesis(signatures, 4);
        let (chain, members) = (genesis.chain_id(), genesis.member_set());
        let header = signed_block(signatures, &genesis).header().clone();
        let kind = VoteKind::Finalize;
        let holds = |voters: &[u16]| {
            let certificate = certificate(signatures, &genesis, kind, &header, voters);
            certificate.verify(signatures, &chain, &members)
        };
        assert!(holds(&[0, 1, 2]), "{name}");
        assert!(holds(&[0, 1, 2, 3]), "{name}");
        assert!(!holds(&[]), "{name}");
        assert!(!holds(&[0, 1]), "{name}: too few");
        assert!(!holds(&[0, 1, 1]), "{name}: repeated");
        assert!(!holds(&[1, 1, 1]), "{name}: repeated");
        assert!(!holds(&[2, 1, 0]), "{name}: falling");

        let right = certificate(signatures, &genesis, kind, &header, &[0, 1, 2]);
        let verify =
            |certificate: &types::Certificate| certificate.verify(signatures, &chain, &members);
        let mut padded = right.clone();
        let signature = right.votes[2].signature;
        let voter = MemberIndex(3);
        padded.votes.push(types::Share { voter, signature });
        assert!(!verify(&padded), "{name}: a voter who did not sign");
        let mut foreign = right.clone();
        foreign.votes[2].voter = MemberIndex(4);
        assert!(!verify(&foreign), "{name}: no such member");
        let mut swapped = right.clone();
        swapped.votes[2].voter = MemberIndex(3);
        assert!(!verify(&swapped), "{name}: another voter");
        let mut other_kind = right.clone();
        other_kind.kind = VoteKind::Certify;
        assert!(!verify(&other_kind), "{name}: another kind");
        assert!(
            !right.verify(signatures, &ChainId::ZERO, &members),
            "{name}: another network"
        );
        let certify = vote_bytes(&genesis, VoteKind::Certify, &header);
        assert_ne!(certify, vote_bytes(&genesis, kind, &header), "{name}");
    }
}

/// Two signed headers of one proposer at one height prove a lie; anything less proves nothing.
#[test]
fn an_equivocation_needs_two_signed_headers_of_one_place() {
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let genesis = genesis(signatures, 4);
        let first = signed_block(signatures, &genesis);
        let secret = identity(number_of(signatures, &genesis, MemberIndex(0)));
        let key = signatures.identity_public(&secret);
        let proves = |change: fn(&mut types::Header)| {
            let mut block = first.block.clone();
            change(&mut block.header);
            let second = SignedBlock::sign(signatures, &secret, block).signed_header();
            let first = first.signed_header();
            Equivocation { first, second }.is_proof_against(signatures, &key)
        };
        assert!(proves(|header| header.timestamp.0 += 1), "{name}");
        assert!(proves(|header| header.parent = BlockHash::ZERO), "{name}");
        assert!(!proves(|_| {}), "{name}: the same header twice");
        assert!(!proves(|header| header.height = Height(2)), "{name}");
        assert!(!proves(|header| header.epoch = Epoch(1)), "{name}");
        assert!(!proves(|header| header.chain = ChainId::ZERO), "{name}");
        assert!(
            !proves(|header| header.proposer = MemberIndex(1)),
            "{name}: another proposer"
        );

        let mut unsigned = first.signed_header();
        unsigned.header.timestamp.0 += 1;
        let forged = Equivocation {
            first: first.signed_header(),
            second: unsigned,
        };
        assert!(
            !forged.is_proof_against(signatures, &key),
            "{name}: a header that nobody signed"
        );
    }
}
