//! The REST interface, its OpenAPI document and its event stream.
//!
//! [`serve`] answers on one listener for one [`Backend`], which the node implements. The bodies of
//! all requests and answers are in [`model`], for clients too; money and time cross the edge through
//! [`money`] and [`time`]; what happens is told through an [`EventFeed`]. A web [`Page`] that was put into
//! the program is served beside it.

pub mod backend;
pub mod feed;
pub mod model;
pub mod money;
pub mod time;

mod blocks;
mod bulk;
mod chain;
mod events;
mod extract;
mod legacy;
mod menu;
mod network;
mod openapi;
mod orders;
mod page;
mod problem;
mod security;
mod server;
mod state;
mod views;

pub use backend::Backend;
pub use chain::{CHAIN_FRAME_LENGTH_BYTES, MAX_CHAIN_FRAME_BYTES};
pub use feed::EventFeed;
pub use openapi::document;
pub use page::Page;
pub use server::{ServeError, serve};
pub use state::{ApiConfig, Limits};
