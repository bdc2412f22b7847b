//! The interface for people: HTTP/1.1, written by hand and strict.
//!
//! [`parse`] and [`chunks`] are pure functions over bytes; [`api`] makes commands of requests and answers of replies;
//! [`serve`] is the only part with sockets, limits and timeouts. It reaches the node through a
//! [`Handle`](crate::handle::Handle).

pub mod api;
mod bell;
mod budget;
pub mod chunks;
mod conditions;
mod date;
mod events;
mod fields;
mod fingers;
mod gate;
pub mod host;
pub mod json;
mod metrics;
mod openapi;
mod operator;
pub mod origin;
mod page;
pub mod parse;
mod reply;
pub mod response;
pub mod routes;
pub mod serve;
pub mod site;
mod strict;
mod syntax;
mod table;
mod target;
pub mod traffic;
mod unready;
mod walk;
mod words;
