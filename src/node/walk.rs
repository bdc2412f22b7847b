//! Printing the ring: from successor to successor until it comes round.
//!
//! No node is left out without a word. One that does not answer is passed over, asked again meanwhile, and shown as not
//! heard if that comes to nothing; so is one that only its successor speaks of. Only who says itself that it has no
//! place is left out.

use super::Node;
use super::command::{Event, Reply, RingNode, Ticket};
use super::pending::{Purpose, Silence};
use super::timers::Timer;
use crate::limits::WALK_MAX;
use crate::time::Instant;
use crate::wire::{Incarnation, Peer, Request, Step};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// A walk under way.
#[derive(Debug)]
pub(super) struct WalkOp {
    max: usize,
    nodes: Vec<RingNode>,
    /// The next node to ask; behind it those after it, should it be silent.
    ahead: VecDeque<Peer>,
    /// The node that is asked, of those in order.
    asked: Option<SocketAddr>,
    /// How many are asked beside it: they were passed over.
    again: usize,
    /// What lies before the first node was looked at.
    closed: bool,
}

/// How a walk goes on.
enum Way {
    Ask(Peer),
    End { cut_short: bool },
}

impl WalkOp {
    fn way(&self) -> Way {
        let (Some(first), Some(last)) = (self.nodes.first(), self.nodes.last()) else {
            return self.ahead.front().map_or(Way::End { cut_short: false }, |next| Way::Ask(*next));
        };
        match self.ahead.front() {
            // Only who is alone knows nobody; else nobody whom the last one knows has answered.
            None => Way::End { cut_short: !last.heard || !last.successors.is_empty() },
            // Each step must lead on towards the first node, so the walk ends even on a ring out of order.
            Some(next) if !next.id().is_between(last.peer.id(), first.peer.id()) => Way::End { cut_short: false },
            Some(_) if self.nodes.len() >= self.max => Way::End { cut_short: true },
            Some(next) => Way::Ask(*next),
        }
    }
}

/// A node that others speak of.
const fn unheard(peer: Peer) -> RingNode {
    RingNode { peer, predecessor: None, successors: Vec::new(), settled: false, entries: 0, heard: false }
}

/// Walks at one time; a further one is answered with no node at all.
const WALKS_MAX: usize = 16;
/// Nodes that are asked again at one time, for one walk; further ones are only shown.
const AGAIN_MAX: usize = 16;

impl Node {
    /// Begins a walk.
    pub(super) fn start_walk(&mut self, ticket: Ticket, from: Option<SocketAddr>, max: usize) {
        let max = max.clamp(1, WALK_MAX);
        let mut op = WalkOp { max, nodes: Vec::new(), ahead: VecDeque::new(), asked: None, again: 0, closed: false };
        let full = self.walks.len() >= WALKS_MAX;
        let from = from.filter(|addr| *addr != self.me.addr());
        match from {
            // There may be no other to begin with, so each is asked twice.
            Some(addr) => op.ahead.extend([self.stranger(addr); 2]),
            None if self.is_guest() => op.ahead = self.beginnings(self.me.id()).repeat(2).into(),
            None => op.asked = Some(self.me.addr()),
        }
        let begins_here = op.asked.is_some();
        self.walks.insert(ticket, op);
        let deadline: Instant = self.now.at + self.config.deadline;
        self.timers.set(Timer::Client(ticket), deadline);
        if full {
            self.walk_ended(ticket, false);
        } else if begins_here {
            let step = self.step_of_me();
            self.walk_answered(ticket, self.me, step);
        } else {
            self.walk_on(ticket);
        }
    }

    /// One node told its place.
    pub(super) fn walk_answered(&mut self, ticket: Ticket, from: Peer, step: Step) {
        let Some(op) = self.walks.get_mut(&ticket) else { return };
        let peer = Peer { place: step.place, ..from };
        let (predecessor, settled, entries) = (step.predecessor, step.settled, step.entries);
        let successors: Vec<Peer> = step.successors.iter().copied().collect();
        let is_alone = predecessor.is_none() && successors.is_empty();
        let node = RingNode { peer, predecessor, successors, settled, entries, heard: true };
        let in_order = op.asked == Some(from.addr());
        let at = if in_order {
            op.asked = None;
            Some(op.nodes.len()).filter(|at| *at == 0 || !is_alone)
        } else {
            op.again = op.again.saturating_sub(1);
            let at = op.nodes.iter().position(|node| node.peer.addr() == from.addr());
            at.and_then(|at| {
                let stays = op.nodes.remove(at).peer.id() == peer.id() && !is_alone;
                stays.then_some(at)
            })
        };
        if let Some(at) = at {
            if in_order || (at == op.nodes.len() && op.asked.is_none()) {
                op.ahead = node.successors.iter().copied().collect();
            }
            op.nodes.insert(at, node);
            if let [.., before, node] = &op.nodes[..=at]
                && let Some(between) = node.predecessor
                && between.id().is_between(before.peer.id(), node.peer.id())
            {
                self.walk_past(ticket, at, between);
            }
        }
        self.walk_on(ticket);
    }

    fn walk_on(&mut self, ticket: Ticket) {
        let Some(op) = self.walks.get_mut(&ticket).filter(|op| op.asked.is_none()) else { return };
        match op.way() {
            Way::Ask(next) => {
                op.ahead.pop_front();
                op.asked = Some(next.addr());
                if !self.ask(next, Request::Walk, Purpose::Walk(ticket), self.coordinator()) {
                    self.walk_ended(ticket, true);
                }
            }
            Way::End { cut_short: false } if !core::mem::replace(&mut op.closed, true) => {
                if let (Some(first), Some(last)) = (op.nodes.first(), op.nodes.last())
                    && let Some(between) = first.predecessor
                    && between.id().is_between(last.peer.id(), first.peer.id())
                {
                    let at = op.nodes.len();
                    self.walk_past(ticket, at, between);
                }
                self.walk_on(ticket);
            }
            Way::End { cut_short } if op.again == 0 => self.walk_ended(ticket, cut_short),
            Way::End { .. } => {}
        }
    }

    /// Shows a node as not heard, at this place, and asks it again, in whatever life it is.
    fn walk_past(&mut self, ticket: Ticket, at: usize, peer: Peer) {
        let Some(op) = self.walks.get_mut(&ticket) else { return };
        if op.nodes.len() > 2 * WALK_MAX || op.nodes.iter().any(|node| node.peer.addr() == peer.addr()) {
            return;
        }
        op.nodes.insert(at, unheard(peer));
        let whom = Peer { incarnation: Incarnation::UNKNOWN, ..peer };
        if op.again < AGAIN_MAX && self.ask(whom, Request::Walk, Purpose::Walk(ticket), self.coordinator()) {
            self.walks.entry(ticket).and_modify(|op| op.again += 1);
        }
    }

    /// One node did not answer: the one after it is asked.
    pub(super) fn walk_silent(&mut self, ticket: Ticket, peer: Peer, silence: Silence) {
        let Some(op) = self.walks.get_mut(&ticket) else { return };
        let refused = matches!(silence, Silence::Refused(_));
        if op.asked == Some(peer.addr()) {
            op.asked = None;
            let at = op.nodes.len();
            if at > 0 && !refused {
                self.walk_past(ticket, at, peer);
            }
        } else {
            op.again = op.again.saturating_sub(1);
            op.nodes.retain(|node| node.heard || node.peer.addr() != peer.addr() || !refused);
        }
        self.walk_on(ticket);
    }

    /// The time is over.
    pub(super) fn walk_due(&mut self, ticket: Ticket) {
        let is_round = |op: &WalkOp| op.asked.is_none() && matches!(op.way(), Way::End { cut_short: false });
        let is_round = self.walks.get(&ticket).is_some_and(is_round);
        self.walk_ended(ticket, !is_round);
    }

    /// The walk came round, or is cut short, and then can be gone on with.
    pub(super) fn walk_ended(&mut self, ticket: Ticket, cut_short: bool) {
        self.timers.cancel(Timer::Client(ticket));
        if let Some(WalkOp { max, mut nodes, ahead, asked, .. }) = self.walks.remove(&ticket) {
            let ours = |purpose: &Purpose| matches!(purpose, Purpose::Walk(of) if *of == ticket);
            self.requests.abandon(&mut self.timers, ours);
            let addr_of = |node: Option<&RingNode>| node.map(|node| node.peer.addr());
            let next = asked.or(ahead.front().map(Peer::addr)).or(addr_of(nodes.last())).filter(|_| cut_short);
            // Some may have been found between others.
            let next = addr_of(nodes.get(max)).or(next);
            nodes.truncate(max);
            self.emit(Event::Reply(ticket, Reply::Ring { nodes, next }));
        }
    }
}
