//! What runs amounted to, added up for the summary.

use super::chaos::Faults;
use super::client::Outcomes;
use super::network::Traffic;
use super::oracle::INVARIANTS;
use crate::node::Counters;
use core::fmt;
use core::time::Duration;

/// Durations of which the median and the worst are of interest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times(Vec<Duration>);

impl Times {
    /// One more.
    pub fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// All, in the order in which they came.
    pub fn as_slice(&self) -> &[Duration] {
        &self.0
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one that this share of all does not exceed; zero if there is none.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(at).copied().unwrap_or_default()
    }

    /// Their mean; zero if there is none.
    pub fn mean(&self) -> Duration {
        let sum: Duration = self.0.iter().sum();
        sum.checked_div(u32::try_from(self.0.len()).unwrap_or(u32::MAX)).unwrap_or_default()
    }

    /// The longest; zero if there is none.
    pub fn worst(&self) -> Duration {
        self.0.iter().max().copied().unwrap_or_default()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: Duration| time.as_secs_f64();
        let (median, late, worst) = (self.quantile(0.5), self.quantile(0.95), self.worst());
        write!(
            f,
            "median {:.2} s, 95 % {:.2} s, worst {:.2} s ({} times)",
            seconds(median),
            seconds(late),
            seconds(worst),
            self.len()
        )
    }
}

/// The sum over runs.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many runs.
    pub runs: u64,
    /// Simulated time.
    pub simulated: Duration,
    /// Nodes alive at the end of the runs.
    pub nodes: u64,
    /// What the chaos did.
    pub faults: Faults,
    /// What clients were told.
    pub outcomes: Outcomes,
    /// What the network did.
    pub traffic: Traffic,
    /// Datagrams of an attacker.
    pub attacks: u64,
    /// Processes started again on a machine where one had died.
    pub restarts: u64,
    /// Nodes that joined a ring that was there.
    pub joins: u64,
    /// Nodes dropped, or suspected as predecessor.
    pub suspicions: u64,
    /// Consents that ran out at a settled node.
    pub lapses: u64,
    /// Claims grown because a neighbour was lost.
    pub takeovers: u64,
    /// Requests sent again.
    pub retries: u64,
    /// Nodes silent as they might be cut off.
    pub silences: u64,
    /// Tombstones collected.
    pub collected: u64,
    /// Datagrams dropped for a flaw.
    pub flawed: u64,
    /// Wake-ups of nodes by their own deadline.
    pub wakes: u64,
    /// Runs in which, by bad luck, more was disturbed at some time than the promises hold for.
    pub beyond: u64,
    /// Keys that got more than one history in such runs.
    pub astray: u64,
    /// Nodes that left before they had handed over what they held.
    pub abrupt: u64,
    /// For how long of the time nobody alive had been taken for dead, so that the invariant was assured.
    pub assured: Duration,
    /// For each of [`INVARIANTS`] how often it began to be hurt.
    pub hurt: [u64; INVARIANTS.len()],
    /// From the start of a process on a ring that is there until it is ready.
    pub joining: Times,
    /// From a crash until another node answers for the dead one's id: after a single crash.
    pub takeover: Times,
    /// The same after two neighbours crashed at once.
    pub double_takeover: Times,
    /// From the end of all faults until the ring is ideal, ready and copied.
    pub healing: Times,
}

impl Tally {
    /// Adds what a node counted in one of its lives.
    pub const fn add_counters(&mut self, counters: &Counters) {
        self.suspicions += counters.suspicions;
        self.lapses += counters.lapses;
        self.takeovers += counters.takeovers;
        self.retries += counters.retries;
        self.silences += counters.silences;
        self.collected += counters.collected;
        let mut flaw = 0;
        while flaw < counters.flawed.len() {
            self.flawed += counters.flawed[flaw];
            flaw += 1;
        }
    }

    /// Takes away what nodes counted before some moment, as another tally holds it.
    pub const fn take_counters(&mut self, before: &Self) {
        self.suspicions -= before.suspicions;
        self.lapses -= before.lapses;
        self.takeovers -= before.takeovers;
        self.retries -= before.retries;
        self.silences -= before.silences;
        self.collected -= before.collected;
        self.flawed -= before.flawed;
    }

    /// Adds another tally.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.simulated += other.simulated;
        self.nodes += other.nodes;
        self.restarts += other.restarts;
        self.joins += other.joins;
        self.suspicions += other.suspicions;
        self.lapses += other.lapses;
        self.takeovers += other.takeovers;
        self.retries += other.retries;
        self.silences += other.silences;
        self.collected += other.collected;
        self.flawed += other.flawed;
        self.wakes += other.wakes;
        self.attacks += other.attacks;
        self.beyond += other.beyond;
        self.astray += other.astray;
        self.abrupt += other.abrupt;
        self.assured += other.assured;
        for (sum, more) in self.hurt.iter_mut().zip(other.hurt) {
            *sum += more;
        }
        self.joining.0.extend(&other.joining.0);
        self.takeover.0.extend(&other.takeover.0);
        self.double_takeover.0.extend(&other.double_takeover.0);
        self.healing.0.extend(&other.healing.0);
        let (a, b) = (&mut self.faults, other.faults);
        a.crashes += b.crashes;
        a.double_crashes += b.double_crashes;
        a.pauses += b.pauses;
        a.isolations += b.isolations;
        a.cuts += b.cuts;
        a.strikes += b.strikes;
        a.leaves += b.leaves;
        a.jumps += b.jumps;
        a.batches += b.batches;
        a.beside += b.beside;
        a.blackouts += b.blackouts;
        let (a, b) = (&mut self.outcomes, other.outcomes);
        a.values += b.values;
        a.not_found += b.not_found;
        a.stored += b.stored;
        a.conflicts += b.conflicts;
        a.unavailable += b.unavailable;
        a.unknown += b.unknown;
        a.lost += b.lost;
        a.repeated += b.repeated;
        a.open += b.open;
        a.to_guests += b.to_guests;
        let (a, b) = (&mut self.traffic, other.traffic);
        a.sent += b.sent;
        a.bytes += b.bytes;
        a.lost += b.lost;
        a.cut += b.cut;
        a.duplicated += b.duplicated;
        a.corrupted += b.corrupted;
        a.slow += b.slow;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { faults, outcomes: o, traffic: t, .. } = self;
        writeln!(f, "runs             {}, {:.0} s simulated", self.runs, self.simulated.as_secs_f64())?;
        writeln!(
            f,
            "faults           {} crashes ({} double), {} restarts, {} joins, {} pauses, {} cut off, {} pairs cut",
            faults.crashes,
            faults.double_crashes,
            self.restarts,
            self.joins,
            faults.pauses,
            faults.isolations,
            faults.cuts
        )?;
        let (strikes, beyond, astray) = (faults.strikes, self.beyond, self.astray);
        let (leaves, jumps, batches, beside) = (faults.leaves, faults.jumps, faults.batches, faults.beside);
        writeln!(f, "                 {strikes} owners hit in a write, {leaves} leaves, {jumps} wall clocks set")?;
        writeln!(
            f,
            "                 {batches} times two joined side by side, {beside} times two died beside a joiner, {} \
             blackouts",
            faults.blackouts
        )?;
        writeln!(
            f,
            "                 {beyond} runs beyond the bound with {astray} keys astray, {} leavers did not hand over",
            self.abrupt
        )?;
        writeln!(
            f,
            "network          {} datagrams, {} lost, {} cut, {} twice, {} corrupted ({} dropped for a flaw), {} slow",
            t.sent, t.lost, t.cut, t.duplicated, t.corrupted, self.flawed, t.slow
        )?;
        writeln!(f, "attacker         {} datagrams", self.attacks)?;
        writeln!(
            f,
            "nodes            {} suspicions, {} lapses, {} takeovers, {} retries, {} silences, {} tombstones collected",
            self.suspicions, self.lapses, self.takeovers, self.retries, self.silences, self.collected
        )?;
        writeln!(
            f,
            "operations       {} answered: {} values, {} not found, {} stored, {} conflicts",
            o.answered(),
            o.values,
            o.not_found,
            o.stored,
            o.conflicts
        )?;
        writeln!(
            f,
            "                 {} unavailable, {} unknown, {} lost, {} repeated, {} left open; {} answers to guests",
            o.unavailable, o.unknown, o.lost, o.repeated, o.open, o.to_guests
        )?;
        writeln!(f, "join             {}", self.joining)?;
        writeln!(f, "takeover         {}", self.takeover)?;
        writeln!(f, "     of two      {}", self.double_takeover)?;
        writeln!(f, "healing          {}", self.healing)?;
        writeln!(f, "assured          {:.0} s without a wrong suspicion", self.assured.as_secs_f64())?;
        for (name, hurt) in INVARIANTS.iter().zip(self.hurt) {
            writeln!(f, "hurt for a while {hurt:>6} {name}")?;
        }
        Ok(())
    }
}
