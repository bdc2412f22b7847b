//! Conditional requests (RFC 9110, section 13): the tag of a key is its version.
//!
//! A read may list as many tags as it likes, since they are compared here. A write is compared by the owner of the key,
//! who takes one condition.

use super::parse::Head;
use super::response::{Response, Status, bad};
use crate::wire::{Condition, Version};

/// `If-Match` and `If-None-Match` of a read, as sent.
#[derive(Debug, Default)]
pub struct ReadConditions {
    matches: Option<Tags>,
    none_match: Option<Tags>,
}

/// Entity tags: `None` is the asterisk, which stands for any.
type Tags = Option<Vec<Tag>>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tag {
    weak: bool,
    text: String,
}

/// Entity tags of a field: an asterisk, or a list of quoted texts, perhaps weak ones.
fn tags(head: &Head<'_>, name: &str) -> Result<Option<Tags>, Response> {
    let mut list = Vec::new();
    let mut any = false;
    let mut values = head.values(name).peekable();
    if values.peek().is_none() {
        return Ok(None);
    }
    let wrong = || bad(format_args!("{name} holds * or entity tags in double quotes, as ETag gave them."));
    for value in values {
        let mut rest = str::from_utf8(value).map_err(|_| wrong())?;
        if rest == "*" {
            any = true;
            continue;
        }
        while !rest.is_empty() {
            let (weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |quoted| (true, quoted));
            let (text, after) = quoted.strip_prefix('"').and_then(|quoted| quoted.split_once('"')).ok_or_else(wrong)?;
            list.push(Tag { weak, text: text.to_owned() });
            let after = after.trim_start();
            rest = match after.strip_prefix(',') {
                Some(next) => next.trim_start(),
                None if after.is_empty() => after,
                None => return Err(wrong()),
            };
        }
    }
    match (any, list.is_empty()) {
        (true, true) => Ok(Some(None)),
        (false, false) => Ok(Some(Some(list))),
        _ => Err(wrong()),
    }
}

/// The conditions of a read.
pub fn read_conditions(head: &Head<'_>) -> Result<ReadConditions, Response> {
    Ok(ReadConditions { matches: tags(head, "If-Match")?, none_match: tags(head, "If-None-Match")? })
}

impl ReadConditions {
    /// What to answer instead of the value in this version, if a condition says so (RFC 9110, section 13.2.2).
    pub fn instead(&self, version: Version) -> Option<Status> {
        let tag = version.to_string();
        let listed = |tags: &Tags, strong: bool| match tags {
            None => true,
            Some(list) => list.iter().any(|known| known.text == tag && !(strong && known.weak)),
        };
        if self.matches.as_ref().is_some_and(|tags| !listed(tags, true)) {
            return Some(Status::PreconditionFailed);
        }
        self.none_match.as_ref().is_some_and(|tags| listed(tags, false)).then_some(Status::NotModified)
    }
}

/// The condition of a write: `If-Match` with one strong tag or `*`, or `If-None-Match: *`.
pub fn write_condition(head: &Head<'_>) -> Result<Condition, Response> {
    match (tags(head, "If-Match")?, tags(head, "If-None-Match")?) {
        (None, None) => Ok(Condition::None),
        (Some(_), Some(_)) => Err(bad("If-Match and If-None-Match exclude each other in a write: send one of them.")),
        (None, Some(None)) => Ok(Condition::Absent),
        (None, Some(Some(_))) => Err(bad("If-None-Match of a write is *: to replace a known version use If-Match.")),
        (Some(None), None) => Ok(Condition::Present),
        (Some(Some(list)), None) => match list.as_slice() {
            [Tag { weak: false, text }] => text.parse().map(Condition::Match).map_err(|_| {
                let detail =
                    "The tag of If-Match is no version of this store, so it matches nothing: GET the key for its ETag.";
                Response::problem(Status::PreconditionFailed, detail)
            }),
            [_] => Err(bad("If-Match of a write needs a strong tag: leave out the W/.")),
            _ => Err(bad("If-Match of a write holds one tag, not several.")),
        },
    }
}
