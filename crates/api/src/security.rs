//! Who may ask: host names against DNS rebinding, origins against other sites' pages, the token
//! against everyone else; and how much at once.

use std::{net::SocketAddr, str::FromStr, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::{page::IsPage, problem::Problem, state::Shared};

/// The host part of an authority, without port, in lower case; IPv6 addresses in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostName(String);

/// The address of this node at which a connection arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArrivedAt(pub(crate) SocketAddr);

impl HostName {
    /// Reads `name`, `name:port`, `1.2.3.4:port` or `[::1]:port`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let authority = Authority::from_str(text)
            .ok()
            .filter(|_| !text.contains('@'))?;
        Some(Self(authority.host().to_ascii_lowercase())).filter(|host| !host.0.is_empty())
    }

    /// The names that need no configuration.
    pub(crate) fn always_allowed(listening: SocketAddr) -> impl Iterator<Item = Self> {
        let local = ["localhost", "127.0.0.1", "[::1]"].map(|name| Self(name.to_owned()));
        local.into_iter().chain([Self::of_address(listening)])
    }

    fn of_address(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => Self(address.ip().to_string()),
            SocketAddr::V6(address) => Self(format!("[{}]", address.ip())),
        }
    }
}

/// Lets only those through who may ask.
pub(crate) async fn guard(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let host = match check_host(&app, &request) {
        Ok(host) => host,
        Err(problem) => return hardened(problem.into_response()),
    };
    let origin = match check_origin(&app, request.headers(), &host) {
        Ok(origin) => origin,
        Err(problem) => return hardened(problem.into_response()),
    };
    // A browser asks before it sends a page's request to another origin, without any token.
    let preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight && origin.is_some() {
        preflight_answer()
    } else if !is_for_everybody(&app, &request) && !has_token(&app, request.headers()) {
        Problem::unauthorized().into_response()
    } else {
        next.run(request).await
    };
    if let Some(origin) = origin {
        response
            .headers_mut()
            .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response
            .headers_mut()
            .append(header::VARY, HeaderValue::from_static("Origin"));
    }
    hardened(response)
}

/// The host that the client took this node for, as it wrote it.
fn check_host(app: &Shared, request: &Request) -> Result<String, Problem> {
    // A request's target may name the host, and then it goes before the header (RFC 9112).
    let host = match request.uri().authority() {
        Some(authority) => authority.as_str().to_owned(),
        None => {
            let mut hosts = request.headers().get_all(header::HOST).iter();
            let host = hosts.next().and_then(|host| host.to_str().ok());
            match (host, hosts.next()) {
                (Some(host), None) => host.to_owned(),
                _ => {
                    return Err(Problem::malformed(
                        "the request needs exactly one Host header",
                    ));
                }
            }
        }
    };
    let arrived = request
        .extensions()
        .get::<ArrivedAt>()
        .map(|arrived| HostName::of_address(arrived.0));
    let known = HostName::parse(&host)
        .is_some_and(|name| app.hosts.contains(&name) || Some(name) == arrived);
    if known {
        Ok(host)
    } else {
        Err(Problem::unknown_host(&host))
    }
}

/// The allowed foreign origin a page asks from; `None` without one or from this node's own pages.
fn check_origin(
    app: &Shared,
    headers: &HeaderMap,
    host: &str,
) -> Result<Option<HeaderValue>, Problem> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(origin.as_bytes());
    if origins.next().is_some() {
        return Err(Problem::foreign_origin(&text));
    }
    let own = ["http://", "https://"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| rest.eq_ignore_ascii_case(host))
    });
    if own {
        return Ok(None);
    }
    if app
        .config
        .allowed_origins
        .iter()
        .any(|allowed| *allowed == text)
    {
        return Ok(Some(origin.clone()));
    }
    Err(Problem::foreign_origin(&text))
}

fn preflight_answer() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, idempotency-key, last-event-id",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// The page's files hold nothing of this node, and the page must be there to ask for the token.
fn is_for_everybody(app: &Shared, request: &Request) -> bool {
    let page = app.config.page.as_ref();
    page.is_some_and(|page| page.serves(request.method(), request.uri()))
}

fn has_token(app: &Shared, headers: &HeaderMap) -> bool {
    let Some(token) = &app.config.token else {
        return true;
    };
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else {
        return false;
    };
    let Some((scheme, shown)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
        return false;
    };
    // Hashes are of one length, so the time taken tells nothing of the token, not even its length.
    let same = Sha256::digest(shown.trim()).ct_eq(&Sha256::digest(token));
    scheme.eq_ignore_ascii_case("bearer") && bool::from(same)
}

/// Answers are the node's present state, never to be kept or taken for something else; only the page's
/// files say themselves how long they are kept and what they may do.
fn hardened(mut response: Response) -> Response {
    let is_page = response.extensions().get::<IsPage>().is_some();
    let headers = response.headers_mut();
    let mut put = |name, value| headers.insert(name, HeaderValue::from_static(value));
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::REFERRER_POLICY, "no-referrer");
    if !is_page {
        put(header::CACHE_CONTROL, "no-store");
        put(header::CONTENT_SECURITY_POLICY, "default-src 'none'");
    }
    response
}

/// Bounds how many requests are at work, and how long each may take to be answered.
pub(crate) async fn bound(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let Ok(_permit) = app.requests.try_acquire() else {
        return Problem::busy(
            "the node answers as many requests as it can; try again in a few seconds",
        )
        .into_response();
    };
    let limits = &app.config.limits;
    let waits = request
        .uri()
        .query()
        .is_some_and(|query| query.contains("wait=final"));
    let waiting = if waits {
        limits.final_wait
    } else {
        Duration::ZERO
    };
    let allowed = limits.request_timeout.saturating_add(waiting);
    match tokio::time::timeout(allowed, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::busy(
            "the answer took too long and was given up; an order sent may have been taken all the same, so send \
             it again with the same Idempotency-Key, or look it up first",
        )
        .into_response(),
    }
}
