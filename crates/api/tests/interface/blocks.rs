//! Blocks, and the chain as a stream.

use api::{
    ApiConfig, Backend, CHAIN_FRAME_LENGTH_BYTES, Limits,
    backend::{FinalFrame, HeaderFrame},
    model::{BlockDetail, BlockPage},
};
use borsh::BorshDeserialize;
use serde_json::json;
use types::{Height, Simulated};

use crate::client::Served;

#[tokio::test]
async fn blocks_are_listed_and_shown_by_height_and_hash() {
    let served = Served::start(ApiConfig::default()).await;
    assert_eq!(
        served.get("/v1/blocks").await.json(),
        json!({"blocks": [], "next": null})
    );
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(served.place("Ada", "1").await);
        served.node.seal();
    }
    let page = async |query: &str| -> (Vec<u64>, Option<u64>) {
        let answer = served.get(&format!("/v1/blocks{query}")).await;
        let page: BlockPage = serde_json::from_slice(&answer.body).unwrap();
        (
            page.blocks.iter().map(|block| block.height).collect(),
            page.next,
        )
    };
    assert_eq!(page("").await, (vec![5, 4, 3, 2, 1], None));
    assert_eq!(page("?limit=2").await, (vec![5, 4], Some(4)));
    assert_eq!(page("?limit=2&before=4").await, (vec![3, 2], Some(2)));
    assert_eq!(page("?limit=1&before=2").await, (vec![1], None));
    served
        .get("/v1/blocks?limit=0")
        .await
        .problem(400, "malformed-request");

    let answer = served.get("/v1/blocks/3").await;
    let detail: BlockDetail = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(detail.order_ids[0].to_string(), ids[2]);
    let block = &detail.block;
    assert_eq!(
        (block.height, block.orders, block.log_size, block.wait_us),
        (3, 1, 3, 1_234)
    );
    assert_eq!((block.is_final, block.time_to_final_ms), (true, Some(9)));
    let by_hash = served.get(&format!("/v1/blocks/{}", block.hash)).await;
    assert_eq!(by_hash.text(), answer.text());
    for path in [
        "/v1/blocks/x",
        "/v1/blocks/-1",
        "/v1/blocks/+1",
        "/v1/blocks/99999999999999999999",
    ] {
        served.get(path).await.problem(400, "malformed-request");
    }
    served
        .get(&format!("/v1/blocks/{}", "g".repeat(64)))
        .await
        .problem(400, "malformed-request");
    assert!(
        served
            .get("/v1/blocks/0")
            .await
            .problem(404, "not-found")
            .contains("/v1/genesis")
    );
    served.get("/v1/blocks/6").await.problem(404, "not-found");
    served
        .get(&format!("/v1/blocks/{}", "0".repeat(64)))
        .await
        .problem(404, "not-found");
    served.stop().await;
}

fn frames<F: BorshDeserialize>(mut bytes: &[u8]) -> Vec<F> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_at(CHAIN_FRAME_LENGTH_BYTES);
        let length = usize::try_from(u32::from_le_bytes(length.try_into().unwrap())).unwrap();
        frames.push(types::decode(&rest[..length]).unwrap());
        bytes = &rest[length..];
    }
    frames
}

#[tokio::test]
async fn the_chain_streams_in_frames() {
    let served = Served::start(ApiConfig::default()).await;
    assert!(served.get("/v1/chain").await.body.is_empty());
    for _ in 0..5 {
        served.place("Ada", "1").await;
        served.node.seal();
    }
    let answer = served.get("/v1/chain").await;
    assert_eq!(
        answer.header("content-type"),
        Some("application/octet-stream")
    );
    let all: Vec<FinalFrame> = frames(&answer.body);
    let mut expected = Vec::new();
    for from in [1, 3, 5] {
        expected.extend(served.node.final_blocks(Height(from)).await.unwrap());
    }
    assert_eq!(all, expected);
    assert_eq!(
        frames::<FinalFrame>(&served.get("/v1/chain?from=4").await.body),
        expected[3..]
    );
    assert!(served.get("/v1/chain?from=6").await.body.is_empty());
    served
        .get("/v1/chain?from=x")
        .await
        .problem(400, "malformed-request");
    served.stop().await;
}

#[tokio::test]
async fn headers_stream_without_what_their_blocks_seal() {
    let served = Served::start(ApiConfig::default()).await;
    assert!(served.get("/v1/headers").await.body.is_empty());
    for _ in 0..5 {
        served.place("Ada", "1").await;
        served.node.seal();
    }
    served.node.forget_certificate(2);
    let answer = served.get("/v1/headers").await;
    assert_eq!(
        answer.header("content-type"),
        Some("application/octet-stream")
    );
    let all: Vec<HeaderFrame> = frames(&answer.body);
    let mut expected: Vec<HeaderFrame> = Vec::new();
    for from in [1, 3, 5] {
        let blocks = served.node.final_blocks(Height(from)).await.unwrap();
        let headers = blocks
            .into_iter()
            .map(|(block, certificate)| (block.block.signed_header(), certificate));
        expected.extend(headers);
    }
    assert_eq!(all, expected);
    assert_eq!(all[1].1, None);
    let genesis = served.node.genesis();
    let members = genesis.member_set();
    for (signed, certificate) in &all {
        let proposer = members.get(signed.header.proposer).unwrap();
        assert!(signed.is_signed_by(&Simulated, &proposer.identity_key));
        if let Some(certificate) = certificate {
            assert_eq!(certificate.block, signed.header.hash());
            assert!(certificate.verify(&Simulated, &genesis.chain_id(), &members));
        }
    }
    let later: Vec<HeaderFrame> = frames(&served.get("/v1/headers?from=4").await.body);
    assert_eq!(later, expected[3..]);
    assert!(served.get("/v1/headers?from=6").await.body.is_empty());
    served
        .get("/v1/headers?from=x")
        .await
        .problem(400, "malformed-request");
    // What is final and has no proof yet is left out, and the stream still ends in order.
    served.node.forget_certificate(5);
    let proved: Vec<HeaderFrame> = frames(&served.get("/v1/headers").await.body);
    assert_eq!(proved, expected[..4]);
    served.stop().await;
}

#[tokio::test]
async fn streams_of_headers_are_bounded_with_those_of_the_chain() {
    let limits = Limits {
        chain_streams: 0,
        ..Limits::default()
    };
    let served = Served::start(ApiConfig {
        limits,
        ..ApiConfig::default()
    })
    .await;
    for path in ["/v1/headers", "/v1/chain"] {
        served.get(path).await.problem(503, "busy");
    }
    served.stop().await;
}
