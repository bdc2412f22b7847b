//! The node's one table of deadlines. The driver sees only the earliest.

use super::command::Ticket;
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The periodic round: stabilise, watch the predecessor, settle, compare.
    Round,
    /// An exchange with the successor out of turn.
    Stabilise,
    /// A try to join.
    Join,
    /// A node that is its own seed creates the ring.
    Found,
    /// Seeds that are about to be on a ring are asked whether they are.
    Founder,
    /// The probe of a remembered node.
    Recover,
    /// The next lookup of the own id.
    Reunion,
    /// The next finger.
    Fingers,
    /// The next stray to offer.
    Strays,
    /// The next try to settle.
    Settle,
    /// What the network does to this node is looked at.
    Paths,
    /// Tombstones that are old enough are dropped.
    Collect,
    /// What the pace stopped, values and pulls, goes on.
    Pulls,
    /// Those who stood beside it are looked for.
    Awaited,
    /// A disk that failed is tried again.
    Save,
    /// What is left of values that end is saved again.
    Lived,
    /// The silence has lasted for as long as it may.
    Reopen,
    /// The next step of leaving.
    Leave,
    /// Leaving has taken as long as it may.
    LeaveEnd,
    /// The predecessor hears that the successor list changed.
    TellList,
    /// A request that was not answered yet.
    Request(u64),
    /// A client's operation: its next step, or its deadline.
    Client(Ticket),
    /// An operation at its owner: its next try, or its deadline.
    Owner(u64),
}

/// Deadlines by time and by purpose; of each purpose there is one at most.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(Instant, Timer)>,
    by_timer: BTreeMap<Timer, Instant>,
}

impl Timers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_time.len()
    }

    /// Sets the deadline, in place of the one before.
    pub fn set(&mut self, timer: Timer, at: Instant) {
        self.cancel(timer);
        self.by_timer.insert(timer, at);
        self.by_time.insert((at, timer));
    }

    /// Sets the deadline unless an earlier one is set.
    pub fn set_earlier(&mut self, timer: Timer, at: Instant) {
        if self.by_timer.get(&timer).is_none_or(|set| *set > at) {
            self.set(timer, at);
        }
    }

    /// Takes the deadline away.
    pub fn cancel(&mut self, timer: Timer) {
        if let Some(at) = self.by_timer.remove(&timer) {
            self.by_time.remove(&(at, timer));
        }
    }

    /// True if the deadline is set.
    pub fn is_set(&self, timer: Timer) -> bool {
        self.by_timer.contains_key(&timer)
    }

    /// The earliest deadline.
    pub fn next(&self) -> Instant {
        self.by_time.first().map_or(Instant::FAR, |(at, _)| *at)
    }

    /// Takes out the earliest deadline if it is due; tells when it was due.
    pub fn pop(&mut self, now: Instant) -> Option<(Instant, Timer)> {
        let (at, timer) = *self.by_time.first().filter(|(at, _)| *at <= now)?;
        self.cancel(timer);
        Some((at, timer))
    }
}

impl super::Node {
    /// Milliseconds from `low` to `high`, drawn anew.
    pub(super) fn jitter(&mut self, low: u64, high: u64) -> Duration {
        self.rng.between(Duration::from_millis(low), Duration::from_millis(high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_out_in_order_and_once() {
        let mut timers = Timers::default();
        let at = Instant::from_millis;
        timers.set(Timer::Round, at(5));
        timers.set(Timer::Join, at(3));
        timers.set(Timer::Round, at(2));
        timers.set_earlier(Timer::Join, at(4));
        assert_eq!(timers.next(), at(2));
        assert_eq!(timers.pop(at(1)), None);
        assert_eq!(timers.pop(at(9)), Some((at(2), Timer::Round)));
        assert_eq!(timers.pop(at(9)), Some((at(3), Timer::Join)));
        assert_eq!(timers.pop(at(9)), None);
        assert_eq!(timers.next(), Instant::FAR);
    }
}
