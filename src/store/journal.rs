//! What was changed since it was last saved: which entries, and whether anyone waits for that.

use super::names::{Names, Wanted};
use super::{Content, Key, Store, Stored};
use crate::id::Id;
use crate::limits::{KEY_MAX, KIND_MAX, LEFT_MAX_MS, NAMES_KEPT, NAMES_MAX, VALUE_MAX};
use crate::time::Instant;
use crate::wire::{Kept, Logged, OperationLog, Rank};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// How much of an entry is to be saved anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Changed {
    /// How it stands; its value is the same.
    Head,
    /// All of it.
    Whole,
}

/// Entries that were changed since they were last saved.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal {
    changed: BTreeMap<Key, Changed>,
    /// Somebody may be told of it, and waits.
    urgent: bool,
}

impl Journal {
    /// An entry was changed, or is gone. That a whole group holds it is not urgent to save.
    pub fn note(&mut self, key: Key, changed: Changed, urgent: bool) {
        self.urgent |= urgent;
        let noted = self.changed.entry(key).or_insert(changed);
        *noted = changed.max(*noted);
    }
}

/// All of an entry but its value, as it is saved.
#[derive(Serialize, Deserialize)]
struct Head<'a> {
    rank: Rank,
    log: OperationLog,
    /// Names that are remembered, with what is left of their time in microseconds, and of that of those in the log.
    names: Option<(u64, Vec<(Logged, u64)>)>,
    /// Media type and end of the value, on the clock of the store; `None` for a tombstone.
    #[serde(borrow)]
    value: Option<(&'a [u8], u64)>,
}

impl Head<'_> {
    fn to_bytes(&self) -> Vec<u8> {
        // It allocates what it needs, and has no type that postcard refuses.
        postcard::to_extend(self, Vec::new()).unwrap_or_default()
    }
}

/// A change to be saved.
#[derive(Clone, Debug)]
pub struct Unsaved {
    /// The place of the entry: 16 bytes of its id, then its key.
    pub place: Vec<u8>,
    /// What the entry is now.
    pub entry: Saved,
}

/// An entry as it is to be saved.
#[derive(Clone, Debug)]
pub enum Saved {
    /// There is none.
    Gone,
    /// Only this has changed, not its value.
    Head(Vec<u8>),
    /// All of it; without a value it is a tombstone.
    Whole(Vec<u8>, Option<Content>),
}

/// What was saved is not an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

impl Store {
    /// From now on the store notes what is to be saved.
    pub fn keep_journal(&mut self) {
        self.journal.get_or_insert_default();
    }

    /// True if a change is to be saved that somebody may wait for.
    pub fn has_unsaved(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| journal.urgent)
    }

    /// Takes out all that is to be saved.
    pub fn take_unsaved(&mut self) -> Vec<Unsaved> {
        let Some(journal) = &mut self.journal else { return Vec::new() };
        let journal = core::mem::take(&mut **journal);
        let unsaved = journal.changed.into_iter().map(|(key, changed)| {
            let entry = match self.entries.get(&key) {
                None => Saved::Gone,
                Some(stored) if changed == Changed::Head => Saved::Head(head_of(stored, self.now)),
                Some(stored) => Saved::Whole(head_of(stored, self.now), stored.value.clone()),
            };
            Unsaved { place: place_of(&key), entry }
        });
        unsaved.collect()
    }

    /// These changes could not be saved: they are to be saved again, as the entries are by then.
    pub fn put_back_unsaved(&mut self, unsaved: &[Unsaved]) {
        let Some(journal) = &mut self.journal else { return };
        for key in unsaved.iter().filter_map(|unsaved| key_at(&unsaved.place)) {
            journal.note(key, Changed::Whole, true);
        }
    }

    /// Puts an entry back as it was saved. The limit of memory is not looked at: nothing that was saved may be left
    /// out. The store has been told before for how long it was held ([`Store::has_lived`]).
    ///
    /// # Errors
    /// [`Damaged`] if it cannot have been saved like this; nothing was changed.
    pub fn restore(&mut self, place: &[u8], head: &[u8], value: Option<&[u8]>) -> Result<(), Damaged> {
        let (_, key) = key_at(place).ok_or(Damaged)?;
        let bytes = head;
        let head = postcard::from_bytes::<Head<'_>>(bytes).map_err(|_| Damaged)?;
        // A number can be written longer than need be; and what is behind the head does not come back either.
        if head.to_bytes() != bytes || !head.rank.is_sound() {
            return Err(Damaged);
        }
        let latest = self.end_in(LEFT_MAX_MS);
        let fits = |kind: &[u8], ends_us, bytes: &[u8]| {
            kind.len() <= KIND_MAX && ends_us <= latest && bytes.len() <= VALUE_MAX
        };
        let content = match (head.value, value) {
            (Some((kind, ends_us)), Some(bytes)) if fits(kind, ends_us, bytes) => {
                Some(Content::new(bytes, kind, ends_us))
            }
            (None, None) => None,
            _ => return Err(Damaged),
        };
        let at = |left| self.now + Duration::from_micros(left).min(NAMES_KEPT);
        let is_sound = |(write, _): &(Logged, u64)| write.version.is_sound() && write.mark.named();
        let names = match head.names {
            Some((_, kept)) if kept.len() > NAMES_MAX || !kept.iter().all(is_sound) => return Err(Damaged),
            Some((logged, kept)) => {
                let kept = kept.into_iter().map(|(write, left)| Kept { write, until: at(left) });
                Some(Box::new(Names::restored(at(logged), kept.collect())))
            }
            None => None,
        };
        let journal = self.journal.take();
        let none = Wanted::Exactly(None, &[]);
        let taken = self.take(&key, head.rank, &head.log, none, (usize::MAX, true), || Ok(content));
        if taken == Ok(true) {
            // Whether those of the log still count is known from here alone.
            self.take_names(&key);
            self.set_names(&key, names);
        }
        self.journal = journal;
        match taken {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Damaged),
        }
    }
}

fn head_of(stored: &Stored, now: Instant) -> Vec<u8> {
    let value = stored.value.as_ref().map(|content| (content.kind(), content.ends_us));
    let left = |until: Instant| until.since(now).as_micros() as u64;
    let kept = |names: &Names| names.kept().map(|kept| (kept.write, left(kept.until))).collect();
    let names = stored.names.as_ref().map(|names| (left(names.logged()), kept(names)));
    Head { rank: stored.rank, log: stored.log.clone(), names, value }.to_bytes()
}

fn place_of((id, key): &Key) -> Vec<u8> {
    [&id.get().to_be_bytes()[..], key].concat()
}

/// The key at a place, if it belongs there.
fn key_at(place: &[u8]) -> Option<Key> {
    let (id, key) = place.split_first_chunk::<16>()?;
    let id = Id::new(u128::from_be_bytes(*id));
    let sound = (1..=KEY_MAX).contains(&key.len()) && Id::of_key(key) == id;
    sound.then(|| (id, Box::from(key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Logged, OperationId, Version};

    fn rank(time_ms: u64) -> Rank {
        Rank::of_write(Version { term: 1, time_ms, writer: 7 })
    }

    fn content(text: &[u8]) -> Option<Content> {
        Some(Content::new(text, b"text/plain", 9))
    }

    type Row = (Vec<u8>, Option<Vec<u8>>);

    /// A directory, as simple as can be.
    #[derive(Default)]
    struct Disk(BTreeMap<Vec<u8>, Row>);

    impl Disk {
        fn save(&mut self, unsaved: Vec<Unsaved>) {
            for Unsaved { place, entry } in unsaved {
                match entry {
                    Saved::Gone => drop(self.0.remove(&place)),
                    Saved::Head(head) => self.0.get_mut(&place).expect("a value stays").0 = head,
                    Saved::Whole(head, value) => {
                        drop(self.0.insert(place, (head, value.map(|content| content.bytes().to_vec()))));
                    }
                }
            }
        }

        fn restore(&self) -> Result<Store, Damaged> {
            let mut store = Store::default();
            for (place, (head, value)) in &self.0 {
                store.restore(place, head, value.as_deref())?;
            }
            Ok(store)
        }
    }

    #[test]
    fn what_was_saved_comes_back_and_each_change_is_saved_once() {
        let (mut store, mut disk) = (Store::default(), Disk::default());
        store.keep_journal();
        let mut log = OperationLog::default();
        log.push(Logged { id: OperationId([3; 16]), version: rank(5).version, mark: 7.into() });
        assert!(!store.has_unsaved());
        for (key, value) in [(&b"a"[..], content(b"one")), (b"b", content(&[7; 5000])), (b"c", None)] {
            assert_eq!(store.write(key, rank(5), log.clone(), value), Ok(true));
        }
        assert!(store.has_unsaved());
        disk.save(store.take_unsaved());
        assert!(!store.has_unsaved() && store.take_unsaved().is_empty());
        store.confirm(b"b", rank(5).version, 1);
        assert!(!store.has_unsaved(), "nobody waits for that");
        store.raise_ballot(b"a", 4);
        let unsaved = store.take_unsaved();
        assert!(unsaved.len() == 2 && unsaved.iter().all(|it| matches!(it.entry, Saved::Head(_))));
        store.put_back_unsaved(&unsaved);
        assert!(store.has_unsaved());
        disk.save(store.take_unsaved());
        store.drop_exact(crate::wire::Item { id: Id::of_key(b"c"), rank: rank(5) });
        disk.save(store.take_unsaved());
        let back = disk.restore().unwrap();
        assert_eq!((back.len(), back.bytes(), back.tombstones()), (2, store.bytes(), 0));
        for key in [&b"a"[..], b"b"] {
            let (one, other) = (store.get(key).unwrap(), back.get(key).unwrap());
            assert_eq!((&one.rank, &one.value, &one.log), (&other.rank, &other.value, &other.log));
        }
        assert!(!back.has_unsaved());
    }

    #[test]
    fn names_come_back_with_what_was_left_of_their_time() {
        let (mut store, mut disk) = (Store::default(), Disk::default());
        store.keep_journal();
        let mut log = OperationLog::default();
        let id = |n: u64| OperationId(u128::from(n).to_be_bytes());
        for n in 1..=9 {
            store.pass(Instant::from_millis(n * 60_000));
            log.push(Logged { id: id(n), version: rank(n).version, mark: 7.into() });
            store.write(b"a", rank(n), log.clone(), content(b"one")).unwrap();
        }
        disk.save(store.take_unsaved());
        let mut back = disk.restore().unwrap();
        assert_eq!((back.names(), back.memory()), (9, store.memory()));
        // The clock of the machine begins anew with each start of it.
        back.wake(Instant::from_millis(1000));
        for n in 1..=9 {
            assert_eq!(back.get(b"a").unwrap().find(id(n)), store.get(b"a").unwrap().find(id(n)));
        }
        let first = NAMES_KEPT - Duration::from_secs(4 * 60);
        back.pass(Instant::from_millis(1000) + first - Duration::from_secs(1));
        assert_eq!(back.names(), 9);
        back.pass(Instant::from_millis(1000) + first);
        assert_eq!(back.names(), 8);
    }

    #[test]
    fn what_cannot_have_been_saved_is_damaged() {
        let (mut store, mut disk) = (Store::default(), Disk::default());
        store.keep_journal();
        store.write(b"a", rank(5), OperationLog::default(), content(b"one")).unwrap();
        disk.save(store.take_unsaved());
        let (place, (head, value)) = disk.0.iter().next().unwrap();
        let refuses = |place: &[u8], head: &[u8], value: Option<&[u8]>| {
            assert_eq!(Store::default().restore(place, head, value), Err(Damaged));
        };
        refuses(&place[1..], head, value.as_deref());
        refuses(b"", head, value.as_deref());
        refuses(&place[..16], head, value.as_deref());
        refuses(place, &head[1..], value.as_deref());
        refuses(place, &[&head[..], &[0]].concat(), value.as_deref());
        refuses(place, head, None);
        refuses(place, head, Some(&[0; VALUE_MAX + 1]));
        let longer = [&[head[0] | 0x80, 0], &head[1..]].concat();
        refuses(place, &longer, value.as_deref());
        assert_eq!(Store::default().restore(place, head, Some(&[0; VALUE_MAX])), Ok(()));
    }
}
