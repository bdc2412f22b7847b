//! A limit that something is beyond, in words: which, how much was given, how much may be.

use alloc::string::{String, ToString};
use core::fmt;

/// What has a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// The value, in bytes: at most [`VALUE_MAX`](super::VALUE_MAX), or what a node takes.
    Value,
    /// The media type of a value, in bytes: at most [`KIND_MAX`](super::KIND_MAX).
    Kind,
    /// The time to live, in seconds: at most [`TTL_MAX_S`](super::TTL_MAX_S).
    Life,
    /// The body of a request, in bytes.
    Body,
}

/// Something is beyond its limit. It shows itself as the beginning of a sentence without a capital letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beyond {
    /// What is.
    pub what: Limited,
    /// How much it is, if that is known.
    pub given: Option<u64>,
    /// The limit, if that is known: other nodes have limits of their own.
    pub limit: Option<u64>,
}

impl Beyond {
    /// So much was given, and so much may be; nothing if it is within the limit.
    pub fn check(what: Limited, given: u64, limit: u64) -> Result<(), Self> {
        if given > limit { Err(Self { what, given: Some(given), limit: Some(limit) }) } else { Ok(()) }
    }
}

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (subject, unit) = match self.what {
            Limited::Value => ("the value has", "byte"),
            Limited::Kind => ("the media type has", "byte"),
            Limited::Life => ("the time to live is", "second"),
            Limited::Body => ("the body has", "byte"),
        };
        let s = if self.given == Some(1) { "" } else { "s" };
        match (self.given.map(grouped), self.limit.map(grouped)) {
            (Some(given), Some(limit)) => write!(f, "{subject} {given} {unit}{s}, the limit is {limit}"),
            (None, Some(limit)) => write!(f, "{subject} more than {limit} {unit}s, the limit"),
            (Some(given), None) => {
                write!(f, "{subject} {given} {unit}{s}, more than the node responsible for the key takes (--max-value)")
            }
            (None, None) => write!(f, "{subject} more {unit}s than the node responsible for the key takes"),
        }
    }
}

/// A number with a comma before each three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_limit_is_named_with_both_numbers() {
        let told = |what, given, limit| Beyond::check(what, given, limit).unwrap_err().to_string();
        assert_eq!(told(Limited::Value, 2_000_000, 1 << 20), "the value has 2,000,000 bytes, the limit is 1,048,576");
        assert_eq!(told(Limited::Kind, 97, 96), "the media type has 97 bytes, the limit is 96");
        assert_eq!(told(Limited::Life, 1_000, 999), "the time to live is 1,000 seconds, the limit is 999");
        assert_eq!(Beyond::check(Limited::Value, 7, 7), Ok(()));
        let unknown = Beyond { what: Limited::Value, given: None, limit: Some(512) };
        assert_eq!(unknown.to_string(), "the value has more than 512 bytes, the limit");
        let elsewhere = Beyond { given: Some(600), limit: None, ..unknown };
        assert!(elsewhere.to_string().starts_with("the value has 600 bytes, more than the node responsible"));
    }

    #[test]
    fn digits_stand_in_threes() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (100_000, "100,000"), (1 << 20, "1,048,576")] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }
}
