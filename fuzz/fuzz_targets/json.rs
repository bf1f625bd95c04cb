//! The target `json` for libFuzzer; what it checks is in `src/json.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| layerbase_fuzz::json::check(data));
