//! What goes on in the background: probing those once dropped, finding out whether one is alone, refreshing fingers.

use super::Node;
use super::life::Life;
use super::lookup::{Found, LookupFor};
use super::pending::{Manner, Probe, Purpose, Silence};
use super::timers::Timer;
use crate::id::Id;
use crate::limits::REMEMBERED_MAX;
use crate::time::Instant;
use crate::wire::{Incarnation, Peer, Request};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

#[derive(Clone, Copy, Debug)]
struct Memory {
    peer: Peer,
    since: Instant,
    probe_at: Instant,
    pause: Duration,
}

/// Nodes that were dropped: one of them that answers comes back.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    table: Vec<Memory>,
    /// Neighbours that closer ones replaced, and others that left the list: no need to probe them, but they were known.
    acquaintances: VecDeque<Peer>,
    /// The question whether this node is alone, while it is open.
    last: Option<Last>,
    last_asked: Instant,
    /// When one of those dropped was probed last.
    probed: Instant,
}

/// Everyone known is asked whether there is a ring.
#[derive(Debug)]
struct Last {
    waiting: Vec<SocketAddr>,
    /// One answered that is on no ring itself: the network is not cut.
    answered: bool,
}

/// The first pause between two probes of one node; it doubles with each.
const PROBE_PAUSE_MIN: Duration = Duration::from_millis(1500);
const PROBE_PAUSE_MAX: Duration = Duration::from_secs(300);

/// After so long without any probe the node whose turn comes next is probed all the same: however long a ring was
/// split, the parts meet soon, and however many are remembered, it costs a few bytes a second.
const PROBE_REST: Duration = Duration::from_secs(10);

/// The pause before everyone is asked again, by a node that slept alone.
const LAST_PAUSE: Duration = Duration::from_secs(3);

/// While the node is silent it waits for one of them.
const PROBE_PAUSE_SILENT: Duration = Duration::from_secs(3);

/// For how long a dropped node is remembered.
const MEMORY: Duration = Duration::from_secs(3600);

impl Remembered {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len() + self.acquaintances.len()
    }

    /// Remembers a node that was dropped; the one remembered longest makes room.
    pub fn add(&mut self, now: Instant, peer: Peer) {
        self.remove(&peer);
        if self.table.len() >= REMEMBERED_MAX {
            self.table.remove(0);
        }
        self.table.push(Memory { peer, since: now, probe_at: now + PROBE_PAUSE_MIN, pause: PROBE_PAUSE_MIN });
    }

    /// Notes one who is no longer a neighbour, but most likely lives.
    pub fn acquaint(&mut self, peer: Peer) {
        self.acquaintances.retain(|known| known.addr() != peer.addr());
        if self.acquaintances.len() >= REMEMBERED_MAX {
            self.acquaintances.pop_front();
        }
        self.acquaintances.push_back(peer);
    }

    /// Those who were asked whether there is a ring will not be heard.
    pub fn forget_question(&mut self) {
        self.last = None;
    }

    /// True if a node was dropped, and not heard since, for all that is remembered.
    pub fn has_dropped(&self) -> bool {
        !self.table.is_empty()
    }

    /// Everyone remembered.
    pub fn peers(&self) -> Vec<Peer> {
        let known = self.acquaintances.iter().filter(|peer| !self.knows(peer)).copied();
        self.table.iter().map(|memory| memory.peer).chain(known).collect()
    }

    /// True if someone at the address of the peer is remembered.
    pub fn knows(&self, peer: &Peer) -> bool {
        self.table.iter().any(|memory| memory.peer.addr() == peer.addr())
    }

    /// Forgets that a node was dropped.
    pub fn remove(&mut self, peer: &Peer) {
        self.table.retain(|memory| memory.peer != *peer);
    }

    /// Forgets a node altogether: it said that it leaves.
    pub fn forget(&mut self, peer: &Peer) {
        self.remove(peer);
        self.acquaintances.retain(|known| known != peer);
    }
}

/// Which finger is looked up next, and how often.
#[derive(Debug, Default)]
pub(super) struct FingerCursor {
    next: Option<u8>,
    /// Before that the node half-way on from this one is looked up.
    half: Option<u8>,
    pause: Duration,
    changed: bool,
    /// The last time round nothing had changed. While the ring changes fast, the fingers themselves are enough to do.
    calm: bool,
}

const FINGER_PAUSE_MIN: Duration = Duration::from_millis(2500);
const FINGER_PAUSE_MAX: Duration = Duration::from_secs(120);

impl Node {
    /// No successor is left. The predecessor serves if it lives; else everyone known is asked before the node may think
    /// itself alone.
    pub(super) fn without_head(&mut self) {
        let now = self.now.at;
        if let Some(predecessor) = self.predecessor {
            if !self.ring.predecessor_suspected {
                let list = self.successors.cut([predecessor]);
                self.set_neighbours(Some(predecessor), list);
                return self.stabilise_soon(Duration::ZERO);
            }
            // Lost on either side is lost all the same.
            self.lost_in_row(predecessor);
            self.count_row();
            self.lose_place();
        } else if self.rights.alone_until.is_some() {
            self.rights.alone_until = Some(now + self.config.consent);
            return;
        }
        if self.ring.silent.is_some() {
            // It may be cut off, so that nobody answers proves nothing. Those it remembers are probed all the time.
            return;
        }
        let paused = now.since(self.remembered.last_asked) < LAST_PAUSE;
        if !self.rights.any_pledge(now) && self.remembered.last.is_none() && !(self.rights.slept && paused) {
            self.ask_the_last();
        }
        if self.rights.slept && !self.timers.is_set(Timer::Join) {
            self.join_retry();
        }
    }

    /// No neighbour is left. Whoever still points to this node learns that it has no place any more.
    pub(super) fn lose_place(&mut self) {
        let none = self.successors.cut([]);
        self.set_neighbours(None, none);
        self.begin_new_life();
    }

    /// True if there ever were others, as far as this node knows.
    pub(super) fn knows_others(&self) -> bool {
        !self.remembered.peers().is_empty() || self.birth.other_seeds
    }

    /// Probes everyone it remembers.
    fn ask_the_last(&mut self) {
        let all = self.remembered.peers();
        self.remembered.last_asked = self.now.at;
        self.remembered.last = Some(Last { waiting: all.iter().map(Peer::addr).collect(), answered: false });
        for peer in all {
            let peer = Peer { incarnation: Incarnation::UNKNOWN, ..peer };
            let manner = self.patient();
            if !self.ask(peer, Request::Ping, Purpose::Probe(Probe::Last), manner) {
                // Too much is under way: the question is put again.
                self.remembered.last = None;
                return;
            }
        }
        self.alone_if_all_failed();
    }

    /// One of the last lives.
    pub(super) fn last_answered(&mut self, peer: Peer, member: bool) {
        if member {
            self.remembered.last = None;
            return self.meet_ring(peer);
        }
        if let Some(last) = &mut self.remembered.last {
            last.answered = true;
        }
        self.last_silent(peer, Silence::Gone);
    }

    /// One of the last is silent.
    pub(super) fn last_silent(&mut self, peer: Peer, silence: Silence) {
        if silence == (Silence::Timeout { late: true }) {
            self.remembered.last = None;
        } else if let Some(last) = &mut self.remembered.last {
            last.waiting.retain(|waiting| *waiting != peer.addr());
            self.alone_if_all_failed();
        }
    }

    fn alone_if_all_failed(&mut self) {
        let Some(last) = self.remembered.last.take_if(|last| last.waiting.is_empty()) else { return };
        // One that slept alone waits for a sign that it is not cut off.
        let sure = last.answered || !self.rights.slept;
        if sure && self.has_joined() && self.seeks_ring() && self.rights.alone_until.is_none() {
            self.live(Life::Alone);
            self.become_alone();
        }
    }

    /// Probes one of the remembered.
    pub(super) fn recover(&mut self) {
        let now = self.now.at;
        let pause = self.jitter(1200, 1800);
        self.timers.set(Timer::Recover, now + pause);
        self.remembered.table.retain(|memory| now.since(memory.since) < MEMORY);
        let rested = now.since(self.remembered.probed) >= PROBE_REST;
        let table = self.remembered.table.iter_mut();
        let due = table.filter(|memory| rested || memory.probe_at <= now).min_by_key(|memory| memory.probe_at);
        if let Some(memory) = due {
            self.remembered.probed = now;
            let longest = if self.ring.silent.is_some() { PROBE_PAUSE_SILENT } else { PROBE_PAUSE_MAX };
            memory.pause = (memory.pause * 2).min(longest);
            memory.probe_at = now + memory.pause;
            let peer = memory.peer;
            let manner = Manner { tries: 1, ..self.patient() };
            // Whoever lives there now is welcome, as whatever incarnation.
            let anyone = Peer { incarnation: Incarnation::UNKNOWN, ..peer };
            self.ask(anyone, Request::Ping, Purpose::Probe(Probe::Remembered), manner);
        }
        if self.rights.alone_until.is_some() && !self.timers.is_set(Timer::Join) {
            // A lone node that meets a ring joins it.
            let pause = self.jitter(5000, 10_000);
            self.timers.set(Timer::Join, now + pause);
        }
    }

    /// One of the remembered lives.
    pub(super) fn remembered_answered(&mut self, peer: Peer, member: bool) {
        let me = self.me.id();
        self.remembered.table.retain(|memory| memory.peer.addr() != peer.addr() || memory.peer == peer);
        if !member {
            return;
        }
        if self.seeks_ring() {
            self.meet_ring(peer);
        } else if self.successors.head().is_some_and(|head| peer.id().is_between(me, head.id())) {
            self.consider(peer);
        } else if self.is_near(peer.addr()) {
            self.remembered.remove(&peer);
        } else {
            // It may be on another ring by now. If it is on ours after all, the lookup ends here.
            self.look_for_myself(peer);
        }
    }

    /// Refreshes one finger. Where the successor list holds the whole ring there is nothing to do.
    pub(super) fn fix_fingers(&mut self) {
        let pause = self.finger_cursor.pause.clamp(FINGER_PAUSE_MIN, FINGER_PAUSE_MAX);
        let jitter = self.jitter(0, 500);
        self.timers.set(Timer::Fingers, self.now.at + pause + jitter);
        let list = self.successors.as_slice();
        let Some(last) = list.last().filter(|_| self.is_member() && list.len() >= self.config.successors) else {
            return;
        };
        let first = self.fingers.first_beyond(last.id());
        if let Some(exponent) = self.finger_cursor.half.take() {
            let known = self.fingers.get_half(exponent);
            return self.look_at_finger(self.fingers.half(exponent), LookupFor::Half(exponent), known);
        }
        match self.finger_cursor.next.or(first) {
            Some(exponent) => {
                let known = self.fingers.get(exponent);
                self.look_at_finger(self.fingers.target(exponent), LookupFor::Finger(exponent), known);
            }
            None => self.finger_cursor.pause = FINGER_PAUSE_MAX,
        }
    }

    /// Most likely it is still the same: then one question is enough.
    fn look_at_finger(&mut self, target: Id, purpose: LookupFor, known: Option<Peer>) {
        match known {
            Some(known) => {
                let contacts = self.closest_preceding(target);
                self.start_lookup_from(target, purpose, Some(known), &contacts);
            }
            None => self.start_lookup(target, purpose),
        }
    }

    /// The neighbourhood changed, so the ring may have.
    pub(super) fn fingers_soon(&mut self) {
        if self.finger_cursor.pause > FINGER_PAUSE_MIN {
            self.finger_cursor.pause = FINGER_PAUSE_MIN;
            self.timers.set_earlier(Timer::Fingers, self.now.at + FINGER_PAUSE_MIN);
        }
    }

    /// The fingers are known to be right: they are looked at again much later.
    pub(super) fn fingers_rest(&mut self) {
        self.finger_cursor.pause = FINGER_PAUSE_MAX;
        let pause = self.jitter(0, FINGER_PAUSE_MAX.as_millis() as u64);
        self.timers.set(Timer::Fingers, self.now.at + pause);
    }

    /// A finger was looked up.
    pub(super) fn finger_found(&mut self, exponent: u8, found: Option<Found>) {
        let owner = found.map(|found| found.owner);
        let cursor = &mut self.finger_cursor;
        let wraps = |owner: &Peer| self.me.id().distance_to(owner.id()) < 1 << exponent;
        cursor.next = match owner {
            Some(owner) if owner != self.me && !wraps(&owner) => {
                cursor.changed |= self.fingers.set(exponent, owner);
                let next = self.fingers.first_beyond(owner.id());
                // If it is farther than the next target, nobody is between the two.
                let apart = next.is_none_or(|next| next == exponent + 1);
                cursor.half = Some(exponent).filter(|_| apart && cursor.calm && self.config.halves);
                next
            }
            Some(_) => None,
            None => (exponent + 1 < Id::BITS as u8).then_some(exponent + 1),
        };
        if cursor.next.is_none() {
            // Once round: slower if nothing changed.
            cursor.pause = if cursor.changed { FINGER_PAUSE_MIN } else { (cursor.pause * 2).max(FINGER_PAUSE_MIN) };
            cursor.calm = !cursor.changed;
            cursor.changed = false;
        }
    }

    /// A node half-way between two fingers was looked up.
    pub(super) fn half_found(&mut self, exponent: u8, found: Option<Found>) {
        if let Some(found) = found {
            self.fingers.set_half(exponent, found.owner);
        }
    }
}
