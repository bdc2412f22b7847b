//! What a node counts, as Prometheus reads it.

use crate::client::Client;
use crate::process::Node;
use crate::ring::{await_all, start_ring};

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
    // A body that is refused before it has come counts, and so do bytes that are no request.
    assert_eq!(client.put("k", &vec![0; (1 << 20) + 1]).status, 413);
    assert_eq!(counted(&mut client, "put", "invalid"), 1.0);
    assert!(crate::client::exchange(node.addr, b"\x16\x03\x01\r\n").starts_with("HTTP/1.1 400 "));
    assert_eq!(counted(&mut client, "other", "invalid"), 1.0);
    if cfg!(target_os = "linux") {
        let resident = value(&mut client, "sky_resident_memory_bytes");
        assert!((1e6..1e9).contains(&resident), "{resident}");
    }
}

#[test]
fn the_way_to_an_owner_is_counted_where_the_client_asked() {
    let nodes = start_ring(3);
    await_all(&[&nodes[0], &nodes[1], &nodes[2]]);
    let mut client = nodes[0].client();
    let own = nodes[0].addr.to_string();
    let is_elsewhere = |key: &String| client.get(&format!("/lookup/{key}")).json()["owner"]["addr"] != own.as_str();
    let key = (0..).map(|number| number.to_string()).find(is_elsewhere).expect("others own keys as well");
    let [before, other_before] = [0, 1].map(|at| value(&mut nodes[at].client(), "sky_lookup_hops_count"));
    assert_eq!(nodes[0].client().get(&format!("/storage/{key}")).status, 404);
    let [after, other_after] = [0, 1].map(|at| value(&mut nodes[at].client(), "sky_lookup_hops_count"));
    // One more, unless the first try came to nothing; and none where the owner only answers.
    assert!(after > before, "{before}, then {after}");
    assert_eq!(other_after, other_before);
    let bucket = value(&mut nodes[0].client(), "sky_lookup_hops_bucket{le=\"+Inf\"}");
    assert_eq!(bucket, after);
    for series in ["sky_datagrams_received_total", "sky_sent_bytes_total", "sky_successors"] {
        assert!(value(&mut nodes[0].client(), series) > 0.0, "{series}");
    }
}
