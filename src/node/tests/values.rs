//! Values: long ones, media types, times to live.

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
