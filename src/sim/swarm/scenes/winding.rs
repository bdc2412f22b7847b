//! A loop: every node has a predecessor and successors that agree with it, but their cycle goes round the ring twice.
//! The neighbours alone cannot find that out (Liben-Nowell, Balakrishnan and Karger, PODC 2002).

use super::{Config, Duration, Profile, Rng, Rules, Scene, Swarm, list_length, profile};
use crate::sim::oracle::{self, Ring};
use crate::sim::tally::Times;

struct Winding {
    bent: bool,
}

const LOOP: &str = "1 if it is a loop after 5 s";
const HEALED: &str = "s to heal";

/// 5 to 20 nodes; half of the runs have no seeds in common.
fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x0021_DD11);
    let nodes = 5 + rng.index(16);
    let profile = Profile {
        founders: if seed.is_multiple_of(2) { nodes } else { 0 },
        ..profile(nodes, list_length(nodes, &mut rng), &mut rng)
    };
    let rules = Rules { strict: false, heal_max: Duration::from_secs(180), run_min: Duration::ZERO };
    Swarm::staged(seed, profile, Config::default(), rules, Box::new(Winding { bent: false }))
}

impl Scene for Winding {
    fn step(&mut self, run: &mut Swarm) -> Option<Duration> {
        let bent = core::mem::replace(&mut self.bent, true);
        if !bent {
            run.world.wind(2);
        }
        let winds_twice = !oracle::is_ordered_ring(&Ring::of(&run.world));
        if bent {
            run.figure(LOOP, f64::from(u8::from(winds_twice)));
        } else if !winds_twice {
            run.fail("it was to be a loop");
        }
        (!bent).then_some(Duration::from_secs(5))
    }

    fn healed(&mut self, run: &mut Swarm, after: Duration) {
        run.figure(HEALED, after.as_secs_f64());
    }
}

#[test]
fn a_ring_that_winds_twice_becomes_one_that_winds_once() {
    let (mut healing, mut loops) = (Times::default(), 0.0);
    for seed in 0..40 {
        let outcome = stage(seed).run();
        assert_eq!(outcome.failures, [""; 0], "seed {seed}");
        for (name, values) in &outcome.figures {
            match name.as_str() {
                LOOP => loops += values.iter().sum::<f64>(),
                HEALED => values.iter().for_each(|&seconds| healing.push(Duration::from_secs_f64(seconds))),
                _ => {}
            }
        }
    }
    println!("{loops} loops of 40 were none that the neighbours mend; they healed after: {healing}");
    // What was under way when a ring was bent may straighten it.
    assert!(loops > 35.0, "only {loops} of 40 were loops");
}
