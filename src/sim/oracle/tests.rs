//! Each oracle against a ring that is good, and against the same ring hurt in the way that it is there to see.

use super::*;
use crate::wire::{Incarnation, Place};

/// The node at `position` of a ring of sixteen.
fn peer(position: u128) -> Peer {
    let addr = ([10, 0, 0, position as u8], 4321).into();
    Peer { place: Place { addr, id: Id::new((position % 16) << 124) }, incarnation: Incarnation::new(1) }
}

fn peers(positions: &[u128]) -> Vec<Peer> {
    positions.iter().map(|&position| peer(position)).collect()
}

fn member(position: u128, predecessor: u128, successors: &[u128]) -> Member {
    Member { me: peer(position), predecessor: Some(peer(predecessor)), successors: peers(successors) }
}

/// The ideal ring of these positions with lists of that length.
fn ideal(positions: &[u128], successors: usize) -> Ring {
    let n = positions.len();
    let list = |at: usize| (1..n).map(|step| positions[(at + step) % n]).take(successors).collect::<Vec<_>>();
    (0..n).map(|at| member(positions[at], positions[(at + n - 1) % n], &list(at))).collect()
}

fn verdicts(ring: &Ring, successors: usize) -> [bool; 6] {
    [
        has_one_live_successor(ring),
        has_sufficient_principals(ring, successors),
        has_ordered_lists(ring),
        is_one_ring(ring),
        is_ordered_ring(ring),
        is_ideal(ring, successors),
    ]
}

fn with(mut ring: Ring, member: Member) -> Ring {
    ring.members.retain(|other| other.me.id() != member.me.id());
    ring.members.into_iter().chain([member]).collect()
}

#[test]
fn ideal_rings_of_any_size_pass_all() {
    for positions in [&[3][..], &[3, 9], &[1, 5, 9], &[0, 2, 5, 7, 11, 15]] {
        let mut ring = ideal(positions, 3);
        if positions.len() == 1 {
            ring.members[0].predecessor = None;
        }
        assert_eq!(verdicts(&ring, 3), [true; 6], "{positions:?}");
    }
    assert_eq!(verdicts(&Ring::default(), 3), [true; 6]);
}

#[test]
fn a_member_whose_list_is_all_dead_is_seen() {
    let ring = with(ideal(&[0, 2, 5, 7, 11, 15], 2), member(5, 2, &[8, 9]));
    assert_eq!(verdicts(&ring, 2), [false, true, true, false, true, false]);
}

#[test]
fn an_earlier_incarnation_is_dead() {
    let mut ring = ideal(&[0, 2, 5], 1);
    ring.members[1].me.incarnation = Incarnation::new(2);
    assert!(!has_one_live_successor(&ring));
}

#[test]
fn too_few_principals_are_seen() {
    // Lists that skip 2, 7 and 15 leave three of six.
    let ring = with(ideal(&[0, 2, 5, 7, 11, 15], 2), member(0, 15, &[5, 11]));
    assert!(has_sufficient_principals(&ring, 2));
    let ring = with(ring, member(11, 7, &[0, 2]));
    assert!(!has_sufficient_principals(&ring, 3) && has_sufficient_principals(&ring, 2));
}

#[test]
fn whom_a_list_names_by_an_earlier_life_is_no_principal() {
    let mut ring = ideal(&[0, 2, 5], 2);
    assert!(has_sufficient_principals(&ring, 2));
    ring.members[1].me.incarnation = Incarnation::new(2);
    assert!(!has_sufficient_principals(&ring, 2));
}

#[test]
fn lists_out_of_order_with_repetitions_or_with_their_owner_are_seen() {
    for list in [&[7, 5][..], &[5, 5], &[5, 2], &[2], &[5, 7, 5], &[5, 7, 2]] {
        let ring = with(ideal(&[0, 2, 5, 7, 11, 15], 3), member(2, 0, list));
        assert!(!has_ordered_lists(&ring), "{list:?}");
    }
    let round = with(ideal(&[0, 2, 5, 7, 11, 15], 3), member(2, 0, &[15, 0]));
    assert!(has_ordered_lists(&round));
}

#[test]
fn two_rings_are_seen() {
    let ring: Ring = ideal(&[0, 5, 11], 2).members.into_iter().chain(ideal(&[2, 7, 15], 2).members).collect();
    assert_eq!(verdicts(&ring, 2), [true, false, true, false, true, false]);
}

#[test]
fn a_loop_that_goes_round_twice_is_seen() {
    // One cycle, 0 5 11 2 7 15 and back to 0: all lists are in order, yet it winds twice.
    let pairs = [(0, 5), (5, 11), (11, 2), (2, 7), (7, 15), (15, 0)];
    let ring: Ring = pairs.iter().map(|&(at, next)| member(at, 0, &[next])).collect();
    assert_eq!(verdicts(&ring, 1), [true, false, true, true, false, false]);
}

#[test]
fn an_appendage_is_one_ring_but_not_ideal() {
    // 2 reaches the ring, but nobody has it as successor.
    let ring: Ring = ideal(&[0, 5, 11], 2).members.into_iter().chain([member(2, 0, &[5, 11])]).collect();
    assert_eq!(verdicts(&ring, 2), [true, true, true, true, true, false]);
}

#[test]
fn a_principal_outside_the_ring_is_seen() {
    // 2 was started again: no list skips its place, but the list of 0 still means its earlier life.
    let mut ring = ideal(&[0, 2, 5, 7, 11], 3);
    ring.members[1].me.incarnation = Incarnation::new(2);
    assert!(!has_principals_on_ring(&ring, 3));
    assert!(explain(&ring, 5).starts_with(names(&[ring.members[1].me]).trim_end()));
    assert!(has_principals_on_ring(&ideal(&[0, 2, 5, 7, 11], 3), 3));
}

#[test]
fn a_living_principal_that_is_none_any_more_is_seen() {
    let whole = ideal(&[0, 2, 5, 7, 11], 2);
    let before = judge(&whole, 2).members;
    assert_eq!(before, [0, 2, 5, 7, 11].map(|at| (peer(at), true)));
    let after = |mut ring: Ring| {
        ring.set_before(before.clone());
        ring
    };
    let kept = |ring: Ring| keeps_principals(&after(ring), 2);
    assert!(kept(whole.clone()));
    // A list skips 5, or one on its way does.
    let skips = with(whole.clone(), member(2, 0, &[7, 11]));
    let mut on_its_way = whole.clone();
    on_its_way.set_in_flight(vec![(peer(2), peers(&[7, 11]))]);
    for ring in [skips, on_its_way] {
        assert!(!kept(ring.clone()));
        let text = explain(&after(ring), 6);
        assert!(text.starts_with("50000000 ") && text.contains("skipped"), "{text}");
    }
    // 5 has died, or lives anew; 9 was none before.
    let mut died = with(whole.clone(), member(2, 0, &[7, 11]));
    died.update(peer(5).id(), None);
    let mut reborn = with(whole.clone(), member(2, 0, &[7, 11]));
    reborn.members[2].me.incarnation = Incarnation::new(2);
    let joined: Ring = whole.members.into_iter().chain([member(9, 7, &[11, 0])]).collect();
    assert!(kept(died) && kept(reborn) && kept(joined));
    // A joiner brings a list that is older than 5.
    let late = with(ideal(&[0, 2, 5, 7, 11], 2), member(3, 2, &[7, 11]));
    assert!(kept(late.clone()) && !judge(&late, 2).members[3].1);
}

#[test]
fn a_wrong_predecessor_is_not_ideal() {
    let ring = with(ideal(&[0, 2, 5, 7], 2), member(5, 0, &[7, 0]));
    assert_eq!(flaw_of_ideal(&ring, 2), Some(format!("{} has the predecessor 00000000 ", peer(5))));
}
