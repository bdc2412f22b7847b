mod described;
mod pattern;
mod readiness;
mod strict;
mod writes;

use super::route::PAGE;
use super::*;
use crate::handle::{Found, Seed, Snapshot, Trouble};
use crate::http::parse::parse;
use crate::id::Arc;
use crate::limits::{LIST_MAX, VALUE_MAX, WALK_MAX};
use crate::node::{Attempt, Silenced, State, Unavailable};
use crate::wire::{Condition, Freshness, Incarnation, Operation, OperationId, Peer, Place, Version};
use smol::future;
use std::net::SocketAddr;
use std::time::Duration;

const VERSION: Version = Version { term: 1, time_ms: 2, writer: 3 };
const TAG: &str = "1-2-0000000000000003";
const NAME: OperationId = OperationId([7; 16]);
const NAME_TEXT: &str = "07070707070707070707070707070707";
const OPERATION: Operation = Operation { id: NAME, fresh: Freshness { term: 1, time_ms: 0x2a } };
const OPERATION_TEXT: &str = "07070707070707070707070707070707-1-2a";

fn owner() -> Peer {
    let addr = SocketAddr::from(([192, 0, 2, 1], 4321));
    Peer { place: Place { addr, id: Id::of_addr(addr) }, incarnation: Incarnation::new(1) }
}

fn stored(created: bool) -> Reply {
    Reply::Stored { version: VERSION, copies: 3, created, owner: owner(), operation: OPERATION }
}

fn value(text: &str) -> Reply {
    let content = Content::new(text.as_bytes(), b"", 0);
    Reply::Value { content, left_ms: 0, version: VERSION, copies: 2, owner: owner() }
}

/// Has a request with these lines and this body planned and run; the node, if it is asked, gives the reply.
fn ask(lines: &str, body: &str, reply: Reply) -> (Response, Option<Command>) {
    let text = format!("{lines}\r\nHost: h\r\n\r\n");
    let (head, _) = parse(text.as_bytes()).unwrap().unwrap();
    let plan = plan(&head, &Site::default(), VALUE_MAX);
    let (handle, requests) = Handle::new();
    let asked = std::cell::RefCell::new(None);
    let node = async {
        while let Ok(request) = requests.recv().await {
            // What a node of no particular state says of itself does not matter.
            let crate::handle::Request::Command(command, Some(to)) = request else { continue };
            *asked.borrow_mut() = Some(command);
            to.try_send(reply.clone()).unwrap();
        }
        future::pending().await
    };
    let response = smol::block_on(future::or(plan.run(body.into(), &handle), node));
    (response, asked.into_inner())
}

/// The status of a request that is to be answered without the node.
fn refused(lines: &str) -> Status {
    let (response, asked) = ask(lines, "", stored(true));
    assert!(asked.is_none(), "{lines}: {asked:?}");
    assert!(String::from_utf8_lossy(&response.body).contains("\"detail\":\""), "{lines}");
    response.status
}

fn field<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

#[test]
fn get_serves_bytes_that_no_browser_will_run() {
    let (response, command) = ask("GET /storage/%00 HTTP/1.1", "", value("<script>"));
    assert_eq!((response.status, &*response.body), (Status::Ok, b"<script>".as_slice()));
    assert_eq!(command, Some(Command::Get { key: [0].into() }));
    for (name, expected) in [
        ("Content-Type", "application/octet-stream"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", "sandbox"),
        ("ETag", "\"1-2-0000000000000003\""),
        ("Sky-Copies", "2"),
        ("Sky-Owner", "192.0.2.1:4321"),
    ] {
        assert_eq!(field(&response, name), Some(expected));
    }
}

#[test]
fn head_tells_of_a_value_all_but_its_bytes() {
    let (version, owner) = (VERSION, owner());
    let seen = Reply::Seen { version, length: 1 << 20, kind: b"text/html"[..].into(), left_ms: 0, copies: 3, owner };
    let (response, command) = ask("HEAD /storage/k HTTP/1.1", "", seen.clone());
    assert_eq!(command, Some(Command::Glance { key: [b'k'].into() }));
    assert_eq!((response.status, response.body.len(), response.left_out), (Status::Ok, 0, 1 << 20));
    assert_eq!(field(&response, "Content-Type"), Some("text/html"));
    let (response, _) = ask(&format!("HEAD /storage/k HTTP/1.1\r\nIf-None-Match: \"{TAG}\""), "", seen);
    assert_eq!((response.status, response.left_out), (Status::NotModified, 0));
}

#[test]
fn reads_are_conditional_on_any_of_their_tags() {
    for (lines, status) in [
        (format!("If-None-Match: \"{TAG}\""), Status::NotModified),
        (format!("If-None-Match: \"x,\" , W/\"{TAG}\""), Status::NotModified),
        (format!("If-None-Match: \"x\"\r\nIf-None-Match: \"{TAG}\""), Status::NotModified),
        ("If-None-Match: *".into(), Status::NotModified),
        ("If-None-Match: \"x\"".into(), Status::Ok),
        (format!("If-Match: \"{TAG}\""), Status::Ok),
        (format!("If-Match: W/\"{TAG}\""), Status::PreconditionFailed),
        ("If-Match: \"x\"".into(), Status::PreconditionFailed),
        (format!("If-Match: \"x\"\r\nIf-None-Match: \"{TAG}\""), Status::PreconditionFailed),
    ] {
        let (response, _) = ask(&format!("GET /storage/k HTTP/1.1\r\n{lines}"), "", value("v"));
        assert_eq!(response.status, status, "{lines}");
        assert!(field(&response, "ETag").is_some());
    }
}

#[test]
fn each_outcome_has_its_own_status() {
    let unavailable = Reply::Unavailable;
    for (reply, status) in [
        (Reply::NotFound, Status::NotFound),
        (Reply::Conflict { version: Some(VERSION) }, Status::PreconditionFailed),
        (Reply::Conflict { version: None }, Status::PreconditionFailed),
        (Reply::TooLarge, Status::ContentTooLarge),
        (Reply::Invented, Status::BadRequest),
        (unavailable(Unavailable::NotMember), Status::ServiceUnavailable),
        (unavailable(Unavailable::Busy), Status::ServiceUnavailable),
        (unavailable(Unavailable::NoOwner), Status::ServiceUnavailable),
        (unavailable(Unavailable::Leaving), Status::ServiceUnavailable),
        (unavailable(Unavailable::Silent), Status::ServiceUnavailable),
        (unavailable(Unavailable::Names), Status::ServiceUnavailable),
        (unavailable(Unavailable::Full { room: crate::wire::Room::Values }), Status::InsufficientStorage),
        (Reply::Reused, Status::Unprocessable),
        (Reply::Forgotten, Status::Conflict),
        (Reply::Unknown { operation: OPERATION }, Status::GatewayTimeout),
    ] {
        let (response, _) = ask("DELETE /storage/k HTTP/1.1", "", reply.clone());
        assert_eq!(response.status, status, "{reply:?}");
        assert_eq!(field(&response, "Retry-After").is_some(), status == Status::ServiceUnavailable);
        assert_eq!(field(&response, "Sky-Operation").is_some(), status == Status::GatewayTimeout);
        assert_eq!(field(&response, "Content-Type"), Some("application/problem+json"));
    }
    let (response, command) = ask("DELETE /storage/k HTTP/1.1\r\nIf-Match: *", "", stored(false));
    assert_eq!((response.status, field(&response, "ETag")), (Status::NoContent, None));
    assert!(matches!(command, Some(Command::Delete { condition: Condition::Present, .. })));
}

#[test]
fn a_write_under_the_name_of_a_delete_is_not_told_that_there_is_no_key() {
    for lines in ["PUT /storage/k HTTP/1.1\r\nContent-Length: 0", "POST /storage HTTP/1.1\r\nContent-Length: 1"] {
        let (response, asked) = ask(lines, r#"{"key": "k", "value": "v"}"#, Reply::NotFound);
        assert_eq!((response.status, asked.is_some()), (Status::Unprocessable, true), "{lines}");
        assert!(text(&response).contains("Sky-Operation"), "{response:?}");
    }
}

#[test]
fn keys_have_1_to_255_bytes_however_long_their_escapes() {
    let longest = "%41".repeat(KEY_MAX);
    let (response, _) = ask(&format!("GET /storage/{longest} HTTP/1.1"), "", value("v"));
    assert_eq!(response.status, Status::Ok);
    for name in ["", &format!("{longest}A")] {
        assert_eq!(refused(&format!("GET /storage/{name} HTTP/1.1")), Status::BadRequest, "{name}");
        assert_eq!(refused(&format!("GET /lookup/{name} HTTP/1.1")), Status::BadRequest, "{name}");
    }
}

#[test]
fn what_is_not_there_is_not_found_and_what_cannot_be_done_is_told() {
    for path in ["/x", "/storage1", "/Storage", "/lookup", "/ring/", "//", "/metric"] {
        assert_eq!(refused(&format!("GET {path} HTTP/1.1")), Status::NotFound, "{path}");
    }
    for (method, path, allow) in [
        ("POST", "/", "GET, HEAD, OPTIONS"),
        ("DELETE", "/storage", "GET, HEAD, POST, OPTIONS"),
        ("POST", "/storage/k", "GET, HEAD, PUT, DELETE, OPTIONS"),
        ("PUT", "/ring", "GET, HEAD, OPTIONS"),
        ("PUT", "/lookup/k", "GET, HEAD, OPTIONS"),
    ] {
        let (response, _) = ask(&format!("{method} {path} HTTP/1.1"), "", stored(true));
        assert_eq!((response.status, field(&response, "Allow")), (Status::MethodNotAllowed, Some(allow)), "{path}");
        let (response, _) = ask(&format!("BREW {path} HTTP/1.1"), "", stored(true));
        assert_eq!((response.status, field(&response, "Allow")), (Status::NotImplemented, Some(allow)), "{path}");
    }
    assert_eq!(refused("PUT /storage/k HTTP/1.1"), Status::LengthRequired);
    assert_eq!(refused("POST /storage HTTP/1.1"), Status::LengthRequired);
}

#[test]
fn every_target_says_what_it_can_be_asked_with() {
    let targets =
        routes::ROUTES.iter().map(|route| (route.path.replace("{key}", "a/b").replace("{file}", "x"), route.allow));
    for (target, allow) in targets.chain([(String::from("*"), routes::ALLOW_ALL)]) {
        let (response, asked) = ask(&format!("OPTIONS {target} HTTP/1.1"), "", Reply::Done);
        assert_eq!((response.status, field(&response, "Allow")), (Status::NoContent, Some(allow)), "{target}");
        assert_eq!((response.fields.len(), asked), (1, None), "and nothing else");
    }
    assert_eq!(refused("OPTIONS /nowhere HTTP/1.1"), Status::NotFound);
}

#[test]
fn a_site_that_is_named_gives_orders_but_not_by_a_rebound_name() {
    let origins = [String::from("https://app.example")].into_iter().collect();
    let site = Site { origins, ..Site::default() };
    let plan = |lines: &str| {
        let text = format!("{lines}\r\n\r\n");
        let (head, _) = parse(text.as_bytes()).unwrap().unwrap();
        let plan = plan(&head, &site, VALUE_MAX);
        (plan.is_refusal(), plan.tell(Response::new(Status::Ok)))
    };
    for request in ["POST /leave", "PUT /storage/k", "DELETE /storage/k", "POST /storage"] {
        let request = format!("{request} HTTP/1.1\r\nContent-Length: 0");
        let (refused, told) = plan(&format!("{request}\r\nHost: h\r\nOrigin: https://app.example"));
        assert!(!refused && field(&told, "Access-Control-Allow-Origin") == Some("https://app.example"), "{request}");
        let (refused, told) = plan(&format!("{request}\r\nHost: h\r\nOrigin: https://evil.example"));
        assert!(refused && field(&told, "Access-Control-Allow-Origin").is_none(), "{request}");
        let (refused, told) = plan(&format!("{request}\r\nHost: rebound.example\r\nOrigin: https://app.example"));
        assert!(refused && told.fields.is_empty(), "{request}: {told:?}");
    }
    let preflight = "OPTIONS /leave HTTP/1.1\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: POST";
    let (refused, told) = plan(&format!("{preflight}\r\nHost: rebound.example"));
    assert!(refused && told.fields.is_empty());
}

#[test]
fn queries_are_checked() {
    let ring = Reply::Ring { nodes: Vec::new(), next: None };
    let walk = |query: &str| match ask(&format!("GET /ring?{query} HTTP/1.1"), "", ring.clone()) {
        (response, Some(Command::Walk { from, max })) => {
            assert_eq!(response.status, Status::ServiceUnavailable, "an empty walk");
            Some((from, max))
        }
        (response, _) => {
            assert_eq!(response.status, Status::BadRequest, "{query}");
            None
        }
    };
    assert_eq!(walk(""), Some((None, WALK_MAX)));
    assert_eq!(walk("max=5&from=192.0.2.1%3A4321"), Some(("192.0.2.1:4321".parse().ok(), 5)));
    for query in
        ["max=", "max=0", "max=-1", "max=%2B1", "max=x", "max=1&max=1", "from=there", "from=192.0.2.1", "max=01"]
    {
        assert_eq!(walk(query), None, "{query}");
    }
    let fingers = |query: &str| match ask(&format!("GET /fingers{query} HTTP/1.1"), "", Reply::Fingers(None)) {
        (response, Some(Command::Fingers { of })) => {
            assert_eq!(response.status, Status::ServiceUnavailable, "that node is silent");
            Some(of)
        }
        (response, _) => {
            assert_eq!(response.status, Status::BadRequest, "{query}");
            None
        }
    };
    assert_eq!(fingers(""), Some(None));
    assert_eq!(fingers("?of=%5B2001%3Adb8%3A%3A1%5D%3A4321"), Some("[2001:db8::1]:4321".parse().ok()));
    for query in ["?of=", "?of=there", "?of=192.0.2.1", "?of=192.0.2.1:4321&of=192.0.2.1:4321", "?of=%FF"] {
        assert_eq!(fingers(query), None, "{query}");
    }
    assert_eq!(refused("GET /storage?limit=0 HTTP/1.1"), Status::BadRequest);
    assert_eq!(refused("GET /storage?after= HTTP/1.1"), Status::BadRequest);
}

#[test]
fn the_keys_of_the_whole_ring_are_asked_for_from_a_key_or_a_position_on() {
    let page = Reply::Listed { entries: Vec::new(), next: Some(Id::new(5)) };
    let list = |query: &str| match ask(&format!("GET /storage?{query} HTTP/1.1"), "", page.clone()) {
        (response, Some(Command::List { from, after, limit })) => {
            assert_eq!(response.status, Status::Ok);
            (from, after, limit)
        }
        other => panic!("{query}: {other:?}"),
    };
    assert_eq!(list("ring=1"), (Id::new(0), None, PAGE));
    assert_eq!(list("limit=7&ring=1&after=a%2Fb"), (Id::of_key(b"a/b"), Some(b"a/b"[..].into()), 7));
    assert_eq!(list(&format!("ring=1&from={}&limit=1000", Id::new(5))), (Id::new(5), None, LIST_MAX));
    let both = format!("ring=1&after=k&from={}", Id::new(5));
    for query in ["ring=", "ring=2", "ring=1&ring=1", "ring=1&limit=0", "ring=1&after=", "ring=1&from=5", &both] {
        assert_eq!(refused(&format!("GET /storage?{query} HTTP/1.1")), Status::BadRequest, "{query}");
    }
    assert_eq!(refused(&format!("GET /storage?from={} HTTP/1.1", Id::new(5))), Status::BadRequest);
    for why in [Unavailable::NoOwner, Unavailable::Silent, Unavailable::Busy, Unavailable::NotMember] {
        let (response, _) = ask("GET /storage?ring=1 HTTP/1.1", "", Reply::Unavailable(why));
        assert_eq!((response.status, field(&response, "Retry-After")), (Status::ServiceUnavailable, Some("1")));
    }
}

#[test]
fn a_lookup_tells_owner_and_path() {
    let reply = Reply::Owner { owner: owner(), arc: Arc::new(Id::new(1), Id::new(2)), path: Vec::new() };
    let (response, command) = ask("GET /lookup/k HTTP/1.1", "", reply);
    assert_eq!(command, Some(Command::Lookup { id: Id::of_key(b"k") }));
    let json: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(json["owner"]["addr"], "192.0.2.1:4321");
    assert_eq!(json["arc"]["upto"], Id::new(2).to_string());
    assert_eq!(json["id"], Id::of_key(b"k").to_string());
}

#[test]
fn a_node_that_has_ended_does_nothing_and_promises_nothing() {
    let (handle, requests) = Handle::new();
    drop(requests);
    assert!(handle.has_ended());
    let status = |lines: &str| {
        let text = format!("{lines}\r\nHost: h\r\n\r\n");
        let (head, _) = parse(text.as_bytes()).unwrap().unwrap();
        smol::block_on(plan(&head, &Site::default(), VALUE_MAX).run(Vec::new(), &handle)).status
    };
    assert_eq!(status("DELETE /storage/k HTTP/1.1"), Status::ServiceUnavailable, "it was not even asked");
    let again = format!("DELETE /storage/k HTTP/1.1\r\nSky-Operation: {OPERATION_TEXT}");
    assert_eq!(status(&again), Status::GatewayTimeout, "nobody here knows what became of the first attempt");
    assert_eq!(status("GET /node HTTP/1.1"), Status::GatewayTimeout);
}

#[test]
fn of_a_write_that_the_node_did_not_live_to_answer_nothing_is_known() {
    let (head, _) = parse(b"DELETE /storage/k HTTP/1.1\r\nHost: h\r\n\r\n").unwrap().unwrap();
    let (handle, requests) = Handle::new();
    let ends = async {
        drop(requests.recv().await);
        future::pending().await
    };
    let response = smol::block_on(future::or(plan(&head, &Site::default(), VALUE_MAX).run(Vec::new(), &handle), ends));
    assert_eq!(response.status, Status::GatewayTimeout);
}

fn text(response: &Response) -> &str {
    str::from_utf8(&response.body).unwrap()
}

#[test]
fn an_operator_has_the_node_leave_or_reopen() {
    for (path, command) in [("/leave", Command::Leave), ("/reopen", Command::Reopen)] {
        let post = format!("POST {path} HTTP/1.1");
        let (response, asked) = ask(&post, "", Reply::Done);
        assert_eq!((response.status, asked), (Status::Accepted, Some(command.clone())));
        assert!(text(&response).ends_with(".\n"), "a sentence: {response:?}");
        let (response, _) = ask(&post, "", Reply::Unavailable(Unavailable::Leaving));
        assert_eq!(response.status, Status::ServiceUnavailable);
        let (response, asked) = ask(&format!("GET {path} HTTP/1.1"), "", Reply::Done);
        assert_eq!((response.status, field(&response, "Allow")), (Status::MethodNotAllowed, Some("POST, OPTIONS")));
        assert_eq!(asked, None);
    }
    let (response, _) = ask("POST /reopen HTTP/1.1", "", Reply::NotSilent);
    assert_eq!(response.status, Status::Conflict);
    let (response, _) = ask("POST /reopen HTTP/1.1", "", Reply::SilentFor(owner()));
    assert_eq!(response.status, Status::Conflict);
    assert!(text(&response).contains("http://192.0.2.1:4321/"), "{response:?}");
}

#[test]
fn a_name_that_is_not_this_nodes_reads_and_changes_nothing() {
    let site = Site { hosts: [String::from("sky.example")].into_iter().collect(), ..Site::default() };
    for (host, status) in [("sky.example:4321", 200), ("127.0.0.1", 200), ("rebound.example:4321", 421)] {
        for method in ["GET", "HEAD", "POST"] {
            let path = if method == "POST" { "/leave" } else { "/" };
            let text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\r\n");
            let (head, _) = parse(text.as_bytes()).unwrap().unwrap();
            let plan = plan(&head, &site, VALUE_MAX);
            assert_eq!(plan.is_refusal(), status == 421, "{method} of {host}: {plan:?}");
        }
    }
}

#[test]
fn no_page_of_another_site_gives_orders() {
    for (fields, allowed) in [
        ("Origin: http://h", true),
        ("Origin: http://H", true),
        ("Origin: https://h", false),
        ("Origin: http://h:80", false),
        ("Origin: http://h.example", false),
        ("Origin: http://", false),
        ("Origin: null", false),
        ("Origin:", false),
        ("Origin: http://h\r\nOrigin: http://other", false),
    ] {
        let (response, asked) = ask(&format!("POST /leave HTTP/1.1\r\n{fields}"), "", Reply::Done);
        let status = if allowed { Status::Accepted } else { Status::Forbidden };
        assert_eq!((response.status, asked.is_some()), (status, allowed), "{fields}");
    }
    for changing in ["POST /storage", "PUT /storage/k", "DELETE /storage/k"] {
        assert_eq!(refused(&format!("{changing} HTTP/1.1\r\nOrigin: http://elsewhere")), Status::Forbidden);
    }
    let (read, _) = ask("GET /storage/k HTTP/1.1\r\nOrigin: http://elsewhere", "", value("v"));
    assert_eq!(read.status, Status::Ok, "a browser keeps the answer from the page that asked");
    let (head, _) = parse(b"POST /leave HTTP/1.0\r\nOrigin: http://\r\n\r\n").unwrap().unwrap();
    assert!(plan(&head, &Site::default(), VALUE_MAX).is_refusal(), "whoever names no host has no pages");
}
