//! A small client of a node's HTTP interface: one connection that is kept, and patience with what passes by itself.

use skynode::http::parse::escape;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// How long one attempt may take: longer than a node takes for any answer.
const ATTEMPT: Duration = Duration::from_secs(20);
/// How long a request is repeated while the node says that it cannot be done now, or does not answer any more.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest pause before a repetition.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Bytes of an answer's header section, and of its body: a page of a thousand keys, escaped.
const HEAD_MAX: u64 = 1 << 16;
const BODY_MAX: usize = 1 << 23;

/// An answer.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The first field of this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// What it says in words, for people.
    pub fn words(&self) -> String {
        let problem = serde_json::from_slice::<serde_json::Value>(&self.body).ok();
        let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str());
        format!("{} {}", self.status, detail.unwrap_or("without a word of explanation"))
    }
}

/// The node cannot be reached, and why.
#[derive(Debug)]
pub struct Unreachable(pub String);

/// What is asked for.
#[derive(Debug, Default)]
pub struct Request<'a> {
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// Whole lines, each with its end.
    pub fields: &'a str,
    /// The name of a write, for its repetitions.
    pub operation: Option<String>,
    pub body: Option<&'a [u8]>,
}

/// A way to one node.
#[derive(Debug)]
pub struct Client {
    node: String,
    stream: Option<(BufReader<TcpStream>, SocketAddr)>,
    /// It was reached once.
    met: bool,
}

/// The path of a key.
pub fn path(key: &[u8]) -> String {
    format!("/storage/{}", escape(key))
}

impl Client {
    pub fn new(node: String) -> Self {
        Self { node, stream: None, met: false }
    }

    /// Asks, and asks again while the node says that it cannot do it now (503), or does not know the outcome (504), or
    /// is gone after it was there. → the last answer.
    ///
    /// # Errors
    /// It is not there.
    pub fn ask(&mut self, mut request: Request<'_>) -> Result<Answer, Unreachable> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let kept = self.stream.is_some();
            let pause = match self.attempt(&request) {
                Ok(answer) if ![503, 504].contains(&answer.status) || Instant::now() >= deadline => return Ok(answer),
                Ok(answer) => {
                    // A write whose outcome is unknown is the same write under this name.
                    if let Some(name) = answer.field("Sky-Operation") {
                        request.operation = Some(name.to_owned());
                    }
                    pause(answer.field("Retry-After"))
                }
                // A node closes a connection that lies idle.
                Err(_) if kept => Duration::ZERO,
                Err(why) if !self.met || Instant::now() >= deadline => {
                    let hint = "name the node to ask with --node host:port or SKY_NODE";
                    return Err(Unreachable(format!("{} cannot be reached: {why}; {hint}", self.node)));
                }
                Err(_) => Duration::from_millis(500),
            };
            std::thread::sleep(pause);
        }
    }

    /// One attempt. After a failure the connection is made anew.
    fn attempt(&mut self, request: &Request<'_>) -> io::Result<Answer> {
        let (mut stream, addr) = match self.stream.take() {
            Some(kept) => kept,
            None => connect(&self.node)?,
        };
        self.met = true;
        stream.get_mut().write_all(&head(request, addr))?;
        stream.get_mut().write_all(request.body.unwrap_or_default())?;
        let answer = read_answer(&mut stream)?;
        if answer.field("Connection").is_none_or(|value| !value.eq_ignore_ascii_case("close")) {
            self.stream = Some((stream, addr));
        }
        Ok(answer)
    }
}

/// How long to wait before the next attempt.
fn pause(retry_after: Option<&str>) -> Duration {
    let seconds = retry_after.and_then(|text| text.parse().ok()).unwrap_or(1);
    Duration::from_secs(seconds).clamp(Duration::from_millis(200), PAUSE_MAX)
}

/// A connection to the node, and the address that it has now.
pub fn connect(node: &str) -> io::Result<(BufReader<TcpStream>, SocketAddr)> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for addr in node.to_socket_addrs()? {
        match TcpStream::connect_timeout(&addr, ATTEMPT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(ATTEMPT))?;
                stream.set_write_timeout(Some(ATTEMPT))?;
                stream.set_nodelay(true)?;
                return Ok((BufReader::new(stream), addr));
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The header section. The host is the address, as a node knows only those names that it was told.
fn head(request: &Request<'_>, addr: SocketAddr) -> Vec<u8> {
    let Request { method, target, fields, operation, body } = request;
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {addr}\r\n{fields}");
    // Writing to a string cannot fail.
    if let Some(name) = operation {
        let _ = write!(text, "Sky-Operation: {name}\r\n");
    }
    if let Some(body) = body {
        let _ = write!(text, "Content-Length: {}\r\n", body.len());
    }
    (text + "\r\n").into_bytes()
}

fn read_answer(stream: &mut impl BufRead) -> io::Result<Answer> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "it does not speak HTTP as a node does");
    let mut lines = stream.by_ref().take(HEAD_MAX);
    let mut line = || -> io::Result<String> {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(wrong)
    };
    let first = line()?;
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).ok_or_else(wrong)?;
    let mut answer = Answer { status, ..Answer::default() };
    loop {
        let line = line()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(wrong)?;
        answer.fields.push((name.to_owned(), value.trim().to_owned()));
    }
    let length = match answer.field("Content-Length") {
        _ if [204, 304].contains(&status) => 0,
        Some(text) => text.parse().ok().filter(|length| *length <= BODY_MAX).ok_or_else(wrong)?,
        None => return Err(wrong()),
    };
    answer.body.resize(length, 0);
    stream.read_exact(&mut answer.body)?;
    Ok(answer)
}

#[cfg(test)]
mod tests;
