//! The log, on standard error.

use log::LevelFilter;
use simple_logger::SimpleLogger;

/// Starts the log. The level is for this program's own messages; of the libraries only warnings are shown.
///
/// # Errors
/// There is a logger already.
pub fn start(level: LevelFilter, with_colors: bool) -> Result<(), String> {
    let logger = SimpleLogger::new()
        .with_level(level.min(LevelFilter::Warn))
        .with_module_level("skynode", level)
        .with_colors(with_colors)
        .with_utc_timestamps();
    log::set_boxed_logger(Box::new(logger)).map_err(|error| format!("the log cannot be started: {error}"))?;
    log::set_max_level(level);
    Ok(())
}
