//! Any bytes as what an HTTP client sends.
#![no_main]

#[path = "../../tests/fuzz/http.rs"]
mod http;

libfuzzer_sys::fuzz_target!(|input: &[u8]| http::http(input));
