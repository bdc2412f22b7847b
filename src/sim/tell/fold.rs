//! What repeats itself, folded: exchanges that change nothing, and the same said to or by several nodes.

use super::{Entry, Instant, Line, Names, Repeated, What};
use crate::id::Id;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

/// So long nothing but repetition: then that is told in a line.
const QUIET: Duration = Duration::from_secs(2);
/// What is said to or by several within this time is told as one.
const TOGETHER: Duration = Duration::from_millis(100);
/// So far back is looked for it.
const BACK: usize = 32;
/// Pairs of nodes that are named.
const PAIRS_MAX: usize = 8;

/// The lines of a story.
pub fn fold(entries: &[Entry], names: Names, begun: Instant) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut again = Again::default();
    let mut told = begun;
    for entry in merge(entries) {
        let at = entry.at;
        if let What::Again(what, from, to) = entry.what {
            *again.times.entry(what).or_default().entry((from, to)).or_default() += 1;
            again.last = at;
            continue;
        }
        // What is done to the ring ends what was before.
        if at.since(told) >= QUIET || matches!(entry.what, What::Done(_)) {
            lines.extend(again.take(names, begun, told));
        }
        told = told.max(at);
        lines.extend(sentence(names, &entry.what).map(|text| Line { at: at.since(begun), text }));
    }
    lines.extend(again.take(names, begun, told));
    lines
}

/// What was done over and over since it was last told.
#[derive(Default)]
struct Again {
    times: BTreeMap<Repeated, BTreeMap<(Id, Id), u32>>,
    last: Instant,
}

impl Again {
    fn take(&mut self, names: Names, begun: Instant, told: Instant) -> Option<Line> {
        let times = core::mem::take(&mut self.times);
        let parts: Vec<String> = times.iter().map(|(what, pairs)| part(names, *what, pairs)).collect();
        let text = format!("... meanwhile {}", parts.join("; "));
        (!parts.is_empty()).then(|| Line { at: self.last.max(told).since(begun), text })
    }
}

fn part(names: Names, what: Repeated, pairs: &BTreeMap<(Id, Id), u32>) -> String {
    let between = match what {
        Repeated::Confirm => "and",
        Repeated::Find => "asks",
        Repeated::Vain => "to",
    };
    let (count, all) = (pairs.len(), pairs.values().sum::<u32>());
    let each = pairs.iter().map(|((from, to), times)| match times {
        1 => format!("{} {between} {}", names.of(*from), names.of(*to)),
        _ => format!("{} {between} {} (x{times})", names.of(*from), names.of(*to)),
    });
    let who = if count > PAIRS_MAX { format!("{count} pairs (x{all})") } else { each.collect::<Vec<_>>().join(", ") };
    match what {
        Repeated::Confirm => format!("nodes and their successors confirm each other: {who}"),
        Repeated::Find => format!("owners are looked up again, with the same answer: {who}"),
        Repeated::Vain => format!("the same is said again to who does not hear it: {who}"),
    }
}

/// Says once what a node says to several, and what several answer it.
fn merge(entries: &[Entry]) -> Vec<Entry> {
    let mut merged: VecDeque<(usize, Entry)> = VecDeque::new();
    let mut done = Vec::new();
    for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.what != What::Nothing) {
        let earlier = merged.iter().rposition(|(first, other)| same(entries, (*first, other), entry));
        match (earlier.map(|found| &mut merged[found].1.what), &entry.what) {
            (Some(What::Asked { to, .. }), What::Asked { to: more, .. })
            | (Some(What::Answered { from: to, .. }), What::Answered { from: more, .. }) => {
                to.extend(more.iter().filter(|id| !to.contains(id)).copied().collect::<Vec<_>>());
            }
            _ => merged.push_back((at, entry.clone())),
        }
        if merged.len() > BACK {
            done.extend(merged.pop_front().map(|(_, entry)| entry));
        }
    }
    done.extend(merged.into_iter().map(|(_, entry)| entry));
    done
}

/// True if the second is the same as the first, said to or by another node.
fn same(entries: &[Entry], (at, first): (usize, &Entry), second: &Entry) -> bool {
    let soon = second.at.since(first.at) <= TOGETHER;
    match (&first.what, &second.what) {
        (What::Asked { from, text, around, .. }, What::Asked { from: by, text: said, .. }) => {
            from == by && text == said && (first.at == second.at || *around && soon)
        }
        (What::Answered { to, text, asked, .. }, What::Answered { to: whom, text: said, asked: then, .. }) => {
            // Only what was asked before the first answer, or around, was answered with it.
            let question = |asked: &usize| match entries.get(*asked).map(|entry| &entry.what) {
                Some(What::Asked { text, around, .. }) => Some((text, *around)),
                _ => None,
            };
            let (one, other) = (question(asked), question(then));
            let around = other.is_some_and(|(_, around)| around);
            to == whom && text == said && soon && one.is_some() && one == other && (*then < at || around)
        }
        _ => false,
    }
}

fn sentence(names: Names, what: &What) -> Option<String> {
    let nodes = |ids: &[Id]| {
        let word = if ids.len() == 1 { "node" } else { "nodes" };
        format!("{word} {}", names.list(ids.iter().copied()))
    };
    match what {
        What::Done(text) | What::Lived(text) => Some(text.clone()),
        What::Asked { from, verb, to, text, .. } => {
            Some(format!("node {} {verb} {}: {text}", names.of(*from), nodes(to)))
        }
        What::Answered { from, to, text, .. } => {
            let verb = if from.len() == 1 { "answers" } else { "answer" };
            Some(format!("{} {verb} node {}: {text}", nodes(from), names.of(*to)))
        }
        What::Again(..) | What::Nothing => None,
    }
}
