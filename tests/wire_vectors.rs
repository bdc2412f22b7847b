//! Golden bytes: what every kind of message looks like on the wire. They change only together with the protocol's
//! version; a new kind is appended, and gets its row here.

use skynode::id::{Arc, Id};
use skynode::limits::FRAME_MAX;
use skynode::time::Instant;
use skynode::wire::*;

/// Version 1; transaction; the sender's incarnation; the receiver's; no stamp.
const HEADER: &str = "01 a1a2a3a4a5a6a7a8 0000c0de 0000f00d 00";
/// An extension of length zero.
const NO_EXTENSION: &str = "00";

/// A message, its bytes, and the tag of the frame made of header, bytes and empty extension, in the ring `sky`.
type Row = (Message<'static>, &'static str, &'static str);

fn id(digit: u8) -> Id {
    Id::new(u128::from_be_bytes([digit; 16]))
}

/// A node whose id was given, so that it travels: 10.0.0.n:4321, position nnnn..., incarnation n.
fn peer(n: u8) -> Peer {
    let place = Place { addr: ([10, 0, 0, n], 4321).into(), id: id(n * 0x11) };
    Peer { place, incarnation: Incarnation::new(n.into()) }
}

/// A node at an IPv6 address whose id follows from it.
fn peer_v6() -> Peer {
    let addr = "[fd00::1]:4321".parse().expect("an address");
    Peer { place: Place { addr, id: Id::of_addr(addr) }, incarnation: Incarnation::new(6) }
}

fn peers<const N: usize>(numbers: &[u8]) -> heapless::Vec<Peer, N> {
    numbers.iter().map(|&n| peer(n)).collect()
}

fn version(n: u64) -> Version {
    Version { term: n, time_ms: 1_700_000_000_000 + n, writer: 0x1111_1111_1111_1100 + n }
}

fn versions() -> Versions {
    [version(1), version(2), Version::NONE, Version::NONE]
}

fn rank(n: u64) -> Rank {
    Rank { version: version(n), ballot: n + 2, chosen: n == 1 }
}

fn arc() -> Arc {
    Arc::new(id(0x11), id(0x22))
}

fn stamp() -> Stamp {
    Stamper::new([7; 32]).make(Instant::from_millis(0x01_0203), ([10, 0, 0, 1], 4321).into())
}

fn operation() -> Operation {
    Operation { id: OperationId([0xee; 16]), fresh: Freshness { term: 3, time_ms: 300 } }
}

fn entry(value: Option<&'static [u8]>) -> Entry<'static> {
    let mut log = OperationLog::default();
    log.push(Logged { id: OperationId([0xaa; 16]), version: version(1), mark: 0x0102_0304_0506_0708.into() });
    let names = value.map(|_| NamesSum { count: 300, sum: 0x0807_0605_0403_0201 });
    Entry { key: b"key", rank: rank(1), log, names, value: value.map(Value::plain), came: &[] }
}

fn stabilise(dropped: &[u8]) -> Stabilise {
    Stabilise {
        place: peer(1).place,
        consents: true,
        stamp: stamp(),
        after: id(0x99),
        stood_before: (!dropped.is_empty()).then(|| id(0x33)),
        digest: 0x0102_0304,
        list: 0x0506,
        dropped: peers(dropped),
        awaits: Awaits::NobodyAndNew,
        keeping: Keeping { unsaved: true, room: Room::Values },
    }
}

fn neighbours(predecessor: Named, successors: Option<PeerList>, dropped: &[u8]) -> Neighbours {
    let (dropped, keeping) = (peers(dropped), Keeping::default());
    let awaits = if dropped.is_empty() { Awaits::Others } else { Awaits::Unsure { after: id(0x55), term: 300 } };
    Neighbours {
        predecessor,
        successors: successors.map(Box::new),
        consents: false,
        wait_ms: 2625,
        dropped,
        matched: true,
        awaits,
        keeping,
    }
}

fn surveyed(holding: Holding) -> Surveyed {
    let (predecessor, successors) = (Some(peer(1)), peers(&[3]));
    Surveyed {
        predecessor,
        successors,
        consented: true,
        term: 300,
        footing: (holding != Holding::Same).then(|| Footing { upto: id(0x22), firm: Version::NONE, known: version(1) }),
        silent: true,
        awaiting: true,
        holding,
    }
}

fn listed(keys: &[&'static [u8]]) -> Box<Listed<'static>> {
    let items = keys.iter().map(|key| Listing { key, version: version(1), length: 300 });
    Box::new(Listed { upto: id(0x22), items: items.collect() })
}

fn fingers(told: &[(u8, u8)]) -> Box<FingerList> {
    Box::new(told.iter().map(|&(exponent, n)| Finger { exponent, peer: peer(n) }).collect())
}

fn two_items() -> Holding {
    Holding::items([1, 2].map(|n| Item { id: id(0x1a + n), rank: rank(n.into()) }))
}

/// A value of which a part is missing.
fn cut() -> Value<'static> {
    let body = Body { length: 70_000, hash: [0xbb; 32], first: b"first" };
    Value { kind: b"text/plain", left_ms: 60_000, restored: true, body }
}

fn put(condition: Condition, body: Body<'static>) -> Request<'static> {
    Request::Put {
        operation: operation(),
        named: true,
        key: b"key",
        condition,
        min_copies: 2,
        ttl_s: 300,
        kind: b"a/b",
        body,
    }
}

#[rustfmt::skip]
fn requests() -> Vec<Row> {
    use Request::*;
    let row = |request, bytes, tag| (Message::Request(request), bytes, tag);
    vec![
        row(Ping,
            "0000",
            "96858e6fefa79fff"),
        row(PingFor(peer(2)),
            "0001 000a000002e121 01 22222222222222222222222222222222 00000002",
            "ab0f854413249a4e"),
        row(PingFor(peer_v6()),
            "0001 01fd000000000000000000000000000001e1210000000006",
            "6970ceead83d8a00"),
        row(FindSuccessor(id(0x55)),
            "0002 55555555555555555555555555555555",
            "5056927e820e7c9d"),
        row(Stabilise(stabilise(&[])),
            "0003000a000001e12101111111111111111111111111111111110103efdbb8fad29d3f23999999999999999999 \
             999999999999990084868808860a00010101",
            "fbbb1ed276880b8f"),
        row(Stabilise(stabilise(&[3, 4, 5])),
            "0003000a000001e12101111111111111111111111111111111110103efdbb8fad29d3f23999999999999999999 \
             99999999999999013333333333333333333333333333333384868808860a03000a000003e12101333333333333 \
             3333333333333333333300000003000a000004e121014444444444444444444444444444444400000004000a00 \
             0005e121015555555555555555555555555555555500000005010101",
            "fc52ef0f9ae357e4"),
        row(Release { side: Pledged::Predecessor, stamp: stamp(), closer: None },
            "0004 00 03efdbb8fad29d3f23 00",
            "1753524ee04f7354"),
        row(Release { side: Pledged::Successor, stamp: stamp(), closer: Some(peer(2)) },
            "0004 01 03efdbb8fad29d3f23 01 000a000002e121 01 22222222222222222222222222222222 00000002",
            "462a8fac361bfab6"),
        row(Hint,
            "0005",
            "cba4c1d925bc0601"),
        row(Survey { arc: arc(), digest: 0xff },
            "0006 1111111111111111111111111111111122222222222222222222222222222222ff01",
            "e703ff3212742226"),
        row(Fetch(Item { id: id(0x1b), rank: rank(1) }),
            "0007 1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b 0181d095ffbc311111111111111101 0301",
            "9390bf945f290bab"),
        row(Settle { arc: arc(), term: 300 },
            "0008 11111111111111111111111111111111 22222222222222222222222222222222 ac02",
            "d01d48cf591f3715"),
        row(Replicate(entry(Some(b"value"))),
            "0009 036b65790181d095ffbc311111111111111101030101aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0181d095ffb \
             c3111111111111111010102030405060708000001ac0208070605040302010100000005000576616c7565",
            "ac170931e22555dc"),
        row(Replicate(entry(None)),
            "0009 036b65790181d095ffbc311111111111111101030101aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0181d095ffb \
             c311111111111111101010203040506070800000000",
            "c302ef11dd073cbe"),
        row(Offer(Entry { value: Some(cut()), ..entry(None) }),
            "000a 036b65790181d095ffbc311111111111111101030101aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0181d095ffb \
             c3111111111111111010102030405060708000000010a746578742f706c61696ee0d40301f0a20401bbbbbbbbbbb \
             bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb056669727374",
            "c59cc75c68786a66"),
        row(Offer(entry(Some(b""))),
            "000a 036b65790181d095ffbc311111111111111101030101aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0181d095ffb \
             c3111111111111111010102030405060708000001ac02080706050403020101000000000000",
            "fbc638a445abbe7a"),
        row(Get { key: b"key" },
            "000b 036b6579",
            "fd1d3f0fda6c9adb"),
        row(put(Condition::None, Body::whole(b"value")),
            "000c eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee03ac0201036b65790002ac0203612f6205000576616c7565",
            "8cc3c36932d8d143"),
        row(put(Condition::Absent, Body::whole(b"value")),
            "000c eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee03ac0201036b65790102ac0203612f6205000576616c7565",
            "d40baafbfb8a2cdf"),
        row(put(Condition::Present, Body::whole(b"value")),
            "000c eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee03ac0201036b65790202ac0203612f6205000576616c7565",
            "3e520ba71ee62a04"),
        row(put(Condition::None, cut().body),
            "000c eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee03ac0201036b65790002ac0203612f62f0a20401bbbbbbbbbbbbbbb \
             bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb056669727374",
            "3f10315bfad98935"),
        row(put(Condition::OneOf(versions()), Body::whole(b"value")),
            "000c eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee03ac0201036b6579040181d095ffbc3111111111111111010282d0 \
             95ffbc311111111111111102000000000000000000000000000000000000000002ac0203612f6205000576616c7565",
            "acd6a74e9e23811c"),
        row(put(Condition::NoneOf { versions: versions(), absent: true }, Body::whole(b"value")),
            "000c eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee03ac0201036b6579050181d095ffbc3111111111111111010282d0 \
             95ffbc31111111111111110200000000000000000000000000000000000000000102ac0203612f6205000576616c7565",
            "b2538ec0ae60ac3e"),
        row(Delete {
                operation: operation(), named: false, key: b"key",
                condition: Condition::Match(version(1)), min_copies: 2,
            },
            "000d eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee03ac0200036b6579030181d095ffbc31111111111111110102",
            "f360838c1524e422"),
        row(Walk,
            "000e",
            "08d37225da209f33"),
        row(Adopt { place: peer(1).place, arc: arc() },
            "000f 000a000001e121 01 11111111111111111111111111111111 11111111111111111111111111111111 \
             22222222222222222222222222222222",
            "7596f035ca9613d9"),
        row(Leave { predecessor: Some(peer(2)), successors: peers(&[3]) },
            "0010 01 000a000002e121 01 22222222222222222222222222222222 00000002 01 000a000003e121 01 \
             33333333333333333333333333333333 00000003",
            "96e15f514bd4f41b"),
        row(Mirror,
            "0011",
            "7bb98550d102d32c"),
        row(Part { id: id(0x1b), hash: [0xbb; 32], offset: 1632 },
            "0012 1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb \
             bbbbbbbbbe00c",
            "302a1dd73053b7b3"),
        row(List(arc()),
            "0013 11111111111111111111111111111111 22222222222222222222222222222222",
            "b380016df043093a"),
        row(Floor { arc: arc(), floor: version(1), digest: Some(300) },
            "001411111111111111111111111111111111222222222222222222222222222222220181d095ffbc3111111111 \
             1111110101ac02",
            "7cd89b7c326bd504"),
        row(Fingers,
            "0015",
            "5d2d8cc92077b76f"),
        row(Names { id: id(0x1b), before_ms: 300, offset: 1120 },
            "0016 1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1bac02e008",
            "d9ee9f6dfaa19cb4"),
    ]
}

#[rustfmt::skip]
fn answers() -> Vec<Row> {
    use Answer::*;
    let row = |answer, bytes, tag| (Message::Answer(answer), bytes, tag);
    let fresh = Freshness { term: 3, time_ms: 300 };
    vec![
        row(Pong { place: peer(1).place, member: true, founder: false, recalls: true, knows_ring: true },
            "0100000a000001e121011111111111111111111111111111111101000101",
            "df28ac9cdee82a62"),
        row(Found { predecessor: peer(1), owner: peer(2), successors: peers(&[3]), fresh },
            "0101 000a000001e121 01 11111111111111111111111111111111 00000001 000a000002e121 01 \
             22222222222222222222222222222222 0000000201 000a000003e121 01 33333333333333333333333333333333 \
             0000000303ac02",
            "566cd37ae983aecc"),
        row(Closer(peers(&[5, 4])),
            "0102 02 000a000005e121 01 55555555555555555555555555555555 00000005 000a000004e121 01 \
             44444444444444444444444444444444 00000004",
            "e6330c029f59ed1b"),
        row(Neighbours(neighbours(Named::Nobody, None, &[])),
            "0103000000c1140001020000",
            "13a8de4d12e35070"),
        row(Neighbours(neighbours(Named::You, Some(peers(&[2, 3])), &[4])),
            "0103010102000a000002e121012222222222222222222222222222222200000002000a000003e1210133333333 \
             3333333333333333333333330000000300c11401000a000004e121014444444444444444444444444444444400 \
             000004010355555555555555555555555555555555ac020000",
            "ac282478cb54d323"),
        row(Neighbours(neighbours(Named::Other(peer(1)), Some(peers(&[])), &[])),
            "010302000a000001e121011111111111111111111111111111111100000001010000c1140001020000",
            "e3d90d1b3c9ec683"),
        row(Surveyed(surveyed(Holding::Same)),
            "010401000a000001e12101111111111111111111111111111111110000000101000a000003e121013333333333 \
             333333333333333333333300000003010101ac020000",
            "e92e4003e0069666"),
        row(Surveyed(surveyed(two_items())),
            "010401000a000001e12101111111111111111111111111111111110000000101000a000003e121013333333333 \
             333333333333333333333300000003010101ac0201222222222222222222222222222222220000000000000000 \
             00000181d095ffbc31111111111111110101021b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b0181d095ffbc31111111 \
             111111110103011c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c0282d095ffbc3111111111111111020400",
            "6035c6281582255e"),
        row(Surveyed(surveyed(Holding::parts([[0xab; 8], [0xcd; 8]]))),
            "010401000a000001e12101111111111111111111111111111111110000000101000a000003e121013333333333 \
             333333333333333333333300000003010101ac0201222222222222222222222222222222220000000000000000 \
             00000181d095ffbc3111111111111111010202ababababababababcdcdcdcdcdcdcdcd",
            "587c9b7270f022b6"),
        row(Fetched(entry(Some(b"value"))),
            "0105 036b65790181d095ffbc311111111111111101030101aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0181d095ffb \
             c3111111111111111010102030405060708000001ac0208070605040302010100000005000576616c7565",
            "754806285180a7cb"),
        row(Offered { confirmed: true },
            "0106 01",
            "93e9aa1b2f54339c"),
        row(Value { version: version(1), copies: 3, value: cut() },
            "01070181d095ffbc311111111111111101030a746578742f706c61696ee0d40301f0a20401bbbbbbbbbbbbbbbb \
             bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb056669727374",
            "14349892627195be"),
        row(Stored { version: version(1), copies: 3, created: true },
            "0108 0181d095ffbc311111111111111101 0301",
            "bdf847f8c9e9c544"),
        row(Step(skynode::wire::Step {
            place: peer(2).place,
            predecessor: Some(peer(1)),
            successors: peers(&[3]),
            settled: true,
            established: true,
            entries: 1000,
        }),
            "0109 000a000002e121 01 22222222222222222222222222222222 01 000a000001e121 01 \
             11111111111111111111111111111111 00000001 01 000a000003e121 01 33333333333333333333333333333333 \
             00000003 0101 e807",
            "f67738f686face19"),
        row(Done,
            "010a",
            "834de6f7429ef438"),
        row(Refused(Refusal::Unproven),
            "010b 00",
            "c211405ce7f8465a"),
        row(Mirrored(peer(1).addr()),
            "010c 000a000001e121",
            "eb061e529685348c"),
        row(Mirrored(peer_v6().addr()),
            "010c 01fd000000000000000000000000000001e121",
            "05a733bd09bd877d"),
        row(Part(b"part"),
            "010d 0470617274",
            "ebe85ec9b6ec4ca3"),
        row(Listed(listed(&[])),
            "010e 22222222222222222222222222222222 00",
            "147f766d4cd4673d"),
        row(Listed(listed(&[b"key", b"\xff"])),
            "010e 22222222222222222222222222222222 02 036b6579 0181d095ffbc311111111111111101 ac02 01ff \
             0181d095ffbc311111111111111101 ac02",
            "dbc624240106b42f"),
        row(Fingers(fingers(&[(126, 2), (127, 3)])),
            "010f 02 7e 000a000002e121 01 22222222222222222222222222222222 00000002 7f 000a000003e121 01 \
             33333333333333333333333333333333 00000003",
            "987263aaeb6de549"),
    ]
}

#[rustfmt::skip]
fn refusals() -> Vec<Row> {
    use Refusal::*;
    let row = |refusal, bytes, tag| (Message::Answer(Answer::Refused(refusal)), bytes, tag);
    vec![
        row(Unproven,
            "010b 00",
            "c211405ce7f8465a"),
        row(NotMember,
            "010b 01",
            "5c6fb43c3fa26e8d"),
        row(NotOwner,
            "010b 02",
            "f66a9fdec52611f9"),
        row(NotSettled,
            "010b 03",
            "f570d3ff24f400fa"),
        row(NotNeighbour,
            "010b 04",
            "095885d9493fbe69"),
        row(Stale { term: 300 },
            "010b 05ac02",
            "10219ed7c6ad39e1"),
        row(Conflict { version: None },
            "010b 0600",
            "29010698dc981dc7"),
        row(Conflict { version: Some(version(1)) },
            "010b 0601 0181d095ffbc311111111111111101",
            "08af41697528a352"),
        row(NotFound,
            "010b 07",
            "df236442888cd947"),
        row(Newer { rank: rank(1) },
            "010b 08 0181d095ffbc311111111111111101 0301",
            "c097729f4d0f9c05"),
        row(TooLarge,
            "010b 09",
            "aa87ad5e953e948a"),
        row(Busy,
            "010b 0a",
            "2ed63e16e4b85ece"),
        row(Unreachable,
            "010b 0b",
            "287a40ac538d614b"),
        row(Unknown,
            "010b 0c",
            "1ec5138c5d6a0b05"),
        row(Forgotten,
            "010b 0d",
            "45cf423f76dd6dd2"),
        row(Full { room: Room::Tombstones },
            "010b 0e03",
            "04050904bc5acb74"),
        row(Silent,
            "010b 0f",
            "1254b557c08a678a"),
        row(Leaving,
            "010b 10",
            "2fb7c280f3184eac"),
        row(TooFew { copies: 2 },
            "010b 1102",
            "df87afaaed987a27"),
        row(Reused,
            "010b 12",
            "2b735f28ce01e668"),
        row(TooOld,
            "010b 13",
            "cb6578b94e6de84e"),
        row(NoNames,
            "010b 14",
            "6c1ab4808ab41140"),
    ]
}

fn all() -> Vec<Row> {
    [requests(), answers(), refusals()].concat()
}

/// Numbers the variants of an enum in their order on the wire, and names them all. It has no wildcard: a variant that
/// is added to the protocol does not compile here until it is named, and then its row is missed.
macro_rules! variants {
    ($number:ident, $names:ident, $of:ident $(<$life:lifetime>)?, $($variant:ident)+) => {
        const $names: &[&str] = &[$(stringify!($variant)),+];

        fn $number(of: &$of$(<$life>)?) -> usize {
            let name = match of {
                $($of::$variant { .. } => stringify!($variant),)+
            };
            $names.iter().position(|known| *known == name).expect("named above")
        }
    };
}

variants!(request_number, REQUESTS, Request<'_>,
    Ping PingFor FindSuccessor Stabilise Release Hint Survey Fetch Settle Replicate Offer Get Put Delete Walk Adopt
    Leave Mirror Part List Floor Fingers Names);
variants!(answer_number, ANSWERS, Answer<'_>,
    Pong Found Closer Neighbours Surveyed Fetched Offered Value Stored Step Done Refused Mirrored Part Listed Fingers);
variants!(refusal_number, REFUSALS, Refusal,
    Unproven NotMember NotOwner NotSettled NotNeighbour Stale Conflict NotFound Newer TooLarge Busy Unreachable Unknown
    Forgotten Full Silent Leaving TooFew Reused TooOld NoNames);

/// Which list a message's variant is in, and at what number.
fn variant(message: &Message<'_>) -> (&'static [&'static str], usize) {
    match message {
        Message::Request(request) => (REQUESTS, request_number(request)),
        Message::Answer(Answer::Refused(refusal)) => (REFUSALS, refusal_number(refusal)),
        Message::Answer(answer) => (ANSWERS, answer_number(answer)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).expect("hex digits")).collect()
}

fn frame(message: Message<'_>) -> Frame<'_> {
    let (from, to) = (Incarnation::new(0xc0de), Incarnation::new(0xf00d));
    Frame { transaction: *b"\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8", from, to, stamp: None, message, extension: &[] }
}

#[test]
fn every_message_has_its_golden_bytes() {
    let ring = RingKey::new("sky");
    for (message, bytes, tag) in all() {
        let golden = unhex(&[HEADER, bytes, NO_EXTENSION, tag].concat());
        let mut buffer = [0; FRAME_MAX];
        let length = ring.encode(&frame(message.clone()), &mut buffer).expect("it fits");
        let (body, end) = (HEADER.replace(' ', "").len() / 2, length - 8 - NO_EXTENSION.len() / 2);
        let (is_bytes, is_tag) = (hex(&buffer[body..end]), hex(&buffer[length - 8..length]));
        assert_eq!(hex(&buffer[..length]), hex(&golden), "{message:?}: now {is_bytes}, tag {is_tag}");
        assert_eq!(ring.decode(&golden).map(|frame| frame.message), Ok(message));
    }
}

#[test]
fn a_frame_with_stamp_and_extension_has_its_golden_bytes() {
    let ring = RingKey::new("cloud");
    let full = Frame { stamp: Some(stamp()), extension: &[1, 2, 3], ..frame(Message::Request(Request::Ping)) };
    let golden = "01 a1a2a3a4a5a6a7a8 0000c0de 0000f00d 01 03efdbb8fad29d3f23 0000 03 010203 c6be372c880e1964";
    let mut buffer = [0; FRAME_MAX];
    let length = ring.encode(&full, &mut buffer).expect("it fits");
    assert_eq!(hex(&buffer[..length]), hex(&unhex(golden)));
    assert_eq!(ring.decode(&unhex(golden)), Ok(full));
}

#[test]
fn no_variant_is_without_a_row_and_all_stand_in_their_order() {
    for names in [REQUESTS, ANSWERS, REFUSALS] {
        let rows = all().into_iter().map(|(message, ..)| variant(&message)).filter(|(list, _)| *list == names);
        let mut numbers: Vec<usize> = rows.map(|(_, number)| number).collect();
        // The row that shows the variant `Refused` itself repeats the first refusal.
        assert!(numbers.is_sorted() || names == REFUSALS);
        numbers.sort_unstable();
        numbers.dedup();
        let without: Vec<_> = (0..names.len()).filter(|n| !numbers.contains(n) && names[*n] != "Refused").collect();
        assert!(without.is_empty(), "no golden bytes for {:?}", without.iter().map(|&n| names[n]).collect::<Vec<_>>());
    }
    // Variants are only ever appended: postcard writes their number.
    for (message, bytes, _) in all() {
        let (list, number) = variant(&message);
        let written = unhex(bytes);
        let at = if list == REFUSALS { 2 } else { 1 };
        assert_eq!(usize::from(written[at]), number, "{message:?}");
    }
}

#[test]
fn every_golden_frame_cut_short_or_with_a_flipped_bit_is_refused() {
    let ring = RingKey::new("sky");
    for (message, bytes, tag) in all() {
        let golden = unhex(&[HEADER, bytes, NO_EXTENSION, tag].concat());
        assert!((0..golden.len()).all(|length| ring.decode(&golden[..length]).is_err()), "{message:?}");
        for bit in 0..golden.len() * 8 {
            let mut flipped = golden.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(ring.decode(&flipped).is_err(), "{message:?}, bit {bit}");
        }
    }
}
