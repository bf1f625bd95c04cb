//! The target `archive` for libFuzzer; what it checks is in `src/archive.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| layerbase_fuzz::archive::check(data));
