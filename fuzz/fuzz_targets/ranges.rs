//! The target `ranges` for libFuzzer; what it checks is in `src/ranges.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| layerbase_fuzz::ranges::check(data));
