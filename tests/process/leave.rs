//! Nodes that leave: told by a signal or over HTTP, unseen by those who ask the others, and in time.

use crate::client::Client;
use crate::process::{Node, PATIENCE, eventually, join, own_addr};
use crate::ring::{History, StopOnDrop, await_all, one_at_a_time, start_ring};
use skynode::rng::Rng;
use skynode::udp::HANDED_OVER;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const NOT_ALL: &str = "left without handing over";

/// How long a node may take to leave, as it is set by default.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(8);

/// How long a node with little data may take to leave.
const SOON: Duration = Duration::from_secs(5);

/// Writes and reads through these nodes until told to stop. Each request must be done.
fn go_on_unhindered(history: &History, addrs: &[SocketAddr], seed: u64, stop: &AtomicBool) {
    let mut rng = Rng::new(seed);
    let mut clients: Vec<Client> = addrs.iter().map(|&addr| Client::new(addr)).collect();
    while !stop.load(Ordering::Relaxed) {
        let key = format!("{seed}-{}", rng.below(200));
        let client = &mut clients[rng.index(addrs.len())];
        let (writes, asked) = (rng.chance(0.5), Instant::now());
        let done = if writes { history.write(client, &key) } else { history.read(client, &key) };
        let what = if writes { "writing" } else { "reading" };
        assert!(done, "{what} {key} through {} was not done in {:?}", client.addr, asked.elapsed());
    }
}

/// Every acknowledged key is there when it is asked for once.
fn assert_readable(history: &History, nodes: &[&Node]) {
    for node in nodes {
        let mut client = node.client();
        for key in history.acknowledged() {
            assert!(history.read(&mut client, &key), "{key} is not readable through {}", node.addr);
        }
    }
}

fn write_many(history: &History, client: &mut Client, count: usize) {
    for number in 0..count {
        assert!(history.write(client, &format!("many-{number}")));
    }
}

/// One node of a ring leaves under load: nobody who asks the others sees it.
fn leaves_unseen(size: usize, order: impl FnOnce(&Node)) {
    let _turn = one_at_a_time();
    let mut nodes = start_ring(size);
    await_all(&nodes.iter().collect::<Vec<_>>());
    let mut leaver = nodes.remove(1);
    let rest: Vec<&Node> = nodes.iter().collect();
    let addrs: Vec<SocketAddr> = rest.iter().map(|node| node.addr).collect();
    let (history, stop) = (History::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        let _stopped = StopOnDrop(&stop);
        for seed in 0..2 {
            let (history, addrs, stop) = (&history, &addrs, &stop);
            scope.spawn(move || go_on_unhindered(history, addrs, seed, stop));
        }
        eventually(PATIENCE, || if history.acknowledged().len() > 100 { Ok(()) } else { Err("few keys".into()) });
        let told = Instant::now();
        order(&leaver);
        let status = leaver.await_end(SOON);
        println!("ended after {:?}", told.elapsed());
        assert_eq!(status.code(), Some(0));
        leaver.await_line(HANDED_OVER);
        assert_readable(&history, &rest);
    });
    await_all(&rest);
    assert_readable(&history, &rest);
}

#[test]
fn sigterm_under_load_is_seen_in_no_answer() {
    leaves_unseen(4, |node| node.signal("-TERM"));
}

#[test]
fn an_order_to_leave_under_load_is_seen_in_no_answer() {
    leaves_unseen(8, |node| {
        let mut client = node.client();
        assert_eq!(client.ask("GET", "/leave", "", None).field("Allow"), Some("POST, OPTIONS"));
        assert_eq!(client.ask("POST", "/leave", "Origin: http://elsewhere\r\n", None).status, 403);
        assert_eq!(client.ask("POST", "/leave", "", Some(b"{}")).status, 400, "it takes no body");
        let answer = client.ask("POST", "/leave", "", None);
        assert_eq!((answer.status, answer.field("Content-Type")), (202, Some("text/plain; charset=utf-8")));
    });
}

#[test]
fn a_lone_node_ends_at_once() {
    let mut node = Node::alone();
    await_all(&[&node]);
    node.signal("-INT");
    assert_eq!(node.await_end(Duration::from_secs(2)).code(), Some(0));
    node.await_line("the only node of its ring, which held nothing");

    let mut node = Node::alone();
    let mut client = node.client();
    assert_eq!(client.put("k", b"v").status, 201);
    // The node is gone before the answer is read, and yet it comes.
    assert_eq!(client.ask("POST", "/leave", "", None).status, 202);
    assert_eq!(node.await_end(Duration::from_secs(2)).code(), Some(0));
    node.await_line("the only node of its ring, and its 1 entry is gone with it");
}

#[test]
fn a_node_without_a_place_ends_at_once() {
    let mut node = Node::start(own_addr(), &join(&[own_addr_with_port()]));
    node.signal("-TERM");
    assert_eq!(node.await_end(Duration::from_secs(2)).code(), Some(0));
    node.await_line("ended without a place on a ring");
}

/// An address where nobody listens.
fn own_addr_with_port() -> SocketAddr {
    SocketAddr::new(own_addr().ip(), 9)
}

#[test]
fn a_second_signal_ends_a_leave_that_hangs() {
    let _turn = one_at_a_time();
    for (first, second, code) in [("-TERM", "-INT", 130), ("-INT", "-TERM", 143)] {
        let mut nodes = start_ring(3);
        await_all(&nodes.iter().collect::<Vec<_>>());
        let mut leaver = nodes.remove(1);
        nodes.iter().for_each(|node| node.signal("-STOP"));
        leaver.signal(first);
        leaver.await_line("is leaving the ring");
        leaver.signal(second);
        assert_eq!(leaver.await_end(Duration::from_secs(2)).code(), Some(code));
        leaver.await_line("again: ends at once");
    }
}

#[test]
fn leaving_takes_no_longer_than_it_may() {
    let _turn = one_at_a_time();
    for (limit, least) in [("1", Duration::from_millis(900)), ("0", Duration::ZERO)] {
        let mut nodes = start_ring(3);
        let arguments = [join(&[nodes[0].addr]), vec!["--leave-timeout".into(), limit.into()]].concat();
        nodes.push(Node::start(own_addr(), &arguments));
        await_all(&nodes.iter().collect::<Vec<_>>());
        let mut leaver = nodes.pop().expect("there are four");
        write_many(&History::default(), &mut leaver.client(), 20);
        nodes.iter().for_each(|node| node.signal("-STOP"));
        let told = Instant::now();
        leaver.signal("-TERM");
        assert_eq!(leaver.await_end(Duration::from_secs(3)).code(), Some(0));
        assert!(told.elapsed() >= least, "gone after {:?}", told.elapsed());
        leaver.await_line(NOT_ALL);
    }
}

/// Ends the nodes all at once.
fn end_all(nodes: &mut [Node]) {
    nodes.iter().for_each(|node| node.signal("-TERM"));
    for node in nodes {
        assert_eq!(node.await_end(SOON).code(), Some(0), "{}", node.addr);
        node.await_line(HANDED_OVER);
    }
}

#[test]
fn a_ring_is_drained_to_its_last_node_which_has_everything() {
    let _turn = one_at_a_time();
    let history = History::default();
    let mut nodes = start_ring(4);
    await_all(&nodes.iter().collect::<Vec<_>>());
    write_many(&history, &mut nodes[0].client(), 300);
    // Two neighbours at once; with what the others hold it would be two crashes of a group of three.
    let next = nodes[0].client().get("/node").json()["successors"][0]["addr"].clone();
    let place = nodes.iter().position(|node| node.addr.to_string() == next).expect("it is one of them");
    nodes.swap(1, place);
    let mut rest = nodes.split_off(2);
    end_all(&mut nodes);
    assert_readable(&history, &rest.iter().collect::<Vec<_>>());
    let last = rest.pop().expect("there are two");
    end_all(&mut rest);
    // Alone it first makes sure that it is.
    println!("the last one has all after {:?}", history.await_readable(&[&last], SOON));
    await_all(&[&last]);
    assert_readable(&history, &[&last]);
}

/// The addresses of the nodes in ring order, as one of them tells.
fn ring_order(node: &Node) -> Vec<String> {
    let ring = node.client().get("/ring").json();
    let nodes = ring["nodes"].as_array().expect("a list of nodes");
    nodes.iter().filter_map(|node| Some(node["addr"].as_str()?.to_owned())).collect()
}

/// So many that leave together: neighbours in a row, or drawn from all.
fn choose(rng: &mut Rng, mut order: Vec<String>) -> Vec<String> {
    let (count, row) = (1 + rng.index(5), rng.chance(0.5));
    let from = rng.index(order.len());
    order.rotate_left(from);
    for at in (0..count).filter(|_| !row) {
        let other = at + rng.index(order.len() - at);
        order.swap(at, other);
    }
    order.truncate(count);
    order
}

/// One to five of eight nodes are told to leave at one moment, in half of the rounds neighbours in a row. `SKY_ROUNDS`
/// says how many rounds, `SKY_SEED` what they are drawn from.
#[test]
fn nodes_that_leave_together_hand_over_to_those_who_stay() {
    let _turn = one_at_a_time();
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("SKY_SEED and SKY_ROUNDS are numbers"));
    let drawn = u64::from(std::process::id());
    let (seed, rounds) = (number("SKY_SEED").unwrap_or(drawn), number("SKY_ROUNDS").unwrap_or(4));
    println!("drawn from SKY_SEED={seed}");
    let (mut rng, history) = (Rng::new(seed), History::default());
    let mut nodes = start_ring(8);
    await_all(&nodes.iter().collect::<Vec<_>>());
    write_many(&history, &mut nodes[0].client(), 300);
    for round in 1..=rounds {
        let chosen = choose(&mut rng, ring_order(&nodes[0]));
        println!("round {round}: {} leave", chosen.join(", "));
        let (mut leavers, rest): (Vec<Node>, Vec<Node>) =
            nodes.into_iter().partition(|node| chosen.contains(&node.addr.to_string()));
        let told = Instant::now();
        for leaver in &leavers {
            assert_eq!(leaver.client().ask("POST", "/leave", "", None).status, 202);
        }
        for leaver in &mut leavers {
            assert_eq!(leaver.await_end(LEAVE_TIMEOUT).code(), Some(0), "{}", leaver.addr);
            leaver.await_line(HANDED_OVER);
        }
        println!("round {round}: {} have left after {:?}", leavers.len(), told.elapsed());
        let stay: Vec<&Node> = rest.iter().collect();
        assert_readable(&history, &stay[..1]);
        await_all(&stay);
        assert_readable(&history, &stay);
        let seeds = join(&[rest[0].addr, rest[1].addr, rest[2].addr]);
        nodes = rest;
        nodes.extend(leavers.iter().map(|leaver| Node::start(leaver.addr, &seeds)));
        await_all(&nodes.iter().collect::<Vec<_>>());
    }
}

#[test]
fn there_is_no_silence_to_end_where_none_is() {
    let node = Node::alone();
    let mut client = node.client();
    let refused = client.ask("POST", "/reopen", "", None);
    assert_eq!((refused.status, refused.field("Content-Type")), (409, Some("application/problem+json")));
    assert_eq!(client.ask("POST", "/reopen", "Origin: null\r\n", None).status, 403);
    assert!(client.get("/node").json()["silenced"].is_null());
}

#[test]
fn a_node_that_knows_too_few_others_says_so() {
    let first = Node::start(own_addr(), &["--min-nodes".into(), "2".into()]);
    let mut client = first.client();
    let told = |answer: &crate::client::Answer| answer.text().contains("knows 1 of at least 2 living nodes");
    let refused = client.get("/readyz");
    assert!(refused.status == 503 && told(&refused), "{}", refused.text());
    let shown = client.get("/node");
    assert!(told(&shown) && shown.json()["state"] == "silent", "{}", shown.text());
    assert_eq!(client.put("k", b"v").status, 503);
    assert_eq!(client.ask("POST", "/reopen", "", None).status, 409);
    let second = Node::joining(first.addr);
    await_all(&[&first, &second]);
    assert_eq!(client.put("k", b"v").status, 201);
}
