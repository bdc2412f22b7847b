//! A ring that one program starts on this machine: its ports, how it ends, and how each of its nodes does.

use crate::client::Client;
use crate::process::{PATIENCE, eventually, own_addr, reserved_ports};
use crate::ring::one_at_a_time;
use crate::skyctl::{await_line, command, ends_with, json, run, text};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long a ring may take to end: far less than one node has to hand over what it holds.
const SOON: Duration = Duration::from_secs(4);

/// A running ring, with the addresses and processes of its nodes.
struct Up {
    child: Child,
    addrs: Vec<SocketAddr>,
    pids: Vec<String>,
}

impl Up {
    fn start(arguments: &[&str]) -> Self {
        let mut child = command(own_addr(), &[&["up", "--json"], arguments].concat()).spawn().expect("it runs");
        let line = await_line(&mut child, "whole_after_s").pop().expect("it is there");
        let told = json(line.as_bytes());
        let addrs = told["nodes"].as_array().expect("a list").iter();
        let pids = told["pids"].as_array().expect("a list").iter().map(|pid| pid.to_string()).collect();
        let addrs = addrs.map(|addr| addr.as_str().expect("text").parse().expect("an address")).collect();
        Self { child, addrs, pids }
    }

    /// The next line on its standard error that says this.
    fn await_told(&mut self, part: &str) -> String {
        let lines = BufReader::new(self.child.stderr.as_mut().expect("it was piped")).lines();
        let mut lines = lines.map_while(Result::ok);
        lines.find(|line| line.contains(part)).unwrap_or_else(|| panic!("it ended without {part:?}"))
    }

    /// Ends it as Ctrl-C does. → what it said to the standard error.
    fn interrupt(self) -> String {
        signal("-INT", &self.child.id().to_string());
        let begun = Instant::now();
        let output = self.child.wait_with_output().expect("it is ours");
        let told = text(&output.stderr);
        assert!(output.status.success() && begun.elapsed() < SOON, "{:?} after {:?}", output.status, begun.elapsed());
        self.addrs.iter().for_each(|addr| drop(TcpListener::bind(addr).expect("the node has ended")));
        told
    }
}

fn signal(signal: &str, pid: &str) {
    assert!(Command::new("kill").args([signal, pid]).status().expect("kill runs").success());
}

fn temporary(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("sky-up-{name}-{}", std::process::id()))
}

#[test]
fn it_starts_a_ring_and_ends_it_with_all_of_its_nodes() {
    let _turn = one_at_a_time();
    let up = Up::start(&["3", "--port", "0"]);
    assert_eq!(up.addrs.len(), 3);
    ends_with(0, up.addrs[0], &["put", "k", "v", "--min-copies", "3"]);
    assert_eq!(ends_with(0, up.addrs[2], &["get", "k"]), b"v");
    // One that stands still cannot end by itself.
    signal("-STOP", &up.pids[1]);
    assert_eq!(up.interrupt(), "the nodes end\n");
}

#[test]
fn usual_ports_that_are_taken_give_way_to_free_ones() {
    let _turn = one_at_a_time();
    // If it cannot be had it is in use, too.
    let _taken = TcpListener::bind("127.0.0.1:4321");
    let mut child = command(own_addr(), &["up", "1"]).spawn().expect("it runs");
    let addr = await_line(&mut child, "http://").pop().expect("a line");
    let addr = addr.strip_prefix("http://").and_then(|rest| rest.split('/').next()).expect("an address").to_owned();
    let last = await_line(&mut child, "export");
    assert_eq!(last[0].split(", after").next(), Some("the ring is whole: 1 node"));
    assert_eq!(last[1], format!("export SKY_NODE={addr}"));
    let up = Up { child, addrs: vec![addr.parse().expect("an address")], pids: Vec::new() };
    assert_eq!(up.interrupt(), "127.0.0.1:4321 is in use: taking free ports\nthe nodes end\n");
}

#[test]
fn a_directory_remembers_what_its_ring_held_and_where() {
    let _turn = one_at_a_time();
    let path = temporary("dir");
    let dir = path.to_str().expect("text");
    let _taken = TcpListener::bind("127.0.0.1:4321");
    let first = Up::start(&["3", "--dir", dir]);
    let addrs = first.addrs.clone();
    ends_with(0, addrs[0], &["put", "k", "v"]);
    assert!(first.interrupt().contains("taking free ports"));
    let second = Up::start(&["3", "--dir", dir]);
    assert_eq!(second.addrs, addrs);
    assert_eq!(ends_with(0, addrs[2], &["get", "k"]), b"v");
    // Nodes that ended together wait for each other, perhaps for longer than goes without a word.
    let told = second.interrupt();
    assert_eq!(told.trim_start_matches("waiting until the ring is whole\n"), "the nodes end\n");

    let taken = TcpListener::bind(addrs[1]).expect("the node has ended");
    let told = refused(&["3", "--dir", dir]);
    assert!(told.contains(&format!("{}, which the ring in {dir} had the last time, is in use", addrs[1])), "{told}");
    assert!(refused(&["3", "--dir", dir, "--port", &addrs[1].port().to_string()]).contains("--port"));
    ends_with(2, own_addr(), &["up", "3", "--dir", dir, "--port", "0"]);
    // As it was advised.
    let port = reserved_ports(3);
    let moved = Up::start(&["3", "--dir", dir, "--port", &port.to_string()]);
    assert_eq!(moved.addrs[2], SocketAddr::from(([127, 0, 0, 1], port + 2)));
    assert_eq!(ends_with(0, moved.addrs[0], &["get", "k"]), b"v");
    moved.interrupt();
    drop(taken);
    std::fs::remove_dir_all(path).expect("it was made");
}

/// It cannot have its ports. → what it says.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let told = text(&run(own_addr(), &[&["up"], arguments].concat()).stderr);
    assert!(told.contains("is in use") && told.contains("with --port"), "{told}");
    assert!(!told.contains("--listen") && !told.contains("--http"), "{told}");
    ends_with(1, own_addr(), &[&["up"], arguments].concat());
    told
}

#[test]
fn ports_that_were_told_and_are_taken_are_an_error() {
    let _turn = one_at_a_time();
    let port = reserved_ports(3);
    let taken = TcpListener::bind(("127.0.0.1", port + 2)).expect("it is free");
    let told = refused(&["3", "--port", &port.to_string()]);
    let addr = taken.local_addr().expect("it is bound");
    let advice = "end the program that listens there, or choose other ports with --port";
    assert_eq!(told, format!("skyctl: {addr} is in use: {advice}\n"));
    assert!(TcpListener::bind(("127.0.0.1", port)).is_ok(), "the others have ended");
}

#[test]
fn how_a_node_has_ended_is_told() {
    let _turn = one_at_a_time();
    let mut up = Up::start(&["4", "--port", "0"]);
    for n in 0..50 {
        ends_with(0, up.addrs[0], &["put", &format!("k{n}"), "v"]);
    }
    assert_eq!(Client::new(up.addrs[1]).ask("POST", "/leave", "", None).status, 202);
    let told = up.await_told("node 2");
    assert_eq!(told, format!("skyctl: node 2 ({}) left the ring, as asked", up.addrs[1]));
    signal("-TERM", &up.pids[2]);
    assert!(up.await_told("node 3").ends_with(") left the ring, as asked"));
    let keys = text(&ends_with(0, up.addrs[0], &["ls"]));
    assert_eq!(keys.lines().count(), 50, "each was handed over");
    signal("-KILL", &up.pids[3]);
    let told = up.await_told("node 4");
    let how = "was killed by signal 9. Last lines of its log:";
    assert_eq!(told, format!("skyctl: node 4 ({}) {how}", up.addrs[3]));
    signal("-KILL", &up.pids[0]);
    up.await_told("no node is left");
    assert_eq!(up.child.wait().expect("it is ours").code(), Some(1));
}

/// As a terminal that is closed does.
#[test]
fn a_hangup_ends_the_ring_and_not_a_single_node() {
    let _turn = one_at_a_time();
    let up = Up::start(&["2", "--port", "0"]);
    signal("-HUP", &up.pids[1]);
    ends_with(0, up.addrs[1], &["put", "k", "v", "--min-copies", "2"]);
    signal("-HUP", &up.child.id().to_string());
    let addrs = up.addrs.clone();
    let output = up.child.wait_with_output().expect("it is ours");
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), "the nodes end\n"));
    addrs.iter().for_each(|addr| drop(TcpListener::bind(addr).expect("the node has ended")));
}

#[test]
fn nodes_end_with_the_program_that_started_them_even_if_it_is_killed() {
    let _turn = one_at_a_time();
    let mut up = Up::start(&["2", "--port", "0"]);
    up.child.kill().expect("it is ours");
    up.child.wait().expect("it is ours");
    for addr in &up.addrs {
        eventually(PATIENCE, || TcpListener::bind(addr).map(drop).map_err(|error| error.to_string()));
    }
}
