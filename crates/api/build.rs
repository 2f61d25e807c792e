//! Builds this crate anew when there is another web page to put into it.

use std::path::Path;

/// Where the page is built, and the folder of its sources, in which that place appears.
const PAGE: &str = "../../web/dist";
const SOURCES: &str = "../../web";

fn main() {
    // A path that is not there would have this crate built every time.
    let watched = if Path::new(PAGE).exists() {
        PAGE
    } else {
        SOURCES
    };
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={watched}");
}
