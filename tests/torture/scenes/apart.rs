//! Six nodes are cut apart, three and three, and joined again.
//!
//! That is more than is promised. Alternating ones go on on either side, since no node loses three in a row; what must
//! not be lost is a write: afterwards each key has the highest version that was acknowledged. Halves in a row fall
//! silent where they were cut, and say so.

use crate::client::Client;
use crate::clients::{Act, Asker, Outcome};
use crate::figures::Seconds;
use crate::node::Node;
use crate::ring::{PATIENCE, eventually, shown_node};
use crate::rules::Rule;
use crate::stage::Stage;
use skynode::wire::Version;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How soon there must be one ring of six again.
const WHOLE_WITHIN: Duration = Duration::from_secs(30);
/// When those that fall silent have done so: three nodes are dropped one after another.
const SILENT_AFTER: Duration = Duration::from_secs(12);

pub fn alternating(stage: &Stage) -> Result<(), String> {
    play(stage, |place| place % 2 == 0, &[])
}

pub fn in_a_row(stage: &Stage) -> Result<(), String> {
    // Those whose neighbour is on the other side.
    play(stage, |place| place < 3, &[0, 2, 3, 5])
}

/// `silent` are the places of those that must fall silent.
fn play(stage: &Stage, is_here: fn(usize) -> bool, silent: &[usize]) -> Result<(), String> {
    stage.puts_only.store(true, Ordering::Relaxed);
    stage.ring.start();
    stage.ring.await_whole(PATIENCE)?;
    let time = stage.lasting(20, 60);
    stage.with_clients(|| {
        stage.new_page()?;
        let order = stage.ring.in_order()?;
        let side = |here: bool| -> Vec<SocketAddr> {
            (0..order.len()).filter(|&place| is_here(place) == here).map(|place| order[place].addr).collect()
        };
        stage.note(format!("cuts {:?} and {:?} apart for {time:?}", side(true), side(false)));
        let cut = Instant::now();
        stage.ring.rules().set(&Rule::cut_both_ways(&side(true), &side(false)));
        stage.ledger.turn_page(40);
        std::thread::sleep(SILENT_AFTER);
        let states = states(stage, &order)?;
        stage.figure(format!("while cut apart the nodes were, in order: {}", states.join(", ")));
        for &place in silent.iter().filter(|&&place| states[place] != "silent") {
            stage.fault(format!("{} is {} after {SILENT_AFTER:?}, not silent", order[place].addr, states[place]));
        }
        std::thread::sleep((cut + time).saturating_duration_since(Instant::now()));
        if stage.ring.rules().dropped().contains(&0) {
            stage.fault("the rules dropped nothing: they do not fit".into());
        }
        stage.ring.rules().set(&[]);
        let healed = stage.ring.await_whole(PATIENCE)?;
        stage.figure(format!("one ring {} s after they were joined", Seconds(healed)));
        if healed > WHOLE_WITHIN {
            stage.fault(format!("one ring only after {healed:?}, not within {WHOLE_WITHIN:?}"));
        }
        Ok(())
    })?;
    // The clients have ended: what is acknowledged now is all.
    let acknowledged = stage.ledger.acknowledged();
    let mut asker = Asker::new(stage, "last look", stage.rng());
    for (key, least) in &acknowledged {
        for at in 0..stage.ring.nodes.len() {
            let found = eventually(PATIENCE, || version(&mut asker, at, *key))?;
            if found < Some(*least) {
                let addr = stage.ring.nodes[at].addr;
                stage.fault(format!("key {key}: {least} was acknowledged, but {addr} has {found:?}"));
            }
        }
    }
    stage.figure(format!("{} keys there in their highest acknowledged version", acknowledged.len()));
    Ok(())
}

/// The version in which a node reads a key; `None` if it finds nothing.
fn version(asker: &mut Asker<'_>, at: usize, key: usize) -> Result<Option<Version>, String> {
    match asker.ask(at, key, Act::Get, None) {
        Outcome::Answered(answer) if answer.status == 200 => {
            let tag = answer.field("ETag").map(|tag| tag.trim_matches('"'));
            tag.and_then(|tag| tag.parse().ok()).map(Some).ok_or_else(|| format!("no version in {answer:?}"))
        }
        Outcome::Answered(answer) if answer.status == 404 => Ok(None),
        Outcome::Answered(answer) => Err(format!("key {key}: {}", answer.status)),
        Outcome::NotSent | Outcome::Lost => Err(format!("key {key}: no answer")),
    }
}

/// The states of the nodes. One that is not ready must say why.
fn states(stage: &Stage, nodes: &[&Node]) -> Result<Vec<String>, String> {
    let state = |node: &&Node| {
        let mut client = Client::new(node.addr);
        let ready = client.try_ask("GET", "/readyz", "", None).map_err(|error| error.to_string())?;
        let state = shown_node(&mut client)?["state"].as_str().unwrap_or_default().to_owned();
        let says = ready.status == 200 || ready.status == 503 && ready.json()["detail"].as_str().is_some();
        if !says {
            stage.fault(format!("{} does not say why it is not ready: {ready:?}", node.addr));
        }
        Ok(state)
    };
    nodes.iter().map(state).collect()
}
