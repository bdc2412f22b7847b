//! A node on a ring of two, whose neighbour lies about what it holds: what it lists, which entries it gives for that,
//! and which bytes for their values. All else it does as it should, so that the node joins, settles, repairs, adopts,
//! reads and writes through it; in the end it is gone.
//!
//! Demanded are tables and bytes within their limits, an end to every pull, nothing stored or read but what was told
//! by its hash, an answer to every command, and a node that still speaks.

use crate::giver::{Giver, Manners};
use crate::goods::{self, GOODS};
use skynode::config::Config;
use skynode::id::{Arc, Id};
use skynode::limits::{FRAME_MAX, ITEMS_MAX, PULLS_MAX};
use skynode::node::{Command, Event, Identity, Node, Reply, Ticket};
use skynode::store::Content;
use skynode::time::{Instant, Now};
use skynode::wire::{
    Answer, Body, Condition, Entry, Item, Message, Operation, OperationId, Rank, Request, RingKey, Value,
};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// So many steps at most, and so much simulated time for them.
const STEPS_MAX: usize = 64;
const SCRIPT_MAX: Duration = Duration::from_secs(60);
/// After so many datagrams the giver is gone: some ways to lie have no end of their own.
const HEARD_MAX: u64 = 12_000;
/// It goes on for so long after the last step.
const CALM: Duration = Duration::from_secs(15);
/// When it is gone, nothing that came from it is waited for any more after so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// From one survey on, all pulls ask for what was listed, and begin so often anew with an entry that changed.
const FETCHES_MAX: u64 = (PULLS_MAX * (256 + 6 * ITEMS_MAX)) as u64;
/// Arcs that begin to be pulled in a second.
const PULLS_RATE: u64 = 100;
/// More wake-ups a second than this are a busy loop.
const WAKES_MAX: u64 = 1000;
const ROUND: Duration = Duration::from_millis(650);
const LATENCY: Duration = Duration::from_millis(1);
/// How much later than the deadline a reply may come.
const SLACK: Duration = Duration::from_millis(1500);

/// Runs the input.
pub fn transfers(input: &[u8]) {
    let (manners, script) = Manners::read(input);
    let mut run = Run::new(manners);
    run.go_on(Duration::from_secs(3));
    let mut script = script.iter().copied();
    for _ in 0..STEPS_MAX {
        let Some(step) = script.next() else { break };
        if run.clock > Instant::ZERO + SCRIPT_MAX {
            break;
        }
        let mut next = || script.next().unwrap_or(0);
        run.take(step, next(), next());
    }
    run.finish();
}

fn addr(place: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, place], 4321))
}

fn now(at: Instant) -> Now {
    Now { at, wall_ms: 1_700_000_000_000 + at.as_millis() }
}

struct Run {
    node: Node,
    giver: Giver,
    clock: Instant,
    /// What the node is to hear, in order.
    coming: VecDeque<(Instant, SocketAddr, Vec<u8>)>,
    /// The giver's next round.
    round: Instant,
    /// Commands that wait for their reply: since when, and of which key.
    asked: BTreeMap<Ticket, (Instant, Vec<u8>)>,
    replies: Vec<Reply>,
    wakes: u64,
}

impl Run {
    fn new(manners: Manners) -> Self {
        let config = Config::default();
        let giver = Giver::new(RingKey::new(&config.ring), addr(2), addr(1), manners);
        let identity = Identity { addr: addr(1), id: None };
        let node = Node::new(config, identity, true, [7; 32], now(Instant::ZERO));
        let (coming, asked, replies) = (VecDeque::new(), BTreeMap::new(), Vec::new());
        Self { node, giver, clock: Instant::ZERO, coming, round: Instant::ZERO, asked, replies, wakes: 0 }
    }

    fn take(&mut self, step: u8, how: u8, more: u8) {
        let entry = || goods::entry(goods::item(more), how);
        let request = match step % 8 {
            0 | 1 => return self.go_on(Duration::from_millis(5000 * u64::from(how) * u64::from(how) / (255 * 255))),
            2 => Some(Request::Adopt { place: self.giver.me.place, arc: self.arc(how, more) }),
            3 => entry().map(Request::Offer),
            4 => entry().map(Request::Replicate),
            5 => match entry() {
                Some(Entry { key, value: Some(Value { kind, body, .. }), .. }) => Some(put(key, kind, body, step)),
                _ => None,
            },
            6 => return self.command(step, how, more),
            _ => {
                self.giver.gone = true;
                self.go_on(Duration::from_millis(20 * u64::from(how)));
                self.giver.gone = false;
                None
            }
        };
        if let Some(request) = request {
            let said = self.giver.ask(self.clock, request);
            self.send(self.giver.me.addr(), said);
        }
        self.go_on(Duration::from_millis(u64::from(step)));
    }

    /// Arcs of every shape.
    fn arc(&self, how: u8, more: u8) -> Arc {
        let (me, other) = (Id::of_addr(addr(1)), self.giver.me.id());
        let key = goods::item(more).id;
        let (after, upto) = match how % 7 {
            0 => (other, other),
            1 => (other, me),
            2 => (me, other),
            3 => (key.plus(u128::MAX), key),
            4 => (key, key.plus(u128::MAX)),
            5 => (key.plus(u128::MAX - 70), key.plus(how.into())),
            _ => (key, goods::item(how).id),
        };
        Arc::new(after, upto)
    }

    fn command(&mut self, step: u8, how: u8, more: u8) {
        let key: Box<[u8]> = goods::key(more).into();
        let command = if step & 8 == 0 {
            Command::Get { key: key.clone() }
        } else {
            let content = Content::new(vec![how; 40 * usize::from(how)], b"", 0);
            self.giver.tell(&key, Some(content.whole(0)));
            let (condition, attempt) = (Condition::None, None);
            Command::Put { key: key.clone(), content, ttl_s: 0, condition, min_copies: 0, attempt }
        };
        self.order(command, &key);
    }

    fn order(&mut self, command: Command, key: &[u8]) {
        let ticket = self.node.handle_command(now(self.clock), command);
        self.asked.insert(ticket, (self.clock, key.to_vec()));
        self.look();
    }

    fn send(&mut self, from: SocketAddr, datagram: Option<Vec<u8>>) {
        self.coming.extend(datagram.map(|datagram| (self.clock + LATENCY, from, datagram)));
    }

    /// Lets time go on.
    fn go_on(&mut self, time: Duration) {
        let until = self.clock + time;
        loop {
            let arrives = self.coming.front().map_or(Instant::FAR, |(at, ..)| *at);
            let round = if self.giver.gone { Instant::FAR } else { self.round };
            let next = arrives.min(round).min(self.node.poll_timeout()).max(self.clock);
            if next > until {
                break;
            }
            self.clock = next;
            if arrives <= next {
                let Some((_, from, datagram)) = self.coming.pop_front() else { break };
                self.node.handle_datagram(now(next), from, &datagram);
            } else if round <= next {
                self.round = next + ROUND;
                let said = self.giver.stabilise(next);
                self.send(self.giver.me.addr(), said);
            } else {
                self.wakes += 1;
                self.node.handle_timeout(now(next));
            }
            self.look();
        }
        self.clock = until;
    }

    /// Takes what the node says, and looks at it.
    fn look(&mut self) {
        let mut buffer = [0; FRAME_MAX];
        while let Some(transmit) = self.node.poll_transmit(&mut buffer) {
            let said = self.giver.hear(self.clock, &buffer[..transmit.length]);
            if transmit.to == self.giver.me.addr() {
                self.send(transmit.to, said);
            }
        }
        while let Some(event) = self.node.poll_event() {
            match event {
                Event::SeedsWanted { .. } => {
                    self.node.handle_command(now(self.clock), Command::Seeds(vec![vec![addr(2)]]));
                }
                Event::Reply(ticket, reply) => {
                    let (_, key) = self.asked.remove(&ticket).expect("it was asked once");
                    if let Reply::Value { content, .. } = &reply {
                        self.look_at_value(&key, content.bytes());
                    }
                    self.replies.push(reply);
                }
                Event::Life(_) | Event::Left { .. } => {}
            }
        }
        let seconds = self.clock.as_micros() / 1_000_000 + 1;
        let (tally, latest) = (&self.giver.tally, self.clock - SLACK);
        assert_eq!(self.node.load().overfull(false), None);
        assert!(tally.fetches <= FETCHES_MAX, "a pull without an end: {} fetches", tally.fetches);
        assert!(tally.surveys <= tally.sums + PULLS_RATE * seconds, "{} surveys", tally.surveys);
        assert!(self.wakes <= WAKES_MAX * seconds, "woken {} times in {seconds} s", self.wakes);
        let deadline = Config::default().deadline;
        assert!(self.asked.values().all(|(since, _)| *since + deadline >= latest), "a command is not answered");
        self.giver.gone |= self.giver.tally.heard > HEARD_MAX;
    }

    fn look_at_value(&self, key: &[u8], bytes: &[u8]) {
        let value = (key.to_vec(), bytes.len(), *blake3::hash(bytes).as_bytes());
        assert!(self.giver.told.contains(&value), "{} bytes under {key:?} are nobody's", bytes.len());
    }

    /// The giver is gone for good.
    fn finish(mut self) {
        self.go_on(CALM);
        self.giver.gone = true;
        self.go_on(PATIENCE);
        let full = |table: &str| self.node.load().tables().find(|(name, _)| *name == table).map(|(_, held)| held);
        assert_eq!(full("pulled arcs"), Some(0), "a pull that never ends");
        assert_eq!(full("transfers of values"), Some(0), "a transfer that never ends");
        (0..GOODS).for_each(|number| self.read_back(&goods::key(number)));
        self.replies.clear();
        self.order(Command::Get { key: goods::key(0).into() }, &goods::key(0));
        self.go_on(Config::default().deadline + SLACK);
        assert_eq!(self.replies.len(), 1, "an answer");
    }

    /// Has the node tell what it holds under a key, and all of its value.
    fn read_back(&mut self, key: &[u8]) {
        let id = Id::of_key(key);
        let Some(frame) = self.answer(Request::Fetch(Item { id, rank: Rank::default() })) else { return };
        let ring = RingKey::new(&Config::default().ring);
        let Ok(Message::Answer(Answer::Fetched(entry))) = ring.decode(&frame).map(|frame| frame.message) else {
            return;
        };
        assert_eq!(Id::of_key(entry.key), id);
        let Some(Value { body, .. }) = entry.value else { return };
        let mut bytes = body.first.to_vec();
        while bytes.len() < body.length as usize {
            let part = Request::Part { id, hash: body.hash, offset: bytes.len() as u32 };
            let frame = self.answer(part).expect("a part");
            match ring.decode(&frame).map(|frame| frame.message) {
                Ok(Message::Answer(Answer::Part(part))) if !part.is_empty() => bytes.extend_from_slice(part),
                other => unreachable!("{other:?} is no part"),
            }
        }
        self.look_at_value(entry.key, &bytes);
    }

    /// What the node says to a stranger at once.
    fn answer(&mut self, request: Request<'_>) -> Option<Vec<u8>> {
        self.giver.answer.clear();
        let datagram = self.giver.ask(self.clock, request)?;
        self.node.handle_datagram(now(self.clock), addr(2), &datagram);
        self.look();
        let answer = std::mem::take(&mut self.giver.answer);
        (!answer.is_empty()).then_some(answer)
    }
}

fn put<'a>(key: &'a [u8], kind: &'a [u8], body: Body<'a>, name: u8) -> Request<'a> {
    let operation = Operation { id: OperationId([name; 16]), fresh: Default::default() };
    Request::Put {
        operation,
        named: name % 2 == 1,
        key,
        condition: Condition::None,
        min_copies: 0,
        ttl_s: 0,
        kind,
        body,
    }
}
