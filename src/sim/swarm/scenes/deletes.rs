//! Keys of ever new names are put and deleted at once, on nodes that have little memory: tombstones are collected
//! early, and no store stays full of them. In half of the runs a node of three is cut off meanwhile, and so both sides
//! answer, beyond the bound: then what the one wrote must not be taken for deleted by the others.

use super::asks::Asks;
use super::{Config, Duration, Profile, Rng, Rules, Scene, Swarm, profile};
use crate::limits::MEMORY_MIN;
use crate::node::{Command, Reply, Unavailable};
use crate::store::Content;
use crate::time::Instant;
use crate::wire::Condition;
use std::collections::BTreeMap;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Fill,
    /// The node that is cut off takes the others for dead.
    Cut,
    /// It writes.
    Aside,
    Jobs,
    Rest,
}

struct Deletes {
    rng: Rng,
    asks: Asks,
    stage: Stage,
    /// Who is cut off, if anybody is.
    alone: Option<usize>,
    /// Jobs under way: the tag of the command that has no answer yet, the job, and whether it is to be deleted.
    open: BTreeMap<u64, (u64, bool)>,
    begun: u64,
    submitted: u64,
    refused: u64,
    /// Since when there was no room, for all that was asked.
    full_since: Option<Instant>,
    until: Instant,
}

/// Far beyond the numbers of all other operations.
const FIRST_TAG: u64 = 1 << 50;
/// Values that leave room for some hundred tombstones.
const BULK: u64 = 13;
const BULK_SIZE: usize = 256 << 10;
/// More than fit.
const JOBS: u64 = 1500;
/// Jobs under way at one time.
const AT_ONCE: usize = 16;
const LOOK: Duration = Duration::from_millis(20);
/// For so long a store may be full before what can be collected is.
const FULL_MAX: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(120);
/// Whoever is cut off has dropped the others by then.
const ALONE: Duration = Duration::from_secs(15);

/// 3 to 6 nodes, or 3 if one is cut off.
pub fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x00DE_1E7E);
    let apart = seed % 2 == 1;
    let nodes = if apart { 3 } else { 3 + rng.index(4) };
    let profile = Profile { keys: 1, clients: 0, ..profile(nodes, 8, &mut rng) };
    let config = Config { memory_max: MEMORY_MIN, ..Config::default() };
    let rules = Rules { strict: !apart, heal_max: Duration::from_secs(60), run_min: Duration::ZERO };
    let scene = Deletes {
        asks: Asks::new(rng.fork()),
        stage: Stage::Fill,
        alone: apart.then(|| rng.index(nodes)),
        open: BTreeMap::new(),
        begun: 0,
        submitted: 0,
        refused: 0,
        full_since: None,
        until: Instant::ZERO,
        rng,
    };
    Swarm::staged(seed, profile, config, rules, Box::new(scene))
}

impl Deletes {
    /// A machine that takes commands.
    fn machine(&mut self, run: &Swarm) -> usize {
        let at = self.rng.index(run.world.hosts().len());
        if self.alone == Some(at) { (at + 1) % run.world.hosts().len() } else { at }
    }

    fn put(&mut self, run: &mut Swarm, job: u64, size: usize) {
        let content = Content::new(vec![7; size], b"", 0);
        let condition = Condition::None;
        let key = format!("job {job}").into_bytes().into();
        self.submit(run, job, Command::Put { key, content, ttl_s: 0, condition, min_copies: 0, attempt: None });
    }

    fn submit(&mut self, run: &mut Swarm, job: u64, command: Command) {
        self.submitted += 1;
        let tag = FIRST_TAG + self.submitted;
        let host = self.machine(run);
        self.open.insert(tag, (job, matches!(command, Command::Delete { .. })));
        run.world.submit(host, tag, command);
    }
}

impl Scene for Deletes {
    fn step(&mut self, run: &mut Swarm) -> Option<Duration> {
        let now = run.world.now();
        match self.stage {
            Stage::Fill if self.begun < BULK => {
                if self.open.is_empty() {
                    self.begun += 1;
                    let job = u64::MAX - self.begun;
                    self.put(run, job, BULK_SIZE);
                }
            }
            Stage::Fill if !self.open.is_empty() => {}
            Stage::Fill => {
                (self.begun, self.until) = (0, now + PATIENCE);
                self.stage = Stage::Jobs;
                if let Some(host) = self.alone {
                    run.cut_off(&[host]);
                    run.chaos.bound.disturb(host, Instant::FAR);
                    self.stage = Stage::Cut;
                    return Some(ALONE);
                }
            }
            Stage::Cut => {
                let host = self.alone.unwrap_or_default();
                self.asks.write(run, host, 0, 0);
                self.stage = Stage::Aside;
            }
            Stage::Aside if self.asks.is_waiting() => {}
            Stage::Aside => self.stage = Stage::Jobs,
            Stage::Jobs if self.begun == JOBS && self.open.is_empty() => {
                run.figure("jobs that were refused at first, as a store was full", self.refused as f64);
                self.stage = Stage::Rest;
            }
            Stage::Jobs if now > self.until => {
                run.fail(&format!("{} of {JOBS} jobs begun, {} under way", self.begun, self.open.len()));
                self.stage = Stage::Rest;
            }
            Stage::Jobs => {
                while self.open.len() < AT_ONCE && self.begun < JOBS {
                    self.begun += 1;
                    self.put(run, self.begun, 1);
                }
            }
            Stage::Rest => return None,
        }
        Some(LOOK)
    }

    fn replied(&mut self, run: &mut Swarm, tag: u64, reply: Option<&Reply>) {
        let Some((job, deleted)) = self.open.remove(&tag) else {
            self.asks.replied(run, tag, reply);
            return;
        };
        let now = run.world.now();
        match reply {
            Some(Reply::Unavailable(Unavailable::Full { .. })) => {
                self.refused += 1;
                let since = *self.full_since.get_or_insert(now);
                // Apart nothing is collected before its time: there the jobs end with this.
                if self.alone.is_none() && now.since(since) > FULL_MAX {
                    run.fail(&format!(
                        "no room for job {job}, for {:?}, and all others were deleted",
                        now.since(since)
                    ));
                    self.stage = Stage::Rest;
                } else if self.alone.is_some() {
                    self.begun = JOBS;
                } else {
                    self.begun -= 1;
                }
            }
            _ if deleted || job > JOBS => self.full_since = None,
            _ => {
                self.full_since = None;
                let key = format!("job {job}").into_bytes().into();
                self.submit(
                    run,
                    job,
                    Command::Delete { key, condition: Condition::None, min_copies: 0, attempt: None },
                );
            }
        }
    }

    fn healed(&mut self, run: &mut Swarm, _after: Duration) {
        let key = run.clients.keys().name(0).to_vec();
        let acknowledged = run.clients.keys().acknowledged(0);
        let lost = run.world.members().find(|(_, node)| node.version_of(&key) != acknowledged).map(|(host, _)| host);
        if let Some(host) = lost.filter(|_| acknowledged.is_some()) {
            run.fail(&format!("{host} has lost what was written on the other side: it counts it as deleted"));
        }
    }
}
