//! Nodes are killed while clients work; the others take their keys over, and they come back.

use crate::figures::Times;
use crate::node::Node;
use crate::ring::PATIENCE;
use crate::stage::Stage;
use std::time::Duration;

pub fn one(stage: &Stage) -> Result<(), String> {
    play(stage, 1, Duration::from_secs(5))
}

pub fn two(stage: &Stage) -> Result<(), String> {
    play(stage, 2, Duration::from_secs(8))
}

/// Kills so many at one moment. Every key must be readable through every survivor within the time.
fn play(stage: &Stage, count: usize, within: Duration) -> Result<(), String> {
    stage.ring.start();
    stage.ring.await_whole(PATIENCE)?;
    let (mut rng, mut takeovers, mut healings) = (stage.rng(), Times::default(), Times::default());
    let played = stage.with_clients(|| {
        for round in 0..stage.rounds(2, 20) {
            stage.new_page()?;
            let order = stage.ring.in_order()?;
            let first = rng.index(order.len());
            // Every other time they are neighbours.
            let step = if round % 2 == 0 { 1 } else { 2 + rng.index(order.len() - 3) };
            let victims: Vec<&Node> = (0..count).map(|number| order[(first + number * step) % order.len()]).collect();
            // Anywhere in the rhythm of the ring.
            std::thread::sleep(rng.between(Duration::ZERO, Duration::from_secs(1)));
            let names: Vec<String> = victims.iter().map(|node| node.addr.to_string()).collect();
            stage.note(format!("round {round}: kills {}, {step} apart", names.join(" and ")));
            victims.iter().for_each(|node| node.kill());
            let survivors = stage.ring.up();
            let took = stage.await_readable(&survivors, PATIENCE)?;
            stage.note(format!("round {round}: all keys readable after {took:?}"));
            takeovers.add(took);
            if took > within {
                stage.fault(format!("round {round}: all keys are readable only after {took:?}, not within {within:?}"));
            }
            let shrunk = stage.ring.await_whole(PATIENCE)?;
            stage.note(format!("round {round}: one ring of the others {shrunk:?} later"));
            victims.iter().for_each(|node| node.start());
            let healed = stage.ring.await_whole(PATIENCE)?;
            stage.note(format!("round {round}: whole {healed:?} after they were started again"));
            healings.add(healed);
            stage.await_readable(&stage.ring.up(), PATIENCE)?;
        }
        Ok(())
    });
    stage.figure(format!("takeover of {count} of 8: {takeovers}; whole after they came back: {healings}"));
    played
}
