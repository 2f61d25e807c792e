//! Looking at blocks.

use axum::{Json, extract::State};
use serde::Deserialize;
use types::Height;
use utoipa::IntoParams;

use crate::{
    backend::BlockName,
    extract::{Parameters, PathText, page_limit},
    model::{BlockDetail, BlockPage, BlockSummary, ProblemBody},
    problem::{PROBLEM_JSON, Problem},
    state::Shared,
};

/// How many digits a block's hash has; a height has at most 20.
const HASH_DIGITS: usize = 64;

/// Which blocks are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParameters {
    /// Blocks below this height: `next` of the page before.
    before: Option<u64>,
    /// At most so many, 1 to 1,000.
    #[param(default = 100)]
    limit: Option<usize>,
}

/// Lists blocks, newest first.
#[utoipa::path(
    get, path = "/v1/blocks", operation_id = "list_blocks", tag = "blocks",
    params(ListParameters),
    responses(
        (status = 200, description = "a page of blocks", body = BlockPage),
        (status = 400, description = "a wrong parameter", body = ProblemBody, content_type = PROBLEM_JSON),
    )
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Json<BlockPage>, Problem> {
    let limit = page_limit(parameters.limit)?;
    let blocks = app
        .backend
        .blocks(parameters.before.map(Height), limit)
        .await?;
    let blocks: Vec<BlockSummary> = blocks.into_iter().map(BlockSummary::from).collect();
    // Below height 1 there is only the genesis, which is not listed.
    let next = blocks
        .last()
        .map(|block| block.height)
        .filter(|height| blocks.len() == limit && *height > 1);
    Ok(Json(BlockPage { blocks, next }))
}

/// Shows a block and the ids of its orders.
#[utoipa::path(
    get, path = "/v1/blocks/{block}", operation_id = "show_block", tag = "blocks",
    params(("block" = String, Path, description = "a height, or a hash of 64 hexadecimal digits")),
    responses(
        (status = 200, description = "the block", body = BlockDetail),
        (status = 400, description = "neither a height nor a hash", body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 404, description = "no such block here", body = ProblemBody, content_type = PROBLEM_JSON),
    )
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    path: PathText,
) -> Result<Json<BlockDetail>, Problem> {
    let name = block_name(&path.0)?;
    if name == BlockName::Height(Height::GENESIS) {
        return Err(Problem::not_found(
            "height 0 is the genesis, which is no block; see /v1/genesis",
        ));
    }
    let record = app.backend.block(name).await?.ok_or_else(|| {
        Problem::not_found("this node has no such block; /v1/status tells how far its chain goes")
    })?;
    let order_ids = record.orders.iter().map(|order| order.id).collect();
    Ok(Json(BlockDetail {
        block: record.info.into(),
        order_ids,
    }))
}

fn block_name(text: &str) -> Result<BlockName, Problem> {
    let wrong = || {
        Problem::malformed("a block is named by its height or by its hash, 64 hexadecimal digits")
    };
    if text.len() == HASH_DIGITS {
        return text.parse().map(BlockName::Hash).map_err(|_| wrong());
    }
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let height = text.parse().ok().filter(|_| digits);
    height
        .map(|height| BlockName::Height(Height(height)))
        .ok_or_else(wrong)
}
