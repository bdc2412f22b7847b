//! Lists of keys.

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
    let key = |n: u16| [&b"k"[..], &n.to_be_bytes(), &vec![b'x'; usize::from(n % 7) * 42]].concat().into_boxed_slice();
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
        let (key, content, condition) = (Box::from(&b"brief"[..]), Content::new(&b"v"[..], b"", 0), Condition::None);
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
