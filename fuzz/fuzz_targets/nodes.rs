//! A list of inputs to two nodes.
#![no_main]

#[path = "../../tests/fuzz/liar.rs"]
mod liar;
#[path = "../../tests/fuzz/nodes.rs"]
mod nodes;
#[path = "../../tests/fuzz/steps.rs"]
mod steps;

libfuzzer_sys::fuzz_target!(|input: &[u8]| nodes::nodes(input));
