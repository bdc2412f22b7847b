//! How fast what nobody waits for may be taken over from others: repair of a large arc must not keep a node from
//! serving its clients.

use crate::time::Instant;
use core::time::Duration;

/// Bytes a second.
const RATE: i64 = 4 << 20;

/// Bytes that may come at once after a pause: more than come in one of the pauses, and what a client does not notice.
const BURST: i64 = 16 << 10;

/// What may still be taken over.
#[derive(Debug)]
pub(super) struct Pace {
    left: i64,
    at: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self { left: BURST, at: Instant::ZERO }
    }
}

impl Pace {
    /// So many bytes came.
    pub fn spend(&mut self, now: Instant, bytes: usize) {
        self.refill(now);
        self.left -= i64::try_from(bytes).unwrap_or(i64::MAX / 2).min(i64::MAX / 4);
    }

    /// How long to wait before more is asked for; none if it may be now.
    pub fn wait(&mut self, now: Instant) -> Option<Duration> {
        self.refill(now);
        let missing = u64::try_from(-self.left).ok()?;
        Some(Duration::from_micros(missing * 1_000_000 / RATE.unsigned_abs() + 1000))
    }

    fn refill(&mut self, now: Instant) {
        let micros = i64::try_from(now.since(self.at).as_micros()).unwrap_or(i64::MAX).min(1_000_000);
        self.left = (self.left + micros * RATE / 1_000_000).min(BURST);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_mean_no_more_comes_than_the_rate() {
        let (mut pace, mut now) = (Pace::default(), Instant::from_millis(5000));
        let (start, piece) = (now, 100_000);
        let mut taken = 0;
        while now.since(start) < Duration::from_secs(10) {
            match pace.wait(now) {
                Some(pause) => now = now + pause,
                None => {
                    pace.spend(now, piece);
                    taken += piece;
                }
            }
        }
        let most = RATE as usize * 10 + BURST as usize + piece;
        assert!((most * 9 / 10..=most).contains(&taken), "{taken} of {most}");
    }
}
