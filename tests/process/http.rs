//! What people see of a node.

use crate::client::{Client, connect, exchange, read_answer};
use crate::process::Node;
use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};

#[test]
fn a_value_lives_from_put_to_delete() {
    let node = Node::alone();
    let mut client = node.client();
    let missing = client.get("/storage/k");
    assert_eq!((missing.status, missing.field("Content-Type")), (404, Some("application/problem+json")));
    assert_eq!(missing.json()["status"], 404);

    let created = client.put("k", b"one\0");
    assert_eq!((created.status, created.field("Location")), (201, Some("/storage/k")));
    assert_eq!(created.field("Sky-Copies"), Some("1"));
    assert_eq!(created.field("Sky-Owner"), Some(node.addr.to_string().as_str()));
    assert!(created.field("Sky-Operation").unwrap().len() > 32);
    let first = created.field("ETag").unwrap().to_owned();

    let got = client.get("/storage/k");
    assert_eq!((got.status, got.body.as_slice(), got.field("ETag")), (200, &b"one\0"[..], Some(first.as_str())));
    assert_eq!(got.field("Content-Type"), Some("application/octet-stream"));
    assert_eq!(got.field("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(got.field("Content-Security-Policy"), Some("sandbox"));
    let head = client.ask("HEAD", "/storage/k", "", None);
    assert_eq!((head.status, head.body.len(), head.field("Content-Length")), (200, 0, Some("4")));
    for name in ["Content-Type", "X-Content-Type-Options", "Content-Security-Policy", "ETag", "Sky-Copies", "Sky-Owner"]
    {
        assert_eq!(head.field(name), got.field(name), "{name}");
    }
    assert_eq!(client.ask("HEAD", "/storage/k", &format!("If-None-Match: {first}\r\n"), None).status, 304);
    assert_eq!(client.ask("GET", "/storage/k", &format!("If-None-Match: {first}\r\n"), None).status, 304);

    let replaced = client.ask("PUT", "/storage/k", &format!("If-Match: {first}\r\n"), Some(b"two"));
    assert_eq!(replaced.status, 204);
    let second = replaced.field("ETag").unwrap().to_owned();
    assert_ne!(first, second);
    let refused = client.ask("PUT", "/storage/k", &format!("If-Match: {first}\r\n"), Some(b"three"));
    assert_eq!((refused.status, refused.field("ETag")), (412, Some(second.as_str())));
    assert_eq!(client.ask("PUT", "/storage/k", "If-None-Match: *\r\n", Some(b"three")).status, 412);
    assert_eq!(client.ask("PUT", "/storage/other", "If-Match: *\r\n", Some(b"three")).status, 412);
    assert_eq!(client.ask("DELETE", "/storage/k", &format!("If-Match: {first}\r\n"), None).status, 412);
    assert_eq!(client.get("/storage/k").body, b"two");

    assert_eq!(client.ask("DELETE", "/storage/k", "If-Match: *\r\n", None).status, 204);
    assert_eq!(client.get("/storage/k").status, 404);
    assert_eq!(client.ask("DELETE", "/storage/k", "", None).status, 404);
    assert_eq!(client.put("k", b"").status, 201, "an empty value is a value");
    let empty = client.get("/storage/k");
    assert_eq!((empty.status, empty.body.len()), (200, 0));
}

#[test]
fn post_creates_once() {
    let node = Node::alone();
    let mut client = node.client();
    let body = r#"{"key": "grüße/1", "value": "hällo"}"#.as_bytes();
    let created = client.ask("POST", "/storage", "", Some(body));
    assert_eq!((created.status, created.field("Location")), (201, Some("/storage/gr%C3%BC%C3%9Fe%2F1")));
    assert_eq!(client.get("/storage/gr%C3%BC%C3%9Fe%2F1").text(), "hällo");
    assert_eq!(client.ask("POST", "/storage", "", Some(body)).status, 409);
    assert_eq!(client.ask("POST", "/storage", "", Some(b"{}")).status, 400);
}

#[test]
fn a_write_repeated_under_its_name_gets_its_first_answer() {
    let node = Node::alone();
    let mut client = node.client();
    let name = "00112233445566778899aabbccddeeff";
    let first = client.ask("PUT", "/storage/k", &format!("If-None-Match: *\r\nSky-Operation: {name}\r\n"), Some(b"v"));
    // The answer adds how fresh the first attempt was; a repetition says both.
    let operation = first.field("Sky-Operation").unwrap();
    assert!(operation.starts_with(name), "{operation}");
    let again = format!("If-None-Match: *\r\nSky-Operation: {operation}\r\n");
    let again = client.ask("PUT", "/storage/k", &again, Some(b"v"));
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.field("ETag"), again.field("ETag"));
    assert_eq!(again.field("Sky-Operation"), Some(operation));
    assert_eq!(client.ask("PUT", "/storage/k", "Sky-Operation: 12\r\n", Some(b"v")).status, 400);
}

#[test]
fn any_bytes_are_a_key() {
    let node = Node::alone();
    let mut client = node.client();
    let longest = "k".repeat(255);
    let keys = ["a%2Fb", "%00", "%FF%FE", "%20", "%25", "gr%C3%BC%C3%9Fe", "a+b", longest.as_str()];
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(client.put(key, &[number as u8]).status, 201, "{key}");
    }
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(client.get(&format!("/storage/{key}")).body, [number as u8], "{key}");
    }
    assert_eq!(client.get("/storage/a/b").body, [0], "an unescaped slash is the same slash");
    assert_eq!(client.put(&"k".repeat(256), b"").status, 400);
    assert_eq!(client.put("", b"").status, 400);
    assert_eq!(client.put("%zz", b"").status, 400);

    // The list leads to each of them, whatever bytes it has, page by page.
    let (mut target, mut listed) = (String::from("/storage?limit=3"), Vec::new());
    loop {
        let page = client.get(&target).json();
        listed.extend(page["keys"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => target = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(listed.len(), keys.len());
    for key in &listed {
        assert_eq!(client.get(key["path"].as_str().unwrap()).status, 200, "{key}");
        assert_eq!((&key["owned"], &key["bytes"]), (&true.into(), &1.into()));
    }
    assert!(listed.iter().any(|key| key["key"] == "a/b") && listed.iter().any(|key| key["key"].is_null()));
}

#[test]
fn limits_are_told() {
    let node = Node::alone();
    let mut client = node.client();
    let max = client.get("/node").json()["limits"]["value_bytes"].as_u64().unwrap() as usize;
    assert_eq!(client.put("k", &vec![7; max]).status, 201);
    assert_eq!(client.get("/storage/k").body, vec![7; max]);
    let refused = client.put("k", &vec![7; max + 1]);
    assert_eq!(refused.status, 413);
    let words = "The value has 1,048,577 bytes, the limit is 1,048,576: nothing was changed.";
    assert_eq!((max, refused.json()["detail"].as_str()), (1 << 20, Some(words)));
    assert_eq!(client.ask("PUT", "/storage/k", "", None).status, 411);
    assert_eq!(client.get("/nowhere").status, 404);
    let wrong = client.ask("PATCH", "/storage/k", "", None);
    assert_eq!((wrong.status, wrong.field("Allow")), (501, Some("GET, HEAD, PUT, DELETE, OPTIONS")));
}

#[test]
fn one_connection_serves_many_requests_also_sent_together() {
    let node = Node::alone();
    let mut stream = connect(node.addr).unwrap();
    let put = "PUT /storage/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
               2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: t\r\n\r\n";
    let get = "GET /storage/k HTTP/1.1\r\nHost: h\r\n\r\n";
    for round in 0..3 {
        stream.write_all([put, get, get].concat().as_bytes()).unwrap();
        assert_eq!(read_answer(&mut stream, false).unwrap().status, if round == 0 { 201 } else { 204 });
        for _ in 0..2 {
            assert_eq!(read_answer(&mut stream, false).unwrap().body, b"abc");
        }
    }
    let expecting = "PUT /storage/k HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    stream.write_all(expecting.as_bytes()).unwrap();
    assert_eq!(read_answer(&mut stream, false).unwrap().status, 100);
    stream.write_all(b"d").unwrap();
    assert_eq!(read_answer(&mut stream, false).unwrap().status, 204);
    stream.write_all(b"GET /storage/k HTTP/1.0\r\n\r\n").unwrap();
    let last = read_answer(&mut stream, false).unwrap();
    assert_eq!((last.body.as_slice(), last.field("Connection")), (&b"d"[..], Some("close")));
}

/// Each could be read as two requests, or as one, by two programs that are less strict.
#[test]
fn nothing_is_smuggled() {
    let node = Node::alone();
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 0",
        "Content-Length: 0, 5",
        "Content-Length: +5",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
        "Content-Length: 5\nX: y",
        "Host: other",
        "X: \0",
    ] {
        let smuggled = "GET /storage/smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
        let text = format!("PUT /storage/k HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n0\r\n\r\n{smuggled}");
        let answer = exchange(node.addr, text.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400 "), "{lines:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{lines:?}: {answer}");
        assert!(answer.contains("Connection: close\r\n"));
    }
    assert_eq!(node.client().get("/storage/k").status, 404, "and nothing was stored");
}

#[test]
fn three_hundred_idle_connections_do_not_keep_a_client_out() {
    let node = Node::alone();
    let idle: Vec<TcpStream> = (0..300).map(|_| connect(node.addr).unwrap()).collect();
    assert_eq!(node.client().put("k", b"v").status, 201);
    assert_eq!(node.client().get("/storage/k").body, b"v");
    drop(idle);
}

#[test]
fn a_node_shows_itself_and_its_ring() {
    let node = Node::alone();
    let mut client = node.client();
    client.put("k", b"value");
    let shown = client.get("/node");
    assert_eq!(shown.field("Content-Type"), Some("application/json"));
    let shown = shown.json();
    assert_eq!((&shown["addr"], &shown["state"]), (&node.addr.to_string().into(), &"settled".into()));
    assert_eq!((&shown["entries"], &shown["owned"]), (&1.into(), &1.into()));
    for counter in ["datagrams_in", "lapses", "suspicions", "flawed_tag", "unsent", "writes", "reads"] {
        assert!(shown["counters"][counter].is_u64(), "{counter}: {shown}");
    }
    let ring = client.get("/ring").json();
    assert_eq!(ring["nodes"].as_array().unwrap().len(), 1);
    assert_eq!((&ring["nodes"][0]["id"], &ring["next"]), (&shown["id"], &serde_json::Value::Null));
    let lookup = client.get("/lookup/k").json();
    assert_eq!((&lookup["owner"]["addr"], &lookup["hops"]), (&shown["addr"], &0.into()));
    assert_eq!(client.get("/healthz").status, 200);
    assert_eq!(client.get("/readyz").status, 200);
    assert!(client.get("/").text().contains("/storage/{key}"));
    draws(&mut client);
}

/// The picture is well formed, as far as this machine can tell.
fn draws(client: &mut Client) {
    let picture = client.get("/ring.dot");
    assert!(picture.text().starts_with("digraph") && picture.text().ends_with("}\n"));
    let Ok(mut dot) = Command::new("dot").arg("-Tsvg").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        return;
    };
    dot.stdin.take().unwrap().write_all(&picture.body).unwrap();
    let output = dot.wait_with_output().unwrap();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("</svg>"));
}
