//! One file for each command of the program; each has its arguments and a `run`.

pub mod chain;
pub mod dev;
pub mod genesis;
pub mod import;
pub mod init;
pub mod members;
pub mod order;
mod report;
pub mod run;
pub mod simulate;
pub mod status;
