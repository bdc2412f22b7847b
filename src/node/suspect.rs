//! How a silent node is found out and dropped: three tries, and a question to a third node.

use super::Node;
use super::life::Life;
use super::paths::Paths;
use super::pending::{Manner, Probe, Purpose, Role, Silence};
use super::silence::Quiet;
use crate::id::Id;
use crate::limits::DROPPED_MAX;
use crate::time::Instant;
use crate::wire::{Awaits, Peer, Refusal, Request, Room};
use alloc::boxed::Box;
use core::time::Duration;

/// Whom a node takes for dead, and what follows from it.
#[derive(Debug, Default)]
pub(super) struct Suspicions {
    /// The predecessor is taken for dead, and only waits to be replaced.
    pub predecessor_suspected: bool,
    /// It said that it leaves, so what it said before, and comes later, does not count.
    pub predecessor_left: bool,
    /// The predecessor is being probed.
    pub watching: bool,
    /// The predecessor is being probed because another wants its place.
    pub rectifying: bool,
    /// Stabilise again as soon as the exchange under way has ended.
    pub again: bool,
    /// The nodes dropped one after another since the arcs last matched.
    pub row: heapless::Vec<Peer, DROPPED_MAX>,
    /// The nodes that the head has dropped in a row, as it told us.
    pub behind_head: heapless::Vec<Peer, DROPPED_MAX>,
    /// Too many were dropped in a row: perhaps it is this node that is cut off.
    pub silent: Option<Box<Quiet>>,
    /// How many living nodes it knew when it was told last that they are too few, as long as they are.
    pub few: Option<usize>,
    /// Where the predecessor's arc begins, as it told us: we hold copies of that arc.
    pub before_predecessor: Option<Id>,
    /// The last head that consented to this node as its predecessor, or that it joined before.
    pub stood_before: Option<Id>,
    /// The former predecessor, in whose place a closer one came that names neither it nor a nearer one as the one
    /// before it; until then.
    pub passed_over: Option<(Id, Instant)>,
    /// Exchanges in a row in which the successor's and the predecessor's store differed from ours.
    pub differed: [u8; 2],
    /// What the successor and the predecessor can take, as they said last.
    pub room: [Room; 2],
    /// Whether the successor and the predecessor await others, as they said last.
    pub awaits: [Option<Awaits>; 2],
    /// What is known of the network.
    pub paths: Paths,
    /// Since when they differ.
    pub differs_since: [Option<Instant>; 2],
}

impl Suspicions {
    /// The head is another, or there is none any more: what was known of the old one says nothing of it.
    pub fn head_changed(&mut self) {
        self.behind_head.clear();
        (self.room[0], self.awaits[0], self.differs_since[0]) = (Room::Enough, None, None);
    }

    /// The predecessor is another: what was suspected of the old one says nothing of it.
    pub fn predecessor_changed(&mut self) {
        (self.predecessor_suspected, self.watching, self.rectifying, self.differed[1]) = (false, false, false, 0);
        (self.before_predecessor, self.predecessor_left, self.differs_since[1]) = (None, false, None);
        (self.room[1], self.awaits[1]) = (Room::Enough, None);
    }
}

impl Node {
    /// The head did not answer, or not as a member.
    pub(super) fn stabilise_silent(&mut self, head: Peer, since: Instant, silence: Silence) {
        if self.ring.again {
            self.stabilise_soon(Duration::ZERO);
        }
        match silence {
            Silence::Timeout { late: true } => self.stabilise_soon(Duration::ZERO),
            _ if self.successors.head() != Some(head) || self.answered_since(&head, since) => {}
            // It lives, and sees us elsewhere than we say: that we are not heard is our own trouble.
            Silence::Refused(Refusal::NotNeighbour) => {}
            // It says itself that it is on no ring.
            Silence::Gone | Silence::Refused(Refusal::NotMember) => self.drop_head(head),
            Silence::Timeout { .. } | Silence::Refused(_) => self.ask_third(head, since, Role::Head),
        }
    }

    fn answered_since(&self, peer: &Peer, since: Instant) -> bool {
        self.peers.get(peer).and_then(|relation| relation.heard_answer).is_some_and(|at| at >= since)
    }

    /// Before a node is dropped, another one tries to hear it.
    fn ask_third(&mut self, suspect: Peer, since: Instant, role: Role) {
        let own = self.predecessor.filter(|_| !self.ring.predecessor_suspected);
        let third = self.successors.as_slice().iter().copied().chain(own).find(|peer| *peer != suspect);
        let manner = Manner { tries: 1, timeout: Some(self.config.indirect), client: false };
        let purpose = Purpose::Indirect { suspect, since, role };
        let asked = third.is_some_and(|third| self.ask(third, Request::PingFor(suspect), purpose, manner));
        if !asked {
            self.confirmed_silent(suspect, since, role);
        }
    }

    /// The third node heard it: a broken path is no reason to drop anyone.
    pub(super) fn indirectly_heard(&mut self, _suspect: Peer, _since: Instant, role: Role) {
        match role {
            Role::Head => {}
            Role::Predecessor => self.ring.watching = false,
            Role::Rectify(_) => self.ring.rectifying = false,
        }
    }

    /// The third node did not hear it either.
    pub(super) fn indirectly_silent(&mut self, suspect: Peer, since: Instant, role: Role, silence: Silence) {
        if silence == (Silence::Timeout { late: true }) {
            return self.indirectly_heard(suspect, since, role);
        }
        self.confirmed_silent(suspect, since, role);
    }

    fn confirmed_silent(&mut self, suspect: Peer, since: Instant, role: Role) {
        match role {
            Role::Head if self.successors.head() == Some(suspect) && !self.answered_since(&suspect, since) => {
                self.drop_head(suspect);
            }
            Role::Head => {}
            Role::Predecessor => self.suspect_predecessor(suspect, since, None),
            Role::Rectify(candidate) => self.suspect_predecessor(suspect, since, Some(candidate)),
        }
    }

    /// The head, and those after it that were found silent meanwhile, leave the list.
    fn drop_head(&mut self, head: Peer) {
        let now = self.now.at;
        let recently_down = |node: &Peer| {
            let down = self.peers.get(node).and_then(|relation| relation.down);
            down.is_some_and(|at| now.since(at) < self.config.consent)
        };
        let behind = &self.successors.as_slice()[1..];
        let silent = behind.iter().take_while(|node| recently_down(node)).count();
        let (gone, rest) = self.successors.as_slice().split_at(1 + silent);
        let (gone, rest) = (gone.to_vec(), rest.to_vec());
        for node in &gone {
            self.dropped(*node);
        }
        // What it had lost behind it we have lost with it.
        let behind = core::mem::take(&mut self.ring.behind_head);
        behind.iter().for_each(|node| self.lost_in_row(*node));
        if self.predecessor.is_some_and(|predecessor| gone.contains(&predecessor)) {
            self.ring.predecessor_suspected = true;
        }
        self.count_row();
        debug_assert!(gone.contains(&head));
        let list = self.successors.cut(rest);
        self.set_neighbours(self.predecessor, list);
        self.stabilise();
    }

    fn dropped(&mut self, node: Peer) {
        self.counters.suspicions += 1;
        self.lost_in_row(node);
        self.live(Life::Dropped(node));
    }

    /// While the head is silent: are the next ones alive?
    pub(super) fn probe_next(&mut self) {
        let next: heapless::Vec<Peer, 2> = self.successors.as_slice().iter().skip(1).take(2).copied().collect();
        for node in next {
            self.peers.relation(self.now.at, &node).down = None;
            let manner = self.patient();
            self.ask(node, Request::Ping, Purpose::Probe(Probe::Next), manner);
        }
    }

    /// A predecessor that missed two rounds is probed.
    pub(super) fn watch_predecessor(&mut self) {
        let now = self.now.at;
        let Some(predecessor) = self.predecessor.filter(|_| self.is_member()) else { return };
        if self.ring.watching || self.ring.predecessor_suspected {
            return;
        }
        let heard = self.peers.get(&predecessor).and_then(|relation| relation.heard_request);
        if now.since(heard.unwrap_or(self.rights.of_predecessor.since)) < self.config.stabilise_max * 2 {
            return;
        }
        self.peers.relation(now, &predecessor).open_since.get_or_insert(now);
        let manner = self.patient();
        self.ring.watching = self.ask(predecessor, Request::Ping, Purpose::Probe(Probe::Predecessor), manner);
    }

    pub(super) fn rectify(&mut self, old: Peer, candidate: Peer) {
        if !self.ring.rectifying {
            let manner = self.patient();
            self.ring.rectifying = self.ask(old, Request::Ping, Purpose::Probe(Probe::Rectify(candidate)), manner);
        }
    }

    /// A probe of the predecessor failed.
    pub(super) fn predecessor_silent(&mut self, peer: Peer, since: Instant, silence: Silence, candidate: Option<Peer>) {
        let role = candidate.map_or(Role::Predecessor, Role::Rectify);
        match silence {
            _ if self.predecessor != Some(peer) => {}
            Silence::Timeout { late: true } => self.indirectly_heard(peer, since, role),
            Silence::Gone | Silence::Refused(Refusal::NotMember) => self.suspect_predecessor(peer, since, candidate),
            Silence::Timeout { .. } | Silence::Refused(_) => self.ask_third(peer, since, role),
        }
    }

    /// The predecessor is taken for dead: it waits to be replaced, or is replaced by the one that asked.
    fn suspect_predecessor(&mut self, peer: Peer, since: Instant, candidate: Option<Peer>) {
        let heard = self.peers.get(&peer).and_then(|relation| relation.heard_request);
        self.indirectly_heard(peer, since, candidate.map_or(Role::Predecessor, Role::Rectify));
        if self.predecessor != Some(peer) || heard.is_some_and(|at| at >= since) {
            return;
        }
        self.remembered.add(self.now.at, peer);
        self.lost_in_silence(peer);
        match candidate {
            Some(candidate) => self.set_neighbours(Some(candidate), self.successors.clone()),
            None => {
                self.counters.suspicions += 1;
                self.ring.predecessor_suspected = true;
                self.live(Life::Dropped(peer));
            }
        }
    }

    /// An answer came from the peer.
    pub(super) fn heard_answer(&mut self, peer: &Peer) {
        let now = self.now.at;
        // Only neighbours' answers matter; of others no relation is kept.
        if self.peers.get(peer).is_some() {
            let relation = self.peers.relation(now, peer);
            (relation.heard_answer, relation.open_since, relation.down) = (Some(now), None, None);
        }
        self.unsilence(peer);
    }

    /// Another incarnation answered in its place: whatever we promised it, and it us, is over.
    pub(super) fn reborn(&mut self, former: Peer) {
        self.rights.end_pledges_to(&former);
        self.unsilence(&former);
        self.peers.forget(&former);
    }
}
