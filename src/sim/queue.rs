//! What is to happen, in the order of time; at the same moment in the order in which it was arranged.

use super::host::Input;
use crate::time::Instant;
use core::cmp::Reverse;
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
    /// The disk of a machine has done with the batch of this number, for the process of this life.
    Saved { host: usize, life: u32, number: u64 },
    /// The attacker sends a datagram.
    Attack,
    /// A process gets what another sent because of the attacker.
    Reflection { host: usize, input: Input },
    /// The driver of the world wanted to know.
    Alarm(u64),
}

/// When something is to happen, as how many-th it was arranged, and where it lies.
type Scheduled = (Instant, u64, u32);

/// The queue. The heap holds little, since it moves what it holds.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Scheduled>>,
    dues: Vec<Due>,
    free: Vec<u32>,
    sequence: u64,
}

impl Queue {
    /// Arranges something.
    pub(super) fn push(&mut self, at: Instant, due: Due) {
        self.sequence += 1;
        let place = self.free.pop().unwrap_or(self.dues.len() as u32);
        match self.dues.get_mut(place as usize) {
            Some(free) => *free = due,
            None => self.dues.push(due),
        }
        self.heap.push(Reverse((at, self.sequence, place)));
    }

    /// Takes out the first, if it is due by then.
    pub(super) fn pop(&mut self, until: Instant) -> Option<(Instant, Due)> {
        self.heap.peek().filter(|Reverse((at, ..))| *at <= until)?;
        let Reverse((at, _, place)) = self.heap.pop()?;
        self.free.push(place);
        Some((at, core::mem::replace(&mut self.dues[place as usize], Due::Alarm(0))))
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
