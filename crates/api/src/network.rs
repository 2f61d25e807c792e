//! The pool, the members, and how the node stands.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use types::Genesis;
use utoipa::IntoParams;

use crate::{
    extract::{Parameters, page_limit},
    model::{
        EvidenceList, Liveness, MemberList, PoolView, ProblemBody, RaceView, Readiness, StatusView,
    },
    money::decimals_of,
    problem::{PROBLEM_JSON, Problem},
    state::Shared,
    views::{evidence_view, member_view, order_view},
};

/// How much of the pool is shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PoolParameters {
    /// At most so many orders, 1 to 1,000.
    #[param(default = 100)]
    limit: Option<usize>,
}

/// Shows what waits to be sealed.
#[utoipa::path(
    get, path = "/v1/pool", tag = "network",
    params(PoolParameters),
    responses(
        (status = 200, description = "the pool", body = PoolView),
        (status = 400, description = "a wrong parameter", body = ProblemBody, content_type = PROBLEM_JSON),
    )
)]
pub(crate) async fn pool(
    State(app): State<Shared>,
    Parameters(parameters): Parameters<PoolParameters>,
) -> Result<Json<PoolView>, Problem> {
    let page = app.backend.pool(page_limit(parameters.limit)?).await?;
    let genesis = app.backend.genesis();
    let orders = page
        .orders
        .into_iter()
        .map(|record| order_view(record, genesis))
        .collect();
    Ok(Json(PoolView {
        counts: page.counts,
        orders,
    }))
}

/// Lists the members.
#[utoipa::path(
    get, path = "/v1/members", tag = "network",
    responses((status = 200, description = "all members", body = MemberList))
)]
pub(crate) async fn members(State(app): State<Shared>) -> Result<Json<MemberList>, Problem> {
    let members = app.backend.members().await?;
    let quorum = count(app.backend.genesis().fault_model.quorum(members.len()));
    let own = app.backend.member_id();
    let members = members
        .into_iter()
        .map(|status| member_view(status, own))
        .collect();
    Ok(Json(MemberList { members, quorum }))
}

/// How much evidence is shown: a member that lies at every height must not fill an answer.
const MAX_EVIDENCE: usize = 100;

/// Lists what this node can prove of members that lied.
#[utoipa::path(
    get, path = "/v1/evidence", tag = "network",
    responses(
        (status = 200, description = "the evidence, the highest height first", body = EvidenceList),
        (status = 503, description = "the node is starting", body = ProblemBody, content_type = PROBLEM_JSON),
    )
)]
pub(crate) async fn evidence(State(app): State<Shared>) -> Result<Json<EvidenceList>, Problem> {
    let proofs = app.backend.evidence(MAX_EVIDENCE).await?;
    let members = app.backend.genesis().member_set();
    let evidence = proofs
        .iter()
        .filter_map(|proof| evidence_view(proof, &members))
        .collect();
    Ok(Json(EvidenceList { evidence }))
}

/// Tells how the node and its network stand.
#[utoipa::path(
    get, path = "/v1/status", tag = "network",
    responses((status = 200, description = "the status", body = StatusView))
)]
pub(crate) async fn status(State(app): State<Shared>) -> Result<Json<StatusView>, Problem> {
    let backend = &app.backend;
    let genesis = backend.genesis();
    let status = backend.status().await?;
    Ok(Json(StatusView {
        network: genesis.network.to_string(),
        chain: backend.chain_id(),
        currency: genesis.currency.to_string(),
        currency_decimals: decimals_of(genesis.currency).ok(),
        fault_model: genesis.fault_model,
        member: backend.member_name().to_owned(),
        member_id: backend.member_id(),
        version: backend.version().to_owned(),
        epoch: status.epoch.0,
        height: status.height.0,
        final_height: status.final_height.0,
        final_hash: status.final_hash,
        log_size: status.log_size.0,
        pool: status.pool,
        members: count(genesis.members.len()),
        connected: count(status.connected),
        ready: status.ready.is_ok(),
        reason: status.ready.err(),
    }))
}

/// Tells how the race of the present height stands at this node.
///
/// The node proposes once its clock has run for as long as its own wait, unless it knows of a better
/// block by then. The event `race` tells the same whenever the height changes or the clock starts or
/// stops.
#[utoipa::path(
    get, path = "/v1/race", tag = "network",
    responses(
        (status = 200, description = "the race", body = RaceView),
        (status = 503, description = "the node is starting", body = ProblemBody, content_type = PROBLEM_JSON),
    )
)]
pub(crate) async fn race(State(app): State<Shared>) -> Result<Json<RaceView>, Problem> {
    Ok(Json(app.backend.race().await?))
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Hands out the genesis file.
#[utoipa::path(
    get, path = "/v1/genesis", tag = "network",
    responses((status = 200, description = "the genesis, as in the genesis file", body = Object))
)]
pub(crate) async fn genesis(State(app): State<Shared>) -> Json<Genesis> {
    Json(app.backend.genesis().clone())
}

/// Answers while the process is alive.
#[utoipa::path(
    get, path = "/livez", tag = "node",
    responses((status = 200, description = "alive", body = Liveness))
)]
pub(crate) async fn livez() -> Json<Liveness> {
    Json(Liveness { alive: true })
}

/// Tells whether the node takes orders and can get them sealed.
#[utoipa::path(
    get, path = "/readyz", tag = "node",
    responses(
        (status = 200, description = "ready", body = Readiness),
        (status = 503, description = "not ready, and why", body = Readiness),
    )
)]
pub(crate) async fn readyz(State(app): State<Shared>) -> Response {
    let ready = match app.backend.status().await {
        Ok(status) => status.ready,
        Err(error) => Err(error.to_string()),
    };
    let status = if ready.is_ok() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(Readiness {
            ready: ready.is_ok(),
            reason: ready.err(),
        }),
    )
        .into_response()
}
