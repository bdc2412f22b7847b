//! What the system and its own counters tell of a node at rest.

use crate::process::Node;
use std::fs;
use std::time::{Duration, Instant};

/// IPv4 and UDP headers of a datagram, in bytes.
pub const HEADERS: u64 = 28;
/// Clock ticks in a second: fixed on Linux.
const TICKS: f64 = 100.0;

/// What a node has used and sent up to now.
struct Reading {
    ticks: u64,
    datagrams: u64,
    bytes: u64,
}

impl Reading {
    fn of(node: &Node) -> Self {
        let stat = fs::read_to_string(format!("/proc/{}/stat", node.pid())).unwrap();
        // After the name in parentheses: user and system time are the 12th and 13th.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        let counters = &node.client().get("/node").json()["counters"];
        let datagrams = counters["datagrams_out"].as_u64().unwrap();
        let bytes = counters["bytes_out"].as_u64().unwrap() + HEADERS * datagrams;
        Self { ticks, datagrams, bytes }
    }
}

/// What a node uses and sends, in the mean of a ring.
pub struct Rest {
    /// Of one core, in percent.
    pub cpu: f64,
    /// A second.
    pub datagrams: f64,
    /// A second, headers included.
    pub bytes: f64,
}

/// Measures for so long a ring that nobody asks anything.
pub fn rest(nodes: &[Node], time: Duration) -> Rest {
    let before: Vec<Reading> = nodes.iter().map(Reading::of).collect();
    let begun = Instant::now();
    std::thread::sleep(time);
    let rested = begun.elapsed().as_secs_f64();
    let after: Vec<Reading> = nodes.iter().map(Reading::of).collect();
    let mean = |value: fn(&Reading) -> u64| {
        let sum: u64 = before.iter().zip(&after).map(|(before, after)| value(after) - value(before)).sum();
        sum as f64 / rested / nodes.len() as f64
    };
    let cpu = 100.0 * mean(|reading| reading.ticks) / TICKS;
    Rest { cpu, datagrams: mean(|reading| reading.datagrams), bytes: mean(|reading| reading.bytes) }
}

/// A number of the environment.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
