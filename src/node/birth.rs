//! Birth: who creates a ring, and how the seeds are tried.
//!
//! A node without seeds creates a ring at once. A node with seeds never does, but tries them for ever; only a
//! *founder*, a node that is its own seed, creates the ring when no other seed turns out to be on one. Where all seeds
//! have answered, and none knows of a ring, the founder with the lowest id does so [at once](super::seeds). Where a
//! seed is missing, founders wait for it for four seconds. Of three seeds or more a founder must have heard most,
//! itself included: otherwise one that starts while it is cut off would found a second ring beside the first.

use super::Node;
use super::command::Event;
use super::life::Life;
use super::pending::{Manner, Probe, Purpose};
use super::seeds::{Choice, SAID_HOLDS, Said, Seeds};
use super::timers::Timer;
use crate::limits::SEEDS_MAX;
use crate::time::Instant;
use crate::wire::{Peer, Place, Request};
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
    /// The seeds, and what each said.
    pub seeds: Seeds,
    /// When the seeds were asked last.
    asked: Option<Instant>,
    /// When their addresses were wanted last.
    wanted: Option<Instant>,
    /// How often their addresses were wanted in this round because a stranger asked.
    strangers: u32,
    /// They were wanted last for nothing else.
    for_stranger: bool,
    /// How often those that are about to be on a ring were asked whether they are, in this round.
    followed: u32,
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

    /// The place is given up: it looks for the ring again, which is there.
    pub fn lose_place(&mut self, now: Instant) {
        (self.member, self.tries, self.last_round, self.member_heard) = (false, 0, None, Some(now));
    }
}

impl Node {
    /// The first thing a node does.
    pub(super) fn begin_life(&mut self) {
        self.watch_paths();
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
            self.birth.wanted = Some(self.now.at);
            (self.birth.followed, self.birth.strangers, self.birth.for_stranger) = (0, 0, false);
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

    /// The addresses of the seeds, those of each by themselves.
    pub(super) fn try_seeds(&mut self, seeds: &[Vec<SocketAddr>]) {
        let addrs: Vec<SocketAddr> = seeds.iter().flatten().copied().collect();
        if !self.seeks_ring() {
            return self.reunite_through(&addrs);
        }
        self.birth.seeds.name(seeds);
        let others: Vec<SocketAddr> = addrs.iter().copied().filter(|addr| *addr != self.me.addr()).collect();
        self.birth.other_seeds |= !others.is_empty();
        if others.len() < addrs.len() {
            self.is_own_seed();
            let only = others.is_empty() && !self.birth.seeds.lacks_address();
            if only && !self.birth.member && !self.recalls() {
                return self.create_ring();
            }
        }
        if core::mem::take(&mut self.birth.for_stranger) {
            let news: Vec<SocketAddr> =
                others.into_iter().filter(|addr| !self.birth.seeds.is_known(self.now.at, *addr)).collect();
            return news.into_iter().take(SEEDS_MAX).for_each(|addr| self.ask_seed_anew(addr));
        }
        self.birth.asked = Some(self.now.at);
        // Names are resolved one after another: each time the whole list comes again.
        let begun = self.birth.wanted.unwrap_or(self.now.at);
        let heard = self.birth.seeds.answered_since(begun);
        let is_new = |addr: &SocketAddr| {
            let asked = |to: &Peer, purpose: &Purpose, started: Instant| {
                to.addr() == *addr && started >= begun && matches!(purpose, Purpose::Probe(Probe::Seed))
            };
            !heard.iter().any(|(known, _)| known == addr) && !self.requests.any_of(asked)
        };
        let others: Vec<SocketAddr> = others.into_iter().filter(is_new).collect();
        self.ask_seeds(&others);
    }

    /// The asker may be a seed that has just started: it is asked back at once, so that neither waits for the other's
    /// next round.
    pub(super) fn ask_back(&mut self, asker: SocketAddr) {
        let now = self.now.at;
        if self.birth.member || !self.birth.seeds_given || self.is_guest() || asker == self.me.addr() {
            return;
        }
        if self.birth.seeds.has(asker) {
            if !self.birth.seeds.is_known(now, asker) {
                self.ask_seed_anew(asker);
            }
        } else if self.birth.seeds.lacks_address()
            && self.birth.strangers < STRANGERS_MAX
            && self.birth.wanted.is_some_and(|at| now.since(at) >= NAMES_PAUSE)
        {
            // It may be the one whose name did not resolve yet.
            (self.birth.wanted, self.birth.for_stranger) = (Some(now), true);
            self.birth.strangers += 1;
            self.emit(Event::SeedsWanted { tries: Some(self.birth.tries.saturating_sub(1)) });
        }
    }

    /// Asks a seed once, unless it was asked just now, or is silent: what it was asked before may have come before it
    /// had started.
    fn ask_seed_anew(&mut self, addr: SocketAddr) {
        let (lately, mut just_now, mut in_flight) = (self.now.at - ASKED_JUST_NOW, false, 0);
        self.requests.any_of(|to, purpose, started| {
            if to.addr() == addr && matches!(purpose, Purpose::Probe(Probe::Seed)) {
                (just_now, in_flight) = (just_now || started >= lately, in_flight + 1);
            }
            false
        });
        if !just_now && in_flight < ASKED_AT_ONCE {
            let manner = Manner { tries: 1, client: true, ..self.patient() };
            self.ask(self.stranger(addr), Request::Ping, Purpose::Probe(Probe::Seed), manner);
        }
    }

    /// True of a founder that has waited long enough, and is about to create the ring: other seeds are to follow it.
    pub(super) const fn is_about_to_found(&self) -> bool {
        self.birth.last_round.is_some()
    }

    /// What this node says of itself when it is asked as a seed.
    pub(super) fn said_of_me(&self) -> Said {
        Said {
            place: self.me.place,
            member: self.is_member() && !self.has_parted(),
            founder: self.birth.founder,
            recalls: self.recalls(),
            knows_ring: self.birth.member || self.joining.is_under_way() || self.has_heard_of_ring(),
        }
    }

    fn has_heard_of_ring(&self) -> bool {
        self.birth.member_heard.is_some_and(|at| self.now.at.since(at) < RING_LOST)
    }

    /// Does what the seeds' answers lead to: once all have said that they know of no ring, one of them creates it.
    fn follow_seeds(&mut self) {
        if self.birth.member || self.is_guest() || self.leaving.is_some() {
            return;
        }
        match self.birth.seeds.choose(self.now.at, self.said_of_me()) {
            Choice::Wait => {}
            Choice::Again(old) => old.into_iter().for_each(|addr| self.ask_seed_anew(addr)),
            Choice::Found => self.create_ring(),
            Choice::Follow(_) if self.birth.followed < FOLLOWS_MAX => {
                if !self.timers.is_set(Timer::Founder) {
                    let longest = FOLLOW_PAUSE * 2u32.pow(self.birth.followed);
                    let pause = self.rng.between(FOLLOW_PAUSE / 4, longest);
                    self.birth.followed += 1;
                    self.timers.set(Timer::Founder, self.now.at + pause);
                }
            }
            Choice::Follow(_) => {}
        }
    }

    /// Those that are about to be on a ring are asked whether they are.
    pub(super) fn ask_founder(&mut self) {
        let choice = self.birth.seeds.choose(self.now.at, self.said_of_me());
        if let (false, Choice::Follow(addrs) | Choice::Again(addrs)) = (self.birth.member, choice) {
            addrs.into_iter().for_each(|addr| self.ask_seed_anew(addr));
        }
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

    /// A seed that was asked then at this address is alive, and says this of itself. That the answer has come just now
    /// means nothing where this process stood still.
    pub(super) fn seed_answered(&mut self, (asked, asked_at): (SocketAddr, Instant), seed: Peer, said: Said) {
        if self.is_guest() {
            // One that is on no ring is tried again.
            return if said.member {
                self.contact_answered(seed)
            };
        }
        self.birth.seeds.heard(asked_at, asked, said);
        if seed == self.me {
            self.is_own_seed();
            self.follow_seeds();
        } else if said.member {
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
            if said.founder && (!said.recalls, seed.id()) < (!self.recalls(), self.me.id()) {
                self.birth.lower_founder = Some(self.now.at);
                self.birth.last_round = None;
            }
            if self.rights.slept {
                self.remembered.add(self.now.at, seed);
            }
            self.follow_seeds();
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
        let (heard, seeds) = self.birth.seeds.count(self.me.addr(), begun);
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
const SEEDS_ROUND: Duration = SAID_HOLDS;

/// A question to a seed that is younger than this is still on its way.
const ASKED_JUST_NOW: Duration = Duration::from_millis(8);

/// So many questions to one seed are on their way at one time.
const ASKED_AT_ONCE: usize = 2;

/// The pause between two tries to resolve names because a stranger asked, and how often that is done in a round.
const NAMES_PAUSE: Duration = Duration::from_millis(250);
const STRANGERS_MAX: u32 = 4;

/// The longest first pause before those that are about to be on a ring are asked whether they are; each may be twice as
/// long as the one before, until the next round comes. Drawn, so that not all join at one moment, in each other's way.
const FOLLOW_PAUSE: Duration = Duration::from_millis(20);
const FOLLOWS_MAX: u32 = 7;

/// A node that is its own seed creates a ring in place of one that was not heard of for so long. The seeds are tried
/// several times meanwhile.
pub(super) const RING_LOST: Duration = Duration::from_secs(60);
