//! What befalls a ring: one thing after another, each within what the promises cover.

use crate::record::Record;
use crate::ring::Ring;
use crate::rules::Rule;
use skynode::rng::Rng;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

/// Has things befall the ring for so long, and waits until it is whole at the end.
///
/// # Errors
/// It does not become whole again.
pub fn befall(
    ring: &Ring,
    record: &Record,
    rng: &mut Rng,
    time: Duration,
    tell: &impl Fn(String),
) -> Result<(), String> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        record.new_page();
        thread::sleep(rng.between(Duration::from_millis(200), Duration::from_millis(1200)));
        if rng.chance(0.4) {
            let hit = rng.index(ring.nodes.len());
            let days = ring.put_clock(hit, rng) / 86_400;
            tell(format!("the wall clock of {} is {days} days off", ring.nodes[hit].addr));
        }
        // The same keys are used on while what was hit comes back.
        one(ring, rng, tell)?;
        ring.await_whole()?;
        thread::sleep(rng.between(Duration::ZERO, Duration::from_secs(1)));
    }
    Ok(())
}

/// One or two nodes, and where there are two, in rings that can bear it.
fn victims(ring: &Ring, rng: &mut Rng) -> Vec<usize> {
    let first = rng.index(ring.nodes.len());
    let second = (first + 1 + rng.index(ring.nodes.len() - 1)) % ring.nodes.len();
    if ring.nodes.len() > 4 && rng.chance(0.4) { vec![first, second] } else { vec![first] }
}

fn one(ring: &Ring, rng: &mut Rng, tell: &impl Fn(String)) -> Result<(), String> {
    let hit = victims(ring, rng);
    let addrs = |of: &[usize]| of.iter().map(|&number| ring.nodes[number].addr).collect::<Vec<SocketAddr>>();
    let others: Vec<usize> = (0..ring.nodes.len()).filter(|number| !hit.contains(number)).collect();
    let (these, those) = (addrs(&hit), addrs(&others));
    let long = rng.between(Duration::from_millis(300), Duration::from_secs(6));
    let named = these.iter().map(|addr| addr.ip().to_string()).collect::<Vec<_>>().join(" and ");
    let each = |what: &dyn Fn(usize)| hit.iter().for_each(|&number| what(number));
    match rng.index(if ring.plan.saves { 8 } else { 7 }) {
        0 => {
            tell(format!("{named} killed for {long:?}"));
            each(&|number| ring.nodes[number].kill());
            thread::sleep(long);
            each(&|number| ring.launch(number));
        }
        1 => {
            tell(format!("{named} stopped for {long:?}"));
            each(&|number| ring.nodes[number].stop());
            thread::sleep(long);
            each(&|number| ring.nodes[number].go_on());
        }
        2 => {
            tell(format!("{named} cut off for {long:?}"));
            cut(ring, &Rule::cut_both_ways(&these, &those), long);
        }
        3 => {
            tell(format!("{named} not heard for {long:?}"));
            cut(ring, &[Rule::Cut { from: these, to: those }], long);
        }
        4 => {
            tell(format!("{named} deaf for {long:?}"));
            cut(ring, &[Rule::Cut { from: those, to: these }], long);
        }
        5 => {
            let other = those[rng.index(those.len())];
            tell(format!("{} does not hear {} for {long:?}", these[0], other));
            cut(ring, &[Rule::Cut { from: vec![other], to: vec![these[0]] }], long);
        }
        6 => {
            tell(format!("{} leaves for {long:?}", these[0]));
            ring.nodes[hit[0]].leave()?;
            thread::sleep(long);
            ring.launch(hit[0]);
        }
        _ => {
            tell(String::from("all killed at once"));
            ring.nodes.iter().for_each(|node| node.kill());
            (0..ring.nodes.len()).for_each(|number| ring.launch(number));
        }
    }
    Ok(())
}

fn cut(ring: &Ring, rules: &[Rule], long: Duration) {
    ring.rules.set(rules);
    thread::sleep(long);
    ring.rules.set(&[]);
}
