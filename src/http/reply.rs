//! What the node replied, as an answer of HTTP.
//!
//! Three outcomes are kept apart: done, refused with nothing changed, and unknown, where repeating under the same name
//! is safe.

use super::fields::{is_printable, refuse};
use super::response::{Response, Status};
use super::unready::RETRY_AFTER_S;
use super::words::{cramped, state_name, unready};
use crate::count::Count;
use crate::handle::Snapshot;
use crate::limits::{Beyond, Limited};
use crate::node::{Reply, State, Unavailable};
use crate::wire::{Peer, Version};
use std::sync::Arc;

/// What was found under a key.
pub struct Found<'a> {
    /// The value; empty if the request was HEAD.
    pub bytes: Arc<[u8]>,
    /// Bytes of the value that are not here.
    pub left_out: usize,
    /// Its media type.
    pub kind: &'a [u8],
    /// How many milliseconds are left of it; zero if it never ends.
    pub left_ms: u64,
    /// Its version.
    pub version: Version,
    /// How many nodes hold it.
    pub copies: u8,
    /// Who answered.
    pub owner: Peer,
}

/// A value, or for HEAD all but its bytes, or what a condition wants instead.
pub fn value(found: &Found<'_>, instead: Option<Status>) -> Response {
    let response = match instead {
        None => {
            let whole = Response::with_body(Status::Ok, media_type(found.kind), Arc::clone(&found.bytes))
                // Values share the origin of the node's own pages, so a browser must not run them.
                .field("X-Content-Type-Options", "nosniff")
                .field("Content-Security-Policy", "sandbox")
                .field("Accept-Ranges", "none");
            Response { left_out: found.left_out, ..whole }
        }
        Some(Status::NotModified) => Response::new(Status::NotModified),
        Some(status) => Response::problem(status, "The key has another version than If-Match says: see ETag."),
    };
    // A cache may keep it, but has to ask whether it is still the newest.
    let response = response.field("Cache-Control", "no-cache");
    let response = stored(response, Some(found.version), found.copies, &found.owner);
    match found.left_ms {
        0 => response,
        left => response.field("Sky-TTL", left.div_ceil(1000)),
    }
}

/// The media type that a value was stored with. One that came from another node may be anything.
fn media_type(kind: &[u8]) -> &str {
    let kind = Some(kind).filter(|kind| !kind.is_empty() && is_printable(kind));
    kind.and_then(|kind| str::from_utf8(kind).ok()).unwrap_or("application/octet-stream")
}

fn stored(response: Response, version: Option<Version>, copies: u8, owner: &Peer) -> Response {
    let response = match version {
        Some(version) => response.field("ETag", format_args!("\"{version}\"")),
        None => response,
    };
    response.field("Sky-Copies", copies).field("Sky-Owner", owner.addr())
}

/// The outcome of `PUT /storage/{key}`.
pub fn written(reply: Reply, location: &str) -> Result<Response, Reply> {
    Ok(match reply {
        Reply::Stored { version, copies, created, owner, operation } => {
            let response = if created {
                Response::new(Status::Created).field("Location", location)
            } else {
                Response::new(Status::NoContent)
            };
            stored(response, Some(version), copies, &owner).field("Sky-Operation", operation)
        }
        // The outcome of a delete of this name.
        Reply::NotFound => failure(Reply::Reused),
        other => return Err(other),
    })
}

/// The outcome of `POST /storage`.
pub fn created(reply: Reply, location: &str) -> Result<Response, Reply> {
    Ok(match reply {
        Reply::Stored { version, copies, owner, operation, .. } => {
            let response = Response::new(Status::Created).field("Location", location);
            stored(response, Some(version), copies, &owner).field("Sky-Operation", operation)
        }
        Reply::Conflict { version } => {
            let detail = "The key exists, and nothing was changed: PUT replaces it, GET reads it.";
            tagged(Response::problem(Status::Conflict, detail).field("Location", location), version)
        }
        // The outcome of a delete of this name.
        Reply::NotFound => failure(Reply::Reused),
        other => return Err(other),
    })
}

/// The outcome of `DELETE /storage/{key}`.
pub fn deleted(reply: Reply) -> Result<Response, Reply> {
    Ok(match reply {
        Reply::Stored { copies, owner, operation, .. } => {
            stored(Response::new(Status::NoContent), None, copies, &owner).field("Sky-Operation", operation)
        }
        Reply::NotFound => Response::problem(Status::NotFound, "No such key: nothing to delete."),
        other => return Err(other),
    })
}

fn tagged(response: Response, version: Option<Version>) -> Response {
    match version {
        Some(version) => response.field("ETag", format_args!("\"{version}\"")),
        None => response,
    }
}

/// What came of a write of a value of so many bytes that is no success.
pub fn not_written(reply: Reply, length: usize) -> Response {
    match reply {
        // What this node itself refuses was refused before: it is the owner of the key that takes less.
        Reply::TooLarge => too_large(Some(length as u64)),
        other => failure(other),
    }
}

fn too_large(given: Option<u64>) -> Response {
    refuse(Status::ContentTooLarge, Beyond { what: Limited::Value, given, limit: None })
}

/// Everything that is not success.
pub fn failure(reply: Reply) -> Response {
    match reply {
        Reply::NotFound => Response::problem(Status::NotFound, "No such key."),
        Reply::Conflict { version } => {
            let detail = match version {
                Some(_) => "The condition does not hold for the version of the key, and nothing was changed: see ETag.",
                None => "There is no such key, so the condition does not hold, and nothing was changed.",
            };
            tagged(Response::problem(Status::PreconditionFailed, detail), version)
        }
        Reply::TooLarge => too_large(None),
        Reply::Invented => {
            let detail = "No node gives such a Sky-Operation: repeat the one of the answer, or give a new write 32 \
                          random hexadecimal digits.";
            Response::problem(Status::BadRequest, detail)
        }
        Reply::Reused => {
            let detail = "Sky-Operation is the name of another write of this key, and this one was not done: give each \
                          write a name of its own, and repeat one with the same value, Content-Type, Sky-TTL and \
                          condition.";
            Response::problem_of("operation-reused", Status::Unprocessable, detail)
        }
        Reply::Forgotten => {
            let detail = "This Sky-Operation is older than what is remembered of the key: the write may have been \
                          done or not, and is not done now. Read the key, and write anew if need be.";
            Response::problem_of("operation-forgotten", Status::Conflict, detail)
        }
        Reply::Unavailable(why) => unavailable(why),
        Reply::Unknown { operation } => {
            let detail = format!(
                "The write may have been stored or not: repeat it with Sky-Operation: {operation}, it is applied once."
            );
            Response::problem(Status::GatewayTimeout, detail).field("Sky-Operation", operation)
        }
        // A reply to another command than was given; the node's tests rule that out.
        Reply::Value { .. }
        | Reply::Seen { .. }
        | Reply::Stored { .. }
        | Reply::Owner { .. }
        | Reply::Ring { .. }
        | Reply::Fingers(_)
        | Reply::Listed { .. }
        | Reply::Done
        | Reply::NotSilent
        | Reply::SilentFor(_) => {
            Response::problem(Status::InternalServerError, "The node replied to something else: please report this.")
        }
    }
}

/// The answer where a page of the ring's keys cannot even begin.
pub fn unlisted(reply: Reply) -> Response {
    let detail = match reply {
        Reply::Unavailable(Unavailable::NoOwner) => {
            "No node answers now for the stretch of the ring where this page begins, and no key is passed over: ask \
             for the same page again."
        }
        Reply::Unavailable(Unavailable::Silent) => {
            "The node responsible for where this page begins is silent, as it may be cut off from a larger ring, and \
             no key is passed over: ask for the same page again later. Its GET /readyz says what it waits for."
        }
        other => return failure(other),
    };
    Response::problem(Status::ServiceUnavailable, detail).field("Retry-After", RETRY_AFTER_S)
}

fn unavailable(why: Unavailable) -> Response {
    let (status, detail) = match why {
        Unavailable::NotMember => {
            (Status::ServiceUnavailable, "This node is not serving yet. Nothing was changed; retry in 1 s.")
        }
        Unavailable::Busy => {
            (Status::ServiceUnavailable, "Too many requests are under way, nothing was changed: try again.")
        }
        Unavailable::NoOwner => (
            Status::ServiceUnavailable,
            "The node responsible for this key does not answer now, nothing was changed: try again.",
        ),
        Unavailable::Leaving => {
            (Status::ServiceUnavailable, "This node is leaving the ring, nothing was changed: ask another one.")
        }
        Unavailable::Silent => (
            Status::ServiceUnavailable,
            "The node responsible for this key is silent, as it may be cut off from a larger ring; nothing was \
             changed: try again later. Its GET /readyz says what it waits for.",
        ),
        Unavailable::TooFew { copies } => {
            let detail = format!(
                "Only {} would hold it, fewer than Sky-Min-Copies; nothing was changed: try again when more have \
                 joined.",
                Count(copies.into(), "node", "nodes")
            );
            return Response::problem(Status::ServiceUnavailable, detail).field("Retry-After", RETRY_AFTER_S);
        }
        Unavailable::Names => (
            Status::ServiceUnavailable,
            "The nodes that are to hold this key remember as many names of writes as they may, each for eleven \
             minutes; nothing was changed: try again later, or without a Sky-Operation of your own.",
        ),
        Unavailable::Full { room } => {
            let detail = format!("Nothing was changed: a node that is to hold this key {room}.");
            return Response::problem(Status::InsufficientStorage, detail);
        }
    };
    Response::problem(status, detail).field("Retry-After", RETRY_AFTER_S)
}

/// The answer of `/readyz`.
pub fn readiness(snapshot: &Snapshot) -> Response {
    let status = &snapshot.status;
    let Some(why) = unready(snapshot) else {
        // It is ready all the same: to start it anew, or to ask another node, would mend nothing.
        let but = cramped(status).map_or_else(String::new, |why| format!(", but: {why}"));
        return Response::line(Status::Ok, &format!("ready{but}"));
    };
    // What it answers it says for itself.
    let state = (status.state != State::Settled).then(|| format!("The node is {}. ", state_name(status.state)));
    let detail = state.unwrap_or_default() + &why;
    Response::problem(Status::ServiceUnavailable, detail).field("Retry-After", RETRY_AFTER_S)
}
