//! The table of versioned entries, in ring order. It knows nothing of peers: the rank of an entry tells which wins.

mod content;
mod digest;
mod ends;
mod journal;
mod names;
mod take;

pub use content::Content;
pub use digest::Sums;
pub use ends::End;
pub use journal::{Damaged, Saved, Unsaved};

use crate::id::{Arc, Id};
use crate::limits::{END_COST, ENTRIES_MAX, ENTRY_COST, KEY_MAX, MEMORY_DEFAULT};
use crate::time::Instant;
use crate::wire::{Entry, Hash, Item, OperationLog, Rank, Room, Value, Version};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::Bound;
use journal::{Changed, Journal};
use names::Names;

/// An entry at rest.
#[derive(Clone, Debug)]
pub struct Stored {
    /// How it stands against others of its key.
    pub rank: Rank,
    /// The writes that led to it.
    pub log: OperationLog,
    /// The value; `None` is a tombstone.
    pub value: Option<Content>,
    /// When it was last changed, on the store's own count of changes.
    pub changed: u64,
    /// Marked by the owner once both neighbours hold it: the number of the neighbourhood it counts in, or zero.
    pub confirmed: u32,
    /// What is left of its value is what the disk says, perhaps more than others would say who were not away.
    pub restored: bool,
    hash: u64,
    names: Option<Box<Names>>,
}

impl Stored {
    /// The version of the key, if it exists: a tombstone has none.
    pub fn present(&self) -> Option<Version> {
        self.value.is_some().then_some(self.rank.version)
    }

    /// The entry as it goes over the wire at this time of the store: as much of its value as fits.
    fn entry<'a>(&'a self, key: &'a [u8], lived_us: u64) -> Entry<'a> {
        let value = self.value.as_ref().map(|content| {
            let framed = content.framed(content.left_ms(lived_us), key.len(), self.log.len());
            Value { restored: self.restored && framed.left_ms != 0, ..framed }
        });
        Entry { key, rank: self.rank, log: self.log.clone(), names: self.names_sum(), value, came: &[] }
    }

    /// Bytes of its value and of the value's media type.
    pub fn size(&self) -> usize {
        self.value.as_ref().map_or(0, Content::size)
    }

    /// Puts it under a higher ballot. → how much more that is to a sum.
    fn rerank(&mut self, key: &[u8], ballot: u64, changed: u64) -> u64 {
        self.rank.ballot = ballot;
        let old = core::mem::replace(&mut self.hash, item_hash(key, &self.rank));
        (self.changed, self.confirmed) = (changed, 0);
        self.hash.wrapping_sub(old)
    }
}

type Key = (Id, Box<[u8]>);

/// The entries of one node.
#[derive(Clone, Debug)]
pub struct Store {
    /// Boxed: a tree has places that are empty.
    entries: BTreeMap<Key, Box<Stored>>,
    changes: u64,
    bytes: usize,
    tombstones: usize,
    digests: digest::Digests,
    /// For so many microseconds processes have held it: the clock by which values end.
    lived_us: u64,
    /// The values that end.
    ends: BTreeSet<End>,
    /// How much memory the entries may take.
    limit: usize,
    /// What is to be saved, if anything is.
    journal: Option<Box<Journal>>,
    /// The time up to which names were looked at.
    now: Instant,
    /// How many names are remembered, and the bytes that they take.
    names: usize,
    names_bytes: usize,
    /// The ids of keys with names, by when one of those may come to its end.
    due: BTreeSet<(Instant, Id)>,
}

/// Why an entry was not taken. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untaken {
    /// There is no room: it would take more memory than it may, or more than `limits::ENTRIES_MAX` entries.
    Full,
    /// It could not have come about by itself.
    Unsound,
    /// It would win, but a part of its value is missing.
    Partial,
    /// It would win, but names that it remembers are not known here.
    Nameless,
}

impl Default for Store {
    fn default() -> Self {
        Self::new(MEMORY_DEFAULT)
    }
}

impl Store {
    /// An empty one, whose entries may take so many bytes of memory.
    pub fn new(limit: usize) -> Self {
        let (entries, digests) = (BTreeMap::new(), digest::Digests::default());
        let (now, names, names_bytes, due) = (Instant::ZERO, 0, 0, BTreeSet::new());
        let (changes, bytes, tombstones, journal, lived_us, ends) = (0, 0, 0, None, 0, BTreeSet::new());
        Self {
            entries,
            changes,
            bytes,
            tombstones,
            digests,
            lived_us,
            ends,
            limit,
            journal,
            now,
            names,
            names_bytes,
            due,
        }
    }

    /// How many entries there are, tombstones included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it takes more; if not, what it is full of. What is left of its memory then is for copies of what others
    /// have taken already.
    pub fn room(&self) -> Room {
        // One more key at least: what is refused is said before.
        let more = self.memory() + ENTRY_COST + KEY_MAX;
        let enough = more <= self.limit - self.limit / 10 && self.entries.len() < ENTRIES_MAX;
        if enough { Room::Enough } else { self.full_of() }
    }

    /// What it is full of, if something does not fit.
    pub fn full_of(&self) -> Room {
        match () {
            () if self.tombstones * ENTRY_COST >= self.limit / 4 => Room::Tombstones,
            () if self.entries.len() >= ENTRIES_MAX => Room::Entries,
            () => Room::Values,
        }
    }

    /// True if it has so many tombstones that they are to be collected early: well before it is full, so that those
    /// that remain are as old as can be; and the fuller it is of values, the fewer.
    pub fn is_pressed(&self) -> bool {
        let near = |count: usize, most: usize| count > most - most / 8;
        self.tombstones > 0
            && (near(self.memory() + self.tombstones * ENTRY_COST, self.limit)
                || near(self.entries.len() + self.tombstones, ENTRIES_MAX))
    }

    /// True if it would take more, were the tombstones not there.
    pub fn has_room_but_for_tombstones(&self) -> bool {
        let more = self.memory() - self.tombstones * ENTRY_COST + ENTRY_COST + KEY_MAX;
        more <= self.limit - self.limit / 10 && self.entries.len() - self.tombstones < ENTRIES_MAX
    }

    /// The latest time of a version, in milliseconds.
    pub fn latest_ms(&self) -> u64 {
        self.entries.values().map(|stored| stored.rank.version.time_ms).max().unwrap_or(0)
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many of the entries are tombstones.
    pub const fn tombstones(&self) -> usize {
        self.tombstones
    }

    /// Bytes of keys and values.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of memory that all takes, as far as that can be reckoned.
    pub fn memory(&self) -> usize {
        self.bytes + self.entries.len() * ENTRY_COST + self.ends.len() * END_COST + self.names_bytes
    }

    /// The same without the names of writes, which are forgotten soon.
    pub fn memory_without_names(&self) -> usize {
        self.memory() - self.names_bytes
    }

    /// How many changes there were. An entry whose `changed` is not above an earlier count has not changed since.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// The entry of the key, be it a tombstone.
    pub fn get(&self, key: &[u8]) -> Option<&Stored> {
        let id = Id::of_key(key);
        let mut of_id = self.entries.range((Bound::Included(first_of(id)), past(id)));
        of_id.find(|((_, other), _)| **other == *key).map(|(_, stored)| &**stored)
    }

    fn get_mut(&mut self, key: &[u8]) -> Option<&mut Stored> {
        let id = Id::of_key(key);
        let mut of_id = self.entries.range_mut((Bound::Included(first_of(id)), past(id)));
        of_id.find(|((_, other), _)| **other == *key).map(|(_, stored)| &mut **stored)
    }

    /// The entry of the key as it goes over the wire.
    pub fn fetch_key<'a>(&'a self, key: &'a [u8]) -> Option<Entry<'a>> {
        self.get(key).map(|stored| stored.entry(key, self.lived_us))
    }

    /// Marks the entry as confirmed in this neighbourhood if it still has this version.
    pub fn confirm(&mut self, key: &[u8], version: Version, neighbourhood: u32) {
        if let Some(stored) = self.get_mut(key).filter(|stored| stored.rank.version == version) {
            stored.confirmed = neighbourhood;
            // The others have said if less was left.
            stored.restored = false;
            if !core::mem::replace(&mut stored.rank.chosen, true) {
                self.note(key, Changed::Head, false);
            }
        }
    }

    /// Raises the entry's ballot to this one, if it is lower: its owner puts it before the neighbours anew.
    pub fn raise_ballot(&mut self, key: &[u8], ballot: u64) {
        let changed = self.changes + 1;
        if let Some(stored) = self.get_mut(key).filter(|stored| stored.rank.ballot < ballot) {
            let more = stored.rerank(key, ballot, changed);
            self.changes = changed;
            self.digests.change(Id::of_key(key), 0, more);
            self.note(key, Changed::Head, true);
        }
    }

    fn note(&mut self, key: &[u8], changed: Changed, urgent: bool) {
        if let Some(journal) = &mut self.journal {
            journal.note((Id::of_key(key), key.into()), changed, urgent);
        }
    }

    fn put(&mut self, key: &[u8], mut stored: Stored) {
        self.note(key, Changed::Whole, true);
        self.changes = stored.changed;
        self.bytes += key.len() + stored.size();
        self.tombstones += usize::from(stored.value.is_none());
        let (id, hash) = (Id::of_key(key), stored.hash);
        self.digests.change(id, 1, hash);
        if let Some(names) = &mut stored.names {
            self.count_names(id, names::named(&stored.log), names);
        }
        let end = Some(stored.ends_us()).filter(|end| *end != 0);
        if let Some(old) = self.entries.insert((id, Box::from(key)), Box::new(stored)) {
            self.discount(id, key.len(), &old);
        }
        self.ends.extend(end.map(|end| (end, id)));
    }

    /// Removes the entry under this id altogether, if it has just this rank: a stray that others are known to hold, or
    /// what is under a floor.
    pub fn drop_exact(&mut self, item: Item) {
        let one = Arc::new(item.id.plus(u128::MAX), item.id);
        let exact = self.range(one).find(|(_, _, stored)| stored.rank == item.rank);
        if let Some(at) = exact.map(|(id, key, _)| (id, Box::from(key)))
            && let Some(old) = self.entries.remove(&at)
        {
            self.discount(at.0, at.1.len(), &old);
            self.changes += 1;
            self.note(&at.1, Changed::Whole, true);
        }
    }

    fn discount(&mut self, id: Id, key_length: usize, old: &Stored) {
        self.digests.change(id, -1, old.hash.wrapping_neg());
        if let Some(names) = &old.names {
            self.discount_names(id, names);
        }
        self.bytes -= key_length + old.size();
        self.tombstones -= usize::from(old.value.is_none());
        if old.ends_us() != 0 {
            self.ends.remove(&(old.ends_us(), id));
        }
    }

    /// The entries of an arc in ring order, beginning behind `after`.
    pub fn range(&self, arc: Arc) -> impl Iterator<Item = (Id, &[u8], &Stored)> {
        // One stretch of the numbers, or two where the arc passes zero.
        let wraps = arc.upto <= arc.after;
        let end = if wraps { Bound::Unbounded } else { past(arc.upto) };
        let after_last = arc.after == Id::new(u128::MAX);
        let first = (!after_last).then(|| self.entries.range((Bound::Included(first_of(arc.after.plus(1))), end)));
        let second = wraps.then(|| self.entries.range((Bound::Unbounded, past(arc.upto))));
        let both = first.into_iter().flatten().chain(second.into_iter().flatten());
        both.map(|((id, key), stored)| (*id, &**key, &**stored))
    }

    /// The sum of what is held of an arc that is asked for again and again: it is kept.
    pub fn digest(&mut self, arc: Arc) -> u64 {
        if self.entries.is_empty() {
            return 0;
        }
        let mut digests = core::mem::take(&mut self.digests);
        let sum = digests.touch(arc, || self.sum_up(arc)).total();
        self.digests = digests;
        sum
    }

    /// An arc summed up.
    pub fn sums(&self, arc: Arc) -> Sums {
        self.digests.get(arc).cloned().unwrap_or_else(|| self.sum_up(arc))
    }

    fn sum_up(&self, arc: Arc) -> Sums {
        Sums::of(arc, self.range(arc).map(|(id, _, stored)| (id, stored.hash)))
    }

    /// The value under this id with this hash, of those that do not always fit a frame.
    pub fn content(&self, id: Id, hash: &Hash) -> Option<&Content> {
        let of_id = self.range(Arc::new(id.plus(u128::MAX), id));
        let contents = of_id.filter_map(|(_, _, stored)| stored.value.as_ref());
        contents.into_iter().find(|content| content.hash() == Some(hash))
    }

    /// True if the id has an entry of this rank or one that beats it.
    pub fn has(&self, item: Item) -> bool {
        self.fetch(item).is_some()
    }

    /// The entry under this id, of this rank or one that beats it. (Two keys of one id are possible and differ in
    /// version.)
    pub fn fetch(&self, item: Item) -> Option<Entry<'_>> {
        let one = Arc::new(item.id.plus(u128::MAX), item.id);
        let newer = self.range(one).find(|(_, _, stored)| !item.rank.beats(&stored.rank));
        newer.map(|(_, key, stored)| stored.entry(key, self.lived_us))
    }
}

/// What comes before every key of this id. (No allocation: the key is empty.)
fn first_of(id: Id) -> Key {
    (id, Box::default())
}

/// The bound behind every key of this id.
fn past(id: Id) -> Bound<Key> {
    if id == Id::new(u128::MAX) { Bound::Unbounded } else { Bound::Excluded(first_of(id.plus(1))) }
}

fn item_hash(key: &[u8], rank: &Rank) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[key.len() as u8]);
    hasher.update(key);
    for number in [rank.version.term, rank.version.time_ms, rank.version.writer, rank.ballot] {
        hasher.update(&number.to_be_bytes());
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(time_ms: u64) -> Rank {
        Rank::of_write(Version { term: 1, time_ms, writer: 0 })
    }

    fn entry<'a>(key: &'a [u8], time_ms: u64, value: Option<&'a [u8]>) -> Entry<'a> {
        Entry {
            key,
            rank: rank(time_ms),
            log: OperationLog::default(),
            names: None,
            value: value.map(Value::plain),
            came: &[],
        }
    }

    fn filled(n: u32) -> Store {
        let mut store = Store::default();
        for i in 0..n {
            store.merge(&entry(&i.to_be_bytes(), 1, Some(b"v"))).unwrap();
        }
        store
    }

    #[test]
    fn the_highest_version_wins_in_any_order() {
        for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
            let mut store = Store::default();
            for time in order {
                let value = (time != 3).then_some(&b"v"[..]);
                store.merge(&entry(b"k", time, value)).unwrap();
            }
            assert_eq!(store.get(b"k").unwrap().rank.version.time_ms, 3);
            assert_eq!((store.len(), store.tombstones(), store.bytes()), (1, 1, 1));
            assert_eq!(store.get(b"k").unwrap().present(), None);
        }
    }

    #[test]
    fn a_range_holds_just_what_the_arc_contains_in_ring_order() {
        let store = filled(200);
        let quarter = u128::MAX / 4;
        let arcs = [(0, quarter), (3 * quarter, quarter), (quarter, quarter), (quarter, quarter + 1), (u128::MAX, 0)];
        for (after, upto) in arcs {
            let arc = Arc::new(Id::new(after), Id::new(upto));
            let ids: Vec<Id> = store.range(arc).map(|(id, _, _)| id).collect();
            let expected = (0..200u32).filter(|i| arc.contains(Id::of_key(&i.to_be_bytes()))).count();
            assert_eq!(ids.len(), expected, "{after:x} {upto:x}");
            assert!(ids.is_sorted_by_key(|id| arc.after.plus(1).distance_to(*id)));
        }
    }

    #[test]
    fn a_range_ends_exactly_at_its_ids() {
        let store = filled(1);
        let id = Id::of_key(&0u32.to_be_bytes());
        assert_eq!(store.range(Arc::new(id, id.plus(1))).count(), 0);
        assert_eq!(store.range(Arc::new(id.plus(u128::MAX), id)).count(), 1);
        assert_eq!(store.range(Arc::new(id, id)).count(), 1);
    }

    #[test]
    fn digests_tell_stores_apart_and_do_not_depend_on_order() {
        let whole = Arc::new(Id::new(0), Id::new(0));
        let (mut one, mut two) = (Store::default(), Store::default());
        for i in 0..20u8 {
            one.merge(&entry(&[i], 1, None)).unwrap();
            two.merge(&entry(&[19 - i], 1, None)).unwrap();
        }
        assert_eq!(one.digest(whole), two.digest(whole));
        two.merge(&entry(&[7], 2, None)).unwrap();
        assert_ne!(one.digest(whole), two.digest(whole));
        one.merge(&entry(&[7], 2, None)).unwrap();
        assert_eq!(one.digest(whole), two.digest(whole));
    }

    #[test]
    fn digests_follow_every_change() {
        let arcs = [(0, 0), (0, u128::MAX / 3), (u128::MAX / 2, 5), (9, u128::MAX / 2), (1, 77), (3, 1 << 126)];
        let arcs = arcs.map(|(after, upto)| Arc::new(Id::new(after), Id::new(upto)));
        let mut store = filled(50);
        for n in 0..400u32 {
            let key = (n * 7 % 60).to_be_bytes();
            match n % 4 {
                0 => {
                    let item = store.get(&key).map(|stored| Item { id: Id::of_key(&key), rank: stored.rank });
                    item.into_iter().for_each(|item| store.drop_exact(item));
                }
                1 => store.raise_ballot(&key, u64::from(n)),
                _ => assert!(store.merge(&entry(&key, u64::from(n), (n % 3 > 0).then_some(&b"w"[..]))).is_ok()),
            }
            let arc = arcs[n as usize % arcs.len()];
            let sum = store.sum_up(arc).total();
            assert_eq!((store.digest(arc), store.sums(arc).total()), (sum, sum), "after {n} changes");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_but_copies_have_room_for_longer_and_deleting_always_works() {
        let mut store = Store::new(10 * (ENTRY_COST + 104));
        let value = |n: u8| Some(Content::new([n; 100], b"", 0));
        let write =
            |store: &mut Store, n: u8, time| store.write(&[n; 4], rank(time), OperationLog::default(), value(n));
        assert!((0..9).all(|n| write(&mut store, n, 1) == Ok(true)));
        assert_eq!(write(&mut store, 9, 1), Err(Untaken::Full));
        assert_eq!(store.merge(&entry(&[9; 4], 1, Some(&[9; 100]))), Ok(true));
        assert_eq!(store.merge(&entry(&[10; 4], 1, Some(&[10; 100]))), Err(Untaken::Full));
        assert_eq!(write(&mut store, 0, 2), Ok(true), "in place of another");
        assert_eq!(store.write(&[0; 4], rank(3), OperationLog::default(), None), Ok(true));
        assert!(store.memory() <= 10 * (ENTRY_COST + 104));
        assert_eq!((store.len(), store.get(&[10; 4]).is_none()), (10, true));
    }

    #[test]
    fn fetch_gives_this_version_or_a_higher_one() {
        let mut store = Store::default();
        store.merge(&entry(b"k", 5, Some(b"v"))).unwrap();
        let item = |time_ms| Item { id: Id::of_key(b"k"), rank: rank(time_ms) };
        assert!(store.has(item(4)) && store.has(item(5)) && !store.has(item(6)));
    }

    #[test]
    fn confirmation_is_for_one_version_and_lost_by_a_change() {
        let mut store = Store::default();
        let first = entry(b"k", 5, Some(b"v"));
        store.merge(&first).unwrap();
        store.confirm(b"k", first.rank.version, 3);
        assert_eq!(store.get(b"k").unwrap().confirmed, 3);
        store.raise_ballot(b"k", 2);
        assert_eq!(store.get(b"k").unwrap().confirmed, 0);
        let again = store.fetch_key(b"k").unwrap().rank;
        assert!(again.chosen && again.ballot == 2, "what was chosen stays so");
        store.merge(&Entry { rank: Rank { ballot: 3, ..entry(b"k", 6, None).rank }, ..entry(b"k", 6, None) }).unwrap();
        store.confirm(b"k", first.rank.version, 3);
        assert_eq!(store.get(b"k").unwrap().confirmed, 0);
    }
}
