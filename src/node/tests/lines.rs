//! Operations that queue for one key at its owner.

use super::*;
use crate::wire::Room;

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
    let delete = || Command::Delete { key: b"k"[..].into(), condition: Condition::None, min_copies: 0, attempt: None };
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

#[test]
fn writes_behind_one_that_a_neighbour_cannot_save_are_refused_for_that() {
    let mut net = Net::new();
    (1..=2).for_each(|n| net.start(n));
    net.start_with_disk(3);
    net.run(6000);
    let is_of_another = |key: &&str| !net.nodes[&addr(3)].is_settled_for(net.now.at, Id::of_key(key.as_bytes()));
    let key = ["k", "l", "m", "n"].into_iter().find(is_of_another).expect("keys of all three");
    net.disks_fail = true;
    let (now, command) = (net.now, put(key.as_bytes(), b"first", None));
    net.nodes.get_mut(&addr(1)).unwrap().handle_command(now, command);
    net.run(1000);
    for _ in 0..3 {
        let asked = net.now.at;
        let full = Reply::Unavailable(Unavailable::Full { room: Room::NoDisk });
        assert_eq!(net.put(1, key, "next"), full);
        assert!(net.now.at.since(asked) < Duration::from_secs(1));
    }
    net.run(5000);
    net.disks_fail = false;
    net.run(4000);
    let reply = net.put(2, key, "last");
    assert!(matches!(reply, Reply::Stored { copies: 3, .. }), "{reply:?}");
}
