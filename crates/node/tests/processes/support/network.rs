//! Networks as their operators set them up: with `dexter dev`, or with `init`, `genesis` and `run`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{Process, Rest, dexter, eventually, free_ports};

/// Waits short enough for a test, long enough to draw from.
pub(crate) const WAIT: [&str; 2] = ["--wait", "5ms..60ms"];

/// `dexter dev`, running.
pub(crate) struct Dev {
    pub(crate) process: Process,
    pub(crate) shops: Vec<Rest>,
    port: u16,
}

impl Dev {
    /// Starts a network in a folder and waits until it is ready.
    pub(crate) fn start(data: &Path, shops: u16, flags: &[&str]) -> Self {
        let flags: Vec<&str> = WAIT.into_iter().chain(flags.iter().copied()).collect();
        Self::go_on(data, shops, free_ports(shops), &flags)
    }

    /// Starts a network with these flags alone and waits until it is ready.
    pub(crate) fn go_on(data: &Path, shops: u16, port: u16, flags: &[&str]) -> Self {
        let process = Process::start(Self::arguments(data, port, flags));
        process.line(&format!("{shops} shops are ready"));
        let address = |place| SocketAddr::from(([127, 0, 0, 1], port + place));
        let shops = (0..shops).map(|place| Rest::at(address(place)));
        Self {
            process,
            shops: shops.collect(),
            port,
        }
    }

    pub(crate) fn arguments(data: &Path, port: u16, flags: &[&str]) -> Vec<String> {
        let (data, port) = (data.to_str().unwrap(), port.to_string());
        let fixed = ["dev", "--data", data, "--api-port", &port];
        fixed
            .iter()
            .chain(flags)
            .map(|&flag| flag.to_owned())
            .collect()
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Stops it as Ctrl-C does; it must end well.
    pub(crate) fn stop(&mut self) {
        self.process.interrupt();
        let status = self.process.end();
        assert!(status.success(), "{status}: {}", self.process.text());
    }
}

/// Members' folders and the genesis file made of their cards.
pub(crate) struct Founding {
    folder: TempDir,
    names: Vec<&'static str>,
    p2p: u16,
    api: u16,
}

impl Founding {
    /// Sets the members up and founds their network.
    pub(crate) fn new(names: &[&'static str], flags: &[&str]) -> Self {
        let count = u16::try_from(names.len()).unwrap();
        let founding = Self {
            folder: tempfile::tempdir().unwrap(),
            names: names.to_vec(),
            p2p: free_ports(count),
            api: free_ports(count),
        };
        for (place, name) in names.iter().enumerate() {
            let data = founding.data(place);
            succeed(&["init", "--name", name, "--data", text(&data)]);
        }
        founding.found("genesis.json", flags);
        founding
    }

    /// Makes a genesis file of all cards.
    pub(crate) fn found(&self, file: &str, flags: &[&str]) -> PathBuf {
        let out = self.folder.path().join(file);
        let cards: Vec<PathBuf> = (0..self.names.len())
            .map(|place| {
                self.data(place)
                    .join(format!("{}.card.json", self.names[place]))
            })
            .collect();
        let mut arguments = vec!["genesis", "--network", "test street", "--out", text(&out)];
        arguments.extend(cards.iter().map(|card| text(card)));
        arguments.extend(WAIT.iter().chain(flags));
        succeed(&arguments);
        out
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
    pub(crate) fn data(&self, place: usize) -> PathBuf {
        self.folder.path().join(self.names[place])
    }
    pub(crate) fn genesis(&self) -> PathBuf {
        self.folder.path().join("genesis.json")
    }
    pub(crate) fn p2p(&self, place: usize) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.p2p + u16::try_from(place).unwrap()))
    }
    pub(crate) fn api(&self, place: usize) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.api + u16::try_from(place).unwrap()))
    }

    /// The arguments of a member's `dexter run`, joining through the first member.
    pub(crate) fn arguments(&self, place: usize) -> Vec<String> {
        let first = self.p2p(0);
        self.arguments_joining(place, (place > 0).then_some(&first))
    }

    /// The arguments of a member's `dexter run`, joining through these addresses.
    fn arguments_joining<'a>(
        &self,
        place: usize,
        join: impl IntoIterator<Item = &'a SocketAddr>,
    ) -> Vec<String> {
        let (data, genesis) = (self.data(place), self.genesis());
        let (p2p, api) = (self.p2p(place).to_string(), self.api(place).to_string());
        let mut arguments = vec!["run", "--data", text(&data), "--genesis", text(&genesis)];
        arguments.extend(["--p2p", &p2p, "--api", &api]);
        let join = join
            .into_iter()
            .flat_map(|address| ["--join".to_owned(), address.to_string()]);
        arguments
            .into_iter()
            .map(str::to_owned)
            .chain(join)
            .collect()
    }

    /// Starts a member and waits until it is up.
    pub(crate) fn start(&self, place: usize) -> Node {
        self.start_with(place, self.arguments(place))
    }

    /// Starts a member that dials these addresses and no others, and waits until it is up.
    pub(crate) fn start_among(&self, place: usize, others: &[SocketAddr]) -> Node {
        let mut arguments = self.arguments_joining(place, others);
        arguments.push("--join-only".to_owned());
        self.start_with(place, arguments)
    }

    fn start_with(&self, place: usize, arguments: Vec<String>) -> Node {
        let process = Process::start(arguments);
        process.line("stop with Ctrl-C");
        Node {
            process,
            rest: Rest::at(self.api(place)),
        }
    }

    /// Starts all members and waits until each is ready.
    pub(crate) fn start_all(&self) -> Vec<Node> {
        let nodes: Vec<Node> = (0..self.names.len())
            .map(|place| self.start(place))
            .collect();
        nodes.iter().for_each(Node::wait_ready);
        nodes
    }

    /// Waits until all have the same final head and nothing waits, and checks that their chains are
    /// the same, byte for byte, and hold from genesis on. Returns the chain, a line a block.
    pub(crate) fn assert_one_chain(&self, nodes: &[&Rest]) -> String {
        eventually("all nodes to have the same chain", || {
            let heads: Vec<Value> = nodes.iter().map(|rest| rest.json("/v1/status")).collect();
            let same = heads.iter().all(|head| {
                head["final_hash"] == heads[0]["final_hash"]
                    && head["pool"]["orders"] == 0
                    && head["ready"] == true
            });
            same.then_some(())
        });
        let genesis = self.genesis();
        let chains: Vec<String> = nodes
            .iter()
            .map(|rest| {
                let url = rest.url();
                succeed(&[
                    "chain",
                    "verify",
                    "--genesis",
                    text(&genesis),
                    "--node",
                    &url,
                ]);
                succeed(&["chain", "show", "--json", "--node", &url])
            })
            .collect();
        let original: Vec<Vec<u8>> = nodes
            .iter()
            .map(|rest| rest.get("/get_chain").body)
            .collect();
        assert!(
            chains.iter().all(|chain| *chain == chains[0]),
            "{chains:#?}"
        );
        assert!(
            original.iter().all(|chain| *chain == original[0]),
            "{original:?}"
        );
        chains[0].clone()
    }
}

/// A member's node, running.
pub(crate) struct Node {
    pub(crate) process: Process,
    pub(crate) rest: Rest,
}

impl Node {
    /// Waits until it can get orders sealed.
    pub(crate) fn wait_ready(&self) {
        eventually("a node to be ready", || {
            let answer = self.rest.try_get("/readyz").ok()?;
            (answer.status == 200).then_some(())
        });
    }
}

/// Runs a command that must succeed; returns what it printed.
pub(crate) fn succeed(arguments: &[&str]) -> String {
    let output = dexter(arguments);
    assert!(output.status.success(), "dexter {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must fail; returns what it said.
pub(crate) fn fail<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> String {
    let mut process = Process::start(arguments);
    let status = process.end();
    assert_eq!(status.code(), Some(1), "{}", process.text());
    process.text()
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
