//! The clocks of one node: its own zero, its own pace, its own idea of the date.

use crate::rng::Rng;
use crate::time::{Instant, Now};

/// The wall clock of a node without skew when the simulation begins, in milliseconds since 1970.
const BEGIN_MS: u64 = 1_700_000_000_000;

/// How far ahead wall clocks are that are wrong, in milliseconds: as of a machine without a battery, which begins in
/// 1970; by a time zone; by days.
pub const WRONG_WALLS: [i64; 5] = [-(BEGIN_MS as i64), -7_200_000, 3_600_000, 3 * 86_400_000, 40 * 86_400_000];

/// How the clocks of a node differ from the world's time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// What the monotonic clock shows when the simulation begins, in microseconds.
    pub offset_us: u64,
    /// How much faster it runs than the world's time, in parts per million.
    pub rate_ppm: i32,
    /// How far the wall clock is ahead, in milliseconds.
    pub skew_ms: i64,
}

impl Clock {
    /// A clock that is off by no more than this one.
    pub fn draw_within(&self, rng: &mut Rng) -> Self {
        let mut off = |by: i64| rng.below(2 * by.unsigned_abs() + 1) as i64 - by;
        Self {
            rate_ppm: off(self.rate_ppm.into()) as i32,
            skew_ms: off(self.skew_ms),
            offset_us: rng.below(self.offset_us + 1),
        }
    }

    /// What the node's clocks show at a moment of the world.
    pub fn read(&self, world: Instant) -> Now {
        let us = world.as_micros();
        // Seconds and their rest apart, as the product of all would not fit.
        let (seconds, rest, ppm) = ((us / 1_000_000) as i64, (us % 1_000_000) as i64, i64::from(self.rate_ppm));
        let gained = seconds.saturating_mul(ppm).saturating_add(rest * ppm / 1_000_000);
        let at = Instant::from_micros(us.saturating_add(self.offset_us).saturating_add_signed(gained));
        let wall_ms = (BEGIN_MS + world.as_millis()).saturating_add_signed(self.skew_ms);
        Now { at, wall_ms }
    }

    /// The first moment of the world at which the node's monotonic clock shows at least `shown`.
    pub fn when(&self, shown: Instant) -> Instant {
        if shown == Instant::FAR {
            return shown;
        }
        let ahead = shown.as_micros().saturating_sub(self.offset_us);
        if self.rate_ppm == 0 {
            return Instant::from_micros(ahead);
        }
        let pace = (1_000_000 + i64::from(self.rate_ppm)).max(1).unsigned_abs();
        let guess = (ahead / pace).saturating_mul(1_000_000).saturating_add(ahead % pace * 1_000_000 / pace);
        // The division above and the one in `read` round: the answer is at most a few microseconds away.
        let near = guess.saturating_sub(2);
        (near..near + 6).map(Instant::from_micros).find(|&world| self.read(world).at >= shown).unwrap_or(Instant::FAR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_is_the_first_moment_that_shows_it() {
        for rate_ppm in [-10_000, -7, 0, 3, 10_000] {
            for offset_us in [0, 1, 987_654_321_987] {
                let clock = Clock { offset_us, rate_ppm, skew_ms: 0 };
                for shown in (0..50_000_000).step_by(999_983).map(|us| Instant::from_micros(offset_us + us)) {
                    let when = clock.when(shown);
                    assert!(clock.read(when).at >= shown, "{clock:?}");
                    let before = Instant::from_micros(when.as_micros().saturating_sub(1));
                    assert!(when == Instant::ZERO || clock.read(before).at < shown, "{clock:?}");
                }
            }
        }
        assert_eq!(Clock::default().when(Instant::FAR), Instant::FAR);
    }

    #[test]
    fn the_wall_clock_is_off_by_its_skew() {
        let wall_ms = |skew_ms| Clock { skew_ms, ..Clock::default() }.read(Instant::from_millis(5)).wall_ms;
        assert_eq!((wall_ms(-6000), wall_ms(40)), (BEGIN_MS - 5995, BEGIN_MS + 45));
        assert_eq!(wall_ms(WRONG_WALLS[0]), 5, "five milliseconds into 1970");
    }
}
