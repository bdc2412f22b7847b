//! A ring falls apart into islands for a while, and heals.

use super::{Config, Duration, Profile, Rng, Rules, Scene, Swarm, list_length, profile};

/// How the ring is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Round the ring one for each island in turn.
    Alternating,
    /// Each island is one stretch of the ring.
    Row,
    /// As it falls.
    Random,
    /// One node alone: within the bound.
    One,
    /// Two neighbours: within the bound.
    Two,
}

const KINDS: [Kind; 5] = [Kind::Alternating, Kind::Row, Kind::Random, Kind::One, Kind::Two];

struct Split {
    kind: Kind,
    islands: usize,
    lasts: Duration,
    rng: Rng,
    /// For how long the cut has lasted; `None` before.
    cut: Option<Duration>,
    small: Vec<usize>,
}

/// A consent lasts less than this; whoever is cut off has none any more by then.
const SILENT_AFTER: Duration = Duration::from_secs(3);

/// How often the small side is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A ring of 6 to 20 nodes is cut in two or three for 5 to 120 seconds.
pub fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x0005_9117);
    let kind = KINDS[seed as usize % KINDS.len()];
    let within = matches!(kind, Kind::One | Kind::Two);
    let nodes = if within { 7 } else { 6 } + rng.index(14);
    let lasts = Duration::from_secs([5, 10, 20, 40, 80, 120][rng.index(6)]);
    let islands = if within || rng.chance(0.6) { 2 } else { 3 };
    let profile = Profile {
        founders: if rng.chance(0.5) { nodes } else { 0 },
        ..profile(nodes, list_length(nodes, &mut rng), &mut rng)
    };
    let rules = Rules { strict: within, run_min: Duration::ZERO, ..Rules::default() };
    let scene = Split { kind, islands, lasts, rng, cut: None, small: Vec::new() };
    Swarm::staged(seed, profile, Config::default(), rules, Box::new(scene))
}

impl Split {
    fn cut(&mut self, run: &mut Swarm) {
        let mut order = run.ring_order();
        let n = order.len();
        let turn = self.rng.index(n);
        order.rotate_left(turn);
        let island = |at: usize, rng: &mut Rng| match self.kind {
            Kind::Alternating => at % self.islands,
            Kind::Row => at * self.islands / n,
            Kind::Random => rng.index(self.islands),
            Kind::One => usize::from(at == 0),
            Kind::Two => usize::from(at < 2),
        };
        let of: Vec<usize> = (0..n).map(|at| island(at, &mut self.rng)).collect();
        for number in 1..self.islands {
            let hosts: Vec<usize> = order.iter().zip(&of).filter(|(_, of)| **of == number).map(|(h, _)| *h).collect();
            run.cut_off(&hosts);
            if run.rules.strict {
                self.small = hosts;
            }
        }
    }
}

impl Scene for Split {
    fn step(&mut self, run: &mut Swarm) -> Option<Duration> {
        let Some(cut) = &mut self.cut else {
            if run.world.now().since(run.since) < Duration::from_secs(8) {
                return Some(Duration::from_secs(8));
            }
            self.cut = Some(Duration::ZERO);
            self.cut(run);
            return Some(LOOK);
        };
        *cut += LOOK;
        let cut = *cut;
        for &host in &self.small {
            let speaks = |id| run.world.host(host).is_settled_for(run.world.now(), id);
            let spoken = run.speakers.ids().iter().copied().find(|&id| speaks(id));
            if let Some(id) = spoken.filter(|_| cut >= SILENT_AFTER) {
                run.fail(&format!("{host} is cut off, and answers for {id}"));
            }
        }
        (cut < self.lasts).then_some(LOOK)
    }

    fn healed(&mut self, run: &mut Swarm, after: Duration) {
        let name = format!("s to heal, {:?} into {}", self.kind, self.islands);
        run.figure(&name, after.as_secs_f64());
    }
}
