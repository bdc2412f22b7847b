//! The world: machines, the network between them, and one queue of events in the order of time.

mod attack;
mod drain;
mod life;
mod lists;
mod overhear;
mod save;
mod warm;

use super::attacker::Attacker;
use super::host::{Host, Input, Machine};
use super::log::{Detail, Log};
use super::network::{Fate, Network};
use super::queue::{Due, Queue};
use crate::config::Config;
use crate::node::{Command, Counters, Life, Node, Reply};
use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::{Peer, RingKey};
use core::ops::Range;
use core::time::Duration;
use lists::Lists;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

/// An address as numbers; the last tells whether it is one of IPv6.
type Address = (u128, u16, bool);

/// The queue of happenings keeps room for so many.
const HAPPENINGS_KEPT: usize = 1024;

/// What the driver of a world gets to see, in order.
#[derive(Debug)]
pub enum Happening {
    /// An alarm that was set goes off.
    Alarm(u64),
    /// A command that was submitted under this tag has ended; `None` if its process died first.
    Reply {
        /// The tag.
        tag: u64,
        /// How it ended.
        reply: Option<Reply>,
    },
    /// Something happened in the life of a node.
    Life {
        /// Whose.
        host: usize,
        /// What.
        life: Life,
    },
    /// A node has left the ring, and its process has ended.
    Left {
        /// Which.
        host: usize,
        /// It handed over what it held.
        handed_over: bool,
        /// What was counted in its life.
        counters: Box<Counters>,
    },
    /// A node has sent something to an address that no machine has.
    Astray {
        /// Which.
        host: usize,
        /// The address.
        to: SocketAddr,
        /// What it sent.
        bytes: Box<[u8]>,
    },
    /// A datagram is on its way. Told only after [`World::overhear`].
    Sent {
        /// From which machine.
        from: usize,
        /// To which.
        to: usize,
        /// What is sent.
        bytes: Box<[u8]>,
        /// How each copy arrives; none if it is lost.
        fates: Box<[Fate]>,
    },
    /// A node has handled something: now is the time to look at it.
    Touched {
        /// Which.
        host: usize,
    },
}

/// The simulated world. It moves only in [`World::next`].
///
/// Its driver adds machines, starts and disturbs the processes on them, submits commands, and takes out what happens:
///
/// ```
/// use skynode::sim::{Happening, Machine, World};
/// use skynode::{config::Config, time::Instant};
///
/// let mut world = World::new(7, Config::default());
/// let machine = Machine { addr: ([10, 0, 0, 1], 4321).into(), id: None, clock: Default::default() };
/// let host = world.add(machine);
/// world.start(host, &[]);
/// while let Some(happening) = world.next(Instant::from_millis(5_000)) {
///     if let Happening::Life { host, life } = happening {
///         println!("{} {host}: {life:?}", world.now());
///     }
/// }
/// ```
pub struct World {
    now: Instant,
    events: u64,
    queue: Queue,
    /// Those of the guests stand behind all others.
    hosts: Vec<Host>,
    guests: usize,
    places: BTreeMap<Address, usize>,
    happenings: VecDeque<Happening>,
    config: Config,
    ring: RingKey,
    chance: Rng,
    /// The paths between the machines.
    pub network: Network,
    /// How late a process is woken at the most; now and then it is that late.
    pub lateness: Duration,
    /// How often a disk cannot save.
    pub disk_faults: f64,
    /// How long a disk may take to save; now and then it takes longer.
    pub disk_delay: Duration,
    /// What happened.
    pub log: Log,
    lists: Lists,
    attacker: Option<Attacker>,
    /// This turn of a process is the attacker's doing.
    attacked: bool,
    overheard: bool,
}

impl World {
    /// An empty world. Everything that is left to chance follows from the seed.
    pub fn new(seed: u64, config: Config) -> Self {
        let mut rng = Rng::new(seed);
        Self {
            now: Instant::ZERO,
            events: 0,
            queue: Queue::default(),
            hosts: Vec::new(),
            guests: 0,
            places: BTreeMap::new(),
            happenings: VecDeque::new(),
            ring: RingKey::new(&config.ring),
            config: config.checked(),
            network: Network::new(rng.fork()),
            chance: rng.fork(),
            lateness: Duration::from_millis(1),
            disk_faults: 0.0,
            disk_delay: Duration::from_millis(5),
            log: Log::default(),
            lists: Lists::default(),
            attacker: None,
            attacked: false,
            overheard: false,
        }
    }

    /// The time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// How its nodes are set up.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Changes how nodes are set up that start from now on.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
    }

    /// All machines of nodes, in the order in which they were added.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts[..self.hosts.len() - self.guests]
    }

    /// The numbers of the machines of guests.
    pub const fn guests(&self) -> Range<usize> {
        self.hosts.len() - self.guests..self.hosts.len()
    }

    /// The machine of a number that [`World::add`] gave.
    pub fn host(&self, host: usize) -> &Host {
        &self.hosts[host]
    }

    /// The machine at an address.
    pub fn host_at(&self, addr: SocketAddr) -> Option<usize> {
        self.places.get(&numbers(addr)).copied()
    }

    /// The living process that a peer means: one of the same incarnation.
    pub fn node_of(&self, peer: Peer) -> Option<(usize, &Node)> {
        let host = self.host_at(peer.addr())?;
        self.hosts[host].node().filter(|node| node.me() == peer).map(|node| (host, node))
    }

    /// The numbers and processes of all that have a place on the ring, paused ones too.
    pub fn members(&self) -> impl Iterator<Item = (usize, &Node)> {
        let nodes = self.hosts.iter().enumerate().filter_map(|(i, host)| Some((i, host.node()?)));
        nodes.filter(|(_, node)| node.is_member())
    }

    /// Adds a machine with nothing on it, and returns its number.
    pub fn add(&mut self, machine: Machine) -> usize {
        let number = self.hosts.len();
        self.places.insert(numbers(machine.addr), number);
        self.hosts.push(Host::new(machine));
        number
    }

    /// Adds a machine with nothing on it whose processes are guests: they take no place on the ring. Machines of nodes
    /// are added before.
    pub fn add_guest(&mut self, machine: Machine) -> usize {
        self.guests += 1;
        self.add(machine)
    }

    /// How many events there were: inputs and wake-ups of processes, alarms.
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Stops the process on a machine until then. It gets what came meanwhile, and its timer, when it goes on.
    pub fn pause(&mut self, host: usize, until: Instant) {
        let it = &mut self.hosts[host];
        if it.node.is_none() || it.paused.is_some_and(|paused| paused >= until) {
            return;
        }
        it.paused = Some(until);
        self.log.note(&[3, self.now.as_micros(), host as u64, until.as_micros()]);
        self.log.tell(Detail::Lives, self.now, format_args!("{host} pauses until {until}"));
        self.schedule(until, Due::Resume { host });
    }

    /// Lets every paused process go on.
    pub fn resume_all(&mut self) {
        for host in 0..self.hosts.len() {
            if self.hosts[host].paused.is_some() {
                self.hosts[host].paused = Some(self.now);
                self.schedule(self.now, Due::Resume { host });
            }
        }
    }

    /// Hands a command to the process on a machine. Its reply comes as [`Happening::Reply`] with this tag.
    pub fn submit(&mut self, host: usize, tag: u64, command: Command) {
        let input = Input::Command { tag: Some(tag), command: Box::new(command) };
        self.schedule(self.now, Due::Input { host, input });
    }

    /// A datagram arrives at a machine at once, from whomever its sender says it is.
    pub fn forge(&mut self, host: usize, source: SocketAddr, bytes: &[u8]) {
        let input = Input::Datagram { source, bytes: bytes.into() };
        self.schedule(self.now, Due::Input { host, input });
    }

    /// Sets the wall clock of a machine to so many milliseconds ahead of the world's.
    pub fn set_wall_clock(&mut self, host: usize, skew_ms: i64) {
        self.hosts[host].machine.clock.skew_ms = skew_ms;
        self.log.note(&[5, self.now.as_micros(), host as u64, skew_ms.cast_unsigned()]);
        self.log.tell(Detail::Lives, self.now, format_args!("{host}'s wall clock is {skew_ms} ms ahead"));
    }

    /// Asks the process on a machine to leave the ring; [`Happening::Left`] tells when it has.
    pub fn leave(&mut self, host: usize) {
        self.log.tell(Detail::Lives, self.now, format_args!("{host} is to leave"));
        let input = Input::Command { tag: None, command: Box::new(Command::Leave) };
        self.schedule(self.now, Due::Input { host, input });
    }

    /// Sets an alarm: [`Happening::Alarm`] with this number comes at that time.
    pub fn alarm(&mut self, at: Instant, number: u64) {
        self.schedule(at, Due::Alarm(number));
    }

    /// The next thing that happens, up to and including a moment; `None` when that has come.
    pub fn next(&mut self, until: Instant) -> Option<Happening> {
        loop {
            if let Some(happening) = self.happenings.pop_front() {
                return Some(happening);
            }
            if self.happenings.capacity() > HAPPENINGS_KEPT {
                // A whole ring was started at once.
                self.happenings = VecDeque::new();
            }
            let Some((at, due)) = self.queue.pop(until) else {
                self.now = self.now.max(until);
                return None;
            };
            self.now = at;
            self.events += 1;
            match due {
                Due::Alarm(number) => return Some(Happening::Alarm(number)),
                Due::Input { host, input } => self.arrive(host, input),
                Due::Wake { host } => self.wake(host, at),
                Due::Resume { host } => self.resume(host),
                Due::Saved { host, life, number } => self.saved(host, life, number),
                Due::Attack => self.attack(),
                Due::Reflection { host, input } => self.arrive_attacked(host, input),
            }
        }
    }

    fn schedule(&mut self, at: Instant, due: Due) {
        self.queue.push(at.max(self.now), due);
    }

    fn arrive(&mut self, host: usize, input: Input) {
        let it = &mut self.hosts[host];
        if it.is_running() {
            self.turn(host, input);
            return;
        }
        let tag = if let Input::Command { tag, .. } = &input { *tag } else { None };
        let kept = it.node.is_some() && it.keep(input);
        if let (Some(tag), false) = (tag, kept) {
            self.happenings.push_back(Happening::Reply { tag, reply: None });
        }
    }

    fn wake(&mut self, host: usize, at: Instant) {
        let it = &mut self.hosts[host];
        let Some(node) = it.node.as_ref().filter(|_| it.wake == at && it.paused.is_none()) else { return };
        it.wake = Instant::FAR;
        if it.machine.clock.when(node.poll_timeout()) > at {
            // The deadline has moved since.
            self.sleep(host);
            return;
        }
        it.wakes += 1;
        self.turn(host, Input::Timeout);
    }

    /// A process goes on: what it missed comes at once, its timer first or last.
    fn resume(&mut self, host: usize) {
        let it = &mut self.hosts[host];
        if it.paused.is_none_or(|until| until > self.now) {
            return;
        }
        // A wake-up that came meanwhile was for nobody.
        (it.paused, it.running_since, it.wake) = (None, self.now, Instant::FAR);
        self.log.tell(Detail::Lives, self.now, format_args!("{host} goes on"));
        let mut missed = core::mem::take(&mut self.hosts[host].inbox);
        if self.chance.chance(0.5) {
            missed.push_front(Input::Timeout);
        } else {
            missed.push_back(Input::Timeout);
        }
        for input in missed {
            self.schedule(self.now, Due::Input { host, input });
        }
    }

    /// One turn of a process: an input, then all that it has to say.
    fn turn(&mut self, host: usize, input: Input) {
        let it = &mut self.hosts[host];
        let now = it.machine.clock.read(self.now);
        let Some(node) = &mut it.node else { return };
        match input {
            Input::Datagram { source, bytes } => node.handle_datagram(now, source, &bytes),
            Input::Timeout => node.handle_timeout(now),
            Input::Saved(outcome) => node.handle_saved(now, outcome.map_err(|batch| *batch)),
            Input::Command { tag, command } => {
                let ticket = node.handle_command(now, *command);
                if let Some(tag) = tag {
                    it.tickets.insert(ticket, tag);
                }
            }
        }
        self.drain(host);
    }
}

/// An address as numbers, which are quick to compare: every datagram looks its receiver up.
fn numbers(addr: SocketAddr) -> Address {
    match addr.ip() {
        IpAddr::V4(ip) => (ip.to_bits().into(), addr.port(), false),
        IpAddr::V6(ip) => (ip.to_bits(), addr.port(), true),
    }
}
