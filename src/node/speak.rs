//! Requests and answers: how they are sent, sent again, proven and matched.

use super::Node;
use super::pending::{Due, Manner, Pending, Purpose, Silence};
use super::stabilise::Said;
use crate::id::Id;
use crate::limits::FRAME_MAX;
use crate::time::Instant;
use crate::wire::{Answer, Frame, Incarnation, Message, Peer, Place, Refusal, Request, Stamp};
use core::net::SocketAddr;
use core::time::Duration;

/// Where a request came from, and what is known of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The address that the answer goes to.
    pub source: SocketAddr,
    /// Ties the answer to the request.
    pub transaction: [u8; 8],
    /// The sender's incarnation.
    pub incarnation: Incarnation,
    /// When the stamp of ours was made that it echoed; `None` if it echoed none that is good.
    pub proven: Option<Instant>,
    /// Bytes of the request.
    pub length: usize,
}

impl Asked {
    /// True if it came from this peer.
    pub fn is_from(&self, peer: &Peer) -> bool {
        peer.addr() == self.source && peer.incarnation == self.incarnation
    }

    /// Who sent it, for questions back. Its id is not known: the node's own stands for it, which means nothing.
    pub const fn sender(&self, own: Id) -> Peer {
        Peer { place: Place { addr: self.source, id: own }, incarnation: self.incarnation }
    }

    /// True if it is a repetition of the other.
    pub fn is_same(&self, other: &Self) -> bool {
        self.source == other.source && self.transaction == other.transaction
    }
}

/// An answer to a sender whose address is not proven may be this many times as long as the request.
const AMPLIFICATION: usize = 3;

/// What a request to an address of which there is no stamp is padded with, so that the answer may be longer.
const PADDING: [u8; 128] = [0; 128];

/// So much of it is enough for the answer to a lookup, as long as it names IPv4 addresses or ids that follow from them.
/// A longer one costs a round trip more.
const PADDING_LOOKUP: usize = 28;

/// The oldest stamp that a request of [`must_be_new`] may echo: twice as long as the usual consent lasts. Neighbours
/// that talk every round are far below it, and whoever is not is told a new one.
const NEW: Duration = Duration::from_secs(5);

/// True of requests whose repetition from an earlier time would move a pointer or make work. All others are harmless
/// whenever they arrive: they are ordered by a term, a rank, a stamp, an incarnation or the name of a write.
const fn must_be_new(request: &Request<'_>) -> bool {
    matches!(request, Request::Stabilise(_) | Request::Hint | Request::Survey { .. } | Request::Adopt { .. })
}

impl Node {
    /// The usual manner of a request for the ring.
    pub(super) fn patient(&self) -> Manner {
        Manner { tries: self.config.tries, timeout: None, client: false }
    }

    /// The usual manner of a request for a client.
    pub(super) fn coordinator(&self) -> Manner {
        Manner { client: true, ..self.patient() }
    }

    /// Sends a request. Returns false if too many are in flight.
    pub(super) fn ask(&mut self, to: Peer, request: Request<'_>, purpose: Purpose, manner: Manner) -> bool {
        let echo = self.peers.path(to.addr()).and_then(|path| path.stamp);
        self.ask_echoing(to, echo, request, purpose, manner)
    }

    /// The same with a certain stamp echoed: a consent counts from it.
    pub(super) fn ask_echoing(
        &mut self,
        to: Peer,
        stamp: Option<Stamp>,
        request: Request<'_>,
        purpose: Purpose,
        manner: Manner,
    ) -> bool {
        if !self.requests.has_room(manner.client) {
            return false;
        }
        let number = self.requests.next_number();
        let hash = blake3::keyed_hash(&self.transaction_key, &number.to_be_bytes());
        let mut transaction = [0; 8];
        transaction.copy_from_slice(&hash.as_bytes()[..8]);
        // The answer to a ping is short.
        let padded = stamp.is_none() && !request.changes() && !matches!(request, Request::Ping);
        let extension: &[u8] = match request {
            _ if !padded => &[],
            Request::FindSuccessor(_) | Request::Walk => &PADDING[..PADDING_LOOKUP],
            _ => &PADDING,
        };
        let message = Message::Request(request);
        let frame = Frame { transaction, from: self.me.incarnation, to: to.incarnation, stamp, message, extension };
        let mut datagram = self.requests.buffer();
        let mut buffer = [0; FRAME_MAX];
        let Some(length) = self.key.encode(&frame, &mut buffer) else {
            debug_assert!(false, "limits::* keep every request within a frame");
            return false;
        };
        datagram.extend_from_slice(&buffer[..length]);
        self.transmit(to.addr(), &buffer[..length]);
        let (shortest, longest) = (self.config.timeout_min, self.config.timeout_max);
        let timeout = manner.timeout.unwrap_or_else(|| self.peers.timeout(to.addr(), shortest, longest));
        let transaction = u64::from_be_bytes(transaction);
        self.timers.set(super::Timer::Request(transaction), self.now.at + timeout);
        let (started, tries) = (self.now.at, manner.tries);
        let pending =
            Pending { to, purpose, started, sent: 1, copies: 1, tries, timeout, proven_again: false, datagram };
        self.requests.insert(transaction, pending);
        true
    }

    /// Whoever lives at an address of which nothing else is known.
    pub(super) fn stranger(&self, addr: SocketAddr) -> Peer {
        Peer { place: Place { addr, id: self.me.id() }, incarnation: Incarnation::UNKNOWN }
    }

    /// Sends a request there.
    pub(super) fn ask_stranger(&mut self, addr: SocketAddr, request: Request<'_>, purpose: Purpose) -> bool {
        let manner = self.patient();
        self.ask(self.stranger(addr), request, purpose, manner)
    }

    /// Answers a request. An answer that is too long for an unproven address is withheld, and the stamp sent that is
    /// wanted.
    pub(super) fn answer(&mut self, asked: &Asked, answer: Answer<'_>) {
        let refusal = if let Answer::Refused(refusal) = &answer { Some(*refusal) } else { None };
        let stamp = Some(self.stamper.make(self.now.at, asked.source));
        let frame = Frame {
            transaction: asked.transaction,
            from: self.me.incarnation,
            to: asked.incarnation,
            stamp,
            message: Message::Answer(answer),
            extension: &[],
        };
        let mut buffer = [0; FRAME_MAX];
        match self.key.encode(&frame, &mut buffer) {
            Some(length) if asked.proven.is_none() && length > asked.length * AMPLIFICATION => {
                self.refuse(asked, Refusal::Unproven);
            }
            Some(length) => {
                match refusal {
                    Some(refusal) => self.counters.count_refusal(refusal),
                    None => self.counters.answered += 1,
                }
                self.transmit(asked.source, &buffer[..length]);
            }
            None => debug_assert!(false, "limits::* keep every answer within a frame"),
        }
    }

    /// Answers a request with a refusal.
    pub(super) fn refuse(&mut self, asked: &Asked, refusal: Refusal) {
        self.answer(asked, Answer::Refused(refusal));
    }

    fn transmit(&mut self, to: SocketAddr, datagram: &[u8]) {
        self.counters.overflowed += u64::from(!self.outbox.push(to, datagram));
    }

    /// A frame arrived whole.
    pub(super) fn take_frame(&mut self, source: SocketAddr, length: usize, frame: Frame<'_>) {
        let (transaction, incarnation) = (frame.transaction, frame.from);
        match frame.message {
            Message::Request(request) if self.hears_not(&request) => self.counters.unasked += 1,
            Message::Request(request) => {
                let proven = frame.stamp.and_then(|stamp| self.stamper.read(self.now.at, source, stamp));
                let asked = Asked { source, transaction, incarnation, proven, length };
                if frame.to != Incarnation::UNKNOWN && frame.to != self.me.incarnation {
                    if let Request::Release { side, stamp, .. } = request
                        && proven.is_some()
                    {
                        self.release_former_life(&asked, side, stamp);
                    }
                    self.refuse(&asked, Refusal::NotMember);
                } else if request.changes() && proven.is_none_or(|at| must_be_new(&request) && self.is_old(at)) {
                    self.refuse(&asked, Refusal::Unproven);
                } else {
                    self.serve(&asked, request);
                }
            }
            Message::Answer(answer) => {
                let transaction = u64::from_be_bytes(transaction);
                self.take_answer(source, transaction, incarnation, frame.stamp, answer);
            }
        }
    }

    fn is_old(&self, stamped: Instant) -> bool {
        self.now.at.since(stamped) > NEW
    }

    fn take_answer(
        &mut self,
        source: SocketAddr,
        transaction: u64,
        incarnation: Incarnation,
        stamp: Option<Stamp>,
        answer: Answer<'_>,
    ) {
        let Some(pending) = self.requests.get_mut(transaction, source) else {
            self.counters.unasked += 1;
            return;
        };
        self.counters.heard += 1;
        self.lookups.heard(source);
        let unproven = answer == Answer::Refused(Refusal::Unproven);
        let again = unproven && !pending.proven_again;
        pending.proven_again |= again;
        let round_trip = pending.round_trip(self.now.at);
        if again {
            // Copies without a good stamp are all refused, whenever they arrive; and whoever refuses them is there.
            (pending.copies, pending.sent) = (0, 1);
            self.timers.set(super::Timer::Request(transaction), self.now.at + pending.timeout);
        }
        let expected = pending.to.incarnation;
        self.peers.answered(self.now.at, source, stamp, round_trip);
        if unproven && !again {
            // It answers a copy sent before the one with a stamp, which may well have been applied.
            return;
        }
        if again && (expected == Incarnation::UNKNOWN || expected == incarnation) {
            if !matches!(pending.purpose, Purpose::Stabilise(Said { consents: true, .. })) {
                return self.send_again(transaction, stamp);
            }
            // A consent must not be counted from a newer stamp than our pledge: it is asked for anew.
            self.take_pending(transaction);
            return self.stabilise_soon(Duration::ZERO);
        }
        let Some(mut pending) = self.take_pending(transaction) else { return };
        if matches!(pending.purpose, Purpose::Width) {
            return self.width_found(&pending, true);
        }
        if expected != Incarnation::UNKNOWN && expected != incarnation {
            self.reborn(pending.to);
            return self.unanswered(&pending, Silence::Gone);
        }
        pending.to.incarnation = incarnation;
        if answer != Answer::Refused(Refusal::NotMember) {
            self.heard_answer(&pending.to);
        }
        self.note_heard(&pending, &answer);
        match answer {
            Answer::Refused(refusal) => self.unanswered(&pending, Silence::Refused(refusal)),
            answer => self.answered(&pending, stamp, answer),
        }
    }

    /// Takes out a request that is over; its buffer serves another.
    fn take_pending(&mut self, transaction: u64) -> Option<Pending> {
        let mut pending = self.requests.remove(transaction, &mut self.timers)?;
        let buffer = core::mem::take(&mut pending.datagram);
        self.requests.recycle(buffer);
        Some(pending)
    }

    /// Sends a request once more, with the same content but, if one is given, another stamp.
    fn send_again(&mut self, transaction: u64, stamp: Option<Stamp>) {
        self.requests.count_copy(transaction);
        let Some((to, datagram)) = self.requests.datagram(transaction) else { return };
        let mut buffer = [0; FRAME_MAX];
        let length = match (stamp, self.key.decode(datagram)) {
            (Some(_), Ok(frame)) => self.key.encode(&Frame { stamp, ..frame }, &mut buffer),
            _ => {
                let length = datagram.len().min(FRAME_MAX);
                buffer[..length].copy_from_slice(&datagram[..length]);
                Some(length)
            }
        };
        // With the stamp added the padding may not fit any more, but then there is none: only short requests are
        // padded.
        let Some(length) = length else { return };
        if stamp.is_some()
            && let Some(pending) = self.requests.get_mut(transaction, to)
        {
            pending.datagram.clear();
            pending.datagram.extend_from_slice(&buffer[..length]);
        }
        self.transmit(to, &buffer[..length]);
    }

    /// The deadline of a request came.
    pub(super) fn request_due(&mut self, due: Instant, transaction: u64) {
        let outcome = self.requests.due(self.now.at, due, transaction, &mut self.counters, &mut self.timers);
        match outcome {
            Some(Due::Again { first }) => {
                self.send_again(transaction, None);
                if first {
                    self.first_silence(transaction);
                }
            }
            Some(Due::GiveUp { late }) => {
                let Some(pending) = self.take_pending(transaction) else { return };
                self.unanswered(&pending, Silence::Timeout { late });
            }
            None => {}
        }
    }

    /// No answer came at once. Of a head the next ones are probed meanwhile, so that one drop may skip two dead nodes;
    /// in a lookup the next best is asked.
    fn first_silence(&mut self, transaction: u64) {
        let purpose = self.requests.purpose(transaction);
        match purpose {
            Some(Purpose::Stabilise(_)) => self.probe_next(),
            Some(Purpose::Lookup(lookup)) => {
                if let Some(slow) = self.requests.to(transaction) {
                    self.lookup_slow(lookup, slow);
                }
            }
            _ => {}
        }
    }
}
