//! Successor and predecessor (Zave 2017, corrected Chord): stabilise, notify and rectify. Notify is folded into
//! `Stabilise`, and with it go heartbeat, consents and digests.
//!
//! No pointer is adopted that was not heard from its own node or from a live head's list; the predecessor is never set
//! to none because it is silent, only replaced.

use super::Node;
use super::pending::{Manner, Purpose};
use super::rights::Pledge;
use super::speak::Asked;
use crate::config::Rule;
use crate::id::Arc;
use crate::time::Instant;
use crate::wire::{Answer, Keeping, Named, Neighbours, Peer, Pledged, Refusal, Request, Stabilise, Stamp};
use alloc::boxed::Box;
use core::time::Duration;

/// What a `Stabilise` in flight said, to be held against its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    /// It consented.
    pub consents: bool,
    /// The count of changes that its digest was made at.
    pub changes: u64,
    /// The neighbourhood that it was sent in.
    pub neighbourhood: u32,
}

impl Node {
    /// The periodic round.
    pub(super) fn round(&mut self) {
        let pause = self.rng.between(self.config.stabilise_min, self.config.stabilise_max);
        self.timers.set(super::Timer::Round, self.now.at + pause);
        self.stabilise();
        self.watch_predecessor();
        self.owner_ops.drop_read(self.now.at, |_, _| false);
        self.settle();
    }

    /// Stabilises out of turn, after the pause.
    pub(super) fn stabilise_soon(&mut self, pause: Duration) {
        self.timers.set_earlier(super::Timer::Stabilise, self.now.at + pause);
    }

    /// One exchange with the successor.
    pub(super) fn stabilise(&mut self) {
        if !self.has_joined() || self.has_parted() {
            return;
        }
        let Some(head) = self.successors.head() else { return self.without_head() };
        if self.requests.any(|to, purpose| *to == head && matches!(purpose, Purpose::Stabilise(_))) {
            self.ring.again = true;
            return;
        }
        self.ring.again = false;
        let now = self.now.at;
        let open = self.has_open_question(&head);
        let relation = self.peers.relation(now, &head);
        relation.open_since.get_or_insert(now);
        let pledge_length = self.config.pledge();
        let link = relation.link.filter(|(_, at)| *at + pledge_length > now && !open);
        let blocked = self.in_the_way(Pledged::Successor, &head);
        let consent = link.filter(|_| blocked.is_none() && self.awaiting.is_none());
        if let Some(wait) = blocked.filter(|_| link.is_some()) {
            self.stabilise_soon(wait);
        }
        if let Some((rests_on, at)) = consent {
            let earlier = self.rights.pledge_successor.filter(|pledge| pledge.to == head);
            let until = earlier.map_or(Instant::ZERO, |pledge| pledge.until).max(at + pledge_length);
            self.rights.pledge_successor = Some(Pledge { to: head, until, rests_on });
        }
        let (changes, neighbourhood) = (self.store.changes(), self.rights.neighbourhood);
        let purpose = Purpose::Stabilise(Said { consents: consent.is_some(), changes, neighbourhood });
        let manner = self.patient();
        self.send_stabilise(head, consent.map(|(stamp, _)| stamp), purpose, manner);
    }

    fn send_stabilise(&mut self, to: Peer, consent: Option<Stamp>, purpose: Purpose, manner: Manner) -> bool {
        let after = self.predecessor.map_or(to.id(), |predecessor| predecessor.id());
        let head = self.successors.head().is_some_and(|head| head == to);
        // The list that the head named is ours behind the head, unless it was cut at the capacity: then it is longer.
        let list = if head { self.successors.behind_head() } else { 0 };
        let stabilise = Stabilise {
            place: self.me.place,
            consents: consent.is_some(),
            stamp: self.stamper.make(self.now.at, to.addr()),
            after,
            stood_before: self.ring.stood_before.filter(|id| *id != to.id()),
            digest: self.store.digest(Arc::new(after, to.id())),
            list,
            dropped: self.ring.told_on(),
            awaits: self.tells_awaits(Beside::Successor, &to),
            keeping: self.keeping(),
        };
        let echo = consent.or_else(|| self.peers.path(to.addr()).and_then(|path| path.stamp));
        self.ask_echoing(to, echo, Request::Stabilise(stabilise), purpose, manner)
    }

    /// The head answered.
    pub(super) fn stabilised(
        &mut self,
        from: Peer,
        asked: Instant,
        said: Said,
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
        self.ring.behind_head = answer.dropped;
        if answer.predecessor == Named::You {
            self.told_awaits(Beside::Successor, answer.awaits);
        }
        // Under other neighbours it was a comparison of other arcs.
        if answer.predecessor == Named::You && said.neighbourhood == self.rights.neighbourhood {
            self.compared(Beside::Successor, from, answer.matched, said.changes, answer.keeping);
        }
        if answer.consents && asked >= self.rights.of_successor.since {
            self.consented(Pledged::Successor, asked + self.config.consent);
        }
        if answer.wait_ms > 0 {
            self.stabilise_soon(Duration::from_millis(answer.wait_ms.into()));
        }
        if let Some(list) = answer.successors {
            let list = self.successors.cut(core::iter::once(from).chain(*list));
            self.set_neighbours(self.predecessor, list);
        }
        match answer.predecessor {
            Named::Other(closer) if closer.id().is_between(self.me.id(), from.id()) => return self.consider(closer),
            Named::You if !said.consents && !self.has_open_question(&from) && self.awaiting.is_none() => {
                // The link is there now, and nothing stands in the way: consent without waiting for the next round.
                let link = self.peers.get(&from).and_then(|relation| relation.link);
                let fresh = link.is_some_and(|(_, at)| at + self.config.consent > now);
                if fresh && self.in_the_way(Pledged::Successor, &from).is_none() {
                    self.stabilise_soon(Duration::from_millis(20));
                }
            }
            _ => {}
        }
        self.silence_reviewed();
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
                if newer(relation.recent_link(now)) && newer(relation.recent_link_after(now)) {
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
            let list = answer.successors.map_or_else(Default::default, |list| *list);
            let list = self.successors.cut(core::iter::once(from).chain(list));
            self.set_neighbours(self.predecessor, list);
            // With its list, which may be a poor one, we take over what it has lost.
            self.ring.behind_head = answer.dropped;
            self.stabilise();
        }
    }

    /// A node says that we are its successor.
    pub(super) fn serve_stabilise(&mut self, asked: &Asked, request: &Stabilise) {
        let now = self.now.at;
        let peer = Peer { place: request.place, incarnation: asked.incarnation };
        if peer.addr() != asked.source {
            // What it says of itself could not be answered, nor its rights be told from another's.
            return self.refuse(asked, Refusal::NotNeighbour);
        }
        let Some(stamped) = asked.proven.filter(|_| peer.id() != self.me.id()) else {
            return self.refuse(asked, Refusal::NotMember);
        };
        if self.ring.predecessor_left && self.predecessor == Some(peer) {
            return self.refuse(asked, Refusal::NotMember);
        }
        if !self.peers.relation(now, &peer).is_news(now, request.stamp, asked.transaction) {
            let answer = self.neighbours_for(&peer, request, false);
            return self.answer(asked, Answer::Neighbours(answer));
        }
        self.unsilence(&peer);
        let relation = self.peers.relation(now, &peer);
        relation.heard_request = Some(now);
        if relation.open_since.is_some_and(|since| since <= stamped) {
            // It was sent after our question: whoever asks is not dead.
            relation.open_since = None;
        }
        self.notified(peer);
        let is_predecessor = self.predecessor == Some(peer);
        let relation = self.peers.relation(now, &peer);
        let void_before = relation.void_before;
        if is_predecessor {
            self.ring.before_predecessor = Some(request.after);
            self.told_of_dropped(&peer, &request.dropped);
            self.extend_reach(peer.id(), request.after, request.stood_before);
            self.told_awaits(Beside::Predecessor, request.awaits);
            if request.consents && stamped >= void_before && stamped >= self.rights.of_predecessor.since {
                let from = if self.config.keeps(Rule::Stamps) { stamped } else { now };
                self.consented(Pledged::Predecessor, from + self.config.consent);
            }
        }
        let answer = self.neighbours_for(&peer, request, true);
        self.answer(asked, Answer::Neighbours(answer));
    }

    /// The answer. A request that is no news renews no pledge: it is only told of one that was given since it was sent.
    fn neighbours_for(&mut self, peer: &Peer, request: &Stabilise, news: bool) -> Neighbours {
        let now = self.now.at;
        let is_predecessor = self.predecessor == Some(*peer);
        let blocked = self.in_the_way(Pledged::Predecessor, peer);
        let given = self.rights.pledge_predecessor.filter(|pledge| pledge.to == *peer && pledge.until > now);
        let renews = news || given.is_some_and(|pledge| !request.stamp.is_after(pledge.rests_on));
        let free = blocked.is_none() && self.awaiting.is_none();
        let consents = is_predecessor && free && !self.has_open_question(peer) && renews;
        if consents && news {
            let rests_on = match given {
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
            self.peers.relation(now, peer).void_before = now + Duration::from_micros(1);
        }
        let matched = self.store.digest(Arc::new(request.after, self.me.id())) == request.digest;
        if is_predecessor && news {
            let changes = self.store.changes();
            self.compared(Beside::Predecessor, *peer, matched, changes, request.keeping);
        }
        let successors = self.successors.as_slice();
        let unchanged = self.successors.kept_by(peer.id()) == request.list;
        let wait = blocked.filter(|_| is_predecessor && !consents).map_or(0, |wait| wait.as_millis() + 1);
        Neighbours {
            predecessor,
            successors: (!unchanged).then(|| Box::new(successors.iter().copied().collect())),
            consents,
            wait_ms: u16::try_from(wait).unwrap_or(u16::MAX),
            dropped: self.ring.told_on(),
            matched,
            awaits: self.tells_awaits(Beside::Predecessor, peer),
            keeping: self.keeping(),
        }
    }

    /// Zave's rectify: is the notifier a better predecessor?
    fn notified(&mut self, peer: Peer) {
        let me = self.me.id();
        match self.predecessor {
            Some(old) if old == peer => self.ring.predecessor_suspected = false,
            Some(old) => {
                let closer = peer.id().is_between(old.id(), me);
                if closer || (self.ring.predecessor_suspected && old.id() != peer.id()) {
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
    }

    /// Our arcs and the neighbour's hold the same, or do not: then each takes over what the other has.
    fn compared(&mut self, side: Beside, neighbour: Peer, matched: bool, changes: u64, keeping: Keeping) {
        self.heard_of_room(side, keeping.room);
        let differed = &mut self.ring.differed[side as usize];
        let since = &mut self.ring.differs_since[side as usize];
        *since = (!matched).then(|| since.unwrap_or(self.now.at));
        if !matched {
            // One exchange with a difference may have met a write under way.
            *differed = differed.saturating_add(1);
            if *differed >= 2 || self.rights.settled.is_none() {
                *differed = 0;
                self.pull_from_neighbour(neighbour);
            }
            return;
        }
        *differed = 0;
        // What the neighbour has yet to save it may still lose.
        let known = if keeping.unsaved { 0 } else { changes };
        match side {
            Beside::Successor => {
                self.rights.matched_successor = self.rights.matched_successor.max(known);
                // Until it answers again, what it lost on one side may be told it of the other.
                if !self.ring.row.is_empty() && self.is_ready(self.now.at) {
                    self.ring.row.clear();
                    // The predecessor counts them too.
                    self.timers.set_earlier(super::Timer::TellList, self.now.at);
                }
            }
            Beside::Predecessor => {
                self.rights.matched_predecessor = self.rights.matched_predecessor.max(known);
            }
        }
    }
}

/// Which neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    Successor = 0,
    Predecessor = 1,
}
