//! Rules are needed: the swarm's oracles catch the lack of one within 500 ordinary seeds, but for those of `UNSEEN`.
//!
//! ```sh
//! cargo test --features mutations --test rules -- --nocapture                # each rule until it is caught
//! SKY_RULE=Term SKY_ALL=1 cargo test --features mutations --test rules -- --nocapture   # how many of 500 catch it
//! SKY_RULE=Term,Stamps ...                                                   # two at once
//! SKY_SEED=1000 SKY_RUNS=5000 ...                                            # among others than the first 500
//! ```

use skynode::config::Rule;
use skynode::sim::swarm::{Outcome, Swarm};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Ordinary seeds: those of `cargo test --test swarm`.
const SEEDS: u64 = 500;

/// Rules whose lack no ordinary seed shows, or one of thousands. While at most two of seven neighbours are disturbed,
/// others cover for them: whoever takes an arc over asks the former owner, or is a neighbour that stored what it
/// acknowledged, and a copy or a term that arrives late is below what is known by then; and no stray is the last of its
/// kind. They are kept for what lies beyond that bound.
const UNSEEN: [Rule; 4] =
    [Rule::HighestTermOnly, Rule::CompleteBeforeAnswering, Rule::AskedAfterPointer, Rule::DropWhenConfirmed];

/// The seeds that catch a rule's lack: the first few that end, or all.
fn caught(rules: &[Rule], first: u64, seeds: u64, all: bool) -> Vec<Outcome> {
    let (next, found) = (AtomicU64::new(first), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            scope.spawn(|| {
                while all || found.lock().expect("no run panics").is_empty() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        return;
                    }
                    let outcome = Swarm::without(seed, rules).run();
                    if !outcome.failures.is_empty() {
                        found.lock().expect("no run panics").push(outcome);
                    }
                }
            });
        }
    });
    let mut found = found.into_inner().expect("no run panics");
    found.sort_by_key(|outcome| outcome.seed);
    found
}

#[test]
fn a_ring_without_one_of_its_rules_is_caught() {
    let only = std::env::var("SKY_RULE").ok();
    let all = std::env::var("SKY_ALL").is_ok();
    let number = |name, or| std::env::var(name).map_or(or, |text| text.parse().expect("a number"));
    let start = number("SKY_SEED", 0);
    let named =
        |name: &str| Rule::ALL.into_iter().find(|rule| format!("{rule:?}") == name).expect("the name of a rule");
    let taken_out: Vec<Vec<Rule>> = match &only {
        Some(names) => vec![names.split(',').map(named).collect()],
        None => Rule::ALL.into_iter().filter(|rule| !UNSEEN.contains(rule)).map(|rule| vec![rule]).collect(),
    };
    let mut missed = Vec::new();
    for rule in taken_out {
        let seeds = number("SKY_RUNS", SEEDS);
        let outcomes = caught(&rule, start, seeds, all);
        match outcomes.first() {
            Some(first) => {
                let failure = first.failures[0].lines().next().unwrap_or_default();
                let of = if all { format!("{} of {seeds} seeds, ", outcomes.len()) } else { String::new() };
                println!("without {rule:?}: {of}seed {}: {failure}", first.seed);
            }
            None => missed.push(rule),
        }
    }
    println!("not tried, as no ordinary seed shows that they are missing: {UNSEEN:?}");
    assert!(missed.is_empty(), "no seed notices that these are missing: {missed:?}");
}
