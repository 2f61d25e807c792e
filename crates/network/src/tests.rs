//! Whole nodes over loopback connections.

use std::{
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    time::Duration,
};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{Swarm, swarm::SwarmEvent};
use types::{BatchId, ChainId, Epoch, Height, IdentityPublicKey, IdentitySecret, Message, Status};

use crate::{
    behaviour::{Behaviour, BehaviourEvent, Streams},
    config::{identity_key, keypair, multiaddr, peer_id},
    frames::{Greeting, MAX_FRAME_BYTES, frame_bytes},
    transport::build_swarm,
    *,
};

/// Longer than anything here takes on a busy machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

fn secret(byte: u8) -> IdentitySecret {
    IdentitySecret::new([byte; 32])
}
fn key(byte: u8) -> IdentityPublicKey {
    identity_key(&keypair(&secret(byte)).public().to_peer_id()).unwrap()
}
fn hello() -> Hello {
    Hello {
        chain: ChainId::new([1; 32]),
        network: "beans".into(),
        genesis: "3 members".into(),
        name: "node".into(),
    }
}
fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
/// Holds an address until a node listens on it, so that nothing else on this machine takes it. Who
/// dials it meanwhile is connected, told nothing, and cut off when it is dropped.
struct Reserved {
    listener: TcpListener,
    address: SocketAddr,
}
fn reserve() -> Reserved {
    let listener = TcpListener::bind(loopback(0)).unwrap();
    let address = listener.local_addr().unwrap();
    Reserved { listener, address }
}
fn config(me: u8, members: &[u8], bootstrap: &[SocketAddr]) -> Config {
    let named = |member: &u8| NamedKey {
        name: format!("shop-{member}"),
        key: key(*member),
    };
    Config {
        identity: secret(me),
        listen: vec![loopback(0)],
        bootstrap: bootstrap.to_vec(),
        bootstrap_only: false,
        members: members.iter().map(named).collect(),
        observers: Vec::new(),
        hello: hello(),
        addresses_file: None,
    }
}

struct Node {
    handle: Handle,
    events: Events,
    address: SocketAddr,
}

impl Node {
    async fn start(config: Config) -> Self {
        let (handle, events) = Network::start(config).unwrap();
        let mut node = Self {
            handle,
            events,
            address: loopback(0),
        };
        node.address = node
            .until(|event| match event {
                Event::Listening(address) => Some(address),
                _ => None,
            })
            .await;
        node
    }

    /// Takes events until one is what is waited for.
    async fn until<T>(&mut self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        let mut seen = Vec::new();
        let search = async {
            loop {
                let event = self.events.recv().await.expect("the network ended");
                seen.push(event.to_string());
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, search).await;
        found.unwrap_or_else(|_| panic!("waited in vain; events were: {seen:#?}"))
    }

    async fn connected(&mut self, with: u8) -> SocketAddr {
        self.until(|event| match event {
            Event::Connected {
                key: peer, address, ..
            } if peer == key(with) => Some(address),
            _ => None,
        })
        .await
    }
    async fn disconnected(&mut self, from: u8) -> String {
        self.until(|event| match event {
            Event::Disconnected {
                key: peer, reason, ..
            } if peer == key(from) => Some(reason),
            _ => None,
        })
        .await
    }
    async fn message(&mut self, from: u8) -> Message {
        self.until(|event| match event {
            Event::Message {
                from: peer,
                message,
            } if peer == key(from) => Some(message),
            _ => None,
        })
        .await
    }
    async fn stop(self) {
        self.handle.shutdown().await.unwrap();
    }
}

fn status(height: u64) -> Message {
    Message::Status(Status {
        epoch: Epoch(0),
        height: Height(height),
        final_height: Height(0),
    })
}
fn encoded(message: &Message) -> Encoded {
    Encoded::new(message).unwrap()
}
/// A message of so many mebibytes, for the bulk stream.
fn large(mebibytes: usize) -> Message {
    Message::FetchBatches(vec![BatchId::new([7; 32]); mebibytes * 32 * 1024])
}

/// A member that says what it likes once its streams are open.
async fn raw_member(me: u8, to: SocketAddr) -> (Swarm<Behaviour>, Streams) {
    let admitted = (1..=9)
        .map(|member| (peer_id(&key(member)).unwrap(), key(member)))
        .collect();
    let mut swarm = build_swarm(keypair(&secret(me)), admitted).unwrap();
    swarm.dial(multiaddr(to)).unwrap();
    loop {
        if let SwarmEvent::Behaviour(BehaviourEvent::Doors(opened)) = swarm.select_next_some().await
        {
            return (swarm, opened.streams.unwrap());
        }
    }
}

fn greeting(hello: &Hello, instance: u64) -> Greeting {
    Greeting::new(hello, instance, 1, Vec::new(), Vec::new())
}

/// What a node says when a raw member greets it well and then sends these bytes on the small stream.
async fn reason_after(bytes: &[u8]) -> String {
    let mut node = Node::start(config(1, &[1, 2], &[])).await;
    let (mut swarm, mut streams) = raw_member(2, node.address).await;
    let driver = tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    streams
        .small
        .write_all(&frame_bytes(&greeting(&hello(), 1)))
        .await
        .unwrap();
    streams.small.write_all(bytes).await.unwrap();
    streams.small.flush().await.unwrap();
    node.connected(2).await;
    let reason = node.disconnected(2).await;
    driver.abort();
    node.stop().await;
    reason
}

#[tokio::test(flavor = "multi_thread")]
async fn two_talk_both_ways_in_small_and_large() {
    let mut one = Node::start(config(1, &[1, 2], &[])).await;
    let mut two = Node::start(config(2, &[1, 2], &[one.address])).await;
    assert_eq!(two.connected(1).await, one.address);
    assert_eq!(
        one.connected(2).await,
        two.address,
        "where it listens, not where it dialled from"
    );
    assert!(one.handle.send(&key(2), &encoded(&large(20))));
    assert!(one.handle.send(&key(2), &encoded(&status(5))));
    assert!(two.handle.send(&key(1), &encoded(&large(20))));
    two.handle.broadcast(&encoded(&status(6)));
    for (node, other, height) in [(&mut one, 2, 6), (&mut two, 1, 5)] {
        // The small one need not wait for the large one, so either may come first.
        let (first, second) = (node.message(other).await, node.message(other).await);
        let (small, big) = if matches!(first, Message::Status(_)) {
            (first, second)
        } else {
            (second, first)
        };
        assert_eq!(small, status(height));
        assert!(big == large(20));
    }
    let peers = one.handle.peers();
    assert_eq!(peers.len(), 1);
    let peer = &peers[0];
    assert_eq!(
        (peer.key, peer.name.as_str(), peer.address),
        (key(2), "shop-2", two.address)
    );
    assert_eq!(
        (peer.messages_in, peer.dropped, peer.waiting_bytes),
        (2, 0, 0)
    );
    assert_eq!(peer.bytes_in, 20 * 1024 * 1024 + 6 + 26);
    assert!(
        !one.handle.send(&key(3), &encoded(&status(1))),
        "not connected"
    );
    one.stop().await;
    assert_eq!(
        two.disconnected(1).await,
        "the connection was lost: the other side closed it"
    );
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_find_each_other_through_the_first_in_any_order() {
    for order in [[1, 2, 3], [2, 3, 1], [3, 1, 2]] {
        let first = reserve();
        let address = first.address;
        let mut first = Some(first);
        let mut nodes = Vec::new();
        for me in order {
            let mut config = config(me, &[1, 2, 3], &[address]);
            if me == 1 {
                config.listen = vec![address];
                drop(first.take());
            }
            nodes.push((me, Node::start(config).await));
        }
        for (me, node) in &mut nodes {
            let mut missing: Vec<_> = [1, 2, 3]
                .into_iter()
                .filter(|other| other != me)
                .map(key)
                .collect();
            node.until(|event| match event {
                Event::Connected { key, .. } => {
                    missing.retain(|other| *other != key);
                    missing.is_empty().then_some(())
                }
                Event::Listening(_) | Event::Disconnected { .. } => None,
                event => panic!("{event}"),
            })
            .await;
        }
        for (_, node) in nodes {
            node.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_restarts_on_its_port_is_found_again() {
    let mut one = Node::start(config(1, &[1, 2], &[])).await;
    let mut two = Node::start(config(2, &[1, 2], &[one.address])).await;
    two.connected(1).await;
    let address = one.address;
    for _ in 0..2 {
        one.stop().await;
        two.disconnected(1).await;
        one = Node::start(Config {
            listen: vec![address],
            ..config(1, &[1, 2], &[])
        })
        .await;
        two.connected(1).await;
        one.connected(2).await;
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_remembered_over_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let file: Option<PathBuf> = Some(directory.path().join("addresses"));
    let mut one = Node::start(config(1, &[1, 2], &[])).await;
    let remembering = Config {
        addresses_file: file.clone(),
        ..config(2, &[1, 2], &[one.address])
    };
    let mut two = Node::start(remembering).await;
    let address = two.connected(1).await;
    one.connected(2).await;
    two.stop().await;
    one.stop().await;
    // Nobody is told of anybody now.
    let one = Node::start(Config {
        listen: vec![address],
        ..config(1, &[1, 2], &[])
    })
    .await;
    let mut two = Node::start(Config {
        addresses_file: file,
        ..config(2, &[1, 2], &[])
    })
    .await;
    assert_eq!(two.connected(1).await, one.address);
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_dial_each_other_at_once_keep_one_connection() {
    let reserved = [reserve(), reserve()];
    let addresses = [reserved[0].address, reserved[1].address];
    let start = |me: u8, here: Reserved, there: SocketAddr| {
        let config = Config {
            listen: vec![here.address],
            ..config(me, &[1, 2], &[there])
        };
        drop(here.listener);
        Node::start(config)
    };
    let [here, there] = reserved;
    let (mut one, mut two) =
        tokio::join!(start(1, here, addresses[1]), start(2, there, addresses[0]));
    one.connected(2).await;
    two.connected(1).await;
    // What is under way on the connection that is given up is lost; what is sent again gets through.
    for (from, to, height) in [
        (&one.handle, &mut two.events, 1),
        (&two.handle, &mut one.events, 2),
    ] {
        let arrived = async {
            let mut again = tokio::time::interval(Duration::from_millis(20));
            loop {
                tokio::select! {
                    _ = again.tick() => from.broadcast(&encoded(&status(height))),
                    event = to.recv() => if matches!(event, Some(Event::Message { .. })) { return },
                }
            }
        };
        tokio::time::timeout(PATIENCE, arrived)
            .await
            .expect("nothing gets through");
    }
    let rank = |node: &Node| {
        node.handle
            .shared
            .links()
            .values()
            .next()
            .map(|link| link.rank)
    };
    let agreed = async {
        let mut again = tokio::time::interval(Duration::from_millis(10));
        while rank(&one).is_none() || rank(&one) != rank(&two) {
            again.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, agreed)
        .await
        .expect("they keep different connections");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_refused_and_both_are_told() {
    let mut one = Node::start(config(1, &[1, 2], &[])).await;
    let mut stranger = Node::start(config(9, &[1, 9], &[one.address])).await;
    let refused = one.until(|event| match event {
        Event::Refused { key, address } => Some((key, address.ip())),
        _ => None,
    });
    assert_eq!(refused.await, (key(9), loopback(0).ip()));
    let unwelcome = stranger.until(|event| match event {
        Event::Unwelcome { key, address, .. } => Some((key, address)),
        _ => None,
    });
    assert_eq!(unwelcome.await, (key(1), one.address));
    assert!(one.handle.peers().is_empty() && stranger.handle.peers().is_empty());
    one.stop().await;
    stranger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_is_admitted_by_its_name() {
    let observed = Config {
        observers: vec![key(9)],
        ..config(1, &[1, 2], &[])
    };
    let mut one = Node::start(observed).await;
    let mut observer = Node::start(config(9, &[1, 2], &[one.address])).await;
    observer.connected(1).await;
    let name = one.until(|event| match event {
        Event::Connected { name, .. } => Some(name),
        _ => None,
    });
    assert_eq!(name.await, "observer node");
    one.handle.broadcast(&encoded(&status(3)));
    assert_eq!(observer.message(1).await, status(3));
    one.stop().await;
    observer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_genesis_is_told_on_both_sides_with_both() {
    let mut one = Node::start(config(1, &[1, 2], &[])).await;
    let mut other = config(2, &[1, 2], &[one.address]);
    other.hello = Hello {
        chain: ChainId::new([2; 32]),
        genesis: "4 members".into(),
        ..hello()
    };
    let mut two = Node::start(other).await;
    let ours = format!("network \"beans\", chain {}, 3 members", "01".repeat(32));
    let theirs = format!("network \"beans\", chain {}, 4 members", "02".repeat(32));
    let mismatch = |event| match event {
        Event::GenesisMismatch {
            name, ours, theirs, ..
        } => Some((name, ours, theirs)),
        _ => None,
    };
    assert_eq!(
        one.until(mismatch).await,
        ("shop-2".into(), ours.clone(), theirs.clone())
    );
    assert_eq!(two.until(mismatch).await, ("shop-1".into(), theirs, ours));
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_is_told() {
    let mut node = Node::start(config(1, &[1, 2], &[])).await;
    let (mut swarm, mut streams) = raw_member(2, node.address).await;
    streams
        .small
        .write_all(&frame_bytes(&(7_u16, "from the future")))
        .await
        .unwrap();
    streams.small.flush().await.unwrap();
    let told = node.until(|event| match event {
        Event::VersionMismatch {
            key, ours, theirs, ..
        } => Some((key, ours, theirs)),
        _ => None,
    });
    let driver = async {
        loop {
            swarm.select_next_some().await;
        }
    };
    tokio::select! {
        told = told => assert_eq!(told, (key(2), WIRE_VERSION, 7)),
        () = driver => {}
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_silence_on_the_port_disturb_nobody() {
    let mut one = Node::start(config(1, &[1, 2], &[])).await;
    let silent = TcpStream::connect(one.address).unwrap();
    let mut garbage = TcpStream::connect(one.address).unwrap();
    garbage.write_all(&[0xff; 4096]).unwrap();
    let mut two = Node::start(config(2, &[1, 2], &[one.address])).await;
    two.connected(1).await;
    one.connected(2).await;
    two.handle.broadcast(&encoded(&status(1)));
    assert_eq!(one.message(2).await, status(1));
    // Both are dropped: the one for what it sent, the other for sending nothing in time.
    let dropped = tokio::task::spawn_blocking(move || {
        for mut stream in [garbage, silent] {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            match std::io::copy(&mut stream, &mut std::io::sink()) {
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
            }
        }
    });
    dropped.await.unwrap();
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_too_long_or_malformed_end_the_connection() {
    let long = u32::try_from(MAX_FRAME_BYTES + 1).unwrap().to_le_bytes();
    assert_eq!(
        reason_after(&long).await,
        "it sent a frame of 33554434 bytes; at most 1048576 are allowed"
    );
    let malformed = reason_after(&[1, 0, 0, 0, 99]).await;
    assert!(
        malformed.starts_with("it sent a malformed frame: not a valid Frame: "),
        "{malformed}"
    );
    let empty = reason_after(&[0, 0, 0, 0]).await;
    assert!(
        empty.starts_with("it sent a malformed frame: not a valid Frame: "),
        "{empty}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_takes_nothing_holds_up_nobody_and_little_memory() {
    let mut sender = Node::start(config(1, &[1, 2, 3], &[])).await;
    let mut slow = Node::start(config(2, &[1, 2, 3], &[sender.address])).await;
    let mut quick = Node::start(config(3, &[1, 2, 3], &[sender.address])).await;
    slow.connected(1).await;
    quick.connected(1).await;
    let mut missing = vec![key(2), key(3)];
    sender
        .until(|event| {
            if let Event::Connected { key, .. } = event {
                missing.retain(|other| *other != key);
            }
            missing.is_empty().then_some(())
        })
        .await;
    // 256 MiB: more than queue, sockets and the receiver's room hold together.
    let message = encoded(&large(2));
    for _ in 0..128 {
        sender.handle.broadcast(&message);
        quick.message(1).await;
    }
    let peers = sender.handle.peers();
    let of = |member: u8| peers.iter().find(|peer| peer.key == key(member)).unwrap();
    assert_eq!(of(3).dropped, 0);
    assert!(of(2).dropped > 0);
    assert!(of(2).waiting_bytes <= 2 * (MAX_FRAME_BYTES as u64 + 4));
    let received = slow
        .handle
        .peers()
        .iter()
        .map(|peer| peer.bytes_in)
        .sum::<u64>();
    assert!(
        received <= MAX_FRAME_BYTES as u64,
        "{received} bytes received and not taken"
    );
    // It is still there, small messages still go to it, and it can go on where it was.
    sender.handle.broadcast(&encoded(&status(9)));
    slow.until(|event| {
        matches!(event, Event::Message { message, .. } if message == status(9)).then_some(())
    })
    .await;
    for node in [sender, slow, quick] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_holder_of_a_key_is_noticed_and_refused() {
    let mut one = Node::start(config(1, &[1, 2], &[])).await;
    let mut two = Node::start(config(2, &[1, 2], &[one.address])).await;
    one.connected(2).await;
    two.connected(1).await;
    let mut copy = Node::start(config(1, &[1, 2], &[two.address])).await;
    let duplicate = |event| match event {
        Event::DuplicateKey { key, name, .. } => Some((key, name)),
        Event::Disconnected { reason, .. } => panic!("the first holder was put off: {reason}"),
        _ => None,
    };
    assert_eq!(two.until(duplicate).await, (key(1), "shop-1".into()));
    assert_eq!(
        copy.disconnected(2).await,
        "it says: another node with the same key is connected"
    );
    let refused = |event| match event {
        Event::KeyInUse { name, .. } => Some(name),
        _ => None,
    };
    assert_eq!(copy.until(refused).await, "shop-2");
    two.handle.broadcast(&encoded(&status(4)));
    assert_eq!(one.message(2).await, status(4));

    // And where the two meet: the one that dials is told.
    let mut copy_of_two = Node::start(config(2, &[1, 2], &[two.address])).await;
    let own = |event| match event {
        Event::DuplicateKey { key, name, .. } => Some((key, name)),
        _ => None,
    };
    assert_eq!(copy_of_two.until(own).await, (key(2), "node".into()));
    for node in [one, two, copy, copy_of_two] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vanished_first_holder_gives_way() {
    // The incumbent greets and then does not move any more, as a host that lost its power.
    let mut one = Node::start(config(1, &[1, 2], &[])).await;
    let (mut swarm, mut streams) = raw_member(2, one.address).await;
    streams
        .small
        .write_all(&frame_bytes(&greeting(&hello(), 1)))
        .await
        .unwrap();
    streams.small.flush().await.unwrap();
    let mut theirs = [0; 4];
    let driver = tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    streams.small.read_exact(&mut theirs).await.unwrap();
    one.connected(2).await;
    let mut two = Node::start(config(2, &[1, 2], &[one.address])).await;
    assert_eq!(
        one.disconnected(2).await,
        "another connection took its place"
    );
    assert_eq!(one.connected(2).await, two.address);
    two.connected(1).await;
    driver.abort();
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_and_a_bad_key_are_told() {
    let one = Node::start(config(1, &[1, 2], &[])).await;
    let error = Network::start(Config {
        listen: vec![one.address],
        ..config(2, &[1, 2], &[])
    })
    .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot listen on {}: ", one.address)),
        "{error}"
    );
    let mut bad = config(1, &[1, 2], &[]);
    bad.members[1].key = (2..=255_u8)
        .map(|byte| IdentityPublicKey::new([byte; 32]))
        .find(|key| peer_id(key).is_none())
        .unwrap();
    let error = Network::start(bad).unwrap_err().to_string();
    assert_eq!(
        error,
        "the identity key of shop-2 is not an Ed25519 key; check the genesis file"
    );
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_told_or_when_nobody_listens_and_a_panic_is_not_lost() {
    let one = Node::start(config(1, &[1, 2], &[])).await;
    let (handle, mut events) = (one.handle, one.events);
    handle.shutdown().await.unwrap();
    assert_eq!(events.recv().await, None);
    handle.clone().shutdown().await.unwrap();

    let two = Node::start(config(2, &[1, 2], &[])).await;
    drop(two.events);
    two.handle.ended().await.unwrap();

    let broken = Handle {
        shared: std::sync::Arc::default(),
    };
    broken.runs_as(tokio::spawn(async { panic!("on purpose") }));
    let error = broken.shutdown().await.unwrap_err().to_string();
    assert!(error.contains("on purpose"), "{error}");
}
