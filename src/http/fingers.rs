//! `GET /fingers`: those of this node, or of the one whose address is given, as only that one knows them.

use super::fields::{address, parameter};
use super::json;
use super::parse::Head;
use super::response::{Response, Status, bad};
use super::routes::OF;
use crate::wire::Finger;
use std::net::SocketAddr;

/// Whose are asked for, if not this node's.
///
/// # Errors
/// The answer to what is no address.
pub fn whose(head: &Head<'_>) -> Result<Option<SocketAddr>, Response> {
    let read = |text: Vec<u8>| address(str::from_utf8(&text).ok()?);
    let wrong = || bad("of is the address of a node, ip:port.");
    parameter(head, &OF)?.map(|text| read(text).ok_or_else(wrong)).transpose()
}

/// What that node told.
pub fn told(fingers: Option<Vec<Finger>>) -> Response {
    match fingers {
        Some(fingers) => Response::json(&json::fingers(&fingers)),
        None => {
            let detail = "That node does not answer or has no place on a ring, or too many are asked for at one time.";
            Response::problem(Status::ServiceUnavailable, detail).field("Retry-After", 1)
        }
    }
}
