//! Takes the figures of a study from what is seen of the members, remembering only what is under way.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use types::{BlockHash, Header, Message, OrderId, VoteKind, encode};

use crate::{
    network::Network,
    observation::Observation,
    study::{
        draws::Draws,
        report::{Cost, DeadReport, Ending, MemberReport, OrderCounts, Report, Stretch, Traffic},
        settings::{Part, Settings},
        statistics::Distribution,
    },
};

/// What is known of a height is kept until so many above it are final: second certificates and
/// members that lag come within that.
const WINDOW: usize = 256;

/// The course of a study is told in at most so many stretches.
const MOST_STRETCHES: u64 = 150;

/// How many heights at first tell how long a height takes.
const ENOUGH_HEIGHTS: u64 = 20;

/// An order that is not accepted within so many microseconds is not accepted at all.
const LONGEST_ANSWER: u64 = 10_000_000;

/// A height of the window.
#[derive(Default)]
struct Height {
    /// When the first member had work there.
    began: Option<u64>,
    /// Blocks of honest members, and when they were made.
    made: Vec<(BlockHash, u64)>,
    /// Blocks that were certified, and when.
    certified: Vec<(BlockHash, u64)>,
    /// Blocks with a finality certificate of their own.
    finality: Vec<BlockHash>,
    /// How many members have it final.
    finals: usize,
    /// Orders recorded up to here, this height included.
    log_size: u64,
}

/// An order that is not final where it was taken.
struct Waiting {
    host: usize,
    placed: u64,
    accepted: Option<u64>,
    is_final: bool,
}

/// Takes figures.
pub(crate) struct Collector {
    settings: Settings,
    quorum: usize,
    draws: Draws,
    /// The heights from `lowest` on.
    window: VecDeque<Height>,
    lowest: u64,
    /// No member has been seen at work above this height.
    begun: u64,
    /// Each member's final height.
    final_heights: Vec<u64>,
    pub(super) heights: u64,
    /// Since when an accepted order waits and no height becomes final.
    waiting_since: Option<u64>,
    orders: BTreeMap<OrderId, Waiting>,
    counts: OrderCounts,
    traffic: Traffic,
    order_to_final: Distribution,
    block_to_final: Distribution,
    height_duration: Distribution,
    direct: u64,
    empty: u64,
    forks: u64,
    shortest_wait_won: u64,
    wins: Vec<u64>,
    /// From the shortest wait's end to the certificate: at all heights, where a dead member had drawn
    /// it, and where it won.
    beyond: [Distribution; 3],
    course: Vec<Stretch>,
    stretch: Vec<u64>,
    stretch_from: u64,
}

impl Collector {
    pub(super) fn new(settings: &Settings, network: &Arc<Network>) -> Self {
        let parts = settings.parts();
        let living = parts.iter().map(|part| *part != Part::Dead).collect();
        Self {
            quorum: settings.quorum(),
            draws: Draws::new(network.clone(), living),
            window: VecDeque::from([Height::default()]),
            lowest: 0,
            begun: 0,
            final_heights: vec![0; settings.members],
            heights: 0,
            waiting_since: None,
            orders: BTreeMap::new(),
            counts: OrderCounts::default(),
            traffic: Traffic::default(),
            order_to_final: Distribution::default(),
            block_to_final: Distribution::default(),
            height_duration: Distribution::default(),
            direct: 0,
            empty: 0,
            forks: 0,
            shortest_wait_won: 0,
            wins: vec![0; settings.members],
            beyond: Default::default(),
            course: Vec::new(),
            stretch: Vec::new(),
            stretch_from: 0,
            settings: settings.clone(),
        }
    }

    /// How long a height takes, in microseconds, as far as is known.
    pub(super) fn usual_height(&self) -> u64 {
        if self.height_duration.count() < ENOUGH_HEIGHTS {
            return self.settings.usual_height();
        }
        self.height_duration.mean() as u64
    }

    /// For how long orders have waited while no height became final.
    pub(super) fn standstill(&self, now: u64) -> u64 {
        self.waiting_since
            .map_or(0, |since| now.saturating_sub(since))
    }

    /// Up to where every living honest member's chain is final.
    pub(super) fn final_everywhere(&self) -> u64 {
        let parts = self.settings.parts();
        let honest = self.final_heights.iter().zip(&parts);
        honest
            .filter(|(_, part)| **part == Part::Honest)
            .map(|(height, _)| *height)
            .min()
            .unwrap_or(self.heights)
    }

    /// How many orders are recorded up to a final height; `None` where it is not in the window.
    pub(super) fn log_size(&self, height: u64) -> Option<u64> {
        let place = height.checked_sub(self.lowest)?;
        let found = self.window.get(usize::try_from(place).ok()?)?;
        (height <= self.heights).then_some(found.log_size)
    }

    /// Somebody places an order.
    pub(super) fn placed(&mut self, now: u64, order: OrderId, host: usize, accepting: bool) {
        self.counts.placed += 1;
        if accepting {
            let waiting = Waiting {
                host,
                placed: now,
                accepted: None,
                is_final: false,
            };
            self.orders.insert(order, waiting);
        } else {
            self.counts.turned_away += 1;
        }
    }

    /// A member died: whom it had not answered will not hear from it.
    pub(super) fn died(&mut self, host: usize) {
        self.turn_away(|order| order.host == host);
    }

    /// Who has waited so long for an answer was refused: the member has no room.
    pub(super) fn give_up(&mut self, now: u64) {
        self.turn_away(|order| order.placed + LONGEST_ANSWER < now);
    }

    /// Forgets orders that were not accepted.
    fn turn_away(&mut self, who: impl Fn(&Waiting) -> bool) {
        let before = self.orders.len();
        self.orders
            .retain(|_, order| order.accepted.is_some() || !who(order));
        self.counts.turned_away += (before - self.orders.len()) as u64;
    }

    /// A message was sent to so many members.
    pub(crate) fn sent(&mut self, message: &Message, receivers: u64) {
        self.traffic.messages += receivers;
        self.traffic.bytes += receivers * encode(message).len() as u64;
    }

    /// Something was seen.
    pub(crate) fn seen(&mut self, now: u64, seen: &Observation) {
        match seen {
            Observation::Stepped {
                height,
                clock: Some(_),
                ..
            } if height.0 > self.begun => {
                self.begun = height.0;
                if let Some(height) = self.at(height.0) {
                    height.began = Some(now);
                }
            }
            Observation::Proposed { height, block, .. } => {
                if let Some(height) = self.at(height.0)
                    && height.made.iter().all(|(made, _)| made != block)
                {
                    height.made.push((*block, now));
                }
            }
            Observation::Certificate { certificate, .. } => {
                let block = certificate.block;
                let Some(height) = self.at(certificate.height.0) else {
                    return;
                };
                match certificate.kind {
                    VoteKind::Finalize if !height.finality.contains(&block) => {
                        height.finality.push(block);
                    }
                    VoteKind::Certify
                        if height.certified.iter().all(|(known, _)| *known != block) =>
                    {
                        height.certified.push((block, now));
                        let second = height.certified.len() == 2;
                        self.forks += u64::from(second);
                    }
                    VoteKind::Certify | VoteKind::Finalize => {}
                }
            }
            Observation::Final {
                host,
                block,
                header,
                orders,
                ..
            } => self.is_final(now, *host, *block, header, orders),
            Observation::Answered { order, .. } => self.answered(now, order),
            _ => {}
        }
    }

    /// The height, where the window has or can have it.
    fn at(&mut self, height: u64) -> Option<&mut Height> {
        let place = usize::try_from(height.checked_sub(self.lowest)?).ok()?;
        if place > 4 * WINDOW {
            return None;
        }
        while self.window.len() <= place {
            self.window.push_back(Height::default());
        }
        self.window.get_mut(place)
    }

    fn answered(&mut self, now: u64, order: &OrderId) {
        let Some(waiting) = self.orders.get_mut(order) else {
            return;
        };
        self.counts.accepted += 1;
        if waiting.is_final {
            self.orders.remove(order);
            self.counts.final_ += 1;
            self.order_to_final.add(0);
        } else {
            waiting.accepted = Some(now);
            self.waiting_since.get_or_insert(now);
        }
    }

    fn is_final(
        &mut self,
        now: u64,
        host: usize,
        block: BlockHash,
        header: &Header,
        orders: &[OrderId],
    ) {
        for order in orders {
            let Some(waiting) = self
                .orders
                .get_mut(order)
                .filter(|order| order.host == host)
            else {
                continue;
            };
            match waiting.accepted {
                Some(accepted) => {
                    self.order_to_final.add(now - accepted);
                    self.counts.final_ += 1;
                    self.orders.remove(order);
                }
                None => waiting.is_final = true,
            }
        }
        if self.counts.final_ == self.counts.accepted {
            self.waiting_since = None;
        }
        let height = header.height.0;
        if height > self.heights {
            self.is_final_first(now, block, header, orders.is_empty());
        }
        if height <= self.final_heights[host] {
            return;
        }
        self.final_heights[host] = height;
        let quorum = self.quorum;
        if let Some(height) = self.at(height) {
            height.finals += 1;
            let made = height.made.iter().find(|(made, _)| *made == block);
            if let Some((_, made)) = made
                && height.finals == quorum
            {
                let time = now - made;
                self.block_to_final.add(time);
            }
        }
    }

    /// A block is final at the first member.
    fn is_final_first(&mut self, now: u64, block: BlockHash, header: &Header, empty: bool) {
        self.heights = header.height.0;
        self.waiting_since = self.waiting_since.map(|_| now);
        self.empty += u64::from(empty);
        let winner = header.proposer.as_usize();
        self.wins[winner] += 1;
        let best = self.draws.next(header);
        let Some(height) = self.at(header.height.0) else {
            return;
        };
        height.log_size = header.log_size.0;
        let direct = height.finality.contains(&block);
        let certified = height.certified.iter().find(|(known, _)| *known == block);
        let certified = certified.map(|(_, at)| *at);
        let began = height.began;
        self.direct += u64::from(direct);
        if let (Some(began), Some(certified)) = (began, certified) {
            let duration = certified.saturating_sub(began);
            self.height_duration.add(duration);
            self.note_course(now, duration);
            if let Some(best) = best {
                let beyond = duration.saturating_sub(best.wait);
                let [all, dead, usual] = &mut self.beyond;
                all.add(beyond);
                if !best.lives {
                    dead.add(beyond);
                } else if best.living == winner {
                    usual.add(beyond);
                }
            }
        }
        self.shortest_wait_won += u64::from(best.is_some_and(|best| best.living == winner));
        while self.lowest + (WINDOW as u64) < self.heights {
            self.window.pop_front();
            self.lowest += 1;
        }
    }

    fn note_course(&mut self, now: u64, duration: u64) {
        self.stretch.push(duration);
        let heights = self.settings.heights.div_ceil(MOST_STRETCHES).max(1);
        if self.stretch.len() as u64 >= heights {
            self.end_stretch(now);
        }
    }

    fn end_stretch(&mut self, now: u64) {
        self.stretch.sort_unstable();
        if let Some(longest) = self.stretch.last() {
            self.course.push(Stretch {
                from: self.stretch_from,
                to: now,
                median: self.stretch[self.stretch.len() / 2],
                longest: *longest,
            });
        }
        self.stretch.clear();
        self.stretch_from = now;
    }

    /// All figures.
    pub(super) fn report(mut self, ending: Ending, simulated: u64, events: u64) -> Report {
        self.end_stretch(simulated);
        let [all, dead, usual] = self.beyond;
        let usual = usual.quantile(0.5).unwrap_or(0);
        let gap = self.settings.timing.mean_wait.0;
        let cost = |beyond_shortest| Cost {
            beyond_shortest,
            usual,
            gap,
        };
        let dead = (self.settings.faults.dead > 0).then(|| DeadReport {
            heights: dead.count(),
            winner: cost(dead),
            member: cost(all),
        });
        let members = self.settings.parts().into_iter().zip(self.wins);
        let mut report = Report {
            ending,
            heights: self.heights,
            simulated,
            events,
            traffic: self.traffic,
            orders: self.counts,
            order_to_final: self.order_to_final,
            block_to_final: self.block_to_final,
            height_duration: self.height_duration,
            direct: self.direct,
            empty: self.empty,
            forks: self.forks,
            shortest_wait_won: self.shortest_wait_won,
            members: members
                .map(|(part, wins)| MemberReport { part, wins })
                .collect(),
            fairness: None,
            dead,
            course: self.course,
            mishaps: Vec::new(),
            settings: self.settings,
        };
        report.judge_fairness();
        report
    }
}
