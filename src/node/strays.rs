//! Strays: what a node holds of arcs that are not its to hold goes to those who own them, stretch by stretch. It is
//! dropped here only once the whole group of its owner is known to hold it.

use super::Node;
use super::lookup::{Found, LookupFor};
use super::owned::OwnedEntry;
use super::pending::{Manner, Purpose};
use super::timers::Timer;
use crate::config::Rule;
use crate::id::{Arc, Id};
use crate::wire::{Item, Request};
use alloc::vec::Vec;
use core::time::Duration;

/// How far a node is with giving its strays away.
#[derive(Debug, Default)]
pub(super) struct Strays {
    /// Up to where they were offered in this round.
    upto: Option<Id>,
    /// Offers that have no answer yet.
    open: usize,
}

/// Strays offered to one owner at one time.
const AT_ONCE: usize = 16;

/// The pause before the next of them.
const PAUSE: Duration = Duration::from_millis(20);

impl Node {
    /// Looks for the owner of the next stray.
    pub(super) fn offer_strays(&mut self) {
        // The next round; or whatever becomes of this step.
        let pause = self.jitter(1500, 3000);
        self.timers.set(Timer::Strays, self.now.at + pause);
        let Some(elsewhere) = self.arcs_of_others() else { return };
        let from = self.strays.upto.take().filter(|id| elsewhere.contains(*id) && *id != elsewhere.upto);
        let rest = Arc::new(from.unwrap_or(elsewhere.after), elsewhere.upto);
        let next = self.store.range(rest).next().map(|(id, _, stored)| Item { id, rank: stored.rank });
        if let Some(item) = next {
            self.start_lookup(item.id, LookupFor::Stray(item));
        }
    }

    /// Where this node has no copies to hold: after its successor and up to its predecessor's predecessor.
    pub(super) fn arcs_of_others(&self) -> Option<Arc> {
        let (before, head) = self.ring.before_predecessor.zip(self.successors.head())?;
        let beyond = before.is_between(head.id(), self.me.id()) && self.is_ready(self.now.at);
        let settled = beyond && !self.pulls.has_adopted(self.now.at);
        settled.then(|| Arc::new(head.id(), before))
    }

    /// The owner of a stray was found: it is offered this one, and the next that are its own.
    pub(super) fn stray_found(&mut self, item: Item, found: Option<Found>) {
        self.strays.upto = Some(item.id);
        let Some(owner) = found.map(|found| found.owner).filter(|owner| *owner != self.me) else { return };
        let Some(elsewhere) = self.arcs_of_others().filter(|arc| arc.contains(item.id)) else { return };
        let (before, end) =
            (item.id.plus(u128::MAX), if elsewhere.contains(owner.id()) { owner.id() } else { elsewhere.upto });
        let strays = self.store.range(Arc::new(before, end)).take(AT_ONCE);
        let strays: Vec<Item> = strays.map(|(id, _, stored)| Item { id, rank: stored.rank }).collect();
        let manner = Manner { client: true, ..self.patient() };
        self.strays.open = 0;
        for item in strays {
            let Some(entry) = self.store.fetch(item).map(OwnedEntry::from) else { continue };
            if !self.ask(owner, Request::Offer(entry.borrow()), Purpose::Offer(item), manner) {
                return;
            }
            self.strays.open += 1;
            self.strays.upto = Some(item.id);
        }
    }

    /// The owner took a stray.
    pub(super) fn stray_offered(&mut self, item: Item, confirmed: bool) {
        let sure = confirmed || !self.config.keeps(Rule::DropWhenConfirmed);
        if let Some(arc) = self.arcs_of_others().filter(|arc| sure && arc.contains(item.id)) {
            // What it lacks of these arcs says nothing any more.
            self.floors.firm.forget(arc);
            self.store.drop_exact(item);
        }
        self.stray_done();
    }

    /// One offer less is open. After the last of them the next strays are looked at.
    pub(super) fn stray_done(&mut self) {
        self.strays.open = self.strays.open.saturating_sub(1);
        if self.strays.open == 0 {
            self.timers.set_earlier(Timer::Strays, self.now.at + PAUSE);
        }
    }
}
