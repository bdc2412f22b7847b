//! What a node counts, as Prometheus reads it.

use crate::client::Client;
use crate::process::Node;

/// The value of one series.
fn value(client: &mut Client, series: &str) -> f64 {
    let answer = client.get("/metrics");
    assert_eq!((answer.status, answer.field("Content-Type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    let line = answer.text().lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is missing: {}", answer.text())).parse().unwrap()
}

#[test]
fn what_clients_do_is_counted() {
    let node = Node::alone();
    let mut client = node.client();
    assert_eq!(client.put("k", b"value").status, 201);
    assert_eq!(client.get("/storage/k").status, 200);
    assert_eq!(client.ask("HEAD", "/storage/gone", "", None).status, 404);
    assert_eq!(client.ask("PUT", "/storage/k", "If-None-Match: *\r\n", Some(b"")).status, 412);
    assert_eq!(client.ask("DELETE", "/storage/k", "Origin: http://elsewhere\r\n", None).status, 403);
    assert_eq!(client.get("/nowhere").status, 404);
    let counted = |client: &mut Client, kind, outcome| {
        value(client, &format!("sky_http_requests_total{{kind=\"{kind}\",outcome=\"{outcome}\"}}"))
    };
    for (kind, outcome) in [
        ("put", "ok"),
        ("get", "ok"),
        ("get", "not_found"),
        ("put", "conflict"),
        ("delete", "refused"),
        ("other", "not_found"),
    ] {
        assert_eq!(counted(&mut client, kind, outcome), 1.0, "{kind} {outcome}");
    }
    let times = |client: &mut Client, what| value(client, &format!("sky_http_request_duration_seconds_{what}"));
    assert_eq!(times(&mut client, "count{kind=\"put\"}"), 2.0);
    assert_eq!(times(&mut client, "bucket{kind=\"put\",le=\"+Inf\"}"), 2.0);
    assert!(times(&mut client, "sum{kind=\"put\"}") > 0.0);
    for (series, wanted) in [
        ("sky_node_state{state=\"settled\"}", 1.0),
        ("sky_entries{part=\"owned\"}", 1.0),
        ("sky_entry_bytes{part=\"owned\"}", 6.0),
        ("sky_owner_writes_total", 1.0),
        ("sky_store_memory_limit_bytes", f64::from(128 << 20)),
        ("sky_http_connections", 1.0),
    ] {
        assert_eq!(value(&mut client, series), wanted, "{series}");
    }
    // Bytes that are no request count as well.
    assert!(crate::client::exchange(node.addr, b"\x16\x03\x01\r\n").starts_with("HTTP/1.1 400 "));
    assert_eq!(counted(&mut client, "other", "invalid"), 1.0);
    if cfg!(target_os = "linux") {
        let resident = value(&mut client, "sky_resident_memory_bytes");
        assert!((1e6..1e9).contains(&resident), "{resident}");
    }
}
