//! `dexter status`: how a node and its network stand.

use api::model::StatusView;
use clap::Args;

use crate::{client::NodeArgs, output};

/// Shows how a node and its network stand.
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `dexter status`.
///
/// # Errors
/// When the node does not answer.
pub fn run(args: StatusArgs) -> anyhow::Result<()> {
    let status: StatusView = args.node.client()?.get("/v1/status", &[])?;
    if args.json {
        output::json(&status)?;
        return Ok(());
    }
    let mut table = output::facts();
    for (what, value) in facts(&status) {
        table.add_row([what, &value]);
    }
    output::line(table)?;
    Ok(())
}

fn facts(status: &StatusView) -> Vec<(&'static str, String)> {
    let text = output::plain;
    let others = status.members.saturating_sub(1);
    let ready = match (&status.reason, status.ready) {
        (_, true) => output::green("yes"),
        (Some(reason), false) => output::red(&format!("no: {}", text(reason))),
        (None, false) => output::red("no"),
    };
    vec![
        ("network", text(&status.network)),
        ("chain", status.chain.to_string()),
        (
            "shop",
            format!("{} ({})", text(&status.member), status.member_id.short()),
        ),
        ("ready", ready),
        ("final height", status.final_height.to_string()),
        ("final block", status.final_hash.to_string()),
        ("final orders", status.log_size.to_string()),
        (
            "waiting orders",
            format!("{} in {} batches", status.pool.orders, status.pool.batches),
        ),
        (
            "members",
            format!(
                "{}, connected with {} of the {others} others",
                status.members, status.connected
            ),
        ),
        ("currency", text(&status.currency)),
        ("version", text(&status.version)),
    ]
}
