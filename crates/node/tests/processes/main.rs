//! Real `dexter` processes, from end to end: what a shop owner runs, and what may go wrong with it.
#![cfg(unix)]

mod beyond_this_machine;
mod bulk;
mod commands;
mod dev;
mod durability;
mod events;
mod idle;
mod import;
mod input;
mod linearizability;
mod live;
mod mistakes;
mod separate;
mod simulate;
mod support;
