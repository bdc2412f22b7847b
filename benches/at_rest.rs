//! What a ring of ten costs while nobody asks it anything, how fast it forms, and how soon a dead neighbour is noticed:
//! real processes on loopback.
//!
//! ```sh
//! cargo bench --bench at_rest                     # 60 s of rest
//! SKY_NODES=3 SKY_SECONDS=20 cargo bench --bench at_rest
//! ```

#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::panic, reason = "helpers of tests, and no API")]

#[path = "../tests/process/client.rs"]
mod client;
mod measure;
#[path = "../tests/process/process.rs"]
mod process;

use measure::number;
use process::Node;
use std::fs;
use std::time::{Duration, Instant};

fn resident_kib(node: &Node, kind: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(kind)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

fn head(node: &Node) -> Option<String> {
    let status = node.client().get("/node").json();
    Some(status["successors"].get(0)?["addr"].as_str()?.to_owned())
}

/// Kills half of the nodes, one by one. → how long each one's predecessor had it for its successor still, in seconds.
fn notice(nodes: &mut Vec<Node>) -> Vec<f64> {
    let mut times = Vec::new();
    for _ in 0..nodes.len() / 2 {
        let mut victim = nodes.pop().unwrap();
        let dead = victim.addr.to_string();
        let before = nodes.iter().find(|node| head(node).as_deref() == Some(&dead)).expect("a ring");
        victim.crash();
        let killed = Instant::now();
        while head(before).as_deref() == Some(&dead) {
            assert!(killed.elapsed() < Duration::from_secs(30), "{dead} is not missed");
            std::thread::sleep(Duration::from_millis(5));
        }
        times.push(killed.elapsed().as_secs_f64());
        let is_ready = |node: &Node| node.client().get("/readyz").status == 200;
        while !nodes.iter().all(is_ready) {
            assert!(killed.elapsed() < Duration::from_secs(30), "not ready again");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    times.sort_by(f64::total_cmp);
    times
}

fn main() {
    let (size, seconds) = (number("SKY_NODES", 10) as usize, number("SKY_SECONDS", 60));
    let first = Node::alone();
    let seed = first.addr;
    let others: Vec<_> = (1..size).map(|_| std::thread::spawn(move || Node::joining(seed))).collect();
    let mut nodes = vec![first];
    nodes.extend(others.into_iter().map(|other| other.join().unwrap()));
    let started = Instant::now();
    let is_ready = |node: &Node| node.client().get("/readyz").status == 200;
    let is_whole = |node: &Node| node.client().get("/ring").json()["nodes"].as_array().unwrap().len() == size;
    while !nodes.iter().all(is_whole) {
        assert!(started.elapsed() < Duration::from_secs(30), "no ring");
    }
    let whole = started.elapsed();
    while !nodes.iter().all(is_ready) {
        assert!(started.elapsed() < Duration::from_secs(30), "not ready");
    }
    let ready = started.elapsed();
    std::thread::sleep(Duration::from_secs(10));
    let rest = measure::rest(&nodes, Duration::from_secs(seconds));
    let largest = |kind| nodes.iter().map(|node| resident_kib(node, kind)).max().unwrap_or(0);
    println!("nodes                                    {size}");
    println!("one ring, after the last start           {:.2} s", whole.as_secs_f64());
    println!("all ready, after the last start          {:.2} s", ready.as_secs_f64());
    println!("resident memory, the largest             {} KiB", largest("VmRSS"));
    println!("  of it not the program's file           {} KiB", largest("RssAnon"));
    println!("CPU of one core, mean                    {:.3} %", rest.cpu);
    println!("datagrams sent, mean                     {:.2} /s", rest.datagrams);
    println!("bytes sent with IPv4 headers, mean       {:.0} /s", rest.bytes);
    let missed = notice(&mut nodes);
    if let (Some(median), Some(worst)) = (missed.get(missed.len() / 2), missed.last()) {
        println!(
            "a dead neighbour noticed                 median {median:.2} s, worst {worst:.2} s of {}",
            missed.len()
        );
    }
}
