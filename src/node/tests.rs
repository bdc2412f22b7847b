//! A handful of nodes on a perfect network: the smallest driver there can be. What is hard is tested in the simulator.

use super::*;
use crate::limits::{CLAIM_MAX_MS, MEMORY_MIN, TIME_MAX_MS};
use crate::store::Content;
use crate::wire::{Condition, Freshness, Operation, OperationId, Version};
use core::time::Duration;
use std::collections::BTreeMap;

mod birth;
mod lines;
mod lists;
mod names;
mod replays;
mod strangers;
mod tombstones;
mod values;

pub(super) struct Net {
    pub now: Now,
    pub nodes: BTreeMap<SocketAddr, Node>,
    pub seeds: Vec<SocketAddr>,
    /// What the names of the seeds stand for, if that is not one address for each.
    pub names: Option<Vec<Vec<SocketAddr>>>,
    pub replies: Vec<(Ticket, Reply)>,
    /// All that was sent, if somebody records it: from whom, to whom, what.
    pub recorded: Option<Vec<(SocketAddr, SocketAddr, Vec<u8>)>>,
    /// What is sent there is lost after so many datagrams.
    pub deaf: Option<(SocketAddr, usize)>,
    /// Of what this one sends, and is sent, a share is lost.
    pub lossy: Option<(SocketAddr, f64, Rng)>,
    /// Longer datagrams are lost.
    pub narrow: usize,
    /// No disk can be written.
    pub disks_fail: bool,
}

pub(super) fn addr(n: u16) -> SocketAddr {
    ([10, 0, 0, 1], n).into()
}

pub(super) fn put(key: &[u8], value: &[u8], attempt: Option<Attempt>) -> Command {
    let (key, content) = (key.into(), Content::new(value, b"", 0));
    Command::Put { key, content, ttl_s: 0, condition: Condition::None, min_copies: 0, attempt }
}

impl Net {
    pub fn new() -> Self {
        let now = Now { at: Instant::from_millis(1_000_000), wall_ms: 1_700_000_000_000 };
        Self {
            now,
            nodes: BTreeMap::new(),
            seeds: vec![addr(1)],
            names: None,
            replies: vec![],
            recorded: None,
            deaf: None,
            lossy: None,
            narrow: FRAME_MAX,
            disks_fail: false,
        }
    }

    pub fn start(&mut self, n: u16) {
        self.start_as(n, n != 1);
    }

    fn start_as(&mut self, n: u16, seeds_given: bool) {
        self.start_with(n, seeds_given, Config::default());
    }

    fn start_with(&mut self, n: u16, seeds_given: bool, config: Config) {
        let identity = Identity { addr: addr(n), id: None };
        let node = Node::new(config, identity, seeds_given, self.entropy(n), self.now);
        self.nodes.insert(addr(n), node);
        self.drain();
    }

    /// One that saves what it changes.
    pub fn start_with_disk(&mut self, n: u16) {
        let identity = Identity { addr: addr(n), id: None };
        let empty = (Store::new(Config::default().memory_max), None);
        let node = Node::with_disk(Config::default(), identity, n != 1, self.entropy(n), self.now, empty);
        self.nodes.insert(addr(n), node);
        self.drain();
    }

    fn entropy(&self, n: u16) -> [u8; 32] {
        let mut entropy = [0; 32];
        entropy[..2].copy_from_slice(&n.to_be_bytes());
        entropy[2..10].copy_from_slice(&self.now.at.as_micros().to_be_bytes());
        entropy
    }

    pub fn drain(&mut self) {
        let mut busy = true;
        while std::mem::take(&mut busy) {
            let addrs: Vec<SocketAddr> = self.nodes.keys().copied().collect();
            for from in addrs {
                let mut buffer = [0; FRAME_MAX];
                while let Some(sent) = self.nodes.get_mut(&from).and_then(|node| node.poll_transmit(&mut buffer)) {
                    busy = true;
                    if let Some(recorded) = &mut self.recorded {
                        recorded.push((from, sent.to, buffer[..sent.length].to_vec()));
                    }
                    let lost = match &mut self.lossy {
                        Some((addr, share, rng)) if [from, sent.to].contains(addr) => rng.chance(*share),
                        _ => sent.length > self.narrow,
                    };
                    let hears = match &mut self.deaf {
                        Some((deaf, left)) if *deaf == sent.to => {
                            *left = left.saturating_sub(1);
                            *left > 0
                        }
                        _ => true,
                    };
                    if let Some(to) = self.nodes.get_mut(&sent.to).filter(|_| hears && !lost) {
                        to.handle_datagram(self.now, from, &buffer[..sent.length]);
                    }
                }
                while let Some(batch) = self.nodes.get_mut(&from).and_then(Node::poll_save) {
                    busy = true;
                    let outcome = if self.disks_fail { Err(batch) } else { Ok(batch.number) };
                    self.nodes.get_mut(&from).unwrap().handle_saved(self.now, outcome);
                }
                while let Some(event) = self.nodes.get_mut(&from).and_then(Node::poll_event) {
                    busy = true;
                    match event {
                        Event::Reply(ticket, reply) => self.replies.push((ticket, reply)),
                        Event::SeedsWanted { .. } => {
                            let each = || self.seeds.iter().map(|seed| vec![*seed]).collect();
                            let seeds = self.names.clone().unwrap_or_else(each);
                            self.nodes.get_mut(&from).unwrap().handle_command(self.now, Command::Seeds(seeds));
                        }
                        Event::Left { .. } => {}
                        Event::Life(life) => {
                            if std::env::var("SKY_LOG").is_ok() {
                                eprintln!("{} {from} {life:?}", self.now.at)
                            }
                        }
                    }
                }
            }
        }
    }

    pub fn run(&mut self, ms: u64) {
        let until = self.now.at + Duration::from_millis(ms);
        loop {
            let next = self.nodes.values().map(Node::poll_timeout).min().unwrap_or(Instant::FAR);
            if next > until {
                break;
            }
            self.step_to(next.max(self.now.at + Duration::from_micros(100)));
            for node in self.nodes.values_mut() {
                if node.poll_timeout() <= self.now.at {
                    node.handle_timeout(self.now);
                }
            }
            self.drain();
        }
        self.step_to(until);
    }

    fn step_to(&mut self, at: Instant) {
        self.now.wall_ms += at.as_millis() - self.now.at.as_millis();
        self.now.at = at;
    }

    pub fn ask(&mut self, n: u16, command: Command) -> Reply {
        let ticket = self.nodes.get_mut(&addr(n)).unwrap().handle_command(self.now, command);
        self.drain();
        for _ in 0..6000 {
            if let Some(at) = self.replies.iter().position(|(of, _)| *of == ticket) {
                return self.replies.remove(at).1;
            }
            self.run(1);
        }
        panic!("no reply")
    }

    pub fn put(&mut self, n: u16, key: &str, value: &str) -> Reply {
        self.ask(n, put(key.as_bytes(), value.as_bytes(), None))
    }

    pub fn get(&mut self, n: u16, key: &str) -> Option<String> {
        match self.ask(n, Command::Get { key: key.as_bytes().into() }) {
            Reply::Value { content, .. } => Some(String::from_utf8(content.bytes().to_vec()).unwrap()),
            Reply::NotFound => None,
            other => panic!("{other:?}"),
        }
    }

    fn all_ready(&self) -> bool {
        self.nodes.values().all(|node| node.is_ready(self.now.at))
    }

    /// The nodes in ring order know each other as they should.
    pub fn assert_ideal(&self) {
        let mut ring: Vec<&Node> = self.nodes.values().collect();
        ring.sort_by_key(|node| node.me().id());
        for (i, node) in ring.iter().enumerate() {
            let others: Vec<Peer> =
                (1..ring.len()).map(|d| ring[(i + d) % ring.len()].me()).take(Config::default().successors).collect();
            assert_eq!(node.successors(), others, "successors of {}", node.me());
            assert_eq!(node.predecessor(), (ring.len() > 1).then(|| ring[(i + ring.len() - 1) % ring.len()].me()));
        }
    }
}

#[test]
fn a_ring_of_one_answers_at_once() {
    let mut net = Net::new();
    net.start(1);
    assert!(net.all_ready());
    assert_eq!(net.get(1, "k"), None);
    let Reply::Stored { copies: 1, created: true, .. } = net.put(1, "k", "v") else { panic!() };
    assert_eq!(net.get(1, "k").as_deref(), Some("v"));
}

#[test]
fn two_nodes_become_one_ring() {
    let mut net = Net::new();
    net.start(1);
    net.put(1, "k", "v");
    net.start(2);
    net.run(2000);
    net.assert_ideal();
    assert!(net.all_ready());
    assert_eq!(net.get(2, "k").as_deref(), Some("v"));
    let Reply::Stored { copies: 2, created: false, .. } = net.put(2, "k", "w") else { panic!() };
    assert_eq!(net.get(1, "k").as_deref(), Some("w"));
}

#[test]
fn with_the_neighbour_goes_the_difference_to_it() {
    let mut net = Net::new();
    net.start(1);
    net.start(2);
    net.run(2000);
    net.assert_ideal();
    net.nodes.get_mut(&addr(1)).unwrap().ring.differs_since = [Some(net.now.at); 2];
    let differs_for = |net: &Net| net.nodes[&addr(1)].status(net.now.at).differs_for;
    net.step_to(net.now.at + Duration::from_millis(1));
    assert_eq!(differs_for(&net), Some(Duration::from_millis(1)));
    net.nodes.remove(&addr(2));
    net.run(10_000);
    net.assert_ideal();
    assert_eq!(differs_for(&net), None);
}

#[test]
fn eight_nodes_started_at_once_become_one_ring_within_two_seconds() {
    let mut net = Net::new();
    (1..=8).for_each(|n| net.start(n));
    net.run(2000);
    net.assert_ideal();
    net.run(3000);
    assert!(net.all_ready());
    for i in 0..200 {
        assert!(matches!(net.put(1 + i % 8, &format!("k{i}"), "v"), Reply::Stored { copies: 3, .. }));
    }
    for i in 0..200 {
        assert_eq!(net.get(1 + (i + 3) % 8, &format!("k{i}")).as_deref(), Some("v"));
    }
}

#[test]
fn a_dead_node_takes_nothing_with_it() {
    let mut net = Net::new();
    (1..=8).for_each(|n| net.start(n));
    net.run(5000);
    for i in 0..100 {
        net.put(1, &format!("k{i}"), "v");
    }
    net.nodes.remove(&addr(3));
    net.run(5000);
    net.assert_ideal();
    for i in 0..100 {
        assert_eq!(net.get(1, &format!("k{i}")).as_deref(), Some("v"));
    }
    net.start(3);
    net.run(3000);
    net.assert_ideal();
    assert!(net.all_ready());
    for i in 0..100 {
        assert_eq!(net.get(3, &format!("k{i}")).as_deref(), Some("v"));
    }
}

#[test]
fn a_ring_shrinks_to_one_and_grows_again() {
    let mut net = Net::new();
    (1..=3).for_each(|n| net.start(n));
    net.run(3000);
    net.put(1, "k", "v");
    net.nodes.remove(&addr(1));
    net.run(6000);
    assert_eq!(net.get(2, "k").as_deref(), Some("v"));
    net.nodes.remove(&addr(2));
    net.run(9000);
    assert_eq!(net.get(3, "k").as_deref(), Some("v"));
    net.seeds = vec![addr(3)];
    net.start(2);
    net.run(3000);
    net.assert_ideal();
    assert_eq!(net.get(2, "k").as_deref(), Some("v"));
}

/// Stamps carry three bytes of a clock, which wrap after 4.66 hours: what was said half of that ago must not count.
#[test]
fn a_neighbour_that_goes_hours_after_it_came_leaves_no_silence_behind() {
    let mut net = Net::new();
    (1..=3).for_each(|n| net.start(n));
    net.run(5000);
    net.start(4);
    net.run(3 * 3_600_000);
    assert!(net.all_ready());
    net.nodes.remove(&addr(4));
    net.run(6000);
    net.assert_ideal();
    assert!(net.all_ready());
}

#[test]
fn an_invented_name_of_a_write_is_refused_and_spoils_no_clock() {
    let mut net = Net::new();
    net.start(1);
    let fresh = Freshness { term: 0, time_ms: u64::MAX };
    let attempt = Some(Attempt::Again(Operation { id: OperationId([1; 16]), fresh }));
    assert_eq!(net.ask(1, put(b"k", b"v", attempt)), Reply::Invented);
    for value in [b"v", b"w", b"x"] {
        assert!(matches!(net.ask(1, put(b"k", value, None)), Reply::Stored { .. }));
    }
    assert_eq!(net.get(1, "k").as_deref(), Some("x"));
}

#[test]
fn a_name_of_a_write_from_the_end_of_time_stops_no_write_after_it() {
    let mut net = Net::new();
    (1..6).for_each(|n| net.start(n));
    net.run(10_000);
    let latest = [CLAIM_MAX_MS - 1, CLAIM_MAX_MS, CLAIM_MAX_MS + 1, TIME_MAX_MS / 2 - 1, TIME_MAX_MS / 2];
    for (number, time_ms) in latest.into_iter().enumerate() {
        for key in ["k", "l", "m", "n"] {
            let fresh = Freshness { term: 3, time_ms };
            let attempt = Attempt::Again(Operation { id: OperationId([number as u8; 16]), fresh });
            let command = put(key.as_bytes(), b"invented", Some(attempt));
            let reply = net.ask(1 + number as u16, command);
            let taken = matches!(reply, Reply::Stored { .. });
            assert!(taken || reply == Reply::Forgotten, "{time_ms}: {reply:?}");
            assert!(if taken { time_ms < TIME_MAX_MS / 2 - 1 } else { time_ms > CLAIM_MAX_MS }, "{time_ms}: {reply:?}");
            for n in 1..6 {
                let reply = net.put(n, key, "after");
                assert!(matches!(reply, Reply::Stored { .. }), "{time_ms}, {key} through {n}: {reply:?}");
                assert_eq!(net.get(n, key).as_deref(), Some("after"));
            }
        }
    }
}

#[test]
fn a_node_without_room_for_what_is_to_be_its_own_answers_for_none_of_it() {
    let mut net = Net::new();
    (1..4).for_each(|n| net.start(n));
    net.run(6000);
    let keys: Vec<String> = (0..60).map(|n| format!("key{n}")).collect();
    for key in &keys {
        let reply = net.put(1, key, &"x".repeat(300_000));
        assert!(matches!(reply, Reply::Stored { copies: 3, .. }), "{reply:?}");
    }
    net.start_with(4, true, Config { memory_max: MEMORY_MIN, ..Config::default() });
    net.run(30_000);
    assert!(!net.nodes[&addr(4)].is_ready(net.now.at));
    for key in &keys {
        for n in 1..4 {
            let reply = net.ask(n, Command::Get { key: key.as_bytes().into() });
            assert!(matches!(reply, Reply::Value { .. } | Reply::Unavailable(_)), "{key} through {n}: {reply:?}");
        }
    }
}
