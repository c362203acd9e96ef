//! Names the features that the members of the workspace ask of the sandbox's dependencies between them.
//!
//! Cargo unites the features that the packages of one build ask for. Without this crate, a build of `sandbox-core` alone
//! has fewer of them than one of the whole workspace, and compiles Wasmer once more: minutes, for nothing. With it, both
//! have all. It is a dependency of tests and benchmarks only, so nothing that is published needs it.
