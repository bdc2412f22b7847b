//! What the node shows of itself and of the ring, in JSON and in Graphviz's language.
//!
//! Ids are 32 hexadecimal digits, addresses `ip:port`, both in strings. What does not exist is `null`.

use super::parse::escape;
use super::walk::Start;
use super::words::{state_name, why_silent};
use crate::handle::Snapshot;
use crate::id::{Arc, Id};
use crate::limits::KEY_MAX;
use crate::node::{Counters, Finger, Held, Hop, OwnedKey, RingNode, Status};
use crate::wire::{Flaw, Peer};
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

/// `GET /node`.
pub fn node(snapshot: &Snapshot) -> impl Serialize + use<> {
    #[derive(Serialize)]
    struct FingerJson {
        exponent: u8,
        id: Text<Id>,
        addr: SocketAddr,
    }
    #[derive(Serialize)]
    struct Limits {
        key_bytes: usize,
        value_bytes: usize,
    }
    #[derive(Serialize)]
    struct NodeJson {
        id: Text<Id>,
        addr: SocketAddr,
        incarnation: Text<crate::wire::Incarnation>,
        state: &'static str,
        silenced: Option<String>,
        predecessor: Option<PeerJson>,
        successors: Vec<PeerJson>,
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
        bytes: usize,
        disk: &'static str,
        counters: BTreeMap<&'static str, u64>,
        limits: Limits,
        version: &'static str,
    }
    let Status { me, state, silenced, predecessor, successors, fingers, claim, settled, term, .. } = &snapshot.status;
    let Status { entries, owned, copied, strays, under_copied, tombstones, bytes, counters, .. } = snapshot.status;
    let Status { has_disk, fails_to_save, .. } = snapshot.status;
    let mut counts = counts(&counters);
    counts.insert("unsent", snapshot.driver.unsent);
    counts.insert("unreceived", snapshot.driver.unreceived);
    NodeJson {
        id: Text(me.id()),
        addr: me.addr(),
        incarnation: Text(me.incarnation),
        state: state_name(*state),
        silenced: silenced.map(|why| why_silent(why, snapshot.status.min_nodes)),
        predecessor: predecessor.as_ref().map(PeerJson::from),
        successors: peers(successors),
        fingers: fingers
            .iter()
            .map(|Finger { exponent, peer }| FingerJson { exponent: *exponent, id: Text(peer.id()), addr: peer.addr() })
            .collect(),
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
        bytes,
        disk: match (has_disk, fails_to_save) {
            (false, _) => "none",
            (true, false) => "works",
            (true, true) => "fails",
        },
        counters: counts,
        limits: Limits { key_bytes: KEY_MAX, value_bytes: snapshot.status.value_max },
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// All counters by name. Taken apart field by field, so that a new one cannot be forgotten here.
fn counts(counters: &Counters) -> BTreeMap<&'static str, u64> {
    macro_rules! by_name {
        ($($name:ident),*) => {{
            let Counters { flawed: _, refused: _, $($name),* } = *counters;
            BTreeMap::from([$((stringify!($name), $name)),*])
        }};
    }
    #[rustfmt::skip]
    let mut counts = by_name!(
        datagrams_in, bytes_in, datagrams_out, bytes_out, heard, unasked, answered, repeated, overflowed, retries,
        timeouts, suspicions, lapses, settlements, ring_changes, takeovers, silences, pulled, repaired, collected,
        repaired_bytes, writes, reads
    );
    counts.extend([
        ("flawed_length", counters.flaw(Flaw::Length)),
        ("flawed_version", counters.flaw(Flaw::Version)),
        ("flawed_tag", counters.flaw(Flaw::Tag)),
        ("flawed_malformed", counters.flaw(Flaw::Malformed)),
        ("flawed_trailing", counters.flaw(Flaw::Trailing)),
    ]);
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

/// `GET /storage`: a page of at most `limit` keys; `next` is the target of the next page, if there may be one.
///
/// Keys are any bytes, JSON strings are not: `key` is `null` unless the key is UTF-8, `path` always leads to it.
pub fn keys(held: &[Held], limit: usize) -> impl Serialize + use<> {
    #[derive(Serialize)]
    struct KeyJson {
        key: Option<String>,
        path: String,
        id: Text<Id>,
        version: Text<crate::wire::Version>,
        bytes: usize,
        owned: bool,
    }
    #[derive(Serialize)]
    struct KeysJson {
        keys: Vec<KeyJson>,
        next: Option<String>,
    }
    let key = |held: &Held| KeyJson {
        key: String::from_utf8(held.key.clone()).ok(),
        path: format!("/storage/{}", escape(&held.key)),
        id: Text(held.id),
        version: Text(held.version),
        bytes: held.length,
        owned: held.owned,
    };
    let last = held.last().filter(|_| held.len() >= limit);
    KeysJson {
        keys: held.iter().map(key).collect(),
        next: last.map(|last| format!("/storage?limit={limit}&after={}", escape(&last.key))),
    }
}

/// `GET /storage?ring=1`: a page of at most `limit` keys; `next` is the target of the next page, if there may be one.
///
/// It goes on behind the last key, or, where owners have said that there is none up to a later position, from there.
pub fn ring_keys(entries: &[OwnedKey], next: Option<Id>, limit: usize) -> impl Serialize + use<> {
    #[derive(Serialize)]
    struct KeyJson {
        key: Option<String>,
        path: String,
        id: Text<Id>,
        version: Text<crate::wire::Version>,
        bytes: u32,
        owner: SocketAddr,
    }
    #[derive(Serialize)]
    struct KeysJson {
        keys: Vec<KeyJson>,
        next: Option<String>,
    }
    let key = |entry: &OwnedKey| KeyJson {
        key: str::from_utf8(&entry.key).ok().map(str::to_owned),
        path: format!("/storage/{}", escape(&entry.key)),
        id: Text(entry.id),
        version: Text(entry.version),
        bytes: entry.length,
        owner: entry.owner,
    };
    let place = |next| match entries.last().filter(|last| last.id == next) {
        Some(last) => format!("after={}", escape(&last.key)),
        None => format!("from={next}"),
    };
    KeysJson {
        keys: entries.iter().map(key).collect(),
        next: next.map(|next| format!("/storage?ring=1&limit={limit}&{}", place(next))),
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
    places.extend(nodes.iter().map(|node| (node.peer.addr(), (&node.peer, true))));
    let radius = 1.5 + places.len() as f64 / 6.0;
    let mut text = String::from(
        "digraph sky {\n  layout=neato;\n  bgcolor=transparent;\n\
         \x20 node [shape=box, style=rounded, fontname=monospace, fontsize=10];\n",
    );
    for (addr, (peer, visited)) in &places {
        let angle = TAU * (peer.id().get() as f64 / 2f64.powi(128));
        let (x, y) = (radius * angle.sin(), radius * angle.cos());
        let colour = if *visited { "" } else { ", color=grey, fontcolor=grey" };
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
    use crate::wire::{Incarnation, Place, Version};

    fn peer(port: u16) -> Peer {
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        Peer { place: Place { addr, id: Id::new(u128::from(port) << 112) }, incarnation: Incarnation::new(1) }
    }

    #[test]
    fn keys_that_are_no_text_have_a_path_all_the_same() {
        let held = |key: &[u8]| Held {
            key: key.to_vec(),
            id: Id::new(1),
            version: Version { term: 1, time_ms: 2, writer: 3 },
            length: 4,
            owned: true,
        };
        let list = [held("a/ü".as_bytes()), held(b"\xff\0")];
        let json = serde_json::to_value(keys(&list, 2)).unwrap();
        assert_eq!(json["keys"][0]["key"], "a/ü");
        assert_eq!(json["keys"][0]["path"], "/storage/a%2F%C3%BC");
        assert_eq!(json["keys"][0]["version"], "1-2-0000000000000003");
        assert!(json["keys"][1]["key"].is_null());
        assert_eq!(json["keys"][1]["path"], "/storage/%FF%00");
        assert_eq!(json["next"], "/storage?limit=2&after=%FF%00");
        assert!(serde_json::to_value(keys(&list, 3)).unwrap()["next"].is_null());
    }

    #[test]
    fn the_next_page_of_the_ring_goes_on_behind_the_last_key_or_where_there_is_none() {
        let (key, owner) = (Box::from(&b"\xff/"[..]), peer(9).addr());
        let version = Version { term: 1, time_ms: 2, writer: 3 };
        let entry = OwnedKey { id: Id::of_key(&key), key, version, length: 4, owner };
        let page = |next| serde_json::to_value(ring_keys(core::slice::from_ref(&entry), next, 5)).unwrap();
        let json = page(Some(entry.id));
        assert_eq!((&json["keys"][0]["path"], &json["keys"][0]["bytes"]), (&"/storage/%FF%2F".into(), &4.into()));
        assert_eq!((&json["keys"][0]["owner"], &json["keys"][0]["key"]), (&"127.0.0.1:9".into(), &().into()));
        assert_eq!(json["next"], "/storage?ring=1&limit=5&after=%FF%2F");
        assert_eq!(page(Some(Id::new(7)))["next"], format!("/storage?ring=1&limit=5&from={}", Id::new(7)));
        assert!(page(None)["next"].is_null());
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
    }
}
