//! Printing the ring: from successor to successor until it comes round.

use super::Node;
use super::command::{Event, Reply, RingNode, Ticket};
use super::pending::Purpose;
use super::timers::Timer;
use crate::limits::WALK_MAX;
use crate::time::Instant;
use crate::wire::{Peer, Request, Step};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// A walk under way.
#[derive(Debug)]
pub(super) struct WalkOp {
    max: usize,
    nodes: Vec<RingNode>,
    /// Whom to ask next; behind it those after it, should it be silent.
    ahead: VecDeque<Peer>,
    next: Option<SocketAddr>,
}

/// Walks at one time; a further one is answered with no node at all.
const WALKS_MAX: usize = 16;

impl Node {
    /// Begins a walk.
    pub(super) fn start_walk(&mut self, ticket: Ticket, from: Option<SocketAddr>, max: usize) {
        let max = max.clamp(1, WALK_MAX);
        let op = WalkOp { max, nodes: Vec::new(), ahead: VecDeque::new(), next: None };
        let full = self.walks.len() >= WALKS_MAX;
        self.walks.insert(ticket, op);
        let deadline: Instant = self.now.at + self.config.deadline;
        self.timers.set(Timer::Client(ticket), deadline);
        match from.filter(|addr| *addr != self.me.addr()) {
            _ if full => self.walk_ended(ticket, false),
            None if self.is_guest() => {
                let ahead = self.beginnings(self.me.id());
                if let Some(op) = self.walks.get_mut(&ticket) {
                    op.ahead = ahead.into();
                }
                self.walk_on(ticket);
            }
            None => {
                let step = self.step_of_me();
                self.walk_answered(ticket, self.me, step);
            }
            Some(addr) => {
                if let Some(op) = self.walks.get_mut(&ticket) {
                    op.next = Some(addr);
                }
                let (whom, manner) = (self.stranger(addr), self.coordinator());
                if !self.ask(whom, Request::Walk, Purpose::Walk(ticket), manner) {
                    self.walk_ended(ticket, true);
                }
            }
        }
    }

    /// One node told its place.
    pub(super) fn walk_answered(&mut self, ticket: Ticket, from: Peer, step: Step) {
        let Some(op) = self.walks.get_mut(&ticket) else { return };
        let peer = Peer { place: step.place, ..from };
        let successors: Vec<Peer> = step.successors.iter().copied().collect();
        op.ahead = successors.iter().copied().collect();
        let (predecessor, settled, entries) = (step.predecessor, step.settled, step.entries);
        op.nodes.push(RingNode { peer, predecessor, successors, settled, entries });
        self.walk_on(ticket);
    }

    fn walk_on(&mut self, ticket: Ticket) {
        let Some(op) = self.walks.get_mut(&ticket) else { return };
        let Some(next) = op.ahead.pop_front() else { return self.walk_ended(ticket, false) };
        op.next = Some(next.addr());
        let round = match (op.nodes.first(), op.nodes.last()) {
            // Each step must lead on towards the first node, so the walk ends even on a ring out of order.
            (Some(first), Some(last)) => !next.id().is_between(last.peer.id(), first.peer.id()),
            _ => false,
        };
        if round {
            return self.walk_ended(ticket, false);
        }
        if op.nodes.len() >= op.max {
            return self.walk_ended(ticket, true);
        }
        if !self.ask(next, Request::Walk, Purpose::Walk(ticket), self.coordinator()) {
            self.walk_ended(ticket, true);
        }
    }

    /// One node did not answer: the one after it is asked.
    pub(super) fn walk_silent(&mut self, ticket: Ticket) {
        self.walk_on(ticket);
    }

    /// The walk came round, or is cut short, and then can be gone on with.
    pub(super) fn walk_ended(&mut self, ticket: Ticket, cut_short: bool) {
        self.timers.cancel(Timer::Client(ticket));
        if let Some(op) = self.walks.remove(&ticket) {
            let ours = |purpose: &Purpose| matches!(purpose, Purpose::Walk(of) if *of == ticket);
            self.requests.abandon(&mut self.timers, ours);
            let next = op.next.filter(|_| cut_short);
            self.emit(Event::Reply(ticket, Reply::Ring { nodes: op.nodes, next }));
        }
    }
}
