//! `sandbox_fuzz::oracle` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sandbox_fuzz::oracle::run(data));
