//! The fingers of a node, for a picture of the ring: a node knows its own, and asks any other for its.

use super::Node;
use super::command::{Event, Reply, Ticket};
use super::pending::Purpose;
use super::timers::Timer;
use crate::id::Id;
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
        let full = self.asked_fingers.len() >= ASKED_MAX;
        self.asked_fingers.insert(ticket);
        self.timers.set(Timer::Client(ticket), self.now.at + self.config.deadline);
        let (whom, manner) = (self.stranger(addr), self.coordinator());
        if full || !self.ask(whom, Request::Fingers, Purpose::Fingers(ticket), manner) {
            self.fingers_ended(ticket, None);
        }
    }

    /// The node told.
    pub(super) fn fingers_told(&mut self, ticket: Ticket, list: &[Finger]) {
        let ascend = list.windows(2).all(|two| matches!(two, [near, far] if near.exponent < far.exponent));
        let is_sound = ascend && list.iter().all(|finger| u32::from(finger.exponent) < Id::BITS);
        self.fingers_ended(ticket, is_sound.then(|| list.to_vec()));
    }

    /// What was told, or that there is no answer, or none in time.
    pub(super) fn fingers_ended(&mut self, ticket: Ticket, fingers: Option<Vec<Finger>>) {
        self.timers.cancel(Timer::Client(ticket));
        if self.asked_fingers.remove(&ticket) {
            let ours = |purpose: &Purpose| matches!(purpose, Purpose::Fingers(of) if *of == ticket);
            self.requests.abandon(&mut self.timers, ours);
            self.emit(Event::Reply(ticket, Reply::Fingers(fingers)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Net, addr};
    use super::super::{Command, Reply};
    use crate::wire::Finger;

    fn ring(size: u16) -> Net {
        let mut net = Net::new();
        (1..=size).for_each(|n| net.start(n));
        net.run(60_000);
        net.assert_ideal();
        net
    }

    fn fingers(net: &mut Net, asked: u16, of: Option<u16>) -> Option<Vec<Finger>> {
        let Reply::Fingers(fingers) = net.ask(asked, Command::Fingers { of: of.map(addr) }) else { panic!() };
        fingers
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
    fn of_one_that_is_silent_or_talks_nonsense_there_are_none_and_nothing_is_left_over() {
        let mut net = ring(2);
        let node = net.nodes.get_mut(&addr(1)).unwrap();
        let ticket = node.handle_command(net.now, Command::Fingers { of: Some(addr(77)) });
        let finger = Finger { exponent: 127, peer: node.me() };
        node.fingers_told(ticket, &[finger, finger]);
        net.drain();
        assert_eq!(net.replies.pop(), Some((ticket, Reply::Fingers(None))));
        assert_eq!(fingers(&mut net, 1, Some(77)), None);
        let node = &net.nodes[&addr(1)];
        assert!(node.asked_fingers.is_empty() && node.load().overfull(true).is_none());
    }

    #[test]
    fn a_node_that_leaves_ends_its_questions_first() {
        let mut net = ring(2);
        let node = net.nodes.get_mut(&addr(2)).unwrap();
        let ticket = node.handle_command(net.now, Command::Fingers { of: Some(addr(77)) });
        node.handle_command(net.now, Command::Leave);
        net.drain();
        net.run(20_000);
        assert!(net.replies.contains(&(ticket, Reply::Fingers(None))));
        assert!(net.nodes.get(&addr(2)).is_none_or(|node| node.asked_fingers.is_empty()));
    }
}
