//! Header fields and parameters that requests have in common.

use super::conditions::write_condition;
use super::parse::{Head, unescape};
use super::response::{Response, Status, bad};
use super::routes::Parameter;
use crate::limits::{Beyond, KIND_MAX, Limited, TTL_MAX_S, grouped};
use crate::node::Attempt;
use crate::wire::Condition;
use std::net::SocketAddr;

/// What the fields of a write say, beside key and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteFields {
    /// `If-Match`, `If-None-Match`.
    pub condition: Condition,
    /// `Sky-Operation`.
    pub attempt: Option<Attempt>,
    /// `Sky-Min-Copies`; none if zero.
    pub min_copies: u8,
    /// `Sky-TTL`; none if zero.
    pub ttl_s: u32,
}

/// Reads them.
pub fn write_fields(head: &Head<'_>) -> Result<WriteFields, Response> {
    let (condition, attempt) = (write_condition(head)?, attempt(head)?);
    // A group has three nodes.
    let min_copies = counted(head, "Sky-Min-Copies", 3)?.unwrap_or(0) as u8;
    Ok(WriteFields { condition, attempt, min_copies, ttl_s: life(head)?.unwrap_or(0) })
}

/// How long the value of a write is to live, in seconds.
fn life(head: &Head<'_>) -> Result<Option<u32>, Response> {
    let digits =
        once(head, "Sky-TTL")?.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    // What is too long for any number is far beyond.
    let given = digits.map(|digits| digits.parse().unwrap_or(u64::MAX)).unwrap_or(0);
    Beyond::check(Limited::Life, given, TTL_MAX_S.into()).map_err(|beyond| refuse(Status::BadRequest, beyond))?;
    counted(head, "Sky-TTL", TTL_MAX_S)
}

/// The media type of a body; empty if that is not said.
pub fn kind<'a>(head: &Head<'a>) -> Result<&'a str, Response> {
    let kind = once(head, "Content-Type")?.unwrap_or_default();
    Beyond::check(Limited::Kind, kind.len() as u64, KIND_MAX as u64)
        .map_err(|beyond| refuse(Status::BadRequest, beyond))?;
    if !is_printable(kind.as_bytes()) {
        return Err(bad("Content-Type is printable ASCII: nothing was changed."));
    }
    Ok(kind)
}

/// The answer to what is beyond a limit.
pub fn refuse(status: Status, beyond: Beyond) -> Response {
    let text = beyond.to_string();
    let (first, rest) = text.split_at_checked(1).unwrap_or_default();
    Response::problem(status, format_args!("{}{rest}: nothing was changed.", first.to_ascii_uppercase()))
}

/// True if the bytes can stand in a field of an answer.
pub fn is_printable(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| (b' '..=b'~').contains(byte))
}

/// The one value of a field that may be given once.
pub fn once<'a>(head: &Head<'a>, name: &str) -> Result<Option<&'a str>, Response> {
    let mut values = head.values(name);
    let Some(value) = values.next() else { return Ok(None) };
    match (values.next(), str::from_utf8(value)) {
        (None, Ok(text)) => Ok(Some(text)),
        _ => Err(bad(format_args!("Give one {name} field, in ASCII."))),
    }
}

/// A field that is a number from 1 on.
fn counted(head: &Head<'_>, name: &str, highest: u32) -> Result<Option<u32>, Response> {
    let Some(text) = once(head, name)? else { return Ok(None) };
    let number = up_to(text, highest as usize);
    number.map(|number| Some(number as u32)).ok_or_else(|| {
        bad(format_args!("{name} is a number from 1 to {}: nothing was changed.", grouped(highest.into())))
    })
}

/// A number from 1 on, as it is written: without a sign, and without a zero before it.
fn up_to(text: &str, highest: usize) -> Option<usize> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|number| is_plain && (1..=highest).contains(number))
}

/// The address of a node, as it shows itself but for the ways to write one of IPv6.
pub fn address(text: &str) -> Option<SocketAddr> {
    let (addr, (_, port)) = (text.parse::<SocketAddr>().ok()?, text.rsplit_once(':')?);
    (up_to(port, u16::MAX.into()).is_some() && !text.contains('%')).then_some(addr)
}

/// The name under which a write is sent, perhaps not for the first time.
fn attempt(head: &Head<'_>) -> Result<Option<Attempt>, Response> {
    let Some(text) = once(head, "Sky-Operation")? else { return Ok(None) };
    let attempt = text.parse().map(Attempt::First).or_else(|_| text.parse().map(Attempt::Again));
    let sound = |attempt: &Attempt| match attempt {
        Attempt::Again(again) => again.fresh.is_sound() && again.to_string().eq_ignore_ascii_case(text),
        Attempt::First(_) => true,
    };
    attempt.ok().filter(sound).map(Some).ok_or_else(|| {
        let detail = "Sky-Operation is what an answer 504 said, to repeat a write, or 32 random hexadecimal digits, \
                      to name a new one.";
        bad(detail)
    })
}

/// The name of a parameter, and its value.
pub type Given = (Vec<u8>, Vec<u8>);

/// All parameters of the query with their values, unescaped, in the order sent.
///
/// # Errors
/// With the answer to an escape that is none.
pub fn parameters(head: &Head<'_>) -> Result<Vec<Given>, Response> {
    let plain = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Some((unescape(name, true)?, unescape(value, true)?))
    };
    let parts = head.query.split('&').filter(|part| !part.is_empty());
    parts
        .map(plain)
        .collect::<Option<_>>()
        .ok_or_else(|| bad("The query holds a percent sign without two hexadecimal digits after it: escape it as %25."))
}

/// The value of a parameter, of which there is one at most: see [`strict`](super::strict).
pub fn parameter(head: &Head<'_>, wanted: &Parameter) -> Result<Option<Vec<u8>>, Response> {
    let found = parameters(head)?.into_iter().find(|(name, _)| name == wanted.name.as_bytes());
    Ok(found.map(|(_, value)| value))
}

/// The value of a parameter that is a number from 1 on.
pub fn number(head: &Head<'_>, wanted: &Parameter, default: usize) -> Result<usize, Response> {
    let Some(text) = parameter(head, wanted)? else { return Ok(default) };
    let highest = wanted.highest.unwrap_or(usize::MAX);
    let number = str::from_utf8(&text).ok().and_then(|text| up_to(text, highest));
    number.ok_or_else(|| {
        bad(format_args!("{} is a number from 1 to {}: nothing was done.", wanted.name, grouped(highest as u64)))
    })
}
