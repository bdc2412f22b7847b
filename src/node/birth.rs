//! Birth: who creates a ring, and how the seeds are tried.
//!
//! A node without seeds creates a ring at once. A node with seeds never does, but tries them for ever; only one that is
//! its own seed creates the ring when no other seed turns out to be on one. Of three seeds or more it must have heard
//! most, itself included: otherwise one that starts while it is cut off would found a second ring beside the first.

use super::Node;
use super::command::Event;
use super::life::Life;
use super::pending::{Probe, Purpose};
use super::timers::Timer;
use crate::time::Instant;
use crate::wire::{Peer, Place, Request};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// What a node knows of its seeds.
#[derive(Debug, Default)]
pub(super) struct Birth {
    /// There are seeds.
    pub seeds_given: bool,
    /// The node has had a place on a ring, and did not give it up.
    pub member: bool,
    /// How often the seeds were asked for in vain.
    pub tries: u32,
    /// It is one of its own seeds.
    pub founder: bool,
    /// There are seeds beside itself.
    pub other_seeds: bool,
    /// When a node on a ring was heard: there is one, however long it takes to join it.
    pub member_heard: Option<Instant>,
    /// When a seed with a lower id was heard that will create the ring instead.
    lower_founder: Option<Instant>,
    /// When the seeds were asked last.
    asked: Option<Instant>,
    /// How many other seeds were named last.
    others: usize,
    /// Those that answered in the last round, and are on no ring.
    heard: Vec<Place>,
    /// The lack of seeds was told.
    told_missing: bool,
    /// Since when a founder waits for a round of questions to end, before it creates the ring.
    last_round: Option<Instant>,
}

impl Birth {
    /// Before the first try.
    pub fn new(seeds_given: bool) -> Self {
        Self { seeds_given, ..Self::default() }
    }
}

impl Node {
    /// The first thing a node does.
    pub(super) fn begin_life(&mut self) {
        if let Some(missing) = self.awaited() {
            // It may raise the ring, if others wait for that as well.
            self.live(Life::Awaits { missing, entries: self.store.len() });
            self.is_own_seed();
        }
        if self.birth.seeds_given || self.recalls() {
            self.want_seeds();
        } else {
            self.create_ring();
        }
    }

    pub(super) fn create_ring(&mut self) {
        self.live(Life::Created);
        self.become_alone();
        self.enter_rounds();
    }

    /// From now on this node is the whole ring.
    pub(super) fn become_alone(&mut self) {
        self.birth.member = true;
        self.look_for_awaited();
        self.rights.alone_until = Some(self.now.at + self.config.consent);
        self.rights.slept = false;
        self.rights.of_predecessor.had = true;
        self.rights.of_successor.had = true;
        self.settle();
    }

    pub(super) fn want_seeds(&mut self) {
        let tries = (!self.is_member()).then_some(self.birth.tries);
        if self.birth.seeds_given {
            self.emit(Event::SeedsWanted { tries });
        }
        if self.recalls() && !self.is_member() {
            self.birth.asked = Some(self.now.at);
            self.ask_former();
        }
        self.birth.tries = self.birth.tries.saturating_add(1);
        // 1, 1.5, 2.25 ... 15 s.
        let pause = SEEDS_PAUSE_MIN * 3u32.pow(self.birth.tries.min(7) - 1) / 2u32.pow(self.birth.tries.min(7) - 1);
        let jitter = self.jitter(0, 200);
        self.timers.set(Timer::Join, self.now.at + pause.min(SEEDS_PAUSE_MAX) + jitter);
    }

    /// Somebody waits for a node that answers: the seeds are tried again soon, for however long nobody was there.
    pub(super) fn want_seeds_soon(&mut self) {
        self.birth.tries = self.birth.tries.min(1);
        self.timers.set_earlier(Timer::Join, self.now.at + SEEDS_PAUSE_MIN);
    }

    /// The addresses of the seeds.
    pub(super) fn try_seeds(&mut self, addrs: &[SocketAddr]) {
        if !self.seeks_ring() {
            return self.reunite_through(addrs);
        }
        let others: Vec<SocketAddr> = addrs.iter().copied().filter(|addr| *addr != self.me.addr()).collect();
        self.birth.other_seeds |= !others.is_empty();
        self.birth.others = others.iter().collect::<BTreeSet<_>>().len().min(SEEDS_MAX);
        if others.len() < addrs.len() {
            self.is_own_seed();
            if others.is_empty() && !self.birth.member && !self.recalls() {
                return self.create_ring();
            }
        }
        self.birth.asked = Some(self.now.at);
        self.ask_seeds(&others);
    }

    /// Asks who lives there, and whether it is on a ring.
    pub(super) fn ask_seeds(&mut self, addrs: &[SocketAddr]) {
        for addr in addrs.iter().take(SEEDS_MAX) {
            self.ask_stranger(*addr, Request::Ping, Purpose::Probe(Probe::Seed));
        }
    }

    fn is_own_seed(&mut self) {
        if !self.birth.founder {
            self.birth.founder = true;
            if !self.birth.member {
                let wait = self.config.found_after.saturating_sub(SEEDS_ROUND);
                self.timers.set(Timer::Found, self.now.at + wait);
            }
        }
    }

    /// A seed is alive.
    pub(super) fn seed_answered(&mut self, seed: Peer, member: bool, founder: bool, recalls: bool) {
        if self.is_guest() {
            // One that is on no ring is tried again.
            return if member {
                self.contact_answered(seed)
            };
        }
        if seed == self.me {
            self.is_own_seed();
        } else if member {
            self.birth.member_heard = Some(self.now.at);
            if self.seeks_ring() {
                self.meet_ring(seed);
            } else if !self.is_near(seed.addr()) {
                self.look_for_myself(seed);
            }
        } else {
            let known = self.birth.heard.iter().any(|place| place.addr == seed.addr());
            if !known && self.birth.heard.len() < SEEDS_MAX {
                self.birth.heard.push(seed.place);
            }
            // Whoever was on a ring goes before those who have nothing.
            if founder && (!recalls, seed.id()) < (!self.recalls(), self.me.id()) {
                self.birth.lower_founder = Some(self.now.at);
            }
            if self.rights.slept {
                self.remembered.add(self.now.at, seed);
            }
        }
    }

    /// A node that is its own seed has waited long enough for the others: one more round of questions, and if nobody is
    /// on a ring by then, it creates one.
    pub(super) fn found_ring(&mut self) {
        if self.birth.member {
            return;
        }
        let now = self.now.at;
        let recent = |heard: Option<Instant>, time| heard.is_some_and(|at| now.since(at) < time);
        let deferring = recent(self.birth.lower_founder, self.config.found_after);
        if deferring || recent(self.birth.member_heard, RING_LOST) || self.joining.is_under_way() {
            self.birth.last_round = None;
            return self.timers.set(Timer::Found, now + Duration::from_secs(1));
        }
        let Some(begun) = self.birth.last_round else {
            self.birth.last_round = Some(now);
            self.birth.heard.clear();
            self.want_seeds();
            return self.timers.set(Timer::Found, now + SEEDS_ROUND);
        };
        let ended = self.birth.asked.is_some_and(|at| at >= begun && now.since(at) >= SEEDS_ROUND);
        let (heard, seeds) = (self.birth.heard.len() + 1, self.birth.others + 1);
        let needed = if seeds > 2 { seeds / 2 + 1 } else { 1 };
        let enough = match &self.awaiting {
            Some(awaiting) if awaiting.is_of_before() => {
                self.birth.heard.iter().any(|place| awaiting.stood_beside(place))
            }
            _ => heard >= needed,
        };
        if ended && !enough {
            if !self.recalls() && !core::mem::replace(&mut self.birth.told_missing, true) {
                self.live(Life::SeedsMissing { heard, needed, seeds });
            }
            self.birth.last_round = None;
            self.timers.set(Timer::Found, now + SEEDS_ROUND);
        } else if ended {
            self.create_ring();
        } else {
            // Their names are being resolved.
            self.timers.set(Timer::Found, now + SEEDS_ROUND / 4);
        }
    }
}

/// The pause between two tries of the seeds: the first, and the longest.
const SEEDS_PAUSE_MIN: Duration = Duration::from_secs(1);
const SEEDS_PAUSE_MAX: Duration = Duration::from_secs(15);

/// By then every seed that was asked has answered, or not answered three times.
const SEEDS_ROUND: Duration = Duration::from_millis(1200);

/// A node that is its own seed creates a ring in place of one that was not heard of for so long. The seeds are tried
/// several times meanwhile.
const RING_LOST: Duration = Duration::from_secs(60);

/// Addresses tried at one time, however many the names stand for.
const SEEDS_MAX: usize = 32;
