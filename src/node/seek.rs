//! Why a node has no place on a ring yet, as far as it can tell by itself. What only sockets and names tell, as that a
//! seed is silent, its driver adds.

use super::Node;
use crate::time::Instant;
use crate::wire::Peer;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// What a node without a place on a ring knows of why it has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeking {
    /// It is one of its own seeds: it creates a ring if the others are on none.
    pub founder: bool,
    /// The seeds that have answered of late, by the addresses that they were asked at, and whether they are on a ring.
    pub answered: Vec<(SocketAddr, bool)>,
    /// What keeps it from the place that it looks for, on the ring that it has found.
    pub hitch: Option<Hitch>,
    /// For how long something has.
    pub hitched_for: Duration,
}

/// What keeps a node from its place on a ring that it hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hitch {
    /// Another node has its id. At the node's own address that is its own earlier life, until that is dropped.
    Taken(Peer),
    /// This member answers, but none of the nodes that it names on the way to the place.
    Lost(SocketAddr),
    /// It would stand between these two, but one of them does not answer, or not as a neighbour of the other.
    Between(SocketAddr, SocketAddr),
    /// It would stand beside this one, which may be cut off from a larger ring: nobody joins there.
    CutOff(SocketAddr),
}

/// What stands in the way to a place, and since when something has.
#[derive(Debug, Default)]
pub(super) struct Search {
    hitch: Option<(Hitch, Instant)>,
}

impl Search {
    /// The place is sought in vain, for this reason.
    pub fn stopped(&mut self, now: Instant, hitch: Hitch) {
        let since = self.hitch.map_or(now, |(_, since)| since);
        self.hitch = Some((hitch, since));
    }

    /// The ring that was found is not heard any more.
    pub fn begins_anew(&mut self) {
        self.hitch = None;
    }
}

impl Node {
    /// Why it has no place on a ring, of a node that has none and looks for one.
    pub fn seeking(&self) -> Option<Seeking> {
        if self.is_member() || self.is_leaving() {
            return None;
        }
        let now = self.now.at;
        let search = &self.joining.search;
        let hitch = search.hitch.filter(|_| self.joining.has_contact());
        Some(Seeking {
            founder: self.birth.founder,
            answered: self.birth.seeds.answered_since(now - RECENT),
            hitch: hitch.map(|(hitch, _)| hitch),
            hitched_for: hitch.map_or(Duration::ZERO, |(_, since)| now.since(since)),
        })
    }
}

/// For so long an answer counts: longer than the longest pause between two tries of the seeds.
const RECENT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::super::tests::{Net, addr, put};
    use super::super::{Command, Config, Event, Identity, Life, Reply, Unavailable};
    use super::*;
    use crate::id::Id;
    use crate::wire::Condition;

    fn node(net: &Net, n: u16, id: Option<Id>, min_nodes: usize, seeded: bool) -> Node {
        let config = Config { min_nodes, ..Config::default() };
        Node::new(config, Identity { addr: addr(n), id }, seeded, [n as u8; 32], net.now)
    }

    #[test]
    fn an_id_that_is_taken_is_known_with_the_address_of_its_holder() {
        let mut net = Net::new();
        net.start(1);
        let id = net.nodes[&addr(1)].me().id();
        let second = node(&net, 2, Some(id), 1, true);
        net.nodes.insert(addr(2), second);
        net.run(6000);
        let seeking = net.nodes[&addr(2)].seeking().expect("it has no place");
        assert!(matches!(seeking.hitch, Some(Hitch::Taken(peer)) if peer.addr() == addr(1)), "{seeking:?}");
        assert!(seeking.hitched_for > Duration::from_secs(5), "{seeking:?}");
        assert_eq!(seeking.answered, [(addr(1), true)]);
        assert_eq!(net.nodes[&addr(1)].seeking(), None, "a member looks for nothing");
    }

    #[test]
    fn seeds_that_answer_are_known_and_forgotten_when_they_are_silent() {
        let mut net = Net::new();
        net.seeds = alloc::vec![addr(3), addr(4)];
        for n in [3, 5] {
            let node = node(&net, n, None, 1, true);
            net.nodes.insert(addr(n), node);
        }
        net.run(3000);
        let seeking = |net: &Net| net.nodes[&addr(5)].seeking().expect("it has no place");
        assert_eq!(seeking(&net).answered, [(addr(3), false)], "the other is not there");
        assert!(!seeking(&net).founder && net.nodes[&addr(3)].seeking().expect("it waits for the other").founder);
        net.nodes.remove(&addr(3));
        net.run(30_000);
        assert!(seeking(&net).answered.is_empty());
    }

    #[test]
    fn a_member_that_knows_too_few_says_so_once_and_refuses_at_once() {
        let mut net = Net::new();
        let mut alone = node(&net, 1, None, 2, false);
        let few = |node: &mut Node| {
            let events = core::iter::from_fn(|| node.poll_event());
            events.filter(|event| matches!(event, Event::Life(Life::Few { known: 1, needed: 2 }))).count()
        };
        let mut told = 0;
        for _ in 0..20 {
            net.run(100);
            alone.handle_timeout(net.now);
            told += few(&mut alone);
        }
        assert_eq!(told, 1);
        net.nodes.insert(addr(1), alone);
        let begun = net.now.at;
        let key = || b"k"[..].into();
        let delete = Command::Delete { key: key(), condition: Condition::None, min_copies: 0, attempt: None };
        let (list, lookup) =
            (Command::List { from: Id::new(0), after: None, limit: 1 }, Command::Lookup { id: Id::new(5) });
        for command in [Command::Get { key: key() }, put(b"k", b"v", None), delete, list, lookup] {
            let reply = net.ask(1, command.clone());
            assert_eq!(reply, Reply::Unavailable(Unavailable::Silent), "{command:?}");
        }
        assert_eq!(net.now.at, begun, "nobody was kept waiting");
        // With another beside it, it answers.
        net.seeds = alloc::vec![addr(1)];
        let second = node(&net, 2, None, 2, true);
        net.nodes.insert(addr(2), second);
        net.run(10_000);
        assert!(matches!(net.put(1, "k", "v"), Reply::Stored { .. }));
        assert_eq!(net.get(2, "k").as_deref(), Some("v"));
    }
}
