//! Addresses: listening on all that a machine has, IPv6, people served elsewhere or not at all.

use crate::client::exchange;
use crate::process::{Node, PATIENCE, eventually, join, own_addr, reserved_addr, reserved_ports};
use crate::ring::await_all;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;

fn any(ip: &str) -> SocketAddr {
    format!("{ip}:0").parse().expect("an address")
}

#[test]
fn a_node_on_all_addresses_learns_from_its_seed_which_one_it_has() {
    let first = Node::alone();
    let second = Node::start(any("0.0.0.0"), &join(&[first.addr]));
    assert!(second.addr.ip().is_loopback(), "{}", second.addr);
    let third = Node::start(any("[::]"), &join(&[second.addr]));
    assert!(third.addr.ip().is_loopback() && third.addr.is_ipv4(), "{}", third.addr);
    await_all(&[&first, &second, &third]);
}

#[test]
fn seeds_that_start_together_on_all_addresses_tell_each_other() {
    let first = reserved_ports(3);
    let ports = [first, first + 1, first + 2];
    let seeds: Vec<String> =
        ports.iter().flat_map(|port| [String::from("--join"), format!("localhost:{port}")]).collect();
    let nodes = ports.map(|port| Node::start(SocketAddr::from(([0; 4], port)), &seeds));
    await_all(&nodes.each_ref());
}

#[test]
fn nodes_of_ipv6_are_a_ring() {
    let first = Node::start(any("[::1]"), &[]);
    let second = Node::start(any("[::]"), &join(&[first.addr]));
    assert_eq!(second.addr.ip(), first.addr.ip());
    let third = Node::start(any("[::1]"), &join(&[second.addr]));
    await_all(&[&first, &second, &third]);
    assert_eq!(second.client().put("k", b"v").status, 201);
    assert_eq!(third.client().get("/storage/k").body, b"v");
}

#[test]
fn a_node_without_seeds_on_all_addresses_takes_one_or_says_what_to_do() {
    // A namespace of its own has no way out, and so no address that others could reach.
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", env!("CARGO_BIN_EXE_skynode"), "-l", "0.0.0.0:4321"]);
    match command.output() {
        Ok(output) if !String::from_utf8_lossy(&output.stderr).contains("unshare") => {
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{text}");
            assert!(text.contains("--advertise"), "{text}");
        }
        other => println!("left out, there are no namespaces: {other:?}"),
    }
}

#[test]
fn people_are_served_at_another_address_or_not_at_all() {
    let elsewhere = Node::start(own_addr(), &["--http".into(), any("127.0.0.1").to_string()]);
    assert_eq!(elsewhere.client().get("/healthz").status, 200);
    let status = elsewhere.client().get("/node").json();
    let addr: SocketAddr = status["addr"].as_str().and_then(|text| text.parse().ok()).expect("its address");
    assert_ne!(addr, elsewhere.addr);
    let second = Node::joining(addr);
    // People are served at one address, nodes meet at the other.
    eventually(PATIENCE, || {
        let nodes = second.client().get("/ring").json()["nodes"].as_array().map_or(0, Vec::len);
        if nodes == 2 { Ok(()) } else { Err(format!("{nodes} nodes")) }
    });
    let silent = SocketAddr::from(([127, 0, 0, 1], reserved_ports(1)));
    let mut child = Command::new(env!("CARGO_BIN_EXE_skynode"))
        .env_clear()
        .args(["-l", &silent.to_string(), "--http", "off", "-j", &addr.to_string(), "--log", "off"])
        .spawn()
        .expect("skynode starts");
    eventually(PATIENCE, || {
        let nodes = second.client().get("/ring").json()["nodes"].as_array().map_or(0, Vec::len);
        if nodes == 3 { Ok(()) } else { Err(format!("{nodes} nodes")) }
    });
    assert!(TcpStream::connect(silent).is_err());
    child.kill().expect("the child is ours");
    child.wait().expect("the child is ours");
}

fn check(listen: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skynode"));
    // As in a container: the health check has no flags but the node's environment.
    command.env_clear().env("SKY_LISTEN", listen).arg("--check").output().expect("it runs")
}

#[test]
fn a_check_says_whether_a_node_is_ready() {
    let port = reserved_ports(1);
    let nobody = check(&format!("127.0.0.1:{port}"));
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("does not answer"), "{nobody:?}");
    let ready = Node::alone();
    eventually(PATIENCE, || {
        let output = check(&ready.addr.to_string());
        if output.status.success() { Ok(()) } else { Err(format!("{output:?}")) }
    });
    let port = reserved_ports(1);
    let waits = Node::start(own_addr(), &join(&[SocketAddr::from(([127, 0, 0, 1], port))]));
    let output = check(&waits.addr.to_string());
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("its place on the ring"), "{text}");
}

#[test]
fn a_check_waits_for_a_node_that_is_about_to_be_ready_and_tells_a_reason_that_lasts_once() {
    let seed = reserved_addr();
    let node = Node::start(own_addr(), &join(&[seed]));
    let (listen, wait) = (node.addr.to_string(), |seconds: &str| {
        let arguments = ["--check", "--wait", seconds, "--listen", &node.addr.to_string()];
        Command::new(env!("CARGO_BIN_EXE_skynode")).env_clear().args(arguments).output().expect("it runs")
    });
    let in_vain = wait("1.5");
    let told = String::from_utf8_lossy(&in_vain.stderr);
    assert_eq!(in_vain.status.code(), Some(1));
    assert_eq!(told.matches(&format!("skynode: waiting for {listen}: ")).count(), 1, "{told}");
    assert_eq!(told.lines().count(), 2, "once while it waits, and once at the end: {told}");
    let _first = Node::start(seed, &[]);
    let output = wait("30");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{listen} is ready\n"));
}

#[test]
fn a_check_knows_what_is_no_node() {
    let stranger = TcpListener::bind(own_addr()).expect("it is free");
    let addr = stranger.local_addr().expect("it is bound");
    let answers = thread::spawn(move || {
        let (mut stream, _) = stranger.accept().expect("it is asked");
        assert!(stream.read(&mut [0; 1024]).expect("a request") > 0);
        stream.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n<html>somebody else's page</html>").expect("it listens");
    });
    let output = check(&addr.to_string());
    answers.join().expect("it has answered");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("not as a skynode (HTTP status 404)") && !told.contains("html"), "{told}");
}

#[test]
fn a_rebound_name_reads_and_changes_nothing() {
    let node = Node::start(own_addr(), &["--host".into(), "sky.example".into()]);
    let status = |method: &str, target: &str, host: &str| {
        let fields = format!("Host: {host}\r\nOrigin: http://{host}\r\nContent-Length: 0\r\nConnection: close");
        let answer = exchange(node.addr, format!("{method} {target} HTTP/1.1\r\n{fields}\r\n\r\n").as_bytes());
        answer.split(' ').nth(1).map(str::to_owned).unwrap_or(answer)
    };
    assert_eq!(status("PUT", "/storage/k", "sky.example:4321"), "201");
    for (method, target) in [("GET", "/storage/k"), ("PUT", "/storage/k"), ("DELETE", "/storage/k"), ("POST", "/leave")]
    {
        assert_eq!(status(method, target, "rebound.example:4321"), "421", "{method} {target}");
    }
    assert_eq!(status("GET", "/storage/k", "localhost"), "200");
}
