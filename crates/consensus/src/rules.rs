//! The rules of a height (`docs/protocol.md` §5). The numbers cited are those of the crate's
//! documentation.

use std::collections::BTreeMap;

use types::{
    BlockHash, Equivocation, Height, MemberIndex, Micros, Monotonic, Mutation, SignedHeader,
    Timing, Vote, VoteKind, mutated,
};

use crate::{
    height::{Candidate, HeightState},
    lottery::Draw,
};

/// What the rules need to know once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Waits and grace, from the genesis.
    pub timing: Timing,
    /// The resend interval of §7, which bounds the stretch.
    pub resend_interval: Micros,
    /// Makes an empty block after so long without work; 0 is never.
    pub heartbeat: Micros,
}

/// The least cap of the stretched grace: 60 s.
const LEAST_STRETCH_CAP: Micros = Micros::from_millis(60_000);

/// A better block may hold back the vote for another by this many (stretched) graces.
const PATIENCE: u64 = 8;

/// Unfinished business is work once this many graces have passed since entering.
const FINALITY_PATIENCE: u64 = 2;

/// What work there is, apart from the proposals the rules know themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// A batch is eligible on the entry block.
    pub eligible_batch: bool,
    /// A certified block above the final head holds a batch.
    pub unfinished: bool,
}

/// What the rules tell the member to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Rule 1: the own wait is nearly over: build on the entry block and persist, so that the block can
    /// leave when it is.
    Prepare {
        /// The height to propose at.
        height: Height,
        /// The entry block.
        parent: BlockHash,
    },
    /// Rule 1: send the block prepared, or build it, persist and send now.
    Propose {
        /// The height to propose at.
        height: Height,
        /// The entry block.
        parent: BlockHash,
    },
    /// Rules 2 and 4: persist a vote, then send it.
    Vote {
        /// To certify or to finalize.
        kind: VoteKind,
        /// The block's height.
        height: Height,
        /// The block.
        block: BlockHash,
    },
}

/// One member's consensus: what it has entered, knows and has voted for.
#[derive(Debug)]
pub struct Consensus {
    settings: Settings,
    /// `None` for an observer, who neither proposes nor votes.
    me: Option<MemberIndex>,
    height: Height,
    parent: BlockHash,
    own_wait: Option<Draw>,
    /// How long before its wait is over it prepares its block.
    lead: Micros,
    /// It has been told to, at this height.
    prepared: bool,
    entered: Monotonic,
    /// t0.
    clock: Option<Monotonic>,
    final_height: Height,
    /// The highest height with a certified valid block: it and all below are done.
    done: Height,
    heights: BTreeMap<Height, HeightState>,
    pending: Vec<Action>,
}

impl Consensus {
    /// A member (or observer) whose final head is `head` at `height`; it has entered the height above.
    pub fn new(
        settings: Settings,
        me: Option<MemberIndex>,
        height: Height,
        head: BlockHash,
    ) -> Self {
        Self {
            settings,
            me,
            height: height.next(),
            parent: head,
            own_wait: None,
            lead: Micros::default(),
            prepared: false,
            entered: Monotonic::default(),
            clock: None,
            final_height: height,
            done: height,
            heights: BTreeMap::new(),
            pending: Vec::new(),
        }
    }

    /// The height the member works on.
    pub const fn height(&self) -> Height {
        self.height
    }
    /// The block it builds on.
    pub const fn parent(&self) -> BlockHash {
        self.parent
    }
    /// When it entered.
    pub const fn entered(&self) -> Monotonic {
        self.entered
    }
    /// t0, while there is work.
    pub const fn clock(&self) -> Option<Monotonic> {
        self.clock
    }
    /// Its own draw at this height.
    pub const fn own_draw(&self) -> Option<&Draw> {
        self.own_wait.as_ref()
    }
    /// True when this proposer has signed two headers at this height.
    pub fn is_disqualified(&self, height: Height, proposer: MemberIndex) -> bool {
        self.heights
            .get(&height)
            .is_some_and(|state| state.disqualified.contains(&proposer))
    }
    /// The best votable block of a height from a member not disqualified.
    pub fn best(&self, height: Height) -> Option<BlockHash> {
        self.heights
            .get(&height)?
            .best()
            .map(|candidate| candidate.block)
    }
    /// True when a valid block of the height is certified.
    pub const fn is_done(&self, height: Height) -> bool {
        height.0 <= self.done.0
    }

    /// Enters a height on a certified (or final) valid block of the height below. Heights never go
    /// back; entering the present one anew is how a start gives it its draw and its entering time.
    pub fn enter(
        &mut self,
        now: Monotonic,
        height: Height,
        parent: BlockHash,
        own_draw: Option<Draw>,
    ) {
        if height < self.height {
            return;
        }
        self.height = height;
        self.parent = parent;
        self.own_wait = own_draw;
        self.prepared = false;
        self.entered = now;
        self.clock = None;
    }

    /// Takes note of a signed header, checked already. The second one of a proposer at a height is
    /// returned with the first: rule 3 disqualifies the proposer.
    pub fn header(&mut self, header: &SignedHeader) -> Option<Equivocation> {
        let place = &header.header;
        let state = self.heights.entry(place.height).or_default();
        let Some(first) = state.headers.get(&place.proposer) else {
            state.headers.insert(place.proposer, header.clone());
            return None;
        };
        if first.header.hash() == place.hash() || state.disqualified.contains(&place.proposer) {
            return None;
        }
        // Rule 3.
        state.disqualified.insert(place.proposer);
        Some(Equivocation {
            first: first.clone(),
            second: header.clone(),
        })
    }

    /// Rule 3 on evidence that came from another member and was checked. Returns true when it is news.
    pub fn disqualify(&mut self, height: Height, proposer: MemberIndex) -> bool {
        height > self.final_height
            && self
                .heights
                .entry(height)
                .or_default()
                .disqualified
                .insert(proposer)
    }

    /// Takes note of a valid block, or that a known one became votable.
    pub fn valid(&mut self, height: Height, candidate: Candidate) {
        if height > self.final_height {
            self.heights
                .entry(height)
                .or_default()
                .candidates
                .insert(candidate.block, candidate);
        }
    }

    /// Takes note of this member's own vote read back from disk.
    pub fn recover_vote(&mut self, vote: &Vote) {
        let state = self.heights.entry(vote.height).or_default();
        match vote.kind {
            VoteKind::Certify => {
                state.voted.insert(vote.block);
            }
            VoteKind::Finalize => state.finalize_voted = Some(vote.block),
        }
    }

    /// So long before its wait is over it is to prepare its block from now on, at most the grace: as long
    /// as it takes to build one and make it durable.
    pub fn set_lead(&mut self, lead: Micros) {
        self.lead = lead.min(self.settings.timing.grace);
    }

    /// Takes note that this member has proposed at a height, now or before a restart.
    pub fn proposed(&mut self, height: Height) {
        self.heights.entry(height).or_default().proposed = true;
    }

    /// Rule 4: a valid block has a certificate. The height is done; a vote to finalize follows where
    /// this member voted to certify nothing else there.
    pub fn certified(&mut self, height: Height, block: BlockHash) {
        self.done = self.done.max(height);
        if height <= self.final_height {
            return;
        }
        let me = self.me.is_some();
        let state = self.heights.entry(height).or_default();
        if state.certified.contains(&block) {
            return;
        }
        state.certified.push(block);
        let only_this = mutated(Mutation::FinalizeDespiteOtherVotes)
            || (state.voted.iter().all(|voted| *voted == block) && state.certified.len() == 1);
        if me && only_this && state.finalize_voted.is_none() {
            state.finalize_voted = Some(block);
            self.pending.push(Action::Vote {
                kind: VoteKind::Finalize,
                height,
                block,
            });
        }
    }

    /// Rule 5: a block and all below it are final.
    pub fn finalized(&mut self, height: Height) {
        if height > self.final_height {
            self.final_height = height;
            self.done = self.done.max(height);
            self.heights.retain(|of, _| *of > height);
            self.pending
                .retain(|action| matches!(action, Action::Vote { height: of, .. } if *of > height));
        }
    }

    /// s·grace: the grace, stretched while finality lags (§5, Stretch).
    pub fn stretched_grace(&self) -> Micros {
        let behind = self.height.previous().above(self.final_height);
        if mutated(Mutation::NoStretch) {
            return self.settings.timing.grace;
        }
        let doublings = u32::try_from(behind.saturating_sub(1))
            .unwrap_or(u32::MAX)
            .min(63);
        let stretched = self
            .settings
            .timing
            .grace
            .times(1_u64.checked_shl(doublings).unwrap_or(u64::MAX));
        if mutated(Mutation::StretchWithoutCap) {
            return stretched;
        }
        stretched.min(self.stretch_cap())
    }

    fn stretch_cap(&self) -> Micros {
        LEAST_STRETCH_CAP
            .max(self.settings.resend_interval.times(10))
            .max(self.settings.timing.grace)
    }

    /// When the votes on a wait may begin, t0 + wait + s·grace, and when patience with a better
    /// block ends.
    fn voting_times(&self, clock: Monotonic, wait: Micros) -> (Monotonic, Monotonic) {
        let grace = self.stretched_grace();
        let mut opens = clock.plus(wait).plus(grace);
        if mutated(Mutation::VoteEarly) {
            opens = clock;
        }
        if mutated(Mutation::VoteWithoutGrace) {
            opens = clock.plus(wait);
        }
        if mutated(Mutation::StretchTheWait) {
            let times = grace.0.checked_div(self.settings.timing.grace.0);
            opens = opens.plus(wait.times(times.unwrap_or(1)));
        }
        (
            opens,
            opens.plus(grace.times(PATIENCE).min(self.stretch_cap())),
        )
    }

    /// From when on it matters whether a block with this draw is valid, as long as no certificate speaks
    /// for it: never at a height that is done, and not while a better votable block keeps the vote for it
    /// back (rule 2).
    pub fn matters_from(&self, height: Height, draw: &Draw) -> Monotonic {
        if self.is_done(height) {
            return Monotonic(u64::MAX);
        }
        let (Some(clock), Some(state)) = (self.clock, self.heights.get(&height)) else {
            return Monotonic::default();
        };
        if height != self.height || !state.holds_back(&draw.rank) {
            return Monotonic::default();
        }
        self.voting_times(clock, draw.wait).1
    }

    /// Evaluates the standing conditions: returns what to do now, and when to ask again if nothing
    /// else happens before.
    pub fn poll(&mut self, now: Monotonic, work: Work) -> (Vec<Action>, Option<Monotonic>) {
        let mut actions = std::mem::take(&mut self.pending);
        let mut wake = self.mind_the_clock(now, work);
        let (Some(clock), Some(me)) = (self.clock, self.me) else {
            return (actions, wake);
        };
        if self.is_done(self.height) {
            return (actions, wake);
        }
        let mut at = |time: Monotonic| wake = Some(wake.map_or(time, |other| other.min(time)));
        let height = self.height;
        let empty = HeightState::default();
        let state = self.heights.get(&height).unwrap_or(&empty);
        if state.finalize_voted.is_some() && !mutated(Mutation::CertifyAfterFinalize) {
            // A persisted vote to finalize forbids every other vote at its height (rule 4).
            return (actions, wake);
        }
        let best = state.best().map(|candidate| candidate.rank);

        // Rule 1.
        if let Some(draw) = &self.own_wait
            && draw.rank.proposer == me
            && (!state.proposed || mutated(Mutation::ProposeTwice))
            && (best.is_none_or(|best| draw.rank < best) || mutated(Mutation::ProposeDespiteBetter))
        {
            let due = if mutated(Mutation::ProposeEarly) {
                clock
            } else {
                clock.plus(draw.wait)
            };
            let parent = self.parent;
            // An empty block is made in no time, and what it is for may be gone when the wait is over.
            let prepare = if work.eligible_batch && !self.prepared {
                Monotonic(due.0.saturating_sub(self.lead.0))
            } else {
                due
            };
            if now >= due {
                actions.push(Action::Propose { height, parent });
            } else if now >= prepare {
                self.prepared = true;
                actions.push(Action::Prepare { height, parent });
                at(due);
            } else {
                at(prepare);
            }
        }

        let beaten = |draw: &Draw| best.is_some_and(|best| best < draw.rank);
        let too_late = self.own_wait.is_some_and(|draw| {
            mutated(Mutation::ProposeOnlyOnTime) && beaten(&draw) && now >= clock.plus(draw.wait)
        });

        // Rule 2.
        let mut votes = Vec::new();
        for candidate in state.eligible().filter(|candidate| {
            !state.voted.contains(&candidate.block) || mutated(Mutation::VoteAgain)
        }) {
            let (opens, patience_ends) = self.voting_times(clock, candidate.wait);
            let due = if state.holds_back(&candidate.rank) {
                if mutated(Mutation::NoPatience) {
                    continue;
                }
                patience_ends
            } else {
                opens
            };
            if now >= due {
                votes.push(candidate.block);
            } else {
                at(due);
            }
        }
        if too_late {
            self.heights.entry(height).or_default().proposed = true;
        }
        for block in votes {
            self.heights.entry(height).or_default().voted.insert(block);
            actions.push(Action::Vote {
                kind: VoteKind::Certify,
                height,
                block,
            });
        }
        (actions, wake)
    }

    /// Starts or drops t0 as work comes and goes (§5, Work); returns when work will arise by itself.
    fn mind_the_clock(&mut self, now: Monotonic, work: Work) -> Option<Monotonic> {
        let settings = &self.settings;
        let finality_due = self
            .entered
            .plus(settings.timing.grace.times(FINALITY_PATIENCE));
        let heartbeat_due =
            (settings.heartbeat.0 > 0).then(|| self.entered.plus(settings.heartbeat));
        let proposal = self
            .heights
            .get(&self.height)
            .is_some_and(HeightState::has_votable_orders);
        let finality_due = if mutated(Mutation::UnfinishedAtOnce) {
            self.entered
        } else {
            finality_due
        };
        let unfinished = work.unfinished && !mutated(Mutation::ForgetUnfinished);
        let has_work = work.eligible_batch
            || (proposal && !mutated(Mutation::IgnoreProposals))
            || (unfinished && now >= finality_due)
            || (heartbeat_due.is_some_and(|due| now >= due) && !mutated(Mutation::NoHeartbeat))
            || mutated(Mutation::NeverSleep);
        match (has_work, self.clock) {
            (true, None) if mutated(Mutation::ClockFromEntering) => self.clock = Some(self.entered),
            (true, None) => self.clock = Some(now),
            (false, Some(_)) if !mutated(Mutation::KeepClock) => self.clock = None,
            _ => {}
        }
        if has_work {
            return None;
        }
        let unfinished_due = unfinished.then_some(finality_due);
        [unfinished_due, heartbeat_due].into_iter().flatten().min()
    }
}
