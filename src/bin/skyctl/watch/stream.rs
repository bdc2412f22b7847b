//! Server-sent events over HTTP/1.1, as a node sends them.

use super::super::client::connect;
use skynode::http::chunks::Chunks;
use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Bytes of an event, or of a header section: more is none.
const BYTES_MAX: usize = 1 << 20;
/// A node that has nothing to tell says so every 15 s; after so long without that it is taken for gone.
const QUIET_MAX: Duration = Duration::from_secs(90);

/// What happened.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Event {
    pub kind: String,
    pub data: String,
}

/// Why there is no stream.
#[derive(Debug)]
pub enum Failure {
    /// The node says no, and why.
    Refused(String),
    /// It cannot be reached.
    Unreachable(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Unreachable(error)
    }
}

/// Events that come.
pub struct Stream<R = BufReader<TcpStream>> {
    from: R,
    /// Takes chunks apart, if there are any.
    chunks: Option<Chunks>,
    /// What came and is not taken apart yet.
    raw: Vec<u8>,
    text: Vec<u8>,
}

impl Stream {
    /// Asks for events.
    pub fn open(node: &str, target: &str) -> Result<Self, Failure> {
        let (mut stream, addr) = connect(node)?;
        stream.get_mut().set_read_timeout(Some(QUIET_MAX))?;
        let request = format!("GET {target} HTTP/1.1\r\nHost: {addr}\r\nAccept: text/event-stream\r\n\r\n");
        stream.get_mut().write_all(request.as_bytes())?;
        Self::answered(stream)
    }
}

fn wrong() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it does not speak as a node does")
}

impl<R: Read> Stream<R> {
    /// Reads the header section.
    fn answered(from: R) -> Result<Self, Failure> {
        let mut stream = Self { from, chunks: None, raw: Vec::new(), text: Vec::new() };
        let end = loop {
            if let Some(at) = stream.raw.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            stream.more()?;
        };
        let head = String::from_utf8_lossy(&stream.raw[..end]).to_ascii_lowercase();
        stream.raw.drain(..end + 4);
        let status = head.strip_prefix("http/1.1 ").and_then(|rest| rest.get(..3)).ok_or_else(wrong)?;
        if status != "200" || !head.contains("text/event-stream") {
            return Err(Failure::Refused(match status {
                "200" | "404" => String::from("this node tells no events: it is of an older version"),
                "503" => String::from("this node has too many that watch it, or is not ready: ask another one"),
                status => format!("the node refuses to tell events, with the status {status}"),
            }));
        }
        stream.chunks = head.contains("transfer-encoding: chunked").then(Chunks::default);
        stream.unpack()?;
        Ok(stream)
    }

    fn more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let length = loop {
            match self.from.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => break outcome?,
            }
        };
        if length == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the node has closed it"));
        }
        self.raw.extend_from_slice(&buffer[..length]);
        if self.raw.len() + self.text.len() > BYTES_MAX { Err(wrong()) } else { Ok(()) }
    }

    /// Takes the coding away from what came.
    fn unpack(&mut self) -> io::Result<()> {
        let Some(chunks) = &mut self.chunks else {
            self.text.append(&mut self.raw);
            return Ok(());
        };
        let taken = chunks.read(&self.raw, &mut self.text, BYTES_MAX).map_err(|_| wrong())?;
        self.raw.drain(..taken);
        Ok(())
    }

    /// The next event.
    pub fn next(&mut self) -> io::Result<Event> {
        loop {
            while let Some(at) = self.text.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..at + 2).collect();
                if let Some(event) = parse(&String::from_utf8_lossy(&block)) {
                    return Ok(event);
                }
            }
            if self.chunks.as_ref().is_some_and(Chunks::is_done) {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the node has ended it"));
            }
            self.more()?;
            self.unpack()?;
        }
    }
}

/// An event, unless the block is a comment or something else than data.
fn parse(block: &str) -> Option<Event> {
    let (mut event, mut data) = (Event::default(), Vec::new());
    for line in block.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => event.kind = value.to_owned(),
            "data" => data.push(value),
            _ => {}
        }
    }
    event.data = data.join("\n");
    (!data.is_empty()).then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";

    fn events(answer: &str) -> Vec<Event> {
        let mut stream = Stream::answered(answer.as_bytes()).ok().unwrap();
        std::iter::from_fn(|| stream.next().ok()).collect()
    }

    #[test]
    fn events_are_read_however_they_are_coded() {
        let text = ": hello\n\nevent: joined\ndata: {\"a\":1}\n\nid: 7\ndata:one\ndata: two\n\n";
        let event = |kind: &str, data: &str| Event { kind: kind.into(), data: data.into() };
        let expected = [event("joined", "{\"a\":1}"), event("", "one\ntwo")];
        assert_eq!(events(&format!("{HEAD}\r\n{text}")), expected);
        let (one, two) = text.split_at(20);
        let chunks = format!("{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n", one.len(), two.len());
        assert_eq!(events(&format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{chunks}")), expected);
    }

    #[test]
    fn what_is_no_stream_is_told() {
        for (answer, part) in [
            ("HTTP/1.1 404 Not Found\r\n\r\n", "older version"),
            ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", "older version"),
            ("HTTP/1.1 503 Unavailable\r\n\r\n", "another one"),
        ] {
            let told = Stream::answered(answer.as_bytes()).err();
            assert!(matches!(&told, Some(Failure::Refused(text)) if text.contains(part)), "{told:?}");
        }
        assert!(matches!(Stream::answered(&b"junk"[..]).err(), Some(Failure::Unreachable(_))));
    }
}
