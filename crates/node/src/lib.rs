//! The program `dexter`: its command line, configuration and keys, and the wiring of a running shop.
//!
//! | module | subject |
//! | --- | --- |
//! | [`commands`] | one file for each command |
//! | [`shop`] | a running member: replica, store, network and REST interface wired up |
//! | [`client`] | asking a node over its REST interface |
//! | [`founding`] | genesis files and members' cards |
//! | [`keys`], [`token`] | secrets in files |
//! | [`output`], [`durations`] | what people read and write |

pub mod client;
pub mod commands;
pub mod durations;
pub mod founding;
pub mod keys;
pub mod output;
pub mod shop;
pub mod token;
