//! Brute force over a ring of sixteen: its positions are the multiples of 2^124, so the real arithmetic is what runs.

use super::*;

const RING: u128 = 16;

fn at(position: u128) -> Id {
    Id::new((position % RING) << 124)
}

/// The positions strictly between a and b, by walking; the whole ring but a where they are the same.
fn walk(a: u128, b: u128) -> Vec<u128> {
    let mut inside = vec![];
    let mut x = (a + 1) % RING;
    while x != b && x != a {
        inside.push(x);
        x = (x + 1) % RING;
    }
    inside
}

#[test]
fn between_is_what_walking_clockwise_finds() {
    for a in 0..RING {
        for b in 0..RING {
            let inside = walk(a, b);
            for x in 0..RING {
                assert_eq!(at(x).is_between(at(a), at(b)), inside.contains(&x), "{x} in ({a}, {b})");
                let in_arc = inside.contains(&x) || x == b;
                assert_eq!(Arc::new(at(a), at(b)).contains(at(x)), in_arc, "{x} in ({a}, {b}]");
            }
        }
    }
}

#[test]
fn distance_is_the_number_of_steps_clockwise() {
    for a in 0..RING {
        for b in 0..RING {
            assert_eq!(at(a).distance_to(at(b)) >> 124, (b + RING - a) % RING);
            assert_eq!(at(a).plus(at(a).distance_to(at(b))), at(b));
        }
    }
}

#[test]
fn an_arc_covers_what_has_no_position_outside_it() {
    let members = |a: u128, b: u128| (0..RING).filter(|&x| Arc::new(at(a), at(b)).contains(at(x))).collect::<Vec<_>>();
    for (a, b) in (0..RING).flat_map(|a| (0..RING).map(move |b| (a, b))) {
        for (c, d) in (0..RING).flat_map(|c| (0..RING).map(move |d| (c, d))) {
            // Sixteen members are the whole ring only if no real position between the sixteen is missed.
            let whole = |x: u128, y: u128| x == y;
            let expected = whole(a, b)
                || (!whole(c, d) && members(c, d).iter().all(|x| members(a, b).contains(x)) && fits(a, b, c, d));
            assert_eq!(Arc::new(at(a), at(b)).covers(Arc::new(at(c), at(d))), expected, "({a}, {b}] over ({c}, {d}]");
        }
    }
    /// (c, d] starts at or after a: the positions between the sixteen count too.
    fn fits(a: u128, b: u128, c: u128, d: u128) -> bool {
        (c + RING - a) % RING + (d + RING - c) % RING <= (b + RING - a) % RING
    }
}

#[test]
fn a_ring_of_one_has_everyone_between_it_and_itself() {
    let me = Id::new(42);
    assert!(Id::new(41).is_between(me, me) && Id::new(43).is_between(me, me) && !me.is_between(me, me));
    assert!(Arc::new(me, me).contains(me) && Arc::new(me, me).contains(Id::new(0)));
    assert_eq!(Arc::new(me, me).span(), u128::MAX);
}

#[test]
fn wrap_around_at_both_ends_of_the_numbers() {
    let (last, first) = (Id::new(u128::MAX), Id::new(0));
    assert_eq!(last.distance_to(first), 1);
    assert_eq!(last.plus(1), first);
    assert!(first.is_between(last, Id::new(1)) && last.is_between(Id::new(u128::MAX - 1), first));
    assert!(Arc::new(last, first).contains(first) && !Arc::new(last, first).contains(last));
    assert_eq!(Arc::new(last, first).span(), 0);
}

#[test]
fn ids_follow_from_keys_and_addresses() {
    // First 16 bytes of BLAKE3 of the empty input, from the BLAKE3 paper's test vectors.
    assert_eq!(Id::of_key(b"").to_string(), "af1349b9f5f9a1a6a0404dea36dcc949");
    assert_eq!(Id::of_addr("127.0.0.1:4321".parse().unwrap()), Id::of_key(b"127.0.0.1:4321"));
    let longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535";
    assert_eq!(Id::of_addr(longest.parse().unwrap()), Id::of_key(longest.as_bytes()));
    for number in [0, 1, 9, 10, 99, 100, 101, 199, 200, 255_u8] {
        for port in [0, 7, 10, 255, 999, 1000, 4321, 9999, 10_000, 10_001, 60_000, u16::MAX] {
            let addr = SocketAddr::from(([number, 255 - number, 0, number / 2], port));
            assert_eq!(Id::of_addr(addr), Id::of_key(addr.to_string().as_bytes()), "{addr}");
        }
    }
}

#[test]
fn text_is_exactly_32_hex_digits() {
    let id = Id::new(0x00ff_1234 << 96);
    assert_eq!(id.to_string().parse(), Ok(id));
    for wrong in ["", "12", "+0ff12340000000000000000000000000", "00ff1234000000000000000000000000 ", "aéb"] {
        assert_eq!(wrong.parse::<Id>(), Err(ParseIdError), "{wrong:?}");
    }
}
