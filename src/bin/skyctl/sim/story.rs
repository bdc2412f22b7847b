//! The story of a run.

use serde_json::{Value, json};
use skynode::sim::tell::Line;
use std::fmt::Write;

/// A line each, with the seconds before it.
pub fn text(story: &[Line]) -> String {
    let mut text = String::new();
    for line in story {
        let _ = writeln!(text, "{:>9.3} s  {}", line.at.as_secs_f64(), line.text);
    }
    text.push('\n');
    text
}

/// The same for programs.
pub fn json(story: &[Line]) -> Value {
    story.iter().map(|line| json!({ "at_us": line.at.as_micros() as u64, "text": line.text })).collect()
}
