//! What a node tells as it happens.

use crate::client::{connect, read_answer};
use crate::process::{Node, PATIENCE};
use crate::ring::{await_all, start_ring};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

/// Somebody who listens.
struct Listener(BufReader<TcpStream>);

impl Listener {
    fn new(addr: SocketAddr, target: &str) -> Self {
        let mut stream = connect(addr).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: {addr}\r\n\r\n").unwrap();
        let head = read_answer(&mut stream, true).unwrap();
        assert_eq!((head.status, head.field("Content-Type")), (200, Some("text/event-stream")));
        assert_eq!((head.field("Connection"), head.field("Content-Length")), (Some("close"), None));
        Self(BufReader::new(stream))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the node has ended the stream");
        line.trim_end().to_owned()
    }

    /// The node ends the stream.
    fn await_end(&mut self) {
        let (mut line, begun) = (String::new(), Instant::now());
        while self.0.read_line(&mut line).unwrap() > 0 {
            assert!(begun.elapsed() < PATIENCE, "no end: {line}");
        }
    }

    /// The next event of this name.
    fn await_event(&mut self, name: &str) -> Value {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "no event {name:?}");
            let line = self.line();
            if let Some(data) = line.strip_prefix("data: ") {
                let value: Value = serde_json::from_str(data).unwrap();
                assert!(value["text"].is_string() && value["unix_ms"].is_u64(), "{value}");
                if value["event"] == *name {
                    return value;
                }
            }
        }
    }
}

#[test]
fn who_listens_hears_of_those_who_come_and_of_the_end() {
    let mut node = Node::alone();
    let mut listener = Listener::new(node.addr, "/events");
    assert_eq!(
        listener.await_event("state")["text"].as_str().unwrap().split(' ').next(),
        Some(&*node.addr.to_string())
    );
    let other = Node::joining(node.addr);
    let heard = listener.await_event("successor");
    assert_eq!(heard["peer"]["addr"], other.addr.to_string());
    assert!(heard["unix_ms"].as_u64().unwrap() > 1_500_000_000_000);
    node.signal("-TERM");
    listener.await_event("leaving");
    listener.await_end();
    assert!(node.await_end(PATIENCE).success());
}

#[test]
fn one_key_is_told_of_wherever_it_lies() {
    let nodes = start_ring(2);
    let (first, second) = (&nodes[0], &nodes[1]);
    await_all(&[first, second]);
    for key in ["one", "gr%C3%BC%C3%9Fe%0A"] {
        let mut listener = Listener::new(first.addr, &format!("/events?key={key}"));
        listener.await_event("absent");
        let stored = second.client().put(key, b"value");
        assert_eq!(stored.status, 201, "{}", stored.text());
        let told = listener.await_event("value");
        assert_eq!((&told["bytes"], &told["path"]), (&5.into(), &format!("/storage/{key}").into()));
        assert_eq!(stored.field("ETag"), Some(format!("\"{}\"", told["version"].as_str().unwrap()).as_str()));
        assert_eq!(second.client().ask("DELETE", &format!("/storage/{key}"), "", None).status, 204);
        listener.await_event("absent");
    }
}

#[test]
fn those_who_listen_are_few_and_in_nobody_s_way() {
    let node = Node::alone();
    let mut listeners: Vec<Listener> = (0..64).map(|_| Listener::new(node.addr, "/events")).collect();
    for listener in &mut listeners {
        listener.await_event("state");
    }
    // The one that has listened longest gives way to the next, and no other.
    Listener::new(node.addr, "/events").await_event("state");
    assert_eq!(node.client().put("k", b"v").status, 201);
    listeners.remove(0).await_end();
    Listener::new(node.addr, "/events?key=k").await_event("value");
    let other = Node::joining(node.addr);
    for listener in &mut listeners[1..] {
        assert_eq!(listener.await_event("successor")["peer"]["addr"], other.addr.to_string());
    }
    let head = node.client().ask("HEAD", "/events", "", None);
    assert_eq!((head.status, head.field("Content-Type")), (200, Some("text/event-stream")));
}
