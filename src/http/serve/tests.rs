//! The server over real sockets, with a node that answers every read with the key and remembers nothing.

mod crowds;

use super::*;
use crate::handle::Request;
use crate::node::{Command, Reply, Unavailable};
use crate::store::Content;
use crate::wire::{Freshness, Incarnation, Operation, OperationId, Peer, Place, Version};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes of a long value, at most.
const LONG: usize = 1 << 20;

fn start(limits: Limits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let executor = LocalExecutor::new();
        let (handle, requests) = Handle::new();
        let place = Place { addr, id: crate::id::Id::of_addr(addr) };
        let (owner, version) = (Peer { place, incarnation: Incarnation::new(1) }, Version::default());
        let node = async {
            while let Ok(request) = requests.recv().await {
                let Request::Command(command, Some(to)) = request else { continue };
                let operation = Operation { id: OperationId([1; 16]), fresh: Freshness::default() };
                let reply = match command {
                    Command::Get { key } => {
                        // Some values are long.
                        let content = match key.strip_prefix(b"long ") {
                            Some(rest) => Content::new(rest.repeat(LONG / rest.len()), b"", 0),
                            None => Content::new(key, b"", 0),
                        };
                        Reply::Value { content, left_ms: 0, version, copies: 1, owner }
                    }
                    Command::Glance { key } => {
                        let (length, kind) = (key.len(), Box::default());
                        Reply::Seen { version, length, kind, left_ms: 0, copies: 1, owner }
                    }
                    Command::Put { .. } => Reply::Stored { version, copies: 1, created: true, owner, operation },
                    _ => Reply::Unavailable(Unavailable::Busy),
                };
                let _ = to.try_send(reply);
            }
            Ok(())
        };
        smol::block_on(executor.run(future::or(node, serve(&executor, listener, handle, Site::default(), limits))))
    });
    addr
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends all of it and reads until the server closes.
fn exchange(addr: SocketAddr, text: &str) -> String {
    let mut stream = connect(addr);
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Reads until the answers so far end with this.
fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let mut piece = [0; 1];
        assert_eq!(stream.read(&mut piece).unwrap(), 1, "closed after {:?}", String::from_utf8_lossy(&text));
        text.push(piece[0]);
    }
    String::from_utf8(text).unwrap()
}

fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn requests_sent_together_are_answered_in_order_on_one_connection() {
    let one = |key: &str, more: &str| format!("GET /storage/{key} HTTP/1.1\r\nHost: h\r\n{more}\r\n");
    let text = [one("first", ""), one("second", ""), one("third", "Connection: close\r\n"), one("never", "")].concat();
    let answer = exchange(start(Limits::default()), &text);
    let bodies: Vec<&str> = answer.split("HTTP/1.1 200 OK\r\n").map(|one| one.rsplit("\r\n").next().unwrap()).collect();
    assert_eq!(bodies, ["", "first", "second", "third"]);
    assert_eq!(answer.matches("Connection: close").count(), 1);
}

#[test]
fn a_request_may_come_in_any_pieces() {
    let mut stream = connect(start(Limits::default()));
    for byte in b"PUT /storage/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    assert!(read_until(&mut stream, "\r\n\r\n").starts_with("HTTP/1.1 201 Created\r\n"));
}

#[test]
fn the_body_of_an_old_client_ends_with_the_connection_unless_it_asks_to_go_on() {
    let addr = start(Limits::default());
    assert!(exchange(addr, "GET /storage/k HTTP/1.0\r\n\r\n").ends_with("Connection: close\r\n\r\nk"));
    let mut stream = connect(addr);
    for _ in 0..2 {
        stream.write_all(b"GET /storage/k HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap();
        assert!(read_until(&mut stream, "\r\n\r\nk").contains("Connection: keep-alive\r\n"));
    }
}

#[test]
fn head_sends_no_body_and_the_next_answer_follows_at_once() {
    let text = "HEAD /storage/key HTTP/1.1\r\nHost: h\r\n\r\n\
                GET /storage/next HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let answer = exchange(start(Limits::default()), text);
    let head = "Content-Length: 3\r\nConnection: keep-alive\r\nKeep-Alive: timeout=75\r\n\r\nHTTP/1.1 200 OK\r\n";
    assert!(answer.contains(head), "{answer}");
}

#[test]
fn a_body_comes_after_continue_and_not_if_it_is_refused_before() {
    let addr = start(Limits::default());
    let request =
        |lines: &str| format!("PUT /storage/k HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n{lines}\r\n\r\n");
    for (lines, body) in [("Content-Length: 2", "ab"), ("Transfer-Encoding: chunked", "1\r\na\r\n0\r\n\r\n")] {
        let mut stream = connect(addr);
        stream.write_all(request(lines).as_bytes()).unwrap();
        assert_eq!(read_until(&mut stream, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(body.as_bytes()).unwrap();
        assert!(read_until(&mut stream, "\r\n\r\n").starts_with("HTTP/1.1 201 Created\r\n"));
    }
    for (lines, status) in [("Content-Length: 99999999", "413"), ("If-Match: x\r\nContent-Length: 1", "400")] {
        assert!(exchange(addr, &request(lines)).starts_with(&format!("HTTP/1.1 {status} ")));
    }
    // Nothing to wait for: the body is there already, or there will be none.
    assert!(exchange(addr, &(request("Connection: close\r\nContent-Length: 1") + "x")).starts_with("HTTP/1.1 201 "));
    assert!(exchange(addr, &request("Connection: close\r\nContent-Length: 0")).starts_with("HTTP/1.1 201 "));
}

#[test]
fn a_malformed_request_is_answered_and_ends_the_connection() {
    let addr = start(Limits::default());
    let good = "GET /storage/k HTTP/1.1\r\nHost: h\r\n\r\n";
    for bad in [
        "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
        "PUT /storage/k HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "PUT /storage/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
    ] {
        let answer = exchange(addr, &[good, bad, good].concat());
        assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 1, "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 400 ").count(), 1, "{answer}");
    }
}

#[test]
fn a_body_that_nobody_wants_is_refused_and_read_over() {
    let text = "GET /storage/a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nGET /\
                DELETE /storage/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\n\
                PUT /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nGET /\
                GET /events HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n\
                GET /storage/b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let answer = exchange(start(Limits::default()), text);
    let statuses: Vec<&str> = answer.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")).collect();
    let [unwanted, nowhere] = ["400 Bad Request", "404 Not Found"];
    assert_eq!(statuses, [unwanted, unwanted, nowhere, unwanted, "200 OK"], "{answer}");
    assert_eq!(answer.matches("takes no body, and nothing was done").count(), 3, "{answer}");
}

#[test]
fn a_field_behind_the_body_that_would_have_meant_something_before_it_is_refused() {
    let text =
        "PUT /storage/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nv\r\n0\r\nSky-TTL: 60\r\n\r\n";
    let answer = exchange(start(Limits::default()), text);
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("send it before the body"), "{answer}");
}

#[test]
fn what_is_wrong_first_is_told_also_if_the_body_is_too_long() {
    let addr = start(Limits::default());
    let long = |target: &str| format!("{target} HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n");
    for (target, status) in [("PUT /nowhere", 404), ("PUT /storage/k", 413), ("POST /storage", 413), ("GET /", 400)] {
        assert!(exchange(addr, &long(target)).starts_with(&format!("HTTP/1.1 {status} ")), "{target}");
    }
}

#[test]
fn slow_clients_are_cut_off() {
    let short = Duration::from_millis(100);
    let addr = start(Limits { idle: short, head: short, body: short, ..Limits::default() });
    assert_eq!(exchange(addr, ""), "", "an idle connection is closed without a word");
    assert!(exchange(addr, "GET / HT").starts_with("HTTP/1.1 408 "));
    assert!(
        exchange(addr, "PUT /storage/k HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na").starts_with("HTTP/1.1 408 ")
    );
    let mut stream = connect(addr);
    let started = Instant::now();
    // Sending a little now and then does not help.
    while stream.write_all(b"G").is_ok() {
        assert!(started.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn who_does_not_read_is_cut_off() {
    let addr = start(Limits { write: Duration::from_millis(100), ..Limits::default() });
    let mut stream = connect(addr);
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(1000);
    // Its answers fill the buffers of both ends, then the server waits for this client to read, but not for long.
    let started = Instant::now();
    while stream.write_all(request.as_bytes()).is_ok() {
        assert!(started.elapsed() < PATIENCE);
    }
}

#[test]
fn the_connection_idle_longest_makes_room() {
    let addr = start(Limits { connections: 4, ..Limits::default() });
    let get = |stream: &mut TcpStream| {
        stream.write_all(b"GET /storage/k HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        read_until(stream, "\r\n\r\nk");
    };
    let mut streams: Vec<TcpStream> = (0..4).map(|_| connect(addr)).collect();
    for stream in &mut streams {
        get(stream);
    }
    get(&mut streams[0]);
    let mut fifth = connect(addr);
    get(&mut fifth);
    assert!(is_closed(&mut streams[1]), "it was idle longest");
    for kept in [0, 2, 3] {
        get(&mut streams[kept]);
    }
}

#[test]
fn a_thousand_idle_connections_do_not_keep_a_client_out() {
    let addr = start(Limits { connections: 8, ..Limits::default() });
    let mut idle = Vec::new();
    for _ in 0..1000 {
        idle.push(TcpStream::connect(addr).unwrap());
        // A process has only so many sockets: the oldest are long closed by the server.
        if idle.len() > 300 {
            idle.remove(0);
        }
    }
    assert!(exchange(addr, "GET /storage/k HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").ends_with("\r\n\r\nk"));
}

#[test]
fn when_the_node_has_ended_its_last_answer_is_sent_and_all_else_is_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (handle, requests) = Handle::new();
    let server = thread::spawn(move || {
        let executor = LocalExecutor::new();
        let node = async {
            let Ok(Request::Command(_, Some(to))) = requests.recv().await else { panic!("a command") };
            to.try_send(Reply::NotFound).unwrap();
            drop(requests);
            future::pending().await
        };
        smol::block_on(
            executor.run(future::or(serve(&executor, listener, handle, Site::default(), Limits::default()), node)),
        )
    });
    let mut idle = connect(addr);
    idle.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    read_until(&mut idle, "too old to be known.\n");
    let answer = exchange(addr, "GET /storage/k HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("Connection: close\r\n"), "{answer}");
    assert!(is_closed(&mut idle));
    server.join().unwrap().unwrap();
    assert!(TcpStream::connect(addr).is_err(), "nobody listens any more");
}
