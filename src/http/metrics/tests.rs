use super::*;
use crate::wire::Flaw;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn snapshot() -> Snapshot {
    use crate::config::Config;
    use crate::node::{Identity, Node};
    use crate::time::{Instant, Now};
    let identity = Identity { addr: ([10, 0, 0, 1], 4321).into(), id: None };
    let now = Now { at: Instant::ZERO, wall_ms: 1_700_000_000_000 };
    let node = Node::new(Config::default(), identity, false, [7; 32], now);
    let uptime = Duration::from_millis(1500);
    let driver = DriverCounters { unsent: 7, unreceived: 8 };
    Snapshot {
        status: node.status(now.at),
        driver,
        uptime,
        trouble: None,
        homeless: false,
        loads: false,
        disk_fault: None,
    }
}

/// Samples by name and labels, and the types of the families.
fn read(text: &str) -> (BTreeMap<&str, f64>, BTreeMap<&str, &str>) {
    let (mut samples, mut types, mut helped) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            assert!(helped.insert(help.split_once(' ').unwrap().0), "told twice: {line}");
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            assert!(helped.contains(name) && types.insert(name, kind).is_none(), "{line}");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            assert!(samples.insert(sample, value.parse().unwrap()).is_none(), "twice: {line}");
        }
    }
    (samples, types)
}

#[test]
fn every_sample_belongs_to_a_family_and_says_its_unit() {
    let body = answer(&snapshot(), &Traffic::default()).body;
    let text = str::from_utf8(&body).unwrap();
    assert!(text.ends_with('\n'));
    let (samples, types) = read(text);
    for (name, kind) in &types {
        assert!(name.starts_with("sky_"), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == "counter", "{name}");
    }
    for sample in samples.keys() {
        let name = sample.split('{').next().unwrap();
        let parts = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let histogram = parts.is_some_and(|family| types.get(family) == Some(&"histogram"));
        assert!(histogram || types.contains_key(name), "{sample} has no family");
    }
}

/// The number of series is bounded, whatever clients and other nodes do.
#[test]
fn what_happens_makes_no_new_series() {
    let (mut snapshot, traffic) = (snapshot(), Traffic::default());
    let names = |snapshot: &Snapshot, traffic: &Traffic| {
        let body = answer(snapshot, traffic).body;
        read(str::from_utf8(&body).unwrap()).0.keys().map(|&name| name.to_owned()).collect::<Vec<_>>()
    };
    let before = names(&snapshot, &traffic);
    snapshot.status.counters = Counters { refused: [3; 21], flawed: [4; 5], lookups: [5; 12], ..Counters::default() };
    traffic.count(Kind::Other, HttpStatus::NotFound);
    traffic.time(Kind::Get, Duration::from_secs(3600));
    assert_eq!(names(&snapshot, &traffic), before);
}

#[test]
fn each_number_is_where_it_belongs() {
    let (mut snapshot, traffic) = (snapshot(), Traffic::default());
    let counters = &mut snapshot.status.counters;
    (counters.datagrams_in, counters.bytes_out, counters.overflowed, counters.lapses) = (11, 12, 13, 14);
    counters.refused[17] = 15;
    counters.flawed[Flaw::Tag as usize] = 16;
    (counters.lookups[0], counters.lookups[3], counters.lookups[11], counters.hops) = (1, 2, 4, 50);
    (snapshot.status.owned_bytes, snapshot.status.copied_bytes, snapshot.status.stray_bytes) = (60, 30, 10);
    snapshot.status.state = State::Joining;
    snapshot.status.differs_for = Some(Duration::from_millis(2500));
    traffic.count(Kind::Put, HttpStatus::Created);
    traffic.count(Kind::Get, HttpStatus::GatewayTimeout);
    traffic.time(Kind::Put, Duration::from_millis(2));
    let body = answer(&snapshot, &traffic).body;
    let (samples, _) = read(str::from_utf8(&body).unwrap());
    for (sample, value) in [
        ("sky_uptime_seconds", 1.5),
        ("sky_datagrams_received_total", 11.0),
        ("sky_sent_bytes_total", 12.0),
        ("sky_datagrams_lost_total{cause=\"overflowed\"}", 13.0),
        ("sky_datagrams_lost_total{cause=\"unsent\"}", 7.0),
        ("sky_datagrams_lost_total{cause=\"unreceived\"}", 8.0),
        ("sky_consents_lapsed_total", 14.0),
        ("sky_datagrams_done_total{outcome=\"refused_too_few\"}", 15.0),
        ("sky_datagrams_done_total{outcome=\"flawed_tag\"}", 16.0),
        ("sky_lookup_hops_bucket{le=\"2\"}", 1.0),
        ("sky_lookup_hops_bucket{le=\"3\"}", 3.0),
        ("sky_lookup_hops_bucket{le=\"10\"}", 3.0),
        ("sky_lookup_hops_bucket{le=\"+Inf\"}", 7.0),
        ("sky_lookup_hops_sum", 50.0),
        ("sky_lookup_hops_count", 7.0),
        ("sky_entry_bytes{part=\"stray\"}", 10.0),
        ("sky_oldest_difference_seconds", 2.5),
        ("sky_http_requests_total{kind=\"put\",outcome=\"ok\"}", 1.0),
        ("sky_http_requests_total{kind=\"get\",outcome=\"unknown\"}", 1.0),
        ("sky_http_request_duration_seconds_bucket{kind=\"put\",le=\"0.001\"}", 0.0),
        ("sky_http_request_duration_seconds_bucket{kind=\"put\",le=\"0.0025\"}", 1.0),
        ("sky_http_request_duration_seconds_sum{kind=\"put\"}", 0.002),
        ("sky_node_state{state=\"joining\"}", 1.0),
        ("sky_node_state{state=\"settled\"}", 0.0),
        ("sky_disk_state{state=\"none\"}", 1.0),
        ("sky_table_limit{table=\"requests_in_flight\"}", 1024.0),
    ] {
        assert_eq!(samples.get(sample), Some(&value), "{sample}");
    }
    assert_eq!(samples.contains_key("sky_resident_memory_bytes"), cfg!(target_os = "linux"));
}
