//! The target `identifiers` for libFuzzer; what it checks is in `src/identifiers.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| layerbase_fuzz::identifiers::check(data));
