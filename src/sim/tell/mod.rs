//! The story of a run in words: what each datagram said, what it moved, and what was done to the ring.
//!
//! A [`Teller`] listens to a run of a small ring; [`Teller::story`] is what it heard, in order, and what repeats itself
//! in a line.

mod deeds;
mod fold;
mod words;

use super::names::Names;
use super::network::Fate;
use super::playground::{Cue, Playground, Start};
use super::world::{Happening, World};
use crate::id::Id;
use crate::node::{Life, Node, Reply};
use crate::time::Instant;
use crate::wire::{Answer, Message, Refusal, Request};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// Rings of more nodes say more than anybody reads.
pub const TOLD_MAX: usize = 32;

/// A line of the story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When, from where the story begins.
    pub at: Duration,
    /// What.
    pub text: String,
}

/// Something heard.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    at: Instant,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// Something is done to the ring.
    Done(String),
    /// Something happens to a node.
    Lived(String),
    /// A node asks, or tells, others the same; or it asks around, one after the other.
    Asked { from: Id, verb: &'static str, to: Vec<Id>, text: String, around: bool },
    /// Nodes answer one with the same; what it asked stands at this place in the story.
    Answered { from: Vec<Id>, to: Id, text: String, asked: usize },
    /// The first one does again with the second what was told before.
    Again(Repeated, Id, Id),
    /// Not worth telling.
    Nothing,
}

/// What is done over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Repeated {
    /// A node and its successor confirm each other.
    Confirm,
    /// A node asks another for the owner of an id, and has the answer that it had before.
    Find,
    /// A node says something to one that cannot hear it.
    Vain,
}

/// A question under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Question {
    kind: words::Kind,
    /// It was said once, and nothing befell it.
    idle: bool,
    /// Where it stands in the story.
    entry: usize,
}

/// Listens to a run.
#[derive(Debug)]
pub struct Teller {
    names: Names,
    cues: BTreeMap<u64, Cue>,
    /// Where the story begins.
    begun: Option<Instant>,
    /// The last alarm: what is done to the ring is done then.
    alarm: Instant,
    seen: Vec<deeds::Seen>,
    start: Start,
    /// The measurement has just begun.
    bends: bool,
    /// What a process said in this turn; what it did is told first.
    said: Vec<Sent>,
    lived: Vec<(usize, Life)>,
    questions: BTreeMap<(usize, [u8; 8]), Question>,
    lookups: Vec<(Option<u128>, Id)>,
    entries: Vec<Entry>,
    /// What each of two nodes told the other last in their exchange as neighbours.
    exchanged: BTreeMap<(Id, Id), String>,
    /// What was told already, and need not be again.
    known: BTreeSet<(Id, Id, String)>,
    confirmed: bool,
    /// The first such exchange has just been told.
    explains: bool,
    /// It was told what stamps are for.
    proven: bool,
}

#[derive(Debug)]
struct Sent {
    from: usize,
    to: usize,
    bytes: Box<[u8]>,
    fates: Vec<Fate>,
}

impl Teller {
    /// Listens to this run from now on. The story begins with the measurement, or with the first node where the nodes
    /// join one after the other.
    ///
    /// # Errors
    /// Why it cannot be told.
    pub fn new(run: &mut Playground) -> Result<Self, String> {
        let nodes = run.plan().nodes;
        if nodes > TOLD_MAX {
            return Err(format!("a ring of {nodes} nodes is too much to tell: at most {TOLD_MAX}"));
        }
        run.overhear();
        Ok(Self {
            names: Names::new(run.plan().bits),
            cues: run.cues(),
            begun: (run.plan().start == Start::Joining).then_some(Instant::ZERO),
            alarm: Instant::ZERO,
            seen: Vec::new(),
            start: run.plan().start,
            bends: false,
            said: Vec::new(),
            lived: Vec::new(),
            questions: BTreeMap::new(),
            lookups: Vec::new(),
            entries: Vec::new(),
            exchanged: BTreeMap::new(),
            known: BTreeSet::new(),
            confirmed: false,
            explains: false,
            proven: false,
        })
    }

    /// Takes in what happens.
    pub fn hear(&mut self, world: &World, happening: &Happening) {
        self.look(world);
        self.bent(world);
        match happening {
            Happening::Sent { from, to, bytes, fates } => {
                let (bytes, fates) = (bytes.clone(), fates.to_vec());
                self.said.push(Sent { from: *from, to: *to, bytes, fates });
            }
            Happening::Life { host, life } => self.lived.push((*host, *life)),
            _ => self.turn(world),
        }
        match happening {
            Happening::Alarm(number) => {
                self.alarm = world.now();
                self.cue(world, *number);
            }
            Happening::Left { host, handed_over, .. } => {
                let held = if *handed_over { "what it held is handed over" } else { "not all it held is handed over" };
                self.done(world.now(), format!("{} has left, and {held}", self.node(world, *host)));
                self.seen[*host].alive = false;
            }
            Happening::Reply { reply, .. } => self.reply(world, reply.as_ref()),
            _ => {}
        }
    }

    /// The story up to now.
    pub fn story(&self, world: &World) -> Vec<Line> {
        let begun = self.begun.unwrap_or(world.now());
        let mut lines = fold::fold(&self.entries, self.names, begun);
        let text = format!("the ring at the end: {}", words::ring(self.names, world));
        lines.push(Line { at: world.now().since(begun), text });
        lines
    }

    fn done(&mut self, at: Instant, text: String) {
        self.push(at, What::Done(text));
    }

    /// Adds to the story, and returns where that stands in it.
    fn push(&mut self, at: Instant, what: What) -> usize {
        if self.begun.is_some() {
            self.entries.push(Entry { at, what });
        }
        self.entries.len().saturating_sub(1)
    }

    fn node(&self, world: &World, host: usize) -> String {
        format!("node {}", self.names.of(world.host(host).id()))
    }

    /// A process has ended its turn.
    fn turn(&mut self, world: &World) {
        let now = world.now();
        for (host, life) in core::mem::take(&mut self.lived) {
            let me = world.host(host).id();
            let text = format!("node {} {}", self.names.of(me), words::life(self.names, &life));
            self.push(now, What::Lived(text));
        }
        for sent in core::mem::take(&mut self.said) {
            self.sent(world, &sent);
        }
    }

    fn sent(&mut self, world: &World, sent: &Sent) {
        let Ok(frame) = world.read(&sent.bytes) else { return };
        let remark = remark(world, sent);
        match frame.message {
            Message::Request(request) => self.asked(world, sent, frame.transaction, &request, remark),
            Message::Answer(answer) => {
                let question = self.questions.remove(&(sent.to, frame.transaction));
                self.answered(world, sent, question, &answer, remark);
            }
        }
    }

    fn asked(&mut self, world: &World, sent: &Sent, number: [u8; 8], request: &Request<'_>, remark: &'static str) {
        let (from, to) = (world.host(sent.from).id(), world.host(sent.to).id());
        let kind = words::kind(world, sent.from, request, self.lookups.is_empty());
        let (verb, mut text) = words::request(self.names, kind, request);
        let again = self.questions.contains_key(&(sent.from, number));
        let vain = !world.host(sent.to).is_running() || is_cut(world, sent);
        // Who is dead is told the same until it is given up, and then from time to time, should it be back.
        let what = if vain && self.begun.is_some() && !self.known.insert((from, to, text.clone())) {
            What::Again(Repeated::Vain, from, to)
        } else {
            if again {
                text += " (again)";
            }
            let around = matches!(request, Request::Survey { .. }) && remark.is_empty();
            What::Asked { from, verb, to: vec![to], text: text + remark, around }
        };
        let entry = self.push(world.now(), what);
        let idle = !again && remark.is_empty();
        self.questions.insert((sent.from, number), Question { kind, idle, entry });
    }

    fn answered(&mut self, world: &World, sent: &Sent, question: Option<Question>, answer: &Answer<'_>, remark: &str) {
        let (from, to) = (world.host(sent.from).id(), world.host(sent.to).id());
        let kind = question.map_or(words::Kind::Other, |question| question.kind);
        let mut text = words::answer(self.names, kind, answer, from, to, world.config().consent) + remark;
        let asked = question.map_or(usize::MAX, |question| question.entry);
        let begun = self.begun.is_some();
        let entry = self.entries.get_mut(asked).filter(|_| begun);
        let said = entry.as_ref().map(|entry| entry.what.clone());
        if let (Some(entry), Some(What::Asked { text: said, .. })) = (entry, said)
            && question.is_some_and(|question| question.idle)
            && remark.is_empty()
        {
            let unproven = matches!(answer, Answer::Refused(Refusal::Unproven));
            let fold = match kind {
                // What was asked is asked again at once.
                words::Kind::Stabilise { .. } if unproven => {
                    core::mem::replace(&mut self.proven, true).then_some(What::Nothing)
                }
                _ if unproven => Some(What::Nothing),
                // Told in full the first time, so that it is known what is meant.
                words::Kind::Stabilise { consents } => {
                    let told = [((to, from), said), ((from, to), text.clone())];
                    let same = told.into_iter().all(|(key, text)| {
                        let before = self.exchanged.insert(key, text.clone());
                        before.as_ref() == Some(&text) || !text.contains(words::DROPPED)
                    });
                    let idle = same && consents && words::is_idle(answer);
                    let known = self.confirmed;
                    self.confirmed |= idle;
                    self.explains = idle && !known;
                    (idle && known).then_some(What::Again(Repeated::Confirm, to, from))
                }
                words::Kind::Find { .. } => (!self.known.insert((to, from, said + &text)) && self.lookups.is_empty())
                    .then_some(What::Again(Repeated::Find, to, from)),
                _ => None,
            };
            if let Some(what) = fold {
                entry.what = what;
                return;
            }
        }
        if !begun || kind == words::Kind::Told && matches!(answer, Answer::Done) && remark.is_empty() {
            return;
        }
        self.push(world.now(), What::Answered { from: vec![from], to, text: core::mem::take(&mut text), asked });
        if core::mem::take(&mut self.explains) {
            let (low, high) = (world.config().stabilise_min, world.config().stabilise_max);
            let every = (low + high).as_secs_f64() / 2.0;
            let text = format!("so every node and its successor go on, every {every:.2} s; told is what differs");
            self.push(world.now(), What::Lived(text));
        }
    }
}

/// What became of a datagram, if it did not simply arrive.
fn remark(world: &World, sent: &Sent) -> &'static str {
    let to = world.host(sent.to);
    match sent.fates.as_slice() {
        _ if to.node().is_none() => " (nobody is there to hear it)",
        [] if is_cut(world, sent) => " (the way is cut)",
        [] => " (lost on the way)",
        fates if fates.iter().any(|fate| fate.flipped.is_some()) => " (damaged on the way)",
        _ if to.is_paused() => " (it is stopped, and does not hear that now)",
        [_, _, ..] => " (arrives twice)",
        _ => "",
    }
}

fn is_cut(world: &World, sent: &Sent) -> bool {
    !world.network.is_open(world.now(), sent.from, sent.to)
}

#[cfg(test)]
mod tests;
