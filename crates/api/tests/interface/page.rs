//! The web page that is served beside the interface.

use std::sync::Arc;

use api::{ApiConfig, Page};

use crate::client::{Answer, Served};

const INDEX: &str = "<!doctype html><script type=module src=/assets/main-1a2b.js></script>";
const SCRIPT: &str = "console.log('café')";
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
    connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

fn page() -> Page {
    let files = [
        ("index.html", INDEX),
        ("index.html.gz", "compressed index"),
        ("assets/main-1a2b.js", SCRIPT),
        ("assets/main-1a2b.js.gz", "compressed script"),
        ("assets/style-3c4d.css", "body { margin: 0 }"),
        ("assets/font-5e6f.woff2", "letters"),
        ("favicon.svg", "<svg/>"),
        ("app.webmanifest", "{}"),
        ("left-over.gz", "of nothing"),
    ];
    let files = files.map(|(path, content)| (path.to_owned(), content.into()));
    Page::new(files).unwrap()
}

async fn with_page(token: Option<&str>) -> Served {
    Served::start(ApiConfig {
        token: token.map(str::to_owned),
        page: Some(Arc::new(page())),
        ..ApiConfig::default()
    })
    .await
}

/// What every file of the page says of itself.
fn assert_hardened(answer: &Answer) {
    assert_eq!(answer.header("content-security-policy"), Some(POLICY));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
}

#[tokio::test]
async fn the_page_and_its_files() {
    let served = with_page(None).await;
    let forever = "public, max-age=31536000, immutable";
    for (path, content_type, cache, content) in [
        ("/", "text/html; charset=utf-8", "no-cache", INDEX),
        ("/index.html", "text/html; charset=utf-8", "no-cache", INDEX),
        (
            "/assets/main-1a2b.js",
            "text/javascript; charset=utf-8",
            forever,
            SCRIPT,
        ),
        (
            "/assets/style-3c4d.css",
            "text/css; charset=utf-8",
            forever,
            "body { margin: 0 }",
        ),
        ("/assets/font-5e6f.woff2", "font/woff2", forever, "letters"),
        ("/favicon.svg", "image/svg+xml", "no-cache", "<svg/>"),
        (
            "/app.webmanifest",
            "application/manifest+json",
            "no-cache",
            "{}",
        ),
    ] {
        let answer = served.get(path).await;
        assert_eq!((answer.status, answer.text()), (200, content), "{path}");
        assert_eq!(answer.header("content-type"), Some(content_type), "{path}");
        assert_eq!(answer.header("cache-control"), Some(cache), "{path}");
        assert_eq!(answer.header("content-encoding"), None, "{path}");
        assert_hardened(&answer);
        let line = format!("HEAD {path}");
        let head = served.raw(&line, &["Host: localhost"], "").await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        let length = content.len().to_string();
        assert_eq!(head.header("content-length"), Some(&*length), "{path}");
        assert_hardened(&head);
    }
    served.stop().await;
}

#[tokio::test]
async fn compressed_for_those_who_take_it_and_known_by_its_content() {
    let served = with_page(None).await;
    let gzip = "Accept-Encoding: br, gzip";
    let get = async |path: &str, headers: &[&str]| {
        let headers = [&["Host: localhost"], headers].concat();
        served.raw(&format!("GET {path}"), &headers, "").await
    };
    for (path, compressed) in [
        ("/", "compressed index"),
        ("/assets/main-1a2b.js", "compressed script"),
    ] {
        let plain = get(path, &[]).await;
        let smaller = get(path, &[gzip]).await;
        assert_eq!(smaller.header("content-encoding"), Some("gzip"));
        assert_eq!(smaller.text(), compressed);
        assert_eq!(smaller.header("content-type"), plain.header("content-type"));
        assert_hardened(&smaller);
        assert_ne!(smaller.header("etag"), plain.header("etag"));
        for (answer, asked) in [(&plain, &[][..]), (&smaller, &[gzip][..])] {
            let etag = answer.header("etag").unwrap();
            let known = format!("If-None-Match: \"other\", {etag}");
            let again = get(path, &[asked, &[&known]].concat()).await;
            assert_eq!((again.status, again.body.len()), (304, 0));
            assert_eq!(again.header("etag"), Some(etag));
            assert_eq!(
                again.header("cache-control"),
                answer.header("cache-control")
            );
            assert_hardened(&again);
        }
        let etag = plain.header("etag").unwrap();
        let of_plain = format!("If-None-Match: {etag}");
        let other = get(path, &[gzip, &of_plain]).await;
        assert_eq!(other.status, 200);
    }
    // Nothing compressed is there of it, so it comes as it is.
    let style = get("/assets/style-3c4d.css", &[gzip]).await;
    assert_eq!(style.header("content-encoding"), None);
    assert_eq!(style.text(), "body { margin: 0 }");
    served.stop().await;
}

#[tokio::test]
async fn what_is_no_file_of_the_page_is_not_there() {
    let served = with_page(None).await;
    for path in [
        "/assets/main-9z9z.js",
        "/assets/",
        "/assets/main-1a2b.js.gz",
        "/left-over.gz",
        "/assets/../index.html",
        "//index.html",
        "/%69ndex.html",
        "/order/630ed251",
    ] {
        let answer = served.get(path).await;
        answer.problem(404, "not-found");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let policy = answer.header("content-security-policy");
        assert_eq!(policy, Some("default-src 'none'"));
    }
    let answer = served.post("/assets/main-1a2b.js", "{}").await;
    answer.problem(404, "not-found");
    served
        .post("/", "{}")
        .await
        .problem(405, "method-not-allowed");
    served.stop().await;
}

#[tokio::test]
async fn the_page_needs_no_token_and_everything_else_does() {
    let served = with_page(Some("secret")).await;
    for path in ["/", "/assets/main-1a2b.js", "/favicon.svg"] {
        assert_eq!(served.get(path).await.status, 200, "{path}");
        // The host is looked at all the same, and so is the origin.
        let line = format!("GET {path}");
        let answer = served.raw(&line, &["Host: evil.example"], "").await;
        answer.problem(421, "unknown-host");
        let foreign = ["Host: localhost", "Origin: http://evil.example"];
        let answer = served.raw(&line, &foreign, "").await;
        answer.problem(403, "foreign-origin");
    }
    for path in [
        "/v1/status",
        "/v1/events",
        "/livez",
        "/openapi.json",
        "/get_chain",
        "/nothing",
        "/assets/nothing.js",
    ] {
        let answer = served.get(path).await;
        answer.problem(401, "token-required");
    }
    let answer = served.post("/", "{}").await;
    answer.problem(401, "token-required");
    let token = ["Host: localhost", "Authorization: Bearer secret"];
    let answer = served.raw("GET /v1/status", &token, "").await;
    assert_eq!(answer.status, 200);
    served.stop().await;
}

#[tokio::test]
async fn without_a_page_it_is_said_how_to_get_one() {
    let served = Served::start(ApiConfig::default()).await;
    let answer = served.get("/").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    let text = answer.text();
    assert!(text.contains("cargo xtask build") && text.contains("Node 20"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    served.get("/index.html").await.problem(404, "not-found");
    served.stop().await;
}
