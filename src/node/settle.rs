//! Settling: before a node answers for an arc it asks up to three nodes on either side what they hold of it, takes the
//! highest version of each key, and has both neighbours store a term above all that it heard of.
//!
//! Of those who stored what the former owner acknowledged, or the term that it spoke under, the one that is left need
//! not be a neighbour. When the former owner and its successor die just after two others have joined before them, these
//! may have been given no copies yet, and the former predecessor, which has, is the third from whoever takes over.

use super::Node;
use super::life::{Life, Unsettled};
use super::pending::{Purpose, Silence};
use super::pull::{PullFor, Standing};
use super::speak::Asked;
use crate::config::Rule;
use crate::id::Arc;
use crate::limits::{SETTLE_DEPTH, TERM_MAX};
use crate::wire::{Peer, Refusal, Request, Version};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

/// A direction of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// From predecessor to predecessor.
    Back = 0,
    /// Along the successor lists.
    Ahead = 1,
}

#[derive(Clone, Debug, Default)]
struct Asking {
    /// Whom to ask, the first first; behind it who serves in its place.
    candidates: Vec<Peer>,
    heard: usize,
    done: bool,
}

/// One try to settle.
#[derive(Debug)]
pub(super) struct Settling {
    number: u64,
    part: Arc,
    neighbours: (Peer, Peer),
    neighbourhood: u32,
    term: u64,
    sides: [Asking; 2],
    /// Those who have yet to store the term, or a floor, each as often as there is one.
    storing: Option<Vec<Peer>>,
}

impl Node {
    /// Begins to settle whatever part of the claim is not settled.
    pub(super) fn settle(&mut self) {
        let now = self.now.at;
        if self.settling.is_some() || !self.has_rights(now) {
            return;
        }
        let Some(claim) = self.claim(now) else { return };
        let part = match self.rights.settled {
            None => claim,
            Some(settled) if settled.covers(claim) => return,
            Some(settled) if claim.covers(settled) => Arc::new(claim.after, settled.after),
            Some(_) => claim,
        };
        let term = self.terms.highest(part);
        if !self.config.keeps(Rule::Settling) {
            return self.settled(part, term);
        }
        let Some(neighbours) = self.predecessor.zip(self.successors.head()) else {
            // Alone: there is nobody to ask.
            let term = (term + 1).min(TERM_MAX);
            self.terms.raise(part, term);
            self.spoke_under.raise(part, term);
            return self.settled(part, term);
        };
        let back = Asking { candidates: alloc::vec![neighbours.0], ..Asking::default() };
        let ahead = Asking { candidates: self.successors.as_slice().to_vec(), ..Asking::default() };
        let (number, neighbourhood) = (self.next_number(), self.rights.neighbourhood);
        let sides = [back, ahead];
        let settling = Settling { number, part, neighbours, neighbourhood, term, sides, storing: None };
        self.settling = Some(Box::new(settling));
        self.settle_ask(Side::Back);
        self.settle_ask(Side::Ahead);
    }

    /// Ends the present try without a word.
    pub(super) fn abort_settling(&mut self) {
        if self.settling.take().is_some() {
            self.pulls.abandon(|purpose| matches!(purpose, PullFor::Settle(_)));
            self.settle_soon();
        }
    }

    fn settle_soon(&mut self) {
        self.timers.set_earlier(super::Timer::Settle, self.now.at + RETRY);
    }

    /// Asks the next node of a side.
    fn settle_ask(&mut self, side: Side) {
        let Some(settling) = &mut self.settling else { return };
        let part = settling.part;
        let asking = &mut settling.sides[side as usize];
        match asking.candidates.first().copied() {
            // Once round: in a small ring all others were asked.
            Some(peer) if peer.id() == self.me.id() => {
                asking.done = true;
                self.settle_store();
            }
            Some(peer) => {
                if !self.start_pull(peer, part, PullFor::Settle(side)) {
                    self.abort_settling();
                }
            }
            None => self.abort_settling(),
        }
    }

    /// One of the nodes told all that it has.
    pub(super) fn settle_heard(&mut self, side: Side, standing: Standing) {
        let Some(settling) = &mut self.settling else { return };
        let asking = &mut settling.sides[side as usize];
        // A stretch that slept and woke is not the ring: those behind us must hold their own predecessor's consent. Nor
        // is one that may be cut off.
        if (side == Side::Back && !standing.consented) || standing.silent {
            return self.abort_settling();
        }
        settling.term = settling.term.max(standing.term);
        asking.heard += 1;
        asking.candidates = match side {
            Side::Back => standing.predecessor.into_iter().collect(),
            Side::Ahead => standing.successors,
        };
        let depth = if self.config.keeps(Rule::AskingBeyondNeighbours) { SETTLE_DEPTH } else { 1 };
        if asking.heard < depth {
            return self.settle_ask(side);
        }
        asking.done = true;
        self.settle_store();
    }

    /// One of the nodes did not answer. A neighbour must; of those ahead another may serve.
    pub(super) fn settle_unheard(&mut self, side: Side) {
        let Some(settling) = &mut self.settling else { return };
        let asking = &mut settling.sides[side as usize];
        if side == Side::Back || asking.heard == 0 || asking.candidates.is_empty() {
            return self.abort_settling();
        }
        asking.candidates.remove(0);
        self.settle_ask(side);
    }

    /// Both sides were heard: now both neighbours store the new term.
    fn settle_store(&mut self) {
        let now = self.now.at;
        let Some(settling) = &mut self.settling else { return };
        if !settling.sides.iter().all(|asking| asking.done) || settling.storing.is_some() {
            return;
        }
        let floors = self.floors.known.parts(settling.part);
        settling.term = floors.iter().fold(settling.term, |term, (_, floor)| term.max(floor.term));
        // At the end of all terms, where only a liar leads: an entry beyond it would be taken, or read back, by nobody.
        settling.term = (settling.term + u64::from(self.config.keeps(Rule::Term))).min(TERM_MAX);
        let (number, arc, term, (one, other)) = (settling.number, settling.part, settling.term, settling.neighbours);
        let both: Vec<Peer> = [Some(one), (other != one).then_some(other)].into_iter().flatten().collect();
        settling.storing = Some(both.repeat(1 + floors.len()));
        if !self.still_settling(now) {
            return self.abort_settling();
        }
        self.spoke_under.raise(arc, term);
        let manner = self.patient();
        let floors = floors.into_iter().map(|(arc, floor)| self.tell_floor(arc, floor));
        let requests: Vec<Request<'_>> = core::iter::once(Request::Settle { arc, term }).chain(floors).collect();
        for (peer, request) in both.iter().flat_map(|peer| requests.iter().map(move |request| (peer, request))) {
            if !self.ask(*peer, request.clone(), Purpose::Settle(number), manner) {
                return self.abort_settling();
            }
        }
    }

    fn still_settling(&self, now: crate::time::Instant) -> bool {
        self.has_rights(now)
            && self.settling.as_ref().is_some_and(|settling| settling.neighbourhood == self.rights.neighbourhood)
    }

    /// A neighbour stored the term.
    pub(super) fn settle_term_stored(&mut self, number: u64, peer: Peer) {
        let still = self.still_settling(self.now.at);
        let Some(settling) = self.settling.as_mut().filter(|settling| settling.number == number) else { return };
        let Some(storing) = &mut settling.storing else { return };
        if let Some(at) = storing.iter().position(|waiting| *waiting == peer) {
            storing.swap_remove(at);
        }
        if !storing.is_empty() {
            return;
        }
        let (part, term) = (settling.part, settling.term);
        if !still {
            return self.abort_settling();
        }
        self.settling = None;
        self.terms.raise(part, term);
        self.settled(part, term);
    }

    /// A neighbour did not store the term.
    pub(super) fn settle_refused(&mut self, number: u64, silence: Silence) {
        let Some(settling) = self.settling.as_ref().filter(|settling| settling.number == number) else { return };
        if let Silence::Refused(Refusal::Stale { term }) = silence {
            let part = settling.part;
            self.raise_term(part, term);
        }
        self.abort_settling();
    }

    /// From here on the node answers.
    fn settled(&mut self, part: Arc, term: u64) {
        let arc = Arc::new(part.after, self.me.id());
        self.rights.settle(part, arc, term);
        if !self.collector.reopened {
            // It has asked everyone: it holds all that counts.
            let known = self.floors.known.parts(part);
            known.into_iter().for_each(|(part, floor)| self.stand_on(part, floor));
        }
        // What was confirmed before may have been settled over: it is confirmed anew.
        self.rights.neighbourhood += 1;
        (self.rights.matched_predecessor, self.rights.matched_successor) = (0, 0);
        self.counters.settlements += 1;
        self.note_beside();
        self.live(Life::Settled { arc, term });
        // The arcs are most likely whole again: to know it ends the count of those dropped in a row.
        self.stabilise_soon(Duration::ZERO);
        self.settle();
    }

    /// A neighbour is about to speak for the arc under this term.
    pub(super) fn serve_settle(&mut self, asked: &Asked, arc: Arc, term: u64) {
        let known = self.terms.highest(arc);
        if self.neighbour_asking(asked).is_none() || self.has_stopped() {
            self.refuse(asked, Refusal::NotNeighbour);
        } else if known > term {
            self.refuse(asked, Refusal::Stale { term: known });
        } else {
            self.raise_term(arc, term);
            self.answer_saved(asked, false);
        }
    }

    /// A neighbour is about to drop tombstones, or speaks where some were dropped.
    pub(super) fn serve_floor(&mut self, asked: &Asked, arc: Arc, floor: Version, digest: Option<u64>) {
        if self.neighbour_asking(asked).is_none() || self.has_stopped() {
            return self.refuse(asked, Refusal::NotNeighbour);
        }
        self.know_floor(arc, floor);
        if floor.is_sound() && digest == Some(self.store.digest(arc)) {
            self.stand_on(arc, floor);
            self.collected_by_owner(arc, floor);
        }
        self.answer_saved(asked, false);
    }

    fn raise_term(&mut self, arc: Arc, term: u64) {
        self.terms.raise(arc, term.min(TERM_MAX));
    }

    /// The neighbour, predecessor or head, whose request this is.
    pub(super) fn neighbour_asking(&self, asked: &Asked) -> Option<Peer> {
        if !self.config.keeps(Rule::NeighboursAgreement) {
            let place = crate::wire::Place { addr: asked.source, id: self.me.id() };
            return Some(Peer { place, incarnation: asked.incarnation });
        }
        let both = [self.predecessor, self.successors.head()];
        both.into_iter().flatten().find(|peer| asked.is_from(peer))
    }

    /// Someone spoke for a part of our claim under a higher term: settle anew, above it.
    pub(super) fn outranked(&mut self, id: crate::id::Id, term: u64) {
        self.raise_term(Arc::new(id.plus(u128::MAX), id), term);
        self.unsettle(Unsettled::Term);
        self.settle_soon();
    }
}

/// The pause before the next try.
const RETRY: Duration = Duration::from_millis(100);
