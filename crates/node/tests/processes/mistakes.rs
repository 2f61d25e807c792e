//! Mistakes of operators, and strangers at the ports.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
};

use crate::support::{Founding, Node, PATIENCE, Process, Rest, fail, free_ports, succeed, text};

#[test]
fn two_genesis_files_are_told_on_both_sides() {
    let founding = Founding::new(&["anna", "boris"], &[]);
    let other = founding.found("other.json", &["--currency", "USD"]);
    let first = founding.start(0);
    let mut arguments = founding.arguments(1);
    let genesis = arguments
        .iter()
        .position(|argument| argument == "--genesis")
        .unwrap();
    arguments[genesis + 1] = text(&other).to_owned();
    let second = Process::start(arguments);
    for (process, peer) in [(&first.process, "boris"), (&second, "anna")] {
        let line = process.line("has another genesis");
        assert!(
            line.starts_with(&format!("! {peer} at 127.0.0.1:")),
            "{line}"
        );
        assert!(
            line.contains("Ours: ") && line.contains(". Theirs: "),
            "{line}"
        );
        assert!(
            line.contains("Give every member the same genesis file"),
            "{line}"
        );
    }
}

#[test]
fn a_data_folder_of_another_network_is_refused() {
    let founding = Founding::new(&["anna"], &[]);
    let mut node = founding.start(0);
    node.rest.place_final("Ada");
    node.process.kill();
    fs::remove_file(founding.genesis()).unwrap();
    founding.found("genesis.json", &["--currency", "USD"]);
    let said = fail(founding.arguments(0));
    assert!(
        said.starts_with("dexter: the node cannot start: "),
        "{said}"
    );
    assert!(said.contains("network"), "{said}");
}

#[test]
fn a_second_node_of_one_member_is_refused_and_the_network_goes_on() {
    let founding = Founding::new(&["anna", "boris", "chiara"], &["--fault-model", "crash"]);
    let nodes = founding.start_all();
    nodes[0].rest.place_final("Ada");

    // The same data folder.
    let (p2p, api) = (free_ports(1), free_ports(1));
    let said = fail(elsewhere(&founding, &founding.data(1), p2p, api));
    assert!(
        said.contains("another node is using this data folder"),
        "{said}"
    );
    assert!(
        said.contains("stop that node, or give this one a folder of its own"),
        "{said}"
    );

    // The same keys in a folder of their own.
    let copy = founding.folder().join("copy");
    fs::create_dir_all(copy.join("keys")).unwrap();
    for file in fs::read_dir(founding.data(1).join("keys")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.join("keys").join(file.file_name())).unwrap();
    }
    let twin = Process::start(elsewhere(&founding, &copy, p2p, api));
    let line = nodes[0].process.line("a second node with the key of boris");
    assert!(line.contains("Stop one of the two"), "{line}");
    twin.line("disconnected from anna: it says: another node with the same key is connected");
    let line = twin.line("! anna at");
    assert!(
        line.contains("refuses this node: another node with the same key"),
        "{line}"
    );
    let shops: Vec<&Rest> = nodes.iter().map(|node| &node.rest).collect();
    shops.iter().for_each(|shop| drop(shop.place_final("Bea")));
    founding.assert_one_chain(&shops);
}

/// The arguments of boris' node with another data folder and other ports.
fn elsewhere(founding: &Founding, data: &Path, p2p: u16, api: u16) -> Vec<String> {
    let (genesis, join) = (founding.genesis(), founding.p2p(0).to_string());
    let (p2p, api) = (format!("127.0.0.1:{p2p}"), format!("127.0.0.1:{api}"));
    let arguments = [
        "run",
        "--data",
        text(data),
        "--genesis",
        text(&genesis),
        "--p2p",
        &p2p,
    ];
    let arguments = arguments
        .into_iter()
        .chain(["--api", &*api, "--join", &*join]);
    arguments.map(str::to_owned).collect()
}

#[test]
fn garbage_at_the_ports_is_shrugged_off() {
    let founding = Founding::new(&["anna", "boris"], &[]);
    let nodes = founding.start_all();
    nodes[0].rest.place_final("Ada");
    let noise: Vec<u8> = (0..100_000_u32)
        .map(|place| (place.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for garbage in [
        &noise[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x13/multistream/1.0.0\n\x07/noise\n\xff\xff\xff\xff",
        b"",
    ] {
        throw(founding.p2p(0), garbage);
    }
    for garbage in [
        &noise[..],
        b"\0\0\0\0\r\n\r\n",
        b"POST /v1/orders HTTP/1.1\r\n",
        b"",
    ] {
        throw(founding.api(0), garbage);
    }
    nodes.iter().for_each(Node::wait_ready);
    nodes[1].rest.place_final("Bea");
    let shops: Vec<&Rest> = nodes.iter().map(|node| &node.rest).collect();
    let chain = founding.assert_one_chain(&shops);
    assert!(!chain.is_empty());
    assert_eq!(shops[0].status("log_size"), 2);
}

/// Sends garbage, and waits until the other side has had enough of it.
fn throw(address: SocketAddr, garbage: &[u8]) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // It may be closed before all is written.
    let _ = stream.write_all(garbage);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
}

#[test]
fn ports_in_use_are_named_with_their_flags() {
    let founding = Founding::new(&["anna", "boris"], &[]);
    let _node = founding.start(0);
    let genesis = founding.genesis();
    let (taken_p2p, taken_api) = (founding.p2p(0).to_string(), founding.api(0).to_string());
    let (data, free) = (founding.data(1), "127.0.0.1:0");
    for (p2p, api, taken, flag) in [
        (free, &*taken_api, &taken_api, "--api"),
        (&*taken_p2p, free, &taken_p2p, "--p2p"),
    ] {
        let said = fail([
            "run",
            "--data",
            text(&data),
            "--genesis",
            text(&genesis),
            "--p2p",
            p2p,
            "--api",
            api,
        ]);
        assert!(said.contains(taken) && said.contains(flag), "{said}");
    }
}

#[test]
fn keys_of_no_member_are_refused() {
    let founding = Founding::new(&["anna", "boris"], &[]);
    let stranger = founding.folder().join("stranger");
    succeed(&["init", "--name", "zoe", "--data", text(&stranger)]);
    let said = fail(elsewhere(&founding, &stranger, 0, 0));
    assert!(
        said.contains("belong to no member of the network \"test street\""),
        "{said}"
    );
}

#[test]
fn another_members_lottery_key_is_refused() {
    let founding = Founding::new(&["anna", "boris"], &[]);
    let [anna, boris] = [0, 1].map(|member| founding.data(member).join("keys").join("lottery.key"));
    std::fs::copy(boris, anna).unwrap();
    let said = fail(elsewhere(&founding, &founding.data(0), 0, 0));
    assert!(
        said.contains(
            "is not the one that the genesis file has for anna; put back the lottery.key"
        ),
        "{said}"
    );
}
