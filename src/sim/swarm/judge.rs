//! What is looked at after every event, and in the end.

use super::{Outcome, Phase, Swarm};
use crate::id::{Arc, Id};
use crate::node::Node;
use crate::sim::chaos::{FAULTS, Fault};
use crate::sim::host::Host;
use crate::sim::oracle::{self, INVARIANTS, Ring};
use crate::sim::speakers::Samples;
use crate::time::Instant;
use crate::wire::Peer;
use core::time::Duration;
use std::collections::BTreeSet;

/// The first two invariants hold while only the dead are dropped and not too many go (Zave 2017): what follows from
/// them is counted only.
const ASSURED: usize = 2;

/// A request is repeated for so long, with what was left of a value when it was sent first.
const COPIED_LATE: Duration = Duration::from_secs(3);
/// The longest time for which a process stops, and what was sent to it waits.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// An ended value is swept by then.
const SWEPT_MAX: Duration = Duration::from_secs(5);

/// More wake-ups a second than this are a busy loop.
const WAKES_MAX: u64 = 1000;

impl Swarm {
    /// True while one history per key and one speaker per id are promised.
    fn is_strict(&self) -> bool {
        self.rules.strict && !self.beyond
    }

    pub(super) fn look_at(&mut self, host: usize) {
        match self.speakers.look(&self.world, host) {
            Ok(new) => self.take_over(new),
            Err(_) if !self.is_strict() => self.figure("moments with two speakers", 1.0),
            Err((id, other)) => {
                self.fail(&format!("both {host} and {other} answer for {id}\n{}", oracle::picture(&self.world)));
            }
        }
        if let Err((id, other)) = self.consented.look(&self.world, host)
            && self.is_strict()
        {
            self.fail(&format!("both {host} and {other} may settle for {id}\n{}", oracle::picture(&self.world)));
        }
        self.look_behind(host);
        self.look_under(host);
        self.look_into(host, false);
        if let Some(&since) = self.joining.get(&host)
            && self.world.host(host).is_ready(self.world.now())
        {
            self.joining.remove(&host);
            self.tally.joining.push(self.world.now().since(since));
        }
        let shape = self.world.host(host).node().filter(|node| node.is_member()).map(|node| {
            let mut list = node.successors().to_vec();
            list.push(node.me());
            (node.predecessor(), list)
        });
        if shape.as_ref() != self.shapes.get(&host) {
            match shape {
                Some(shape) => self.shapes.insert(host, shape),
                None => self.shapes.remove(&host),
            };
            self.count_hurt();
        }
    }

    fn take_over(&mut self, new: Samples) {
        let taken: Vec<usize> = self.orphaned.keys().copied().filter(|&sample| new >> sample & 1 == 1).collect();
        for (since, double) in taken.iter().filter_map(|sample| self.orphaned.remove(sample)).collect::<Vec<_>>() {
            let times = if double { &mut self.tally.double_takeover } else { &mut self.tally.takeover };
            times.push(self.world.now().since(since));
        }
    }

    /// Somebody alive is taken for dead: from here on the invariant is not assured.
    pub(super) fn wronged(&mut self) {
        if core::mem::take(&mut self.nobody_wronged) {
            self.tally.assured = self.world.now().since(self.formed);
        }
    }

    /// No table of a node may grow beyond its limit, nor anything be left in one that has nothing to do.
    fn look_into(&mut self, host: usize, at_rest: bool) {
        let overfull = self.world.host(host).node().and_then(|node| node.load().overfull(at_rest));
        if let Some((table, held)) = overfull {
            let when = if at_rest { " at rest" } else { "" };
            self.fail(&format!("{host} has {held} {table}{when}"));
        }
        let resting = self.world.host(host).node().filter(|_| at_rest);
        // Tombstones may be collected at that moment, a slow disk at work, and a silent node asked for another.
        let waiting = |node: &Node| node.held_back() + node.relaying();
        let open = |node: &Node| node.counters().done_with() + waiting(node) != node.counters().datagrams_in;
        if let Some(counters) = resting.filter(|node| open(node)).map(Node::counters) {
            let (done_with, taken) = (counters.done_with(), counters.datagrams_in);
            self.fail(&format!("{host} took {taken} datagrams in, and counts {done_with} as done with: {counters:?}"));
        }
    }

    /// A node that has just come to its place holds what was there to be pulled when it was started.
    pub(super) fn look_at_joiner(&mut self, host: usize) {
        let Some(&since) = self.joining.get(&host) else { return };
        let alone = self.chaos.bound.count() == usize::from(self.chaos.bound.is_disturbed(host));
        let Some((node, list)) = self.world.host(host).node().map(|node| (node, node.successors())) else { return };
        let before =
            node.predecessor().and_then(|peer| self.world.node_of(peer)).and_then(|(_, node)| node.predecessor());
        let (Some(before), Some(head), true) = (before, list.first(), alone && self.phase == Phase::Chaos) else {
            return;
        };
        // Of what the predecessor took over meanwhile, from one that went, the joiner could not be told.
        let heir = |id: &Id| node.predecessor().is_some_and(|peer| id.is_between(before.id(), peer.id()));
        let went = self.world.hosts().iter().filter(|host| host.went_after(since)).map(Host::id).filter(heir);
        let after = went.max_by_key(|id| before.id().distance_to(*id)).unwrap_or(before.id());
        let arc = Arc::new(after, head.id());
        let keys = self.clients.keys();
        let lacks = |key: &usize| {
            let known = keys.acknowledged_before(*key, since);
            arc.contains(Id::of_key(keys.name(*key)))
                && known.is_some_and(|version| !node.has_seen(keys.name(*key), version))
        };
        if let Some(key) = (0..keys.len()).find(lacks) {
            self.fail(&format!("{host} joined and does not hold key {key}\n{}", oracle::picture(&self.world)));
        }
    }

    /// A node that would answer for a key must hold what anyone was told of.
    fn look_behind(&mut self, host: usize) {
        let settled = if self.is_strict() { self.speakers.held(host) } else { 0 };
        for key in 0..self.clients.keys().len() {
            let Some(acknowledged) = self.clients.keys().acknowledged(key).filter(|_| settled >> key & 1 == 1) else {
                continue;
            };
            let (name, node) = (self.clients.keys().name(key), self.world.host(host).node());
            if node.is_none_or(|node| !node.has_seen(name, acknowledged)) {
                let held = node.and_then(|node| node.version_of(name));
                self.fail(&format!(
                    "{host} answers for key {key} and holds {held:?} of {acknowledged:?}\n{}",
                    oracle::picture(&self.world)
                ));
            }
        }
    }

    /// Nobody takes for dead what nobody deleted.
    fn look_under(&mut self, host: usize) {
        if self.profile.collect_after.is_none() || !self.is_strict() {
            return;
        }
        let Some(node) = self.world.host(host).node() else { return };
        self.clients.keys_mut().note_tombstones(node);
        if let Some(key) = self.clients.keys().wrongly_under_floor(node) {
            let picture = oracle::picture(&self.world);
            self.fail(&format!("{host} has key {key} under a floor, and nobody deleted it\n{picture}"));
        }
    }

    pub(super) fn count_hurt(&mut self) {
        if self.phase == Phase::Forming {
            return;
        }
        let mut ring = Ring::with_lists_in_flight(&mut self.world);
        ring.set_before(core::mem::take(&mut self.judged));
        let members: Vec<Peer> = ring.members().iter().map(|member| member.me).collect();
        // What a node takes with it when it goes is not what the protocol did.
        let gone = !self.members.iter().all(|member| members.contains(member));
        self.members = members;
        let judgement = oracle::judge(&ring, self.profile.successors);
        for (at, (name, holds)) in INVARIANTS.iter().zip(judgement.holds).enumerate() {
            let hurt = !holds;
            let at_fault = at < ASSURED && hurt && self.has_base && !gone && self.nobody_wronged;
            if hurt && gone && at < ASSURED {
                // Too many went: what the invariant rests on is not given any more.
                self.wronged();
            }
            if at_fault {
                let picture = oracle::explain(&ring, at) + &oracle::picture(&self.world);
                self.fail(&format!("{name}, though nobody alive was taken for dead\n{picture}"));
            }
            self.tally.hurt[at] += u64::from(hurt && !self.hurt[at]);
            self.hurt[at] = hurt;
        }
        self.judged = judgement.members;
        // A ring that grows to this size has yet to make its base. What those who are about to join have pulled are
        // lists on their way too: they may skip each other.
        let grown = self.members.len() > self.profile.successors + self.joining.len();
        self.has_base = grown && !self.hurt[..ASSURED].contains(&true);
    }

    /// What is missing for a whole ring: everyone on it, in order, ready, and every key in three places.
    pub(super) fn flaw(&self) -> Option<String> {
        if let Some(flaw) = oracle::flaw_of_ideal(&Ring::of(&self.world), self.profile.successors) {
            return Some(flaw);
        }
        if self.plans.values().any(|plan| matches!(plan, super::Plan::Start { .. })) {
            return Some(String::from("a machine has yet to start"));
        }
        let unready = |host: &&Host| host.node().is_some() && !host.is_ready(self.world.now());
        if let Some(host) = self.world.hosts().iter().find(unready) {
            return Some(format!("{} is not ready", host.addr()));
        }
        // Who has lost its predecessor may not claim what that had yet, though it is ready for what it claims.
        let held_back = |host: &&Host| {
            let node = host.node().filter(|_| self.phase != Phase::Forming);
            node.and_then(|node| Some((node, node.predecessor()?))).is_some_and(|(node, predecessor)| {
                node.spoken(host.local(self.world.now()).at) != Some(Arc::new(predecessor.id(), host.id()))
            })
        };
        if let Some(host) = self.world.hosts().iter().find(held_back) {
            return Some(format!("{} has yet to claim all of its arc", host.addr()));
        }
        if let Some((host, _)) = self.world.members().find(|(_, node)| node.is_leaving()) {
            return Some(format!("{host} has yet to leave"));
        }
        let keys = self.clients.keys();
        let short = |key: &usize| !keys.is_copied(&self.world, *key);
        if let Some(key) = (0..keys.len()).find(short) {
            return Some(format!("key {key} is short of copies"));
        }
        // What both sides of a split wrote has yet to meet.
        let apart = |&key: &usize| {
            let seen = |version| {
                let speaker = keys.speaker(&self.world, key);
                speaker.is_some_and(|(_, node)| node.has_seen(keys.name(key), version))
            };
            !self.rules.strict && keys.acknowledged(key).is_some_and(|version| !seen(version))
        };
        (0..keys.len()).find(apart).map(|key| format!("the newest version of key {key} is not with its speaker"))
    }

    /// By how much a value may outlive its time in this run. Wall clocks have no part in it.
    fn lateness(&self) -> Duration {
        let paused = FAULTS.into_iter().zip(self.profile.rates).any(|(fault, rate)| fault == Fault::Pause && rate > 0);
        let pauses = if paused || self.profile.batch { PAUSE_MAX } else { Duration::ZERO };
        // What is on a disk counts no time while its machine is off, or since it was last saved.
        let off = if self.profile.disks { self.world.now().since(Instant::ZERO) } else { Duration::ZERO };
        COPIED_LATE + pauses + off
    }

    /// The node with the value that ended longest ago, if it should have been swept.
    fn overdue(&self) -> Option<(usize, Duration)> {
        let overdue = self.world.hosts().iter().enumerate().filter_map(|(at, host)| Some((at, host.node()?.overdue())));
        overdue.max_by_key(|(_, by)| *by).filter(|(_, by)| *by > SWEPT_MAX)
    }

    /// True once nothing is overdue, or the ring that has healed has had the time to sweep it: what ended on one side
    /// of a split nobody could end before.
    pub(super) fn has_swept(&self) -> bool {
        self.world.now().since(self.since) > SWEPT_MAX || self.overdue().is_none()
    }

    /// What has ended is swept, though nobody asks for it.
    fn look_for_overdue(&mut self) {
        if let Some((host, by)) = self.overdue() {
            self.fail(&format!("{host} holds a value that ended {by:?} ago"));
        }
    }

    pub(super) fn finish(mut self) -> Outcome {
        if self.clients.is_waiting() && self.failures.is_empty() {
            self.fail("operations have no answer at the end");
        }
        if self.failures.is_empty()
            && let Some(flaw) = self.flaw()
        {
            self.fail(&format!("the ring did not stay whole: {flaw}\n{}", oracle::picture(&self.world)));
        }
        self.judge_last_look();
        self.clients.ledger.lives_differ(self.profile.clocks.rate_ppm.unsigned_abs(), self.lateness());
        self.look_for_overdue();
        for failure in self.clients.judge() {
            if self.is_strict() {
                self.fail(&failure);
            } else {
                self.figure("keys with more than one history", 1.0);
                self.tally.astray += u64::from(self.beyond);
            }
        }
        let all = 0..self.world.guests().end;
        all.clone().for_each(|host| self.look_into(host, true));
        let seconds = self.world.now().as_micros() / 1_000_000 + 1;
        let busy: BTreeSet<usize> = all.filter(|&at| self.world.host(at).wakes() > seconds * WAKES_MAX).collect();
        if !busy.is_empty() {
            self.fail(&format!("woken more than {WAKES_MAX} times a second: {busy:?}"));
        }
        self.wronged();
        let alive: Vec<_> = self.world.hosts().iter().filter_map(|host| host.node().map(Node::counters)).collect();
        alive.iter().for_each(|counters| self.tally.add_counters(counters));
        self.tally.take_counters(&self.forming);
        self.tally.nodes += alive.len() as u64;
        self.tally.wakes = self.world.hosts().iter().map(Host::wakes).sum();
        self.tally.simulated = self.world.now().since(Instant::ZERO);
        self.tally.traffic = self.world.network.traffic();
        self.tally.faults = self.chaos.faults();
        self.tally.outcomes = self.clients.outcomes();
        self.tally.beyond = u64::from(self.beyond);
        let hash = self.world.log.hash();
        Outcome { seed: self.seed, hash, tally: self.tally, failures: self.failures, figures: self.figures }
    }
}
