//! What is to happen, in the order of time; at the same moment in the order in which it was arranged.

use super::host::Input;
use crate::time::Instant;
use core::cmp::Reverse;
use core::time::Duration;
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

/// When something is to happen, as how many-th it was arranged, and what.
type Scheduled = (Instant, u64, What);

/// What is to happen, in few bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// [`Due::Wake`], what most of the queue is.
    Wake(u32),
    /// What lies at this place.
    Kept(u32),
}

/// How far ahead what is near goes at first, and at least.
const STEP: Duration = Duration::from_millis(1);

/// The queue. Its heap holds only what is near in time, so that the queue of many nodes takes less of the processor's
/// nearest memory; what is far lies in no order until its time is near. What is large lies beside both, as they move
/// what they hold.
#[derive(Debug)]
pub(super) struct Queue {
    near: BinaryHeap<Reverse<Scheduled>>,
    /// What is due after `horizon`.
    far: Vec<Scheduled>,
    horizon: Instant,
    /// How far beyond the first of what is far the horizon goes next.
    step: Duration,
    dues: Vec<Due>,
    free: Vec<u32>,
    sequence: u64,
}

impl Default for Queue {
    fn default() -> Self {
        let (near, far, dues, free) = (BinaryHeap::new(), Vec::new(), Vec::new(), Vec::new());
        Self { near, far, horizon: Instant::ZERO, step: STEP, dues, free, sequence: 0 }
    }
}

impl Queue {
    /// Arranges something.
    pub(super) fn push(&mut self, at: Instant, due: Due) {
        self.sequence += 1;
        let what = if let Due::Wake { host } = due { What::Wake(host as u32) } else { What::Kept(self.keep(due)) };
        let scheduled = (at, self.sequence, what);
        if at <= self.horizon {
            self.near.push(Reverse(scheduled));
        } else {
            self.far.push(scheduled);
        }
    }

    fn keep(&mut self, due: Due) -> u32 {
        let place = self.free.pop().unwrap_or(self.dues.len() as u32);
        match self.dues.get_mut(place as usize) {
            Some(free) => *free = due,
            None => self.dues.push(due),
        }
        place
    }

    /// Takes out the first, if it is due by then.
    pub(super) fn pop(&mut self, until: Instant) -> Option<(Instant, Due)> {
        if self.near.is_empty() {
            self.draw_near();
        }
        self.near.peek().filter(|Reverse((at, ..))| *at <= until)?;
        let Reverse((at, _, what)) = self.near.pop()?;
        let due = match what {
            What::Wake(host) => Due::Wake { host: host as usize },
            What::Kept(place) => {
                self.free.push(place);
                core::mem::replace(&mut self.dues[place as usize], Due::Alarm(0))
            }
        };
        Some((at, due))
    }

    /// Nothing is near any more: the horizon moves on, over the first of what is far and all that follows shortly.
    fn draw_near(&mut self) {
        let Some(first) = self.far.iter().map(|(at, ..)| *at).min() else { return };
        let (all, horizon) = (self.far.len(), first + self.step);
        self.horizon = horizon;
        self.near.extend(self.far.extract_if(.., |(at, ..)| *at <= horizon).map(Reverse));
        // All of it was looked at for those: there should be many enough, but not so many that the heap slows.
        if self.near.len() * 8 < all {
            self.step = self.step.saturating_mul(2);
        } else if self.near.len() * 2 > all {
            self.step = (self.step / 2).max(STEP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use std::collections::BTreeSet;

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

    #[test]
    fn what_is_far_comes_in_the_same_order() {
        let (mut rng, mut queue, mut now) = (Rng::new(1), Queue::default(), 0);
        let mut wanted = BTreeSet::new();
        for number in 0..20_000 {
            let longest = [10, 1_000, 100_000, 10_000_000][number as usize % 4];
            let at = now + rng.below(longest);
            let wakes = number % 3 == 0;
            let due = if wakes { Due::Wake { host: number as usize } } else { Due::Alarm(number) };
            wanted.insert((at, number, format!("{due:?}")));
            queue.push(Instant::from_micros(at), due);
            while wanted.len() > 500 {
                let first = wanted.pop_first().map(|(at, _, due)| (at, due));
                let popped = queue.pop(Instant::FAR).map(|(at, due)| (at.as_micros(), format!("{due:?}")));
                assert_eq!(popped, first);
                now = popped.map_or(now, |(at, _)| at);
            }
        }
    }
}
