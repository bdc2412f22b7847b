//! The directory in which a node saves what it holds: a database with its entries and its record. A thread of its own
//! writes it, so that the node goes on meanwhile; what was changed while one batch is written makes the next.

use crate::node::{Batch, Record};
use crate::store::{Saved, Store};
use log::{error, info};
use redb::{
    AccessGuard, Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable, StorageError,
    TableDefinition, TableError,
};
use smol::channel::{self, Receiver, Sender};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread;

/// The file in the directory.
const FILE: &str = "sky.redb";

/// All of an entry but its value, by its place: 16 bytes of its id, then its key.
const HEADS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("heads");
/// The values, by the same place. A tombstone has none.
const VALUES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("values");
/// What else there is: the number of this format, and the node's record.
const NODE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("node");

const FORMAT: &str = "format";
const RECORD: &str = "record";
/// The format that this program reads and writes.
const VERSION: &[u8] = &[3];

/// Everything is in memory beside it, so the database need not keep much.
const CACHE: usize = 4 << 20;

/// A directory that is open: no other process can open it.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    /// None after an error, until it is opened anew.
    database: Option<Database>,
}

/// The way to the thread that writes.
#[derive(Debug)]
pub struct Saver {
    /// Takes one batch at a time.
    pub batches: Sender<Batch>,
    /// Tells how each ended: its number, or the batch back if it could not be saved.
    pub outcomes: Receiver<Result<u64, Batch>>,
}

impl Disk {
    /// Opens a directory, which is made if it is not there, and puts what was saved back into a store.
    ///
    /// # Errors
    /// What is wrong, and what to do about it: the directory cannot be used, another node has it, it is damaged.
    pub fn open(dir: &Path, memory_max: usize) -> Result<(Self, Store, Option<Record>), String> {
        fs::create_dir_all(dir).map_err(|error| format!("cannot make the directory {}: {error}", dir.display()))?;
        let path = dir.join(FILE);
        let database = open_database(&path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => {
                format!("{} is in use by another node: give each node a directory of its own", dir.display())
            }
            DatabaseError::Storage(StorageError::Io(error)) if !is_damage(&error) => {
                format!("cannot open {}: {error}", path.display())
            }
            error => damaged(&path, &error.to_string()),
        })?;
        let (store, record) = load(&database, memory_max).map_err(|why| damaged(&path, &why))?;
        Ok((Self { path, database: Some(database) }, store, record))
    }

    /// Writes a batch, all of it or nothing; it is on the disk when this returns.
    ///
    /// # Errors
    /// The disk is full, or broken. Nothing was written, and the next call tries anew.
    pub fn save(&mut self, batch: &Batch) -> Result<(), redb::Error> {
        let database = match self.database.take() {
            Some(database) => database,
            None => open_database(&self.path)?,
        };
        write(&database, batch)?;
        self.database = Some(database);
        Ok(())
    }

    /// Starts the thread that writes.
    ///
    /// # Errors
    /// The system has no room for a thread.
    pub fn start(mut self) -> io::Result<Saver> {
        let (batches, next) = channel::bounded::<Batch>(1);
        let (done, outcomes) = channel::bounded(1);
        thread::Builder::new().name(String::from("disk")).spawn(move || {
            let mut failed = false;
            while let Ok(batch) = next.recv_blocking() {
                let outcome = self.save(&batch);
                // Every try is logged only when it ends otherwise than the one before.
                match &outcome {
                    Err(error) if !failed => error!("cannot save to {}: {error}", self.path.display()),
                    Ok(()) if failed => info!("saves to {} again", self.path.display()),
                    _ => {}
                }
                failed = outcome.is_err();
                if done.send_blocking(outcome.map(|()| batch.number).map_err(|_| batch)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Saver { batches, outcomes })
    }
}

fn open_database(path: &Path) -> Result<Database, DatabaseError> {
    Builder::new().set_cache_size(CACHE).create(path)
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
fn load(database: &Database, memory_max: usize) -> Result<(Store, Option<Record>), String> {
    let mut store = Store::new(memory_max);
    let text = |error: redb::Error| error.to_string();
    let view = database.begin_read().map_err(|error| text(error.into()))?;
    let node = match view.open_table(NODE) {
        // Nothing was saved yet.
        Err(TableError::TableDoesNotExist(_)) => return Ok((store, None)),
        node => node.map_err(|error| text(error.into()))?,
    };
    let format = node.get(FORMAT).map_err(|error| text(error.into()))?;
    if format.is_none_or(|format| format.value() != VERSION) {
        return Err(String::from("another version of this program wrote it"));
    }
    read(&view, &mut store).map_err(text)?.map_err(String::from)?;
    let record = node.get(RECORD).map_err(|error| text(error.into()))?;
    let Some(bytes) = record else { return Ok((store, None)) };
    let record = Record::from_bytes(bytes.value()).ok_or("the record of the node cannot be read")?;
    Ok((store, Some(record)))
}

/// All entries. Where the database is whole one of them may still not be.
fn read(view: &ReadTransaction, store: &mut Store) -> Result<Result<(), &'static str>, redb::Error> {
    let (heads, values) = (view.open_table(HEADS)?, view.open_table(VALUES)?);
    for entry in heads.iter()? {
        let (place, head) = entry?;
        let value = values.get(place.value())?;
        if store.restore(place.value(), head.value(), value.as_ref().map(AccessGuard::value)).is_err() {
            return Ok(Err("an entry cannot be read"));
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
        if let Some(record) = &batch.record {
            node.insert(RECORD, &**record)?;
        }
    }
    change.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests;
