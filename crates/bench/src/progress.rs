//! What is going on, on standard error, so that it never mixes with results.

use std::{fmt::Display, io::Write as _};

/// Says something; when nobody reads it, work goes on.
pub(crate) fn say(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
