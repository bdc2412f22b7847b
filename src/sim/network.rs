//! What happens to datagrams on their way.

use crate::rng::Rng;
use crate::time::Instant;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What befalls datagrams everywhere, as probabilities from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// A datagram is lost.
    pub loss: f64,
    /// A datagram begins a burst on its path: for up to 0.4 s four of five are lost.
    pub burst: f64,
    /// A datagram is slow: it takes longer than is usual, and up to `slowest`.
    pub slow: f64,
    /// A datagram arrives twice.
    pub duplicate: f64,
    /// A bit of a datagram is flipped.
    pub corrupt: f64,
    /// How long datagrams are on their way.
    pub delay: Delay,
    /// The longest delay of a slow datagram.
    pub slowest: Duration,
}

/// How long datagrams are on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// Anything between these two alike.
    Between(Duration, Duration),
    /// Exponentially distributed about this mean: mostly less, now and then several times as much.
    Exponential(Duration),
}

impl Delay {
    /// The longest that is usual: of exponential delays one in twenty takes longer than three times the mean.
    pub const fn longest(self) -> Duration {
        match self {
            Self::Between(_, longest) => longest,
            Self::Exponential(mean) => mean.saturating_mul(3),
        }
    }

    fn draw(self, rng: &mut Rng) -> Duration {
        match self {
            Self::Between(shortest, longest) => rng.between(shortest, longest),
            Self::Exponential(mean) => exponential(rng, mean),
        }
    }
}

/// A duration drawn from an exponential distribution: how long it takes, or the pause until it comes again, where it
/// may come at any moment alike.
pub(super) fn exponential(rng: &mut Rng, mean: Duration) -> Duration {
    // (0, 1], in steps of 2^-53: the logarithm is finite, and its like at most 37 times the mean.
    let even = ((rng.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64;
    Duration::try_from_secs_f64(mean.as_secs_f64() * -even.ln()).unwrap_or(Duration::MAX)
}

impl Weather {
    /// Nothing is lost, and all arrive within a few milliseconds.
    pub const QUIET: Self = Self {
        loss: 0.0,
        burst: 0.0,
        slow: 0.0,
        duplicate: 0.0,
        corrupt: 0.0,
        delay: Delay::Between(Duration::from_micros(200), Duration::from_millis(5)),
        slowest: Duration::from_millis(1500),
    };
}

/// How one copy of a datagram arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// After this time.
    pub after: Duration,
    /// With this bit flipped, counted modulo its length.
    pub flipped: Option<u32>,
}

/// How all copies of a datagram arrive, if any does.
type Fates = heapless::Vec<Fate, 2>;

/// Nodes that can talk among each other, and to no other, until a moment.
#[derive(Clone, Debug)]
struct Island {
    nodes: BTreeSet<usize>,
    until: Instant,
}

/// What the network did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams handed to it.
    pub sent: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Lost because their way was cut.
    pub cut: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Delivered with a flipped bit.
    pub corrupted: u64,
    /// Slow ones.
    pub slow: u64,
}

impl Traffic {
    /// What was done after an earlier moment.
    pub const fn since(self, before: Self) -> Self {
        Self {
            sent: self.sent - before.sent,
            bytes: self.bytes - before.bytes,
            lost: self.lost - before.lost,
            cut: self.cut - before.cut,
            duplicated: self.duplicated - before.duplicated,
            corrupted: self.corrupted - before.corrupted,
            slow: self.slow - before.slow,
        }
    }
}

/// All paths between the nodes.
#[derive(Clone, Debug)]
pub struct Network {
    /// What befalls datagrams everywhere.
    pub weather: Weather,
    rng: Rng,
    cuts: BTreeMap<(usize, usize), Instant>,
    bursts: BTreeMap<(usize, usize), Instant>,
    islands: Vec<Island>,
    /// What gets on its way before a moment takes so much longer.
    delays: BTreeMap<(usize, usize), (Instant, Duration)>,
    /// What befalls the next datagrams, before chance decides again.
    told: VecDeque<Fates>,
    traffic: Traffic,
}

const BURST_LOSS: f64 = 0.8;
const BURST_MAX: Duration = Duration::from_millis(400);

impl Network {
    /// A quiet network whose chance comes from this generator.
    pub fn new(rng: Rng) -> Self {
        let (cuts, bursts, islands, delays) = (BTreeMap::new(), BTreeMap::new(), Vec::new(), BTreeMap::new());
        let (told, traffic) = (VecDeque::new(), Traffic::default());
        Self { weather: Weather::QUIET, rng, cuts, bursts, islands, delays, told, traffic }
    }

    /// What it did so far.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Nothing gets from the one node to the other until then; the way back stays open.
    pub fn cut(&mut self, from: usize, to: usize, until: Instant) {
        let ends = self.cuts.entry((from, to)).or_insert(until);
        *ends = until.max(*ends);
    }

    /// What is sent from the one node to the other until then arrives so much later: on another route, or by way of a
    /// full buffer.
    pub fn delay(&mut self, from: usize, to: usize, until: Instant, by: Duration) {
        self.delays.insert((from, to), (until, by));
    }

    /// The next datagram that no such call was made for yet arrives in just these copies, two at most, unless its way
    /// is cut.
    pub fn befall(&mut self, copies: impl IntoIterator<Item = Fate>) {
        self.told.push_back(copies.into_iter().take(2).collect());
    }

    /// These nodes can talk among each other, and to no other, until then.
    pub fn isolate(&mut self, nodes: BTreeSet<usize>, until: Instant) {
        self.islands.push(Island { nodes, until });
    }

    /// Ends every cut, and makes the weather quiet.
    pub fn heal(&mut self) {
        self.weather = Weather::QUIET;
        self.cuts.clear();
        self.islands.clear();
        self.delays.clear();
        self.told.clear();
        self.bursts.clear();
    }

    /// True unless the way from one node to another is cut.
    pub fn is_open(&self, now: Instant, from: usize, to: usize) -> bool {
        let apart = |island: &Island| island.nodes.contains(&from) != island.nodes.contains(&to);
        self.cuts.get(&(from, to)).is_none_or(|&until| until <= now)
            && !self.islands.iter().any(|island| island.until > now && apart(island))
    }

    /// How a datagram of so many bytes arrives: not at all, once or twice.
    pub fn send(&mut self, now: Instant, from: usize, to: usize, bytes: usize) -> Fates {
        let mut fates = Fates::new();
        self.traffic.sent += 1;
        self.traffic.bytes += bytes as u64;
        self.islands.retain(|island| island.until > now);
        if !self.is_open(now, from, to) {
            self.traffic.cut += 1;
            return fates;
        }
        if let Some(told) = self.told.pop_front() {
            self.traffic.lost += u64::from(told.is_empty());
            self.traffic.duplicated += told.len().saturating_sub(1) as u64;
            self.traffic.corrupted += told.iter().filter(|fate| fate.flipped.is_some()).count() as u64;
            return told;
        }
        if self.weather.burst > 0.0 && self.rng.chance(self.weather.burst) {
            self.bursts.insert((from, to), now + self.rng.between(BURST_MAX / 8, BURST_MAX));
        }
        let in_burst = self.bursts.get(&(from, to)).is_some_and(|&until| until > now);
        if self.rng.chance(if in_burst { BURST_LOSS } else { self.weather.loss }) {
            self.traffic.lost += 1;
            return fates;
        }
        let copies = if self.rng.chance(self.weather.duplicate) { 2 } else { 1 };
        self.traffic.duplicated += copies - 1;
        for _ in 0..copies {
            let slow = self.rng.chance(self.weather.slow);
            self.traffic.slow += u64::from(slow);
            let Weather { delay, slowest, .. } = self.weather;
            let after = if slow { self.rng.between(delay.longest(), slowest) } else { delay.draw(&mut self.rng) };
            let delayed = self.delays.get(&(from, to)).filter(|(until, _)| *until > now);
            let after = after + delayed.map_or(Duration::ZERO, |(_, by)| *by);
            let flipped = self.rng.chance(self.weather.corrupt).then(|| self.rng.next_u64() as u32);
            self.traffic.corrupted += u64::from(flipped.is_some());
            // Two copies fit, as the capacity says.
            let _ = fates.push(Fate { after, flipped });
        }
        fates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_millis(1000);
    const LATER: Instant = Instant::from_millis(2000);

    fn arrived(network: &mut Network, from: usize, to: usize) -> usize {
        (0..1000).filter(|_| !network.send(NOW, from, to, 100).is_empty()).count()
    }

    #[test]
    fn a_quiet_network_delivers_each_datagram_once() {
        let mut network = Network::new(Rng::new(1));
        for _ in 0..1000 {
            let fates = network.send(NOW, 0, 1, 100);
            assert!(fates.len() == 1 && fates[0].flipped.is_none() && fates[0].after < Weather::QUIET.delay.longest());
        }
    }

    #[test]
    fn weather_befalls_as_often_as_it_says() {
        let mut network = Network::new(Rng::new(2));
        network.weather = Weather { loss: 0.3, slow: 0.2, duplicate: 0.1, corrupt: 0.05, ..Weather::QUIET };
        let fates: Vec<Fate> = (0..20_000).flat_map(|_| network.send(NOW, 0, 1, 100)).collect();
        let traffic = network.traffic();
        assert!((5700..6300).contains(&traffic.lost), "{traffic:?}");
        assert!((1250..1550).contains(&traffic.duplicated), "{traffic:?}");
        let share = |n: usize| n as f64 / fates.len() as f64;
        let slow = share(fates.iter().filter(|fate| fate.after >= Weather::QUIET.delay.longest()).count());
        assert!((0.18..0.22).contains(&slow), "{slow}");
        let flipped = share(fates.iter().filter(|fate| fate.flipped.is_some()).count());
        assert!((0.04..0.06).contains(&flipped), "{flipped}");
    }

    #[test]
    fn a_burst_takes_most_and_ends() {
        let mut network = Network::new(Rng::new(3));
        network.weather.burst = 1.0;
        assert!((100..300).contains(&arrived(&mut network, 0, 1)));
        network.weather.burst = 0.0;
        let after = NOW + BURST_MAX;
        assert!((0..100).all(|_| network.send(after, 0, 1, 1).len() == 1));
    }

    #[test]
    fn a_delay_holds_for_what_is_sent_before_its_end() {
        let mut network = Network::new(Rng::new(5));
        network.delay(0, 1, LATER, Duration::from_secs(3));
        let after = |network: &mut Network, now, from, to| network.send(now, from, to, 1)[0].after;
        assert!(after(&mut network, NOW, 0, 1) > Duration::from_secs(3));
        let others = [(NOW, 1, 0), (NOW, 0, 2), (LATER, 0, 1)];
        assert!(
            others.iter().all(|&(now, from, to)| after(&mut network, now, from, to) < Weather::QUIET.delay.longest())
        );
    }

    #[test]
    fn what_is_told_befalls_one_datagram_each_before_chance() {
        let mut network = Network::new(Rng::new(6));
        let fate = |ms, flipped| Fate { after: Duration::from_millis(ms), flipped };
        let told = [vec![], vec![fate(9, None), fate(7, Some(3))], vec![fate(8, None)]];
        told.iter().for_each(|copies| network.befall(copies.clone()));
        for copies in told {
            assert_eq!(network.send(NOW, 0, 1, 1), copies[..]);
        }
        assert!(arrived(&mut network, 0, 1) == 1000 && network.traffic().lost == 1);
    }

    #[test]
    fn a_cut_goes_one_way_and_an_island_both_until_they_end() {
        let mut network = Network::new(Rng::new(4));
        network.cut(0, 1, LATER);
        network.isolate(BTreeSet::from([2, 3]), LATER);
        for (from, to, open) in [(0, 1, false), (1, 0, true), (2, 3, true), (2, 0, false), (0, 3, false), (0, 9, true)]
        {
            assert_eq!(network.is_open(NOW, from, to), open, "{from} to {to}");
            assert_eq!(arrived(&mut network, from, to), if open { 1000 } else { 0 });
            assert!(network.is_open(LATER, from, to));
        }
        network.heal();
        assert!(network.is_open(NOW, 0, 1) && network.is_open(NOW, 2, 0));
    }
}
