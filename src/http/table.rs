//! The connections there are, what each is doing, and which of them gives way when there are too many.
//!
//! No connection is closed from here: one that is to give way is told to, and its own task does it. So a request that
//! has come meanwhile is still answered.

use super::bell::Bell;
use smol::{Task, Timer, future};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// How long a connection has been idle before it gives way: a request may be on its way.
const IDLE_MIN: Duration = Duration::from_secs(2);

/// The same of one that gives way as soon as somebody waits.
const IDLE_LONG: Duration = Duration::from_secs(10);

/// How long a new connection has been without a word before it gives way. The first request comes with it as a rule.
const NEW_MIN: Duration = Duration::from_secs(1);

/// How long a request that has begun, or an answer, has not come on before its connection gives way to others.
const STUCK_MIN: Duration = Duration::from_secs(5);

/// The same where others wait for the memory that it takes.
const STALLED_MIN: Duration = Duration::from_secs(1);

/// How long the last answer has been on its way, at least, before it is taken for read.
const PARTED_MIN: Duration = Duration::from_millis(250);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It has not asked for anything yet.
    New,
    /// It waits for its next request, of which nothing has come.
    Idle,
    /// It receives a request.
    Asking,
    /// The node has the request.
    Working,
    /// It sends an answer.
    Sending,
    /// It tells what happens, without end.
    Telling,
}

/// What a connection counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// One of those that there may be.
    Seated,
    /// One beyond them, for a question about the node's health, or to be told that there is no room.
    Spare,
    /// It has had its last answer.
    Parting,
}

/// What a connection was told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// Nothing.
    Nothing,
    /// To close if it is idle, and otherwise after its next answer.
    Close,
    /// To give up what it is doing.
    Cut,
}

#[derive(Debug)]
struct Entry {
    class: Cell<Class>,
    stage: Cell<Stage>,
    /// Since when it has not come on.
    since: Cell<Instant>,
    /// Bytes of long bodies that it holds.
    held: Cell<usize>,
    told: Cell<Told>,
    waker: RefCell<Option<Waker>>,
}

impl Entry {
    fn tell(&self, told: Told) {
        self.told.set(told);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Each connection by its number, with the task that serves it.
type Entries = BTreeMap<u64, (Rc<Entry>, Option<Task<()>>)>;

/// The connections there are.
#[derive(Debug, Default)]
pub struct Table {
    next: Cell<u64>,
    entries: RefCell<Entries>,
    /// How many there are of each class.
    counts: [Cell<usize>; 3],
    /// How many may close after their next answer, as others wait.
    wanted: Cell<usize>,
    /// Rung when there may be room.
    room: Bell,
}

impl Table {
    /// Makes a place for a new connection.
    pub fn seat(self: &Rc<Self>, class: Class) -> Seat {
        let number = self.next.get();
        self.next.set(number + 1);
        let entry = Rc::new(Entry {
            class: Cell::new(class),
            stage: Cell::new(Stage::New),
            since: Cell::new(Instant::now()),
            held: Cell::new(0),
            told: Cell::new(Told::Nothing),
            waker: RefCell::default(),
        });
        self.entries.borrow_mut().insert(number, (Rc::clone(&entry), None));
        self.count(class, 1);
        Seat { number, entry, table: Rc::clone(self) }
    }

    fn count(&self, class: Class, more: isize) {
        let count = &self.counts[class as usize];
        count.set(count.get().saturating_add_signed(more));
        if more < 0 {
            self.room.ring();
        }
    }

    /// How many there are of this class.
    pub fn number(&self, class: Class) -> usize {
        self.counts[class as usize].get()
    }

    /// How many there are.
    pub fn total(&self) -> usize {
        self.entries.borrow().len()
    }

    /// True if a connection that there may be is at one of these stages.
    pub fn has(&self, stages: &[Stage]) -> bool {
        let entries = self.entries.borrow();
        entries.values().any(|(entry, _)| entry.class.get() == Class::Seated && stages.contains(&entry.stage.get()))
    }

    /// Somebody who waits may find room.
    pub fn ring(&self) {
        self.room.ring();
    }

    /// Waits until there may be room, or until so much time has passed.
    pub async fn await_change(&self, longest: Duration) {
        let late = async {
            Timer::after(longest).await;
        };
        future::or(self.room.heard(), late).await;
    }

    /// Names the task that serves a connection, so that it ends with the table.
    pub fn set_task(&self, number: u64, task: Task<()>) {
        if let Some((_, place)) = self.entries.borrow_mut().get_mut(&number) {
            *place = Some(task);
        }
    }

    /// So many connections may close after their next answer.
    pub fn want(&self, number: usize) {
        self.wanted.set(number);
    }

    /// Tells the connection to close that has been idle longest. If none has been for long, and it is urgent, one that
    /// is stuck gives up. False if there is none.
    pub fn make_room(&self, is_urgent: bool) -> bool {
        let idle = |entry: &Entry| match entry.stage.get() {
            Stage::Idle if is_urgent => Some(IDLE_MIN),
            Stage::Idle => Some(IDLE_LONG),
            Stage::New if is_urgent => Some(NEW_MIN),
            _ => None,
        };
        let stuck = |entry: &Entry| {
            let waits = is_urgent && matches!(entry.stage.get(), Stage::Asking | Stage::Sending);
            waits.then_some(STUCK_MIN)
        };
        let seated = |entry: &Entry| entry.class.get() == Class::Seated;
        self.tell(Told::Close, |entry| idle(entry).filter(|_| seated(entry)))
            || self.tell(Told::Cut, |entry| stuck(entry).filter(|_| seated(entry)))
    }

    /// Cuts off the one that holds memory and has not come on for longest. False if all do.
    pub fn cut_stalled(&self) -> bool {
        self.tell(Told::Cut, |entry| {
            let waits = entry.held.get() > 0 && matches!(entry.stage.get(), Stage::Asking | Stage::Sending);
            waits.then_some(STALLED_MIN)
        })
    }

    /// Ends the oldest of those that tell what happens. False if none does.
    pub fn end_oldest_telling(&self) -> bool {
        self.tell(Told::Cut, |entry| (entry.stage.get() == Stage::Telling).then_some(Duration::ZERO))
    }

    /// Tells this to the one that has not come on for longest, and for so long at least as is given for it.
    fn tell(&self, told: Told, least: impl Fn(&Entry) -> Option<Duration>) -> bool {
        let now = Instant::now();
        let entries = self.entries.borrow();
        let meant = entries.values().map(|(entry, _)| entry).filter(|entry| {
            let waited = now.saturating_duration_since(entry.since.get());
            entry.told.get() < told && least(entry).is_some_and(|least| waited >= least)
        });
        let Some(entry) = meant.min_by_key(|entry| entry.since.get()) else { return false };
        entry.tell(told);
        true
    }

    /// Closes the connection whose last answer was sent first, if that was long ago.
    pub fn drop_parted(&self) {
        let entries = self.entries.borrow();
        let parting = entries.iter().filter(|(_, (entry, _))| entry.class.get() == Class::Parting);
        let oldest = parting.min_by_key(|(_, (entry, _))| entry.since.get());
        let Some(number) = oldest.filter(|(_, (entry, _))| entry.since.get().elapsed() >= PARTED_MIN).map(|(n, _)| *n)
        else {
            return;
        };
        drop(entries);
        // Dropping a task cancels it; its seat finds its entry gone.
        let removed = self.entries.borrow_mut().remove(&number);
        drop(removed);
    }

    /// Closes all connections that wait for their client. → the tasks of those that are being answered.
    pub fn close(&self) -> Vec<Task<()>> {
        let (answered, waiting): (Vec<_>, Vec<_>) = self.entries.take().into_values().partition(|(entry, _)| {
            entry.class.get() != Class::Parting && matches!(entry.stage.get(), Stage::Working | Stage::Sending)
        });
        drop(waiting);
        answered.into_iter().filter_map(|(_, task)| task).collect()
    }
}

/// A connection's place in the table, given up when it is dropped.
#[derive(Debug)]
pub struct Seat {
    number: u64,
    entry: Rc<Entry>,
    table: Rc<Table>,
}

impl Seat {
    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What it counts as.
    pub fn class(&self) -> Class {
        self.entry.class.get()
    }

    /// It counts as something else from now on.
    pub fn set_class(&self, class: Class) {
        let before = self.entry.class.replace(class);
        self.table.count(class, 1);
        self.table.count(before, -1);
    }

    /// What the connection is doing from now on.
    pub fn set_stage(&self, stage: Stage) {
        if (self.entry.stage.get(), stage) == (Stage::New, Stage::Idle) {
            return;
        }
        self.entry.stage.set(stage);
        self.entry.since.set(Instant::now());
    }

    /// The connection has come on. One that tells what happens is as old as its question.
    pub fn come_on(&self) {
        if self.entry.stage.get() != Stage::Telling {
            self.entry.since.set(Instant::now());
        }
    }

    /// It holds so many bytes of long bodies.
    pub fn hold(&self, bytes: usize) {
        self.entry.held.set(bytes);
    }

    /// How many it holds.
    pub fn held(&self) -> usize {
        self.entry.held.get()
    }

    /// Where it is.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// True if the connection is to close after the answer that comes next.
    pub fn gives_way(&self) -> bool {
        let wanted = self.table.wanted.get();
        if self.class() == Class::Seated && wanted > 0 {
            self.table.wanted.set(wanted - 1);
            return true;
        }
        self.class() == Class::Spare || self.entry.told.get() != Told::Nothing
    }

    /// True if it was told this, or more.
    pub fn is_told(&self, told: Told) -> bool {
        self.entry.told.get() >= told
    }

    /// Waits until the connection is told this, or more.
    pub async fn told(&self, told: Told) {
        poll_fn(|context| {
            if self.is_told(told) {
                return Poll::Ready(());
            }
            *self.entry.waker.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let entry = self.table.entries.borrow_mut().remove(&self.number);
        if let Some(task) = entry.and_then(|(_, task)| task) {
            // It is just ending.
            task.detach();
        }
        self.table.count(self.class(), -1);
    }
}
