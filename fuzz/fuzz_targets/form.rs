//! The target `form` for libFuzzer; what it checks is in `src/form.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| layerbase_fuzz::form::check(data));
