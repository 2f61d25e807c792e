//! One member's whole behaviour: [`Replica::step`] takes what happened and says what to do. No
//! clock, no socket, no task: the same replica runs in a node, in `dexter dev` and in a simulator.
//!
//! ```text
//! order → pool → batch → block → votes → certificate → final block → order log → receipt
//! ```
//!
//! The driver's part (`docs/architecture.md`): check every incoming message with a [`Checker`] (the
//! signatures in bulk, outside `step`), call `step`, append [`Output::persist`] to the store, sync
//! when [`Output::sync`] asks for it, hand the store's receipt back as [`Event::Committed`] — that
//! unseals the messages — then index [`Output::finalized`], and call again at [`Output::wake`].
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

mod blocks;
mod branch;
mod catch_up;
mod check;
mod finality;
mod input;
mod orders;
mod output;
mod recover;
mod replica;
mod resend;
mod tree;
mod votes;

pub use check::{CheckedFinalBlock, CheckedMessage, Checker, Fault, VerifiedLately};
pub use input::{Answered, Event, Submission};
pub use output::{FinalRun, Notice, Outgoing, Output, Refusal, Sealed, Submitted, To};
pub use replica::{Holdings, Progress, Replica, Setup};
