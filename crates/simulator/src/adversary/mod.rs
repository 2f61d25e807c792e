//! Members that lie, each kind in a file of its own. They have the keys of their member, hear what it
//! hears, know everything everybody knows, and may send whatever those keys can sign, under their own
//! name: a connection proves who speaks.
//!
//! Most are a production replica, the [`puppet`], and a [`Lie`] about what it would say.

mod certificate_forger;
mod early_proposer;
mod equivocating_proposer;
mod finality_withholder;
mod flooder;
mod header_forger;
mod invalid_author;
mod invalid_proposer;
mod invalid_server;
mod late_equivocator;
mod member;
mod meter;
mod puppet;
mod replayer;
mod selective_sender;
mod timer;
mod twins;
mod twisted;
mod vote_for_everything;
mod vote_withholder;
mod withholding_winner;

use std::fmt;

use replica::Outgoing;
use types::{IdentityPublicKey, Message, Monotonic, Now};

pub(crate) use member::Member;
use meter::Metered;
use puppet::Puppet;
use timer::Timer;
use twisted::{Lie, Twisted};

/// What a liar hears.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Heard<'a> {
    /// Its machine was started.
    Start,
    /// A connection stands.
    Connected(IdentityPublicKey),
    /// The connection ended.
    Disconnected(IdentityPublicKey),
    /// A message came.
    Message(IdentityPublicKey, &'a Message),
    /// The time it asked for has come.
    Wake,
}

/// What drives a member's machine in place of a replica.
pub(crate) trait Adversary {
    /// Something happened. Whatever it returns is sent at once.
    fn hear(&mut self, now: Now, heard: Heard<'_>) -> Vec<Outgoing>;
    /// When it wants to be woken.
    fn wake(&self) -> Option<Monotonic>;
}

/// The adversaries there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Sends certificates and votes that nobody, or somebody else, signed.
    CertificateForger,
    /// Proposes and votes before any wait has passed, under odd timestamps.
    EarlyProposer,
    /// Proposes one block to one half of the others and a second one to the other half.
    EquivocatingProposer,
    /// Votes to certify and never to finalize.
    FinalityWithholder,
    /// Sends more than anybody could keep.
    Flooder,
    /// Makes second headers of other proposers' blocks.
    HeaderForger,
    /// Sends batches that are invalid.
    InvalidAuthor,
    /// Sends blocks that are invalid.
    InvalidProposer,
    /// Answers questions with something wrong.
    InvalidServer,
    /// Shows one of the others, in the last moment, other blocks than the one the rest has voted for.
    LateEquivocator,
    /// Says everything twice, and again what it heard long ago.
    Replayer,
    /// Tells a part of the others what is for all of them.
    SelectiveSender,
    /// Two hosts with one member's keys, one for the members before it and one for those after it.
    SplitBrain,
    /// Two hosts with one member's keys; who talks with which of them changes.
    Twins,
    /// Votes for every block it hears of, at once, to certify and to finalize.
    VoteForEverything,
    /// Does everything but vote.
    VoteWithholder,
    /// Keeps the blocks with which it would win to itself.
    WithholdingWinner,
}

impl Kind {
    /// All that random plans choose from. A split brain is the case of twins that never change sides.
    pub const ALL: [Self; 16] = [
        Self::CertificateForger,
        Self::EarlyProposer,
        Self::EquivocatingProposer,
        Self::FinalityWithholder,
        Self::Flooder,
        Self::HeaderForger,
        Self::InvalidAuthor,
        Self::InvalidProposer,
        Self::InvalidServer,
        Self::LateEquivocator,
        Self::Replayer,
        Self::SelectiveSender,
        Self::Twins,
        Self::VoteForEverything,
        Self::VoteWithholder,
        Self::WithholdingWinner,
    ];

    /// An adversary of this kind with a member's keys.
    pub(crate) fn start(self, member: Member, now: Now) -> Box<dyn Adversary> {
        // Bugs that are put in are for those who are honest.
        #[cfg(feature = "mutations")]
        let _sound = types::mutation::suspend();
        let puppet = Puppet::new(member.clone(), now);
        match self {
            Self::CertificateForger => metered(Twisted::new(
                puppet,
                certificate_forger::CertificateForger::new(member, now),
            )),
            Self::EarlyProposer => metered(Twisted::new(
                puppet.eager(),
                early_proposer::EarlyProposer::new(&member),
            )),
            Self::EquivocatingProposer => metered(Twisted::new(
                puppet,
                equivocating_proposer::EquivocatingProposer::new(member),
            )),
            Self::FinalityWithholder => metered(Twisted::new(
                puppet,
                finality_withholder::FinalityWithholder,
            )),
            Self::Flooder => metered(Twisted::new(puppet, flooder::Flooder::new(member, now))),
            Self::HeaderForger => metered(Twisted::new(
                puppet,
                header_forger::HeaderForger::new(member),
            )),
            Self::InvalidAuthor => metered(Twisted::new(
                puppet,
                invalid_author::InvalidAuthor::new(member, now),
            )),
            Self::InvalidProposer => metered(Twisted::new(
                puppet.eager(),
                invalid_proposer::InvalidProposer::new(member),
            )),
            Self::InvalidServer => metered(Twisted::new(
                puppet,
                invalid_server::InvalidServer::new(member),
            )),
            Self::LateEquivocator => metered(Twisted::new(
                puppet,
                late_equivocator::LateEquivocator::new(member),
            )),
            Self::Replayer => metered(Twisted::new(puppet, replayer::Replayer::new(member, now))),
            Self::SelectiveSender => metered(Twisted::new(
                puppet,
                selective_sender::SelectiveSender::new(member, now),
            )),
            Self::SplitBrain => metered(twins::Twins::split(puppet, member, now)),
            Self::Twins => metered(twins::Twins::new(puppet, member, now)),
            Self::VoteForEverything => metered(Twisted::new(
                puppet,
                vote_for_everything::VoteForEverything::new(member),
            )),
            Self::VoteWithholder => metered(Twisted::new(puppet, vote_withholder::VoteWithholder)),
            Self::WithholdingWinner => metered(Twisted::new(
                puppet,
                withholding_winner::WithholdingWinner::new(member),
            )),
        }
    }
}

impl fmt::Display for Kind {
    /// In words: "early proposer".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CertificateForger => "certificate forger",
            Self::EarlyProposer => "early proposer",
            Self::EquivocatingProposer => "equivocating proposer",
            Self::FinalityWithholder => "finality withholder",
            Self::Flooder => "flooder",
            Self::HeaderForger => "header forger",
            Self::InvalidAuthor => "invalid author",
            Self::InvalidProposer => "invalid proposer",
            Self::InvalidServer => "invalid server",
            Self::LateEquivocator => "late equivocator",
            Self::Replayer => "replayer",
            Self::SelectiveSender => "selective sender",
            Self::SplitBrain => "split brain",
            Self::Twins => "twins",
            Self::VoteForEverything => "vote for everything",
            Self::VoteWithholder => "vote withholder",
            Self::WithholdingWinner => "withholding winner",
        })
    }
}

fn metered(adversary: impl Adversary + 'static) -> Box<dyn Adversary> {
    Box::new(Metered::new(adversary))
}
