//! What the node shows of itself and of the ring, in JSON and in Graphviz's language.
//!
//! Ids are 32 hexadecimal digits, addresses `ip:port`, both in strings. What does not exist is `null`.

mod keys;

pub use keys::{keys, ring_keys};

use super::walk::Start;
use super::words::{disk_name, state_name, unready, why_silent};
use crate::handle::Snapshot;
use crate::id::{Arc, Id};
use crate::limits::KEY_MAX;
use crate::node::{Counters, Hop, RingNode, Status};
use crate::wire::{Finger, Peer};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::fmt::{Display, Write as _};
use std::net::SocketAddr;

/// Anything that is a string in JSON, written as it shows itself.
struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

/// A node.
#[derive(Serialize)]
pub struct PeerJson {
    id: Text<Id>,
    addr: SocketAddr,
}

impl From<&Peer> for PeerJson {
    fn from(peer: &Peer) -> Self {
        Self { id: Text(peer.id()), addr: peer.addr() }
    }
}

fn peers(list: &[Peer]) -> Vec<PeerJson> {
    list.iter().map(PeerJson::from).collect()
}

/// The positions after `after` up to and including `upto`; the whole ring if both are the same.
#[derive(Serialize)]
struct ArcJson {
    after: Text<Id>,
    upto: Text<Id>,
}

impl From<Arc> for ArcJson {
    fn from(arc: Arc) -> Self {
        Self { after: Text(arc.after), upto: Text(arc.upto) }
    }
}

#[derive(Serialize)]
struct FingerJson {
    exponent: u8,
    id: Text<Id>,
    addr: SocketAddr,
}

impl From<&Finger> for FingerJson {
    fn from(Finger { exponent, peer }: &Finger) -> Self {
        Self { exponent: *exponent, id: Text(peer.id()), addr: peer.addr() }
    }
}

/// `GET /fingers`.
pub fn fingers(list: &[Finger]) -> impl Serialize + use<> {
    #[derive(Serialize)]
    struct FingersJson {
        fingers: Vec<FingerJson>,
    }
    FingersJson { fingers: list.iter().map(FingerJson::from).collect() }
}

/// `GET /node`.
pub fn node(snapshot: &Snapshot) -> impl Serialize + use<> {
    #[derive(Serialize)]
    struct Limits {
        key_bytes: usize,
        value_bytes: usize,
    }
    #[derive(Serialize)]
    struct MemoryJson {
        bytes: usize,
        limit: usize,
        from: &'static str,
    }
    #[derive(Serialize)]
    struct NodeJson {
        id: Text<Id>,
        addr: SocketAddr,
        incarnation: Text<crate::wire::Incarnation>,
        state: &'static str,
        silenced: Option<String>,
        unready: Option<String>,
        ring: String,
        predecessor: Option<PeerJson>,
        successors: Vec<PeerJson>,
        narrow: Vec<SocketAddr>,
        fingers: Vec<FingerJson>,
        claim: Option<ArcJson>,
        settled: Option<ArcJson>,
        term: u64,
        entries: usize,
        owned: usize,
        copied: usize,
        strays: usize,
        under_copied: usize,
        differs_for_s: Option<f64>,
        tombstones: usize,
        names: usize,
        bytes: usize,
        disk: &'static str,
        memory: MemoryJson,
        room: &'static str,
        counters: BTreeMap<&'static str, u64>,
        limits: Limits,
        version: &'static str,
    }
    let Status { me, state, silenced, predecessor, successors, fingers, claim, settled, term, .. } = &snapshot.status;
    let Status { entries, owned, copied, strays, under_copied, tombstones, names, bytes, counters, .. } =
        snapshot.status;
    let mut counts = counts(&counters);
    counts.insert("unsent", snapshot.driver.unsent);
    counts.insert("unreceived", snapshot.driver.unreceived);
    NodeJson {
        id: Text(me.id()),
        addr: me.addr(),
        incarnation: Text(me.incarnation),
        state: state_name(*state),
        silenced: silenced.map(|why| why_silent(why, snapshot.status.min_nodes)),
        unready: unready(snapshot),
        ring: snapshot.status.ring.clone(),
        predecessor: predecessor.as_ref().map(PeerJson::from),
        successors: peers(successors),
        narrow: snapshot.status.narrow.clone(),
        fingers: fingers.iter().map(FingerJson::from).collect(),
        claim: claim.map(ArcJson::from),
        settled: settled.map(ArcJson::from),
        term: *term,
        entries,
        owned,
        copied,
        strays,
        under_copied,
        differs_for_s: snapshot.status.differs_for.map(|since| since.as_secs_f64()),
        tombstones,
        names,
        bytes,
        disk: disk_name(&snapshot.status),
        memory: MemoryJson {
            bytes: snapshot.status.memory,
            limit: snapshot.status.memory_max,
            from: snapshot.status.memory_from.name(),
        },
        room: snapshot.status.room.name(),
        counters: counts,
        limits: Limits { key_bytes: KEY_MAX, value_bytes: snapshot.status.value_max },
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// All counters by name. Taken apart field by field, so that a new one cannot be forgotten here.
fn counts(counters: &Counters) -> BTreeMap<&'static str, u64> {
    macro_rules! by_name {
        ($($name:ident),*) => {{
            let Counters { flawed: _, refused: _, lookups, $($name),* } = *counters;
            BTreeMap::from([("lookups", lookups.iter().sum()), $((stringify!($name), $name)),*])
        }};
    }
    #[rustfmt::skip]
    let mut counts = by_name!(
        datagrams_in, bytes_in, datagrams_out, bytes_out, heard, unasked, answered, repeated, overflowed, retries,
        timeouts, suspicions, lapses, settlements, ring_changes, takeovers, silences, pulled, repaired, collected,
        repaired_bytes, writes, reads, hops
    );
    counts.extend(Counters::FLAWED.into_iter().zip(counters.flawed));
    counts.extend(Counters::REFUSED.into_iter().zip(counters.refused));
    counts
}

/// `GET /ring`.
pub fn ring(nodes: &[RingNode], next: Option<Start>) -> impl Serialize + use<> {
    #[derive(Serialize)]
    struct RingNodeJson {
        id: Text<Id>,
        addr: SocketAddr,
        predecessor: Option<PeerJson>,
        successors: Vec<PeerJson>,
        settled: bool,
        entries: u32,
        heard: bool,
    }
    #[derive(Serialize)]
    struct RingJson {
        nodes: Vec<RingNodeJson>,
        next: Option<Text<Start>>,
    }
    let nodes = nodes.iter().map(|node| RingNodeJson {
        id: Text(node.peer.id()),
        addr: node.peer.addr(),
        predecessor: node.predecessor.as_ref().map(PeerJson::from),
        successors: peers(&node.successors),
        settled: node.settled,
        entries: node.entries,
        heard: node.heard,
    });
    RingJson { nodes: nodes.collect(), next: next.map(Text) }
}

/// `GET /lookup/{key}`.
pub fn lookup(id: Id, owner: &Peer, arc: Arc, path: &[Hop]) -> impl Serialize + use<> {
    #[derive(Serialize)]
    struct HopJson {
        id: Text<Id>,
        addr: SocketAddr,
        answered: bool,
    }
    #[derive(Serialize)]
    struct LookupJson {
        id: Text<Id>,
        owner: PeerJson,
        arc: ArcJson,
        hops: usize,
        path: Vec<HopJson>,
    }
    let hop = |hop: &Hop| HopJson { id: Text(hop.peer.id()), addr: hop.peer.addr(), answered: hop.answered };
    LookupJson {
        id: Text(id),
        owner: owner.into(),
        arc: arc.into(),
        hops: path.len(),
        path: path.iter().map(hop).collect(),
    }
}

/// `GET /ring.dot`: nodes on a circle, clockwise from the top, each where its id is; solid arrows to successors, dashed
/// ones to predecessors.
pub fn dot(nodes: &[RingNode]) -> String {
    // Named by their addresses; the ones that only others speak of are drawn too, in grey.
    let mut places = BTreeMap::new();
    for node in nodes {
        places.extend(
            node.successors.first().into_iter().chain(&node.predecessor).map(|peer| (peer.addr(), (peer, false))),
        );
    }
    places.extend(nodes.iter().map(|node| (node.peer.addr(), (&node.peer, node.heard))));
    let radius = 1.5 + places.len() as f64 / 6.0;
    let mut text = String::from(
        "digraph sky {\n  layout=neato;\n  bgcolor=transparent;\n\
         \x20 node [shape=box, style=rounded, fontname=monospace, fontsize=10];\n",
    );
    let mut places: Vec<(SocketAddr, (&Peer, bool))> = places.into_iter().collect();
    places.sort_by_key(|(addr, (peer, _))| (peer.id(), *addr));
    let mut outermost = (f64::NEG_INFINITY, 0.0);
    for (addr, (peer, visited)) in places {
        let angle = TAU * (peer.id().get() as f64 / 2f64.powi(128));
        // Boxes are wider than high. One that would cover the one before stands further out, in its direction.
        let (across, out) = (0.5 + angle.cos().abs(), 0.5 + angle.sin().abs());
        let is_near = (angle - outermost.0) * radius < across;
        outermost = (angle, if is_near { outermost.1 + out } else { 0.0 });
        let radius = radius + outermost.1;
        let (x, y) = (radius * angle.sin(), radius * angle.cos());
        let colour = if visited { "" } else { ", color=grey, fontcolor=grey" };
        let id = peer.id().get() >> 96;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  \"{addr}\" [label=\"{addr}\\n{id:08x}\", pos=\"{x:.3},{y:.3}!\"{colour}];");
    }
    for node in nodes {
        let addr = node.peer.addr();
        if let Some(successor) = node.successors.first() {
            let _ = writeln!(text, "  \"{addr}\" -> \"{}\";", successor.addr());
        }
        if let Some(predecessor) = node.predecessor {
            let _ = writeln!(text, "  \"{addr}\" -> \"{}\" [style=dashed, color=grey];", predecessor.addr());
        }
    }
    text.push_str("}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Incarnation, Place};

    fn peer(port: u16) -> Peer {
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        Peer { place: Place { addr, id: Id::new(u128::from(port) << 112) }, incarnation: Incarnation::new(1) }
    }

    #[test]
    fn a_picture_places_nodes_by_their_ids_and_draws_both_arrows() {
        let (a, b, c) = (peer(0x4000), peer(0x8000), peer(0xc000));
        let node = |peer, predecessor, successor| RingNode {
            peer,
            predecessor: Some(predecessor),
            successors: vec![successor],
            settled: true,
            entries: 0,
            heard: true,
        };
        let text = dot(&[node(a, c, b), node(b, a, c)]);
        assert!(
            text.contains("\"127.0.0.1:16384\" [label=\"127.0.0.1:16384\\n40000000\", pos=\"2.000,0.000!\"];"),
            "{text}"
        );
        assert!(text.contains("pos=\"0.000,-2.000!\"];"), "{text}");
        assert!(text.contains("pos=\"-2.000,-0.000!\", color=grey"), "only spoken of: {text}");
        assert!(text.contains("\"127.0.0.1:16384\" -> \"127.0.0.1:32768\";"), "{text}");
        assert!(text.contains("\"127.0.0.1:16384\" -> \"127.0.0.1:49152\" [style=dashed"), "{text}");
        let silent = RingNode { predecessor: None, successors: Vec::new(), heard: false, ..node(b, a, c) };
        let text = dot(&[node(a, b, b), silent]);
        assert!(text.contains("80000000\", pos=\"0.000,-1.833!\", color=grey"), "not heard: {text}");
    }
}
