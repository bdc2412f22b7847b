//! **Sky**, a key-value store with no master: every node is the same small program on a Chord ring.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

// Floor 0: plain values and arithmetic.
pub mod id;
pub mod limits;
pub mod rng;
pub mod time;

// Floor 1: what nodes say to each other, in bytes.
pub mod config;
pub mod wire;

// Floor 2: tables.
pub mod routing;
pub mod store;

// Floor 3: the sans-I/O state machine.
pub mod node;
