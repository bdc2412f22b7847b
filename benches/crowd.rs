//! What a node does for a crowd of HTTP clients that ask one thing after another: small reads, over connections that
//! are kept and over new ones, answers a second, and how many were lost or refused.
//!
//! ```sh
//! cargo bench --bench crowd                       # 64 clients and 1,000, each for 5 s, five rounds
//! SKY_SECONDS=2 SKY_ROUNDS=3 cargo bench --bench crowd
//! ```

#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::panic, reason = "helpers of tests, and no API")]

#[path = "../tests/process/client.rs"]
mod client;
#[path = "../tests/process/crowd.rs"]
mod crowd;
mod measure;
#[path = "../tests/process/process.rs"]
mod process;

use crowd::{Caller, raise_files};
use measure::number;
use process::Node;
use smol::LocalExecutor;
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

const CROWDS: [u64; 2] = [64, 1000];

/// Time of the processor that the node has used, in seconds.
fn used(node: &Node) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", node.pid())).unwrap();
    // Behind the name in parentheses: the 14th and the 15th number, in hundredths.
    let numbers = text.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    numbers.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// → answers a second, microseconds of the node for each, and how many were none or refused.
fn round(node: &Node, clients: u64, keeps: bool, time: Duration) -> (f64, f64, u64) {
    let (addr, before) = (node.addr, used(node));
    let (good, lost) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(0_u64)));
    let executor = LocalExecutor::new();
    let end = Instant::now() + time;
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (good, lost) = (Rc::clone(&good), Rc::clone(&lost));
            executor.spawn(async move {
                let mut caller = Caller::new(addr, keeps);
                while Instant::now() < end {
                    let told = caller.ask("GET", "/storage/key", b"").await;
                    let is_good = told.as_ref().is_ok_and(|told| told.status == 200);
                    let count = if is_good { &good } else { &lost };
                    count.set(count.get() + 1);
                    if !is_good && lost.get() == 1 {
                        println!("the first one lost: {told:?}");
                    }
                }
            })
        })
        .collect();
    smol::block_on(executor.run(async {
        for task in tasks {
            task.await;
        }
    }));
    let (good, lost) = (good.get() as f64, lost.get());
    (good / time.as_secs_f64(), (used(node) - before) * 1e6 / good, lost)
}

fn main() {
    let time = Duration::from_secs(number("SKY_SECONDS", 5));
    let rounds = number("SKY_ROUNDS", 5);
    raise_files();
    let node = Node::alone();
    while node.client().get("/readyz").status != 200 {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(node.client().put("key", &[7; 100]).status, 201);
    for (keeps, how) in [(true, "kept connections"), (false, "a connection for each request")] {
        let mut shares = Vec::new();
        for _ in 0..rounds {
            // One after the other in each round, so that a machine that becomes slower does so for both.
            let [(few, few_us, few_lost), (many, many_us, many_lost)] =
                CROWDS.map(|clients| round(&node, clients, keeps, time));
            println!(
                "{how}: {few:.0} answers a second for {} clients, each {few_us:.0} us of the processor, {few_lost} \
                 lost or refused; {many:.0} for {}, {many_us:.0} us, {many_lost} lost or refused",
                CROWDS[0], CROWDS[1]
            );
            shares.push(many / few);
        }
        shares.sort_by(f64::total_cmp);
        println!("{how}: the larger crowd gets {:.2} of the smaller one's in the median", shares[shares.len() / 2]);
    }
}
