//! The web page: files put into the program when it is built, and how they are served.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

use crate::{problem::Problem, state::Shared};

/// What the page may load and do: its own files, and this node. Nothing is written in between its lines.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Files below this have a hash of their content in their name: another content is another file.
const IMMUTABLE: &str = "assets/";
/// A browser keeps those for a year, as long as caches look ahead.
const KEEP: &str = "public, max-age=31536000, immutable";
/// The others are kept, too, but asked about every time: there may be a new page.
const ASK: &str = "no-cache";
/// The page itself.
const INDEX: &str = "index.html";
/// A file of this ending is another one, compressed.
const COMPRESSED: &str = ".gz";

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Embedded;

/// A web page: its files by their path below `/`.
pub struct Page {
    files: BTreeMap<String, File>,
}

struct File {
    plain: Variant,
    compressed: Option<Variant>,
}

struct Variant {
    content: Bytes,
    etag: HeaderValue,
}

/// On an answer that is a file of the page, which has headers of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IsPage;

impl Page {
    /// The page that was put into this program; `None` where it was built without one.
    pub fn embedded() -> Option<Self> {
        let content = |path: &str| match Embedded::get(path)?.data {
            Cow::Borrowed(content) => Some(Bytes::from_static(content)),
            Cow::Owned(content) => Some(content.into()),
        };
        let files = Embedded::iter().filter_map(|path| Some((path.to_string(), content(&path)?)));
        Self::new(files)
    }

    /// A page of these files; `None` where there is no `index.html` among them. One that is called as
    /// another with `.gz` behind is sent in its place to those who take it.
    pub fn new(files: impl IntoIterator<Item = (String, Bytes)>) -> Option<Self> {
        let (mut compressed, plain): (BTreeMap<_, _>, BTreeMap<_, _>) = files
            .into_iter()
            .partition(|(path, _)| path.ends_with(COMPRESSED));
        let files = plain.into_iter().map(|(path, content)| {
            let smaller = compressed.remove(&format!("{path}{COMPRESSED}"));
            let file = File {
                plain: Variant::new(content),
                compressed: smaller.map(Variant::new),
            };
            (path, file)
        });
        let page = Self {
            files: files.collect(),
        };
        page.files.contains_key(INDEX).then_some(page)
    }

    /// True when a request is for one of the files, which are the same for everybody.
    pub(crate) fn serves(&self, method: &Method, uri: &Uri) -> bool {
        (method == Method::GET || method == Method::HEAD) && self.find(uri.path()).is_some()
    }

    fn find(&self, path: &str) -> Option<(&str, &File)> {
        let name = match path.strip_prefix('/')? {
            "" => INDEX,
            name => name,
        };
        let (name, file) = self.files.get_key_value(name)?;
        Some((name, file))
    }

    fn answer(&self, path: &str, asked: &HeaderMap) -> Option<Response> {
        let (name, file) = self.find(path)?;
        let compressed = file.compressed.as_ref().filter(|_| takes_gzip(asked));
        let variant = compressed.unwrap_or(&file.plain);
        let mut response = if is_known(asked, &variant.etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            Body::from(variant.content.clone()).into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, variant.etag.clone());
        let mut put = |name, value| headers.insert(name, HeaderValue::from_static(value));
        put(header::CONTENT_TYPE, content_type(name));
        put(header::VARY, "Accept-Encoding");
        put(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
        let keep = name.starts_with(IMMUTABLE);
        put(header::CACHE_CONTROL, if keep { KEEP } else { ASK });
        if compressed.is_some() {
            put(header::CONTENT_ENCODING, "gzip");
        }
        response.extensions_mut().insert(IsPage);
        Some(response)
    }
}

impl Variant {
    fn new(content: Bytes) -> Self {
        let etag = format!("\"{}\"", hex::encode(Sha256::digest(&content)));
        let etag = HeaderValue::try_from(etag);
        assert!(etag.is_ok(), "hexadecimal digits can stand in a header");
        Self {
            content,
            etag: etag.unwrap_or_else(|_| HeaderValue::from_static("\"\"")),
        }
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.files.keys()).finish()
    }
}

/// Shows the web page, or where the program was built without it what a node is.
#[utoipa::path(
    get, path = "/", tag = "node",
    responses((status = 200, description = "a page for people", body = String, content_type = "text/html"))
)]
pub(crate) async fn home(State(app): State<Shared>, headers: HeaderMap) -> Response {
    let page = app.config.page.as_ref();
    page.and_then(|page| page.answer("/", &headers))
        .unwrap_or_else(|| Html(include_str!("home.html")).into_response())
}

/// Whatever is no route: a file of the page, or nothing.
pub(crate) async fn file_or_nothing(
    State(app): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let page = app.config.page.as_ref();
    let file = page
        .filter(|page| page.serves(&method, &uri))
        .and_then(|page| page.answer(uri.path(), &headers));
    file.unwrap_or_else(|| {
        let path: String = uri.path().chars().take(100).collect();
        let detail = format!("there is nothing at {path}; /openapi.json lists all there is");
        Problem::not_found(detail).into_response()
    })
}

/// What a file holds, by its ending.
fn content_type(name: &str) -> &'static str {
    let (_, ending) = name.rsplit_once('.').unwrap_or_default();
    match ending {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Whether a client takes what is compressed with gzip (RFC 9110 §12.5.3).
fn takes_gzip(asked: &HeaderMap) -> bool {
    let lists = asked.get_all(header::ACCEPT_ENCODING).iter();
    let lists = lists.filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = |weight: &str| {
            let value = weight.trim().strip_prefix("q=");
            value.is_some_and(|value| value.parse() == Ok(0.0))
        };
        name.trim().eq_ignore_ascii_case("gzip") && !refused(weight)
    })
}

/// Whether a client has this very content already (RFC 9110 §13.1.2).
fn is_known(asked: &HeaderMap, etag: &HeaderValue) -> bool {
    let lists = asked.get_all(header::IF_NONE_MATCH).iter();
    let lists = lists.filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|known| {
        let known = known.trim();
        let known = known.strip_prefix("W/").unwrap_or(known);
        known == "*" || known.as_bytes() == etag.as_bytes()
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn headers(name: header::HeaderName, values: &[&'static str]) -> HeaderMap {
        let values = values.iter().map(|value| HeaderValue::from_static(value));
        values.map(|value| (name.clone(), value)).collect()
    }

    #[test]
    fn the_page_is_in_the_program_where_it_was_built() {
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/dist/index.html");
        assert_eq!(Page::embedded().is_some(), built.exists());
    }

    #[test]
    fn a_page_needs_an_index() {
        let file = |name: &str| (name.to_owned(), Bytes::from_static(b"x"));
        assert!(Page::new([file("assets/main.js")]).is_none());
        assert!(Page::new([file("index.html.gz")]).is_none());
        assert!(Page::new([file("index.html")]).is_some());
    }

    #[test]
    fn gzip_is_for_those_who_name_it() {
        for (values, taken) in [
            (&[][..], false),
            (&["gzip"], true),
            (&["br, GZIP;q=0.5"], true),
            (&["br", "deflate, gzip"], true),
            (&["gzip;q=0"], false),
            (&["gzip; q=0.000"], false),
            (&["identity"], false),
        ] {
            let asked = headers(header::ACCEPT_ENCODING, values);
            assert_eq!(takes_gzip(&asked), taken, "{values:?}");
        }
    }

    #[test]
    fn a_known_content_is_recognized() {
        let etag = HeaderValue::from_static("\"a\"");
        for (values, known) in [
            (&[][..], false),
            (&["\"a\""], true),
            (&["\"b\", W/\"a\""], true),
            (&["\"b\"", "*"], true),
            (&["a"], false),
        ] {
            let asked = headers(header::IF_NONE_MATCH, values);
            assert_eq!(is_known(&asked, &etag), known, "{values:?}");
        }
    }
}
