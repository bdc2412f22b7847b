//! Successor and predecessor (Zave 2017, corrected Chord): stabilise, notify and rectify, and how a silent node is
//! dropped. Notify is folded into `Stabilise`.
//!
//! No pointer is adopted that was not heard from its own node or from a live head's list; the predecessor is never set to
//! none because it is silent, only replaced; nobody is dropped before three tries and a question to a third node.

use super::Node;
use super::command::{Life, Unsettled};
use super::consent::{Pledge, in_the_way};
use super::pending::{Manner, Probe, Purpose, Role, Silence};
use super::speak::Asked;
use crate::id::{Arc, Id};
use crate::limits::{DROPPED_MAX, ROW_MAX};
use crate::routing::Successors;
use crate::time::Instant;
use crate::wire::{Answer, Named, Neighbours, Peer, Pledged, Refusal, Request, Stabilise, Stamp};
use core::time::Duration;

/// Whom a node takes for dead, and what follows from it.
#[derive(Debug, Default)]
pub(super) struct Suspicions {
    /// The predecessor is taken for dead, and only waits to be replaced.
    pub predecessor_suspected: bool,
    /// The predecessor is being probed.
    pub watching: bool,
    /// The predecessor is being probed because another wants its place.
    pub rectifying: bool,
    /// Stabilise again as soon as the exchange under way has ended.
    again: bool,
    /// The nodes dropped one after another since the arcs last matched.
    pub row: heapless::Vec<Peer, DROPPED_MAX>,
    /// Too many were dropped in a row: perhaps it is this node that is cut off.
    pub silent: Option<Quiet>,
    /// Where the predecessor's arc begins, as it told us: we hold copies of that arc.
    pub before_predecessor: Option<Id>,
    /// Exchanges in a row in which the successor's and the predecessor's store differed from ours.
    differed: [u8; 2],
}

/// Why a node is silent.
#[derive(Debug)]
pub(super) struct Quiet {
    /// Whose answer ends it.
    pub dropped: heapless::Vec<Peer, DROPPED_MAX>,
    /// The predecessor that told so, if it was not found out here. What was told is not told on.
    pub told_by: Option<Peer>,
}

impl Suspicions {
    /// The predecessor is another: what was suspected of the old one says nothing of it.
    pub fn predecessor_changed(&mut self) {
        (self.predecessor_suspected, self.watching, self.rectifying, self.differed[1]) = (false, false, false, 0);
        self.before_predecessor = None;
    }
}

impl Node {
    /// The periodic round.
    pub(super) fn round(&mut self) {
        let pause = self.rng.between(self.config.stabilise_min, self.config.stabilise_max);
        self.timers.set(super::Timer::Round, self.now.at + pause);
        self.stabilise();
        self.watch_predecessor();
        self.settle();
    }

    /// Stabilises out of turn, after the pause.
    pub(super) fn stabilise_soon(&mut self, pause: Duration) {
        self.timers.set_earlier(super::Timer::Stabilise, self.now.at + pause);
    }

    /// One exchange with the successor.
    pub(super) fn stabilise(&mut self) {
        if !self.is_member() {
            return;
        }
        let Some(head) = self.successors.head() else { return self.without_head() };
        if self.requests.any(|to, purpose| *to == head && matches!(purpose, Purpose::Stabilise { .. })) {
            self.ring.again = true;
            return;
        }
        self.ring.again = false;
        let now = self.now.at;
        let open = self.has_open_question(&head);
        let relation = self.peers.relation(now, &head);
        relation.open_since.get_or_insert(now);
        let pledge_length = self.config.pledge();
        let link = relation.link.filter(|(_, at)| *at + pledge_length > now && !open && self.rights.of_successor.had);
        let blocked = in_the_way(&self.rights.pledge_successor, now, &head);
        let consent = link.filter(|_| blocked.is_none());
        if let Some(wait) = blocked.filter(|_| link.is_some()) {
            self.stabilise_soon(wait);
        }
        if let Some((rests_on, at)) = consent {
            let earlier = self.rights.pledge_successor.filter(|pledge| pledge.to == head);
            let until = earlier.map_or(Instant::ZERO, |pledge| pledge.until).max(at + pledge_length);
            self.rights.pledge_successor = Some(Pledge { to: head, until, rests_on });
        }
        let purpose = Purpose::Stabilise { consents: consent.is_some(), changes: self.store.changes() };
        let manner = self.patient();
        self.send_stabilise(head, consent.map(|(stamp, _)| stamp), purpose, manner);
    }

    fn send_stabilise(&mut self, to: Peer, consent: Option<Stamp>, purpose: Purpose, manner: Manner) -> bool {
        let after = self.predecessor.map_or(to.id(), |predecessor| predecessor.id());
        let head = self.successors.head().is_some_and(|head| head == to);
        // The list that the head named is ours behind the head, unless it was cut at the capacity: then it is longer.
        let list = if head { self.ring_list_digest() } else { 0 };
        let mut dropped = self.ring.row.clone();
        if let Some(quiet) = self.ring.silent.as_ref().filter(|quiet| quiet.told_by.is_none()) {
            dropped = quiet.dropped.clone();
        }
        let stabilise = Stabilise {
            place: self.me.place,
            consents: consent.is_some(),
            stamp: self.stamper.make(self.now.at, to.addr()),
            after,
            digest: self.store.digest(Arc::new(after, to.id())),
            list,
            dropped,
        };
        let echo = consent.or_else(|| self.peers.path(to.addr()).and_then(|path| path.stamp));
        self.ask_echoing(to, echo, Request::Stabilise(stabilise), purpose, manner)
    }

    /// The hash of what we keep of our head's list.
    fn ring_list_digest(&self) -> u32 {
        let kept = self.successors.as_slice();
        Successors::digest(kept.get(1..).unwrap_or_default())
    }

    /// The head answered.
    pub(super) fn stabilised(
        &mut self,
        from: Peer,
        asked: Instant,
        consenting: bool,
        changes: u64,
        stamp: Option<Stamp>,
        answer: Neighbours,
    ) {
        let now = self.now.at;
        self.heard_neighbour(&from, stamp, answer.predecessor);
        if self.ring.again {
            self.stabilise_soon(Duration::ZERO);
        }
        if self.successors.head() != Some(from) {
            return;
        }
        let named = answer.predecessor == Named::You;
        if named && !answer.had_predecessor && !self.rights.of_successor.had {
            // Both ends of the link wait for the other's first consent: the one in front starts over at once.
            self.join_over();
            return;
        }
        if named {
            self.compared(0, from, answer.matched, changes);
        }
        if answer.consents && asked >= self.rights.of_successor.since {
            self.consented(Pledged::Successor, asked + self.config.consent);
        }
        if answer.wait_ms > 0 {
            self.stabilise_soon(Duration::from_millis(answer.wait_ms.into()));
        }
        if let Some(list) = answer.successors {
            let list = self.successors.cut(core::iter::once(from).chain(list));
            self.set_neighbours(self.predecessor, list);
        }
        match answer.predecessor {
            Named::Other(closer) if closer.id().is_between(self.me.id(), from.id()) => self.consider(closer),
            Named::You if !consenting && self.rights.of_successor.had && !self.has_open_question(&from) => {
                // The link is there now, and nothing stands in the way: consent without waiting for the next round.
                let link = self.peers.get(&from).and_then(|relation| relation.link);
                let fresh = link.is_some_and(|(_, at)| at + self.config.consent > now);
                if fresh && in_the_way(&self.rights.pledge_successor, now, &from).is_none() {
                    self.stabilise_soon(Duration::from_millis(20));
                }
            }
            _ => {}
        }
    }

    /// What an answer of a neighbour says about the link between us.
    fn heard_neighbour(&mut self, from: &Peer, stamp: Option<Stamp>, named: Named) {
        let Some(stamp) = stamp else { return };
        let now = self.now.at;
        match named {
            Named::Other(closer) if closer.id().is_between(self.me.id(), from.id()) => {
                // It names a closer one than us: that is a release, and takes back the links it gave before.
                self.void_link(from, stamp);
                let pledge = &mut self.rights.pledge_successor;
                if pledge.is_some_and(|pledge| pledge.to == *from && stamp.is_after(pledge.rests_on)) {
                    *pledge = None;
                }
            }
            Named::You => {
                let relation = self.peers.relation(now, from);
                let newer = |known: Option<Stamp>| known.is_none_or(|known| stamp.is_after(known));
                if newer(relation.link.map(|(link, _)| link)) && newer(relation.link_after) {
                    relation.link = Some((stamp, now));
                }
            }
            _ => {}
        }
    }

    /// Asks a node that may be our successor; it learns of us, and is adopted when it answers.
    pub(super) fn consider(&mut self, candidate: Peer) {
        let asking = self.requests.any(|to, purpose| *to == candidate && matches!(purpose, Purpose::Candidate));
        if !asking && candidate.id() != self.me.id() {
            let manner = self.patient();
            self.send_stabilise(candidate, None, Purpose::Candidate, manner);
        }
    }

    /// A possible successor answered.
    pub(super) fn candidate_answered(&mut self, from: Peer, stamp: Option<Stamp>, answer: Neighbours) {
        self.heard_neighbour(&from, stamp, answer.predecessor);
        self.remembered.remove(&from);
        let closer = self.successors.head().is_some_and(|head| from.id().is_between(self.me.id(), head.id()));
        if closer {
            let list = self.successors.cut(core::iter::once(from).chain(answer.successors.unwrap_or_default()));
            self.set_neighbours(self.predecessor, list);
            self.stabilise();
        }
    }

    /// A node says that we are its successor.
    pub(super) fn serve_stabilise(&mut self, asked: &Asked, request: &Stabilise) {
        let now = self.now.at;
        let peer = Peer { place: request.place, incarnation: asked.incarnation };
        let Some(stamped) = asked.proven.filter(|_| peer.id() != self.me.id()) else {
            return self.refuse(asked, Refusal::NotMember);
        };
        self.unsilence(&peer);
        let relation = self.peers.relation(now, &peer);
        relation.heard_request = Some(now);
        if relation.open_since.is_some_and(|since| since <= stamped) {
            // It was sent after our question: whoever asks is not dead.
            relation.open_since = None;
        }
        if !self.notified(peer) {
            return self.refuse(asked, Refusal::NotMember);
        }
        let is_predecessor = self.predecessor == Some(peer);
        let relation = self.peers.relation(now, &peer);
        let void_before = relation.void_before;
        if is_predecessor {
            self.ring.before_predecessor = Some(request.after);
            self.told_of_dropped(&peer, &request.dropped);
            if request.consents && stamped >= void_before && stamped >= self.rights.of_predecessor.since {
                self.consented(Pledged::Predecessor, stamped + self.config.consent);
            }
        }
        let answer = self.neighbours_for(&peer, request, is_predecessor);
        self.answer(asked, Answer::Neighbours(answer));
    }

    fn neighbours_for(&mut self, peer: &Peer, request: &Stabilise, is_predecessor: bool) -> Neighbours {
        let now = self.now.at;
        let blocked = in_the_way(&self.rights.pledge_predecessor, now, peer);
        let consents =
            is_predecessor && blocked.is_none() && self.rights.of_predecessor.had && !self.has_open_question(peer);
        if consents {
            let rests_on = match self.rights.pledge_predecessor.filter(|pledge| pledge.to == *peer) {
                Some(pledge) if pledge.rests_on.is_after(request.stamp) => pledge.rests_on,
                _ => request.stamp,
            };
            let until = now + self.config.pledge();
            self.rights.pledge_predecessor = Some(Pledge { to: *peer, until, rests_on });
        }
        let predecessor = match self.predecessor {
            None => Named::Nobody,
            Some(known) if known == *peer => Named::You,
            Some(other) => Named::Other(other),
        };
        if let Named::Other(closer) = predecessor
            && closer.id().is_between(peer.id(), self.me.id())
        {
            // What it may still consent to on the word of our earlier answers is void.
            let next_millisecond = Instant::from_millis(now.as_millis() + 1);
            self.peers.relation(now, peer).void_before = next_millisecond;
        }
        let matched = self.store.digest(Arc::new(request.after, self.me.id())) == request.digest;
        if is_predecessor {
            let changes = self.store.changes();
            self.compared(1, *peer, matched, changes);
        }
        let successors = self.successors.as_slice();
        // The asker keeps one less than we have, since we come first in its list; both lists have the same capacity.
        let kept = &successors[..successors.len().min(self.config.successors - 1)];
        let kept = kept.iter().position(|node| node.id() == peer.id()).map_or(kept, |at| &kept[..at]);
        let unchanged = Successors::digest(kept) == request.list;
        let wait = blocked.filter(|_| is_predecessor && !consents).map_or(0, |wait| wait.as_millis() + 1);
        Neighbours {
            predecessor,
            successors: (!unchanged).then(|| successors.iter().copied().collect()),
            consents,
            wait_ms: u16::try_from(wait).unwrap_or(u16::MAX),
            matched,
            had_predecessor: self.rights.of_predecessor.had,
            had_successor: self.rights.of_successor.had,
        }
    }

    /// Zave's rectify: is the notifier a better predecessor? False if the node gave up its place over it.
    fn notified(&mut self, peer: Peer) -> bool {
        let me = self.me.id();
        match self.predecessor {
            Some(old) if old == peer => self.ring.predecessor_suspected = false,
            Some(old) => {
                let closer = peer.id().is_between(old.id(), me);
                if closer || (self.ring.predecessor_suspected && old.id() != peer.id()) {
                    if !closer && self.join_over() {
                        return false;
                    }
                    self.set_neighbours(Some(peer), self.successors.clone());
                } else {
                    self.rectify(old, peer);
                }
            }
            None => self.set_neighbours(Some(peer), self.successors.clone()),
        }
        if self.successors.head().is_none() {
            let list = self.successors.cut([peer]);
            self.set_neighbours(self.predecessor, list);
            self.stabilise_soon(Duration::ZERO);
        }
        true
    }

    /// Our arcs and the neighbour's hold the same, or do not: then each takes over what the other has.
    fn compared(&mut self, side: usize, neighbour: Peer, matched: bool, changes: u64) {
        let differed = &mut self.ring.differed[side];
        if matched {
            *differed = 0;
            match side {
                0 => {
                    self.rights.matched_successor = changes;
                    self.ring.row.clear();
                }
                _ => self.rights.matched_predecessor = changes,
            }
        } else {
            // One exchange with a difference may have met a write under way.
            *differed = differed.saturating_add(1);
            if *differed >= 2 || self.rights.settled.is_none() {
                *differed = 0;
                self.pull_from_neighbour(neighbour);
            }
        }
    }

    /// Our predecessor tells which nodes it dropped in a row.
    fn told_of_dropped(&mut self, teller: &Peer, dropped: &[Peer]) {
        if dropped.len() >= ROW_MAX {
            self.fall_silent(dropped, Some(*teller));
        } else if dropped.is_empty() && self.ring.silent.as_ref().is_some_and(|quiet| quiet.told_by == Some(*teller)) {
            self.break_silence();
        }
    }

    fn fall_silent(&mut self, dropped: &[Peer], told_by: Option<Peer>) {
        if self.ring.silent.is_none() {
            let dropped = dropped.iter().copied().take(DROPPED_MAX).collect();
            self.ring.silent = Some(Quiet { dropped, told_by });
            self.counters.silences += 1;
            self.unsettle(Unsettled::Silent);
            self.live(Life::Silent);
        }
    }

    /// A node was heard. If it was one of those dropped in a row, nothing was cut.
    pub(super) fn unsilence(&mut self, heard: &Peer) {
        let among = |dropped: &[Peer]| dropped.iter().any(|node| node.id() == heard.id());
        if self.ring.silent.as_ref().is_some_and(|quiet| among(&quiet.dropped)) {
            self.break_silence();
        } else if among(&self.ring.row) {
            self.ring.row.clear();
        }
    }

    fn break_silence(&mut self) {
        self.unsettle(Unsettled::Silent);
        self.ring.silent = None;
        self.ring.row.clear();
        // Consents asked for earlier do not count, and a lone node joins instead of speaking.
        self.rights.lose_consents(self.now.at);
        self.live(Life::Heard);
    }

    /// The head did not answer, or not as a member.
    pub(super) fn stabilise_silent(&mut self, head: Peer, since: Instant, silence: Silence) {
        if self.ring.again {
            self.stabilise_soon(Duration::ZERO);
        }
        match silence {
            Silence::Timeout { late: true } => self.stabilise_soon(Duration::ZERO),
            _ if self.successors.head() != Some(head) || self.answered_since(&head, since) => {}
            Silence::Gone => self.drop_head(head),
            Silence::Timeout { .. } | Silence::Refused(_) => self.ask_third(head, since, Role::Head),
        }
    }

    fn answered_since(&self, peer: &Peer, since: Instant) -> bool {
        self.peers.get(peer).and_then(|relation| relation.heard_answer).is_some_and(|at| at >= since)
    }

    /// Before a node is dropped, another one tries to hear it.
    fn ask_third(&mut self, suspect: Peer, since: Instant, role: Role) {
        let own = self.predecessor.filter(|_| !self.ring.predecessor_suspected);
        let third = self.successors.as_slice().iter().copied().chain(own).find(|peer| *peer != suspect);
        let manner = Manner { tries: 1, timeout: Some(self.config.indirect), client: false };
        let purpose = Purpose::Indirect { suspect, since, role };
        let asked = third.is_some_and(|third| self.ask(third, Request::PingFor(suspect), purpose, manner));
        if !asked {
            self.confirmed_silent(suspect, since, role);
        }
    }

    /// The third node heard it: a broken path is no reason to drop anyone.
    pub(super) fn indirectly_heard(&mut self, _suspect: Peer, _since: Instant, role: Role) {
        match role {
            Role::Head => {}
            Role::Predecessor => self.ring.watching = false,
            Role::Rectify(_) => self.ring.rectifying = false,
        }
    }

    /// The third node did not hear it either.
    pub(super) fn indirectly_silent(&mut self, suspect: Peer, since: Instant, role: Role, silence: Silence) {
        if silence == (Silence::Timeout { late: true }) {
            return self.indirectly_heard(suspect, since, role);
        }
        self.confirmed_silent(suspect, since, role);
    }

    fn confirmed_silent(&mut self, suspect: Peer, since: Instant, role: Role) {
        match role {
            Role::Head if self.successors.head() == Some(suspect) && !self.answered_since(&suspect, since) => {
                self.drop_head(suspect);
            }
            Role::Head => {}
            Role::Predecessor => self.suspect_predecessor(suspect, since, None),
            Role::Rectify(candidate) => self.suspect_predecessor(suspect, since, Some(candidate)),
        }
    }

    /// The head, and those after it that were found silent meanwhile, leave the list.
    fn drop_head(&mut self, head: Peer) {
        if self.join_over() {
            return;
        }
        let now = self.now.at;
        let recently_down = |node: &Peer| {
            let down = self.peers.get(node).and_then(|relation| relation.down);
            down.is_some_and(|at| now.since(at) < self.config.consent)
        };
        let behind = &self.successors.as_slice()[1..];
        let silent = behind.iter().take_while(|node| recently_down(node)).count();
        let (gone, rest) = self.successors.as_slice().split_at(1 + silent);
        let (gone, rest) = (gone.to_vec(), rest.to_vec());
        for node in &gone {
            self.dropped(*node);
        }
        if self.predecessor.is_some_and(|predecessor| gone.contains(&predecessor)) {
            self.ring.predecessor_suspected = true;
        }
        if self.ring.row.len() >= ROW_MAX {
            let row = self.ring.row.clone();
            self.fall_silent(&row, None);
        }
        debug_assert!(gone.contains(&head));
        let list = self.successors.cut(rest);
        self.set_neighbours(self.predecessor, list);
        self.stabilise();
    }

    fn dropped(&mut self, node: Peer) {
        self.counters.suspicions += 1;
        self.remembered.add(self.now.at, node);
        if !self.ring.row.iter().any(|known| known.id() == node.id()) {
            // Three are enough to fall silent, so what does not fit changes nothing.
            let _ = self.ring.row.push(node);
        }
        self.live(Life::Dropped(node));
    }

    /// While the head is silent: are the next ones alive?
    pub(super) fn probe_next(&mut self) {
        let next: heapless::Vec<Peer, 2> = self.successors.as_slice().iter().skip(1).take(2).copied().collect();
        for node in next {
            self.peers.relation(self.now.at, &node).down = None;
            let manner = self.patient();
            self.ask(node, Request::Ping, Purpose::Probe(Probe::Next), manner);
        }
    }

    /// A predecessor that missed two rounds is probed.
    fn watch_predecessor(&mut self) {
        let now = self.now.at;
        let Some(predecessor) = self.predecessor.filter(|_| self.is_member()) else { return };
        if self.ring.watching || self.ring.predecessor_suspected {
            return;
        }
        let heard = self.peers.get(&predecessor).and_then(|relation| relation.heard_request);
        if now.since(heard.unwrap_or(self.rights.of_predecessor.since)) < self.config.stabilise_max * 2 {
            return;
        }
        self.peers.relation(now, &predecessor).open_since.get_or_insert(now);
        let manner = self.patient();
        self.ring.watching = self.ask(predecessor, Request::Ping, Purpose::Probe(Probe::Predecessor), manner);
    }

    fn rectify(&mut self, old: Peer, candidate: Peer) {
        if !self.ring.rectifying {
            let manner = self.patient();
            self.ring.rectifying = self.ask(old, Request::Ping, Purpose::Probe(Probe::Rectify(candidate)), manner);
        }
    }

    /// A probe of the predecessor failed.
    pub(super) fn predecessor_silent(&mut self, peer: Peer, since: Instant, silence: Silence, candidate: Option<Peer>) {
        let role = candidate.map_or(Role::Predecessor, Role::Rectify);
        match silence {
            _ if self.predecessor != Some(peer) => {}
            Silence::Timeout { late: true } => self.indirectly_heard(peer, since, role),
            Silence::Gone => self.suspect_predecessor(peer, since, candidate),
            Silence::Timeout { .. } | Silence::Refused(_) => self.ask_third(peer, since, role),
        }
    }

    /// The predecessor is taken for dead: it waits to be replaced, or is replaced by the one that asked.
    fn suspect_predecessor(&mut self, peer: Peer, since: Instant, candidate: Option<Peer>) {
        let heard = self.peers.get(&peer).and_then(|relation| relation.heard_request);
        self.indirectly_heard(peer, since, candidate.map_or(Role::Predecessor, Role::Rectify));
        if self.predecessor != Some(peer) || heard.is_some_and(|at| at >= since) {
            return;
        }
        self.remembered.add(self.now.at, peer);
        match candidate {
            Some(candidate) => {
                if !self.join_over() {
                    self.set_neighbours(Some(candidate), self.successors.clone());
                }
            }
            None => {
                self.counters.suspicions += 1;
                self.ring.predecessor_suspected = true;
                self.live(Life::Dropped(peer));
            }
        }
    }

    /// An answer came from the peer.
    pub(super) fn heard_answer(&mut self, peer: &Peer) {
        let now = self.now.at;
        // Only neighbours' answers matter; of others no relation is kept.
        if self.peers.get(peer).is_some() {
            let relation = self.peers.relation(now, peer);
            (relation.heard_answer, relation.open_since, relation.down) = (Some(now), None, None);
        }
        self.unsilence(peer);
    }

    /// Another incarnation answered in its place: whatever we promised it, and it us, is over.
    pub(super) fn reborn(&mut self, former: Peer) {
        self.rights.end_pledges_to(&former);
        self.unsilence(&former);
        self.peers.forget(&former);
    }
}
