//! A guest: a node without a place on the ring, which is all that a client needs. It looks up, sends and repeats as
//! every node does for its own clients ([`super::client`]), but begins each lookup at its *contacts*, nodes that have
//! answered it, where a member has tables. It never joins, and of what others ask it answers one thing: for the parts
//! of a value that it writes.
//!
//! It remembers who answered for which arc: that one is asked first. A read then takes one round trip, and an owner
//! that is none any more says so.

use super::Node;
use super::command::{Command, Event, Reply, Ticket};
use super::lookup::{Found, LookupFor};
use super::pending::{Pending, Purpose, Silence};
use super::timers::Timer;
use crate::config::Config;
use crate::id::{Arc, Id};
use crate::limits::{CLIENT_MAX, GUEST_ARCS_MAX, GUEST_CONTACTS_MAX};
use crate::node::Identity;
use crate::time::{Instant, Now};
use crate::wire::{Alternatives, Answer, Freshness, Peer, Refusal, Request};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};

/// What a guest knows of the ring.
#[derive(Debug, Default)]
pub(super) struct Guest {
    /// Nodes that answered, and when they did last.
    contacts: BTreeMap<SocketAddr, (Peer, Instant)>,
    /// Owners by the end of their arc: the node before, the owner, and when it was found.
    arcs: BTreeMap<Id, (Peer, Peer, Instant)>,
    /// Commands that came while nobody had answered yet.
    waiting: BTreeMap<Ticket, Command>,
}

impl Guest {
    /// This one is a member, and answers.
    fn meet(&mut self, now: Instant, peer: Peer) {
        if self.contacts.len() >= GUEST_CONTACTS_MAX && !self.contacts.contains_key(&peer.addr()) {
            let oldest = self.contacts.iter().min_by_key(|(_, (_, heard))| *heard).map(|(addr, _)| *addr);
            oldest.map(|addr| self.contacts.remove(&addr));
        }
        self.contacts.insert(peer.addr(), (peer, now));
    }

    /// Whatever was known of the arc is known better now.
    fn learn(&mut self, now: Instant, predecessor: Peer, owner: Peer) {
        if self.arcs.len() >= GUEST_ARCS_MAX && !self.arcs.contains_key(&owner.id()) {
            let oldest = self.arcs.iter().min_by_key(|(_, (.., found))| *found).map(|(upto, _)| *upto);
            oldest.map(|upto| self.arcs.remove(&upto));
        }
        self.arcs.insert(owner.id(), (predecessor, owner, now));
    }

    fn forget_owner(&mut self, owner: &Peer) {
        self.arcs.retain(|_, (_, known, _)| known.addr() != owner.addr());
    }

    /// The node before, and the owner of the id.
    fn owner_of(&self, id: Id) -> Option<(Peer, Peer)> {
        let (_, (predecessor, owner, _)) = self.arcs.range(id..).next().or_else(|| self.arcs.iter().next())?;
        Arc::new(predecessor.id(), owner.id()).contains(id).then_some((*predecessor, *owner))
    }

    /// The contacts, those that are nearest before the id first.
    fn nearest(&self, id: Id) -> Vec<Peer> {
        let mut known: Vec<Peer> = self.contacts.values().map(|(peer, _)| *peer).collect();
        known.sort_by_key(|peer| peer.id().distance_to(id));
        known
    }
}

impl Node {
    /// A node that takes no place on a ring, for its driver's own commands alone. It asks for the addresses of its
    /// contacts ([`Event::SeedsWanted`]), any nodes of the ring, and asks again whenever it knows nobody who answers;
    /// meanwhile commands wait, once more as long as they may take at most. `entropy` must not be guessable.
    ///
    /// Of the `config` it needs the ring's name, the timeouts, the deadline and the longest value.
    pub fn guest(config: Config, entropy: [u8; 32], now: Now) -> Self {
        // Nobody reaches it, and nobody is told: it sends from wherever its driver does. Its id is nobody's.
        let addr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let id = Id::of_key(&blake3::derive_key("sky guest id v1", &entropy));
        let mut node = Self::unborn(config, Identity { addr, id: Some(id) }, true, entropy, now);
        node.guest = Some(alloc::boxed::Box::default());
        node.want_seeds();
        node
    }

    /// True if the node has no place on a ring and looks for none.
    pub const fn is_guest(&self) -> bool {
        self.guest.is_some()
    }

    /// True if the node may begin operations of its clients: it is a member, or a guest that hears one.
    pub(super) fn may_coordinate(&self) -> bool {
        self.guest.as_ref().map_or_else(|| self.is_member(), |guest| !guest.contacts.is_empty())
    }

    /// Takes a command of a guest's driver.
    pub(super) fn take_command_as_guest(&mut self, ticket: Ticket, command: Command) {
        let (heard, until) = (self.may_coordinate(), self.now.at + self.config.deadline);
        let Some(guest) = &mut self.guest else { return };
        match command {
            Command::Seeds(seeds) => self.ask_seeds(&seeds.concat()),
            Command::Leave => {
                // It has nothing to hand over.
                self.emit(Event::Reply(ticket, Reply::Done));
                self.emit(Event::Left { handed_over: true });
            }
            Command::Reopen => self.emit(Event::Reply(ticket, Reply::NotSilent)),
            command if !heard && guest.waiting.len() < CLIENT_MAX => {
                guest.waiting.insert(ticket, command);
                self.timers.set(Timer::Client(ticket), until);
                self.want_seeds_soon();
            }
            command => self.start_command(ticket, command),
        }
    }

    /// The deadline of a command that waited for a contact. → whether it was one.
    pub(super) fn waited_in_vain(&mut self, ticket: Ticket) -> bool {
        let waited = self.guest.as_mut().and_then(|guest| guest.waiting.remove(&ticket));
        let is_one = waited.is_some();
        if let Some(command) = waited {
            // As of a node without a place: nothing was sent.
            self.start_command(ticket, command);
        }
        is_one
    }

    /// No contact is left, or none was found: the seeds are tried.
    pub(super) fn seek_contacts(&mut self) {
        if !self.may_coordinate() {
            self.want_seeds();
        }
    }

    /// A seed has answered a guest.
    pub(super) fn contact_answered(&mut self, seed: Peer) {
        let now = self.now.at;
        let Some(guest) = &mut self.guest else { return };
        guest.meet(now, seed);
        let waiting = core::mem::take(&mut guest.waiting);
        self.birth.tries = 0;
        self.timers.cancel(Timer::Join);
        for (ticket, command) in waiting {
            self.timers.cancel(Timer::Client(ticket));
            self.start_command(ticket, command);
        }
    }

    /// An answer came to a request of a guest: whoever gave it is a contact.
    pub(super) fn note_heard(&mut self, pending: &Pending, answer: &Answer<'_>) {
        // Of others the id is not known.
        let placed = matches!(pending.purpose, Purpose::Lookup(_) | Purpose::Operation(_) | Purpose::List(_));
        if self.is_guest() && placed && *answer != Answer::Refused(Refusal::NotMember) {
            self.contact_answered(pending.to);
        }
    }

    /// One that a guest asked is silent, or refuses.
    pub(super) fn note_silent(&mut self, peer: &Peer, silence: Silence) {
        let Some(guest) = &mut self.guest else { return };
        match silence {
            Silence::Refused(Refusal::NotOwner) => guest.forget_owner(peer),
            Silence::Timeout { .. } | Silence::Gone | Silence::Refused(Refusal::NotMember) => {
                guest.forget_owner(peer);
                let was_there = guest.contacts.remove(&peer.addr()).is_some();
                if was_there && guest.contacts.is_empty() {
                    self.seek_contacts();
                }
            }
            Silence::Refused(_) => {}
        }
    }

    /// A lookup has found this.
    pub(super) fn note_found(&mut self, found: &Found) {
        let now = self.now.at;
        if let Some(guest) = &mut self.guest {
            guest.learn(now, found.predecessor, found.owner);
        }
    }

    /// What a read may do without a lookup with: the owner that a guest knows. If it is none any more it refuses.
    pub(super) fn remembered_owner(&self, id: Id) -> Option<Found> {
        let (predecessor, owner) = self.guest.as_ref()?.owner_of(id)?;
        let (successors, fresh, path) = (Alternatives::new(), Freshness::default(), Vec::new());
        Some(Found { predecessor, owner, successors, fresh, path })
    }

    /// Whom a lookup turns to first. One that is shown to people goes the whole way.
    pub(super) fn first_to_ask(&self, id: Id, purpose: LookupFor) -> Option<Peer> {
        let LookupFor::Operation { .. } = purpose else { return None };
        self.guest.as_ref()?.owner_of(id).map(|(_, owner)| owner)
    }

    /// Where a lookup begins: the tables of a member, or the contacts of a guest.
    pub(super) fn beginnings(&self, id: Id) -> Vec<Peer> {
        self.guest.as_ref().map_or_else(|| self.closest_preceding(id), |guest| guest.nearest(id))
    }

    /// True of what a guest does not answer: all but what its own writes need.
    pub(super) fn hears_not(&self, request: &Request<'_>) -> bool {
        self.is_guest() && !matches!(request, Request::Part { .. })
    }
}

#[cfg(test)]
mod tests;
