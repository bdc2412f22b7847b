//! Who takes which request, and who takes which answer.

use super::Node;
use super::command::{Command, Event, Ticket};
use super::lookup::Found;
use super::owned::{OwnedEntry, OwnedWrite};
use super::pending::{Manner, Pending, Probe, Purpose, Silence};
use super::seeds::Said;
use super::speak::Asked;
use crate::limits::{RELAYS_EACH_MAX, RELAYS_MAX};
use crate::time::Instant;
use crate::wire::{Alternatives, Answer, Freshness, Mark, Peer, Place, Refusal, Request, Stamp, Step};
use alloc::boxed::Box;
use alloc::vec::Vec;

impl Node {
    /// Takes a request for this incarnation; if it may change something, its sender's address is proven.
    pub(super) fn serve(&mut self, asked: &Asked, request: Request<'_>) {
        match request {
            Request::Ping => {
                self.answer(asked, self.pong());
                self.ask_back(asked.source);
            }
            Request::PingFor(target) => self.relay_ping(asked, target),
            Request::Walk => self.answer(asked, Answer::Step(self.step_of_me())),
            Request::Mirror => self.answer(asked, Answer::Mirrored(asked.source)),
            // Whoever leaves gets its clients' writes done first.
            Request::Part { id, hash, offset } => self.serve_part(asked, id, &hash, offset),
            Request::Names { id, before_ms, offset } => self.serve_names(asked, id, before_ms, offset),
            // All below is for members.
            Request::Put { operation, key, .. } | Request::Delete { operation, key, .. } if !self.is_member() => {
                // That it came to nothing would be a lie, if it was stored here before.
                let refusal = self.stored_before(key, &operation).unwrap_or(Refusal::NotMember);
                self.refuse(asked, refusal);
            }
            _ if !self.is_member() => self.refuse(asked, Refusal::NotMember),
            Request::FindSuccessor(id) => self.serve_lookup(asked, id),
            Request::Stabilise(stabilise) => self.serve_stabilise(asked, &stabilise),
            Request::Release { side, stamp, closer } => self.serve_release(asked, side, stamp, closer),
            Request::Hint => {
                self.stabilise_soon(core::time::Duration::ZERO);
                self.answer(asked, Answer::Done);
            }
            Request::Survey { arc, digest } => {
                let surveyed = self.survey(arc, digest);
                self.answer(asked, Answer::Surveyed(surveyed));
            }
            Request::Fetch(item) => match self.store.fetch(item).map(OwnedEntry::from) {
                Some(entry) => self.answer(asked, Answer::Fetched(entry.borrow())),
                None => self.refuse(asked, Refusal::NotFound),
            },
            Request::Settle { arc, term } => self.serve_settle(asked, arc, term),
            Request::Replicate(entry) => self.serve_replicate(asked, &entry),
            Request::Offer(entry) => self.serve_offer(asked, &entry),
            Request::Get { key } => self.serve_get(asked, key),
            Request::Put { operation, named, key, condition, min_copies, ttl_s, kind, body } => {
                let mark = Mark::new(Some((&body.digest(), kind, ttl_s)), condition, named);
                let (key, kind) = (key.into(), kind.into());
                let write = OwnedWrite { operation, mark, key, condition, min_copies, ttl_s, kind };
                self.serve_write(asked, write, Some(&body));
            }
            Request::Delete { operation, named, key, condition, min_copies } => {
                let (key, kind, ttl_s) = (key.into(), [].into(), 0);
                let mark = Mark::new(None, condition, named);
                let write = OwnedWrite { operation, mark, key, condition, min_copies, ttl_s, kind };
                self.serve_write(asked, write, None);
            }
            Request::Adopt { place, arc } => {
                let leaver = Peer { place, incarnation: asked.incarnation };
                if place.addr == asked.source {
                    self.serve_adopt(asked, leaver, arc);
                } else {
                    self.refuse(asked, Refusal::NotNeighbour);
                }
            }
            Request::Leave { predecessor, successors } => self.serve_leave(asked, predecessor, &successors),
            Request::Fingers => self.answer(asked, Answer::Fingers(Box::new(self.told_fingers()))),
            Request::List(arc) => self.serve_list(asked, arc),
            Request::Floor { arc, floor, digest } => self.serve_floor(asked, arc, floor, digest),
        }
    }

    /// Takes an answer to a request that was in flight.
    pub(super) fn answered(&mut self, pending: &Pending, stamp: Option<Stamp>, answer: Answer<'_>) {
        let to = pending.to;
        match (pending.purpose, answer) {
            (Purpose::Stabilise(said), Answer::Neighbours(answer)) => {
                self.stabilised(to, pending.started, said, stamp, answer);
            }
            (Purpose::Candidate, Answer::Neighbours(answer)) => self.candidate_answered(to, stamp, answer),
            (Purpose::Probe(probe), Answer::Pong { place, member, founder, recalls, knows_ring }) => {
                // A seed may have been asked under another address than its own; the others are known by theirs.
                let addr = if probe == Probe::Seed { place.addr } else { to.addr() };
                let peer = Peer { place: Place { addr, ..place }, ..to };
                let said = Said { place: peer.place, member, founder, recalls, knows_ring };
                self.probe_answered(probe, peer, said, pending);
            }
            (Purpose::Relay(asked), pong @ Answer::Pong { .. }) => self.answer(&asked, pong),
            (Purpose::Indirect { suspect, since, role }, Answer::Pong { member: true, .. }) => {
                self.indirectly_heard(suspect, since, role);
            }
            (Purpose::Lookup(lookup), Answer::Found { predecessor, owner, successors, fresh }) => {
                let found = Found { predecessor, owner, successors, fresh, path: Vec::new() };
                self.lookup_found(lookup, to, found);
            }
            (Purpose::Lookup(lookup), Answer::Step(step)) => self.lookup_stepped(lookup, to, &step),
            (Purpose::Lookup(lookup), Answer::Closer(peers)) => self.lookup_closer(lookup, to, &peers),
            (Purpose::Survey(pull, arc, sum), Answer::Surveyed(answer)) => self.pull_surveyed(pull, (arc, sum), answer),
            (Purpose::Fetch(pull, item), Answer::Fetched(entry)) => self.pull_fetched(pull, item, to, &entry),
            (Purpose::Newer(op), Answer::Fetched(entry)) => self.newer_fetched(op, to, &entry),
            (Purpose::Part(number, offset), Answer::Part(part)) => self.part_arrived(number, offset, part),
            (Purpose::Settle(number), Answer::Done) => self.settle_term_stored(number, to),
            (Purpose::Floor(number), Answer::Done) => self.floor_stored(number, to),
            (Purpose::Replicate(op), Answer::Done) => self.replicated(op, to),
            (Purpose::Offer(item), Answer::Offered { confirmed }) => self.stray_offered(item, confirmed),
            (Purpose::Operation(ticket), answer) => self.operation_ended(ticket, to, &answer),
            (Purpose::Walk(ticket), Answer::Step(step)) => self.walk_answered(ticket, to, step),
            (Purpose::Fingers(ticket), Answer::Fingers(list)) => self.fingers_told(ticket, &list),
            (Purpose::Awaited, Answer::Pong { member: true, .. }) => self.awaited_answered(to),
            (Purpose::List(ticket), Answer::Listed(listed)) => self.list_answered(ticket, to, &listed),
            (Purpose::Adopt { round, arc }, Answer::Done) => self.adopted(round, to, arc),
            (Purpose::Leave, Answer::Done) => self.farewell_heard(to),
            (Purpose::Mirror, Answer::Mirrored(addr)) => self.seen_at(addr),
            (Purpose::Notice, _) => {}
            // An answer of another kind than was asked for: as good as none.
            _ => self.unanswered(pending, Silence::Refused(Refusal::NotMember)),
        }
    }

    /// Takes the lack of an answer.
    pub(super) fn unanswered(&mut self, pending: &Pending, silence: Silence) {
        let to = pending.to;
        if matches!(silence, Silence::Timeout { .. } | Silence::Gone) {
            self.fingers.remove(to);
        }
        self.note_silent(&to, silence);
        self.doubt_width(pending, silence);
        match pending.purpose {
            Purpose::Width => self.width_found(pending, false),
            Purpose::Stabilise(_) => self.stabilise_silent(to, pending.started, silence),
            Purpose::Candidate | Purpose::Notice | Purpose::Awaited | Purpose::Mirror => {}
            Purpose::Probe(probe) => self.probe_silent(probe, to, pending.started, silence),
            Purpose::Relay(asked) => self.refuse(&asked, Refusal::Unreachable),
            Purpose::Indirect { suspect, since, role } => self.indirectly_silent(suspect, since, role, silence),
            Purpose::Lookup(lookup) => self.lookup_silent(lookup, to),
            Purpose::Survey(pull, ..) => self.pull_failed(pull),
            Purpose::Fetch(pull, item) => self.fetch_failed(pull, item, silence),
            // That there is no room just now only this node can say of itself, and it waits for it without end.
            Purpose::Part(number, _) if silence == Silence::Refused(Refusal::Busy) => {
                self.transfer_failed(number, Silence::Refused(Refusal::NotFound));
            }
            Purpose::Part(number, _) => self.transfer_failed(number, silence),
            Purpose::Settle(number) => self.settle_refused(number, silence),
            Purpose::Floor(number) => self.floor_refused(number),
            Purpose::Replicate(op) => self.replicate_refused(op, to, silence),
            Purpose::Newer(op) => self.owner_retry(op),
            Purpose::Offer(_) => self.stray_done(),
            Purpose::Operation(ticket) => self.operation_silent(ticket, to, pending, silence),
            Purpose::Walk(ticket) => self.walk_silent(ticket, to, silence),
            Purpose::Fingers(ticket) => self.fingers_ended(ticket, None),
            Purpose::List(ticket) => self.list_silent(ticket, silence),
            // The next step of leaving looks whom it has to do with now.
            Purpose::Adopt { .. } => {}
            Purpose::Leave => self.farewell_heard(to),
        }
    }

    /// Takes a command of the driver.
    pub(super) fn take_command(&mut self, ticket: Ticket, command: Command) {
        if self.is_guest() { self.take_command_as_guest(ticket, command) } else { self.start_command(ticket, command) }
    }

    /// Begins what a command asks for.
    pub(super) fn start_command(&mut self, ticket: Ticket, command: Command) {
        match command {
            Command::Seeds(seeds) => self.try_seeds(&seeds),
            Command::Walk { from, max } => self.start_walk(ticket, from, max),
            Command::Fingers { of } => self.start_fingers(ticket, of),
            Command::List { from, after, limit } => self.start_list(ticket, from, after, limit),
            Command::Leave => self.start_leaving(ticket),
            Command::Reopen => {
                let reply = self.reopen();
                self.emit(Event::Reply(ticket, reply));
            }
            command => self.start_client(ticket, command),
        }
    }

    fn pong(&self) -> Answer<'static> {
        let Said { place, member, founder, recalls, knows_ring } = self.said_of_me();
        let knows_ring = knows_ring || self.is_about_to_found();
        Answer::Pong { place, member, founder, recalls, knows_ring }
    }

    /// How many pings of other nodes are passed on, and have no answer yet.
    pub fn relaying(&self) -> u64 {
        let mut relays = 0;
        self.requests.any(|_, purpose| {
            relays += u64::from(matches!(purpose, Purpose::Relay(_)));
            false
        });
        relays
    }

    /// Pings a node for another one, which suspects at most a few at a time; more would be traffic for others' sake.
    fn relay_ping(&mut self, asked: &Asked, target: Peer) {
        let (mut same, mut of_asker, mut all) = (false, 0, 0);
        self.requests.any(|_, purpose| {
            if let Purpose::Relay(other) = purpose {
                same |= other.is_same(asked);
                of_asker += usize::from(other.source == asked.source);
                all += 1;
            }
            false
        });
        let manner = Manner { tries: 2, client: true, ..self.patient() };
        if same {
            self.counters.repeated += 1;
        } else if of_asker >= RELAYS_EACH_MAX
            || all >= RELAYS_MAX
            || !self.ask(target, Request::Ping, Purpose::Relay(*asked), manner)
        {
            self.refuse(asked, Refusal::Busy);
        }
    }

    /// What this node tells about itself for a picture of the ring.
    pub(super) fn step_of_me(&self) -> Step {
        Step {
            place: self.me.place,
            predecessor: self.predecessor,
            successors: self.next_successors(),
            settled: self.is_ready(self.now.at),
            established: self.is_established(),
            entries: u32::try_from(self.store.len()).unwrap_or(u32::MAX),
        }
    }

    /// The first few of the successor list.
    pub(super) fn next_successors(&self) -> Alternatives {
        self.successors.as_slice().iter().copied().take(crate::limits::ALTERNATIVES_MAX).collect()
    }

    /// What this node has seen of an id's history.
    pub(super) fn freshness(&self, id: crate::id::Id) -> Freshness {
        Freshness { term: self.terms.at(id), time_ms: self.next_tick() }
    }

    fn probe_answered(&mut self, probe: Probe, peer: Peer, said: Said, pending: &Pending) {
        let member = said.member;
        match probe {
            Probe::Seed => self.seed_answered((pending.to.addr(), pending.started), peer, said),
            Probe::Remembered => self.remembered_answered(peer, member),
            Probe::Last => self.last_answered(peer, member),
            Probe::Next => {}
            Probe::Review => self.reviewed(peer, Some(member)),
            Probe::Predecessor | Probe::Rectify(_) if !member => {
                self.probe_silent(probe, pending.to, pending.started, Silence::Refused(Refusal::NotMember));
            }
            Probe::Predecessor => self.ring.watching = false,
            Probe::Rectify(_) => self.ring.rectifying = false,
        }
    }

    fn probe_silent(&mut self, probe: Probe, peer: Peer, since: Instant, silence: Silence) {
        match probe {
            Probe::Seed => {}
            // It is probed again, ever more rarely.
            Probe::Remembered => {}
            Probe::Last => self.last_silent(peer, silence),
            Probe::Review => self.reviewed(peer, None),
            Probe::Next => {
                if silence != (Silence::Timeout { late: true }) {
                    let now = self.now.at;
                    self.peers.relation(now, &peer).down = Some(now);
                }
            }
            Probe::Predecessor => self.predecessor_silent(peer, since, silence, None),
            Probe::Rectify(candidate) => self.predecessor_silent(peer, since, silence, Some(candidate)),
        }
    }
}
