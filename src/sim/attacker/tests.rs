use super::*;
use crate::id::Id;
use crate::wire::{Answer, Incarnation, Message, Place, Request};
use std::collections::BTreeMap;

fn nodes() -> Vec<Peer> {
    let peer = |n: u8| {
        let addr = SocketAddr::from(([10, 0, 0, n], 4321));
        Peer { place: Place { addr, id: Id::of_addr(addr) }, incarnation: Incarnation::new(n.into()) }
    };
    (1..9).map(peer).collect()
}

/// All kinds of requests, and of answers.
const REQUESTS: u64 = forge::REQUESTS + 1;
const ANSWERS: u64 = forge::ANSWERS + 1;

/// The number of a kind: a new one must be forged too.
const fn kind_of(message: &Message<'_>) -> u64 {
    match message {
        Message::Request(request) => match request {
            Request::Ping => 0,
            Request::PingFor(_) => 1,
            Request::FindSuccessor(_) => 2,
            Request::Stabilise(_) => 3,
            Request::Release { .. } => 4,
            Request::Hint => 5,
            Request::Survey { .. } => 6,
            Request::Fetch(_) => 7,
            Request::Settle { .. } => 8,
            Request::Replicate(_) => 9,
            Request::Offer(_) => 10,
            Request::Get { .. } => 11,
            Request::Put { .. } => 12,
            Request::Delete { .. } => 13,
            Request::Walk => 14,
            Request::Adopt { .. } => 15,
            Request::Leave { .. } => 16,
            Request::Mirror => 17,
            Request::Part { .. } => 18,
            Request::List(_) => 19,
            Request::Floor { .. } => 20,
            Request::Fingers => 21,
            Request::Names { .. } => 22,
        },
        Message::Answer(answer) => {
            REQUESTS
                + match answer {
                    Answer::Pong { .. } => 0,
                    Answer::Found { .. } => 1,
                    Answer::Closer(_) => 2,
                    Answer::Neighbours(_) => 3,
                    Answer::Surveyed(_) => 4,
                    Answer::Fetched(_) => 5,
                    Answer::Offered { .. } => 6,
                    Answer::Value { .. } => 7,
                    Answer::Stored { .. } => 8,
                    Answer::Step(_) => 9,
                    Answer::Done => 10,
                    Answer::Refused(_) => 11,
                    Answer::Mirrored(_) => 12,
                    Answer::Part(_) => 13,
                    Answer::Listed(_) => 14,
                    Answer::Fingers(_) => 15,
                }
        }
    }
}

#[test]
fn forges_every_kind_of_message_well_tagged_and_some_that_are_flawed() {
    let (nodes, ring) = (nodes(), RingKey::new("sky"));
    let mut attacker = Attacker::new("sky", 1000, Rng::new(1));
    let (mut kinds, mut flawed) = (BTreeMap::<u64, u64>::new(), 0);
    for _ in 0..100_000 {
        let shot = attacker.shoot(Instant::from_millis(1000), &nodes).unwrap();
        match ring.decode(&shot.bytes) {
            Ok(frame) => *kinds.entry(kind_of(&frame.message)).or_default() += 1,
            Err(_) => flawed += 1,
        }
        if attacker.sent().is_multiple_of(100) {
            attacker.record(shot.source, shot.to, &shot.bytes);
        }
    }
    let all: Vec<u64> = (0..REQUESTS + ANSWERS).collect();
    assert_eq!(kinds.keys().copied().collect::<Vec<_>>(), all);
    assert!(flawed > 6700 && kinds.values().all(|&count| count > 100), "{flawed} {kinds:?}");
}

#[test]
fn what_it_changes_keeps_neither_stamp_nor_transaction() {
    let (nodes, ring) = (nodes(), RingKey::new("sky"));
    let mut attacker = Attacker::new("sky", 1000, Rng::new(2));
    let stamp = crate::wire::Stamper::new([1; 32]).make(Instant::from_millis(5), nodes[0].addr());
    let (from, to) = (nodes[0].incarnation, nodes[1].incarnation);
    let message = Message::Request(Request::Hint);
    let frame = crate::wire::Frame { transaction: [7; 8], from, to, stamp: Some(stamp), message, extension: &[9; 60] };
    let mut buffer = [0; FRAME_MAX];
    let length = ring.encode(&frame, &mut buffer).unwrap();
    attacker.record(nodes[0].addr(), nodes[1].addr(), &buffer[..length]);
    let changed: Vec<Shot> = (0..2000).map(|_| attacker.change(nodes[1].addr())).collect();
    let frames: Vec<_> = changed.iter().filter_map(|shot| ring.decode(&shot.bytes).ok()).collect();
    assert!(frames.len() > 200, "{}", frames.len());
    assert!(frames.iter().all(|frame| frame.stamp != Some(stamp) && frame.transaction != [7; 8]));
}
