//! Leaving: a node hands over what it holds, stops to answer, hands over the rest, and says so to both neighbours.
//!
//! It belongs to the groups of three owners: its predecessor, itself and its successor. When it is gone, each of these
//! groups has another third member, and that one pulls its arc from the leaver first. Of two neighbours that leave at
//! once the lower id goes first, and the other hands over again what changed.

use super::Node;
use super::command::{Event, Reply, Ticket, Unavailable};
use super::life::{Life, Unsettled};
use super::pending::{Manner, Purpose};
use super::speak::Asked;
use super::timers::Timer;
use crate::id::{Arc, Id};
use crate::time::Instant;
use crate::wire::{Alternatives, Answer, Incarnation, Peer, Request};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

/// How far a leaver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It hands over, and still answers.
    Copying,
    /// It answers no longer, and hands over what changed meanwhile.
    Stopped,
    /// It has said good-bye, or has nobody to say it to.
    Parted,
    /// The end was told.
    Gone,
}

/// Whom a leaver has to do with: predecessor's predecessor, predecessor, the next two successors.
type Around = (Option<Id>, Option<Peer>, Option<Peer>, Option<Peer>);

/// A node on its way out.
#[derive(Debug)]
pub(super) struct Leaving {
    stage: Stage,
    around: Around,
    /// Counts the rounds of handing over: answers to an earlier one do not count.
    round: u32,
    /// When this round began.
    begun: Instant,
    /// Who has yet to adopt which arc.
    adopting: heapless::Vec<(Peer, Arc), 3>,
    /// Who has yet to hear the good-bye.
    farewells: heapless::Vec<Peer, 2>,
    handed_over: bool,
    /// Until when it refuses what still comes.
    lingers: Instant,
}

/// The pause before those who have not adopted their arc are asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// For how long one that has said good-bye refuses what still comes, for each node that may have it in its list: they
/// hear of it one from the other. If it were silent, a write sent to it would be of unknown outcome.
const LINGER: Duration = Duration::from_millis(100);

/// How long one round may take: less than an adopted arc is kept for.
const ROUND_MAX: Duration = Duration::from_secs(5);

impl Node {
    /// True once a leaver answers for nothing any more.
    pub(super) fn has_stopped(&self) -> bool {
        self.leaving.as_ref().is_some_and(|leaving| leaving.stage >= Stage::Stopped)
    }

    /// True once it has said good-bye.
    pub(super) fn has_parted(&self) -> bool {
        self.leaving.as_ref().is_some_and(|leaving| leaving.stage >= Stage::Parted)
    }

    /// The driver wants the node to leave. Asked twice it does so once.
    pub(super) fn start_leaving(&mut self, ticket: Ticket) {
        self.emit(Event::Reply(ticket, Reply::Done));
        if self.leaving.is_some() {
            return;
        }
        self.live(Life::Leaving);
        let (adopting, farewells) = (heapless::Vec::new(), heapless::Vec::new());
        let around = self.around();
        let stage = Stage::Copying;
        let (begun, lingers, handed_over) = (self.now.at, self.now.at, false);
        let leaving = Leaving { stage, around, round: 0, begun, adopting, farewells, handed_over, lingers };
        self.leaving = Some(Box::new(leaving));
        self.timers.set(Timer::LeaveEnd, self.now.at + self.config.leave_timeout);
        self.hand_over();
    }

    fn around(&self) -> Around {
        let list = self.successors.as_slice();
        (self.ring.before_predecessor, self.predecessor, list.first().copied(), list.get(1).copied())
    }

    /// Asks everyone who is to hold an arc of ours to pull it.
    fn hand_over(&mut self) {
        let around = self.around();
        let (before, predecessor, head, second) = around;
        let me = self.me;
        if !self.has_joined() || (predecessor.is_none() && head.is_none()) {
            // On a ring of one all ends with its only node; one that never had a place holds nothing of its own.
            let nothing = self.store.is_empty() || !self.has_joined();
            if let Some(leaving) = &mut self.leaving {
                (leaving.stage, leaving.handed_over) = (Stage::Parted, nothing);
            }
            return self.leave_on();
        }
        let arcs = predecessor.zip(head).map(|(predecessor, head)| {
            let (before, own) = (before.unwrap_or(predecessor.id()), Arc::new(predecessor.id(), me.id()));
            let to_head = Some((head, Arc::new(before, me.id())));
            let to_predecessor = (predecessor, Arc::new(predecessor.id(), head.id()));
            [Some(to_predecessor), to_head, second.map(|second| (second, own))]
        });
        let Some(leaving) = &mut self.leaving else { return };
        leaving.around = around;
        leaving.round += 1;
        leaving.begun = self.now.at;
        leaving.adopting.clear();
        for (peer, arc) in arcs.into_iter().flatten().flatten().filter(|(peer, _)| *peer != me) {
            // Three arcs, three places.
            let _ = leaving.adopting.push((peer, arc));
        }
        self.ask_to_adopt();
    }

    fn ask_to_adopt(&mut self) {
        let Some(leaving) = &self.leaving else { return };
        let (round, adopting, place) = (leaving.round, leaving.adopting.clone(), self.me.place);
        for (peer, arc) in adopting {
            let asking = |to: &Peer, purpose: &Purpose| {
                *to == peer && matches!(purpose, Purpose::Adopt { arc: of, .. } if *of == arc)
            };
            if !self.requests.any(asking) {
                let manner = self.patient();
                self.ask(peer, Request::Adopt { place, arc }, Purpose::Adopt { round, arc }, manner);
            }
        }
        self.timers.set(Timer::Leave, self.now.at + PAUSE);
    }

    /// One holds what it is to hold.
    pub(super) fn adopted(&mut self, round: u32, by: Peer, arc: Arc) {
        if let Some(leaving) = self.leaving.as_mut().filter(|leaving| leaving.round == round) {
            leaving.adopting.retain(|waiting| *waiting != (by, arc));
            self.leave_on();
        }
    }

    /// The next step.
    pub(super) fn leave_on(&mut self) {
        let around = self.around();
        let looking = !self.walks.is_empty() || !self.asked_fingers.is_empty();
        let waiting = !self.client_ops.is_empty() || !self.lists.is_empty() || looking;
        let half = around.1.is_some() != around.2.is_some();
        let Some(leaving) = &mut self.leaving else { return };
        match leaving.stage {
            // Between two neighbourhoods.
            Stage::Copying | Stage::Stopped if half => self.timers.set(Timer::Leave, self.now.at + PAUSE),
            Stage::Copying | Stage::Stopped if leaving.around != around => self.hand_over(),
            Stage::Copying | Stage::Stopped if !leaving.adopting.is_empty() => self.ask_to_adopt(),
            // What those asked first adopted they may have given back by now.
            Stage::Stopped if self.now.at.since(leaving.begun) > ROUND_MAX => self.hand_over(),
            Stage::Copying => {
                leaving.stage = Stage::Stopped;
                self.unsettle(Unsettled::Leaving);
                self.hand_over();
            }
            Stage::Stopped => {
                leaving.stage = Stage::Parted;
                leaving.handed_over = true;
                self.say_farewell();
            }
            Stage::Parted if !leaving.farewells.is_empty() || waiting => {
                self.timers.set(Timer::Leave, self.now.at + PAUSE / 4);
            }
            Stage::Parted if leaving.lingers > self.now.at => self.timers.set(Timer::Leave, leaving.lingers),
            Stage::Parted => self.leave_ended(),
            Stage::Gone => {}
        }
    }

    fn say_farewell(&mut self) {
        let (predecessor, successors) = (self.predecessor, self.next_successors());
        let head = self.successors.head().filter(|head| Some(*head) != predecessor);
        // Before us are as many as can name us as behind us, and fewer only where the ring is all of them.
        let lingers = self.now.at + LINGER * (1 + self.successors.as_slice().len() as u32);
        // Many times: whoever does not hear it takes us for dead, and suspects those beside us too.
        let manner = Manner { tries: FAREWELLS, ..self.patient() };
        for peer in predecessor.into_iter().chain(head) {
            let request = Request::Leave { predecessor, successors: successors.clone() };
            if self.ask(peer, request, Purpose::Leave, manner)
                && let Some(leaving) = &mut self.leaving
            {
                leaving.lingers = lingers;
                // Two neighbours, two places.
                let _ = leaving.farewells.push(peer);
            }
        }
        self.leave_on();
    }

    /// A neighbour knows, or knew before, or is silent.
    pub(super) fn farewell_heard(&mut self, by: Peer) {
        if let Some(leaving) = &mut self.leaving {
            leaving.farewells.retain(|peer| *peer != by);
            self.leave_on();
        }
    }

    /// All is done, or the time for it is over.
    pub(super) fn leave_ended(&mut self) {
        let Some(leaving) = &mut self.leaving else { return };
        if leaving.stage < Stage::Parted {
            leaving.stage = Stage::Parted;
            self.unsettle(Unsettled::Leaving);
            // What can still be said is said once.
            self.say_farewell();
        }
        let Some(leaving) = &mut self.leaving else { return };
        if leaving.stage < Stage::Gone {
            leaving.stage = Stage::Gone;
            let handed_over = leaving.handed_over;
            self.timers.cancel(Timer::LeaveEnd);
            self.end_clients(Unavailable::Leaving);
            self.emit(Event::Left { handed_over });
        }
    }

    /// The node ends: so does everything that its clients wait for.
    fn end_clients(&mut self, why: Unavailable) {
        for ticket in self.client_ops.keys().copied().collect::<Vec<_>>() {
            if let Some(op) = self.client_ops.get_mut(&ticket) {
                op.cut(self.now.at, why);
            }
            self.client_due(ticket);
        }
        for ticket in self.walks.keys().copied().collect::<Vec<_>>() {
            self.walk_ended(ticket, true);
        }
        while let Some(ticket) = self.asked_fingers.first().copied() {
            self.fingers_ended(ticket, None);
        }
        for ticket in self.lists.keys().copied().collect::<Vec<_>>() {
            self.list_cut(ticket);
        }
    }

    /// A neighbour has left: neither it nor we owe the other anything.
    pub(super) fn serve_leave(&mut self, asked: &Asked, predecessor: Option<Peer>, successors: &Alternatives) {
        self.answer(asked, Answer::Done);
        let known = self.predecessor.into_iter().chain(self.successors.as_slice().iter().copied());
        let Some(leaver) = known.into_iter().find(|peer| asked.is_from(peer)) else { return };
        self.rights.end_pledges_to(&leaver);
        let others = predecessor.iter().chain(successors).any(|peer| peer.id() != self.me.id());
        let was_head = self.successors.head() == Some(leaver);
        let rest: crate::wire::PeerList = self.successors.as_slice().iter().copied().filter(|p| *p != leaver).collect();
        let list = self.successors.cut(rest);
        if was_head {
            // It did not die, but what it had lost behind it we have lost with it.
            let behind = core::mem::take(&mut self.ring.behind_head);
            behind.iter().for_each(|node| self.lost_in_row(*node));
            self.count_row();
        }
        self.set_neighbours(self.predecessor, list);
        self.remembered.forget(&leaver);
        if self.predecessor == Some(leaver) {
            if self.successors.head().is_none() {
                self.lose_place();
                self.remembered.forget(&leaver);
                if !others && self.ring.silent.is_none() && !self.rights.any_pledge(self.now.at) {
                    // It knew nobody but us, nor we anybody but it: the two of us were the ring. Whoever asks us must
                    // not wait until all that were here before have failed to answer.
                    self.live(Life::Alone);
                    self.become_alone();
                }
            } else {
                // Whoever is before it now will say so.
                (self.ring.predecessor_suspected, self.ring.predecessor_left) = (true, true);
                if let Some(before) = predecessor.filter(|before| *before != self.me) {
                    self.ring.before_predecessor = Some(before.id());
                    let manner = self.patient();
                    self.ask(before, Request::Hint, Purpose::Notice, manner);
                }
            }
        }
        self.peers.forget(&leaver);
        if was_head {
            let me = self.me.id();
            let closer = |node: &Peer| self.successors.head().is_none_or(|head| node.id().is_between(me, head.id()));
            match successors.first().filter(|next| next.id() != me && closer(next)) {
                Some(next) => self.consider(Peer { incarnation: Incarnation::UNKNOWN, ..*next }),
                None => self.stabilise(),
            }
        }
    }
}

/// How often a good-bye is sent, with growing pauses.
const FAREWELLS: u8 = 5;
