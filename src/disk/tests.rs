use super::*;
use crate::limits::MEMORY_DEFAULT;
use crate::store::Content;
use crate::wire::{OperationLog, Rank, Version};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that is gone after the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("sky-disk-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&dir);
        Self(dir)
    }

    fn open(&self) -> Result<(Disk, Store, Option<Record>), String> {
        Disk::open(&self.0, MEMORY_DEFAULT)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn rank(time_ms: u64) -> Rank {
    Rank::of_write(Version { term: 1, time_ms, writer: 7 })
}

fn put(store: &mut Store, key: &[u8], time_ms: u64, value: Option<&[u8]>) {
    let content = value.map(|bytes| Content::new(bytes, b"text/plain", 0));
    assert_eq!(store.write(key, rank(time_ms), OperationLog::default(), content), Ok(true));
}

fn batch(store: &mut Store) -> Batch {
    Batch { number: 1, entries: store.take_unsaved(), record: None }
}

#[test]
fn a_directory_gives_back_what_was_saved_and_belongs_to_one_at_a_time() {
    let scratch = Scratch::new();
    let (mut disk, mut store, record) = scratch.open().unwrap();
    assert!(store.is_empty() && record.is_none());
    store.keep_journal();
    put(&mut store, b"small", 1, Some(b"one"));
    put(&mut store, b"large", 2, Some(&[7; 500_000]));
    put(&mut store, b"gone", 3, Some(b"three"));
    disk.save(&batch(&mut store)).unwrap();
    put(&mut store, b"gone", 4, None);
    store.raise_ballot(b"small", 9);
    disk.save(&batch(&mut store)).unwrap();
    let other = scratch.open().map(drop).unwrap_err();
    assert!(other.contains("in use by another node"), "{other}");
    drop(disk);
    let (_disk, back, _) = scratch.open().unwrap();
    assert_eq!((back.len(), back.bytes(), back.tombstones()), (3, store.bytes(), 1));
    for key in [&b"small"[..], b"large", b"gone"] {
        let (one, other) = (store.get(key).unwrap(), back.get(key).unwrap());
        assert_eq!((&one.rank, &one.value), (&other.rank, &other.value));
    }
}

#[test]
fn a_damaged_file_is_refused_with_a_word_of_what_to_do() {
    let scratch = Scratch::new();
    let (mut disk, mut store, _) = scratch.open().unwrap();
    store.keep_journal();
    put(&mut store, b"key", 1, Some(b"value"));
    let mut odd = batch(&mut store);
    odd.entries[0].place[3] ^= 1;
    disk.save(&odd).unwrap();
    drop(disk);
    let wrong = scratch.open().map(drop).unwrap_err();
    assert!(wrong.contains("damaged: an entry cannot be read. Move it away"), "{wrong}");
    let file = scratch.0.join(FILE);
    fs::write(&file, b"this is no database, however long one reads on").unwrap();
    let wrong = scratch.open().map(drop).unwrap_err();
    assert!(wrong.contains("damaged") && wrong.contains("Move it away"), "{wrong}");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let wrong = scratch.open().map(drop).unwrap_err();
    assert!(wrong.contains("cannot open"), "{wrong}");
    let beside = scratch.0.join("file");
    fs::write(&beside, b"").unwrap();
    let wrong = Disk::open(&beside, MEMORY_DEFAULT).map(drop).unwrap_err();
    assert!(wrong.contains("cannot make the directory"), "{wrong}");
}

#[test]
fn the_thread_saves_one_batch_after_another() {
    let scratch = Scratch::new();
    let (disk, mut store, _) = scratch.open().unwrap();
    store.keep_journal();
    let saver = disk.start().unwrap();
    for number in 1..=20 {
        put(&mut store, b"key", number, Some(b"value"));
        let batch = Batch { number, ..batch(&mut store) };
        smol::block_on(saver.batches.send(batch)).unwrap();
        assert_eq!(smol::block_on(saver.outcomes.recv()).unwrap().ok(), Some(number));
    }
    drop(saver);
    // The thread ends by itself, and gives the directory back.
    let back = (0..1000).find_map(|_| {
        let opened = scratch.open().ok();
        if opened.is_none() {
            thread::yield_now();
        }
        opened
    });
    assert_eq!(back.unwrap().1.get(b"key").unwrap().rank, rank(20));
}
