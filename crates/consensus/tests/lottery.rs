//! The lottery: what a ticket draws, and that the draw is fair.

mod support;

use consensus::{Draw, Rank, draw, draw_of, ticket_bytes, wait_of};
use support::Network;
use types::{
    BlsAndEd25519, ChainId, Epoch, Height, LotterySignature, MemberIndex, Micros, Seed, Signatures,
    Simulated, Timing, genesis::next_seed, members::FaultModel,
};

const TIMING: Timing = Timing {
    min_wait: Micros(1_000_000),
    mean_wait: Micros(4_750_000),
    grace: Micros(5_000),
};

/// Computed apart from this code, from the protocol's text.
#[test]
fn a_ticket_draws_the_first_eight_bytes_of_its_hash() {
    let timing = Timing {
        min_wait: Micros(1_000),
        mean_wait: Micros(5_000),
        grace: Micros(5_000),
    };
    let ticket = LotterySignature::new([7; 48]);
    let expected = Draw {
        ticket,
        rank: Rank {
            u: 0x6195_4f91_dbee_31fa,
            proposer: MemberIndex(2),
        },
        wait: Micros(10_529),
    };
    assert_eq!(draw_of(ticket, MemberIndex(2), &timing, 4), expected);
}

#[test]
fn a_ticket_signs_tag_chain_epoch_height_and_seed() {
    let (chain, seed) = (ChainId::new([1; 32]), Seed::new([2; 32]));
    let bytes = ticket_bytes(&chain, Epoch(3), Height(4), &seed);
    let mut expected = vec![15];
    expected.extend_from_slice(b"dexter/1/ticket");
    expected.extend_from_slice(&[1; 32]);
    expected.extend_from_slice(&[3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend_from_slice(&[2; 32]);
    assert_eq!(bytes, expected);
}

#[test]
fn everybody_can_recompute_what_a_member_drew() {
    let real = BlsAndEd25519::new();
    for signatures in [&real as &dyn Signatures, &Simulated] {
        let network = Network::new(signatures, 4, FaultModel::Byzantine);
        let bytes = ticket_bytes(
            &network.genesis.chain_id(),
            Epoch(0),
            Height(1),
            &network.genesis.seed(),
        );
        for index in network.members.indexes() {
            let (_, secret) = &network.secrets[index.as_usize()];
            let drawn = draw(signatures, secret, &bytes, index, &TIMING, 4);
            let key = network.members.get(index).unwrap().lottery_key;
            assert!(signatures.verify_lottery(&key, &bytes, &drawn.ticket));
            assert_eq!(draw_of(drawn.ticket, index, &TIMING, 4), drawn);
        }
    }
}

#[test]
fn lower_is_better_and_the_proposer_decides_between_equals() {
    let rank = |u, proposer| Rank {
        u,
        proposer: MemberIndex(proposer),
    };
    let sorted = [rank(1, 9), rank(2, 0), rank(2, 1), rank(3, 0)];
    assert!(sorted.is_sorted_by(|better, worse| better < worse));
}

#[test]
fn waits_do_not_overflow() {
    let longest = Timing {
        min_wait: Micros(u64::MAX),
        mean_wait: Micros(u64::MAX),
        grace: Micros(1),
    };
    assert_eq!(wait_of(u64::MAX, &longest, 100), Micros(u64::MAX));
    let hour = Micros(3_600_000_000);
    let slow = Timing {
        min_wait: hour,
        mean_wait: hour,
        grace: Micros(1),
    };
    assert_eq!(wait_of(u64::MAX, &slow, 100), Micros(102 * hour.0 - 1));
}

/// Draws at successive heights, each on the seed that the winner before left.
struct Lottery {
    network: Network,
    seed: Seed,
    height: Height,
}

impl Lottery {
    fn new(members: u8) -> Self {
        let network = Network::new(&Simulated, members, FaultModel::Byzantine);
        let seed = network.genesis.seed();
        Self {
            network,
            seed,
            height: Height(1),
        }
    }

    /// All members' draws, the winner's first.
    fn next(&mut self) -> Vec<Draw> {
        let chain = self.network.genesis.chain_id();
        let bytes = ticket_bytes(&chain, Epoch(0), self.height, &self.seed);
        let members = self.network.members.len();
        let mut draws: Vec<Draw> = (0..)
            .zip(&self.network.secrets)
            .map(|(index, (_, secret))| {
                draw(
                    &Simulated,
                    secret,
                    &bytes,
                    MemberIndex(index),
                    &TIMING,
                    members,
                )
            })
            .collect();
        draws.sort_by_key(|draw| draw.rank);
        self.seed = next_seed(&self.seed, &draws[0].ticket);
        self.height = self.height.next();
        draws
    }
}

/// The chi-square statistic of counts that should be equal.
fn chi_square(counts: &[u32]) -> f64 {
    let expected = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
    let square = |count: &u32| (f64::from(*count) - expected).powi(2) / expected;
    counts.iter().map(square).sum()
}

/// The 99th percentiles of chi-square with 99 and with 3 degrees of freedom: a fair lottery stays
/// below them in 99 of 100 cases, and the draws here are always the same.
const CHI_SQUARE_99: f64 = 134.64;
const CHI_SQUARE_3: f64 = 11.345;

#[test]
fn waits_are_uniform_between_the_shortest_and_the_longest() {
    let mut lottery = Lottery::new(4);
    let mut counts = [0_u32; 100];
    let longest = TIMING.longest_wait(4).0 - TIMING.min_wait.0;
    for _ in 0..2_500 {
        for draw in lottery.next() {
            let above = draw.wait.0 - TIMING.min_wait.0;
            counts[usize::try_from(above * 100 / longest).unwrap()] += 1;
        }
    }
    assert_eq!(counts.iter().sum::<u32>(), 10_000);
    let statistic = chi_square(&counts);
    assert!(statistic < CHI_SQUARE_99, "{statistic}");
}

#[test]
fn equal_members_win_equally_often() {
    let mut lottery = Lottery::new(4);
    let mut wins = [0_u32; 4];
    for _ in 0..10_000 {
        wins[lottery.next()[0].rank.proposer.as_usize()] += 1;
    }
    let statistic = chi_square(&wins);
    assert!(statistic < CHI_SQUARE_3, "{statistic}: {wins:?}");
}

#[test]
fn the_expected_winning_wait_is_the_mean_whatever_the_number_of_members() {
    for members in [1, 3, 4, 7] {
        let mut lottery = Lottery::new(members);
        let heights = 10_000;
        let sum: u64 = (0..heights)
            .map(|_| lottery.next()[0].wait.0 - TIMING.min_wait.0)
            .sum();
        let mean = sum as f64 / f64::from(heights);
        let off = mean / TIMING.mean_wait.0 as f64 - 1.0;
        assert!(off.abs() < 0.03, "{members} members: {off}");
    }
}
