//! From the node's own values to the bodies of answers.

use types::{Equivocation, Genesis, MemberId, MemberSet, Voucher};

use crate::{
    backend::{BlockInfo, MemberStatus, OrderRecord, Placement},
    model::{BlockSummary, EvidenceView, Finality, MemberView, OrderView, Salt, VoucherView},
    money::format_amount,
    time::Time,
};

impl From<Placement> for Finality {
    fn from(placement: Placement) -> Self {
        Self {
            height: placement.height.0,
            block: placement.block,
            log_index: placement.log_index.0,
            winner: placement.winner.name,
            winner_id: placement.winner.id,
            wait_us: placement.winner.wait.0,
            sealed_at: Time(placement.sealed_at),
        }
    }
}

impl From<BlockInfo> for BlockSummary {
    fn from(block: BlockInfo) -> Self {
        Self {
            height: block.header.height.0,
            hash: block.hash,
            parent: block.header.parent,
            epoch: block.header.epoch.0,
            timestamp: Time(block.header.timestamp),
            winner: block.winner.name,
            winner_id: block.winner.id,
            wait_us: block.winner.wait.0,
            orders: block.orders,
            log_size: block.header.log_size.0,
            is_final: block.is_final,
            time_to_final_ms: block.time_to_final.map(|time| time.as_millis()),
        }
    }
}

/// An order as it is shown; the genesis knows the names of tills.
pub(crate) fn order_view(record: OrderRecord, genesis: &Genesis) -> OrderView {
    let OrderRecord {
        id,
        order,
        personal,
        state,
        placement,
    } = record;
    let name_of = |member: MemberId| {
        let card = genesis.members.iter().find(|card| card.id() == member);
        card.map(|card| card.name.as_str().to_owned())
    };
    let salt = personal.as_ref().map(|personal| Salt(personal.salt));
    let (customer, details) = personal
        .map(|personal| (personal.customer, personal.details))
        .unzip();
    OrderView {
        id,
        state,
        receiver: order.receiver.to_string(),
        amount: format_amount(&order.amount),
        currency: order.amount.currency.to_string(),
        placed_at: Time(order.placed_at),
        customer: customer.map(|customer| customer.to_string()),
        details: details.map(|details| details.to_string()),
        salt,
        personal_hash: order.personal_hash,
        voucher: match order.voucher {
            Voucher::Till(member) => VoucherView::Till {
                member,
                name: name_of(member),
            },
            Voucher::Key { key, signature } => VoucherView::Key { key, signature },
        },
        finality: placement.map(Finality::from),
    }
}

/// A member as it is shown by the node of the member `own`.
pub(crate) fn member_view(status: MemberStatus, own: MemberId) -> MemberView {
    MemberView {
        id: status.member.id,
        name: status.member.name,
        identity_key: status.member.identity_key,
        lottery_key: status.member.lottery_key,
        this_node: status.member.id == own,
        connected: status.connected,
        final_height: status.final_height.map(|height| height.0),
        wins: status.wins,
        traffic: status.traffic,
    }
}

/// Evidence as it is shown; `None` where it is against nobody among the members, which no node keeps.
pub(crate) fn evidence_view(proof: &Equivocation, members: &MemberSet) -> Option<EvidenceView> {
    let header = &proof.first.header;
    let member = members.get(header.proposer)?;
    Some(EvidenceView {
        member: member.id,
        name: member.name.clone(),
        height: header.height.0,
        first: header.hash(),
        second: proof.second.header.hash(),
    })
}
