//! What is not understood is refused by every target, and the node is not asked for anything.

use super::*;
use crate::http::parse::Method;
use crate::http::routes::{Ask, Parameter, Query, ROUTES, Route};
use crate::limits::{KIND_MAX, TTL_MAX_S, grouped};

/// Every request that the routes know: target, method, and the query that belongs to it.
fn requests() -> impl Iterator<Item = (&'static Route, Method)> {
    let taken = |route: &'static Route| Method::ALL.into_iter().filter(|method| route.kind(*method).is_some());
    ROUTES.iter().flat_map(move |route| taken(route).map(move |method| (route, method)))
}

/// A request as it is to be, but for what is added.
fn lines(route: &Route, method: Method, query: &str, fields: &str) -> String {
    let path = route.path.replace("{key}", "k").replace("{file}", "main.js");
    let takes_body = route.ask(method).is_some_and(|ask| ask.takes_body);
    let length = if takes_body { "\r\nContent-Length: 1" } else { "" };
    format!("{} {path}{query} HTTP/1.1{length}{fields}", method.name())
}

fn is_refused(lines: &str) -> bool {
    let text = format!("{lines}\r\nHost: h\r\n\r\n");
    let (head, _) = parse(text.as_bytes()).unwrap().unwrap();
    plan(&head, &Site::default(), VALUE_MAX).is_refusal()
}

/// What the answer says to a request that is refused with this status and asks the node for nothing.
#[track_caller]
fn told(status: Status, lines: &str) -> String {
    let (response, asked) = ask(lines, "", stored(true));
    assert_eq!((response.status, &asked), (status, &None), "{lines}: {response:?}");
    let problem: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    problem["detail"].as_str().unwrap().to_owned()
}

fn of(ask: &Ask) -> &'static [Parameter] {
    if let Query::Of(known) = ask.query { known } else { &[] }
}

#[test]
fn every_target_refuses_a_parameter_that_it_does_not_have_and_says_which_it_has() {
    let mut refusals = 0;
    for (route, method) in requests() {
        let with = |query: &str| lines(route, method, query, "");
        assert!(!is_refused(&with("")) && !is_refused(&with("?")), "{} {}", method.name(), route.path);
        if matches!(route.asks, [Ask { query: Query::Any, .. }]) {
            assert!(!is_refused(&with("?unknown=1&unknown=2")), "{}", route.path);
            assert!(["/", "/page/{file}"].contains(&route.path), "no other takes anything: {}", route.path);
            continue;
        }
        let all: Vec<Parameter> = route.asks.iter().flat_map(of).copied().collect();
        let known = route.ask(method).map_or(all.clone(), |ask| of(ask).to_vec());
        for query in ["?unknown=1", "?unknown", "?&unknown=&", "?un%6bnown=1"] {
            let why = told(Status::BadRequest, &with(query));
            assert!(why.contains("takes no parameter \"unknown\"") && why.contains("Nothing was done."), "{why}");
            assert!(known.iter().all(|known| why.contains(known.name)), "{why}");
            assert!(why.starts_with(&format!("{} {} ", method.name(), route.path)), "{why}");
        }
        // Nor those of another method, nor one that is written otherwise.
        for other in all.iter().filter(|other| !known.contains(other)) {
            told(Status::BadRequest, &with(&format!("?{}=1", other.name)));
        }
        for known in known {
            told(Status::BadRequest, &with(&format!("?{}=1", known.name.to_ascii_uppercase())));
            let why = told(Status::BadRequest, &with(&format!("?{0}=1&{0}=1", known.name)));
            assert!(why.contains(&format!("{} is given twice", known.name)), "{why}");
        }
        refusals += 1;
    }
    assert!(refusals > 30, "{refusals} of the requests were tried");
}

#[test]
fn a_number_beyond_its_highest_is_refused_and_the_highest_is_not() {
    let mut numbers = Vec::new();
    for (route, method) in requests() {
        for known in route.ask(method).map_or(&[][..], of) {
            let Some(highest) = known.highest else { continue };
            numbers.push((route.path, known.name));
            let with = |number: &str| lines(route, method, &format!("?{}={number}", known.name), "");
            for right in [1, highest - 1, highest] {
                assert!(!is_refused(&with(&right.to_string())), "{right}");
            }
            let (beyond, huge) = ((highest + 1).to_string(), "9".repeat(40));
            for wrong in ["0", "-1", "", "x", "1.5", "%2B1", "+1", "0x10", "1e2", &beyond, &huge] {
                let why = told(Status::BadRequest, &with(wrong));
                assert!(why.contains(&format!("{} is a number from 1 to {}", known.name, grouped(highest as u64))));
            }
        }
    }
    numbers.dedup();
    assert_eq!(numbers, [("/ring", "max"), ("/ring.dot", "max"), ("/storage", "limit")]);
}

#[test]
fn every_target_refuses_a_field_of_skys_own_that_it_does_not_have() {
    for (route, method) in requests() {
        let known = route.ask(method).map_or(&[][..], |ask| ask.fields);
        let own = ["Sky-TTL", "Sky-Min-Copies", "Sky-Operation", "Sky-Foo", "sky-ttl-seconds", "X-Sky-TTL", "SKY_TTL"];
        for name in own.into_iter().filter(|name| !known.contains(name)) {
            let why = told(Status::BadRequest, &lines(route, method, "", &format!("\r\n{name}: 1")));
            assert!(why.contains(&format!("takes no field {name}:")), "{why}");
            assert!(known.iter().filter(|known| known.starts_with("Sky-")).all(|known| why.contains(known)), "{why}");
        }
        told(Status::BadRequest, &lines(route, method, "", "\r\nX-HTTP-Method-Override: DELETE"));
        for harmless in
            ["Skylight: 1", "X-Skynet: 1", "Authorization: Basic eA==", "Prefer: wait=1", "Range: bytes=0-1"]
        {
            assert!(!is_refused(&lines(route, method, "", &format!("\r\n{harmless}"))), "{harmless}");
        }
    }
    let right = "PUT /storage/k HTTP/1.1\r\nContent-Length: 1\r\nsky-ttl: 60\r\nSKY-MIN-COPIES: 1";
    assert!(!is_refused(right), "names have no case");
}

#[test]
fn what_changes_something_refuses_conditions_and_parts_that_it_does_not_understand() {
    for (route, method) in requests() {
        let changes = matches!(method, Method::Put | Method::Post | Method::Delete);
        let known = route.ask(method).map_or(&[][..], |ask| ask.fields);
        let conditions =
            ["If-Match", "If-None-Match", "If-Unmodified-Since", "If-Modified-Since", "If-Range", "If-Mtach"];
        for name in conditions.into_iter().chain(["If", "Content-Range"]).filter(|name| !known.contains(name)) {
            let request = lines(route, method, "", &format!("\r\n{name}: x"));
            if changes {
                let why = told(Status::BadRequest, &request);
                assert!(why.contains(name) && why.to_ascii_lowercase().contains("nothing was done"), "{why}");
            } else {
                assert!(!is_refused(&request), "a read that passes it over does no harm: {request}");
            }
        }
    }
    // Where the version is compared, a date beside it counts for nothing (RFC 9110, section 13.2.2).
    for beside in ["If-Match: *\r\nIf-Unmodified-Since: x", "If-None-Match: *\r\nIf-Modified-Since: x"] {
        assert!(!is_refused(&format!("PUT /storage/k HTTP/1.1\r\nContent-Length: 1\r\n{beside}")), "{beside}");
    }
    for alone in ["If-None-Match: *\r\nIf-Unmodified-Since: x", "If-Match: *\r\nIf-Modified-Since: x"] {
        told(Status::BadRequest, &format!("PUT /storage/k HTTP/1.1\r\nContent-Length: 1\r\n{alone}"));
    }
}

#[test]
fn a_body_that_means_nothing_or_is_coded_is_refused() {
    for (route, method) in requests() {
        if route.ask(method).is_some_and(|ask| ask.takes_body) {
            for coding in ["gzip", "GZIP", "identity, br", "identity\r\nContent-Encoding: zstd", "aws-chunked"] {
                let request = lines(route, method, "", &format!("\r\nContent-Encoding: {coding}"));
                let (response, asked) = ask(&request, "x", stored(true));
                assert_eq!((response.status, asked), (Status::UnsupportedMediaType, None), "{request}");
                assert_eq!(field(&response, "Accept-Encoding"), Some("identity"));
            }
            for none in ["identity", "", "Identity"] {
                assert!(!is_refused(&lines(route, method, "", &format!("\r\nContent-Encoding: {none}"))));
            }
            continue;
        }
        let why = told(Status::BadRequest, &lines(route, method, "", "\r\nContent-Length: 1"));
        assert!(why.contains("takes no body"), "{why}");
        assert!(!is_refused(&lines(route, method, "", "\r\nContent-Length: 0")));
        // Of what comes in chunks nobody knows beforehand whether there is any.
        let chunked = lines(route, method, "", "\r\nTransfer-Encoding: chunked");
        assert!(!is_refused(&chunked));
        let (response, asked) = ask(&chunked, "x", stored(true));
        assert_eq!((response.status, asked), (Status::BadRequest, None), "{chunked}");
    }
}

#[test]
fn an_empty_value_is_stored_where_its_length_says_so() {
    let (response, asked) = ask("PUT /storage/k HTTP/1.1\r\nContent-Length: 0", "", stored(true));
    assert!(response.status == Status::Created && asked.is_some());
    let why = told(Status::LengthRequired, "PUT /storage/k HTTP/1.1\r\nTransfer-Encoding: chunked");
    assert!(why.contains("Content-Length: 0") && why.contains("nothing was changed"), "{why}");
    let (response, _) = ask("PUT /storage/k HTTP/1.1\r\nTransfer-Encoding: chunked", "v", stored(true));
    assert_eq!(response.status, Status::Created);
    told(Status::LengthRequired, "PUT /storage/k HTTP/1.1");
}

#[test]
fn where_the_time_to_live_is_looked_for_it_is_said_where_it_is() {
    for query in ["ttl=5", "TTL=5", "expires=5", "ex=5"] {
        let why = told(Status::BadRequest, &format!("PUT /storage/k?{query} HTTP/1.1\r\nContent-Length: 1"));
        assert!(why.contains("the header field Sky-TTL"), "{why}");
    }
    let other = told(Status::BadRequest, "PUT /storage/k?b HTTP/1.1\r\nContent-Length: 1");
    assert!(!other.contains("Sky-TTL") && other.contains("%3F"), "{other}");
    let (response, _) =
        ask("POST /storage HTTP/1.1\r\nContent-Length: 1", r#"{"key": "k", "value": "v", "ttl": 5}"#, stored(true));
    assert!(text(&response).contains("unknown field `ttl`") && text(&response).contains("the header field Sky-TTL"));
    for (twice, name) in
        [(r#"{"key": "k", "value": "v", "value": "w"}"#, "`value`"), (r#"{"key":"a","key":"b"}"#, "`key`")]
    {
        let (response, asked) = ask("POST /storage HTTP/1.1\r\nContent-Length: 1", twice, stored(true));
        assert_eq!((response.status, asked), (Status::BadRequest, None), "{twice}");
        assert!(text(&response).contains(&format!("duplicate field {name}")), "{response:?}");
    }
}

#[test]
fn a_browser_that_asks_before_it_sends_is_not_kept_from_the_answer_that_says_why() {
    let ahead = "OPTIONS /storage/k?ttl=5 HTTP/1.1\r\nAccess-Control-Request-Method: PUT";
    assert!(!is_refused(ahead));
    told(Status::BadRequest, "OPTIONS /storage/k?ttl=5 HTTP/1.1");
    assert!(!is_refused("OPTIONS /storage?limit=5 HTTP/1.1"), "what it takes by one of its methods");
}

#[test]
fn a_limit_is_named_with_what_is_beyond_it() {
    let put = |fields: &str| format!("PUT /storage/k HTTP/1.1\r\nContent-Length: 1\r\n{fields}");
    let (kind, ttl) = ("x".repeat(KIND_MAX), TTL_MAX_S);
    assert!(!is_refused(&put(&format!("Content-Type: {kind}\r\nSky-TTL: {ttl}\r\nSky-Min-Copies: 3"))));
    for (fields, words) in [
        (format!("Content-Type: {kind}x"), "The media type has 97 bytes, the limit is 96: nothing was changed."),
        (
            format!("Sky-TTL: {}", ttl + 1),
            "The time to live is 315,360,001 seconds, the limit is 315,360,000: nothing was changed.",
        ),
        ("Sky-Min-Copies: 4".into(), "Sky-Min-Copies is a number from 1 to 3: nothing was changed."),
        ("Sky-TTL: 0".into(), "Sky-TTL is a number from 1 to 315,360,000: nothing was changed."),
    ] {
        assert_eq!(told(Status::BadRequest, &put(&fields)), words);
    }
    let too_large = |lines: &str, value_max| {
        let text = format!("{lines}\r\nHost: h\r\n\r\n");
        let (head, _) = parse(text.as_bytes()).unwrap().unwrap();
        let response = plan(&head, &Site::default(), value_max).too_large();
        let problem: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        (response.status, problem["detail"].as_str().unwrap().to_owned())
    };
    for (lines, words) in [
        ("Content-Length: 2000000", "The value has 2,000,000 bytes, the limit is 1,048,576: nothing was changed."),
        ("Transfer-Encoding: chunked", "The value has more than 1,048,576 bytes, the limit: nothing was changed."),
    ] {
        let told = too_large(&format!("PUT /storage/k HTTP/1.1\r\n{lines}"), VALUE_MAX);
        assert_eq!(told, (Status::ContentTooLarge, words.into()));
    }
    let body = too_large("POST /storage HTTP/1.1\r\nContent-Length: 99999999", VALUE_MAX).1;
    assert!(body.starts_with("The body has 99,999,999 bytes, the limit is "), "{body}");
    let unwanted = too_large("GET /node HTTP/1.1\r\nTransfer-Encoding: chunked", VALUE_MAX);
    assert!(unwanted.0 == Status::BadRequest && unwanted.1.contains("GET /node takes no body"), "{unwanted:?}");
    // Another node may take less than this one.
    let (response, _) = ask(&put("X: y"), "v", Reply::TooLarge);
    assert_eq!(response.status, Status::ContentTooLarge);
    assert!(text(&response).contains("The value has 1 byte, more than the node responsible"), "{response:?}");
}

#[test]
fn a_key_that_is_not_there_is_told_in_words_that_fit_what_was_asked() {
    for (lines, words) in [
        ("GET /storage/k HTTP/1.1", "No such key."),
        ("HEAD /storage/k HTTP/1.1", "No such key."),
        ("DELETE /storage/k HTTP/1.1", "No such key: nothing to delete."),
    ] {
        let (response, _) = ask(lines, "", Reply::NotFound);
        assert_eq!(response.status, Status::NotFound);
        assert!(text(&response).contains(&format!("\"detail\":\"{words}\"")), "{response:?}");
    }
}
