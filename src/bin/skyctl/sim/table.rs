//! The figures of a run, for people and for programs.

use super::faults;
use serde_json::{Value, json};
use skynode::count::Count;
use skynode::sim::oracle::INVARIANTS;
use skynode::sim::playground::{Plan, Report, SAMPLING};
use std::fmt::Write;
use std::time::Duration;

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 100.0
}

fn count(number: impl TryInto<usize>, one: &'static str, several: &'static str) -> Count {
    Count(number.try_into().unwrap_or(usize::MAX), one, several)
}

/// As a table.
pub fn text(plan: &Plan, report: &Report) -> String {
    let (lookups, deeds, findings) = (&report.lookups, &report.deeds, &report.findings);
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<20} {value}");
    };
    row("seed", plan.seed.to_string());
    row("nodes", format!("{} at the end, {} settled", report.nodes, report.settled));
    let (measured, now) = (report.measured.as_secs_f64(), report.now.as_micros() as f64 / 1e6);
    row("simulated time", format!("{measured:.1} s measured, {now:.1} s in all"));
    if !plan.quiet.is_zero() {
        row("faults", faults::text(plan));
    }
    let (crashes, back) = (deeds.crashes, deeds.restarts);
    let disturbances = [
        count(deeds.joins, "join", "joins"),
        count(crashes, "crash", "crashes"),
        count(back, "restart", "restarts"),
        count(deeds.leaves, "leave", "leaves"),
        count(deeds.pauses, "pause", "pauses"),
        count(deeds.cuts, "cut", "cuts"),
        count(deeds.partitions, "partition", "partitions"),
    ];
    row("disturbances", disturbances.map(|count| count.to_string()).join(", "));
    let weather = &report.traffic;
    let lost = format!("{} lost, {} cut off, {} slow", weather.lost, weather.cut, weather.slow);
    row("datagrams", format!("{lost}, {} twice, {} with a flipped bit", weather.duplicated, weather.corrupted));
    row("lookups", format!("{} right, {} wrong, {} failed", lookups.right, lookups.wrong, lookups.failed));
    row("hops", format!("{:.2} mean, {} for 99 %", lookups.mean_hops(), lookups.hops_quantile(0.99)));
    let late = milliseconds(lookups.latencies.quantile(0.99));
    row("latency", format!("{} ms mean, {late} ms for 99 %", milliseconds(lookups.latencies.mean())));
    row("timeouts", format!("{:.2} a lookup", lookups.mean_timeouts()));
    row("beside", format!("{:.2} a lookup answered that did not lead on", lookups.mean_beside()));
    let (bytes, datagrams) = (report.bytes_per_node(), report.datagrams_per_node());
    row("traffic", format!("{bytes:.0} B/s a node with IP and UDP headers, {datagrams:.2} datagrams/s"));
    let sampled =
        format!("the ring sampled every {} s, {}", SAMPLING.as_secs(), count(findings.looks, "time", "times"));
    let every = String::from("the ring looked at after every event");
    row("violations", format!("{}, {}", findings.total(), if report.every_event { every } else { sampled }));
    for (name, times) in INVARIANTS.iter().zip(findings.violations).filter(|(_, times)| *times > 0) {
        row("", format!("{} {name}", count(times, "time", "times")));
    }
    if findings.two_speakers > 0 {
        row(
            "",
            format!("{} that left two nodes answering for one id", count(findings.two_speakers, "event", "events")),
        );
    }
    row("taken for dead", format!("{} a node that lived", count(findings.wronged, "time", "times")));
    let ideal = report.ideal_since.map_or_else(|| String::from("no"), |since| format!("since {since}"));
    row("ideal ring", ideal);
    if let Some(healed) = report.healed {
        row(
            "healed",
            format!("{} in {:.1} s without faults", if healed { "yes," } else { "NO, not" }, plan.quiet.as_secs_f64()),
        );
    }
    if let Some(data) = &report.data {
        row("keys", format!("{} of {} written at the start, {} of them lost", data.written, data.keys, data.lost));
        let (owned, copied, strays) = (data.owned, data.copied, data.strays);
        let under = format!("{} under-copied, {} unconfirmed", data.under_copied, data.unconfirmed);
        row("entries", format!("{owned} owned, {copied} copied, {strays} stray, {under}"));
        row(
            "repaired",
            format!("{}, {} bytes of keys and values", count(data.repaired, "entry", "entries"), data.repaired_bytes),
        );
        let none = || String::from("none");
        let age = data.differs_for.map_or_else(none, |age| format!("for {:.1} s", age.as_secs_f64()));
        row("oldest difference", age);
    }
    row("events", report.events.to_string());
    for wrong in &lookups.shown {
        let _ = writeln!(text, "\nwrong: {wrong}");
    }
    for violation in &findings.shown {
        let (at, event, seed) = (violation.at, violation.event, plan.seed);
        let _ = writeln!(text, "\n{at}, event {event} of seed {seed}: {}\n{}", violation.what, violation.picture);
    }
    text
}

/// As JSON.
pub fn json(plan: &Plan, report: &Report) -> Value {
    let (lookups, deeds, findings) = (&report.lookups, &report.deeds, &report.findings);
    let violations: Vec<Value> = findings
        .shown
        .iter()
        .map(|it| json!({ "event": it.event, "at_us": it.at.as_micros(), "what": it.what, "picture": it.picture }))
        .collect();
    let mut figures = json!({
        "seed": plan.seed,
        "nodes": report.nodes,
        "settled": report.settled,
        "measured_s": report.measured.as_secs_f64(),
        "simulated_s": report.now.as_micros() as f64 / 1e6,
        "joins": deeds.joins, "crashes": deeds.crashes, "leaves": deeds.leaves,
        "restarts": deeds.restarts, "pauses": deeds.pauses, "cuts": deeds.cuts, "partitions": deeds.partitions,
        "lost": report.traffic.lost, "cut_off": report.traffic.cut, "slow": report.traffic.slow,
        "duplicated": report.traffic.duplicated, "corrupted": report.traffic.corrupted,
        "faults": faults::json(plan), "quiet_s": plan.quiet.as_secs_f64(), "healed": report.healed,
        "right": lookups.right, "wrong": lookups.wrong, "failed": lookups.failed, "withdrawn": lookups.withdrawn,
        "hops_mean": lookups.mean_hops(), "hops_99": lookups.hops_quantile(0.99),
        "latency_ms_mean": milliseconds(lookups.latencies.mean()),
        "latency_ms_99": milliseconds(lookups.latencies.quantile(0.99)),
        "timeouts_mean": lookups.mean_timeouts(), "beside_mean": lookups.mean_beside(),
        "bytes_per_second_per_node": report.bytes_per_node(),
        "datagrams_per_second_per_node": report.datagrams_per_node(),
        "violations": findings.total(), "excused": findings.excused, "every_event": report.every_event,
        "taken_for_dead": findings.wronged,
        "ideal_since_us": report.ideal_since.map(|since| since.as_micros()),
        "events": report.events,
        "wrong_answers": lookups.shown, "shown": violations,
    });
    if let Some(data) = &report.data {
        figures["data"] = json!({
            "keys": data.keys, "keys_written": data.written, "keys_lost": data.lost,
            "owned": data.owned, "copied": data.copied, "stray": data.strays, "under_copied": data.under_copied,
            "unconfirmed": data.unconfirmed, "repaired": data.repaired, "repaired_bytes": data.repaired_bytes,
            "differs_for_s": data.differs_for.map(|age| age.as_secs_f64()),
        });
    }
    figures
}
