//! How much memory long bodies may take, of all connections together.

use crate::limits::VALUE_MAX;
use std::cell::Cell;
use std::rc::Rc;

/// Bytes of bodies that may be in memory at one time, coming or going: 32 of the longest values.
const BUDGET: usize = 32 << 20;

/// Bodies up to this length are not counted: of as many as there may be connections they take little.
const SMALL: usize = 4096;

/// What is left for bodies.
#[derive(Debug)]
pub struct Budget(Cell<usize>);

impl Budget {
    /// So many bytes, if that is less than usual; one value may always come.
    pub fn new(bytes: Option<usize>) -> Self {
        Self(Cell::new(bytes.unwrap_or(BUDGET).clamp(2 * VALUE_MAX, BUDGET)))
    }
}

/// What one request takes of it, until it is answered.
#[derive(Debug)]
pub struct Share {
    budget: Rc<Budget>,
    bytes: usize,
}

impl Share {
    /// Nothing yet.
    pub fn new(budget: &Rc<Budget>) -> Self {
        Self { budget: Rc::clone(budget), bytes: 0 }
    }

    /// Takes more. False if there is no more.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let wanted = if bytes > SMALL { bytes } else { 0 };
        let Some(left) = self.budget.0.get().checked_sub(wanted) else { return false };
        self.budget.0.set(left);
        self.bytes += wanted;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.set(self.budget.0.get() + self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back_and_small_bodies_are_always_served() {
        let budget = Rc::new(Budget::new(None));
        let (mut one, mut two) = (Share::new(&budget), Share::new(&budget));
        assert!(one.grow(BUDGET) && !two.grow(SMALL + 1) && two.grow(SMALL));
        drop(one);
        assert!(two.grow(BUDGET / 2) && two.grow(BUDGET / 2) && !two.grow(SMALL + 1));
    }
}
