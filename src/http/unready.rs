//! Asking a node that may have no place on a ring, or be silent: what it refuses for that it refuses with the reason.

use super::response::{Response, Status};
use super::words;
use crate::handle::{Gone, Handle, Snapshot};
use crate::node::{Command, Reply, State, Unavailable};

/// Why there is no reply to go on with.
pub enum Cut {
    /// The node has ended.
    Gone,
    /// The answer is known already.
    Answered(Response),
}

impl From<Gone> for Cut {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

/// Has the node do something. → its reply, but for a refusal by a node that does not serve, which becomes an answer.
pub async fn ask(node: &Handle, command: Command) -> Result<Reply, Cut> {
    let reply = node.ask(command).await?;
    if let Reply::Unavailable(Unavailable::NotMember | Unavailable::Silent | Unavailable::NoOwner) = reply
        // One that ends meanwhile has replied all the same.
        && let Ok(snapshot) = node.status().await
        && let Some(response) = refusal(&snapshot)
    {
        return Err(Cut::Answered(response));
    }
    Ok(reply)
}

/// What is answered in the place of whatever was asked for, by a node that does not serve.
fn refusal(snapshot: &Snapshot) -> Option<Response> {
    let why = words::unready(snapshot).filter(|_| snapshot.status.state != State::Settled)?;
    let state = words::state_name(snapshot.status.state);
    let detail =
        format!("This node is not serving yet: it is {state}. {why} Nothing was changed; retry in {RETRY_AFTER_S} s.");
    Some(Response::problem(Status::ServiceUnavailable, detail).field("Retry-After", RETRY_AFTER_S))
}

/// How long a client is asked to wait before it tries again, in seconds.
pub const RETRY_AFTER_S: u32 = 1;
