//! Hostile and odd bytes. The golden bytes of every message stand in `tests/wire_vectors.rs`.

use super::*;
use crate::limits::*;

fn frame<'a>(message: Message<'a>, extension: &'a [u8]) -> Frame<'a> {
    let (from, to) = (Incarnation::new(7), Incarnation::UNKNOWN);
    Frame { transaction: [9; 8], from, to, stamp: None, message, extension }
}

fn bytes(key: &RingKey, frame: &Frame<'_>) -> Vec<u8> {
    let mut buffer = [0; FRAME_MAX];
    let length = key.encode(frame, &mut buffer).unwrap();
    buffer[..length].to_vec()
}

#[test]
fn the_largest_replicate_fits_a_frame() {
    let mut log = OperationLog::default();
    let version = Version { term: TERM_MAX, time_ms: TIME_MAX_MS, writer: u64::MAX };
    let logged = |n| Logged { id: OperationId([n; 16]), version, mark: u64::MAX.into() };
    for n in 0..=OPERATIONS_MAX as u8 {
        log.push(logged(n));
    }
    let (key, kind, long) = ([1; KEY_MAX], [2; KIND_MAX], [3; 2 * FIRST_MAX]);
    let room = room_for_value(key.len(), kind.len(), log.len());
    let value = Value { kind: &kind, left_ms: LEFT_MAX_MS, restored: true, body: Body::cut(&long, [4; 32], room) };
    assert!(!value.body.is_whole() && value.body.first.len() >= FIRST_MAX);
    let rank = Rank { version, ballot: TERM_MAX, chosen: true };
    let names = Some(NamesSum { count: NAMES_MAX as u16, sum: u64::MAX });
    let entry = Entry { key: &key, rank, log, names, value: Some(value), came: &[] };
    let ring = RingKey::new("sky");
    let mut largest = frame(Message::Request(Request::Replicate(entry)), &[]);
    largest.stamp = Some(Stamper::new([0; 32]).make(Default::default(), "[::1]:1".parse().unwrap()));
    let datagram = bytes(&ring, &largest);
    assert!(datagram.len() <= FRAME_MAX);
    assert_eq!(ring.decode(&datagram), Ok(largest));
}

#[test]
fn the_largest_sums_of_an_arc_fit_a_frame() {
    let addr = "[2001:db8::ffff]:65535".parse().unwrap();
    let place = Place { addr, id: crate::id::Id::new(u128::MAX) };
    let peer = Peer { place, incarnation: Incarnation::new(u32::MAX) };
    let holding = Holding::parts([[0xff; 8]; crate::id::STRETCHES]);
    let successors = [peer; ALTERNATIVES_MAX].into_iter().collect();
    let (predecessor, term, awaiting) = (Some(peer), u64::MAX, true);
    let floor = Version { term: u64::MAX, time_ms: u64::MAX, writer: u64::MAX };
    let footing = Some(Footing { upto: crate::id::Id::new(u128::MAX), firm: floor, known: floor });
    let surveyed =
        Surveyed { predecessor, successors, consented: true, silent: true, awaiting, term, footing, holding };
    let mut largest = frame(Message::Answer(Answer::Surveyed(surveyed)), &[]);
    largest.stamp = Some(Stamper::new([0; 32]).make(Default::default(), addr));
    assert!(bytes(&RingKey::new("sky"), &largest).len() <= FRAME_MAX);
}

#[test]
fn an_id_that_follows_from_the_address_is_not_sent() {
    let addr = "127.0.0.1:4321".parse().unwrap();
    let ring = RingKey::new("sky");
    let named = |id| {
        let peer = Peer { place: Place { addr, id }, incarnation: Incarnation::new(1) };
        let datagram = bytes(&ring, &frame(Message::Request(Request::PingFor(peer)), &[]));
        assert_eq!(ring.decode(&datagram).unwrap().message, Message::Request(Request::PingFor(peer)));
        datagram.len()
    };
    assert_eq!(named(crate::id::Id::new(5)), named(crate::id::Id::of_addr(addr)) + 16);
}

#[test]
fn what_is_flawed_is_dropped_for_its_reason() {
    let ring = RingKey::new("sky");
    let good = bytes(&ring, &frame(Message::Request(Request::Ping), &[]));
    assert!(ring.decode(&good).is_ok());
    assert_eq!(ring.decode(&[]), Err(Flaw::Length));
    assert_eq!(ring.decode(&good[..9]), Err(Flaw::Length));
    assert_eq!(ring.decode(&[1; DATAGRAM_MAX + 1]), Err(Flaw::Length));
    assert_eq!(RingKey::new("cloud").decode(&good), Err(Flaw::Tag));
    for bit in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit < 8 { Flaw::Version } else { Flaw::Tag };
        assert_eq!(ring.decode(&flipped), Err(expected), "bit {bit}");
    }
    for cut in 10..good.len() {
        assert_eq!(ring.decode(&good[..cut]), Err(Flaw::Tag));
    }
}

/// What a member of the ring could send: any bytes after the version, and the right tag.
fn tagged(ring: &RingKey, framed: &[u8]) -> Vec<u8> {
    let mut buffer = [0; FRAME_MAX];
    let length = ring.tagged(&framed[1..], &mut buffer).unwrap();
    buffer[..length].to_vec()
}

#[test]
fn any_bytes_can_be_tagged_if_they_fit() {
    let ring = RingKey::new("sky");
    let good = bytes(&ring, &frame(Message::Request(Request::Ping), &[7]));
    assert_eq!(tagged(&ring, &good[..good.len() - 8]), good);
    let longest = vec![0; FRAME_MAX - 1 - 8];
    assert_eq!(ring.tagged(&longest, &mut [0; FRAME_MAX]), Some(FRAME_MAX));
    assert_eq!(ring.tagged(&[longest, vec![0]].concat(), &mut [0; FRAME_MAX]), None);
}

#[test]
fn well_tagged_nonsense_is_malformed_or_trailing() {
    let ring = RingKey::new("sky");
    let good = bytes(&ring, &frame(Message::Request(Request::Ping), &[]));
    let framed = good[..good.len() - 8].to_vec();
    let mut trailing = framed.clone();
    trailing.push(0);
    assert_eq!(ring.decode(&tagged(&ring, &trailing)), Err(Flaw::Trailing));
    assert_eq!(ring.decode(&tagged(&ring, &framed[..framed.len() - 1])), Err(Flaw::Malformed));
    let mut unknown_kind = framed;
    unknown_kind[19] = 200;
    assert_eq!(ring.decode(&tagged(&ring, &unknown_kind)), Err(Flaw::Malformed));
}

#[test]
fn an_unknown_extension_is_skipped() {
    let ring = RingKey::new("sky");
    let datagram = bytes(&ring, &frame(Message::Request(Request::Walk), &[1, 2, 3]));
    assert_eq!(ring.decode(&datagram).unwrap().message, Message::Request(Request::Walk));
}

#[test]
fn a_list_beyond_its_limit_is_malformed() {
    let ring = RingKey::new("sky");
    let good = bytes(&ring, &frame(Message::Answer(Answer::Closer(Alternatives::new())), &[]));
    let mut framed = good[..good.len() - 8].to_vec();
    let length_at = framed.len() - 2;
    assert_eq!(framed[length_at], 0);
    framed[length_at] = ALTERNATIVES_MAX as u8 + 1;
    framed.extend_from_slice(&[0; 200]);
    assert_eq!(ring.decode(&tagged(&ring, &framed)), Err(Flaw::Malformed));
}
