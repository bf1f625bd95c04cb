//! The target `authorization` for libFuzzer; what it checks is in `src/authorization.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| layerbase_fuzz::authorization::check(data));
