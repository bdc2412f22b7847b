//! What can be set: times, lengths, seeds.

mod rule;

pub use rule::Rule;

use crate::limits::{MEMORY_DEFAULT, MEMORY_MIN, SUCCESSORS_MAX, SUCCESSORS_MIN, VALUE_MAX};
use alloc::string::String;
use core::time::Duration;

/// How a node behaves. The defaults are for a local network and hold on the Internet.
#[derive(Clone, Debug)]
pub struct Config {
    /// The ring's name: nodes with another name do not hear each other. Default `sky`.
    pub ring: String,
    /// How many successors a node knows, 3 to 20. More survive more crashes at once and cost longer messages. Default
    /// 8.
    pub successors: usize,
    /// The shortest pause between two exchanges with the successor. Default 0.6 s.
    pub stabilise_min: Duration,
    /// The longest; the pause is drawn anew each time, so that nodes do not fall into step. Default 0.7 s.
    pub stabilise_max: Duration,
    /// How long one consent lasts on its holder's clock. Shorter makes takeovers faster, longer makes lapses rarer; at
    /// least three exchanges should fit. Default 2.5 s. A pledge lasts one twentieth longer on its giver's clock, so
    /// the two clocks may differ in rate by nearly 5 %.
    pub consent: Duration,
    /// The first timeout of a request while the round-trip time is unknown, and the shortest ever; it doubles with each
    /// repetition. Long enough that a busy machine is not taken for a dead one. Default 150 ms.
    pub timeout_min: Duration,
    /// The longest first timeout, however slow the peer. Default 1 s.
    pub timeout_max: Duration,
    /// How often a request is sent before the peer counts as silent. Default 3.
    pub tries: u8,
    /// How long another neighbour gets to hear a silent node, before that is dropped. Default 0.6 s.
    pub indirect: Duration,
    /// How long an operation of a client may take until it is answered that its outcome is unknown or that it was not
    /// done. Default 5 s.
    pub deadline: Duration,
    /// How long a node that is its own seed looks for the others before it creates the ring. Default 4 s.
    pub found_after: Duration,
    /// How long a node that leaves may take to hand over what it holds; then it goes all the same. Default 8 s.
    pub leave_timeout: Duration,
    /// After how long a node ends its own silence: longer than any partition is expected to last. Default never, as
    /// only an operator can tell a partition from the death of three neighbours.
    pub reopen_after: Option<Duration>,
    /// Whether a node knows a node half-way from each finger to the next as well. Default yes; without there are only
    /// the fingers of the Chord paper, for comparison with it.
    pub halves: bool,
    /// How many living nodes a node must know, itself included, to answer for anything. Default 1. In a ring of three a
    /// node that is cut off from both others takes them for dead; with 2 or 3 it is silent instead.
    pub min_nodes: usize,
    /// The longest value that a client may write, in bytes. Default and limit 1 MiB. Copies of longer ones are kept all
    /// the same, if another node took them.
    pub value_max: usize,
    /// How much memory its entries may take, in bytes, at least 4 MiB; beyond it writes are refused. The last tenth is
    /// kept for copies, which others rest on. Default 128 MiB.
    pub memory_max: usize,
    /// Who says so, for people.
    pub memory_from: MemoryFrom,
    /// How long a tombstone is kept once all three nodes hold it, at least. Whatever was written on both sides of a
    /// partition longer than that, deletes on one side count against writes on the other. Default a day.
    pub collect_after: Duration,
    /// Whether a node that its neighbours do not hear asks others which address they see, and takes that for its own:
    /// of one that was told no address. Default no.
    pub follows_address: bool,
    /// Whether a node finds out if large datagrams reach its neighbours. Default no.
    pub measures_paths: bool,
    /// The rules that the node does without, so that a test sees what comes of it.
    #[cfg(feature = "mutations")]
    pub without: alloc::vec::Vec<Rule>,
}

/// Where the limit of the entries' memory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryFrom {
    /// Nobody said anything.
    Default,
    /// `--max-memory`.
    Flag,
    /// A control group of the process allows no more.
    Cgroup,
    /// The address space of the process, as `ulimit -v` sets it, allows no more.
    AddressSpace,
}

impl MemoryFrom {
    /// The name that it is shown under.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Flag => "flag",
            Self::Cgroup => "cgroup",
            Self::AddressSpace => "address_space",
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ring: String::from("sky"),
            successors: 8,
            stabilise_min: Duration::from_millis(600),
            stabilise_max: Duration::from_millis(700),
            consent: Duration::from_millis(2500),
            timeout_min: Duration::from_millis(150),
            timeout_max: Duration::from_secs(1),
            tries: 3,
            indirect: Duration::from_millis(600),
            deadline: Duration::from_secs(5),
            found_after: Duration::from_secs(4),
            leave_timeout: Duration::from_secs(8),
            reopen_after: None,
            halves: true,
            min_nodes: 1,
            value_max: VALUE_MAX,
            memory_max: MEMORY_DEFAULT,
            memory_from: MemoryFrom::Default,
            collect_after: Duration::from_secs(86_400),
            follows_address: false,
            measures_paths: false,
            #[cfg(feature = "mutations")]
            without: alloc::vec::Vec::new(),
        }
    }
}

impl Config {
    /// True unless this rule was taken out for a test.
    #[cfg(feature = "mutations")]
    pub(crate) fn keeps(&self, rule: Rule) -> bool {
        !self.without.contains(&rule)
    }

    /// True: rules can be taken out for tests only.
    #[cfg(not(feature = "mutations"))]
    #[expect(clippy::unused_self, reason = "the same call as above")]
    pub(crate) const fn keeps(&self, _rule: Rule) -> bool {
        true
    }

    /// How long a pledge lasts on its giver's clock.
    pub fn pledge(&self) -> Duration {
        self.consent + self.consent / 20
    }

    /// The same with every number inside the range that the protocol was checked for.
    pub fn checked(mut self) -> Self {
        self.successors = self.successors.clamp(SUCCESSORS_MIN, SUCCESSORS_MAX);
        self.tries = self.tries.max(2);
        self.value_max = self.value_max.min(VALUE_MAX);
        self.memory_max = self.memory_max.max(MEMORY_MIN);
        self.min_nodes = self.min_nodes.clamp(1, self.successors + 1);
        self.stabilise_max = self.stabilise_max.max(self.stabilise_min);
        self.timeout_max = self.timeout_max.max(self.timeout_min);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consent_spans_three_exchanges_and_a_pledge_outlasts_it() {
        let config = Config::default();
        assert!(config.consent >= config.stabilise_max * 3);
        assert!(config.pledge() > config.consent);
    }

    #[test]
    fn checked_brings_numbers_into_their_range() {
        let config = Config { successors: 1, tries: 0, ..Config::default() }.checked();
        assert_eq!((config.successors, config.tries), (3, 2));
    }
}
