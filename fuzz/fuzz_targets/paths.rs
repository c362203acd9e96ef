//! `sandbox_fuzz::paths` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sandbox_fuzz::paths::run(data));
