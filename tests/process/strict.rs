//! What is not understood is refused, and nothing is changed: of every target that there is, by every method that it
//! takes.

use crate::client::{Client, connect, read_answer};
use crate::process::Node;
use serde_json::Value;
use skynode::http::parse::Method;
use skynode::http::routes::{Query, ROUTES, Route};
use skynode::http::traffic::Kind;
use std::io::Write;

/// What is held, in which versions, and how the node is.
fn state(client: &mut Client) -> (Value, Value) {
    (client.get("/storage").json(), client.get("/node").json()["state"].clone())
}

/// The target of a route, with the only key that exists, and the body that a request with this method has.
fn target(route: &Route, method: Method) -> (String, Option<&'static [u8]>) {
    let body: Option<&[u8]> = match method {
        Method::Put => Some(b"new"),
        Method::Post if route.ask(method).is_some_and(|ask| ask.takes_body) => Some(br#"{"key": "new", "value": "v"}"#),
        _ => None,
    };
    (route.path.replace("{key}", "k").replace("{file}", "main.js"), body)
}

fn requests() -> Vec<(&'static Route, Method)> {
    let taken = |route: &'static Route| Method::ALL.into_iter().filter(|method| route.kind(*method).is_some());
    ROUTES.iter().flat_map(|route| taken(route).map(move |method| (route, method))).collect()
}

#[test]
fn every_target_refuses_an_unknown_parameter_and_changes_nothing() {
    let node = Node::alone();
    let mut client = node.client();
    assert_eq!(client.put("k", b"kept").status, 201);
    let before = state(&mut client);
    for (route, method) in requests() {
        let (path, body) = target(route, method);
        for parameter in ["prefix=a", "ttl=5", "Limit=1", "__proto__", "%00"] {
            let answer = client.ask(method.name(), &format!("{path}?{parameter}"), "", body);
            if matches!(route.asks[0].query, Query::Any) {
                assert!([200, 204].contains(&answer.status), "{} {path}: {answer:?}", method.name());
                continue;
            }
            assert_eq!(answer.status, 400, "{} {path}?{parameter}", method.name());
            if method != Method::Head {
                let why = answer.json()["detail"].as_str().unwrap().to_owned();
                assert!(why.contains("takes no parameter") && why.contains("Nothing was done"), "{why}");
            }
        }
        let answer = client.ask(method.name(), &path, "Sky-Foo: 1\r\n", body);
        assert_eq!(answer.status, 400, "{} {path}", method.name());
        let answer = client.ask(method.name(), &path, "", Some(body.unwrap_or(b"unwanted")));
        assert_eq!(answer.status == 400, body.is_none(), "{} {path} with a body", method.name());
        if body.is_some() {
            // That was right, and changed something.
            client.ask("DELETE", "/storage/new", "", None);
            client.put("k", b"kept");
        }
    }
    let after = state(&mut client);
    assert_eq!(after.1, before.1, "nobody had it leave");
    assert_eq!(client.get("/storage/k").body, b"kept");
    assert_eq!(after.0["keys"].as_array().map(Vec::len), Some(1), "{}", after.0);
    // The same requests without what was added do what they say.
    for (route, method) in requests() {
        let (path, body) = target(route, method);
        let last = route.path == "/leave" && method == Method::Post;
        if !last && route.kind(method) != Some(Kind::Events) {
            let answer = client.ask(method.name(), &path, "", body);
            assert!(![400, 404, 411, 415].contains(&answer.status), "{} {path}: {answer:?}", method.name());
        }
    }
    assert_eq!(client.ask("POST", "/leave", "", None).status, 202);
}

#[test]
fn every_limit_holds_to_the_one_and_is_named() {
    let node = Node::alone();
    let mut client = node.client();
    let mut limits = 0;
    for (route, method) in requests() {
        let Some(Query::Of(known)) = route.ask(method).map(|ask| ask.query) else { continue };
        for (name, highest) in known.iter().filter_map(|known| Some((known.name, known.highest?))) {
            let mut ask =
                |number: &str| client.ask(method.name(), &format!("{}?{name}={number}", route.path), "", None);
            assert_eq!(ask(&highest.to_string()).status, 200, "{name}");
            for wrong in [&(highest + 1).to_string(), "999999999999999999999", "0", "-1", "", "many"] {
                let answer = ask(wrong);
                assert_eq!(answer.status, 400, "{name}={wrong}");
                assert!(method == Method::Head || answer.text().contains("from 1 to 1,000"), "{}", answer.text());
            }
            limits += 1;
        }
    }
    assert_eq!(limits, 6, "max twice and limit, by GET and by HEAD");

    let longest = "k".repeat(255);
    let mut put = |key: &str, fields: &str, body: Option<&[u8]>| {
        let answer = client.ask("PUT", &format!("/storage/{key}"), fields, body);
        (answer.status, answer.text().to_owned())
    };
    let kind = "x".repeat(96);
    let most = format!("Content-Type: {kind}\r\nSky-TTL: 315360000\r\nSky-Min-Copies: 1\r\n");
    assert_eq!(put(&longest, &most, Some(&[b'v'; 1 << 20])).0, 201);
    for (key, fields, status, words) in [
        (&*format!("{longest}k"), "", 400, "1 to 255 bytes long, this one is 256"),
        ("k", &*format!("Content-Type: {kind}x\r\n"), 400, "The media type has 97 bytes, the limit is 96"),
        ("k", "Sky-TTL: 400000000\r\n", 400, "The time to live is 400,000,000 seconds, the limit is 315,360,000"),
        ("k", "Sky-Min-Copies: 4\r\n", 400, "Sky-Min-Copies is a number from 1 to 3"),
    ] {
        let (told, why) = put(key, fields, Some(b"v"));
        assert!(told == status && why.contains(words), "{told} {why}");
    }
    // The body need not come for this.
    let (told, why) = put("k", "Content-Length: 2000000\r\n", None);
    let words = "The value has 2,000,000 bytes, the limit is 1,048,576: nothing was changed.";
    assert!(told == 413 && why.contains(words), "{told} {why}");
    assert_eq!(client.get("/storage/k").status, 404);
}

/// A coded value would be given back as if it were none, and the end of one that is sent in parts would replace all.
#[test]
fn a_value_is_stored_whole_and_as_it_is_or_not_at_all() {
    let node = Node::alone();
    let mut client = node.client();
    assert_eq!(client.put("k", b"hello ").status, 201);
    let mut put = |fields: &str, status: u16| {
        let answer = client.ask("PUT", "/storage/k", fields, Some(b"\x1f\x8b coded, or a part"));
        assert_eq!(answer.status, status, "{fields}: {answer:?}");
        assert_eq!(client.get("/storage/k").body, b"hello ", "{fields}");
        answer
    };
    let coded = put("Content-Encoding: gzip\r\nContent-Type: text/plain\r\n", 415);
    assert_eq!(coded.field("Accept-Encoding"), Some("identity"));
    put("Content-Encoding: identity, br\r\n", 415);
    put("Content-Range: bytes 6-10/11\r\n", 400);
    put("Content-Range: bytes 0-4/*\r\n", 400);
    put("If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n", 400);
    put("If-None-Macth: *\r\n", 400);
    put("X-HTTP-Method-Override: DELETE\r\n", 400);
    put("sky-ttl-s: 5\r\n", 400);
    let create = client.ask("POST", "/storage", "Content-Encoding: gzip\r\n", Some(br#"{"key": "z", "value": "v"}"#));
    assert_eq!((create.status, client.get("/storage/z").status), (415, 404));
    for body in [&br#"{"key": "z", "value": "v", "ttl": 5}"#[..], br#"{"key": "z", "value": "v", "value": "w"}"#] {
        let create = client.ask("POST", "/storage", "", Some(body));
        let named = create.text().contains("unknown field `ttl`") || create.text().contains("duplicate field `value`");
        assert!(create.status == 400 && named, "{create:?}");
        assert_eq!(client.get("/storage/z").status, 404);
    }
    // A client that waits before it sends the body is told at once.
    let mut stream = connect(node.addr).unwrap();
    let head = "PUT /storage/k?ttl=5 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(read_answer(&mut stream, false).unwrap().status, 400);
    let same = client.ask("PUT", "/storage/k", "Content-Encoding: identity\r\n", Some(b"hello again"));
    assert_eq!((same.status, client.get("/storage/k").body.as_slice()), (204, &b"hello again"[..]));
}

#[test]
fn an_empty_value_is_stored_only_where_its_length_is_told() {
    let node = Node::alone();
    let mut client = node.client();
    assert_eq!(client.put("k", b"kept").status, 201);
    let chunks = |body: &str| {
        let mut stream = connect(node.addr).unwrap();
        let head = "PUT /storage/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all([head, body].concat().as_bytes()).unwrap();
        read_answer(&mut stream, false).unwrap()
    };
    let empty = chunks("0\r\n\r\n");
    assert!(empty.status == 411 && empty.text().contains("Content-Length: 0"), "{empty:?}");
    assert_eq!(client.ask("PUT", "/storage/k", "", None).status, 411);
    assert_eq!(chunks("1\r\nv\r\n0\r\nSky-TTL: 1\r\n\r\n").status, 400);
    assert_eq!(client.get("/storage/k").body, b"kept");
    assert_eq!(chunks("1\r\nv\r\n0\r\nX: y\r\n\r\n").status, 204);
    assert_eq!(client.put("k", b"").status, 204);
    let read = client.get("/storage/k");
    assert_eq!((read.status, read.body.len()), (200, 0));
}

#[test]
fn a_key_that_is_not_there_is_told_in_fitting_words() {
    let node = Node::alone();
    let mut client = node.client();
    let mut detail = |method: &str| {
        let answer = client.ask(method, "/storage/none", "", None);
        (answer.status, answer.json()["detail"].as_str().unwrap().to_owned())
    };
    assert_eq!(detail("GET"), (404, "No such key.".into()));
    assert_eq!(detail("DELETE"), (404, "No such key: nothing to delete.".into()));
}
