//! What an operator orders: to leave, or to serve though isolated.

use super::reply::failure;
use super::response::{Response, Status};
use crate::node::{Command, Reply};

/// The outcome of `POST /leave` or `POST /reopen`.
pub fn obeyed(command: &Command, reply: Reply) -> Response {
    match (command, reply) {
        (Command::Leave, Reply::Done) => Response::line(
            Status::Accepted,
            "The node hands over what it holds, for at most its --leave-timeout, leaves the ring and ends.",
        ),
        (_, Reply::Done) => {
            let text = "Reopened: the node serves again as soon as its neighbours grant their leases.";
            Response::line(Status::Accepted, text)
        }
        (_, Reply::NotSilent) => {
            let detail =
                "Nothing to reopen, and nothing was done: this node is not isolated. GET /readyz says how it is.";
            Response::problem(Status::Conflict, detail)
        }
        (_, Reply::SilentFor(peer)) => {
            let detail = format!(
                "This node is isolated only because its predecessor is, and nothing was done: reopen that one, at \
                 http://{}/.",
                peer.addr()
            );
            Response::problem(Status::Conflict, detail)
        }
        (_, other) => failure(other),
    }
}
