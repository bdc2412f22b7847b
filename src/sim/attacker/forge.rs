//! Forged frames: every kind of message, made of what is near the truth.

mod frames;

use crate::id::{Arc, Id, STRETCHES};
use crate::limits::{
    ALTERNATIVES_MAX, DROPPED_MAX, FIRST_MAX, ITEMS_MAX, KIND_MAX, SUCCESSORS_MAX, TERM_MAX, VALUE_MAX,
};
use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::{
    Alternatives, Answer, Awaits, Body, Condition, Entry, Finger, Footing, Freshness, Holding, Incarnation, Item,
    Keeping, Listed, Listing, Logged, Message, Named, NamesSum, Neighbours, Operation, OperationId, OperationLog, Peer,
    Place, Pledged, Rank, Refusal, Request, Room, Stabilise, Stamp, Stamper, Step, Surveyed, Value, Version,
};
use core::time::Duration;
use std::net::SocketAddr;

/// Of each kind so many pieces are remembered.
const KEPT: usize = 64;
/// Kinds of requests, and of answers, that are drawn; what is asked only for pictures shares the draw of another.
pub(super) const REQUESTS: u64 = 22;
pub(super) const ANSWERS: u64 = 15;

/// What the attacker has heard of.
#[derive(Debug, Default)]
pub(super) struct Material {
    peers: Vec<Peer>,
    keys: Vec<Box<[u8]>>,
    ranks: Vec<Rank>,
    operations: Vec<Operation>,
}

fn keep<T>(rng: &mut Rng, kept: &mut Vec<T>, new: T) {
    if kept.len() < KEPT {
        kept.push(new);
    } else {
        let at = rng.index(KEPT);
        kept[at] = new;
    }
}

fn one_of<T: Clone>(rng: &mut Rng, kept: &[T]) -> Option<T> {
    kept.get(rng.index(kept.len())).cloned()
}

fn id_of(rng: &mut Rng) -> Id {
    Id::new(u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64()))
}

const BYTES: [u8; FIRST_MAX] = [0xEE; FIRST_MAX];
/// Media types: the longest fits beside all else.
const KIND: [u8; KIND_MAX] = [b'k'; KIND_MAX];

impl Material {
    /// These live; those that have died since are remembered for a while.
    pub fn meet(&mut self, rng: &mut Rng, nodes: &[Peer]) {
        let Some(peer) = one_of(rng, nodes) else { return };
        if !self.peers.contains(&peer) {
            keep(rng, &mut self.peers, peer);
        }
    }

    /// Takes keys, ranks and names of writes from a message that passed.
    pub fn learn(&mut self, rng: &mut Rng, message: &Message<'_>) {
        let (key, rank, operation) = match message {
            Message::Request(Request::Get { key }) => (Some(*key), None, None),
            Message::Request(Request::Put { operation, key, .. } | Request::Delete { operation, key, .. }) => {
                (Some(*key), None, Some(*operation))
            }
            Message::Request(Request::Replicate(entry) | Request::Offer(entry))
            | Message::Answer(Answer::Fetched(entry)) => (Some(entry.key), Some(entry.rank), None),
            Message::Request(Request::Fetch(item)) => (None, Some(item.rank), None),
            _ => (None, None, None),
        };
        if let Some(key) = key.filter(|key| !self.keys.iter().any(|known| **known == **key)) {
            keep(rng, &mut self.keys, key.into());
        }
        if let Some(rank) = rank {
            keep(rng, &mut self.ranks, rank);
        }
        if let Some(operation) = operation {
            keep(rng, &mut self.operations, operation);
        }
    }

    /// A node of the ring, or one that was, or something like one.
    pub fn peer(&self, rng: &mut Rng) -> Peer {
        let number = rng.next_u64().to_be_bytes();
        let stranger = SocketAddr::from(([10, number[0], number[1], number[2]], 1 + u16::from(number[3])));
        let incarnation = Incarnation::new(rng.next_u64() as u32);
        let invented = Peer { place: Place { addr: stranger, id: Id::of_addr(stranger) }, incarnation };
        let known = one_of(rng, &self.peers).unwrap_or(invented);
        match rng.below(10) {
            0 => invented,
            1 => Peer { incarnation, ..known },
            2 => {
                Peer { place: Place { id: known.id().plus(u128::from(rng.next_u64()) << 32), ..known.place }, ..known }
            }
            _ => known,
        }
    }

    fn peers<const N: usize>(&self, rng: &mut Rng, most: usize) -> heapless::Vec<Peer, N> {
        (0..rng.index(most.min(N) + 1)).map(|_| self.peer(rng)).collect()
    }

    fn id(&self, rng: &mut Rng) -> Id {
        match rng.below(6) {
            0 => id_of(rng),
            1 => Id::of_key(&self.key(rng)),
            2 => self.peer(rng).id().plus(1),
            3 => self.peer(rng).id().plus(u128::MAX),
            _ => self.peer(rng).id(),
        }
    }

    fn arc(&self, rng: &mut Rng) -> Arc {
        Arc::new(self.id(rng), self.id(rng))
    }

    fn key(&self, rng: &mut Rng) -> Box<[u8]> {
        let invented = rng.next_u64().to_be_bytes();
        let known = if rng.chance(0.8) { one_of(rng, &self.keys) } else { None };
        known.unwrap_or_else(|| invented[..rng.index(9)].into())
    }

    /// Near the highest that was heard of, or far beyond all.
    fn term(&self, rng: &mut Rng) -> u64 {
        let highest = self.ranks.iter().map(|rank| rank.ballot).max().unwrap_or(0);
        match rng.below(5) {
            0 => rng.next_u64(),
            1 => TERM_MAX,
            _ => (highest + 3).saturating_sub(rng.below(6)),
        }
    }

    fn rank(&self, rng: &mut Rng) -> Rank {
        let known = one_of(rng, &self.ranks).unwrap_or_default();
        let term = self.term(rng);
        let version = Version { term: known.version.term.max(term), ..known.version };
        match rng.below(5) {
            0 => Rank { version, ballot: version.term, chosen: rng.chance(0.5) },
            1 => Rank { ballot: term, ..known },
            2 => Rank { version: Version { time_ms: known.version.time_ms + rng.below(9), ..known.version }, ..known },
            3 => Rank { version: Version { time_ms: rng.next_u64(), ..version }, ballot: term, chosen: true },
            _ => known,
        }
    }

    fn operation(&self, rng: &mut Rng) -> Operation {
        let id = OperationId(id_of(rng).get().to_be_bytes());
        let fresh = Freshness { term: self.term(rng), time_ms: self.rank(rng).version.time_ms };
        one_of(rng, &self.operations).filter(|_| rng.chance(0.5)).unwrap_or(Operation { id, fresh })
    }

    fn entry<'a>(&self, rng: &mut Rng, key: &'a [u8]) -> Entry<'a> {
        let (rank, mut log) = (self.rank(rng), OperationLog::default());
        for _ in 0..rng.below(6) {
            let (id, version) = (self.operation(rng).id, self.rank(rng).version);
            log.push(Logged { id, version, mark: rng.next_u64().into() });
        }
        let value = rng.chance(0.7).then(|| Self::value(rng));
        let names = rng.chance(0.1).then(|| NamesSum { count: rng.next_u64() as u16, sum: rng.next_u64() });
        Entry { key, rank, log, names, value, came: &[] }
    }

    /// One that is whole, or lacks a part that nobody has, or says a length that cannot be.
    fn body(rng: &mut Rng) -> Body<'static> {
        let whole = Body::whole(&BYTES[..rng.index(FIRST_MAX + 1)]);
        let length = [whole.length, whole.length + 3000, VALUE_MAX as u32, u32::MAX, 0][rng.index(5)];
        if rng.chance(0.6) { whole } else { Body { length, hash: [rng.next_u64() as u8; 32], ..whole } }
    }

    fn value(rng: &mut Rng) -> Value<'static> {
        let kind = if rng.chance(0.2) { &KIND[..rng.index(KIND_MAX + 1)] } else { &[] };
        let left_ms = if rng.chance(0.2) { rng.next_u64() } else { 0 };
        Value { kind, left_ms, restored: rng.chance(0.2), body: Self::body(rng) }
    }

    fn condition(&self, rng: &mut Rng) -> Condition {
        match rng.below(6) {
            0 => Condition::Absent,
            1 => Condition::Present,
            2 => Condition::Match(self.rank(rng).version),
            3 => Condition::OneOf([self.rank(rng).version; 4]),
            4 => Condition::NoneOf { versions: [self.rank(rng).version; 4], absent: rng.chance(0.5) },
            _ => Condition::None,
        }
    }

    /// One that nobody made.
    fn stamp(&self, rng: &mut Rng, now: Instant, addr: SocketAddr) -> Stamp {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&rng.next_u64().to_be_bytes());
        let age = Duration::from_millis(rng.below(3000));
        Stamper::new(key).make(now + Duration::from_secs(3) - age, addr)
    }

    pub(super) fn request<'a>(&self, rng: &mut Rng, now: Instant, from: Peer, key: &'a [u8]) -> Request<'a> {
        let side = if rng.chance(0.5) { Pledged::Predecessor } else { Pledged::Successor };
        let stamp = self.stamp(rng, now, from.addr());
        match rng.below(REQUESTS) {
            0 => Request::Ping,
            1 => Request::PingFor(self.peer(rng)),
            2 => Request::FindSuccessor(self.id(rng)),
            3 => Request::Stabilise(Stabilise {
                place: if rng.chance(0.8) { from.place } else { self.peer(rng).place },
                consents: rng.chance(0.5),
                stamp,
                after: self.id(rng),
                stood_before: rng.chance(0.5).then(|| self.id(rng)),
                digest: rng.next_u64(),
                list: rng.next_u64() as u32,
                dropped: self.peers(rng, DROPPED_MAX),
                awaits: self.awaits(rng),
                keeping: Self::keeping(rng),
            }),
            4 => Request::Release { side, stamp, closer: rng.chance(0.5).then(|| self.peer(rng)) },
            5 => Request::Hint,
            6 => Request::Survey { arc: self.arc(rng), digest: rng.next_u64() },
            7 => Request::Fetch(Item { id: Id::of_key(key), rank: self.rank(rng) }),
            8 => Request::Settle { arc: self.arc(rng), term: self.term(rng) },
            9 => Request::Replicate(self.entry(rng, key)),
            10 => Request::Offer(self.entry(rng, key)),
            11 => Request::Get { key },
            12 => {
                let (operation, condition, min_copies) = (self.operation(rng), self.condition(rng), rng.below(5) as u8);
                let Value { kind, body, .. } = Self::value(rng);
                let ttl_s = if rng.chance(0.2) { rng.next_u64() as u32 } else { 0 };
                let named = rng.chance(0.5);
                Request::Put { operation, named, key, condition, min_copies, ttl_s, kind, body }
            }
            13 => {
                let (operation, condition, min_copies) = (self.operation(rng), self.condition(rng), rng.below(5) as u8);
                Request::Delete { operation, named: rng.chance(0.5), key, condition, min_copies }
            }
            14 if rng.chance(0.5) => Request::Fingers,
            14 => Request::Walk,
            15 => {
                let place = if rng.chance(0.8) { from.place } else { self.peer(rng).place };
                Request::Adopt { place, arc: self.arc(rng) }
            }
            16 => Request::Mirror,
            18 => Request::List(self.arc(rng)),
            19 => {
                let digest = rng.chance(0.5).then(|| if rng.chance(0.5) { 0 } else { rng.next_u64() });
                Request::Floor { arc: self.arc(rng), floor: self.rank(rng).version, digest }
            }
            20 => {
                let (before_ms, offset) = (rng.next_u64() >> rng.below(64), rng.next_u64() as u32);
                Request::Names { id: Id::of_key(key), before_ms, offset }
            }
            17 => Request::Part { id: Id::of_key(key), hash: [0xEE; 32], offset: rng.next_u64() as u32 },
            _ => {
                let predecessor = rng.chance(0.7).then(|| self.peer(rng));
                Request::Leave { predecessor, successors: self.peers(rng, ALTERNATIVES_MAX) }
            }
        }
    }

    fn holding(&self, rng: &mut Rng) -> Holding {
        match rng.below(3) {
            0 => Holding::Same,
            1 => Holding::parts((0..rng.index(STRETCHES + 1)).map(|_| rng.next_u64().to_be_bytes())),
            _ => Holding::items((0..rng.index(ITEMS_MAX + 1)).map(|_| Item { id: self.id(rng), rank: self.rank(rng) })),
        }
    }

    fn refusal(&self, rng: &mut Rng) -> Refusal {
        match rng.below(8) {
            0 => Refusal::NotMember,
            1 => Refusal::Stale { term: self.term(rng) },
            2 => Refusal::Newer { rank: self.rank(rng) },
            3 => Refusal::Unreachable,
            4 => Refusal::NotOwner,
            5 => Refusal::NotFound,
            6 => Refusal::Conflict { version: Some(self.rank(rng).version) },
            _ => Refusal::Unproven,
        }
    }

    fn awaits(&self, rng: &mut Rng) -> Awaits {
        let unsure = Awaits::Unsure { after: id_of(rng), term: self.term(rng) };
        [Awaits::Nobody, Awaits::NobodyAndNew, Awaits::Others, unsure][rng.index(4)]
    }

    fn keeping(rng: &mut Rng) -> Keeping {
        Keeping { unsaved: rng.chance(0.5), room: Room::NAMES[rng.index(Room::NAMES.len())].0 }
    }

    pub(super) fn answer<'a>(&self, rng: &mut Rng, from: Peer, key: &'a [u8]) -> Answer<'a> {
        let version = self.rank(rng).version;
        let successors: Alternatives = self.peers(rng, ALTERNATIVES_MAX);
        match rng.below(ANSWERS) {
            0 => {
                let (member, founder, recalls) = (rng.chance(0.5), rng.chance(0.5), rng.chance(0.5));
                Answer::Pong { place: from.place, member, founder, recalls, knows_ring: member != founder }
            }
            1 => {
                let fresh = Freshness { term: self.term(rng), time_ms: version.time_ms };
                Answer::Found { predecessor: self.peer(rng), owner: self.peer(rng), successors, fresh }
            }
            2 => Answer::Closer(successors),
            3 => {
                let list = Box::new(self.peers(rng, SUCCESSORS_MAX));
                let named = [Named::Nobody, Named::You, Named::Other(self.peer(rng))];
                Answer::Neighbours(Neighbours {
                    predecessor: named[rng.index(3)],
                    successors: rng.chance(0.5).then_some(list),
                    consents: rng.chance(0.5),
                    wait_ms: rng.next_u64() as u16,
                    dropped: self.peers(rng, DROPPED_MAX),
                    matched: rng.chance(0.5),
                    awaits: self.awaits(rng),
                    keeping: Self::keeping(rng),
                })
            }
            4 => Answer::Surveyed(Surveyed {
                predecessor: rng.chance(0.5).then(|| self.peer(rng)),
                successors,
                consented: rng.chance(0.5),
                silent: rng.chance(0.5),
                awaiting: rng.chance(0.5),
                term: self.term(rng),
                footing: rng.chance(0.5).then(|| Footing {
                    upto: self.id(rng),
                    firm: self.rank(rng).version,
                    known: self.rank(rng).version,
                }),
                holding: self.holding(rng),
            }),
            5 => Answer::Fetched(self.entry(rng, key)),
            6 => Answer::Offered { confirmed: rng.chance(0.5) },
            7 => Answer::Value { version, copies: rng.next_u64() as u8, value: Self::value(rng) },
            8 => Answer::Stored { version, copies: rng.next_u64() as u8, created: rng.chance(0.5) },
            9 => Answer::Step(Step {
                place: from.place,
                predecessor: rng.chance(0.5).then(|| self.peer(rng)),
                successors,
                settled: rng.chance(0.5),
                established: rng.chance(0.5),
                entries: rng.next_u64() as u32,
            }),
            10 if rng.chance(0.5) => {
                let finger = |(exponent, peer)| Finger { exponent, peer };
                Answer::Fingers(Box::new((0..).zip(successors).map(finger).collect()))
            }
            10 => Answer::Done,
            11 => Answer::Mirrored(self.peer(rng).addr()),
            13 => {
                let one =
                    |rng: &mut Rng| Listing { key, version: self.rank(rng).version, length: rng.next_u64() as u32 };
                let (upto, items) = (self.id(rng), (0..rng.index(3)).map(|_| one(rng)).collect());
                Answer::Listed(Box::new(Listed { upto, items }))
            }
            12 => Answer::Part(&BYTES[..rng.index(FIRST_MAX + 1)]),
            _ => Answer::Refused(self.refusal(rng)),
        }
    }
}
