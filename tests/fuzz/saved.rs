//! Any bytes as what a disk gives back: refused, or an entry that is saved as the same bytes again; and a node that
//! comes back with what was not refused goes on, and saves what it can come back with.

use skynode::config::Config;
use skynode::id::Id;
use skynode::limits::{FRAME_MAX, MEMORY_MIN, VALUE_MAX};
use skynode::node::{Batch, Command, Event, Identity, Node, Record};
use skynode::store::{Damaged, Saved, Store, Unsaved};
use skynode::time::{Instant, Now};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Entries at most.
const ENTRIES: u8 = 8;
/// How long the node goes on.
const LASTS: Duration = Duration::from_secs(30);

/// Place, head, and value if there is one.
type Rows = BTreeMap<Vec<u8>, (Vec<u8>, Option<Vec<u8>>)>;

/// The bytes of a directory: entries, and what is left is the record.
pub fn saved(input: &[u8]) {
    let mut reader = Reader(input);
    let flags = reader.byte();
    let (mut store, mut rows) = (Store::new(MEMORY_MIN), Rows::new());
    for _ in 0..reader.byte() % (ENTRIES + 1) {
        let (place, head, value) = reader.row();
        if rows.contains_key(&place) {
            continue;
        }
        let before = (store.len(), store.bytes(), store.changes());
        match store.restore(&place, &head, value.as_deref()) {
            Ok(()) => drop(rows.insert(place, (head, value))),
            Err(Damaged) => assert_eq!((store.len(), store.bytes(), store.changes()), before),
        }
    }
    look_at_entries(&store, &rows);
    let record = Record::from_bytes(reader.0);
    if let Some(record) = &record {
        let bytes = record.to_bytes();
        assert!(bytes.len() <= reader.0.len(), "longer than it was: {record:?}");
        assert_eq!(Record::from_bytes(&bytes).as_ref(), Some(record));
    }
    let keys = rows.into_keys().filter_map(|place| place.get(16..).map(Box::from)).collect();
    live_on(flags, keys, (store, record));
}

/// What was taken is saved as it was.
fn look_at_entries(store: &Store, rows: &Rows) {
    assert_eq!(store.len(), rows.len());
    let mut store = store.clone();
    store.keep_journal();
    let all: Vec<Unsaved> = rows.keys().map(|place| Unsaved { place: place.clone(), entry: Saved::Gone }).collect();
    store.put_back_unsaved(&all);
    let mut again = Rows::new();
    store.take_unsaved().into_iter().for_each(|unsaved| save(&mut again, unsaved));
    assert_eq!(&again, rows);
}

/// As a disk does it.
fn save(rows: &mut Rows, Unsaved { place, entry }: Unsaved) {
    match entry {
        Saved::Gone => drop(rows.remove(&place)),
        Saved::Head(head) => rows.get_mut(&place).expect("its value is there").0 = head,
        Saved::Whole(head, value) => {
            drop(rows.insert(place, (head, value.map(|content| content.bytes().to_vec()))));
        }
    }
}

/// A node comes back with it.
fn live_on(flags: u8, keys: Vec<Box<[u8]>>, (store, record): (Store, Option<Record>)) {
    let now = |at: Instant| Now { at, wall_ms: 1_700_000_000_000 + at.as_millis() };
    let [seeded, fails, alone, same, ..] = [1, 2, 4, 8].map(|flag| flags & flag != 0);
    let record = if alone { record.map(Record::alone) } else { record };
    let id = record.as_ref().filter(|_| same).map(Record::id);
    let identity = Identity { addr: SocketAddr::from(([10, 0, 0, 1], 4321)), id };
    let mut clock = Instant::ZERO;
    let mut node = Node::with_disk(Config::default(), identity, seeded, [7; 32], now(clock), (store, record));
    let (mut buffer, mut replies, mut wakes) = ([0; FRAME_MAX], 0, 0);
    let mut wanted = false;
    while clock < Instant::ZERO + LASTS {
        while node.poll_transmit(&mut buffer).is_some() {}
        while let Some(event) = node.poll_event() {
            match event {
                Event::Reply(..) => replies += 1,
                Event::SeedsWanted { .. } => {
                    node.handle_command(now(clock), Command::Seeds(vec![vec![([10, 0, 0, 2], 4321).into()]]));
                }
                Event::Life(_) | Event::Left { .. } => {}
            }
        }
        if let Some(batch) = node.poll_save() {
            look_at_batch(&batch);
            let outcome = if fails && wakes % 2 == 0 { Err(batch) } else { Ok(batch.number) };
            node.handle_saved(now(clock), outcome);
            continue;
        }
        assert_eq!(node.load().overfull(false), None);
        if !wanted && clock > Instant::ZERO + LASTS / 2 {
            wanted = true;
            for key in keys.clone() {
                node.handle_command(now(clock), Command::Get { key });
            }
            continue;
        }
        clock = clock.max(node.poll_timeout());
        node.handle_timeout(now(clock));
        wakes += 1;
        assert!(wakes < 30_000, "a busy loop");
    }
    assert_eq!(replies, keys.len());
}

/// What is saved can be come back with.
fn look_at_batch(batch: &Batch) {
    if let Some(bytes) = &batch.record {
        assert_eq!(Record::from_bytes(bytes).map(|record| record.to_bytes()).as_ref(), Some(bytes));
    }
    let mut store = Store::default();
    store.has_lived(batch.lived_us);
    for Unsaved { place, entry } in &batch.entries {
        if let Saved::Whole(head, value) = entry {
            let value = value.as_ref().map(|content| content.bytes());
            assert_eq!(store.restore(place, head, value), Ok(()));
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    /// The next byte; zero after the end.
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A length, and as many bytes as it says or as there are.
    fn bytes(&mut self) -> Vec<u8> {
        let length = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes.to_vec()
    }

    /// An entry: its place is that of its key, or any; its value is none, a short one, or one about as long as can be.
    fn row(&mut self) -> (Vec<u8>, Vec<u8>, Option<Vec<u8>>) {
        let (kind, key, head) = (self.byte(), self.bytes(), self.bytes());
        let place = if kind & 1 == 0 { [&Id::of_key(&key).get().to_be_bytes()[..], &key].concat() } else { key };
        let value = match kind >> 1 & 3 {
            0 => None,
            1 | 2 => Some(self.bytes()),
            _ => Some(vec![kind; VALUE_MAX - 1 + usize::from(self.byte() % 3)]),
        };
        (place, head, value)
    }
}
