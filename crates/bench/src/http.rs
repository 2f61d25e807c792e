//! Asking a node over HTTP/1.1.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    client::conn::http1::{self, SendRequest},
    header::HOST,
};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

/// How much of a refusal is told.
const MOST_SHOWN: usize = 300;

/// Opens a connection that stays open as long as requests are sent on it.
///
/// # Errors
/// When nobody listens there.
pub(crate) async fn connect<B>(node: SocketAddr) -> anyhow::Result<SendRequest<B>>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TcpStream::connect(node)
        .await
        .with_context(|| format!("cannot connect to the node at {node}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // How it ends is seen by whoever waits for an answer.
    tokio::spawn(connection);
    Ok(sender)
}

/// A request to a node; what is left is its body.
pub(crate) fn request(method: &str, node: SocketAddr, path: &str) -> hyper::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, node.to_string())
}

/// Gets what is at a path, as a stream.
///
/// # Errors
/// When the node does not answer, or with anything but 200.
pub(crate) async fn stream(node: SocketAddr, path: &str) -> anyhow::Result<Incoming> {
    let mut sender = connect(node).await?;
    let request = request("GET", node, path).body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    if answer.status() != 200 {
        bail!("{path}: {}", refusal(answer).await);
    }
    Ok(answer.into_body())
}

/// Gets the JSON at a path.
///
/// # Errors
/// When the node does not answer, with anything but 200, or with other JSON.
pub(crate) async fn json<T: DeserializeOwned>(node: SocketAddr, path: &str) -> anyhow::Result<T> {
    let body = stream(node, path).await?.collect().await?.to_bytes();
    serde_json::from_slice(&body)
        .with_context(|| format!("the answer of {node} to {path} has an unknown form"))
}

/// An answer that is not what was hoped for, in words.
pub(crate) async fn refusal(answer: Response<Incoming>) -> String {
    let status = answer.status();
    let body = match answer.into_body().collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(error) => error.to_string(),
    };
    let shown: String = body.chars().take(MOST_SHOWN).collect();
    format!("{status}: {shown}")
}
