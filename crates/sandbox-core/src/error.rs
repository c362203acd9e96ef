//! Everything that can go wrong between a module's bytes and a call's result.

mod artifact;
mod class;
mod core_dump;
mod failed_call;
mod guest_error;
mod kind;
mod memory;
mod need;
mod reasons;
mod snapshot;
mod trap;
mod words;

use std::path::PathBuf;
use std::time::Duration;

pub use artifact::{ArtifactRejection, BuildAspect, PolicyConflict};
pub use class::ErrorClass;
pub use core_dump::{CoreDump, CoreDumps};
pub use failed_call::FailedCall;
pub use guest_error::ErrorPayload;
pub use memory::GuestMemoryError;
pub(crate) use memory::checked_range;
pub use need::SystemNeed;
pub use reasons::{DeniedCapability, GrantKind, NeededFeature, NestingFault, PackageMeasure};
pub use snapshot::SnapshotFault;
pub use trap::TrapCode;
pub use words::Side;
use words::{decoded, encoded, listed, place, trace_lines};

use crate::text::shown;

/// The result of an operation of the sandbox.
pub type Result<T, E = SandboxError> = std::result::Result<T, E>;

/// The result of what happens inside a call: an error is large, a result is moved several times, and most calls succeed.
pub(crate) type CallResult<T> = std::result::Result<T, Box<SandboxError>>;

/// Why a module could not be loaded or a call did not return a value.
///
/// There is a variant for each cause that a caller can act on. A guest that misbehaves is an error of
/// this type and never a panic of the host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    // The module: where it is from, and whether it may be used.
    /// The builder was given neither a file nor bytes nor a compiled module.
    #[error("no module given: call `source`, `source_bytes` or `module` on the builder")]
    NoSource,

    /// The builder was given the name of a serialization format that does not exist.
    #[error(transparent)]
    UnknownFormat(crate::format::UnknownFormat),

    /// The module's file could not be read.
    #[error("failed to read the module {path}", path = path.display())]
    SourceUnreadable {
        /// The path as it was given to the builder.
        path: PathBuf,
        /// Error of the operating system.
        #[source]
        error: std::io::Error,
    },

    /// The module is larger than the policy accepts.
    #[error("the module has {size_bytes} bytes, and the policy accepts {limit_bytes}")]
    #[non_exhaustive]
    ModuleTooLarge {
        /// The module's size in bytes.
        size_bytes: u64,
        /// The largest size accepted, in bytes.
        limit_bytes: u64,
    },

    /// The bytes are not a valid WebAssembly module.
    #[error("not a valid WebAssembly module: {message} (at byte {offset})", message = shown(message))]
    #[non_exhaustive]
    InvalidModule {
        /// Message of the validator.
        message: String,
        /// Where it found it, in bytes from the start of the module.
        offset: usize,
    },

    /// The module is valid but uses a proposal that the policy does not allow.
    #[error("the module needs a WebAssembly feature that the policy forbids, {feature}: {message} (at byte {offset})", message = shown(message))]
    #[non_exhaustive]
    ForbiddenFeature {
        /// The feature.
        feature: crate::policy::WasmFeature,
        /// Message of the validator.
        message: String,
        /// Where it found it, in bytes from the start of the module.
        offset: usize,
    },

    /// The module is valid but uses a proposal that the compiler does not know.
    #[error("the module needs a WebAssembly feature that {compiler} does not offer, {feature}: {message} (at byte {offset})", message = shown(message))]
    #[non_exhaustive]
    UnsupportedFeature {
        /// The feature.
        feature: NeededFeature,
        /// The compiler.
        compiler: crate::policy::Compiler,
        /// Message of the validator.
        message: String,
        /// Where it found it, in bytes from the start of the module.
        offset: usize,
    },

    /// The module has a memory that threads could share. A sandbox runs its guest on one thread, and reads and writes its
    /// memory as the only other user.
    #[error(
        "the module shares a memory between threads (at byte {offset}), and a sandbox runs its guest on one: compile it \
         without threads"
    )]
    #[non_exhaustive]
    SharedMemory {
        /// Where the memory is declared, in bytes from the start of the module.
        offset: usize,
    },

    /// The policy does not let that compiler make code for its guests.
    #[error(
        "the policy is for guests that nobody trusts, and code of {compiler} cannot hold those: choose another compiler, \
         or allow it with `with_compilers`"
    )]
    #[non_exhaustive]
    ForbiddenCompiler {
        /// The compiler.
        compiler: crate::policy::Compiler,
    },

    /// The module is valid but the compiler gave up on it.
    #[error("failed to compile the module: {message}", message = shown(message))]
    #[non_exhaustive]
    Compilation {
        /// Message of the compiler.
        message: String,
    },

    /// The module has more of something that takes compilers time and memory than the policy has compiled. Nothing was
    /// compiled.
    #[error(
        "{place} has {found} {measure}, and the policy compiles at most {limit}; raise it in `CompileLimits` if the \
         module is to be trusted so far",
        place = place(*function)
    )]
    #[non_exhaustive]
    CompileLimit {
        /// The function that has most of it, by its index (imported functions come first), if it is counted for each
        /// function.
        function: Option<u32>,
        /// Measure of which there is too much.
        measure: crate::policy::CompileMeasure,
        /// Amount of it in the module.
        found: u64,
        /// Amount that the policy has compiled.
        limit: u32,
    },

    /// The module took its compiler longer than the policy allows.
    #[error(
        "the module took longer than {limit:?} to compile; raise `CompileLimits::time`, or choose Singlepass (feature `singlepass`)"
    )]
    #[non_exhaustive]
    CompilationTimeout {
        /// The policy's limit.
        limit: Duration,
    },

    /// Two types of functions have one hash, by which Wasmer tells types apart.
    #[error(
        "the module has {one}, whose type cannot be told from that of {other}: their hashes are the same; change one \
         parameter of it"
    )]
    #[non_exhaustive]
    CollidingTypes {
        /// The type in the module.
        one: String,
        /// The other one: of the module too, or one that every sandbox has.
        other: String,
    },

    /// A compiled module was not accepted by [`Module::load`](crate::Module::load), or was compiled under a
    /// policy that allows more than the one that it is to run under.
    #[error("the compiled module was refused: {0}")]
    ArtifactRejected(#[source] ArtifactRejection),

    /// A compiled module could not be taken out of the process.
    #[error("failed to serialise the compiled module: {message}", message = shown(message))]
    #[non_exhaustive]
    Unserializable {
        /// Message of Wasmer.
        message: String,
    },

    /// The module imports something that this sandbox does not offer.
    #[error("the module imports `{module}.{name}`, which this sandbox does not offer: {remedy}", name = shown(name), module = shown(module), remedy = shown(remedy))]
    #[non_exhaustive]
    UnknownImport {
        /// The import's namespace.
        module: String,
        /// The import's name.
        name: String,
        /// Which capability would supply it, if one does.
        remedy: String,
    },

    /// Two functions of the host have one name, so that it is not said which of them a guest is to call.
    #[error(
        "there are two host functions `{module}.{name}`: leave one out, or say that the second replaces the first with \
         `HostFunctions::replace`",
        name = shown(name), module = shown(module)
    )]
    #[non_exhaustive]
    DuplicateHostFunction {
        /// The namespace of both.
        module: String,
        /// The name of both.
        name: String,
    },

    /// The module imports something that is offered with another type.
    #[error("the module imports `{module}.{name}` as {expected}, and it is {given}", name = shown(name), module = shown(module), expected = shown(expected), given = shown(given))]
    #[non_exhaustive]
    IncompatibleImport {
        /// The import's namespace.
        module: String,
        /// The import's name.
        name: String,
        /// Import as the module expects it.
        expected: String,
        /// Import as it is offered under that name.
        given: String,
    },

    /// The module's declarations about its own exports contradict what they are.
    #[error("the module's declaration is wrong: {message}", message = shown(message))]
    #[non_exhaustive]
    InvalidDeclaration {
        /// Description of the contradiction.
        message: String,
    },

    // What the host asks for: functions, arguments and results.
    /// There is no exported function of that name.
    #[error("the module exports no function `{name}`; it exports {available}", available = listed(available, *more), name = shown(name))]
    #[non_exhaustive]
    NoSuchFunction {
        /// The name that was asked for.
        name: String,
        /// The names that can be called, sorted: the first 64 of them.
        available: Vec<String>,
        /// Number of names beyond those.
        more: usize,
    },

    /// The arguments or the expected result do not fit the function's signature.
    #[error("`{function}` is {expected}, and was called with {given}", function = shown(function), expected = shown(expected), given = shown(given))]
    #[non_exhaustive]
    SignatureMismatch {
        /// The function's name.
        function: String,
        /// Its signature.
        expected: String,
        /// Signature of what the caller gave, or asked for.
        given: String,
    },

    /// Arguments or a result could not be encoded.
    #[error("{side} failed to encode {what} of `{function}`: {message}", what = encoded(*side), function = shown(function), message = shown(message))]
    #[non_exhaustive]
    Unencodable {
        /// The function's name.
        function: String,
        /// Who failed: the host with arguments, or the guest with its result.
        side: Side,
        /// Message of the serialiser.
        message: String,
        /// Usage of the call, if the guest ran.
        call: Box<FailedCall>,
    },

    /// Arguments or a result could not be decoded.
    #[error("{side} failed to decode {what} of `{function}`: {message}", what = decoded(*side), function = shown(function), message = shown(message))]
    #[non_exhaustive]
    Undecodable {
        /// The function's name.
        function: String,
        /// Who failed: the guest with arguments, or the host with a result.
        side: Side,
        /// Message of the deserialiser.
        message: String,
        /// Usage of the call.
        call: Box<FailedCall>,
    },

    // The guest ran and failed.
    /// The function itself returned an error.
    #[error("`{function}` returned an error: {message}", function = shown(function), message = shown(message))]
    #[non_exhaustive]
    GuestError {
        /// The function's name.
        function: String,
        /// The error's text, as the guest wrote it.
        message: String,
        /// The error as a value, if the guest returned it as one; see [`SandboxError::guest_error`].
        payload: Option<ErrorPayload>,
        /// Usage of the call. The output of the guest is still in its instance, which lives on.
        call: Box<FailedCall>,
    },

    /// The guest panicked.
    #[error("the guest panicked in `{function}`: {message}", function = shown(function), message = shown(message))]
    #[non_exhaustive]
    GuestPanic {
        /// The function that was called.
        function: String,
        /// The panic's message with its place in the guest's source.
        message: String,
        /// Output of the guest before that, and usage of the call.
        call: Box<FailedCall>,
    },

    /// The guest broke the rules of the ABI: a pointer, a length or a status that cannot be.
    #[error("`{function}` broke the guest ABI: {message}", function = shown(function), message = shown(message))]
    #[non_exhaustive]
    AbiViolation {
        /// The function that was called.
        function: String,
        /// The rule and the value that breaks it.
        message: String,
        /// Output of the guest before that, and usage of the call.
        call: Box<FailedCall>,
    },

    /// The guest trapped.
    #[error("the guest trapped in `{function}`: {code}{trace}", trace = trace_lines(backtrace), function = shown(function))]
    #[non_exhaustive]
    Trap {
        /// The function that was called.
        function: String,
        /// Why it trapped.
        code: TrapCode,
        /// The guest's frames, innermost first, by name where the module has names.
        backtrace: Vec<String>,
        /// Output of the guest before that, and usage of the call.
        call: Box<FailedCall>,
    },

    /// The guest ended itself with `proc_exit`.
    #[error("the guest exited with code {code} in `{function}`", function = shown(function))]
    #[non_exhaustive]
    Exited {
        /// The function that was called.
        function: String,
        /// The exit code.
        code: i32,
        /// Output of the guest before that, and usage of the call.
        call: Box<FailedCall>,
    },

    /// The call ran longer than the policy allows.
    #[error("`{function}` ran longer than {limit:?} and was stopped", function = shown(function))]
    #[non_exhaustive]
    Timeout {
        /// The function that was called.
        function: String,
        /// The wall-clock limit of one call.
        limit: Duration,
        /// Output of the guest before that, and usage of the call.
        call: Box<FailedCall>,
    },

    /// The call computed more than the policy allows.
    #[error("`{function}` used more than {limit} and was stopped", function = shown(function))]
    #[non_exhaustive]
    OutOfFuel {
        /// The function that was called.
        function: String,
        /// The limit of one call.
        limit: crate::policy::FuelUnits,
        /// Output of the guest before that, and usage of the call.
        call: Box<FailedCall>,
    },

    /// The call was cancelled by the host.
    #[error("the call of `{function}` was cancelled", function = shown(function))]
    #[non_exhaustive]
    Cancelled {
        /// The function that was called.
        function: String,
        /// Output of the guest before that, and usage of the call.
        call: Box<FailedCall>,
    },

    // The guest came to a limit.
    /// The guest asked for more linear memory than it may have.
    #[error(
        "the guest asked for {requested_bytes} bytes of memory, and its limit is {limit_bytes}"
    )]
    #[non_exhaustive]
    MemoryLimit {
        /// The total that the guest asked for, in bytes.
        requested_bytes: u64,
        /// The limit, in bytes.
        limit_bytes: u64,
        /// Output of the guest before that, and usage of the call.
        call: Box<FailedCall>,
    },

    /// The guest asked for larger tables than it may have.
    #[error("the guest asked for tables of {requested} elements, and the limit is {limit}")]
    #[non_exhaustive]
    TableLimit {
        /// The elements asked for, in all its tables.
        requested: u32,
        /// The limit, in elements of all tables.
        limit: u32,
        /// Output of the guest before that, and usage of the call.
        call: Box<FailedCall>,
    },

    /// An instance of the module would take more of the host's memory than the policy allows: its linear memory together
    /// with what the host holds for it (tables, globals, exports, entries of functions and imports, segments).
    #[error(
        "an instance of the module takes {memory_bytes} bytes of linear memory and {held_bytes} bytes of what the host \
         holds for it, and the limit of both is {limit_bytes} (`memory_limit_bytes`)"
    )]
    #[non_exhaustive]
    InstanceTooLarge {
        /// The linear memory that it begins with, in bytes.
        memory_bytes: u64,
        /// Bytes that the host would hold for it.
        held_bytes: u64,
        /// The limit, in bytes.
        limit_bytes: u64,
    },

    /// A value that the guest passed to the host is larger than is decoded.
    #[error("`{function}` returned a value of {size_bytes} bytes, and the policy decodes {limit_bytes}", function = shown(function))]
    #[non_exhaustive]
    ValueTooLarge {
        /// The function that was called.
        function: String,
        /// The value's size as it was encoded, in bytes.
        size_bytes: u64,
        /// The limit, in bytes.
        limit_bytes: u64,
        /// Usage of the call.
        call: Box<FailedCall>,
    },

    /// The guest wrote more to its standard streams than is captured.
    #[error("`{function}` wrote more than {limit_bytes} bytes of output and was stopped", function = shown(function))]
    #[non_exhaustive]
    OutputLimit {
        /// The function that was called.
        function: String,
        /// The limit for standard output and standard error together, in bytes.
        limit_bytes: u64,
        /// Output of the guest before that, and usage of the call.
        call: Box<FailedCall>,
    },

    /// The guest trapped after it was denied something that the policy does not grant.
    ///
    /// The denial itself is an error number that the guest may deal with; only what it could not deal with
    /// gets here.
    #[error("`{function}` trapped after it was denied {capability}: {remedy}", function = shown(function), remedy = capability.remedy())]
    #[non_exhaustive]
    CapabilityDenied {
        /// The function that was called.
        function: String,
        /// Capability that it was denied last.
        capability: DeniedCapability,
        /// Output of the guest before that, and usage of the call.
        call: Box<FailedCall>,
    },

    /// A bundle of files cannot be made.
    #[error(transparent)]
    InvalidBundle(#[from] crate::bundle::InvalidBundle),

    // Packages and grants.
    /// The file of a package, or the manifest of a folder that is to become one, could not be read.
    #[error("failed to read the package {path}", path = path.display())]
    #[non_exhaustive]
    PackageUnreadable {
        /// The path of the file.
        path: PathBuf,
        /// Error of the operating system.
        #[source]
        error: std::io::Error,
    },

    /// The bytes are not a package that can be read.
    #[error("not a Wasmer package that can be read: {message}", message = shown(message))]
    #[non_exhaustive]
    InvalidPackage {
        /// Description of the fault.
        message: String,
    },

    /// There is more of something in a package than is read.
    #[error("the package has {found} {measure}, and at most {limit} are read")]
    #[non_exhaustive]
    PackageLimit {
        /// Measure of which there is too much.
        measure: PackageMeasure,
        /// Amount that was found, as far as it was counted.
        found: u64,
        /// Largest amount that is read.
        limit: u64,
    },

    /// The package has no command of that name.
    #[error("the package has no command `{name}`; it has {available}", available = listed(available, 0), name = shown(name))]
    #[non_exhaustive]
    NoSuchCommand {
        /// The name that was asked for.
        name: String,
        /// The names of its commands.
        available: Vec<String>,
    },

    /// The command is of a kind that sandboxes do not run, or needs something that is not in its package.
    #[error("the command `{command}` of the package cannot be run: {message}", command = shown(command), message = shown(message))]
    #[non_exhaustive]
    CommandUnavailable {
        /// The command's name.
        command: String,
        /// Description of what is missing.
        message: String,
    },

    /// The policy grants something that cannot be granted.
    #[error("failed to grant {kind} {grant}: {message}", message = shown(message), grant = shown(grant))]
    #[non_exhaustive]
    InvalidGrant {
        /// Kind of what cannot be granted.
        kind: GrantKind,
        /// The folder, name, path or host, as it was given.
        grant: String,
        /// Description of the fault.
        message: String,
        /// Error of the operating system, if that is the cause.
        #[source]
        error: Option<std::io::Error>,
    },

    // Pools.
    /// The pool has a module of that name already.
    #[error("the pool has a module `{name}` already; put another in its place with `replace`", name = shown(name))]
    #[non_exhaustive]
    DuplicateModule {
        /// The name.
        name: String,
    },

    /// The pool has no module of that name.
    #[error("the pool has no module `{name}`; it has {available}", available = listed(available, 0), name = shown(name))]
    #[non_exhaustive]
    NoSuchModule {
        /// The name that was asked for.
        name: String,
        /// The names that the pool was given, in that order.
        available: Vec<String>,
    },

    /// All sandboxes of the pool are in use, and as many callers as may wait are waiting.
    #[error(
        "all {size} sandboxes of the pool are in use and {waiting} callers wait; try again later, or raise \
         `size` or `max_waiting`"
    )]
    #[non_exhaustive]
    PoolExhausted {
        /// Largest number of sandboxes in the pool.
        size: usize,
        /// Number of callers that were waiting.
        waiting: usize,
    },

    /// No sandbox of the pool became free in time.
    #[error("no sandbox of the pool became free within {limit:?}")]
    #[non_exhaustive]
    PoolTimeout {
        /// Longest time that a caller waits.
        limit: Duration,
    },

    /// The pool was closed.
    #[error("the pool is closed")]
    PoolClosed,

    // The host and its system.
    /// The host could not provide what an instance needs.
    #[error("failed to create an instance: {message}", message = shown(message))]
    #[non_exhaustive]
    Instantiation {
        /// Description of what was missing.
        message: String,
    },

    /// The operating system refused something without which no guest can run as its policy says.
    #[error("the system gives no {need} ({error}): {remedy}", remedy = need.remedy())]
    #[non_exhaustive]
    SystemRefused {
        /// Service of the operating system that is needed.
        need: SystemNeed,
        /// Error of the operating system.
        #[source]
        error: std::io::Error,
    },

    /// This process was forked from the one that sandboxes were first used in. The threads that run and stop guests
    /// stayed there, so no guest runs here. Fork before the first sandbox is made, or start another program instead.
    #[error("this process was forked from one with sandboxes, and no guest runs in it")]
    Forked,

    /// A host function that the guest called returned an error. The guest was unwound; its instance was discarded.
    #[error("the host function `{host_function}` failed in a call of `{function}`", function = shown(function))]
    #[non_exhaustive]
    HostFunctionFailed {
        /// The function that was called.
        function: String,
        /// The host function, by module and name.
        host_function: String,
        /// The error, as the host function returned it.
        #[source]
        error: Box<dyn std::error::Error + Send + Sync>,
        /// Output of the guest before that, and usage of the call.
        call: Box<FailedCall>,
    },

    /// A host function that the guest called panicked. The guest was unwound; its instance was discarded.
    #[error("the host function `{host_function}` panicked in a call of `{function}`: {message}", function = shown(function), message = shown(message))]
    #[non_exhaustive]
    HostFunctionPanicked {
        /// The function that was called.
        function: String,
        /// The host function, by module and name.
        host_function: String,
        /// The panic's message.
        message: String,
        /// Output of the guest before that, and usage of the call.
        call: Box<FailedCall>,
    },

    /// A host function made a call that could only wait for itself, or nested calls too deep.
    #[error("`{function}` cannot be called out of a host function here: {fault}", function = shown(function))]
    #[non_exhaustive]
    NestedCall {
        /// The function that was called.
        function: String,
        /// Why it cannot be called.
        fault: NestingFault,
    },

    /// A pointer and a length, of the guest or of the host, that the guest's memory does not hold.
    #[error(transparent)]
    GuestMemory(#[from] GuestMemoryError),

    /// A file of the guest could not be read or written by the host.
    #[error("failed to use the guest's file {path:?}")]
    #[non_exhaustive]
    GuestFile {
        /// The path, as it was given.
        path: String,
        /// Description of the fault.
        #[source]
        error: std::io::Error,
    },

    /// A handle was called in a session of another sandbox than its own.
    #[error("the handle of `{function}` is of another sandbox than the session; have it from the sandbox that the session is of", function = shown(function))]
    #[non_exhaustive]
    OtherSandbox {
        /// Function that the handle is of.
        function: String,
    },

    /// The session's instance is gone: a call of the session failed in a way that poisons it, or was dropped.
    #[error("the session is over, because a call of it failed or was dropped; begin another to call `{function}`", function = shown(function))]
    #[non_exhaustive]
    SessionEnded {
        /// Method of the session that was called.
        function: String,
    },

    /// The source of a stream failed. The guest was not told that its input had ended, so what it had put out until then is
    /// not completed.
    #[error("the source of the stream that `{function}` handles failed", function = shown(function))]
    #[non_exhaustive]
    SourceFailed {
        /// The function of the stream.
        function: String,
        /// The error, as the source returned it.
        #[source]
        error: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A snapshot cannot be taken, saved, read, or be where these instances begin.
    #[error("failed to use a snapshot: {0}")]
    Snapshot(#[source] SnapshotFault),

    /// Code of the host panicked while it served the guest. The instance was discarded.
    #[error("the host panicked while serving `{function}`: {message}", function = shown(function), message = shown(message))]
    #[non_exhaustive]
    HostPanic {
        /// The function that was called.
        function: String,
        /// The panic's message.
        message: String,
        /// Usage of the call.
        call: Box<FailedCall>,
    },
}
