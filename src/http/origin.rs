//! Whose page sent a request: what changes something is refused if a page of another site had a browser send it.

use super::parse::{Head, Method};
use super::response::{Response, Status};

/// Refuses a request that may change something and that the page of another site made a browser send. Programs send no
/// `Origin`.
///
/// # Errors
/// With the answer that refuses.
pub fn check(head: &Head<'_>) -> Result<(), Response> {
    let host = head.values("host").next();
    let is_host = |from: &[u8]| host.is_some_and(|host| host.eq_ignore_ascii_case(from));
    let own = |origin: &[u8]| origin.strip_prefix(b"http://").is_some_and(is_host);
    if matches!(head.method, Method::Get | Method::Head) || head.values("origin").all(own) {
        return Ok(());
    }
    let detail = "A page of another site may not change anything here, and nothing was done: send this without Origin.";
    Err(Response::problem(Status::Forbidden, detail))
}
