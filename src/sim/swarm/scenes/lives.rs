//! A value lives for a while, and its owner is off for a part of that; or all nodes are. The owner comes back with what
//! it had saved: as far as it knows more is left of the value than its neighbours know, who went on.

use super::{Config, Duration, Profile, Rng, Rules, Scene, Swarm, profile};
use crate::id::Id;
use crate::node::{Command, Reply};
use crate::store::Content;
use crate::time::Instant;
use crate::wire::Condition;

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Write,
    Off,
    On,
    Read,
}

struct Lives {
    rng: Rng,
    stage: Stage,
    /// The power fails for all, not for the owner alone.
    all: bool,
    /// Those that are off.
    off: Vec<usize>,
    /// Who owned the value at first.
    owner: Option<usize>,
    /// When they were started again.
    back: Instant,
    /// For how long they are.
    downtime: Duration,
    /// When the value was written: from the question to the answer.
    written: Option<(Instant, Instant)>,
    asked: u64,
    /// What has no answer yet, and since when.
    open: Vec<(u64, Instant)>,
    ended: Option<Instant>,
}

const KEY: &[u8] = b"lock";
/// Long enough that the owner answers again before the end.
const TTL: Duration = Duration::from_secs(40);
/// Far beyond the numbers of the clients' operations.
const FIRST_TAG: u64 = 1 << 41;
/// By then the owner answers again.
const SETTLED: Duration = Duration::from_secs(15);
/// The pause between two reads.
const PAUSE: Duration = Duration::from_millis(300);
/// A request is repeated, and a neighbour counts as knowing as much as the owner, for so long.
const LATE: Duration = Duration::from_secs(6);
/// What is left is saved again after so long: so much longer may a value live after all were off.
const SAVED: Duration = Duration::from_secs(60);

/// 4 to 8 nodes with disks.
pub fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x4C49_5645_5300);
    let profile = Profile { clients: 0, disks: true, wrong_walls: 0.5, ..profile(4 + rng.index(5), 8, &mut rng) };
    let (all, downtime) = (rng.chance(0.3), rng.between(Duration::from_secs(12), Duration::from_secs(18)));
    let (stage, off, open) = (Stage::Write, Vec::new(), Vec::new());
    let (owner, back, ended) = (None, Instant::ZERO, None);
    let scene = Lives { rng, stage, all, off, owner, back, downtime, written: None, asked: 0, open, ended };
    let rules = Rules { run_min: Duration::ZERO, ..Rules::default() };
    Swarm::staged(seed, profile, Config::default(), rules, Box::new(scene))
}

impl Lives {
    fn submit(&mut self, run: &mut Swarm, command: Command) {
        let ready = run.ready();
        if let Some(host) = ready.get(self.rng.index(ready.len().max(1))) {
            self.asked += 1;
            self.open.push((FIRST_TAG + self.asked, run.world.now()));
            run.world.submit(*host, FIRST_TAG + self.asked, command);
        }
    }

    /// Until when the value must be there, and may be. While all are off no time counts.
    fn bounds(&self) -> Option<(Instant, Instant)> {
        let (start, end) = self.written?;
        let rate = TTL / 1000;
        let (off, saved) = if self.all { (self.downtime, SAVED) } else { (Duration::ZERO, Duration::ZERO) };
        Some((start + TTL + off - rate, end + TTL + off + rate + saved + LATE))
    }
}

impl Scene for Lives {
    fn step(&mut self, run: &mut Swarm) -> Option<Duration> {
        run.jump(&mut self.rng);
        match self.stage {
            Stage::Write => {
                if self.written.is_some() {
                    self.stage = Stage::Off;
                } else if self.open.is_empty() {
                    let (content, condition) = (Content::new(&b"mine"[..], b"", 0), Condition::None);
                    let (key, ttl_s) = (KEY.into(), TTL.as_secs() as u32);
                    let put = Command::Put { key, content, ttl_s, condition, min_copies: 0, attempt: None };
                    self.submit(run, put);
                }
                Some(self.rng.between(Duration::from_secs(1), Duration::from_secs(3)))
            }
            Stage::Off => {
                let all = 0..run.world.hosts().len();
                self.owner = run.speaker_for(Id::of_key(KEY));
                self.off = if self.all { all.collect() } else { self.owner.into_iter().collect() };
                self.off.iter().for_each(|&host| run.kill(host));
                self.stage = Stage::On;
                Some(self.downtime)
            }
            Stage::On => {
                core::mem::take(&mut self.off).into_iter().for_each(|host| run.start(host));
                (self.stage, self.back) = (Stage::Read, run.world.now());
                Some(PAUSE)
            }
            // A read through whoever took over would tell the owner what is left before it comes to its place.
            Stage::Read if run.speaker_for(Id::of_key(KEY)) != self.owner && run.world.now() < self.back + SETTLED => {
                Some(PAUSE)
            }
            Stage::Read => {
                let (_, latest) = self.bounds()?;
                if self.ended.is_some() || run.world.now() > latest + LATE {
                    let (_, written) = self.written?;
                    let name = if self.all { "s of 40 that it lived, all off" } else { "s of 40 that it lived" };
                    run.figure(name, self.ended.unwrap_or(latest).since(written).as_secs_f64());
                    return None;
                }
                self.submit(run, Command::Get { key: KEY.into() });
                Some(PAUSE)
            }
        }
    }

    fn replied(&mut self, run: &mut Swarm, tag: u64, reply: Option<&Reply>) {
        let Some(at) = self.open.iter().position(|(asked, _)| *asked == tag) else { return };
        let ((_, asked), now) = (self.open.remove(at), run.world.now());
        match (reply, self.bounds()) {
            (Some(Reply::Stored { .. }), _) => self.written = Some((asked, now)),
            // What is said to be left counts, too.
            (Some(Reply::Value { left_ms, .. }), Some((_, latest)))
                if asked + Duration::from_millis(*left_ms) > latest =>
            {
                run.fail(&format!("{left_ms} ms were left at {now} of a value that was to end by {latest}"));
            }
            (Some(Reply::NotFound), Some((earliest, _))) => {
                self.ended.get_or_insert(now);
                if now < earliest {
                    run.fail(&format!("a value was gone at {now}, which was to live until {earliest}"));
                }
            }
            _ => {}
        }
    }
}
