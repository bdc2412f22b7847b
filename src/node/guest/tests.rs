//! Guests beside a handful of nodes on a perfect network.

use super::super::command::{Attempt, Unavailable};
use super::super::tests::{Net, addr, put};
use super::*;
use crate::limits::LIST_MAX;
use crate::store::Content;
use crate::wire::{Condition, Incarnation, Place};
use core::time::Duration;

const GUEST: u16 = 99;

/// A ring of so many, and a guest that knows the address of the first.
fn ring(size: u16) -> Net {
    let mut net = Net::new();
    (1..=size).for_each(|n| net.start(n));
    net.run(5000);
    net.assert_ideal();
    invite(&mut net);
    net
}

fn invite(net: &mut Net) {
    net.nodes.insert(addr(GUEST), Node::guest(Config::default(), [7; 32], net.now));
    net.drain();
}

fn guest(net: &Net) -> &Guest {
    net.nodes[&addr(GUEST)].guest.as_ref().unwrap()
}

#[test]
fn a_guest_writes_reads_and_deletes_like_a_member_and_is_none() {
    let mut net = ring(5);
    for n in 0..40 {
        let key = format!("k{n}");
        assert!(matches!(net.put(GUEST, &key, "v"), Reply::Stored { copies: 3, created: true, .. }));
        assert_eq!(net.get(GUEST, &key).as_deref(), Some("v"));
        assert_eq!(net.get(1 + n % 5, &key).as_deref(), Some("v"));
    }
    assert_eq!(net.get(GUEST, "none"), None);
    let (key, condition) = (b"k1"[..].into(), Condition::None);
    let delete = Command::Delete { key, condition, min_copies: 3, attempt: None };
    assert!(matches!(net.ask(GUEST, delete.clone()), Reply::Stored { .. }));
    assert_eq!(net.ask(GUEST, delete), Reply::NotFound);
    let absent = Command::Put {
        key: b"k2"[..].into(),
        content: crate::store::Content::new(&b"w"[..], b"", 0),
        ttl_s: 0,
        condition: Condition::Absent,
        min_copies: 0,
        attempt: None,
    };
    assert!(matches!(net.ask(GUEST, absent), Reply::Conflict { version: Some(_) }));
    net.run(10_000);
    // Nobody took it for a neighbour, or remembers it.
    net.nodes.remove(&addr(GUEST));
    net.assert_ideal();
    for node in net.nodes.values() {
        assert!(node.remembered.peers().iter().all(|peer| peer.addr() != addr(GUEST)));
    }
}

#[test]
fn what_a_guest_has_learnt_spares_it_lookups() {
    let mut net = ring(8);
    (0..60).for_each(|n| drop(net.put(GUEST, &format!("k{n}"), "v")));
    let (arcs, contacts) = (guest(&net).arcs.len(), guest(&net).contacts.len());
    assert!((5..=8).contains(&arcs) && (5..=8).contains(&contacts), "{arcs} {contacts}");
    net.recorded = Some(Vec::new());
    assert_eq!(net.get(GUEST, "k7").as_deref(), Some("v"));
    let sent = net.recorded.take().unwrap();
    assert_eq!(sent.iter().filter(|(from, ..)| *from == addr(GUEST)).count(), 1, "the owner at once");
    // The arcs of others change: whoever was the owner says so, or is silent.
    net.nodes.remove(&addr(3));
    net.start(20);
    net.run(8000);
    for n in 0..60 {
        assert_eq!(net.get(GUEST, &format!("k{n}")).as_deref(), Some("v"));
    }
}

#[test]
fn large_values_go_in_parts_both_ways() {
    let mut net = ring(4);
    let value: Vec<u8> = (0..300_000u32).map(|n| (n.wrapping_mul(n) >> 3) as u8).collect();
    assert!(matches!(net.ask(GUEST, put(b"large", &value, None)), Reply::Stored { copies: 3, .. }));
    for asker in [GUEST, 1, 2, 3, 4] {
        match net.ask(asker, Command::Get { key: b"large"[..].into() }) {
            Reply::Value { content, .. } => assert!(content.bytes() == value),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_glance_tells_of_a_value_what_a_read_does_and_asks_for_no_part_of_it() {
    let mut net = ring(4);
    let content = Content::new(vec![7; 300_000], b"text/html", 0);
    let (key, condition) = (b"large"[..].into(), Condition::None);
    let put = Command::Put { key, content, ttl_s: 60, condition, min_copies: 0, attempt: None };
    let Reply::Stored { version: stored, .. } = net.ask(GUEST, put) else { panic!() };
    for asker in [GUEST, 1, 2, 3, 4] {
        let before = net.nodes[&addr(asker)].counters().bytes_in;
        let reply = net.ask(asker, Command::Glance { key: b"large"[..].into() });
        let Reply::Seen { version, length, kind, left_ms: seen, copies: 3, owner } = reply else { panic!("{reply:?}") };
        assert_eq!((version, length, &*kind), (stored, 300_000, &b"text/html"[..]));
        assert!(net.nodes[&addr(asker)].counters().bytes_in - before < 10_000);
        let read = net.ask(asker, Command::Get { key: b"large"[..].into() });
        let Reply::Value { left_ms, version, copies: 3, owner: by, .. } = read else { panic!("{read:?}") };
        assert_eq!((version, by), (stored, owner));
        assert!(seen <= 60_000 && left_ms <= seen && left_ms > 50_000, "{seen} {left_ms}");
    }
    assert_eq!(net.ask(GUEST, Command::Glance { key: b"none"[..].into() }), Reply::NotFound);
    assert_eq!(net.ask(1, Command::Glance { key: Box::default() }), Reply::TooLarge);
}

#[test]
fn a_guest_looks_up_walks_and_lists() {
    let mut net = ring(6);
    (0..50).for_each(|n| drop(net.put(1, &format!("k{n}"), "v")));
    let id = Id::of_key(b"k5");
    let Reply::Owner { owner, arc, path } = net.ask(GUEST, Command::Lookup { id }) else { panic!() };
    assert!(arc.contains(id) && owner.id() == arc.upto && path.last().is_some_and(|hop| hop.peer == owner));
    let Reply::Ring { nodes, next: None } = net.ask(GUEST, Command::Walk { from: None, max: 100 }) else { panic!() };
    assert_eq!(nodes.len(), 6);
    let list = Command::List { from: Id::new(0), after: None, limit: LIST_MAX };
    let Reply::Listed { entries, next: None } = net.ask(GUEST, list) else { panic!() };
    assert_eq!(entries.len(), 50);
    assert_eq!(net.ask(GUEST, Command::Reopen), Reply::NotSilent);
    assert_eq!(net.ask(GUEST, Command::Leave), Reply::Done);
}

#[test]
fn a_guest_outlives_its_contacts() {
    let mut net = ring(6);
    (0..30).for_each(|n| drop(net.put(GUEST, &format!("k{n}"), "v")));
    for n in 1..=2 {
        net.nodes.remove(&addr(n));
    }
    net.run(8000);
    for n in 0..30 {
        assert_eq!(net.get(GUEST, &format!("k{n}")).as_deref(), Some("v"));
    }
    let Reply::Ring { nodes, .. } = net.ask(GUEST, Command::Walk { from: None, max: 100 }) else { panic!() };
    assert_eq!(nodes.len(), 4);
    // All are gone, and others are there under the address of the seed.
    net.nodes.retain(|node, _| *node == addr(GUEST));
    let reply = net.ask(GUEST, Command::Get { key: b"k"[..].into() });
    assert!(matches!(reply, Reply::Unavailable(Unavailable::NoOwner)), "{reply:?}");
    net.start(1);
    assert!(matches!(net.put(GUEST, "k", "w"), Reply::Stored { copies: 1, .. }));
}

#[test]
fn commands_wait_for_the_first_contact_and_end_without_one() {
    let mut net = Net::new();
    invite(&mut net);
    assert_eq!(net.put(GUEST, "k", "v"), Reply::Unavailable(Unavailable::NotMember));
    let walked = net.ask(GUEST, Command::Walk { from: None, max: 1 });
    assert_eq!(walked, Reply::Ring { nodes: Vec::new(), next: None });
    let list = Command::List { from: Id::new(0), after: None, limit: 1 };
    assert_eq!(net.ask(GUEST, list), Reply::Unavailable(Unavailable::NotMember));
    let operation = crate::wire::Operation { id: crate::wire::OperationId([1; 16]), fresh: Freshness::default() };
    let again = net.ask(GUEST, put(b"k", b"v", Some(Attempt::Again(operation))));
    assert_eq!(again, Reply::Unknown { operation });
    let ticket = net.nodes.get_mut(&addr(GUEST)).unwrap().handle_command(net.now, put(b"k", b"v", None));
    net.start(1);
    net.run(4900);
    assert!(guest(&net).waiting.is_empty());
    assert!(net.replies.iter().any(|(of, reply)| *of == ticket && matches!(reply, Reply::Stored { .. })));
    assert_eq!(net.get(1, "k").as_deref(), Some("v"));
}

#[test]
fn one_that_heard_nobody_for_long_finds_who_is_there_when_it_is_asked_something() {
    let mut net = Net::new();
    invite(&mut net);
    for _ in 0..4 {
        // By now it tries its seeds every 15 s.
        net.run(100_000);
        net.start(1);
        let asked = net.now.at;
        let list = Command::List { from: Id::new(0), after: None, limit: 1 };
        assert!(matches!(net.ask(GUEST, list), Reply::Listed { .. }));
        assert!(net.now.at.since(asked) < Duration::from_secs(2), "{:?}", net.now.at.since(asked));
        net.nodes.remove(&addr(1));
        assert_eq!(net.ask(GUEST, Command::Walk { from: None, max: 1 }), Reply::Ring { nodes: Vec::new(), next: None });
    }
}

#[test]
fn a_write_of_unknown_outcome_is_repeated_and_applied_once() {
    let mut net = ring(5);
    net.put(GUEST, "k", "u");
    // It hears the owner name itself, and not that the write is stored.
    net.deaf = Some((addr(GUEST), 2));
    let Reply::Unknown { operation } = net.put(GUEST, "k", "v") else { panic!() };
    net.deaf = None;
    assert_eq!(net.get(1, "k").as_deref(), Some("v"));
    assert!(matches!(net.put(2, "k", "w"), Reply::Stored { .. }));
    let again = net.ask(GUEST, put(b"k", b"v", Some(Attempt::Again(operation))));
    assert!(matches!(again, Reply::Stored { .. }), "{again:?}");
    assert_eq!(net.get(GUEST, "k").as_deref(), Some("w"));
}

#[test]
fn a_bad_line_costs_time_only() {
    for seed in 0..5 {
        let mut net = ring(5);
        net.lossy = Some((addr(GUEST), 0.25, crate::rng::Rng::new(seed)));
        for n in 0..60 {
            let (key, value) = (format!("k{}", n % 12).into_bytes(), vec![n; 1 + 97 * usize::from(n)]);
            let mut attempt = None;
            loop {
                match net.ask(GUEST, put(&key, &value, attempt)) {
                    Reply::Stored { .. } => break,
                    Reply::Unknown { operation } => attempt = Some(Attempt::Again(operation)),
                    Reply::Unavailable(_) => attempt = None,
                    other => panic!("{other:?}"),
                }
            }
            let read = loop {
                match net.ask(GUEST, Command::Get { key: key.clone().into() }) {
                    Reply::Value { content, .. } => break content,
                    Reply::Unavailable(_) => {}
                    other => panic!("{other:?}"),
                }
            };
            assert!(read.bytes() == value, "seed {seed}, write {n}");
        }
        net.lossy = None;
        net.run(6000);
        let guest = &net.nodes[&addr(GUEST)];
        let tables = [guest.client_ops.len(), guest.transfers.len(), guest.lookups.len(), guest.requests.len()];
        assert_eq!((tables, guest.timers.len()), ([0; 4], 0), "nothing is left over");
    }
}

#[test]
fn nobody_gets_an_answer_from_a_guest() {
    let mut net = ring(2);
    net.recorded = Some(Vec::new());
    for request in [Request::Ping, Request::Walk, Request::Mirror, Request::FindSuccessor(Id::new(1)), Request::Hint] {
        net.nodes.get_mut(&addr(1)).unwrap().ask_stranger(addr(GUEST), request, Purpose::Notice);
        net.drain();
    }
    net.run(3000);
    let sent = net.recorded.take().unwrap();
    assert!(sent.iter().any(|(_, to, _)| *to == addr(GUEST)) && sent.iter().all(|(from, ..)| *from != addr(GUEST)));
}

#[test]
fn what_it_remembers_is_bounded() {
    let mut guest = Guest::default();
    let peer = |n: u32| {
        let addr = SocketAddr::from(([10, (n >> 16) as u8, (n >> 8) as u8, n as u8], 1));
        Peer { place: Place { addr, id: Id::of_addr(addr) }, incarnation: Incarnation::new(1) }
    };
    let at = |n: u32| Instant::ZERO + Duration::from_millis(n.into());
    for n in 0..1000 {
        guest.meet(at(n), peer(n));
        guest.learn(at(n), peer(n + 1), peer(n));
    }
    assert_eq!((guest.contacts.len(), guest.arcs.len()), (GUEST_CONTACTS_MAX, GUEST_ARCS_MAX));
    assert!(guest.contacts.contains_key(&peer(999).addr()) && !guest.contacts.contains_key(&peer(0).addr()));
    guest.forget_owner(&peer(999));
    assert_eq!(guest.arcs.len(), GUEST_ARCS_MAX - 1);
}
