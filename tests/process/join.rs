//! A node that cannot join says why: its log, `/readyz`, `/node`, `--check`, each refusal, and `skyctl`.

use crate::client::Client;
use crate::process::{Node, PATIENCE, eventually, join, own_addr, reserved_addr, reserved_ports};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Output};
use std::thread;
use std::time::{Duration, Instant};

/// What the log says that somebody should read, once it is known.
const WARNING: &str = "cannot join the ring";

fn flags<const N: usize>(flags: [&str; N]) -> Vec<String> {
    flags.map(String::from).to_vec()
}

/// A node with these seeds, of which the log tells each try.
fn seeking(listen: SocketAddr, seeds: &[&str], more: &[&str]) -> Node {
    let seeds = seeds.iter().flat_map(|seed| ["--join", seed]);
    let arguments: Vec<String> =
        seeds.chain(more.iter().copied()).chain(["--log", "debug"]).map(String::from).collect();
    Node::start(listen, &arguments)
}

fn check(node: &Node) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skynode"));
    command.env_clear().args(["--check", "--listen", &node.addr.to_string()]).output().expect("it runs")
}

/// Waits until its log warns with these words, and finds the same in all that is asked for a reason.
#[track_caller]
fn says_why(node: &Node, parts: &[&str]) {
    node.await_line(WARNING);
    let mut client = node.client();
    let ready = client.get("/readyz");
    assert_eq!((ready.status, ready.field("Retry-After")), (503, Some("1")));
    let told = ready.json()["detail"].as_str().expect("a sentence").to_owned();
    for part in parts {
        assert!(told.contains(part), "{part:?} is missing: {told}");
        assert_eq!(node.lines_with(WARNING), node.lines_with(part).min(node.lines_with(WARNING)), "the log: {part}");
    }
    let output = check(node);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), format!("skynode: {told}\n"));
    let why = client.get("/node").json()["unready"].as_str().expect("a sentence").to_owned();
    assert!(told.contains(&why), "{why}");
    refuses_at_once(&mut client, &why);
}

/// Each call that takes an owner is refused for this reason, and at once.
#[track_caller]
fn refuses_at_once(client: &mut Client, why: &str) {
    for (method, target) in [
        ("GET", "/storage/k"),
        ("PUT", "/storage/k"),
        ("DELETE", "/storage/k"),
        ("GET", "/storage?ring=1"),
        ("GET", "/lookup/k"),
    ] {
        let begun = Instant::now();
        let refused = client.ask(method, target, "", (method == "PUT").then_some(&b"v"[..]));
        assert!(begun.elapsed() < Duration::from_secs(2), "{method} {target}: {:?}", begun.elapsed());
        assert_eq!((refused.status, refused.field("Retry-After")), (503, Some("1")), "{method} {target}");
        let detail = refused.json()["detail"].as_str().expect("a sentence").to_owned();
        assert!(detail.contains(why) && detail.contains("Nothing was changed"), "{detail}");
    }
}

#[test]
fn that_nobody_is_there_is_warned_of_once_from_the_third_try() {
    let seed = reserved_addr();
    let node = seeking(own_addr(), &[&seed.to_string()], &[]);
    node.await_line("(try 2)");
    assert_eq!(node.lines_with(WARNING), 0);
    says_why(&node, &[&seed.to_string(), "nobody answers by UDP, and nothing listens by TCP", "compare --ring"]);
    node.await_line("(try 5)");
    assert_eq!(node.lines_with(WARNING), 1, "the reason is the same");
    // Once somebody is there, it joins.
    let _first = Node::start(seed, &[]);
    eventually(PATIENCE, || if check(&node).status.success() { Ok(()) } else { Err("it is not ready".into()) });
}

#[test]
fn two_rings_tell_each_other_apart_on_both_sides() {
    let member = Node::start(own_addr(), &flags(["--ring", "one"]));
    let node = seeking(own_addr(), &[&member.addr.to_string()], &["--ring", "other"]);
    says_why(&node, &[&format!("At {} runs the ring \"one\"", member.addr), "of \"other\"", "--ring"]);
    let heard = format!("of another ring from {}: compare --ring", node.addr);
    member.await_line(&heard);
    node.await_line("(try 5)");
    assert_eq!(member.lines_with("of another ring"), 1, "once a minute");
    assert_eq!(member.client().get("/node").json()["ring"], "one");
}

#[test]
fn an_id_that_another_has_is_told_with_its_address() {
    let first = Node::alone();
    let id = first.client().get("/node").json()["id"].as_str().expect("an id").to_owned();
    let node = seeking(own_addr(), &[&first.addr.to_string()], &["--id", &id]);
    says_why(&node, &[&format!("Its id {id} is taken by {}", first.addr), "--id"]);
}

/// Answers everything by TCP with this, and nothing by UDP. → where.
fn stand_in(answer: String) -> SocketAddr {
    let listener = TcpListener::bind(own_addr()).expect("there is a free port");
    let addr = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = [0; 500];
            let length = stream.read(&mut request).unwrap_or_default();
            assert!(request[..length].starts_with(b"GET /node HTTP/1.1\r\n"));
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    addr
}

#[test]
fn what_tcp_tells_of_a_seed_that_is_silent_by_udp_is_told() {
    let other = Node::alone();
    let body = String::from_utf8(other.client().get("/node").body).expect("text");
    let same = stand_in(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let moved = format!("HTTP/1.1 301 Moved\r\nLocation: http://{}/node\r\nContent-Length: 0\r\n\r\n", other.addr);
    let stranger = stand_in(moved);
    let mute = TcpListener::bind(own_addr()).expect("there is a free port");
    let mute_addr = mute.local_addr().expect("it is bound").to_string();
    let node = seeking(own_addr(), &[&same.to_string(), &stranger.to_string(), &mute_addr], &[]);
    says_why(
        &node,
        &[
            &format!("At {same} runs this ring, as it says by TCP, but UDP does not come through"),
            &format!("At {stranger} something answers by TCP that is no node"),
            &format!("At {mute_addr} nobody answers, neither by UDP nor by TCP"),
        ],
    );
}

#[test]
fn what_cannot_meet_is_told_with_the_way_out() {
    let node = seeking(own_addr(), &["[::1]:9", "192.0.2.1:9", "nowhere.invalid:9"], &[]);
    let port = node.addr.port();
    says_why(
        &node,
        &[
            &format!("--listen [::]:{port} takes both"),
            &format!("no other machine reaches, and 192.0.2.1:9 is on one: start it with --listen 0.0.0.0:{port}"),
            "The name of nowhere.invalid:9 does not resolve",
        ],
    );
}

#[test]
fn seeds_that_are_on_no_ring_themselves_are_told() {
    let (one, other) = (reserved_addr(), reserved_addr());
    let nodes = [(one, other), (other, one)].map(|(listen, seed)| seeking(listen, &[&seed.to_string()], &[]));
    says_why(&nodes[0], &[&format!("At {other} a node answers that is on no ring itself"), "none of its own seeds"]);
}

/// A node in a network and with an `/etc/hosts` of its own, where the machine's name stands for a loopback address.
fn at_home(name: &str, listen: &str, arguments: &[String]) -> Option<Node> {
    let hosts = std::env::temp_dir().join(format!("sky-hosts-{}-{name}", std::process::id()));
    std::fs::write(&hosts, "127.0.0.1 localhost\n127.0.1.1 host1.lan host1\n").expect("it can be written");
    let way = "ip link set lo up && ip link add v0 type veth peer name v1 && ip addr add 192.0.2.1/24 dev v0 && \
               ip link set v0 up && ip link set v1 up && mount --bind \"$0\" /etc/hosts";
    let shell = ["--user", "--map-root-user", "--net", "--mount", "sh", "-c"];
    let probe = Command::new("unshare").args(shell).arg(way).arg(&hosts).output();
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        println!("left out, there are no namespaces: {probe:?}");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(shell).arg(format!("{way} && exec \"$@\"")).arg(&hosts).arg(env!("CARGO_BIN_EXE_skynode"));
    Some(Node::run(&mut command, listen.parse().expect("an address"), arguments))
}

#[test]
fn a_name_that_stands_for_this_machine_alone_is_told_or_taken_for_it() {
    let seeds = flags(["--join", "host1.lan:4321", "--join", "192.0.2.2:4321"]);
    if let Some(node) = at_home("all", "0.0.0.0:4321", &seeds) {
        assert_eq!(node.addr.to_string(), "192.0.2.1:4321", "the address that leads to the other seed");
        node.await_line("host1.lan:4321 stands for 127.0.1.1:4321 on this machine");
        // It has found itself among its seeds, so it may found a ring.
        node.await_line("created a ring");
    }
    if let Some(node) = at_home("one", "192.0.2.1:4321", &seeds) {
        node.await_line("created a ring");
    }
    let elsewhere = flags(["--join", "host1.lan:4322"]);
    if let Some(node) = at_home("other", "192.0.2.1:4321", &elsewhere) {
        node.await_line(WARNING);
        node.await_line("At host1.lan:4322 (127.0.1.1:4322) the name stands for the machine that looks it up");
    }
}

/// A process that is killed when a test lets go of it.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_node_that_does_not_know_its_own_address_yet_is_alive_and_says_why() {
    let (seed, port) = (reserved_addr(), reserved_ports(1));
    let mut command = Command::new(env!("CARGO_BIN_EXE_skynode"));
    command.env_clear().args(["--listen", &format!("0.0.0.0:{port}"), "--join", &seed.to_string(), "--log", "off"]);
    let _child = Killed(command.spawn().expect("it runs"));
    let mut client = Client::new(SocketAddr::from(([127, 0, 0, 1], port)));
    eventually(PATIENCE, || match client.try_ask("GET", "/healthz", "", None) {
        Ok(answer) if answer.status == 200 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    eventually(PATIENCE, || {
        let ready = client.get("/readyz");
        let told = ready.json()["detail"].as_str().expect("a sentence").to_owned();
        let whole = told.contains(&seed.to_string()) && told.contains("nothing listens by TCP");
        if ready.status == 503 && whole { Ok(()) } else { Err(told) }
    });
    let refused = client.put("k", b"v");
    assert!(refused.status == 503 && refused.text().contains("nothing listens by TCP"), "{}", refused.text());
    assert_eq!(client.ask("POST", "/leave", "", None).status, 503);
    let first = Node::start(seed, &[]);
    eventually(PATIENCE, || match client.try_ask("GET", "/readyz", "", None) {
        Ok(answer) if answer.status == 200 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(first.client().put("k", b"v").status, 201);
    assert_eq!(client.get("/storage/k").body, b"v");
}

#[test]
fn a_node_that_knows_too_few_others_says_so_at_once_and_holds_nobody() {
    let node = Node::start(own_addr(), &flags(["--min-nodes", "2"]));
    node.await_line("knows 1 of the 2 living nodes that --min-nodes asks for");
    let mut client = node.client();
    refuses_at_once(&mut client, "It knows 1 of at least 2 living nodes");
    let (code, told) = skyctl(&["put", "k", "v", "--timeout", "0.5", "--node", &node.addr.to_string()]);
    assert_eq!(code, Some(3));
    assert!(told.contains(&format!("{} runs, but is silent: It knows 1 of at least 2", node.addr)), "{told}");
    let other = Node::start(own_addr(), &[join(&[node.addr]), flags(["--min-nodes", "2"])].concat());
    eventually(PATIENCE, || if client.put("k", b"v").status == 201 { Ok(()) } else { Err("not yet".into()) });
    assert_eq!(other.client().get("/storage/k").body, b"v");
}

fn skyctl(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skyctl"));
    let output = command.env_clear().args(arguments).output().expect("it runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn skyctl_tells_what_joins_from_what_is_not_there_and_names_the_way() {
    let seed = reserved_addr();
    let joins = seeking(own_addr(), &[&seed.to_string()], &[]);
    joins.await_line(WARNING);
    let get = |node: &str, more: &[&str]| {
        let (code, told) = skyctl(&[&["get", "k", "--timeout", "0.3", "--node", node], more].concat());
        assert_eq!(code, Some(3), "{told}");
        told
    };
    let (joins, nowhere) = (joins.addr.to_string(), reserved_addr().to_string());
    let told = get(&joins, &[]);
    assert!(told.contains(&format!("{joins} runs, but is joining: At {seed} nobody answers by UDP")), "{told}");
    let told = get(&nowhere, &[]);
    assert!(
        told.starts_with(&format!("skyctl: no ring \"sky\" at {nowhere}. If it runs there: compare --ring")),
        "{told}"
    );
    let told = get(&joins, &["--ring", "else"]);
    assert!(told.contains(&format!("{joins} is a node of the ring \"sky\", and \"else\" was asked for")), "{told}");
    let (code, told) = skyctl(&["node", "--node", &nowhere]);
    assert!(code == Some(3) && told.contains("--node host:port or SKY_NODE"), "{told}");
    // Nobody has named a node: in a network where none is.
    let mut command = Command::new("unshare");
    let way = ["--user", "--map-root-user", "--net", "sh", "-c", "ip link set lo up && \"$@\"; exit $?", "sh"];
    command.env_remove("SKY_NODE").args(way).args([env!("CARGO_BIN_EXE_skyctl"), "get", "k", "--timeout", "0.3"]);
    match command.output() {
        Ok(output) if String::from_utf8_lossy(&output.stderr).starts_with("skyctl: ") => {
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(told.contains("no ring \"sky\" at 127.0.0.1:4321."), "{told}");
            assert!(
                told.contains("127.0.0.1:4321 is the default: name a node with --node host:port or SKY_NODE"),
                "{told}"
            );
        }
        other => println!("left out, there are no namespaces: {other:?}"),
    }
}
