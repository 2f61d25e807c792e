//! The files in `docs/vectors` that are about this crate.

#[path = "../support/mod.rs"]
mod support;

mod blocks;
mod genesis;
mod merkle;
mod orders;
