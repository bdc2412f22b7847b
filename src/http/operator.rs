//! What an operator orders: to leave, to end a silence.

use super::reply::failure;
use super::response::{Response, Status};
use crate::node::{Command, Reply};

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
