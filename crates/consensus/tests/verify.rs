//! The whole chain's check: a small chain holds, and each single change to it is found.

mod support;

use std::{collections::BTreeSet, sync::Arc};

use consensus::{ChainVerifier, Verified, VerifyError, draw, genesis_parent, ticket_bytes};
use support::Network;
use types::{
    Amount, Batch, BatchId, Block, BlockHash, BlsAndEd25519, Certificate, ChainId, Digest, Entry,
    Epoch, FinalBlock, Frontier, FullBatch, Header, Height, IdentitySecret, IdentitySignature,
    LogSize, LotterySignature, MemberId, MemberIndex, Order, OrderId, PersonalPart, RecordedIds,
    Signatures, SignedBlock, Simulated, Sought, Text, UnixMillis, VerifiedBatch, VoteKind, Voucher,
    block::batches_root, genesis::next_seed, members::FaultModel,
};

/// A chain of five blocks by three members: 1 seals two batches, 2 one in which an order is there
/// again, 3 nothing, 4 one, 5 two. Blocks 2 and 5 have finality certificates.
struct Chain {
    network: Network,
    blocks: Vec<FinalBlock>,
    certificates: Vec<Option<Certificate>>,
}

#[derive(Default)]
struct Ids(BTreeSet<OrderId>);

impl RecordedIds for Ids {
    fn is_recorded(&self, order: Sought<'_>) -> bool {
        self.0.contains(order.id)
    }
}

fn personal(number: u8) -> PersonalPart {
    PersonalPart {
        salt: [number; 16],
        customer: Text::new(format!("ANON-{number}")).unwrap(),
        details: Text::new("1 Latte").unwrap(),
    }
}

impl Network {
    fn order(&self, number: u8, voucher: Voucher) -> Order {
        Order {
            receiver: Text::new("Test Lane").unwrap(),
            amount: Amount {
                minor_units: 100 + u64::from(number),
                currency: self.genesis.currency,
            },
            placed_at: UnixMillis(1_700_000_000_000),
            personal_hash: personal(number).hash(),
            voucher,
        }
    }

    /// An order signed by a customer: any member's batch may carry it.
    fn signed(&self, signatures: &dyn Signatures, number: u8) -> Order {
        let order = self.order(number, Voucher::Till(MemberId::ZERO));
        let customer = IdentitySecret::new([200; 32]);
        order.sign(signatures, &self.genesis.chain_id(), &customer)
    }

    /// A batch of the member at an index, its orders taken at its till unless they are signed.
    fn batch(
        &self,
        signatures: &dyn Signatures,
        author: usize,
        number: u64,
        orders: &[u8],
    ) -> FullBatch {
        let id = self.members.members()[author].id;
        let entry = |number: &u8| {
            Entry::Order(if *number >= 100 {
                self.signed(signatures, *number)
            } else {
                self.order(*number, Voucher::Till(id))
            })
        };
        let entries = orders.iter().map(entry);
        let (secret, _) = &self.secrets[author];
        let chain = self.genesis.chain_id();
        let batch = Batch::sign(signatures, &chain, secret, id, number, entries);
        let personal = orders
            .iter()
            .map(|number| Some(personal(*number)))
            .collect::<Vec<_>>();
        FullBatch {
            batch: batch.batch().clone(),
            personal: Arc::new(personal),
        }
    }
}

impl Chain {
    fn new(signatures: &dyn Signatures) -> Self {
        let network = Network::new(signatures, 3, FaultModel::Byzantine);
        let batch =
            |author, number, orders: &[u8]| network.batch(signatures, author, number, orders);
        let sealed = [
            (0, vec![batch(0, 1, &[1, 100]), batch(1, 1, &[2])]),
            (1, vec![batch(2, 1, &[100, 3])]),
            (2, vec![]),
            (1, vec![batch(0, 2, &[4])]),
            (0, vec![batch(1, 2, &[5, 6, 101]), batch(2, 2, &[101, 7])]),
        ];
        let mut chain = Self {
            network,
            blocks: Vec::new(),
            certificates: Vec::new(),
        };
        let mut parent = genesis_parent(&chain.network.genesis);
        let (mut frontier, mut recorded) = (Frontier::new(), Ids::default());
        for (proposer, batches) in sealed {
            let executed = execute(&frontier, &recorded, &batches);
            recorded.0.extend(executed.recorded.ids());
            frontier = executed.frontier;
            let header = chain.header(signatures, &parent, proposer, &batches, &frontier);
            parent = consensus::Parent {
                hash: header.hash(),
                height: header.height,
                seed: next_seed(&parent.seed, &header.ticket),
                timestamp: header.timestamp,
            };
            let ids = batches.iter().map(|full| full.batch.id()).collect();
            let block = Block {
                header,
                batches: ids,
            };
            let (secret, _) = &chain.network.secrets[usize::from(proposer)];
            let block = SignedBlock::sign(signatures, secret, block);
            chain.blocks.push(FinalBlock { block, batches });
            chain.certificates.push(None);
        }
        chain.certify(signatures, 2, VoteKind::Finalize, &[0, 1, 2]);
        chain.certify(signatures, 5, VoteKind::Finalize, &[0, 1, 2]);
        chain
    }

    fn header(
        &self,
        signatures: &dyn Signatures,
        parent: &consensus::Parent,
        proposer: u16,
        batches: &[FullBatch],
        frontier: &Frontier,
    ) -> Header {
        let chain = self.network.genesis.chain_id();
        let height = parent.height.next();
        let bytes = ticket_bytes(&chain, Epoch(0), height, &parent.seed);
        let (_, secret) = &self.network.secrets[usize::from(proposer)];
        let timing = &self.network.genesis.timing;
        let proposer = MemberIndex(proposer);
        let ids: Vec<BatchId> = batches.iter().map(|full| full.batch.id()).collect();
        Header {
            version: types::FORMAT_VERSION,
            chain,
            epoch: Epoch(0),
            height,
            parent: parent.hash,
            timestamp: parent.timestamp.plus_millis(1),
            proposer,
            ticket: draw(signatures, secret, &bytes, proposer, timing, 3).ticket,
            batches_root: batches_root(&ids),
            log_size: frontier.size(),
            log_root: frontier.root(),
        }
    }

    /// Puts a certificate by these members on the block of a height.
    fn certify(
        &mut self,
        signatures: &dyn Signatures,
        height: u64,
        kind: VoteKind,
        voters: &[u16],
    ) {
        let hash = self.block(height).block.hash();
        let votes = voters
            .iter()
            .map(|voter| {
                self.network
                    .vote(signatures, kind, height, hash, *voter)
                    .share()
            })
            .collect();
        *self.certificate(height) = Some(Certificate {
            kind,
            epoch: Epoch(0),
            height: Height(height),
            block: hash,
            votes,
        });
    }

    fn block(&mut self, height: u64) -> &mut FinalBlock {
        &mut self.blocks[usize::try_from(height - 1).unwrap()]
    }

    fn certificate(&mut self, height: u64) -> &mut Option<Certificate> {
        &mut self.certificates[usize::try_from(height - 1).unwrap()]
    }

    /// Changes the header of a height and signs it anew, as a lying proposer would.
    fn reseal(&mut self, height: u64, change: fn(&mut Header)) {
        let proposer = self.block(height).block.header().proposer;
        let (secret, _) = self.network.secrets[proposer.as_usize()].clone();
        let block = self.block(height);
        change(&mut block.block.block.header);
        block.block = SignedBlock::sign(&Simulated, &secret, block.block.block.clone());
    }

    /// Seals these batches at a height, with a header that commits to them rightly.
    fn reseal_batches(&mut self, height: u64, batches: Vec<FullBatch>) {
        let (mut frontier, mut recorded) = (Frontier::new(), Ids::default());
        for below in &self.blocks[..usize::try_from(height - 1).unwrap()] {
            let executed = execute(&frontier, &recorded, &below.batches);
            recorded.0.extend(executed.recorded.ids());
            frontier = executed.frontier;
        }
        let frontier = execute(&frontier, &recorded, &batches).frontier;
        let block = self.block(height);
        block.block.block.batches = batches.iter().map(|full| full.batch.id()).collect();
        block.batches = batches;
        let header = &mut block.block.block.header;
        header.batches_root = batches_root(&block.block.block.batches);
        header.log_size = frontier.size();
        header.log_root = frontier.root();
        self.reseal(height, |_| {});
    }

    fn verify(&self, signatures: &dyn Signatures) -> Result<Verified, VerifyError> {
        let mut verifier = ChainVerifier::new(&self.network.genesis);
        for (block, certificate) in self.blocks.iter().zip(&self.certificates) {
            verifier.push(signatures, block, certificate.as_ref())?;
        }
        verifier.finish()
    }
}

fn execute(before: &Frontier, branch: &Ids, batches: &[FullBatch]) -> ledger::Executed {
    let batches: Vec<VerifiedBatch> = batches
        .iter()
        .map(|full| VerifiedBatch::from_own_disk(full.batch.clone()))
        .collect();
    ledger::execute(before, branch, &batches)
}

/// Asserts where and why the chain is refused after one change.
#[track_caller]
fn refused(height: u64, reason: &str, change: impl FnOnce(&mut Chain)) {
    let mut chain = Chain::new(&Simulated);
    change(&mut chain);
    let expected = VerifyError {
        height: Height(height),
        reason: reason.to_owned(),
    };
    assert_eq!(chain.verify(&Simulated), Err(expected));
}

#[test]
fn a_right_chain_holds_with_either_signatures() {
    let real = BlsAndEd25519::new();
    for signatures in [&real as &dyn Signatures, &Simulated] {
        let mut chain = Chain::new(signatures);
        let expected = Verified {
            height: Height(5),
            block: chain.block(5).block.hash(),
            // Eleven entries, of which one was recorded below and one in the same block.
            orders: 9,
            certificates: 2,
        };
        assert_eq!(chain.verify(signatures), Ok(expected));
    }
}

#[test]
fn an_empty_chain_and_one_without_personal_parts_hold() {
    let mut chain = Chain::new(&Simulated);
    for block in &mut chain.blocks {
        for full in &mut block.batches {
            Arc::make_mut(&mut full.personal).fill(None);
        }
    }
    assert!(chain.verify(&Simulated).is_ok());
    let verified = ChainVerifier::new(&chain.network.genesis).finish().unwrap();
    let place = (verified.height, verified.orders, verified.certificates);
    assert_eq!(place, (Height(0), 0, 0));
}

type Change = fn(&mut Header);

#[test]
fn each_field_of_a_header_is_checked() {
    let log = "the order log it commits to is not what its orders yield";
    let fields: [(&str, Change); 16] = [
        ("format version 2 is not known here", |header| {
            header.version = 2;
        }),
        ("it belongs to another network", |header| {
            header.chain = ChainId::ZERO;
        }),
        ("its epoch is not the parent's", |header| {
            header.epoch = Epoch(1);
        }),
        ("its height is not one above its parent's", |header| {
            header.height = Height(1);
        }),
        ("its height is not one above its parent's", |header| {
            header.height = Height(3);
        }),
        ("it names another parent", |header| {
            header.parent = BlockHash::ZERO;
        }),
        ("its timestamp is not later than its parent's", |header| {
            header.timestamp.0 -= 1
        }),
        ("its timestamp is not later than its parent's", |header| {
            header.timestamp = UnixMillis(0)
        }),
        ("its proposer is not a member", |header| {
            header.proposer = MemberIndex(3);
        }),
        (
            "its ticket is not its proposer's on the parent's seed",
            |header| header.proposer = MemberIndex(2),
        ),
        (
            "its ticket is not its proposer's on the parent's seed",
            |header| header.ticket = LotterySignature::ZERO,
        ),
        ("its list of batches does not match its header", |header| {
            header.batches_root = Digest::ZERO
        }),
        (log, |header| header.log_size = LogSize(5)),
        (log, |header| header.log_size = LogSize(3)),
        (log, |header| header.log_root = Digest::ZERO),
        (log, |header| header.log_root = types::merkle::empty_root()),
    ];
    for (reason, change) in fields {
        let reseal = |chain: &mut Chain| {
            // Signed by the proposer there was: its secret is all a liar has.
            let (secret, _) = chain.network.secrets[1].clone();
            let block = chain.block(2);
            change(&mut block.block.block.header);
            block.block = SignedBlock::sign(&Simulated, &secret, block.block.block.clone());
        };
        refused(2, reason, reseal);
    }
}

/// A ticket of its proposer, but drawn for another height or on another seed.
#[test]
fn a_ticket_is_for_one_place_only() {
    let reason = "its ticket is not its proposer's on the parent's seed";
    for place in [(Height(4), None), (Height(5), Some([9; 32]))] {
        refused(5, reason, |chain| {
            let genesis = &chain.network.genesis;
            let mut seed = genesis.seed();
            for block in &chain.blocks[..4] {
                seed = next_seed(&seed, &block.block.header().ticket);
            }
            let (height, other) = place;
            let seed = other.map_or(seed, types::Seed::new);
            let bytes = ticket_bytes(&genesis.chain_id(), Epoch(0), height, &seed);
            let ticket = Simulated.sign_lottery(&chain.network.secrets[0].1, &bytes);
            chain.block(5).block.block.header.ticket = ticket;
            chain.reseal(5, |_| {});
        });
    }
}

#[test]
fn a_block_needs_its_proposers_signature() {
    let reason = "its proposer's signature is wrong";
    refused(3, reason, |chain| {
        let signature = chain.block(4).block.signature;
        chain.block(3).block.signature = signature;
    });
    refused(3, reason, |chain| {
        chain.block(3).block.block.header.timestamp.0 += 1;
    });
    refused(3, reason, |chain| {
        let (another, _) = chain.network.secrets[0].clone();
        let block = chain.block(3).block.block.clone();
        chain.block(3).block = SignedBlock::sign(&Simulated, &another, block);
    });
}

#[test]
fn a_block_changed_and_signed_anew_breaks_the_one_above() {
    refused(2, "it names another parent", |chain| {
        chain.reseal(1, |header| header.timestamp = UnixMillis(1_700_000_000_002));
    });
    refused(3, "it names another parent", |chain| {
        *chain.certificate(2) = None;
        chain.reseal(2, |header| header.timestamp.0 += 1);
    });
    refused(4, "its height is not one above its parent's", |chain| {
        chain.blocks.remove(3);
    });
    refused(2, "its height is not one above its parent's", |chain| {
        chain.blocks.swap(1, 2);
    });
}

#[test]
fn the_batches_are_those_of_the_list() {
    let other_list = "its list of batches does not match its header";
    refused(1, other_list, |chain| {
        chain.block(1).block.block.batches.swap(0, 1);
    });
    refused(1, other_list, |chain| {
        chain.block(1).block.block.batches.pop();
    });
    refused(1, "not all of its batches are there", |chain| {
        chain.block(1).batches.pop();
    });
    refused(3, "not all of its batches are there", |chain| {
        let another = chain.block(4).batches[0].clone();
        chain.block(3).batches.push(another);
    });
    let first = Chain::new(&Simulated).block(1).block.block.batches[0];
    let reason = format!("batch {} is not the one its list names", first.short());
    refused(1, &reason, |chain| {
        chain.block(1).batches.swap(0, 1);
    });
    let fourth = Chain::new(&Simulated).block(4).block.block.batches[0];
    let reason = format!("batch {} is not the one its list names", fourth.short());
    refused(4, &reason, |chain| {
        chain.block(4).batches[0] = chain.network.batch(&Simulated, 0, 3, &[4]);
    });
}

#[test]
fn a_batch_is_sealed_once() {
    let mut chain = Chain::new(&Simulated);
    let first = chain.block(1).batches[0].clone();
    let reason = format!("batch {} is sealed twice", first.batch.id().short());
    refused(4, &reason, |chain| {
        let again = chain.block(1).batches[0].clone();
        chain.reseal_batches(4, vec![again]);
    });
    refused(1, &reason, |chain| {
        let first = chain.block(1).batches[0].clone();
        chain.reseal_batches(1, vec![first.clone(), first]);
    });
}

#[test]
fn an_entry_is_what_its_author_and_customer_signed() {
    refused(4, "a signature of the batch is wrong", |chain| {
        let batch = Arc::make_mut(&mut chain.block(4).batches[0].batch);
        let Entry::Order(order) = &mut batch.entries[0];
        order.amount.minor_units += 1;
    });
    refused(4, "a signature of the batch is wrong", |chain| {
        Arc::make_mut(&mut chain.block(4).batches[0].batch).number += 1;
    });
    let foreign = "entry 0 is vouched for by another member than the batch's author";
    refused(4, foreign, |chain| {
        let another = chain.network.members.members()[1].id;
        Arc::make_mut(&mut chain.block(4).batches[0].batch).author = another;
    });
    refused(4, "a batch is by nobody among the members", |chain| {
        Arc::make_mut(&mut chain.block(4).batches[0].batch).author = MemberId::ZERO;
    });
}

fn personal_of(chain: &mut Chain) -> &mut Vec<Option<PersonalPart>> {
    Arc::make_mut(&mut chain.block(1).batches[0].personal)
}

#[test]
fn personal_parts_are_those_the_orders_commit_to() {
    let reason = "a customer or details are not those the order commits to";
    refused(1, reason, |chain| {
        let part = personal_of(chain)[0].as_mut().unwrap();
        part.customer = Text::new("ANON-9").unwrap();
    });
    refused(1, reason, |chain| {
        personal_of(chain).swap(0, 1);
    });
    refused(1, reason, |chain| {
        personal_of(chain).pop();
    });
    refused(1, reason, |chain| {
        personal_of(chain).push(None);
    });
}

#[test]
fn a_block_keeps_the_networks_limits() {
    let reason = "it seals more than the network's limits allow";
    refused(4, reason, |chain| {
        // Seven entries where six are allowed, though one of them would be skipped.
        let network = &chain.network;
        let batches = vec![
            network.batch(&Simulated, 0, 3, &[10, 11, 12, 100]),
            network.batch(&Simulated, 1, 3, &[13, 14, 15]),
        ];
        chain.reseal_batches(4, batches);
    });
    let most = "the batch carries 5 entries; the network allows 1 to 4";
    refused(4, most, |chain| {
        let batch = chain.network.batch(&Simulated, 0, 3, &[10, 11, 12, 13, 14]);
        chain.reseal_batches(4, vec![batch]);
    });
}

#[test]
fn a_certificate_is_about_its_block_and_by_a_quorum() {
    let about = "its finality certificate is about something else";
    let signed = "its finality certificate is not signed by a quorum of the members";
    refused(2, about, |chain| {
        *chain.certificate(2) = chain.certificate(5).clone();
    });
    refused(2, about, |chain| {
        chain.certify(&Simulated, 2, VoteKind::Certify, &[0, 1, 2]);
    });
    let changes: [fn(&mut Certificate); 3] = [
        |certificate| certificate.block = BlockHash::ZERO,
        |certificate| certificate.height = Height(3),
        |certificate| certificate.epoch = Epoch(1),
    ];
    for change in changes {
        refused(2, about, |chain| {
            change(chain.certificate(2).as_mut().unwrap());
        });
    }
    refused(2, signed, |chain| {
        chain.certify(&Simulated, 2, VoteKind::Finalize, &[0, 1]);
    });
    refused(2, signed, |chain| {
        chain.certify(&Simulated, 2, VoteKind::Finalize, &[0, 1, 1]);
    });
    refused(2, signed, |chain| {
        chain.certify(&Simulated, 2, VoteKind::Finalize, &[0, 2, 1]);
    });
    refused(2, signed, |chain| {
        let certificate = chain.certificate(2).as_mut().unwrap();
        certificate.votes[1].signature = IdentitySignature::ZERO;
    });
    // A changed last block is no longer what its certificate is about.
    refused(5, about, |chain| {
        chain.reseal(5, |header| header.timestamp.0 += 1);
    });
}

#[test]
fn the_end_is_covered_by_a_certificate() {
    let reason = "no finality certificate covers the blocks above 2";
    refused(5, reason, |chain| *chain.certificate(5) = None);
    refused(4, reason, |chain| {
        chain.blocks.pop();
        chain.certificates.pop();
    });
    let none = "no finality certificate covers the blocks above 0";
    refused(5, none, |chain| chain.certificates.fill(None));
}

#[test]
fn a_chain_of_another_network_is_refused() {
    refused(1, "it belongs to another network", |chain| {
        chain.network.genesis.network = Text::new("Another Lane").unwrap();
    });
}
