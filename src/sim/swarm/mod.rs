//! One run: a ring forms, chaos drawn from the seed befalls it, then all faults end, and it must heal.
//!
//! After every event the [speakers](super::Speakers) are looked at; in the end the clients' histories, the ring and
//! the stores. A run fails if two nodes would answer for one id, an answer was stale or false, an acknowledged write
//! is lost, or the ring does not heal within [`HEAL_MAX`]. The invariants of the ring are counted only: they hold
//! while nobody alive is taken for dead, and here many are.

mod batch;
mod blackout;
mod faults;
mod guests;
mod judge;
mod phases;
mod scene;

pub mod scenes;

use super::bound::Keys;
use super::chaos::{Chaos, Profile};
use super::client::Clients;
use super::host::{Host, Machine};
use super::log::Detail;
use super::oracle::INVARIANTS;
use super::speakers::{self, Speakers};
use super::tally::Tally;
use super::world::{Happening, World};
use crate::config::Config;
use crate::id::Id;
use crate::node::{Life, Reply};
use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::Peer;
use core::time::Duration;
use phases::Phase;
pub use scene::{Figures, Rules, Scene};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// A ring must have formed after this time.
pub const FORM_MAX: Duration = Duration::from_secs(60);
/// A ring must be whole this long after the last fault.
pub const HEAL_MAX: Duration = Duration::from_secs(30);
/// How long a run lasts at least.
pub const RUN_MIN: Duration = Duration::from_secs(120);

/// The longest pause between two operations of a client while all use one key.
const HASTE: Duration = Duration::from_millis(120);
/// How often the state of the ring is judged while something is waited for.
const POLL: Duration = Duration::from_millis(50);
/// A run is given up after so many failures.
const FAILURES_MAX: usize = 5;

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it was drawn from.
    pub seed: u64,
    /// A hash over all that happened: the same seed gives the same.
    pub hash: u64,
    /// What it amounted to.
    pub tally: Tally,
    /// What should not have been.
    pub failures: Vec<String>,
    /// What a scene measured.
    pub figures: Figures,
}

/// What the run itself has to do at some time.
#[derive(Clone, Debug)]
enum Plan {
    Start {
        host: usize,
    },
    Client(usize),
    Chaos,
    Strike {
        owner: usize,
    },
    /// Those of a batch that have yet to find their place stop for a while.
    Stall,
    /// Two die beside one that has just joined.
    Beside {
        joiner: usize,
    },
    /// Many write one key at one moment.
    Burst,
    Scene,
    Poll,
    /// All machines lose their power.
    Blackout,
    /// A guest stops for a while, or dies.
    Guest,
}

/// A run under way.
pub struct Swarm {
    seed: u64,
    profile: Profile,
    world: World,
    clients: Clients,
    /// Who answers for what.
    speakers: Speakers,
    /// Who might settle for what, since it holds the consents.
    consented: Speakers,
    chaos: Chaos,
    rng: Rng,
    /// The chance of the guests.
    guests: Rng,
    plans: BTreeMap<u64, Plan>,
    next_plan: u64,
    phase: Phase,
    since: Instant,
    /// Nodes that are not ready yet, with the time of their start, once the ring had formed.
    joining: BTreeMap<usize, Instant>,
    /// Dead nodes' ids, by their number among the samples, that nobody answers for yet: since when, and of two at once.
    orphaned: BTreeMap<usize, (Instant, bool)>,
    shapes: BTreeMap<usize, (Option<Peer>, Vec<Peer>)>,
    hurt: [bool; INVARIANTS.len()],
    /// The members when the ring was judged last, and which were principals.
    judged: Vec<(Peer, bool)>,
    /// The members when the invariants were last looked at.
    members: Vec<Peer>,
    /// Nobody alive was taken for dead since the ring had formed.
    nobody_wronged: bool,
    /// When the ring had formed.
    formed: Instant,
    /// There were more members than a list is long, and the invariants held.
    has_base: bool,
    beyond: bool,
    /// What was counted while the ring formed: it is not part of the tally.
    forming: Tally,
    /// The power fails as soon as somebody is told something.
    power_fails: bool,
    tally: Tally,
    failures: Vec<String>,
    /// What befalls the ring in place of the chaos.
    scene: Option<Box<dyn Scene>>,
    rules: Rules,
    figures: Figures,
}

/// Runs the seed with the profile that it stands for.
pub fn run(seed: u64) -> Outcome {
    Swarm::new(seed, Profile::of_seed(seed)).run()
}

impl Swarm {
    /// A run of this profile; all else that is left to chance follows from the seed.
    pub fn new(seed: u64, profile: Profile) -> Self {
        Self::with(seed, profile, Config::default())
    }

    fn with(seed: u64, profile: Profile, config: Config) -> Self {
        let mut rng = Rng::new(seed);
        let config = profile.config(config);
        let mut world = World::new(rng.next_u64(), config);
        world.network.weather = profile.weather;
        world.lateness = profile.lateness;
        let mut crowds = [rng.fork(), rng.fork()];
        let subnet = rng.next_u64().to_be_bytes();
        let middles = [rng.next_u64(), rng.next_u64()].map(|half| u128::from(half) << 64);
        for number in 0..profile.nodes + profile.spares {
            let crowd = number % 2;
            let beside = u128::from(crowds[crowd].next_u64()) << 40;
            let id = profile.crowded.then(|| Id::new(middles[crowd].wrapping_add(beside)));
            let id = if profile.batch && number >= profile.nodes { Some(batch::place(seed, number)) } else { id };
            let addr = SocketAddr::from(([10, subnet[0], subnet[1], number as u8 + 1], 4321));
            let host = world.add(Machine { addr, id, clock: profile.clock(&mut rng) });
            if profile.disks {
                world.give_disk(host);
            }
        }
        let guests = guests::add(&mut world, &profile, seed);
        let names = (0..profile.keys).map(|key| batch::key_name(seed, key)).collect();
        let keys = Keys::new(names);
        let hosts: Vec<Id> = world.hosts().iter().map(Host::id).collect();
        let samples: Vec<Id> =
            keys.ids().chain(hosts.iter().copied()).chain(hosts.iter().map(|id| id.plus(1))).collect();
        Self {
            seed,
            speakers: Speakers::new(speakers::is_settled, samples.clone()),
            consented: Speakers::new(speakers::may_settle, samples),
            clients: Clients::new(profile.clients, keys, profile.named, rng.fork()),
            chaos: Chaos::new(profile.rates, profile.batched(), rng.fork()),
            rng,
            guests,
            plans: BTreeMap::new(),
            next_plan: 0,
            phase: Phase::Forming,
            since: Instant::ZERO,
            joining: BTreeMap::new(),
            orphaned: BTreeMap::new(),
            shapes: BTreeMap::new(),
            hurt: [false; INVARIANTS.len()],
            judged: Vec::new(),
            members: Vec::new(),
            nobody_wronged: true,
            formed: Instant::ZERO,
            has_base: false,
            beyond: false,
            forming: Tally::default(),
            power_fails: false,
            tally: Tally { runs: 1, ..Tally::default() },
            failures: Vec::new(),
            scene: None,
            rules: Rules::default(),
            figures: Figures::new(),
            profile,
            world,
        }
    }

    /// The same run of nodes that do without some rules.
    #[cfg(feature = "mutations")]
    pub fn without(mut self, rules: &[crate::config::Rule]) -> Self {
        self.world.reconfigure(|config| config.without = rules.to_vec());
        self
    }

    /// Hands what happens, line by line, to a listener.
    pub fn tell_to(&mut self, detail: Detail, sink: impl FnMut(&str) + Send + 'static) {
        self.world.log.tell_to(detail, sink);
    }

    /// Runs to the end.
    pub fn run(mut self) -> Outcome {
        self.world.log.tell(Detail::Lives, Instant::ZERO, format_args!("{:?}", self.profile));
        for host in 0..self.profile.nodes {
            let starts = self.profile.starts;
            let after = if host == 0 { Duration::ZERO } else { self.rng.between(Duration::ZERO, starts) };
            self.plan(after, Plan::Start { host });
        }
        if self.profile.attack > 0 {
            self.attack(self.profile.attack);
        }
        self.with_scene(|scene, run| scene.begin(run));
        self.plan(POLL, Plan::Poll);
        while !self.is_over() {
            // Far enough to end a run that nothing else ends.
            let Some(happening) = self.world.next(Instant::from_millis(3_600_000)) else { break };
            self.handle(happening);
        }
        self.finish()
    }

    fn is_over(&self) -> bool {
        let rested = self.phase == Phase::Resting && !self.clients.is_waiting();
        let rested = rested && self.world.now() >= Instant::ZERO + self.rules.run_min && self.has_swept();
        rested || self.failures.len() >= FAILURES_MAX
    }

    fn plan(&mut self, after: Duration, plan: Plan) {
        self.next_plan += 1;
        self.plans.insert(self.next_plan, plan);
        self.world.alarm(self.world.now() + after, self.next_plan);
    }

    fn fail(&mut self, what: &str) {
        let beyond = if self.beyond { " (more was disturbed than the promises hold for)" } else { "" };
        let text = format!("{} {what}{beyond}", self.world.now());
        self.world.log.tell(Detail::Lives, self.world.now(), format_args!("FAILURE {text}"));
        self.failures.push(text);
    }

    fn handle(&mut self, happening: Happening) {
        match happening {
            Happening::Alarm(number) => {
                if let Some(plan) = self.plans.remove(&number) {
                    self.carry_out(plan);
                }
            }
            Happening::Reply { tag, reply } => {
                self.world.log.tell(Detail::Lives, self.world.now(), format_args!("reply to {tag}: {reply:.200?}"));
                self.with_scene(|scene, run| scene.replied(run, tag, reply.as_ref()));
                let owner = match &reply {
                    Some(Reply::Value { owner, .. } | Reply::Stored { owner, .. }) => self.world.host_at(owner.addr()),
                    _ => None,
                };
                if let Some(client) = self.clients.reply(&self.world, tag, reply)
                    && matches!(self.phase, Phase::Chaos | Phase::Healing)
                {
                    let pause = if self.clients.is_hot(self.world.now()) { HASTE } else { self.profile.think };
                    let after = self.rng.between(pause / 10, pause);
                    self.plan(after, Plan::Client(client));
                }
                if let Some(owner) = owner.filter(|_| self.phase == Phase::Chaos) {
                    let enough = self.may_lose();
                    let orders = self.chaos.answered(&self.world, self.clients.keys(), owner, enough);
                    self.obey(&orders);
                }
                self.told(owner.is_some());
                for failure in self.clients.take_failures() {
                    self.fail(&failure);
                }
            }
            Happening::Life { host, life } => match life {
                Life::Dropped(peer) => self.dropped(host, peer),
                Life::Created => {
                    self.raised();
                    self.with_scene(|scene, run| scene.created(run, host));
                }
                Life::Joined { .. } => {
                    self.look_at_joiner(host);
                    self.beset(host);
                }
                _ => {}
            },
            Happening::Astray { .. } | Happening::Sent { .. } => {}
            Happening::Touched { host } => self.look_at(host),
            Happening::Left { host, handed_over, counters } => {
                self.left(host, handed_over, &counters);
                self.with_scene(|scene, run| scene.left(run, host, handed_over));
            }
        }
    }

    fn carry_out(&mut self, plan: Plan) {
        match plan {
            Plan::Start { host } => self.start_again(host),
            // The last look is to be a look at what is at rest.
            Plan::Client(_) if !matches!(self.phase, Phase::Chaos | Phase::Healing) => {}
            Plan::Client(client) => {
                self.clients.act(&mut self.world, client);
                self.aim();
            }
            Plan::Burst if self.phase == Phase::Chaos => {
                let key = self.clients.busiest(&self.world);
                self.clients.burst(&mut self.world, key);
                self.aim();
                let after = self.rng.between(Duration::from_secs(3), Duration::from_secs(12));
                self.plan(after, Plan::Burst);
            }
            Plan::Chaos if self.phase == Phase::Chaos => {
                let enough = self.may_lose();
                let orders = self.chaos.act(&mut self.world, self.clients.keys(), enough);
                self.obey(&orders);
                let after = self.rng.between(self.profile.pace / 6, self.profile.pace);
                self.plan(after, Plan::Chaos);
            }
            Plan::Strike { owner } if self.phase == Phase::Chaos => {
                let enough = self.may_lose();
                let orders = self.chaos.strike(&mut self.world, self.clients.keys(), owner, enough);
                self.obey(&orders);
            }
            Plan::Stall if self.phase == Phase::Chaos => self.stall(),
            Plan::Beside { joiner } if self.phase == Phase::Chaos => self.crash_beside(joiner),
            Plan::Blackout if self.phase == Phase::Chaos => self.black_out_soon(),
            Plan::Guest if self.phase == Phase::Chaos => self.disturb_guest(),
            Plan::Burst
            | Plan::Blackout
            | Plan::Guest
            | Plan::Chaos
            | Plan::Strike { .. }
            | Plan::Stall
            | Plan::Beside { .. } => {}
            Plan::Scene => self.play(),
            Plan::Poll => self.poll(),
        }
    }

    /// Whoever owns the key that was written just now may be hit.
    fn aim(&mut self) {
        if let Some(key) = self.clients.take_writing().filter(|_| self.phase == Phase::Chaos)
            && let Some((owner, at)) = self.chaos.aim(&mut self.world, self.clients.keys(), key)
        {
            self.clients.heat(key, self.world.now() + Duration::from_secs(6));
            self.plan(at.since(self.world.now()), Plan::Strike { owner });
        }
    }
}
