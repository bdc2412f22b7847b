//! Runs scenes, some at one time, and tells how each ended.

use crate::arguments::{Arguments, Settings};
use crate::figures::Seconds;
use crate::ledger::Ledger;
use crate::namespace;
use crate::places::Places;
use crate::ring::Ring;
use crate::rules::Rules;
use crate::scenes::{Needed, Scene};
use crate::stage::Stage;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

/// How many scenes run at one time: their rings mostly wait, and each has a network of its own.
const JOBS: usize = 6;
/// Lines of each node's log that a failure shows.
const LAST_LINES: usize = 12;
/// Faults, and lines of what happened, that a failure shows.
const FAULTS_SHOWN: usize = 10;
const NOTES_SHOWN: usize = 40;

/// Runs these. `own_network` says why there is none, if so.
pub fn run(chosen: &[&Scene], arguments: &Arguments, own_network: Result<(), String>) -> ExitCode {
    let settings = Settings::read();
    if chosen.is_empty() {
        println!("0 passed, 0 failed");
        return ExitCode::SUCCESS;
    }
    if own_network.is_ok() {
        namespace::settle_in();
    }
    let runs = |scene: &&&Scene| match scene.needs {
        Needed::Nothing => true,
        Needed::Network => own_network.is_ok(),
        Needed::Unbuilt => false,
    };
    let to_run: VecDeque<&Scene> = chosen.iter().filter(runs).copied().collect();
    let names = |needs: Needed| {
        let those = chosen.iter().filter(|scene| scene.needs == needs).map(|scene| scene.name);
        Some(those.collect::<Vec<_>>().join(", ")).filter(|names| !names.is_empty())
    };
    if let Some(names) = names(Needed::Unbuilt) {
        println!("NOT run, since nodes cannot do it yet: {names}");
    }
    let mut missing = 0;
    if let (Err(why), Some(names)) = (&own_network, names(Needed::Network)) {
        println!(
            "NOT run: {names}. They cut the network: install nft and ip (packages nftables, iproute2) and allow this \
             user to make namespaces. What is missing: {why}"
        );
        missing = chosen.iter().filter(|scene| scene.needs == Needed::Network && settings.all).count();
    }
    let logs = new_folder();
    let (places, queue, failed) = (Places::claim(own_network.is_ok()), Mutex::new(to_run), AtomicUsize::new(0));
    let count = queue.lock().unwrap().len();
    thread::scope(|scope| {
        for _ in 0..arguments.jobs.unwrap_or(JOBS).clamp(1, count.max(1)) {
            scope.spawn(|| {
                loop {
                    let Some(scene) = queue.lock().unwrap().pop_front() else { break };
                    let rules = own_network.is_ok().then(|| Rules::new(scene.name));
                    if !play(scene, &places, rules, &logs, settings) {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    println!("{} passed, {} failed", count - failed, failed + missing);
    if failed == 0 {
        let _ = std::fs::remove_dir_all(&logs);
    } else {
        println!("seed {}; the logs of all nodes are in {}", settings.seed, logs.display());
    }
    if failed + missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A folder of this run's own.
fn new_folder() -> PathBuf {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let paths = (0..).map(|number| std::env::temp_dir().join(format!("skynode-torture-{since}-{number}")));
    paths.into_iter().find(|path| std::fs::create_dir(path).is_ok()).expect("some name is free")
}

/// Runs one scene and prints its line. → whether it passed.
fn play(scene: &Scene, places: &Places, rules: Option<Rules>, logs: &Path, settings: Settings) -> bool {
    let started = Instant::now();
    let logs = logs.join(scene.name);
    std::fs::create_dir(&logs).expect("a scene runs once");
    let addrs: Vec<_> = (0..scene.size).map(|node| places.addr(scene.number(), node)).collect();
    let stage = Stage::new(scene.name, Ring::new(&addrs, rules, &logs, scene.saves), settings);
    let ended = catch_unwind(AssertUnwindSafe(|| (scene.play)(&stage)));
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(why)) => stage.fault(why),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            stage.fault(text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned());
        }
    }
    judge(&stage, scene);
    let (faults, (operations, open)) = (stage.faults(), stage.ledger.counts());
    let word = if faults.is_empty() { "ok" } else { "FAILED" };
    let figures = stage.figures().join("; ");
    let took = Seconds(started.elapsed());
    let mut text = format!("{} ... {word} ({took} s): {figures}; {operations} operations, {open} open", scene.name);
    let notes = stage.notes();
    if faults.is_empty() && settings.told {
        text.push_str(&format!("\n{}", notes.join("\n")));
    }
    if !faults.is_empty() {
        let _ = std::fs::write(logs.join("scene.txt"), notes.join("\n"));
        for fault in faults.iter().take(FAULTS_SHOWN) {
            text.push_str(&format!("\n  FAULT: {fault}"));
        }
        let last = notes[notes.len().saturating_sub(NOTES_SHOWN)..].join("\n");
        let file = logs.join("scene.txt");
        let count = faults.len();
        text.push_str(&format!(
            "\n  {count} faults in all. What happened last, the rest is in {}:\n{last}",
            file.display()
        ));
        for node in &stage.ring.nodes {
            text.push_str(&format!("\n  {} said last:\n{}", node.addr, node.last_lines(LAST_LINES)));
        }
    }
    println!("{text}");
    faults.is_empty()
}

/// What clients were told must be one history for each key, where the scene is within the promise.
fn judge(stage: &Stage, scene: &Scene) {
    let wrong = Ledger::judge(&stage.ledger);
    if scene.one_history {
        wrong.into_iter().for_each(|what| stage.fault(what));
    } else {
        let keys = stage.ledger.told_of().len();
        stage.figure(format!("for {} of {keys} keys two histories while cut apart", wrong.len()));
    }
}
