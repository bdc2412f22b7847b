//! Nodes of other rings, and senders that prove nothing.

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
fn ask(net: &mut Net, key: &RingKey, to: Incarnation, stamp: Option<Stamp>, request: Request<'_>) -> (usize, Vec<u8>) {
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
