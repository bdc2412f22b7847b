//! The log on standard error, by a node that outlives whoever reads it.

use log::{LevelFilter, Log, Metadata, Record};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use simple_logger::SimpleLogger;
use std::io::IsTerminal;

/// Drops what nobody takes: writing to a reader that has gone away would end the program, and writing to one that has
/// stopped reading would stop the node.
struct Tolerant(SimpleLogger);

impl Log for Tolerant {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) && is_read() {
            self.0.log(record);
        }
    }

    fn flush(&self) {}
}

fn is_read() -> bool {
    let stderr = std::io::stderr();
    let mut polled = [PollFd::new(&stderr, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let ready = poll(&mut polled, Some(&now)) == Ok(1);
    let [stderr] = polled;
    ready && stderr.revents() == PollFlags::OUT
}

/// Starts the log. The level is for this program's own messages; of the libraries only warnings are shown.
///
/// # Errors
/// There is a logger already.
pub fn start(level: LevelFilter) -> Result<(), String> {
    let logger = SimpleLogger::new()
        .with_level(level.min(LevelFilter::Warn))
        .with_module_level("skynode", level)
        .with_colors(std::io::stderr().is_terminal())
        .with_utc_timestamps();
    log::set_boxed_logger(Box::new(Tolerant(logger))).map_err(|error| format!("the log cannot be started: {error}"))?;
    log::set_max_level(level);
    Ok(())
}
