//! The whole chain, or its headers alone, as a stream, for those who check it themselves.

use std::collections::VecDeque;

use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use borsh::BorshSerialize;
use futures::{future::BoxFuture, stream};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use types::{Height, encode, message::MAX_MESSAGE_BYTES};
use utoipa::IntoParams;

use crate::{
    backend::{Backend, FinalFrame, HeaderFrame, ReadError},
    extract::Parameters,
    model::ProblemBody,
    problem::{PROBLEM_JSON, Problem},
    state::Shared,
};

/// How many bytes the length before a frame takes: a little-endian 32-bit integer.
pub const CHAIN_FRAME_LENGTH_BYTES: usize = 4;
/// The longest frame a reader need take: a largest block of 8 MiB and 20,000 personal parts of 4 KiB,
/// rounded up.
pub const MAX_CHAIN_FRAME_BYTES: usize = 4 * MAX_MESSAGE_BYTES;

/// Where the stream begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChainParameters {
    /// The first height wanted; 1 is the first block.
    #[param(default = 1)]
    from: Option<u64>,
}

/// What is streamed: one for each height, rising.
trait Frame: BorshSerialize + Sized + Send + 'static {
    /// Its height.
    fn height(&self) -> Height;
    /// A run of them; empty where no finality certificate covers the first one yet.
    fn run(backend: &dyn Backend, from: Height) -> BoxFuture<'_, Result<Vec<Self>, ReadError>>;
}

impl Frame for FinalFrame {
    fn height(&self) -> Height {
        self.0.block.header().height
    }
    fn run(backend: &dyn Backend, from: Height) -> BoxFuture<'_, Result<Vec<Self>, ReadError>> {
        backend.final_blocks(from)
    }
}

impl Frame for HeaderFrame {
    fn height(&self) -> Height {
        self.0.header.height
    }
    fn run(backend: &dyn Backend, from: Height) -> BoxFuture<'_, Result<Vec<Self>, ReadError>> {
        backend.final_headers(from)
    }
}

/// How far a stream of the chain has come.
struct Progress<F> {
    app: Shared,
    next: Height,
    /// The final head when the stream began: where it ends, however fast the chain grows.
    last: Height,
    read: VecDeque<F>,
    _permit: OwnedSemaphorePermit,
}

/// Streams final blocks.
///
/// A sequence of frames, each a 32-bit little-endian length and so many bytes: the canonical (borsh)
/// encoding of a final block and, optionally, its own finality certificate. The last block has one: what
/// is final and not proved yet is left out.
#[utoipa::path(
    get, path = "/v1/chain", tag = "blocks",
    params(ChainParameters),
    responses(
        (status = 200, description = "frames of blocks up to the final head", body = Vec<u8>,
            content_type = "application/octet-stream"),
        (status = 400, description = "a wrong parameter", body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 503, description = "too many streams", body = ProblemBody, content_type = PROBLEM_JSON),
    )
)]
pub(crate) async fn stream_chain(
    State(app): State<Shared>,
    Parameters(parameters): Parameters<ChainParameters>,
) -> Result<Response, Problem> {
    stream_frames::<FinalFrame>(app, parameters).await
}

/// Streams final headers, without what their blocks seal.
///
/// A sequence of frames, each a 32-bit little-endian length and so many bytes: the canonical (borsh)
/// encoding of a header, its proposer's signature and, optionally, the block's own finality
/// certificate. The last header has one: what is final and not proved yet is left out.
#[utoipa::path(
    get, path = "/v1/headers", tag = "blocks",
    params(ChainParameters),
    responses(
        (status = 200, description = "frames of headers up to the final head", body = Vec<u8>,
            content_type = "application/octet-stream"),
        (status = 400, description = "a wrong parameter", body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 503, description = "too many streams", body = ProblemBody, content_type = PROBLEM_JSON),
    )
)]
pub(crate) async fn stream_headers(
    State(app): State<Shared>,
    Parameters(parameters): Parameters<ChainParameters>,
) -> Result<Response, Problem> {
    stream_frames::<HeaderFrame>(app, parameters).await
}

async fn stream_frames<F: Frame>(
    app: Shared,
    parameters: ChainParameters,
) -> Result<Response, Problem> {
    let next = Height(parameters.from.unwrap_or(1).max(1));
    let permit = stream_permit(&app)?;
    let last = app.backend.status().await?.final_height;
    let progress = Progress {
        app,
        next,
        last,
        read: VecDeque::<F>::new(),
        _permit: permit,
    };
    let body = Body::from_stream(stream::try_unfold(progress, next_frame));
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

/// One of the few places for streams of the whole chain.
pub(crate) fn stream_permit(app: &Shared) -> Result<OwnedSemaphorePermit, Problem> {
    let permit = app.chain_streams.clone().try_acquire_owned();
    permit.map_err(|_| Problem::busy("too many read the whole chain already; try again later"))
}

async fn next_frame<F: Frame>(
    mut progress: Progress<F>,
) -> Result<Option<(Vec<u8>, Progress<F>)>, ReadError> {
    if progress.next > progress.last {
        return Ok(None);
    }
    if *progress.app.stopping.borrow() {
        return Err(ReadError::Stopping);
    }
    if progress.read.is_empty() {
        let run = F::run(&*progress.app.backend, progress.next).await?;
        progress.read = run.into();
    }
    let Some(frame) = progress.read.pop_front() else {
        return Ok(None);
    };
    if frame.height() != progress.next {
        return Err(missing(progress.next));
    }
    progress.next = progress.next.next();
    Ok(Some((framed(&frame)?, progress)))
}

/// A final block that cannot be read cuts the stream short: the client sees that it is not whole.
pub(crate) fn missing(height: Height) -> ReadError {
    ReadError::Failed(format!("block {height} is final and missing"))
}

fn framed(frame: &impl BorshSerialize) -> Result<Vec<u8>, ReadError> {
    let encoded = encode(frame);
    let length = u32::try_from(encoded.len())
        .ok()
        .filter(|_| encoded.len() <= MAX_CHAIN_FRAME_BYTES);
    let length =
        length.ok_or_else(|| ReadError::Failed("a block is larger than any can be".to_owned()))?;
    let mut bytes = Vec::with_capacity(CHAIN_FRAME_LENGTH_BYTES + encoded.len());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&encoded);
    Ok(bytes)
}
