//! Many write one key, and some read it, through all nodes, each again as soon as it has an answer. Where nothing else
//! is amiss every one of them is answered, and soon. Else datagrams get lost or come twice, or the owner stands still
//! or dies with the queue. Each acknowledged write counts once, in the order of its version.

use super::{Config, Duration, Profile, Rng, Rules, Scene, Swarm, profile};
use crate::id::Id;
use crate::node::{Attempt, Command, Reply};
use crate::sim::log::Detail;
use crate::store::Content;
use crate::time::Instant;
use crate::wire::{Condition, OperationId, Version};
use std::collections::BTreeMap;

const KEY: &[u8] = b"queue";
/// So many operations each.
const EACH: u32 = 30;
/// How often those who want something are looked for: all of them ask at one moment.
const LOOK: Duration = Duration::from_millis(2);
/// The pause before what has no clear outcome is repeated, and how often it is.
const AGAIN: Duration = Duration::from_millis(300);
const TRIES_MAX: u32 = 40;
/// Far beyond the numbers of the clients' operations.
const FIRST_TAG: u64 = 1 << 41;
/// In a queue of 64 nobody waits for longer, if nothing else is amiss.
const SOON: Duration = Duration::from_millis(500);

/// What befalls the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Nothing,
    /// Datagrams get lost and come twice.
    Network,
    /// The owner stands still for a while.
    Pause,
    /// The owner dies.
    Crash,
}

/// One that writes, or reads, under way with one operation or with none.
#[derive(Clone, Copy, Debug)]
struct Client {
    done: u32,
    tries: u32,
    /// Of a write under a name.
    name: Option<Attempt>,
    /// What is written.
    value: u128,
    since: Instant,
    due: Instant,
    asking: bool,
}

/// What somebody was told: the key had this value in this version.
#[derive(Clone, Copy, Debug)]
struct Told {
    start: Instant,
    end: Instant,
    version: Version,
    value: u128,
    wrote: bool,
}

struct Queue {
    rng: Rng,
    trouble: Trouble,
    readers: usize,
    clients: Vec<Client>,
    asked: BTreeMap<u64, usize>,
    next_tag: u64,
    told: Vec<Told>,
    struck: bool,
}

/// Three to seven nodes, and more where one of them stops.
pub fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x0051_0E0E);
    let trouble = [Trouble::Nothing, Trouble::Network, Trouble::Pause, Trouble::Crash][seed as usize % 4];
    let least = if matches!(trouble, Trouble::Pause | Trouble::Crash) { 5 } else { 3 };
    let mut profile = Profile { clients: 1, ..profile(least + rng.index(4), 8, &mut rng) };
    let weather = &mut profile.weather;
    weather.loss = if trouble == Trouble::Network { 0.03 } else { 0.0 };
    weather.duplicate = if trouble == Trouble::Nothing { 0.0 } else { 0.1 };
    weather.slow = if trouble == Trouble::Network { 0.03 } else { 0.0 };
    let rules = Rules { run_min: Duration::ZERO, ..Rules::default() };
    let (writers, readers) = (64, 1 + rng.index(4));
    let idle =
        Client { done: 0, tries: 0, name: None, value: 0, since: Instant::ZERO, due: Instant::ZERO, asking: false };
    let clients = vec![idle; writers + readers];
    let (asked, told, next_tag) = (BTreeMap::new(), Vec::new(), FIRST_TAG);
    let scene = Queue { rng, trouble, readers, clients, asked, next_tag, told, struck: false };
    Swarm::staged(seed, profile, Config::default(), rules, Box::new(scene))
}

impl Queue {
    /// The client asks, or asks again what it was told no clear outcome of.
    fn ask(&mut self, run: &mut Swarm, client: usize) {
        let now = run.world.now();
        let running: Vec<usize> =
            run.world.members().map(|(host, _)| host).filter(|&host| run.world.host(host).is_running()).collect();
        if running.is_empty() {
            return;
        }
        let host = running[self.rng.index(running.len())];
        let reads = client < self.readers;
        let it = &mut self.clients[client];
        if it.tries == 0 {
            it.since = now;
            let id = u128::from(self.rng.next_u64()) << 64 | u128::from(self.rng.next_u64());
            // Half of the writers leave the name to their nodes.
            it.name = (!reads && client.is_multiple_of(2)).then_some(Attempt::First(OperationId(id.to_be_bytes())));
            it.value = id;
        }
        (it.tries, it.asking) = (it.tries + 1, true);
        let content = Content::new(it.value.to_string().into_bytes(), b"", 0);
        let (key, condition, attempt) = (KEY.into(), Condition::None, it.name);
        let command = match reads {
            true => Command::Get { key },
            false => Command::Put { key, content, ttl_s: 0, condition, min_copies: 0, attempt },
        };
        self.next_tag += 1;
        self.asked.insert(self.next_tag, client);
        run.world.submit(host, self.next_tag, command);
    }

    /// Halfway the owner stands still, or dies.
    fn strike(&mut self, run: &mut Swarm) {
        let half = self.clients.len() as u32 * EACH / 2;
        let stops = matches!(self.trouble, Trouble::Pause | Trouble::Crash);
        if self.struck || !stops || self.clients.iter().map(|client| client.done).sum::<u32>() < half {
            return;
        }
        self.struck = true;
        let (now, id) = (run.world.now(), Id::of_key(KEY));
        let Some(owner) = run.world.hosts().iter().position(|host| host.is_settled_for(now, id)) else { return };
        if self.trouble == Trouble::Crash {
            return run.kill(owner);
        }
        let until = now + self.rng.between(Duration::from_secs(3), Duration::from_secs(7));
        run.chaos.bound.disturb(owner, until);
        run.world.pause(owner, until);
        run.world.log.tell(Detail::Lives, now, format_args!("{owner} stands still"));
    }

    /// One history explains what all were told, as versions say in which order all was done.
    fn judge(&mut self, run: &mut Swarm) {
        let (mut values, mut versions) = (BTreeMap::new(), BTreeMap::new());
        for told in &self.told {
            let value = *values.entry(told.version).or_insert(told.value);
            let version = *versions.entry(told.value).or_insert(told.version);
            if (value, version) != (told.value, told.version) {
                return run.fail(&format!("{told:?}, but {value:x} had that version, and {version} that value"));
            }
        }
        self.told.sort_by_key(|told| told.start);
        let mut by_end = self.told.clone();
        by_end.sort_by_key(|told| told.end);
        let (mut ended, mut newest) = (by_end.iter().peekable(), None);
        for told in &self.told {
            while let Some(before) = ended.next_if(|before| before.end < told.start) {
                newest = newest.max(Some(before.version));
            }
            // Its own value a write brings itself.
            if newest > Some(told.version) || (told.wrote && newest == Some(told.version)) {
                return run.fail(&format!("{told:?}, though {newest:?} had been told before"));
            }
        }
    }
}

impl Scene for Queue {
    fn step(&mut self, run: &mut Swarm) -> Option<Duration> {
        let now = run.world.now();
        self.strike(run);
        let wants = |client: &Client| client.done < EACH && !client.asking;
        for client in 0..self.clients.len() {
            if wants(&self.clients[client]) && self.clients[client].due <= now {
                self.ask(run, client);
            }
        }
        if self.clients.iter().any(|client| wants(client) || client.asking) {
            return Some(LOOK);
        }
        self.judge(run);
        None
    }

    fn replied(&mut self, run: &mut Swarm, tag: u64, reply: Option<&Reply>) {
        let Some(client) = self.asked.remove(&tag) else { return };
        let now = run.world.now();
        let it = &mut self.clients[client];
        it.asking = false;
        let (start, end, writes) = (it.since, now, client >= self.readers);
        let told = match reply {
            Some(Reply::Stored { version, .. }) => Some((*version, it.value, true)),
            Some(Reply::Value { version, content, .. }) => {
                let value = core::str::from_utf8(content.bytes()).ok().and_then(|text| text.parse().ok());
                value.map(|value| (*version, value, false))
            }
            Some(Reply::NotFound) if self.told.iter().any(|told| told.end < start) => {
                return run.fail("nothing was found where something had been written");
            }
            _ => None,
        };
        self.told.extend(told.map(|(version, value, wrote)| Told { start, end, version, value, wrote }));
        if let Some(Reply::Unknown { operation }) = reply {
            it.name = Some(Attempt::Again(*operation));
        }
        // Nobody said under which name to repeat what its node has taken with it.
        let named = it.name.is_some() && reply.is_some() && reply != Some(&Reply::Forgotten);
        let again = told.is_none() && writes && named && it.tries < TRIES_MAX;
        if again {
            it.due = now + AGAIN;
        } else {
            (it.tries, it.done, it.due) = (0, it.done + 1, now);
        }
        let amiss = (told.is_none() && writes) || now.since(start) > SOON;
        if self.trouble == Trouble::Nothing && amiss {
            run.fail(&format!("{client} was told {reply:?} after {:?}", now.since(start)));
        }
        if self.trouble == Trouble::Nothing && writes {
            run.figure("s for a write in a queue of 64", now.since(start).as_secs_f64());
        }
    }

    fn healed(&mut self, run: &mut Swarm, after: Duration) {
        run.figure("s to heal", after.as_secs_f64());
    }
}
