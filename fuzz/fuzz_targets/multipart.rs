//! The target `multipart` for libFuzzer; what it checks is in `src/multipart.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| layerbase_fuzz::multipart::check(data));
