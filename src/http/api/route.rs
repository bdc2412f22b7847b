//! What a request asks for, by its target and its method.

use super::{Action, Subject};
use crate::http::conditions::read_conditions;
use crate::http::fields::{WriteFields, kind, number, parameter, write_fields};
use crate::http::fingers;
use crate::http::openapi;
use crate::http::page;
use crate::http::parse::{Framing, Head, Method, unescape};
use crate::http::response::{Response, Status, bad};
use crate::http::routes::{self, AFTER, FROM, KEY, LIMIT, MAX, RING};
use crate::http::site::Site;
use crate::http::strict;
use crate::http::walk::Start;
use crate::id::Id;
use crate::limits::{KEY_MAX, WALK_MAX};
use crate::node::Command;
use crate::wire::Condition;
use std::rc::Rc;

/// Keys on one page of `GET /storage`, unless asked for otherwise.
pub const PAGE: usize = 100;

/// Finds it out.
///
/// # Errors
/// With the answer that refuses.
pub fn route(head: &Head<'_>, site: &Site) -> Result<Action, Response> {
    use Method::{Delete, Options, Post, Put};
    if head.path == "*" {
        return Ok(Action::Answer(options(routes::ALLOW_ALL)));
    }
    let Some(route) = routes::find(head.path) else {
        return Err(no_such_page());
    };
    if route.kind(head.method).is_none() {
        return Err(not_allowed(head.method, route.allow));
    }
    strict::check(head, route)?;
    match (head.path, head.method) {
        (_, Options) => Ok(Action::Answer(options(route.allow))),
        ("/", _) => Ok(Action::Answer(page::index(head))),
        ("/events", _) => Ok(Action::Events(subject(head)?)),
        ("/openapi.json", _) => Ok(Action::Answer(openapi::answer())),
        ("/metrics", _) => Ok(Action::Metrics(Rc::clone(&site.traffic))),
        ("/healthz", _) => Ok(Action::Alive),
        ("/readyz", _) => Ok(Action::Ready),
        ("/leave", _) => Ok(Action::Order(Command::Leave)),
        ("/reopen", _) => Ok(Action::Order(Command::Reopen)),
        ("/node", _) => Ok(Action::Node),
        ("/ring", _) => walk_range(head).map(|(from, max)| Action::Ring { from, max }),
        ("/fingers", _) => fingers::whose(head).map(|of| Action::Fingers { of }),
        ("/ring.dot", _) => walk_range(head).map(|(from, max)| Action::Picture { from, max }),
        ("/storage", Post) => {
            has_body(head)?;
            Ok(Action::Create { fields: WriteFields { condition: Condition::Absent, ..write_fields(head)? } })
        }
        ("/storage", _) => keys(head),
        (path, method) => {
            if let Some(name) = path.strip_prefix("/lookup/") {
                return Ok(Action::Lookup { key: key(name)? });
            }
            if path.starts_with("/page/") {
                return page::file(path).map(Action::Answer).ok_or_else(no_such_page);
            }
            let name = path.strip_prefix("/storage/").unwrap_or_default();
            match method {
                Put => {
                    has_body(head)?;
                    let (fields, kind) = (write_fields(head)?, kind(head)?.as_bytes().into());
                    Ok(Action::Put { key: key(name)?, fields, kind })
                }
                Delete => Ok(Action::Delete { key: key(name)?, fields: write_fields(head)? }),
                Method::Head => Ok(Action::Glance { key: key(name)?, conditions: read_conditions(head)? }),
                _ => Ok(Action::Get { key: key(name)?, conditions: read_conditions(head)? }),
            }
        }
    }
}

fn no_such_page() -> Response {
    Response::problem(Status::NotFound, "There is no such page: GET / lists what there is.")
}

fn subject(head: &Head<'_>) -> Result<Subject, Response> {
    let Some(key) = parameter(head, &KEY)? else { return Ok(Subject::Life) };
    check_key(&key)?;
    Ok(Subject::Key(key.into()))
}

/// The answer to `OPTIONS`.
fn options(methods: &str) -> Response {
    Response::new(Status::NoContent).field("Allow", methods)
}

fn not_allowed(method: Method, methods: &str) -> Response {
    let detail = format!("This target can be asked with: {methods}.");
    // A method that no target has is one thing, one that this target does not take another (RFC 9110, section 9.1).
    let status = if method == Method::Other { Status::NotImplemented } else { Status::MethodNotAllowed };
    Response::problem(status, detail).field("Allow", methods)
}

/// The key that a path names. A slash is part of it, escaped or not.
fn key(name: &str) -> Result<Box<[u8]>, Response> {
    let Some(key) = unescape(name, false) else {
        return Err(bad("The path holds a percent sign without two hexadecimal digits after it: escape it as %25."));
    };
    check_key(&key)?;
    Ok(key.into())
}

pub fn check_key(key: &[u8]) -> Result<(), Response> {
    match key.len() {
        1..=KEY_MAX => Ok(()),
        length => Err(bad(format_args!("A key is 1 to {KEY_MAX} bytes long, this one is {length}: choose another."))),
    }
}

fn has_body(head: &Head<'_>) -> Result<(), Response> {
    match head.framing {
        Framing::Absent => Err(Response::problem(
            Status::LengthRequired,
            "Send the body with Content-Length or in chunks; an empty value has Content-Length: 0.",
        )),
        _ => Ok(()),
    }
}

fn walk_range(head: &Head<'_>) -> Result<(Option<Start>, usize), Response> {
    let from = parameter(head, &FROM)?;
    let wrong = || bad("from is what an earlier answer gave as next, or the address of a node, ip:port.");
    let from = from.map(|text| Start::parse(&text).ok_or_else(wrong)).transpose()?;
    Ok((from, number(head, &MAX, WALK_MAX)?))
}

fn keys(head: &Head<'_>) -> Result<Action, Response> {
    let after = parameter(head, &AFTER)?;
    after.as_deref().map_or(Ok(()), check_key)?;
    let (after, limit) = (after.map(Vec::into_boxed_slice), number(head, &LIMIT, PAGE)?);
    let from = parameter(head, &FROM)?;
    match parameter(head, &RING)?.as_deref() {
        None | Some(b"0") if from.is_some() => Err(bad("from is for the keys of the whole ring: add ring=1.")),
        None | Some(b"0") => Ok(Action::Keys { after, limit }),
        Some(b"1") => Ok(Action::RingKeys { from: page_start(from.as_deref(), after.as_deref())?, after, limit }),
        Some(_) => Err(bad("ring is 1 for the keys of the whole ring, or 0 for those held by this node.")),
    }
}

/// The first position of a page of the whole ring.
fn page_start(from: Option<&[u8]>, after: Option<&[u8]>) -> Result<Id, Response> {
    match (from, after) {
        (None, None) => Ok(Id::new(0)),
        (None, Some(key)) => Ok(Id::of_key(key)),
        (Some(text), None) => {
            let id = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            id.ok_or_else(|| bad("from is a position on the ring, 32 hexadecimal digits, as an earlier next has it."))
        }
        (Some(_), Some(_)) => Err(bad("Give after, a key, or from, a position, but not both.")),
    }
}
