//! Asking by TCP what is at an address that is silent by UDP: one `GET /node`, for as long as a second.
//!
//! Whatever answers is a stranger until it has said who it is. So little of it is read, none of it is followed
//! elsewhere, and what is not understood is nothing that a node says.

use crate::limits::RING_NAME_MAX;
use serde::Deserialize;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, Executor, Timer, future};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long the whole of it may take.
const TIME: Duration = Duration::from_secs(1);

/// The longest answer that is read. That of a node with all of its fingers and counters has a third of it.
const ANSWER_MAX: usize = 1 << 16;

/// The longest reason that is passed on, in characters.
const WHY_MAX: usize = 1000;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Probed {
    /// Nothing listens there.
    Nothing,
    /// Nothing comes back in time.
    Mute,
    /// There is no way there.
    NoWay(io::ErrorKind),
    /// Something that is no node.
    Stranger,
    /// A node, or what says that it is one.
    Node(Said),
}

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// The name of its ring; one of an older version does not say it.
    pub ring: Option<String>,
    /// The word for its state.
    pub state: String,
    /// Why it does not serve, if it does not.
    pub unready: Option<String>,
}

/// Asks what is there.
pub(crate) async fn probe(addr: SocketAddr) -> Probed {
    let late = async {
        Timer::after(TIME).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    match future::or(ask(addr), late).await {
        Ok(answer) => understood(&answer).map_or(Probed::Stranger, Probed::Node),
        Err(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Probed::Nothing,
            io::ErrorKind::TimedOut => Probed::Mute,
            kind @ (io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::PermissionDenied) => Probed::NoWay(kind),
            _ => Probed::Stranger,
        },
    }
}

/// The same of several, all at one time.
pub(crate) async fn probe_all(addrs: Vec<SocketAddr>) -> Vec<(SocketAddr, Probed)> {
    // Within this task: the program has one thread for all that is not on a disk or in the resolver.
    let executor = Executor::new();
    let tasks: Vec<_> = addrs.into_iter().map(|addr| (addr, executor.spawn(probe(addr)))).collect();
    let found = async {
        let mut found = Vec::new();
        for (addr, task) in tasks {
            found.push((addr, task.await));
        }
        found
    };
    executor.run(found).await
}

async fn ask(addr: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = Async::<TcpStream>::connect(addr).await?;
    let request = format!("GET /node HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    while answer.len() < ANSWER_MAX && !is_whole(&answer) {
        match stream.read(&mut piece).await? {
            0 => break,
            length => answer.extend_from_slice(piece.get(..length).unwrap_or_default()),
        }
    }
    Ok(answer)
}

/// The header section and what has come of the body.
fn parts(answer: &[u8]) -> Option<(&str, &[u8])> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some((str::from_utf8(answer.get(..end)?).ok()?, answer.get(end + 4..)?))
}

/// The length that the body is to have.
fn length(head: &str) -> Option<usize> {
    let fields = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    let mut lengths = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, value) = lengths.next()?;
    let digits = value.trim();
    let sound = lengths.next().is_none() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|length| sound && *length <= ANSWER_MAX)
}

/// True if nothing more has to be waited for.
fn is_whole(answer: &[u8]) -> bool {
    parts(answer).is_some_and(|(head, body)| length(head).is_none_or(|length| body.len() >= length))
}

/// What a node says of itself; `None` if that is not what this answer is.
fn understood(answer: &[u8]) -> Option<Said> {
    #[derive(Deserialize)]
    struct Node {
        id: String,
        #[serde(rename = "addr")]
        _addr: SocketAddr,
        state: String,
        ring: Option<String>,
        unready: Option<String>,
    }
    let (head, body) = parts(answer)?;
    let is_answered = head.starts_with("HTTP/1.1 200 ") || head.starts_with("HTTP/1.0 200 ");
    let body = body.get(..length(head).filter(|_| is_answered)?)?;
    let Node { id, state, ring, unready, .. } = serde_json::from_slice(body).ok()?;
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_state = ["joining", "settling", "settled", "silent", "leaving"].contains(&state.as_str());
    let is_ring = ring.as_ref().is_none_or(|ring| (1..=RING_NAME_MAX).contains(&ring.len()));
    let plain = |why: String| why.chars().filter(|c| !c.is_control()).take(WHY_MAX).collect();
    (is_id && is_state && is_ring).then(|| Said { ring, state, unready: unready.map(plain) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    const BODY: &str = r#"{"id": "00112233445566778899aabbccddeeff", "addr": "127.0.0.1:1", "state": "joining",
                           "ring": "x", "unready": "It\n waits.", "counters": {"reads": 1}}"#;

    fn answer(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    fn said(text: &str) -> Option<Said> {
        understood(text.as_bytes())
    }

    #[test]
    fn a_node_is_known_by_what_it_says_and_nothing_else_is_one() {
        let node = Said { ring: Some("x".into()), state: "joining".into(), unready: Some("It waits.".into()) };
        assert_eq!(said(&answer(BODY)), Some(node.clone()));
        let old = BODY.replace(r#""ring": "x", "unready": "It\n waits.","#, "");
        assert_eq!(said(&answer(&old)), Some(Said { ring: None, unready: None, ..node }));
        let whole = answer(BODY);
        for wrong in [
            "",
            "SSH-2.0-OpenSSH\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            &whole[..whole.len() - 1],
            &whole.replace("200 OK", "302 Found\r\nLocation: /other"),
            &whole.replace("content-length", "Transfer-Encoding"),
            &whole.replace("content-length: ", "content-length: 99999999999999999999"),
            &whole.replace("content-length: ", "content-length: +"),
            &whole.replace("content-length", "content-length: 1\r\ncontent-length"),
            &answer("[]"),
            &answer("{}"),
            &answer(&BODY.replace("joining", "fine")),
            &answer(&BODY.replace("00112233", "+0112233")),
            &answer(&BODY.replace(r#""ring": "x""#, r#""ring": """#)),
            &answer(&BODY.replace(r#""ring": "x""#, &format!("\"ring\": \"{}\"", "x".repeat(65)))),
            &answer(&BODY.replace("127.0.0.1:1", "there")),
        ] {
            assert_eq!(said(wrong), None, "{wrong}");
        }
        let long = BODY.replace("waits", &"w".repeat(5000));
        assert_eq!(said(&answer(&long)).unwrap().unready.unwrap().len(), WHY_MAX);
    }

    /// What is found where this is answered, in pieces, with the connection held open if it is to be.
    fn found(pieces: &'static [&'static str], held: bool) -> Probed {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 200];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /node HTTP/1.1\r\nHost: 127.0.0.1:"));
            for piece in pieces {
                let _ = stream.write_all(piece.as_bytes());
            }
            if held {
                // Until the other side lets go.
                while matches!(stream.read(&mut request), Ok(1..)) {}
            }
        });
        let found = smol::block_on(probe(addr));
        server.join().unwrap();
        found
    }

    #[test]
    fn what_is_there_is_told_within_a_second_however_it_behaves() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(smol::block_on(probe(free)), Probed::Nothing);
        assert_eq!(found(&["hello\n"], false), Probed::Stranger);
        assert_eq!(found(&["HTTP/1.1 200 OK\r\n"], true), Probed::Mute);
        assert_eq!(found(&["HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\n", "\r\n"], true), Probed::Stranger);
    }

    #[test]
    fn an_answer_without_end_is_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut sent = 0;
            while stream.write_all(&[b'x'; 4096]).is_ok() {
                sent += 4096;
            }
            sent
        });
        assert_eq!(smol::block_on(probe(addr)), Probed::Stranger);
        server.join().expect("the other side lets go");
    }
}
