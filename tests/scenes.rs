//! Seeded scenes on the simulated network: splits, rings that formed apart, pairs that cannot talk, leaves, owners that
//! die at a bad moment.
//!
//! ```sh
//! cargo test --test scenes -- --nocapture                                             # all, with what they measured
//! SKY_SEED=17 SKY_RUNS=1 SKY_LOG=1 cargo test --test scenes split -- --nocapture     # one seed of one scene again
//! SKY_SEED=1000 SKY_RUNS=500 cargo test --test scenes apart -- --nocapture           # more seeds
//! ```

use skynode::sim::Detail;
use skynode::sim::swarm::scenes::{
    Stage, apart, astray, cramped, deletes, exodus, founding, halves, lapse, leaves, lives, moves, outage, pairs,
    queue, rush, split, strays, sweep,
};
use skynode::sim::swarm::{Figures, Outcome};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("SKY_SEED, SKY_RUNS and SKY_LOG are numbers"))
}

fn play(stage: Stage, seed: u64) -> Outcome {
    let mut run = stage(seed);
    match number("SKY_LOG") {
        None | Some(0) => {}
        Some(1) => run.tell_to(Detail::Lives, |line| println!("{line}")),
        Some(_) => run.tell_to(Detail::Datagrams, |line| println!("{line}")),
    }
    run.run()
}

/// Seeds of leaves beyond the first that once found a fault: what a leaver had sent before its good-bye came after it,
/// and made it a predecessor again.
const ONCE_FOUND_A_FAULT: [u64; 2] = [105, 164];

/// The median, the 95th of a hundred, and the worst.
fn tell(figures: &Figures) {
    for (name, values) in figures {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)];
        let (median, late, worst, times) = (at(0.5), at(0.95), at(1.0), sorted.len());
        println!("{name}: median {median:.2}, 95 % {late:.2}, worst {worst:.2} ({times} times)");
    }
}

/// Plays so many seeds of a scene on all cores, and those that once found a fault.
fn play_all(name: &str, stage: Stage, runs: u64, once_found_a_fault: &[u64]) -> Figures {
    let first = number("SKY_SEED");
    let again = if first.is_none() { once_found_a_fault } else { &[] };
    let (from, runs) = (first.unwrap_or(0), number("SKY_RUNS").unwrap_or(runs));
    let seeds: Vec<u64> = (from..from + runs).chain(again.iter().copied()).collect();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = play(stage, *seed);
                    done.lock().expect("no run panics").push(outcome);
                }
            });
        }
    });
    let mut outcomes = done.into_inner().expect("no run panics");
    outcomes.sort_by_key(|outcome| outcome.seed);
    let mut figures = Figures::new();
    for (what, values) in outcomes.iter().flat_map(|outcome| &outcome.figures) {
        figures.entry(what.clone()).or_default().extend(values);
    }
    println!("---- {name}: {} runs", outcomes.len());
    tell(&figures);
    let failed = outcomes.iter().filter(|outcome| !outcome.failures.is_empty());
    let failures: Vec<String> = failed
        .map(|Outcome { seed, failures, .. }| {
            let again = format!("SKY_SEED={seed} SKY_RUNS=1 SKY_LOG=1 cargo test --test scenes {name} -- --nocapture");
            format!("seed {seed}:\n  {}\n  again: {again}\n", failures.join("\n  "))
        })
        .collect();
    assert!(failures.is_empty(), "{} of {} runs failed\n{}", failures.len(), outcomes.len(), failures.concat());
    figures
}

#[test]
fn split_rings_heal_and_keep_what_both_sides_acknowledged() {
    play_all("split", split::stage, 100, &[]);
}

#[test]
fn halves_are_silent_at_their_edges_until_reopened() {
    play_all("halves", halves::stage, 60, &[]);
}

#[test]
fn rings_that_formed_apart_with_the_same_seeds_become_one() {
    play_all("apart", apart::stage, 60, &[]);
}

#[test]
fn in_an_outage_who_was_cut_off_or_had_gone_before_raises_no_second_ring() {
    play_all("outage", outage::stage, 100, &[313]);
}

#[test]
fn who_comes_astray_past_a_dead_node_gives_nobody_what_the_living_speak_for() {
    play_all("astray", astray::stage, 100, &[]);
}

#[test]
fn values_that_nobody_asks_for_end_all_the_same() {
    play_all("sweep", sweep::stage, 60, &[]);
}

#[test]
fn a_value_lives_as_long_as_was_said_though_its_owner_was_off_meanwhile() {
    play_all("lives", lives::stage, 100, &[]);
}

#[test]
fn a_node_moves_with_its_machine_to_another_address() {
    play_all("moves", moves::stage, 100, &[]);
}

#[test]
fn cramped_nodes_answer_for_no_key_that_they_have_no_room_for() {
    play_all("cramped", cramped::stage, 12, &[]);
}

#[test]
fn deletes_of_ever_new_names_fill_no_store_for_good_and_bury_nothing_of_another_side() {
    play_all("deletes", deletes::stage, 40, &[]);
}

#[test]
fn pairs_that_never_talk_cost_availability_only() {
    play_all("pairs", pairs::stage, 60, &[]);
}

#[test]
fn in_a_queue_for_one_key_each_write_is_answered_and_counts_once() {
    play_all("queue", queue::stage, 60, &[]);
}

#[test]
fn leaves_go_unnoticed() {
    play_all("leaves", leaves::stage, 100, &ONCE_FOUND_A_FAULT);
}

#[test]
fn what_is_read_after_a_lapse_of_a_write_that_did_not_end_outlives_its_owner() {
    play_all("lapse", lapse::stage, 100, &[]);
}

#[test]
fn of_strays_the_last_copy_outlives_an_owner_that_has_just_taken_it() {
    play_all("strays", strays::stage, 60, &[]);
}

#[test]
fn a_rush_of_nodes_that_start_at_one_moment_on_one_machine_are_soon_a_ring() {
    let figures = play_all("rush", rush::stage, 400, &[]);
    // Waiting for a pledge to run out takes 2.6 s: nobody has to.
    let slow = figures.values().flatten().find(|seconds| **seconds > 2.0);
    assert_eq!(slow, None, "a ring of nodes that started at once took that many seconds");
}

#[test]
fn founding_nodes_with_the_same_seeds_are_one_ring_as_soon_as_the_last_has_started() {
    let figures = play_all("founding", founding::stage, 400, &[]);
    // Of five or more that join at one moment one in some hundred waits for a pledge to run out.
    let of_few = figures.iter().filter(|(name, _)| (2..=4).any(|seeds| name.contains(&format!("until {seeds} seeds"))));
    let seconds: Vec<f64> = of_few.flat_map(|(_, values)| values).copied().collect();
    assert!(!seconds.is_empty());
    let slow = seconds.into_iter().find(|seconds| *seconds > 0.5);
    assert_eq!(slow, None, "it took that many seconds");
}

#[test]
fn in_an_exodus_nodes_that_leave_together_hand_over_to_those_who_stay() {
    play_all("exodus", exodus::stage, 100, &[]);
}
