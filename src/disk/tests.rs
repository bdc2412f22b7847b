use super::file::FILE;
use super::*;
use crate::limits::MEMORY_DEFAULT;
use crate::store::Content;
use crate::wire::{Entry, OperationLog, Rank, Value, Version};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
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
    Batch { number: 1, entries: store.take_unsaved(), record: None, lived_us: store.lived_us() }
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
fn what_is_left_of_a_value_is_saved_and_no_time_counts_while_nobody_holds_it() {
    let scratch = Scratch::new();
    let (mut disk, mut store, _) = scratch.open().unwrap();
    store.keep_journal();
    store.live_on(Duration::from_secs(7));
    let brief = Content::new(*b"brief", b"", store.end_in(60_000));
    assert_eq!(store.write(b"k", rank(1), OperationLog::default(), Some(brief)), Ok(true));
    disk.save(&batch(&mut store)).unwrap();
    store.live_on(Duration::from_secs(20));
    // Nothing else is to be saved.
    disk.save(&batch(&mut store)).unwrap();
    store.live_on(Duration::from_secs(1));
    drop(disk);
    let (_disk, mut back, _) = scratch.open().unwrap();
    let value = |store: &Store| store.fetch_key(b"k").and_then(|entry| entry.value).map(|it| (it.left_ms, it.restored));
    assert_eq!((value(&store), value(&back)), (Some((39_000, false)), Some((40_000, true))));
    let told = store.fetch_key(b"k").unwrap();
    assert_eq!(back.merge(&told), Ok(false), "it is here, but one knows better how much is left");
    assert_eq!(value(&back), Some((39_000, false)));
    back.live_on(Duration::from_secs(39));
    assert!(back.has_ended(back.get(b"k").unwrap().value.as_ref().unwrap()));
    assert_eq!(
        (back.overdue(|_| true), value(&back)),
        (Duration::ZERO, Some((1, false))),
        "until a tombstone takes its place"
    );
    back.live_on(Duration::from_secs(60));
    let asks =
        |left_ms| Entry { value: told.value.map(|value| Value { left_ms, restored: true, ..value }), ..told.clone() };
    assert!(back.knows_of_less(&asks(2001)), "for it has ended long ago");
    assert!(!back.knows_of_less(&asks(1)), "whoever has been told that is not told again");
    assert!(!back.knows_of_less(&Entry { value: told.value.map(|it| Value { left_ms: 9000, ..it }), ..told.clone() }));
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
        saver.batches.send(batch).unwrap();
        let outcome = smol::block_on(saver.outcomes.recv()).unwrap();
        assert!(matches!(outcome, Outcome::Saved(saved) if saved == number), "{outcome:?}");
    }
    drop(saver);
    // The thread ends by itself, and gives the directory back.
    let late = std::time::Instant::now() + Duration::from_secs(30);
    let back = std::iter::from_fn(|| (std::time::Instant::now() < late).then(|| scratch.open().ok())).find_map(|it| {
        if it.is_none() {
            thread::yield_now();
        }
        it
    });
    assert_eq!(back.unwrap().1.get(b"key").unwrap().rank, rank(20));
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn lost(disk: &mut Disk, store: &mut Store) -> Lost {
    match disk.save(&batch(store)) {
        Err(Fault::Lost(lost)) => lost,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_made_is_its_users_own_and_what_is_there_keeps_its_rights() {
    let scratch = Scratch::new();
    let deep = scratch.0.join("a/b/../c");
    drop(Disk::open(&deep, MEMORY_DEFAULT).unwrap());
    for dir in ["", "a", "a/b", "a/c"] {
        assert_eq!(mode(&scratch.0.join(dir)), 0o700, "{dir:?}");
    }
    let (dir, file) = (scratch.0.join("a/c"), scratch.0.join("a/c").join(FILE));
    assert_eq!(mode(&file), 0o600);
    for (path, rights) in [(&dir, 0o755), (&file, 0o644)] {
        fs::set_permissions(path, fs::Permissions::from_mode(rights)).unwrap();
    }
    let (disk, ..) = Disk::open(&dir, MEMORY_DEFAULT).unwrap();
    assert_eq!((mode(&dir), mode(&file)), (0o755, 0o644));
    let exposure = disk.file.exposure().unwrap();
    assert!(exposure.contains(&format!("chmod 600 {}", file.display())), "{exposure}");
    drop(disk);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(Disk::open(&dir, MEMORY_DEFAULT).unwrap().0.file.exposure().is_none(), "others see a name alone");
}

#[test]
fn a_link_to_a_file_elsewhere_is_followed_whether_that_is_there_or_not() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.0.join("node")).unwrap();
    let (link, there) = (scratch.0.join("node").join(FILE), scratch.0.join("there"));
    symlink(&there, &link).unwrap();
    let (mut disk, mut store, _) = Disk::open(&scratch.0.join("node"), MEMORY_DEFAULT).unwrap();
    assert_eq!(mode(&there), 0o600);
    store.keep_journal();
    put(&mut store, b"key", 1, Some(b"value"));
    disk.save(&batch(&mut store)).unwrap();
    fs::rename(&there, scratch.0.join("away")).unwrap();
    assert!(matches!(lost(&mut disk, &mut store), Lost::Gone));
}

#[test]
fn a_file_that_is_gone_or_another_takes_nothing_and_goes_on_when_it_is_put_back() {
    let scratch = Scratch::new();
    let (mut disk, mut store, _) = scratch.open().unwrap();
    store.keep_journal();
    put(&mut store, b"key", 1, Some(b"value"));
    disk.save(&batch(&mut store)).unwrap();
    let (file, away) = (scratch.0.join(FILE), scratch.0.join("away"));
    // As it is, and after an error, when the database is opened anew.
    for (works, time_ms) in [(true, 2), (false, 3)] {
        disk.works = works;
        fs::rename(&file, &away).unwrap();
        assert!(matches!(lost(&mut disk, &mut store), Lost::Gone));
        assert!(!file.exists(), "none is made in its place");
        fs::copy(&away, &file).unwrap();
        assert!(matches!(lost(&mut disk, &mut store), Lost::Replaced));
        fs::rename(&away, &file).unwrap();
        put(&mut store, b"key", time_ms, Some(b"more"));
        disk.save(&batch(&mut store)).unwrap();
    }
    let moved = scratch.0.with_extension("moved");
    fs::rename(&scratch.0, &moved).unwrap();
    assert!(matches!(lost(&mut disk, &mut store), Lost::Gone));
    fs::rename(&moved, &scratch.0).unwrap();
    disk.save(&batch(&mut store)).unwrap();
    fs::remove_dir_all(&scratch.0).unwrap();
    assert!(matches!(lost(&mut disk, &mut store), Lost::Gone));
    assert!(!scratch.0.exists());
}

#[test]
fn a_file_that_another_program_writes_to_takes_nothing_and_is_not_touched_any_more() {
    let scratch = Scratch::new();
    let (mut disk, mut store, _) = scratch.open().unwrap();
    store.keep_journal();
    put(&mut store, b"key", 1, Some(b"old"));
    disk.save(&batch(&mut store)).unwrap();
    let file = scratch.0.join(FILE);
    let old = fs::read(&file).unwrap();
    put(&mut store, b"key", 2, Some(b"new"));
    disk.save(&batch(&mut store)).unwrap();
    let new = fs::read(&file).unwrap();
    // Written over as cp does it: it is the same file, with what was in it before, and as long.
    assert_eq!(old.len(), new.len());
    for other in [&old[..], &new[..new.len() / 2], b""] {
        fs::write(&file, other).unwrap();
        assert!(matches!(lost(&mut disk, &mut store), Lost::Changed));
        assert!(fs::read(&file).unwrap() == other);
    }
    fs::write(&file, &new).unwrap();
    disk.save(&batch(&mut store)).unwrap();
    fs::write(&file, &old).unwrap();
    drop(disk);
    assert!(fs::read(&file).unwrap() == old, "closing it writes nothing");
}

#[test]
fn the_thread_tells_of_a_lost_file_once_though_there_is_nothing_to_save() {
    let scratch = Scratch::new();
    let (disk, mut store, _) = scratch.open().unwrap();
    store.keep_journal();
    let saver = disk.start().unwrap();
    fs::remove_file(scratch.0.join(FILE)).unwrap();
    assert!(matches!(smol::block_on(saver.outcomes.recv()).unwrap(), Outcome::Doubtful));
    saver.batches.send(batch(&mut store)).unwrap();
    match smol::block_on(saver.outcomes.recv()).unwrap() {
        Outcome::Failed(batch, why) => {
            assert!(batch.number == 1 && why.contains("removed or moved"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_written_to_a_file_that_was_removed_meanwhile_is_not_saved() {
    // The file grows once the first look is over, and long before all is on the disk; still, a thread that removes it
    // then may come too late.
    let noticed = (0..20).any(|_| {
        let scratch = Scratch::new();
        let (mut disk, mut store, _) = scratch.open().unwrap();
        store.keep_journal();
        for key in 0..16u8 {
            put(&mut store, &[key], 1, Some(&[7; 1 << 20]));
        }
        let file = scratch.0.join(FILE);
        let length = |file: &Path| fs::metadata(file).unwrap().len();
        let (before, batch) = (length(&file), batch(&mut store));
        thread::scope(|scope| {
            let saved = scope.spawn(|| disk.save(&batch));
            while length(&file) == before {
                thread::yield_now();
            }
            fs::remove_file(&file).unwrap();
            matches!(saved.join().unwrap(), Err(Fault::Lost(Lost::Gone)))
        })
    });
    assert!(noticed);
}
