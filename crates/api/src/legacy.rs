//! The routes of the original, unchanged for those who use it.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::OwnedSemaphorePermit;
use types::{BlockHash, Height, Order, PersonalPart, block::genesis_block_hash};
use utoipa::ToSchema;

use crate::{
    backend::{BlockName, BlockRecord, ReadError, RecordedOrder, Submission},
    chain::{missing, stream_permit},
    extract::{JsonBytes, MAX_PAGE},
    model::{DecimalText, NewOrder, ProblemBody},
    money::format_amount,
    orders::{make_order, submit},
    problem::{PROBLEM_JSON, Problem},
    state::{App, Shared},
    time::{Time, format_plain, now},
};

const ADDED: &str = "This transaction is successfully added to the Transaction Pool.";
const MISSING: &str = "Some elements of the transaction are missing";
/// The genesis has nothing below it.
const NO_PARENT: &str = "0";

/// An order as the original took it. Other keys are ignored, as they were.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewTransaction {
    #[serde(rename = "Customer")]
    #[schema(value_type = String)]
    customer: Option<String>,
    #[serde(rename = "Receiver")]
    #[schema(value_type = String)]
    receiver: Option<String>,
    #[serde(rename = "Order Details")]
    #[schema(value_type = String)]
    details: Option<String>,
    #[serde(rename = "Order Amount")]
    #[schema(value_type = DecimalText)]
    amount: Option<DecimalText>,
}

/// The original's answer to a taken order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Added {
    message: &'static str,
}

/// An order as the original showed it. What was erased is null.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Transaction {
    #[serde(rename = "Customer")]
    customer: Option<String>,
    #[serde(rename = "Receiver")]
    receiver: String,
    #[serde(rename = "Order Details")]
    details: Option<String>,
    #[serde(rename = "Order Amount")]
    #[schema(value_type = f64)]
    amount: Box<RawValue>,
    #[serde(rename = "Order DateTime")]
    date_time: String,
}

/// A block and its hash.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChainEntry {
    block: ChainBlock,
    cur_hash: String,
}

/// A block as the original showed it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChainBlock {
    index: u64,
    timestamp: Time,
    prev_hash: String,
    transactions: Vec<Transaction>,
    #[serde(rename = "Miner")]
    miner: String,
}

/// The whole chain. Written piece by piece; this is how it looks when whole.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what is streamed")]
pub(crate) struct WholeChain {
    #[schema(rename = "Chain")]
    chain: Vec<ChainEntry>,
    #[schema(rename = "Length")]
    length: u64,
}

/// What waits to be sealed, as the original showed it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TransactionPool {
    #[serde(rename = "Pool")]
    pool: Vec<Transaction>,
}

/// Places an order, as the original took it.
#[utoipa::path(
    post, path = "/add_transaction", tag = "original",
    request_body = NewTransaction,
    responses(
        (status = 201, description = "taken", body = Added),
        (status = 400, description = "an element is missing, or the body is not JSON",
            content((String = "text/plain"), (ProblemBody = "application/problem+json"))),
        (status = 413, description = "the body is too large", body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 415, description = "the body is not JSON", body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 422, description = "the order is not valid", body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 429, description = "the pool is full", body = ProblemBody, content_type = PROBLEM_JSON),
    )
)]
pub(crate) async fn add_transaction(
    State(app): State<Shared>,
    body: JsonBytes,
) -> Result<Response, Problem> {
    let NewTransaction {
        customer,
        receiver,
        details,
        amount,
    } = body.parse()?;
    let (Some(customer), Some(receiver), Some(details), Some(amount)) =
        (customer, receiver, details, amount)
    else {
        return Ok((StatusCode::BAD_REQUEST, MISSING).into_response());
    };
    let new = NewOrder {
        customer,
        details,
        amount,
        currency: None,
        receiver: Some(receiver),
        placed_at: None,
        salt: None,
        key: None,
        signature: None,
    };
    let (order, personal) = make_order(&app, new, now())?;
    let submission = Submission {
        order,
        personal,
        idempotency: None,
    };
    submit(&app, submission).await?;
    Ok((StatusCode::CREATED, Json(Added { message: ADDED })).into_response())
}

/// Shows what waits to be sealed, as the original did: at most 1,000 orders.
#[utoipa::path(
    get, path = "/viewpool", tag = "original",
    responses((status = 200, description = "the pool", body = TransactionPool))
)]
pub(crate) async fn view_pool(State(app): State<Shared>) -> Result<Json<TransactionPool>, Problem> {
    let page = app.backend.pool(MAX_PAGE).await?;
    let pool = page
        .orders
        .into_iter()
        .map(|record| transaction(&record.order, record.personal))
        .collect();
    Ok(Json(TransactionPool { pool }))
}

/// Streams all final blocks with their orders, as the original did; the first one is the genesis.
///
/// Every node answers the same bytes for the same chain.
#[utoipa::path(
    get, path = "/get_chain", tag = "original",
    responses(
        (status = 200, description = "the chain", body = WholeChain),
        (status = 503, description = "too many streams", body = ProblemBody, content_type = PROBLEM_JSON),
    )
)]
pub(crate) async fn get_chain(State(app): State<Shared>) -> Result<Response, Problem> {
    let permit = stream_permit(&app)?;
    let last = app.backend.status().await?.final_height;
    let progress = Progress {
        app,
        piece: Piece::Genesis,
        last,
        _permit: permit,
    };
    let body = Body::from_stream(stream::try_unfold(progress, next_piece));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// How far the chain is written.
struct Progress {
    app: Shared,
    piece: Piece,
    /// The final head when the stream began.
    last: Height,
    _permit: OwnedSemaphorePermit,
}

/// What is written next.
enum Piece {
    Genesis,
    Block(Height),
    Nothing,
}

async fn next_piece(mut progress: Progress) -> Result<Option<(String, Progress)>, ReadError> {
    if *progress.app.stopping.borrow() {
        return Err(ReadError::Stopping);
    }
    let (text, next) = match progress.piece {
        Piece::Genesis => {
            let entry = json(&genesis_entry(&progress.app))?;
            (
                format!("{{\"Chain\":[{entry}"),
                Piece::Block(Height::GENESIS.next()),
            )
        }
        Piece::Block(height) if height > progress.last => (
            format!("],\"Length\":{}}}", progress.last.0.saturating_add(1)),
            Piece::Nothing,
        ),
        Piece::Block(height) => {
            let record = progress
                .app
                .backend
                .block(BlockName::Height(height))
                .await?;
            let record = record
                .filter(|record| record.info.is_final)
                .ok_or_else(|| missing(height))?;
            (
                format!(",{}", json(&block_entry(record))?),
                Piece::Block(height.next()),
            )
        }
        Piece::Nothing => return Ok(None),
    };
    progress.piece = next;
    Ok(Some((text, progress)))
}

fn json<T: Serialize>(value: &T) -> Result<String, ReadError> {
    serde_json::to_string(value).map_err(|error| ReadError::Failed(error.to_string()))
}

fn genesis_entry(app: &App) -> ChainEntry {
    let block = ChainBlock {
        index: 0,
        timestamp: Time(app.backend.genesis().genesis_time),
        prev_hash: NO_PARENT.to_owned(),
        transactions: Vec::new(),
        miner: app.backend.genesis().network.to_string(),
    };
    let hash: BlockHash = genesis_block_hash(&app.backend.chain_id());
    ChainEntry {
        block,
        cur_hash: hash.to_string(),
    }
}

fn block_entry(record: BlockRecord) -> ChainEntry {
    let BlockRecord { info, orders } = record;
    let shown = |RecordedOrder {
                     order, personal, ..
                 }: RecordedOrder| transaction(&order, personal);
    let block = ChainBlock {
        index: info.header.height.0,
        timestamp: Time(info.header.timestamp),
        prev_hash: info.header.parent.to_string(),
        transactions: orders.into_iter().map(shown).collect(),
        miner: info.winner.name,
    };
    ChainEntry {
        block,
        cur_hash: info.hash.to_string(),
    }
}

fn transaction(order: &Order, personal: Option<PersonalPart>) -> Transaction {
    let (customer, details) = personal
        .map(|personal| (personal.customer, personal.details))
        .unzip();
    Transaction {
        customer: customer.map(|customer| customer.to_string()),
        receiver: order.receiver.to_string(),
        details: details.map(|details| details.to_string()),
        amount: exact_number(&format_amount(&order.amount)),
        date_time: format_plain(order.placed_at),
    }
}

/// A decimal as a JSON number with exactly these digits.
fn exact_number(decimal: &str) -> Box<RawValue> {
    let number = RawValue::from_string(decimal.to_owned()).or_else(|_| to_raw_value(decimal));
    assert!(number.is_ok(), "a formatted amount is a JSON number");
    number.unwrap_or_default()
}
