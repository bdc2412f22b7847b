//! What is to happen, in the order of time; at the same moment in the order in which it was arranged.

use super::host::Input;
use crate::time::Instant;
use core::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Something that is to happen.
#[derive(Debug)]
pub(super) enum Due {
    /// A process gets something to handle.
    Input { host: usize, input: Input },
    /// A process is woken, if this is still the wake-up it waits for.
    Wake { host: usize },
    /// A paused process goes on.
    Resume { host: usize },
    /// The attacker sends a datagram.
    Attack,
    /// A process gets what another sent because of the attacker.
    Reflection { host: usize, input: Input },
    /// The driver of the world wanted to know.
    Alarm(u64),
}

#[derive(Debug)]
struct Scheduled {
    at: Instant,
    sequence: u64,
    due: Due,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Scheduled>>,
    sequence: u64,
}

impl Queue {
    /// Arranges something.
    pub(super) fn push(&mut self, at: Instant, due: Due) {
        self.sequence += 1;
        self.heap.push(Reverse(Scheduled { at, sequence: self.sequence, due }));
    }

    /// Takes out the first, if it is due by then.
    pub(super) fn pop(&mut self, until: Instant) -> Option<(Instant, Due)> {
        self.heap.peek().filter(|Reverse(first)| first.at <= until)?;
        self.heap.pop().map(|Reverse(first)| (first.at, first.due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_decides_and_then_the_order_of_arrangement() {
        let mut queue = Queue::default();
        for (ms, number) in [(5, 0), (3, 1), (5, 2), (3, 3), (9, 4)] {
            queue.push(Instant::from_millis(ms), Due::Alarm(number));
        }
        let until = |queue: &mut Queue, ms| queue.pop(Instant::from_millis(ms)).map(|(_, due)| format!("{due:?}"));
        let order: Vec<_> = core::iter::from_fn(|| until(&mut queue, 5)).collect();
        assert_eq!(order, ["Alarm(1)", "Alarm(3)", "Alarm(0)", "Alarm(2)"]);
        assert!(until(&mut queue, 8).is_none() && until(&mut queue, 9).is_some());
    }
}
