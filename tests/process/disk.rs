//! Nodes that save what they hold: killed, stopped and started again, one by one and all at once.

use crate::client::Client;
use crate::process::{AWAITS, Node, PATIENCE, eventually, join, own_addr, reserved_addr};
use crate::ring::{History, await_all, one_at_a_time};
use skynode::rng::Rng;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// A directory that is gone after the test.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("disk-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a directory of the build");
        Self(dir)
    }

    pub fn flag(&self, name: &str) -> [String; 2] {
        [String::from("--data"), self.0.join(name).display().to_string()]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A ring whose nodes save what they hold, and are all given the first three as seeds.
pub fn start_saving_ring(scratch: &Scratch, size: usize) -> Vec<Node> {
    let addrs: Vec<SocketAddr> = (0..size).map(|_| reserved_addr()).collect();
    let seeds = join(&addrs[..size.min(3)]);
    let start = |(number, addr): (usize, &SocketAddr)| {
        let arguments = [&seeds[..], &scratch.flag(&number.to_string())].concat();
        Node::start(*addr, &arguments)
    };
    addrs.iter().enumerate().map(start).collect()
}

pub fn refs(nodes: &[Node]) -> Vec<&Node> {
    nodes.iter().collect()
}

/// Kills all nodes, as a power cut does, and starts them again.
fn cut_power(nodes: &mut [Node]) {
    for node in &mut *nodes {
        node.signal("-KILL");
    }
    for node in nodes {
        node.restart();
    }
}

#[test]
fn a_node_alone_comes_back_with_all_that_it_acknowledged() {
    let scratch = Scratch::new();
    let mut node = Node::start(reserved_addr(), &scratch.flag("node"));
    await_all(&[&node]);
    let mut client = node.client();
    let large: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let etag = client.put("large", &large).field("ETag").expect("it was stored").to_owned();
    let kind = client.ask("PUT", "/storage/typed", "Content-Type: text/x-sky\r\nSky-TTL: 3600\r\n", Some(b"text"));
    assert_eq!(kind.status, 201);
    assert_eq!((client.put("gone", b"1").status, client.ask("DELETE", "/storage/gone", "", None).status), (201, 204));
    let before = client.get("/node").json();
    node.restart();
    let mut client = node.client();
    await_all(&[&node]);
    let answer = client.get("/storage/large");
    assert_eq!((answer.status, answer.field("ETag"), &answer.body), (200, Some(&*etag), &large));
    let answer = client.get("/storage/typed");
    assert_eq!((answer.field("Content-Type"), answer.text()), (Some("text/x-sky"), "text"));
    assert!(answer.field("Sky-TTL").is_some());
    assert_eq!(client.get("/storage/gone").status, 404);
    let after = client.get("/node").json();
    assert_eq!((&before["id"], &before["entries"]), (&after["id"], &after["entries"]));
    // It went on under its first term: the next is a new one.
    assert_eq!(client.put("large", b"new").status, 204);
}

#[test]
fn a_directory_is_for_one_node_of_one_ring_and_its_address_may_change() {
    let scratch = Scratch::new();
    let run = |arguments: &[&str]| -> Output {
        let listen = own_addr().to_string();
        let data = scratch.flag("node");
        let all = [&["-l", &listen, &data[0], &data[1]][..], arguments].concat();
        Command::new(env!("CARGO_BIN_EXE_skynode")).env_clear().args(all).output().expect("it runs")
    };
    let fails = |output: Output, parts: &[&str]| {
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    };
    let node = Node::start(own_addr(), &scratch.flag("node"));
    await_all(&[&node]);
    let id = node.client().get("/node").json()["id"].clone();
    assert_eq!(node.client().put("key", b"value").status, 201);
    fails(run(&[]), &["in use by another node"]);
    drop(node);
    fails(run(&["--ring", "other"]), &["belongs to a node of the ring sky"]);
    let node = Node::start(own_addr(), &scratch.flag("node"));
    await_all(&[&node]);
    assert_eq!(node.client().get("/node").json()["id"], id, "where it stood it stands again");
    assert_eq!(node.client().get("/storage/key").text(), "value");
    drop(node);
    let file = scratch.0.join("node/sky.redb");
    fs::write(&file, vec![7; 100_000]).expect("it is ours");
    fails(run(&[]), &["damaged", "Move it away"]);
}

#[test]
fn a_ring_killed_at_once_comes_back_under_other_addresses() {
    let _alone = one_at_a_time();
    let scratch = Scratch::new();
    let nodes = start_saving_ring(&scratch, 3);
    await_all(&refs(&nodes));
    assert_eq!(nodes[0].client().put("key", b"value").field("Sky-Copies"), Some("3"));
    drop(nodes);
    let nodes = start_saving_ring(&scratch, 3);
    await_all(&refs(&nodes));
    for node in &nodes {
        assert_eq!(node.client().get("/storage/key").text(), "value");
    }
}

/// So many rounds: with `SKY_ROUNDS` more than in passing.
fn rounds() -> usize {
    std::env::var("SKY_ROUNDS").map_or(4, |text| text.parse().expect("SKY_ROUNDS is a number"))
}

#[test]
fn a_ring_killed_at_once_comes_back_with_all_that_it_acknowledged() {
    let _alone = one_at_a_time();
    let scratch = Scratch::new();
    let mut nodes = start_saving_ring(&scratch, 5);
    await_all(&refs(&nodes));
    let (history, mut rng) = (History::default(), Rng::new(5));
    for round in 0..rounds() {
        let addrs: Vec<SocketAddr> = nodes.iter().map(|node| node.addr).collect();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for client in 0..3 {
                let (history, addrs, stop) = (&history, &addrs, &stop);
                scope.spawn(move || history.go_on(addrs, 100 * round as u64 + client, stop));
            }
            // The kill is to come at any moment of the writes.
            thread::sleep(Duration::from_millis(100 + rng.below(900)));
            cut_power(&mut nodes);
            stop.store(true, Ordering::Relaxed);
        });
        await_all(&refs(&nodes));
        history.await_readable(&refs(&nodes), PATIENCE);
        println!("round {round}: {} keys", history.acknowledged().len());
    }
}

#[test]
fn of_a_ring_killed_at_once_nobody_answers_before_those_beside_it_are_back() {
    let _alone = one_at_a_time();
    let scratch = Scratch::new();
    let mut nodes = start_saving_ring(&scratch, 3);
    await_all(&refs(&nodes));
    assert_eq!(nodes[0].client().put("key", b"value").field("Sky-Copies"), Some("3"));
    let mut last = nodes.pop().expect("there are three");
    last.crash();
    cut_power(&mut nodes);
    // Two are back, and find each other; the third may have gone on without them.
    eventually(PATIENCE, || {
        let ready = nodes[0].client().get("/readyz");
        let waits = ready.text().contains(&format!("serves none until {}", last.addr));
        if ready.status == 503 && waits { Ok(()) } else { Err(ready.text().to_owned()) }
    });
    nodes[0].await_line(AWAITS);
    for node in &nodes {
        assert_eq!(node.client().get("/storage/key").status, 503);
    }
    last.restart();
    nodes.push(last);
    await_all(&refs(&nodes));
    assert_eq!(nodes[1].client().get("/storage/key").text(), "value");
    // The same again, and this time the operator knows that the third is gone for good.
    let mut last = nodes.pop().expect("there are three");
    last.crash();
    cut_power(&mut nodes);
    for node in &nodes {
        node.await_line(AWAITS);
        eventually(PATIENCE, || {
            let status = node.client().ask("POST", "/reopen", "", None).status;
            if matches!(status, 202 | 409) { Ok(()) } else { Err(format!("{status}")) }
        });
    }
    await_all(&refs(&nodes));
    assert_eq!(nodes[1].client().get("/storage/key").text(), "value");
}

#[test]
fn every_node_restarted_one_after_another_loses_nothing_and_a_ring_stopped_as_a_whole_neither() {
    let _alone = one_at_a_time();
    let scratch = Scratch::new();
    let mut nodes = start_saving_ring(&scratch, 5);
    await_all(&refs(&nodes));
    let (history, stop) = (History::default(), AtomicBool::new(false));
    let addrs: Vec<SocketAddr> = nodes.iter().map(|node| node.addr).collect();
    thread::scope(|scope| {
        for client in 0..2 {
            let (history, addrs, stop) = (&history, &addrs, &stop);
            scope.spawn(move || history.go_on(addrs, client, stop));
        }
        for turn in 0..nodes.len() {
            nodes[turn].signal("-TERM");
            assert!(nodes[turn].await_end(PATIENCE).success());
            nodes[turn].restart();
            await_all(&refs(&nodes));
        }
        stop.store(true, Ordering::Relaxed);
    });
    history.await_readable(&refs(&nodes), PATIENCE);
    for node in &nodes {
        node.signal("-TERM");
    }
    for node in &mut nodes {
        node.await_end(PATIENCE);
        node.restart();
    }
    await_all(&refs(&nodes));
    history.await_readable(&refs(&nodes), PATIENCE);
    let mut client = Client::new(nodes[0].addr);
    assert_eq!(client.put("after", b"1").field("Sky-Copies"), Some("3"));
}

/// Linux: a limit on the size of files stands for a disk that is full, and is lifted while the node runs.
#[cfg(target_os = "linux")]
#[test]
fn a_node_whose_disk_is_full_takes_no_writes_and_answers_all_the_same() {
    let scratch = Scratch::new();
    let [flag, dir] = scratch.flag("node");
    // What the system kills a program for that does not catch it.
    let run = format!("ulimit -S -f 6000; exec {} \"$@\"", env!("CARGO_BIN_EXE_skynode"));
    let node = Node::run(Command::new("sh").args(["-c", &run, "sh"]), own_addr(), &[flag, dir]);
    await_all(&[&node]);
    let mut client = node.client();
    let value = vec![7; 100_000];
    let full = |answer: &crate::client::Answer| answer.status == 507 || answer.status == 504;
    let stored = (0..100).take_while(|n| !full(&client.put(&format!("key{n}"), &value))).count();
    assert!((5..60).contains(&stored), "{stored} were stored");
    node.await_line("cannot save to");
    eventually(PATIENCE, || {
        let answer = client.put("more", b"1");
        if answer.status == 507 { Ok(()) } else { Err(format!("{answer:?}")) }
    });
    for n in 0..stored {
        assert_eq!(client.get(&format!("/storage/key{n}")).body, value, "key{n}");
    }
    let ready = client.get("/readyz");
    assert!(ready.status == 503 && ready.text().contains("takes no writes"), "{}", ready.text());
    assert_eq!(client.get("/node").json()["disk"], "fails");
    let lifted = Command::new("prlimit").args(["--pid", &node.pid().to_string(), "--fsize=unlimited"]).status();
    assert!(lifted.expect("prlimit runs").success());
    node.await_line("saves again");
    await_all(&[&node]);
    assert_eq!(client.put("more", b"1").status, 201);
    assert_eq!(client.get("/node").json()["disk"], "works");
    let mut node = node;
    node.crash();
    let node = Node::start(own_addr(), &scratch.flag("node"));
    await_all(&[&node]);
    assert_eq!(node.client().get("/storage/more").text(), "1");
    assert_eq!(node.client().get("/storage/key0").body, value);
}

/// Every file and directory below one, itself included, with its rights.
fn rights_below(dir: &Path) -> Vec<(PathBuf, bool, u32)> {
    let is = fs::metadata(dir).expect("it is there");
    let mut all = vec![(dir.to_owned(), is.is_dir(), is.permissions().mode() & 0o7777)];
    if is.is_dir() {
        for entry in fs::read_dir(dir).expect("it is ours") {
            all.extend(rights_below(&entry.expect("it is ours").path()));
        }
    }
    all
}

fn set_rights(path: &Path, rights: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(rights)).expect("it is ours");
}

#[test]
fn what_a_node_makes_is_its_users_own_under_any_umask() {
    for umask in ["000", "022", "077", "277", "777"] {
        let scratch = Scratch::new();
        let run = format!("umask {umask}; exec {} \"$@\"", env!("CARGO_BIN_EXE_skynode"));
        let flag = scratch.flag("deep/below/node");
        let node = Node::run(Command::new("sh").args(["-c", &run, "sh"]), own_addr(), &flag);
        await_all(&[&node]);
        assert_eq!(node.client().put("key", b"value").status, 201);
        let all = rights_below(&scratch.0.join("deep"));
        assert_eq!(all.len(), 4, "{all:?}");
        for (path, is_dir, rights) in all {
            assert_eq!(rights, if is_dir { 0o700 } else { 0o600 }, "umask {umask}: {rights:o} {}", path.display());
        }
        assert_eq!(node.lines_with("WARN"), 0);
    }
}

#[test]
fn what_is_there_keeps_its_rights_and_one_line_tells_if_others_can_read_it() {
    let scratch = Scratch::new();
    let dir = scratch.0.join("node");
    fs::create_dir(&dir).expect("it is ours");
    set_rights(&dir, 0o755);
    let mut node = Node::start(reserved_addr(), &scratch.flag("node"));
    await_all(&[&node]);
    let file = dir.join("sky.redb");
    assert_eq!(rights_below(&dir), [(dir.clone(), true, 0o755), (file.clone(), false, 0o600)]);
    assert_eq!(node.lines_with("WARN"), 0, "others see that there is a file, and cannot read it");
    set_rights(&file, 0o644);
    node.restart();
    await_all(&[&node]);
    assert_eq!(node.client().put("key", b"value").status, 201);
    assert_eq!(rights_below(&dir), [(dir.clone(), true, 0o755), (file.clone(), false, 0o644)]);
    assert_eq!(node.lines_with(&format!("chmod 600 {}", file.display())), 1);
    assert_eq!(node.lines_with("WARN"), 1);
}

/// Waits until a node says of its data file that it is lost: in its log, to whom asks, and in its figures.
fn await_lost(node: &Node, file: &Path, why: &str) {
    eventually(Duration::from_secs(5), || {
        let ready = node.client().get("/readyz");
        let told = ready.text().contains(why) && ready.text().contains(file.to_str().expect("text"));
        if ready.status == 503 && told { Ok(()) } else { Err(format!("{} {}", ready.status, ready.text())) }
    });
    let line = format!("ERROR [skynode::disk] cannot save to {}: ", file.display());
    node.await_line(&line);
    assert_eq!(node.lines_with(&line), 1);
    assert_eq!(node.client().get("/node").json()["disk"], "fails");
    assert!(node.client().get("/metrics").text().contains("sky_disk_state{state=\"fails\"} 1"));
}

#[test]
fn a_data_file_that_was_removed_is_missed_by_a_node_at_rest_and_none_is_made_for_it() {
    let scratch = Scratch::new();
    let node = Node::start(own_addr(), &scratch.flag("node"));
    await_all(&[&node]);
    assert_eq!(node.client().put("key", b"value").status, 201);
    let file = scratch.0.join("node/sky.redb");
    fs::remove_file(&file).expect("it is there");
    await_lost(&node, &file, "removed or moved");
    assert_eq!(node.client().put("key", b"other").status, 507);
    assert_eq!(node.client().ask("DELETE", "/storage/key", "", None).status, 507);
    assert_eq!(node.client().get("/storage/key").text(), "value");
    fs::remove_dir(scratch.0.join("node")).expect("nothing is in it");
    assert_eq!(node.client().put("key", b"other").status, 507);
    assert!(!scratch.0.join("node").exists());
    let mut node = node;
    node.signal("-TERM");
    assert!(node.await_end(PATIENCE).success());
    assert!(!scratch.0.join("node").exists());
}

#[test]
fn no_write_is_acknowledged_from_the_moment_on_at_which_the_data_file_is_gone() {
    let scratch = Scratch::new();
    thread::scope(|scope| {
        for number in 0..4 {
            let flag = scratch.flag(&number.to_string());
            scope.spawn(move || {
                let node = Node::start(own_addr(), &flag);
                await_all(&[&node]);
                let mut client = node.client();
                assert_eq!(client.put("before", b"1").status, 201);
                fs::remove_file(Path::new(&flag[1]).join("sky.redb")).expect("it is there");
                let answer = client.put("after", b"1");
                assert!(matches!(answer.status, 504 | 507), "{answer:?}");
            });
        }
    });
}

#[test]
fn a_data_file_that_was_replaced_is_noticed_and_the_node_goes_on_when_it_is_put_back() {
    let scratch = Scratch::new();
    let mut node = Node::start(reserved_addr(), &scratch.flag("node"));
    await_all(&[&node]);
    assert_eq!(node.client().put("key", b"value").status, 201);
    let (file, away) = (scratch.0.join("node/sky.redb"), scratch.0.join("node/away"));
    fs::rename(&file, &away).expect("it is there");
    fs::copy(&away, &file).expect("it is ours");
    let copy = fs::read(&file).expect("it is ours");
    await_lost(&node, &file, "another file");
    assert_eq!(node.client().put("key", b"other").status, 507);
    assert!(fs::read(&file).expect("it is ours") == copy, "the other file is left alone");
    fs::rename(&away, &file).expect("it is there");
    await_all(&[&node]);
    node.await_line("saves again");
    assert_eq!(node.client().get("/node").json()["disk"], "works");
    assert_eq!(node.client().put("key", b"after").status, 204);
    node.restart();
    await_all(&[&node]);
    assert_eq!(node.client().get("/storage/key").text(), "after");
}

#[test]
fn a_node_of_a_ring_that_lost_its_data_file_gets_all_back_from_its_neighbours() {
    let _alone = one_at_a_time();
    let scratch = Scratch::new();
    let mut nodes = start_saving_ring(&scratch, 3);
    await_all(&refs(&nodes));
    for n in 0..20 {
        assert_eq!(nodes[0].client().put(&format!("key{n}"), b"value").field("Sky-Copies"), Some("3"));
    }
    let file = scratch.0.join("2/sky.redb");
    fs::remove_file(&file).expect("it is there");
    await_lost(&nodes[2], &file, "removed or moved");
    // It holds a copy of everything, so nothing is written, whoever owns the key.
    for node in &nodes {
        let refused = || node.client().put("more", b"1").status;
        eventually(PATIENCE, || if refused() == 507 { Ok(()) } else { Err(String::from("not refused")) });
        assert_eq!(node.client().get("/storage/key7").text(), "value");
    }
    nodes[2].restart();
    await_all(&refs(&nodes));
    eventually(PATIENCE, || {
        let held = nodes[2].client().get("/node").json()["entries"].as_u64();
        if held >= Some(20) { Ok(()) } else { Err(format!("{held:?}")) }
    });
    assert_eq!(nodes[1].client().put("more", b"1").field("Sky-Copies"), Some("3"));
    assert!(file.exists());
}
