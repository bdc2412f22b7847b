//! The directory in which a node saves what it holds: a database with its entries and its record. A thread of its own
//! writes it, so that the node goes on meanwhile; what was changed while one batch is written makes the next.

mod file;

pub use file::Lost;

use crate::node::{Batch, Record};
use crate::store::{Saved, Store};
use file::DataFile;
use log::{error, info, warn};
use redb::{
    AccessGuard, Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable, StorageError,
    TableDefinition, TableError,
};
use smol::channel::{self, Receiver, Sender};
use std::fmt;
use std::io::{self, ErrorKind};
use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

/// All of an entry but its value, by its place: 16 bytes of its id, then its key.
const HEADS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("heads");
/// The values, by the same place. A tombstone has none.
const VALUES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("values");
/// What else there is: the number of this format, the node's record, and for how many microseconds it was held.
const NODE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("node");

const FORMAT: &str = "format";
const RECORD: &str = "record";
const LIVED: &str = "lived";
/// The format that this program reads and writes.
const VERSION: &[u8] = &[5];

/// How often the file is looked at while there is nothing to save.
const LOOK: Duration = Duration::from_secs(2);

/// A directory that is open: no other process can open it.
#[derive(Debug)]
pub struct Disk {
    file: DataFile,
    /// None if it could not be opened anew after an error.
    database: Option<Database>,
    /// The database has met no error.
    works: bool,
}

/// Why nothing can be saved.
#[derive(Debug)]
pub enum Fault {
    /// The file is not what it was.
    Lost(Lost),
    /// The disk is full, or broken.
    Database(redb::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(lost) => lost.fmt(f),
            Self::Database(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Fault {}

impl From<redb::Error> for Fault {
    fn from(error: redb::Error) -> Self {
        Self::Database(error)
    }
}

/// What the thread that writes has to tell.
#[derive(Debug)]
pub enum Outcome {
    /// The batch of this number is saved.
    Saved(u64),
    /// The batch could not be saved; and why, in words.
    Failed(Batch, Arc<str>),
    /// Nothing was to be saved, but nothing could be: the next batch will fail.
    Doubtful,
}

/// The way to the thread that writes.
#[derive(Debug)]
pub struct Saver {
    /// Takes one batch at a time.
    pub batches: SyncSender<Batch>,
    /// Tells how each ended.
    pub outcomes: Receiver<Outcome>,
}

impl Disk {
    /// Opens a directory, which is made if it is not there, and puts what was saved back into a store. What is made can
    /// be read by its user alone; what is there keeps its rights, and if others can read it, the log says so.
    ///
    /// # Errors
    /// What is wrong, and what to do about it: the directory cannot be used, another node has it, it is damaged.
    pub fn open(dir: &Path, memory_max: usize) -> Result<(Self, Store, Option<Record>), String> {
        Self::open_within(dir, memory_max, usize::MAX)
    }

    /// The same if what was saved takes no more than so many bytes of memory, whatever the store may take of writes.
    ///
    /// # Errors
    /// As above, and that it takes more.
    pub fn open_within(dir: &Path, memory_max: usize, most: usize) -> Result<(Self, Store, Option<Record>), String> {
        let mut file = DataFile::open(dir)?;
        let path = file.path();
        let database = file.database().map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => {
                format!("{} is in use by another node: give each node a directory of its own", dir.display())
            }
            DatabaseError::Storage(StorageError::Io(error)) if !is_damage(&error) => {
                format!("cannot open {}: {error}", path.display())
            }
            error => damaged(path, &error.to_string()),
        })?;
        let mut store = Store::new(memory_max);
        let record = load(&database, &mut store, most).map_err(|why| damaged(path, &why))?;
        if store.memory_without_names() > most {
            let (path, most) = (path.display(), most >> 20);
            return Err(format!(
                "what {path} holds takes more than the {most} MiB of memory that the system leaves for it: raise the \
                 limit of the process (cgroup, ulimit -v)"
            ));
        }
        if let Some(exposure) = file.exposure() {
            warn!("{exposure}");
        }
        file.end().map_err(|error| format!("cannot read {}: {error}", file.path().display()))?;
        Ok((Self { file, database: Some(database), works: true }, store, record))
    }

    /// Writes a batch, all of it or nothing; it is on the disk when this returns, where the next start finds it.
    ///
    /// # Errors
    /// The disk is full, or broken, or the file is not what it was. What was written does not count, and the next call
    /// tries anew.
    pub fn save(&mut self, batch: &Batch) -> Result<(), Fault> {
        self.file.look().map_err(Fault::Lost)?;
        // After an error it is kept up to here: without it another process could have the file.
        let database = match self.database.take_if(|_| self.works) {
            Some(database) => database,
            None => {
                self.database = None;
                self.file.database().map_err(redb::Error::from)?
            }
        };
        self.file.begin();
        let written = write(&database, batch).and_then(|()| self.file.end().map_err(redb::Error::Io));
        (self.database, self.works) = (Some(database), written.is_ok());
        written?;
        // It may have been removed meanwhile.
        self.file.look().map_err(Fault::Lost)
    }

    /// Starts the thread that writes.
    ///
    /// # Errors
    /// The system has no room for a thread.
    pub fn start(self) -> io::Result<Saver> {
        let (batches, next) = mpsc::sync_channel(1);
        let (done, outcomes) = channel::bounded(1);
        thread::Builder::new().name(String::from("disk")).spawn(move || self.run(&next, &done))?;
        Ok(Saver { batches, outcomes })
    }

    /// Saves what comes until nothing more can come, and looks after the file meanwhile.
    fn run(mut self, next: &mpsc::Receiver<Batch>, done: &Sender<Outcome>) {
        let (mut fault, mut doubted) = (None, false);
        loop {
            let outcome = match next.recv_timeout(LOOK) {
                Ok(batch) => {
                    let saved = self.save(&batch);
                    let kind = saved.as_ref().err().map(mem::discriminant);
                    let why = saved.err().map(|why| format!("cannot save to {}: {why}", self.file.path().display()));
                    // Every try is logged only when it ends otherwise than the one before.
                    match &why {
                        Some(why) if kind != fault => error!("{why}"),
                        None if fault.is_some() => info!("saves to {} again", self.file.path().display()),
                        _ => {}
                    }
                    (fault, doubted) = (kind, false);
                    why.map_or(Outcome::Saved(batch.number), |why| Outcome::Failed(batch, why.into()))
                }
                Err(RecvTimeoutError::Timeout) => {
                    let doubtful = fault.is_none() && self.file.look().is_err();
                    if !doubtful || mem::replace(&mut doubted, true) {
                        doubted = doubtful;
                        continue;
                    }
                    Outcome::Doubtful
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if done.send_blocking(outcome).is_err() {
                return;
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // To close the database is to write to its file, which may hold what another program has put there.
        if self.file.look().is_err() {
            mem::forget(self.database.take());
        }
    }
}

/// True of errors that say that the file is no database, or not a whole one.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
}

fn damaged(path: &Path, why: &str) -> String {
    format!(
        "{} is damaged: {why}. Move it away, and the node starts with nothing: the other nodes have copies of what it \
         held",
        path.display()
    )
}

/// All that was saved.
fn load(database: &Database, store: &mut Store, most: usize) -> Result<Option<Record>, String> {
    let text = |error: redb::Error| error.to_string();
    let view = database.begin_read().map_err(|error| text(error.into()))?;
    let node = match view.open_table(NODE) {
        // Nothing was saved yet.
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        node => node.map_err(|error| text(error.into()))?,
    };
    let format = node.get(FORMAT).map_err(|error| text(error.into()))?;
    if format.is_none_or(|format| format.value() != VERSION) {
        return Err(String::from("another version of this program wrote it"));
    }
    let lived = node.get(LIVED).map_err(|error| text(error.into()))?;
    let lived = lived.and_then(|bytes| bytes.value().try_into().ok()).map(u64::from_be_bytes);
    store.has_lived(lived.ok_or("it does not say for how long it was held")?);
    read(&view, store, most).map_err(text)?.map_err(String::from)?;
    let record = node.get(RECORD).map_err(|error| text(error.into()))?;
    let Some(bytes) = record else { return Ok(None) };
    let record = Record::from_bytes(bytes.value()).ok_or("the record of the node cannot be read")?;
    Ok(Some(record))
}

/// All entries, until they take too much memory. Where the database is whole one of them may still not be.
fn read(view: &ReadTransaction, store: &mut Store, most: usize) -> Result<Result<(), &'static str>, redb::Error> {
    let (heads, values) = (view.open_table(HEADS)?, view.open_table(VALUES)?);
    for entry in heads.iter()? {
        let (place, head) = entry?;
        let value = values.get(place.value())?;
        if store.restore(place.value(), head.value(), value.as_ref().map(AccessGuard::value)).is_err() {
            return Ok(Err("an entry cannot be read"));
        }
        if store.memory() > most {
            break;
        }
    }
    Ok(Ok(()))
}

fn write(database: &Database, batch: &Batch) -> Result<(), redb::Error> {
    let change = database.begin_write()?;
    {
        let (mut heads, mut values) = (change.open_table(HEADS)?, change.open_table(VALUES)?);
        for unsaved in &batch.entries {
            let place = &*unsaved.place;
            match &unsaved.entry {
                Saved::Gone => {
                    heads.remove(place)?;
                    values.remove(place)?;
                }
                Saved::Head(head) => {
                    heads.insert(place, &**head)?;
                }
                Saved::Whole(head, Some(content)) => {
                    heads.insert(place, &**head)?;
                    values.insert(place, content.bytes())?;
                }
                Saved::Whole(head, None) => {
                    heads.insert(place, &**head)?;
                    values.remove(place)?;
                }
            }
        }
        let mut node = change.open_table(NODE)?;
        node.insert(FORMAT, VERSION)?;
        node.insert(LIVED, &batch.lived_us.to_be_bytes()[..])?;
        if let Some(record) = &batch.record {
            node.insert(RECORD, &**record)?;
        }
    }
    change.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests;
