//! How much memory long bodies may take, of all connections together.
//!
//! A value that several clients read at one time counts once, and is there once. Where there is no room for another
//! body, those whose clients do not come on give way; the one that asks for room waits for that a little.

use super::bell::Bell;
use super::table::{Seat, Table};
use smol::{Timer, future};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bodies up to this length are not counted: of as many as there may be connections they take little.
const SMALL: usize = 4096;

/// How many wait for room at one time: each may hold what it got from the node.
const WAITING_MAX: usize = 16;

/// How long one waits: longer than a client must have been silent to give way.
const WAIT: Duration = Duration::from_secs(2);

/// How often it is looked whether somebody has become silent meanwhile.
const LOOK: Duration = Duration::from_millis(100);

/// What is left for bodies.
#[derive(Debug)]
pub struct Budget {
    left: Cell<usize>,
    waiting: Cell<usize>,
    /// The long answers under way, each with the number of clients that read it.
    shared: RefCell<Vec<(Arc<[u8]>, usize)>>,
    freed: Bell,
}

impl Budget {
    /// With so many bytes.
    pub fn new(bytes: usize) -> Rc<Self> {
        let (left, shared, freed) = (Cell::new(bytes), RefCell::default(), Bell::default());
        Rc::new(Self { left, waiting: Cell::new(0), shared, freed })
    }

    fn take(&self, bytes: usize) -> bool {
        let left = self.left.get().checked_sub(bytes);
        if let Some(left) = left {
            self.left.set(left);
        }
        left.is_some()
    }

    fn give_back(&self, bytes: usize) {
        self.left.set(self.left.get() + bytes);
        // Also where nothing is free yet: the next may have to give way.
        self.freed.ring();
    }

    /// Takes so much, if need be after a while, as soon as others give way.
    async fn take_soon(&self, bytes: usize, table: &Table) -> bool {
        let until = Instant::now() + WAIT;
        if self.take(bytes) {
            return true;
        }
        if self.waiting.get() >= WAITING_MAX {
            return false;
        }
        let _waiting = Waiting::new(&self.waiting);
        loop {
            table.cut_stalled();
            let late = async {
                Timer::after(LOOK).await;
            };
            future::or(self.freed.heard(), late).await;
            if self.take(bytes) {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
        }
    }
}

/// One that waits, counted until it is dropped.
struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn new(number: &'a Cell<usize>) -> Self {
        number.set(number.get() + 1);
        Self(number)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// What one request takes of it, until it is answered.
#[derive(Debug)]
pub struct Share {
    budget: Rc<Budget>,
    seat: Rc<Seat>,
    bytes: usize,
    body: Option<Arc<[u8]>>,
}

impl Share {
    /// Nothing yet.
    pub fn new(budget: &Rc<Budget>, seat: &Rc<Seat>) -> Self {
        Self { budget: Rc::clone(budget), seat: Rc::clone(seat), bytes: 0, body: None }
    }

    /// Takes what is lacking for a body of this length that comes in. False if there is no more.
    pub async fn grow_to(&mut self, bytes: usize) -> bool {
        let more = if bytes > SMALL { bytes.saturating_sub(self.bytes) } else { 0 };
        if more == 0 {
            return true;
        }
        if !self.budget.take_soon(more, self.seat.table()).await {
            return false;
        }
        self.bytes += more;
        self.seat.hold(self.bytes);
        true
    }

    /// Takes what an answer needs. If the same is being sent to somebody else already, there is one of the two from
    /// now on. False if there is no room.
    pub async fn carry(&mut self, body: &mut Arc<[u8]>) -> bool {
        if body.len() <= SMALL {
            return true;
        }
        if !self.join(body) {
            if !self.budget.take_soon(body.len(), self.seat.table()).await {
                return false;
            }
            // Meanwhile somebody may have begun with the same.
            if self.join(body) {
                self.budget.give_back(body.len());
            } else {
                self.budget.shared.borrow_mut().push((Arc::clone(body), 1));
            }
        }
        self.seat.hold(body.len());
        self.body = Some(Arc::clone(body));
        true
    }

    fn join(&self, body: &mut Arc<[u8]>) -> bool {
        let mut shared = self.budget.shared.borrow_mut();
        let same = shared.iter_mut().find(|(other, _)| Arc::ptr_eq(other, body) || other == body);
        if let Some((other, readers)) = same {
            *readers += 1;
            *body = Arc::clone(other);
            return true;
        }
        false
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.seat.hold(0);
        if let Some(body) = self.body.take() {
            let mut shared = self.budget.shared.borrow_mut();
            if let Some(at) = shared.iter().position(|(other, _)| Arc::ptr_eq(other, &body)) {
                shared[at].1 -= 1;
                if shared[at].1 == 0 {
                    shared.swap_remove(at);
                    self.bytes += body.len();
                }
            }
        }
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::Class;
    use super::*;

    const BUDGET: usize = 1 << 20;

    #[test]
    fn what_is_taken_comes_back_and_small_bodies_are_always_served() {
        let (budget, seat) = (Budget::new(BUDGET), Rc::new(Rc::new(Table::default()).seat(Class::Seated)));
        let (mut one, mut two) = (Share::new(&budget, &seat), Share::new(&budget, &seat));
        smol::block_on(async {
            assert!(one.grow_to(BUDGET).await && !two.grow_to(SMALL + 1).await && two.grow_to(SMALL).await);
            drop(one);
            assert!(two.grow_to(BUDGET / 2).await && two.grow_to(BUDGET).await && !two.grow_to(BUDGET + 1).await);
        });
        drop(two);
        assert_eq!((budget.left.get(), seat.held()), (BUDGET, 0));
    }

    #[test]
    fn what_several_read_is_there_once() {
        let (budget, seat) = (Budget::new(3 * SMALL), Rc::new(Rc::new(Table::default()).seat(Class::Seated)));
        let mut bodies: Vec<Arc<[u8]>> = (0..20).map(|_| [7; 2 * SMALL].into()).collect();
        let mut shares: Vec<_> = (0..20).map(|_| Share::new(&budget, &seat)).collect();
        smol::block_on(async {
            for (share, body) in shares.iter_mut().zip(&mut bodies) {
                assert!(share.carry(body).await);
            }
            assert!(bodies.iter().all(|body| Arc::ptr_eq(body, &bodies[0])));
            assert!(!Share::new(&budget, &seat).carry(&mut [8; 2 * SMALL].into()).await, "another value is counted");
        });
        assert_eq!(budget.left.get(), SMALL);
        drop(shares);
        assert_eq!(budget.left.get(), 3 * SMALL);
    }
}
