//! `sandbox_fuzz::configurations` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sandbox_fuzz::configurations::run(data));
