//! The stores of a ring are full of values when a node dies, so that nobody has room for what is to be its own then. No
//! key that was acknowledged may be said not to be there; its arc stays unanswered until others have been deleted.

use super::{Config, Duration, Profile, Rng, Rules, Scene, Swarm, profile};
use crate::limits::MEMORY_MIN;
use crate::node::{Command, Reply, Unavailable};
use crate::store::Content;
use crate::time::Instant;
use crate::wire::Condition;
use std::collections::{BTreeMap, BTreeSet};

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Fill,
    /// Others take over from the one that has died, or cannot.
    Alone,
    Read,
    Clear,
    Rest,
}

struct Cramped {
    rng: Rng,
    stage: Stage,
    /// The keys that are being asked for, by the tags of the commands.
    open: BTreeMap<u64, u64>,
    submitted: u64,
    begun: u64,
    refused: u64,
    unanswered: u64,
    /// Keys that were acknowledged, and not deleted.
    there: BTreeSet<u64>,
    until: Instant,
}

/// Far beyond the numbers of all other operations.
const FIRST_TAG: u64 = 1 << 51;
const SIZE: usize = 96 << 10;
/// More than fit.
const KEYS: u64 = 200;
/// So many refusals say that all is full.
const REFUSED: u64 = 20;
const LOOK: Duration = Duration::from_millis(20);
/// The nodes that are to take over have tried to by then.
const ALONE: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(120);

/// 4 to 6 nodes.
pub fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x00C2_A3BE);
    let profile = Profile { keys: 1, clients: 0, ..profile(4 + rng.index(3), 8, &mut rng) };
    let config = Config { memory_max: MEMORY_MIN, ..Config::default() };
    let rules = Rules { strict: true, heal_max: Duration::from_secs(60), run_min: Duration::ZERO };
    let scene = Cramped {
        stage: Stage::Fill,
        open: BTreeMap::new(),
        submitted: 0,
        begun: 0,
        refused: 0,
        unanswered: 0,
        there: BTreeSet::new(),
        until: Instant::ZERO,
        rng,
    };
    Swarm::staged(seed, profile, config, rules, Box::new(scene))
}

fn name(key: u64) -> Box<[u8]> {
    format!("key {key}").into_bytes().into()
}

impl Cramped {
    fn submit(&mut self, run: &mut Swarm, key: u64, command: Command) {
        let hosts: Vec<usize> = run.world.members().map(|(host, _)| host).collect();
        self.submitted += 1;
        let tag = FIRST_TAG + self.submitted;
        self.open.insert(tag, key);
        run.world.submit(hosts[self.rng.index(hosts.len())], tag, command);
    }

    fn put(&mut self, run: &mut Swarm, key: u64) {
        let content = Content::new(vec![7; SIZE], b"", 0);
        let condition = Condition::None;
        let key_of = name(key);
        let put = Command::Put { key: key_of, content, ttl_s: 0, condition, min_copies: 0, attempt: None };
        self.submit(run, key, put);
    }
}

impl Scene for Cramped {
    fn step(&mut self, run: &mut Swarm) -> Option<Duration> {
        let now = run.world.now();
        if !self.open.is_empty() {
            return Some(LOOK);
        }
        match self.stage {
            Stage::Fill if self.begun < KEYS && self.refused < REFUSED => {
                self.begun += 1;
                self.put(run, self.begun);
            }
            Stage::Fill => {
                run.figure("values that fit", self.there.len() as f64);
                let members: Vec<usize> = run.world.members().map(|(host, _)| host).collect();
                run.kill(members[self.rng.index(members.len())]);
                self.stage = Stage::Alone;
                return Some(ALONE);
            }
            Stage::Alone => {
                for key in self.there.clone() {
                    self.submit(run, key, Command::Get { key: name(key) });
                }
                self.stage = Stage::Read;
            }
            Stage::Read => {
                run.figure("keys without an answer, as their owner has no room", self.unanswered as f64);
                (self.stage, self.until) = (Stage::Clear, now + PATIENCE);
            }
            Stage::Clear if self.there.is_empty() => self.stage = Stage::Rest,
            Stage::Clear if now > self.until => {
                run.fail(&format!("{} keys cannot be deleted", self.there.len()));
                self.stage = Stage::Rest;
            }
            Stage::Clear => {
                for key in self.there.clone() {
                    let (key_of, condition) = (name(key), Condition::None);
                    self.submit(run, key, Command::Delete { key: key_of, condition, min_copies: 0, attempt: None });
                }
            }
            Stage::Rest => return None,
        }
        Some(LOOK)
    }

    fn replied(&mut self, run: &mut Swarm, tag: u64, reply: Option<&Reply>) {
        let Some(key) = self.open.remove(&tag) else { return };
        match (self.stage, reply) {
            (Stage::Fill, Some(Reply::Stored { .. })) => {
                self.there.insert(key);
            }
            (Stage::Fill, Some(Reply::Unavailable(Unavailable::Full { .. }))) => self.refused += 1,
            (Stage::Read, Some(Reply::NotFound)) => {
                run.fail(&format!("key {key} was acknowledged, and is said not to be there"));
            }
            (Stage::Read, Some(Reply::Unavailable(_))) => self.unanswered += 1,
            // A delete of unknown outcome was done, perhaps.
            (Stage::Clear, Some(Reply::Stored { .. } | Reply::NotFound)) => {
                self.there.remove(&key);
            }
            _ => {}
        }
    }
}
