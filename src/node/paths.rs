//! What the network does to a node: under which address others see it, and how large datagrams may be.
//!
//! Its machine may be given another address while it runs. Neighbours then refuse what it says, as it comes from
//! elsewhere than it says of itself, or do not hear it any more. So a node that does not serve asks those whom it knows
//! which address they see. Once all who answer see the same other one, twice in a row, that is its own, and it joins
//! again under it. Its id follows the new address unless it was fixed: then it comes back to its place as soon as its
//! neighbours have dropped it at the old address.
//!
//! A path may drop large datagrams without a word. A node sends each new neighbour a large one, and again every ten
//! minutes or when a value does not come through. It is meant for an incarnation that the neighbour is not: so whoever
//! lives there refuses it in a few bytes, and nothing is changed.

use super::Node;
use super::birth::RING_LOST;
use super::life::Life;
use super::pending::{Pending, Probe, Purpose, Silence};
use super::rights::Rights;
use super::timers::Timer;
use crate::id::Id;
use crate::routing::{Fingers, Successors};
use crate::time::{Instant, Now};
use crate::wire::{Body, Condition, Freshness, Operation, OperationId, Peer, Request};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// What a node knows of the network around it.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Since when it does not serve.
    unready_since: Option<Instant>,
    /// Under which addresses it was seen since it asked last.
    seen: heapless::Vec<SocketAddr, ASKED_MAX>,
    /// The other address under which all saw it before.
    agreed: Option<SocketAddr>,
    /// The ways to its successor and its predecessor.
    widths: [Width; 2],
}

/// Whether large datagrams reach a neighbour.
#[derive(Clone, Copy, Debug, Default)]
struct Width {
    to: Option<Peer>,
    /// When that is tried next.
    due: Instant,
    /// How many of the last large ones in a row were lost while small ones came through.
    lost: u8,
}

impl Width {
    const fn is_narrow(&self) -> bool {
        self.lost >= LOST
    }
}

/// How often a node looks whether something is to be found out. It asks nobody while it serves.
const LOOK: Duration = Duration::from_secs(2);

/// A node that does not serve for so long asks under which address it is seen.
const UNREADY: Duration = Duration::from_secs(2);

/// So many are asked at one time.
const ASKED_MAX: usize = 8;

/// Bytes of the value in a large datagram: with what is around them it is longer than any with a part of a value.
const WIDE: usize = 1110;

/// How often a path is tried that large datagrams have passed, and one that they do not pass.
const AGAIN: Duration = Duration::from_secs(600);
const AGAIN_NARROW: Duration = Duration::from_secs(30);

/// After so many large datagrams in a row that were lost, each sent three times, a path is narrow.
const LOST: u8 = 2;

impl Node {
    /// Begins to look at the network, if it is to.
    pub(super) fn watch_paths(&mut self) {
        if self.config.follows_address || self.config.measures_paths {
            self.timers.set(Timer::Paths, self.now.at + LOOK);
        }
    }

    pub(super) fn look_at_paths(&mut self) {
        self.watch_paths();
        if self.is_leaving() {
            return;
        }
        if self.config.follows_address {
            self.look_at_address();
        }
        if self.config.measures_paths {
            self.measure_paths();
        }
    }

    fn look_at_address(&mut self) {
        let now = self.now.at;
        if self.is_member() && self.is_ready(now) {
            let Paths { unready_since, seen, agreed, .. } = &mut self.ring.paths;
            (*unready_since, *agreed) = (None, None);
            return seen.clear();
        }
        let since = *self.ring.paths.unready_since.get_or_insert(now);
        if now.since(since) < UNREADY {
            return;
        }
        let seen = core::mem::take(&mut self.ring.paths.seen);
        let own = self.me.addr();
        // A machine with both families is seen under one or the other.
        let alike = seen.iter().any(|addr| addr.is_ipv4() == own.is_ipv4());
        let mut of_family = seen.into_iter().filter(|addr| !alike || addr.is_ipv4() == own.is_ipv4());
        let first = of_family.next().filter(|addr| *addr != own && !addr.ip().is_loopback());
        let other = first.filter(|first| of_family.all(|addr| addr == *first));
        match (core::mem::replace(&mut self.ring.paths.agreed, other), other) {
            (before, Some(other)) if before == Some(other) => self.move_to(other),
            _ => self.ask_address(),
        }
    }

    /// Everyone known is asked; the neighbours first.
    fn ask_address(&mut self) {
        let mut all: Vec<SocketAddr> = self.predecessor.iter().map(Peer::addr).collect();
        all.extend(self.successors.as_slice().iter().map(Peer::addr));
        all.extend(self.remembered.peers().iter().map(Peer::addr));
        all.extend(self.birth.seeds.addrs());
        let mut asked: heapless::Vec<SocketAddr, ASKED_MAX> = heapless::Vec::new();
        for addr in all {
            if addr != self.me.addr() && !asked.contains(&addr) && asked.push(addr).is_err() {
                break;
            }
        }
        for addr in asked {
            self.ask_stranger(addr, Request::Mirror, Purpose::Mirror);
        }
    }

    /// The machine has another address now, and lost the one that the node has. A node with neighbours finds that out
    /// by itself; one that is alone has to be told.
    pub fn handle_moved(&mut self, now: Now, to: SocketAddr) {
        self.begin(now);
        if self.is_alone() {
            self.move_to(to);
        }
    }

    /// Somebody sees this node there.
    pub(super) fn seen_at(&mut self, addr: SocketAddr) {
        // Nobody is asked while as many answers are missing.
        let _ = self.ring.paths.seen.push(addr);
    }

    /// The node has another address from now on. What it held it still holds; all else that it was on its ring it is no
    /// more. Only one that was alone goes on as it was, as nobody else knew it.
    fn move_to(&mut self, to: SocketAddr) {
        let (from, alone) = (self.me.addr(), self.is_alone());
        let is_fixed = self.saving.is_some() || self.me.id() != Id::of_addr(from);
        self.live(Life::Moved { from, to });
        self.ring.paths = Paths::default();
        self.lose_place();
        self.me.place.addr = to;
        if !is_fixed {
            self.take_id(Id::of_addr(to));
        }
        if alone {
            return self.become_alone();
        }
        self.birth.lose_place(self.now.at);
        self.joining = super::join::Joining::default();
        // Those that it lost it lost by moving.
        (self.ring.silent, self.rights.slept) = (None, false);
        self.ring.row.clear();
        if !self.recalls() {
            self.timers.cancel(Timer::Reopen);
        }
        if self.birth.founder {
            // It creates no ring before the one that it was on must be gone.
            self.timers.set(Timer::Found, self.now.at + RING_LOST);
        }
        for peer in self.remembered.peers() {
            self.ask_stranger(peer.addr(), Request::Ping, Purpose::Probe(Probe::Seed));
        }
        self.timers.set(Timer::Join, self.now.at);
    }

    /// True if the node takes another address when it is seen there.
    pub const fn follows_address(&self) -> bool {
        self.config.follows_address
    }

    /// True if the node is the whole ring, as far as it knows.
    pub const fn is_alone(&self) -> bool {
        self.rights.alone_until.is_some()
    }

    fn take_id(&mut self, id: Id) {
        self.me.place.id = id;
        self.successors = Successors::new(id, self.config.successors);
        self.fingers = Fingers::new(id);
        self.finger_cursor = super::recover::FingerCursor::default();
        self.beside.clear();
        // The pledges were of another place: whoever has it now gives its own.
        let neighbourhood = self.rights.neighbourhood;
        self.rights = Rights::default();
        self.rights.neighbourhood = neighbourhood;
    }

    /// The neighbours of whom it is not known whether large datagrams reach them get one.
    fn measure_paths(&mut self) {
        let now = self.now.at;
        let head = self.successors.head().filter(|_| self.is_member());
        let neighbours = [head, self.predecessor.filter(|peer| head.is_some() && head != Some(*peer))];
        for (side, peer) in neighbours.into_iter().enumerate() {
            let width = &mut self.ring.paths.widths[side];
            if width.to != peer {
                // It is asked when it has had time to become a neighbour.
                *width = Width { to: peer, due: now + LOOK, lost: 0 };
            }
            let Some(peer) = peer.filter(|peer| now >= width.due && peer.incarnation != self.me.incarnation) else {
                continue;
            };
            width.due = now + if width.is_narrow() { AGAIN_NARROW } else { AGAIN };
            let operation = Operation { id: OperationId([0; 16]), fresh: Freshness { term: 0, time_ms: 0 } };
            let (condition, body) = (Condition::None, Body::whole(&[0; WIDE]));
            let put = Request::Put {
                operation,
                key: &[0],
                condition,
                min_copies: 0,
                ttl_s: 0,
                named: false,
                kind: &[],
                body,
            };
            let nobody = Peer { incarnation: self.me.incarnation, ..peer };
            let manner = self.patient();
            self.ask(nobody, put, Purpose::Width, manner);
        }
    }

    /// A large datagram has arrived, or was lost as often as it was sent.
    pub(super) fn width_found(&mut self, pending: &Pending, arrived: bool) {
        let (now, addr) = (self.now.at, pending.to.addr());
        let is_of = |width: &&mut Width| width.to.is_some_and(|to| to.addr() == addr);
        let Some(width) = self.ring.paths.widths.iter_mut().find(is_of) else { return };
        let Some(to) = width.to else { return };
        // Whoever is not heard at all is gone, or about to be found so.
        let relation = self.peers.get(&to);
        let heard = relation.and_then(|relation| relation.heard_answer.max(relation.heard_request));
        let was_narrow = width.is_narrow();
        if arrived {
            *width = Width { to: Some(to), due: now + AGAIN, lost: 0 };
        } else {
            width.lost = width.lost.saturating_add(u8::from(heard.is_some_and(|at| at >= pending.started)));
            width.due = if width.is_narrow() { now + AGAIN_NARROW } else { now };
        }
        match (was_narrow, width.is_narrow()) {
            (false, true) => self.live(Life::Narrow(to)),
            (true, false) => self.live(Life::Wide(to)),
            _ => {}
        }
    }

    /// A request that is large, or asks for what is, was given up: perhaps for that.
    pub(super) fn doubt_width(&mut self, pending: &Pending, silence: Silence) {
        use Purpose::{Fetch, Newer, Operation, Part, Replicate};
        let may_be_large = matches!(pending.purpose, Fetch(..) | Newer(_) | Operation(_) | Part(..) | Replicate(_));
        if may_be_large && silence == (Silence::Timeout { late: false }) {
            let addr = pending.to.addr();
            let same = |width: &&mut Width| width.to.is_some_and(|to| to.addr() == addr) && !width.is_narrow();
            if let Some(width) = self.ring.paths.widths.iter_mut().find(same) {
                width.due = width.due.min(self.now.at);
            }
        }
    }

    /// The neighbours that large datagrams of this node do not reach.
    pub(super) fn narrow_paths(&self) -> Vec<SocketAddr> {
        let narrow = self.ring.paths.widths.iter().filter(|width| width.is_narrow());
        narrow.filter_map(|width| width.to).map(|peer| peer.addr()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Net, addr};
    use super::super::{Config, Identity, Store};
    use super::*;

    fn start(net: &mut Net, n: u16, id: Option<Id>) {
        let config = Config { follows_address: true, measures_paths: true, ..Config::default() };
        let mut node = Node::new(config, Identity { addr: addr(n), id }, n != 1, [n as u8; 32], net.now);
        node.handle_timeout(net.now);
        net.nodes.insert(addr(n), node);
        net.run(3000);
    }

    /// The machine of this node has another address from now on.
    fn readdress(net: &mut Net, from: u16, to: u16) {
        let node = net.nodes.remove(&addr(from)).expect("it is there");
        net.nodes.insert(addr(to), node);
    }

    #[test]
    fn a_node_whose_machine_has_another_address_joins_again_with_what_it_holds() {
        for fixed in [None, Some(Id::new(7))] {
            let mut net = Net::new();
            (1..=3).for_each(|n| start(&mut net, n, fixed.filter(|_| n == 3)));
            (0..20).for_each(|n| drop(net.put(1, &n.to_string(), "v")));
            readdress(&mut net, 3, 9);
            net.run(15_000);
            net.assert_ideal();
            let moved = &net.nodes[&addr(9)];
            assert_eq!((moved.me().addr(), moved.is_ready(net.now.at)), (addr(9), true));
            assert_eq!(moved.me().id(), fixed.unwrap_or_else(|| Id::of_addr(addr(9))));
            assert!((0..20).all(|n| net.get(9, &n.to_string()).as_deref() == Some("v")));
        }
    }

    #[test]
    fn one_that_is_alone_goes_on_under_the_address_that_it_is_told() {
        let mut net = Net::new();
        start(&mut net, 1, None);
        net.put(1, "k", "v");
        readdress(&mut net, 1, 9);
        let now = net.now;
        net.nodes.get_mut(&addr(9)).expect("it is there").handle_moved(now, addr(9));
        net.run(1000);
        assert_eq!(net.get(9, "k").as_deref(), Some("v"));
        assert_eq!(net.nodes[&addr(9)].me().place.id, Id::of_addr(addr(9)));
        net.seeds = alloc::vec![addr(9)];
        start(&mut net, 2, None);
        net.assert_ideal();
        // With others beside it nobody tells it.
        net.nodes.get_mut(&addr(9)).expect("it is there").handle_moved(now, addr(8));
        assert_eq!(net.nodes[&addr(9)].me().addr(), addr(9));
    }

    #[test]
    fn what_it_saves_keeps_the_id_of_a_node() {
        let (mut net, config) = (Net::new(), Config { follows_address: true, ..Config::default() });
        start(&mut net, 1, None);
        let saved = (Store::new(config.memory_max), None);
        let identity = Identity { addr: addr(2), id: None };
        let node = Node::with_disk(config, identity, true, [2; 32], net.now, saved);
        net.nodes.insert(addr(2), node);
        net.run(3000);
        readdress(&mut net, 2, 9);
        // Of two each is alone for a while.
        net.run(40_000);
        assert_eq!(net.nodes[&addr(9)].me().place, crate::wire::Place { addr: addr(9), id: Id::of_addr(addr(2)) });
        net.assert_ideal();
    }

    #[test]
    fn nobody_moves_a_node_that_is_heard_where_it_is() {
        let mut net = Net::new();
        (1..=3).for_each(|n| start(&mut net, n, None));
        net.nodes.remove(&addr(2));
        net.nodes.remove(&addr(1));
        net.run(30_000);
        assert_eq!(net.nodes[&addr(3)].me().addr(), addr(3));
        // One that answers for its ring asks nobody, so that nothing that others say counts.
        net.nodes.get_mut(&addr(3)).expect("it is there").seen_at(addr(8));
        net.run(30_000);
        assert_eq!(net.nodes[&addr(3)].me().addr(), addr(3));
    }

    #[test]
    fn a_path_that_drops_large_datagrams_is_told_and_again_when_it_is_mended() {
        let mut net = Net::new();
        (1..=3).for_each(|n| start(&mut net, n, None));
        let narrow = |net: &Net, n| net.nodes[&addr(n)].narrow_paths().len();
        net.run(20_000);
        assert_eq!(narrow(&net, 1), 0);
        net.narrow = 900;
        // Nothing is found out before something is lost, or ten minutes are over.
        let large = "v".repeat(3000);
        drop(net.put(1, "k", &large));
        net.run(20_000);
        assert!((1..=3).any(|n| narrow(&net, n) > 0));
        net.run(700_000);
        assert!((1..=3).all(|n| narrow(&net, n) == 2), "each of the two neighbours");
        assert!(net.nodes.values().all(|node| node.is_ready(net.now.at)));
        net.narrow = crate::limits::FRAME_MAX;
        net.run(60_000);
        assert!((1..=3).all(|n| narrow(&net, n) == 0));
    }

    #[test]
    fn a_large_datagram_is_as_long_as_one_that_brings_a_part_and_costs_little_at_rest() {
        let mut net = Net::new();
        (1..=3).for_each(|n| start(&mut net, n, None));
        net.run(20_000);
        net.recorded = Some(Vec::new());
        net.run(1_200_000);
        let sent = net.recorded.take().expect("it was recorded");
        let large = sent.iter().filter(|(_, _, bytes)| bytes.len() > 1000).map(|(_, _, bytes)| bytes.len());
        let large: Vec<usize> = large.collect();
        assert!(large.iter().all(|length| (37 + crate::limits::PART_SIZE..=crate::limits::FRAME_MAX).contains(length)));
        assert_eq!(large.len(), 3 * 2 * 2, "two neighbours of three nodes, every ten minutes");
        let all: usize = sent.iter().map(|(_, _, bytes)| bytes.len()).sum();
        assert!(large.iter().sum::<usize>() * 100 < all * 3, "{} of {all} bytes", large.iter().sum::<usize>());
    }
}
