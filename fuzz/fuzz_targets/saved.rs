//! Any bytes as what a disk gives back.
#![no_main]

#[path = "../../tests/fuzz/saved.rs"]
mod saved;

libfuzzer_sys::fuzz_target!(|input: &[u8]| saved::saved(input));
