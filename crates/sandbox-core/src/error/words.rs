//! Words that messages of errors are made of.

use crate::text::{cut, shown};

/// One of the two that values travel between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The process that calls.
    Host,
    /// The module that is called.
    Guest,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Host => "the host",
            Self::Guest => "the guest",
        })
    }
}

/// Names what a side encodes.
pub(super) const fn encoded(by: Side) -> &'static str {
    match by {
        Side::Host => "the arguments",
        Side::Guest => "the result",
    }
}

/// Names what a side decodes.
pub(super) const fn decoded(by: Side) -> &'static str {
    match by {
        Side::Host => "the result",
        Side::Guest => "the arguments",
    }
}

/// Names a function by its index, or the module.
pub(super) fn place(function: Option<u32>) -> String {
    function.map_or("the module".to_owned(), |index| format!("function {index}"))
}

/// Lists the first of some names.
pub(super) fn listed(names: &[String], more: usize) -> String {
    const SHOWN: usize = 20;
    const SHOWN_BYTES: usize = 64;
    if names.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| shown(&cut(name.clone(), SHOWN_BYTES)).to_string())
        .collect();
    match names.len() - shown.len() + more {
        0 => shown.join(", "),
        left => format!("{} and {left} more", shown.join(", ")),
    }
}

/// Lists the innermost calls of a backtrace, a line each.
pub(super) fn trace_lines(backtrace: &[String]) -> String {
    const SHOWN: usize = 16;
    let mut lines = String::new();
    for frame in backtrace.iter().take(SHOWN) {
        lines.push_str("\n    at ");
        lines.push_str(frame);
    }
    if backtrace.len() > SHOWN {
        lines.push_str(&format!("\n    and {} frames more", backtrace.len() - SHOWN));
    }
    lines
}
