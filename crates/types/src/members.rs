//! The members of an epoch and their quorum (`docs/protocol.md` §2).

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{
    fixed::{IdentityPublicKey, LotteryPublicKey, MemberId},
    mutation::{Mutation, mutated},
    units::MemberIndex,
};

/// How members may fail, and with it how many make a quorum.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum FaultModel {
    /// Up to ⌊(n−1)/3⌋ members may lie: q = n − ⌊(n−1)/3⌋.
    Byzantine,
    /// Members may stop but never lie: q = ⌊n/2⌋ + 1.
    Crash,
}

impl FaultModel {
    /// How many of `members` make a quorum.
    pub const fn quorum(self, members: usize) -> usize {
        match self {
            Self::Byzantine => members.saturating_sub(self.tolerated(members)),
            Self::Crash => (members / 2).saturating_add(1),
        }
    }

    /// How many of `members` may fail while the others go on.
    pub const fn tolerated(self, members: usize) -> usize {
        match self {
            Self::Byzantine => members.saturating_sub(1) / 3,
            Self::Crash => members.saturating_sub(1) / 2,
        }
    }
}

/// A member as the protocol sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The permanent id.
    pub id: MemberId,
    /// What people call it.
    pub name: String,
    /// Signs its blocks, batches, votes and connections.
    pub identity_key: IdentityPublicKey,
    /// Draws its tickets.
    pub lottery_key: LotteryPublicKey,
}

/// The members of an epoch, sorted by lottery key; an index into them names a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSet {
    members: Vec<Member>,
    fault_model: FaultModel,
}

impl MemberSet {
    /// Sorts the members by lottery key.
    pub fn new(mut members: Vec<Member>, fault_model: FaultModel) -> Self {
        members.sort_by_key(|member| member.lottery_key);
        Self {
            members,
            fault_model,
        }
    }
    /// All members, in the order of their indexes.
    pub fn members(&self) -> &[Member] {
        &self.members
    }
    /// How many there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }
    /// True when there are none, which no genesis allows.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
    /// How members may fail.
    pub const fn fault_model(&self) -> FaultModel {
        self.fault_model
    }
    /// How many make a quorum.
    pub fn quorum(&self) -> usize {
        let quorum = self.fault_model.quorum(self.members.len());
        quorum.saturating_sub(usize::from(mutated(Mutation::SmallQuorum)))
    }
    /// The member at an index.
    pub fn get(&self, index: MemberIndex) -> Option<&Member> {
        self.members.get(index.as_usize())
    }
    /// All indexes, rising.
    pub fn indexes(&self) -> impl Iterator<Item = MemberIndex> + use<> {
        (0..u16::try_from(self.members.len()).unwrap_or(u16::MAX)).map(MemberIndex)
    }
    /// The index of the member with a permanent id.
    pub fn index_of(&self, id: &MemberId) -> Option<MemberIndex> {
        self.find(|member| member.id == *id)
    }
    /// The index of the member with an identity key.
    pub fn index_of_identity(&self, key: &IdentityPublicKey) -> Option<MemberIndex> {
        self.find(|member| member.identity_key == *key)
    }
    /// The member with a permanent id.
    pub fn by_id(&self, id: &MemberId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == *id)
    }

    fn find(&self, wanted: impl Fn(&Member) -> bool) -> Option<MemberIndex> {
        let place = self.members.iter().position(wanted)?;
        u16::try_from(place).ok().map(MemberIndex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorums_of_both_models() {
        let byzantine: Vec<_> = (1..=10).map(|n| FaultModel::Byzantine.quorum(n)).collect();
        assert_eq!(byzantine, [1, 2, 3, 3, 4, 5, 5, 6, 7, 7]);
        let crash: Vec<_> = (1..=10).map(|n| FaultModel::Crash.quorum(n)).collect();
        assert_eq!(crash, [1, 2, 2, 3, 3, 4, 4, 5, 5, 6]);
        for n in 1..200 {
            for model in [FaultModel::Byzantine, FaultModel::Crash] {
                let liars = if model == FaultModel::Byzantine {
                    model.tolerated(n)
                } else {
                    0
                };
                assert!(2 * model.quorum(n) - n > liars, "{model:?} {n}");
                assert!(n - model.tolerated(n) >= model.quorum(n), "{model:?} {n}");
            }
        }
    }
}
