//! `sandbox_fuzz::criterion` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sandbox_fuzz::criterion::run(data));
