//! The target of a request, and the host that it names (RFC 9112, section 3.2; RFC 3986, sections 2 and 3).

use super::parse::{Refusal, bad};
use super::response::Status;
use std::net::Ipv6Addr;

/// It, taken apart.
pub(super) struct Target<'a> {
    /// The host and port that it names, in the absolute form that proxies use.
    pub host: Option<&'a str>,
    /// The path, still escaped; it begins with a slash, or is an asterisk.
    pub path: &'a str,
    /// What follows the question mark, still escaped.
    pub query: &'a str,
}

impl<'a> Target<'a> {
    /// Reads what stands behind the method: an origin form, an absolute form, or an asterisk.
    pub fn read(method: &str, text: &'a str) -> Result<Self, Refusal> {
        if text == "*" {
            let whole = Self { host: None, path: "*", query: "" };
            return if method == "OPTIONS" {
                Ok(whole)
            } else {
                bad("The target * is for OPTIONS alone: name a path.")
            };
        }
        let (host, origin) = if text.starts_with('/') { (None, text) } else { absolute(text)? };
        if !is_uri(origin, b"/:@?") {
            return bad("The target holds a character, or a percent sign alone, that must be escaped as %XX.");
        }
        let (path, query) = origin.split_once('?').unwrap_or((origin, ""));
        let path = match path {
            // What a proxy before this one has to make of it (RFC 9112, section 3.2.4).
            "" if method == "OPTIONS" && origin.is_empty() => "*",
            "" => "/",
            _ => path,
        };
        Ok(Self { host, path, query })
    }
}

/// The host of an absolute form, and what follows it.
fn absolute(text: &str) -> Result<(Option<&str>, &str), Refusal> {
    let Some((scheme, rest)) = text.split_once("://") else { return bad("A target begins with a slash.") };
    let (host, origin) = rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len())).unwrap_or_default();
    // A name is not empty, and there is no user before it (RFC 9110, section 4.2).
    if host.starts_with(':') || host.is_empty() || !is_host(host) {
        return bad("An absolute target names a host, and no user.");
    }
    match scheme {
        _ if scheme.eq_ignore_ascii_case("http") => Ok((Some(host), origin)),
        _ if scheme.eq_ignore_ascii_case("https") => {
            let detail = "This connection is not secured, so no https: target can be asked for: ask for http:.";
            Err(Refusal { status: Status::Misdirected, detail })
        }
        _ => bad("The only scheme of targets here is http."),
    }
}

/// True of a host, perhaps none, and perhaps a port (RFC 9110, section 7.2).
pub(super) fn is_host(text: &str) -> bool {
    let (is_name, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((address, port))) => (address.parse::<Ipv6Addr>().is_ok(), port),
        Some(None) => return false,
        None => {
            let (name, port) = text.split_at_checked(text.find(':').unwrap_or(text.len())).unwrap_or_default();
            (is_uri(name, b""), port)
        }
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    is_name && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// True if all of it is unreserved, a delimiter within a part, escaped, or one of these.
fn is_uri(text: &str, more: &[u8]) -> bool {
    let mut bytes = text.bytes();
    let is_digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit());
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => is_digit(bytes.next()) && is_digit(bytes.next()),
            b'!' | b'$' | b'&'..=b'.' | b';' | b'=' | b'_' | b'~' => true,
            _ => byte.is_ascii_alphanumeric() || more.contains(&byte),
        };
        if !fits {
            return false;
        }
    }
    true
}
