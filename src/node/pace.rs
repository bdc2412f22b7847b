//! How fast what nobody waits for may be taken over from others: repair of a large arc must not keep a node from
//! serving its clients.

use crate::time::Instant;
use core::time::Duration;

/// Bytes a second.
const RATE: i64 = 4 << 20;

/// Bytes that may come at once after a pause: more than come in one of the pauses, and what a client does not notice.
const BURST: i64 = 16 << 10;

/// Microseconds after which any debt is forgotten: an hour.
const LONG_US: i64 = 3_600_000_000;

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
    /// So many bytes came, or are asked for.
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
        let micros = i64::try_from(now.since(self.at).as_micros()).unwrap_or(i64::MAX).min(LONG_US);
        self.left = (self.left + micros * RATE / 1_000_000).min(BURST);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reply;
    use super::super::tests::{Net, addr, put};
    use super::*;
    use crate::limits::VALUE_MAX;

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

    #[test]
    fn a_debt_is_over_after_as_long_as_is_said_at_first() {
        let (mut pace, now) = (Pace::default(), Instant::from_millis(5000));
        pace.spend(now, 10 * RATE as usize);
        let pause = pace.wait(now).unwrap();
        assert!((Duration::from_secs(9)..Duration::from_secs(11)).contains(&pause), "{pause:?}");
        assert_eq!(pace.wait(now + pause), None);
    }

    #[test]
    fn a_joiner_takes_large_values_over_at_the_pace_and_nothing_stands_still() {
        let mut net = Net::new();
        net.start(1);
        net.run(100);
        let values = 4 * RATE as usize / VALUE_MAX;
        for n in 0..values {
            let reply = net.ask(1, put(format!("k{n}").as_bytes(), &vec![n as u8; VALUE_MAX], None));
            assert!(matches!(reply, Reply::Stored { .. }), "{reply:?}");
        }
        let began = net.now.at;
        net.start(2);
        while net.nodes[&addr(2)].status(net.now.at).entries < values {
            net.run(10);
            assert!(net.now.at.since(began) < Duration::from_secs(8));
        }
        assert!(net.now.at.since(began) > Duration::from_secs(3), "{:?}", net.now.at.since(began));
    }
}
