//! What is not understood is refused, not passed over, wherever it could have meant something: a parameter that nobody
//! reads might have chosen keys, a field that nobody reads might have been a condition or an end, and a body that
//! nobody reads might have named another node. What a standard lets every server pass over, and what does no harm,
//! passes: `Range`, a date in the condition of a read, preferences.

use super::fields::parameters;
use super::origin::is_preflight;
use super::parse::{Framing, Head, Method};
use super::response::{Response, Status, bad};
use super::routes::{Ask, Parameter, Query, Route};
use std::fmt;

/// Characters of a name that an answer repeats.
const SHOWN_MAX: usize = 64;

/// Fields that say that another method is meant than that of the request line.
const OVERRIDES: [&str; 3] = ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"];

/// What is asked for, as people write it: `PUT /storage/{key}`.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    method: Method,
    path: &'static str,
    takes_body: bool,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.name(), self.path)
    }
}

impl Asked {
    /// Of this target, with the method of this request.
    pub fn of(head: &Head<'_>, route: &Route) -> Self {
        let takes_body = route.ask(head.method).is_some_and(|ask| ask.takes_body);
        Self { method: head.method, path: route.path, takes_body }
    }

    /// Refuses a body that has come and that means nothing, or that is empty without having been said to be.
    ///
    /// # Errors
    /// With the answer that refuses.
    pub fn check_body(self, framing: Framing, body: &[u8]) -> Result<(), Response> {
        match (self.takes_body, body.is_empty()) {
            (false, false) => Err(self.no_body()),
            (true, true) if self.method == Method::Put && framing == Framing::Chunked => {
                // What a command that failed has written is sent like this, and is not to replace a value.
                let detail = "The value is empty, and nothing was changed: send Content-Length: 0 where an empty value \
                              is meant.";
                Err(Response::problem(Status::LengthRequired, detail))
            }
            _ => Ok(()),
        }
    }

    fn no_body(self) -> Response {
        bad(format_args!("{self} takes no body, and nothing was done: leave it out."))
    }
}

/// Refuses what this target does not understand of a request up to its body.
///
/// # Errors
/// With the answer that refuses.
pub fn check(head: &Head<'_>, route: &Route) -> Result<(), Response> {
    let (asked, ask) = (Asked::of(head, route), route.ask(head.method));
    match ask {
        Some(Ask { query: Query::Any, .. }) => {}
        Some(Ask { query: Query::Of(known), fields, .. }) => {
            check_query(head, &asked.to_string(), known, fields.contains(&"Sky-TTL"))?;
        }
        // A browser asks so before it sends a request, and shows its page nothing of a refusal; that of the request
        // itself it shows.
        None if is_preflight(head) || route.asks.iter().any(|ask| matches!(ask.query, Query::Any)) => {}
        None => {
            let known = |ask: &Ask| if let Query::Of(known) = ask.query { known } else { &[] };
            let known: Vec<Parameter> = route.asks.iter().flat_map(known).copied().collect();
            check_query(head, &asked.to_string(), &known, false)?;
        }
    }
    let fields: &[&'static str] = ask.map_or(&[], |ask| ask.fields);
    head.names().try_for_each(|name| check_field(head, asked, fields, name))?;
    match head.framing {
        Framing::Length(1..) if !asked.takes_body => Err(asked.no_body()),
        _ => Ok(()),
    }
}

fn check_query(head: &Head<'_>, asked: &str, known: &[Parameter], takes_ttl: bool) -> Result<(), Response> {
    let mut found: Vec<&str> = Vec::new();
    for (name, _) in parameters(head)? {
        let Some(known) = known.iter().find(|known| known.name.as_bytes() == name) else {
            let list = list(known.iter().map(|known| known.name));
            let name = String::from_utf8_lossy(&name);
            let mut text = format!("{asked} takes no parameter {:?}: it takes {list}. Nothing was done.", cut(&name));
            if takes_ttl {
                text += life_hint(&name);
            }
            if asked.ends_with("{key}") {
                text += " A question mark that is part of a key is written %3F.";
            }
            return Err(bad(text));
        };
        if found.contains(&known.name) {
            return Err(bad(format_args!("{} is given twice, and nothing was done: give it once.", known.name)));
        }
        found.push(known.name);
    }
    Ok(())
}

/// Where somebody looks for the time to live, and where it is.
pub fn life_hint(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    let is_life = name.contains("ttl") || name.starts_with("expir") || ["ex", "px", "lifetime"].contains(&&*name);
    if is_life { " How many seconds a value lives is said by the header field Sky-TTL." } else { "" }
}

fn check_field(head: &Head<'_>, asked: Asked, known: &[&'static str], name: &str) -> Result<(), Response> {
    let is = |other: &str| other.eq_ignore_ascii_case(name);
    if known.iter().any(|known| is(known)) {
        return Ok(());
    }
    let own = |start: &str| list(known.iter().copied().filter(|known| known.starts_with(start)));
    let shown = cut(name);
    if is_sky(name) {
        let list = own("Sky-");
        let text = format!("{asked} takes no field {shown}: of those of Sky it takes {list}. Nothing was done.");
        return Err(bad(text));
    }
    if OVERRIDES.iter().any(|name| is(name)) {
        return Err(bad(format_args!(
            "The method is that of the request line, and nothing was done: send the one that is meant, without {shown}."
        )));
    }
    let changes = matches!(asked.method, Method::Put | Method::Post | Method::Delete);
    if changes && is("Content-Range") {
        let detail =
            "A part of a value cannot be written, and nothing was done: send the whole, without Content-Range.";
        return Err(bad(detail));
    }
    if changes && is_condition(name) && !is_weaker(head, known, name) {
        let list = own("If-");
        let dates = if is("If-Unmodified-Since") || is("If-Modified-Since") {
            " Values have versions here and no dates: see ETag."
        } else {
            ""
        };
        let text = format!("{asked} cannot depend on {shown}: of conditions it takes {list}. Nothing was done.{dates}");
        return Err(bad(text));
    }
    if asked.takes_body && is("Content-Encoding") && !head.values(name).all(is_identity) {
        let detail = "A value in a content coding could not be given back as what it is, and nothing was done: send it \
                      as it is, or without Content-Encoding, with a Content-Type as application/gzip.";
        return Err(Response::problem(Status::UnsupportedMediaType, detail).field("Accept-Encoding", "identity"));
    }
    Ok(())
}

/// True of a field of Sky's own, and of what somebody takes for one.
fn is_sky(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix("x-").unwrap_or(&name);
    name.strip_prefix("sky").is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

fn is_condition(name: &str) -> bool {
    name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("if"))
        && matches!(name.as_bytes().get(2), None | Some(b'-'))
}

/// True of a condition with a date beside the same with a version, which then counts alone (RFC 9110, section 13.2.2).
fn is_weaker(head: &Head<'_>, known: &[&str], name: &str) -> bool {
    [("if-unmodified-since", "If-Match"), ("if-modified-since", "If-None-Match")].iter().any(|(weaker, stronger)| {
        weaker.eq_ignore_ascii_case(name) && known.contains(stronger) && head.values(stronger).next().is_some()
    })
}

fn is_identity(codings: &[u8]) -> bool {
    let mut codings = codings.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"))
}

/// True of a field that would have meant something before the body and comes behind it, where nobody looks for it.
pub fn is_late(name: &str) -> bool {
    is_sky(name)
        || is_condition(name)
        || ["content-range", "content-encoding"].iter().any(|late| late.eq_ignore_ascii_case(name))
}

/// The beginning of a name that is no longer than an answer repeats.
fn cut(name: &str) -> String {
    let mut chars = name.chars();
    let mut start: String = chars.by_ref().take(SHOWN_MAX).collect();
    if chars.next().is_some() {
        start.push('…');
    }
    start
}

/// Names as people list them.
fn list(names: impl DoubleEndedIterator<Item = &'static str>) -> String {
    let mut names = names.rev();
    let Some(last) = names.next() else { return String::from("none") };
    let before: Vec<&str> = names.rev().collect();
    if before.is_empty() { last.to_owned() } else { format!("{} and {last}", before.join(", ")) }
}
