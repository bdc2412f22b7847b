//! `skyctl bench`: how fast a ring is, as its clients see it.

mod histogram;

use super::ring_options::{asks_ring, seconds};
use super::{Failure, say};
use histogram::Histogram;
use serde_json::{Value, json};
use skynode::client::{Client, Error};
use skynode::limits::VALUE_MAX;
use skynode::rng::Rng;
use smol::Timer;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

asks_ring! {
    /// Measure how many reads and writes a ring does in a second, and how long each takes: clients that ask for the
    /// next thing as soon as they have an answer. Its keys are deleted in the end.
    #[argh(
        subcommand,
        name = "bench",
        example = "skyctl bench --clients 32 --reads 0.9 --size 100 --time 10",
        example = "skyctl bench --reads 0 --size 100000 --json",
        note = "Latencies are from the call to the answer, in milliseconds; half of the calls take no longer than 50\n\
                % says, and so on, within 3 %. An operation that fails counts as failed, and its latency not at all.",
        note = "All clients share one socket and one thread, as those of one program do: run several of these at one\n\
                time to see what a large ring can do."
    )]
    struct Arguments {
        /// clients that ask at one time, 1 to 500 (default 16)
        #[argh(option, arg_name = "n", default = "16")]
        clients: usize,
        /// the share of reads, 0 to 1 (default 0.9)
        #[argh(option, arg_name = "share", default = "0.9")]
        reads: f64,
        /// bytes of a value (default 100)
        #[argh(option, arg_name = "bytes", default = "100")]
        size: usize,
        /// how many keys there are (default 1000)
        #[argh(option, arg_name = "n", default = "1000")]
        keys: u32,
        /// how long it is measured, in seconds (default 10)
        #[argh(option, arg_name = "seconds", from_str_fn(seconds), default = "Duration::from_secs(10)")]
        time: Duration,
        /// what its keys begin with (default bench/)
        #[argh(option, arg_name = "text", default = "String::from(\"bench/\")")]
        prefix: String,
        /// leave its keys there
        #[argh(switch)]
        keep: bool,
    }
}

/// How long a key may take to be there before the measurement, and gone after it.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause before it is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// What one client saw.
#[derive(Default)]
struct Tally {
    reads: Histogram,
    writes: Histogram,
    failed: u64,
    /// One failure, in words.
    why: Option<String>,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.reads.add(&other.reads);
        self.writes.add(&other.writes);
        self.failed += other.failed;
        self.why = self.why.take().or_else(|| other.why.clone());
    }

    fn fail(&mut self, error: &Error) {
        self.failed += 1;
        self.why.get_or_insert_with(|| error.to_string());
    }
}

/// What all clients do.
struct Load {
    client: Client,
    prefix: String,
    keys: u32,
    value: Vec<u8>,
    reads: f64,
}

impl Load {
    fn key(&self, number: u32) -> String {
        format!("{}{number}", self.prefix)
    }

    /// Writes, or deletes, every `step`-th key. What cannot be done now is tried again for a while.
    async fn prepare(&self, first: u32, step: usize, write: bool) -> Result<(), Error> {
        for number in (first..self.keys).step_by(step) {
            let (key, begun) = (self.key(number), Instant::now());
            loop {
                let done = match write {
                    true => self.client.put(&key, self.value.clone()).await.map(drop),
                    false => self.client.delete(&key).await.map(drop),
                };
                match done {
                    // Whether it was stored or not: it is to be there, or gone, and no other value is lost.
                    Err(Error::Unavailable(_) | Error::Unknown { .. }) if begun.elapsed() < PATIENCE => {
                        Timer::after(PAUSE).await;
                    }
                    outcome => break outcome?,
                }
            }
        }
        Ok(())
    }

    async fn ask_until(&self, end: Instant, mut rng: Rng) -> Tally {
        let mut tally = Tally::default();
        while Instant::now() < end {
            let (key, begun) = (self.key(rng.below(self.keys.into()) as u32), Instant::now());
            if rng.chance(self.reads) {
                match self.client.get(key).await {
                    Ok(_) => tally.reads.record(begun.elapsed()),
                    Err(error) => tally.fail(&error),
                }
            } else {
                match self.client.put(key, self.value.clone()).await {
                    Ok(_) => tally.writes.record(begun.elapsed()),
                    Err(error) => tally.fail(&error),
                }
            }
        }
        tally
    }
}

fn check(options: &Arguments) -> Result<(), Failure> {
    let wrong = |text: &str| Err(Failure::Usage(String::from(text)));
    match options {
        Arguments { clients: 0 | 501.., .. } => wrong("--clients is a number from 1 to 500"),
        Arguments { reads, .. } if !(0.0..=1.0).contains(reads) => wrong("--reads is a share from 0 to 1, as 0.9"),
        Arguments { keys: 0, .. } => wrong("--keys is a number from 1 on"),
        Arguments { size, .. } if *size > VALUE_MAX => Err(Failure::Usage(format!("--size is at most {VALUE_MAX}"))),
        _ => Ok(()),
    }
}

pub async fn run(options: &Arguments) -> Result<ExitCode, Failure> {
    check(options)?;
    let client = options.options().connect().await?;
    let value: Vec<u8> = (0..options.size).map(|at| b'a' + (at % 26) as u8).collect();
    let (prefix, keys, reads) = (options.prefix.clone(), options.keys, options.reads);
    let load = Arc::new(Load { client, prefix, keys, value, reads });
    prepare(&load, options.clients, true).await?;
    let begun = Instant::now();
    let end = begun + options.time;
    let mut sum = Tally::default();
    let tallies = all(options.clients, |n| {
        let load = Arc::clone(&load);
        async move { load.ask_until(end, Rng::new(n as u64)).await }
    });
    tallies.await.iter().for_each(|tally| sum.add(tally));
    let took = begun.elapsed();
    let said = say(&if options.json { as_json(&sum, took).to_string() } else { text(&sum, took) });
    if !options.keep {
        prepare(&load, options.clients, false).await?;
    }
    said.map(|()| ExitCode::SUCCESS)
}

/// Writes all keys, or deletes them.
async fn prepare(load: &Arc<Load>, clients: usize, write: bool) -> Result<(), Failure> {
    let prepared = all(clients, |n| {
        let load = Arc::clone(load);
        async move { load.prepare(n as u32, clients, write).await }
    });
    let failed = |error: Error| {
        let (prefix, deed) = (&load.prefix, if write { "written" } else { "deleted" });
        Failure::Other(format!("not all keys {prefix}... could be {deed}, some may be there: {error}"))
    };
    prepared.await.into_iter().collect::<Result<(), Error>>().map_err(failed)
}

/// Runs so many at one time, on this thread. → what each of them gives.
async fn all<T, F: Future<Output = T>>(number: usize, make: impl Fn(usize) -> F) -> Vec<T> {
    let executor = smol::LocalExecutor::new();
    let tasks: Vec<_> = (0..number).map(|n| executor.spawn(make(n))).collect();
    executor
        .run(async {
            let mut done = Vec::with_capacity(number);
            for task in tasks {
                done.push(task.await);
            }
            done
        })
        .await
}

/// Kind by kind, with its latencies in milliseconds.
fn rows(sum: &Tally) -> [(&'static str, &Histogram); 2] {
    [("reads", &sum.reads), ("writes", &sum.writes)]
}

fn text(sum: &Tally, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let mut text =
        format!("{:<8}{:>10}{:>11}{:>9}{:>9}{:>9}{:>9}\n", "", "done", "a second", "50 %", "99 %", "99.9 %", "max");
    // Writing to a string cannot fail.
    for (name, seen) in rows(sum).into_iter().filter(|(_, seen)| seen.count() > 0) {
        let _ = write!(text, "{name:<8}{:>10}{:>11.0}", seen.count(), seen.count() as f64 / seconds);
        for share in [0.5, 0.99, 0.999, 1.0] {
            let _ = write!(text, "{:>9.2}", seen.at(share).as_secs_f64() * 1000.0);
        }
        text.push_str(" ms\n");
    }
    let all = sum.reads.count() + sum.writes.count();
    let _ = writeln!(text, "{:<8}{all:>10}{:>11.0}", "all", all as f64 / seconds);
    if let Some(why) = &sum.why {
        let _ = writeln!(text, "{:<8}{:>10}  for one: {why}", "failed", sum.failed);
    }
    text
}

fn as_json(sum: &Tally, took: Duration) -> Value {
    let mut json = json!({ "seconds": took.as_secs_f64(), "failed": sum.failed, "why": sum.why });
    for (name, seen) in rows(sum) {
        let ms = |share| seen.at(share).as_micros() as f64 / 1000.0;
        json[name] = json!({
            "done": seen.count(),
            "per_s": seen.count() as f64 / took.as_secs_f64(),
            "ms": { "50": ms(0.5), "99": ms(0.99), "99.9": ms(0.999), "max": ms(1.0) },
        });
    }
    json
}
