//! The node: bytes in, bytes out, one deadline. No clock, no socket, no thread.
//!
//! Each file beside this one is one concern of [`Node`]:
//!
//! ```text
//! birth, seeds  who creates a ring, how seeds are tried        client    operations of this node's own clients
//! join, seek the way to a place, and why there is none yet     lookup    finding the successor of an id
//! stabilise  successor and predecessor                         trail     whom a lookup asked, and on whose word
//! suspect    finding out and dropping the silent               ends      where the lookup of an owner ends
//! recover    dropped nodes, being alone, fingers               walk      printing the ring
//! consent    pledges, consents, claim: who may answer          keys      operations at the owner
//! settle     asking around before answering                    write     writes at the owner
//! silence    being cut off, perhaps                            expire    the end of values that live for a time
//! pull       taking over what another node holds of an arc     spread    copies on both neighbours
//! survey     what a node tells of what it holds                rights    consents held, pledges given
//! transfer   values in parts                                   refusals  late copies of refused writes
//! reunion    rings that formed apart, loops                    speak     requests, answers, repetition
//! leave      handing over, and good-bye                        serve     which message is taken by whom
//! save       nothing is told before it is saved                record    what a node saves of itself
//! collect    dropping tombstones                               floors    what stays of them
//! strays     what belongs elsewhere goes there                 stretches what is known of each id
//! awaiting   coming back with what was saved                   list      all keys of the ring, page by page
//! mirror     which address others see                          amid      born on a ring that stands, for simulations
//! life       what happened, in words                           load      how full its tables are
//! guest      clients without a place on the ring               reach     no claim over those who may live
//! paths      the own address, and how large datagrams may be
//! ```

mod amid;
mod awaiting;
mod birth;
mod census;
mod client;
mod collect;
mod command;
mod consent;
mod ends;
mod expire;
mod fingers;
mod floors;
mod guest;
mod join;
mod keys;
mod leave;
mod life;
mod list;
mod load;
mod lookup;
mod mirror;
mod outbox;
mod owned;
mod pace;
mod paths;
mod peers;
mod pending;
mod pull;
mod reach;
mod record;
mod recover;
mod refusals;
mod reunion;
mod rights;
mod save;
mod seeds;
mod seek;
mod serve;
mod settle;
mod silence;
mod speak;
mod spread;
mod stabilise;
mod stats;
mod status;
mod strays;
mod stretches;
mod survey;
mod suspect;
mod timers;
mod trail;
mod transfer;
mod walk;
mod write;

pub use census::Census;
pub use command::{Attempt, Command, Event, Hop, OwnedKey, Reply, RingNode, Ticket, Unavailable};
pub use life::{Life, Unsettled};
pub use load::Load;
pub use mirror::{Mirror, Reflection};
pub use record::Record;
pub use save::Batch;
pub use seek::{Hitch, Seeking};
pub use stats::{Counters, Held, Silenced, State, Status, Transmit};

use crate::config::Config;
use crate::id::Id;
use crate::limits::{EVENTS_MAX, FRAME_MAX};
use crate::rng::Rng;
use crate::routing::{Fingers, Successors};
use crate::store::Store;
use crate::time::{Instant, Now};
use crate::wire::{Incarnation, Peer, Place, RingKey, Stamper};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::net::SocketAddr;

/// Who a node is.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// The address that other nodes reach it at.
    pub addr: SocketAddr,
    /// Its position on the ring; `None` takes the one that follows from the address.
    pub id: Option<Id>,
}

/// One node of the ring, as a state machine that a driver moves.
///
/// # The driver's part
/// There are four kinds of method. Any order of calls is legal; early, late and repeated timeouts do no harm.
/// 1. *Getters* tell how things stand.
/// 2. `handle_datagram`, `handle_command` and `handle_timeout` take something in. `now` must have been read after the
///    input was taken in, so that a process that was stopped never acts on an old clock.
/// 3. After each of them, `poll_transmit` hands out datagrams to send, until there are none, and `poll_event` what the
///    driver is to know. Both queues are bounded; what overflows is dropped and counted.
/// 4. `poll_timeout` tells when to call `handle_timeout` next. It may be earlier after any call.
#[derive(Debug)]
pub struct Node {
    config: Config,
    me: Peer,
    key: RingKey,
    stamper: Stamper,
    transaction_key: [u8; 32],
    rng: Rng,
    now: Now,
    clock_ms: u64,
    timers: Timers,
    requests: Requests,
    peers: Peers,
    outbox: Outbox,
    events: VecDeque<Event>,
    counters: Counters,
    predecessor: Option<Peer>,
    successors: Successors,
    fingers: Fingers,
    finger_cursor: recover::FingerCursor,
    birth: birth::Birth,
    joining: join::Joining,
    leaving: Option<Box<leave::Leaving>>,
    rights: rights::Rights,
    ring: suspect::Suspicions,
    remembered: recover::Remembered,
    reunion: reunion::Reunion,
    strays: strays::Strays,
    store: Store,
    terms: Stretches<u64>,
    floors: floors::Floors,
    collector: collect::Collector,
    sweep: expire::Sweep,
    /// Who stood beside it when it settled last.
    beside: record::Neighbourhood,
    /// The terms that it spoke under itself, or was about to.
    spoke_under: Stretches<u64>,
    saving: Option<Box<save::Saving>>,
    awaiting: Option<Box<awaiting::Awaiting>>,
    settling: Option<Box<settle::Settling>>,
    pulls: pull::Pulls,
    transfers: transfer::Transfers,
    lookups: lookup::Lookups,
    owner_ops: keys::Lines,
    refusals: refusals::Refusals,
    client_ops: BTreeMap<Ticket, client::ClientOp>,
    walks: BTreeMap<Ticket, walk::WalkOp>,
    asked_fingers: BTreeSet<Ticket>,
    lists: BTreeMap<Ticket, list::ListOp>,
    guest: Option<Box<guest::Guest>>,
    numbers: u64,
}

use outbox::Outbox;
use peers::Peers;
use pending::Requests;
use stretches::Stretches;
use timers::{Timer, Timers};

impl Node {
    /// A node that comes to life now. Without seeds it creates a ring at once; with seeds it asks for their addresses
    /// ([`Event::SeedsWanted`]) and tries them until it has joined. `entropy` must not be guessable: stamps and
    /// transaction ids come from it.
    pub fn new(config: Config, identity: Identity, seeds_given: bool, entropy: [u8; 32], now: Now) -> Self {
        let mut node = Self::unborn(config, identity, seeds_given, entropy, now);
        node.begin_life();
        node
    }

    /// A node that saves what it changes, and comes back to what it had saved: see [`Node::poll_save`]. All that was
    /// saved is in the store again; without a record it is the node's first life.
    pub fn with_disk(
        config: Config,
        identity: Identity,
        seeds_given: bool,
        entropy: [u8; 32],
        now: Now,
        (mut store, record): (Store, Option<Record>),
    ) -> Self {
        let mut node = Self::unborn(config, identity, seeds_given, entropy, now);
        store.wake(now.at);
        node.store = store;
        node.clock_ms = node.store.latest_ms();
        let (mut beside, others) =
            record.as_ref().map_or_else(Default::default, |it| (it.beside.clone(), it.others.clone()));
        beside.retain(|place| place.id != node.me.id());
        if let Some(record) = &record {
            node.terms = Stretches::rising().restored(record.terms());
            node.floors = record.floors();
            node.spoke_under = Stretches::rising().restored(record.spoke_under());
            node.clock_ms = node.clock_ms.max(record.clock_ms());
        }
        node.beside = beside.clone();
        node.saving = Some(Box::new(save::Saving::new(node.store.changes())));
        node.await_former(beside, &others);
        node.begin_life();
        node
    }

    fn unborn(config: Config, identity: Identity, seeds_given: bool, entropy: [u8; 32], now: Now) -> Self {
        let config = config.checked();
        let secret = |purpose| blake3::derive_key(purpose, &entropy);
        let id = identity.id.unwrap_or_else(|| Id::of_addr(identity.addr));
        let first =
            |key: [u8; 32]| u64::from_be_bytes([key[0], key[1], key[2], key[3], key[4], key[5], key[6], key[7]]);
        let mut rng = Rng::new(first(secret("sky node choices v1")));
        let incarnation = Incarnation::new(first(secret("sky node incarnation v1")) as u32);
        let me = Peer { place: Place { addr: identity.addr, id }, incarnation };
        Self {
            key: RingKey::new(&config.ring),
            me,
            stamper: Stamper::new(secret("sky node stamps v1")),
            transaction_key: secret("sky node transactions v1"),
            now,
            clock_ms: 0,
            timers: Timers::default(),
            requests: Requests::default(),
            peers: Peers::default(),
            outbox: Outbox::default(),
            events: VecDeque::new(),
            counters: Counters::default(),
            predecessor: None,
            successors: Successors::new(id, config.successors),
            fingers: Fingers::new(id),
            finger_cursor: recover::FingerCursor::default(),
            birth: birth::Birth::new(seeds_given),
            joining: join::Joining::default(),
            leaving: None,
            rights: rights::Rights::default(),
            ring: suspect::Suspicions::default(),
            remembered: recover::Remembered::default(),
            reunion: reunion::Reunion::default(),
            strays: strays::Strays::default(),
            store: Store::new(config.memory_max),
            terms: Stretches::rising(),
            floors: floors::Floors::default(),
            collector: collect::Collector::default(),
            sweep: expire::Sweep::default(),
            beside: record::Neighbourhood::new(),
            spoke_under: Stretches::rising(),
            saving: None,
            awaiting: None,
            settling: None,
            pulls: pull::Pulls::default(),
            transfers: transfer::Transfers::default(),
            lookups: lookup::Lookups::default(),
            owner_ops: keys::Lines::default(),
            refusals: refusals::Refusals::default(),
            client_ops: BTreeMap::new(),
            walks: BTreeMap::new(),
            asked_fingers: BTreeSet::new(),
            lists: BTreeMap::new(),
            guest: None,
            numbers: rng.next_u64() >> 1,
            rng,
            config,
        }
    }

    /// Takes in a datagram. Whatever it holds, the node stays whole; what is not understood is counted and dropped.
    pub fn handle_datagram(&mut self, now: Now, source: SocketAddr, datagram: &[u8]) {
        self.begin(now);
        self.counters.datagrams_in += 1;
        self.counters.bytes_in += datagram.len() as u64;
        // The key is cheap to copy, and the frame borrows from the datagram alone.
        let key = self.key.clone();
        match key.decode(datagram) {
            Ok(frame) => self.take_frame(source, datagram.len(), frame),
            Err(flaw) => self.counters.count_flaw(flaw),
        }
    }

    /// Takes in a command; its reply comes as [`Event::Reply`] with the ticket returned.
    pub fn handle_command(&mut self, now: Now, command: Command) -> Ticket {
        self.begin(now);
        let ticket = Ticket(self.next_number());
        self.take_command(ticket, command);
        ticket
    }

    /// Does what is due. One call does a bounded amount; what is left shows in `poll_timeout`.
    pub fn handle_timeout(&mut self, now: Now) {
        self.begin(now);
        self.sweep();
        for _ in 0..TIMEOUT_WORK {
            let Some((due, timer)) = self.timers.pop(now.at) else { break };
            match timer {
                Timer::Round => self.round(),
                Timer::Stabilise => self.stabilise(),
                Timer::Join => self.join_again(),
                Timer::Found => self.found_ring(),
                Timer::Founder => self.ask_founder(),
                Timer::Recover => self.recover(),
                Timer::Reunion => self.reunite(),
                Timer::Fingers => self.fix_fingers(),
                Timer::Strays => self.offer_strays(),
                Timer::Settle => self.settle(),
                Timer::Collect => self.collect(),
                Timer::Paths => self.look_at_paths(),
                Timer::Pulls => self.paced_on(),
                Timer::Reopen => self.reopen_now(),
                Timer::Awaited => self.look_for_awaited(),
                Timer::Save | Timer::Lived => {} // The driver will ask.
                Timer::Leave => self.leave_on(),
                Timer::LeaveEnd => self.leave_ended(),
                Timer::TellList => self.tell_list(),
                Timer::Request(transaction) => self.request_due(due, transaction),
                Timer::Client(ticket) => self.client_due(ticket),
                Timer::Owner(op) => self.owner_due(op),
            }
        }
    }

    /// Hands out the next datagram to send: writes it into the buffer and tells where it goes.
    pub fn poll_transmit(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Option<Transmit> {
        let transmit = self.outbox.pop(buffer)?;
        self.counters.datagrams_out += 1;
        self.counters.bytes_out += transmit.length as u64;
        Some(transmit)
    }

    /// Hands out the next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if self.events.is_empty() {
            // They are few and far between, and large: an idle node keeps no room for them.
            self.events = VecDeque::new();
        }
        event
    }

    /// When `handle_timeout` wants to be called next.
    pub fn poll_timeout(&self) -> Instant {
        self.timers.next().min(self.sweep_due())
    }

    /// Every input begins here: the clock is taken, and first of all rights that ran out meanwhile are given up.
    fn begin(&mut self, now: Now) {
        // A clock that went back is not believed: intervals would stretch.
        self.store.live_on(now.at.since(self.now.at));
        self.now = Now { at: now.at.max(self.now.at), wall_ms: now.wall_ms };
        self.expire_rights();
    }

    fn next_number(&mut self) -> u64 {
        self.numbers = self.numbers.wrapping_add(1);
        self.numbers
    }

    fn emit(&mut self, event: Event) {
        if self.events.len() >= EVENTS_MAX
            && let Some(at) = self.events.iter().position(|event| !matches!(event, Event::Reply(..)))
        {
            self.events.remove(at);
        }
        self.events.push_back(event);
    }

    fn live(&mut self, life: Life) {
        self.emit(Event::Life(life));
    }
}

/// Deadlines handled in one call of `handle_timeout`.
const TIMEOUT_WORK: usize = 256;

#[cfg(test)]
mod tests;
