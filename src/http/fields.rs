//! Header fields and parameters that requests have in common.

use super::conditions::write_condition;
use super::parse::{Head, unescape};
use super::response::{Response, bad};
use crate::limits::{KIND_MAX, TTL_MAX_S};
use crate::node::Attempt;
use crate::wire::Condition;

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
    let min_copies = counted(head, "sky-min-copies", 3)?.unwrap_or(0) as u8;
    Ok(WriteFields { condition, attempt, min_copies, ttl_s: counted(head, "sky-ttl", TTL_MAX_S)?.unwrap_or(0) })
}

/// The media type of a body; empty if that is not said.
pub fn kind<'a>(head: &Head<'a>) -> Result<&'a str, Response> {
    let kind = once(head, "content-type")?.unwrap_or_default();
    if kind.len() > KIND_MAX || !is_printable(kind.as_bytes()) {
        return Err(bad(format_args!("Content-Type has at most {KIND_MAX} bytes of ASCII.")));
    }
    Ok(kind)
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
    let digits = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten().filter(|number| (1..=highest).contains(number));
    number.map(Some).ok_or_else(|| bad(format_args!("{name} is a number from 1 to {highest}.")))
}

/// The name under which a write is sent, perhaps not for the first time.
fn attempt(head: &Head<'_>) -> Result<Option<Attempt>, Response> {
    let Some(text) = once(head, "sky-operation")? else { return Ok(None) };
    let attempt = text.parse().map(Attempt::First).or_else(|_| text.parse().map(Attempt::Again));
    let sound = |attempt: &Attempt| !matches!(attempt, Attempt::Again(operation) if !operation.fresh.is_sound());
    attempt.ok().filter(sound).map(Some).ok_or_else(|| {
        let detail = "Sky-Operation is what an answer 504 said, to repeat a write, or 32 random hexadecimal digits, \
                      to name a new one.";
        bad(detail)
    })
}

/// A parameter of the query, unescaped.
pub fn parameter(head: &Head<'_>, name: &str) -> Result<Option<Vec<u8>>, Response> {
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

/// A parameter that is a number from 1 on; what is beyond the highest counts as the highest.
pub fn number(head: &Head<'_>, name: &str, default: usize, highest: usize) -> Result<usize, Response> {
    let Some(text) = parameter(head, name)? else { return Ok(default) };
    let digits = str::from_utf8(&text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.map(str::parse) {
        Some(Ok(0)) | None => Err(bad(format_args!("{name} is a number from 1 to {highest}."))),
        Some(Ok(number)) => Ok(highest.min(number)),
        Some(Err(_)) if text.is_empty() => Err(bad(format_args!("{name} is a number from 1 to {highest}."))),
        Some(Err(_)) => Ok(highest),
    }
}
