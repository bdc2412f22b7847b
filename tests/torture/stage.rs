//! Where a scene plays: its ring, its clients, what they were told, and what went wrong.

use crate::arguments::Settings;
use crate::clients::{Act, Asker, Outcome};
use crate::figures::Seconds;
use crate::ledger::Ledger;
use crate::node::{Node, POLL};
use crate::ring::{PATIENCE, Ring};
use skynode::rng::Rng;
use skynode::wire::Condition;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How many clients work at one time.
const CLIENTS: usize = 6;
/// How many keys they share.
const KEYS: usize = 40;
/// A read that took longer had to wait for something.
const AT_ONCE: Duration = Duration::from_millis(250);

/// What became of requests.
#[derive(Debug, Default)]
pub struct Tally {
    /// First tries of writes without a condition: how many, and how many of them were acknowledged.
    pub writes: AtomicU64,
    pub acknowledged: AtomicU64,
    pub refusals: AtomicU64,
    pub unknown: AtomicU64,
    pub lost: AtomicU64,
    /// Refusals by nodes that had to be mute.
    pub mute: AtomicU64,
    pub mute_unknown: AtomicU64,
}

fn one_more(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Tally {
    pub fn count(&self, act: Act, outcome: &Outcome, repeated: bool) {
        let status = match outcome {
            Outcome::Answered(answer) => answer.status,
            Outcome::NotSent => return,
            Outcome::Lost => 0,
        };
        match status {
            0 => one_more(&self.lost),
            503 => one_more(&self.refusals),
            504 => one_more(&self.unknown),
            _ => {}
        }
        if matches!(act, Act::Put(_, Condition::None)) && !repeated && status != 0 {
            one_more(&self.writes);
            if matches!(status, 201 | 204) {
                one_more(&self.acknowledged);
            }
        }
    }

    pub fn count_mute(&self, status: u16) {
        one_more(if status == 503 { &self.mute } else { &self.mute_unknown });
    }

    /// The counter now.
    pub fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

/// What a scene is given.
#[derive(Debug)]
pub struct Stage {
    pub ring: Ring,
    pub ledger: Ledger,
    pub settings: Settings,
    pub tally: Tally,
    /// Clients neither delete nor create.
    pub puts_only: AtomicBool,
    rng: Mutex<Rng>,
    begun: Instant,
    faults: Mutex<Vec<String>>,
    figures: Mutex<Vec<String>>,
    notes: Mutex<Vec<String>>,
}

impl Stage {
    pub fn new(name: &str, ring: Ring, settings: Settings) -> Self {
        // Each scene draws its own sequence, whichever others run.
        let salt = name.bytes().fold(0u64, |salt, byte| salt.wrapping_mul(31).wrapping_add(byte.into()));
        Self {
            ring,
            ledger: Ledger::new(),
            settings,
            tally: Tally::default(),
            puts_only: AtomicBool::new(false),
            rng: Mutex::new(Rng::new(settings.seed ^ salt)),
            begun: Instant::now(),
            faults: Mutex::default(),
            figures: Mutex::default(),
            notes: Mutex::default(),
        }
    }

    /// A generator for some purpose of the scene.
    pub fn rng(&self) -> Rng {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).fork()
    }

    /// How many rounds.
    pub fn rounds(&self, short: usize, long: usize) -> usize {
        self.settings.rounds.unwrap_or(if self.settings.long { long } else { short })
    }

    /// How long something lasts, in seconds.
    pub fn lasting(&self, short: u64, long: u64) -> Duration {
        Duration::from_secs(if self.settings.long { long } else { short })
    }

    /// Something is wrong; the scene goes on, to find out more.
    pub fn fault(&self, what: String) {
        self.note(format!("FAULT: {what}"));
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// Something was measured.
    pub fn figure(&self, what: String) {
        self.note(what.clone());
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// What happens, shown if the scene fails.
    pub fn note(&self, what: String) {
        let line = format!("{} {:>6} s  {what}", clock(), Seconds(self.begun.elapsed()));
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    pub fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn figures(&self) -> Vec<String> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets clients work while the scene plays. What they were told is judged by who runs the scene.
    pub fn with_clients<T>(&self, play: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        let stop = AtomicBool::new(false);
        if self.ledger.current().is_empty() {
            self.ledger.turn_page(KEYS);
        }
        thread::scope(|scope| {
            for number in 0..CLIENTS {
                let mut asker = Asker::new(self, &format!("client {number}"), self.rng());
                let stop = &stop;
                scope.spawn(move || asker.go_on(stop));
            }
            let _stopped = StopOnDrop(&stop);
            play()
        })
    }

    /// Lets clients ask these nodes and no others, one each, while the scene goes on.
    pub fn with_clients_of<T>(&self, nodes: &[&Node], play: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for node in nodes {
                let name = format!("client of {}", node.addr.ip());
                let mut asker = Asker::new(self, &name, self.rng()).only(self.ring.number_of(node));
                let stop = &stop;
                scope.spawn(move || asker.go_on(stop));
            }
            let _stopped = StopOnDrop(&stop);
            play()
        })
    }

    /// Gives the clients new keys, and waits until most of them hold something.
    pub fn new_page(&self) -> Result<(), String> {
        self.ledger.turn_page(KEYS);
        let current = self.ledger.current();
        crate::ring::eventually(PATIENCE, || {
            let told = self.ledger.told_of().iter().filter(|key| current.contains(key)).count();
            if told >= KEYS * 3 / 4 { Ok(()) } else { Err(format!("only {told} of {KEYS} keys were written")) }
        })
    }

    /// Waits until every key that somebody was told of can be read through every one of the nodes. → when the last one
    /// could be read that had to be waited for; to read all of them takes its time even if none has.
    pub fn await_readable(&self, nodes: &[&Node], patience: Duration) -> Result<Duration, String> {
        let (started, last) = (Instant::now(), Mutex::new(Duration::ZERO));
        // The newest first: the older ones take the longest to read, and tell the same.
        let keys: Vec<usize> = self.ledger.told_of().into_iter().rev().collect();
        let unread = |node: &Node| {
            let at = self.ring.number_of(node);
            let mut asker = Asker::new(self, "last look", self.rng());
            for &key in &keys {
                let asked = Instant::now();
                while !asker.read(at, key) {
                    if started.elapsed() > patience {
                        return Err(format!("key {key} is not readable through {} within {patience:?}", node.addr));
                    }
                    thread::sleep(POLL);
                }
                if asked.elapsed() > AT_ONCE {
                    let mut last = last.lock().unwrap();
                    *last = started.elapsed().max(*last);
                }
            }
            Ok(())
        };
        thread::scope(|scope| {
            let readers: Vec<_> = nodes.iter().map(|node| scope.spawn(|| unread(node))).collect();
            readers.into_iter().try_for_each(|reader| reader.join().expect("a reader"))
        })?;
        Ok(last.into_inner().unwrap())
    }
}

/// The time of day, as the logs of the nodes tell it.
fn clock() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let (seconds, ms) = (since.as_secs() % 86_400, since.subsec_millis());
    format!("{:02}:{:02}:{:02}.{ms:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Ends the clients also when the scene panics, so that their scope can end.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
