//! Two neighbours cannot hear each other, while all others hear both: nothing wrong may be answered. For how long keys
//! are silent is measured.

use crate::client::Client;
use crate::clients::Asker;
use crate::figures::Seconds;
use crate::ledger::Ledger;
use crate::node::POLL;
use crate::ring::PATIENCE;
use crate::rules::Rule;
use crate::stage::Stage;
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

pub fn play(stage: &Stage) -> Result<(), String> {
    stage.ring.start();
    stage.ring.await_whole(PATIENCE)?;
    let mut rng = stage.rng();
    let time = stage.lasting(12, 30);
    stage.with_clients(|| {
        stage.new_page()?;
        let order = stage.ring.in_order()?;
        let first = rng.index(order.len());
        let place = |at: usize| order[(first + at) % order.len()];
        let keys = key_of_each_arc(stage)?;
        stage.note(format!("{} and {} cannot hear each other for {time:?}", place(0).addr, place(1).addr));
        stage.ring.rules().set(&Rule::cut_both_ways(&[place(0).addr], &[place(1).addr]));
        // Through a node on the other side of the ring, arc by arc.
        let through = stage.ring.number_of(place(4));
        let until = Instant::now() + time;
        let silent: Vec<(usize, Duration)> = thread::scope(|scope| {
            let watched: Vec<_> = (0..order.len())
                .filter_map(|at| {
                    let key = *keys.get(&place(at).addr.to_string())?;
                    Some((at, scope.spawn(move || silence_of(stage, through, key, until))))
                })
                .collect();
            // The last answer may come after the time.
            watched.into_iter().map(|(at, watch)| (at, watch.join().expect("it only reads").min(time))).collect()
        });
        if stage.ring.rules().dropped().contains(&0) {
            stage.fault("the rules dropped nothing: they do not fit".into());
        }
        stage.ring.rules().set(&[]);
        let role = |at: usize| match at {
            0 => String::from("of the first"),
            1 => String::from("of the second"),
            at => format!("of the one {at} after the first"),
        };
        let arcs = silent.iter().filter(|(_, time)| *time > Duration::from_millis(500));
        let arcs: Vec<String> = arcs.map(|&(at, time)| format!("{} {} s", role(at), Seconds(time))).collect();
        let arcs = if arcs.is_empty() { String::from("none") } else { arcs.join(", ") };
        stage.figure(format!("silent in {} s: {arcs} ({} arcs watched)", time.as_secs(), silent.len()));
        let healed = stage.ring.await_whole(PATIENCE)?;
        stage.figure(format!("whole {} s after the cut ended", Seconds(healed)));
        stage.await_readable(&stage.ring.up(), PATIENCE).map(drop)
    })
}

/// A key for each owner, as far as the keys go.
fn key_of_each_arc(stage: &Stage) -> Result<BTreeMap<String, usize>, String> {
    let mut client = Client::new(stage.ring.nodes[0].addr);
    let mut keys = BTreeMap::new();
    for key in stage.ledger.told_of() {
        let answer = client.try_ask("GET", &format!("/lookup/{}", Ledger::name(key)), "", None);
        let answer = answer.map_err(|error| error.to_string())?;
        if let Some(owner) = answer.json()["owner"]["addr"].as_str() {
            keys.insert(owner.to_owned(), key);
        }
    }
    Ok(keys)
}

/// For how long the key could not be read.
fn silence_of(stage: &Stage, through: usize, key: usize, until: Instant) -> Duration {
    let mut asker = Asker::new(stage, "watch", stage.rng());
    let (mut silent, mut last) = (Duration::ZERO, Instant::now());
    while Instant::now() < until {
        let read = asker.read(through, key);
        // Up to an answer that had to be waited for it was silent too.
        let waited = last.elapsed();
        if !read || waited > Duration::from_secs(1) {
            silent += waited;
        }
        last = Instant::now();
        thread::sleep(POLL * 5);
        if read {
            last = Instant::now();
        }
    }
    silent
}
