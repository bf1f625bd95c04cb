//! The target `chunks` for libFuzzer; what it checks is in `src/chunks.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| layerbase_fuzz::chunks::check(data));
