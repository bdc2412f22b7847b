//! Datagrams that come late, twice, or from elsewhere.

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
        let target = Peer { place: Place { addr: victim, id: Id::of_addr(victim) }, incarnation: Incarnation::UNKNOWN };
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
