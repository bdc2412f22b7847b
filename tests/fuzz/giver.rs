//! A neighbour that is honest about its place on the ring, and about what it holds as the input says: see [`goods`].

use crate::goods::{self, goods};
use skynode::id::{Arc, Id};
use skynode::limits::FRAME_MAX;
use skynode::time::Instant;
use skynode::wire::{
    Alternatives, Answer, Body, Entry, Footing, Frame, Freshness, Hash, Holding, Incarnation, Item, Listed, Message,
    Named, Neighbours, Peer, Place, Rank, Refusal, Request, RingKey, Stabilise, Stamp, Stamper, Step, Surveyed, Value,
    Version,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// The bytes of the input that say how it answers, each in its turn and then from the first on again.
#[derive(Default)]
pub struct Manners([Vec<u8>; 3], [usize; 3]);

/// To what it answers so.
#[derive(Clone, Copy)]
enum To {
    Survey,
    Fetch,
    Part,
}

impl Manners {
    const LENGTHS: [usize; 3] = [4, 4, 8];

    /// The manners, and what is left of the input.
    pub fn read(mut input: &[u8]) -> (Self, &[u8]) {
        let mut manners = Self::default();
        for (to, length) in manners.0.iter_mut().zip(Self::LENGTHS) {
            let (here, rest) = input.split_at(length.min(input.len()));
            (*to, input) = (here.to_vec(), rest);
        }
        (manners, input)
    }

    fn next(&mut self, to: To) -> u8 {
        let (of, at) = (&self.0[to as usize], &mut self.1[to as usize]);
        *at += 1;
        of.get((*at - 1) % of.len().max(1)).copied().unwrap_or(0)
    }
}

/// What was asked and told, in numbers.
#[derive(Default)]
pub struct Tally {
    /// Datagrams from the node.
    pub heard: u64,
    pub surveys: u64,
    pub sums: u64,
    /// Entries asked for since something was surveyed.
    pub fetches: u64,
}

pub struct Giver {
    ring: RingKey,
    stamper: Stamper,
    pub me: Peer,
    node: Peer,
    /// The node has a place beside it.
    joined: bool,
    /// The newest stamp from it.
    stamp: Option<Stamp>,
    manners: Manners,
    said: u64,
    seen: BTreeSet<[u8; 8]>,
    pub tally: Tally,
    /// It says nothing any more.
    pub gone: bool,
    /// Which values were told of each key, by length and hash.
    pub told: BTreeSet<(Vec<u8>, usize, Hash)>,
    lengths: BTreeMap<Hash, usize>,
    /// The last answer to it.
    pub answer: Vec<u8>,
    logs: bool,
}

fn peer(addr: SocketAddr, incarnation: Incarnation) -> Peer {
    Peer { place: Place { addr, id: Id::of_addr(addr) }, incarnation }
}

impl Giver {
    pub fn new(ring: RingKey, me: SocketAddr, node: SocketAddr, manners: Manners) -> Self {
        Self {
            ring,
            stamper: Stamper::new([3; 32]),
            me: peer(me, Incarnation::new(9)),
            node: peer(node, Incarnation::UNKNOWN),
            joined: false,
            stamp: None,
            manners,
            said: 0,
            seen: BTreeSet::new(),
            tally: Tally::default(),
            gone: false,
            told: BTreeSet::new(),
            lengths: BTreeMap::new(),
            answer: Vec::new(),
            // Only now and then a failure is to be looked at closely.
            logs: std::env::var_os("SKY_LOG").is_some(),
        }
    }

    /// A datagram came from the node. → what it says to that.
    pub fn hear(&mut self, now: Instant, datagram: &[u8]) -> Option<Vec<u8>> {
        let frame = self.ring.decode(datagram).expect("a node says what can be understood");
        self.log(now, "node", &frame.message);
        self.tally.heard += 1;
        self.node.incarnation = frame.from;
        match frame.message {
            Message::Request(request) => {
                if self.seen.insert(frame.transaction) {
                    self.count(&request);
                }
                let answer = self.answer_to(&request).filter(|_| !self.gone)?;
                self.note(&answer);
                self.frame(now, frame.transaction, Message::Answer(answer))
            }
            Message::Answer(_) => {
                self.stamp = frame.stamp.or(self.stamp);
                self.answer = datagram.to_vec();
                None
            }
        }
    }

    /// A datagram with a request of its own.
    pub fn ask(&mut self, now: Instant, request: Request<'_>) -> Option<Vec<u8>> {
        self.said += 1;
        if let Request::Offer(entry) | Request::Replicate(entry) = &request {
            self.tell(entry.key, entry.value);
        }
        if let Request::Put { key, body, .. } = request {
            self.tell(key, Some(Value { body, ..Value::plain(&[]) }));
        }
        self.frame(now, self.said.to_be_bytes(), Message::Request(request))
    }

    /// What it says to its successor in every round.
    pub fn stabilise(&mut self, now: Instant) -> Option<Vec<u8>> {
        let request = Request::Stabilise(Stabilise {
            place: self.me.place,
            consents: true,
            stamp: self.stamper.make(now, self.node.addr()),
            after: self.node.id(),
            stood_before: None,
            digest: goods().sums(Arc::new(self.node.id(), self.node.id())).total(),
            list: 0,
            dropped: Default::default(),
            awaits: Default::default(),
            keeping: Default::default(),
        });
        self.ask(now, request)
    }

    /// Somebody may keep this from now on.
    pub fn tell(&mut self, key: &[u8], value: Option<Value<'_>>) {
        let Some(Body { length, hash, first }) = value.map(|value| value.body) else { return };
        let length = length as usize;
        let hash = if first.len() == length { *blake3::hash(first).as_bytes() } else { hash };
        self.lengths.insert(hash, length);
        self.told.insert((key.to_vec(), length, hash));
    }

    fn frame(&self, now: Instant, transaction: [u8; 8], message: Message<'_>) -> Option<Vec<u8>> {
        let stamp = match message {
            Message::Request(_) => self.stamp,
            Message::Answer(_) => Some(self.stamper.make(now, self.node.addr())),
        };
        self.log(now, "giver", &message);
        let (from, to) = (self.me.incarnation, self.node.incarnation);
        let mut buffer = [0; FRAME_MAX];
        let frame = Frame { transaction, from, to, stamp, message, extension: &[] };
        self.ring.encode(&frame, &mut buffer).map(|length| buffer[..length].to_vec())
    }

    fn log(&self, now: Instant, who: &str, message: &Message<'_>) {
        if self.logs {
            println!("{now} {who}: {:.300}", format!("{message:?}"));
        }
    }

    fn count(&mut self, request: &Request<'_>) {
        match request {
            Request::Survey { .. } => (self.tally.surveys, self.tally.fetches) = (self.tally.surveys + 1, 0),
            Request::Fetch(_) => self.tally.fetches += 1,
            _ => {}
        }
    }

    fn note(&mut self, answer: &Answer<'_>) {
        match answer {
            Answer::Fetched(Entry { key, value, .. }) => self.tell(key, *value),
            Answer::Surveyed(Surveyed { holding: Holding::Parts(sums), .. }) => self.tally.sums += sums.len() as u64,
            _ => {}
        }
    }

    fn refuse(manner: u8) -> Option<Answer<'static>> {
        goods::refusal(manner).map(Answer::Refused)
    }

    fn answer_to(&mut self, request: &Request<'_>) -> Option<Answer<'static>> {
        let (me, node) = (self.me, self.node);
        self.joined |= matches!(request, Request::Stabilise(_));
        let beside = Some(node).filter(|_| self.joined);
        let successors: Alternatives = beside.into_iter().collect();
        let version = Version { term: 1, time_ms: 9000, writer: 7 };
        Some(match *request {
            Request::Ping | Request::PingFor(_) => {
                Answer::Pong { place: me.place, member: true, founder: false, recalls: false, knows_ring: true }
            }
            Request::Names { .. } => Answer::Refused(Refusal::NotFound),
            Request::FindSuccessor(id) => {
                let of_node = self.joined && Arc::new(me.id(), node.id()).contains(id);
                let before = beside.unwrap_or(me);
                let (predecessor, owner) = if of_node { (me, node) } else { (before, me) };
                Answer::Found { predecessor, owner, successors, fresh: Freshness::default() }
            }
            Request::Stabilise(_) => Answer::Neighbours(Neighbours {
                predecessor: Named::You,
                successors: Some(Box::new(core::iter::once(node).collect())),
                consents: true,
                wait_ms: 0,
                dropped: Default::default(),
                matched: false,
                awaits: Default::default(),
                keeping: Default::default(),
            }),
            Request::Survey { arc, digest } => {
                let manner = self.manners.next(To::Survey);
                let Some(holding) = goods::holding(arc, digest, manner) else { return Self::refuse(manner) };
                let term = if manner > 250 { u64::MAX } else { 1 };
                let (predecessor, silent, awaiting) = (beside, manner == 249, manner == 248);
                let upto = if manner.is_multiple_of(2) { arc.upto } else { arc.after.plus(arc.span() / 2) };
                let known = Version { term: 1, time_ms: 1000 + u64::from(manner), writer: 0 };
                let footing = (manner % 5 == 4).then_some(Footing { upto, firm: known, known });
                let consented = true;
                Answer::Surveyed(Surveyed {
                    predecessor,
                    successors,
                    consented,
                    silent,
                    awaiting,
                    term,
                    footing,
                    holding,
                })
            }
            Request::Fetch(item) => {
                let manner = self.manners.next(To::Fetch);
                let Some(entry) = goods::entry(item, manner) else { return Self::refuse(manner) };
                Answer::Fetched(entry)
            }
            Request::Get { key } => {
                let manner = self.manners.next(To::Fetch);
                let item = Item { id: Id::of_key(key), rank: Rank::default() };
                let entry = goods::entry(item, manner);
                let Some(Entry { rank, value: Some(value), .. }) = entry else { return Self::refuse(manner) };
                self.tell(key, Some(value));
                Answer::Value { version: rank.version, copies: 2, value }
            }
            Request::Part { id, hash, offset } => {
                let manner = self.manners.next(To::Part);
                let length = self.lengths.get(&hash).copied().unwrap_or(0);
                let Some(part) = goods::part(id, &hash, offset as usize, length, manner) else {
                    return Self::refuse(manner);
                };
                Answer::Part(part)
            }
            Request::Put { .. } | Request::Delete { .. } => Answer::Stored { version, copies: 2, created: true },
            Request::Offer(_) => Answer::Offered { confirmed: true },
            Request::List(_) => {
                Answer::Listed(Box::new(Listed { upto: Id::new(u128::MAX), items: Default::default() }))
            }
            Request::Walk => Answer::Step(Step {
                place: me.place,
                predecessor: beside,
                successors,
                settled: true,
                established: true,
                entries: goods::GOODS.into(),
            }),
            Request::Fingers => Answer::Fingers(Default::default()),
            Request::Mirror => Answer::Mirrored(node.addr()),
            Request::Adopt { .. } => Answer::Refused(Refusal::Busy),
            Request::Release { .. }
            | Request::Hint
            | Request::Settle { .. }
            | Request::Floor { .. }
            | Request::Replicate(_)
            | Request::Leave { .. } => Answer::Done,
        })
    }
}
