//! What the system allows a node: memory, files. And what a node with little memory does when it is full.

use crate::client::{Answer, Client};
use crate::process::{Node, join, own_addr};
use crate::ring::await_all;
use std::process::Command;

/// Values that leave a store of 4 MiB room for some hundred tombstones.
fn fill(client: &mut Client) {
    for n in 0..13 {
        assert_eq!(client.put(&format!("bulk{n}"), &vec![7; 256 << 10]).status, 201);
    }
}

fn delete(client: &mut Client, target: &str) -> Answer {
    client.ask("DELETE", target, "", None)
}

fn little_memory() -> Vec<String> {
    ["--max-memory", "4"].map(String::from).to_vec()
}

/// Puts and deletes keys of ever new names, more than there is room for tombstones.
fn put_and_delete(client: &mut Client, jobs: u32) {
    for n in 0..jobs {
        let answer = client.put(&format!("job{n}"), b"x");
        assert_eq!(answer.status, 201, "job {n}: {}", answer.text());
        assert_eq!(delete(client, &format!("/storage/job{n}")).status, 204, "job {n}");
    }
}

#[test]
fn keys_of_ever_new_names_that_are_deleted_again_fill_no_node() {
    let node = Node::start(own_addr(), &little_memory());
    let mut client = node.client();
    fill(&mut client);
    put_and_delete(&mut client, 1500);
    assert!(client.get("/node").json()["tombstones"].as_u64() < Some(1000));
}

#[test]
fn nor_a_ring_of_three_and_a_group_that_is_not_whole_keeps_them_and_says_so() {
    let first = Node::start(own_addr(), &little_memory());
    let arguments = [join(&[first.addr]), little_memory()].concat();
    let mut nodes = vec![first];
    nodes.extend((0..2).map(|_| Node::start(own_addr(), &arguments)));
    await_all(&[&nodes[0], &nodes[1], &nodes[2]]);
    fill(&mut nodes[0].client());
    put_and_delete(&mut nodes[0].client(), 1500);
    nodes[2].crash();
    await_all(&[&nodes[0], &nodes[1]]);
    let mut client = nodes[0].client();
    // Its tombstones are not the most of it yet: values go first.
    for n in 0..13 {
        assert_eq!(delete(&mut client, &format!("/storage/bulk{n}")).status, 204);
    }
    let refused = (0..9000).find_map(|n| {
        let answer = client.put(&format!("late{n}"), b"x");
        if answer.status == 507 {
            return Some(answer);
        }
        delete(&mut client, &format!("/storage/late{n}"));
        None
    });
    let refused = refused.expect("nothing is collected before its time while a node is missing");
    assert!(refused.text().contains("full of tombstones of deleted keys"), "{}", refused.text());
    // The node asked, or the owner beside it.
    let is_full = |node: &&Node| node.client().get("/node").json()["room"] == "tombstones";
    let mut client = nodes[..2].iter().find(is_full).expect("one of them is full of tombstones").client();
    let ready = client.get("/readyz");
    assert!(ready.status == 200 && ready.text().starts_with("ready, but: "), "{}", ready.text());
    assert!(ready.text().contains("tombstones"), "{}", ready.text());
    let metrics = client.get("/metrics");
    assert!(metrics.text().contains("sky_store_room{room=\"tombstones\"} 1\n"), "{}", metrics.text());
}

#[test]
fn a_store_that_is_full_of_values_says_so() {
    let node = Node::start(own_addr(), &little_memory());
    let mut client = node.client();
    fill(&mut client);
    let full =
        (0..10).map(|n| client.put(&format!("more{n}"), &vec![7; 256 << 10])).find(|answer| answer.status != 201);
    let full = full.expect("it is full");
    assert!(full.status == 507 && full.text().contains("full of values (--max-memory)"), "{}", full.text());
    assert_eq!(client.get("/node").json()["memory"]["from"], "flag");
}

/// Runs a node under limits that the shell sets.
#[cfg(target_os = "linux")]
fn limited(limits: &str, arguments: &[String]) -> Node {
    let run = format!("{limits}; exec {} \"$@\"", env!("CARGO_BIN_EXE_skynode"));
    Node::run(Command::new("sh").args(["-c", &run, "sh"]).env_clear(), own_addr(), arguments)
}

#[cfg(target_os = "linux")]
#[test]
fn a_node_that_may_have_less_memory_than_its_store_refuses_writes_and_lives() {
    let scratch = crate::disk::Scratch::new();
    let flag = scratch.flag("node");
    let limits = "ulimit -v 180000";
    let mut node = limited(limits, &flag);
    node.await_line("the default of --max-memory, 128 MiB does not fit");
    await_all(&[&node]);
    let mut client = node.client();
    let value = vec![7; 20_000];
    let stored = (0..10_000).take_while(|n| client.put(&format!("k{n}"), &value).status == 201).count();
    assert!((100..7000).contains(&stored), "{stored}");
    assert_eq!(client.put("more", &value).status, 507);
    assert_eq!(client.get(&format!("/storage/k{}", stored - 1)).body, value);
    assert_eq!(delete(&mut client, "/storage/k0").status, 204);
    assert_eq!(client.get("/node").json()["memory"]["from"], "address_space");
    node.crash();
    let again = limited(limits, &flag);
    await_all(&[&again]);
    assert_eq!(again.client().get("/storage/k1").body, value);
}

#[cfg(target_os = "linux")]
#[test]
fn a_system_that_gives_no_files_is_one_line() {
    for files in [4, 8, 12] {
        let run = format!("ulimit -n {files}; exec {} -l {}", env!("CARGO_BIN_EXE_skynode"), own_addr());
        let output = Command::new("sh").args(["-c", &run]).env_clear().output().expect("sh runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.lines().count() == 1 && text.contains("ulimit -n"), "with {files} files: {text}");
    }
}
