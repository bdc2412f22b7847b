//! A small HTTP client that shows everything and hides nothing.

use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Longer than a node ever takes, one that is stopped for a while included.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that is kept, and made anew when it was closed.
pub struct Client {
    pub addr: SocketAddr,
    stream: Option<TcpStream>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("text")
    }
}

impl Client {
    pub fn new(addr: SocketAddr) -> Self {
        Self { addr, stream: None }
    }

    /// Asks; an error if the node is not there or went away meanwhile.
    pub fn try_ask(&mut self, method: &str, target: &str, fields: &str, body: Option<&[u8]>) -> io::Result<Answer> {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n{fields}", self.addr).into_bytes();
        if let Some(body) = body {
            request.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body.unwrap_or_default());
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.addr)?,
        };
        stream.write_all(&request)?;
        let answer = read_answer(&mut stream, method == "HEAD")?;
        if answer.field("Connection") != Some("close") {
            self.stream = Some(stream);
        }
        Ok(answer)
    }

    pub fn ask(&mut self, method: &str, target: &str, fields: &str, body: Option<&[u8]>) -> Answer {
        self.try_ask(method, target, fields, body).unwrap_or_else(|error| panic!("{method} {target}: {error}"))
    }

    pub fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, "", None)
    }

    pub fn put(&mut self, key: &str, value: &[u8]) -> Answer {
        self.ask("PUT", &format!("/storage/{key}"), "", Some(value))
    }
}

pub fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&addr, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends these bytes, and returns all that comes until the node closes. An answer without an end is none.
pub fn exchange(addr: SocketAddr, text: &[u8]) -> String {
    let mut stream = connect(addr).expect("the node listens");
    stream.write_all(text).expect("the node reads");
    let (mut answer, mut part, begun) = (Vec::new(), [0; 4096], Instant::now());
    loop {
        match stream.read(&mut part).expect("the node answers and closes") {
            0 => return String::from_utf8_lossy(&answer).into_owned(),
            length => answer.extend_from_slice(&part[..length]),
        }
        assert!(begun.elapsed() < TIMEOUT, "no end of: {}", String::from_utf8_lossy(&answer));
    }
}

fn read_line(stream: &mut TcpStream) -> io::Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).map_err(io::Error::other)
}

/// Reads one answer, or an interim one.
pub fn read_answer(stream: &mut TcpStream, is_head: bool) -> io::Result<Answer> {
    let first = read_line(stream)?;
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let mut fields = Vec::new();
    loop {
        let line = read_line(stream)?;
        let Some((name, value)) = line.split_once(": ") else { break };
        fields.push((name.to_owned(), value.to_owned()));
    }
    let mut answer = Answer { status, fields, body: Vec::new() };
    let length = answer.field("Content-Length").map_or(0, |text| text.parse().expect("a number"));
    if !is_head {
        answer.body.resize(length, 0);
        stream.read_exact(&mut answer.body)?;
    }
    Ok(answer)
}
