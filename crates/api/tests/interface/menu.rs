//! The shop's own menu.

use api::{ApiConfig, model::Menu};
use serde_json::json;

use crate::client::Served;

#[tokio::test]
async fn a_sample_until_a_menu_is_put() {
    let served = Served::start(ApiConfig::default()).await;
    let sample: Menu = serde_json::from_value(served.get("/v1/menu").await.json()).unwrap();
    assert_eq!(sample, Menu::sample("EUR".parse().unwrap()));

    // A price may be a number, too; it is taken digit by digit.
    let given = json!({"items": [
        {"name": "Café crème", "price": "4.5", "group": "Coffee"},
        {"name": "Water", "price": 2, "group": ""},
    ]});
    let expected = json!({"items": [
        {"name": "Café crème", "price": "4.50", "group": "Coffee"},
        {"name": "Water", "price": "2.00", "group": ""},
    ]});
    let answer = served.put("/v1/menu", &given.to_string()).await;
    assert_eq!((answer.status, answer.json()), (200, expected.clone()));
    assert_eq!(served.get("/v1/menu").await.json(), expected);
    served.stop().await;
}

#[tokio::test]
async fn a_wrong_menu_is_refused_and_changes_nothing() {
    let served = Served::start(ApiConfig::default()).await;
    let before = served.get("/v1/menu").await.json();
    for (body, words) in [
        (
            r#"{"items": [{"name": "Latte", "price": "4.505", "group": ""}]}"#,
            "item 1 of the menu: the amount 4.505 has 3 decimals",
        ),
        (r#"{"items": [{"name": "Latte"}]}"#, "missing field `price`"),
        (r#"{"items": [], "note": "closed"}"#, "unknown field `note`"),
    ] {
        let answer = served.put("/v1/menu", body).await;
        let detail = answer.problem(422, "invalid-menu");
        assert!(detail.contains(words), "{detail}");
    }
    let answer = served.put("/v1/menu", "[]").await;
    answer.problem(400, "malformed-request");
    let long = json!({"items": [{"name": "x".repeat(65 * 1024), "price": "1", "group": ""}]});
    let answer = served.put("/v1/menu", &long.to_string()).await;
    answer.problem(413, "body-too-large");
    let plain = ["Host: localhost", "Content-Length: 12"];
    let answer = served.raw("PUT /v1/menu", &plain, r#"{"items":[]}"#).await;
    answer.problem(415, "media-type");
    served.node.fill_the_disk();
    let answer = served.put("/v1/menu", r#"{"items":[]}"#).await;
    let detail = answer.problem(500, "internal");
    assert_eq!(
        detail,
        "the menu could not be written: no space left on device; look at the disk's free space and permissions"
    );
    assert_eq!(served.get("/v1/menu").await.json(), before);
    served.stop().await;
}

#[tokio::test]
async fn the_largest_menu_fits_a_body() {
    let served = Served::start(ApiConfig::default()).await;
    let item =
        json!({"name": "é".repeat(40), "price": "10000000000000.00", "group": "g".repeat(40)});
    let menu = json!({"items": vec![item; 200]});
    let answer = served.put("/v1/menu", &menu.to_string()).await;
    assert_eq!((answer.status, answer.json()), (200, menu));
    served.stop().await;
}

#[tokio::test]
async fn a_menu_needs_the_token_where_there_is_one() {
    let served = Served::start(ApiConfig {
        token: Some("secret".to_owned()),
        ..ApiConfig::default()
    })
    .await;
    let answer = served.get("/v1/menu").await;
    answer.problem(401, "token-required");
    let answer = served.put("/v1/menu", r#"{"items":[]}"#).await;
    answer.problem(401, "token-required");
    served.stop().await;
}
