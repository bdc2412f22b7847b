//! What it costs to keep copies, and to make them anew: real processes on loopback.
//!
//! *digests*: what nodes that hold many small keys send at rest beyond those of an empty ring. *copies*: a node with
//! large values is killed; how long until every copy is there again, what was sent for it, and what clients notice.
//!
//! ```sh
//! cargo bench --bench repair                                           # both, about five minutes
//! SKY_NODES=5 SKY_KEYS=166667 SKY_SECONDS=60 cargo bench --bench repair -- digests
//! SKY_NODES=6 SKY_MIB=100 SKY_READS=100 SKY_SECONDS=60 cargo bench --bench repair -- copies   # MiB of one arc
//! ```

#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::panic, reason = "helpers of tests, and no API")]

#[path = "../tests/process/client.rs"]
mod client;
mod load;
mod measure;
#[path = "../tests/process/process.rs"]
mod process;
mod ring;

use load::{Read, Readers};
use measure::{HEADERS, number};
use process::Node;
use ring::{View, Watch};
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of a small value, and of a large one.
const SMALL: usize = 32;
const LARGE: usize = 100_000;
/// Small keys beside the large ones: that they are read fast shows whether the large ones stand in the way.
const SMALL_COUNT: usize = 1000;
/// Clients that read at one time: enough that some go on while others wait for a takeover.
const READERS: usize = 16;
/// Bytes of memory of an entry beside its key and value, and some more.
const ENTRY: usize = 700;
/// How long a ring is let alone before it counts as at rest.
const CALM: Duration = Duration::from_secs(10);
/// How often the ring is looked at while copies are made: often enough for the figure, seldom enough not to disturb.
const GLANCE: Duration = Duration::from_millis(100);
/// The longest that copies may take.
const PATIENCE: Duration = Duration::from_secs(600);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|word| word == name);
    let seconds = Duration::from_secs(number("SKY_SECONDS", 60));
    if wants("digests") {
        digests(number("SKY_NODES", 5) as usize, seconds);
    }
    if wants("copies") {
        copies(number("SKY_NODES", 6) as usize, seconds);
    }
}

fn digests(size: usize, time: Duration) {
    // Of each key there are three copies.
    let count = number("SKY_KEYS", 100_000 * size as u64 / 3) as usize;
    let keys = ring::keys(size, "small", count, SMALL);
    let nodes = ring::start(size, 3 * count / size * (SMALL + ENTRY));
    thread::sleep(CALM);
    let empty = measure::rest(&nodes, time);
    let begun = Instant::now();
    load::write(&addrs(&nodes), &keys);
    let written = begun.elapsed().as_secs_f64();
    ring::await_copies(&nodes, &keys, PATIENCE);
    thread::sleep(CALM);
    let full = measure::rest(&nodes, time);
    println!();
    println!("nodes, keys, entries of a node           {size}, {count}, {}", 3 * count / size);
    println!("written in                               {written:.1} s");
    println!("at rest, a node                               empty       full");
    println!("  CPU of one core, %                     {:10.3} {:10.3}", empty.cpu, full.cpu);
    println!("  datagrams sent /s                      {:10.2} {:10.2}", empty.datagrams, full.datagrams);
    println!("  bytes sent with IPv4 headers /s        {:10.1} {:10.1}", empty.bytes, full.bytes);
    println!("digests, bytes a node sends (goal 50)    {:.1} /s", full.bytes - empty.bytes);
}

/// Moments of the crash, since the readers began.
struct Moments {
    killed: Duration,
    /// The living are one ring again, and answer for all keys.
    ready: Duration,
    /// Every copy is there again.
    whole: Duration,
}

fn copies(size: usize, time: Duration) {
    let arc = (number("SKY_MIB", 100) as usize) << 20;
    let mut keys = ring::keys(size, "large", arc * size / LARGE, LARGE);
    let large = keys.len();
    keys.extend(ring::keys(size, "small", SMALL_COUNT, SMALL));
    // The heir of the dead one's arc holds four of the former arcs.
    let mut nodes = ring::start(size, 4 * arc * 5 / 4);
    let begun = Instant::now();
    load::write(&addrs(&nodes), &keys);
    let written = begun.elapsed();
    ring::await_copies(&nodes, &keys, PATIENCE);
    thread::sleep(CALM);
    let victim = size / 2;
    let living: Vec<usize> = (0..size).filter(|at| *at != victim).collect();
    let asked: Vec<SocketAddr> = living.iter().map(|at| nodes[*at].addr).collect();
    let (large, small) = keys.split_at(large);
    let kinds = [large, small];
    let stop = AtomicBool::new(false);
    let mut watch = Watch::new(&nodes);
    let (reads, moments, views) = thread::scope(|scope| {
        let rate = number("SKY_READS", 100) as f64;
        let readers = Readers::start(scope, &stop, (READERS, rate), &asked, &kinds);
        let start = watch.look(&nodes, &living);
        thread::sleep(time);
        let before = watch.look(&nodes, &living);
        nodes[victim].crash();
        let killed = readers.started.elapsed();
        let mut ready = None;
        let after = loop {
            thread::sleep(GLANCE);
            let view = watch.look(&nodes, &living);
            let since = readers.started.elapsed();
            if view.unready().is_ok() {
                ready.get_or_insert(since);
            }
            match view.uncopied(&keys) {
                Ok(()) => break view,
                Err(why) => assert!(since < killed + PATIENCE, "{why}"),
            }
        };
        let whole = readers.started.elapsed();
        let moments = Moments { killed, ready: ready.unwrap_or(whole), whole };
        (readers.end(), moments, [start, before, after])
    });
    println!();
    println!("nodes, large keys, one arc               {size}, {}, {} MiB", large.len(), arc >> 20);
    println!("written in                               {:.1} s", written.as_secs_f64());
    show_copies(&moments, &reads, &views, ring::bare_minimum(size, victim, &keys));
    show_reads(&moments, &reads, victim, size);
}

/// How long it took, and what went over the network for it. `views`: when the readers began, just before the crash, and
/// when all was over.
fn show_copies(moments: &Moments, reads: &[Read], views: &[View; 3], least: (usize, usize)) {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let sent = |view: &View| view.sum("bytes_out") + HEADERS * view.sum("datagrams_out");
    let [start, before, after] = views;
    let grown = |counter| after.sum(counter) - before.sum(counter);
    // Large values are nearly all that readers have sent, so what a read costs at rest is told by them.
    let large = |rest: bool| {
        reads.iter().filter(|read| read.key.length == LARGE && (read.begun < moments.killed) == rest).count() as u64
    };
    let of_reads = (sent(before) - sent(start)) * large(false) / large(true).max(1);
    let took = |moment: Duration| (moment - moments.killed).as_secs_f64();
    let all = sent(after) - sent(before);
    println!("killed until all keys are answered for   {:.1} s", took(moments.ready));
    println!("killed until all copies are there        {:.1} s", took(moments.whole));
    println!("bare minimum to move                     {} entries, {:.1} MiB", least.0, mib(least.1 as u64));
    println!("pulled                                   {} entries", grown("pulled"));
    println!(
        "  of them as repair                      {} entries, {:.1} MiB",
        grown("repaired"),
        mib(grown("repaired_bytes"))
    );
    println!("sent by all, headers included            {:.1} MiB", mib(all));
    println!(
        "  less what so many reads cost at rest   {:.1} MiB, {:.2} of the minimum",
        mib(all.saturating_sub(of_reads)),
        all.saturating_sub(of_reads) as f64 / least.1 as f64
    );
    println!("datagrams sent again                     {}", grown("retries"));
}

/// What clients saw.
fn show_reads(moments: &Moments, reads: &[Read], victim: usize, size: usize) {
    let Moments { killed, ready, whole } = *moments;
    let beside = [(victim + size - 1) % size, (victim + 1) % size];
    let is_dead = |read: &&Read| read.key.owner == victim;
    let is_beside = |read: &&Read| beside.contains(&read.key.owner);
    let is_elsewhere = |read: &&Read| !is_dead(read) && !is_beside(read);
    let of = |from, upto, length| {
        let ours = move |read: &&Read| (from..upto).contains(&read.begun) && read.key.length == length;
        reads.iter().filter(ours)
    };
    println!("reads                                     count  failed  median ms     99 % ms   worst ms");
    for (kind, length) in [("large", LARGE), ("small", SMALL)] {
        let rest = Row::of(of(Duration::ZERO, killed, length));
        rest.show(&format!("{kind}, at rest"));
        for (name, from, upto) in [("until answered for", killed, ready), ("while copied", ready, whole)] {
            Row::of(of(from, upto, length).filter(is_dead)).show(&format!("{kind}, {name}: of the dead one"));
            Row::of(of(from, upto, length).filter(is_beside)).show(&format!("{kind}, {name}: of its neighbours"));
            Row::of(of(from, upto, length).filter(is_elsewhere)).show(&format!("{kind}, {name}: of others"));
        }
        let copied = Row::of(of(ready, whole, length));
        copied.show(&format!("{kind}, while copied: all"));
        let (mild, hard) = (copied.share(50) / rest.share(50), copied.share(99) / rest.share(99));
        println!("{kind}, while copied against rest          median x{mild:.2}, 99 % x{hard:.2} (goal 2)");
    }
}

/// How long reads took, in milliseconds, the shortest first.
struct Row {
    times: Vec<f64>,
    failed: usize,
}

impl Row {
    fn of<'a>(reads: impl Iterator<Item = &'a Read<'a>>) -> Self {
        let mut row = Self { times: Vec::new(), failed: 0 };
        for read in reads {
            row.times.push(read.took.as_secs_f64() * 1e3);
            row.failed += usize::from(!read.succeeded);
        }
        row.times.sort_by(f64::total_cmp);
        row
    }

    /// The time that so many of a hundred do not exceed.
    fn share(&self, percent: usize) -> f64 {
        let place = (self.times.len() * percent).div_ceil(100).saturating_sub(1);
        self.times.get(place).copied().unwrap_or(f64::NAN)
    }

    fn show(&self, name: &str) {
        let (count, failed) = (self.times.len(), self.failed);
        let (median, most, worst) = (self.share(50), self.share(99), self.share(100));
        println!("  {name:<38} {count:>6} {failed:>7} {median:>10.2} {most:>11.2} {worst:>10.2}");
    }
}

fn addrs(nodes: &[Node]) -> Vec<SocketAddr> {
    nodes.iter().map(|node| node.addr).collect()
}
