//! One node or two neighbours stand still for a while and go on as if nothing had happened.

use crate::figures::Times;
use crate::node::Node;
use crate::ring::PATIENCE;
use crate::stage::Stage;
use std::time::Duration;

/// How soon after they go on the ring must be whole and ready.
const WHOLE_WITHIN: Duration = Duration::from_secs(10);

pub fn play(stage: &Stage) -> Result<(), String> {
    stage.ring.start();
    stage.ring.await_whole(PATIENCE)?;
    let (mut rng, mut healings) = (stage.rng(), Times::default());
    let longest = stage.lasting(7, 20);
    let played = stage.with_clients(|| {
        for round in 0..stage.rounds(2, 20) {
            stage.new_page()?;
            let order = stage.ring.in_order()?;
            let first = rng.index(order.len());
            let victims: Vec<&Node> = (0..=round % 2).map(|number| order[(first + number) % order.len()]).collect();
            let time = rng.between(Duration::from_secs(1), longest);
            let names: Vec<String> = victims.iter().map(|node| node.addr.to_string()).collect();
            stage.note(format!("round {round}: {} stand still for {time:?}", names.join(" and ")));
            victims.iter().for_each(|node| node.stop());
            std::thread::sleep(time);
            victims.iter().for_each(|node| node.go_on());
            let healed = stage.ring.await_whole(PATIENCE)?;
            stage.note(format!("round {round}: whole {healed:?} after they went on"));
            healings.add(healed);
            if healed > WHOLE_WITHIN {
                stage.fault(format!("round {round}: whole and ready only after {healed:?}, not {WHOLE_WITHIN:?}"));
            }
            stage.await_readable(&stage.ring.up(), PATIENCE)?;
        }
        Ok(())
    });
    stage.figure(format!("whole and ready after a stop: {healings}"));
    played
}
