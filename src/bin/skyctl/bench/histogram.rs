//! Latencies, counted in a fixed number of places: 32 for each doubling, so that none is off by more than 3 %.

use std::time::Duration;

const STEPS_LOG2: u32 = 5;
const STEPS: usize = 1 << STEPS_LOG2;
/// Up to 2^37 microseconds, more than a day.
const PLACES: usize = STEPS * 34;

/// How often something took how long.
pub struct Histogram {
    counts: Box<[u64; PLACES]>,
    longest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: Box::new([0; PLACES]), longest: Duration::ZERO }
    }
}

impl Histogram {
    /// It took so long once more.
    pub fn record(&mut self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.counts[place(us).min(PLACES - 1)] += 1;
        self.longest = self.longest.max(time);
    }

    /// Adds all that another one counted.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts.iter()).for_each(|(own, other)| *own += other);
        self.longest = self.longest.max(other.longest);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How long the slowest of this share took, the fastest first.
    pub fn at(&self, share: f64) -> Duration {
        let wanted = ((self.count() as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let reached = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        reached.map_or(Duration::ZERO, |at| Duration::from_micros(end(at)).min(self.longest))
    }
}

/// The first places hold one microsecond each; from then on each doubling has as many.
fn place(us: u64) -> usize {
    let shift = (u64::BITS - us.leading_zeros()).saturating_sub(STEPS_LOG2 + 1);
    shift as usize * STEPS + (us >> shift) as usize
}

/// The longest time of a place, in microseconds.
fn end(place: usize) -> u64 {
    let shift = (place / STEPS).saturating_sub(1);
    ((place - shift * STEPS) as u64 + 1) * (1 << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_order_and_narrow() {
        let mut last = 0;
        for us in (0..100_000).chain((17..36).map(|bits| (1 << bits) + 12_345)) {
            let at = place(us);
            assert!(at >= last && at < PLACES && end(at) >= us, "{us}");
            assert!((end(at) - us) as f64 <= us as f64 * 0.032, "{us} {}", end(at));
            last = at;
        }
    }

    #[test]
    fn shares_are_told() {
        let (mut one, mut two) = (Histogram::default(), Histogram::default());
        (1..=500).for_each(|ms| one.record(Duration::from_millis(ms)));
        (501..=1000).for_each(|ms| two.record(Duration::from_millis(ms)));
        one.add(&two);
        for (share, ms) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0), (1.0, 1000.0)] {
            let told = one.at(share).as_secs_f64() * 1000.0;
            assert!((told - ms).abs() <= ms * 0.032, "{share}: {told}");
        }
        assert_eq!((one.count(), Histogram::default().at(0.5)), (1000, Duration::ZERO));
        assert_eq!(one.at(1.0), Duration::from_secs(1));
    }
}
