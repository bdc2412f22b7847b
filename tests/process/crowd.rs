//! Clients by the thousand: tasks of one thread, each with a connection that it keeps or makes anew.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, Timer, future};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any node takes to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What an answer says, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    pub status: u16,
    /// It says when to try again.
    pub has_retry_after: bool,
    /// Bytes of its body.
    pub length: usize,
}

/// One client.
pub struct Caller {
    addr: SocketAddr,
    /// It asks over one connection for as long as the node keeps that.
    keeps: bool,
    stream: Option<Async<TcpStream>>,
}

impl Caller {
    pub fn new(addr: SocketAddr, keeps: bool) -> Self {
        Self { addr, keeps, stream: None }
    }

    /// Asks once, and reads all of the answer.
    pub async fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> io::Result<Told> {
        let late = async {
            Timer::after(PATIENCE).await;
            Err(io::ErrorKind::TimedOut.into())
        };
        future::or(self.ask_now(method, target, body), late).await
    }

    async fn ask_now(&mut self, method: &str, target: &str, body: &[u8]) -> io::Result<Told> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => Async::<TcpStream>::connect(self.addr).await?,
        };
        stream.get_ref().set_nodelay(true)?;
        let close = if self.keeps { "" } else { "Connection: close\r\n" };
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n{close}{length}\r\n", self.addr);
        stream.write_all(&[head.as_bytes(), body].concat()).await?;
        let (told, closes) = read(&mut stream).await?;
        if self.keeps && !closes {
            self.stream = Some(stream);
        }
        Ok(told)
    }
}

/// Reads an answer. → it, and whether the node closes the connection behind it.
async fn read(stream: &mut Async<TcpStream>) -> io::Result<(Told, bool)> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut piece).await? {
            0 if bytes.is_empty() => return Err(io::Error::other("closed without an answer")),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => bytes.extend_from_slice(&piece[..length]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let length = field("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut left = length - (bytes.len() - end);
    while left > 0 {
        match stream.read(&mut piece).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => left -= more,
        }
    }
    let told = Told { status, has_retry_after: field("retry-after").is_some(), length };
    Ok((told, field("connection") == Some("close")))
}

/// Has this process open as many files as it may.
pub fn raise_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("up to the hard limit");
}
