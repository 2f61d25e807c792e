//! The shop's own menu.

use axum::{Json, extract::State};

use crate::{
    extract::JsonBytes,
    model::{Menu, ProblemBody},
    problem::{PROBLEM_JSON, Problem},
    state::Shared,
};

/// Shows the shop's own menu.
#[utoipa::path(
    get, path = "/v1/menu", operation_id = "show_menu", tag = "node",
    responses((status = 200, description = "the menu; a sample until one is put", body = Menu))
)]
pub(crate) async fn show(State(app): State<Shared>) -> Json<Menu> {
    Json(app.backend.menu())
}

/// Puts another menu in the place of the shop's.
///
/// Answers with it once it is safe on the node's disk, every price with all decimals.
#[utoipa::path(
    put, path = "/v1/menu", operation_id = "put_menu", tag = "node",
    request_body = Menu,
    responses(
        (status = 200, description = "the menu as it is now", body = Menu),
        (status = 400, description = "the request cannot be read", body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 413, description = "the body is too large", body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 415, description = "the body is not JSON", body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 422, description = "the menu is not valid", body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 500, description = "the disk failed", body = ProblemBody,
            content_type = PROBLEM_JSON),
    )
)]
pub(crate) async fn put(State(app): State<Shared>, body: JsonBytes) -> Result<Json<Menu>, Problem> {
    let menu: Menu = body.parse_as(Problem::invalid_menu)?;
    let menu = menu
        .checked(app.backend.genesis().currency)
        .map_err(|error| Problem::invalid_menu(error.to_string()))?;
    let kept = app.backend.put_menu(menu.clone()).await;
    kept.map_err(|error| Problem::internal(error.to_string()))?;
    Ok(Json(menu))
}
