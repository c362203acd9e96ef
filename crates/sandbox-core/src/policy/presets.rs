//! The four policies to start from.

use std::time::Duration;

use super::{
    Clock, CompileLimits, Compilers, FuelUnits, GrantUse, InstanceMode, NanBits, Randomness,
    SecurityPolicy, WasmFeatures,
};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const STACK_KIB: usize = 1024;

/// Number of fresh instances that run at once unless the policy says otherwise: enough to keep many cores busy with
/// calls that also wait, far below what the address space can hold (8 GiB are reserved for each).
const MAX_INSTANCES: usize = 64;

/// Fuel by which a long computation is to end, at the same place on every machine, and not by the wall clock of a
/// second. Measured (processor time on a 2-core virtual machine; `what_the_fuel_of_paranoid_is_in_time` in the tests
/// measures it here):
///
/// | what the fuel is spent on | seconds |
/// |---|---|
/// | a loop of additions; the guest `cpu_intensive` | 0.06; 0.07 |
/// | filling memory | 0.16 |
/// | divisions that depend on each other | 0.5 |
/// | calls of an empty function | 0.85 |
/// | loads from 16 MiB that depend on each other | 16 |
///
/// So the fuel comes first for all that computes, with little room where each unit is a call. Waiting for memory costs
/// no fuel: there the wall clock comes first, which is what it is for. With more fuel, loops of calls would run into the
/// wall clock too, and end in another place each time.
const PARANOID_FUEL: FuelUnits = FuelUnits(1_000_000_000);

impl SecurityPolicy {
    /// For guests that you wrote yourself.
    pub const fn permissive() -> Self {
        Self {
            memory_limit_bytes: None,
            table_limit_elements: 10_000_000,
            wall_clock: None,
            initialisation_limit: None,
            fuel: None,
            stack_bytes: 1024 * STACK_KIB,
            module_limit_bytes: 512 * MIB,
            compile_limits: CompileLimits::permissive(),
            value_limit_bytes: 1024 * MIB,
            output_limit_bytes: 16 * MIB,
            scratch_limit_bytes: 256 * MIB,
            features: WasmFeatures::ALL,
            compilers: Compilers::Any,
            nan_bits: NanBits::Native,
            instances: InstanceMode::Persistent,
            max_instances: MAX_INSTANCES,
            open_file_limit: 1024,
            grants: GrantUse::Accepted,
            folders: Vec::new(),
            bundles: Vec::new(),
            environment: Vec::new(),
            arguments: Vec::new(),
            network_grants: GrantUse::Accepted,
            network: Vec::new(),
            clock: Clock::Real,
            randomness: Randomness::Secure,
        }
    }

    /// For guests of people you know. The default.
    pub const fn basic() -> Self {
        Self {
            memory_limit_bytes: Some(256 * MIB),
            table_limit_elements: 1_000_000,
            wall_clock: Some(Duration::from_secs(30)),
            initialisation_limit: None,
            fuel: None,
            stack_bytes: 1024 * STACK_KIB,
            module_limit_bytes: 50 * MIB,
            compile_limits: CompileLimits::basic(),
            value_limit_bytes: 32 * MIB,
            output_limit_bytes: MIB,
            scratch_limit_bytes: 64 * MIB,
            features: WasmFeatures::UNTRUSTED,
            compilers: Compilers::ForUntrusted,
            nan_bits: NanBits::Native,
            instances: InstanceMode::Persistent,
            max_instances: MAX_INSTANCES,
            open_file_limit: 256,
            grants: GrantUse::Accepted,
            folders: Vec::new(),
            bundles: Vec::new(),
            environment: Vec::new(),
            arguments: Vec::new(),
            network_grants: GrantUse::Refused,
            network: Vec::new(),
            clock: Clock::Real,
            randomness: Randomness::Secure,
        }
    }

    /// For guests of strangers. No call sees what another one left; one instance for all of them is had with
    /// [`with_instances`](Self::with_instances), and several calls in one instance with a
    /// [session](crate::WasmSandbox::session).
    pub const fn strict() -> Self {
        Self {
            memory_limit_bytes: Some(64 * MIB),
            table_limit_elements: 100_000,
            wall_clock: Some(Duration::from_secs(5)),
            initialisation_limit: None,
            fuel: None,
            stack_bytes: 512 * STACK_KIB,
            module_limit_bytes: 10 * MIB,
            compile_limits: CompileLimits::strict(),
            value_limit_bytes: 8 * MIB,
            output_limit_bytes: 64 * KIB,
            scratch_limit_bytes: 16 * MIB,
            features: WasmFeatures::UNTRUSTED,
            compilers: Compilers::ForUntrusted,
            nan_bits: NanBits::Native,
            instances: InstanceMode::Fresh,
            max_instances: MAX_INSTANCES,
            open_file_limit: 64,
            grants: GrantUse::Accepted,
            folders: Vec::new(),
            bundles: Vec::new(),
            environment: Vec::new(),
            arguments: Vec::new(),
            network_grants: GrantUse::Refused,
            network: Vec::new(),
            clock: Clock::Coarse,
            randomness: Randomness::Secure,
        }
    }

    /// For guests that are expected to attack.
    pub const fn paranoid() -> Self {
        Self {
            memory_limit_bytes: Some(16 * MIB),
            table_limit_elements: 10_000,
            wall_clock: Some(Duration::from_secs(1)),
            initialisation_limit: None,
            fuel: Some(PARANOID_FUEL),
            stack_bytes: 256 * STACK_KIB,
            module_limit_bytes: 5 * MIB,
            compile_limits: CompileLimits::paranoid(),
            value_limit_bytes: MIB,
            output_limit_bytes: 4 * KIB,
            scratch_limit_bytes: MIB,
            features: WasmFeatures::DETERMINISTIC,
            compilers: Compilers::ForUntrusted,
            nan_bits: NanBits::Canonical,
            instances: InstanceMode::Fresh,
            max_instances: MAX_INSTANCES,
            open_file_limit: 32,
            grants: GrantUse::Refused,
            folders: Vec::new(),
            bundles: Vec::new(),
            environment: Vec::new(),
            arguments: Vec::new(),
            network_grants: GrantUse::Refused,
            network: Vec::new(),
            clock: Clock::CoarseMonotonic,
            randomness: Randomness::Secure,
        }
    }
}
