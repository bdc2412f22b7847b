//! What a command says when its output cannot be written, and when nobody reads it.

use crate::process::{Node, own_addr};
use crate::skyctl::{command, ends_with, text};
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::process::{Output, Stdio};

/// Commands that write something. They leave the key `k` as it is.
const ALL: [&[&str]; 18] = [
    &["get", "k"],
    &["get", "k", "--json"],
    &["put", "k", "v"],
    &["put", "k", "v", "--json"],
    &["ls"],
    &["ls", "--json"],
    &["lookup", "k"],
    &["ring"],
    &["ring", "--json"],
    &["dot"],
    &["node"],
    &["watch", "--count", "1"],
    &["watch", "k", "--count", "1"],
    &["bench", "--time", "0.1", "--keys", "3"],
    &["export"],
    &["sim", "--presets"],
    &["--version"],
    &["get", "--help"],
];

fn run(node: SocketAddr, arguments: &[&str], stdout: Stdio) -> Output {
    command(node, arguments).stdout(stdout).output().expect("it runs")
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").expect("it is there").into()
}

fn unread() -> Stdio {
    io::pipe().expect("there are pipes").1.into()
}

#[test]
fn output_that_cannot_be_written_ends_a_command_with_1() {
    let node = Node::alone();
    ends_with(0, node.addr, &["put", "k", "v"]);
    let others: [&[&str]; 4] = [
        &["sim", "--preset", "three-bit"],
        &["sim", "--preset", "three-bit", "--svg", "-"],
        &["swarm", "--seeds", "0..1"],
        &["up", "1", "--port", "0"],
    ];
    for arguments in ALL.into_iter().chain(others) {
        let output = run(node.addr, arguments, full());
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(
            told.contains("skyctl: ") && told.contains("cannot be written: No space left"),
            "{arguments:?}: {told}"
        );
    }
    let told = text(&run(node.addr, &["put", "k", "w"], full()).stderr);
    assert!(told.starts_with("skyctl: stored as version ") && told.contains(", but the output cannot be"), "{told}");
    assert_eq!(ends_with(0, node.addr, &["get", "k"]), b"w");
    let told = text(&run(node.addr, &["del", "k", "--json"], full()).stderr);
    assert!(told.starts_with("skyctl: deleted, but the output cannot be"), "{told}");
    assert_eq!(ends_with(0, node.addr, &["ls"]), b"", "what was written to measure is gone, too");
}

#[test]
fn output_that_nobody_reads_ends_a_command_quietly() {
    let node = Node::alone();
    ends_with(0, node.addr, &["put", "k", "v"]);
    for arguments in ALL {
        let output = run(node.addr, arguments, unread());
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
    }
    for arguments in [&["sim", "--preset", "three-bit"][..], &["swarm", "--seeds", "0..1"]] {
        let output = run(own_addr(), arguments, unread());
        assert!(output.status.success() && !text(&output.stderr).contains("skyctl: "), "{arguments:?}: {output:?}");
    }
}
