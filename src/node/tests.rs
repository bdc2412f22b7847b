//! A handful of nodes on a perfect network: the smallest driver there can be. What is hard is tested in the simulator.

use super::*;
use crate::store::Content;
use crate::wire::{Condition, Freshness, Operation, OperationId, Version};
use core::time::Duration;
use std::collections::BTreeMap;

mod names;

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
        }
    }

    pub fn start(&mut self, n: u16) {
        self.start_as(n, n != 1);
    }

    fn start_as(&mut self, n: u16, seeds_given: bool) {
        let mut entropy = [0; 32];
        entropy[..2].copy_from_slice(&n.to_be_bytes());
        entropy[2..10].copy_from_slice(&self.now.at.as_micros().to_be_bytes());
        let identity = Identity { addr: addr(n), id: None };
        let node = Node::new(Config::default(), identity, seeds_given, entropy, self.now);
        self.nodes.insert(addr(n), node);
        self.drain();
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

mod birth {
    use super::*;

    #[test]
    fn a_node_that_is_its_only_seed_creates_the_ring() {
        let mut net = Net::new();
        net.start_as(1, true);
        net.run(10);
        assert!(net.all_ready());
    }

    #[test]
    fn nodes_given_all_the_same_seeds_create_one_ring() {
        for started_first in 1..=3 {
            let mut net = Net::new();
            net.seeds = vec![addr(1), addr(2), addr(3)];
            net.start_as(started_first, true);
            net.run(1500);
            (1..=3).filter(|n| *n != started_first).for_each(|n| net.start_as(n, true));
            net.run(12_000);
            net.assert_ideal();
            assert!(net.all_ready());
        }
    }

    #[test]
    fn seeds_that_all_answer_found_their_ring_without_waiting_for_each_other() {
        for pause in [0, 1, 1000, 2500] {
            let mut net = Net::new();
            net.seeds = vec![addr(1), addr(2), addr(3)];
            (1..=3).for_each(|n| {
                net.run(pause);
                net.start_as(n, true);
            });
            net.run(500);
            net.assert_ideal();
            assert!(net.all_ready(), "{pause} ms apart");
        }
    }

    #[test]
    fn a_name_that_stands_for_all_seeds_founds_one_ring() {
        let mut net = Net::new();
        net.names = Some(vec![vec![addr(1), addr(2), addr(3)]]);
        (1..=3).for_each(|n| net.start_as(n, true));
        net.run(500);
        net.assert_ideal();
        assert!(net.all_ready());
    }

    #[test]
    fn what_a_seed_said_before_this_process_stood_still_founds_nothing() {
        let mut net = Net::new();
        net.seeds = vec![addr(1), addr(2)];
        let low = if Id::of_addr(addr(1)) < Id::of_addr(addr(2)) { 1 } else { 2 };
        net.start_as(3 - low, true);
        net.run(10);
        // The lower one asks, and stands still before it reads the answer.
        let mut entropy = [7; 32];
        entropy[0] = 1;
        let identity = Identity { addr: addr(low), id: None };
        let mut stopped = Node::new(Config::default(), identity, true, entropy, net.now);
        while stopped.poll_event().is_some() {}
        stopped.handle_command(net.now, Command::Seeds(vec![vec![addr(1)], vec![addr(2)]]));
        let (mut buffer, mut answers) = ([0; FRAME_MAX], Vec::new());
        while let Some(sent) = stopped.poll_transmit(&mut buffer) {
            let other = net.nodes.get_mut(&sent.to).unwrap();
            other.handle_datagram(net.now, addr(low), &buffer[..sent.length]);
            let mut answer = [0; FRAME_MAX];
            while let Some(told) = other.poll_transmit(&mut answer) {
                answers.push(answer[..told.length].to_vec());
            }
        }
        assert!(!answers.is_empty());
        net.run(30_000);
        assert!(net.nodes[&addr(3 - low)].is_member(), "it has founded a ring of its own");
        for answer in answers {
            stopped.handle_datagram(net.now, addr(3 - low), &answer);
        }
        assert!(!stopped.is_member());
        net.nodes.insert(addr(low), stopped);
        net.run(20_000);
        net.assert_ideal();
    }

    #[test]
    fn strangers_that_ask_do_not_keep_a_founder_from_its_ring_while_a_name_does_not_resolve() {
        let mut net = Net::new();
        net.names = Some(vec![vec![addr(1)], vec![]]);
        net.start_as(1, true);
        // They have another seed: the one that founds.
        for n in 10..40 {
            net.names = Some(vec![vec![addr(1)], vec![]]);
            net.start_as(n, true);
            net.run(200);
        }
        assert!(net.nodes[&addr(1)].is_member());
    }

    #[test]
    fn while_a_seed_is_missing_the_others_wait_for_it_before_they_found_their_ring() {
        let mut net = Net::new();
        net.seeds = vec![addr(1), addr(2), addr(3)];
        net.start_as(1, true);
        net.start_as(2, true);
        net.run(3900);
        assert!(net.nodes.values().all(|node| !node.is_member()));
        net.run(6000);
        net.assert_ideal();
    }

    #[test]
    fn a_first_node_that_comes_back_joins_the_ring_that_is_there() {
        let mut net = Net::new();
        net.seeds = vec![addr(1), addr(2), addr(3)];
        (1..=3).for_each(|n| net.start_as(n, true));
        net.run(12_000);
        net.put(2, "k", "v");
        net.start_as(1, true);
        net.run(5000);
        net.assert_ideal();
        assert_eq!(net.get(1, "k").as_deref(), Some("v"));
    }

    #[test]
    fn a_seed_that_is_not_there_yet_is_tried_again_for_ever() {
        let mut net = Net::new();
        net.start(2);
        net.run(600_000);
        assert!(!net.nodes[&addr(2)].is_member());
        net.start(1);
        net.run(17_000);
        net.assert_ideal();
    }

    #[test]
    fn any_of_several_seeds_will_do() {
        let mut net = Net::new();
        net.start(1);
        net.seeds = vec![addr(70), addr(71), addr(1)];
        net.start(2);
        net.run(2000);
        net.assert_ideal();
    }

    #[test]
    fn a_lone_node_joins_the_ring_that_its_seeds_belong_to() {
        let mut net = Net::new();
        net.seeds = vec![addr(1), addr(2)];
        net.start_as(2, true);
        net.run(6000);
        assert!(net.nodes[&addr(2)].is_ready(net.now.at), "it was its own seed, and alone");
        net.start_as(1, false);
        net.run(30_000);
        net.assert_ideal();
    }
}

mod strangers {
    //! What comes from addresses that are not proven, or is no frame at all.

    use super::*;
    use crate::wire::{
        Answer, Awaits, Flaw, Frame, Incarnation, Keeping, Message, Place, Refusal, Request, RingKey, Stabilise, Stamp,
        Stamper,
    };

    fn lone() -> (Net, RingKey) {
        let mut net = Net::new();
        net.start(1);
        net.run(100);
        (net, RingKey::new("sky"))
    }

    fn stranger() -> Peer {
        let place = Place { addr: addr(99), id: Id::of_addr(addr(99)) };
        Peer { place, incarnation: Incarnation::new(5) }
    }

    /// Sends a request as the stranger, and returns the answer's length and what it says of the message and stamp.
    fn ask(
        net: &mut Net,
        key: &RingKey,
        to: Incarnation,
        stamp: Option<Stamp>,
        request: Request<'_>,
    ) -> (usize, Vec<u8>) {
        let (message, transaction) = (Message::Request(request), [3; 8]);
        let frame = Frame { transaction, from: stranger().incarnation, to, stamp, message, extension: &[] };
        let mut buffer = [0; FRAME_MAX];
        let length = key.encode(&frame, &mut buffer).unwrap();
        let node = net.nodes.get_mut(&addr(1)).unwrap();
        while node.poll_transmit(&mut [0; FRAME_MAX]).is_some() {}
        node.handle_datagram(net.now, addr(99), &buffer[..length]);
        let sent = node.poll_transmit(&mut buffer).unwrap();
        assert_eq!(sent.to, addr(99));
        (length, buffer[..sent.length].to_vec())
    }

    fn stabilise(stamp: Stamp) -> Request<'static> {
        let (consents, after, digest, list, dropped) = (true, Id::new(0), 0, 0, heapless::Vec::new());
        let (place, awaits, keeping) = (stranger().place, Awaits::Nobody, Keeping::default());
        let stood_before = None;
        Request::Stabilise(Stabilise {
            place,
            consents,
            stamp,
            after,
            stood_before,
            digest,
            list,
            dropped,
            awaits,
            keeping,
        })
    }

    #[test]
    fn flawed_datagrams_are_counted_by_their_flaw_and_change_nothing() {
        let (mut net, key) = lone();
        let now = net.now;
        let node = net.nodes.get_mut(&addr(1)).unwrap();
        let mut buffer = [0; FRAME_MAX];
        let message = Message::Request(Request::Ping);
        let (from, to) = (Incarnation::new(5), Incarnation::UNKNOWN);
        let frame = Frame { transaction: [0; 8], from, to, stamp: None, message, extension: &[] };
        let length = key.encode(&frame, &mut buffer).unwrap();
        let good = &buffer[..length];
        let changed = |at: usize| {
            let mut bytes = good.to_vec();
            bytes[at] ^= 64;
            bytes
        };
        for flawed in [vec![], changed(0), changed(9), changed(length - 1), [good, good].concat()] {
            node.handle_datagram(now, addr(99), &flawed);
            assert_eq!(node.poll_transmit(&mut [0; FRAME_MAX]), None);
        }
        let of_cloud = RingKey::new("cloud").encode(&frame, &mut buffer).unwrap();
        node.handle_datagram(now, addr(99), &buffer[..of_cloud]);
        let counted = [Flaw::Length, Flaw::Version, Flaw::Tag].map(|flaw| node.counters().flaw(flaw));
        assert_eq!(counted, [1, 1, 4]);
    }

    #[test]
    fn a_request_that_would_change_something_needs_a_stamp_and_is_given_one() {
        let (mut net, key) = lone();
        let theirs = Stamper::new([8; 32]).make(net.now.at, addr(1));
        let (_, answer) = ask(&mut net, &key, Incarnation::UNKNOWN, None, stabilise(theirs));
        let answer = key.decode(&answer).unwrap();
        assert_eq!(answer.message, Message::Answer(Answer::Refused(Refusal::Unproven)));
        let forged = Stamper::new([9; 32]).make(net.now.at, addr(99));
        let (_, refused) = ask(&mut net, &key, Incarnation::UNKNOWN, Some(forged), stabilise(theirs));
        let refused = key.decode(&refused).unwrap().message;
        assert_eq!(refused, Message::Answer(Answer::Refused(Refusal::Unproven)));
        assert_eq!(net.nodes[&addr(1)].predecessor(), None);
        let (_, accepted) = ask(&mut net, &key, Incarnation::UNKNOWN, answer.stamp, stabilise(theirs));
        assert!(matches!(key.decode(&accepted).unwrap().message, Message::Answer(Answer::Neighbours(_))));
        assert_eq!(net.nodes[&addr(1)].predecessor(), Some(stranger()));
    }

    #[test]
    fn what_was_meant_for_an_earlier_incarnation_is_refused() {
        let (mut net, key) = lone();
        let (_, answer) = ask(&mut net, &key, Incarnation::new(1), None, Request::Ping);
        let answer = key.decode(&answer).unwrap();
        assert_eq!(answer.message, Message::Answer(Answer::Refused(Refusal::NotMember)));
        assert_eq!(answer.from, net.nodes[&addr(1)].me().incarnation);
    }

    #[test]
    fn no_answer_to_an_unproven_address_is_longer_than_three_times_its_request() {
        let mut net = Net::new();
        (1..=8).for_each(|n| net.start(n));
        net.run(5000);
        let key = RingKey::new("sky");
        net.put(1, "k", &"v".repeat(600));
        let list = Request::List(crate::id::Arc::new(Id::new(7), Id::new(7)));
        let read = Request::Get { key: b"k" };
        for request in [Request::Ping, Request::Walk, Request::FindSuccessor(Id::new(7)), read, list] {
            let (asked, answered) = ask(&mut net, &key, Incarnation::UNKNOWN, None, request);
            assert!(answered.len() <= 3 * asked, "{} after {asked}", answered.len());
        }
    }

    #[test]
    fn an_answer_that_was_not_asked_for_is_counted_and_dropped() {
        let (mut net, key) = lone();
        let message = Message::Answer(Answer::Done);
        let (from, to) = (Incarnation::new(5), Incarnation::UNKNOWN);
        let frame = Frame { transaction: [3; 8], from, to, stamp: None, message, extension: &[] };
        let mut buffer = [0; FRAME_MAX];
        let length = key.encode(&frame, &mut buffer).unwrap();
        let now = net.now;
        let node = net.nodes.get_mut(&addr(1)).unwrap();
        node.handle_datagram(now, addr(99), &buffer[..length]);
        assert_eq!(node.counters().unasked, 1);
    }
}

mod replays {
    //! What was said once comes again, from where it came.

    use super::*;
    use crate::wire::{Answer, Frame, Incarnation, Message, Place, Refusal, Request, RingKey};

    /// A ring of eight that is recorded for three seconds.
    fn recorded() -> (Net, Vec<(SocketAddr, SocketAddr, Vec<u8>)>) {
        let mut net = Net::new();
        (1..=8).for_each(|n| net.start(n));
        net.run(5000);
        net.recorded = Some(Vec::new());
        net.run(3000);
        let recorded = net.recorded.take().unwrap();
        (net, recorded)
    }

    fn replay(net: &mut Net, recorded: &[(SocketAddr, SocketAddr, Vec<u8>)], of: SocketAddr) {
        for (from, to, bytes) in recorded.iter().filter(|(from, _, _)| *from == of) {
            let now = net.now;
            if let Some(node) = net.nodes.get_mut(to) {
                node.handle_datagram(now, *from, bytes);
            }
        }
        net.drain();
    }

    #[test]
    fn of_a_dead_node_neither_hide_its_death_nor_bring_it_back() {
        let (mut net, recorded) = recorded();
        net.nodes.remove(&addr(3));
        for _ in 0..60 {
            replay(&mut net, &recorded, addr(3));
            net.run(100);
        }
        net.assert_ideal();
        assert!(net.all_ready());
        for _ in 0..100 {
            replay(&mut net, &recorded, addr(3));
            net.run(100);
            net.assert_ideal();
            assert!(net.all_ready());
        }
    }

    #[test]
    fn of_one_that_has_left_and_come_back_move_nothing() {
        let (mut net, mut recorded) = recorded();
        net.recorded = Some(recorded);
        net.ask(3, Command::Leave);
        net.run(2000);
        net.nodes.remove(&addr(3));
        recorded = net.recorded.take().unwrap();
        for _ in 0..20 {
            replay(&mut net, &recorded, addr(3));
            net.run(50);
            net.assert_ideal();
            assert!(net.all_ready());
        }
        net.start(3);
        net.run(3000);
        for _ in 0..20 {
            replay(&mut net, &recorded, addr(3));
            net.run(50);
            net.assert_ideal();
            assert!(net.all_ready());
        }
    }

    /// A datagram that says nothing of its sender but the address.
    fn unproven(request: Request<'_>, transaction: u64) -> Vec<u8> {
        let (from, to, message) = (Incarnation::new(5), Incarnation::UNKNOWN, Message::Request(request));
        let transaction = transaction.to_be_bytes();
        let frame = Frame { transaction, from, to, stamp: None, message, extension: &[0; 128] };
        let mut buffer = [0; FRAME_MAX];
        let length = RingKey::new("sky").encode(&frame, &mut buffer).unwrap();
        buffer[..length].to_vec()
    }

    #[test]
    fn lookups_of_strangers_do_not_move_the_clock() {
        let (mut net, _) = recorded();
        for n in 0..5000 {
            let datagram = unproven(Request::FindSuccessor(Id::new(7)), n);
            let now = net.now;
            net.nodes.get_mut(&addr(1)).unwrap().handle_datagram(now, addr(99), &datagram);
            net.drain();
        }
        assert!(net.nodes[&addr(1)].clock_ms <= net.now.wall_ms);
    }

    #[test]
    fn reads_of_strangers_take_no_place_behind_a_write_under_way() {
        let mut net = Net::new();
        (1..=8).for_each(|n| net.start(n));
        net.run(5000);
        let id = Id::of_key(b"k");
        let owner = net.nodes.values().find(|node| node.is_settled_for(net.now.at, id)).unwrap().me().addr();
        let now = net.now;
        let node = net.nodes.get_mut(&owner).unwrap();
        node.handle_command(now, put(b"k", b"v", None));
        let (under_way, unproven_before) = (node.owner_ops.len(), node.counters().refusals(Refusal::Unproven));
        for n in 0..1000 {
            node.handle_datagram(now, addr(99), &unproven(Request::Get { key: b"k" }, n));
        }
        assert_eq!((under_way, node.owner_ops.len()), (1, 1));
        assert_eq!(node.counters().refusals(Refusal::Unproven) - unproven_before, 1000);
    }

    #[test]
    fn pings_for_one_asker_are_few() {
        let (mut net, _) = recorded();
        let key = RingKey::new("sky");
        let now = net.now;
        let node = net.nodes.get_mut(&addr(1)).unwrap();
        node.handle_datagram(now, addr(99), &unproven(Request::Ping, 1));
        let mut buffer = [0; FRAME_MAX];
        let sent = node.poll_transmit(&mut buffer).unwrap();
        let stamp = key.decode(&buffer[..sent.length]).unwrap().stamp;
        let (mut asked, mut pinged) = (0, 0);
        for n in 0..1000u64 {
            let victim = addr(1000 + n as u16);
            let target =
                Peer { place: Place { addr: victim, id: Id::of_addr(victim) }, incarnation: Incarnation::UNKNOWN };
            let message = Message::Request(Request::PingFor(target));
            let (from, to, transaction) = (Incarnation::new(5), Incarnation::UNKNOWN, n.to_be_bytes());
            let frame = Frame { transaction, from, to, stamp, message, extension: &[] };
            let length = key.encode(&frame, &mut buffer).unwrap();
            asked += length;
            node.handle_datagram(now, addr(99), &buffer[..length]);
            while let Some(sent) = node.poll_transmit(&mut buffer) {
                let answer = key.decode(&buffer[..sent.length]).unwrap().message;
                let busy = answer == Message::Answer(Answer::Refused(Refusal::Busy));
                assert!(busy || sent.length * 2 <= asked * 3, "no more is sent on than came, with both tries");
                pinged += usize::from(!busy);
            }
        }
        assert_eq!(pinged, crate::limits::RELAYS_EACH_MAX);
    }
}

mod values {
    use super::*;
    use crate::limits::VALUE_MAX;

    fn long(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * 31 % 251) as u8).collect()
    }

    fn read(net: &mut Net, n: u16, key: &[u8]) -> Option<Content> {
        match net.ask(n, Command::Get { key: key.into() }) {
            Reply::Value { content, .. } => Some(content),
            Reply::NotFound => None,
            other => panic!("{other:?}"),
        }
    }

    fn left(net: &mut Net, n: u16) -> u64 {
        match net.ask(n, Command::Glance { key: b"k"[..].into() }) {
            Reply::Seen { left_ms, .. } => left_ms,
            other => panic!("{other:?}"),
        }
    }

    fn write(content: Content, ttl_s: u32, min_copies: u8) -> Command {
        Command::Put { key: b"k"[..].into(), content, ttl_s, condition: Condition::None, min_copies, attempt: None }
    }

    #[test]
    fn of_any_length_are_written_and_read_through_every_node_with_their_media_type() {
        let mut net = Net::new();
        (1..=5).for_each(|n| net.start(n));
        net.run(6000);
        for length in [0, 511, 513, 1000, 5000, 200_000, VALUE_MAX] {
            for n in 1..=5 {
                let content = Content::new(long(length), b"text/html", 0);
                let reply = net.ask(n, write(content.clone(), 0, 3));
                assert!(matches!(reply, Reply::Stored { copies: 3, .. }), "{length} through {n}: {reply:?}");
                let reader = n % 5 + 1;
                assert_eq!(read(&mut net, reader, b"k"), Some(content), "{length} through {reader}");
            }
        }
        let reply = net.ask(1, write(Content::new(long(VALUE_MAX + 1), b"", 0), 0, 0));
        assert_eq!(reply, Reply::TooLarge);
        net.run(3000);
        assert_eq!(net.nodes.values().filter(|node| node.version_of(b"k").is_some()).count(), 3);
        assert!(net.nodes.values().all(|node| node.load().overfull(true).is_none()));
    }

    #[test]
    fn that_live_for_a_time_end_for_all_and_stay_ended() {
        let mut net = Net::new();
        (1..=4).for_each(|n| net.start(n));
        net.run(6000);
        let reply = net.ask(1, write(Content::new(*b"v", b"", 0), 5, 0));
        assert!(matches!(reply, Reply::Stored { .. }), "{reply:?}");
        // Neither a wall clock that is days ahead ends it, nor one at its zero brings it back.
        net.now.wall_ms += 3 * 86_400_000;
        assert!((1..=5000).contains(&left(&mut net, 2)));
        net.run(4900);
        assert!((1..=100).contains(&left(&mut net, 3)));
        net.now.wall_ms = 0;
        net.run(100);
        for n in 1..=4 {
            assert_eq!(read(&mut net, n, b"k"), None);
        }
        let condition = Condition::Absent;
        let content = Content::new(*b"w", b"", 0);
        let create = Command::Put { key: b"k"[..].into(), content, ttl_s: 0, condition, min_copies: 0, attempt: None };
        assert!(matches!(net.ask(4, create), Reply::Stored { created: true, .. }));
    }

    #[test]
    fn that_want_more_copies_than_there_are_nodes_are_refused() {
        let mut net = Net::new();
        (1..=2).for_each(|n| net.start(n));
        net.run(6000);
        for n in 1..=2 {
            let reply = net.ask(n, write(Content::new(*b"v", b"", 0), 0, 3));
            assert_eq!(reply, Reply::Unavailable(Unavailable::TooFew { copies: 2 }));
            assert_eq!(read(&mut net, n, b"k"), None);
        }
        assert!(matches!(net.ask(1, write(Content::new(*b"v", b"", 0), 0, 2)), Reply::Stored { copies: 2, .. }));
    }
}

mod lists {
    //! Pages of the keys of the whole ring.

    use super::*;

    fn list(net: &mut Net, n: u16, from: Id, after: Option<Box<[u8]>>, limit: usize) -> Reply {
        net.ask(n, Command::List { from, after, limit })
    }

    /// All pages, one after the other; what cannot be listed now is asked for again.
    fn pages(net: &mut Net, n: u16, limit: usize) -> Vec<OwnedKey> {
        let (mut from, mut all) = (Id::new(0), Vec::<OwnedKey>::new());
        for _ in 0..1000 {
            let after = all.last().filter(|last| last.id == from).map(|last| last.key.clone());
            match list(net, n, from, after, limit) {
                Reply::Listed { entries, next } => {
                    assert!(entries.len() <= limit);
                    all.extend(entries);
                    match next {
                        Some(next) => from = next,
                        None => return all,
                    }
                }
                Reply::Unavailable(_) => {}
                other => panic!("{other:?}"),
            }
        }
        panic!("there is no end of it")
    }

    type Places = Vec<(Id, Box<[u8]>)>;

    fn filled(size: u16, keys: u16) -> (Net, Places) {
        let mut net = Net::new();
        (1..=size).for_each(|n| net.start(n));
        net.run(5000);
        let key =
            |n: u16| [&b"k"[..], &n.to_be_bytes(), &vec![b'x'; usize::from(n % 7) * 42]].concat().into_boxed_slice();
        for n in 0..keys {
            assert!(matches!(net.ask(1 + n % size, put(&key(n), &[1; 3], None)), Reply::Stored { .. }));
        }
        let mut all: Vec<_> = (0..keys).map(|n| (Id::of_key(&key(n)), key(n))).collect();
        all.sort();
        (net, all)
    }

    fn places(listed: &[OwnedKey]) -> Places {
        listed.iter().map(|key| (key.id, key.key.clone())).collect()
    }

    #[test]
    fn all_pages_are_every_key_once_in_ring_order_whoever_is_asked() {
        for size in [1, 2, 3, 8] {
            let (mut net, mut all) = filled(size, 150);
            let (_, gone) = all.remove(70);
            let deleted = Command::Delete { key: gone, condition: Condition::None, min_copies: 0, attempt: None };
            assert!(matches!(net.ask(1, deleted), Reply::Stored { .. }));
            let (key, content, condition) =
                (Box::from(&b"brief"[..]), Content::new(&b"v"[..], b"", 0), Condition::None);
            net.ask(1, Command::Put { key, content, ttl_s: 1, condition, min_copies: 0, attempt: None });
            net.run(1500);
            for (n, limit) in [(1, 1), (size, 7), (1 + size / 2, 1000)] {
                let listed = pages(&mut net, n, limit);
                assert_eq!(places(&listed), all, "{size} nodes, node {n}, pages of {limit}");
                assert!(listed.iter().all(|key| key.length == 3));
                let owns = |key: &OwnedKey| net.nodes[&key.owner].is_settled_for(net.now.at, key.id);
                assert!(listed.iter().all(owns));
                let stored = |key: &OwnedKey| net.nodes[&key.owner].version_of(&key.key) == Some(key.version);
                assert!(listed.iter().all(stored));
            }
        }
    }

    #[test]
    fn a_page_begins_behind_its_key_be_it_there_or_not() {
        let (mut net, all) = filled(3, 40);
        let (id, key) = all[20].clone();
        let Reply::Listed { entries, next } = list(&mut net, 2, id, Some(key), 5) else { panic!("no page") };
        assert_eq!((places(&entries), next.is_some()), (all[21..26].to_vec(), true));
        let (id, key) = (Id::of_key(b"absent"), Box::from(&b"absent"[..]));
        let rest: Vec<_> = all.iter().filter(|(other, _)| *other > id).cloned().collect();
        let Reply::Listed { entries, next } = list(&mut net, 2, id, Some(key), 100) else { panic!("no page") };
        assert_eq!((places(&entries), next), (rest, None));
    }

    #[test]
    fn after_a_crash_pages_wait_for_the_heir_and_lack_nothing() {
        let (mut net, all) = filled(6, 120);
        net.nodes.remove(&addr(4));
        net.run(300);
        let listed = pages(&mut net, 1, 50);
        assert_eq!(places(&listed), all);
        assert!(listed.iter().all(|key| key.owner != addr(4)) || net.now.at < Instant::from_millis(1_010_000));
    }

    #[test]
    fn where_nobody_answers_pages_end_and_nothing_is_passed_over() {
        let (mut net, all) = filled(8, 120);
        let mut ring: Vec<(Id, u16)> = (1..=8).map(|n| (net.nodes[&addr(n)].me().id(), n)).collect();
        ring.sort();
        // Three in a row: who stands beside them cannot know whether it was cut off, and is silent.
        ring[2..5].iter().for_each(|(_, n)| drop(net.nodes.remove(&addr(*n))));
        net.run(15_000);
        let (last, asked) = ring[0];
        let Reply::Listed { entries, next } = list(&mut net, asked, Id::new(0), None, 1000) else { panic!("no page") };
        let next = next.expect("the ring is not at its end");
        let before: Vec<_> = all.iter().filter(|(id, _)| *id < next).cloned().collect();
        assert_eq!((places(&entries), next), (before, last.plus(1)));
        let reply = list(&mut net, asked, next, None, 1000);
        assert!(matches!(reply, Reply::Unavailable(Unavailable::Silent | Unavailable::NoOwner)), "{reply:?}");
    }

    #[test]
    fn a_delete_that_only_its_owner_knows_of_is_not_taken_for_one() {
        let (mut net, all) = filled(5, 60);
        let mut ring: Vec<(Id, u16)> = (1..=5).map(|n| (net.nodes[&addr(n)].me().id(), n)).collect();
        ring.sort();
        let owner = |id: Id| ring.iter().find(|(node, _)| id <= *node).unwrap_or(&ring[0]).1;
        let (id, key) = all.iter().find(|(id, _)| owner(*id) == ring[2].1).unwrap().clone();
        let paused: Vec<_> = [1, 3].map(|at| net.nodes.remove_entry(&addr(ring[at].1)).unwrap()).into();
        let delete = Command::Delete { key: key.clone(), condition: Condition::None, min_copies: 0, attempt: None };
        let (now, node) = (net.now, net.nodes.get_mut(&addr(ring[2].1)).unwrap());
        node.handle_command(now, delete);
        let ticket = node.handle_command(now, Command::List { from: id, after: None, limit: 3 });
        net.run(300);
        assert!(net.nodes[&addr(ring[2].1)].is_settled_for(net.now.at, id));
        assert!(net.replies.is_empty(), "{:?}", net.replies);
        net.nodes.extend(paused);
        net.run(1000);
        let reply = net.replies.iter().find(|(of, _)| *of == ticket).map(|(_, reply)| reply.clone());
        let Some(Reply::Listed { entries, .. }) = reply else { panic!("{reply:?}") };
        assert!(entries.len() == 3 && entries.iter().all(|entry| entry.key != key));
    }
}

mod tombstones {
    use super::*;

    /// Time passes at once: a ring at rest for a day is long to run.
    fn pass(net: &mut Net, hours: u64) {
        net.now.at = net.now.at + Duration::from_secs(3600 * hours);
        net.run(1_300_000);
    }

    fn tombstones(net: &Net) -> usize {
        net.nodes.values().map(|node| node.store.tombstones()).sum()
    }

    #[test]
    fn are_dropped_by_all_after_a_day_and_what_they_kept_down_stays_down() {
        let mut net = Net::new();
        (1..6).for_each(|n| net.start(n));
        net.run(10_000);
        assert!(net.all_ready());
        for key in ["a", "b", "c", "d"] {
            net.put(1, key, "old");
        }
        // This one was away while the keys were deleted.
        let old = net.nodes[&addr(1)].store.clone();
        for key in ["a", "b", "c"] {
            let delete = Command::Delete {
                key: key.as_bytes().into(),
                condition: Condition::None,
                min_copies: 0,
                attempt: None,
            };
            assert!(matches!(net.ask(2, delete), Reply::Stored { .. }));
        }
        pass(&mut net, 0);
        // By the wall clock they are old.
        net.now.wall_ms += 10 * 86_400_000;
        pass(&mut net, 22);
        assert!(tombstones(&net) >= 9, "three keys on three nodes each");
        pass(&mut net, 2);
        assert_eq!(tombstones(&net), 0);
        let node = net.nodes.get_mut(&addr(1)).unwrap();
        node.store = old;
        // It lost its place, and knows nothing but what it held.
        node.floors = floors::Floors::default();
        node.lose_place();
        net.run(60_000);
        net.assert_ideal();
        for n in 1..6 {
            assert_eq!(["a", "b", "c"].map(|key| net.get(n, key)), [const { None }; 3], "through {n}");
            assert_eq!(net.get(n, "d").as_deref(), Some("old"), "through {n}");
        }
        assert!(matches!(net.put(3, "a", "new"), Reply::Stored { created: true, .. }));
        assert_eq!(net.get(1, "a").as_deref(), Some("new"));
    }
}

mod lines {
    use super::*;

    /// A ring of three, and the number of the node that owns the key `k`.
    fn ring() -> (Net, u16) {
        let mut net = Net::new();
        (1..=3).for_each(|n| net.start(n));
        net.run(5000);
        let owner = net.nodes.values().find(|node| node.is_settled_for(net.now.at, Id::of_key(b"k")));
        let number = owner.expect("it is settled").me().addr().port();
        (net, number)
    }

    /// All of these at one moment, through the node of this number. → the replies in the same order, and how many
    /// requests they took.
    fn at_once(net: &mut Net, n: u16, commands: Vec<Command>) -> (Vec<Reply>, usize) {
        let now = net.now;
        net.recorded = Some(Vec::new());
        let node = net.nodes.get_mut(&addr(n)).unwrap();
        let tickets: Vec<Ticket> = commands.into_iter().map(|command| node.handle_command(now, command)).collect();
        net.drain();
        net.run(400);
        let sent = net.recorded.take().unwrap().iter().filter(|(from, _, _)| *from == addr(n)).count();
        let replies = core::mem::take(&mut net.replies);
        let reply = |ticket: &Ticket| replies.iter().find(|(of, _)| of == ticket).expect("a reply").1.clone();
        (tickets.iter().map(reply).collect(), sent)
    }

    fn version(reply: &Reply) -> Version {
        let Reply::Stored { version, .. } = reply else { panic!("{reply:?}") };
        *version
    }

    #[test]
    fn writes_that_wait_go_to_the_copies_together_each_with_its_own_version() {
        let (mut net, owner) = ring();
        for through in [owner, 1 + owner % 3] {
            let mut commands: Vec<Command> = (0..200).map(|n| put(b"k", format!("{n}").as_bytes(), None)).collect();
            commands.push(Command::Get { key: b"k"[..].into() });
            let (replies, sent) = at_once(&mut net, through, commands);
            let versions: Vec<Version> = replies[..200].iter().map(version).collect();
            assert!(versions.is_sorted_by(|a, b| a < b), "each is newer than the one before");
            let Reply::Value { version, content, .. } = &replies[200] else { panic!("{:?}", replies[200]) };
            let at = versions.iter().position(|it| it == version).expect("it was written");
            assert_eq!(content.bytes(), at.to_string().as_bytes());
            assert!(through != owner || sent < 40, "{sent} datagrams for 200 writes");
            assert_eq!(net.get(1 + through % 3, "k").as_deref(), Some("199"));
        }
    }

    #[test]
    fn of_writes_that_wait_each_is_judged_by_what_the_one_before_it_left() {
        let (mut net, owner) = ring();
        let create = |value: &str| {
            let Command::Put { key, content, .. } = put(b"k", value.as_bytes(), None) else { unreachable!() };
            let (condition, attempt) = (Condition::Absent, None);
            Command::Put { key, content, ttl_s: 0, condition, min_copies: 0, attempt }
        };
        let delete =
            || Command::Delete { key: b"k"[..].into(), condition: Condition::None, min_copies: 0, attempt: None };
        let commands = vec![put(b"k", b"a", None), create("b"), put(b"k", b"c", None), delete(), delete(), create("d")];
        let (replies, _) = at_once(&mut net, owner, commands);
        let first = version(&replies[0]);
        let Reply::Conflict { version: Some(met) } = replies[1] else { panic!("{:?}", replies[1]) };
        assert!(met >= first, "what it met is there");
        assert!(version(&replies[2]) < version(&replies[3]));
        assert_eq!(replies[4], Reply::NotFound);
        let Reply::Stored { created: true, .. } = replies[5] else { panic!("{:?}", replies[5]) };
        assert_eq!(net.get(owner, "k").as_deref(), Some("d"));
    }

    #[test]
    fn a_write_of_long_ago_that_its_owner_did_gets_its_first_answer_again() {
        let (mut net, owner) = ring();
        let Reply::Stored { version, operation, .. } = net.put(owner, "k", "first") else { panic!() };
        for n in 0..50 {
            net.put(1 + n % 3, "k", "other");
        }
        let again = net.ask(1 + owner % 3, put(b"k", b"first", Some(Attempt::Again(operation))));
        let Reply::Stored { version: told, .. } = again else { panic!("{again:?}") };
        assert_eq!(told, version);
        assert_eq!(net.get(owner, "k").as_deref(), Some("other"));
    }
}
