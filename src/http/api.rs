//! What the server can be asked: requests become commands, replies become answers.
//!
//! [`plan`] looks at a request before its body has come, so that a client which waits for `100 Continue` is refused
//! without sending it; [`Plan::run`] does the rest.

use super::conditions::{ReadConditions, no_condition, read_conditions};
use super::fields::{WriteFields, kind, number, parameter, write_fields};
use super::fingers;
use super::json;
use super::metrics;
use super::openapi;
use super::operator;
use super::origin::Telling;
use super::page;
use super::parse::{Framing, Head, Method, escape, unescape};
use super::reply::{self, Found, too_large};
use super::response::{Response, Status, bad};
use super::routes;
use super::site::Site;
use super::traffic::{Kind, Traffic};
use super::unready::{Cut, ask};
use super::walk::{self, Start};
use crate::handle::Handle;
use crate::id::Id;
use crate::limits::{KEY_MAX, LIST_MAX, WALK_MAX};
use crate::node::{Command, Reply, RingNode};
use crate::store::Content;
use crate::wire::Condition;
use serde::Deserialize;
use std::net::SocketAddr;
use std::rc::Rc;

/// The longest body of `POST /storage`: key and value with every byte escaped as `\u0000`, and what stands around them.
const fn json_max(value_max: usize) -> usize {
    6 * (KEY_MAX + value_max) + 256
}

/// The media type of a value that came as text in JSON.
const TEXT: &[u8] = b"text/plain; charset=utf-8";

/// The longest body that is read where none is wanted, so that the connection may go on after it.
const IGNORED_MAX: usize = 4096;

/// Keys on one page of `GET /storage`, unless asked for otherwise; at most it has `LIST_MAX`.
const PAGE: usize = 100;

/// What is to be done about a request.
#[derive(Debug)]
pub struct Plan {
    /// The longest body that the request may have, in bytes.
    pub body_max: usize,
    /// What it asks for.
    pub kind: Kind,
    /// The longest value, in bytes.
    value_max: usize,
    action: Action,
    telling: Telling,
}

#[derive(Debug)]
enum Action {
    Answer(Response),
    Get { key: Box<[u8]>, conditions: ReadConditions },
    Glance { key: Box<[u8]>, conditions: ReadConditions },
    Put { key: Box<[u8]>, fields: WriteFields, kind: Box<[u8]> },
    Create { fields: WriteFields },
    Delete { key: Box<[u8]>, fields: WriteFields },
    Keys { after: Option<Box<[u8]>>, limit: usize },
    RingKeys { from: Id, after: Option<Box<[u8]>>, limit: usize },
    Node,
    Ring { from: Option<Start>, max: usize },
    Picture { from: Option<Start>, max: usize },
    Fingers { of: Option<SocketAddr> },
    Lookup { key: Box<[u8]> },
    Events(Subject),
    Alive,
    Ready,
    Order(Command),
    Metrics(Rc<Traffic>),
}

/// What somebody wants to be told about as it happens.
#[derive(Clone, Debug)]
pub enum Subject {
    /// The life of the node.
    Life,
    /// One key of the ring.
    Key(Box<[u8]>),
}

/// Finds out what a request wants of a node that takes values of so many bytes.
pub fn plan(head: &Head<'_>, site: &Site, value_max: usize) -> Plan {
    let known = site.hosts.check(head);
    let telling = if known.is_ok() { site.origins.tells(head) } else { Telling::default() };
    let allowed = known.and_then(|()| site.origins.check(head));
    let action = allowed.and_then(|()| route(head, site)).unwrap_or_else(Action::Answer);
    let body_max = match action {
        Action::Put { .. } => value_max,
        Action::Create { .. } => json_max(value_max),
        _ => IGNORED_MAX,
    };
    let kind = routes::find(head.path).and_then(|route| route.kind(head.method)).unwrap_or(Kind::Other);
    Plan { body_max, kind, value_max, action, telling }
}

fn route(head: &Head<'_>, site: &Site) -> Result<Action, Response> {
    use Method::{Delete, Options, Post, Put};
    if head.method == Options && head.path == "*" {
        return Ok(Action::Answer(options(routes::ALLOW_ALL)));
    }
    let Some(route) = routes::find(head.path) else {
        return Err(no_such_page());
    };
    if route.kind(head.method).is_none() {
        return Err(not_allowed(route.allow));
    }
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
            no_condition(head, &["if-match", "if-none-match"])?;
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
                Delete => {
                    no_condition(head, &["if-none-match"])?;
                    Ok(Action::Delete { key: key(name)?, fields: write_fields(head)? })
                }
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
    let Some(key) = parameter(head, "key")? else { return Ok(Subject::Life) };
    check_key(&key)?;
    Ok(Subject::Key(key.into()))
}

/// The answer to `OPTIONS`.
fn options(methods: &str) -> Response {
    Response::new(Status::NoContent).field("Allow", methods)
}

fn not_allowed(methods: &str) -> Response {
    let detail = format!("This target can be asked with: {methods}.");
    Response::problem(Status::MethodNotAllowed, detail).field("Allow", methods)
}

/// The key that a path names. A slash is part of it, escaped or not.
fn key(name: &str) -> Result<Box<[u8]>, Response> {
    let Some(key) = unescape(name, false) else {
        return Err(bad("The path holds a percent sign without two hexadecimal digits after it: escape it as %25."));
    };
    check_key(&key)?;
    Ok(key.into())
}

fn check_key(key: &[u8]) -> Result<(), Response> {
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
    let from = parameter(head, "from")?;
    let wrong = || bad("from is what an earlier answer gave as next, or the address of a node, ip:port.");
    let from = from.map(|text| Start::parse(&text).ok_or_else(wrong)).transpose()?;
    Ok((from, number(head, "max", WALK_MAX, WALK_MAX)?))
}

fn keys(head: &Head<'_>) -> Result<Action, Response> {
    let after = parameter(head, "after")?;
    after.as_deref().map_or(Ok(()), check_key)?;
    let (after, limit) = (after.map(Vec::into_boxed_slice), number(head, "limit", PAGE, LIST_MAX)?);
    let from = parameter(head, "from")?;
    match parameter(head, "ring")?.as_deref() {
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

impl Plan {
    /// True if the request is refused whatever its body says.
    pub fn is_refusal(&self) -> bool {
        matches!(&self.action, Action::Answer(response) if response.status.code() >= 400)
    }

    /// What is to be told as it happens, if the answer has no end.
    pub fn subject(&self) -> Option<Subject> {
        if let Action::Events(subject) = &self.action { Some(subject.clone()) } else { None }
    }

    /// The answer to a body beyond `body_max`.
    pub fn too_large(&self) -> Response {
        match &self.action {
            // The first thing that is wrong is told.
            Action::Answer(refusal) if self.is_refusal() => refusal.clone(),
            Action::Put { .. } => too_large(self.value_max),
            _ => {
                let detail = format!("The body of this request has at most {} bytes.", self.body_max);
                Response::problem(Status::ContentTooLarge, detail)
            }
        }
    }

    /// An answer with what a browser has to know of who may see it.
    pub fn tell(&self, response: Response) -> Response {
        self.telling.add_to(response)
    }

    /// Does what was asked, with the body that came.
    pub async fn run(self, body: Vec<u8>, node: &Handle) -> Response {
        let response = perform(self.action, body, self.value_max, node).await.unwrap_or_else(|cut| match cut {
            Cut::Answered(response) => response,
            Cut::Gone => {
                let detail = "The node is stopping; whether a write was stored is unknown: ask another node.";
                Response::problem(Status::GatewayTimeout, detail)
            }
        });
        self.telling.add_to(response)
    }
}

async fn perform(action: Action, body: Vec<u8>, value_max: usize, node: &Handle) -> Result<Response, Cut> {
    let failure = |reply| reply::failure(reply, value_max);
    Ok(match action {
        Action::Answer(response) => response,
        Action::Get { key, conditions } => match ask(node, Command::Get { key }).await? {
            Reply::Value { content, version, copies, owner } => {
                let (bytes, kind, expires_ms) = (content.bytes(), content.kind(), content.expires_ms);
                let found = Found { bytes, left_out: 0, kind, expires_ms, version, copies, owner };
                reply::value(&found, conditions.instead(version))
            }
            other => failure(other),
        },
        Action::Glance { key, conditions } => match ask(node, Command::Glance { key }).await? {
            Reply::Seen { version, length, kind, expires_ms, copies, owner } => {
                let found = Found { bytes: &[], left_out: length, kind: &kind, expires_ms, version, copies, owner };
                reply::value(&found, conditions.instead(version))
            }
            other => failure(other),
        },
        Action::Put { key, fields, kind } => {
            let location = format!("/storage/{}", escape(&key));
            let reply = ask(node, put(key, Content::new(body, &kind, 0), fields)).await?;
            reply::written(reply, &location).unwrap_or_else(failure)
        }
        Action::Create { fields } => {
            let Create { key, value } = match create(&body, value_max) {
                Ok(create) => create,
                Err(response) => return Ok(response),
            };
            let location = format!("/storage/{}", escape(key.as_bytes()));
            let content = Content::new(value.into_bytes(), TEXT, 0);
            let reply = ask(node, put(key.into_bytes().into(), content, fields)).await?;
            reply::created(reply, &location).unwrap_or_else(failure)
        }
        Action::Delete { key, fields } => {
            let WriteFields { condition, attempt, min_copies, .. } = fields;
            let reply = ask(node, Command::Delete { key, condition, min_copies, attempt }).await?;
            reply::deleted(reply).unwrap_or_else(failure)
        }
        Action::Keys { after, limit } => Response::json(&json::keys(&node.held(after, limit).await?, limit)),
        Action::RingKeys { from, after, limit } => match ask(node, Command::List { from, after, limit }).await? {
            Reply::Listed { entries, next } => Response::json(&json::ring_keys(&entries, next, limit)),
            other => reply::unlisted(other),
        },
        Action::Metrics(traffic) => metrics::answer(&node.status().await?, &traffic),
        Action::Node => Response::json(&json::node(&node.status().await?)),
        Action::Ring { from, max } => match walk(node, from, max).await? {
            Ok((nodes, next)) => Response::json(&json::ring(&nodes, next)),
            Err(response) => response,
        },
        Action::Picture { from, max } => match walk(node, from, max).await? {
            Ok((nodes, _)) => Response::with_body(Status::Ok, "text/vnd.graphviz", json::dot(&nodes).into_bytes()),
            Err(response) => response,
        },
        Action::Fingers { of } => match ask(node, Command::Fingers { of }).await? {
            Reply::Fingers(found) => fingers::told(found),
            other => failure(other),
        },
        Action::Lookup { key } => {
            let id = Id::of_key(&key);
            match ask(node, Command::Lookup { id }).await? {
                Reply::Owner { owner, arc, path } => Response::json(&json::lookup(id, &owner, arc, &path)),
                other => failure(other),
            }
        }
        // It is told by the connection itself.
        Action::Events(_) => Response::new(Status::NoContent),
        Action::Alive => {
            node.status().await?;
            Response::line(Status::Ok, "alive")
        }
        Action::Ready => reply::readiness(&node.status().await?),
        Action::Order(command) => operator::obeyed(&command, node.ask(command.clone()).await?),
    })
}

type Page = (Vec<RingNode>, Option<Start>);

async fn walk(node: &Handle, from: Option<Start>, max: usize) -> Result<Result<Page, Response>, Cut> {
    let command = Command::Walk { from: from.map(|from| from.addr), max };
    Ok(match ask(node, command).await? {
        Reply::Ring { nodes, next } => walk::page(nodes, next, from.and_then(|from| from.start)),
        other => Err(reply::failure(other, 0)),
    })
}

/// The body of `POST /storage`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    key: String,
    value: String,
}

fn put(key: Box<[u8]>, content: Content, fields: WriteFields) -> Command {
    let WriteFields { condition, attempt, min_copies, ttl_s } = fields;
    Command::Put { key, content, ttl_s, condition, min_copies, attempt }
}

fn create(body: &[u8], value_max: usize) -> Result<Create, Response> {
    let create: Create = serde_json::from_slice(body).map_err(|error| {
        bad(format_args!("The body is to be {{\"key\": \"...\", \"value\": \"...\"}} in JSON: {error}."))
    })?;
    check_key(create.key.as_bytes())?;
    if create.value.len() > value_max {
        return Err(too_large(value_max));
    }
    Ok(create)
}

#[cfg(test)]
mod tests;
