//! Votes to certify and never to finalize.

use replica::Outgoing;
use types::{Message, Now, VoteKind};

use super::Lie;

/// Says everything but its votes to finalize, and does not listen to those of others, so that it never
/// makes a certificate of them. Where a member is away besides, blocks are certified and none is final:
/// the grace is stretched at every height (`docs/protocol.md` §5, Stretch) until that member is back.
pub(super) struct FinalityWithholder;

pub(super) fn is_to_finalize(message: &Message) -> bool {
    matches!(message, Message::Vote(vote) if vote.kind == VoteKind::Finalize)
}

impl Lie for FinalityWithholder {
    fn lets_hear(&self, message: &Message) -> bool {
        !is_to_finalize(message)
    }

    fn twist(&mut self, _: Now, mut said: Vec<Outgoing>) -> Vec<Outgoing> {
        said.retain(|outgoing| !is_to_finalize(&outgoing.message));
        said
    }
}
