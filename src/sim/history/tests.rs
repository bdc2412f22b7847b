//! Histories with a known verdict, and random ones against a search over all orders.

use super::*;
use crate::rng::Rng;

const NEVER: u64 = u64::MAX;

fn operation(start: u64, end: u64, needs: Needs, sets: Option<State>) -> Operation {
    let end = if end == NEVER { Instant::FAR } else { Instant::from_millis(end) };
    Operation { start: Instant::from_millis(start), end, needs, sets }
}

fn put(start: u64, end: u64, value: Value) -> Operation {
    operation(start, end, Needs::Any, Some(Some(value)))
}

fn create(start: u64, end: u64, value: Value) -> Operation {
    operation(start, end, Needs::Exactly(None), Some(Some(value)))
}

fn get(start: u64, end: u64, state: State) -> Operation {
    operation(start, end, Needs::Exactly(state), None)
}

fn delete(start: u64, end: u64) -> Operation {
    operation(start, end, Needs::Present, Some(None))
}

const GOOD: Verdict = Verdict::Explained;

fn wrong(operation: usize) -> Verdict {
    Verdict::Wrong { operation }
}

#[test]
fn what_happens_one_after_another_must_be_read_as_it_was_written() {
    assert_eq!(check(&[]), GOOD);
    assert_eq!(check(&[get(0, 1, None), put(2, 3, 1), get(4, 5, Some(1)), delete(6, 7), get(8, 9, None)]), GOOD);
    assert_eq!(check(&[put(0, 1, 1), get(2, 3, None)]), wrong(1), "a false not found");
    assert_eq!(check(&[put(0, 1, 1), put(2, 3, 2), get(4, 5, Some(1))]), wrong(2), "a stale read");
    assert_eq!(check(&[get(0, 1, Some(1)), put(2, 3, 1)]), wrong(0), "read before it was written");
    assert_eq!(check(&[put(0, 1, 1), delete(2, 3), get(4, 5, Some(1))]), wrong(2), "a deleted value came back");
}

#[test]
fn what_overlaps_may_take_effect_in_any_order() {
    let two = |a, b| [put(0, 10, 1), put(1, 11, 2), get(12, 13, Some(a)), get(14, 15, Some(b))];
    assert_eq!((check(&two(1, 1)), check(&two(2, 2))), (GOOD, GOOD));
    assert_eq!((check(&two(1, 2)), check(&two(2, 1))), (wrong(3), wrong(3)), "readers must agree on the order");
    assert_eq!(check(&[put(0, 10, 1), get(2, 3, None), get(4, 5, Some(1)), get(6, 7, Some(1))]), GOOD);
    assert_eq!(check(&[put(0, 10, 1), get(2, 3, Some(1)), get(4, 5, None)]), wrong(2), "new, then old");
    assert_eq!(check(&[put(0, 5, 1), get(5, 9, None)]), GOOD, "answered and asked at the same moment");
}

#[test]
fn an_open_write_may_take_effect_late_or_never_but_only_once() {
    let open = put(0, NEVER, 1);
    assert_eq!(check(&[open, get(1, 2, None), get(3, 4, Some(1))]), GOOD);
    assert_eq!(check(&[open, get(1, 2, None), get(3, 4, None)]), GOOD);
    assert_eq!(check(&[open, get(1, 2, Some(1)), get(3, 4, None)]), wrong(2));
    assert_eq!(check(&[open, get(1, 2, Some(1)), put(3, 4, 2), get(5, 6, Some(1))]), wrong(3), "applied twice");
    assert_eq!(check(&[open, put(1, 2, 2), get(3, 4, Some(1)), get(5, 6, Some(2))]), wrong(3));
    let gone = operation(4, NEVER, Needs::Any, Some(None));
    assert_eq!(check(&[put(0, 1, 1), gone, get(6, 7, Some(1)), get(8, 9, None)]), GOOD);
    assert_eq!(check(&[put(0, 1, 1), gone, get(6, 7, None), put(8, 9, 2), get(10, 11, None)]), wrong(4));
}

#[test]
fn conditions_are_part_of_the_history() {
    assert_eq!(check(&[create(0, 1, 1), create(2, 3, 2)]), wrong(1), "created twice");
    assert_eq!(check(&[create(0, 5, 1), create(1, 6, 2)]), wrong(1), "created twice at once");
    let refused = |start, end| operation(start, end, Needs::Present, None);
    assert_eq!(check(&[create(0, 5, 1), refused(1, 6), get(7, 8, Some(1))]), GOOD);
    assert_eq!(check(&[refused(1, 6)]), wrong(0), "a conflict with nothing");
    assert_eq!(check(&[put(0, NEVER, 1), refused(1, 6)]), GOOD, "with an open write");
    let swap = |start, end, from, to| operation(start, end, Needs::Exactly(Some(from)), Some(Some(to)));
    assert_eq!(check(&[put(0, 1, 1), swap(2, 9, 1, 2), swap(3, 9, 1, 3)]), wrong(2), "both replaced the same");
    assert_eq!(check(&[put(0, 1, 1), operation(2, 3, Needs::Other(1), None)]), wrong(1));
    assert_eq!(check(&[put(0, 1, 1), put(2, NEVER, 2), operation(3, 4, Needs::Other(1), None)]), GOOD);
}

#[test]
fn too_many_guesses_are_not_judged_and_unread_open_writes_are_no_guesses() {
    let crowd: Vec<Operation> = (0..SLOTS as u64 + 1).map(|n| operation(n, NEVER, Needs::Any, Some(None))).collect();
    assert_eq!(check(&crowd), Verdict::TooMany);
    let mut unread: Vec<Operation> = (0..1000).map(|n| put(n, NEVER, n as Value)).collect();
    unread.push(get(2000, 2001, None));
    assert_eq!(check(&unread), GOOD);
}

/// Tries every order of the operations.
fn explained_by_some_order(operations: &[Operation], left: &mut Vec<usize>, state: State) -> bool {
    if left.iter().all(|&at| operations[at].is_open()) {
        return true;
    }
    let first_end = left.iter().map(|&at| operations[at].end).min().unwrap_or(Instant::FAR);
    (0..left.len()).any(|i| {
        let at = left[i];
        let operation = operations[at];
        if operation.start > first_end || !operation.needs.holds(state) {
            return false;
        }
        left.remove(i);
        let found = explained_by_some_order(operations, left, operation.sets.unwrap_or(state));
        left.insert(i, at);
        found
    })
}

#[test]
fn the_verdict_is_that_of_a_search_over_all_orders() {
    let mut rng = Rng::new(11);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..20_000 {
        let count = 2 + rng.index(5);
        let operations: Vec<Operation> = (0..count)
            .map(|n| {
                let start = rng.below(20);
                let end = if rng.chance(0.2) { NEVER } else { start + rng.below(12) };
                let read = || rng.clone().index(count + 1);
                let state = (read() < count).then(|| read() as Value);
                let closed = end.min(start + 12);
                match rng.below(8) {
                    // The value of an earlier write comes to its end, some time from then on.
                    7 => operation(20, NEVER, Needs::Exactly(Some(rng.index(n.max(1)) as Value)), Some(None)),
                    0 | 1 => put(start, end, n as Value),
                    2 => create(start, end, n as Value),
                    3 => operation(start, end, Needs::Present, Some(None)),
                    4 => operation(start, closed, Needs::Present, None),
                    5 => operation(start, closed, Needs::Other(rng.below(count as u64) as Value), None),
                    _ => get(start, closed, state),
                }
            })
            .collect();
        let expected = explained_by_some_order(&operations, &mut (0..count).collect(), None);
        let verdict = check(&operations);
        assert_eq!(verdict == GOOD, expected, "{verdict:?} for {operations:#?}");
        *(if expected { &mut good } else { &mut bad }) += 1;
    }
    assert!(good > 2000 && bad > 2000, "{good} good, {bad} bad");
}

#[test]
fn the_ends_of_values_that_were_replaced_are_forgotten() {
    let ends = |n: u64| operation(10 * n, NEVER, Needs::Exactly(Some(n as Value)), Some(None));
    let all = (0..500).flat_map(|n| [put(10 * n, 10 * n + 5, n as Value), ends(n)]);
    let mut operations: Vec<Operation> = all.collect();
    operations.push(get(6000, 6001, Some(499)));
    assert_eq!(check(&operations), GOOD);
    operations.push(get(6002, 6003, Some(498)));
    assert_eq!(check(&operations), Verdict::Wrong { operation: 1001 });
}
