//! Nothing grows without bound: what a member keeps at any step, and what one step persists and sends.

use types::Height;

use super::{Checker, Facts};
use crate::observation::Observation;

/// Entries of one author in a pool: twice what one takes unasked, and what two of its blocks at each
/// height of the window name.
const POOL_ORDERS_AN_AUTHOR: usize = 2 * 200 + 2 * 17 * 100;

/// Messages are kept for so many heights ahead of a member's own.
const WINDOW: u64 = 16;

/// Of these, the ones that are not certified.
const UNCERTIFIED_BLOCKS_A_PROPOSER: usize = 2;

/// Two blocks a proposer, and those certified: of n honest votes a member and height at most, each
/// certificate takes a third.
const BLOCKS_A_PROPOSER: usize = 5;

/// Fetched final blocks that are not executed yet: two answers of the most blocks one may carry.
const FETCHED_BLOCKS: usize = 2 * 512;

/// Questions to one peer that are remembered.
const QUESTIONS_A_PEER: usize = 256;

/// The most messages of one step: all batches sent again at once, and for each height of the window a
/// vote of each kind on a block of each member, the blocks and their certificates.
const fn messages_a_step(members: usize) -> usize {
    4_096 + 17 * (4 * members + 4)
}

fn highest_vote(highest: Option<Height>, own: Height) -> usize {
    let ahead = highest.map_or(0, |highest| highest.above(own));
    usize::try_from(ahead).unwrap_or(usize::MAX)
}

pub(super) struct Bounds;

impl Checker for Bounds {
    fn name(&self) -> &'static str {
        "bounds"
    }

    fn observe(&mut self, facts: &Facts, seen: &Observation) -> Result<(), String> {
        let Observation::Stepped {
            host,
            height,
            final_height,
            holdings,
            messages,
            records,
            ..
        } = seen
        else {
            return Ok(());
        };
        let members = facts.members;
        // Above the final head: the heights it has been through, and the window.
        let heights = usize::try_from(height.0 - final_height.0 + WINDOW).unwrap_or(usize::MAX);
        let blocks = heights * BLOCKS_A_PROPOSER * members + FETCHED_BLOCKS;
        let most = messages_a_step(members);
        let bounds = [
            (
                "orders of one author in the pool",
                usize::try_from(holdings.most_orders_of_an_author).unwrap_or(usize::MAX),
                POOL_ORDERS_AN_AUTHOR,
            ),
            ("blocks", holdings.blocks, blocks),
            (
                "uncertified blocks of one proposer at a height",
                holdings.most_uncertified_blocks,
                UNCERTIFIED_BLOCKS_A_PROPOSER,
            ),
            ("certificates", holdings.certificates, blocks),
            // Of every voter, kind and height so many hashes as there are members.
            (
                "votes of one member for blocks of one height",
                holdings.most_hashes_of_a_voter,
                members,
            ),
            (
                "shares of votes",
                holdings.shares,
                heights * 2 * members * members,
            ),
            (
                "heights between its own and the highest it has votes for",
                highest_vote(holdings.highest_vote, *height),
                usize::try_from(WINDOW).unwrap_or(usize::MAX),
            ),
            ("questions", holdings.questions, QUESTIONS_A_PEER * members),
            ("messages in one step", *messages, most),
            ("records in one step", *records, most),
        ];
        match bounds.iter().find(|(_, count, bound)| count > bound) {
            None => Ok(()),
            Some((what, count, bound)) => Err(format!(
                "member {host} has {count} {what}; at most {bound} are allowed"
            )),
        }
    }
}
