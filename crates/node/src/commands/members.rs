//! `dexter members`: who keeps the order book together.

use api::model::MemberList;
use clap::Args;

use crate::{client::NodeArgs, output};

/// Shows the network's members.
#[derive(Debug, Args)]
pub struct MembersArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `dexter members`.
///
/// # Errors
/// When the node does not answer.
pub fn run(args: MembersArgs) -> anyhow::Result<()> {
    let list: MemberList = args.node.client()?.get("/v1/members", &[])?;
    if args.json {
        output::json(&list)?;
        return Ok(());
    }
    let mut table = output::table(&["name", "member", "connected", "final height", "blocks won"]);
    for member in &list.members {
        let connected = match (member.this_node, member.connected) {
            (true, _) => "this node".to_owned(),
            (false, true) => "yes".to_owned(),
            (false, false) => output::red("no"),
        };
        table.add_row([
            output::plain(&member.name),
            member.id.short(),
            connected,
            member
                .final_height
                .map_or_else(|| "?".to_owned(), |height| height.to_string()),
            member.wins.to_string(),
        ]);
    }
    output::line(table)?;
    output::line(format!(
        "{} of {} make a quorum",
        list.quorum,
        list.members.len()
    ))?;
    Ok(())
}
