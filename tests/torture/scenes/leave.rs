//! Nodes leave gracefully, down to one, two neighbours at once among them, and come back. Nobody who asks another node
//! notices.

use super::Needed;
use crate::client::Client;
use crate::figures::Times;
use crate::node::Node;
use crate::ring::PATIENCE;
use crate::stage::{Stage, Tally};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// [`Needed::Nothing`] as soon as nodes know `POST /leave`.
pub const NEEDS: Needed = Needed::Nothing;

pub fn play(stage: &Stage) -> Result<(), String> {
    stage.ring.start();
    stage.ring.await_whole(PATIENCE)?;
    let (mut rng, mut times) = (stage.rng(), Times::default());
    let played = stage.with_clients(|| {
        for round in 0..stage.rounds(1, 5) {
            while stage.ring.up().len() > 1 {
                stage.new_page()?;
                let order = stage.ring.in_order()?;
                // A seed stays: the others look for the ring there when they come back.
                let stays = stage.ring.nodes[0].addr;
                let place = order.iter().position(|node| node.addr == stays).unwrap_or_default();
                let others = order.len() - 1;
                let at_once = if others > 3 && rng.chance(0.5) { 2 } else { 1 };
                let first = place + 1 + rng.index(others + 1 - at_once);
                let leaving: Vec<&Node> = (0..at_once).map(|number| order[(first + number) % order.len()]).collect();
                leave(stage, &leaving, round % 2 == 0, &mut times)?;
                stage.await_readable(&stage.ring.up(), PATIENCE)?;
            }
            for pair in stage.ring.nodes.chunks(2) {
                for node in pair.iter().filter(|node| !node.is_up()) {
                    node.launch();
                    node.await_listening();
                }
                stage.ring.await_whole(PATIENCE)?;
                // Clients come once it has its place.
                pair.iter().for_each(|node| node.open_to_clients(true));
            }
            stage.await_readable(&stage.ring.up(), PATIENCE)?;
        }
        Ok(())
    });
    stage.figure(format!("gone after: {times}"));
    let tally = &stage.tally;
    for (what, counter) in [("503", &tally.refusals), ("504", &tally.unknown), ("no answer", &tally.lost)] {
        if Tally::get(counter) > 0 {
            stage.fault(format!("{} requests through nodes that stayed got {what}", Tally::get(counter)));
        }
    }
    played
}

/// These leave at one moment, asked over HTTP or by a signal; their processes end by themselves.
fn leave(stage: &Stage, leaving: &[&Node], over_http: bool, times: &mut Times) -> Result<(), String> {
    leaving.iter().for_each(|node| node.open_to_clients(false));
    // Who asks the leaving node itself may be turned away; so nobody does any more.
    crate::ring::eventually(PATIENCE, || {
        let busy = leaving.iter().any(|node| node.waiting.load(Ordering::Relaxed) > 0);
        if busy { Err("a client still waits for the leaving node".into()) } else { Ok(()) }
    })?;
    let started = Instant::now();
    for node in leaving {
        stage.note(format!("{} leaves", node.addr));
        if over_http {
            let answer = Client::new(node.addr).try_ask("POST", "/leave", "", Some(b""));
            let answer = answer.map_err(|error| error.to_string())?;
            if answer.status != 202 {
                return Err(format!("{} answers /leave with {answer:?}", node.addr));
            }
        } else {
            node.terminate();
        }
    }
    for node in leaving {
        let status = node.await_end()?;
        times.add(started.elapsed());
        if status.code() != Some(0) {
            stage.fault(format!("{} left with {status}", node.addr));
        }
    }
    Ok(())
}
