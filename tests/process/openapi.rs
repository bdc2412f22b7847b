//! What a node says of its interface is what it does: every operation of the description is asked for every answer that
//! can be brought about, and what comes is compared with what is described.

use crate::client::{Answer, connect, read_answer};
use crate::disk::{Scratch, refs, start_saving_ring};
use crate::process::{AWAITS, Node, own_addr, reserved_addr};
use crate::ring::await_all;
use crate::schema::{check, refer};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;

/// Answers for what is wrong with a request of HTTP itself.
const PROTOCOL: [u16; 6] = [408, 414, 417, 431, 501, 505];

/// Fields of the line between client and server, and of the body.
const OF_THE_LINE: [&str; 5] = ["Date", "Content-Length", "Content-Type", "Connection", "Keep-Alive"];

/// Operations that do not rest on others of the ring: that they are unavailable cannot be brought about in a moment.
const ALWAYS_THERE: [&str; 7] = ["/", "/events", "/openapi.json", "/healthz", "/metrics", "/node", "/leave"];

struct Description {
    all: Value,
    seen: BTreeSet<(String, String, String)>,
}

fn exchange(addr: SocketAddr, method: &str, target: &str, fields: &str, body: Option<&[u8]>) -> Answer {
    let host = if fields.contains("Host:") { String::new() } else { format!("Host: {addr}\r\n") };
    let length = body.map(|body| format!("Content-Length: {}\r\n", body.len())).unwrap_or_default();
    let mut text = format!("{method} {target} HTTP/1.1\r\n{host}{fields}{length}\r\n").into_bytes();
    text.extend_from_slice(body.unwrap_or_default());
    let mut stream = connect(addr).unwrap();
    // A node that refuses a long body does not read all of it.
    let _ = stream.write_all(&text);
    read_answer(&mut stream, method == "HEAD").unwrap_or_else(|error| panic!("{method} {target}: {error}"))
}

impl Description {
    fn of(addr: SocketAddr) -> Self {
        let all = exchange(addr, "GET", "/openapi.json", "", None).json();
        Self { all, seen: BTreeSet::new() }
    }

    /// All operations: path, method, what is said of it.
    fn operations(&self) -> Vec<(String, String)> {
        let paths = self.all["paths"].as_object().unwrap();
        let methods = |path: &String, target: &Value| {
            let methods = target.as_object().unwrap().keys().filter(|key| *key != "parameters");
            methods.map(|method| (path.clone(), method.clone())).collect::<Vec<_>>()
        };
        paths.iter().flat_map(|(path, target)| methods(path, target)).collect()
    }

    fn resolve<'a>(&'a self, what: &'a Value) -> &'a Value {
        what.get("$ref").map_or(what, |reference| refer(&self.all, reference))
    }

    /// Asks for `target`, which is of this path, and demands this status and all that is said of it.
    fn ask(&mut self, node: &Node, line: &str, fields: &str, body: Option<&[u8]>, status: u16) -> Answer {
        let (method, path, rest) = match line.split(' ').collect::<Vec<_>>()[..] {
            [method, path] => (method, path, ""),
            [method, path, rest] => (method, path, rest),
            _ => panic!("{line}"),
        };
        let target = match path.strip_suffix("{key}") {
            Some(start) => format!("{start}{rest}"),
            None => format!("{path}{rest}"),
        };
        let answer = exchange(node.addr, method, &target, fields, body);
        assert_eq!(answer.status, status, "{line}, {fields:?}: {answer:?}");
        if let Err(why) = self.compare(method, path, &answer) {
            panic!("{line}, {fields:?}: {why}: {answer:?}");
        }
        answer
    }

    fn compare(&mut self, method: &str, path: &str, answer: &Answer) -> Result<(), String> {
        let method = method.to_ascii_lowercase();
        let responses = &self.all["paths"][path][&method]["responses"];
        let code = answer.status.to_string();
        let code = match responses.get(&code) {
            Some(_) => code,
            None if PROTOCOL.contains(&answer.status) => String::from("default"),
            None => return Err(String::from("the status is not described")),
        };
        let response = self.resolve(&responses[&code]);
        let is_bare = [204, 304].contains(&answer.status);
        let kind = answer.field("Content-Type").map(|kind| kind.split(';').next().unwrap_or_default());
        match (response.get("content").and_then(Value::as_object), kind) {
            (Some(content), Some(kind)) if !is_bare => {
                let media = content.get(kind).or_else(|| content.get("*/*"));
                let media = media.ok_or_else(|| format!("the type {kind} is not described"))?;
                if method != "head"
                    && let Some(schema) = media.get("schema")
                {
                    let is_json = kind.ends_with("json");
                    let body = if is_json { answer.json() } else { answer.text().into() };
                    check(&self.all, schema, &body)?;
                }
            }
            (None, None) if answer.body.is_empty() => {}
            _ => return Err(String::from("a body that is not described, or none")),
        }
        if method == "head" && !answer.body.is_empty() {
            return Err(String::from("HEAD has no body"));
        }
        let described = response.get("headers").and_then(Value::as_object);
        for (name, header) in described.into_iter().flatten() {
            let header = self.resolve(header);
            match answer.field(name) {
                Some(text) => {
                    let number = text.parse::<u64>().ok().filter(|_| header["schema"]["type"] == "integer");
                    let value = number.map_or_else(|| Value::from(text), Value::from);
                    check(&self.all, &header["schema"], &value).map_err(|why| format!("{name}: {why}"))?;
                }
                None if header.get("required") == Some(&true.into()) => return Err(format!("{name} is missing")),
                None => {}
            }
        }
        for (name, _) in &answer.fields {
            let known = described.is_some_and(|fields| fields.keys().any(|known| known.eq_ignore_ascii_case(name)));
            if !known && !OF_THE_LINE.contains(&name.as_str()) {
                return Err(format!("the field {name} is not described"));
            }
        }
        self.seen.insert((path.to_owned(), method, code));
        Ok(())
    }

    /// What was described and has not been seen, of what can be brought about.
    fn unseen(&self) -> Vec<(String, String, String)> {
        let mut unseen = Vec::new();
        for (path, method) in self.operations() {
            for code in self.all["paths"][&path][&method]["responses"].as_object().unwrap().keys() {
                // That a node ends while it is asked, or that an outcome is unknown, other tests see to.
                let by_chance = code == "504"
                    || code == "503" && (method == "options" || ALWAYS_THERE.contains(&path.as_str()))
                    // A node can only reopen while it is silent.
                    || code == "503" && path == "/reopen"
                    // There is always room to delete, unless the disk is full.
                    || code == "507" && method == "delete";
                let triple = (path.clone(), method.clone(), code.clone());
                if !by_chance && !self.seen.contains(&triple) {
                    unseen.push(triple);
                }
            }
        }
        unseen
    }
}

/// A target of this path.
fn example(path: &str) -> &'static str {
    if path.ends_with("{key}") { " some%2Fkey" } else { "" }
}

#[test]
fn the_description_is_what_the_node_does() {
    let (node, beside) = ring_of_two();
    let small = Node::start(own_addr(), &["--max-memory", "4"].map(String::from));
    let mut told = Description::of(node.addr);
    writes(&mut told, &node);
    conditions(&mut told, &node);
    reads(&mut told, &node);
    refusals(&mut told, &node);
    full(&mut told, &small);
    silence(&mut told);
    let lost = Node::joining(reserved_addr());
    let nobody = format!("?from={}", reserved_addr());
    let of_nobody = format!("/fingers ?of={}", reserved_addr());
    for method in ["GET", "HEAD"] {
        told.ask(&lost, &format!("{method} /lookup/{{key}} k"), "", None, 503);
        told.ask(&node, &format!("{method} {of_nobody}"), "", None, 503);
        for path in ["/ring", "/ring.dot"] {
            told.ask(&node, &format!("{method} {path} {nobody}"), "", None, 503);
        }
    }
    told.ask(&node, "POST /reopen", "", None, 409);
    let old = written_under_old_name(&mut told, &node, &beside);
    told.ask(&beside, "POST /leave", "", None, 202);
    await_all(&[&node]);
    for (method, body) in [("PUT", Some(&b"0"[..])), ("DELETE", None)] {
        told.ask(&node, &format!("{method} /storage/{{key}} {}", old.key), &old.name, body, 409);
    }
    assert_eq!(told.unseen(), []);
}

struct Old {
    key: String,
    name: String,
}

/// A key of the other node, and the name of a write of it that others have followed: one that takes the key over knows
/// the last of them only.
fn written_under_old_name(told: &mut Description, node: &Node, owner: &Node) -> Old {
    let owner = owner.addr.to_string();
    for n in 0..1000 {
        let key = format!("old{n}");
        let line = format!("PUT /storage/{{key}} {key}");
        let first = told.ask(node, &line, "", Some(b"0"), 201);
        if first.field("Sky-Owner") == Some(&owner) {
            (0..6).for_each(|_| drop(told.ask(node, &line, "", Some(b"1"), 204)));
            let name = first.field("Sky-Operation").expect("each write has a name");
            return Old { key, name: format!("Sky-Operation: {name}\r\n") };
        }
    }
    panic!("{owner} owns no key");
}

/// A node that was started again without the one that stood beside it answers nothing, until it is told to.
fn silence(told: &mut Description) {
    let scratch = Scratch::new();
    let mut nodes = start_saving_ring(&scratch, 2);
    await_all(&refs(&nodes));
    // Each has saved by then that the other stands beside it.
    assert_eq!(nodes[0].client().put("k", b"v").field("Sky-Copies"), Some("2"));
    nodes.iter_mut().for_each(Node::crash);
    let mut node = nodes.swap_remove(0);
    node.restart();
    node.await_line(AWAITS);
    for method in ["GET", "HEAD"] {
        for read in ["/storage/{key} k", "/storage ?ring=1", "/readyz"] {
            told.ask(&node, &format!("{method} {read}"), "", None, 503);
        }
        for read in ["/node", "/metrics", "/healthz"] {
            told.ask(&node, &format!("{method} {read}"), "", None, 200);
        }
    }
    told.ask(&node, "PUT /storage/{key} k", "", Some(b"v"), 503);
    told.ask(&node, "POST /storage", "", Some(br#"{"key": "k", "value": "v"}"#), 503);
    told.ask(&node, "DELETE /storage/{key} k", "", None, 503);
    told.ask(&node, "POST /reopen", "", None, 202);
}

/// Two, so that there are neighbours to be described.
fn ring_of_two() -> (Node, Node) {
    let node = Node::alone();
    let beside = Node::joining(node.addr);
    await_all(&[&node, &beside]);
    (node, beside)
}

fn writes(told: &mut Description, node: &Node) {
    let json = r#"{"key": "a/ü", "value": "v"}"#.as_bytes();
    told.ask(node, "POST /storage", "", Some(json), 201);
    told.ask(node, "POST /storage", "", Some(json), 409);
    told.ask(node, "POST /storage", "", Some(b"{}"), 400);
    told.ask(node, "POST /storage", "", None, 411);
    told.ask(node, "POST /storage", "Content-Encoding: br\r\n", Some(json), 415);
    told.ask(node, "PUT /storage/{key} k", "Content-Encoding: gzip\r\n", Some(b"v"), 415);
    told.ask(node, "POST /storage", "", Some(&[b' '; 7 << 20]), 413);
    told.ask(node, "PUT /storage/{key} k", "Sky-TTL: 60\r\nContent-Type: text/html\r\n", Some(b"v"), 201);
    told.ask(node, "PUT /storage/{key} k", "", Some(b"w"), 204);
    told.ask(node, "PUT /storage/{key} %FF", "", Some(b""), 201);
    let named = "Sky-Operation: 132cf7fe84e32d097e30f13814e80fb0\r\n";
    let invented = "Sky-Operation: 132cf7fe84e32d097e30f13814e80fb0-2-ffffffffffff\r\n";
    told.ask(node, "DELETE /storage/{key} gone", invented, None, 400);
    told.ask(node, "DELETE /storage/{key} gone", named, None, 404);
    told.ask(node, "PUT /storage/{key} gone", named, Some(b"v"), 422);
    let named = "Sky-Operation: 132cf7fe84e32d097e30f13814e80fb1\r\n";
    told.ask(node, "PUT /storage/{key} named", named, Some(b"v"), 201);
    told.ask(node, "DELETE /storage/{key} named", named, None, 422);
    told.ask(node, "POST /storage", named, Some(br#"{"key": "named", "value": "w"}"#), 422);
    told.ask(node, "PUT /storage/{key} k", "Sky-Min-Copies: 0\r\n", Some(b""), 400);
    told.ask(node, "PUT /storage/{key} k", "", None, 411);
    told.ask(node, "PUT /storage/{key} k", "", Some(&vec![0; (1 << 20) + 1]), 413);
    told.ask(node, "DELETE /storage/{key} gone", "", None, 404);
    told.ask(node, "DELETE /storage/{key} k", "If-Range: x\r\n", None, 400);
}

fn conditions(told: &mut Description, node: &Node) {
    let tag = told.ask(node, "GET /storage/{key} k", "", None, 200).field("ETag").unwrap().to_owned();
    for method in ["GET", "HEAD"] {
        let read = format!("{method} /storage/{{key}} k");
        told.ask(node, &read, "", None, 200);
        told.ask(node, &read, &format!("If-None-Match: {tag}\r\n"), None, 304);
        told.ask(node, &read, "If-Match: \"x\"\r\n", None, 412);
        told.ask(node, &read, "If-Match: x\r\n", None, 400);
        told.ask(node, &format!("{method} /storage/{{key}} gone"), "", None, 404);
    }
    told.ask(node, "PUT /storage/{key} k", "If-None-Match: *\r\n", Some(b""), 412);
    told.ask(node, "PUT /storage/{key} gone", "If-Match: *\r\n", Some(b""), 412);
    told.ask(node, "DELETE /storage/{key} k", "If-Match: \"1-1-0000000000000001\"\r\n", None, 412);
    told.ask(node, "DELETE /storage/{key} k", "Sky-Operation: 00112233445566778899aabbccddeeff\r\n", None, 204);
}

/// What can be read, in the ways that the parameters allow.
fn reads(told: &mut Description, node: &Node) {
    for (path, method) in told.operations() {
        if ["get", "head"].contains(&method.as_str()) && path != "/storage/{key}" {
            let line = format!("{} {path}{}", method.to_ascii_uppercase(), example(&path));
            told.ask(node, &line, "", None, 200);
        }
    }
    told.ask(node, "GET /", "Accept: text/html,*/*\r\n", None, 200);
    told.ask(node, "GET /events ?key=k", "", None, 200);
    told.ask(node, "GET /storage ?limit=1", "", None, 200);
    let page = told.ask(node, "GET /storage ?ring=1&limit=1", "", None, 200).json();
    assert!(page["keys"][0]["owner"].is_string() && page["keys"][0]["owned"].is_null(), "{page}");
    let next = page["next"].as_str().unwrap();
    told.ask(node, &format!("GET /storage {}", next.strip_prefix("/storage").unwrap()), "", None, 200);
    for method in ["GET", "HEAD"] {
        for wrong in
            ["/storage ?limit=0", "/ring ?max=0", "/ring.dot ?from=there", "/fingers ?of=there", "/lookup/{key} %zz"]
        {
            told.ask(node, &format!("{method} {wrong}"), "", None, 400);
        }
    }
    let page = told.ask(node, "GET /ring ?max=1", "", None, 200).json();
    told.ask(node, &format!("GET /ring ?from={}", page["next"].as_str().unwrap()), "", None, 200);
}

/// What every operation refuses.
fn refusals(told: &mut Description, node: &Node) {
    let long = format!("X: {}\r\n", "y".repeat(9000));
    for (path, method) in told.operations() {
        let upper = method.to_ascii_uppercase();
        let line = format!("{upper} {path}{}", example(&path));
        let body = ["put", "post"].contains(&method.as_str()).then_some(&b"{}"[..]);
        told.ask(node, &line, "Host: rebound.example\r\n", body, 421);
        told.ask(node, &line, "X y\r\n", body, 400);
        told.ask(node, &line, "Sky-Foo: 1\r\n", body, 400);
        if path != "/" {
            let query = if line.contains("{key}") { "?unknown=1" } else { " ?unknown=1" };
            told.ask(node, &format!("{line}{query}"), "", body, 400);
        }
        if body.is_none() {
            told.ask(node, &line, "", Some(b"unwanted"), 400);
        }
        told.ask(node, &line, &long, body, 431);
        told.ask(node, &line, "Expect: tea\r\n", body, 417);
        told.ask(node, &line, "Transfer-Encoding: gzip, chunked\r\n", None, 501);
        match method.as_str() {
            "options" => drop(told.ask(node, &line, "", None, 204)),
            "get" | "head" => {}
            _ => drop(told.ask(node, &line, "Origin: http://elsewhere\r\n", body, 403)),
        }
    }
    let paths: BTreeSet<String> = told.operations().into_iter().map(|(path, _)| path).collect();
    for path in paths {
        let target = format!("{}{}", path.trim_end_matches("{key}"), example(&path).trim_start());
        let allow = exchange(node.addr, "OPTIONS", &target, "", None).field("Allow").unwrap().to_owned();
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let described = told.all["paths"][&path].get(method.to_ascii_lowercase()).is_some();
            assert_eq!(allow.split(", ").any(|allowed| allowed == method), described, "{method} {path}: {allow}");
            if !described {
                let answer = exchange(node.addr, method, &target, "", Some(b""));
                let status = if method == "PATCH" { 501 } else { 405 };
                assert_eq!((answer.status, answer.field("Allow")), (status, Some(allow.as_str())), "{method} {path}");
            }
        }
    }
}

/// A store of 4 MiB is full with four long values.
fn full(told: &mut Description, small: &Node) {
    let value = vec![7; 1 << 20];
    for number in 0..3 {
        told.ask(small, &format!("PUT /storage/{{key}} {number}"), "", Some(&value), 201);
    }
    told.ask(small, "PUT /storage/{key} 4", "", Some(&value), 507);
    let json = format!(r#"{{"key": "5", "value": "{}"}}"#, "v".repeat(1 << 20));
    told.ask(small, "POST /storage", "", Some(json.as_bytes()), 507);
}
