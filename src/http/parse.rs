//! Requests of HTTP/1.1 out of bytes, after RFC 9112: a pure function, and strict.
//!
//! What two programs could read in two ways is refused, never guessed at: bare line feeds, folded lines, white space
//! before a colon, two lengths, a length beside chunks. Whatever is wrong is found with the first bytes that show it,
//! so a client that speaks another protocol is not left waiting.

use super::response::Status;
use super::syntax::is_token;
use super::target::{Target, is_host};

/// The longest request line, in bytes (RFC 9112, section 3, recommends no less than 8,000).
pub const LINE_MAX: usize = 8192;

/// The longest header section, in bytes, line ends included. The same bound holds for the trailer of a chunked body.
pub const FIELDS_BYTES_MAX: usize = 8192;

/// Fields of a header section.
pub const FIELDS_MAX: usize = 64;

/// Why a request is refused; the connection cannot go on after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What to answer.
    pub status: Status,
    /// What is wrong, in a sentence.
    pub detail: &'static str,
}

pub(super) const fn bad<T>(detail: &'static str) -> Result<T, Refusal> {
    Err(Refusal { status: Status::BadRequest, detail })
}

/// What is to be done with the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Read all but the body.
    Head,
    /// Create something below the target.
    Post,
    /// Create or replace.
    Put,
    /// Remove.
    Delete,
    /// Tell what the target can be asked with.
    Options,
    /// Any other method; no target here has it.
    Other,
}

impl Method {
    /// All of them, in the order in which `Allow` lists them.
    pub const ALL: [Self; 7] = [Self::Get, Self::Head, Self::Post, Self::Put, Self::Delete, Self::Options, Self::Other];

    /// The word of the request line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other => "another method",
        }
    }
}

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Nothing says that there is one, so there is none.
    Absent,
    /// It has this many bytes; `u64::MAX` stands for any number beyond.
    Length(u64),
    /// It comes in chunks: see [`Chunks`](super::chunks::Chunks).
    Chunked,
}

/// One field of the header section: its name as sent, and its value without white space around it.
pub type Field<'a> = (&'a str, &'a [u8]);

/// A request up to its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// The method.
    pub method: Method,
    /// The host and port that are asked: of the target if it names one, else of `Host`. None in HTTP/1.0 at the most.
    pub host: Option<&'a str>,
    /// The path, still escaped; it begins with a slash, or is an asterisk.
    pub path: &'a str,
    /// What follows the question mark, still escaped.
    pub query: &'a str,
    /// The request is of HTTP/1.0.
    pub old: bool,
    /// The client expects the connection to stay open.
    pub keep_alive: bool,
    /// How the body is delimited.
    pub framing: Framing,
    /// The client sends the body only after `100 Continue`.
    pub expects_continue: bool,
    fields: Vec<Field<'a>>,
}

impl<'a> Head<'a> {
    /// The names of all fields, in the order sent.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.fields.iter().map(|(name, _)| *name)
    }

    /// The values of all fields with this name, in the order sent.
    pub fn values<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'a [u8]> + 'b {
        named(&self.fields, name)
    }
}

fn named<'a, 'b>(fields: &'b [Field<'a>], name: &'b str) -> impl Iterator<Item = &'a [u8]> + 'b {
    fields.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

/// Reads the request that the buffer begins with. → the request and how many bytes it takes, its body not included;
/// `None` if there is more to come.
///
/// # Errors
/// The first thing that is wrong. Where the next request would begin is not known then.
pub fn parse(buffer: &[u8]) -> Result<Option<(Head<'_>, usize)>, Refusal> {
    let mut lines = Lines { rest: buffer, taken: 0 };
    let mut left = LINE_MAX;
    // An empty line before the request is an old client's mistake that the standard asks to forgive.
    let Some(mut line) = lines.next(&mut left, Status::UriTooLong)? else {
        return if lines.begins_like_a_request() { Ok(None) } else { bad("This is not a request of HTTP.") };
    };
    if line.is_empty() {
        let Some(second) = lines.next(&mut left, Status::UriTooLong)? else { return Ok(None) };
        line = second;
    }
    let (method, Target { host, path, query }, old) = request_line(line)?;
    let mut fields = Vec::new();
    let mut left = FIELDS_BYTES_MAX;
    loop {
        match lines.next(&mut left, Status::FieldsTooLarge)? {
            None => return Ok(None),
            Some([]) => break,
            Some(_) if fields.len() == FIELDS_MAX => {
                return Err(Refusal {
                    status: Status::FieldsTooLarge,
                    detail: "A request has at most 64 header fields.",
                });
            }
            Some(line) => fields.push(field(line)?),
        }
    }
    let named = host_field(&fields, old)?;
    let head = Head {
        method,
        host: host.or(named),
        path,
        query,
        old,
        keep_alive: keep_alive(&fields, old),
        framing: framing(&fields, old)?,
        expects_continue: expects_continue(&fields, old)?,
        fields,
    };
    Ok(Some((head, lines.taken)))
}

/// True if a HEAD begins here, understood or not: its answer has no content (RFC 9110, section 9.3.2).
pub fn is_head(buffer: &[u8]) -> bool {
    buffer.strip_prefix(b"\r\n").unwrap_or(buffer).starts_with(b"HEAD ")
}

/// Lines that end in CR LF and nothing else.
pub(super) struct Lines<'a> {
    pub(super) rest: &'a [u8],
    pub(super) taken: usize,
}

impl<'a> Lines<'a> {
    /// The next line without its end; `None` if its end has not come yet. `left` is how many bytes may still come.
    pub(super) fn next(&mut self, left: &mut usize, too_long: Status) -> Result<Option<&'a [u8]>, Refusal> {
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        let length = end.map_or(self.rest.len(), |end| end + 1);
        if length > *left {
            let detail = match too_long {
                Status::UriTooLong => "The request line is longer than 8,192 bytes.",
                Status::FieldsTooLarge => "The header or trailer section is longer than 8,192 bytes.",
                _ => "The line that begins a chunk is longer than 256 bytes.",
            };
            return Err(Refusal { status: too_long, detail });
        }
        let Some((line, rest)) = end.and_then(|end| self.rest.split_at_checked(end + 1)) else { return Ok(None) };
        let Some(line) = line.strip_suffix(b"\r\n") else { return bad("A line ends in a bare line feed: send CR LF.") };
        *left -= length;
        self.rest = rest;
        self.taken += length;
        Ok(Some(line))
    }

    /// False as soon as what has come of the first line cannot become one.
    fn begins_like_a_request(&self) -> bool {
        let line = self.rest.strip_suffix(b"\r").unwrap_or(self.rest);
        let method = line.split(|&byte| byte == b' ').next().unwrap_or(line);
        method.iter().all(|&byte| is_token(byte)) && line.iter().all(|&byte| byte == b' ' || byte.is_ascii_graphic())
    }
}

fn request_line(line: &[u8]) -> Result<(Method, Target<'_>, bool), Refusal> {
    const SHAPE: &str = "A request begins with a line like: GET /storage/key HTTP/1.1";
    // White space, control characters and all beyond ASCII are excluded before anything is cut out.
    let text = match str::from_utf8(line) {
        Ok(text) if text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) => text,
        _ => return bad("The request line holds bytes that must be escaped as %XX."),
    };
    let mut parts = text.split(' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return bad(SHAPE);
    };
    if method.is_empty() || !method.bytes().all(is_token) {
        return bad(SHAPE);
    }
    let old = match version.as_bytes() {
        b"HTTP/1.0" => true,
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor] if minor.is_ascii_digit() => false,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            return Err(Refusal { status: Status::VersionNotSupported, detail: "Use HTTP/1.1." });
        }
        _ => return bad(SHAPE),
    };
    if method == "CONNECT" {
        return Err(Refusal { status: Status::NotImplemented, detail: "This is no proxy: it connects to nothing." });
    }
    let known = Method::ALL.into_iter().find(|known| known.name() == method).unwrap_or(Method::Other);
    Ok((known, Target::read(method, target)?, old))
}

/// One line of a header or trailer section.
pub(super) fn field(line: &[u8]) -> Result<Field<'_>, Refusal> {
    if line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
        return bad("A header field is folded over two lines: write it on one.");
    }
    let Some(colon) = line.iter().position(|&byte| byte == b':') else { return bad("A header field has no colon.") };
    let (name, value) = (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default());
    let name = match str::from_utf8(name) {
        Ok(text) if !text.is_empty() && text.bytes().all(is_token) => text,
        _ if name.last().is_some_and(u8::is_ascii_whitespace) => {
            return bad("There is white space between a header field's name and its colon.");
        }
        _ => return bad("A header field's name is empty or holds a character that names cannot have."),
    };
    if value.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t') {
        return bad("A header field's value holds a control character.");
    }
    Ok((name, value.trim_ascii()))
}

/// The value of the `Host` field. It is checked also where the target names another host.
fn host_field<'a>(fields: &[Field<'a>], old: bool) -> Result<Option<&'a str>, Refusal> {
    let mut hosts = named(fields, "host");
    match (hosts.next(), hosts.next()) {
        (None, _) if old => Ok(None),
        (None, _) => bad("A request of HTTP/1.1 has a Host field."),
        (_, Some(_)) => bad("A request has one Host field, not several."),
        (Some(host), None) => match str::from_utf8(host) {
            Ok(host) if is_host(host) => Ok(Some(host)),
            _ => bad("The Host field is not a host and a port."),
        },
    }
}

/// The elements of a list over all fields of this name, empty ones included: a length or a coding beside nothing is not
/// guessed at.
fn elements<'a, 'b>(fields: &'b [Field<'a>], name: &'b str) -> impl Iterator<Item = &'a [u8]> + 'b {
    named(fields, name).flat_map(|value| value.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii)
}

fn keep_alive(fields: &[Field<'_>], old: bool) -> bool {
    let says = |option: &str| elements(fields, "connection").any(|said| said.eq_ignore_ascii_case(option.as_bytes()));
    !says("close") && (!old || says("keep-alive"))
}

fn framing(fields: &[Field<'_>], old: bool) -> Result<Framing, Refusal> {
    let length = length(fields)?;
    let mut codings = elements(fields, "transfer-encoding");
    let Some(coding) = codings.next() else { return Ok(length.map_or(Framing::Absent, Framing::Length)) };
    if length.is_some() {
        return bad("Content-Length and Transfer-Encoding exclude each other.");
    }
    if old {
        return bad("HTTP/1.0 has no Transfer-Encoding.");
    }
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    match (is_chunked(coding), codings.last()) {
        (true, None) => Ok(Framing::Chunked),
        (false, Some(last)) if is_chunked(last) => {
            Err(Refusal { status: Status::NotImplemented, detail: "The only transfer coding here is: chunked" })
        }
        _ => bad("The last transfer coding is chunked, and it is applied once."),
    }
}

fn length(fields: &[Field<'_>]) -> Result<Option<u64>, Refusal> {
    let mut length = None;
    for text in elements(fields, "content-length") {
        if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
            return bad("Content-Length is a number of bytes.");
        }
        let digit = |sum: u64, &byte: &u8| sum.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
        let number = text.iter().fold(0, digit);
        if length.is_some_and(|before| before != number) {
            return bad("There are two different Content-Length fields.");
        }
        length = Some(number);
    }
    Ok(length)
}

fn expects_continue(fields: &[Field<'_>], old: bool) -> Result<bool, Refusal> {
    let mut expectations = elements(fields, "expect").filter(|said| !said.is_empty()).peekable();
    if expectations.peek().is_none() {
        return Ok(false);
    }
    if expectations.all(|said| said.eq_ignore_ascii_case(b"100-continue")) {
        // HTTP/1.0 has no interim answers; its clients send the body unasked.
        return Ok(!old);
    }
    Err(Refusal { status: Status::ExpectationFailed, detail: "The only expectation here is: 100-continue" })
}

/// Takes the escapes out of a path, or out of a part of a query, where a plus sign stands for a space. `None` if an
/// escape is not a percent sign and two hexadecimal digits.
pub fn unescape(text: &str, is_query: bool) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => (digit(bytes.next()?)? << 4) | digit(bytes.next()?)?,
            b'+' if is_query => b' ',
            _ => byte,
        });
    }
    Some(plain)
}

/// Escapes all but the characters that never need it, so that the text can stand in a path or in a query.
pub fn escape(plain: &[u8]) -> String {
    let mut text = String::with_capacity(plain.len());
    for &byte in plain {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests;
