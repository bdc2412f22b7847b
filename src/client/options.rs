//! What can be chosen of a client.

use crate::config::Config;
use std::time::Duration;

/// How a client behaves. The defaults fit a ring that was started without flags.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) ring: String,
    pub(super) deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let Config { ring, deadline, .. } = Config::default();
        Self { ring, deadline }
    }
}

impl Options {
    /// The ring's name, 1 to 64 bytes, as its nodes have it (`--ring`). Default `sky`. Nodes of other rings are not
    /// heard.
    #[must_use]
    pub fn ring(mut self, name: impl Into<String>) -> Self {
        self.ring = name.into();
        self
    }

    /// How long an operation may take until it is said that it was not done, or that its outcome is unknown: at least
    /// 0.1 s. Default 5 s; a takeover after a crash lasts about three. While no node was heard yet it may take as long
    /// again.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline.max(Duration::from_millis(100));
        self
    }

    pub(super) fn config(&self) -> Config {
        Config { ring: self.ring.clone(), deadline: self.deadline, ..Config::default() }
    }
}
