//! Who may answer.
//!
//! A node answers for an id only while *both* neighbours consent. Consents are asked for with every `Stabilise`:
//!
//! - *Of the successor.* Its answer "you are my predecessor" is a pledge: for a little longer than the consent lasts it
//!   claims nothing at or before the asker, and consents to no other predecessor. The asker counts from when it first
//!   sent the request.
//! - *Of the predecessor.* Its request says "you are my successor" and echoes the stamp of the receiver's last answer.
//!   The receiver counts from that stamp, on its own clock. The predecessor's pledge to consent to no other successor
//!   counts from when it received that answer.
//!
//! On each side at most one pledge is unexpired. It ends early only by its holder's word: a `Release` newer than what
//! the pledge rests on, or an answer to our own request by which the holder turns out to be another incarnation. Two
//! nodes that speak for one id would need a node between them that three living neighbours dropped at once, or a node
//! from another ring that went past those between: what [`reach`](super::reach) is about.

use super::Node;
use super::life::{Life, Unsettled};
use super::pending::{Manner, Purpose};
use super::rights::{Consent, Pledge, unexpired};
use super::speak::Asked;
use super::stats::Silenced;
use crate::config::Rule;
use crate::id::{Arc, Id};
use crate::routing::Successors;
use crate::time::Instant;
use crate::wire::{Answer, Peer, Pledged, Request, Stamp};
use core::time::Duration;

impl Node {
    /// True if both neighbours consent at this moment, or the node knows itself to be alone, and nothing keeps it
    /// silent.
    pub(super) fn has_rights(&self, now: Instant) -> bool {
        if !self.is_member() || self.silenced().is_some() || self.has_stopped() {
            return false;
        }
        if let Some(until) = self.rights.alone_until {
            return until > now;
        }
        let lasts = |consent: &Consent, rule| consent.lasts(now) || !self.config.keeps(rule);
        self.predecessor.is_some()
            && self.successors.head().is_some()
            && lasts(&self.rights.of_predecessor, Rule::PredecessorsConsent)
            && lasts(&self.rights.of_successor, Rule::SuccessorsConsent)
    }

    /// A neighbour whose consent is missing at this moment, if one is.
    pub fn missing_consent(&self, now: Instant) -> Option<Peer> {
        if self.rights.alone_until.is_some_and(|until| until > now) {
            return None;
        }
        let before = self.predecessor.filter(|_| !self.rights.of_predecessor.lasts(now));
        before.or_else(|| self.successors.head().filter(|_| !self.rights.of_successor.lasts(now)))
    }

    /// True if the predecessor's consent is unexpired, or there is nobody to ask.
    pub fn has_predecessors_consent(&self, now: Instant) -> bool {
        self.rights.alone_until.is_some_and(|until| until > now) || self.rights.of_predecessor.lasts(now)
    }

    /// How long the pledge that was given on a side still stands in the way of one to `to`.
    pub(super) fn in_the_way(&self, side: Pledged, to: &Peer) -> Option<Duration> {
        let (now, me) = (self.now.at, self.me.id());
        let (pledge, beyond): (_, fn(Id, Id, Id) -> bool) = match side {
            Pledged::Predecessor => (&self.rights.pledge_predecessor, |held, to, me| held.is_between(to, me)),
            Pledged::Successor => (&self.rights.pledge_successor, |held, to, me| held.is_between(me, to)),
        };
        let anyone = self.config.keeps(Rule::OnePledgeASide);
        unexpired(pledge, now)
            .filter(|pledge| pledge.to != *to && self.config.keeps(Rule::WaitForPledges))
            .filter(|pledge| anyone || beyond(pledge.to.id(), to.id(), me))
            .map(|pledge| pledge.until.since(now))
    }

    /// What the node would speak for: after its predecessor, or after a node nearer to it that still holds a pledge, or
    /// as far as the claim reached before.
    pub(super) fn claim(&self, now: Instant) -> Option<Arc> {
        let me = self.me.id();
        if self.rights.alone_until.is_some() {
            return Some(Arc::new(me, me));
        }
        let predecessor = self.predecessor?.id();
        let waits = self.config.keeps(Rule::WaitForPledges);
        let pledged = unexpired(&self.rights.pledge_predecessor, now).filter(|_| waits).map(|pledge| pledge.to.id());
        let reach = self.rights.reach.and_then(|reach| reach.start(now));
        let nearest = |start, id: Id| if id.is_between(start, me) { id } else { start };
        let start = [pledged, reach].into_iter().flatten().fold(predecessor, nearest);
        Some(Arc::new(start, me))
    }

    /// What the node speaks for: its claim, while both consents are unexpired.
    pub fn spoken(&self, now: Instant) -> Option<Arc> {
        self.claim(now).filter(|_| self.has_rights(now))
    }

    /// What it last settled, in its present rights: of that it may answer for what it speaks for.
    pub const fn settled_arc(&self) -> Option<Arc> {
        self.rights.settled
    }

    /// True for a member that has settled in its place once, whether or not it speaks at this moment.
    pub fn is_established(&self) -> bool {
        self.is_member() && self.rights.established
    }

    /// True if the node speaks for the id: it is in the claim, and both consents are unexpired.
    pub fn speaks_for(&self, now: Instant, id: Id) -> bool {
        self.spoken(now).is_some_and(|claim| claim.contains(id))
    }

    /// True if the node may answer for the id: it speaks for it, and asked around before.
    pub fn is_settled_for(&self, now: Instant, id: Id) -> bool {
        self.rights.settled.is_some_and(|arc| arc.contains(id)) && self.speaks_for(now, id)
    }

    /// True if the node answers for the whole of its claim.
    pub fn is_ready(&self, now: Instant) -> bool {
        let (claim, settled) = (self.claim(now), self.rights.settled);
        self.has_rights(now) && claim.zip(settled).is_some_and(|(claim, settled)| settled.covers(claim))
    }

    /// True if the id is this node's own, as far as its pointers say.
    pub(super) fn is_own_by_pointers(&self, id: Id) -> bool {
        match self.predecessor {
            Some(predecessor) => Arc::new(predecessor.id(), self.me.id()).contains(id),
            None => self.successors.head().is_none() && !self.is_guest(),
        }
    }

    /// True if the id is the predecessor's: then this node stored the term that it is settled under.
    pub(super) fn is_beside_owner(&self, id: Id) -> bool {
        let before = self.ring.before_predecessor.zip(self.predecessor);
        before.is_some_and(|(before, owner)| Arc::new(before, owner.id()).contains(id))
    }

    /// Gives up what ran out since the last input.
    pub(super) fn expire_rights(&mut self) {
        let now = self.now.at;
        self.store.pass(now);
        if self.rights.alone_until.is_some_and(|until| until <= now) {
            // Its own timer came later than a consent lasts. If there are others, they may have gone on without it.
            self.rights.slept = self.knows_others();
            self.rights.alone_until = (!self.rights.slept).then(|| now + self.config.consent);
        }
        if (self.rights.settled.is_some() || self.settling.is_some()) && !self.has_rights(now) {
            self.counters.lapses += u64::from(self.rights.settled.is_some());
            let few = matches!(self.silenced(), Some(Silenced::Few { .. }));
            self.unsettle(if few { Unsettled::Few } else { Unsettled::Lapse });
        }
        if self.config.min_nodes > 1 {
            self.tell_few();
        }
    }

    /// Stops to answer until the node has settled again.
    pub(super) fn unsettle(&mut self, why: Unsettled) {
        self.abort_settling();
        if self.rights.unsettle() {
            self.wake_owner_ops();
            self.live(Life::Unsettled(why));
        }
    }

    /// Every change of the two pointers goes through here. Consents of former neighbours are lost, the claim changes in
    /// this moment, and who lost us as a neighbour is released from its pledge.
    pub(super) fn set_neighbours(&mut self, predecessor: Option<Peer>, successors: Successors) {
        let (old_predecessor, old_head) = (self.predecessor, self.successors.head());
        let head = successors.head();
        if self.successors.as_slice() != successors.as_slice() {
            self.timers.set_earlier(super::Timer::TellList, self.now.at + LIST_PAUSE);
        }
        let same = predecessor == old_predecessor && self.successors.as_slice() == successors.as_slice();
        self.counters.ring_changes += u64::from(!same);
        let kept = |peer: &Peer| predecessor == Some(*peer) || successors.as_slice().contains(peer);
        for former in self.successors.as_slice().iter().chain(&old_predecessor).filter(|peer| !kept(peer)) {
            self.remembered.acquaint(*former);
        }
        self.limit_reach(predecessor);
        self.predecessor = predecessor;
        self.successors = successors;
        let beyond = self.successors.as_slice().last().and_then(|last| self.fingers.first_beyond(last.id()));
        self.fingers.covered_below(beyond);
        if predecessor == old_predecessor && head == old_head {
            return;
        }
        let me = self.me.id();
        let since = self.now.at;
        self.rights.neighbourhood += 1;
        (self.rights.matched_predecessor, self.rights.matched_successor) = (0, 0);
        if predecessor.is_some() || head.is_some() {
            self.rights.alone_until = None;
            self.rights.slept = false;
        }
        if predecessor != old_predecessor {
            let since = if self.config.keeps(Rule::AskedAfterPointer) { since } else { Instant::ZERO };
            self.rights.of_predecessor = Consent { until: None, since, ..self.rights.of_predecessor };
            self.ring.predecessor_changed();
            let closer = old_predecessor.and_then(|old| predecessor.filter(|new| new.id().is_between(old.id(), me)));
            self.counters.takeovers += u64::from(old_predecessor.is_some() && closer.is_none());
            if let Some(old) = old_predecessor {
                self.release(old, Pledged::Predecessor, closer);
            }
            self.live(Life::Predecessor(predecessor));
        }
        if head != old_head {
            self.ring.head_changed();
            let since = if self.config.keeps(Rule::AskedAfterPointer) { since } else { Instant::ZERO };
            self.rights.of_successor = Consent { until: None, since, ..self.rights.of_successor };
            if let Some(old) = old_head {
                self.release(old, Pledged::Successor, None);
            }
            self.live(Life::Successor(head));
            self.fingers_soon();
        }
        self.unsettle(Unsettled::Neighbour);
    }

    /// The successor list changed: the predecessor's rests on it, and so on back, so it need not wait for its next
    /// round.
    pub(super) fn tell_list(&mut self) {
        let Some(predecessor) = self.predecessor.filter(|_| self.is_member()) else { return };
        let manner = Manner { tries: 1, ..self.patient() };
        self.ask(predecessor, Request::Hint, Purpose::Notice, manner);
    }

    /// Tells a former neighbour that its pledge is not needed any more.
    fn release(&mut self, from: Peer, side: Pledged, closer: Option<Peer>) {
        let stamp = self.stamper.make(self.now.at, from.addr());
        let manner = self.patient();
        self.ask(from, Request::Release { side, stamp, closer }, Purpose::Notice, manner);
    }

    /// Who holds a pledge of this side gives it back, with a stamp newer than the one that it rests on. Returns the
    /// pledge if it had not run out by itself.
    fn end_pledge(&mut self, asked: &Asked, side: Pledged, stamp: Stamp) -> Option<Pledge> {
        let pledge = match side {
            Pledged::Predecessor => &mut self.rights.pledge_successor,
            Pledged::Successor => &mut self.rights.pledge_predecessor,
        };
        let ended = pledge.take_if(|pledge| asked.is_from(&pledge.to) && stamp.is_after(pledge.rests_on))?;
        (ended.until > self.now.at).then_some(ended)
    }

    /// The same for what this process pledged in a life that it gave up: the echoed stamp shows that it is meant.
    pub(super) fn release_former_life(&mut self, asked: &Asked, side: Pledged, stamp: Stamp) {
        if self.end_pledge(asked, side, stamp).is_some() && self.is_member() {
            self.stabilise();
        }
    }

    /// A neighbour's pointer moved away from us.
    pub(super) fn serve_release(&mut self, asked: &Asked, side: Pledged, stamp: Stamp, closer: Option<Peer>) {
        self.answer_done(asked);
        match side {
            Pledged::Predecessor => {
                // It has another predecessor: what it said before as our successor is no link any more.
                let holder = self.rights.pledge_successor.filter(|p| p.to.addr() == asked.source).map(|p| p.to);
                self.end_pledge(asked, side, stamp);
                let head = self.successors.head().filter(|head| asked.is_from(head));
                if let Some(peer) = head.or(holder) {
                    self.void_link(&peer, stamp);
                }
                let me = self.me.id();
                match (head, closer) {
                    (Some(head), Some(closer)) if closer.id().is_between(me, head.id()) => self.consider(closer),
                    _ => self.stabilise(),
                }
            }
            Pledged::Successor => {
                if let Some(pledge) = self.end_pledge(asked, side, stamp) {
                    // The claim may reach further back now, and a predecessor may wait for what stood in its way.
                    self.settle();
                    if let Some(predecessor) = self.predecessor.filter(|p| *p != pledge.to) {
                        let manner = self.patient();
                        self.ask(predecessor, Request::Hint, Purpose::Notice, manner);
                    }
                }
            }
        }
    }

    fn answer_done(&mut self, asked: &Asked) {
        self.answer(asked, Answer::Done);
    }

    /// Answers of the peer up to this stamp of its own are no link any more.
    pub(super) fn void_link(&mut self, peer: &Peer, stamp: Stamp) {
        let now = self.now.at;
        let relation = self.peers.relation(now, peer);
        if relation.recent_link_after(now).is_none_or(|after| stamp.is_after(after)) {
            relation.link_after = Some((stamp, now));
        }
        if relation.link.is_some_and(|(link, _)| !link.is_after(stamp)) {
            relation.link = None;
        }
    }

    /// A neighbour consents, until then.
    pub(super) fn consented(&mut self, side: Pledged, until: Instant) {
        let now = self.now.at;
        let consent = match side {
            Pledged::Predecessor => &mut self.rights.of_predecessor,
            Pledged::Successor => &mut self.rights.of_successor,
        };
        if until <= now || consent.until.is_some_and(|known| until <= known) {
            return;
        }
        let first = !consent.had || consent.until.is_none_or(|known| known <= now);
        consent.until = Some(until);
        consent.had = true;
        if side == Pledged::Successor {
            self.ring.stood_before = self.successors.head().map(|head| head.id());
        }
        if first {
            // The link was made, or made again: our own consent need not wait for the next round.
            self.stabilise_soon(Duration::from_millis(1));
        }
        if self.rights.settled.is_none() && self.has_rights(now) {
            self.settle();
        }
    }

    /// True if a question of ours to the peer has been open for so long that it may be dead: its pledge is not to be
    /// renewed then.
    pub(super) fn has_open_question(&self, peer: &Peer) -> bool {
        let open = self.peers.get(peer).and_then(|relation| relation.open_since);
        open.is_some_and(|since| self.now.at.since(since) > OPEN_QUESTION)
    }
}

/// How long changes of the successor list gather before the predecessor is asked to fetch it.
const LIST_PAUSE: Duration = Duration::from_millis(30);

/// After this long without an answer a neighbour gets no consent.
const OPEN_QUESTION: Duration = Duration::from_millis(300);
