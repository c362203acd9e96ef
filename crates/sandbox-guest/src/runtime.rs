//! One call from the host: reading its input, running the function, leaving the output.
//!
//! Everything travels through the *exchange area*, six fields in linear memory (`ABI.md` has the
//! table). Its layout holds on Wasm, where `usize` has 32 bits; natively the same code runs with
//! wider fields, one area per thread, which is what the tests below use.
#![cfg_attr(
    not(any(test, target_family = "wasm")),
    expect(dead_code, reason = "natively, exports.rs is not there to call this")
)]

use std::cell::Cell;
use std::fmt::Display;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

mod failure;
mod host;
mod input;
mod output;

pub use failure::{Failure, Typed};
pub use host::HostCall;
pub use input::Input;
pub use output::Output;

thread_local! {
    static AREA: Area = const { Area::new() };
}

/// The exchange area and the buffers that it points to.
struct Area {
    exchange: Exchange,
    /// Holds `capacity` bytes, all of them initialised: the host overwrites some of them.
    input: Cell<Vec<u8>>,
    output: Cell<Vec<u8>>,
}

/// The fields that the host sees. Atomic, because they change behind the compiler's back; on Wasm
/// without threads that costs nothing.
#[repr(C, align(4))]
#[derive(Default)]
struct Exchange {
    input_ptr: AtomicUsize,
    input_capacity: AtomicUsize,
    output_ptr: AtomicUsize,
    output_len: AtomicUsize,
    format: AtomicUsize,
    state: AtomicUsize,
}

#[cfg(target_family = "wasm")]
const _: () = assert!(size_of::<Exchange>() == 24, "the ABI fixes the layout");

/// The value of [`Exchange::state`] after a panic.
const PANICKED: usize = 1;

/// Why a call has no result: the status and the output that the host receives.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    status: Status,
    output: Vec<u8>,
}

/// Ending of a call, as the ABI numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Returned = 0,
    Failed = 1,
    Undecodable = 2,
    Unencodable = 3,
    FailedWithJson = 4,
    FailedWithMessagePack = 5,
    FailedWithBincode = 6,
}

impl Refusal {
    /// The function returned an error.
    pub fn failed(error: impl Failure) -> Self {
        error.into_refusal()
    }

    fn undecodable(reason: impl Display) -> Self {
        Self::with_text(Status::Undecodable, reason)
    }

    fn unencodable(reason: impl Display) -> Self {
        Self::with_text(Status::Unencodable, reason)
    }

    fn with_text(status: Status, text: impl Display) -> Self {
        Self { status, output: text.to_string().into_bytes() }
    }
}

/// Runs one exported function. Returns the status.
pub fn serve(
    input_len: usize,
    function: impl FnOnce(&mut Input, &mut Output) -> Result<(), Refusal>,
) -> i32 {
    AREA.with(|area| {
        let format = area.exchange.format.load(Relaxed);
        let mut input = Input::new(area.input.take(), input_len, format);
        let mut output = Output::new(area.output.take(), format);
        let outcome = input.check().and_then(|()| function(&mut input, &mut output));
        let status = match outcome {
            Ok(()) => Status::Returned,
            Err(refusal) => {
                output.text(refusal.output);
                refusal.status
            }
        };
        area.offer_input(input.into_buffer());
        area.leave_output(output.into_buffer());
        status as i32
    })
}

/// The address of the exchange area.
pub(crate) fn exchange_address() -> usize {
    AREA.with(|area| (&raw const area.exchange).expose_provenance())
}

/// Makes room for an input. Returns its address, or 0 if there is no memory for it.
pub(crate) fn reserve(capacity: usize) -> usize {
    AREA.with(|area| {
        let input = area.input.take();
        let was_handed_over = input.is_empty();
        if !was_handed_over && input.len() >= capacity {
            area.offer_input(input);
        } else {
            drop(input);
            area.offer_input(area.new_input(capacity, was_handed_over));
        }
        area.exchange.input_ptr.load(Relaxed)
    })
}

/// Leaves the message of a panic as the output.
pub(crate) fn leave_panic(message: String) {
    AREA.with(|area| {
        area.leave_output(message.into_bytes());
        area.exchange.state.store(PANICKED, Relaxed);
    });
}

fn allocate(capacity: usize) -> Option<Vec<u8>> {
    // Inputs of about the same size share a buffer.
    const STEP: usize = 64;
    let capacity = capacity.max(1).checked_next_multiple_of(STEP)?;
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(capacity).ok()?;
    Some(buffer)
}

/// Initialises a buffer up to its capacity. One that was full before costs nothing.
fn fill(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.resize(buffer.capacity(), 0);
    buffer
}

impl Area {
    const fn new() -> Self {
        Self {
            exchange: Exchange {
                input_ptr: AtomicUsize::new(0),
                input_capacity: AtomicUsize::new(0),
                output_ptr: AtomicUsize::new(0),
                output_len: AtomicUsize::new(0),
                format: AtomicUsize::new(0),
                state: AtomicUsize::new(0),
            },
            input: Cell::new(Vec::new()),
            output: Cell::new(Vec::new()),
        }
    }

    /// Finds a new input buffer: the last output's, which the host has read, or a new one.
    ///
    /// Where the function kept its input, the last output stays beside the new buffer: it will be
    /// the input after the next, and the host need not reserve again.
    fn new_input(&self, capacity: usize, was_handed_over: bool) -> Vec<u8> {
        let output = self.output.take();
        if output.capacity() < capacity.max(1) {
            // Too small: it goes before the new one comes, so that the two need not fit together.
            drop(output);
            self.leave_output(Vec::new());
            return allocate(capacity).map(fill).unwrap_or_default();
        }
        if was_handed_over && let Some(buffer) = allocate(capacity) {
            self.leave_output(output);
            return fill(buffer);
        }
        self.leave_output(Vec::new());
        fill(output)
    }

    /// Tells the host where the next input goes.
    fn offer_input(&self, mut buffer: Vec<u8>) {
        // Exposing the address is what lets the host write there.
        let address = if buffer.is_empty() { 0 } else { buffer.as_mut_ptr().expose_provenance() };
        self.exchange.input_ptr.store(address, Relaxed);
        self.exchange.input_capacity.store(buffer.len(), Relaxed);
        self.input.set(buffer);
    }

    /// Tells the host where the output is.
    fn leave_output(&self, buffer: Vec<u8>) {
        self.exchange.output_ptr.store(buffer.as_ptr().expose_provenance(), Relaxed);
        self.exchange.output_len.store(buffer.len(), Relaxed);
        self.output.set(buffer);
    }
}

#[cfg(test)]
mod tests;
