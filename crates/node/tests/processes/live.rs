//! What a web page follows while the shops seal orders.

use std::fs;

use consensus::{Parent, check_header};
use serde_json::{Value, json};
use tempfile::tempdir;
use types::{BlsAndEd25519, Certificate, Genesis, SignedHeader, genesis::next_seed};

use crate::{
    events::Listener,
    support::{Dev, fail, free_ports},
};

fn header_frames(mut bytes: &[u8]) -> Vec<(SignedHeader, Option<Certificate>)> {
    let mut frames = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap();
        frames.push(types::decode(&rest[..length]).unwrap());
        bytes = &rest[length..];
    }
    frames
}

#[test]
fn the_chain_of_headers_holds_from_the_genesis_alone() {
    let folder = tempdir().unwrap();
    let dev = Dev::start(folder.path(), 4, &[]);
    let shop = &dev.shops[0];
    for customer in ["Ada", "Bea", "Chiara"] {
        shop.place_final(customer);
    }
    let signatures = &BlsAndEd25519::new();
    let genesis: Genesis = serde_json::from_value(shop.json("/v1/genesis")).unwrap();
    assert_eq!(genesis.check(signatures), Ok(()));
    let (chain, members) = (genesis.chain_id(), genesis.member_set());

    let answer = shop.get("/v1/headers");
    assert_eq!(answer.content_type, "application/octet-stream");
    let frames = header_frames(&answer.body);
    let mut parent = consensus::genesis_parent(&genesis);
    for (signed, certificate) in &frames {
        let header = &signed.header;
        let checked = check_header(signatures, &chain, &members, &parent, header);
        assert_eq!(checked, Ok(()), "{header:?}");
        let key = members.get(header.proposer).unwrap().identity_key;
        assert!(signed.is_signed_by(signatures, &key));
        if let Some(certificate) = certificate {
            assert_eq!(certificate.block, header.hash());
            assert!(certificate.verify(signatures, &chain, &members));
        }
        parent = Parent {
            hash: header.hash(),
            height: header.height,
            seed: next_seed(&parent.seed, &header.ticket),
            timestamp: header.timestamp,
        };
    }
    assert!(frames.last().unwrap().1.is_some());
    assert!(parent.height.0 >= 3);
    let last = shop.json(&format!("/v1/blocks/{}", parent.height));
    assert_eq!(last["block"]["hash"], parent.hash.to_string());
    assert_eq!(shop.json("/v1/evidence"), json!({"evidence": []}));
    let above = frames.len() - 1;
    let rest = shop.get(&format!("/v1/headers?from={}", above + 1)).body;
    assert_eq!(header_frames(&rest)[0], frames[above]);
}

/// Waits long enough to be seen running, on any machine.
const SLOW: [&str; 4] = ["--shops", "2", "--wait", "300ms..600ms"];

#[test]
fn the_race_runs_while_there_is_work() {
    let folder = tempdir().unwrap();
    let dev = Dev::go_on(folder.path(), 2, free_ports(2), &SLOW);
    let races: Vec<Value> = dev.shops.iter().map(|shop| shop.json("/v1/race")).collect();
    for race in &races {
        assert_eq!(
            (&race["height"], &race["elapsed_us"], &race["members"]),
            (&1.into(), &Value::Null, &2.into())
        );
        let wait = race["own_wait_us"].as_u64().unwrap();
        assert!((300_000..600_000).contains(&wait), "{race}");
    }
    let mut listener = Listener::new(&dev.shops[0], None);
    dev.shops[0].place_final("Ada");
    let mut ran = false;
    loop {
        let event = listener.next();
        if event.kind != "race" {
            continue;
        }
        let race = event.data;
        ran |= race["height"] == 1 && race["elapsed_us"].is_u64();
        if race["height"] == 2 && race["elapsed_us"].is_null() {
            break;
        }
    }
    assert!(ran, "the clock was seen running");
    // Whoever won had told its own members, and nobody else, how long it would wait.
    let block = &dev.shops[0].json("/v1/blocks/1")["block"];
    let winner = dev
        .shops
        .iter()
        .position(|shop| shop.json("/v1/status")["member_id"] == block["winner_id"]);
    assert_eq!(block["wait_us"], races[winner.unwrap()]["own_wait_us"]);
}

#[test]
fn a_menu_is_the_shops_own_and_outlives_it() {
    let folder = tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), 2, &["--shops", "2"]);
    let sample = dev.shops[0].json("/v1/menu");
    assert_eq!(sample["items"][0]["price"], "2.60");
    let menu = json!({"items": [{"name": "Café crème", "price": "4.50", "group": "Coffee"}]});
    let shop = &dev.shops[0];
    let (host, body) = (shop.host(), menu.to_string());
    let head = [
        "PUT /v1/menu HTTP/1.1",
        &host,
        "Content-Type: application/json",
    ];
    let answer = shop.send(&head, body.as_bytes()).unwrap();
    assert_eq!((answer.status, answer.json()), (200, menu.clone()));
    let port = dev.port();
    dev.stop();

    let mut again = Dev::go_on(folder.path(), 2, port, &[]);
    assert_eq!(again.shops[0].json("/v1/menu"), menu);
    assert_eq!(again.shops[1].json("/v1/menu"), sample);
    again.stop();
    let file = folder.path().join("shop-1").join("menu.json");
    fs::write(&file, &body[..20]).unwrap();
    let said = fail(Dev::arguments(folder.path(), port, &[]));
    let path = file.display();
    assert!(said.contains(&format!(
        "the menu in {path} cannot be used; correct it, or delete it"
    )));
}
