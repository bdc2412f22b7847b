//! Owners and their neighbours, and what they remember.

use super::*;
use crate::store::Content;
use crate::wire::Version;
use crate::wire::{Condition, Entry, Mark, Rank};
use core::time::Duration;

fn logged(n: u64, is_named: bool) -> Logged {
    let version = Version { term: 1, time_ms: n, writer: 7 };
    let mark = Mark::new(None, Condition::None, is_named).creating(n == 1);
    Logged { id: OperationId(u128::from(n).to_be_bytes()), version, mark }
}

/// An owner, and a neighbour of it.
#[derive(Default)]
struct Group {
    owner: Store,
    neighbour: Store,
    written: u64,
}

impl Group {
    fn write(&mut self, is_named: bool) {
        self.written += 1;
        let write = logged(self.written, is_named);
        let mut log = self.owner.get(b"k").map_or_else(OperationLog::default, |stored| stored.log.clone());
        log.push(write);
        let content = (!self.written.is_multiple_of(3)).then(|| Content::new(*b"v", b"", 0));
        assert_eq!(self.owner.write(b"k", Rank::of_write(write.version), log, content), Ok(true));
    }

    fn entry(&self) -> Entry<'_> {
        self.owner.fetch_key(b"k").unwrap()
    }

    fn copy(&mut self) -> Result<bool, Untaken> {
        self.neighbour.merge(&self.owner.fetch_key(b"k").unwrap())
    }

    fn pass(&mut self, to: Duration) {
        self.owner.pass(Instant::ZERO + to);
        self.neighbour.pass(Instant::ZERO + to);
    }

    fn finds(&self, n: u64) -> [Option<Logged>; 2] {
        let id = logged(n, true).id;
        [&self.owner, &self.neighbour].map(|store| store.get(b"k").unwrap().find(id))
    }
}

#[test]
fn a_clients_name_is_remembered_by_owner_and_neighbour_until_its_time_is_over() {
    let mut group = Group::default();
    for n in 1..=30 {
        group.write(n % 10 == 1);
        assert_eq!(group.copy(), Ok(true), "{n}");
    }
    for n in [1, 11, 21] {
        assert_eq!(group.finds(n), [Some(logged(n, true)); 2], "{n}");
    }
    assert_eq!(group.finds(2), [None; 2], "nobody but its coordinator has that name");
    assert_eq!((group.owner.names(), group.neighbour.names()), (3, 3));
    let memory = [group.owner.memory(), group.neighbour.memory()];
    group.pass(NAMES_KEPT - Duration::from_secs(1));
    assert_eq!(group.finds(1), [Some(logged(1, true)); 2]);
    group.write(false);
    assert_eq!(group.copy(), Ok(true));
    group.pass(NAMES_KEPT);
    assert_eq!(group.finds(1), [None; 2]);
    assert_eq!((group.owner.names(), group.neighbour.names()), (0, 0));
    assert!(group.owner.memory() < memory[0] && group.owner.memory() == group.neighbour.memory());
    assert!(!group.owner.get(b"k").unwrap().remembers());
}

#[test]
fn one_forgets_earlier_than_the_other_and_both_go_on() {
    let mut group = Group::default();
    (0..7).for_each(|_| group.write(true));
    let came: Vec<Kept> = group.owner.names_from(Id::of_key(b"k"), u64::MAX, 0).copied().collect();
    assert_eq!(group.neighbour.merge(&Entry { came: &came, ..group.owner.fetch_key(b"k").unwrap() }), Ok(true));
    group.owner.pass(Instant::ZERO + NAMES_KEPT);
    group.write(true);
    assert_eq!(group.copy(), Ok(true));
    assert_eq!(group.finds(4)[0], None);
    group.neighbour.pass(Instant::ZERO + 2 * NAMES_KEPT);
    (0..9).for_each(|_| group.write(true));
    assert_eq!(group.copy(), Err(Untaken::Nameless), "writes were missed");
}

#[test]
fn who_missed_writes_or_has_another_history_takes_no_copy_without_the_names() {
    let mut group = Group::default();
    group.write(true);
    assert_eq!(group.copy(), Ok(true));
    (0..9).for_each(|_| group.write(true));
    assert_eq!(group.copy(), Err(Untaken::Nameless));
    let before = group.entry().log.iter().next().unwrap().version.time_ms;
    let names = |group: &Group| -> Vec<Kept> { group.owner.names_from(Id::of_key(b"k"), before, 0).copied().collect() };
    let came = names(&group);
    assert_eq!(came.len(), 6);
    let short = Entry { came: &came[1..], ..group.owner.fetch_key(b"k").unwrap() };
    assert_eq!(group.neighbour.merge(&short), Err(Untaken::Nameless));
    // It is asked for while the owner goes on: what is asked for is the same.
    let entry = OwnedCopy::of(&group.entry());
    group.write(true);
    assert_eq!(names(&group), came);
    assert_eq!(group.neighbour.merge(&entry.with(&came)), Ok(true));
    assert_eq!(group.copy(), Ok(true));
    assert_eq!(group.finds(1), [Some(logged(1, true)); 2]);
    assert!(logged(1, true).mark.created());
    // A write that lost has left no name.
    let mut lost = group.neighbour.clone();
    let mut log = group.entry().log;
    log.push(logged(1000, true));
    let version = Version { term: 1, time_ms: 1000, writer: 9 };
    lost.write(b"k", Rank::of_write(version), log, None).unwrap();
    let won = Rank { ballot: 3, ..group.entry().rank };
    let came: Vec<Kept> = group.owner.names_from(Id::of_key(b"k"), u64::MAX, 0).copied().collect();
    let entry = Entry { rank: won, came: &came, ..group.owner.fetch_key(b"k").unwrap() };
    assert_eq!(lost.merge(&entry), Ok(true));
    assert_eq!(lost.get(b"k").unwrap().find(logged(1000, true).id), None);
    assert_eq!(lost.get(b"k").unwrap().find(logged(1, true).id), Some(logged(1, true)));
}

/// What a copy tells, apart from the store that it is of.
struct OwnedCopy(Rank, OperationLog, Option<NamesSum>);

impl OwnedCopy {
    fn of(entry: &Entry<'_>) -> Self {
        Self(entry.rank, entry.log.clone(), entry.names)
    }

    fn with<'a>(&self, came: &'a [Kept]) -> Entry<'a> {
        Entry { key: b"k", rank: self.0, log: self.1.clone(), names: self.2, value: None, came }
    }
}

#[test]
fn there_is_room_for_so_many_names_of_a_key_and_for_so_many_in_all() {
    let mut group = Group::default();
    while group.owner.has_room_for_name(b"k") {
        group.write(true);
    }
    assert_eq!(group.written, NAMES_MAX as u64);
    assert!(group.owner.has_room_for_name(b"other") && !group.owner.is_full_of_names());
    let mut store = Store::new(4 << 20);
    let mut n = 0u64;
    while store.has_room_for_name(&n.to_be_bytes()) {
        let mut log = OperationLog::default();
        log.push(logged(n, true));
        store.write(&n.to_be_bytes(), Rank::of_write(logged(n, true).version), log, None).unwrap();
        n += 1;
    }
    assert!(store.is_full_of_names() && n as usize == (4 << 20) / NAMES_SHARE / cost(0, 1), "{n}");
    assert_eq!(store.names(), n as usize);
    for _ in 0..n {
        store.pass(Instant::ZERO + NAMES_KEPT);
    }
    assert_eq!((store.names(), store.is_full_of_names()), (0, false));
}

#[test]
fn a_name_reads_back_from_what_is_sent_and_lives_no_longer_than_names_do() {
    let (now, later) = (Instant::from_millis(5), Instant::from_millis(90));
    let kept = Kept { write: logged(3, true), until: now + NAMES_KEPT };
    let read = Kept::from_bytes(&kept.to_bytes(now), later).unwrap();
    assert_eq!(read, Kept { until: later + NAMES_KEPT, ..kept });
    let mut bytes = kept.to_bytes(now);
    bytes[48..].fill(0xff);
    assert_eq!(Kept::from_bytes(&bytes, later), Some(read));
    assert_eq!(Kept::from_bytes(&Kept { write: logged(3, false), ..kept }.to_bytes(now), now), None);
}
