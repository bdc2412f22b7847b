//! A share of all datagrams is lost, from before the ring forms.

use crate::client::Client;
use crate::figures::{Seconds, Times};
use crate::node::POLL;
use crate::ring::{PATIENCE, shown_node, successors};
use crate::rules::Rule;
use crate::stage::{Stage, Tally};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const PERCENT: u32 = 15;
/// How soon a node that was dropped by mistake must be back in a list.
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// The share of writes to be acknowledged, in a hundred.
const ACKNOWLEDGED: f64 = 95.0;

pub fn play(stage: &Stage) -> Result<(), String> {
    let addrs: Vec<SocketAddr> = stage.ring.nodes.iter().map(|node| node.addr).collect();
    stage.ring.rules().set(&[Rule::Lose { to: addrs.clone(), percent: PERCENT }]);
    stage.ring.start();
    let formed = stage.ring.await_formed(PATIENCE)?;
    stage.figure(format!("one ring under {PERCENT} % loss {} s after the start", Seconds(formed)));
    let mut missing = stage.with_clients(|| Ok(watch(stage, &addrs, stage.lasting(18, 300))))?;
    missing.late.sort();
    for (observer, gone, time) in &missing.late {
        stage.fault(format!("{observer} had {gone} not in its list for {time:?}, more than {BACK_WITHIN:?}"));
    }
    stage.figure(format!("dropped and back in a list: {}", missing.times));
    let (writes, done) = (Tally::get(&stage.tally.writes), Tally::get(&stage.tally.acknowledged));
    let share = 100.0 * done as f64 / writes.max(1) as f64;
    stage.figure(format!("{share:.1} % of {writes} writes acknowledged at once"));
    if share < ACKNOWLEDGED {
        stage.fault(format!("{share:.1} % of {writes} writes were acknowledged, less than {ACKNOWLEDGED} %"));
    }
    if stage.ring.rules().dropped().contains(&0) {
        stage.fault("the rules dropped nothing: they do not fit".into());
    }
    stage.ring.rules().set(&[]);
    let healed = stage.ring.await_whole(PATIENCE)?;
    stage.figure(format!("whole {} s after the loss ended", Seconds(healed)));
    stage.await_readable(&stage.ring.up(), PATIENCE).map(drop)
}

#[derive(Default)]
struct Missing {
    times: Times,
    late: Vec<(SocketAddr, SocketAddr, Duration)>,
}

/// Watches all lists for so long: who is missing from whose, and for how long.
fn watch(stage: &Stage, addrs: &[SocketAddr], time: Duration) -> Missing {
    let (started, mut missing) = (Instant::now(), Missing::default());
    let mut since: BTreeMap<(SocketAddr, SocketAddr), Instant> = BTreeMap::new();
    let mut page = Instant::now();
    while started.elapsed() < time {
        for &observer in addrs {
            let Ok(shown) = shown_node(&mut Client::new(observer)) else { continue };
            let list = successors(&shown);
            for &other in addrs.iter().filter(|&&other| other != observer) {
                if !list.contains(&other.to_string().as_str()) {
                    since.entry((observer, other)).or_insert_with(|| {
                        stage.note(format!("{observer} does not list {other}"));
                        Instant::now()
                    });
                } else if let Some(gone) = since.remove(&(observer, other)) {
                    stage.note(format!("{observer} lists {other} again after {:?}", gone.elapsed()));
                    missing.times.add(gone.elapsed());
                    if gone.elapsed() > BACK_WITHIN {
                        missing.late.push((observer, other, gone.elapsed()));
                    }
                }
            }
        }
        // Fresh keys now and then, so that no history grows too long.
        if page.elapsed() > Duration::from_secs(15) {
            stage.ledger.turn_page(40);
            page = Instant::now();
        }
        std::thread::sleep(POLL * 5);
    }
    let late = since.iter().filter(|(_, gone)| gone.elapsed() > BACK_WITHIN);
    missing.late.extend(late.map(|(&(observer, other), gone)| (observer, other, gone.elapsed())));
    missing
}
