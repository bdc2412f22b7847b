//! Lookups and their judgement.
//!
//! The owner of a key is the first node at or after it among those that live, have a place on the ring and have settled
//! there. A lookup is *right* if its answer was the owner at some moment between question and answer, *failed* if there
//! was no answer within [`ANSWER_MAX`], and else *wrong*.

use crate::id::Id;
use crate::node::{Hop, Reply};
use crate::sim::tally::Times;
use crate::sim::world::World;
use crate::time::Instant;
use crate::wire::{Incarnation, Peer};
use core::time::Duration;
use std::collections::BTreeMap;

/// A lookup that takes longer has failed.
pub const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Wrong answers that are kept to be shown.
const SHOWN_MAX: usize = 5;

#[derive(Debug)]
struct Asked {
    id: Id,
    at: Instant,
    /// All that have owned the id since.
    owners: Vec<Peer>,
}

/// What lookups amounted to.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// Answered with the owner.
    pub right: u64,
    /// Answered with another node.
    pub wrong: u64,
    /// Not answered in time.
    pub failed: u64,
    /// The node that asked died before it had an answer: not counted among the others.
    pub withdrawn: u64,
    /// How many answered lookups went over so many nodes, the owner included: those that led on, each named by the one
    /// before it.
    hops: BTreeMap<usize, u64>,
    /// Nodes that answered but did not lead on, in answered lookups.
    pub beside: u64,
    /// Nodes asked that were silent, in answered lookups.
    pub timeouts: u64,
    /// From question to answer.
    pub latencies: Times,
    /// The first wrong answers, in words.
    pub shown: Vec<String>,
}

impl Results {
    /// Lookups that were answered.
    pub const fn answered(&self) -> u64 {
        self.right + self.wrong
    }

    /// Lookups that ended, but for those whose asker died.
    pub const fn ended(&self) -> u64 {
        self.answered() + self.failed
    }

    /// How many nodes an answered lookup went over in the mean; zero if there was none.
    pub fn mean_hops(&self) -> f64 {
        let all: u64 = self.hops.iter().map(|(hops, times)| *hops as u64 * times).sum();
        all as f64 / self.answered().max(1) as f64
    }

    /// How many nodes this share of the answered lookups went over at the most.
    pub fn hops_quantile(&self, share: f64) -> usize {
        let wanted = (self.answered() as f64 * share).ceil() as u64;
        let mut seen = 0;
        let mut reaches = |times: &u64| {
            seen += times;
            seen >= wanted
        };
        self.hops.iter().find(|(_, times)| reaches(times)).map_or(0, |(hops, _)| *hops)
    }

    /// Nodes that answered but did not lead on, per answered lookup.
    pub fn mean_beside(&self) -> f64 {
        self.beside as f64 / self.answered().max(1) as f64
    }

    /// Silent nodes asked per answered lookup.
    pub fn mean_timeouts(&self) -> f64 {
        self.timeouts as f64 / self.answered().max(1) as f64
    }
}

/// The lookups under way, and who owns what.
#[derive(Debug, Default)]
pub struct Lookups {
    settled: BTreeMap<Id, Peer>,
    /// For each machine which life of its node was last seen to have settled.
    seen: Vec<Option<Incarnation>>,
    asked: BTreeMap<u64, Asked>,
    next: u64,
    results: Results,
}

impl Lookups {
    /// A lookup of the id begins now; returns its number.
    pub fn ask(&mut self, now: Instant, id: Id) -> u64 {
        self.next += 1;
        let owners = self.owner(id).into_iter().collect();
        self.asked.insert(self.next, Asked { id, at: now, owners });
        self.next
    }

    /// The owner of an id.
    pub fn owner(&self, id: Id) -> Option<Peer> {
        owner_among(&self.settled, id)
    }

    /// How many lookups are under way.
    pub fn under_way(&self) -> usize {
        self.asked.len()
    }

    /// What came of those that ended.
    pub const fn results(&self) -> &Results {
        &self.results
    }

    /// Looks at a node after its event: has it settled, or gone?
    pub fn look(&mut self, world: &World, host: usize) {
        if self.seen.len() <= host {
            self.seen.resize(world.hosts().len().max(host + 1), None);
        }
        let known = self.seen[host];
        let node = world.host(host).node();
        let me = node.filter(|node| node.is_established()).map(crate::node::Node::me);
        if me.map(|me| me.incarnation) == known {
            return;
        }
        match me {
            Some(me) => self.settled.insert(me.id(), me),
            None => self.settled.remove(&world.host(host).id()),
        };
        self.seen[host] = me.map(|me| me.incarnation);
        for asked in self.asked.values_mut() {
            let owner = owner_among(&self.settled, asked.id);
            asked.owners.extend(owner.filter(|owner| !asked.owners.contains(owner)));
        }
    }

    /// A lookup has ended. Returns the path, if there was an answer.
    pub fn ended(&mut self, now: Instant, number: u64, reply: Option<Reply>) -> Option<(Peer, Vec<Hop>)> {
        let asked = self.asked.remove(&number)?;
        let (results, took) = (&mut self.results, now.since(asked.at));
        match reply {
            Some(Reply::Owner { owner, path, .. }) if took <= ANSWER_MAX => {
                let right = asked.owners.contains(&owner);
                let silent = path.iter().filter(|hop| !hop.answered).count();
                let hops = path.iter().filter(|hop| hop.led_on).count();
                *results.hops.entry(hops).or_default() += 1;
                results.beside += (path.len() - silent - hops) as u64;
                results.timeouts += silent as u64;
                results.latencies.push(took);
                *if right { &mut results.right } else { &mut results.wrong } += 1;
                if !right && results.shown.len() < SHOWN_MAX {
                    let owners: Vec<String> = asked.owners.iter().map(Peer::to_string).collect();
                    let (id, owners) = (asked.id, owners.join(", then "));
                    results.shown.push(format!("{now} {owner} is said to own {id}; the owner was {owners}"));
                }
                Some((owner, path))
            }
            Some(_) => {
                results.failed += 1;
                None
            }
            None => {
                results.withdrawn += 1;
                None
            }
        }
    }
}

fn owner_among(settled: &BTreeMap<Id, Peer>, id: Id) -> Option<Peer> {
    settled.range(id..).next().or_else(|| settled.first_key_value()).map(|(_, peer)| *peer)
}
