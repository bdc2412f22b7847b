//! A ring is cut in two halves, each a stretch of it. The nodes at the edges lose three in a row and more: they are
//! silent, until an operator or the time ends that; or a half that is smaller than the least number answers nothing.

use super::{Config, Duration, Rng, Rules, Scene, Swarm, list_length, profile};
use crate::id::{Arc, Id};
use crate::node::{Command, Reply, Silenced, Unavailable};
use std::collections::BTreeMap;

/// What becomes of the silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// An operator says reopen.
    Operator,
    /// `reopen_after` has passed.
    Time,
    /// Not before the ring is whole: the half is too small.
    Never,
}

struct Halves {
    ending: Ending,
    in_row: bool,
    halves: [Vec<usize>; 2],
    rng: Rng,
    stage: u8,
    /// For each question put: through whom, and whether it must be answered.
    asked: BTreeMap<u64, (usize, bool)>,
    next_tag: u64,
}

/// Far beyond the numbers of the clients' operations.
const FIRST_TAG: u64 = 1 << 40;

const LONG_ENOUGH: Duration = Duration::from_secs(30);
const REOPEN_AFTER: Duration = Duration::from_secs(60);
/// A little more than an operation may take.
const ANSWERED: Duration = Duration::from_secs(6);

/// 12 to 18 nodes; or 7 to 15, of which less than half are cut off, in a row or here and there.
pub fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x00A1_F000);
    let ending = [Ending::Operator, Ending::Time, Ending::Never][seed as usize % 3];
    let nodes = if ending == Ending::Never { 7 + rng.index(9) } else { 12 + rng.index(7) };
    let mut profile = profile(nodes, list_length(nodes, &mut rng), &mut rng);
    let mut config = Config::default();
    match ending {
        Ending::Operator => {}
        Ending::Time => config.reopen_after = Some(REOPEN_AFTER),
        Ending::Never => {
            // A node knows no more than its list and its predecessor.
            profile.successors = 8;
            config.min_nodes = (nodes / 2 + 1).min(9);
        }
    }
    // Who is cut off in a row loses three in a row. Elsewhere two may answer until each list is rid of those cut off.
    let in_row = ending != Ending::Never || rng.chance(0.5);
    let rules = Rules { strict: ending == Ending::Never && in_row, run_min: Duration::ZERO, ..Rules::default() };
    let scene =
        Halves { ending, in_row, halves: [vec![], vec![]], rng, stage: 0, asked: BTreeMap::new(), next_tag: FIRST_TAG };
    Swarm::staged(seed, profile, config, rules, Box::new(scene))
}

impl Halves {
    fn cut(&mut self, run: &mut Swarm) {
        let mut order = run.ring_order();
        let n = order.len();
        order.rotate_left(self.rng.index(n));
        let size = if self.ending == Ending::Never { 1 + self.rng.index(n.div_ceil(2) - 1) } else { n / 2 };
        if !self.in_row {
            // Each in its turn goes to a random place.
            (0..n).for_each(|at| order.swap(at, self.rng.index(n)));
        }
        self.halves = [order[..size].to_vec(), order[size..].to_vec()];
        run.cut_off(&self.halves[0]);
    }

    /// The arcs of a half: for each node what lies between it and the one before it on the ring as it was.
    fn ask(&mut self, run: &mut Swarm, must: impl Fn(&Swarm, usize) -> Option<bool>) {
        for half in self.halves.clone() {
            let asker = half.iter().copied().find(|&host| silenced(run, host).is_none()).or(half.first().copied());
            let Some(asker) = asker else { continue };
            for &host in &half {
                let Some(must) = must(run, host) else { continue };
                let node = run.world.host(host).node();
                let before = node.and_then(|node| node.predecessor());
                let arc = Arc::new(before.map_or(Id::new(0), |peer| peer.id()), run.world.host(host).id());
                let in_arc = |key: &Vec<u8>| arc.contains(Id::of_key(key));
                let Some(key) = (0..20_000u32).map(|n| format!("{n}").into_bytes()).find(in_arc) else { continue };
                self.next_tag += 1;
                self.asked.insert(self.next_tag, (host, must));
                run.world.submit(asker, self.next_tag, Command::Get { key: key.into() });
            }
        }
    }

    fn reopen(&mut self, run: &mut Swarm) {
        for host in self.halves.concat() {
            if silenced(run, host) == Some(Silenced::Row) {
                self.next_tag += 1;
                run.world.submit(host, self.next_tag, Command::Reopen);
            }
        }
    }

    fn look_at_edges(&self, run: &mut Swarm) {
        let mut silent = 0;
        for half in self.halves.clone() {
            let (first, last) = (half[0], half[half.len() - 1]);
            // The last has lost all that followed, the first hears of it from the last.
            for (host, what) in [(last, "last"), (first, "first")] {
                if silenced(run, host).is_none() {
                    run.fail(&format!("{host} is the {what} of its half, and not silent"));
                }
            }
            silent += half.iter().filter(|&&host| silenced(run, host).is_some()).count();
        }
        run.figure("silent nodes", silent as f64);
    }
}

fn silenced(run: &Swarm, host: usize) -> Option<Silenced> {
    let it = run.world.host(host);
    it.node().and_then(|node| node.status(it.local(run.world.now()).at).silenced)
}

impl Scene for Halves {
    fn step(&mut self, run: &mut Swarm) -> Option<Duration> {
        self.stage += 1;
        match (self.stage, self.ending) {
            (1, _) => return Some(Duration::from_secs(6)),
            (2, _) => self.cut(run),
            // It has found out by then that all others are gone; until then it answers what nobody else can.
            (3, Ending::Never) => return Some(LONG_ENOUGH),
            (4..60, Ending::Never) => {
                for &host in &self.halves[0].clone() {
                    let settled = |id: &&Id| run.world.host(host).is_settled_for(run.world.now(), **id);
                    if let Some(id) = run.speakers.ids().iter().find(settled).copied() {
                        run.fail(&format!("{host} answers for {id} though it knows too few"));
                    }
                }
                return Some(Duration::from_millis(500));
            }
            (3, _) => return Some(LONG_ENOUGH),
            (4, _) => {
                self.look_at_edges(run);
                self.ask(run, |run, host| silenced(run, host).map(|_| false));
                return Some(ANSWERED);
            }
            (5, Ending::Operator) => {
                self.reopen(run);
                return Some(Duration::from_secs(10));
            }
            (5, Ending::Time) => return Some(REOPEN_AFTER - LONG_ENOUGH + Duration::from_secs(4)),
            (6, _) => {
                for host in self.halves.concat() {
                    if !run.world.host(host).is_ready(run.world.now()) {
                        let why = silenced(run, host);
                        run.fail(&format!("{host} does not answer after it was reopened: {why:?}"));
                    }
                }
                self.ask(run, |_, _| Some(true));
                return Some(ANSWERED);
            }
            _ => {
                for (tag, (host, _)) in core::mem::take(&mut self.asked) {
                    run.fail(&format!("question {tag} to {host} was not answered"));
                }
                return None;
            }
        }
        Some(Duration::ZERO)
    }

    fn replied(&mut self, run: &mut Swarm, tag: u64, reply: Option<&Reply>) {
        let Some((host, must)) = self.asked.remove(&tag) else { return };
        let right = match reply {
            Some(Reply::Unavailable(Unavailable::Silent)) => !must,
            Some(Reply::NotFound) => must,
            _ => false,
        };
        if !right {
            run.fail(&format!("a key of {host}, which is {}silent: {reply:?}", if must { "not " } else { "" }));
        }
    }

    fn healed(&mut self, run: &mut Swarm, after: Duration) {
        let row = if self.in_row { "" } else { ", here and there" };
        let name = format!("s to heal, silence ended by {:?}{row}", self.ending);
        run.figure(&name, after.as_secs_f64());
    }
}
