//! What a run of the playground is asked to do.

use super::step::Step;
use crate::id::Id;
use crate::limits::{ENTRIES_MAX, SUCCESSORS_MAX, SUCCESSORS_MIN};
use crate::rng::Rng;
use crate::sim::clock::Clock;
use crate::sim::network::Weather;
use core::time::Duration;

/// One run. The same plan gives the same run, to the last byte of its report.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Everything that is left to chance follows from it.
    pub seed: u64,
    /// Nodes of the ring at the start. Where [`Plan::ids`] are given, as many.
    pub nodes: usize,
    /// Size of the identifier space, in bits: nodes and keys have positions that are multiples of 2^(128 - bits).
    pub bits: u32,
    /// The nodes' positions, as numbers below 2^bits; if empty they are drawn.
    pub ids: Vec<u128>,
    /// Length of the successor lists.
    pub successors: usize,
    /// Nodes know the fingers of the Chord paper only, and nobody between them.
    pub plain_fingers: bool,
    /// A node that is silent, since it may be cut off, answers again after this time.
    pub reopen_after: Option<Duration>,
    /// How the ring comes about.
    pub start: Start,
    /// Small keys that are written once the ring has formed, before anything disturbs it.
    pub keys: usize,
    /// How long it runs, with all faults, before anything is measured.
    pub warm_up: Duration,
    /// For how long it is measured.
    pub time: Duration,
    /// Nodes that join, a second.
    pub joins: f64,
    /// Nodes that go, a second.
    pub departures: f64,
    /// So many members always stay.
    pub least: usize,
    /// The share of the departures that hand over what they hold and say good-bye; the others crash.
    pub graceful: f64,
    /// The share of the nodes that crash at one moment, when the warm-up is over.
    pub kill: f64,
    /// The share of the crashed nodes that come back where they were after 1 to 20 s, with nothing in memory.
    pub restarts: f64,
    /// Nodes that are stopped for 1 to 20 s, a second.
    pub pauses: f64,
    /// Pairs of nodes, neighbours half of the time, that cannot talk for 5 to 30 s, a second.
    pub cuts: f64,
    /// How far the clocks of the machines may be off.
    pub clocks: Clock,
    /// What befalls datagrams.
    pub weather: Weather,
    /// Partitions, one after the other or at once.
    pub partitions: Vec<Partition>,
    /// Lookups of random keys through random nodes, a second, in the whole ring.
    pub lookups: f64,
    /// What happens at certain moments.
    pub steps: Vec<Step>,
    /// For so long at the end of the measured time nothing disturbs the ring but the steps; by then it is to have
    /// healed.
    pub quiet: Duration,
    /// The run ends at this event of the world.
    pub until_event: Option<u64>,
}

/// How a ring comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// It stands: all tables are right.
    Warm,
    /// Its nodes join one after the other, each through one that is there.
    Joining,
    /// It stands and agrees with itself, but goes round so many times: a loop.
    Wound(usize),
}

/// A partition: nodes of different parts cannot talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Who is cut off from whom.
    pub shape: Shape,
    /// When it begins, from the end of the warm-up.
    pub at: Duration,
    /// How long it lasts.
    pub lasting: Duration,
}

/// Who is cut off from whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Two halves of the ring, each in a row.
    Halves,
    /// Every second node from the others.
    Alternating,
    /// One node from all others.
    Alone,
    /// Three thirds, each in a row.
    Thirds,
}

impl Shape {
    /// All, with their names.
    pub const ALL: [(&str, Self); 4] = [
        ("halves", Self::Halves),
        ("alternating", Self::Alternating),
        ("alone", Self::Alone),
        ("thirds", Self::Thirds),
    ];

    /// The highest number of a part.
    pub const PARTS_MAX: usize = 2;

    /// The part, from 0, that the node belongs to that stands at a place among so many.
    pub const fn part(self, place: usize, of: usize) -> usize {
        match self {
            Self::Halves => place * 2 / of,
            Self::Alternating => place % 2,
            Self::Alone => (place == 0) as usize,
            Self::Thirds => place * 3 / of,
        }
    }
}

/// The largest network that fits the addresses that nodes are given.
pub const NODES_MAX: usize = 1 << 20;

/// The farthest from its right pace that a clock may run, in parts per million: two such clocks differ by less than the
/// 5 % that the protocol allows for.
pub const PPM_MAX: u32 = 20_000;

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            nodes: 16,
            bits: Id::BITS,
            ids: Vec::new(),
            successors: 8,
            plain_fingers: false,
            reopen_after: None,
            start: Start::Warm,
            keys: 0,
            warm_up: Duration::from_secs(10),
            time: Duration::from_secs(60),
            joins: 0.0,
            departures: 0.0,
            least: 1,
            graceful: 0.0,
            kill: 0.0,
            restarts: 0.0,
            pauses: 0.0,
            cuts: 0.0,
            clocks: Clock::default(),
            weather: Weather::QUIET,
            partitions: Vec::new(),
            lookups: 1.0,
            steps: Vec::new(),
            quiet: Duration::ZERO,
            until_event: None,
        }
    }
}

impl Plan {
    /// The position with this number in the plan's identifier space.
    pub const fn position(&self, number: u128) -> Id {
        Id::new(if self.bits >= Id::BITS { number } else { number << (Id::BITS - self.bits) })
    }

    /// How many of so many nodes go in a second if half of them stay longer than this: sessions end at any moment
    /// alike.
    pub fn rate_of_session(nodes: usize, median: Duration) -> f64 {
        nodes as f64 * core::f64::consts::LN_2 / median.as_secs_f64()
    }

    /// A position that is left to chance.
    pub fn random_position(&self, rng: &mut Rng) -> Id {
        let number = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
        self.position(number >> (Id::BITS - self.bits))
    }

    /// Why the plan cannot be carried out, if so.
    ///
    /// # Errors
    /// What is wrong, in words for whoever made the plan.
    pub fn check(&self) -> Result<(), String> {
        let room = 1u128.checked_shl(self.bits).unwrap_or(u128::MAX);
        let wrong = |text: String| Err(text);
        if !(1..=Id::BITS).contains(&self.bits) {
            return wrong(format!("an identifier space has 1 to {} bits", Id::BITS));
        }
        if !(1..=NODES_MAX).contains(&self.nodes) {
            return wrong(format!("a ring has 1 to {NODES_MAX} nodes"));
        }
        if self.nodes as u128 > room {
            return wrong(format!("{} nodes do not fit into {} positions", self.nodes, room));
        }
        if let Some(id) = self.ids.iter().find(|id| self.bits < Id::BITS && **id >= room) {
            return wrong(format!("the position {id} is not below 2^{}", self.bits));
        }
        let mut sorted = self.ids.clone();
        sorted.sort_unstable();
        if let Some(two) = sorted.windows(2).find(|two| two[0] == two[1]) {
            return wrong(format!("two nodes are to have the position {}", two[0]));
        }
        if self.keys > ENTRIES_MAX {
            return wrong(format!("there are at most {ENTRIES_MAX} keys"));
        }
        if !(SUCCESSORS_MIN..=SUCCESSORS_MAX).contains(&self.successors) {
            return wrong(format!("a successor list is {SUCCESSORS_MIN} to {SUCCESSORS_MAX} nodes long"));
        }
        if self.clocks.rate_ppm.unsigned_abs() > PPM_MAX {
            return wrong(format!("a clock runs at most {PPM_MAX} parts per million fast or slow"));
        }
        let disturbed = self.time.saturating_sub(self.quiet);
        if !self.quiet.is_zero() && self.partitions.iter().any(|cut| cut.at + cut.lasting > disturbed) {
            let (from, to) = (disturbed.as_secs_f64(), self.time.as_secs_f64());
            return wrong(format!(
                "from {from:.1} s to {to:.1} s the ring is to heal: no partition may reach into that"
            ));
        }
        if self.joins > 0.0 && self.bits < 64 {
            return wrong(String::from("in an identifier space this small, nodes join only where a step says so"));
        }
        Ok(())
    }
}
