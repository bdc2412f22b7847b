//! Histories of real rings, judged by a checker that does not know this project: nodes are killed, stopped, cut off in
//! one way or both, and their wall clocks jump, while five clients write each key, and repeat writes at random.
//!
//! ```sh
//! cargo test --test histories                                  # one ring of three, for a quarter of a minute
//! SKY_RUNS=20 SKY_SECONDS=60 cargo test --test histories       # rings of 3, 5 and 8, with and without --data
//! SKY_SEED=7 SKY_RUNS=1 SKY_LOG=1 cargo test --test histories  # the run of that seed again, with what happened
//! ```
//!
//! From the seed follow the ring, who is hit when, and what clients ask for; how far each of them comes in real time
//! does not. It needs Linux with `ip`, `nft`, `cc` and the right to make a network namespace: without these nothing is
//! run, which is said, and is a failure with `SKY_TORTURE_ALL=1`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers fail as their tests do")]

mod check;
#[path = "../process/client.rs"]
#[allow(dead_code, reason = "the other tests use more of it")]
mod client;
mod clients;
mod faults;
#[path = "../torture/namespace.rs"]
mod namespace;
mod record;
mod ring;
#[path = "../torture/rules.rs"]
#[allow(dead_code, reason = "the torture uses more of it")]
mod rules;
#[path = "../process/shown.rs"]
mod shown;

use namespace::Inside;
use record::Record;
use ring::{Plan, Ring};
use skynode::rng::Rng;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Clients of each key.
const CLIENTS: usize = 5;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

fn main() -> ExitCode {
    // As `cargo test` asks every test program.
    if std::env::args().any(|argument| argument == "--list") {
        println!("histories: test");
        return ExitCode::SUCCESS;
    }
    match namespace::inside() {
        Some(Inside::Probe) => namespace::answer_probe(),
        Some(Inside::Run) => runs(),
        None => match namespace::probe().and_then(|()| ring::probe()) {
            Ok(()) => namespace::run_again_inside(),
            Err(why) => {
                println!("histories: NOT run: install nft, ip and cc, and allow namespaces. What is missing: {why}");
                if number("SKY_TORTURE_ALL", 0) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
        },
    }
}

fn runs() -> ExitCode {
    namespace::settle_in();
    check::probe();
    let since = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let (runs, seconds) = (number("SKY_RUNS", 1), number("SKY_SECONDS", 15));
    // A seed of its own each day, unless it is told.
    let first = number("SKY_SEED", if runs == 1 { 0 } else { since / 86_400 * 1000 });
    let mut failed = 0;
    for seed in first..first + runs {
        if !run(seed, Duration::from_secs(seconds)) {
            failed += 1;
        }
    }
    println!("histories: {} linearizable, {failed} not", runs - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One ring, from its birth to its end. → whether all of its histories are linearizable.
fn run(seed: u64, time: Duration) -> bool {
    let plan = Plan::of(seed);
    let ring = Ring::start(seed, plan);
    let (record, stop, told) = (Record::default(), AtomicBool::new(false), Mutex::new(Vec::new()));
    let begun = Instant::now();
    let tell = |text: String| {
        let line = format!("{:7.3} s  {text}", begun.elapsed().as_secs_f64());
        if number("SKY_LOG", 0) > 0 {
            println!("{line}");
        }
        told.lock().unwrap().push(line);
    };
    let wrong = thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (ring, record, stop) = (&ring, &record, &stop);
            scope.spawn(move || clients::go_on(ring, record, Rng::new(seed * 100 + client as u64), stop));
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            faults::befall(&ring, &record, &mut Rng::new(seed), time, &tell)
        }));
        stop.store(true, Ordering::Relaxed);
        outcome.unwrap_or_else(|_| Err("the faults came to no end".into()))
    });
    let wrong = wrong.and_then(|()| {
        // Every key once more through some node: what was acknowledged is there.
        clients::read_all(&ring, &record)
    });
    let operations = record.take();
    let done = operations.values().map(Vec::len).sum::<usize>();
    let open = operations.values().flatten().filter(|operation| operation.end.is_none()).count();
    let mut faults: Vec<String> = wrong.err().into_iter().collect();
    faults.extend(record.faults());
    for (key, history) in &operations {
        if !check::is_linearizable(history) {
            faults.push(format!("the history of key {key} is not linearizable"));
        }
    }
    let (size, kind) = (plan.size, if plan.saves { "with --data" } else { "in memory" });
    let word = if faults.is_empty() { "ok" } else { "FAILED" };
    println!(
        "seed {seed}, a ring of {size} {kind} ... {word} ({:.0} s): {done} operations on {} keys, {open} of unknown \
         outcome, {} faults",
        begun.elapsed().as_secs_f64(),
        operations.len(),
        told.lock().unwrap().len()
    );
    if faults.is_empty() {
        ring.forget();
        return true;
    }
    let file = ring.folder().join("history.txt");
    let _ = std::fs::write(&file, told.into_inner().unwrap().join("\n") + "\n\n" + &record::text(&operations, begun));
    for fault in &faults {
        println!("  FAULT: {fault}");
    }
    println!("  again: SKY_SEED={seed} SKY_RUNS=1 SKY_SECONDS={} cargo test --test histories", time.as_secs());
    println!("  the histories, and the logs of all nodes: {}", file.display());
    false
}
