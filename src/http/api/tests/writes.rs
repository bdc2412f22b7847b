//! Writes: bodies, conditions, JSON.

use super::*;

#[test]
fn put_creates_or_replaces_raw_bytes() {
    let (response, command) = ask("PUT /storage/a%2Fb/c HTTP/1.1\r\nContent-Length: 1", "\0v", stored(true));
    assert_eq!(response.status, Status::Created);
    assert_eq!(field(&response, "Location"), Some("/storage/a%2Fb%2Fc"));
    assert_eq!(field(&response, "ETag"), Some(format!("\"{TAG}\"").as_str()));
    assert_eq!(field(&response, "Sky-Copies"), Some("3"));
    assert_eq!(field(&response, "Sky-Owner"), Some("192.0.2.1:4321"));
    assert_eq!(field(&response, "Sky-Operation"), Some(OPERATION_TEXT));
    let (key, content) = (b"a/b/c".as_slice().into(), Content::new(&b"\0v"[..], b"", 0));
    let condition = Condition::None;
    assert_eq!(command, Some(Command::Put { key, content, ttl_s: 0, condition, min_copies: 0, attempt: None }));
    let (response, _) = ask("PUT /storage/k HTTP/1.1\r\nContent-Length: 0", "", stored(false));
    assert_eq!((response.status, field(&response, "Location")), (Status::NoContent, None));
}

#[test]
fn conditions_of_writes_reach_the_owner() {
    let condition = |lines: &str| {
        let (_, command) = ask(&format!("PUT /storage/k HTTP/1.1\r\nContent-Length: 0\r\n{lines}"), "", stored(false));
        let Some(Command::Put { condition, attempt, .. }) = command else { panic!("{lines}: {command:?}") };
        (condition, attempt)
    };
    assert_eq!(condition(&format!("If-Match: \"{TAG}\"")), (Condition::Match(VERSION), None));
    assert_eq!(condition("If-Match: *"), (Condition::Present, None));
    assert_eq!(condition("If-None-Match: *"), (Condition::Absent, None));
    // Lists, weak tags, both fields, and tags that no value has (RFC 9110, sections 5.6.1, 8.8.3.2, 13.1 and 13.2.2).
    let (none, other) = (Version::NONE, Version { term: 1, time_ms: 2, writer: 4 });
    let (a, b) = (format!("\"{TAG}\""), format!("\"{other}\""));
    let (never, both) = (Condition::OneOf([none; 4]), [VERSION, other, none, none]);
    let none_of = |versions, absent| Condition::NoneOf { versions, absent };
    for (lines, wanted) in [
        (format!("If-Match: {a},{b}"), Condition::OneOf(both)),
        (format!("If-Match: {a}\r\nIf-Match: {b}"), Condition::OneOf(both)),
        (format!("If-Match: ,, {a}\t ,,{b},"), Condition::OneOf(both)),
        (format!("If-Match: W/{a}, {b}"), Condition::Match(other)),
        (format!("If-Match: W/{a}"), Condition::Match(none)),
        ("If-Match: \"x\"".into(), Condition::Match(none)),
        (format!("If-Match: \"x\", \"\", \"y,z\", {a}"), Condition::Match(VERSION)),
        (format!("If-None-Match: W/{a}, {b}"), none_of(both, true)),
        ("If-None-Match: \"x\"".into(), none_of([none; 4], true)),
        (format!("If-Match: *\r\nIf-None-Match: {a}, {b}"), none_of(both, false)),
        (format!("If-Match: {a}, {b}\r\nIf-None-Match: W/{a}"), Condition::Match(other)),
        (format!("If-Match: {a}\r\nIf-None-Match: {a}"), Condition::Match(none)),
        (format!("If-Match: {a}\r\nIf-None-Match: *"), Condition::Match(none)),
        ("If-Match: *\r\nIf-None-Match: *".into(), never),
    ] {
        assert_eq!(condition(&lines), (wanted, None), "{lines}");
    }
    let named = |text: &str| condition(&format!("Sky-Operation: {text}")).1;
    assert_eq!(named(NAME_TEXT), Some(Attempt::First(NAME)));
    assert_eq!(named(OPERATION_TEXT), Some(Attempt::Again(OPERATION)));
}

#[test]
fn a_value_keeps_its_media_type_and_tells_what_is_left_of_its_life() {
    let put = "PUT /storage/k HTTP/1.1\r\nContent-Length: 1\r\nContent-Type: text/html\r\nSky-TTL: 60\r\n\
               Sky-Min-Copies: 3";
    let (_, command) = ask(put, "v", stored(true));
    let Some(Command::Put { content, ttl_s, min_copies, .. }) = command else { panic!("{command:?}") };
    assert_eq!((content.kind(), ttl_s, min_copies), (&b"text/html"[..], 60, 3));
    let get = |kind: &[u8], left_ms| {
        let (content, version, owner) = (Content::new(&b"v"[..], kind, 0), VERSION, owner());
        ask("GET /storage/k HTTP/1.1", "", Reply::Value { content, left_ms, version, copies: 2, owner }).0
    };
    let (response, nearly_over, lasting) = (get(b"text/html", 59_001), get(b"a\r\nb", 1), get(b"", 0));
    assert_eq!(field(&response, "Content-Type"), Some("text/html"));
    assert_eq!(field(&response, "Sky-TTL"), Some("60"), "{response:?}");
    assert_eq!(field(&nearly_over, "Content-Type"), Some("application/octet-stream"));
    assert_eq!((field(&nearly_over, "Sky-TTL"), field(&lasting, "Sky-TTL")), (Some("1"), None));
    let (few, _) = ask(put, "v", Reply::Unavailable(Unavailable::TooFew { copies: 2 }));
    assert_eq!((few.status, field(&few, "Retry-After")), (Status::ServiceUnavailable, Some("1")));
}

#[test]
fn conditions_that_no_owner_understands_are_refused() {
    for (lines, status) in [
        (format!("If-Match: {TAG}"), Status::BadRequest),
        (format!("If-Match: \"{TAG}"), Status::BadRequest),
        (format!("If-Match: *, \"{TAG}\""), Status::BadRequest),
        ("If-Match:".into(), Status::BadRequest),
        ("If-Match: *\r\nIf-Match: *".into(), Status::BadRequest),
        ("If-Match: , ,".into(), Status::BadRequest),
        ("If-None-Match: \"a b\"".into(), Status::BadRequest),
        ("If-None-Match: w/\"a\"".into(), Status::BadRequest),
        (format!("If-Match: {}", ["\"a\""; 5].join(",")), Status::BadRequest),
        ("Sky-Operation: 12".into(), Status::BadRequest),
        (format!("Sky-Operation: {NAME_TEXT}-1"), Status::BadRequest),
        (format!("Sky-Operation: {OPERATION_TEXT}\r\nSky-Operation: {OPERATION_TEXT}"), Status::BadRequest),
        ("Sky-Min-Copies: 0".into(), Status::BadRequest),
        ("Sky-Min-Copies: 4".into(), Status::BadRequest),
        ("Sky-TTL: 0".into(), Status::BadRequest),
        ("Sky-TTL: 1.5".into(), Status::BadRequest),
        ("Sky-TTL: 315360001".into(), Status::BadRequest),
        (format!("Content-Type: {}", "x".repeat(97)), Status::BadRequest),
        ("Content-Type: a\tb".into(), Status::BadRequest),
    ] {
        assert_eq!(refused(&format!("PUT /storage/k HTTP/1.1\r\nContent-Length: 0\r\n{lines}")), status, "{lines}");
    }
    assert_eq!(refused("POST /storage HTTP/1.1\r\nContent-Length: 0\r\nIf-Match: *"), Status::BadRequest);
}

#[test]
fn post_creates_from_json_and_only_that() {
    const POST: &str = "POST /storage HTTP/1.1\r\nContent-Length: 1";
    let body = r#"{"key": "a b", "value": "\u0000ü"}"#;
    let (response, command) = ask(POST, body, stored(true));
    assert_eq!((response.status, field(&response, "Location")), (Status::Created, Some("/storage/a%20b")));
    let Some(Command::Put { key, content, condition, .. }) = command else { panic!("{command:?}") };
    assert_eq!((&*key, content.bytes(), condition), (b"a b".as_slice(), "\0ü".as_bytes(), Condition::Absent));
    assert_eq!(content.kind(), b"text/plain; charset=utf-8");
    let (response, _) = ask(POST, body, Reply::Conflict { version: Some(VERSION) });
    assert_eq!((response.status, field(&response, "ETag").is_some()), (Status::Conflict, true));
    let long_key = format!(r#"{{"key": "{}", "value": ""}}"#, "k".repeat(KEY_MAX + 1));
    let long_value = format!(r#"{{"key": "k", "value": "{}"}}"#, "v".repeat(VALUE_MAX + 1));
    for (body, status) in [
        ("", Status::BadRequest),
        ("[]", Status::BadRequest),
        (r#"{"key": "k"}"#, Status::BadRequest),
        (r#"{"key": "k", "value": 1}"#, Status::BadRequest),
        (r#"{"key": "k", "value": "v", "more": ""}"#, Status::BadRequest),
        (r#"{"key": "k", "value": "v"} x"#, Status::BadRequest),
        (r#"{"key": "", "value": "v"}"#, Status::BadRequest),
        (&long_key, Status::BadRequest),
        (&long_value, Status::ContentTooLarge),
    ] {
        let (response, asked) = ask(POST, body, stored(true));
        assert_eq!((response.status, asked), (status, None), "{body}");
    }
}
