//! The lottery: who waits how long (`docs/protocol.md` §4).

use types::{
    ChainId, Digest, Epoch, Height, LotterySecret, LotterySignature, MemberIndex, Micros, Mutation,
    Seed, Signatures, Timing,
    encoding::{Domain, signing_bytes},
    mutated,
};

/// A block's place among those of its height: lower is better, on whatever parents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank {
    /// First 8 bytes of SHA-256(ticket), big-endian.
    pub u: u64,
    /// Decides between equal draws.
    pub proposer: MemberIndex,
}

/// What a ticket draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// The ticket: a unique signature, so nobody can choose it and everybody can check it.
    pub ticket: LotterySignature,
    /// Its place among the others.
    pub rank: Rank,
    /// How long its owner waits before proposing.
    pub wait: Micros,
}

/// The bytes a ticket signs: tag ‖ chain ‖ epoch ‖ height ‖ seed of the parent.
pub fn ticket_bytes(chain: &ChainId, epoch: Epoch, height: Height, parent_seed: &Seed) -> Vec<u8> {
    signing_bytes(Domain::Ticket, chain, &(epoch, height, parent_seed))
}

/// The number a ticket draws, uniform over all 64-bit numbers.
fn u_of(ticket: &LotterySignature) -> u64 {
    let digest: Digest = types::encoding::sha256(ticket.as_ref());
    digest
        .as_bytes()
        .iter()
        .take(8)
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// The wait of a drawn number among `members`:
/// `min_wait + (u · mean_wait · (members + 1)) >> 64`, uniform between the shortest and the longest;
/// the expected shortest of all members' waits is `min_wait + mean_wait`.
pub fn wait_of(u: u64, timing: &Timing, members: usize) -> Micros {
    let mut range = timing.mean_wait.times((members as u64).saturating_add(1));
    if mutated(Mutation::HalfTheWait) {
        range = Micros(range.0 >> 1);
    }
    let above = u128::from(u).saturating_mul(u128::from(range.0)) >> 64;
    timing
        .min_wait
        .plus(Micros(u64::try_from(above).unwrap_or(u64::MAX)))
}

/// What a given ticket of a proposer draws.
pub fn draw_of(
    ticket: LotterySignature,
    proposer: MemberIndex,
    timing: &Timing,
    members: usize,
) -> Draw {
    let u = u_of(&ticket);
    Draw {
        ticket,
        rank: Rank { u, proposer },
        wait: wait_of(u, timing, members),
    }
}

/// Draws a member's own ticket; `bytes` are [`ticket_bytes`].
pub fn draw(
    signatures: &dyn Signatures,
    secret: &LotterySecret,
    bytes: &[u8],
    proposer: MemberIndex,
    timing: &Timing,
    members: usize,
) -> Draw {
    draw_of(
        signatures.sign_lottery(secret, bytes),
        proposer,
        timing,
        members,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_span_the_range_and_the_original_is_one_to_twenty_seconds() {
        let timing = Timing::between(
            Micros::from_millis(1_000),
            Micros::from_millis(20_000),
            3,
            Micros(5_000),
        );
        assert_eq!(timing.mean_wait, Micros::from_millis(4_750));
        assert_eq!(wait_of(0, &timing, 3), Micros::from_millis(1_000));
        assert_eq!(wait_of(u64::MAX, &timing, 3), Micros(19_999_999));
        assert_eq!(wait_of(1 << 63, &timing, 3), Micros::from_millis(10_500));
    }
}
