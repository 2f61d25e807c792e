//! Placing orders, finding them, proving them.

use axum::{
    Json,
    extract::{FromRequest as _, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use types::{
    Amount, Digest, LogIndex, Order, OrderId, PersonalPart, Text, UnixMillis, Voucher,
    text::TextTooLong,
};
use utoipa::IntoParams;

use crate::{
    backend::{Accepted, Idempotency, OrderSearch, Submission, SubmitError},
    bulk::{self, NDJSON},
    extract::{JsonBytes, Parameters, PathText, is_of_type, page_limit},
    model::{NewOrder, OrderPage, OrderState, OrderView, PlacedOrder, ProblemBody, Proof, Salt},
    money::{parse_amount, parse_currency},
    problem::{PROBLEM_JSON, Problem},
    state::{App, Shared},
    time::{Time, now},
    views::order_view,
};

/// The longest `Idempotency-Key`: a UUID is 36 bytes.
const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;
/// How far ahead of this node's clock an order may be placed: every time zone's mistake is less.
const MAX_AHEAD_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// How `POST /v1/orders` answers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PlaceParameters {
    /// `final` answers when the order is final, at most a minute later; 202 when it is not by then.
    #[param(inline)]
    pub(crate) wait: Option<Wait>,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wait {
    /// Until the order is in a final block.
    Final,
}

/// Which orders are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParameters {
    /// Of this customer only.
    customer: Option<String>,
    /// For this receiver only.
    receiver: Option<String>,
    /// Orders behind this place in the order log: `next` of the page before.
    after: Option<u64>,
    /// At most so many, 1 to 1,000.
    #[param(default = 100)]
    limit: Option<usize>,
}

/// Places an order, or many.
///
/// Answers once the order is safe on this node's disk, or, with `?wait=final`, once it is final. A
/// request with an `Idempotency-Key` can be repeated for 24 hours and is answered the same.
///
/// With `application/x-ndjson` the body is an order a line, as many as there are, and the answer is a
/// line for each, in the same order: `PlacedOrder` once it is safe on this node's disk, or a problem.
/// Answers come while the body is still being sent, so read them meanwhile. A line that is refused
/// holds up no other; a problem 408, 413 or 503 as the last line says that what follows in the body
/// was not read. `?wait=final` and `Idempotency-Key` are for one order: an order that gives `salt` and
/// `placed_at` can be sent again safely, and is answered 409 where it was taken before.
#[utoipa::path(
    post, path = "/v1/orders", operation_id = "place_order", tag = "orders",
    params(
        PlaceParameters,
        ("Idempotency-Key" = Option<String>, Header, description = "names this request, at most 255 bytes"),
    ),
    request_body(content((NewOrder = "application/json"), (String = "application/x-ndjson"))),
    responses(
        (status = 200, description = "a line for each line of an application/x-ndjson body", body = String,
            content_type = NDJSON),
        (status = 201, description = "accepted, or final where that was asked for", body = PlacedOrder,
            headers(("Location" = String, description = "where the order is shown"))),
        (status = 202, description = "accepted, but not final in the time waited", body = PlacedOrder),
        (status = 400, description = "the request cannot be read", body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 409, description = "this very order is already taken", body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 413, description = "the body is too large", body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 415, description = "the body is not JSON", body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 422, description = "the order is not valid, or the key came with another body",
            body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 429, description = "the pool is full", body = ProblemBody, content_type = PROBLEM_JSON,
            headers(("Retry-After" = u32, description = "seconds after which there is likely to be room"))),
        (status = 503, description = "the node is busy or stopping", body = ProblemBody, content_type = PROBLEM_JSON),
    )
)]
pub(crate) async fn place(
    State(app): State<Shared>,
    Parameters(parameters): Parameters<PlaceParameters>,
    request: Request,
) -> Result<Response, Problem> {
    if is_of_type(request.headers(), NDJSON) {
        return bulk::place_all(app, &parameters, request).await;
    }
    let key = idempotency_key(request.headers())?.map(sha256);
    let body = JsonBytes::from_request(request, &app).await?;
    let new: NewOrder = body.parse()?;
    let (order, personal) = make_order(&app, new, now())?;
    let idempotency = key.map(|key| Idempotency {
        key,
        body: sha256(&body.0),
    });
    let submission = Submission {
        order,
        personal,
        idempotency,
    };
    let accepted = submit(&app, submission).await?;
    let placed = PlacedOrder {
        id: accepted.id,
        state: OrderState::Accepted,
        finality: None,
    };
    match parameters.wait {
        None => placed_answer(StatusCode::CREATED, placed),
        Some(Wait::Final) => wait_until_final(&app, placed).await,
    }
}

/// Submits one order: a group of one.
pub(crate) async fn submit(app: &App, submission: Submission) -> Result<Accepted, Problem> {
    let submitted = app.backend.submit(vec![submission]).await;
    let answers = submitted.map_err(|full| Problem::from(&full))?;
    let answer = answers.into_iter().next();
    Ok(answer.unwrap_or(Err(SubmitError::Stopping))?)
}

async fn wait_until_final(app: &App, placed: PlacedOrder) -> Result<Response, Problem> {
    let id = placed.id;
    let waiting = tokio::time::timeout(app.config.limits.final_wait, app.backend.when_final(id));
    let outcome = tokio::select! {
        outcome = waiting => outcome,
        () = app.stopped() => return placed_answer(StatusCode::ACCEPTED, placed),
    };
    match outcome {
        Ok(Ok(placement)) => {
            let finality = Some(placement.into());
            placed_answer(
                StatusCode::CREATED,
                PlacedOrder {
                    id,
                    state: OrderState::Final,
                    finality,
                },
            )
        }
        // The order is safe: a node that stops meanwhile is no error of this request.
        Ok(Err(_)) | Err(_) => placed_answer(StatusCode::ACCEPTED, placed),
    }
}

fn placed_answer(status: StatusCode, placed: PlacedOrder) -> Result<Response, Problem> {
    let location = HeaderValue::try_from(format!("/v1/orders/{}", placed.id));
    let location = location.map_err(|error| Problem::internal(error.to_string()))?;
    Ok((status, [(header::LOCATION, location)], Json(placed)).into_response())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&[u8]>, Problem> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    if keys.next().is_some() {
        return Err(Problem::malformed(
            "the request has more than one Idempotency-Key; give one",
        ));
    }
    let key = key.as_bytes();
    if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY_BYTES {
        let detail = format!(
            "the Idempotency-Key is {} bytes long; it must be 1 to {MAX_IDEMPOTENCY_KEY_BYTES}",
            key.len()
        );
        return Err(Problem::malformed(detail));
    }
    Ok(Some(key))
}

fn sha256(bytes: &[u8]) -> Digest {
    Digest::new(Sha256::digest(bytes).into())
}

/// Makes the two parts of an order from what a client gave.
pub(crate) fn make_order(
    app: &App,
    new: NewOrder,
    now: UnixMillis,
) -> Result<(Order, PersonalPart), Problem> {
    let voucher = match (new.key, new.signature) {
        (None, None) => Voucher::Till(app.backend.member_id()),
        (Some(key), Some(signature)) if new.salt.is_some() && new.placed_at.is_some() => {
            Voucher::Key { key, signature }
        }
        _ => {
            let detail = "an order signed by its customer gives key, signature, salt and placed_at, all four; \
                          an order without signature gives neither key nor signature";
            return Err(Problem::invalid(detail));
        }
    };
    let placed_at = new.placed_at.map_or(now, |Time(time)| time);
    if placed_at > now.plus_millis(MAX_AHEAD_MILLIS) {
        let detail = "placed_at is more than a day in the future; correct it, or this node's clock";
        return Err(Problem::invalid(detail));
    }
    let personal = PersonalPart {
        salt: new.salt.map_or_else(rand::random, |Salt(salt)| salt),
        customer: text("customer", new.customer)?,
        details: text("details", new.details)?,
    };
    let receiver = new
        .receiver
        .unwrap_or_else(|| app.backend.member_name().to_owned());
    let order = Order {
        receiver: text("receiver", receiver)?,
        amount: amount(app, new.amount.as_str(), new.currency.as_deref())?,
        placed_at,
        personal_hash: personal.hash(),
        voucher,
    };
    Ok((order, personal))
}

fn amount(app: &App, text: &str, currency: Option<&str>) -> Result<Amount, Problem> {
    let currency = currency.map_or(Ok(app.backend.genesis().currency), parse_currency);
    currency
        .and_then(|currency| parse_amount(text, currency))
        .map_err(|error| Problem::invalid(error.to_string()))
}

fn text<const MAX: usize>(field: &str, given: String) -> Result<Text<MAX>, Problem> {
    Text::new(given)
        .map_err(|error: TextTooLong| Problem::invalid(format!("{field} {error}; shorten it")))
}

/// Shows an order, however far it has come.
#[utoipa::path(
    get, path = "/v1/orders/{id}", operation_id = "show_order", tag = "orders",
    params(("id" = String, Path, description = "the order's id: 64 hexadecimal digits")),
    responses(
        (status = 200, description = "the order", body = OrderView),
        (status = 400, description = "not an order id", body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 404, description = "no such order here", body = ProblemBody, content_type = PROBLEM_JSON),
    )
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    path: PathText,
) -> Result<Json<OrderView>, Problem> {
    let id = path.order_id()?;
    let record = app
        .backend
        .order(id)
        .await?
        .ok_or_else(|| no_such_order(id))?;
    Ok(Json(order_view(record, app.backend.genesis())))
}

fn no_such_order(id: OrderId) -> Problem {
    Problem::not_found(format!(
        "this node knows no order {id}; check the id, and that the node has caught up"
    ))
}

/// Lists final orders, in the order of the order log.
#[utoipa::path(
    get, path = "/v1/orders", operation_id = "list_orders", tag = "orders",
    params(ListParameters),
    responses(
        (status = 200, description = "a page of orders", body = OrderPage),
        (status = 400, description = "a wrong parameter", body = ProblemBody, content_type = PROBLEM_JSON),
    )
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Json<OrderPage>, Problem> {
    let search = OrderSearch {
        customer: parameters.customer,
        receiver: parameters.receiver,
        after: parameters.after.map(LogIndex),
        limit: page_limit(parameters.limit)?,
    };
    let page = app.backend.orders(search).await?;
    let genesis = app.backend.genesis();
    Ok(Json(OrderPage {
        orders: page
            .orders
            .into_iter()
            .map(|record| order_view(record, genesis))
            .collect(),
        next: page.next.map(|index| index.0),
    }))
}

/// Proves that an order is in the final order log.
///
/// Everything that is needed to check the order against the genesis file without trusting this node:
/// its place in the order log, the inclusion path, a final header and its finality certificate.
#[utoipa::path(
    get, path = "/v1/orders/{id}/proof", operation_id = "prove_order", tag = "orders",
    params(("id" = String, Path, description = "the order's id: 64 hexadecimal digits")),
    responses(
        (status = 200, description = "the proof", body = Proof),
        (status = 400, description = "not an order id", body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 404, description = "no such order here", body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 409, description = "not final yet", body = ProblemBody, content_type = PROBLEM_JSON),
    )
)]
pub(crate) async fn prove(
    State(app): State<Shared>,
    path: PathText,
) -> Result<Json<Proof>, Problem> {
    let id = path.order_id()?;
    if let Some((receipt, members)) = app.backend.receipt(id).await? {
        return Ok(Json(Proof::new(receipt, members)));
    }
    match app.backend.order(id).await? {
        Some(_) => Err(Problem::not_final(id)),
        None => Err(no_such_order(id)),
    }
}
