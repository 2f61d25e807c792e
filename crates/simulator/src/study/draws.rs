//! Who had drawn which wait: knowing all keys, the draws of members that never spoke are known too.

use std::sync::Arc;

use consensus::{Draw, draw, ticket_bytes, wait_of};
use types::{Epoch, Header, Seed, genesis::next_seed};

use crate::network::Network;

/// The draws along the final chain.
pub(super) struct Draws {
    network: Arc<Network>,
    /// Whether each member lives.
    living: Vec<bool>,
    /// The seed of the last final block.
    seed: Seed,
}

/// The best draws of a height.
#[derive(Debug, Clone, Copy)]
pub(super) struct Best {
    /// The shortest wait of all, in microseconds.
    pub(super) wait: u64,
    /// Whether the member that drew it lives.
    pub(super) lives: bool,
    /// The living member with the shortest wait.
    pub(super) living: usize,
}

impl Draws {
    pub(super) fn new(network: Arc<Network>, living: Vec<bool>) -> Self {
        Self {
            seed: network.genesis.seed(),
            network,
            living,
        }
    }

    /// The best draws of the height of the next final block; `None` where nobody lives.
    pub(super) fn next(&mut self, header: &Header) -> Option<Best> {
        let network = &self.network;
        let bytes = ticket_bytes(&network.chain, Epoch(0), header.height, &self.seed);
        let members = network.len();
        let of = |host: usize| -> Draw {
            let (index, lottery) = (network.index(host), &network.keys(host).lottery);
            let timing = &network.genesis.timing;
            draw(
                &*network.signatures,
                lottery,
                &bytes,
                index,
                timing,
                members,
            )
        };
        let mut ranks: Vec<_> = (0..members).map(|host| (of(host).rank, host)).collect();
        ranks.sort_unstable();
        self.seed = next_seed(&self.seed, &header.ticket);
        let (best, owner) = *ranks.first()?;
        let living = ranks.iter().find(|(_, host)| self.living[*host])?.1;
        Some(Best {
            wait: wait_of(best.u, &network.genesis.timing, members).0,
            lives: self.living[owner],
            living,
        })
    }
}
