//! Floors: where tombstones were collected, what they kept down stays down.
//!
//! A *floor* is a version: that of the highest tombstone that was collected there, or above it. A node *knows of* a
//! floor once it heard that a neighbour collects, and passes that on when it settles and when it is asked what it
//! holds: so the floor stays in the arc as the tombstones would have. It *stands on* a floor where it knows, beyond
//! that, to hold every value that counts under it. Then whatever else turns up under the floor was deleted, and is not
//! taken. An owner that has settled stands on all that it knows of; any other node stands where one that does was
//! compared with and had nothing that it lacks. A node that hands strays on stands there no more.

use super::Node;
use super::stretches::Stretches;
use crate::config::Rule;
use crate::id::{Arc, Id};
use crate::limits::ITEMS_MAX;
use crate::store::Store;
use crate::wire::{Footing, Freshness, Holding, Item, Rank, Request, Surveyed, Version};
use alloc::vec::Vec;

/// The floors of the ring, as far as one node knows them.
#[derive(Debug)]
pub(super) struct Floors {
    /// Those that it knows of.
    pub known: Stretches<Version>,
    /// Those that it stands on.
    pub firm: Stretches<Version>,
}

impl Default for Floors {
    fn default() -> Self {
        Self { known: Stretches::rising(), firm: Stretches::sinking() }
    }
}

impl Floors {
    /// Where this node stands and what it knows of, from the arc's beginning up to where one of them changes.
    pub fn at_beginning(&self, arc: Arc) -> Option<Footing> {
        let first = arc.after.plus(1);
        let upto = self.known.even_upto(Arc::new(arc.after, self.firm.even_upto(arc)));
        let footing = Footing { upto, firm: self.firm.at(first), known: self.known.at(first) };
        (upto != arc.upto || footing.known != Version::NONE).then_some(footing)
    }

    /// True of an entry that the store of this node lacks because its key was deleted since.
    pub fn buries(&self, store: &Store, item: Item) -> bool {
        item.rank.version <= self.firm.at(item.id) && store.lacks(item.id)
    }

    /// True if they were changed since this was last asked.
    pub fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.known.changed) | core::mem::take(&mut self.firm.changed)
    }

    /// True if they were changed.
    pub const fn have_changed(&self) -> bool {
        self.known.changed || self.firm.changed
    }
}

/// What an answer says of the floors.
pub(super) struct Told {
    /// The part of the arc that it is about. What is listed beyond will be listed again.
    pub even: Arc,
    /// Parts of the arc that are to be asked for all the same.
    pub rest: Vec<Arc>,
    /// What it listed where it stands higher than this node, which lacks some of that.
    pub list: Option<FloorList>,
}

/// All that a node holds of an arc, and the floor that it stands on there. Who has got all of it stands there as well.
#[derive(Debug)]
pub(super) struct FloorList {
    pub arc: Arc,
    floor: Version,
    items: heapless::Vec<Item, ITEMS_MAX>,
}

impl Node {
    /// This node knows of a floor from now on.
    pub(super) fn know_floor(&mut self, arc: Arc, floor: Version) {
        if floor.is_sound() {
            self.known_above(floor);
            self.floors.known.raise(arc, floor);
        }
    }

    /// This node holds all that counts under the floor.
    pub(super) fn stand_on(&mut self, arc: Arc, floor: Version) {
        self.known_above(floor);
        self.floors.known.raise(arc, floor);
        self.floors.firm.raise(arc, floor);
    }

    /// What an owner that holds all that counts of the arc tells its neighbours.
    pub(super) fn tell_floor(&self, arc: Arc, floor: Version) -> Request<'static> {
        let digest = (!self.collector.reopened).then(|| self.store.sums(arc).total());
        Request::Floor { arc, floor, digest }
    }

    /// Its own versions will be above the floor.
    fn known_above(&mut self, floor: Version) {
        self.clock_ms = self.clock_ms.max(floor.time_ms);
    }

    /// True of an entry that this node lacks because its key was deleted since.
    pub(super) fn is_dead(&self, item: Item) -> bool {
        self.config.keeps(Rule::FloorOfTombstones) && self.floors.buries(&self.store, item)
    }

    /// What wins against a key that has no entry here: what its tombstone may have been.
    pub(super) fn rank_of_absent(&self, id: Id) -> Rank {
        let floor = if self.config.keeps(Rule::FloorOfTombstones) { self.floors.known.at(id) } else { Version::NONE };
        Rank { version: floor, ballot: floor.term, chosen: true }
    }

    /// True if the operation may have been applied to a key whose tombstone is gone.
    pub(super) fn may_be_under_floor(&self, key: &[u8], fresh: Freshness) -> bool {
        let id = Id::of_key(key);
        let last = self.rank_of_absent(id).version;
        self.store.get(key).is_none() && last.term > 0 && fresh <= last.into()
    }

    /// Takes what a node told of floors beside what it holds of an arc, when it was told the sum of what this one held.
    pub(super) fn take_floors(&mut self, arc: Arc, sum: u64, answer: &Surveyed) -> Told {
        let mut told = Told { even: arc, rest: Vec::new(), list: None };
        let nowhere = Footing { upto: arc.upto, firm: Version::NONE, known: Version::NONE };
        let Footing { upto, firm, known } = answer.footing.unwrap_or(nowhere);
        let even = Arc::new(arc.after, upto);
        if !arc.covers(even) || !firm.is_sound() || !known.is_sound() {
            return told;
        }
        told.even = even;
        self.know_floor(even, known);
        let uneven = upto != arc.upto;
        match &answer.holding {
            Holding::Same if self.store.sums(arc).total() == sum => self.stand_on(even, firm),
            // Something came meanwhile that the other one may have collected.
            Holding::Same if firm != Version::NONE => told.rest.push(even),
            Holding::Same => {}
            Holding::Items(items) => {
                // A list at its full length may have been cut.
                if !items.is_full() && firm != Version::NONE {
                    let items = items.iter().filter(|item| even.contains(item.id)).copied().collect();
                    told.list = self.close_list(FloorList { arc: even, floor: firm, items });
                }
            }
            Holding::Parts(sums) if sums.len().is_power_of_two() => {
                let ours = self.store.sums(arc);
                let parts = arc.parts(sums.len()).zip(sums.iter()).zip(ours.stretches(sums.len()));
                let same = parts.filter(|((_, sum), ours)| u64::from_be_bytes(**sum) == *ours);
                for part in same.map(|((part, _), _)| part).collect::<Vec<_>>() {
                    if even.covers(part) {
                        self.stand_on(part, firm);
                    } else if part != arc {
                        told.rest.push(part);
                    }
                }
            }
            Holding::Parts(_) => {}
        }
        if uneven && !matches!(answer.holding, Holding::Parts(_)) {
            told.rest.push(Arc::new(upto, arc.upto));
        }
        told
    }

    /// If this node has all of a list it drops what is under its floor and not listed, and stands on that; else the
    /// list comes back. A value that this node answers for is not given up on another's word.
    pub(super) fn close_list(&mut self, list: FloorList) -> Option<FloorList> {
        if !list.items.iter().all(|item| self.store.has(*item) || self.is_dead(*item)) {
            return Some(list);
        }
        let FloorList { arc, floor, items } = list;
        if !self.config.keeps(Rule::FloorOfTombstones) {
            return None;
        }
        let now = self.now.at;
        let is_listed = |id: Id| items.iter().any(|item| item.id == id);
        let under = self.store.range(arc).filter(|(id, _, stored)| stored.rank.version <= floor && !is_listed(*id));
        let dead = under.filter(|(id, _, stored)| stored.value.is_none() || !self.is_settled_for(now, *id));
        let dead: Vec<Item> = dead.map(|(id, _, stored)| Item { id, rank: stored.rank }).collect();
        dead.into_iter().for_each(|item| self.drop_collected(item));
        self.stand_on(arc, floor);
        None
    }

    /// Drops an entry that is under the floor.
    pub(super) fn drop_collected(&mut self, item: Item) {
        self.store.drop_exact(item);
        self.counters.collected += 1;
    }
}

impl Store {
    /// True if there is no entry under the id.
    fn lacks(&self, id: Id) -> bool {
        self.range(Arc::new(id.plus(u128::MAX), id)).next().is_none()
    }
}
