//! What a node says over a socket, held against the sections of RFC 9110 and RFC 9112 that say it.

use crate::client::exchange;
use crate::process::Node;
use std::net::SocketAddr;

/// A section; the request, in whose lines a bar stands for CR LF; the status; what the head of the answer has, and what
/// it does not have.
type Check = (&'static str, &'static str, u16, &'static [&'static str], &'static [&'static str]);

const TAG: &str = "\"1-1-0000000000000001\"";

/// Requests that are understood: Host and Connection are added to them, and a body stands behind two bars.
const UNDERSTOOD: &[Check] = &[
    ("9110 6.6.1", "GET /storage/k", 200, &["Date: ", " GMT"], &[]),
    ("9110 8.6", "GET /storage/k", 200, &["Content-Length: 5"], &["Transfer-Encoding"]),
    ("9110 8.8.3", "GET /storage/k", 200, &["ETag: \""], &["ETag: W/"]),
    ("9110 14.3", "GET /storage/k", 200, &["Accept-Ranges: none"], &[]),
    ("9110 14.2", "GET /storage/k|Range: bytes=0-1", 200, &["Content-Length: 5"], &["Content-Range"]),
    ("9110 14.2", "GET /storage/k|Range: nonsense", 200, &["Content-Length: 5"], &[]),
    ("9110 13.1.5", "GET /storage/k|Range: bytes=0-1|If-Range: \"x\"", 200, &["Content-Length: 5"], &[]),
    ("9110 13.1.3", "GET /storage/k|If-Modified-Since: Sun, 06 Nov 2094 08:49:37 GMT", 200, &[], &["Last-Modified"]),
    ("9110 13.1.4", "GET /storage/k|If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 200, &[], &[]),
    ("9110 13.1.2", "GET /storage/k|If-None-Match: *", 304, &["ETag: \"", "Cache-Control: no-cache"], &["Content-"]),
    ("9110 13.1.2", "GET /storage/k|If-None-Match: \"x\", {tag}", 304, &["ETag: {tag}", "Date: "], &["Content-Length"]),
    ("9110 13.1.2", "GET /storage/k|If-None-Match: W/{tag}", 304, &[], &[]),
    ("9110 5.6.1.2", "GET /storage/k|If-None-Match: , ,{tag},", 304, &[], &[]),
    ("9110 5.3", "GET /storage/k|If-None-Match: \"x\"|If-None-Match: {tag}", 304, &[], &[]),
    ("9110 8.8.3", "GET /storage/k|If-None-Match: \"a,b\", \"\", \"!#~\"", 200, &[], &[]),
    ("9110 8.8.3", "GET /storage/k|If-None-Match: x", 400, &[], &[]),
    ("9110 8.8.3", "GET /storage/k|If-None-Match: w/\"x\"", 400, &[], &[]),
    ("9110 13.1.1", "GET /storage/k|If-Match: *", 200, &[], &[]),
    ("9110 13.1.1", "GET /storage/k|If-Match: \"x\", {tag}", 200, &[], &[]),
    ("9110 8.8.3.2", "GET /storage/k|If-Match: W/{tag}", 412, &["ETag: {tag}"], &[]),
    ("9110 13.2.2", "GET /storage/k|If-Match: \"x\"|If-None-Match: {tag}", 412, &[], &[]),
    ("9110 13.2.1", "GET /storage/none|If-Match: *", 404, &[], &[]),
    ("9110 13.2.1", "GET /storage/none|If-None-Match: *", 404, &[], &[]),
    ("9110 13.1.2", "HEAD /storage/k|If-None-Match: {tag}", 304, &["ETag: {tag}"], &["Content-Length"]),
    ("9110 13.1.1", "PUT /storage/k|If-Match: \"x\"|Content-Length: 1||v", 412, &["ETag: {tag}"], &[]),
    ("9110 8.8.3.2", "PUT /storage/k|If-Match: W/{tag}|Content-Length: 1||v", 412, &["ETag: {tag}"], &[]),
    ("9110 13.1.1", "PUT /storage/none|If-Match: *|Content-Length: 1||v", 412, &[], &["ETag"]),
    ("9110 13.1.1", "PUT /storage/none|If-Match: \"x\"|Content-Length: 1||v", 412, &[], &["ETag"]),
    ("9110 13.1.2", "PUT /storage/k|If-None-Match: *|Content-Length: 1||v", 412, &["ETag: {tag}"], &[]),
    ("9110 13.1.2", "PUT /storage/k|If-None-Match: \"x\", {tag}|Content-Length: 1||v", 412, &["ETag: {tag}"], &[]),
    ("9110 8.8.3.2", "PUT /storage/k|If-None-Match: W/{tag}|Content-Length: 1||v", 412, &["ETag: {tag}"], &[]),
    ("9110 13.2.2", "PUT /storage/k|If-Match: {tag}|If-None-Match: *|Content-Length: 1||v", 412, &[], &[]),
    ("9110 13.2.2", "PUT /storage/k|If-Match: {tag}|If-None-Match: {tag}|Content-Length: 1||v", 412, &[], &[]),
    ("9110 13.2.2", "PUT /storage/k|If-Match: *|If-None-Match: {tag}|Content-Length: 1||v", 412, &[], &[]),
    ("9110 13.2.1", "PUT /storage/k|If-Match: \"x\"|Sky-TTL: 0|Content-Length: 1||v", 400, &[], &[]),
    ("9110 13.1.1", "DELETE /storage/k|If-Match: \"x\"", 412, &["ETag: {tag}"], &[]),
    ("9110 13.1.2", "DELETE /storage/k|If-None-Match: {tag}", 412, &["ETag: {tag}"], &[]),
    ("9110 13.1.2", "DELETE /storage/k|If-None-Match: *", 412, &["ETag: {tag}"], &[]),
    ("9110 13.2.1", "DELETE /storage/none|If-Match: *", 404, &[], &[]),
    ("9110 13.2.1", "DELETE /storage/none|If-Match: \"x\"", 404, &[], &[]),
    ("9110 14.5", "PUT /storage/k|Content-Range: bytes 0-0/1|Content-Length: 1||v", 400, &[], &[]),
    (
        "9110 8.4",
        "PUT /storage/k|Content-Encoding: gzip|Content-Length: 1||v",
        415,
        &["Accept-Encoding: identity"],
        &[],
    ),
    ("9110 9.3.2", "HEAD /storage/k", 200, &["Content-Length: 5", "Accept-Ranges: none"], &[]),
    ("9110 9.3.2", "HEAD /storage/none", 404, &["Content-Length: "], &[]),
    ("9110 9.3.2", "HEAD /nowhere", 404, &["Content-Length: "], &[]),
    ("9110 9.3.2", "HEAD /leave", 405, &["Allow: POST, OPTIONS"], &[]),
    ("9110 9.3.2", "HEAD /node?x=1", 400, &[], &[]),
    ("9110 9.3.2", "HEAD /storage/k|Content-Length: 1||v", 400, &[], &[]),
    ("9110 9.3.2", "HEAD /storage/k|Content-Length: 99999999", 400, &[], &[]),
    ("9110 9.3.2", "HEAD /events", 200, &["text/event-stream"], &["Content-Length"]),
    ("9110 9.3.2", "HEAD /storage/k|Expect: 100-continue|Content-Length: 9", 400, &[], &[]),
    ("9110 9.3.7", "OPTIONS *", 204, &["Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS"], &["Content-Length"]),
    ("9110 9.3.7", "OPTIONS /storage/k", 204, &["Allow: GET, HEAD, PUT, DELETE, OPTIONS"], &["Content-Length"]),
    ("9112 3.2.4", "OPTIONS http://h", 204, &["Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS"], &[]),
    ("9110 15.5.6", "POST /storage/k", 405, &["Allow: GET, HEAD, PUT, DELETE, OPTIONS"], &[]),
    ("9110 15.5.6", "DELETE /storage", 405, &["Allow: GET, HEAD, POST, OPTIONS"], &[]),
    ("9110 9.1", "PATCH /storage/k", 501, &["Allow: GET, HEAD, PUT, DELETE, OPTIONS"], &[]),
    ("9110 9.1", "get /storage/k", 501, &[], &[]),
    ("9110 9.3.8", "TRACE /", 501, &[], &[]),
    ("9110 9.2.1", "GET /leave", 405, &["Allow: POST, OPTIONS"], &[]),
    ("9110 10.1.1", "GET /storage/k|Expect:", 200, &[], &[]),
    ("9110 10.1.1", "GET /storage/k|Expect: 100-continue", 200, &[], &["100 Continue"]),
    ("9110 7.8", "GET /storage/k|Upgrade: h2c|Connection: Upgrade", 200, &[], &["Upgrade"]),
    ("9110 10.1.4", "GET /storage/k|TE: trailers, deflate;q=0.5", 200, &[], &["Transfer-Encoding"]),
    ("9110 12.5.3", "GET /storage/k|Accept-Encoding: gzip", 200, &["Content-Length: 5"], &["Content-Encoding"]),
    ("9110 12.5.1", "GET /storage/k|Accept: application/json", 200, &[], &[]),
    ("9110 12.5.5", "GET /", 200, &["Vary: Accept", "text/plain", "Cache-Control: no-cache"], &[]),
    ("9110 12.5.5", "GET /|Accept: text/html", 200, &["Vary: Accept", "text/html"], &[]),
    ("9110 12.4.2", "GET /|Accept: text/html;q=0", 200, &["Vary: Accept", "text/plain"], &[]),
    ("9110 4.2.3", "GET /storage/%6B", 200, &["Content-Length: 5"], &[]),
    ("9110 15.4.5", "GET /storage/%00", 404, &[], &[]),
    ("3986 3.3", "GET /storage/../node", 404, &["problem+json"], &[]),
    ("9110 5.1", "GET /storage/k|iF-nONE-mATCH: {tag}", 304, &[], &[]),
    ("9110 5.5", "GET /storage/k|X: \u{e4}\t\u{fc}", 200, &[], &[]),
    ("9112 5.1", "GET /storage/k|If-None-Match:{tag}", 304, &[], &[]),
    ("9112 6.3", "PUT /storage/k|If-Match: \"x\"|Content-Length: 1, 1||v", 412, &[], &[]),
    ("9112 7.1.1", "PUT /storage/k|If-Match: \"x\"|Transfer-Encoding: chunked||1 ; a=\"b\\\"\";c|v|0|", 412, &[], &[]),
    ("9112 7.1.2", "PUT /storage/k|If-Match: \"x\"|Transfer-Encoding: Chunked||1|v|0|X: y|", 412, &[], &[]),
    ("9110 6.5.1", "PUT /storage/k|Transfer-Encoding: chunked||1|v|0|If-Match: \"x\"|", 400, &[], &[]),
    ("9112 7.1.1", "PUT /storage/k|Transfer-Encoding: chunked||1;a=|v|0|", 400, &[], &[]),
    ("9112 7.1.1", "PUT /storage/k|Transfer-Encoding: chunked||1;a=\"b|v|0|", 400, &[], &[]),
    ("9112 7.1", "PUT /storage/k|Transfer-Encoding: chunked||0x1|v|0|", 400, &[], &[]),
    ("9110 15.5.12", "PUT /storage/k", 411, &[], &[]),
    ("9110 15.5.14", "PUT /storage/k|Content-Length: 99999999999999999999", 413, &[], &[]),
    ("9112 6.1", "PUT /storage/k|Transfer-Encoding: gzip, chunked", 501, &[], &[]),
    ("9110 15.5.18", "GET /storage/k|Expect: tea", 417, &[], &[]),
    ("9110 15.5.18", "HEAD /storage/k|Expect: tea", 417, &["Content-Length: "], &[]),
    ("9112 6.3", "HEAD /storage/k|Transfer-Encoding: chunked||0x|", 400, &[], &[]),
    ("9112 3.2.2", "GET http://127.0.0.1/storage/k", 200, &[], &[]),
    ("9112 3.2.2", "GET http://evil.example/storage/k", 421, &[], &[]),
    ("9110 7.4", "GET https://127.0.0.1/storage/k", 421, &[], &[]),
    ("9110 15.2.1", "GET /storage/k|Prefer: respond-async", 200, &[], &[]),
];

/// Requests as they are sent: the node refuses what they are made of, whoever asks for what.
const REFUSED: &[Check] = &[
    ("9112 3.2", "GET / HTTP/1.1||", 400, &[], &[]),
    ("9112 3.2", "GET / HTTP/1.1|Host: a|Host: a||", 400, &[], &[]),
    ("9112 3.2", "GET / HTTP/1.1|Host: a b||", 400, &[], &[]),
    ("9112 3.2", "GET / HTTP/1.1|Host: a:b||", 400, &[], &[]),
    ("9112 3.2", "GET / HTTP/1.0|Host: a/b||", 400, &[], &[]),
    ("9112 3.2", "GET http://a/ HTTP/1.1||", 400, &[], &[]),
    ("9112 3.2", "HEAD / HTTP/1.1||", 400, &["Content-Length: "], &[]),
    ("9112 3.2.2", "GET http://evil.example/ HTTP/1.1|Host: 127.0.0.1|Connection: close||", 421, &[], &[]),
    ("9112 3.2.2", "GET http://evil.example/ HTTP/1.0||", 421, &[], &[]),
    ("9112 3.2.2", "GET http://127.0.0.1/ HTTP/1.1|Host: evil.example|Connection: close||", 200, &[], &[]),
    ("9110 4.2.4", "GET http://u@a/ HTTP/1.1|Host: a||", 400, &[], &[]),
    ("9110 4.2.1", "GET http://:80/ HTTP/1.1|Host: a||", 400, &[], &[]),
    ("9112 3.2.3", "CONNECT a:80 HTTP/1.1|Host: a:80||", 501, &[], &[]),
    ("9112 3.2.4", "GET * HTTP/1.1|Host: a||", 400, &[], &[]),
    ("9112 3", "GET /a b HTTP/1.1|Host: a||", 400, &[], &[]),
    ("9112 3", "GET  / HTTP/1.1|Host: a||", 400, &[], &[]),
    ("9112 3", "GET /<a> HTTP/1.1|Host: a||", 400, &[], &[]),
    ("9112 3", "GET /% HTTP/1.1|Host: a||", 400, &[], &[]),
    ("9112 3", "GET /a#b HTTP/1.1|Host: a||", 400, &[], &[]),
    ("9112 2.3", "GET / HTTP/2.0|Host: a||", 505, &[], &[]),
    ("9112 2.3", "GET / http/1.1|Host: a||", 400, &[], &[]),
    ("9112 2.3", "GET / HTTP/1.2|Host: a|Connection: close||", 200, &[], &[]),
    ("9112 2.2", "|GET / HTTP/1.1|Host: a|Connection: close||", 200, &[], &[]),
    ("9112 2.2", "|HEAD / HTTP/1.1||", 400, &[], &[]),
    ("9112 2.2", "GET / HTTP/1.1\nHost: a\n\n", 400, &[], &[]),
    ("9112 2.2", "GET / HTTP/1.1|Host: a|X: b\rc||", 400, &[], &[]),
    ("9112 2.2", "GET / HTTP/1.1| Host: a||", 400, &[], &[]),
    ("9112 5.1", "GET / HTTP/1.1|Host : a||", 400, &[], &[]),
    ("9112 5.2", "GET / HTTP/1.1|Host: a|X: b| c||", 400, &[], &[]),
    ("9112 5.2", "HEAD / HTTP/1.1|Host: a|X: b| c||", 400, &[], &[]),
    ("9110 5.5", "GET / HTTP/1.1|Host: a|X: \0||", 400, &[], &[]),
    ("9110 5.1", "GET / HTTP/1.1|Host: a|(: b||", 400, &[], &[]),
    ("9112 6.1", "PUT /storage/k HTTP/1.1|Host: a|Content-Length: 5|Transfer-Encoding: chunked||0||", 400, &[], &[]),
    ("9112 6.1", "PUT /storage/k HTTP/1.0|Transfer-Encoding: chunked||0||", 400, &[], &[]),
    ("9112 6.3", "PUT /storage/k HTTP/1.1|Host: a|Transfer-Encoding: chunked, gzip||0||", 400, &[], &[]),
    ("9112 6.3", "PUT /storage/k HTTP/1.1|Host: a|Transfer-Encoding: chunked, chunked||0||", 400, &[], &[]),
    ("9112 6.3", "PUT /storage/k HTTP/1.1|Host: a|Content-Length: 1|Content-Length: 2||v", 400, &[], &[]),
    ("9110 8.6", "PUT /storage/k HTTP/1.1|Host: a|Content-Length: +1||v", 400, &[], &[]),
    ("9110 8.6", "PUT /storage/k HTTP/1.1|Host: a|Content-Length: ||v", 400, &[], &[]),
    ("9112 9.3", "GET /storage/k HTTP/1.0||", 200, &["HTTP/1.1 200 OK"], &["keep-alive"]),
    ("9110 10.1.1", "GET /storage/k HTTP/1.0|Expect: 100-continue||", 200, &[], &["100 Continue"]),
];

/// Asks, and compares. All that comes is one answer, after HEAD and with some statuses without content, and no cache
/// may give it again unasked.
fn holds(addr: SocketAddr, text: &str, check: &Check, tag: &str) {
    let (section, request, status, has, lacks) = check;
    let bytes: Vec<u8> = text.chars().map(|char| u8::try_from(u32::from(char)).expect("ISO 8859-1")).collect();
    let answer = exchange(addr, &bytes);
    let what = format!("RFC {section}: {request:?}: {answer:?}");
    let (head, content) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{what}"));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{what}");
    assert!(has.iter().all(|part| head.contains(&part.replace("{tag}", tag))), "{what}");
    assert!(!lacks.iter().any(|part| head.contains(part)), "{what}");
    assert!(head.contains("\r\nDate: ") && head.contains("\r\nConnection: close"), "{what}");
    assert_eq!(head.matches("\r\nCache-Control: no-").count(), 1, "{what}");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
    let is_head = request.trim_start_matches('|').starts_with("HEAD ");
    let is_bare = is_head || matches!(status, 204 | 304);
    assert!(if is_bare { content.is_empty() } else { length == Some(content.len()) }, "{what}");
    // What HEAD says is what GET says (RFC 9110, section 9.3.2), but for words of a refusal that name the method.
    if is_head && !matches!(status, 400 | 405) && !head.contains("event-stream") {
        let get = exchange(addr, text.replacen("HEAD", "GET", 1).as_bytes());
        let get = get.split_once("\r\n\r\n").expect("a head").0;
        let fields =
            |head: &str| head.lines().filter(|line| !line.starts_with("Date: ")).collect::<Vec<_>>().join("\n");
        assert_eq!(fields(head), fields(get), "{what}");
    }
}

#[test]
fn a_node_keeps_to_the_letter_of_http() {
    let node = Node::alone();
    let tag = node.client().put("k", b"value").field("ETag").expect("a version").to_owned();
    assert_ne!(tag, TAG);
    for check in UNDERSTOOD {
        let (line, rest) = check.1.split_once('|').unwrap_or((check.1, ""));
        let (fields, body) = rest.split_once("||").unwrap_or((rest, ""));
        let fields = if fields.is_empty() { String::new() } else { format!("{fields}|") };
        let text = format!("{line} HTTP/1.1|Host: 127.0.0.1|Connection: close|{fields}|{body}");
        let chunks = if text.contains("hunked|") { "|" } else { "" };
        holds(node.addr, &(text + chunks).replace('|', "\r\n").replace("{tag}", &tag), check, &tag);
    }
    for check in REFUSED {
        holds(node.addr, &check.1.replace('|', "\r\n"), check, &tag);
    }
    assert_eq!(node.client().get("/storage/k").body, b"value", "none of them changed anything");
    assert_eq!(node.client().get("/storage/none").status, 404);
}

/// RFC 9110, sections 13.1.1, 13.1.2 and 13.2.2, where the conditions hold.
#[test]
fn a_write_is_done_where_its_conditions_hold() {
    let node = Node::alone();
    let mut client = node.client();
    let mut tag = client.put("k", b"0").field("ETag").expect("a version").to_owned();
    for fields in [
        "If-Match: \"x\", {tag}",
        "If-Match: {other}, {tag}",
        "If-Match: ,, {tag},",
        "If-Match: \"x\"|If-Match: {tag}",
        "If-Match: W/{tag}, {tag}",
        "If-None-Match: \"x\"",
        "If-None-Match: {other}, W/\"x\"",
        "If-Match: *|If-None-Match: {other}",
        "If-Match: {tag}, {other}|If-None-Match: {other}",
    ] {
        let fields = fields.replace('|', "\r\n").replace("{tag}", &tag).replace("{other}", TAG) + "\r\n";
        let answer = client.ask("PUT", "/storage/k", &fields, Some(fields.as_bytes()));
        assert_eq!(answer.status, 204, "{fields}: {answer:?}");
        tag = answer.field("ETag").expect("a version").to_owned();
        assert_eq!(client.get("/storage/k").body, fields.as_bytes());
    }
    // A write that is repeated under its name gets its first answer, though its conditions hold no longer.
    let named = format!("If-Match: {TAG}, {tag}\r\nSky-Operation: 00112233445566778899aabbccddeeff\r\n");
    let done = client.ask("PUT", "/storage/k", &named, Some(b"once"));
    let name = done.field("Sky-Operation").expect("a name").to_owned();
    let again = format!("If-Match: {TAG}, {tag}\r\nSky-Operation: {name}\r\n");
    let again = client.ask("PUT", "/storage/k", &again, Some(b"once"));
    assert_eq!((done.status, again.status, again.field("ETag")), (204, 204, done.field("ETag")), "{again:?}");
    assert_eq!(client.ask("PUT", "/storage/new", "If-None-Match: \"x\"\r\n", Some(b"v")).status, 201);
    assert_eq!(client.ask("DELETE", "/storage/k", "If-None-Match: \"x\"\r\n", None).status, 204);
    assert_eq!(client.get("/storage/k").status, 404);
}
