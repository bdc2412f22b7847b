//! What an operator orders: to leave, to end a silence.

use super::parse::{Head, Method};
use super::reply::failure;
use super::response::{Response, Status};
use crate::node::{Command, Reply};

/// Refuses what is no order, and what a page of another site may have made a browser send: no page but a node's own is
/// to end it.
///
/// # Errors
/// With the answer that refuses.
pub fn check(head: &Head<'_>) -> Result<(), Response> {
    if head.method != Method::Post {
        return Err(super::api::not_allowed("POST"));
    }
    let host = head.values("host").next();
    let is_host = |from: &[u8]| host.is_some_and(|host| host.eq_ignore_ascii_case(from));
    let own = |origin: &[u8]| origin.strip_prefix(b"http://").is_some_and(is_host);
    if head.values("origin").all(own) {
        return Ok(());
    }
    let detail =
        "A page of another site may not give orders to a node, and nothing was done: send this without Origin.";
    Err(Response::problem(Status::Forbidden, detail))
}

/// The outcome of `POST /leave` or `POST /reopen`.
pub fn obeyed(command: &Command, reply: Reply) -> Response {
    match (command, reply) {
        (Command::Leave, Reply::Done) => {
            Response::line(Status::Accepted, "The node hands over what it holds, leaves the ring and ends.")
        }
        (_, Reply::Done) => {
            let text = "The silence is over: the node answers again once its neighbours consent.";
            Response::line(Status::Accepted, text)
        }
        (_, Reply::NotSilent) => {
            let detail =
                "There is no silence that this could end, and nothing was done: GET /readyz says how the node is.";
            Response::problem(Status::Conflict, detail)
        }
        (_, Reply::SilentFor(peer)) => {
            let detail = format!(
                "This node is silent only because its predecessor is, and nothing was done: reopen that one, at \
                 http://{}/.",
                peer.addr()
            );
            Response::problem(Status::Conflict, detail)
        }
        (_, other) => failure(other),
    }
}
