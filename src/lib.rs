//! **Sky**, a key-value store with no master: every node is the same small program on a Chord ring.
//!
//! The library is built in floors; a module uses lower floors and its own folder only.
//!
//! ```text
//! 0  count, id, time, rng,     plain values and arithmetic
//!    limits
//! 1  config, wire              what nodes say to each other, in bytes
//! 2  routing, store            tables: successor list, fingers; versioned entries by ring position
//! 3  node                      the sans-I/O state machine: bytes in, bytes out, one deadline
//! 4  handle, disk              how the tasks of a process reach their node; where it saves what it holds
//! 5  sim | udp, http           the simulated world; the real one, the only place with clock, entropy and sockets
//! 6  client                    what other programs reach a ring with
//! 7  bin/skynode, bin/skyctl   the node; the tool beside it
//! ```
//!
//! Programs that read and write want a [`client::Client`]; those that hold a node themselves a [`node::Node`] and a
//! [`udp::Driver`], as `examples/embed.rs` shows.
//!
//! Floors 0 to 3 are `no_std` and need `alloc`; the default feature `std` adds the rest. A good way in is
//! [`wire`], where the messages are the protocol's documentation, and then [`node::Node`].
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

// Floor 0: plain values and arithmetic.
pub mod count;
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

// Floor 4: how the tasks of a process reach their node.
#[cfg(feature = "std")]
pub mod disk;
#[cfg(feature = "std")]
pub mod handle;

// Floor 5: the simulated world; and the real one, the only place with clock, entropy and sockets.
#[cfg(feature = "std")]
pub mod http;
#[cfg(feature = "std")]
pub mod sim;
#[cfg(feature = "std")]
pub mod udp;

// Floor 6: what other programs reach a ring with.
#[cfg(feature = "std")]
pub mod client;
