//! Four nodes as separate processes on this machine, founded as their operators would.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    ops::Range,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use api::model::{MemberList, StatusView};
use tempfile::TempDir;

use crate::{
    http,
    relay::{Carried, Relays},
    usage::{Usage, disk_bytes},
};

/// How many nodes there are: the fewest that go on when one of them lies or stops.
pub(crate) const NODES: usize = 4;
/// How long anything may take that is not measured.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often something that cannot be waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How much of what a node printed is shown when it fails.
const LINES_SHOWN: usize = 20;

/// Where networks are made, and of what.
#[derive(Debug, Clone)]
pub(crate) struct Workshop {
    /// The program.
    pub(crate) dexter: PathBuf,
    /// Networks' folders are made in it; it must be on a disk, so that a sync is one.
    pub(crate) folder: PathBuf,
}

/// What the genesis says about time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timing {
    /// Mean wait 50 ms and grace 20 ms: a height costs about 5 ms of BLS over four nodes, so that
    /// with few heights the processors have time for orders.
    Throughput,
    /// A preset of the program.
    Preset(&'static str),
}

impl Timing {
    /// The flags of `dexter genesis`.
    pub(crate) fn flags(self) -> Vec<&'static str> {
        match self {
            // Waits are uniform, so the shortest of four from 20 to 170 ms is 50 ms on average.
            Self::Throughput => vec![
                "--wait",
                "20ms..170ms",
                "--grace",
                "20ms",
                "--max-block-orders",
                "20000",
            ],
            Self::Preset(name) => vec!["--preset", name],
        }
    }
}

/// How a network is founded and linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    /// What the genesis says about time.
    pub(crate) timing: Timing,
    /// Relays between the nodes, over which everything takes so much longer; otherwise they are
    /// connected directly.
    pub(crate) delay: Option<Duration>,
}

impl Terms {
    /// The terms of the throughput scenarios.
    pub(crate) const THROUGHPUT: Self = Self {
        timing: Timing::Throughput,
        delay: None,
    };
}

/// A network of processes. They end with it, however it ends.
pub(crate) struct Cluster {
    dexter: PathBuf,
    nodes: Vec<Node>,
    relays: Option<Relays>,
    /// Removed after the nodes are gone: fields are dropped in this order.
    folder: TempDir,
}

/// One member's place in the network.
pub(crate) struct Node {
    name: String,
    data: PathBuf,
    p2p: SocketAddr,
    /// Where it finds the others.
    join: Vec<SocketAddr>,
    /// Where its REST interface is.
    pub(crate) api: SocketAddr,
    process: Option<Child>,
}

/// What all running nodes have used so far, summed, but for what is said otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Costs {
    /// Processor time.
    pub(crate) cpu: Duration,
    /// Memory of the one that holds most.
    pub(crate) resident_bytes: u64,
    /// Written to disks.
    pub(crate) written_bytes: u64,
    /// Taken on disks by chains and indexes.
    pub(crate) disk_bytes: u64,
    /// Messages sent to other members.
    pub(crate) messages: u64,
    /// Bytes of those messages.
    pub(crate) message_bytes: u64,
}

impl Cluster {
    /// Founds a network in a fresh folder; nothing runs yet.
    ///
    /// # Errors
    /// When the program refuses.
    pub(crate) async fn found(workshop: &Workshop, terms: Terms) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("network-")
            .tempdir_in(&workshop.folder)
            .with_context(|| format!("cannot make a folder in {}", workshop.folder.display()))?;
        let dexter = workshop.dexter.clone();
        let addresses = free_addresses(2 * NODES)?;
        let (p2p, api) = addresses.split_at(NODES);
        let nodes = (0..NODES).map(|place| {
            let name = format!("shop{}", place + 1);
            let others = p2p.iter().copied().filter(|other| *other != p2p[place]);
            Node {
                data: folder.path().join(&name),
                name,
                p2p: p2p[place],
                join: others.collect(),
                api: api[place],
                process: None,
            }
        });
        let mut cluster = Self {
            dexter,
            nodes: nodes.collect(),
            relays: None,
            folder,
        };
        cluster.make_genesis(terms.timing)?;
        if let Some(delay) = terms.delay {
            let mut relays = Relays::new(delay);
            for node in &mut cluster.nodes {
                for other in &mut node.join {
                    *other = relays.to(*other).await?;
                }
            }
            cluster.relays = Some(relays);
        }
        Ok(cluster)
    }

    /// Makes the members' keys and the genesis file.
    fn make_genesis(&self, timing: Timing) -> anyhow::Result<()> {
        let genesis = self.genesis();
        let mut arguments = vec![
            "genesis".to_owned(),
            "--network".to_owned(),
            "benchmark".to_owned(),
            "--out".to_owned(),
            text(&genesis)?.to_owned(),
        ];
        for Node { name, data, .. } in &self.nodes {
            let data = text(data)?;
            run(&self.dexter, &["init", "--name", name, "--data", data])?;
            arguments.push(format!("{data}/{name}.card.json"));
        }
        arguments.extend(timing.flags().into_iter().map(str::to_owned));
        run(&self.dexter, &arguments)
    }

    fn genesis(&self) -> PathBuf {
        self.folder.path().join("genesis.json")
    }

    /// Founds a network, starts all its nodes, and waits until they are ready.
    ///
    /// # Errors
    /// When one of them does not come up.
    pub(crate) async fn start(workshop: &Workshop, terms: Terms) -> anyhow::Result<Self> {
        let mut cluster = Self::found(workshop, terms).await?;
        cluster.start_nodes(0..NODES).await?;
        Ok(cluster)
    }

    /// Starts some nodes and waits until they are ready.
    ///
    /// # Errors
    /// When one of them does not come up.
    pub(crate) async fn start_nodes(&mut self, places: Range<usize>) -> anyhow::Result<()> {
        for place in places.clone() {
            self.start_node(place)?;
        }
        for place in places {
            self.wait_ready(place).await?;
        }
        Ok(())
    }

    /// Starts one node.
    ///
    /// # Errors
    /// When its process cannot be started.
    pub(crate) fn start_node(&mut self, place: usize) -> anyhow::Result<()> {
        let log = self.log(place);
        let printed = File::options().create(true).append(true).open(&log);
        let printed = printed.with_context(|| format!("cannot write to {}", log.display()))?;
        let node = &self.nodes[place];
        let (p2p, api) = (node.p2p.to_string(), node.api.to_string());
        let mut command = Command::new(&self.dexter);
        command.arg("run").arg("--data").arg(&node.data);
        command.arg("--genesis").arg(self.genesis());
        command.args(["--p2p", &p2p, "--api", &api]);
        for other in &node.join {
            command.args(["--join", &other.to_string()]);
        }
        if self.relays.is_some() {
            command.arg("--join-only");
        }
        command
            .stdin(Stdio::null())
            .stdout(printed.try_clone()?)
            .stderr(printed);
        let process = command
            .spawn()
            .with_context(|| format!("cannot start {}", self.dexter.display()))?;
        self.nodes[place].process = Some(process);
        Ok(())
    }

    /// Ends a node as a power cut would.
    ///
    /// # Errors
    /// When the system does not let us.
    pub(crate) fn kill_node(&mut self, place: usize) -> anyhow::Result<()> {
        if let Some(mut process) = self.nodes[place].process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// Ends a node as its operator would, and waits for its end.
    ///
    /// # Errors
    /// When it does not end well.
    pub(crate) fn stop_node(&mut self, place: usize) -> anyhow::Result<()> {
        let Some(mut process) = self.nodes[place].process.take() else {
            return Ok(());
        };
        let id = process.id().to_string();
        let told = Command::new("kill").args(["-s", "TERM", &id]).status()?;
        let ended = process.wait()?;
        ensure!(
            told.success() && ended.success(),
            "a node did not end well, {ended}. {}",
            self.said(place)
        );
        Ok(())
    }

    /// What the process of a running node uses.
    ///
    /// # Errors
    /// When it does not run.
    pub(crate) fn usage_of(&self, place: usize) -> anyhow::Result<Usage> {
        let process = self.nodes[place].process.as_ref();
        Usage::of(process.context("the node does not run")?.id())
    }

    /// Removes a stopped node's chain, as if it had never been started.
    ///
    /// # Errors
    /// When the system does not let us.
    pub(crate) fn forget_chain(&self, place: usize) -> anyhow::Result<()> {
        let chain = self.nodes[place].chain();
        fs::remove_dir_all(&chain).with_context(|| format!("cannot remove {}", chain.display()))
    }

    /// The links between the nodes, where there are relays.
    pub(crate) fn carried(&self) -> Option<&Carried> {
        self.relays.as_ref().map(Relays::carried)
    }

    /// Waits until a node takes orders and can get them sealed.
    ///
    /// # Errors
    /// When it has ended, or takes too long.
    pub(crate) async fn wait_ready(&mut self, place: usize) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            self.check_runs(place)?;
            if http::stream(self.nodes[place].api, "/readyz").await.is_ok() {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                bail!(
                    "a node is not ready after {PATIENCE:?}. {}",
                    self.said(place)
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn check_runs(&mut self, place: usize) -> anyhow::Result<()> {
        let process = self.nodes[place].process.as_mut();
        match process.map(Child::try_wait).transpose()?.flatten() {
            None => Ok(()),
            Some(status) => bail!("a node ended by itself, {status}. {}", self.said(place)),
        }
    }

    /// Where a node's output goes.
    fn log(&self, place: usize) -> PathBuf {
        let name = &self.nodes[place].name;
        self.folder.path().join(format!("{name}.log"))
    }

    /// The end of what a node printed.
    fn said(&self, place: usize) -> String {
        let text = fs::read_to_string(self.log(place)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let shown = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
        format!(
            "The last lines of {}:\n{}",
            self.nodes[place].name,
            shown.join("\n")
        )
    }

    /// Its members' places.
    pub(crate) fn node(&self, place: usize) -> &Node {
        &self.nodes[place]
    }

    /// What all running nodes have used so far.
    ///
    /// # Errors
    /// When one of them has ended.
    pub(crate) async fn costs(&self) -> anyhow::Result<Costs> {
        let mut costs = Costs::default();
        for node in &self.nodes {
            costs.disk_bytes += node.disk_bytes()?;
            let Some(process) = &node.process else {
                continue;
            };
            let usage = Usage::of(process.id())?;
            costs.cpu += usage.cpu;
            costs.resident_bytes = costs.resident_bytes.max(usage.resident_bytes);
            costs.written_bytes += usage.written_bytes;
            let members: MemberList = http::json(node.api, "/v1/members").await?;
            for traffic in members.members.iter().filter_map(|member| member.traffic) {
                costs.messages += traffic.messages_sent;
                costs.message_bytes += traffic.bytes_sent;
            }
        }
        Ok(costs)
    }

    /// Waits until all running nodes have the same final head and nothing waits to be sealed; how many
    /// orders are final then.
    ///
    /// # Errors
    /// When they do not come together.
    pub(crate) async fn wait_agreement(&self) -> anyhow::Result<u64> {
        let start = Instant::now();
        loop {
            let mut heads = Vec::new();
            for node in self.nodes.iter().filter(|node| node.process.is_some()) {
                let status: StatusView = http::json(node.api, "/v1/status").await?;
                heads.push((status.log_size, status.final_hash, status.pool.orders));
            }
            if let Some(first @ (log_size, _, 0)) = heads.first()
                && heads.iter().all(|head| head == first)
            {
                return Ok(*log_size);
            }
            ensure!(
                start.elapsed() < PATIENCE,
                "after {PATIENCE:?} the nodes have not all one final head and an empty pool: (final orders, final \
                 head, orders that wait) are {heads:?}"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl Costs {
    /// Memory in MiB.
    pub(crate) fn resident_mib(&self) -> f64 {
        self.resident_bytes as f64 / (1 << 20) as f64
    }

    /// What was used since another time; memory is what is held now.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(before.cpu),
            resident_bytes: self.resident_bytes,
            written_bytes: self.written_bytes.saturating_sub(before.written_bytes),
            disk_bytes: self.disk_bytes.saturating_sub(before.disk_bytes),
            messages: self.messages.saturating_sub(before.messages),
            message_bytes: self.message_bytes.saturating_sub(before.message_bytes),
        }
    }
}

impl Node {
    /// The shop's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where its chain and index are.
    fn chain(&self) -> PathBuf {
        self.data.join("chain")
    }

    /// What its chain and index take on the disk.
    fn disk_bytes(&self) -> anyhow::Result<u64> {
        let chain = self.chain();
        if chain.exists() {
            disk_bytes(&chain)
        } else {
            Ok(0)
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // It may have ended already.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Addresses of this machine that nobody uses, none given twice. Their ports are below those that the system gives
/// to connections by itself: one of these could be taken before the node listens there.
fn free_addresses(count: usize) -> anyhow::Result<Vec<SocketAddr>> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const LOWEST: u16 = 10_000;
    const RANGE: u16 = 20_000;
    // Processes begin far apart.
    let start = std::process::id().wrapping_mul(7_919) % u32::from(RANGE);
    let start = u16::try_from(start)?;
    let ports = (0..RANGE).map(|_| {
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % RANGE;
        LOWEST + (start + next) % RANGE
    });
    let addresses = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let free = addresses.filter(|address| TcpListener::bind(address).is_ok());
    let free: Vec<SocketAddr> = free.take(count).collect();
    ensure!(free.len() == count, "no port of this machine is free");
    Ok(free)
}

/// Runs a command of the program to its end.
fn run<A: AsRef<str>>(dexter: &Path, arguments: &[A]) -> anyhow::Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
    let output = Command::new(dexter)
        .args(&arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", dexter.display()))?;
    ensure!(
        output.status.success(),
        "dexter {} failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))
}
