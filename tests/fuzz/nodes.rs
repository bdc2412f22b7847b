//! Two nodes on the simulated network, now and then a guest beside them, and a list of inputs to them, while the
//! simulator's oracles look on.
//!
//! Tables within their limits, an answer to every command in time, and no panic are demanded always; one speaker for
//! each id and one history for each key as long as they are [promised](Run::promised); and in the end that the two are
//! one ring again. Of two that a stranger lies to, in their own tags and stamps, only the first is demanded.

use crate::liar::Liar;
use crate::steps::{Ask, GUEST, Place, STRANGER, Step, Steps, Way, addr};
use skynode::config::Config;
use skynode::id::Id;
use skynode::node::{Command, Life, Node, Silenced};
use skynode::rng::Rng;
use skynode::sim::oracle::{self, Ring};
use skynode::sim::{
    Clients, Clock, Detail, Fate, Happening, Host, Keys, Machine, Speakers, World, is_settled, may_settle,
};
use skynode::time::Instant;
use skynode::wire::RingKey;
use std::collections::BTreeMap;
use std::time::Duration;

/// After so much simulated time no further step is taken.
const SCRIPT_MAX: Duration = Duration::from_secs(120);
/// How long the two may take to become one ring again. Who heard of a ring looks for it for a minute before it creates
/// one itself, though all who were on it are gone.
const HEAL_MAX: Duration = Duration::from_secs(120);
/// After so much of it, and again, an operator ends their silence.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a ring may take to form, and operations to end.
const CALM_MAX: Duration = Duration::from_secs(30);
/// How much later than the deadline a reply may come.
const SLACK: Duration = Duration::from_millis(1500);
/// More wake-ups a second than this are a busy loop.
const WAKES_MAX: u64 = 1000;
const SLICE: Duration = Duration::from_millis(250);
const KEYS: usize = 4;
const CLIENTS: usize = 4;
/// The tags of commands that are not the simulated clients'.
const FIRST_TAG: u64 = 1 << 40;

/// Runs the list.
pub fn nodes(input: &[u8]) {
    let steps = Steps::read(input);
    let mut run = Run::new(&steps);
    // Only now and then a failure is to be looked at closely.
    if std::env::var_os("SKY_LOG").is_some() {
        run.world.log.tell_to(Detail::Datagrams, |line| println!("{line}"));
    }
    if steps.formed {
        run.go_on_until(|run| run.flaw().is_none());
    }
    for step in &steps.list {
        if run.world.now().since(Instant::ZERO) > SCRIPT_MAX {
            break;
        }
        run.world.log.tell(Detail::Lives, run.world.now(), format_args!("{step:?}"));
        run.take(step);
        run.go_on(Duration::ZERO);
    }
    run.finish();
}

struct Run {
    world: World,
    clients: Clients,
    idle: [bool; CLIENTS],
    /// Who answers for what, and who might settle for what.
    speakers: [Speakers; 2],
    liar: Option<Liar>,
    /// One speaker for each id, and one history for each key. In a ring of two that ends when one suspects the other
    /// though it lives, when one creates a second ring, when an operator ends a silence, or when all are
    /// gone who held what was acknowledged.
    promised: bool,
    /// Commands that wait for their reply: where, and since when.
    asked: BTreeMap<u64, (Place, Instant)>,
    next_tag: u64,
}

impl Run {
    fn new(steps: &Steps) -> Self {
        // The nodes' secrets follow from what is forged, so that no forger can have them in its input.
        let seed = Id::of_key(&steps.forged()).get() as u64;
        let mut rng = Rng::new(seed);
        let mut world = World::new(rng.next_u64(), Config::default());
        let ring = RingKey::new(&world.config().ring);
        let machine = |place| Machine { addr: addr(place), id: None, clock: Clock::default() };
        for place in 0..GUEST {
            world.add(machine(place));
        }
        if steps.guest {
            world.add_guest(machine(GUEST));
        }
        let keys = Keys::new((0..KEYS).map(|key| format!("key {key}").into_bytes().into()).collect());
        let ids: Vec<Id> = [0, 1, STRANGER].map(|place| Id::of_addr(addr(place))).to_vec();
        let samples: Vec<Id> = keys.ids().chain(ids.iter().copied()).chain(ids.iter().map(|id| id.plus(1))).collect();
        world.start(0, &[]);
        world.start(1, &[addr(0)]);
        world.guests().for_each(|guest| world.start(guest, &[addr(0), addr(1)]));
        let mut clients = Clients::new(CLIENTS, keys, 128, rng.fork());
        // Processes stop, and what waits for them is as old as that.
        clients.ledger.lives_differ(0, Duration::from_secs(60));
        Self {
            world,
            clients,
            idle: [true; CLIENTS],
            speakers: [Speakers::new(is_settled, samples.clone()), Speakers::new(may_settle, samples)],
            liar: steps.liar.then(|| Liar::new(ring)),
            promised: !steps.liar,
            asked: BTreeMap::new(),
            next_tag: FIRST_TAG,
        }
    }

    #[expect(clippy::panic, reason = "this is how a fuzzer, and a test, is told")]
    fn fail(&self, what: &str) -> ! {
        panic!("{} {what}\n{}", self.world.now(), oracle::picture(&self.world))
    }

    /// The nodes, and the guest if there is one.
    const fn hosts(&self) -> std::ops::Range<Place> {
        0..self.world.guests().end
    }

    fn promise_ends(&mut self, why: &str) {
        if self.promised {
            self.world.log.tell(Detail::Lives, self.world.now(), format_args!("nothing is promised any more: {why}"));
        }
        self.promised = false;
    }

    /// Lets time go on.
    fn go_on(&mut self, time: Duration) {
        let until = self.world.now() + time;
        while let Some(happening) = self.world.next(until) {
            self.see(happening);
        }
        let failures = [self.clients.take_failures(), self.clients.take_overdue(&self.world)].concat();
        if let Some(failure) = failures.first().filter(|_| self.liar.is_none()) {
            self.fail(failure);
        }
        let overdue = |&(host, since): &(Place, Instant)| {
            let it = self.world.host(host);
            it.is_running() && self.is_late(host, since)
        };
        if let Some((host, since)) = self.asked.values().find(|asked| overdue(asked)) {
            self.fail(&format!("{host} was asked at {since} and has not answered"));
        }
    }

    fn go_on_until(&mut self, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.world.now() + CALM_MAX;
        while !done(self) && self.world.now() < end {
            self.go_on(SLICE);
        }
        done(self)
    }

    fn is_late(&self, host: Place, since: Instant) -> bool {
        let since = since.max(self.world.host(host).running_since());
        // A guest may wait as long for a node that answers.
        let waits = if host < GUEST { 1 } else { 2 };
        since + waits * self.world.config().deadline + SLACK < self.world.now()
    }

    fn take(&mut self, step: &Step) {
        let now = self.world.now();
        match step {
            Step::Wait(time) => self.go_on(*time),
            Step::Befall(way) => {
                let fate = |after, flipped| Fate { after, flipped };
                let soon = Duration::from_millis(1);
                match *way {
                    Way::Lost => self.world.network.befall([]),
                    Way::Late(by) => self.world.network.befall([fate(by, None)]),
                    Way::Twice(by) => self.world.network.befall([fate(soon, None), fate(by, None)]),
                    Way::Flipped(bit) => self.world.network.befall([fate(soon, Some(bit))]),
                }
            }
            Step::Cut { from, lasts } => {
                self.world.network.cut(*from, usize::from(*from == 0), now + *lasts);
                if *from == GUEST {
                    self.world.network.cut(1, GUEST, now + *lasts);
                }
            }
            Step::Pause { host, lasts } => self.world.pause(*host, now + *lasts),
            Step::Crash { host } => {
                self.world.crash(*host);
                self.gone(*host, false);
            }
            Step::Start { host } => self.start(*host),
            Step::Leave { host } => self.world.leave(*host),
            // What it would be told may be lies.
            Step::Client { .. } if self.liar.is_some() => {}
            Step::Client { number } => {
                // A client does one thing after another, and waits while nobody is there.
                let anybody = self.world.hosts().iter().any(Host::is_running);
                if anybody && core::mem::take(&mut self.idle[*number]) {
                    self.clients.act(&mut self.world, *number);
                }
            }
            Step::Ask { host, key, ask } => self.ask(*host, key, ask),
            Step::Forge { host, source, body } => {
                let mut buffer = [0; skynode::limits::FRAME_MAX];
                let length = RingKey::new("sky").tagged(body, &mut buffer);
                self.world.forge(*host, addr(*source), &buffer[..length.unwrap_or_default()]);
            }
            Step::Lie { host, message } => {
                let said = self.liar.as_mut().and_then(|liar| liar.say(now, *host, addr(*host), message));
                if let Some(datagram) = said {
                    self.world.forge(*host, addr(STRANGER), &datagram);
                }
            }
            Step::Clock { host, skew_ms } => {
                self.world.set_wall_clock(*host, *skew_ms);
            }
        }
    }

    fn ask(&mut self, host: Place, key: &[u8], ask: &Ask) {
        let command = ask.command(key);
        self.next_tag += 1;
        if !matches!(command, Command::Seeds(_)) {
            self.asked.insert(self.next_tag, (host, self.world.now()));
        }
        if command == Command::Reopen {
            self.promise_ends("an operator ends a silence, if there is one");
        }
        self.world.submit(host, self.next_tag, command);
    }

    /// From its second life on a node is one of its own seeds.
    fn start(&mut self, host: Place) {
        self.world.start(host, &[addr(0), addr(1)]);
    }

    /// A process has ended.
    fn gone(&mut self, host: Place, handed_over: bool) {
        self.speakers.iter_mut().for_each(|speakers| {
            speakers.forget(host);
        });
        let keys = self.clients.keys();
        let lost = |key: &usize| keys.acknowledged(*key).is_some() && keys.holders(&self.world, *key) == 0;
        let Some(key) = (0..KEYS).find(lost).filter(|_| self.promised) else { return };
        if handed_over && self.world.members().count() > 0 {
            self.fail(&format!("{host} has left, and nobody holds key {key}"));
        }
        self.promise_ends("all are gone who held a key");
    }

    fn see(&mut self, happening: Happening) {
        match happening {
            Happening::Touched { host } => self.look_at(host),
            Happening::Left { host, handed_over, .. } => self.gone(host, handed_over),
            Happening::Astray { host, to, bytes } => {
                if let Some(liar) = self.liar.as_mut().filter(|_| to == addr(STRANGER)) {
                    let heard = liar.hear(host, &bytes);
                    let now = self.world.now();
                    self.world.log.tell(Detail::Datagrams, now, format_args!("{host} -> liar {heard:.300}"));
                }
            }
            Happening::Life { host, life } => match life {
                Life::Dropped(peer) if self.world.node_of(peer).is_some_and(|(_, node)| node.is_member()) => {
                    self.promise_ends("a living one is taken for dead");
                }
                // The first ring was there before the first step.
                Life::Created if host > 0 || self.world.now() > Instant::ZERO => {
                    self.promise_ends("a second ring is created")
                }
                _ => {}
            },
            Happening::Reply { tag, reply } => match self.asked.remove(&tag) {
                Some((host, since)) if reply.is_some() && self.is_late(host, since) => {
                    self.fail(&format!("{host} was asked at {since}, and says only now {reply:?}"));
                }
                Some(_) => {}
                None => {
                    if let Some(client) = self.clients.reply(&self.world, tag, reply) {
                        self.idle[client] = true;
                    }
                }
            },
            Happening::Alarm(_) | Happening::Sent { .. } => {}
        }
    }

    fn look_at(&mut self, host: Place) {
        let Some(node) = self.world.host(host).node() else { return };
        if let Some((table, held)) = node.load().overfull(false) {
            self.fail(&format!("{host} has {held} {table}"));
        }
        for speakers in &mut self.speakers {
            if let Err((id, other)) = speakers.look(&self.world, host)
                && self.promised
            {
                self.fail(&format!("both {host} and {other} have a right to {id}"));
            }
        }
        let settled = self.speakers[0].held(host);
        let keys = self.clients.keys();
        let behind = |&key: &usize| {
            settled >> key & 1 == 1 && node_version(&self.world, host, keys.name(key)) < keys.acknowledged(key)
        };
        if let Some(key) = (0..KEYS).find(behind).filter(|_| self.promised) {
            self.fail(&format!("{host} answers for key {key} without its newest version"));
        }
    }

    /// What is missing for a whole ring of all that are there.
    fn flaw(&self) -> Option<String> {
        let hosts = || 0..GUEST;
        let unready = hosts().find(|&host| !self.world.host(host).is_ready(self.world.now()));
        let leaving = hosts().find(|&host| self.world.host(host).node().is_some_and(Node::is_leaving));
        let short = (0..KEYS).find(|&key| !self.clients.keys().is_copied(&self.world, key));
        let flaw = oracle::flaw_of_ideal(&Ring::of(&self.world), self.world.config().successors);
        let said = unready.map(|host| format!("{host} is not ready"));
        let said = said.or_else(|| leaving.map(|host| format!("{host} is leaving")));
        flaw.or(said).or_else(|| short.map(|key| format!("key {key} is short of copies")))
    }

    /// All faults end, and the two become one ring again.
    fn finish(mut self) {
        self.world.network.heal();
        self.world.resume_all();
        if self.liar.is_some() {
            self.go_on(PATIENCE);
        } else {
            self.heal();
            self.read_all();
        }
        let seconds = self.world.now().as_micros() / 1_000_000 + 1;
        let wakes = |host: Place| self.world.host(host).wakes();
        if let Some(host) = self.hosts().find(|&host| wakes(host) > seconds * WAKES_MAX) {
            self.fail(&format!("{host} was woken {} times in {seconds} s", wakes(host)));
        }
    }

    fn heal(&mut self) {
        let begun = self.world.now();
        while self.world.now().since(begun) < HEAL_MAX {
            self.hosts().for_each(|host| self.start(host));
            let end = self.world.now() + PATIENCE;
            while self.flaw().is_some() && self.world.now() < end {
                self.go_on(SLICE);
            }
            if self.flaw().is_none() {
                return;
            }
            (0..GUEST).filter(|&host| self.silenced(host).is_some()).collect::<Vec<_>>().iter().for_each(|&host| {
                self.ask(host, &[], &Ask::Reopen);
            });
        }
        let flaw = self.flaw().unwrap_or_default();
        self.fail(&format!("the two did not become one ring again: {flaw}"));
    }

    fn silenced(&self, host: Place) -> Option<Silenced> {
        let it = self.world.host(host);
        it.node().and_then(|node| node.status(it.local(self.world.now()).at).silenced)
    }

    /// Every key through both, and the judgement over all that was told.
    fn read_all(&mut self) {
        let is_quiet = |run: &Self| !run.clients.is_waiting() && run.asked.is_empty();
        if !self.go_on_until(is_quiet) {
            self.fail("operations have no answer");
        }
        self.clients.read_everywhere(&mut self.world);
        self.go_on_until(is_quiet);
        for key in 0..KEYS {
            if self.clients.last_look(key).len() > 1 {
                self.fail(&format!("key {key}: {:?} was found in the end", self.clients.last_look(key)));
            }
        }
        if let Some(failure) = self.clients.judge().first().filter(|_| self.promised) {
            self.fail(failure);
        }
        for host in self.hosts() {
            if let Some((table, held)) = self.world.host(host).node().and_then(|node| node.load().overfull(true)) {
                self.fail(&format!("{host} has {held} {table} at rest"));
            }
        }
    }
}

fn node_version(world: &World, host: Place, key: &[u8]) -> Option<skynode::wire::Version> {
    world.host(host).node().and_then(|node| node.version_of(key))
}
