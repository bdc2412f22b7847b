//! What the server can be asked: requests become commands, replies become answers.
//!
//! [`plan`] looks at a request before its body has come, so that a client which waits for `100 Continue` is refused
//! without sending it; [`Plan::run`] does the rest.

use super::conditions::{ReadConditions, no_condition, read_conditions, write_condition};
use super::host::Hosts;
use super::json;
use super::operator;
use super::origin;
use super::parse::{Framing, Head, Method, escape, unescape};
use super::reply;
use super::response::{Response, Status};
use super::walk::{self, Start};
use crate::handle::{Gone, Handle};
use crate::id::Id;
use crate::limits::{KEY_MAX, VALUE_MAX, WALK_MAX};
use crate::node::{Attempt, Command, Reply, RingNode};
use crate::wire::Condition;
use serde::Deserialize;

/// The longest body of `POST /storage`: key and value with every byte escaped as `\u0000`, and what stands around them.
const JSON_MAX: usize = 6 * (KEY_MAX + VALUE_MAX) + 256;

/// The longest body that is read where none is wanted, so that the connection may go on after it.
const IGNORED_MAX: usize = 4096;

/// Keys on one page of `GET /storage`, at most and unless asked for otherwise.
const PAGE_MAX: usize = 1000;
const PAGE: usize = 100;

/// What is to be done about a request.
#[derive(Debug)]
pub struct Plan {
    /// The longest body that the request may have, in bytes.
    pub body_max: usize,
    action: Action,
}

#[derive(Debug)]
enum Action {
    Answer(Response),
    Get { key: Box<[u8]>, conditions: ReadConditions },
    Put { key: Box<[u8]>, condition: Condition, attempt: Option<Attempt> },
    Create { attempt: Option<Attempt> },
    Delete { key: Box<[u8]>, condition: Condition, attempt: Option<Attempt> },
    Keys { after: Option<Box<[u8]>>, limit: usize },
    Node,
    Ring { from: Option<Start>, max: usize },
    Picture { from: Option<Start>, max: usize },
    Lookup { key: Box<[u8]> },
    Alive,
    Ready,
    Order(Command),
}

/// Finds out what a request wants of a node with these names.
pub fn plan(head: &Head<'_>, hosts: &Hosts) -> Plan {
    let allowed = hosts.check(head).and_then(|()| origin::check(head));
    let action = allowed.and_then(|()| route(head)).unwrap_or_else(Action::Answer);
    let body_max = match action {
        Action::Put { .. } => VALUE_MAX,
        Action::Create { .. } => JSON_MAX,
        _ => IGNORED_MAX,
    };
    Plan { body_max, action }
}

fn route(head: &Head<'_>) -> Result<Action, Response> {
    use Method::{Delete, Get, Head as HeadOnly, Post, Put};
    let read = matches!(head.method, Get | HeadOnly);
    let only_read = |action| if read { Ok(action) } else { Err(not_allowed("GET, HEAD")) };
    let order = |command| if head.method == Post { Ok(Action::Order(command)) } else { Err(not_allowed("POST")) };
    match head.path {
        "/" => only_read(Action::Answer(index())),
        "/healthz" => only_read(Action::Alive),
        "/readyz" => only_read(Action::Ready),
        "/leave" => order(Command::Leave),
        "/reopen" => order(Command::Reopen),
        "/node" => only_read(Action::Node),
        "/ring" if read => walk_range(head).map(|(from, max)| Action::Ring { from, max }),
        "/ring.dot" if read => walk_range(head).map(|(from, max)| Action::Picture { from, max }),
        "/ring" | "/ring.dot" => Err(not_allowed("GET, HEAD")),
        "/storage" if read => page(head),
        "/storage" if head.method == Post => {
            has_body(head)?;
            no_condition(head, &["if-match", "if-none-match"])?;
            Ok(Action::Create { attempt: attempt(head)? })
        }
        "/storage" => Err(not_allowed("GET, HEAD, POST")),
        path => {
            if let Some(name) = path.strip_prefix("/lookup/") {
                return if read { Ok(Action::Lookup { key: key(name)? }) } else { Err(not_allowed("GET, HEAD")) };
            }
            let Some(name) = path.strip_prefix("/storage/") else {
                return Err(Response::problem(Status::NotFound, "There is no such page: GET / lists what there is."));
            };
            match head.method {
                Get | HeadOnly => Ok(Action::Get { key: key(name)?, conditions: read_conditions(head)? }),
                Put => {
                    has_body(head)?;
                    let condition = write_condition(head)?;
                    Ok(Action::Put { key: key(name)?, condition, attempt: attempt(head)? })
                }
                Delete => {
                    no_condition(head, &["if-none-match"])?;
                    let condition = write_condition(head)?;
                    Ok(Action::Delete { key: key(name)?, condition, attempt: attempt(head)? })
                }
                _ => Err(not_allowed("GET, HEAD, PUT, DELETE")),
            }
        }
    }
}

pub(super) fn bad(detail: impl std::fmt::Display) -> Response {
    Response::problem(Status::BadRequest, detail)
}

pub(super) fn not_allowed(methods: &str) -> Response {
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

/// The one value of a field that may be given once.
fn once<'a>(head: &Head<'a>, name: &str) -> Result<Option<&'a str>, Response> {
    let mut values = head.values(name);
    let Some(value) = values.next() else { return Ok(None) };
    match (values.next(), str::from_utf8(value)) {
        (None, Ok(text)) => Ok(Some(text)),
        _ => Err(bad(format_args!("Give one {name} field, in ASCII."))),
    }
}

/// The name under which a write is sent, perhaps not for the first time.
fn attempt(head: &Head<'_>) -> Result<Option<Attempt>, Response> {
    if head.values("sky-min-copies").next().is_some() {
        let detail = "Sky-Min-Copies is not supported yet: look at Sky-Copies of the answer instead.";
        return Err(Response::problem(Status::NotImplemented, detail));
    }
    let Some(text) = once(head, "sky-operation")? else { return Ok(None) };
    let attempt = text.parse().map(Attempt::First).or_else(|_| text.parse().map(Attempt::Again));
    let sound = |attempt: &Attempt| !matches!(attempt, Attempt::Again(operation) if !operation.fresh.is_sound());
    attempt.ok().filter(sound).map(Some).ok_or_else(|| {
        let detail = "Sky-Operation is what an answer 504 said, to repeat a write, or 32 random hexadecimal digits, \
                      to name a new one.";
        bad(detail)
    })
}

/// The parameters of a query, unescaped.
fn parameter(head: &Head<'_>, name: &str) -> Result<Option<Vec<u8>>, Response> {
    let mut found = None;
    for part in head.query.split('&').filter(|part| !part.is_empty()) {
        let (known, value) = part.split_once('=').unwrap_or((part, ""));
        let (Some(known), Some(value)) = (unescape(known, true), unescape(value, true)) else {
            return Err(bad(
                "The query holds a percent sign without two hexadecimal digits after it: escape it as %25.",
            ));
        };
        if known == name.as_bytes() && found.replace(value).is_some() {
            return Err(bad(format_args!("Give {name} once.")));
        }
    }
    Ok(found)
}

/// A number from 1 on; what is beyond the highest counts as the highest.
fn number(head: &Head<'_>, name: &str, default: usize, highest: usize) -> Result<usize, Response> {
    let Some(text) = parameter(head, name)? else { return Ok(default) };
    let digits = str::from_utf8(&text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.map(str::parse) {
        Some(Ok(0)) | None => Err(bad(format_args!("{name} is a number from 1 to {highest}."))),
        Some(Ok(number)) => Ok(highest.min(number)),
        Some(Err(_)) if text.is_empty() => Err(bad(format_args!("{name} is a number from 1 to {highest}."))),
        Some(Err(_)) => Ok(highest),
    }
}

fn walk_range(head: &Head<'_>) -> Result<(Option<Start>, usize), Response> {
    let from = parameter(head, "from")?;
    let wrong = || bad("from is what an earlier answer gave as next, or the address of a node, ip:port.");
    let from = from.map(|text| Start::parse(&text).ok_or_else(wrong)).transpose()?;
    Ok((from, number(head, "max", WALK_MAX, WALK_MAX)?))
}

fn page(head: &Head<'_>) -> Result<Action, Response> {
    let after = parameter(head, "after")?;
    after.as_deref().map_or(Ok(()), check_key)?;
    Ok(Action::Keys { after: after.map(Vec::into_boxed_slice), limit: number(head, "limit", PAGE, PAGE_MAX)? })
}

impl Plan {
    /// True if the request is refused whatever its body says.
    pub fn is_refusal(&self) -> bool {
        matches!(&self.action, Action::Answer(response) if response.status.code() >= 400)
    }

    /// The answer to a body beyond `body_max`.
    pub fn too_large(&self) -> Response {
        match &self.action {
            // The first thing that is wrong is told.
            Action::Answer(refusal) if self.is_refusal() => refusal.clone(),
            Action::Put { .. } => too_large(),
            _ => {
                let detail = format!("The body of this request has at most {} bytes.", self.body_max);
                Response::problem(Status::ContentTooLarge, detail)
            }
        }
    }

    /// Does what was asked, with the body that came.
    pub async fn run(self, body: Vec<u8>, node: &Handle) -> Response {
        perform(self.action, body, node).await.unwrap_or_else(|Gone| {
            let detail = "The node is stopping; whether a write was stored is unknown: ask another node.";
            Response::problem(Status::GatewayTimeout, detail)
        })
    }
}

async fn perform(action: Action, body: Vec<u8>, node: &Handle) -> Result<Response, Gone> {
    Ok(match action {
        Action::Answer(response) => response,
        Action::Get { key, conditions } => match node.ask(Command::Get { key }).await? {
            Reply::Value { value, version, copies, owner } => {
                let instead = conditions.instead(version);
                reply::value(value, version, copies, &owner, instead)
            }
            other => reply::failure(other),
        },
        Action::Put { key, condition, attempt } => {
            let location = format!("/storage/{}", escape(&key));
            let command = Command::Put { key, value: body.into(), condition, attempt };
            reply::written(node.ask(command).await?, &location)
        }
        Action::Create { attempt } => {
            let Create { key, value } = match create(&body) {
                Ok(create) => create,
                Err(response) => return Ok(response),
            };
            let location = format!("/storage/{}", escape(key.as_bytes()));
            let (key, value) = (key.into_bytes().into(), value.into_bytes().into());
            let reply = node.ask(Command::Put { key, value, condition: Condition::Absent, attempt }).await?;
            reply::created(reply, &location)
        }
        Action::Delete { key, condition, attempt } => {
            reply::deleted(node.ask(Command::Delete { key, condition, attempt }).await?)
        }
        Action::Keys { after, limit } => Response::json(&json::keys(&node.held(after, limit).await?, limit)),
        Action::Node => Response::json(&json::node(&node.status().await?)),
        Action::Ring { from, max } => match walk(node, from, max).await? {
            Ok((nodes, next)) => Response::json(&json::ring(&nodes, next)),
            Err(response) => response,
        },
        Action::Picture { from, max } => match walk(node, from, max).await? {
            Ok((nodes, _)) => Response::with_body(Status::Ok, "text/vnd.graphviz", json::dot(&nodes).into_bytes()),
            Err(response) => response,
        },
        Action::Lookup { key } => {
            let id = Id::of_key(&key);
            match node.ask(Command::Lookup { id }).await? {
                Reply::Owner { owner, arc, path } => Response::json(&json::lookup(id, &owner, arc, &path)),
                other => reply::failure(other),
            }
        }
        Action::Alive => {
            node.status().await?;
            Response::line(Status::Ok, "alive")
        }
        Action::Ready => reply::readiness(&node.status().await?),
        Action::Order(command) => operator::obeyed(&command, node.ask(command.clone()).await?),
    })
}

type Page = (Vec<RingNode>, Option<Start>);

async fn walk(node: &Handle, from: Option<Start>, max: usize) -> Result<Result<Page, Response>, Gone> {
    let command = Command::Walk { from: from.map(|from| from.addr), max };
    Ok(match node.ask(command).await? {
        Reply::Ring { nodes, next } => walk::page(nodes, next, from.and_then(|from| from.start)),
        other => Err(reply::failure(other)),
    })
}

/// The body of `POST /storage`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    key: String,
    value: String,
}

fn create(body: &[u8]) -> Result<Create, Response> {
    let create: Create = serde_json::from_slice(body).map_err(|error| {
        bad(format_args!("The body is to be {{\"key\": \"...\", \"value\": \"...\"}} in JSON: {error}."))
    })?;
    check_key(create.key.as_bytes())?;
    if create.value.len() > VALUE_MAX {
        return Err(too_large());
    }
    Ok(create)
}

/// The answer to a value beyond the limit.
pub fn too_large() -> Response {
    let detail = format!("A value has at most {VALUE_MAX} bytes: store it in parts.");
    Response::problem(Status::ContentTooLarge, detail)
}

/// `GET /`.
fn index() -> Response {
    Response::with_body(Status::Ok, "text/plain; charset=utf-8", *include_bytes!("index.txt"))
}

#[cfg(test)]
mod tests;
