//! Seeded runs of whole rings on the simulated network: chaos, then healing, judged after every event and in the end.
//!
//! ```sh
//! cargo test --test swarm                                                     # 500 seeds, both cores
//! SKY_SEED=17 SKY_RUNS=1 SKY_LOG=1 cargo test --test swarm chaos -- --nocapture   # one seed again, with what happened
//! SKY_SEED=1000 SKY_RUNS=20000 cargo test --test swarm chaos -- --nocapture   # more seeds
//! ```
//!
//! `SKY_LOG=2` tells every datagram too.

use skynode::sim::chaos::Profile;
use skynode::sim::swarm::{self, Outcome, Swarm};
use skynode::sim::{Detail, Tally};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Seeds beyond the first 500 that once found a fault in the node: a ring founded beside another, silence that ended
/// too early, a neighbour taken by a node that had lost its place, a late copy of a refused write that was applied, a
/// write that nobody was told of and that came back over what was answered meanwhile, a node that stayed silent among
/// others that had lost their places as well, an arc that nobody claimed for long after its owner had left, a second
/// ring of nodes that had come back. (The last two found faults of oracles: a write that came late between the last
/// list and the last reads; a ring that was taken for whole while one node had yet to claim all of its arc.)
const ONCE_FOUND_A_FAULT: [u64; 69] = [
    831, 1232, 2520, 2535, 2752, 2818, 2923, 3291, 3926, 5092, 5636, 6392, 6756, 8353, 8887, 9169, 20226, 20832, 20842,
    20994, 21178, 21458, 21460, 22483, 22719, 55777, 64574, 80050, 1151, 7608, 957, 8128, 8624, 15928, 17086, 20886,
    24, 231, 315, 1775, 5506, 5998, 7491, 9530, 10563, 17380, 18131, 640, 1982, 1992, 2046, 2602, 2765, 2907, 3081,
    1114, 1324, 1609, 1396, 5932, 13909, 15667, 4474, 3498, 8632, 4510, 15412, 523, 16005,
];

/// The same of whole commits' seeds: a tombstone was collected while a joiner pulled it; a node from another ring came
/// to one whose predecessor had just died, which then claimed what those between the two speak for. (The last three
/// found faults of oracles: a joiner was asked for what its predecessor had taken over after it was asked; a node
/// counted as whole again while another, with a list that was not full, had yet to hear that it was back; who named a
/// dead life of a node was taken to name the next.)
const OF_COMMITS: [u64; 7] = [
    94_618_706_463_168,
    94_618_706_464_288,
    62_303_640_235_223,
    217_443_590_980_028,
    139_061_297_467_418,
    127_350_762_507_910,
    255_833_787_957_424,
];

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("SKY_SEED, SKY_RUNS and SKY_LOG are numbers"))
}

fn run(seed: u64) -> Outcome {
    let detail = match number("SKY_LOG") {
        None | Some(0) => return swarm::run(seed),
        Some(1) => Detail::Lives,
        Some(_) => Detail::Datagrams,
    };
    let mut swarm = Swarm::new(seed, Profile::of_seed(seed));
    swarm.tell_to(detail, |line| println!("{line}"));
    swarm.run()
}

/// Runs seeds on all cores; the outcomes come in the order of the seeds.
fn run_all(seeds: &[u64], run: impl Fn(u64) -> Outcome + Sync) -> Vec<Outcome> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run(*seed);
                    done.lock().expect("no run panics").push(outcome);
                }
            });
        }
    });
    let mut outcomes = done.into_inner().expect("no run panics");
    outcomes.sort_by_key(|outcome| outcome.seed);
    outcomes
}

fn sum(outcomes: &[Outcome]) -> Tally {
    let mut tally = Tally::default();
    outcomes.iter().for_each(|outcome| tally.add(&outcome.tally));
    tally
}

/// What failed, a paragraph for each seed, with how to see it again.
fn failures(outcomes: &[Outcome], test: &str) -> String {
    let failed = outcomes.iter().filter(|outcome| !outcome.failures.is_empty());
    let tell = |outcome: &Outcome| {
        let again =
            format!("SKY_SEED={} SKY_RUNS=1 SKY_LOG=1 cargo test --test swarm {test} -- --nocapture", outcome.seed);
        format!("seed {}:\n  {}\n  again: {again}\n", outcome.seed, outcome.failures.join("\n  "))
    };
    failed.map(tell).collect()
}

#[test]
fn chaos_and_healing() {
    let (first, runs) = (number("SKY_SEED").unwrap_or(0), number("SKY_RUNS").unwrap_or(500));
    let again = if number("SKY_SEED").is_none() { &ONCE_FOUND_A_FAULT[..] } else { &[] };
    let of_commits = if again.is_empty() { &[] } else { &OF_COMMITS[..] };
    let again = again.iter().chain(of_commits).copied();
    let seeds: Vec<u64> = (first..first + runs).chain(again).collect();
    let outcomes = run_all(&seeds, run);
    let runs = outcomes.len() as u64;
    let tally = sum(&outcomes);
    println!("{tally}");
    let failed = outcomes.iter().filter(|outcome| !outcome.failures.is_empty()).count();
    assert!(failed == 0, "{failed} of {runs} runs failed\n{}", failures(&outcomes, "chaos"));
    if runs >= 500 {
        // Runs in which nothing happens prove nothing.
        let each = |count: u64, least: u64, what: &str| {
            assert!(count >= least * runs, "only {count} {what} in {runs} runs, too few to mean anything");
        };
        each(tally.outcomes.answered(), 200, "answered operations");
        each(tally.outcomes.stored, 50, "writes");
        each(tally.simulated.as_secs(), 120, "simulated seconds");
        each(tally.suspicions, 2, "suspicions");
        each(tally.takeovers, 1, "takeovers");
        each(tally.faults.crashes, 1, "crashes");
        each(tally.faults.pauses, 1, "pauses");
        each(tally.faults.leaves, 1, "leaves");
        each(tally.assured.as_secs(), 5, "seconds without a wrong suspicion");
        each(tally.restarts, 1, "restarts");
        each(tally.attacks, 1000, "datagrams of attackers");
        each(tally.joins, 1, "joins");
        each(tally.retries, 100, "retries");
        each(tally.collected, 10, "collected tombstones");
        each(tally.outcomes.repeated, 1, "repeated writes");
        each(tally.outcomes.to_guests, 20, "answers to guests");
        assert!(tally.lapses * 2 >= runs, "only {} lapses", tally.lapses);
        assert!(tally.faults.double_crashes * 10 >= runs, "only {} double crashes", tally.faults.double_crashes);
        assert!(tally.beyond * 20 <= runs, "{} of {runs} runs left the bound", tally.beyond);
    }
}

/// Eight nodes and two clients for ten minutes, several times over.
fn quiet(loss: f64, runs: u64) -> (Tally, f64) {
    let minutes = Duration::from_secs(600);
    let outcomes =
        run_all(&(0..runs).collect::<Vec<_>>(), |seed| Swarm::new(seed, Profile::quiet(8, loss, minutes)).run());
    assert_eq!(failures(&outcomes, "quiet"), "");
    let tally = sum(&outcomes);
    println!("loss of {} %\n{tally}", loss * 100.0);
    (tally, 8.0 * runs as f64 * minutes.as_secs_f64() / 3600.0)
}

#[test]
fn a_quiet_ring_suspects_nobody_and_never_refuses() {
    let (tally, _) = quiet(0.0, 4);
    let refused = tally.outcomes.unavailable + tally.outcomes.unknown;
    assert_eq!((tally.suspicions, tally.lapses, refused), (0, 0, 0));
}

#[test]
fn a_quiet_ring_that_loses_one_datagram_of_a_hundred_lapses_less_than_once_in_a_node_hour() {
    let (tally, node_hours) = quiet(0.01, 8);
    assert!((tally.lapses as f64) < node_hours, "{} lapses in {node_hours:.1} node-hours", tally.lapses);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [3, 4] {
        let [a, b] = [swarm::run(seed), swarm::run(seed)];
        assert_eq!((a.hash, a.failures.len()), (b.hash, b.failures.len()));
        assert_eq!(format!("{}", a.tally), format!("{}", b.tally));
    }
    assert_ne!(swarm::run(3).hash, swarm::run(4).hash);
}
