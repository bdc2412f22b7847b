//! What is done to the ring, and what comes of it.

use super::{Node, Reply, Teller, What, World, words};
use crate::sim::playground::{Cue, Deed, Start};

/// A process as it was when last looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    lives: u32,
    pub(super) alive: bool,
    paused: bool,
    /// Its end will be told as its leaving.
    leaving: bool,
}

impl Teller {
    /// Which processes have come and gone since the last look?
    pub(super) fn look(&mut self, world: &World) {
        self.seen.resize(world.hosts().len(), Seen::default());
        for (at, host) in world.hosts().iter().enumerate() {
            let now = Seen {
                lives: host.lives(),
                alive: host.node().is_some(),
                paused: host.is_paused(),
                leaving: host.node().is_some_and(Node::is_leaving),
            };
            let before = core::mem::replace(&mut self.seen[at], now);
            if now == before {
                continue;
            }
            let name = self.node(world, at);
            let ended = before.alive && (!now.alive || now.lives > before.lives);
            if ended && !before.leaving {
                self.done(self.alarm, format!("{name} crashes"));
            }
            if now.alive && now.lives > before.lives {
                let seeds = host.seeds.iter().filter_map(|seed| world.host_at(*seed));
                let known = self.names.list(seeds.map(|seed| world.host(seed).id()));
                let knows = if host.seeds.is_empty() { "no other" } else { &known };
                self.done(self.alarm, format!("{name} starts, and knows {knows}"));
            }
            if now.paused && !before.paused {
                self.done(self.alarm, format!("{name} is stopped: it hears and says nothing"));
            }
            if before.paused && !now.paused && now.alive {
                self.done(host.running_since(), format!("{name} goes on, and hears what came meanwhile"));
            }
        }
    }

    /// A ring that is to be a loop is bent into one when the measurement begins.
    pub(super) fn bent(&mut self, world: &World) {
        if core::mem::take(&mut self.bends)
            && let Start::Wound(turns) = self.start
        {
            let text = format!("all tables are bent, so that the ring goes round {turns} times: ");
            self.done(self.alarm, text + &words::ring(self.names, world));
        }
    }

    /// What is about to be done to the ring.
    pub(super) fn cue(&mut self, world: &World, number: u64) {
        let now = world.now();
        let Some(cue) = self.cues.get(&number).copied() else { return };
        match cue {
            Cue::Measure => {
                self.begun.get_or_insert(now);
                self.done(now, format!("the ring: {}", words::ring(self.names, world)));
                self.bends = true;
            }
            Cue::Partition(cut) => {
                let (parts, lasting) = (words::parts(cut.shape), cut.lasting.as_secs_f64());
                self.done(now, format!("the network is cut for {lasting:.1} s: {parts}"));
            }
            Cue::Deed(Deed::Lookup { from, key }) => {
                let key = words::position(self.names, key);
                let place = from.map(|number| words::position(self.names, number));
                let asker = place.map_or_else(|| String::from("a node"), |id| format!("node {}", self.names.of(id)));
                let there = place.is_none_or(|id| world.members().any(|(_, node)| node.me().id() == id));
                let gone = if there { "" } else { ", but is not there" };
                self.done(now, format!("{asker} is to find out who owns key {}{gone}", self.names.of(key)));
                self.lookups.extend(there.then_some((from, key)));
            }
            Cue::Deed(Deed::Leave(number)) => {
                let name = self.names.of(words::position(self.names, number));
                self.done(now, format!("node {name} is to leave"));
            }
            // These show by themselves.
            Cue::Deed(Deed::Join(_) | Deed::Crash(_)) => {}
        }
    }

    /// A lookup has ended.
    pub(super) fn reply(&mut self, world: &World, reply: Option<&Reply>) {
        let Some(Reply::Owner { owner, arc, path }) = reply else { return };
        let Some(at) = self.lookups.iter().position(|(_, key)| arc.contains(*key)) else { return };
        let (asker, key) = self.lookups.remove(at);
        let asker = asker.map_or_else(String::new, |number| self.names.of(words::position(self.names, number)) + " ");
        let (key, owner) = (self.names.of(key), self.names.of(owner.id()));
        let asked = path.iter().map(|hop| self.names.of(hop.peer.id())).collect::<Vec<_>>().join(", then ");
        let way = if path.is_empty() { String::from("it asked nobody") } else { format!("it asked {asked}") };
        let text = format!("node {asker}has found out that node {owner} owns key {key}: {way}");
        self.push(world.now(), What::Lived(text));
    }
}
