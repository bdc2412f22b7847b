//! The silence of a node that dropped too many neighbours in a row: perhaps they are not dead, but it is cut off from
//! them, and others answer in its place.

use super::Node;
use super::command::Reply;
use super::life::{Life, Unsettled};
use super::pending::{Probe, Purpose};
use super::stats::Silenced;
use super::suspect::Suspicions;
use super::timers::Timer;
use crate::config::Rule;
use crate::limits::{DROPPED_MAX, ROW_MAX};
use crate::wire::{Incarnation, Peer, Request};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// Why a node is silent.
#[derive(Debug)]
pub(super) struct Quiet {
    /// Whose answer ends it.
    pub dropped: heapless::Vec<Peer, DROPPED_MAX>,
    /// The predecessor that told so, if it was not found out here. What was told is not told on.
    pub told_by: Option<Peer>,
    /// Once one of the dropped was heard: those who have yet to answer or fail.
    review: Option<Vec<SocketAddr>>,
    /// Those who failed in the review.
    failed: Vec<SocketAddr>,
}

impl Suspicions {
    /// What is told of when asked which nodes were dropped in a row. Silence that was only told is not told on.
    pub fn told_on(&self) -> heapless::Vec<Peer, DROPPED_MAX> {
        let quiet = self.silent.as_ref().filter(|quiet| quiet.told_by.is_none());
        quiet.map_or_else(|| self.row.clone(), |quiet| quiet.dropped.clone())
    }

    /// Those who were asked whether they live will not be heard.
    pub fn forget_review(&mut self) {
        if let Some(quiet) = &mut self.silent {
            quiet.review = None;
        }
    }
}

impl Node {
    /// Our predecessor tells which nodes it dropped in a row.
    pub(super) fn told_of_dropped(&mut self, teller: &Peer, dropped: &[Peer]) {
        if dropped.len() >= ROW_MAX {
            self.fall_silent(dropped, Some(*teller));
        } else if dropped.is_empty() && self.ring.silent.as_ref().is_some_and(|quiet| quiet.told_by == Some(*teller)) {
            self.break_silence(Life::Heard, &[]);
        } else if self.successors.head() == Some(*teller) {
            self.count_around(dropped);
        }
    }

    /// Two are left of the ring, each the other's predecessor and head. Those that each of them lost stood between the
    /// two, on either side: if they are as many as make one silent, it is as likely that the two are cut off.
    fn count_around(&mut self, lost_by_other: &[Peer]) {
        let mut around = self.ring.row.clone();
        for node in lost_by_other.iter().filter(|node| node.id() != self.me.id()) {
            if !around.iter().any(|known| known.id() == node.id()) {
                // Three are enough, so what does not fit changes nothing.
                let _ = around.push(*node);
            }
        }
        if around.len() >= ROW_MAX {
            self.fall_silent(&around, None);
        }
    }

    fn fall_silent(&mut self, dropped: &[Peer], told_by: Option<Peer>) {
        if !self.config.keeps(Rule::SilenceOfThree) {
            return;
        }
        // What was found out here counts for more than what was told.
        if self.ring.silent.as_ref().is_none_or(|quiet| quiet.told_by.is_some() && told_by.is_none()) {
            let dropped: heapless::Vec<Peer, DROPPED_MAX> = dropped.iter().copied().take(DROPPED_MAX).collect();
            dropped.iter().for_each(|node| self.remembered.add(self.now.at, *node));
            self.ring.silent = Some(Box::new(Quiet { dropped, told_by, review: None, failed: Vec::new() }));
            self.counters.silences += 1;
            if let Some(pause) = self.config.reopen_after {
                self.timers.set(Timer::Reopen, self.now.at + pause);
            }
            self.unsettle(Unsettled::Silent);
            self.live(Life::Silent);
        }
    }

    /// A node was heard. If it was one of those dropped in a row, nothing is cut any more; but first everyone else who
    /// was dropped is asked again, so that the node finds its place among the living before it speaks.
    pub(super) fn unsilence(&mut self, heard: &Peer) {
        // Until then whoever was dropped is missed until the arcs match: an answer may have been under way for long.
        let Some(quiet) = &mut self.ring.silent else { return };
        if quiet.review.is_none() && quiet.dropped.iter().any(|node| node.id() == heard.id()) {
            let mut all = self.remembered.peers();
            all.extend(quiet.dropped.iter().filter(|node| !self.remembered.knows(node)));
            quiet.review = Some(all.iter().map(Peer::addr).collect());
            quiet.failed.clear();
            for peer in all {
                let anyone = Peer { incarnation: Incarnation::UNKNOWN, ..peer };
                let manner = self.patient();
                if !self.ask(anyone, Request::Ping, Purpose::Probe(Probe::Review), manner) {
                    self.reviewed(anyone, None);
                }
            }
        }
    }

    /// One of those dropped has answered, and is a member or not, or failed again.
    pub(super) fn reviewed(&mut self, peer: Peer, answered: Option<bool>) {
        let Some(quiet) = &mut self.ring.silent else { return };
        let Some(waiting) = &mut quiet.review else { return };
        waiting.retain(|addr| *addr != peer.addr());
        if answered.is_none() {
            quiet.failed.push(peer.addr());
        }
        if waiting.is_empty() && self.successors.head().is_none() {
            // Nobody is left beside it. It joins the ring that it meets; until then nothing tells it that it may speak.
            // But if all that it dropped live, and lost their places too, nothing is cut, and it asks everyone again.
            quiet.review = None;
            if !quiet.dropped.iter().any(|node| quiet.failed.contains(&node.addr())) {
                self.break_silence(Life::Heard, &[]);
            }
        }
        if answered == Some(true) {
            self.remembered_answered(peer, true);
        }
        self.stabilise_soon(Duration::ZERO);
    }

    /// The head answered and named nobody closer: if all that were dropped have been asked again, the silence is over,
    /// unless as many are still missing in a row, here and behind the head, as made the node silent.
    pub(super) fn silence_reviewed(&mut self) {
        let Some(quiet) = &self.ring.silent else { return };
        let reviewed = quiet.review.as_ref().is_some_and(Vec::is_empty);
        if !reviewed || self.requests.any(|_, purpose| matches!(purpose, Purpose::Candidate)) {
            return;
        }
        let failed = quiet.dropped.iter().filter(|node| quiet.failed.contains(&node.addr()));
        let missing: Vec<Peer> = failed.copied().collect();
        let behind =
            self.ring.behind_head.iter().filter(|node| !quiet.dropped.iter().any(|known| known.id() == node.id()));
        if missing.len() + behind.count() < ROW_MAX {
            self.break_silence(Life::Heard, &missing);
        } else if let Some(quiet) = &mut self.ring.silent {
            // Whoever is heard next may change that.
            quiet.review = None;
        }
    }

    /// The silence is over. Of those dropped here these are still missing.
    fn break_silence(&mut self, why: Life, missing: &[Peer]) {
        self.unsettle(Unsettled::Silent);
        if !self.recalls() {
            self.timers.cancel(Timer::Reopen);
        }
        if self.ring.silent.take().is_some_and(|quiet| quiet.told_by.is_none()) {
            self.ring.row = missing.iter().copied().take(DROPPED_MAX).collect();
        }
        // Consents asked for earlier do not count.
        self.rights.lose_consents(self.now.at);
        self.live(why);
    }

    /// An operator ends the silence.
    pub(super) fn reopen(&mut self) -> Reply {
        match self.silenced() {
            Some(Silenced::Told(teller)) => Reply::SilentFor(teller),
            Some(Silenced::Row | Silenced::Slept | Silenced::Awaits { .. }) => {
                self.reopen_now();
                Reply::Done
            }
            // Too few are too few whoever says otherwise.
            Some(Silenced::Few { .. }) | None => Reply::NotSilent,
        }
    }

    /// The time for it has passed, or an operator said so: this node speaks again if its neighbours consent.
    pub(super) fn reopen_now(&mut self) {
        self.collector.reopened = true;
        if self.ring.silent.as_ref().is_some_and(|quiet| quiet.told_by.is_none()) {
            self.break_silence(Life::Reopened, &[]);
        }
        self.awaits_no_more(Life::Reopened);
        if core::mem::take(&mut self.rights.slept) {
            self.live(Life::Reopened);
            self.become_alone();
        }
        self.stabilise();
    }

    /// Why this node answers for nothing, if that has a reason beyond its neighbours.
    pub(super) fn silenced(&self) -> Option<Silenced> {
        match &self.ring.silent {
            Some(quiet) => Some(quiet.told_by.map_or(Silenced::Row, Silenced::Told)),
            None if self.rights.slept => Some(Silenced::Slept),
            None if self.awaiting.is_some() => Some(Silenced::Awaits { missing: self.awaited() }),
            // Asked at every event, so the list is only searched where it counts.
            None if 1 + self.successors.as_slice().len() >= self.config.min_nodes => None,
            None => {
                let known = self.known_nodes();
                (known < self.config.min_nodes).then_some(Silenced::Few { known })
            }
        }
    }

    /// Tells once that a member answers for nothing as it knows too few nodes, and again when it knows another number.
    pub(super) fn tell_few(&mut self) {
        let few = match self.silenced() {
            Some(Silenced::Few { known }) if self.is_member() => Some(known),
            _ => None,
        };
        if core::mem::replace(&mut self.ring.few, few) != few
            && let Some(known) = few
        {
            self.live(Life::Few { known, needed: self.config.min_nodes });
        }
    }

    /// How many nodes this one takes for alive, itself included.
    fn known_nodes(&self) -> usize {
        let list = self.successors.as_slice();
        let beside = self.predecessor.filter(|peer| !self.ring.predecessor_suspected && !list.contains(peer));
        1 + list.len() + usize::from(beside.is_some())
    }

    /// Too many in a row: it is as likely that this node is cut off as that all of them died.
    pub(super) fn count_row(&mut self) {
        if self.ring.row.len() >= ROW_MAX {
            let row = self.ring.row.clone();
            self.fall_silent(&row, None);
        }
    }

    /// Notes a neighbour as lost, one more since the arcs last matched.
    pub(super) fn lost_in_row(&mut self, node: Peer) {
        self.remembered.add(self.now.at, node);
        self.lost_in_silence(node);
        if node.id() != self.me.id() && !self.ring.row.iter().any(|known| known.id() == node.id()) {
            // Three are enough to fall silent, so what does not fit changes nothing.
            let _ = self.ring.row.push(node);
        }
    }

    /// Who is lost while the node is silent, on either side, is one more of those whom it may be cut off from.
    pub(super) fn lost_in_silence(&mut self, node: Peer) {
        let Some(quiet) = self.ring.silent.as_mut().filter(|quiet| quiet.told_by.is_none()) else { return };
        if quiet.review.is_some() {
            quiet.failed.push(node.addr());
        }
        if !quiet.dropped.iter().any(|known| known.id() == node.id()) {
            // As above.
            let _ = quiet.dropped.push(node);
        }
    }
}
