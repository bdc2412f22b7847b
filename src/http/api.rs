//! What the server can be asked: requests become commands, replies become answers.
//!
//! [`plan`] looks at a request before its body has come, so that a client which waits for `100 Continue` is refused
//! without sending it; [`Plan::run`] does the rest.

mod route;

use super::conditions::ReadConditions;
use super::fields::{WriteFields, refuse};
use super::fingers;
use super::json;
use super::metrics;
use super::operator;
use super::origin::Telling;
use super::parse::{Framing, Head, escape};
use super::reply::{self, Found};
use super::response::{Response, Status, bad};
use super::routes;
use super::site::Site;
use super::strict::{Asked, life_hint};
use super::traffic::{Kind, Traffic};
use super::unready::{Cut, ask};
use super::walk::{self, Start};
use crate::handle::Handle;
use crate::id::Id;
use crate::limits::{Beyond, KEY_MAX, Limited};
use crate::node::{Command, Reply, RingNode};
use crate::store::Content;
use route::{check_key, route};
use serde::Deserialize;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

/// The longest body of `POST /storage`: key and value with every byte escaped as `\u0000`, and what stands around them.
const fn json_max(value_max: usize) -> usize {
    6 * (KEY_MAX + value_max) + 256
}

/// The media type of a value that came as text in JSON.
const TEXT: &[u8] = b"text/plain; charset=utf-8";

/// The longest body that is read where none is wanted, so that the connection may go on after it.
const IGNORED_MAX: usize = 4096;

/// What is to be done about a request.
#[derive(Debug)]
pub struct Plan {
    /// The longest body that the request may have, in bytes.
    pub body_max: usize,
    /// What it asks for.
    pub kind: Kind,
    /// The longest value, in bytes.
    value_max: usize,
    /// How the body is delimited.
    framing: Framing,
    /// The target and the method, if there is such a target.
    asked: Option<Asked>,
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
    let target = routes::find(head.path);
    let kind = target.and_then(|route| route.kind(head.method)).unwrap_or(Kind::Other);
    let asked = target.map(|route| Asked::of(head, route));
    Plan { body_max, kind, value_max, framing: head.framing, asked, action, telling }
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
            action => {
                if let Some(Err(unwanted)) = self.asked.map(|asked| asked.check_body(self.framing, b"any")) {
                    return unwanted;
                }
                let what = if matches!(action, Action::Put { .. }) { Limited::Value } else { Limited::Body };
                let given = if let Framing::Length(length) = self.framing { Some(length) } else { None };
                // That number stands for any beyond it.
                let given = given.filter(|length| *length < u64::MAX);
                refuse(Status::ContentTooLarge, Beyond { what, given, limit: Some(self.body_max as u64) })
            }
        }
    }

    /// Minds the body that has come: one that is not as it is to be makes a refusal of the plan.
    pub fn mind(&mut self, body: &[u8]) {
        let refused = self.asked.filter(|_| !self.is_refusal()).map(|asked| asked.check_body(self.framing, body));
        if let Some(Err(refusal)) = refused {
            self.action = Action::Answer(refusal);
        }
    }

    /// An answer with what a browser has to know of who may see it.
    pub fn tell(&self, response: Response) -> Response {
        self.telling.add_to(response)
    }

    /// Does what was asked, with the body that came.
    pub async fn run(mut self, body: Vec<u8>, node: &Handle) -> Response {
        self.mind(&body);
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
    let failure = reply::failure;
    Ok(match action {
        Action::Answer(response) => response,
        Action::Get { key, conditions } => match ask(node, Command::Get { key }).await? {
            Reply::Value { content, left_ms, version, copies, owner } => {
                let (bytes, kind) = (content.shared(), content.kind());
                let found = Found { bytes, left_out: 0, kind, left_ms, version, copies, owner };
                reply::value(&found, conditions.instead(version))
            }
            other => failure(other),
        },
        Action::Glance { key, conditions } => match ask(node, Command::Glance { key }).await? {
            Reply::Seen { version, length, kind, left_ms, copies, owner } => {
                let found =
                    Found { bytes: Arc::default(), left_out: length, kind: &kind, left_ms, version, copies, owner };
                reply::value(&found, conditions.instead(version))
            }
            other => failure(other),
        },
        Action::Put { key, fields, kind } => {
            let location = format!("/storage/{}", escape(&key));
            let length = body.len();
            let reply = ask(node, put(key, Content::new(body, &kind, 0), fields)).await?;
            reply::written(reply, &location).unwrap_or_else(|reply| reply::not_written(reply, length))
        }
        Action::Create { fields } => {
            let Create { key, value } = match create(&body, value_max) {
                Ok(create) => create,
                Err(response) => return Ok(response),
            };
            let location = format!("/storage/{}", escape(key.as_bytes()));
            let (length, content) = (value.len(), Content::new(value.into_bytes(), TEXT, 0));
            let reply = ask(node, put(key.into_bytes().into(), content, fields)).await?;
            reply::created(reply, &location).unwrap_or_else(|reply| reply::not_written(reply, length))
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

fn put(key: Box<[u8]>, content: Content, fields: WriteFields) -> Command {
    let WriteFields { condition, attempt, min_copies, ttl_s } = fields;
    Command::Put { key, content, ttl_s, condition, min_copies, attempt }
}

fn create(body: &[u8], value_max: usize) -> Result<Create, Response> {
    let create: Create = serde_json::from_slice(body).map_err(|error| {
        let error = error.to_string();
        // The name that is not known stands first in quotes of this kind.
        let unknown = error.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
        let hint = unknown.map_or("", life_hint);
        bad(format_args!(
            "The body is to be {{\"key\": \"...\", \"value\": \"...\"}} in JSON: {error}. Nothing was done.{hint}"
        ))
    })?;
    check_key(create.key.as_bytes())?;
    Beyond::check(Limited::Value, create.value.len() as u64, value_max as u64)
        .map_err(|beyond| refuse(Status::ContentTooLarge, beyond))?;
    Ok(create)
}

#[cfg(test)]
mod tests;
