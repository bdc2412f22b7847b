//! Figures as they are printed.

use std::fmt;
use std::time::Duration;

/// Times of the same thing.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
        self.0.sort_unstable();
    }

    pub fn worst(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }

    fn median(&self) -> Duration {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            0 => write!(f, "none"),
            1 => write!(f, "{} s", Seconds(self.worst())),
            count => {
                write!(f, "median {} s, worst {} s of {count}", Seconds(self.median()), Seconds(self.worst()))
            }
        }
    }
}

/// A time in seconds, to the tenth.
pub struct Seconds(pub Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}", self.0.as_secs_f64())
    }
}
