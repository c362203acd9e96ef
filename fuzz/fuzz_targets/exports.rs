//! `sandbox_fuzz::exports` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sandbox_fuzz::exports::run(data));
