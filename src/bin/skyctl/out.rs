//! The standard output.

use super::Failure;
use std::io::{self, Write};

/// Writes a text, and ends its line. A reader that has gone away, as `head` does, is no failure.
///
/// # Errors
/// It cannot be written.
pub fn say(text: &str) -> Result<(), Failure> {
    write(&[text.trim_end().as_bytes(), b"\n"].concat()).map(drop)
}

/// Writes these bytes. → whether somebody still reads.
///
/// # Errors
/// They cannot be written.
pub fn write(bytes: &[u8]) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::Other(format!("the output cannot be written: {error}"))),
    }
}
