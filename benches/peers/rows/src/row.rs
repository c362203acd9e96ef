//! The rows.

/// One thing that every engine is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    /// A new instance and a call that writes one page of memory.
    FreshCall1Page,
    /// A new instance and a call that writes 16 pages of memory.
    FreshCall16Pages,
    /// A new, initialised WASI instance, and a short call.
    FreshReactorAdd,
    /// A new, initialised WASI instance, and a call that encodes a small record in three formats.
    FreshReactorRecord,
    /// A new instance and a call of a function that changes nothing.
    FreshCallPure,
    /// An async call of a warm instance.
    WarmCallAsync,
    /// A call of a warm instance through a resolved, typed function.
    WarmCallTyped,
    /// A call that is known to have its instance for itself: [`Row::WarmCallTyped`] for engines whose callers always are.
    WarmCallInSession,
    /// A warm call with the look-up of its function's name.
    WarmCallByName,
    /// [`crate::BATCH`] calls of a warm instance.
    Batch,
    /// From a file of native code to the first answer.
    LoadCompiled,
    /// From WebAssembly in memory, nothing of it cached, to the first answer.
    FirstCallUnseen,
    /// [`Row::FreshCall1Page`] again and again, on one thread.
    FreshCallsOneCore,
    /// [`Row::FreshCall1Page`] again and again, on a thread for each core.
    FreshCallsAllCores,
}

/// Aim of the sandbox in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aim {
    /// At most this many times the time of the quicker wasmtime ([`crate::Engine::REFERENCE`]).
    TimesWasmtime(f64),
    /// At least this share of what all cores would do if each did as much as one of them alone.
    ShareOfCores(f64),
}

impl Row {
    /// All rows, in the order in which they are measured and shown.
    pub const ALL: [Self; 14] = [
        Self::FreshCall1Page,
        Self::FreshCall16Pages,
        Self::FreshReactorAdd,
        Self::FreshReactorRecord,
        Self::FreshCallPure,
        Self::WarmCallAsync,
        Self::WarmCallTyped,
        Self::WarmCallInSession,
        Self::WarmCallByName,
        Self::Batch,
        Self::LoadCompiled,
        Self::FirstCallUnseen,
        Self::FreshCallsOneCore,
        Self::FreshCallsAllCores,
    ];

    /// The row's name in benchmark ids.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FreshCall1Page => "fresh_call_1_page",
            Self::FreshCall16Pages => "fresh_call_16_pages",
            Self::FreshReactorAdd => "fresh_reactor_add",
            Self::FreshReactorRecord => "fresh_reactor_record",
            Self::FreshCallPure => "fresh_call_pure",
            Self::WarmCallAsync => "warm_call_async",
            Self::WarmCallTyped => "warm_call_typed",
            Self::WarmCallInSession => "warm_call_in_session",
            Self::WarmCallByName => "warm_call_by_name",
            Self::Batch => "batch_1000",
            Self::LoadCompiled => "load_compiled",
            Self::FirstCallUnseen => "first_call_unseen",
            Self::FreshCallsOneCore => "fresh_calls_one_core",
            Self::FreshCallsAllCores => "fresh_calls_all_cores",
        }
    }

    /// Aim of the sandbox in this row.
    #[must_use]
    pub fn aim(self) -> Option<Aim> {
        match self {
            Self::FreshCall1Page | Self::FreshReactorAdd | Self::FreshReactorRecord => {
                Some(Aim::TimesWasmtime(0.75))
            }
            Self::FreshCall16Pages => Some(Aim::TimesWasmtime(0.9)),
            Self::FreshCallPure => Some(Aim::TimesWasmtime(0.1)),
            Self::WarmCallAsync => Some(Aim::TimesWasmtime(1.0)),
            Self::WarmCallTyped => Some(Aim::TimesWasmtime(1.8)),
            Self::WarmCallInSession => Some(Aim::TimesWasmtime(1.2)),
            Self::Batch => Some(Aim::TimesWasmtime(0.5)),
            Self::LoadCompiled => Some(Aim::TimesWasmtime(1.5)),
            Self::FirstCallUnseen => Some(Aim::TimesWasmtime(0.2)),
            // 1.8 times one core on two.
            Self::FreshCallsAllCores => Some(Aim::ShareOfCores(0.9)),
            Self::WarmCallByName | Self::FreshCallsOneCore => None,
        }
    }
}
