//! `sandbox_fuzz::streams` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sandbox_fuzz::streams::run(data));
