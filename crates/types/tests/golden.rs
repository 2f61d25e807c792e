//! Golden bytes of every wire and hashed format. A change here is a change of the format: it needs
//! a new format version, and old data stays readable or is refused in words.

mod support;

use std::fmt::Debug;

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest as _, Sha256};
use support::{
    batch, card, certificate, full, genesis, identity, key_order, number_of, personal,
    signed_block, spoiled, till_order, vote, vote_bytes,
};
use types::{
    BlsAndEd25519, Entry, Epoch, Equivocation, FinalBlock, Height, LogIndex, MemberIndex, Message,
    Proposal, Receipt, Seed, SignedBlock, Status, UnixMillis, VoteKind, block::batches_root,
    decode, encode, genesis::next_seed, merkle,
};

/// Up to this many bytes a row shows the whole encoding, above it length and SHA-256.
const SHORT: usize = 256;

fn shown(bytes: &[u8]) -> String {
    if bytes.len() <= SHORT {
        return hex::encode(bytes);
    }
    format!(
        "{} bytes, SHA-256 {}",
        bytes.len(),
        hex::encode(Sha256::digest(bytes))
    )
}

#[derive(Default)]
struct Table(Vec<(&'static str, String)>);

impl Table {
    /// A format that is read back: also checks that it is, from exactly these bytes.
    fn format<T>(&mut self, name: &'static str, value: &T)
    where
        T: BorshSerialize + BorshDeserialize + PartialEq + Debug,
    {
        let bytes = encode(value);
        assert_eq!(decode::<T>(&bytes).as_ref(), Ok(value), "{name}");
        assert!(
            decode::<T>(&bytes[..bytes.len() - 1]).is_err(),
            "{name} cut short"
        );
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(decode::<T>(&longer).is_err(), "{name} with a byte more");
        self.bytes(name, &bytes);
    }

    fn bytes(&mut self, name: &'static str, bytes: impl AsRef<[u8]>) {
        self.0.push((name, shown(bytes.as_ref())));
    }
}

fn all_formats() -> Table {
    let signatures = &BlsAndEd25519::new();
    let genesis = &genesis(signatures, 4);
    let chain = genesis.chain_id();
    let mut table = Table::default();

    table.format("member card", &card(signatures, 1));
    table.bytes("member id", card(signatures, 1).id());
    table.format("genesis", genesis);
    table.bytes("chain id", chain);

    let till = till_order(&genesis.members[0], 1);
    let key = key_order(signatures, genesis, 2);
    table.format("personal part", &personal(1));
    table.bytes("personal hash", personal(1).hash());
    table.format("order, till", &till);
    table.bytes("order id, till", till.id());
    table.format("order, key", &key);
    table.bytes("order id, key", key.id());
    table.bytes("order signing bytes", key.signing_bytes(&chain));
    table.format("entry", &Entry::Order(till.clone()));
    let batch = batch(signatures, genesis);
    table.format("batch", &batch);
    table.bytes("batch root", batch.root());
    table.bytes("batch id", batch.id());
    table.format("full batch", &full(batch.clone()));

    let block = signed_block(signatures, genesis);
    let header = block.header().clone();
    table.bytes("batch list root", batches_root(&block.block.batches));
    table.format("header", &header);
    table.bytes("block hash", header.hash());
    table.format("signed block", &block);
    table.format("signed header", &block.signed_header());
    table.bytes("seed", next_seed(&Seed::new([3; 32]), &header.ticket));

    let certify = vote(signatures, genesis, VoteKind::Certify, &header, 0);
    let finalize = vote(signatures, genesis, VoteKind::Finalize, &header, 3);
    let finality = certificate(signatures, genesis, VoteKind::Finalize, &header, &[0, 1, 3]);
    table.bytes(
        "certify signing bytes",
        vote_bytes(genesis, VoteKind::Certify, &header),
    );
    table.bytes(
        "finalize signing bytes",
        vote_bytes(genesis, VoteKind::Finalize, &header),
    );
    table.format("vote to certify", &certify);
    table.format("vote to finalize", &finalize);
    table.format("certificate", &finality);

    let mut other = block.block.clone();
    other.header.timestamp = UnixMillis(1_700_000_000_501);
    let proposer = number_of(signatures, genesis, MemberIndex(0));
    let other = SignedBlock::sign(signatures, &identity(proposer), other);
    let equivocation = Equivocation {
        first: block.signed_header(),
        second: other.signed_header(),
    };
    table.format("equivocation", &equivocation);

    let receipt = Receipt {
        chain,
        entry: batch.entries[0].clone(),
        personal: Some(personal(1)),
        log_index: LogIndex(0),
        path: vec![merkle::leaf_hash(&batch.entries[1].leaf_bytes())],
        header: header.clone(),
        certificate: finality.clone(),
    };
    assert_eq!(receipt.verify(signatures, genesis), Ok(till.id()));
    table.format("receipt", &receipt);

    let status = Status {
        epoch: Epoch(1),
        height: Height(2),
        final_height: Height(3),
    };
    table.format("message: status", &Message::Status(status));
    table.format("message: batch", &Message::Batch(full(batch.clone())));
    let proposal = Proposal {
        block: block.clone(),
        parent_certificate: Some(finality.clone()),
    };
    table.format("message: proposal", &Message::Proposal(Box::new(proposal)));
    let orphan = Proposal {
        block: block.clone(),
        parent_certificate: None,
    };
    table.format(
        "message: first proposal",
        &Message::Proposal(Box::new(orphan)),
    );
    table.format("message: vote", &Message::Vote(certify));
    table.format(
        "message: certificate",
        &Message::Certificate(finality.clone()),
    );
    table.format(
        "message: evidence",
        &Message::Evidence(Box::new(equivocation)),
    );
    let fetch_block = Message::FetchBlock {
        height: Height(1),
        block: header.hash(),
    };
    table.format("message: fetch block", &fetch_block);
    table.format(
        "message: fetch batches",
        &Message::FetchBatches(block.block.batches.clone()),
    );
    table.format(
        "message: fetch final",
        &Message::FetchFinal { from: Height(258) },
    );
    let final_blocks = Message::FinalBlocks {
        blocks: vec![FinalBlock {
            block: block.clone(),
            batches: vec![full(batch)],
        }],
        headers: vec![header],
        certificate: finality,
    };
    table.format("message: final blocks", &final_blocks);
    table
}

#[test]
fn every_format_keeps_its_bytes() {
    let Table(found) = all_formats();
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(name, bytes)| (*name, bytes.as_str()))
        .collect();
    for (found, golden) in found.iter().zip(GOLDEN) {
        assert_eq!(found, golden);
    }
    assert_eq!(found.len(), GOLDEN.len());
}

/// The signatures in the table are the ones that hold, and a changed one does not.
#[test]
fn the_golden_signatures_hold() {
    let signatures = &BlsAndEd25519::new();
    let genesis = &genesis(signatures, 4);
    let block = signed_block(signatures, genesis);
    let members = genesis.member_set();
    let key = members.get(MemberIndex(0)).unwrap().identity_key;
    let mut header = block.signed_header();
    assert!(header.is_signed_by(signatures, &key));
    header.signature = spoiled(header.signature);
    assert!(!header.is_signed_by(signatures, &key));
    assert!(
        genesis
            .members
            .iter()
            .all(|card| card.is_proved(signatures))
    );
}

#[rustfmt::skip]
const GOLDEN: &[(&str, &str)] = &[
    ("member card", "0600000053686f7020318a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c877a0ec68ab252137dbb497b11ce0e5ade14609785d9253bec07f2c803c06acef761121f5e1fb6b99d6bb05c78e977dc081eca085ac5e14827769757425979bfb77ddb4e7cb18d60b376cb23b079edbd5051bf7fac936ddcaff651aaebefe332abcc9a657766749cf01fecd38f8ed4fafadf435c760c7722a49fbe64a49a2adaffac4cf9d8d2aa77a889dd4e740a9858"),
    ("member id", "92ab6733e0ddcf6e35ada37193ebab59360d782b96463fe9cf1e1b3604d11d66"),
    ("genesis", "821 bytes, SHA-256 f771209105d0979f1de110a30496b5442b2e100268b7f006ded0aeacefc64275"),
    ("chain id", "4abf3d45e52d91a63ee73e0d3e852aeee3bf89561529e077da75e427e7423781"),
    ("personal part", "0101010101010101010101010101010106000000414e4f4e2d310700000031204c61747465"),
    ("personal hash", "24008a10aa6e6562af9a21382d1eb3993c16725404efc828bf4eb429f87c06cf"),
    ("order, till", "0a000000436166c3a9204c616e6583010000000000004555520168e5cf8b01000024008a10aa6e6562af9a21382d1eb3993c16725404efc828bf4eb429f87c06cf0092ab6733e0ddcf6e35ada37193ebab59360d782b96463fe9cf1e1b3604d11d66"),
    ("order id, till", "46a4ce7e578c4a2278c2718b898abfc11c6f1981493f1b0de407fb3833d826f0"),
    ("order, key", "0a000000436166c3a9204c616e6583010000000000004555520268e5cf8b0100001c2640a02526f3a48f2cbca6bf747155cd1327c9f9423c8a2c097e9a0474e0b40197ffc883c80bee7237ef95d9b9b703d4ad63e60a21e605867682b75b8b3f43034f20d3a6c82e9af7f3084b2c20b47b6ea14b3a8c3f5a1ef5633de5721cf550b947cdfc2baa0338c0b6fd646bd2156729244716c4ae6f5aa396aec5110735fb0a"),
    ("order id, key", "82833353a902b45f961f8ffd87e67b8479f725453705fba47ffe98acbce1e42c"),
    ("order signing bytes", "0e6465787465722f312f6f726465724abf3d45e52d91a63ee73e0d3e852aeee3bf89561529e077da75e427e74237810a000000436166c3a9204c616e6583010000000000004555520268e5cf8b0100001c2640a02526f3a48f2cbca6bf747155cd1327c9f9423c8a2c097e9a0474e0b40197ffc883c80bee7237ef95d9b9b703d4ad63e60a21e605867682b75b8b3f4303"),
    ("entry", "000a000000436166c3a9204c616e6583010000000000004555520168e5cf8b01000024008a10aa6e6562af9a21382d1eb3993c16725404efc828bf4eb429f87c06cf0092ab6733e0ddcf6e35ada37193ebab59360d782b96463fe9cf1e1b3604d11d66"),
    ("batch", "370 bytes, SHA-256 80e19d70d1a7e395aa518dde6a36961c7b2f2d1dee85b37a26814a670557539e"),
    ("batch root", "10af78afe4e4e51dc4e63d2a0c46fbce84ab798e9481f6d5c723ded15d2f9659"),
    ("batch id", "a3ab28c430bcbc385a9a8ffb623ee4839f3fa039467a333cc31024a366c317e4"),
    ("full batch", "413 bytes, SHA-256 38d958fb3794e1276f786a0ab22631728aab253c6ff1648bb280cf47322b57d1"),
    ("batch list root", "1b290a46b47f65e2422802a9fe0872f2aff723220f20a6bc2cd5deb16ac1f884"),
    ("header", "01004abf3d45e52d91a63ee73e0d3e852aeee3bf89561529e077da75e427e7423781000000000000000001000000000000004abf3d45e52d91a63ee73e0d3e852aeee3bf89561529e077da75e427e7423781f469e5cf8b0100000000af09c3f05b76ca33ff7fb07a2ff10a66524c300a9c15b3308d68d6bd4bec6d383b4dee72685328b59b270fbab1a004671b290a46b47f65e2422802a9fe0872f2aff723220f20a6bc2cd5deb16ac1f884020000000000000010af78afe4e4e51dc4e63d2a0c46fbce84ab798e9481f6d5c723ded15d2f9659"),
    ("block hash", "aa155b7f31425b4176aa902050bf12dfcfff224e9ae5b8e1570033700edc03a4"),
    ("signed block", "312 bytes, SHA-256 36741fa3c380817cc97d09133bdf9204d20c0846f0c379226af0f71548384e9b"),
    ("signed header", "276 bytes, SHA-256 44b77c8631ec412b34682c0a9a00baeeb41a8fb0d96a1631d061de46e6581eab"),
    ("seed", "d6429c5e1e7917a4bcc34569e76c409de1d2be47334ac695743cd14509f763bb"),
    ("certify signing bytes", "106465787465722f312f636572746966794abf3d45e52d91a63ee73e0d3e852aeee3bf89561529e077da75e427e742378100000000000000000100000000000000aa155b7f31425b4176aa902050bf12dfcfff224e9ae5b8e1570033700edc03a4"),
    ("finalize signing bytes", "116465787465722f312f66696e616c697a654abf3d45e52d91a63ee73e0d3e852aeee3bf89561529e077da75e427e742378100000000000000000100000000000000aa155b7f31425b4176aa902050bf12dfcfff224e9ae5b8e1570033700edc03a4"),
    ("vote to certify", "0000000000000000000100000000000000aa155b7f31425b4176aa902050bf12dfcfff224e9ae5b8e1570033700edc03a4000091f8834ab6db6684df981dd90ece58e48c0394fe9289ac2baecd97e262a5474da37617a519b1bb97367aba0faa29b1ab"),
    ("vote to finalize", "0100000000000000000100000000000000aa155b7f31425b4176aa902050bf12dfcfff224e9ae5b8e1570033700edc03a40300a3ca9b0602bc59c75d59dfeb38760c3853515e8abb3a1f5b5720e53edf94dd02ce211114f51e82045a922b29e5572548"),
    ("certificate", "0100000000000000000100000000000000aa155b7f31425b4176aa902050bf12dfcfff224e9ae5b8e1570033700edc03a4030000000000010003009477e3145939b24f605132b0c0e0e741458ea5ed0fd522690cbc1e1bc07ee73b31820ce5de600fba3097da0b74b66461"),
    ("equivocation", "552 bytes, SHA-256 1da07321a19494290af7c2c5015aa023b9e61db51ad3fc9876d7e225f4f77733"),
    ("receipt", "532 bytes, SHA-256 7b7d83d7d936938f4a01bafbd8a3ceebfe4b3734b3adc510dd3f8f0c460f9468"),
    ("message: status", "00010000000000000002000000000000000300000000000000"),
    ("message: batch", "414 bytes, SHA-256 c4adabb3df03ecfd1a950f62fb6345f2636078f68205911fab8bcaee55b9b7a9"),
    ("message: proposal", "421 bytes, SHA-256 eb55491dff316f14bc1a2c435c57234a6297a1b2735d0878a02fc433092f4cc0"),
    ("message: first proposal", "314 bytes, SHA-256 ce7df772dfaf2fafee84ff5dc86c54addac48884267275989c73230696ed1917"),
    ("message: vote", "030000000000000000000100000000000000aa155b7f31425b4176aa902050bf12dfcfff224e9ae5b8e1570033700edc03a4000091f8834ab6db6684df981dd90ece58e48c0394fe9289ac2baecd97e262a5474da37617a519b1bb97367aba0faa29b1ab"),
    ("message: certificate", "040100000000000000000100000000000000aa155b7f31425b4176aa902050bf12dfcfff224e9ae5b8e1570033700edc03a4030000000000010003009477e3145939b24f605132b0c0e0e741458ea5ed0fd522690cbc1e1bc07ee73b31820ce5de600fba3097da0b74b66461"),
    ("message: evidence", "553 bytes, SHA-256 91b6581a8225b38d336b7411851664c68f781903cf9fc2cee39e8eeec6aed3b5"),
    ("message: fetch block", "060100000000000000aa155b7f31425b4176aa902050bf12dfcfff224e9ae5b8e1570033700edc03a4"),
    ("message: fetch batches", "0701000000a3ab28c430bcbc385a9a8ffb623ee4839f3fa039467a333cc31024a366c317e4"),
    ("message: fetch final", "080201000000000000"),
    ("message: final blocks", "1057 bytes, SHA-256 47325570ce56d0b46da2d7eda9bb020017fef64afb2298f03c02aaeb4daf396b"),
];
