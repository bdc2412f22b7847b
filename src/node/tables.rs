//! The fingers of a node, for a picture of the ring: a node knows its own, and asks any other for its.

use super::Node;
use super::command::{Event, Reply, Ticket};
use super::pending::Purpose;
use super::timers::Timer;
use crate::limits::FINGERS_TOLD_MAX;
use crate::wire::{Finger, FingerList, Request};
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Nodes asked at one time; of a further one the answer is that there is none.
const ASKED_MAX: usize = 16;

impl Node {
    /// This node's fingers, nearest first.
    pub(super) fn own_fingers(&self) -> impl Iterator<Item = Finger> {
        self.fingers.iter().map(|(exponent, peer)| Finger { exponent, peer })
    }

    /// The same for another node: of too many the farthest.
    pub(super) fn told_fingers(&self) -> FingerList {
        let beyond = self.own_fingers().count().saturating_sub(FINGERS_TOLD_MAX);
        self.own_fingers().skip(beyond).take(FINGERS_TOLD_MAX).collect()
    }

    /// Begins to ask the node at this address, or looks at the own.
    pub(super) fn start_fingers(&mut self, ticket: Ticket, of: Option<SocketAddr>) {
        let Some(addr) = of.filter(|addr| self.is_guest() || *addr != self.me.addr()) else {
            let own = self.own_fingers().collect();
            return self.emit(Event::Reply(ticket, Reply::Fingers(Some(own))));
        };
        let mut under_way = 0;
        self.requests.any(|_, purpose| {
            under_way += usize::from(matches!(purpose, Purpose::Fingers(_)));
            false
        });
        self.timers.set(Timer::Client(ticket), self.now.at + self.config.deadline);
        if under_way >= ASKED_MAX || !self.ask_stranger(addr, Request::Fingers, Purpose::Fingers(ticket)) {
            self.fingers_ended(ticket, None);
        }
    }

    /// The node told, or does not.
    pub(super) fn fingers_ended(&mut self, ticket: Ticket, fingers: Option<Vec<Finger>>) {
        self.timers.cancel(Timer::Client(ticket));
        self.emit(Event::Reply(ticket, Reply::Fingers(fingers)));
    }

    /// The deadline of a command. → whether it was one for fingers.
    pub(super) fn fingers_due(&mut self, ticket: Ticket) -> bool {
        let mut was_one = false;
        self.requests.abandon(&mut self.timers, |purpose| {
            let ours = matches!(purpose, Purpose::Fingers(of) if *of == ticket);
            was_one |= ours;
            ours
        });
        if was_one {
            self.fingers_ended(ticket, None);
        }
        was_one
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Net, addr};
    use super::super::{Command, Reply};

    fn ring(size: u16) -> Net {
        let mut net = Net::new();
        (1..=size).for_each(|n| net.start(n));
        net.run(60_000);
        net.assert_ideal();
        net
    }

    fn fingers(net: &mut Net, asked: u16, of: Option<u16>) -> Option<Vec<(u8, super::SocketAddr)>> {
        let Reply::Fingers(fingers) = net.ask(asked, Command::Fingers { of: of.map(addr) }) else { panic!() };
        fingers.map(|list| list.iter().map(|finger| (finger.exponent, finger.peer.addr())).collect())
    }

    #[test]
    fn another_node_tells_the_fingers_that_it_has() {
        let mut net = ring(40);
        for of in 2..6 {
            let own = fingers(&mut net, of, None).unwrap();
            assert!(own.len() >= 2, "{own:?}");
            assert_eq!(fingers(&mut net, of, Some(of)), Some(own.clone()));
            assert_eq!(fingers(&mut net, 1, Some(of)), Some(own));
        }
    }

    #[test]
    fn of_one_that_is_silent_there_are_none_and_nothing_is_left_over() {
        let mut net = ring(2);
        assert_eq!(fingers(&mut net, 1, Some(77)), None);
        let node = &net.nodes[&addr(1)];
        assert!(!node.requests.any(|_, purpose| matches!(purpose, super::Purpose::Fingers(_))));
    }
}
