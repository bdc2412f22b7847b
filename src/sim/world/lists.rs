//! Successor lists on their way: what the invariant of the ring counts as well.

use super::World;
use crate::sim::network::Fate;
use crate::time::Instant;
use crate::wire::{Answer, Incarnation, Message, Peer, PeerList, Stamp};

/// A successor list on its way to whom it may become the list of.
#[derive(Debug)]
struct InFlight {
    to: usize,
    from: Peer,
    transaction: [u8; 8],
    list: Box<PeerList>,
    arrives: Instant,
}

/// Those on their way.
#[derive(Debug, Default)]
pub(super) struct Lists {
    in_flight: Vec<InFlight>,
    sent: bool,
}

impl World {
    /// The successor lists that answers on their way would give to members: the receiver, and its list to be, which
    /// begins with the sender.
    pub fn lists_in_flight(&mut self) -> Vec<(Peer, Vec<Peer>)> {
        let now = self.now;
        let hosts = &self.hosts;
        // What is due at this very moment, or waited for a process that goes on now, may have yet to be handled.
        let waits = |to: usize| hosts[to].is_paused() || hosts[to].running_since() >= now;
        self.lists.in_flight.retain(|answer| answer.arrives >= now || waits(answer.to));
        let adoptable = |answer: &InFlight| {
            let node = hosts[answer.to].node().filter(|node| node.is_member())?;
            // A late copy of an answer that came already is nobody's list to be.
            let awaited = node.awaits(answer.from.addr(), answer.transaction);
            let (me, head) = (node.me(), node.successors().first().copied()?);
            let welcome = head == answer.from || answer.from.id().is_between(me.id(), head.id());
            let list = core::iter::once(answer.from).chain(answer.list.iter().copied());
            (welcome && awaited).then(|| (me, node.cut(list)))
        };
        self.lists.in_flight.iter().filter_map(adoptable).collect()
    }

    /// True if answers with a successor list were sent since this was asked last.
    pub fn sent_lists(&mut self) -> bool {
        core::mem::take(&mut self.lists.sent)
    }

    /// Notes the successor list that a datagram brings, if it brings one.
    pub(super) fn note_list(&mut self, from: usize, to: usize, bytes: &[u8], fates: &[Fate]) {
        if may_bring_list(bytes)
            && let Ok(frame) = self.ring.decode(bytes)
            && let Message::Answer(Answer::Neighbours(answer)) = &frame.message
            && let (Some(list), Some(node)) = (&answer.successors, self.hosts[from].node())
            && frame.from != Incarnation::UNKNOWN
        {
            let (from, transaction) = (node.me(), frame.transaction);
            let arrivals = fates.iter().map(|fate| self.now + fate.after);
            let answers = arrivals.map(|arrives| InFlight { to, from, transaction, list: list.clone(), arrives });
            self.lists.in_flight.extend(answers);
            self.lists.sent = true;
        }
    }
}

/// True unless the first bytes already tell that it is another kind of message. Every datagram is asked for its list,
/// and few bring one.
fn may_bring_list(bytes: &[u8]) -> bool {
    /// What stands in a frame up to the message's fields; of an enumeration that is its number.
    type Head = ([u8; 8], Incarnation, Incarnation, Option<Stamp>, u8, u8);
    const NEIGHBOURS: (u8, u8) = (1, 3);
    let head = bytes.get(1..).and_then(|body| postcard::take_from_bytes::<Head>(body).ok());
    head.is_some_and(|((.., message, kind), _)| (message, kind) == NEIGHBOURS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;
    use crate::rng::Rng;
    use crate::sim::Attacker;
    use crate::wire::{Place, RingKey};

    #[test]
    fn the_first_bytes_tell_which_messages_bring_a_list() {
        let addr = ([10, 0, 0, 1], 4321).into();
        let peer = Peer { place: Place { addr, id: Id::new(1) }, incarnation: Incarnation::new(1) };
        let (ring, mut attacker) = (RingKey::new("sky"), Attacker::new("sky", 1, Rng::new(1)));
        let (mut bring, mut others) = (0, 0);
        for _ in 0..20_000 {
            let shot = attacker.shoot(Instant::from_millis(1000), &[peer]).unwrap();
            if let Ok(frame) = ring.decode(&shot.bytes) {
                let brings = matches!(frame.message, Message::Answer(Answer::Neighbours(_)));
                assert_eq!(may_bring_list(&shot.bytes), brings, "{frame:?}");
                *if brings { &mut bring } else { &mut others } += 1;
            }
        }
        assert!(bring > 50 && others > 1000, "{bring}, {others}");
    }
}
