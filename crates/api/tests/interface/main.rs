//! The interface over real loopback connections, in front of a node in memory.

mod blocks;
mod bulk;
mod client;
mod events;
mod fake;
mod legacy;
mod limits;
mod menu;
mod network;
mod orders;
mod page;
mod security;
