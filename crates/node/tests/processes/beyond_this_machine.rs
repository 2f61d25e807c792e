//! A node that listens beyond this machine asks for its token.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::support::{Founding, Process, Rest, dexter, free_ports, succeed, text};

#[test]
fn beyond_loopback_reading_and_writing_need_the_token() {
    let founding = Founding::new(&["anna"], &[]);
    let port = free_ports(1);
    let (data, genesis, api) = (
        founding.data(0),
        founding.genesis(),
        format!("0.0.0.0:{port}"),
    );
    let process = Process::start([
        "run",
        "--data",
        text(&data),
        "--genesis",
        text(&genesis),
        "--p2p",
        "127.0.0.1:0",
        "--api",
        &api,
    ]);
    process.line("stop with Ctrl-C");
    let token_file = data.join("token");
    assert!(process.line("token  ").contains(text(&token_file)));
    let mode = fs::metadata(&token_file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let rest = Rest::at(([127, 0, 0, 1], port).into());
    let token = fs::read_to_string(&token_file).unwrap();
    let right = format!("Authorization: Bearer {}", token.trim());
    let host = rest.host();
    let body = crate::support::order("Ada").to_string();
    for line in [
        "GET /v1/status HTTP/1.1",
        "GET /get_chain HTTP/1.1",
        "POST /v1/orders HTTP/1.1",
    ] {
        let ask = |more: &[&str]| {
            let head: Vec<&str> = [line, &host, "Content-Type: application/json"]
                .iter()
                .chain(more)
                .copied()
                .collect();
            rest.send(&head, body.as_bytes()).unwrap()
        };
        for wrong in [
            &[][..],
            &["Authorization: Bearer 00"],
            &["Authorization: Basic 00"],
        ] {
            let refused = ask(wrong);
            assert_eq!(refused.status, 401, "{line}: {refused:?}");
            assert_eq!(refused.json()["type"], "urn:dexter:problem:token-required");
        }
        let good = ask(&[&right]);
        assert!(matches!(good.status, 200 | 201), "{line}: {good:?}");
    }

    let url = rest.url();
    let output = dexter(["status", "--node", &url]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("The node's token is required"), "{said}");
    assert!(said.contains("--token-file"), "{said}");
    succeed(&["status", "--node", &url, "--token-file", text(&token_file)]);
}
