//! The target `links` for libFuzzer; what it checks is in `src/links.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| layerbase_fuzz::links::check(data));
