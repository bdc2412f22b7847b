//! One node or two neighbours of eight are cut off. They fall silent when their consents have run out, the others take
//! over, and afterwards there is one ring again.

use crate::figures::Seconds;
use crate::node::Node;
use crate::ring::PATIENCE;
use crate::rules::Rule;
use crate::stage::{Stage, Tally};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// When the small side must be silent: a consent lasts 2.5 s, and a request takes its time.
const SILENT_AFTER: Duration = Duration::from_secs(4);
/// How soon there must be one ring again.
const WHOLE_WITHIN: Duration = Duration::from_secs(30);

pub fn one(stage: &Stage) -> Result<(), String> {
    play(stage, 1)
}

pub fn two(stage: &Stage) -> Result<(), String> {
    play(stage, 2)
}

fn play(stage: &Stage, count: usize) -> Result<(), String> {
    stage.ring.start();
    stage.ring.await_whole(PATIENCE)?;
    let mut rng = stage.rng();
    let time = stage.lasting(14, 60);
    stage.with_clients(|| {
        stage.new_page()?;
        let order = stage.ring.in_order()?;
        let first = rng.index(order.len());
        let is_small = |at: usize| (at + order.len() - first) % order.len() < count;
        let (small, large): (Vec<_>, Vec<_>) = (0..order.len()).partition(|&at| is_small(at));
        let side = |places: Vec<usize>| places.into_iter().map(|at| order[at]).collect::<Vec<&Node>>();
        let (small, large) = (side(small), side(large));
        let addrs = |nodes: &[&Node]| nodes.iter().map(|node| node.addr).collect::<Vec<SocketAddr>>();
        stage.note(format!("cuts {:?} off for {time:?}", addrs(&small)));
        let cut = Instant::now();
        stage.ring.rules().set(&Rule::cut_both_ways(&addrs(&small), &addrs(&large)));
        small.iter().for_each(|node| node.must_be_mute(Some(cut + SILENT_AFTER)));
        stage.with_clients_of(&small, || {
            let took = stage.await_readable(&large, PATIENCE)?;
            stage.figure(format!("the others read all keys after {} s", Seconds(took)));
            // Keys born while they are cut off are to be found by all afterwards.
            stage.new_page()?;
            std::thread::sleep((cut + time).saturating_duration_since(Instant::now()));
            Ok(())
        })?;
        if stage.ring.rules().dropped().contains(&0) {
            stage.fault("the rules dropped nothing: they do not fit".into());
        }
        small.iter().for_each(|node| node.must_be_mute(None));
        stage.ring.rules().set(&[]);
        let healed = stage.ring.await_whole(PATIENCE)?;
        stage.figure(format!("one ring {} s after the cut ended", Seconds(healed)));
        if healed > WHOLE_WITHIN {
            stage.fault(format!("one ring only after {healed:?}, not within {WHOLE_WITHIN:?}"));
        }
        let (refused, unknown) = (Tally::get(&stage.tally.mute), Tally::get(&stage.tally.mute_unknown));
        stage.figure(format!("refused by the small side: {refused} (503) and {unknown} writes unknown (504)"));
        if refused == 0 {
            stage.fault("nobody asked the small side".into());
        }
        stage.await_readable(&stage.ring.up(), PATIENCE).map(drop)
    })
}
