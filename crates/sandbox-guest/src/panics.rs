//! Panics: their message reaches the host through the exchange area.
#![cfg_attr(
    not(target_family = "wasm"),
    expect(dead_code, reason = "natively, panics unwind and tests see them")
)]

use std::panic::{self, PanicHookInfo};

use crate::runtime;

/// Leaves the message and the place of every panic for the host. What follows is a trap: guests are
/// compiled so that a panic aborts.
pub(crate) fn report_to_host() {
    panic::set_hook(Box::new(|info| runtime::leave_panic(describe(info))));
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("a value that is no text");
    match info.location() {
        Some(place) => format!("panicked at {place}: {message}"),
        None => format!("panicked: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_panic_is_described_with_its_message_and_place() {
        let described = Arc::new(Mutex::new(String::new()));
        let outer = panic::take_hook();
        panic::set_hook(Box::new({
            let described = Arc::clone(&described);
            move |info| *described.lock().unwrap() = describe(info)
        }));
        let divisor = std::hint::black_box(0);
        panic::catch_unwind(|| 1 / divisor).unwrap_err();
        panic::set_hook(outer);
        let described = described.lock().unwrap();
        assert!(described.starts_with("panicked at "), "{described}");
        assert!(described.contains("panics.rs:"), "{described}");
        assert!(described.ends_with(": attempt to divide by zero"), "{described}");
    }
}
