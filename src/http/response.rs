//! Answers, and how they look on the line.

use super::date;
use super::parse::Refusal;
use serde::Serialize;
use std::fmt::{Display, Write as _};
use std::sync::Arc;

macro_rules! statuses {
    ($($name:ident = $code:literal $reason:literal,)*) => {
        /// The statuses that this server answers with (RFC 9110, section 15; RFC 4918 for 507).
        #[allow(missing_docs, reason = "a status says what it means by its name")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Status {
            $($name = $code,)*
        }

        impl Status {
            /// The words that stand for it.
            pub const fn reason(self) -> &'static str {
                match self {
                    $(Self::$name => $reason,)*
                }
            }
        }
    };
}

statuses! {
    Ok = 200 "OK",
    Created = 201 "Created",
    Accepted = 202 "Accepted",
    NoContent = 204 "No Content",
    NotModified = 304 "Not Modified",
    BadRequest = 400 "Bad Request",
    Forbidden = 403 "Forbidden",
    NotFound = 404 "Not Found",
    MethodNotAllowed = 405 "Method Not Allowed",
    RequestTimeout = 408 "Request Timeout",
    Conflict = 409 "Conflict",
    LengthRequired = 411 "Length Required",
    PreconditionFailed = 412 "Precondition Failed",
    ContentTooLarge = 413 "Content Too Large",
    UriTooLong = 414 "URI Too Long",
    UnsupportedMediaType = 415 "Unsupported Media Type",
    ExpectationFailed = 417 "Expectation Failed",
    Misdirected = 421 "Misdirected Request",
    Unprocessable = 422 "Unprocessable Content",
    FieldsTooLarge = 431 "Request Header Fields Too Large",
    InternalServerError = 500 "Internal Server Error",
    NotImplemented = 501 "Not Implemented",
    ServiceUnavailable = 503 "Service Unavailable",
    GatewayTimeout = 504 "Gateway Timeout",
    VersionNotSupported = 505 "HTTP Version Not Supported",
    InsufficientStorage = 507 "Insufficient Storage",
}

impl Status {
    /// The number.
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// True if an answer with this status never has a body, nor a length.
    const fn is_bare(self) -> bool {
        matches!(self, Self::NoContent | Self::NotModified)
    }
}

/// Bodies up to this length, in bytes, are sent in one piece with what stands before them.
const COPIED_MAX: usize = 4096;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: Status,
    /// Its fields, save those that belong to the connection.
    pub fields: Vec<(&'static str, String)>,
    /// Its body. All who are sent the same value share it.
    pub body: Arc<[u8]>,
    /// Bytes of the body that are not here; an answer to HEAD needs their number alone.
    pub left_out: usize,
}

impl Response {
    /// An answer without a body.
    pub fn new(status: Status) -> Self {
        Self { status, fields: Vec::new(), body: Arc::default(), left_out: 0 }
    }

    /// An answer with a body of this type.
    pub fn with_body(status: Status, content_type: &str, body: impl Into<Arc<[u8]>>) -> Self {
        let response = Self { body: body.into(), ..Self::new(status) };
        response.field("Content-Type", content_type)
    }

    /// An answer in a line of plain text.
    pub fn line(status: Status, text: &str) -> Self {
        Self::with_body(status, "text/plain; charset=utf-8", format!("{text}\n").into_bytes())
    }

    /// An answer in JSON.
    pub fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(mut text) => {
                text.push(b'\n');
                Self::with_body(Status::Ok, "application/json", text)
            }
            Err(error) => {
                Self::problem(Status::InternalServerError, format!("The answer could not be written: {error}."))
            }
        }
    }

    /// An error after RFC 9457. The detail is a sentence that says what happened and what to do.
    pub fn problem(status: Status, detail: impl Display) -> Self {
        Self::problem_of("about:blank", status, detail)
    }

    /// The same of a type of its own, which tells it from others with the status.
    pub fn problem_of(kind: &'static str, status: Status, detail: impl Display) -> Self {
        #[derive(Serialize)]
        struct Problem {
            #[serde(rename = "type")]
            kind: &'static str,
            title: &'static str,
            status: u16,
            detail: String,
        }
        let problem = Problem { kind, title: status.reason(), status: status.code(), detail: detail.to_string() };
        let mut text = serde_json::to_vec(&problem).unwrap_or_default();
        text.push(b'\n');
        Self::with_body(status, "application/problem+json", text)
    }

    /// The same with one more field.
    pub fn field(mut self, name: &'static str, value: impl Display) -> Self {
        self.fields.push((name, value.to_string()));
        self
    }

    /// Appends the answer to `out` as it goes over the line, but for a long body. → that, to be sent behind it.
    pub fn write(&self, out: &mut Vec<u8>, line: Line) -> Arc<[u8]> {
        debug_assert!(line.head_only || self.left_out == 0, "a body is announced that does not come");
        self.write_head(out, line, (!self.status.is_bare()).then_some(self.body.len() + self.left_out));
        match &self.body {
            _ if line.head_only || self.status.is_bare() => {}
            long if long.len() > COPIED_MAX => return Arc::clone(long),
            short => out.extend_from_slice(short),
        }
        Arc::default()
    }

    /// Appends the beginning of an answer that goes on until its connection is closed.
    pub fn write_endless(&self, out: &mut Vec<u8>, line: Line) {
        self.write_head(out, Line { keep_alive: None, ..line }, None);
    }

    fn write_head(&self, out: &mut Vec<u8>, line: Line, length: Option<usize>) {
        let mut head = String::with_capacity(256);
        // Writing to a string cannot fail.
        let _ = write!(head, "HTTP/1.1 {} {}\r\n", self.status.code(), self.status.reason());
        let _ = write!(head, "Date: {}\r\n", date::Http(line.unix_time));
        for (name, value) in &self.fields {
            debug_assert!(!value.contains(['\r', '\n']), "{name} holds a line end");
            let _ = write!(head, "{name}: {value}\r\n");
        }
        // What else is told is the state of a moment, also that there is no such key: nobody may tell it again later.
        if self.fields.iter().all(|(name, _)| *name != "Cache-Control") {
            head.push_str("Cache-Control: no-store\r\n");
        }
        if let Some(length) = length {
            let _ = write!(head, "Content-Length: {length}\r\n");
        }
        let _ = match line.keep_alive {
            None => write!(head, "Connection: close\r\n\r\n"),
            Some(kept_s) => write!(head, "Connection: keep-alive\r\nKeep-Alive: timeout={kept_s}\r\n\r\n"),
        };
        out.extend_from_slice(head.as_bytes());
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        Self::problem(refusal.status, refusal.detail)
    }
}

/// What the line between client and server asks of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The body is left out: the request was HEAD.
    pub head_only: bool,
    /// For how many seconds the connection stays open after it, if it does.
    pub keep_alive: Option<u64>,
    /// The wall clock, in seconds since 1970.
    pub unix_time: u64,
}

/// The answer to a request that cannot be meant. The detail is a sentence that says what is wrong and what to do.
pub fn bad(detail: impl Display) -> Response {
    Response::problem(Status::BadRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(response: &Response, line: Line) -> String {
        let mut out = Vec::new();
        response.write(&mut out, line);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_problem_says_what_and_how_in_json() {
        let problem = text(&Response::problem(Status::NotFound, "Nothing is here."), Line::default());
        let (head, body) = problem.split_once("\r\n\r\n").unwrap();
        assert_eq!(
            head,
            "HTTP/1.1 404 Not Found\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: \
             application/problem+json\r\nCache-Control: no-store\r\nContent-Length: 84\r\nConnection: close"
        );
        assert_eq!(
            body,
            "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\"detail\":\"Nothing is here.\"}\n"
        );
        assert_eq!(body.len(), 84);
    }

    #[test]
    fn a_head_has_the_length_of_the_body_that_it_leaves_out() {
        let response = Response::with_body(Status::Ok, "text/plain", *b"hello");
        let line = Line { head_only: true, keep_alive: Some(75), unix_time: 0 };
        let text = text(&response, line);
        assert!(
            text.ends_with("Content-Length: 5\r\nConnection: keep-alive\r\nKeep-Alive: timeout=75\r\n\r\n"),
            "{text}"
        );
    }

    #[test]
    fn an_answer_without_content_has_no_length() {
        for status in [Status::NoContent, Status::NotModified] {
            let text = text(&Response::new(status), Line::default());
            assert!(text.ends_with("GMT\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"), "{text}");
        }
    }
}
