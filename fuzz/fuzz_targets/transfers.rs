//! A neighbour that lies about what it holds.
#![no_main]

#[path = "../../tests/fuzz/giver.rs"]
mod giver;
#[path = "../../tests/fuzz/goods.rs"]
mod goods;
#[path = "../../tests/fuzz/transfers.rs"]
mod transfers;

libfuzzer_sys::fuzz_target!(|input: &[u8]| transfers::transfers(input));
