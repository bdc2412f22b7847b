//! The programs as they run: real processes, real sockets, killed when a test lets go of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers fail as their tests do")]

mod address;
mod cli;
mod client;
mod clock;
mod cors;
mod crowd;
mod disk;
mod entries;
mod environments;
mod events;
mod hot_key;
mod http;
mod join;
mod leave;
mod letter;
mod limits;
mod log;
mod machines;
mod metrics;
mod openapi;
mod output;
mod pressure;
mod process;
mod ring;
mod schema;
mod shown;
mod skyctl;
mod strict;
mod udp;
mod up;
mod values;
