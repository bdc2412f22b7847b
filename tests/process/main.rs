//! The programs as they run: real processes, real sockets, killed when a test lets go of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers fail as their tests do")]

mod address;
mod cli;
mod client;
mod cors;
mod disk;
mod entries;
mod events;
mod http;
mod join;
mod leave;
mod limits;
mod log;
mod metrics;
mod openapi;
mod output;
mod process;
mod ring;
mod schema;
mod shown;
mod skyctl;
mod strict;
mod udp;
mod up;
mod values;
