//! Names that clients give to their writes.

use super::*;
use crate::limits::{NAMES_KEPT, NAMES_MAX};
use crate::wire::Version;

fn named(key: &str, value: Option<&str>, name: u64, condition: Condition) -> Command {
    let attempt = Some(Attempt::First(OperationId(u128::from(name).to_be_bytes())));
    let (key, min_copies) = (key.as_bytes().into(), 0);
    match value {
        Some(value) => {
            let content = Content::new(value.as_bytes(), b"", 0);
            Command::Put { key, content, ttl_s: 0, condition, min_copies, attempt }
        }
        None => Command::Delete { key, condition, min_copies, attempt },
    }
}

/// What the client is told: the version, and whether the key was created; and who told it.
fn told(reply: &Reply) -> ((Version, bool), SocketAddr) {
    let Reply::Stored { version, created, owner, .. } = reply else { panic!("{reply:?}") };
    ((*version, *created), owner.addr())
}

#[test]
fn a_clients_own_name_is_applied_once_whatever_was_written_since_and_whoever_owns_the_key() {
    let mut net = Net::new();
    (1..6).for_each(|n| net.start(n));
    net.run(10_000);
    let created = told(&net.ask(1, named("k", Some("v"), 1, Condition::Absent))).0;
    let deleted = told(&net.ask(2, named("k", None, 2, Condition::None))).0;
    assert!(created.1 && !deleted.1);
    let again = |net: &mut Net, n: u16, value: &str| {
        let (answer, owner) = told(&net.ask(n, named("k", Some("v"), 1, Condition::Absent)));
        assert_eq!(answer, created, "through {n}");
        assert_eq!(told(&net.ask(n, named("k", None, 2, Condition::None))).0, deleted, "through {n}");
        assert_eq!(net.ask(n, named("k", Some("w"), 2, Condition::None)), Reply::Reused);
        assert_eq!(net.get(n, "k").as_deref(), Some(value));
        owner
    };
    for value in 1..9 {
        net.put(3, "k", &value.to_string());
    }
    let owner = again(&mut net, 4, "8");
    net.nodes.remove(&owner);
    net.run(20_000);
    let left: Vec<u16> = net.nodes.keys().map(SocketAddr::port).collect();
    for n in &left {
        again(&mut net, *n, "8");
    }
    net.seeds = vec![addr(left[0])];
    // Nodes that join take the entry over with its names, and then the others go.
    (6..11).for_each(|n| {
        net.start(n);
        net.run(10_000);
    });
    for n in left.into_iter().skip(1) {
        net.nodes.remove(&addr(n));
        net.run(15_000);
    }
    for n in 6..11 {
        again(&mut net, n, "8");
    }
    assert!(net.nodes.values().map(|node| node.store.names()).sum::<usize>() >= 6, "on three nodes");
    net.run(NAMES_KEPT.as_millis() as u64 + 10_000);
    assert_eq!(net.nodes.values().map(|node| node.store.names()).sum::<usize>(), 0);
}

#[test]
fn where_no_further_name_can_be_remembered_a_write_waits_and_nothing_is_changed() {
    let mut net = Net::new();
    net.start(1);
    let (first, _) = told(&net.ask(1, named("k", Some("v"), 0, Condition::None)));
    for name in 1..NAMES_MAX as u64 {
        assert!(matches!(net.ask(1, named("k", Some("v"), name, Condition::None)), Reply::Stored { .. }), "{name}");
    }
    let beyond = named("k", Some("w"), NAMES_MAX as u64, Condition::None);
    assert_eq!(net.ask(1, beyond.clone()), Reply::Unavailable(Unavailable::Names));
    assert_eq!(net.get(1, "k").as_deref(), Some("v"));
    assert_eq!(told(&net.ask(1, named("k", Some("v"), 0, Condition::None))).0, first);
    assert!(matches!(net.put(1, "k", "x"), Reply::Stored { .. }), "without a name");
    net.run(NAMES_KEPT.as_millis() as u64 + 1000);
    assert!(matches!(net.ask(1, beyond), Reply::Stored { .. }), "it was refused for that time only");
}

#[test]
fn a_name_that_was_given_and_is_too_old_is_told_for_good_and_one_of_another_clock_is_taken() {
    let mut net = Net::new();
    (1..6).for_each(|n| net.start(n));
    net.run(10_000);
    let Reply::Stored { operation, owner, .. } = net.put(1, "k", "v") else { panic!() };
    for value in ["1", "2", "3", "4", "5", "6"] {
        net.put(2, "k", value);
    }
    // The owner itself recalls more than the entry does.
    assert!(matches!(net.ask(1, put(b"k", b"v", Some(Attempt::Again(operation)))), Reply::Stored { .. }));
    net.nodes.remove(&owner.addr());
    net.run(20_000);
    let left: Vec<u16> = net.nodes.keys().map(SocketAddr::port).collect();
    for n in left.iter().copied() {
        assert_eq!(net.ask(n, put(b"k", b"v", Some(Attempt::Again(operation)))), Reply::Forgotten);
        assert_eq!(net.get(n, "k").as_deref(), Some("6"));
    }
    // Of the term of now, as a name that is taken must be.
    let Reply::Stored { operation, .. } = net.put(left[0], "k", "6") else { panic!() };
    let fresh = Freshness { time_ms: net.now.wall_ms + 3 * 86_400_000, ..operation.fresh };
    let ahead = Operation { id: OperationId([3; 16]), fresh };
    let again = |value| put(b"k", value, Some(Attempt::Again(ahead)));
    let first = told(&net.ask(left[0], again(b"w"))).0;
    assert_eq!(told(&net.ask(left[1], again(b"w"))).0, first);
    assert_eq!(net.ask(left[1], again(b"v")), Reply::Reused);
}
