//! Pictures of a ring: who there is, who points to whom, and which way a lookup went.
//!
//! A [`Picture`] is what is to be seen; `layout` says where; [`Picture::dot`] and [`Picture::svg`] write it down.

mod dot;
mod layout;
mod svg;

use super::names::Names;
use super::playground::{Playground, Trace};
use crate::id::Id;
use crate::node::Node;
use crate::wire::Peer;
use std::collections::BTreeMap;

/// A node of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spot {
    id: Id,
    name: String,
    /// More about it, in words.
    about: String,
    state: State,
    asker: bool,
    owner: bool,
}

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Settled,
    Unsettled,
    /// Others point to it, but it has no place on the ring.
    Gone,
}

/// What an arrow means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Successor,
    Predecessor,
    Finger,
    /// So many steps of the lookup come up to this one, it included.
    Hop(usize),
    /// The same to a node that did not answer.
    Silent(usize),
}

/// An arrow between two nodes, named by their places in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Arrow {
    from: usize,
    to: usize,
    meaning: Meaning,
    label: String,
}

/// A ring as it is at one moment.
#[derive(Clone, Debug)]
pub struct Picture {
    title: String,
    names: Names,
    /// In ring order.
    spots: Vec<Spot>,
    arrows: Vec<Arrow>,
    key: Option<Id>,
}

/// Draws with the places of nodes at hand.
struct Pen {
    names: Names,
    spots: Vec<Spot>,
    places: BTreeMap<Id, usize>,
    arrows: Vec<Arrow>,
}

impl Picture {
    /// The ring of a run as it is now, with the lookup that was traced, and the fingers of the nodes at these
    /// positions; of the node that asked if none are given.
    ///
    /// # Errors
    /// A position that no node has, in words.
    pub fn of(run: &Playground, fingers: &[u128]) -> Result<Self, String> {
        let (world, names, trace) = (run.world(), Names::new(run.plan().bits), run.trace());
        let now = world.now();
        let mut members: Vec<(usize, &Node)> = world.members().collect();
        members.sort_by_key(|(_, node)| node.me().id());
        let asker = trace.map(|trace| world.host(trace.from).id());
        let chosen = chosen(&members, fingers, names, asker)?;
        // Whom somebody points to is drawn, too, and asked before where it stands.
        let pointed = members.iter().flat_map(|(_, node)| node.successors().first().copied().or(node.predecessor()));
        let before = members.iter().filter_map(|(_, node)| node.predecessor());
        let walked = trace.iter().flat_map(|trace| trace.path.iter().map(|hop| hop.peer));
        let reached = chosen.iter().flat_map(|node| pointers(node, names).into_iter().map(|(peer, _)| peer));
        let mut spots: BTreeMap<Id, Spot> = pointed
            .chain(before)
            .chain(walked)
            .chain(reached)
            .map(|peer| (peer.id(), spot(names, peer, State::Gone)))
            .chain(asker.zip(trace).map(|(id, trace)| (id, gone(names, id, world.host(trace.from).addr()))))
            .collect();
        for (host, node) in &members {
            let state = if world.host(*host).is_ready(now) { State::Settled } else { State::Unsettled };
            spots.insert(node.me().id(), spot(names, node.me(), state));
        }
        for spot in spots.values_mut() {
            spot.asker = asker == Some(spot.id);
            spot.owner = trace.is_some_and(|trace| trace.owner.id() == spot.id);
        }
        let places = spots.keys().enumerate().map(|(at, id)| (*id, at)).collect();
        let mut pen = Pen { names, spots: spots.into_values().collect(), places, arrows: Vec::new() };
        members.iter().for_each(|(_, node)| pen.neighbours(node));
        chosen.iter().for_each(|node| pen.fingers(node));
        if let (Some(trace), Some(asker)) = (trace, asker) {
            pen.path(trace, asker);
        }
        let (count, seconds) = (members.len(), now.as_micros() as f64 / 1e6);
        Ok(Self {
            title: format!("{count} {}, seed {}, {seconds:.1} s", plural("node", count), run.plan().seed),
            names,
            spots: pen.spots,
            arrows: pen.arrows,
            key: trace.map(|trace| trace.key),
        })
    }
}

fn plural(word: &str, count: usize) -> String {
    if count == 1 { String::from(word) } else { format!("{word}s") }
}

fn spot(names: Names, peer: Peer, state: State) -> Spot {
    Spot { state, ..gone(names, peer.id(), peer.addr()) }
}

fn gone(names: Names, id: Id, addr: std::net::SocketAddr) -> Spot {
    let about = format!("{id} at {addr}");
    Spot { id, name: names.of(id), about, state: State::Gone, asker: false, owner: false }
}

/// The nodes whose fingers are drawn.
fn chosen<'a>(
    members: &[(usize, &'a Node)],
    fingers: &[u128],
    names: Names,
    asker: Option<Id>,
) -> Result<Vec<&'a Node>, String> {
    let with = |is: &dyn Fn(Id) -> bool| members.iter().map(|(_, node)| *node).find(|node| is(node.me().id()));
    if fingers.is_empty() {
        return Ok(with(&|id| asker == Some(id)).into_iter().collect());
    }
    let named = |number: &u128| with(&|id| names.means(*number, id)).ok_or(*number);
    fingers
        .iter()
        .map(named)
        .collect::<Result<_, u128>>()
        .map_err(|number| format!("no node has the position {number} at the end, so its fingers cannot be drawn"))
}

/// Where a node's fingers point to, each other node once and with the exponents that it serves in the identifier space:
/// finger i is the first node that it knows at or after the distance 2^i.
fn pointers(node: &Node, names: Names) -> Vec<(Peer, Vec<u32>)> {
    let me = node.me().id();
    let mut found: Vec<(Peer, Vec<u32>)> = Vec::new();
    let status = node.status(crate::time::Instant::ZERO);
    let mut known: Vec<Peer> = node.successors().to_vec();
    known.extend(status.fingers.iter().map(|finger| finger.peer));
    known.sort_by_key(|peer| me.distance_to(peer.id()));
    for exponent in Id::BITS - names.bits()..Id::BITS {
        // Beyond the last one the ring has come round to the node itself.
        let Some(first) = known.iter().find(|peer| me.distance_to(peer.id()) >= 1 << exponent) else { continue };
        match found.last_mut().filter(|(peer, _)| peer == first) {
            Some((_, exponents)) => exponents.push(exponent),
            None => found.push((*first, vec![exponent])),
        }
    }
    found
}

impl Pen {
    fn arrow(&mut self, from: Id, to: Id, meaning: Meaning, label: String) {
        if let (Some(from), Some(to)) = (self.places.get(&from), self.places.get(&to))
            && from != to
        {
            self.arrows.push(Arrow { from: *from, to: *to, meaning, label });
        }
    }

    fn neighbours(&mut self, node: &Node) {
        let me = node.me().id();
        if let Some(successor) = node.successors().first() {
            self.arrow(me, successor.id(), Meaning::Successor, String::new());
        }
        if let Some(predecessor) = node.predecessor() {
            self.arrow(me, predecessor.id(), Meaning::Predecessor, String::new());
        }
    }

    /// A node's fingers; in a space with numbers each with the distances that it stands for.
    fn fingers(&mut self, node: &Node) {
        for (peer, exponents) in pointers(node, self.names) {
            let distances = exponents.iter().map(|exponent| self.names.power(*exponent));
            let label = if self.names.are_numbers() { distances.collect::<Vec<_>>().join(" ") } else { String::new() };
            self.arrow(node.me().id(), peer.id(), Meaning::Finger, label);
        }
    }

    /// A lookup's way: each arrow begins where the last answer came from, as that named the next one.
    fn path(&mut self, trace: &Trace, asker: Id) {
        let mut from = asker;
        for (at, hop) in trace.path.iter().enumerate() {
            let (to, number) = (hop.peer.id(), at + 1);
            let meaning = if hop.answered { Meaning::Hop(number) } else { Meaning::Silent(number) };
            self.arrow(from, to, meaning, number.to_string());
            if hop.answered {
                from = to;
            }
        }
    }
}

#[cfg(test)]
mod tests;
