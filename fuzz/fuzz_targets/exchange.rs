//! `sandbox_fuzz::exchange` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sandbox_fuzz::exchange::run(data));
