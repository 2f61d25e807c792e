//! Who may ask.

use crate::client::Served;
use api::ApiConfig;

const ORDER: &str = r#"{"customer":"a","details":"b","amount":"1"}"#;

#[tokio::test]
async fn unknown_hosts_are_misdirected() {
    let config = ApiConfig {
        allowed_hosts: vec!["till.shop.example:8000".to_owned()],
        ..ApiConfig::default()
    };
    let served = Served::start(config).await;
    let port = served.address.port();
    for host in [
        "localhost",
        "LOCALHOST:80",
        "127.0.0.1",
        "[::1]:8000",
        "till.shop.example",
        "Till.Shop.Example:1",
    ] {
        let answer = served
            .raw("GET /livez", &[&format!("Host: {host}")], "")
            .await;
        assert_eq!(answer.status, 200, "{host}");
    }
    let own = format!("Host: 127.0.0.1:{port}");
    assert_eq!(served.raw("GET /livez", &[&own], "").await.status, 200);
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.2",
        "user@localhost",
        "a b",
        "",
    ] {
        let answer = served
            .raw("GET /livez", &[&format!("Host: {host}")], "")
            .await;
        answer.problem(421, "unknown-host");
    }
    // The target's own host goes before the header's.
    let answer = served
        .raw("GET http://evil.example/livez", &["Host: localhost"], "")
        .await;
    answer.problem(421, "unknown-host");
    served
        .raw("GET /livez", &[], "")
        .await
        .problem(400, "malformed-request");
    served
        .raw("GET /livez", &["Host: localhost", "Host: localhost"], "")
        .await
        .problem(400, "malformed-request");
    // Not even a route that does not exist tells a stranger anything.
    served
        .raw("GET /nothing", &["Host: evil.example"], "")
        .await
        .problem(421, "unknown-host");
    served.stop().await;
}

#[tokio::test]
async fn foreign_origins_are_refused() {
    let config = ApiConfig {
        allowed_origins: vec!["https://shop.example".to_owned()],
        ..ApiConfig::default()
    };
    let served = Served::start(config).await;
    let from = async |host: &str, origin: &str| {
        served
            .raw(
                "GET /v1/status",
                &[&format!("Host: {host}"), &format!("Origin: {origin}")],
                "",
            )
            .await
    };
    for origin in [
        "http://evil.example",
        "null",
        "http://localhost",
        "http://localhost:8001",
        "file://",
        "",
    ] {
        from("localhost:8000", origin)
            .await
            .problem(403, "foreign-origin");
    }
    assert_eq!(
        from("localhost:8000", "http://localhost:8000").await.status,
        200
    );
    let answer = from("localhost:8000", "https://shop.example").await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (200, Some("https://shop.example"))
    );
    served
        .post_with("/v1/orders", &["Origin: http://evil.example"], ORDER)
        .await
        .problem(403, "foreign-origin");
    assert!(served.node.pooled().is_empty());
    let preflight = async |origin: &str| {
        let origin = format!("Origin: {origin}");
        let headers = [
            "Host: localhost",
            &origin,
            "Access-Control-Request-Method: POST",
        ];
        served.raw("OPTIONS /v1/orders", &headers, "").await
    };
    preflight("http://evil.example")
        .await
        .problem(403, "foreign-origin");
    let answer = preflight("https://shop.example").await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-methods")),
        (204, Some("GET, POST, PUT"))
    );
    served.stop().await;
}

#[tokio::test]
async fn a_token_is_needed_for_reading_and_writing() {
    let served = Served::start(ApiConfig {
        token: Some("secret".to_owned()),
        ..ApiConfig::default()
    })
    .await;
    for path in [
        "/",
        "/livez",
        "/v1/status",
        "/v1/orders",
        "/get_chain",
        "/openapi.json",
        "/v1/events",
        "/nothing",
    ] {
        let answer = served.get(path).await;
        answer.problem(401, "token-required");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    served
        .post("/v1/orders", ORDER)
        .await
        .problem(401, "token-required");
    served
        .post("/add_transaction", ORDER)
        .await
        .problem(401, "token-required");
    for wrong in [
        "Bearer",
        "Bearer ",
        "Bearer secre",
        "Bearer secrets",
        "Basic secret",
        "secret",
        "Bearer s\u{e9}cret",
    ] {
        let header = format!("Authorization: {wrong}");
        served
            .raw("GET /livez", &["Host: localhost", &header], "")
            .await
            .problem(401, "token-required");
    }
    let twice = [
        "Host: localhost",
        "Authorization: Bearer x",
        "Authorization: Bearer secret",
    ];
    served
        .raw("GET /livez", &twice, "")
        .await
        .problem(401, "token-required");
    for right in [
        "Authorization: Bearer secret",
        "authorization: bearer secret",
    ] {
        assert_eq!(
            served
                .raw("GET /livez", &["Host: localhost", right], "")
                .await
                .status,
            200
        );
        assert_eq!(
            served.post_with("/v1/orders", &[right], ORDER).await.status,
            201
        );
    }
    served.stop().await;
}

#[tokio::test]
async fn writing_needs_json() {
    let served = Served::start(ApiConfig::default()).await;
    let send = async |content_type: Option<&str>| {
        let length = format!("Content-Length: {}", ORDER.len());
        let content_type = content_type.map(|value| format!("Content-Type: {value}"));
        let mut headers = vec!["Host: localhost", &length];
        headers.extend(content_type.as_deref());
        served.raw("POST /v1/orders", &headers, ORDER).await
    };
    let others = [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/ndjson",
        "application/jsonp",
        "",
    ];
    for content_type in others.map(Some).into_iter().chain([None]) {
        let detail = send(content_type).await.problem(415, "media-type");
        assert!(detail.contains("application/json"));
    }
    for content_type in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
    ] {
        assert_eq!(send(Some(content_type)).await.status, 201, "{content_type}");
    }
    served.stop().await;
}

#[test]
fn a_token_is_not_printed() {
    let config = ApiConfig {
        token: Some("very-secret".to_owned()),
        ..ApiConfig::default()
    };
    assert!(!format!("{config:?}").contains("very-secret"));
}
