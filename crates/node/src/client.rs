//! Asking a node over its REST interface.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use types::OrderId;
use ureq::{Agent, Body, http};

/// Where a shop's own node answers unless it was told otherwise.
pub const DEFAULT_NODE: &str = "http://127.0.0.1:8000";

/// The longest a connection may take: a node that is there answers a handshake within a second or two.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest an answer may take: a node itself gives up waiting for finality after a minute.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);
/// The longest silence within a stream.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer read into memory: a page of the largest blocks and orders is far smaller.
const MAX_ANSWER_BYTES: u64 = 64 * 1024 * 1024;
/// The longest token file: a token is a few dozen characters.
const MAX_TOKEN_BYTES: u64 = 4096;
/// Connections kept open between requests: as many as an import has under way.
const IDLE_CONNECTIONS: usize = 32;

/// The flags that say which node to ask.
#[derive(Debug, Clone, Args)]
pub struct NodeArgs {
    /// The node to ask.
    #[arg(long, value_name = "URL", default_value = DEFAULT_NODE)]
    pub node: String,
    /// The file with the node's token; needed for a node that listens beyond this machine.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// Why a node could not be asked, or what it answered instead.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not an address of a node. The caller's to put right.
    #[error("{url:?} is not a node's address: {reason}; write it like {DEFAULT_NODE}")]
    BadAddress {
        /// What was given.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The token cannot be read. The caller's to put right.
    #[error("cannot read the token file {path}: {source}")]
    Token {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing listens there. Passes when a node is started.
    #[error(
        "no node answers at {url}: is it running? start one with: cargo xtask dev (four shops on this machine) or dexter run (one shop)"
    )]
    NoNode {
        /// Where.
        url: String,
    },
    /// The network or the node broke off. May pass.
    #[error("the connection with {url} failed: {reason}")]
    Connection {
        /// Where.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The node refused, in words.
    #[error("{url} answers {status}: {words}")]
    Refused {
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The problem's title and detail.
        words: String,
        /// How long the node asks to wait before the next try.
        retry_after: Option<Duration>,
        /// The order that the refusal is about, as of a duplicate.
        order: Option<OrderId>,
    },
    /// The node answered something this program does not know. Another version of one of them helps.
    #[error(
        "the answer of {url} is not understood: {reason}; do this program and the node have the same version?"
    )]
    Answer {
        /// Where.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ClientError {
    /// True when the same request may succeed later.
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::NoNode { .. } | Self::Connection { .. } => true,
            Self::Refused { status, .. } => matches!(*status, 408 | 429 | 502..=504),
            Self::BadAddress { .. } | Self::Token { .. } | Self::Answer { .. } => false,
        }
    }

    /// The HTTP status, where the node refused.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// What is used of an RFC 9457 problem.
#[derive(Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
    order: Option<OrderId>,
}

/// A node's REST interface.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
    base: String,
    token: Option<String>,
}

impl NodeArgs {
    /// The node these flags name.
    ///
    /// # Errors
    /// When the address is none or the token cannot be read.
    pub fn client(&self) -> Result<Client, ClientError> {
        let token = self.token_file.clone().map(read_token).transpose()?;
        Client::new(&self.node, token)
    }
}

fn read_token(path: PathBuf) -> Result<String, ClientError> {
    let mut token = String::new();
    let read =
        File::open(&path).and_then(|file| file.take(MAX_TOKEN_BYTES).read_to_string(&mut token));
    match read {
        Ok(_) if token.trim().is_empty() => Err(ClientError::Token {
            path,
            source: io::Error::other("it is empty"),
        }),
        Ok(_) => Ok(token.trim().to_owned()),
        Err(source) => Err(ClientError::Token { path, source }),
    }
}

impl Client {
    /// A node at an address.
    ///
    /// # Errors
    /// When the address is none.
    pub fn new(url: &str, token: Option<String>) -> Result<Self, ClientError> {
        let bad = |reason: &str| ClientError::BadAddress {
            url: url.to_owned(),
            reason: reason.to_owned(),
        };
        let uri: http::Uri = url
            .parse()
            .map_err(|error: http::uri::InvalidUri| bad(&error.to_string()))?;
        if uri.scheme_str() != Some("http") {
            return Err(bad("it must begin with http://"));
        }
        if uri.query().is_some() || uri.host().is_none_or(str::is_empty) {
            return Err(bad("it must be a host and a port"));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(ANSWER_TIMEOUT))
            .max_idle_connections(IDLE_CONNECTIONS)
            .max_idle_connections_per_host(IDLE_CONNECTIONS)
            // A node never redirects, and its token must not follow one elsewhere.
            .max_redirects(0)
            .max_redirects_will_error(false)
            // A shop's node is asked directly, whatever proxy the machine uses for the web.
            .proxy(None)
            .user_agent(concat!("dexter/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            agent: config.new_agent(),
            base: url.trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// The node's address.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Asks for something in JSON. The path is one this program makes, never text from outside;
    /// what a person typed goes into the query, where it is encoded.
    ///
    /// # Errors
    /// When the node does not answer, refuses, or answers what is not understood.
    pub fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, ClientError> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let request = query
            .iter()
            .fold(request, |request, (key, value)| request.query(key, value));
        let request = request
            .config()
            .timeout_global(Some(ANSWER_TIMEOUT))
            .build();
        self.read_json(self.with_token(request).call())
    }

    /// Sends something in JSON and reads the answer with its HTTP status. With an idempotency key the
    /// node answers a repetition as it answered the first time.
    ///
    /// # Errors
    /// When the node does not answer, refuses, or answers what is not understood.
    pub fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        idempotency_key: Option<&str>,
        body: &B,
    ) -> Result<T, ClientError> {
        let request = self.agent.post(format!("{}{path}", self.base));
        let request = request
            .config()
            .timeout_global(Some(ANSWER_TIMEOUT))
            .build();
        let mut request = self.with_token(request);
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        self.read_json(request.send_json(body))
    }

    /// Opens a stream of bytes, as long as it may be, read piece by piece.
    ///
    /// # Errors
    /// When the node does not answer or refuses.
    pub fn stream(&self, path: &str) -> Result<impl Read + use<>, ClientError> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let request = request
            .config()
            .timeout_per_read(Some(SILENCE_TIMEOUT))
            .build();
        let body = self.accept(self.with_token(request).call())?;
        Ok(body.into_with_config().limit(u64::MAX).reader())
    }

    fn with_token<Any>(&self, request: ureq::RequestBuilder<Any>) -> ureq::RequestBuilder<Any> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    fn read_json<T: DeserializeOwned>(
        &self,
        answer: Result<http::Response<Body>, ureq::Error>,
    ) -> Result<T, ClientError> {
        let body = self.accept(answer)?;
        let bytes = body
            .into_with_config()
            .limit(MAX_ANSWER_BYTES)
            .read_to_vec();
        let bytes = bytes.map_err(|error| self.failed(error))?;
        serde_json::from_slice(&bytes).map_err(|error| ClientError::Answer {
            url: self.base.clone(),
            reason: error.to_string(),
        })
    }

    /// The body of a good answer; a refusal becomes its words.
    fn accept(
        &self,
        answer: Result<http::Response<Body>, ureq::Error>,
    ) -> Result<Body, ClientError> {
        let answer = answer.map_err(|error| self.failed(error))?;
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        let status = answer.status();
        let seconds = answer
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let body = answer
            .into_body()
            .into_with_config()
            .limit(64 * 1024)
            .read_to_vec()
            .unwrap_or_default();
        let problem: Option<Problem> = serde_json::from_slice(&body).ok();
        let order = problem.as_ref().and_then(|problem| problem.order);
        let words = match problem {
            Some(Problem {
                title: Some(title),
                detail: Some(detail),
                ..
            }) => format!("{title}: {detail}"),
            Some(
                Problem {
                    title: Some(words), ..
                }
                | Problem {
                    detail: Some(words),
                    ..
                },
            ) => words,
            _ => status
                .canonical_reason()
                .unwrap_or("an error without words")
                .to_owned(),
        };
        let mut words = crate::output::plain(&words);
        if status == http::StatusCode::UNAUTHORIZED {
            words.push_str("; this program takes that file with --token-file");
        }
        Err(ClientError::Refused {
            url: self.base.clone(),
            status: status.as_u16(),
            words,
            retry_after: seconds.map(Duration::from_secs),
            order,
        })
    }

    fn failed(&self, error: ureq::Error) -> ClientError {
        let url = self.base.clone();
        match error {
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                ClientError::NoNode { url }
            }
            ureq::Error::BadUri(reason) => ClientError::BadAddress { url, reason },
            ureq::Error::BodyExceedsLimit(bytes) => ClientError::Answer {
                url,
                reason: format!("it is longer than {bytes} bytes"),
            },
            ureq::Error::HostNotFound => ClientError::Connection {
                url,
                reason: "there is no host of that name".to_owned(),
            },
            ureq::Error::Timeout(_) => ClientError::Connection {
                url,
                reason: "no answer in time".to_owned(),
            },
            error => ClientError::Connection {
                url,
                reason: error.to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        net::TcpListener,
        thread,
    };

    use super::*;

    /// Answers one request with these bytes and returns what was asked.
    fn answer_once(answer: &'static str) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while !request.ends_with("\r\n\r\n") && reader.read_line(&mut request).unwrap() > 0 {}
            stream.write_all(answer.as_bytes()).unwrap();
            request
        });
        (url, server)
    }

    fn get(url: &str) -> Result<serde_json::Value, ClientError> {
        Client::new(url, Some("secret".to_owned()))
            .unwrap()
            .get("/v1/orders", &[("customer", "a b&c".to_owned())])
    }

    #[test]
    fn a_good_answer_is_read_and_the_question_is_encoded() {
        let (url, server) = answer_once(
            "HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\n{\"a\": 1}",
        );
        assert_eq!(get(&url).unwrap()["a"], 1);
        let request = server.join().unwrap();
        assert!(
            request.starts_with("GET /v1/orders?customer=a%20b%26c HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(
            request.contains("authorization: Bearer secret\r\n"),
            "{request}"
        );
    }

    #[test]
    fn a_problem_is_told_in_its_own_words() {
        let (url, server) = answer_once(
            "HTTP/1.1 429 Too Many Requests\r\nretry-after: 2\r\nconnection: close\r\n\r\n\
             {\"title\": \"The pool is full\", \"detail\": \"try again soon\", \"status\": 503}",
        );
        let error = get(&url).unwrap_err();
        server.join().unwrap();
        assert_eq!(
            error.to_string(),
            format!("{url} answers 429: The pool is full: try again soon")
        );
        assert!(error.may_pass());
        let ClientError::Refused { retry_after, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(retry_after, Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_refusal_without_words_and_nonsense_are_told() {
        let (url, server) =
            answer_once("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let error = get(&url).unwrap_err();
        server.join().unwrap();
        assert_eq!(
            (error.to_string(), error.may_pass()),
            (format!("{url} answers 404: Not Found"), false)
        );

        let (url, server) =
            answer_once("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello");
        let error = get(&url).unwrap_err();
        server.join().unwrap();
        assert!(matches!(error, ClientError::Answer { .. }), "{error}");
        assert!(!error.may_pass());
    }

    #[test]
    fn no_node_says_how_to_start_one() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = get(&url).unwrap_err();
        assert!(error.to_string().starts_with(&format!(
            "no node answers at {url}: is it running? start one with"
        )));
        assert!(error.may_pass());
    }

    #[test]
    fn a_broken_connection_may_pass() {
        let (url, server) = answer_once("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{");
        let error = get(&url).unwrap_err();
        server.join().unwrap();
        assert!(
            matches!(error, ClientError::Connection { .. }) && error.may_pass(),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "",
            "127.0.0.1:8000",
            "https://shop.example",
            "http://",
            "http://a/?b",
            "ftp://a",
        ] {
            assert!(
                matches!(Client::new(url, None), Err(ClientError::BadAddress { .. })),
                "{url}"
            );
        }
    }

    #[test]
    fn tokens_come_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(matches!(
            read_token(path.clone()),
            Err(ClientError::Token { .. })
        ));
        std::fs::write(&path, " \n").unwrap();
        assert!(
            read_token(path.clone())
                .unwrap_err()
                .to_string()
                .ends_with("it is empty")
        );
        std::fs::write(&path, "abc\n").unwrap();
        assert_eq!(read_token(path).unwrap(), "abc");
    }
}
