//! An attacker that knows the ring's name and sends from any address: a quiet ring does not notice.
//!
//! ```sh
//! cargo test --test hostile                                              # 100,000 datagrams
//! SKY_DATAGRAMS=10000000 cargo test --test hostile -- --nocapture        # ten million
//! SKY_SEED=17 SKY_LOG=1 cargo test --test hostile -- --nocapture         # another attack, with what happened
//! ```

use skynode::sim::Detail;
use skynode::sim::swarm::scenes::hostile;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("SKY_SEED, SKY_DATAGRAMS and SKY_LOG are numbers"))
}

/// Without a number given two attacks are played, half of the datagrams each.
#[test]
fn nothing_moves_however_much_is_forged() {
    let seeds = number("SKY_SEED").map_or(0..2, |seed| seed..seed + 1);
    let datagrams = number("SKY_DATAGRAMS").unwrap_or(100_000) / (seeds.end - seeds.start);
    std::thread::scope(|scope| {
        for seed in seeds {
            scope.spawn(move || {
                let mut run = hostile::stage(seed, datagrams);
                if number("SKY_LOG").is_some_and(|detail| detail > 0) {
                    run.tell_to(Detail::Lives, |line| println!("{line}"));
                }
                let outcome = run.run();
                println!("---- seed {seed}: {:?}\n{}", outcome.figures, outcome.tally);
                assert!(outcome.failures.is_empty(), "seed {seed}:\n{}", outcome.failures.join("\n"));
                assert!(outcome.tally.attacks >= datagrams);
            });
        }
    });
}
