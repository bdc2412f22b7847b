//! Consents held, pledges given, and what is answered for: what [`consent`](super::consent) decides by.

use super::reach::Reach;
use crate::id::{Arc, Id};
use crate::time::Instant;
use crate::wire::{Peer, Stamp};
use alloc::vec::Vec;
use core::time::Duration;

/// What one side gave this node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Consent {
    /// Until when the present neighbour's consent lasts.
    pub until: Option<Instant>,
    /// When the pointer to that neighbour was set: what was asked for earlier does not count.
    pub since: Instant,
    /// A consent of this side was received in this life.
    pub had: bool,
}

impl Consent {
    /// True while it is unexpired.
    pub fn lasts(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until > now)
    }
}

/// What this node promised on one side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pledge {
    /// Who holds it.
    pub to: Peer,
    /// When it ends of itself.
    pub until: Instant,
    /// The holder's stamp that it rests on: only a `Release` with a newer one ends it.
    pub rests_on: Stamp,
}

/// A part of the claim that was settled in one go.
#[derive(Clone, Copy, Debug)]
struct Settled {
    part: Arc,
    term: u64,
}

/// Consents held, pledges given, and what is answered for.
#[derive(Debug, Default)]
pub(super) struct Rights {
    /// The predecessor's consent.
    pub of_predecessor: Consent,
    /// The successor's consent.
    pub of_successor: Consent,
    /// "You are my predecessor."
    pub pledge_predecessor: Option<Pledge>,
    /// "You are my successor."
    pub pledge_successor: Option<Pledge>,
    /// How far back it may claim since it lost a predecessor.
    pub reach: Option<Reach>,
    /// Alone on the ring, and sure of it until then: a lone node that slept longer may have been replaced.
    pub alone_until: Option<Instant>,
    /// It was alone and slept: silent until one that it knew answers.
    pub slept: bool,
    /// The part of the claim that was settled.
    pub settled: Option<Arc>,
    /// The terms that the parts of it were settled under: both neighbours have stored them.
    settled_terms: Vec<Settled>,
    /// The node has settled in its present place.
    pub established: bool,
    /// Counts the pairs of neighbours that there were, and the times that the node settled beside them: what was
    /// confirmed under one number does not count under the next.
    pub neighbourhood: u32,
    /// The count of changes up to which the successor was seen to hold the same as this node.
    pub matched_successor: u64,
    /// The same of the predecessor.
    pub matched_predecessor: u64,
}

pub(super) fn unexpired(pledge: &Option<Pledge>, now: Instant) -> Option<&Pledge> {
    pledge.as_ref().filter(|pledge| pledge.until > now)
}

impl Rights {
    /// A part of the claim was settled under this term.
    pub fn settle(&mut self, part: Arc, arc: Arc, term: u64) {
        self.settled = Some(arc);
        self.established = true;
        self.settled_terms.push(Settled { part, term });
    }

    /// Nothing is settled any more. True if something was.
    pub fn unsettle(&mut self) -> bool {
        self.settled_terms.clear();
        self.settled.take().is_some()
    }

    fn settled_around(&self, id: Id) -> Option<&Settled> {
        self.settled_terms.iter().rev().find(|settled| settled.part.contains(id))
    }

    /// The term that the id was settled under.
    pub fn settled_term(&self, id: Id) -> Option<u64> {
        self.settled_around(id).map(|settled| settled.term)
    }

    /// What was settled under one term around the id, as far as it is claimed: no floor there is above what is written.
    pub fn settled_part(&self, id: Id, claim: Arc) -> Option<Arc> {
        let part = self.settled_around(id)?.part;
        let inside = part.contains(claim.after) && claim.after != part.upto;
        Some(if inside { Arc::new(claim.after, part.upto) } else { part })
    }

    /// True if a pledge given on either side is unexpired.
    pub fn any_pledge(&self, now: Instant) -> bool {
        unexpired(&self.pledge_predecessor, now).is_some() || unexpired(&self.pledge_successor, now).is_some()
    }

    /// Consents asked for up to now do not count any more.
    pub fn lose_consents(&mut self, now: Instant) {
        let since = now + Duration::from_micros(1);
        for consent in [&mut self.of_predecessor, &mut self.of_successor] {
            (consent.until, consent.since) = (None, since);
        }
    }

    /// The holder has proven to live no more.
    pub fn end_pledges_to(&mut self, gone: &Peer) {
        for pledge in [&mut self.pledge_predecessor, &mut self.pledge_successor] {
            if pledge.is_some_and(|pledge| pledge.to == *gone) {
                *pledge = None;
            }
        }
    }
}
