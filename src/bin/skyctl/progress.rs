//! How far long work is, on a terminal.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often it is written.
const PAUSE: Duration = Duration::from_millis(200);
/// Characters of the bar.
const WIDTH: usize = 30;

/// A bar on the standard error, if that is a terminal.
pub struct Progress {
    begun: Instant,
    shown: Option<Instant>,
    shows: bool,
}

impl Progress {
    /// The work begins.
    pub fn new() -> Self {
        Self { begun: Instant::now(), shown: None, shows: std::io::stderr().is_terminal() }
    }

    /// Since the work began.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// So large a share of it is done, from 0 to 1.
    pub fn show(&mut self, done: f64) {
        let too_soon = self.shown.is_some_and(|shown| shown.elapsed() < PAUSE) || self.elapsed() < PAUSE;
        if self.shows && !too_soon {
            self.shown = Some(Instant::now());
            let _ = write!(std::io::stderr(), "\r{}", line(done, self.elapsed()));
        }
    }

    /// Takes the bar away.
    pub fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(std::io::stderr(), "\r{:WIDTH$}{:WIDTH$}\r", "", "");
        }
    }
}

fn line(done: f64, elapsed: Duration) -> String {
    let done = done.clamp(0.0, 1.0);
    let full = (done * WIDTH as f64) as usize;
    let left = if done > 0.0 { elapsed.as_secs_f64() * (1.0 - done) / done } else { 0.0 };
    format!("[{}{}] {:3.0} %, {left:.0} s left  ", "#".repeat(full), ".".repeat(WIDTH - full), done * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_grows_and_tells_how_long_it_takes() {
        assert_eq!(
            line(0.5, Duration::from_secs(8)),
            format!("[{0}{1}]  50 %, 8 s left  ", "#".repeat(15), ".".repeat(15))
        );
        assert!(line(0.0, Duration::ZERO).starts_with("[...") && line(7.0, Duration::ZERO).contains("100 %, 0 s"));
    }
}
