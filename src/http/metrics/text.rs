//! The text format of Prometheus, version 0.0.4: families, each with its samples.

use std::fmt::{Display, Write as _};

/// What was written so far. Names, labels and help are this program's own and need no escapes.
#[derive(Default)]
pub struct Text(String);

impl Text {
    /// Begins a family; its samples follow.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        debug_assert!(!help.contains(['\\', '\n']), "{name}");
        // Writing to a string cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A sample of the family begun last.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (number, (label, text)) in labels.iter().enumerate() {
            debug_assert!(!text.contains(['\\', '\n', '"']), "{name}: {text}");
            let _ = write!(self.0, "{}{label}=\"{text}\"", if number == 0 { '{' } else { ',' });
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    /// A family that is one number which only grows.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    /// A family that is one number.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    /// All of it.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}
