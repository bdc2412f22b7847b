//! Getters: how things stand.

use super::Node;
use super::census::Census;
use super::stats::{Counters, Held, State, Status};
use crate::id::{Arc, Id};
use crate::limits::ENTRIES_MAX;
use crate::time::Instant;
use crate::wire::{Peer, Version};
use alloc::vec::Vec;
use core::net::SocketAddr;

impl Node {
    /// Who this node is. The incarnation changes when it loses its place.
    pub const fn me(&self) -> Peer {
        self.me
    }

    /// The name of its ring.
    pub fn ring_name(&self) -> &str {
        &self.config.ring
    }

    /// The predecessor, if there is one.
    pub const fn predecessor(&self) -> Option<Peer> {
        self.predecessor
    }

    /// The successors, nearest first; empty on a ring of one.
    pub fn successors(&self) -> &[Peer] {
        self.successors.as_slice()
    }

    /// True while an answer to this transaction is awaited from this address.
    pub fn awaits(&self, from: SocketAddr, transaction: [u8; 8]) -> bool {
        self.requests.awaits(u64::from_be_bytes(transaction), from)
    }

    /// The list that this node would make of these nodes: cut before itself, before a repetition, and at its length.
    pub fn cut(&self, nodes: impl IntoIterator<Item = Peer>) -> Vec<Peer> {
        self.successors.cut_list(nodes).to_vec()
    }

    /// The nodes that this one, or its successor, dropped one after another since their arcs last matched. Three of
    /// them would silence it.
    pub fn dropped_in_row(&self) -> impl Iterator<Item = Peer> {
        self.ring.row.iter().chain(&self.ring.behind_head).copied()
    }

    /// True if the node may be cut off from a larger ring, as it tells whoever settles or joins beside it.
    pub const fn may_be_cut_off(&self) -> bool {
        self.ring.silent.is_some() || self.rights.slept
    }

    /// What was counted since the start.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The version of a key's entry here, be it owned, a copy or a stray, a value or a tombstone.
    pub fn version_of(&self, key: &[u8]) -> Option<Version> {
        self.store.get(key).map(|stored| stored.rank.version)
    }

    /// True if this node holds an entry of the key of at least this version, or knows the key to be deleted since.
    pub fn has_seen(&self, key: &[u8], version: Version) -> bool {
        match self.version_of(key) {
            Some(held) => held >= version,
            None => self.floor_over(key).is_some_and(|floor| floor >= version),
        }
    }

    /// The version up to which what this node lacks of the key was deleted, if it knows of that.
    pub fn floor_over(&self, key: &[u8]) -> Option<Version> {
        let floor = self.floors.firm.at(Id::of_key(key));
        (self.store.get(key).is_none() && floor != Version::NONE).then_some(floor)
    }

    /// The version of a key's tombstone here.
    pub fn tombstone_of(&self, key: &[u8]) -> Option<Version> {
        self.store.get(key).filter(|stored| stored.value.is_none()).map(|stored| stored.rank.version)
    }

    /// True from the command to leave on.
    pub const fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// The whole picture.
    pub fn status(&self, now: Instant) -> Status {
        self.status_with(now, &self.census(now))
    }

    /// How far the node is.
    pub fn state(&self, now: Instant) -> State {
        match () {
            () if self.is_leaving() => State::Leaving,
            () if self.silenced().is_some() => State::Silent,
            () if !self.is_member() => State::Joining,
            () if self.is_ready(now) => State::Settled,
            () => State::Settling,
        }
    }

    /// How long it may take to leave.
    pub const fn leave_timeout(&self) -> core::time::Duration {
        self.config.leave_timeout
    }

    /// The same, with a census that was taken before: all but that takes no longer where there are many entries.
    pub fn status_with(&self, now: Instant, census: &Census) -> Status {
        let claim = self.claim(now);
        let Census { owned, owned_bytes, strays, stray_bytes, under_copied, .. } = *census;
        Status {
            me: self.me,
            state: self.state(now),
            silenced: self.silenced(),
            predecessor: self.predecessor,
            successors: self.successors.as_slice().to_vec(),
            fingers: self.own_fingers().collect(),
            claim,
            settled: self.rights.settled.filter(|_| self.has_rights(now)),
            term: claim.map_or(0, |claim| self.terms.highest(claim)),
            entries: self.store.len(),
            owned,
            copied: self.store.len().saturating_sub(owned + strays),
            strays,
            under_copied,
            differs_for: self.ring.differs_since.iter().flatten().map(|since| now.since(*since)).max(),
            tombstones: self.store.tombstones(),
            names: self.store.names(),
            bytes: self.store.bytes(),
            owned_bytes,
            copied_bytes: self.store.bytes().saturating_sub(owned_bytes + stray_bytes),
            stray_bytes,
            memory: self.store.memory(),
            memory_max: self.config.memory_max,
            memory_from: self.config.memory_from,
            room: self.keeping().room,
            room_beside: self.ring.room.into_iter().find(|room| room.lacks(true)).unwrap_or_default(),
            load: self.load(),
            min_nodes: self.config.min_nodes,
            has_disk: self.saving.is_some(),
            fails_to_save: self.fails_to_save(),
            value_max: self.config.value_max,
            ring: self.config.ring.clone(),
            narrow: self.narrow_paths(),
            seeking: self.seeking(),
            counters: self.counters,
        }
    }

    /// The keys held here in ring order from the id 0 on, without tombstones: at most `limit`, behind the key `after`.
    pub fn held(&self, now: Instant, after: Option<&[u8]>, limit: usize) -> Vec<Held> {
        let claim = self.claim(now);
        let start = after.map(|key| (Id::of_key(key), key));
        let arc = match start {
            // Keys of the same id as the last one may be still to come.
            Some((id, _)) => Arc::new(id.plus(u128::MAX), Id::new(u128::MAX)),
            None => Arc::new(Id::new(u128::MAX), Id::new(u128::MAX)),
        };
        let live = self.store.range(arc).filter(|(_, _, stored)| stored.value.is_some());
        live.filter(|(id, key, _)| start.is_none_or(|start| (*id, *key) > start))
            .take(limit.min(ENTRIES_MAX))
            .map(|(id, key, stored)| Held {
                key: key.to_vec(),
                id,
                version: stored.rank.version,
                length: stored.value.as_ref().map_or(0, |content| content.bytes().len()),
                owned: claim.is_some_and(|claim| claim.contains(id)),
            })
            .collect()
    }
}
