//! Conditional requests (RFC 9110, section 13): the tag of a key is its version.
//!
//! A read is compared here, with as many tags as it lists. A write is compared by the owner of the key, with all that
//! it lists at once: a repetition says the same, and what the owner finds can no longer change.

use super::parse::Head;
use super::response::{Response, Status, bad};
use super::syntax::blanks;
use crate::limits::VERSIONS_MAX;
use crate::wire::{Condition, Version, Versions};

/// `If-Match` and `If-None-Match` of a read, as sent.
#[derive(Debug)]
pub struct ReadConditions {
    matches: Option<Tags>,
    none_match: Option<Tags>,
}

/// What a field lists.
#[derive(Debug)]
enum Tags {
    /// An asterisk, which stands for any.
    Any,
    These(Vec<Tag>),
}

/// An entity tag. Of one that is no version of this store nothing has to be known: no value has it.
#[derive(Clone, Copy, Debug)]
struct Tag {
    is_weak: bool,
    version: Option<Version>,
}

impl Tags {
    /// True if the version is listed; by strong comparison a weak tag is like none (RFC 9110, section 8.8.3.2).
    fn have(&self, version: Version, strongly: bool) -> bool {
        match self {
            Self::Any => true,
            Self::These(list) => list.iter().any(|tag| tag.version == Some(version) && !(strongly && tag.is_weak)),
        }
    }
}

/// What all fields of this name list.
fn tags(head: &Head<'_>, name: &str) -> Result<Option<Tags>, Response> {
    let (mut values, mut list) = (head.values(name).peekable(), Vec::new());
    if values.peek().is_none() {
        return Ok(None);
    }
    if head.values(name).eq([b"*"]) {
        return Ok(Some(Tags::Any));
    }
    match values.try_for_each(|line| read(line, &mut list)) {
        Some(()) if !list.is_empty() => Ok(Some(Tags::These(list))),
        _ => Err(bad(format_args!("{name} holds * or entity tags in double quotes, as ETag gave them."))),
    }
}

/// Reads the entity tags of a line; elements of a list may be empty (RFC 9110, section 5.6.1).
fn read(mut line: &[u8], list: &mut Vec<Tag>) -> Option<()> {
    loop {
        line = blanks(line);
        match line.split_first() {
            None => return Some(()),
            Some((b',', rest)) => line = rest,
            Some(_) => {
                let (is_weak, quoted) = line.strip_prefix(b"W/").map_or((false, line), |quoted| (true, quoted));
                let mut parts = quoted.strip_prefix(b"\"")?.splitn(2, |byte| *byte == b'"');
                let (text, rest) = (parts.next()?, parts.next()?);
                line = blanks(rest);
                let ends = line.is_empty() || line.starts_with(b",");
                if !ends || text.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
                    return None;
                }
                let version = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                list.push(Tag { is_weak, version });
            }
        }
    }
}

/// The conditions of a read.
pub fn read_conditions(head: &Head<'_>) -> Result<ReadConditions, Response> {
    Ok(ReadConditions { matches: tags(head, "If-Match")?, none_match: tags(head, "If-None-Match")? })
}

impl ReadConditions {
    /// What to answer instead of the value in this version, if a condition says so (RFC 9110, section 13.2.2).
    pub fn instead(&self, version: Version) -> Option<Status> {
        if self.matches.as_ref().is_some_and(|tags| !tags.have(version, true)) {
            return Some(Status::PreconditionFailed);
        }
        self.none_match.as_ref().is_some_and(|tags| tags.have(version, false)).then_some(Status::NotModified)
    }
}

/// The condition of a write: `If-Match` and `If-None-Match` hold together. One that cannot hold is left to the owner,
/// who says what the key has, or that there is none.
pub fn write_condition(head: &Head<'_>) -> Result<Condition, Response> {
    let few = |name: &str| match tags(head, name)? {
        Some(Tags::These(list)) if list.len() > VERSIONS_MAX => {
            Err(bad(format_args!("{name} of a write lists at most {VERSIONS_MAX} tags, and nothing was changed.")))
        }
        tags => Ok(tags),
    };
    Ok(match (few("If-Match")?, few("If-None-Match")?) {
        (None, None) => Condition::None,
        (None, Some(Tags::Any)) => Condition::Absent,
        (Some(Tags::Any), None) => Condition::Present,
        (matches @ (None | Some(Tags::Any)), Some(Tags::These(list))) => {
            Condition::NoneOf { versions: fill(list.iter().filter_map(|tag| tag.version)), absent: matches.is_none() }
        }
        (Some(Tags::Any), Some(Tags::Any)) => Condition::OneOf(Versions::default()),
        (Some(Tags::These(list)), excluded) => {
            let strong = list.iter().filter(|tag| !tag.is_weak).filter_map(|tag| tag.version);
            let is_excluded = |version| excluded.as_ref().is_some_and(|excluded| excluded.have(version, false));
            match fill(strong.filter(|version| !is_excluded(*version))) {
                [one, Version::NONE, ..] => Condition::Match(one),
                versions => Condition::OneOf(versions),
            }
        }
    })
}

/// The versions, of which there are few enough.
fn fill(versions: impl Iterator<Item = Version>) -> Versions {
    let mut filled = Versions::default();
    filled.iter_mut().zip(versions).for_each(|(place, version)| *place = version);
    filled
}
