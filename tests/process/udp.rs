//! What reaches a node from the network, and how it finds others there.

use crate::client::Client;
use crate::process::{Node, PATIENCE, eventually, own_addr};
use crate::ring::await_all;
use skynode::rng::Rng;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_flood_of_junk_is_counted_and_keeps_no_client_out() {
    let node = Node::alone();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let mut rng = Rng::new(1);
            let mut junk = [0; 1500];
            while !stop.load(Ordering::Relaxed) {
                junk[0] = rng.below(3) as u8;
                junk[1 + rng.index(100)] = rng.next_u64() as u8;
                let length = rng.index(junk.len());
                // A full buffer somewhere on the way is what a flood is about.
                let _ = socket.send_to(&junk[..length], node.addr);
            }
        });
        let mut client = node.client();
        let flawed = |client: &mut crate::client::Client| {
            let counters = client.get("/node").json()["counters"].clone();
            ["flawed_length", "flawed_version", "flawed_tag"].map(|name| counters[name].as_u64().unwrap())
        };
        eventually(PATIENCE, || match flawed(&mut client) {
            counts if counts.iter().all(|&count| count > 1000) => Ok(()),
            counts => Err(format!("{counts:?}")),
        });
        for number in 0..200u8 {
            let started = Instant::now();
            assert_eq!(client.put(&number.to_string(), &[number]).status, 201);
            assert_eq!(client.get(&format!("/storage/{number}")).body, [number]);
            assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        }
        stop.store(true, Ordering::Relaxed);
        flood.join().unwrap();
    });
}

#[test]
fn seeds_are_found_by_name_and_unknown_ones_do_not_stand_in_the_way() {
    // The name stands for 127.0.0.1, so the node that it leads to has to be there.
    let first = Node::start("127.0.0.1:0".parse().unwrap(), &[]);
    let arguments = ["-j", "nowhere.invalid:4321", "-j", &format!("localhost:{}", first.addr.port())].map(String::from);
    let second = Node::start(own_addr(), &arguments);
    await_all(&[&first, &second]);
}

#[test]
fn a_node_on_every_address_is_known_by_the_one_it_advertises() {
    // Below the ports that the system gives to the connections of other tests: on every address they would be in the
    // way.
    let mut ports = (0..10_000).map(|step| 20_000 + ((std::process::id() + step) % 10_000) as u16);
    let is_free =
        |port: &u16| UdpSocket::bind(("0.0.0.0", *port)).is_ok() && TcpListener::bind(("0.0.0.0", *port)).is_ok();
    let port = ports.find(is_free).expect("a port is free");
    let listen = SocketAddr::from(([0, 0, 0, 0], port));
    // Of the addresses of this machine, the one that the system sends from.
    let advertised = SocketAddr::from(([127, 0, 0, 1], port));
    let first = Node::start(listen, &["--advertise".into(), advertised.to_string()]);
    assert_eq!(first.addr, advertised);
    let second = Node::joining(advertised);
    await_all(&[&first, &second]);
}

#[test]
fn a_node_outlives_the_reader_of_its_log() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_skynode"))
        .env_clear()
        .args(["-l", &own_addr().to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    // The reader takes one line and goes away, as `head -1` does.
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut first).unwrap();
    let addr = first.split_once("http://").and_then(|(_, rest)| rest.split('/').next()?.parse().ok());
    let addr: SocketAddr = addr.unwrap_or_else(|| panic!("no address in {first:?}"));
    // That another joins is worth some lines.
    let other = Node::joining(addr);
    let give_up = Instant::now() + PATIENCE;
    let both = |addr| Client::new(addr).get("/ring").json()["nodes"].as_array().is_some_and(|nodes| nodes.len() == 2);
    while !(both(addr) && both(other.addr)) {
        assert!(Instant::now() < give_up, "they never became one ring");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
