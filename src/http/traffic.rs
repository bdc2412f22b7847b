//! What the listener counts: requests by what they ask for and how they end, and how long the node took.
//!
//! All on one thread, in cells of fixed number: a request costs no allocation here, and no client can make a new label.

use super::response::Status;
use std::cell::Cell;
use std::time::Duration;

macro_rules! labels {
    ($(#[$about:meta])* $name:ident { $($variant:ident = $label:literal,)* }) => {
        $(#[$about])*
        #[allow(missing_docs, reason = "each says what it means by its name")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($variant,)*
        }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: [Self; [$(Self::$variant),*].len()] = [$(Self::$variant),*];

            /// The word for it.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)*
                }
            }
        }
    };
}

labels! {
    /// What a request asks for.
    Kind {
        Get = "get",
        Put = "put",
        Create = "create",
        Delete = "delete",
        List = "list",
        Lookup = "lookup",
        Ring = "ring",
        Node = "node",
        Health = "health",
        Order = "order",
        Page = "page",
        Events = "events",
        Metrics = "metrics",
        Options = "options",
        Other = "other",
    }
}

labels! {
    /// How a request ends.
    Outcome {
        Ok = "ok",
        NotFound = "not_found",
        Conflict = "conflict",
        Refused = "refused",
        Invalid = "invalid",
        Unavailable = "unavailable",
        Unknown = "unknown",
        Full = "full",
        Failed = "failed",
    }
}

impl From<Status> for Outcome {
    fn from(status: Status) -> Self {
        use Status::*;
        match status {
            Ok | Created | Accepted | NoContent | NotModified => Self::Ok,
            NotFound => Self::NotFound,
            Conflict | PreconditionFailed | Unprocessable => Self::Conflict,
            Forbidden | Misdirected => Self::Refused,
            BadRequest | MethodNotAllowed | RequestTimeout | LengthRequired | ContentTooLarge | UriTooLong
            | UnsupportedMediaType | ExpectationFailed | FieldsTooLarge | NotImplemented | VersionNotSupported => {
                Self::Invalid
            }
            ServiceUnavailable => Self::Unavailable,
            GatewayTimeout => Self::Unknown,
            InsufficientStorage => Self::Full,
            InternalServerError => Self::Failed,
        }
    }
}

/// How long answers take, in microseconds, and the same in seconds as a label: from a read on this machine to what
/// is given up after several tries.
const BOUNDS: [(u64, &str); 13] = [
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
];

/// Times, by the first bound that they do not exceed.
#[derive(Debug, Default)]
pub struct Times {
    counts: [Cell<u64>; BOUNDS.len() + 1],
    sum_us: Cell<u64>,
}

impl Times {
    fn add(&self, time: Duration) {
        let time_us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        // Beyond all bounds there is one place more.
        add(&self.counts[BOUNDS.partition_point(|(bound, _)| *bound < time_us)], 1);
        add(&self.sum_us, time_us);
    }

    /// Each bound with the number of times that do not exceed it, the last without a bound.
    pub fn cumulative(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let bounds = BOUNDS.iter().map(|(_, label)| *label).chain(["+Inf"]);
        bounds.zip(&self.counts).scan(0, |sum, (bound, count)| {
            *sum += count.get();
            Some((bound, *sum))
        })
    }

    /// All times together, in seconds.
    pub fn sum_s(&self) -> f64 {
        self.sum_us.get() as f64 / 1e6
    }
}

fn add(cell: &Cell<u64>, more: u64) {
    cell.set(cell.get().saturating_add(more));
}

/// The counts.
#[derive(Debug, Default)]
pub struct Traffic {
    answers: [[Cell<u64>; Outcome::ALL.len()]; Kind::ALL.len()],
    times: [Times; Kind::ALL.len()],
    turned_away: Cell<u64>,
    waited: Cell<u64>,
    closed_idle: Cell<u64>,
    cut: Cell<u64>,
    connections: Cell<usize>,
    limit: Cell<usize>,
}

impl Traffic {
    /// A request was answered.
    pub fn count(&self, kind: Kind, status: Status) {
        add(&self.answers[kind as usize][Outcome::from(status) as usize], 1);
    }

    /// From the end of the request to its answer it took so long.
    pub fn time(&self, kind: Kind, took: Duration) {
        self.times[kind as usize].add(took);
    }

    /// A request was answered 503, as there were too many connections.
    pub fn turn_away(&self) {
        add(&self.turned_away, 1);
    }

    /// A connection had to wait until there was room.
    pub fn wait(&self) {
        add(&self.waited, 1);
    }

    /// An idle connection was closed, as others waited.
    pub fn close_idle(&self) {
        add(&self.closed_idle, 1);
    }

    /// A request, or an answer, that did not come on was given up, as others waited.
    pub fn cut(&self) {
        add(&self.cut, 1);
    }

    /// There may be so many connections.
    pub fn set_limit(&self, number: usize) {
        self.limit.set(number);
    }

    /// There are so many connections now.
    pub fn set_connections(&self, number: usize) {
        self.connections.set(number);
    }

    /// How many requests of this kind ended so.
    pub fn answered(&self, kind: Kind, outcome: Outcome) -> u64 {
        self.answers[kind as usize][outcome as usize].get()
    }

    /// How long requests of this kind took.
    pub fn times(&self, kind: Kind) -> &Times {
        &self.times[kind as usize]
    }

    /// How many requests were answered 503 as there were too many connections; how many connections had to wait for
    /// room; how many idle ones were closed for others; how many requests and answers were given up for others.
    pub fn crowds(&self) -> [u64; 4] {
        [&self.turned_away, &self.waited, &self.closed_idle, &self.cut].map(Cell::get)
    }

    /// How many connections there may be.
    pub fn limit(&self) -> usize {
        self.limit.get()
    }

    /// How many connections there were when the last request began.
    pub fn connections(&self) -> usize {
        self.connections.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_under_every_bound_that_it_does_not_exceed() {
        let traffic = Traffic::default();
        for time_us in [0, 1_000, 1_001, 10_000_000, 10_000_001] {
            traffic.time(Kind::Get, Duration::from_micros(time_us));
        }
        let times = traffic.times(Kind::Get);
        let counts: Vec<_> = times.cumulative().collect();
        assert_eq!(counts[..3], [("0.001", 2), ("0.0025", 3), ("0.005", 3)]);
        assert_eq!(counts[12..], [("10", 4), ("+Inf", 5)]);
        assert_eq!(times.sum_s(), 20.002_002);
        assert_eq!(traffic.times(Kind::Put).cumulative().last(), Some(("+Inf", 0)));
    }

    #[test]
    fn what_was_done_refused_and_unknown_is_counted_apart() {
        let traffic = Traffic::default();
        for status in [Status::NoContent, Status::NotModified, Status::ServiceUnavailable, Status::GatewayTimeout] {
            traffic.count(Kind::Put, status);
        }
        let counts = [Outcome::Ok, Outcome::Unavailable, Outcome::Unknown].map(|how| traffic.answered(Kind::Put, how));
        assert_eq!(counts, [2, 1, 1]);
        assert!(Kind::ALL.iter().enumerate().all(|(number, kind)| *kind as usize == number));
    }
}
