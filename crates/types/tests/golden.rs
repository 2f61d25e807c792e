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
    table.bytes("batch entries hash", batch.entries_hash());
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
    ("genesis", "821 bytes, SHA-256 a6b528d3f7009681f7c664301da9cdcd24bba622098f15ae187e97f514551c82"),
    ("chain id", "329c038369eb0739c2615e3e092f38e3336842735acceb25d9c4f88f55ac2442"),
    ("personal part", "0101010101010101010101010101010106000000414e4f4e2d310700000031204c61747465"),
    ("personal hash", "24008a10aa6e6562af9a21382d1eb3993c16725404efc828bf4eb429f87c06cf"),
    ("order, till", "0a000000436166c3a9204c616e6583010000000000004555520168e5cf8b01000024008a10aa6e6562af9a21382d1eb3993c16725404efc828bf4eb429f87c06cf0092ab6733e0ddcf6e35ada37193ebab59360d782b96463fe9cf1e1b3604d11d66"),
    ("order id, till", "818e5aa93cc9591e0efb927c0fbcc293e387b7c9233b51e416b4f24e01588f59"),
    ("order, key", "0a000000436166c3a9204c616e6583010000000000004555520268e5cf8b0100001c2640a02526f3a48f2cbca6bf747155cd1327c9f9423c8a2c097e9a0474e0b40197ffc883c80bee7237ef95d9b9b703d4ad63e60a21e605867682b75b8b3f430374bf716b47d196b5676d27f00e628916d98346d16db33d08b7924540ea0a422d84a524498302514504ce7134f3cd09b6a252e4b5b8e9ed489299f54a58c2560e"),
    ("order id, key", "32048b5dda957c2c08a76168a0dcb9d794d850705868b1db9e402bb13a9cb0b8"),
    ("order signing bytes", "0e6465787465722f312f6f72646572329c038369eb0739c2615e3e092f38e3336842735acceb25d9c4f88f55ac24420a000000436166c3a9204c616e6583010000000000004555520268e5cf8b0100001c2640a02526f3a48f2cbca6bf747155cd1327c9f9423c8a2c097e9a0474e0b40197ffc883c80bee7237ef95d9b9b703d4ad63e60a21e605867682b75b8b3f4303"),
    ("entry", "000a000000436166c3a9204c616e6583010000000000004555520168e5cf8b01000024008a10aa6e6562af9a21382d1eb3993c16725404efc828bf4eb429f87c06cf0092ab6733e0ddcf6e35ada37193ebab59360d782b96463fe9cf1e1b3604d11d66"),
    ("batch", "370 bytes, SHA-256 caecd08346f39446cc3ccefc8f8c894b304a0c0642df2601c2879e570fcea333"),
    ("batch entries hash", "ad09dc1ea61f31bbcba0cba89ce3b998fe9f7bda71da85481d35e827005d6dc6"),
    ("batch id", "0553c234fc836083d8afa4ba2b1cba676e755ae45528f18ef742c3e66b88e3a4"),
    ("full batch", "413 bytes, SHA-256 855e18cb0ec6b4158ba4e2cbce8112ffe3be0b6a2b987e53a2f0aded99be4a24"),
    ("batch list root", "03fc39536d373bcac5c0700b711b3d908912e80a5d45444b27a654a566c2ec93"),
    ("header", "0200329c038369eb0739c2615e3e092f38e3336842735acceb25d9c4f88f55ac244200000000000000000100000000000000329c038369eb0739c2615e3e092f38e3336842735acceb25d9c4f88f55ac2442f469e5cf8b0100000000af09c3f05b76ca33ff7fb07a2ff10a66524c300a9c15b3308d68d6bd4bec6d383b4dee72685328b59b270fbab1a0046703fc39536d373bcac5c0700b711b3d908912e80a5d45444b27a654a566c2ec9302000000000000009ef3f79395eccdfab298ed3a1d79f257773c9b0b285eb9b75981e04cb5579e16"),
    ("block hash", "4cda1df4b087c893d7ac167eda1b39d8676e3427283313e7f88185eb65458447"),
    ("signed block", "312 bytes, SHA-256 c760170e0e93de424944a7723787d40cc79380343430473cf0564a558ee91fc0"),
    ("signed header", "276 bytes, SHA-256 8f523b106e2b72b04688de04baf8565af19baf6f76c220a1faeb3ed28a93d368"),
    ("seed", "d6429c5e1e7917a4bcc34569e76c409de1d2be47334ac695743cd14509f763bb"),
    ("certify signing bytes", "106465787465722f312f63657274696679329c038369eb0739c2615e3e092f38e3336842735acceb25d9c4f88f55ac2442000000000000000001000000000000004cda1df4b087c893d7ac167eda1b39d8676e3427283313e7f88185eb65458447"),
    ("finalize signing bytes", "116465787465722f312f66696e616c697a65329c038369eb0739c2615e3e092f38e3336842735acceb25d9c4f88f55ac2442000000000000000001000000000000004cda1df4b087c893d7ac167eda1b39d8676e3427283313e7f88185eb65458447"),
    ("vote to certify", "00000000000000000001000000000000004cda1df4b087c893d7ac167eda1b39d8676e3427283313e7f88185eb654584470000ad0f6df2f6b7db2d67130f5d2f1edc28a3bd57c5e838a34b6a8b2e2b025c5445da6a2cb087bfc0d628c82b4a89033738"),
    ("vote to finalize", "01000000000000000001000000000000004cda1df4b087c893d7ac167eda1b39d8676e3427283313e7f88185eb654584470300b6f1b9ff72517d81678e54a3ee2320d7f713d021914b80086e3b233d193c0731540cc11d004c061a8c4386fae1df8d42"),
    ("certificate", "01000000000000000001000000000000004cda1df4b087c893d7ac167eda1b39d8676e3427283313e7f88185eb6545844703000000000001000300899c25cfcccf54a3da30773d797c262e626677f331012d13c7b385b121c98b85e31b2ad542a4b806d468d9f0aa229aaa"),
    ("equivocation", "552 bytes, SHA-256 0ebb31e7e53ce0441c8a1eb81e29ca313d08ce9c93a8f321474ab42823660ebe"),
    ("receipt", "532 bytes, SHA-256 32bed95a153ef2abd314d67827951a1b33198a96bbe6b559996d7e4220bbafa8"),
    ("message: status", "00010000000000000002000000000000000300000000000000"),
    ("message: batch", "414 bytes, SHA-256 6af18ac21adc0badac1b226c6b535e6700141a650345821c8c2e0aac9f568d0b"),
    ("message: proposal", "421 bytes, SHA-256 5577a9c894781f7041d44161f92fd70138fcd60beb6d773789236e3df3cbae27"),
    ("message: first proposal", "314 bytes, SHA-256 6a941f7622d4c4e0f3494f83f7edfe4625e8befa81d5569f7392c0ae572e3e78"),
    ("message: vote", "0300000000000000000001000000000000004cda1df4b087c893d7ac167eda1b39d8676e3427283313e7f88185eb654584470000ad0f6df2f6b7db2d67130f5d2f1edc28a3bd57c5e838a34b6a8b2e2b025c5445da6a2cb087bfc0d628c82b4a89033738"),
    ("message: certificate", "0401000000000000000001000000000000004cda1df4b087c893d7ac167eda1b39d8676e3427283313e7f88185eb6545844703000000000001000300899c25cfcccf54a3da30773d797c262e626677f331012d13c7b385b121c98b85e31b2ad542a4b806d468d9f0aa229aaa"),
    ("message: evidence", "553 bytes, SHA-256 a6d88b527271bf3541ff11d138c2b9a7edf28ee376c8a335038da5b41f0a4533"),
    ("message: fetch block", "0601000000000000004cda1df4b087c893d7ac167eda1b39d8676e3427283313e7f88185eb65458447"),
    ("message: fetch batches", "07010000000553c234fc836083d8afa4ba2b1cba676e755ae45528f18ef742c3e66b88e3a4"),
    ("message: fetch final", "080201000000000000"),
    ("message: final blocks", "1057 bytes, SHA-256 f76a96a3c5029bd3ceaec1aef5ac362dff7152772b93d551f831d83e2c70eff5"),
];
