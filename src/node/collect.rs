//! Collecting tombstones. Once the whole group holds one, and has for a while, only nodes that were away can still have
//! an older entry of its key. So its owner has both neighbours know of a floor above it, stands on that itself, and
//! drops it. A neighbour that held the same then drops its own; any other finds the difference, and compares.
//!
//! Where tombstones take too much memory, the older half of them is collected early, and again, until they do not.
//! Their age protects what is written meanwhile on the other side of a ring that is cut apart. So that is done only in
//! a group that is whole: where both sides answer, as in a ring of three or four, the groups of neither are.

use super::Node;
use super::pending::Purpose;
use super::stabilise::Beside;
use super::timers::Timer;
use crate::config::Rule;
use crate::id::{Arc, Id};
use crate::store::Stored;
use crate::time::Instant;
use crate::wire::{Item, Peer, Rank, Room, Version};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

/// A floor that both neighbours are told of.
#[derive(Debug)]
pub(super) struct Collecting {
    number: u64,
    arc: Arc,
    floor: Version,
    /// Where its tombstones are.
    part: Arc,
    neighbourhood: u32,
    storing: heapless::Vec<Peer, 2>,
}

/// How far a node is with its tombstones.
#[derive(Debug, Default)]
pub(super) struct Collector {
    pub now: Option<Box<Collecting>>,
    /// Where to look next.
    from: Option<Id>,
    /// How many changes of the store there were at some moments of the past, oldest first: what was not changed since
    /// is older.
    ages: heapless::Deque<(Instant, u64), AGES>,
    /// It spoke again on an operator's word. Who was lost then may have held values of which it does not know, so it
    /// must not count as dead what it lacks.
    pub reopened: bool,
    /// The last look at all tombstones found none that may go, or a neighbour did not take the floor.
    in_vain: bool,
    /// The look at all that is under way has found some.
    found: bool,
    /// Since when writes wait for room without any tombstone going.
    wanted_since: Option<Instant>,
    /// Which neighbours have yet to say what room they have since tombstones went here: so they went there.
    awaits_room: [bool; 2],
}

/// Moments of the past that are remembered; the time that a tombstone is kept is cut into one less.
const AGES: usize = 9;

/// Entries looked at in one go.
const WORK: usize = 4096;

/// The pause before the next of them.
const PAUSE: Duration = Duration::from_millis(100);

/// Entries of an arc, at most, of which all nodes of a group drop the same at once. To look at more would take too
/// long; the neighbours find out what has become of those by comparing.
const SCAN: usize = 16 * WORK;

/// The shortest pause between two times that all are looked at early.
const EARLY: Duration = Duration::from_millis(300);

/// The pause where a write waits for that: many of them together begin it once.
const AT_ONCE: Duration = Duration::from_millis(10);

/// For so long writes wait while no tombstone goes. A neighbour says what room it has with each stabilisation.
const SOON: Duration = Duration::from_secs(2);

/// The longest pause between two times that all are looked at.
const ROUND_MAX: Duration = Duration::from_secs(600);

/// The floor that a tombstone leaves. A write that nobody was told of, and that lost against it, has a term below its
/// ballot, though perhaps not a lower version.
fn floor_over(rank: &Rank) -> Version {
    rank.version.max(Version { term: rank.ballot, ..Version::NONE })
}

impl Node {
    /// The next time that all tombstones are looked at.
    pub(super) fn collect_later(&mut self) {
        let pause = (self.config.collect_after / 8).min(ROUND_MAX);
        let pause = if self.is_pressed() { EARLY } else { pause };
        let jitter = self.jitter(0, 1000);
        self.timers.set(Timer::Collect, self.now.at + pause + jitter);
    }

    /// Tombstones are looked at soon, if they are to be collected early.
    pub(super) fn collect_early(&mut self) {
        if self.is_pressed() {
            self.timers.set_earlier(Timer::Collect, self.now.at + EARLY);
        }
    }

    /// A write waits for the room that tombstones take, if they may be collected early.
    pub(super) fn collect_at_once(&mut self) {
        self.collector.wanted_since.get_or_insert(self.now.at);
        if self.collector.in_vain || self.collector.now.is_some() {
            self.collect_early();
        } else if self.is_pressed() {
            self.timers.set_earlier(Timer::Collect, self.now.at + AT_ONCE);
        }
    }

    /// A write has found room.
    pub(super) fn collected_enough(&mut self) {
        self.collector.wanted_since = None;
        self.collect_early();
    }

    /// True if there will be room in a moment, though a write has none now: tombstones are on their way out, or are
    /// gone and a neighbour has yet to say so.
    pub(super) fn has_room_soon(&self) -> bool {
        let told_before = |(room, awaited): (&Room, &bool)| *awaited && room.lacks(true);
        let beside = || self.ring.room.iter().zip(&self.collector.awaits_room).any(told_before);
        let collects = !self.collector.in_vain && !self.collector.reopened && !self.is_leaving();
        let here = || collects && self.is_pressed() && self.store.has_room_but_for_tombstones();
        let late = self.collector.wanted_since.is_some_and(|since| self.now.at.since(since) > SOON);
        !late && self.is_ready(self.now.at) && (here() || beside())
    }

    /// A neighbour has said what room it has.
    pub(super) fn heard_of_room(&mut self, side: Beside, room: Room) {
        self.ring.room[side as usize] = room;
        self.collector.awaits_room[side as usize] = false;
        self.collect_early();
    }

    /// True if tombstones take too much memory, here or with a neighbour, and the group is whole: no node is missing
    /// from it that was dropped, and may live.
    fn is_pressed(&self) -> bool {
        // A neighbour that is full, be it of values, cannot collect those of our arc that it holds.
        let beside = || self.ring.room.iter().any(|room| room.lacks(true) && *room != Room::NoDisk);
        let pressed = self.store.is_pressed() || (self.store.tombstones() > 0 && beside());
        let whole = || self.group().len() == 2 || !self.remembered.has_dropped();
        pressed && (whole() || !self.config.keeps(Rule::EarlyWhereWhole))
    }

    /// Looks for tombstones that are old enough.
    pub(super) fn collect(&mut self) {
        self.collect_later();
        self.note_age();
        let now = self.now.at;
        let Some(claim) = self.claim(now).filter(|_| self.is_ready(now) && !self.is_leaving()) else { return };
        if self.store.tombstones() == 0 || self.collector.now.is_some() || self.collector.reopened {
            return;
        }
        let from = self.collector.from.take().filter(|id| claim.contains(*id) && *id != claim.upto);
        let from = from.unwrap_or(claim.after);
        let Some(arc) = self.rights.settled_part(from.plus(1), claim) else { return };
        let (mut last, mut looked_at) = (arc.upto, from);
        let (early, mut floors) = (self.is_pressed(), Vec::new());
        for (at, (id, _, stored)) in self.store.range(Arc::new(from, arc.upto)).enumerate() {
            if at >= WORK {
                last = looked_at;
                break;
            }
            looked_at = id;
            if self.is_done_with(stored, early) {
                floors.push(floor_over(&stored.rank));
            }
        }
        if last != claim.upto {
            self.collector.from = Some(last);
            self.timers.set(Timer::Collect, now + PAUSE);
        }
        floors.sort_unstable();
        let highest = if early { floors.get(floors.len() / 2) } else { floors.last() };
        self.collector.found = highest.is_some() || (self.collector.found && from != claim.after);
        if last == claim.upto {
            self.collector.in_vain = !self.collector.found;
        }
        let Some(&floor) = highest else { return };
        let (number, neighbourhood, storing) = (self.next_number(), self.rights.neighbourhood, self.group());
        let part = Arc::new(from, last);
        let collecting = Collecting { number, arc, floor, part, neighbourhood, storing: storing.clone() };
        self.collector.now = Some(Box::new(collecting));
        let manner = self.patient();
        // Its sum is kept from now on.
        let _ = self.store.digest(arc);
        for peer in storing {
            if !self.ask(peer, self.tell_floor(arc, floor), Purpose::Floor(number), manner) {
                self.collector.now = None;
            }
        }
        self.collected();
    }

    /// True of a tombstone that the whole group holds, and that is old here, and so is the term that it was put under
    /// last, unless it is collected early. The time in its version says nothing: it comes from a wall clock.
    fn is_done_with(&self, stored: &Stored, early: bool) -> bool {
        let old = self.collector.ages.front().filter(|(at, _)| self.is_over(*at));
        let old = early || old.is_some_and(|(_, changes)| stored.changed <= *changes);
        self.is_dispensable(stored) && old && self.is_with_all(stored)
    }

    /// True of a tombstone that may go with a floor in its place. One that remembers a client's own name of a write
    /// stays under the floor, as values do.
    fn is_dispensable(&self, stored: &Stored) -> bool {
        let remembers = stored.remembers() && self.config.keeps(Rule::TombstonesKeepNames);
        stored.value.is_none() && !remembers
    }

    /// True of a moment after which a tombstone has been kept for long enough.
    fn is_over(&self, at: Instant) -> bool {
        self.now.at.since(at) >= self.config.collect_after
    }

    /// Remembers how many changes there were, from time to time.
    fn note_age(&mut self) {
        let now = self.now.at;
        while self.collector.ages.iter().nth(1).is_some_and(|(at, _)| self.is_over(*at)) {
            self.collector.ages.pop_front();
        }
        let part = self.config.collect_after / (AGES as u32 - 1);
        if self.collector.ages.back().is_none_or(|(at, _)| now.since(*at) >= part) {
            // One that finds no room is not missed: the others are younger than it takes.
            let _ = self.collector.ages.push_back((now, self.store.changes()));
        }
    }

    /// A neighbour knows of the floor.
    pub(super) fn floor_stored(&mut self, number: u64, by: Peer) {
        if let Some(collecting) = self.collector.now.as_mut().filter(|it| it.number == number) {
            collecting.storing.retain(|peer| *peer != by);
            self.collected();
        }
    }

    /// A neighbour does not: another time.
    pub(super) fn floor_refused(&mut self, number: u64) {
        if self.collector.now.take_if(|it| it.number == number).is_some() {
            (self.collector.in_vain, self.collector.found) = (true, false);
        }
    }

    /// If all know of the floor the tombstones go.
    fn collected(&mut self) {
        let Some(collecting) = self.collector.now.take_if(|it| it.storing.is_empty()) else { return };
        let Collecting { arc, floor, part, neighbourhood, .. } = *collecting;
        let now = self.now.at;
        let still = neighbourhood == self.rights.neighbourhood && self.is_ready(now);
        let covered = self.rights.settled.is_some_and(|settled| settled.covers(arc));
        if !still || !covered || self.claim(now).is_none_or(|claim| !claim.covers(arc)) {
            return;
        }
        self.stand_on(arc, floor);
        let all = self.store.sums(arc).count() <= SCAN;
        let gone = self.drop_under(if all { arc } else { part }, floor, Self::is_with_all);
        self.collector.in_vain = gone == 0;
        if gone > 0 {
            (self.collector.wanted_since, self.collector.awaits_room) = (None, [true; 2]);
        }
        self.collect_early();
    }

    /// This node holds the same of the arc as its owner, and stands on the floor: it drops the same tombstones.
    pub(super) fn collected_by_owner(&mut self, arc: Arc, floor: Version) {
        if self.store.sums(arc).count() <= SCAN {
            self.drop_under(arc, floor, |_, _| true);
        }
    }

    /// Drops tombstones that a floor takes the place of. → how many.
    fn drop_under(&mut self, arc: Arc, floor: Version, also: impl Fn(&Self, &Stored) -> bool) -> usize {
        let under = self.store.range(arc).filter(|(_, _, stored)| {
            self.is_dispensable(stored) && floor_over(&stored.rank) <= floor && also(self, stored)
        });
        let gone: Vec<Item> = under.map(|(id, _, stored)| Item { id, rank: stored.rank }).collect();
        let count = gone.len();
        gone.into_iter().for_each(|item| self.drop_collected(item));
        count
    }
}
