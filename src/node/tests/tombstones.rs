//! Tombstones are kept for their time, and collected.

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
        let delete =
            Command::Delete { key: key.as_bytes().into(), condition: Condition::None, min_copies: 0, attempt: None };
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

#[test]
fn one_that_remembers_a_clients_name_stays_until_that_is_forgotten_and_keeps_no_other() {
    let mut net = Net::new();
    let config = Config { collect_after: Duration::ZERO, ..Config::default() };
    (1..4).for_each(|n| net.start_with(n, n != 1, config.clone()));
    net.run(10_000);
    let delete = |key: &str, attempt| Command::Delete {
        key: key.as_bytes().into(),
        condition: Condition::None,
        min_copies: 0,
        attempt,
    };
    for key in ["a", "b", "c", "d", "e"] {
        net.put(1, key, "v");
    }
    let name = Some(Attempt::First(OperationId([7; 16])));
    let first = net.ask(1, delete("a", name));
    assert!(matches!(first, Reply::Stored { created: false, .. }), "{first:?}");
    for key in ["b", "c", "d", "e"] {
        assert!(matches!(net.ask(2, delete(key, None)), Reply::Stored { .. }));
    }
    net.run(60_000);
    assert_eq!(tombstones(&net), 3, "of one key on three nodes");
    for n in 1..4 {
        let (Reply::Stored { version, .. }, Reply::Stored { version: told, .. }) =
            (&first, &net.ask(n, delete("a", name)))
        else {
            panic!("through {n}")
        };
        assert_eq!(version, told);
    }
    pass(&mut net, 1);
    assert_eq!(tombstones(&net), 0);
}
