//! Proof of Elapsed Time with finality, as one member lives it (`docs/protocol.md` §4–§6).
//!
//! Everything is keyed by height (within an epoch). A member *enters* height h when it first holds a
//! certified block of h−1 that is valid for it; it draws its ticket on that block and builds on it.
//! Its clock `t0` starts at the later of entering and getting work, and is dropped when work
//! vanishes.
//!
//! 1. **Propose**, once, as soon as all hold: t0 + own wait has passed; h is not done; no better
//!    votable block of h is known from a member not disqualified. The block is prepared a little before.
//! 2. **Vote to certify** block B of h, once for each B, when: B is votable; h is not done; B's
//!    proposer is not disqualified at h; t0 + wait(B) + s·grace has passed; and no better votable
//!    block of h from a member not disqualified is known, unless 8·s·grace (at most the cap of the
//!    stretch) has passed beyond B's own voting time.
//! 3. **Disqualify** the proposer of two signed headers at h; both go to all members.
//! 4. **Certify**: q votes make a certificate; h is done; enter h+1. A member that voted to certify
//!    nothing but B at h sends one vote to finalize B.
//! 5. **Finalize**: q finalize votes make B and all its ancestors final.
//!
//! s = 2^max(0, k−1) with k = h − 1 − (final height), capped where s·grace reaches
//! max(60 s, 10 × resend interval).
//!
//! [`Consensus`] decides; it is told of valid blocks, certificates and the clock, and answers with
//! [`Action`]s. It signs nothing, sends nothing and reads no clock. [`Tally`] adds votes up.
//! [`ChainVerifier`] checks a whole chain from genesis.
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

mod height;
mod lottery;
mod rules;
mod tally;
mod verify;

pub use height::Candidate;
pub use lottery::{Draw, Rank, draw, draw_of, ticket_bytes, wait_of};
pub use rules::{Action, Consensus, Settings, Work};
pub use tally::{Tally, VoteOutcome};
pub use verify::{
    ChainVerifier, HeaderError, Parent, Verified, VerifyError, check_header, genesis_parent,
};
