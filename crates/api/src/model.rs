//! The JSON bodies of all requests and answers of `/v1`, for the server and for clients.
//!
//! Hashes, ids, keys and signatures are lower-case hexadecimal; times are RFC 3339 in UTC; amounts
//! are decimal text, because a JSON number is binary in most readers and money is not.

mod menu;
mod network;
mod orders;
mod proof;

pub use menu::{
    MAX_GROUP_NAME_BYTES, MAX_ITEM_NAME_BYTES, MAX_MENU_ITEMS, Menu, MenuError, MenuItem,
};
pub use network::{
    BlockDetail, BlockPage, BlockSummary, EventData, EvidenceList, EvidenceView, Liveness,
    MemberList, MemberView, PoolCounts, PoolView, ProblemBody, RaceView, Readiness, StatusView,
    Traffic,
};
pub use orders::{
    DecimalText, Finality, NewOrder, OrderPage, OrderState, OrderView, PlacedOrder, SALT_BYTES,
    Salt, VoucherView,
};
pub use proof::{Proof, ProofError, ProofOrder, ProofPersonal, ProofVoucher};
