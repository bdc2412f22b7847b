//! Where the lookup of an owner ends: which of the nodes at or after the id is the first that lives and has settled.
//!
//! Whoever knew the owner named the nodes after it as well. They are asked for their place in ring order. The first
//! that answers is the owner, unless it names a nearer predecessor, which is asked then. Dead ones are passed over, so
//! there is an answer even before anyone took the arc over; so are joiners that have not settled yet.

use super::Node;
use super::lookup::Found;
use super::pending::{Manner, Purpose};
use super::trail::NamedBy;
use crate::id::Id;
use crate::wire::{Alternatives, Peer, Request, Step};
use alloc::vec::Vec;
use core::time::Duration;

/// What came of asking a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Unasked,
    Open,
    /// It did not answer at once.
    Slow,
    /// It was given up, or has not settled.
    Passed,
    /// It answers, and has settled. Its predecessor.
    Settled(Option<Peer>),
}

/// The nodes that may own an id.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    /// Whose list they are from, if not from our own.
    of: Option<Peer>,
    /// The node before the id, as far as that one knows: a node may have joined behind it.
    before: Option<Peer>,
    /// On whose word the next of them is asked.
    by: NamedBy,
    row: Vec<(Peer, Word)>,
    /// How long the row was when it was asked who comes after it.
    asked_beyond: usize,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ask(Peer),
    Wait,
    /// This one owns it, after this predecessor.
    Owner(Peer, Option<Peer>),
    /// Nobody of the row does: who comes after it?
    Beyond(Id),
}

impl Ends {
    /// The row that one node named, or our own list.
    pub fn new(of: Option<Peer>, before: Peer, by: NamedBy, row: impl IntoIterator<Item = Peer>) -> Self {
        Self {
            of,
            before: Some(before),
            by,
            row: row.into_iter().map(|peer| (peer, Word::Unasked)).collect(),
            asked_beyond: 0,
        }
    }

    /// More of them, each at its place.
    pub fn extend(&mut self, id: Id, by: NamedBy, more: impl IntoIterator<Item = Peer>) {
        for peer in more {
            if !self.row.iter().any(|(known, _)| known.addr() == peer.addr()) {
                self.row.push((peer, Word::Unasked));
                self.by = by;
            }
        }
        self.row.sort_by_key(|(peer, _)| id.distance_to(peer.id()));
    }

    /// Whom to ask once more before this one passes for the owner: if one before it was passed over, the node before
    /// the id knows best whether there is another.
    fn second_opinion(&self, owner: &Peer) -> Option<Peer> {
        let first = self.row.first().is_some_and(|(peer, _)| peer == owner);
        self.before.filter(|before| !first && Some(*before) != self.of)
    }

    /// What came of asking those of them that another row had as well.
    pub fn remember(&mut self, former: &Self) {
        former.row.iter().for_each(|(peer, word)| self.set(peer, *word));
    }

    fn set(&mut self, peer: &Peer, word: Word) {
        let known = self.row.iter_mut().find(|(known, _)| known.addr() == peer.addr());
        if let Some((_, known)) = known {
            *known = word;
        }
    }

    /// The one asked did not answer at once.
    pub fn slow(&mut self, peer: &Peer) {
        self.set(peer, Word::Slow);
    }

    /// The one asked was given up.
    pub fn silent(&mut self, peer: &Peer) {
        self.set(peer, Word::Passed);
    }

    /// True if this one was asked who comes after the row.
    pub fn knows_no_more(&self, peer: &Peer) -> bool {
        self.of == Some(*peer) && self.asked_beyond == self.row.len()
    }

    /// A node that has settled names a predecessor that is nearer to the id: it comes before it.
    fn note_nearer(&mut self, id: Id) {
        let nearer = |(peer, word): &(Peer, Word)| match word {
            Word::Settled(Some(before)) if id.distance_to(before.id()) < id.distance_to(peer.id()) => Some(*before),
            _ => None,
        };
        let unknown = |(at, entry)| {
            let before = nearer(entry)?;
            let known = self.row.iter().any(|(known, _)| known.addr() == before.addr());
            (!known).then_some((at, before))
        };
        if let Some((at, before)) = self.row.iter().enumerate().find_map(unknown) {
            self.row.insert(at, (before, Word::Unasked));
        }
    }

    fn judge(&mut self, id: Id) -> Verdict {
        self.note_nearer(id);
        let slow = self.row.iter().filter(|(_, word)| *word == Word::Slow).count();
        let (mut open, mut waits) = (0, false);
        for (peer, word) in &self.row {
            match word {
                // The more of them are slow, the more are asked at one time: a long row of dead ones is soon passed.
                Word::Unasked if open <= slow => return Verdict::Ask(*peer),
                Word::Unasked => return Verdict::Wait,
                Word::Open => (open, waits) = (open + 1, true),
                Word::Slow => waits = true,
                Word::Passed => {}
                Word::Settled(_) if waits => return Verdict::Wait,
                Word::Settled(before) => return Verdict::Owner(*peer, *before),
            }
        }
        match self.row.last() {
            Some((last, _)) if open == 0 => Verdict::Beyond(last.id().plus(1)),
            _ => Verdict::Wait,
        }
    }
}

impl Node {
    /// Goes on where the lookup of an owner ends.
    pub(super) fn ends_on(&mut self, number: u64) {
        let me = self.me;
        let Some(lookup) = self.lookups.table.get_mut(&number) else { return };
        let (id, goes_on) = (lookup.id, lookup.goes_on());
        let Some(verdict) = lookup.ends.as_mut().map(|ends| ends.judge(id)) else { return self.lookup_on(number) };
        match verdict {
            Verdict::Wait => {}
            Verdict::Owner(owner, predecessor) => {
                let second = lookup.ends.as_ref().and_then(|ends| ends.second_opinion(&owner));
                match second.filter(|before| *before != me) {
                    Some(before) if lookup.open.contains(&before) => return,
                    Some(before) if goes_on && !lookup.trail.was_asked(&before) => {
                        let by = lookup.ends.as_ref().and_then(|ends| ends.by);
                        lookup.asked(before, by);
                        if !self.ask(before, Request::FindSuccessor(id), Purpose::Lookup(number), self.coordinator()) {
                            self.lookup_failed(number);
                        }
                        return;
                    }
                    _ => {}
                }
                let (predecessor, fresh) = (predecessor.unwrap_or(owner), self.freshness(owner.id()));
                let (successors, path) = (Alternatives::new(), Vec::new());
                self.lookup_over(number, owner, Found { predecessor, owner, successors, fresh, path });
            }
            Verdict::Ask(peer) if peer == self.me => {
                let step = self.step_of_me();
                self.lookup_stepped(number, self.me, &step);
            }
            Verdict::Ask(peer) if goes_on => self.ends_ask(number, peer),
            Verdict::Beyond(next) if goes_on => self.ends_beyond(number, next),
            Verdict::Ask(_) | Verdict::Beyond(_) => self.lookup_failed(number),
        }
    }

    /// Asks one of the row for its place; if it seems dead, the next one as well.
    fn ends_ask(&mut self, number: u64, peer: Peer) {
        let silent = self.lookups.avoids(self.now.at, &peer);
        let Some(lookup) = self.lookups.table.get_mut(&number) else { return };
        let by = lookup.ends.as_ref().and_then(|ends| ends.by);
        lookup.asked(peer, by);
        if let Some(ends) = &mut lookup.ends {
            ends.set(&peer, if silent { Word::Slow } else { Word::Open });
        }
        let timeout = self.peers.timeout(peer.addr(), self.config.timeout_min.min(SOON), SOON);
        let manner = Manner { timeout: Some(timeout), ..self.coordinator() };
        if !self.ask(peer, Request::Walk, Purpose::Lookup(number), manner) {
            self.lookup_failed(number);
        } else {
            self.ends_on(number);
        }
    }

    /// Asks whoever named the row who comes after it.
    fn ends_beyond(&mut self, number: u64, next: Id) {
        let Some(lookup) = self.lookups.table.get_mut(&number) else { return };
        let waits = lookup.waits();
        let Some(ends) = &mut lookup.ends else { return };
        let again = ends.asked_beyond == ends.row.len();
        match ends.of {
            // Somebody may still answer.
            of if waits && (again || of.is_none()) => {}
            Some(_) if again => self.lookup_failed(number),
            // Our own list ends there: that of another reaches farther.
            None => {
                lookup.ends = None;
                self.lookup_on(number);
            }
            Some(of) => {
                ends.asked_beyond = ends.row.len();
                let by = lookup.trail.named_by(&of);
                lookup.asked(of, by);
                if !self.ask(of, Request::FindSuccessor(next), Purpose::Lookup(number), self.coordinator()) {
                    self.lookup_failed(number);
                }
            }
        }
    }

    /// One of them told its place.
    pub(super) fn lookup_stepped(&mut self, number: u64, from: Peer, step: &Step) {
        let Some(lookup) = self.lookups.table.get_mut(&number) else { return };
        lookup.answered(&from);
        let by = lookup.trail.named_by(&from);
        let word = if step.established { Word::Settled(step.predecessor) } else { Word::Passed };
        lookup.former.iter_mut().for_each(|former| former.set(&from, word));
        if let Some(ends) = &mut lookup.ends {
            // It sends us on to its predecessor, or to the next of the row.
            ends.by = by.or(ends.by);
            ends.set(&from, word);
        }
        self.ends_on(number);
    }
}

/// A node that may be the owner is asked for the second time after so long at the most: all wait for it, and while it
/// is slow, the next one is asked anyway.
const SOON: Duration = Duration::from_millis(400);
