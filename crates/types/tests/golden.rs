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
    ("genesis", "821 bytes, SHA-256 eae17eb08537f3d855be292c4281f2ee055095104bfa955e0a49b7e1e530fc72"),
    ("chain id", "80d9127be1e67e363a5d20a48edc4652a5730d315031bcf58472d46b27f9e8a2"),
    ("personal part", "0101010101010101010101010101010106000000414e4f4e2d310700000031204c61747465"),
    ("personal hash", "24008a10aa6e6562af9a21382d1eb3993c16725404efc828bf4eb429f87c06cf"),
    ("order, till", "0a000000436166c3a9204c616e6583010000000000004555520168e5cf8b01000024008a10aa6e6562af9a21382d1eb3993c16725404efc828bf4eb429f87c06cf0092ab6733e0ddcf6e35ada37193ebab59360d782b96463fe9cf1e1b3604d11d66"),
    ("order id, till", "818e5aa93cc9591e0efb927c0fbcc293e387b7c9233b51e416b4f24e01588f59"),
    ("order, key", "0a000000436166c3a9204c616e6583010000000000004555520268e5cf8b0100001c2640a02526f3a48f2cbca6bf747155cd1327c9f9423c8a2c097e9a0474e0b40197ffc883c80bee7237ef95d9b9b703d4ad63e60a21e605867682b75b8b3f4303a3de690c868da309a28a6997eee4eb9c03a1d3e7bb0909856716d45847baa7cd818208257c56cfd293cba63acc59e121ce365fc15a54887582f9db025db23f03"),
    ("order id, key", "32048b5dda957c2c08a76168a0dcb9d794d850705868b1db9e402bb13a9cb0b8"),
    ("order signing bytes", "0e6465787465722f312f6f7264657280d9127be1e67e363a5d20a48edc4652a5730d315031bcf58472d46b27f9e8a20a000000436166c3a9204c616e6583010000000000004555520268e5cf8b0100001c2640a02526f3a48f2cbca6bf747155cd1327c9f9423c8a2c097e9a0474e0b40197ffc883c80bee7237ef95d9b9b703d4ad63e60a21e605867682b75b8b3f4303"),
    ("entry", "000a000000436166c3a9204c616e6583010000000000004555520168e5cf8b01000024008a10aa6e6562af9a21382d1eb3993c16725404efc828bf4eb429f87c06cf0092ab6733e0ddcf6e35ada37193ebab59360d782b96463fe9cf1e1b3604d11d66"),
    ("batch", "370 bytes, SHA-256 0b938c545291d1e00a0cb9f73cce8fa79ad3d06a48425f8cd07d6d29940a130d"),
    ("batch entries hash", "1969447d9dd52fd42e0941a7399976a0519b73f1f5224c38c7a86d85d2631596"),
    ("batch id", "f12d8b94c85369ff22f0d4949032f3265963220916a53675cd876ba211d1e465"),
    ("full batch", "413 bytes, SHA-256 920ccec73c2af769653fbfbde4b61071b75826d9afb79ba229fda1e1992894eb"),
    ("batch list root", "4be6f4e26dc437dad01d503ff1dfe7322ecf799ba75b1565deeb3da3b17e78b6"),
    ("header", "030080d9127be1e67e363a5d20a48edc4652a5730d315031bcf58472d46b27f9e8a20000000000000000010000000000000080d9127be1e67e363a5d20a48edc4652a5730d315031bcf58472d46b27f9e8a2f469e5cf8b0100000000af09c3f05b76ca33ff7fb07a2ff10a66524c300a9c15b3308d68d6bd4bec6d383b4dee72685328b59b270fbab1a004674be6f4e26dc437dad01d503ff1dfe7322ecf799ba75b1565deeb3da3b17e78b60200000000000000932fd004b409b3f8196d46f154e5a2404d118c5864e167d84d1c195778d9ae51"),
    ("block hash", "09068bd51040e244afcc9f7be3da255f885d1fe421d7ee5d20e703683951b821"),
    ("signed block", "312 bytes, SHA-256 45f3c5d3eddeee4131b1f218bf0225ee65083bf23ded877313b626f3a0190779"),
    ("signed header", "276 bytes, SHA-256 bf7a7a053e0af35cb288a6bdebc8a6eed37f0028d7f032d90140726787203083"),
    ("seed", "d6429c5e1e7917a4bcc34569e76c409de1d2be47334ac695743cd14509f763bb"),
    ("certify signing bytes", "106465787465722f312f6365727469667980d9127be1e67e363a5d20a48edc4652a5730d315031bcf58472d46b27f9e8a20000000000000000010000000000000009068bd51040e244afcc9f7be3da255f885d1fe421d7ee5d20e703683951b821"),
    ("finalize signing bytes", "116465787465722f312f66696e616c697a6580d9127be1e67e363a5d20a48edc4652a5730d315031bcf58472d46b27f9e8a20000000000000000010000000000000009068bd51040e244afcc9f7be3da255f885d1fe421d7ee5d20e703683951b821"),
    ("vote to certify", "000000000000000000010000000000000009068bd51040e244afcc9f7be3da255f885d1fe421d7ee5d20e703683951b8210000433b247096f5cec0567edcd1282cc2483c387d89841685d9590221d9a82579851c4deee9c8c191933ef98b000e0007d82dc2fd5e794839f6247b206ee1428f05"),
    ("vote to finalize", "010000000000000000010000000000000009068bd51040e244afcc9f7be3da255f885d1fe421d7ee5d20e703683951b8210300ae072588d20fbc14bd59ad15389c4878ab70d1d5dba41f3aa5767ee48f3d98d8b54304d2f2ea21a0076f4ba2b40d35560afa80fb4e35478b9a961b9ea5702900"),
    ("certificate", "010000000000000000010000000000000009068bd51040e244afcc9f7be3da255f885d1fe421d7ee5d20e703683951b821030000000000e8791d4c8e652fd64cf043410b19ef2f3f9d782db04561d81994c148bda7ce2d1999de70969961cd7021847208de4ab28c3e01c31cd9f11ad7e64306962b1e030100727577cb2388b1257ba8a0f381de3df71911179d7c56adc69016be44ed19130ce3bde4ec6d93a297a446de65914332a80133d749fff88d50b4fd7899542384090300ae072588d20fbc14bd59ad15389c4878ab70d1d5dba41f3aa5767ee48f3d98d8b54304d2f2ea21a0076f4ba2b40d35560afa80fb4e35478b9a961b9ea5702900"),
    ("equivocation", "552 bytes, SHA-256 d5b8bd92e30dcba0eec427587889431d85e0193b62c454e85c7eba2aa131b6d5"),
    ("receipt", "676 bytes, SHA-256 6128047023997f6cbb1b9d3c1bfed2b537a9fc5495f124421803025f3a788763"),
    ("message: status", "00010000000000000002000000000000000300000000000000"),
    ("message: batch", "414 bytes, SHA-256 32a0b9167ae4292766c0fca1b08e63bd2899f7a41577d2b3c4f0b07d7078b822"),
    ("message: proposal", "565 bytes, SHA-256 23e0eb32c790737dce8dd3e0a97db80353293535cd13a765496249570585631f"),
    ("message: first proposal", "314 bytes, SHA-256 f000600cc34810d94db54b96d1aac4aeaba5f94305ea229182b2b4a19f80b6c9"),
    ("message: vote", "03000000000000000000010000000000000009068bd51040e244afcc9f7be3da255f885d1fe421d7ee5d20e703683951b8210000433b247096f5cec0567edcd1282cc2483c387d89841685d9590221d9a82579851c4deee9c8c191933ef98b000e0007d82dc2fd5e794839f6247b206ee1428f05"),
    ("message: certificate", "04010000000000000000010000000000000009068bd51040e244afcc9f7be3da255f885d1fe421d7ee5d20e703683951b821030000000000e8791d4c8e652fd64cf043410b19ef2f3f9d782db04561d81994c148bda7ce2d1999de70969961cd7021847208de4ab28c3e01c31cd9f11ad7e64306962b1e030100727577cb2388b1257ba8a0f381de3df71911179d7c56adc69016be44ed19130ce3bde4ec6d93a297a446de65914332a80133d749fff88d50b4fd7899542384090300ae072588d20fbc14bd59ad15389c4878ab70d1d5dba41f3aa5767ee48f3d98d8b54304d2f2ea21a0076f4ba2b40d35560afa80fb4e35478b9a961b9ea5702900"),
    ("message: evidence", "553 bytes, SHA-256 e4ad5b286435b58183ea06ef42e219a522c9cc1b96bc189b4038ab5a3d145f41"),
    ("message: fetch block", "06010000000000000009068bd51040e244afcc9f7be3da255f885d1fe421d7ee5d20e703683951b821"),
    ("message: fetch batches", "0701000000f12d8b94c85369ff22f0d4949032f3265963220916a53675cd876ba211d1e465"),
    ("message: fetch final", "080201000000000000"),
    ("message: final blocks", "1201 bytes, SHA-256 8c7a66b33a3b176a9e4abff522c6bd8dd558ba93780da05d1754c5bd21740cfe"),
];
