//! Passes for what only so many may do at one time, handed out in the order in which they were asked for: nobody who
//! comes later goes first.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// The passes.
#[derive(Debug)]
pub struct Gate {
    free: Cell<usize>,
    queue: RefCell<VecDeque<Rc<Wait>>>,
}

#[derive(Debug, Default)]
struct Wait {
    is_granted: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// A pass, or a place in the queue for one; given back when it is dropped.
#[derive(Debug)]
pub struct Pass<'a> {
    gate: &'a Gate,
    wait: Rc<Wait>,
}

impl Gate {
    /// With so many passes.
    pub const fn new(passes: usize) -> Self {
        Self { free: Cell::new(passes), queue: RefCell::new(VecDeque::new()) }
    }

    /// Waits for a pass.
    pub async fn pass(&self) -> Pass<'_> {
        let pass = Pass { gate: self, wait: Rc::default() };
        self.queue.borrow_mut().push_back(Rc::clone(&pass.wait));
        self.grant();
        poll_fn(|context| {
            if pass.wait.is_granted.get() {
                return Poll::Ready(());
            }
            *pass.wait.waker.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
        pass
    }

    /// Hands out what is free.
    fn grant(&self) {
        while self.free.get() > 0 {
            let Some(first) = self.queue.borrow_mut().pop_front() else { return };
            self.free.set(self.free.get() - 1);
            first.is_granted.set(true);
            if let Some(waker) = first.waker.take() {
                waker.wake();
            }
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.wait.is_granted.get() {
            self.gate.free.set(self.gate.free.get() + 1);
            self.gate.grant();
        } else {
            self.gate.queue.borrow_mut().retain(|wait| !Rc::ptr_eq(wait, &self.wait));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::future;

    #[test]
    fn passes_go_out_in_order_and_one_that_gives_up_keeps_none() {
        let gate = Gate::new(1);
        smol::block_on(async {
            let held = gate.pass().await;
            let (mut one, mut two, mut three) = (Box::pin(gate.pass()), Box::pin(gate.pass()), Box::pin(gate.pass()));
            for waits in [&mut one, &mut two, &mut three] {
                assert!(future::poll_once(waits).await.is_none());
            }
            drop(held);
            // The first has the pass already, and gives up without having looked.
            drop(one);
            let second = future::poll_once(&mut two).await.expect("it is the next");
            assert!(future::poll_once(&mut three).await.is_none());
            drop(three);
            drop(second);
            assert_eq!((gate.free.get(), gate.queue.borrow().len()), (1, 0));
        });
    }
}
