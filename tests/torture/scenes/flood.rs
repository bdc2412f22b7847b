//! Forged datagrams, changed ones and old ones, from members' addresses too, and nonsense over TCP: clients do not
//! notice, the ring does not move, and no node grows.

use crate::attack;
use crate::client::Client;
use crate::figures::Seconds;
use crate::node::Node;
use crate::ring::{PATIENCE, eventually, shown_node};
use crate::stage::{Stage, Tally};
use serde_json::Value;
use skynode::wire::{Incarnation, Peer, Place};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Datagrams a second.
const RATE: u64 = 10_000;
/// A slower attack than this share of it tells of a machine that has no time.
const FAST: f64 = 0.9;
/// For how long nothing must have changed before it begins.
const CALM: Duration = Duration::from_secs(1);
/// By how much a node may grow, in bytes: what clients write is a few KiB.
const GROWTH_MAX: u64 = 1 << 20;
/// What of `/node` must not change, and which counters.
const STILL: [&str; 7] = ["id", "incarnation", "predecessor", "successors", "claim", "settled", "term"];
const TROUBLES: [&str; 5] = ["suspicions", "lapses", "takeovers", "silences", "settlements"];
/// Causes, or beginnings of them, by which datagrams without effect are counted.
const CAUSES: [&str; 4] = ["flawed_", "refused_", "unasked", "repeated"];

pub fn play(stage: &Stage) -> Result<(), String> {
    stage.ring.start();
    stage.ring.await_whole(PATIENCE)?;
    let nodes = &stage.ring.nodes;
    stage.with_clients(|| {
        stage.new_page()?;
        let before = eventually(PATIENCE, || {
            let first = look(nodes)?;
            thread::sleep(CALM);
            if look(nodes)? == first { Ok(first) } else { Err("the ring does not come to rest".into()) }
        })?;
        let counted = counts(nodes)?;
        let refused = refusals(stage);
        let sizes = sizes(nodes)?;
        let peers = nodes.iter().map(peer).collect::<Result<Vec<Peer>, String>>()?;
        let addrs: Vec<_> = nodes.iter().map(|node| node.addr).collect();
        let (stop, rng, garbage) = (AtomicBool::new(false), stage.rng(), stage.rng());
        let time = stage.lasting(5, 60);
        let (attacked, connections) = thread::scope(|scope| {
            let nonsense = scope.spawn(|| attack::nonsense(&addrs, &stop, garbage));
            let attacked = attack::datagrams(&peers, "torture", RATE, time, rng);
            stop.store(true, Ordering::Relaxed);
            (attacked, nonsense.join().expect("it ends"))
        });
        let attacked = attacked?;
        let rate = attacked.sent as f64 / attacked.took.as_secs_f64();
        let (sent, took) = (attacked.sent, Seconds(attacked.took));
        stage.figure(format!("{sent} datagrams in {took} s, {rate:.0} a second, and {connections} connections"));
        stage.note(format!("{attacked:?}"));
        let causes = counts(nodes)?.saturating_sub(counted);
        stage.figure(format!("{causes} counted without effect"));
        if causes < sent / 2 {
            stage.fault(format!("only {causes} of {sent} datagrams were counted by a cause"));
        }
        if attacked.recorded == 0 {
            stage.fault("nothing was recorded, so nothing was replayed".into());
        }
        for (node, (was, is)) in nodes.iter().zip(sizes.into_iter().zip(self::sizes(nodes)?)) {
            let grown = is.saturating_sub(was);
            stage.note(format!("{} has grown by {} KiB to {} KiB", node.addr, grown >> 10, is >> 10));
            if grown > GROWTH_MAX {
                stage.fault(format!("{} has grown from {was} to {is} bytes", node.addr));
            }
        }
        // A machine that has no time for the attacker has none for the nodes.
        let (after, unserved) = (look(nodes)?, refusals(stage) - refused);
        if attacked.stalls > 0 || rate < FAST * RATE as f64 {
            let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
            stage.figure(format!(
                "the machine was too busy to judge by, {} stalls: {moved} nodes moved, {unserved} requests not served",
                attacked.stalls
            ));
            stage.ring.await_whole(PATIENCE)?;
        } else {
            for (before, after) in before.iter().zip(&after).filter(|(before, after)| before != after) {
                stage.fault(format!("a node has moved: it was {before}, and is {after}"));
            }
            if unserved > 0 {
                stage.fault(format!("{unserved} requests were refused, unknown or lost"));
            }
        }
        stage.await_readable(&stage.ring.up(), PATIENCE).map(drop)
    })
}

/// What must not change of all nodes.
fn look(nodes: &[Node]) -> Result<Vec<Value>, String> {
    let still = |node: &Node| {
        let shown = shown_node(&mut Client::new(node.addr))?;
        let kept = STILL.into_iter().map(|name| (name.to_owned(), shown[name].clone()));
        let troubles = TROUBLES.into_iter().map(|name| (name.to_owned(), shown["counters"][name].clone()));
        Ok(Value::Object(kept.chain(troubles).collect()))
    };
    nodes.iter().map(still).collect()
}

/// How many datagrams all nodes have counted that had no effect.
fn counts(nodes: &[Node]) -> Result<u64, String> {
    let mut sum = 0;
    for node in nodes {
        let shown = shown_node(&mut Client::new(node.addr))?;
        let counters = shown["counters"].as_object().ok_or("no counters")?;
        let of_cause = counters.iter().filter(|(name, _)| CAUSES.iter().any(|cause| name.starts_with(cause)));
        sum += of_cause.filter_map(|(_, count)| count.as_u64()).sum::<u64>();
    }
    Ok(sum)
}

/// The node as others name it.
fn peer(node: &Node) -> Result<Peer, String> {
    let shown = shown_node(&mut Client::new(node.addr))?;
    let text = |name: &str| shown[name].as_str().unwrap_or_default();
    let id = text("id").parse().map_err(|_| format!("no id: {shown}"))?;
    let incarnation = u32::from_str_radix(text("incarnation"), 16).map_err(|error| error.to_string())?;
    Ok(Peer { place: Place { addr: node.addr, id }, incarnation: Incarnation::new(incarnation) })
}

/// Requests that were not served as they should be.
fn refusals(stage: &Stage) -> u64 {
    let tally = &stage.tally;
    [&tally.refusals, &tally.unknown, &tally.lost].into_iter().map(Tally::get).sum()
}

/// Bytes of memory that each node has.
fn sizes(nodes: &[Node]) -> Result<Vec<u64>, String> {
    nodes.iter().map(|node| node.resident().ok_or_else(|| format!("the size of {} is not shown", node.addr))).collect()
}
