//! Clients: each writes, reads and deletes the same few keys through random nodes, names some of its writes, and
//! repeats them at random, also those that were done.

use crate::client::{Answer, Client};
use crate::record::{Act, Condition, Operation, Outcome, Record, Value};
use crate::ring::Ring;
use skynode::rng::Rng;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a write of unknown outcome is sent in all.
const TRIES: usize = 3;
/// How long after it was done a write may come again.
const LATE: Duration = Duration::from_millis(500);
/// How long every key must be readable again after the last fault.
const PATIENCE: Duration = Duration::from_secs(60);

struct Asker<'a> {
    ring: &'a Ring,
    record: &'a Record,
    rng: Rng,
    /// What it saw of each key last: the value, and the name of its version.
    seen: BTreeMap<usize, (Value, String)>,
}

/// How one request ended.
enum Told {
    Answered(Answer),
    /// Nobody listens: nothing was sent.
    NotSent,
    Lost,
}

/// Works until told to stop.
pub fn go_on(ring: &Ring, record: &Record, rng: Rng, stop: &AtomicBool) {
    let mut asker = Asker { ring, record, rng, seen: BTreeMap::new() };
    while !stop.load(Ordering::Relaxed) {
        let keys = record.current();
        let key = keys.start + asker.rng.index(Record::KEYS);
        if asker.rng.chance(0.45) {
            asker.read(key);
        } else {
            asker.write(key);
        }
        std::thread::sleep(asker.rng.between(Duration::from_millis(10), Duration::from_millis(60)));
    }
}

impl Asker<'_> {
    /// Sends a request to a random node.
    fn ask(&mut self, method: &str, key: usize, fields: &str, body: Option<&[u8]>) -> Told {
        let addr = self.ring.any(&mut self.rng);
        match Client::new(addr).try_ask(method, &format!("/storage/key{key}"), fields, body) {
            Ok(answer) => Told::Answered(answer),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Told::NotSent,
            Err(_) => Told::Lost,
        }
    }

    fn read(&mut self, key: usize) {
        let start = Instant::now();
        if let Told::Answered(answer) = self.ask("GET", key, "", None)
            && let Some(found) = self.found(key, &answer)
        {
            let (outcome, end) = (Outcome::Read(found), Some(Instant::now()));
            self.record.add(key, Operation { act: Act::Get, outcome, start, end });
        }
    }

    /// What a read told.
    fn found(&mut self, key: usize, answer: &Answer) -> Option<Option<Value>> {
        match answer.status {
            200 => {
                let Ok(value) = answer.text().parse() else {
                    self.record.fault(format!("key {key} has a value that nobody wrote: {answer:?}"));
                    return None;
                };
                if let Some(tag) = answer.field("ETag") {
                    self.seen.insert(key, (value, tag.to_owned()));
                }
                Some(Some(value))
            }
            404 => Some(None),
            503 | 504 => None,
            _ => {
                self.record.fault(format!("an odd answer to GET of key {key}: {answer:?}"));
                None
            }
        }
    }

    fn write(&mut self, key: usize) {
        let sets = (!self.rng.chance(0.2)).then(|| self.record.new_value());
        let seen = self.seen.get(&key).cloned();
        let (condition, mut fields) = match (seen, self.rng.index(6)) {
            (Some((value, tag)), 0 | 1) => (Condition::Is(value), format!("If-Match: {tag}\r\n")),
            (_, 2) if sets.is_some() => (Condition::Absent, String::from("If-None-Match: *\r\n")),
            _ => (Condition::None, String::new()),
        };
        let named = self.rng.chance(0.6);
        if named {
            fields += &format!("Sky-Operation: {:016x}{:016x}\r\n", self.rng.next_u64(), self.rng.next_u64());
        }
        let (body, method) = (sets.map(|value| value.to_string()), if sets.is_some() { "PUT" } else { "DELETE" });
        let body = body.as_ref().map(String::as_bytes);
        let act = Act::Write { condition, sets };
        let (start, mut outcome) = (Instant::now(), None);
        for number in 0..TRIES {
            let told = self.ask(method, key, &fields, body);
            let was_sent = !matches!(told, Told::NotSent);
            let now = self.outcome(key, &told, number == 0);
            if number == 0 && (!was_sent || now.is_none()) {
                // It was refused, and nothing was changed.
                return;
            }
            // Of a repetition only that it was done is news: whether it was refused now says nothing of before.
            if outcome.is_none() || matches!(now, Some(Outcome::Done { .. })) {
                outcome = now;
            }
            if outcome != Some(Outcome::Unknown) {
                break;
            }
            if !named {
                match &told {
                    Told::Answered(answer) if answer.field("Sky-Operation").is_some() => {
                        let name = answer.field("Sky-Operation").unwrap_or_default();
                        fields = fields.split("Sky-Operation").next().unwrap_or_default().to_owned();
                        fields += &format!("Sky-Operation: {name}\r\n");
                    }
                    // Without a name it would be another write.
                    _ => break,
                }
            }
        }
        let outcome = outcome.unwrap_or(Outcome::Unknown);
        let end = (outcome != Outcome::Unknown).then(Instant::now);
        self.record.add(key, Operation { act, outcome, start, end });
        // One that is done comes again, late: it must not be done twice.
        if named && matches!(outcome, Outcome::Done { .. }) && self.rng.chance(0.25) {
            std::thread::sleep(self.rng.between(Duration::ZERO, LATE));
            if let Told::Answered(answer) = self.ask(method, key, &fields, body)
                && matches!(answer.status, 400 | 404 | 405 | 411 | 412 | 413 | 422)
            {
                self.record.fault(format!("a write of key {key} that was done was not when repeated: {answer:?}"));
            }
        }
    }

    /// How a write ended. Nothing if it was refused, and so is no part of the history.
    fn outcome(&mut self, key: usize, told: &Told, is_first: bool) -> Option<Outcome> {
        let Told::Answered(answer) = told else { return Some(Outcome::Unknown) };
        match answer.status {
            // Of a repetition it is told when it was done first, and by now another may have written.
            201 => Some(Outcome::Done { existed: is_first.then_some(false) }),
            204 => Some(Outcome::Done { existed: is_first.then_some(true) }),
            404 | 412 => Some(Outcome::Failed).filter(|_| is_first).or(Some(Outcome::Unknown)),
            504 => Some(Outcome::Unknown),
            503 if is_first => None,
            // Too old to be known any more.
            503 | 409 if !is_first => Some(Outcome::Unknown),
            _ => {
                self.record.fault(format!("an odd answer to a write of key {key}: {answer:?}"));
                Some(Outcome::Unknown)
            }
        }
    }
}

/// Reads every key once more.
///
/// # Errors
/// One cannot be read.
pub fn read_all(ring: &Ring, record: &Record) -> Result<(), String> {
    let mut asker = Asker { ring, record, rng: Rng::new(1), seen: BTreeMap::new() };
    let begun = Instant::now();
    for key in record.keys() {
        loop {
            let start = Instant::now();
            let told = asker.ask("GET", key, "", None);
            if let Told::Answered(answer) = &told
                && let Some(found) = asker.found(key, answer)
            {
                let (outcome, end) = (Outcome::Read(found), Some(Instant::now()));
                record.add(key, Operation { act: Act::Get, outcome, start, end });
                break;
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("key {key} is not readable {PATIENCE:?} after the last fault"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}
