//! The pool of batches, choosing what a block seals, and executing a block on the order log
//! (`docs/protocol.md` §3). Pure.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod choose;
mod execute;
mod pool;

pub use choose::{BlockLimits, choose, fits};
pub use execute::{Executed, execute, would_record};
pub use pool::{Held, Pool, PoolLimits, PoolRefusal};
