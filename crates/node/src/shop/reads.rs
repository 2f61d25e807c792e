//! What the REST interface reads from the store, and from the [`View`] where it is not final yet.

use api::{
    backend::{
        BlockInfo, BlockName, BlockRecord, OrderRecord, OrderSearch, OrderSearchPage, Placement,
        RecordedOrder,
    },
    model::OrderState,
};
use borsh::BorshSerialize;
use store::{MOST_ORDERS_A_PAGE, Reader, StoreError, StoredOrder};
use types::{
    BlockHash, Certificate, Height, LogIndex, LogSize, Member, OrderId, Receipt, SignedBlock,
    encoded_len,
};

use super::view::View;

/// Final things from a height on, each with its own finality certificate if there is one, and about so
/// many bytes of them. Only what a certificate covers: the rest cannot be checked by who asks.
pub(super) fn proved_run<T: BorshSerialize>(
    reader: &Reader,
    from: Height,
    most_bytes: usize,
    at: impl Fn(&Reader, Height) -> Result<Option<T>, StoreError>,
) -> Result<Vec<(T, Option<Certificate>)>, StoreError> {
    let mut run = Vec::new();
    let mut bytes = 0;
    let mut height = from.max(Height(1));
    let mut covering: Option<Certificate> = None;
    while bytes < most_bytes {
        if covering.as_ref().is_none_or(|known| known.height < height) {
            covering = reader.next_certificate(height)?;
        }
        let Some(certificate) = &covering else {
            break;
        };
        let Some(found) = at(reader, height)? else {
            break;
        };
        bytes += encoded_len(&found);
        let own = (certificate.height == height).then(|| certificate.clone());
        run.push((found, own));
        height = height.next();
    }
    Ok(run)
}

fn placement(view: &View, block: &SignedBlock, log_index: LogIndex) -> Placement {
    let header = block.header();
    Placement {
        height: header.height,
        block: block.hash(),
        log_index,
        winner: view.winner(header),
        sealed_at: header.timestamp,
    }
}

pub(super) fn final_order(view: &View, id: &OrderId) -> Result<Option<OrderRecord>, StoreError> {
    view.reader
        .order(id)?
        .map(|stored| record(view, stored, None))
        .transpose()
}

/// An order as it is told. Where the one told before it was sealed by the same block, that is not read again.
fn record(
    view: &View,
    stored: StoredOrder,
    before: Option<&OrderRecord>,
) -> Result<OrderRecord, StoreError> {
    let log_index = stored.log_index;
    let before = before.and_then(|before| before.placement.as_ref());
    let placement = match before {
        Some(before) if before.height == stored.height => Some(Placement {
            log_index,
            ..before.clone()
        }),
        _ => {
            let block = view.reader.block(stored.height)?;
            block.map(|block| placement(view, &block, log_index))
        }
    };
    Ok(OrderRecord {
        id: stored.id,
        order: stored.entry.into_order(),
        personal: stored.personal,
        state: OrderState::Final,
        placement,
    })
}

/// Final orders that match. With both filters the customer's are searched, a bounded number a call.
pub(super) fn find_orders(
    view: &View,
    search: &OrderSearch,
) -> Result<OrderSearchPage, StoreError> {
    let OrderSearch {
        customer,
        receiver,
        after,
        limit,
    } = search;
    let limit = (*limit).min(MOST_ORDERS_A_PAGE);
    let reader = &view.reader;
    // One more than asked for tells whether there are more.
    let asked = limit.saturating_add(1).min(MOST_ORDERS_A_PAGE);
    let found = match (customer, receiver) {
        (Some(customer), None) => reader.orders_of_customer(customer, *after, asked)?,
        (None, Some(receiver)) => reader.orders_of_receiver(receiver, *after, asked)?,
        (None, None) => reader.orders(*after, asked)?,
        (Some(customer), Some(receiver)) => {
            let searched = reader.orders_of_customer(customer, *after, MOST_ORDERS_A_PAGE)?;
            let end = (searched.len() == MOST_ORDERS_A_PAGE)
                .then(|| searched.last().map(|last| last.log_index))
                .flatten();
            let mut matching: Vec<StoredOrder> = searched
                .into_iter()
                .filter(|stored| stored.entry.order().receiver.as_str() == receiver)
                .take(asked)
                .collect();
            if matching.len() <= limit {
                return page(view, matching, end);
            }
            matching.truncate(limit);
            let next = matching.last().map(|last| last.log_index);
            return page(view, matching, next);
        }
    };
    let more = found.len() > limit || (asked == limit && found.len() == limit);
    let found: Vec<StoredOrder> = found.into_iter().take(limit).collect();
    let next = found.last().filter(|_| more).map(|last| last.log_index);
    page(view, found, next)
}

fn page(
    view: &View,
    found: Vec<StoredOrder>,
    next: Option<LogIndex>,
) -> Result<OrderSearchPage, StoreError> {
    let mut orders = Vec::with_capacity(found.len());
    for stored in found {
        let order = record(view, stored, orders.last())?;
        orders.push(order);
    }
    Ok(OrderSearchPage { orders, next })
}

pub(super) fn receipt(
    view: &View,
    id: &OrderId,
) -> Result<Option<(Receipt, Vec<Member>)>, StoreError> {
    let reader = &view.reader;
    let Some(stored) = reader.order(id)? else {
        return Ok(None);
    };
    let Some(certificate) = reader.next_certificate(stored.height)? else {
        return Ok(None);
    };
    let Some(block) = reader.block(certificate.height)? else {
        return Ok(None);
    };
    let header = block.block.header;
    let Some(path) = reader.inclusion_path(stored.log_index, header.log_size)? else {
        return Ok(None);
    };
    let receipt = Receipt {
        chain: view.chain,
        entry: stored.entry,
        personal: stored.personal,
        log_index: stored.log_index,
        path,
        header,
        certificate,
    };
    Ok(Some((receipt, view.members.members().to_vec())))
}

fn log_size_before(reader: &Reader, height: Height) -> Result<LogSize, StoreError> {
    let parent = reader.block(height.previous())?;
    Ok(parent.map_or(LogSize(0), |parent| parent.header().log_size))
}

pub(super) fn final_block(view: &View, block: SignedBlock) -> Result<BlockRecord, StoreError> {
    let header = block.block.header.clone();
    let before = log_size_before(&view.reader, header.height)?;
    let mut orders = Vec::new();
    let mut after = before.0.checked_sub(1).map(LogIndex);
    let mut missing = usize::try_from(header.log_size.0 - before.0).unwrap_or(usize::MAX);
    while missing > 0 {
        let found = view.reader.orders(after, missing.min(MOST_ORDERS_A_PAGE))?;
        let Some(last) = found.last() else { break };
        after = Some(last.log_index);
        missing = missing.saturating_sub(found.len());
        orders.extend(found.into_iter().map(|stored| RecordedOrder {
            id: stored.id,
            order: stored.entry.into_order(),
            personal: stored.personal,
        }));
    }
    let time_to_final = view.time_to_final(header.height);
    let info = view.info(block.hash(), header, orders.len(), time_to_final, true);
    Ok(BlockRecord { info, orders })
}

/// A certified block that is not final yet.
pub(super) fn sealed_block(view: &View, name: BlockName) -> Option<BlockRecord> {
    let asked_for = |block: BlockHash, height: Height| match name {
        BlockName::Height(wanted) => height == wanted,
        BlockName::Hash(wanted) => block == wanted,
    };
    let sealed = view
        .sealed()
        .into_iter()
        .find(|sealed| asked_for(sealed.block, sealed.header.height))?;
    let orders = view
        .orders_of(&sealed)
        .into_iter()
        .map(|record| RecordedOrder {
            id: record.id,
            order: record.order,
            personal: record.personal,
        })
        .collect();
    let info = view.info(
        sealed.block,
        sealed.header,
        sealed.recorded.len(),
        None,
        false,
    );
    Some(BlockRecord { info, orders })
}

pub(super) fn blocks(
    view: &View,
    before: Option<Height>,
    limit: usize,
) -> Result<Vec<BlockInfo>, StoreError> {
    let below = |height: Height| before.is_none_or(|before| height < before);
    let head = view
        .reader
        .final_head()
        .map_or(Height::GENESIS, |(height, _)| height);
    let mut list: Vec<BlockInfo> = view
        .sealed()
        .into_iter()
        .filter(|sealed| sealed.header.height > head && below(sealed.header.height))
        .take(limit)
        .map(|sealed| {
            view.info(
                sealed.block,
                sealed.header,
                sealed.recorded.len(),
                None,
                false,
            )
        })
        .collect();
    let mut height = before.map_or(head, |before| before.previous().min(head));
    while list.len() < limit && height > Height::GENESIS {
        let Some(block) = view.reader.block(height)? else {
            break;
        };
        let before = log_size_before(&view.reader, height)?;
        let orders = usize::try_from(block.header().log_size.0 - before.0).unwrap_or(usize::MAX);
        let time = view.time_to_final(height);
        list.push(view.info(block.hash(), block.block.header, orders, time, true));
        height = height.previous();
    }
    Ok(list)
}
