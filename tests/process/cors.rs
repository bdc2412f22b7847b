//! What pages of other sites can do, with and without `--cors`.

use crate::process::{Node, own_addr};

const APP: &str = "https://app.example";
const TOLD: [&str; 5] = [
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers",
    "Access-Control-Expose-Headers",
    "Access-Control-Max-Age",
];

fn open(origins: &str) -> Node {
    Node::start(own_addr(), &["--cors", origins].map(String::from))
}

#[test]
fn a_page_of_a_named_site_reads_and_writes() {
    let node = open("http://other.example:8080, https://app.example");
    let mut client = node.client();
    let origin = format!("Origin: {APP}\r\n");
    let preflight =
        format!("{origin}Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: if-match\r\n");
    let may = client.ask("OPTIONS", "/storage/k", &preflight, None);
    assert_eq!((may.status, may.field("Access-Control-Allow-Origin")), (204, Some(APP)));
    assert!(may.field("Access-Control-Allow-Methods").unwrap().contains("PUT"));
    assert!(may.field("Access-Control-Allow-Headers").unwrap().contains("If-Match"));
    assert_eq!((may.field("Vary"), may.field("Access-Control-Max-Age")), (Some("Origin"), Some("600")));
    for (method, target, body, status) in [
        ("PUT", "/storage/k", Some(&b"v"[..]), 201),
        ("GET", "/storage/k", None, 200),
        ("POST", "/storage", Some(br#"{"key": "k", "value": "w"}"#), 409),
        ("GET", "/storage/gone", None, 404),
        ("GET", "/node", None, 200),
        ("PUT", "/storage/k", Some(&[0; (1 << 20) + 1]), 413),
        ("DELETE", "/storage/k", None, 204),
        ("POST", "/reopen", None, 409),
    ] {
        let answer = client.ask(method, target, &origin, body);
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(answer.field("Access-Control-Allow-Origin"), Some(APP), "{method} {target}");
        assert_eq!(answer.field("Vary"), Some("Origin"));
        assert!(answer.field("Access-Control-Expose-Headers").unwrap().contains("Sky-Operation"));
        assert_eq!(answer.field("Access-Control-Allow-Credentials"), None);
    }
}

#[test]
fn a_page_of_another_site_changes_nothing_and_is_told_nothing() {
    for (node, varies) in [(open(APP), Some("Origin")), (Node::alone(), None)] {
        let mut client = node.client();
        assert_eq!(client.put("k", b"kept").status, 201);
        for stranger in ["https://evil.example", "http://app.example", "https://app.example.evil.example", "null", "*"]
        {
            let origin = format!("Origin: {stranger}\r\n");
            for (method, target) in
                [("PUT", "/storage/k"), ("DELETE", "/storage/k"), ("POST", "/storage"), ("POST", "/leave")]
            {
                let answer = client.ask(method, target, &origin, Some(b""));
                assert_eq!((answer.status, answer.field("Vary")), (403, varies), "{method} {target} of {stranger}");
                assert!(TOLD.iter().all(|name| answer.field(name).is_none()), "{answer:?}");
                let preflight = format!("{origin}Access-Control-Request-Method: {method}\r\n");
                let answer = client.ask("OPTIONS", target, &preflight, None);
                assert!(TOLD.iter().all(|name| answer.field(name).is_none()), "{answer:?}");
            }
            let answer = client.ask("GET", "/storage/k", &origin, None);
            assert!(answer.body == b"kept" && TOLD.iter().all(|name| answer.field(name).is_none()), "{answer:?}");
        }
        assert_eq!(client.get("/readyz").status, 200);
    }
}

/// A page whose own name points here counts as this node's for the browser; that a site is named helps it nothing.
#[test]
fn a_rebound_name_gets_nothing_even_if_its_site_is_named() {
    let node = open("http://rebound.example");
    for (method, target) in [("GET", "/node"), ("PUT", "/storage/k"), ("OPTIONS", "/storage/k"), ("POST", "/leave")] {
        let fields = "Origin: http://rebound.example\r\nAccess-Control-Request-Method: PUT\r\nContent-Length: 0\r\n";
        let text = format!("{method} {target} HTTP/1.1\r\nHost: rebound.example\r\n{fields}Connection: close\r\n\r\n");
        let answer = crate::client::exchange(node.addr, text.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 421 ") && !answer.contains("Access-Control"), "{method}: {answer}");
    }
}
