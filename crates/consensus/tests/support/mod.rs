//! A network with fixed secrets, for the tests of this crate.
#![allow(dead_code, reason = "every test file uses its own part")]

use types::{
    BlockHash, Epoch, Genesis, Height, IdentitySecret, LotterySecret, MemberCard, MemberIndex,
    MemberSet, Micros, Signatures, Text, Timing, UnixMillis, Vote, VoteKind, genesis::Admission,
    members::FaultModel,
};

/// A genesis with its members and their secrets, by index.
pub(crate) struct Network {
    pub(crate) genesis: Genesis,
    pub(crate) members: MemberSet,
    pub(crate) secrets: Vec<(IdentitySecret, LotterySecret)>,
}

impl Network {
    pub(crate) fn new(signatures: &dyn Signatures, members: u8, fault_model: FaultModel) -> Self {
        let pairs: Vec<_> = (1..=members)
            .map(|number| {
                (
                    IdentitySecret::new([number; 32]),
                    LotterySecret::new([number; 32]),
                )
            })
            .collect();
        let card = |(place, (identity, lottery)): (usize, &(IdentitySecret, LotterySecret))| {
            let name = Text::new(format!("Shop {place}")).unwrap();
            MemberCard::new(signatures, name, identity, lottery)
        };
        let genesis = Genesis {
            version: types::FORMAT_VERSION,
            network: Text::new("Test Lane").unwrap(),
            genesis_time: UnixMillis(1_700_000_000_000),
            currency: "EUR".parse().unwrap(),
            fault_model,
            timing: Timing {
                min_wait: Micros(1_000),
                mean_wait: Micros(5_000),
                grace: Micros(5_000),
            },
            max_block_orders: 6,
            max_block_bytes: 128 * 1024,
            max_batch_orders: 4,
            heartbeat: Micros(0),
            admission: Admission::Fixed,
            members: pairs.iter().enumerate().map(card).collect(),
        };
        assert_eq!(genesis.check(signatures), Ok(()));
        let set = genesis.member_set();
        let secrets = set
            .members()
            .iter()
            .map(|member| {
                let of_member = |pair: &&(IdentitySecret, LotterySecret)| {
                    signatures.lottery_public(&pair.1) == member.lottery_key
                };
                pairs.iter().find(of_member).unwrap().clone()
            })
            .collect();
        Self {
            genesis,
            members: set,
            secrets,
        }
    }

    /// The vote of the member at an index.
    pub(crate) fn vote(
        &self,
        signatures: &dyn Signatures,
        kind: VoteKind,
        height: u64,
        block: BlockHash,
        voter: u16,
    ) -> Vote {
        let (secret, _) = &self.secrets[usize::from(voter)];
        Vote::sign(
            signatures,
            secret,
            &self.genesis.chain_id(),
            kind,
            Epoch(0),
            Height(height),
            block,
            MemberIndex(voter),
        )
    }
}
