//! Four members whose processes and links can be broken and mended.

use std::{collections::BTreeSet, fs, thread, time::Duration};

use super::nemesis::Fault;
use crate::support::{Condition, Founding, Links, Node, Rest, eventually};

/// The smallest number of members of which one may fail.
pub(crate) const MEMBERS: usize = 4;
/// How long all members are cut off from each other at the end: long enough for each to dial every
/// address it knows many times.
const ISOLATED: Duration = Duration::from_secs(2);
/// What a link carries at least, each way, in a test: greetings and a few votes.
const LEAST_CARRIED: u64 = 10_000;

/// The members, their processes, and the links between them.
pub(crate) struct Cluster {
    founding: Founding,
    links: Links,
    members: Vec<Member>,
}

/// A member's process. One that is down has none.
struct Member {
    node: Option<Node>,
    frozen: bool,
}

impl Cluster {
    /// Founds a network and starts all members, connected through links of this test's own.
    pub(crate) fn start() -> Self {
        let founding = Founding::new(&["anna", "boris", "chiara", "dilek"], &[]);
        let addresses: Vec<_> = (0..MEMBERS).map(|member| founding.p2p(member)).collect();
        let mut cluster = Self {
            founding,
            links: Links::between(&addresses),
            members: Vec::new(),
        };
        for member in 0..MEMBERS {
            let node = cluster.start_process(member);
            cluster.members.push(Member {
                node: Some(node),
                frozen: false,
            });
        }
        cluster.wait_ready();
        cluster
    }

    fn start_process(&self, member: usize) -> Node {
        self.founding.start_among(member, &self.links.doors(member))
    }

    /// The members' REST interfaces, whether their processes live or not.
    pub(crate) fn shops(&self) -> Vec<Rest> {
        (0..MEMBERS)
            .map(|member| Rest::at(self.founding.api(member)))
            .collect()
    }

    /// Makes everything as it is when exactly these faults are there.
    pub(crate) fn suffer(&mut self, faults: &[Fault]) {
        let ways: Vec<_> = self.links.ways().collect();
        for way in ways {
            let condition = faults.iter().filter_map(|fault| fault.condition(way)).fold(
                Condition::default(),
                |one, other| Condition {
                    cut: one.cut || other.cut,
                    stalled: one.stalled || other.stalled,
                    delay: one.delay.max(other.delay),
                },
            );
            self.links.set(way, condition);
        }
        let among = |members: fn(&Fault) -> Option<&[usize]>| -> BTreeSet<usize> {
            faults
                .iter()
                .filter_map(members)
                .flatten()
                .copied()
                .collect()
        };
        let (dead, frozen) = (among(Fault::killed), among(Fault::frozen));
        let without_index = among(Fault::without_index);
        // All that die die first, as in a power cut, before the first one comes back.
        for &member in &dead {
            if let Some(mut node) = self.members[member].node.take() {
                node.process.assert_running();
                node.process.kill();
            }
            self.members[member].frozen = false;
            let index = self.founding.data(member).join("chain/index");
            if without_index.contains(&member) && fs::exists(&index).unwrap() {
                fs::remove_dir_all(&index).unwrap();
            }
        }
        for member in 0..MEMBERS {
            if !dead.contains(&member) && self.members[member].node.is_none() {
                self.members[member].node = Some(self.start_process(member));
            }
            let Member {
                node: Some(node),
                frozen: is_frozen,
            } = &mut self.members[member]
            else {
                continue;
            };
            node.process.assert_running();
            let freeze = frozen.contains(&member);
            match (*is_frozen, freeze) {
                (false, true) => node.process.freeze(),
                (true, false) => node.process.thaw(),
                _ => {}
            }
            *is_frozen = freeze;
        }
    }

    /// Waits until every member is connected with enough others and has caught up.
    pub(crate) fn wait_ready(&self) {
        self.members
            .iter()
            .filter_map(|member| member.node.as_ref())
            .for_each(Node::wait_ready);
    }

    /// Waits until all members have the same final chain and nothing more to do, and verifies it.
    pub(crate) fn wait_agreed(&self) {
        let shops = self.shops();
        self.founding
            .assert_one_chain(&shops.iter().collect::<Vec<_>>());
    }

    /// Members have talked over every link, both ways, and there is no way around the links.
    pub(crate) fn assert_links_are_all_there_is(&mut self) {
        for way in self.links.ways() {
            let carried = self.links.carried(way);
            println!("from {} to {}: {carried} bytes", way.0, way.1);
            assert!(carried >= LEAST_CARRIED, "{way:?} carried {carried} bytes");
        }
        for member in 0..MEMBERS {
            let learnt = self.founding.data(member).join("addresses");
            assert!(!fs::exists(&learnt).unwrap(), "{}", learnt.display());
        }
        self.suffer(&[Fault::Cut {
            ways: self.links.ways().collect(),
        }]);
        let shops = self.shops();
        let connected = || {
            shops
                .iter()
                .map(|shop| shop.status("connected"))
                .sum::<u64>()
        };
        eventually("all connections to break", || {
            (connected() == 0).then_some(())
        });
        thread::sleep(ISOLATED);
        assert_eq!(connected(), 0, "members are connected past their links");
    }
}
