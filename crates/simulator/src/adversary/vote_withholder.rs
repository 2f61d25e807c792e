//! Does everything but vote.

use replica::Outgoing;
use types::{Message, Now};

use super::Lie;

/// Proposes, passes on and answers, and hides its own votes and every certificate it knows. A quorum
/// does without it (`docs/protocol.md` §2), and certificates come from the votes themselves.
pub(super) struct VoteWithholder;

impl Lie for VoteWithholder {
    fn twist(&mut self, _: Now, mut said: Vec<Outgoing>) -> Vec<Outgoing> {
        said.retain(|outgoing| {
            !matches!(
                &*outgoing.message,
                Message::Vote(_) | Message::Certificate(_)
            )
        });
        said
    }
}
