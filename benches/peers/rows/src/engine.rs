//! The engines.

/// Engine that a row is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Engine {
    /// This project.
    Sandbox,
    /// wasmtime, set up for rows like these as its documentation says.
    WasmtimeTuned,
    /// wasmtime as `Config::new()` sets it up.
    WasmtimeDefault,
    /// wasmtime with its baseline compiler, for the row that compiles.
    WasmtimeWinch,
    /// Wasmer without the sandbox.
    Wasmer,
    /// extism, which runs plugins on a wasmtime of its own.
    Extism,
    /// wasmi, an interpreter.
    Wasmi,
}

impl Engine {
    /// All engines, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Sandbox,
        Self::WasmtimeTuned,
        Self::WasmtimeDefault,
        Self::WasmtimeWinch,
        Self::Wasmer,
        Self::Extism,
        Self::Wasmi,
    ];

    /// Those that an aim is held against: whichever of them is quicker in a row.
    pub const REFERENCE: [Self; 2] = [Self::WasmtimeTuned, Self::WasmtimeDefault];

    /// The engine's name in benchmark ids.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::WasmtimeTuned => "wasmtime_tuned",
            Self::WasmtimeDefault => "wasmtime_default",
            Self::WasmtimeWinch => "wasmtime_winch",
            Self::Wasmer => "wasmer",
            Self::Extism => "extism",
            Self::Wasmi => "wasmi",
        }
    }
}
