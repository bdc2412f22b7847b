//! How one run is set up, as it follows from the seed.

use super::{FAULTS, Fault};
use crate::config::Config;
use crate::rng::Rng;
use crate::sim::bound::NEWCOMERS_MAX;
use crate::sim::clock::{Clock, WRONG_WALLS};
use crate::sim::network::{Delay, Weather};
use core::ops::Range;
use core::time::Duration;

/// How one run is set up.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The length of the successor lists.
    pub successors: usize,
    /// Nodes that form the ring.
    pub nodes: usize,
    /// By then all of them have started.
    pub starts: Duration,
    /// Machines on which more may join.
    pub spares: usize,
    /// So many members always stay.
    pub least: usize,
    /// Keys in use.
    pub keys: usize,
    /// Clients.
    pub clients: usize,
    /// Guests, through which clients act as well as through nodes.
    pub guests: usize,
    /// Now and then many write one key at one moment.
    pub bursts: bool,
    /// The longest pause between two operations of a client.
    pub think: Duration,
    /// For how long faults befall the ring once it has formed.
    pub chaos: Duration,
    /// What befalls datagrams.
    pub weather: Weather,
    /// How late processes may be woken.
    pub lateness: Duration,
    /// How much each of [`FAULTS`] is to be had.
    pub rates: [u64; FAULTS.len()],
    /// The longest pause between two faults.
    pub pace: Duration,
    /// How far the clocks may be off.
    pub clocks: Clock,
    /// How many of the wall clocks are altogether wrong when their machine comes, as a share.
    pub wrong_walls: f64,
    /// Every node is given so many of the first as seeds, which are their own seeds with that; if none, the first
    /// creates the ring, and the others are given some that live.
    pub founders: usize,
    /// Ids are given and stand in two crowds, instead of following from the addresses.
    pub crowded: bool,
    /// Datagrams of an attacker, each second.
    pub attack: u64,
    /// The machines on which more may join stand side by side around one key, and come together: a batch.
    pub batch: bool,
    /// The machines have disks.
    pub disks: bool,
    /// So often all machines lose their power at one moment.
    pub blackouts: u64,
    /// How often a disk cannot save what it is to.
    pub disk_faults: f64,
    /// How long a disk may take to save, but now and then.
    pub disk_delay: Duration,
    /// How long tombstones are kept, if they are not for ever.
    pub collect_after: Option<Duration>,
    /// Of so many of 256 writes the client chooses the name. Tombstones wait for their names to be forgotten.
    pub named: u16,
}

impl Profile {
    /// The profile of a seed: lists of 3 and at least 12 nodes, or lists of 8 and at least 14; of four seeds one makes
    /// a small ring, of 4 to 7 nodes.
    pub fn of_seed(seed: u64) -> Self {
        let mut attacks = Rng::new(seed ^ 0x00A7_7AC4);
        let attack = if attacks.chance(0.2) { [20, 100, 500][attacks.index(3)] } else { 0 };
        let profile = Self { attack, ..Self::large(seed) };
        let mut rng = Rng::new(seed ^ 0x0053_4D41_4C4C);
        let small = rng.chance(0.25);
        let mut profile = if small {
            Self { nodes: 4 + rng.index(4), spares: 1 + rng.index(3), least: 3, ..profile }
        } else {
            profile
        };
        let mut batches = Rng::new(seed ^ 0x4241_5443_4845_5300);
        if batches.chance(0.35) {
            profile.batch = true;
            profile.spares = NEWCOMERS_MAX;
            let joins = FAULTS.into_iter().zip(&mut profile.rates).filter(|(fault, _)| *fault == Fault::Join);
            joins.for_each(|(_, rate)| *rate += 2 + batches.below(5));
        }
        let mut disks = Rng::new(seed ^ 0x4449_534B_5300);
        if disks.chance(0.4) {
            profile.disks = true;
            profile.blackouts = [0, 1, 1, 2][disks.index(4)];
            profile.disk_faults = [0.0, 0.0, 0.02][disks.index(3)];
            profile.disk_delay = Duration::from_millis([2, 10, 80, 300][disks.index(4)]);
        }
        let mut guests = Rng::new(seed ^ 0x4755_4553_5453);
        profile.guests = if guests.chance(0.25) { 1 + guests.index(3) } else { 0 };
        profile.bursts = Rng::new(seed ^ 0x4255_5253_5453).chance(0.4);
        let mut tombstones = Rng::new(seed ^ 0x544F_4D42_5300);
        profile.collect_after = tombstones.chance(0.6).then(|| Duration::from_secs([0, 1, 5, 20][tombstones.index(4)]));
        let mut walls = Rng::new(seed ^ 0x5741_4C4C_5300);
        profile.wrong_walls = [0.0, 0.0, 0.1, 0.5, 1.0][walls.index(5)];
        let mut names = Rng::new(seed ^ 0x4E41_4D45_5300);
        profile.named = [0, 0, 100, 256][names.index(4)];
        profile
    }

    fn large(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x5EED_0F5A_11ED);
        let successors = if seed.is_multiple_of(2) { 3 } else { 8 };
        let pick = |rng: &mut Rng, of: &[f64]| of[rng.index(of.len())];
        let ms = |rng: &mut Rng, of: &[u64]| Duration::from_millis(of[rng.index(of.len())]);
        let weather = Weather {
            loss: pick(&mut rng, &[0.0, 0.0, 0.01, 0.02, 0.05]),
            burst: pick(&mut rng, &[0.0, 0.0, 0.0005, 0.002]),
            slow: pick(&mut rng, &[0.0, 0.0, 0.01, 0.03, 0.08]),
            duplicate: pick(&mut rng, &[0.0, 0.02, 0.1]),
            corrupt: pick(&mut rng, &[0.0, 0.0, 0.002, 0.01]),
            delay: Delay::Between(Duration::from_micros(200), ms(&mut rng, &[2, 5, 15, 30])),
            ..Weather::QUIET
        };
        let mut rates = [0; FAULTS.len()];
        for rate in &mut rates {
            *rate = if rng.chance(0.35) { 0 } else { 1 + rng.below(5) };
        }
        if rng.chance(0.15) {
            rates = [0; FAULTS.len()];
            rates[rng.index(FAULTS.len())] = 1;
        }
        Self {
            successors,
            nodes: if successors == 3 { 12 } else { 14 } + rng.index(3),
            starts: Duration::from_secs(3),
            spares: 2 + rng.index(5),
            least: successors.max(4) + 4,
            keys: 4 + rng.index(4),
            clients: 2 + rng.index(4),
            think: ms(&mut rng, &[300, 600, 1000]),
            chaos: Duration::from_secs(85),
            weather,
            lateness: ms(&mut rng, &[1, 1, 5, 30]),
            rates,
            pace: ms(&mut rng, &[800, 2000, 4000]),
            clocks: Clock {
                offset_us: [0, 3_000_000, 400_000_000_000][rng.index(3)],
                rate_ppm: [0, 100, 10_000][rng.index(3)],
                skew_ms: [0, 50, 6000][rng.index(3)],
            },
            founders: if rng.chance(0.5) { usize::MAX } else { 0 },
            crowded: rng.chance(0.2),
            ..Self::quiet(0, 0.0, Duration::ZERO)
        }
    }

    /// Nothing befalls this many nodes but lost datagrams, for so long.
    pub fn quiet(nodes: usize, loss: f64, chaos: Duration) -> Self {
        Self {
            successors: 8,
            nodes,
            starts: Duration::from_secs(3),
            spares: 0,
            least: nodes,
            keys: 6,
            clients: 2,
            guests: 0,
            bursts: false,
            think: Duration::from_secs(1),
            chaos,
            weather: Weather { loss, ..Weather::QUIET },
            lateness: Duration::from_millis(30),
            rates: [0; FAULTS.len()],
            pace: Duration::from_secs(10),
            clocks: Clock { offset_us: 1_000_000_000, rate_ppm: 100, skew_ms: 50 },
            wrong_walls: 0.0,
            founders: 0,
            crowded: false,
            attack: 0,
            batch: false,
            disks: false,
            blackouts: 0,
            disk_faults: 0.0,
            disk_delay: Duration::ZERO,
            collect_after: None,
            named: 256,
        }
    }

    /// What nodes are told.
    pub fn config(&self, config: Config) -> Config {
        let collect_after = self.collect_after.unwrap_or(config.collect_after);
        Config { successors: self.successors, collect_after, ..config }
    }

    /// The machines that come together.
    pub const fn batched(&self) -> Range<usize> {
        if self.batch { self.nodes..self.nodes + self.spares } else { 0..0 }
    }

    /// A clock that is off by no more than the profile says; but for its wall clock, if that is altogether wrong.
    pub fn clock(&self, rng: &mut Rng) -> Clock {
        let clock = self.clocks.draw_within(rng);
        let wrong = self.wrong_walls > 0.0 && rng.chance(self.wrong_walls);
        if wrong { Clock { skew_ms: WRONG_WALLS[rng.index(WRONG_WALLS.len())], ..clock } } else { clock }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_cover_both_lengths_and_every_fault_alone_and_together() {
        let profiles: Vec<Profile> = (0..500).map(Profile::of_seed).collect();
        assert!(profiles.iter().all(|p| (4..8).contains(&p.nodes)
            || (p.successors == 3 && p.nodes >= 12)
            || (p.successors == 8 && p.nodes >= 14)));
        for fault in 0..FAULTS.len() {
            assert!(profiles.iter().any(|p| p.rates[fault] == 0));
            assert!(profiles.iter().any(|p| p.rates.iter().enumerate().all(|(i, &rate)| (rate != 0) == (i == fault))));
        }
        assert!(profiles.iter().any(|p| p.rates.iter().all(|&rate| rate > 0)));
    }

    #[test]
    fn clocks_are_off_by_no_more_than_the_profile_says() {
        let mut rng = Rng::new(1);
        let clocks = Clock { offset_us: 9, rate_ppm: 10_000, skew_ms: 50 };
        let profile = Profile { clocks, wrong_walls: 0.0, ..Profile::of_seed(0) };
        let clocks: Vec<Clock> = (0..1000).map(|_| profile.clock(&mut rng)).collect();
        assert!(clocks.iter().all(|c| c.rate_ppm.abs() <= 10_000 && c.skew_ms.abs() <= 50 && c.offset_us <= 9));
        assert!(clocks.iter().any(|c| c.rate_ppm < 0) && clocks.iter().any(|c| c.skew_ms > 0));
        let walls: Vec<f64> = (0..100).map(|seed| Profile::of_seed(seed).wrong_walls).collect();
        assert!(walls.contains(&0.0) && walls.contains(&1.0));
        let wrong = Profile { wrong_walls: 0.5, ..profile };
        let is_wrong = |clock: &Clock| WRONG_WALLS.contains(&clock.skew_ms);
        let wrong = (0..1000).map(|_| wrong.clock(&mut rng)).filter(is_wrong).count();
        assert!((400..600).contains(&wrong), "{wrong}");
    }
}
