//! Clients: they write, read and delete a few keys through random nodes, repeat what had no clear outcome, and write
//! down what they were told.

use crate::client::{Answer, Client};
use crate::ledger::Ledger;
use crate::node::Node;
use crate::stage::Stage;
use skynode::rng::Rng;
use skynode::sim::history::{Needs, Operation, State, Value};
use skynode::time::Instant;
use skynode::wire::{Condition, Version};
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant as Moment};

/// How often a write of unknown outcome is sent in all, before its outcome stays open.
const TRIES_MAX: u32 = 3;
/// How many clients wait for one node at the most, so that a silent one does not hold them all.
const WAITING_MAX: usize = 2;
/// What takes longer is told if the scene fails.
const SLOW: Duration = Duration::from_secs(2);
/// A connection not used for so long is made anew: the node may be about to close it.
const KEPT: Duration = Duration::from_secs(20);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Get,
    Put(Value, Condition),
    /// Creates, by `POST`.
    Post(Value),
    Delete(Condition),
}

impl Act {
    const fn value(self) -> Option<Value> {
        match self {
            Self::Put(value, _) | Self::Post(value) => Some(value),
            Self::Get | Self::Delete(_) => None,
        }
    }

    const fn condition(self) -> Condition {
        match self {
            Self::Get => Condition::None,
            Self::Post(_) => Condition::Absent,
            Self::Put(_, condition) | Self::Delete(condition) => condition,
        }
    }

    /// What it leaves behind when done.
    const fn sets(self) -> Option<State> {
        match self {
            Self::Get => None,
            Self::Put(value, _) | Self::Post(value) => Some(Some(value)),
            Self::Delete(_) => Some(None),
        }
    }
}

/// How one request ended.
pub enum Outcome {
    Answered(Answer),
    /// Nobody listens: nothing was sent.
    NotSent,
    /// The connection died on the way.
    Lost,
}

/// One client and its connections.
pub struct Asker<'a> {
    stage: &'a Stage,
    name: String,
    rng: Rng,
    /// The one node that it asks, if it does not choose.
    only: Option<usize>,
    /// For each node: of which of its processes, last used when.
    kept: Vec<Option<(u32, Moment, Client)>>,
}

impl<'a> Asker<'a> {
    pub fn new(stage: &'a Stage, name: &str, rng: Rng) -> Self {
        let kept = stage.ring.nodes.iter().map(|_| None).collect();
        Self { stage, name: name.to_owned(), rng, only: None, kept }
    }

    /// The same client, asking this node only.
    pub fn only(self, at: usize) -> Self {
        Self { only: Some(at), ..self }
    }

    /// Any node that clients may choose and that not too many wait for.
    fn choose(&mut self) -> Option<usize> {
        let fit = |node: &Node| node.is_open() && node.waiting.load(Ordering::Relaxed) < WAITING_MAX;
        if self.only.is_some() {
            return self.only;
        }
        let nodes = &self.stage.ring.nodes;
        let fit: Vec<usize> = (0..nodes.len()).filter(|&at| fit(&nodes[at])).collect();
        fit.get(self.rng.index(fit.len())).copied()
    }

    /// Works until told to stop.
    pub fn go_on(&mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let keys = self.stage.ledger.current();
            if !keys.is_empty() {
                let key = keys.start + self.rng.index(keys.len());
                let act = self.invent(key);
                self.perform(key, act, stop);
            }
            // People do not ask without a pause either; the machine has other work.
            thread::sleep(self.rng.between(Duration::from_millis(5), Duration::from_millis(20)));
        }
    }

    fn invent(&mut self, key: usize) -> Act {
        let ledger = &self.stage.ledger;
        let seen = ledger.seen(key);
        let as_seen = seen.map_or(Condition::None, Condition::Match);
        let list = seen.map(|seen| [Version::NONE, seen, Version::NONE, Version::NONE]);
        let one_of = list.map_or(Condition::None, Condition::OneOf);
        let none_of = list.map_or(Condition::None, |versions| Condition::NoneOf { versions, absent: true });
        let puts_only = self.stage.puts_only.load(Ordering::Relaxed);
        match self.rng.below(if puts_only { 16 } else { 20 }) {
            0..=7 => Act::Get,
            8..=11 => Act::Put(ledger.new_value(key), Condition::None),
            12 => Act::Put(ledger.new_value(key), none_of),
            13 => Act::Put(ledger.new_value(key), as_seen),
            14 => Act::Put(ledger.new_value(key), one_of),
            15 => Act::Put(ledger.new_value(key), Condition::Present),
            16 => Act::Put(ledger.new_value(key), Condition::Absent),
            17 => Act::Post(ledger.new_value(key)),
            18 => Act::Delete(as_seen),
            _ => Act::Delete(Condition::None),
        }
    }

    /// One operation, with all its repetitions.
    fn perform(&mut self, key: usize, act: Act, stop: &AtomicBool) {
        let start = self.stage.ledger.now();
        let (mut unsure, mut again) = (false, None);
        for number in 1..=TRIES_MAX {
            let Some(at) = self.choose() else { break };
            let outcome = self.ask(at, key, act, again.as_deref());
            self.stage.tally.count(act, &outcome, unsure);
            match outcome {
                Outcome::Answered(answer) if matches!(answer.status, 503 | 504) => {
                    if answer.status == 503 && !unsure {
                        self.refused(key, act);
                        return;
                    }
                    if let Some(name) = answer.field("Sky-Operation") {
                        let seen = self.stage.ledger.seen(key).map_or_else(String::new, |seen| seen.to_string());
                        let what = format!("{}: try {number} of {act:?} for key {key}", self.name);
                        self.stage.note(format!("{what}: {} {name}; the key was seen as {seen}", answer.status));
                    }
                    // A refusal of a later try says nothing about an earlier one.
                    unsure = true;
                    again = answer.field("Sky-Operation").map(str::to_owned).or(again);
                    if act == Act::Get || again.is_none() || stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
                Outcome::Answered(answer) => {
                    if self.told(key, at, act, start, &answer, unsure) {
                        return;
                    }
                }
                Outcome::NotSent if !unsure => return,
                Outcome::NotSent => {}
                Outcome::Lost => {
                    unsure = true;
                    if again.is_none() {
                        break;
                    }
                }
            }
        }
        if act != Act::Get && unsure {
            let operation = Operation { start, end: Instant::FAR, needs: self.needs(key, act), sets: act.sets() };
            self.stage.ledger.record(key, operation, None, format!("{} {act:?}", self.name));
        }
    }

    fn refused(&self, key: usize, act: Act) {
        if let Some(value) = act.value() {
            self.stage.ledger.nothing_changed(key, value);
        }
    }

    /// What a write that was done must have met.
    fn needs(&self, key: usize, act: Act) -> Needs {
        match act.condition() {
            Condition::None if matches!(act, Act::Delete(_)) => Needs::Present,
            Condition::None => Needs::Any,
            Condition::Absent => Needs::Exactly(None),
            Condition::Present => Needs::Present,
            Condition::Match(version) | Condition::OneOf([_, version, ..]) => {
                self.stage.ledger.state_at(key, version).map_or(Needs::Present, Needs::Exactly)
            }
            Condition::NoneOf { versions: [_, version, ..], .. } => {
                self.stage.ledger.state_at(key, version).flatten().map_or(Needs::Any, Needs::Other)
            }
        }
    }

    /// Writes down a clear answer. → false if it says nothing about the operation.
    fn told(&self, key: usize, at: usize, act: Act, start: Instant, answer: &Answer, unsure: bool) -> bool {
        let ledger = &self.stage.ledger;
        let node = self.stage.ring.nodes[at].addr.ip();
        let what = format!("{} at {node} {act:?} {}", self.name, answer.status);
        let odd = |why: &str| self.stage.fault(format!("{what} for key {key}: {why}: {answer:?}"));
        let tag = answer.field("ETag").and_then(|tag| tag.trim_matches('"').parse::<Version>().ok());
        let record = |needs, sets, named| {
            let end = ledger.now();
            ledger.record(key, Operation { start, end, needs, sets }, named, what.clone());
        };
        match (act, answer.status) {
            (Act::Get, 200) => {
                let found = ledger.number_of(&answer.body, key);
                match (found, tag) {
                    (Some(_), Some(version)) => ledger.learn(key, version, found).unwrap_or_else(|why| odd(&why)),
                    _ => odd("a value that was never written, or without a version"),
                }
                record(Needs::Exactly(found), None, None);
            }
            (Act::Get, 404) => record(Needs::Exactly(None), None, None),
            (Act::Put(..), 201 | 204) | (Act::Post(_), 201) => {
                match tag {
                    Some(version) => {
                        ledger.learn(key, version, act.value()).unwrap_or_else(|why| odd(&why));
                        ledger.acknowledge(key, version);
                    }
                    None => odd("no version"),
                }
                record(self.needs(key, act), act.sets(), None);
            }
            (Act::Delete(_), 204) => record(self.needs(key, act), act.sets(), None),
            // What a first try of unknown outcome did may be forgotten by the ring that is asked again.
            (_, 409) if unsure && answer.text().contains("operation-forgotten") => return false,
            // The conditions of a repetition may fail for what its first try did.
            (Act::Put(..) | Act::Delete(_), 412) | (Act::Post(_), 409) | (Act::Delete(_), 404) if unsure => {
                return false;
            }
            (Act::Delete(_), 404) => record(Needs::Exactly(None), None, None),
            (Act::Put(..) | Act::Delete(_), 412) | (Act::Post(_), 409) => {
                if act.condition() == Condition::None || act.condition().holds(tag) {
                    odd("the condition holds");
                }
                self.refused(key, act);
                let expected = match act.condition() {
                    Condition::Match(version) | Condition::OneOf([_, version, ..]) => {
                        ledger.state_at(key, version).flatten()
                    }
                    _ => None,
                };
                let some = expected.map_or(Needs::Present, Needs::Other);
                record(if tag.is_some() { some } else { Needs::Exactly(None) }, None, tag);
            }
            _ => odd("an answer that makes no sense"),
        }
        true
    }

    /// Reads a key through one node. → whether it was told what the key holds.
    pub fn read(&mut self, at: usize, key: usize) -> bool {
        let start = self.stage.ledger.now();
        match self.ask(at, key, Act::Get, None) {
            Outcome::Answered(answer) if matches!(answer.status, 503 | 504) => false,
            Outcome::Answered(answer) => self.told(key, at, Act::Get, start, &answer, false),
            Outcome::NotSent | Outcome::Lost => false,
        }
    }

    /// One request, and what it is answered.
    pub fn ask(&mut self, at: usize, key: usize, act: Act, again: Option<&str>) -> Outcome {
        let mut fields = again.map_or_else(String::new, |name| format!("Sky-Operation: {name}\r\n"));
        if !matches!(act, Act::Post(_)) {
            match act.condition() {
                Condition::None => {}
                Condition::Absent => fields.push_str("If-None-Match: *\r\n"),
                Condition::Present => fields.push_str("If-Match: *\r\n"),
                Condition::Match(version) => fields.push_str(&format!("If-Match: \"{version}\"\r\n")),
                Condition::OneOf([_, version, ..]) => {
                    fields.push_str(&format!("If-Match: \"other\"\r\nIf-Match: \"{version}\"\r\n"));
                }
                Condition::NoneOf { versions: [_, version, ..], .. } => {
                    fields.push_str(&format!("If-None-Match: \"other\", W/\"{version}\"\r\n"));
                }
            }
        }
        let name = Ledger::name(key);
        let path = format!("/storage/{name}");
        let text = act.value().map(|value| Ledger::text_of(value, key));
        match act {
            Act::Get => self.request(at, "GET", &path, &fields, None),
            Act::Put(..) => self.request(at, "PUT", &path, &fields, text),
            Act::Delete(_) => self.request(at, "DELETE", &path, &fields, None),
            Act::Post(_) => {
                let body = serde_json::json!({ "key": name, "value": text }).to_string();
                self.request(at, "POST", "/storage", &fields, Some(body))
            }
        }
    }

    fn request(&mut self, at: usize, method: &str, path: &str, fields: &str, body: Option<String>) -> Outcome {
        let node = &self.stage.ring.nodes[at];
        let (process, asked) = (node.starts.load(Ordering::Relaxed), Moment::now());
        let kept = self.kept[at].take().filter(|(of, used, _)| *of == process && used.elapsed() < KEPT);
        let mut client = kept.map_or_else(|| Client::new(node.addr), |(_, _, client)| client);
        node.waiting.fetch_add(1, Ordering::Relaxed);
        let result = client.try_ask(method, path, fields, body.as_deref().map(str::as_bytes));
        node.waiting.fetch_sub(1, Ordering::Relaxed);
        if asked.elapsed() > SLOW {
            self.stage.note(format!("{}: {method} {path} at {} took {:?}", self.name, node.addr, asked.elapsed()));
        }
        let answer = match result {
            Ok(answer) => answer,
            // Only making a connection fails like this.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Outcome::NotSent,
            Err(error) => {
                let after = asked.elapsed();
                self.stage.note(format!("{}: {method} {path} at {} after {after:?}: {error}", self.name, node.addr));
                return Outcome::Lost;
            }
        };
        self.kept[at] = Some((process, Moment::now(), client));
        if node.is_mute_for(asked) {
            let refused = answer.status == 503 || answer.status == 504 && method != "GET";
            if refused {
                self.stage.tally.count_mute(answer.status);
            } else {
                let after = asked.elapsed();
                self.stage
                    .fault(format!("{}, cut off, answers {method} {path} after {after:?}: {answer:?}", node.addr));
            }
        }
        Outcome::Answered(answer)
    }
}
