//! How many files the system lets this process have open: each connection takes one.

use super::Limits;
use log::{info, warn};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that a node needs beside those of its seated connections: connections that part or have no seat, the sockets
/// that it listens on, its disk, the standard streams, and those it asks seeds with.
const OTHERS: usize = super::PARTING_MAX + super::SPARE_MAX + 64;

/// The fewest connections; with less a node would serve nobody.
const LEAST: usize = 16;

impl Limits {
    /// The same as far as the system has files for it: the process takes as many as it may have. Logs if that is not
    /// enough.
    #[must_use]
    pub fn within_files(self) -> Self {
        let files = raise();
        let connections = files.saturating_sub(OTHERS).clamp(LEAST, self.connections.max(LEAST));
        if connections < self.connections {
            warn!(
                "serves at most {connections} connections, not {}: the system lets this process open {files} files \
                 (see ulimit -n)",
                self.connections
            );
        }
        Self { connections, ..self }
    }
}

/// Raises the limit as far as it goes. → how many files there may be.
fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| limit.maximum.is_none_or(|most| current < most))
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        info!("the number of open files stays limited to {:?}: {error}", limit.current);
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files).unwrap_or(usize::MAX)
}
