//! The tool beside a ring, over UDP: what it writes, and its exit codes.

use crate::process::{Node, PATIENCE, eventually, own_addr, reserved_addr};
use crate::ring::{await_all, one_at_a_time, start_ring};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub fn command(node: SocketAddr, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skyctl"));
    command.env_clear().env("SKY_NODE", node.to_string()).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn with_input(node: SocketAddr, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = command(node, arguments).spawn().expect("it runs");
    let mut stdin = child.stdin.take().expect("it was piped");
    let input = input.to_vec();
    thread::spawn(move || stdin.write_all(&input));
    child.wait_with_output().expect("it ends")
}

pub fn run(node: SocketAddr, arguments: &[&str]) -> Output {
    with_input(node, arguments, b"")
}

/// Runs it, expects this exit code. → what it wrote to the standard output.
#[track_caller]
pub fn ends_with(code: i32, node: SocketAddr, arguments: &[&str]) -> Vec<u8> {
    let output = run(node, arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    assert_eq!(told.is_empty(), code == 0, "{arguments:?}: {told}");
    output.stdout
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

pub fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}

#[test]
fn keys_of_every_kind_go_in_and_out_of_a_ring_of_three() {
    let _turn = one_at_a_time();
    let nodes = start_ring(3);
    await_all(&nodes.iter().collect::<Vec<_>>());
    let node = nodes[0].addr;
    let odd = ["a/b c", "100% gr\u{fc}\u{df}e?&=#", "--flag", "line\nbreak", " ", "\u{1f30d}", &"k".repeat(255)];
    for (at, key) in odd.iter().enumerate() {
        let value = format!("value {at}\0\n");
        let put = with_input(nodes[at % 3].addr, &["put", "--", key], value.as_bytes());
        assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
        assert_eq!(ends_with(0, nodes[(at + 1) % 3].addr, &["get", "--", key]), value.as_bytes());
    }
    // Keys that are no text, and a value that goes in parts.
    let large: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
    assert!(with_input(node, &["put", "-e", "%ff%00", "--type", "a/b", "--ttl", "60"], &large).status.success());
    assert_eq!(ends_with(0, nodes[2].addr, &["get", "-e", "%FF%00"]), large);
    let told = json(&ends_with(0, node, &["get", "-e", "%FF%00", "--json"]));
    assert_eq!((&told["key_base64"], &told["type"], &told["copies"]), (&"/wA=".into(), &"a/b".into(), &3.into()));
    assert!(told["value_base64"].is_string() && told["expires_ms"].is_number());

    let listed = text(&ends_with(0, node, &["ls"]));
    let mut lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), odd.len() + 1, "{listed}");
    for key in ["a/b c", "100% gr\u{fc}\u{df}e?&=#", "--flag", "line%0Abreak", " ", "%FF%00"] {
        assert!(lines.contains(&key), "{key:?} in {listed}");
    }
    assert_eq!(text(&ends_with(0, node, &["ls", "--limit", "2"])).lines().collect::<Vec<_>>(), lines[..2]);
    let first = text(&ends_with(0, node, &["ls", "-e", "--limit", "1"]));
    let rest = text(&ends_with(0, node, &["ls", "-e", "--after", first.trim_end()]));
    assert_eq!(rest.lines().count(), odd.len());
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), odd.len() + 1);
    for key in text(&ends_with(0, node, &["ls", "--escaped"])).lines() {
        ends_with(0, node, &["del", "-e", "--", key]);
        ends_with(1, node, &["get", "-e", "--", key]);
    }
    assert_eq!(ends_with(0, node, &["ls"]), b"");
}

#[test]
fn exit_codes_tell_what_became_of_it() {
    let node = Node::alone();
    let addr = node.addr;
    let version = text(&ends_with(0, addr, &["create", "k", "one"]));
    ends_with(1, addr, &["create", "k", "two"]);
    ends_with(1, addr, &["get", "none"]);
    ends_with(1, addr, &["del", "none"]);
    let second = json(&ends_with(0, addr, &["put", "k", "two", "--if-match", version.trim_end(), "--json"]));
    ends_with(1, addr, &["put", "k", "three", "--if-match", version.trim_end()]);
    assert_eq!((&second["created"], &second["copies"]), (&false.into(), &1.into()));
    // The same write once more is the same write.
    let operation = second["operation"].as_str().unwrap();
    let repeated = ["put", "k", "two", "--if-match", version.trim_end(), "--operation", operation, "--json"];
    let again = json(&ends_with(0, addr, &repeated));
    ends_with(2, addr, &["put", "k", "two", "--operation", operation]);
    assert_eq!(again["version"], second["version"]);
    assert_eq!(ends_with(0, addr, &["get", "k"]), b"two");
    ends_with(2, addr, &["put", "k", "v", "--operation", "name"]);
    ends_with(2, addr, &["put", "", "v"]);
    ends_with(2, addr, &["put", "k", "v", "--file", "/dev/null"]);
    ends_with(2, addr, &["get", "k", "--node", "there"]);
    ends_with(2, addr, &["bench", "--reads", "2"]);
    ends_with(2, addr, &["ls", "--after", ""]);
    ends_with(2, addr, &["up", "0"]);
    ends_with(3, addr, &["put", "k", "v", "--min-copies", "2"]);
    ends_with(3, addr, &["get", "k", "--ring", "other", "--timeout", "0.3"]);
    let nowhere = reserved_addr();
    ends_with(3, nowhere, &["get", "k", "--timeout", "0.3"]);
    ends_with(3, nowhere, &["node"]);
    ends_with(3, nowhere, &["watch"]);
    // One of those that are named is enough.
    let both = format!("{nowhere},{addr}");
    assert_eq!(ends_with(0, nowhere, &["get", "k", "--node", &both]), b"two");
}

/// What a command that has failed hands on is nothing, and is not to replace a value.
#[test]
fn an_empty_value_is_stored_only_where_it_is_meant() {
    let node = Node::alone();
    let addr = node.addr;
    let empty = std::env::temp_dir().join(format!("sky-empty-{}", std::process::id()));
    std::fs::write(&empty, b"").expect("a temporary file");
    let file = empty.to_str().expect("text");
    ends_with(0, addr, &["put", "k", "kept"]);
    let attempts = [
        &["put", "k"][..],
        &["put", "k", "--file", "-"],
        &["put", "k", "--file", file],
        &["create", "new"],
        &["create", "new", "-f", file],
    ];
    for arguments in attempts {
        let output = run(addr, arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains("is empty, and nothing was changed") && told.contains("--empty"), "{told}");
    }
    assert_eq!(ends_with(0, addr, &["get", "k"]), b"kept");
    ends_with(1, addr, &["get", "new"]);
    for (number, meant) in [&[""][..], &["--empty"], &["--file", file, "--empty"], &["", "--empty"]].iter().enumerate()
    {
        ends_with(0, addr, &["put", "k", "kept"]);
        ends_with(0, addr, &[&["put", "k"], *meant].concat());
        assert_eq!(ends_with(0, addr, &["get", "k"]), b"", "{meant:?}");
        let key = number.to_string();
        ends_with(0, addr, &[&["create", key.as_str()], *meant].concat());
        assert_eq!(ends_with(0, addr, &["get", &key]), b"", "{meant:?}");
    }
    // What is allowed to be empty need not be.
    assert!(with_input(addr, &["put", "k", "--empty"], b"all the same").status.success());
    assert_eq!(ends_with(0, addr, &["get", "k"]), b"all the same");
    std::fs::remove_file(&empty).expect("it was written");
}

#[test]
fn the_limit_that_is_broken_is_named() {
    let node = Node::alone();
    let addr = node.addr;
    let long = std::env::temp_dir().join(format!("sky-long-{}", std::process::id()));
    std::fs::write(&long, vec![b'v'; 2_000_000]).expect("a temporary file");
    let (file, kind) = (long.to_str().expect("text"), "x".repeat(97));
    for (arguments, words) in [
        (&["--file", file][..], "the value has 2,000,000 bytes, the limit is 1,048,576: nothing was changed"),
        (&["v", "--type", &kind], "the media type has 97 bytes, the limit is 96: nothing was changed"),
        (&["v", "--type", "a\nb"], "a type is printable ASCII: nothing was changed"),
        (
            &["v", "--ttl", "400000000"],
            "the time to live is 400,000,000 seconds, the limit is 315,360,000: nothing was changed",
        ),
    ] {
        let output = run(addr, &[&["put", "k"], arguments].concat());
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(2) && told.contains(words), "{arguments:?}: {told}");
    }
    let told = text(&with_input(addr, &["put", "k"], &[b'v'; 2_000_000]).stderr);
    assert!(told.contains("the value has more than 1,048,576 bytes, the limit: nothing was changed"), "{told}");
    std::fs::remove_file(&long).expect("it was written");
    for (arguments, words) in
        [(["get", "k"], "no such key: \"k\"\n"), (["del", "k"], "no such key: \"k\", nothing to delete\n")]
    {
        let output = run(addr, &arguments);
        assert!(output.status.code() == Some(1) && text(&output.stderr).ends_with(words), "{output:?}");
    }
}

/// Stands before a node, passes on all that it is asked, and so many of its answers.
fn narrow_way(to: SocketAddr, way: UdpSocket, answers: Arc<AtomicUsize>) {
    let beyond = Arc::new(UdpSocket::bind(own_addr()).expect("there is a free port"));
    let (way, asker) = (Arc::new(way), Arc::new(Mutex::new(None)));
    let (back, from, last) = (Arc::clone(&way), Arc::clone(&beyond), Arc::clone(&asker));
    thread::spawn(move || {
        let mut datagram = [0; 2000];
        while let Ok((length, source)) = way.recv_from(&mut datagram) {
            *asker.lock().expect("nobody panics with it") = Some(source);
            let _ = beyond.send_to(&datagram[..length], to);
        }
    });
    thread::spawn(move || {
        let mut datagram = [0; 2000];
        while let Ok((length, _)) = from.recv_from(&mut datagram) {
            let passes = answers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            let asker = last.lock().expect("nobody panics with it").filter(|_| passes);
            asker.map(|asker| back.send_to(&datagram[..length], asker));
        }
    });
}

#[test]
fn a_write_that_nobody_answered_is_unknown_and_repeated_safely() {
    let way = UdpSocket::bind(own_addr()).expect("there is a free port");
    let seen = way.local_addr().expect("it is bound");
    let listen = reserved_addr();
    // Where people ask it is told at its start; the way there is this test's.
    let http = ["--advertise", &seen.to_string(), "--http", &listen.to_string()].map(String::from);
    let node = Node::start(listen, &http);
    let answers = Arc::new(AtomicUsize::new(0));
    narrow_way(listen, way, Arc::clone(&answers));
    let told = eventually(PATIENCE, || {
        // Who is there, and its place; who owns the key. That it is stored is not heard.
        answers.store(3, Ordering::SeqCst);
        let output = run(seen, &["put", "k", "v", "--timeout", "0.5"]);
        let told = text(&output.stderr);
        match output.status.code() {
            Some(4) => Ok(told),
            // On a busy machine one of them was asked for twice.
            Some(3) => Err(told),
            other => panic!("{other:?}: {told}"),
        }
    });
    assert_eq!(node.client().get("/storage/k").body, b"v");
    let (_, operation) = told.trim_end().rsplit_once("--operation ").expect("it says how to repeat it");
    answers.store(usize::MAX, Ordering::SeqCst);
    ends_with(0, seen, &["put", "k", "w"]);
    ends_with(0, seen, &["put", "k", "v", "--operation", operation]);
    assert_eq!(ends_with(0, seen, &["get", "k"]), b"w");
}

#[test]
fn the_ring_is_shown_and_measured() {
    let _turn = one_at_a_time();
    let nodes = start_ring(3);
    await_all(&nodes.iter().collect::<Vec<_>>());
    let node = nodes[1].addr;
    let shown = text(&ends_with(0, node, &["ring"]));
    assert!(nodes.iter().all(|node| shown.contains(&node.addr.to_string())), "{shown}");
    assert_eq!(shown.matches("  settled").count(), 3, "{shown}");
    let ring = json(&ends_with(0, node, &["ring", "--json"]));
    assert_eq!(ring["nodes"].as_array().map(Vec::len), Some(3));
    assert!(text(&ends_with(0, node, &["dot"])).starts_with("digraph"));
    let way = text(&ends_with(0, node, &["lookup", "a/b"]));
    let owner = json(&ends_with(0, node, &["lookup", "a/b", "--json"]));
    let owner = owner["owner"]["addr"].as_str().unwrap();
    assert!(way.contains(&format!("owner  {owner}")) && way.contains("  owner\n"), "{way}");
    assert!(text(&ends_with(0, node, &["node"])).contains("settled"));
    assert_eq!(json(&ends_with(0, node, &["node", "--json"]))["addr"], node.to_string().as_str());
    let bench = ["bench", "--time", "0.5", "--keys", "20", "--reads", "0.5", "--clients", "4", "--json"];
    let told = json(&ends_with(0, node, &bench));
    assert!(told["reads"]["done"].as_u64() > Some(10) && told["writes"]["done"].as_u64() > Some(10), "{told}");
    assert!(told["failed"] == 0 && told["reads"]["ms"]["99.9"].as_f64() > Some(0.0), "{told}");
    assert_eq!(ends_with(0, node, &["ls"]), b"", "its keys are gone");
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let node = Node::alone();
    assert!(with_input(node.addr, &["put", "large"], &[b'x'; 1 << 20]).status.success());
    let mut child = command(node.addr, &["get", "large"]).spawn().expect("it runs");
    let mut some = [0; 100];
    child.stdout.take().expect("it was piped").read_exact(&mut some).expect("it writes");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn events_are_written_and_a_connection_that_ends_is_made_anew() {
    let listener = TcpListener::bind(own_addr()).unwrap();
    let addr = listener.local_addr().unwrap();
    let child = command(addr, &["watch", "a/b", "--count", "2"]).spawn().expect("it runs");
    // The second connection begins with what is known already, which counts for nothing.
    for (number, texts) in [&["one"][..], &["one", "two"]].iter().enumerate() {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = String::new();
        BufReader::new(&mut stream).read_line(&mut head).unwrap();
        assert_eq!(head, "GET /events?key=a%2Fb HTTP/1.1\r\n");
        let event = |text| format!("event: put\ndata: {{\"event\":\"put\",\"text\":\"{text}\"}}\n\n");
        let data: String = texts.iter().map(event).collect();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: {number}\n\n{data}");
        stream.write_all(answer.as_bytes()).unwrap();
    }
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(text(&output.stdout), "put           one\nput           two\n");
    let told = text(&output.stderr);
    assert!(output.status.success() && told.contains("made anew") && told.lines().count() == 1, "{told}");
}

#[test]
fn a_key_and_a_node_are_watched() {
    let node = Node::alone();
    ends_with(0, node.addr, &["put", "a/b", "one"]);
    let mut child = command(node.addr, &["watch", "a/b", "--json", "--count", "3"]).spawn().expect("it runs");
    let first = await_line(&mut child, "value").pop().expect("a line");
    assert_eq!((&json(first.as_bytes())["bytes"], &json(first.as_bytes())["key"]), (&3.into(), &"a/b".into()));
    ends_with(0, node.addr, &["put", "a/b", "longer"]);
    assert!(await_line(&mut child, "value").concat().contains(r#""bytes":6"#));
    ends_with(0, node.addr, &["del", "a/b"]);
    await_line(&mut child, "absent");
    assert!(child.wait().expect("it is ours").success());
    let life = text(&ends_with(0, node.addr, &["watch", "--count", "1"]));
    assert!(life.starts_with("state ") && life.contains(&node.addr.to_string()), "{life}");
}

/// What it has written, line by line, until one contains this.
pub fn await_line(child: &mut Child, part: &str) -> Vec<String> {
    let out = BufReader::new(child.stdout.as_mut().expect("it was piped"));
    let mut lines = Vec::new();
    for line in out.lines().map_while(Result::ok) {
        lines.push(line);
        if lines.last().is_some_and(|line| line.contains(part)) {
            return lines;
        }
    }
    panic!("it ended before it said {part:?}: {lines:?}")
}
