//! The exchange area: how bytes get into a guest and out again.
//!
//! The guest crate's `ABI.md` describes the protocol. Everything that is read from the guest here may be
//! a lie, so every address and length is checked against the memory as it is at that moment.

use std::ops::Range;

use wasmer::{Function, Type};
use wasmer_types::RawValue;

use super::{Instance, Returned};
use crate::error::{ErrorPayload, Result, SandboxError, Side};
use crate::format::SerializationFormat;
use crate::marshal::export::{EXCHANGE_EXPORT, RESERVE_EXPORT};
use crate::module::FunctionId;
use crate::sys::entry::Target;
use crate::sys::guest::Guest;
use crate::sys::number::{Number, ZERO};

/// The exchange area's size in bytes, and its fields' offsets.
const AREA_BYTES: usize = 24;
const INPUT_PTR: usize = 0;
const INPUT_CAPACITY: usize = 4;
const OUTPUT_PTR: usize = 8;
const OUTPUT_LEN: usize = 12;
const FORMAT: usize = 16;
const STATE: usize = 20;

/// The value of the `state` field after a panic.
const PANICKED: u32 = 1;

/// Status of a function that returned an error as a value, less the number of the value's format.
const FAILED_WITH_VALUE: u32 = 3;

/// Length of a guest's error or panic message that is kept, in bytes.
const MESSAGE_LIMIT_BYTES: usize = 4096;

/// Meaning of the `format` field in one call.
#[derive(Debug, Clone, Copy)]
pub(super) enum CallFormat {
    None,
    Value(SerializationFormat),
    EndOfStream,
}

impl CallFormat {
    const fn code(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Value(format) => format.code(),
            Self::EndOfStream => 8,
        }
    }
}

/// Where an instance's exchange area is.
pub(super) struct Exchange {
    address: AreaAddress,
    reserve: Target,
}

/// The address of an exchange area in linear memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AreaAddress(usize);

impl AreaAddress {
    pub(super) const fn new(address: u32) -> Self {
        Self(address as usize)
    }

    /// The address, which fits into 32 bits as all of linear memory does.
    pub(super) fn get(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

impl Exchange {
    /// The guest's exchange area, if it has one. Runs guest code, unless its address is known.
    pub(super) fn of(
        guest: &mut Guest,
        instance: &wasmer::Instance,
        known: Option<AreaAddress>,
    ) -> Result<Option<Self>> {
        let Ok(address) = instance.exports.get_function(EXCHANGE_EXPORT) else {
            return Ok(None);
        };
        let wrong = |message: String| SandboxError::InvalidDeclaration { message };
        let reserve = instance
            .exports
            .get_function(RESERVE_EXPORT)
            .map_err(|error| wrong(format!("`{RESERVE_EXPORT}`: {error}")))?;
        if !has_type(guest, reserve, &[Type::I32], &[Type::I32]) {
            return Err(wrong(format!("`{RESERVE_EXPORT}` does not take a length for an address")));
        }
        let reserve = guest.target(reserve.clone());
        if let Some(address) = known {
            return Ok(Some(Self { address, reserve }));
        }
        if !has_type(guest, address, &[], &[Type::I32]) {
            return Err(wrong(format!("`{EXCHANGE_EXPORT}` returns no address")));
        }
        let address = guest.target(address.clone());
        let mut values = [ZERO];
        guest
            .enter(&address, &mut values)
            .map_err(|error| wrong(format!("`{EXCHANGE_EXPORT}` failed: {error}")))?;
        let area = u32_of(&values[0]);
        Ok(Some(Self { address: AreaAddress(area as usize), reserve }))
    }

    /// Where the area is.
    pub(super) fn address(&self) -> AreaAddress {
        self.address
    }
}

impl Instance {
    /// Calls a function that takes its input from the exchange area.
    pub(super) fn exchange(
        &mut self,
        id: FunctionId,
        name: &str,
        input: &[u8],
        format: CallFormat,
    ) -> Result<Returned> {
        let input_len = i32::try_from(input.len()).map_err(|_| SandboxError::MemoryLimit {
            requested_bytes: input.len() as u64,
            limit_bytes: i32::MAX as u64,
            call: Box::default(),
        })?;
        self.write_input(name, input, input_len)?;
        self.write_field(name, FORMAT, format.code())?;
        self.write_field(name, STATE, 0)?;
        let mut values = [RawValue::from(input_len)];
        self.guest
            .call(id.index(), &mut values, 1)
            .1
            .map_err(|error| self.runtime_failure(name, error))?;
        let Number::I32(status) = Number::read(Type::I32, &values[0]) else {
            return Err(violation(name, "it returned no status".to_owned()));
        };
        let range = self.output_range(name)?;
        if status == 0 {
            return Ok(Returned::Output { range });
        }
        let output = &self.guest.memory()[range];
        let (function, side, call) = (name.to_owned(), Side::Guest, Box::default());
        let message = || message_of(output);
        Err(match status {
            1 => SandboxError::GuestError { function, message: message(), payload: None, call },
            2 => SandboxError::Undecodable { function, side, message: message(), call },
            3 => SandboxError::Unencodable { function, side, message: message(), call },
            other => match format_of_error(other) {
                Some(format) => self.error_value(name, format, output),
                None => violation(name, format!("{other} is no status")),
            },
        })
    }

    /// The error that a function returned as a value: the length of its text, the text, and the value.
    fn error_value(&self, name: &str, format: SerializationFormat, output: &[u8]) -> SandboxError {
        let parts = output
            .split_first_chunk()
            .and_then(|(len, rest)| rest.split_at_checked(u32::from_le_bytes(*len) as usize));
        let Some((text, value)) = parts else {
            let len = output.len();
            return violation(name, format!("its error of {len} bytes is shorter than it says"));
        };
        let (function, call) = (name.to_owned(), Box::default());
        let (size_bytes, limit_bytes) = (value.len() as u64, self.policy.value_limit_bytes);
        if size_bytes > limit_bytes {
            return SandboxError::ValueTooLarge { function, size_bytes, limit_bytes, call };
        }
        let payload = Some(ErrorPayload::new(format, value));
        SandboxError::GuestError { function, message: message_of(text), payload, call }
    }

    /// Copies the input to where the guest wants it, after making room if there is too little.
    fn write_input(&mut self, name: &str, input: &[u8], input_len: i32) -> Result<()> {
        if (self.read_field(name, INPUT_CAPACITY)? as usize) < input.len() {
            let mut values = [RawValue::from(input_len)];
            // By fields, since the guest is another one than where its functions are kept.
            let Some(exchange) = &self.exchange else { return Err(no_area(name)) };
            self.guest
                .enter(&exchange.reserve, &mut values)
                .map_err(|error| self.runtime_failure(name, error))?;
            if u32_of(&values[0]) == 0 {
                return Err(self.out_of_memory(name, input.len()));
            }
        }
        let start = self.read_field(name, INPUT_PTR)? as usize;
        let memory = self.guest.memory_mut();
        let size = memory.len();
        match start.checked_add(input.len()).and_then(|end| memory.get_mut(start..end)) {
            Some(place) => {
                place.copy_from_slice(input);
                Ok(())
            }
            None => Err(violation(
                name,
                format!(
                    "its input buffer of {} bytes at {start} is outside its memory of {size} bytes",
                    input.len()
                ),
            )),
        }
    }

    fn output_range(&self, name: &str) -> Result<Range<usize>> {
        let start = self.read_field(name, OUTPUT_PTR)? as usize;
        let len = self.read_field(name, OUTPUT_LEN)? as usize;
        let size = self.guest.memory().len();
        match start.checked_add(len) {
            Some(end) if end <= size => Ok(start..end),
            _ => Err(violation(
                name,
                format!(
                    "its output of {len} bytes at {start} is outside its memory of {size} bytes"
                ),
            )),
        }
    }

    /// The message of the panic that trapped the guest, if that is what happened.
    pub(super) fn panic_message(&self, name: &str) -> Option<String> {
        if self.read_field(name, STATE).ok()? != PANICKED {
            return None;
        }
        let range = self.output_range(name).ok()?;
        Some(message_of(&self.guest.memory()[range]))
    }

    fn area(&self, name: &str) -> Result<&Exchange> {
        self.exchange.as_ref().ok_or_else(|| no_area(name))
    }

    fn field(&self, name: &str, offset: usize) -> Result<Range<usize>> {
        let AreaAddress(area) = self.area(name)?.address;
        let size = self.guest.memory().len();
        match area.checked_add(AREA_BYTES) {
            Some(end) if end <= size => Ok(area + offset..area + offset + 4),
            _ => Err(violation(
                name,
                format!("its exchange area at {area} is outside its memory of {size} bytes"),
            )),
        }
    }

    fn read_field(&self, name: &str, offset: usize) -> Result<u32> {
        let range = self.field(name, offset)?;
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.guest.memory()[range]);
        Ok(u32::from_le_bytes(bytes))
    }

    fn write_field(&mut self, name: &str, offset: usize, value: u32) -> Result<()> {
        let range = self.field(name, offset)?;
        self.guest.memory_mut()[range].copy_from_slice(&value.to_le_bytes());
        Ok(())
    }
}

/// The format of the value that an error comes with, by the status of the call.
fn format_of_error(status: i32) -> Option<SerializationFormat> {
    let code = u32::try_from(status).ok()?.checked_sub(FAILED_WITH_VALUE)?;
    SerializationFormat::ALL.iter().copied().find(|format| format.code() == code)
}

fn has_type(guest: &mut Guest, function: &Function, takes: &[Type], gives: &[Type]) -> bool {
    let ty = function.ty(guest.store());
    ty.params() == takes && ty.results() == gives
}

/// The one result of a function that returns an `i32`.
fn u32_of(value: &RawValue) -> u32 {
    match Number::read(Type::I32, value) {
        Number::I32(number) => number.cast_unsigned(),
        _ => 0,
    }
}

fn no_area(function: &str) -> SandboxError {
    violation(function, format!("it is declared, but there is no `{EXCHANGE_EXPORT}`"))
}

/// A guest's message as text, cut to a length that a log can bear.
fn message_of(bytes: &[u8]) -> String {
    let kept = &bytes[..bytes.len().min(MESSAGE_LIMIT_BYTES)];
    let mut message = String::from_utf8_lossy(kept).into_owned();
    if kept.len() < bytes.len() {
        message.push_str(&format!("... (and {} bytes more)", bytes.len() - kept.len()));
    }
    message
}

fn violation(function: &str, message: String) -> SandboxError {
    SandboxError::AbiViolation { function: function.to_owned(), message, call: Box::default() }
}
