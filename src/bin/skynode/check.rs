//! Asking a node whether it is ready: the health check of a container without a shell.

use serde::Deserialize;
use skynode::udp::Http;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The longest answer that is read.
const ANSWER_MAX: u64 = 16384;

/// The pause before a node that is not ready is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// A reason that lasts for so long is told.
const LASTS: Duration = Duration::from_secs(1);

/// Asks the node that listens and serves people there, and again for as long as it may `wait`. → what it says of
/// itself.
///
/// # Errors
/// Why it is not ready, or could not be asked.
pub fn check(listen: SocketAddr, http: Http, wait: Duration) -> Result<String, String> {
    let addr = served_at(listen, http)?;
    let begun = Instant::now();
    let (mut reason, mut since, mut told) = (String::new(), begun, false);
    loop {
        let why = match look(addr) {
            Ok(text) if wait.is_zero() => return Ok(text),
            Ok(text) => return Ok(format!("{addr} is {text}")),
            Err(why) => why,
        };
        if begun.elapsed() >= wait {
            return Err(why);
        }
        if why != reason {
            (reason, since, told) = (why, Instant::now(), false);
        } else if !told && since.elapsed() >= LASTS {
            told = true;
            let _ = writeln!(std::io::stderr(), "skynode: waiting for {addr}: {reason}");
        }
        thread::sleep(PAUSE.min(wait.saturating_sub(begun.elapsed())));
    }
}

/// Where people are served.
fn served_at(listen: SocketAddr, http: Http) -> Result<SocketAddr, String> {
    let served_at = match http {
        Http::Beside => listen,
        Http::At(addr) => addr,
        Http::Off => return Err(String::from("a node that serves no people cannot be asked: its HTTP is off")),
    };
    if served_at.port() == 0 {
        return Err(String::from("port 0 stands for any port: give the one to ask, with --listen or --http"));
    }
    Ok(match served_at.ip() {
        ip if !ip.is_unspecified() => served_at,
        ip if ip.is_ipv4() => (Ipv4Addr::LOCALHOST, served_at.port()).into(),
        _ => (Ipv6Addr::LOCALHOST, served_at.port()).into(),
    })
}

/// Asks once.
fn look(addr: SocketAddr) -> Result<String, String> {
    let answer = ask(addr).map_err(|error| format!("{addr} does not answer: {error}"))?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| format!("{addr} does not speak HTTP"))?;
    match (head.split(' ').nth(1), body.trim(), detail(body)) {
        (Some("200"), ready, _) if ready.split(',').next() == Some("ready") => Ok(ready.to_owned()),
        (_, _, Some(detail)) => Err(detail),
        (code, ..) => Err(format!("{addr} answers, but not as a skynode (HTTP status {})", code.unwrap_or("none"))),
    }
}

fn ask(addr: SocketAddr) -> std::io::Result<Vec<u8>> {
    let deadline = Instant::now() + PATIENCE;
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET /readyz HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let (mut answer, mut piece) = (Vec::new(), [0; 1024]);
    while (answer.len() as u64) < ANSWER_MAX {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece)? {
            0 => break,
            length => answer.extend_from_slice(piece.get(..length).unwrap_or_default()),
        }
    }
    Ok(answer)
}

/// The sentence of a refusal.
fn detail(body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
    }
    serde_json::from_str(body).ok().map(|Problem { detail }| detail)
}
