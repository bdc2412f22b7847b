//! The connections there are, and which of them goes when there are too many.

use smol::Task;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

/// The connections there are.
#[derive(Default)]
pub struct Table {
    next: u64,
    connections: BTreeMap<u64, Entry>,
}

struct Entry {
    /// Since when the connection waits for a request or for its body; `None` while it is being answered.
    waiting: Option<Instant>,
    task: Option<Task<()>>,
}

impl Table {
    /// Makes a place for a new connection.
    pub fn seat(table: &Rc<RefCell<Self>>) -> Seat {
        let mut this = table.borrow_mut();
        let number = this.next;
        this.next += 1;
        this.connections.insert(number, Entry { waiting: Some(Instant::now()), task: None });
        Seat { number, table: Rc::clone(table) }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Names the task that serves a connection, so that it can be ended.
    pub fn set_task(&mut self, number: u64, task: Task<()>) {
        if let Some(entry) = self.connections.get_mut(&number) {
            entry.task = Some(task);
        }
    }

    /// Closes the connection that has waited longest. False if none waits.
    pub fn evict(&mut self) -> bool {
        let waiting = self.connections.iter().filter_map(|(&number, entry)| Some((entry.waiting?, number)));
        let Some((_, longest)) = waiting.min() else { return false };
        // Dropping a task cancels it.
        self.connections.remove(&longest).is_some()
    }

    /// Closes all connections that wait for their client. → the tasks of those that are being answered.
    pub fn close(&mut self) -> Vec<Task<()>> {
        let answered = |entry: Entry| if entry.waiting.is_none() { entry.task } else { None };
        std::mem::take(&mut self.connections).into_values().filter_map(answered).collect()
    }
}

/// A connection's place in the table, given up when it is dropped.
pub struct Seat {
    number: u64,
    table: Rc<RefCell<Table>>,
}

impl Seat {
    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.table.borrow().len()
    }

    /// Since when the connection waits for its client; `None` while it does not, and so is not to be closed.
    pub fn set_waiting(&self, waiting: Option<Instant>) {
        if let Some(entry) = self.table.borrow_mut().connections.get_mut(&self.number) {
            entry.waiting = waiting;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(task) = self.table.borrow_mut().connections.remove(&self.number).and_then(|entry| entry.task) {
            // It is just ending.
            task.detach();
        }
    }
}
