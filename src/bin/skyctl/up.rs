//! `skyctl up`: a ring on this machine.

mod child;
mod ports;

use super::{Failure, say};
use argh::FromArgs;
use async_signal::{Signal, Signals};
use child::{Child, Happened};
use ports::Ports;
use serde_json::json;
use skynode::client::{Client, Options, RingNode};
use skynode::count::Count;
use skynode::limits::PORT_DEFAULT;
use smol::stream::StreamExt;
use smol::{Timer, channel, future};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The most nodes of one call.
const NODES_MAX: usize = 64;
/// How long a ring may take to become whole.
const WHOLE_TIME: Duration = Duration::from_secs(60);
/// A ring that takes longer is waited for with a word.
const SLOW: Duration = Duration::from_secs(1);
/// The pause between two looks at the ring.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a node may take to end by itself, before it is killed.
const END_TIME: Duration = Duration::from_secs(1);

/// Run a ring of several nodes on this machine, until Ctrl-C. Written to the standard output: the address of each node,
/// and a line when the ring is whole. Each is a process of its own, of the skynode that lies beside this program, so
/// that one can be killed to see what the others do.
#[derive(FromArgs, Debug)]
#[argh(
    subcommand,
    name = "up",
    example = "skyctl up 3",
    example = "skyctl up 5 --port 5001 --dir sky-data",
    note = "The other commands find a ring on the usual ports by themselves; one on other ports with --node, or\n\
            SKY_NODE, and any of the addresses.",
    note = "A single node that is told to leave (POST /leave, or SIGTERM) hands over what it holds. Ctrl-C ends all\n\
            nodes at once: with --dir the same command brings the ring back with all that it held, on the same\n\
            ports; without, all is gone.",
    error_code(0, "It was ended by SIGINT, SIGTERM or SIGHUP, and all nodes have ended."),
    error_code(1, "A node could not be started, or the ring has not become whole, or no node is left."),
    error_code(2, "The command line was wrong.")
)]
pub struct Arguments {
    /// how many nodes, 1 to 64
    #[argh(positional)]
    nodes: usize,
    /// the port of the first node; the others have those that follow; 0 for any that are free (default: those that the
    /// ring in --dir had the last time, or 4321 and those that follow, or any that are free if these are taken)
    #[argh(option, arg_name = "port")]
    port: Option<u16>,
    /// where the nodes save what they hold, and where their ports are remembered (default: memory only)
    #[argh(option, arg_name = "dir")]
    dir: Option<PathBuf>,
    /// the name of the ring (default: $SKY_RING, or else sky)
    #[argh(option, arg_name = "name")]
    ring: Option<String>,
    /// write the logs of the nodes to the standard error
    #[argh(switch)]
    verbose: bool,
    /// write JSON
    #[argh(switch)]
    json: bool,
}

pub async fn run(options: &Arguments) -> Result<ExitCode, Failure> {
    if !(1..=NODES_MAX).contains(&options.nodes) {
        let count = Count(options.nodes, "node", "nodes");
        return Err(Failure::Usage(format!("a ring of {count} is not for one machine: say 1 to {NODES_MAX}")));
    }
    let ports = Ports::new(options.nodes, options.port, options.dir.as_deref())?;
    let mut signals = Signals::new([Signal::Int, Signal::Term, Signal::Hup])
        .map_err(|error| Failure::Other(format!("signals cannot be caught: {error}")))?;
    let mut nodes = Vec::new();
    let outcome = future::or(
        async {
            let _ = signals.next().await;
            Ok(())
        },
        live(options, ports, &mut nodes),
    )
    .await;
    if outcome.is_ok() {
        note("the nodes end");
    }
    end(&mut nodes).await;
    outcome.map(|()| ExitCode::SUCCESS)
}

/// Says something to the person who reads, not to a program.
fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Starts the nodes and tells what happens, as long as there are any.
async fn live(options: &Arguments, ports: Ports, nodes: &mut Vec<Child>) -> Result<(), Failure> {
    let told = match start_all(options, &ports, nodes).await {
        Err(Trouble::Taken(addr)) => match ports.others() {
            Some(others) => {
                note(&format!("{addr} is in use: taking free ports"));
                end(nodes).await;
                start_all(options, &others, nodes).await
            }
            None => Err(Trouble::Taken(addr)),
        },
        told => told,
    };
    let told = told.map_err(|trouble| match trouble {
        Trouble::Taken(addr) => Failure::Other(ports.advice(addr, options.dir.as_deref())),
        Trouble::Other(failure) => failure,
    })?;
    let addrs: Vec<SocketAddr> = nodes.iter().filter_map(|node| node.addr).collect();
    if let Some(dir) = &options.dir {
        ports::remember(dir, &addrs)?;
    }
    if !options.json {
        // With its process, for those who want to see what happens when it is killed.
        let said = |(node, addr): (&Child, &SocketAddr)| say(&format!("http://{addr}/  pid {}", node.pid()));
        nodes.iter().zip(&addrs).try_for_each(said)?;
    }
    let begun = Instant::now();
    let slow = async {
        Timer::after(SLOW).await;
        note("waiting until the ring is whole");
        future::pending().await
    };
    let whole = future::or(async { await_whole(options, &addrs).await }, slow);
    let ends = async {
        loop {
            if let Ok(Happened::Ended(number)) = told.recv().await {
                return Err(nodes[number - 1].failure());
            }
        }
    };
    future::or(ends, whole).await?;
    let seconds = begun.elapsed().as_secs_f64();
    if options.json {
        let pids: Vec<u32> = nodes.iter().map(Child::pid).collect();
        say(&json!({ "nodes": addrs, "pids": pids, "whole_after_s": seconds }).to_string())?;
    } else {
        let count = Count(addrs.len(), "node", "nodes");
        say(&format!("the ring is whole: {count}, after {seconds:.1} s; Ctrl-C ends it"))?;
        if let Some(needed) = needed(&addrs, options.ring.as_deref(), |name| std::env::var(name).ok()) {
            say(&needed)?;
        }
    }
    let mut left = addrs.len();
    while left > 0 {
        if let Ok(Happened::Ended(number)) = told.recv().await {
            left -= 1;
            note(&format!("skyctl: {}", nodes[number - 1].failure()));
        }
    }
    Err(Failure::Other("no node is left".into()))
}

/// What other commands need to find the ring, if they do not find it by themselves.
fn needed(addrs: &[SocketAddr], ring: Option<&str>, known: impl Fn(&str) -> Option<String>) -> Option<String> {
    let usual = || SocketAddr::from(([127, 0, 0, 1], PORT_DEFAULT)).to_string();
    let asked = known("SKY_NODE").filter(|text| !text.is_empty()).unwrap_or_else(usual);
    let is_there = |node: &str| addrs.iter().any(|addr| addr.to_string() == node);
    let mut parts = Vec::new();
    if !asked.split(',').all(is_there) {
        parts.extend(addrs.first().map(|addr| format!("SKY_NODE={addr}")));
    }
    if let Some(ring) = ring.filter(|ring| known("SKY_RING").as_deref() != Some(*ring)) {
        parts.push(format!("SKY_RING='{}'", ring.replace('\'', r"'\''")));
    }
    (!parts.is_empty()).then(|| format!("export {}", parts.join(" ")))
}

/// Why the nodes have not all begun to listen.
enum Trouble {
    /// Another program listens there.
    Taken(SocketAddr),
    Other(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

/// Starts the nodes on these ports. → what they tell, once all listen. Whether a port is free only the node knows that
/// binds it.
async fn start_all(
    options: &Arguments,
    ports: &Ports,
    nodes: &mut Vec<Child>,
) -> Result<channel::Receiver<Happened>, Trouble> {
    nodes.clear();
    // Each tells two things at most.
    let (tell, told) = channel::bounded(2 * NODES_MAX);
    let mut seeds = seeds(options, ports);
    for (number, port) in (1..).zip(&ports.all) {
        let addr = SocketAddr::from(([127, 0, 0, 1], *port));
        nodes.push(Child::start(number, addr, &arguments(options, number, &seeds)?, options.verbose, tell.clone())?);
        if seeds.is_empty() {
            seeds = vec![await_addr(nodes, &told).await?];
        }
    }
    while nodes.iter().any(|node| node.addr.is_none()) {
        await_addr(nodes, &told).await?;
    }
    Ok(told)
}

/// With data all nodes know the same seeds, the first three, so that any may be the first to start the next time.
/// Without, or where the ports are not known yet, the first creates the ring at once, and the others join it.
fn seeds(options: &Arguments, ports: &Ports) -> Vec<SocketAddr> {
    let first = &ports.all[..options.nodes.min(3)];
    let known = options.dir.is_some() && !first.contains(&0);
    first.iter().filter(|_| known).map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect()
}

fn arguments(options: &Arguments, number: usize, seeds: &[SocketAddr]) -> Result<Vec<String>, Failure> {
    let mut all: Vec<String> = seeds.iter().flat_map(|seed| [String::from("--join"), seed.to_string()]).collect();
    if let Some(dir) = &options.dir {
        let dir = dir.join(number.to_string());
        let text = dir.to_str().ok_or_else(|| Failure::Usage(format!("{} is no text", dir.display())))?;
        all.extend([String::from("--data"), text.to_owned()]);
    }
    if let Some(ring) = &options.ring {
        all.extend([String::from("--ring"), ring.clone()]);
    }
    Ok(all)
}

/// Waits until the next node has said where it listens.
async fn await_addr(nodes: &mut [Child], told: &channel::Receiver<Happened>) -> Result<SocketAddr, Trouble> {
    match told.recv().await {
        Ok(Happened::Listens(number, addr)) => {
            nodes[number - 1].addr = Some(addr);
            Ok(addr)
        }
        Ok(Happened::Ended(number)) => {
            let node = &mut nodes[number - 1];
            Err(node.found_taken().map_or_else(|| node.failure().into(), Trouble::Taken))
        }
        Err(_) => Err(Failure::Other("no node is left".into()).into()),
    }
}

/// Waits until all nodes are on one ring, in order, and answer for all of it.
async fn await_whole(options: &Arguments, addrs: &[SocketAddr]) -> Result<(), Failure> {
    let mut of_client = Options::default().deadline(WHOLE_TIME);
    let variable = std::env::var("SKY_RING").ok().filter(|name| !name.is_empty());
    if let Some(name) = options.ring.clone().or(variable) {
        of_client = of_client.ring(name);
    }
    let client = Client::connect(&[addrs[0].to_string()], of_client).await?;
    let begun = Instant::now();
    loop {
        let nodes = client.ring(2 * NODES_MAX).await.unwrap_or_default();
        match flaw(&nodes, addrs.len()) {
            None => return Ok(()),
            Some(why) if begun.elapsed() > WHOLE_TIME => {
                return Err(Failure::Other(format!("the ring is not whole after {} s: {why}", WHOLE_TIME.as_secs())));
            }
            Some(_) => Timer::after(PAUSE).await,
        };
    }
}

/// What is not right yet with a ring of so many nodes.
fn flaw(nodes: &[RingNode], size: usize) -> Option<String> {
    if nodes.len() != size {
        let verb = if nodes.len() == 1 { "is" } else { "are" };
        return Some(format!("{} of {} {verb} on it", nodes.len(), Count(size, "node", "nodes")));
    }
    let wrong = nodes.iter().enumerate().find(|(at, node)| {
        let (next, before) = (nodes[(at + 1) % size].peer, nodes[(at + size - 1) % size].peer);
        let linked = node.successors.first() == Some(&next) && node.predecessor == Some(before);
        !node.settled || (size > 1 && !linked)
    });
    wrong.map(|(_, node)| format!("{} does not serve its range of the ring yet", node.peer.addr()))
}

/// Ends all nodes at one time: none has to hand anything over, as there will be nobody to hold it.
async fn end(nodes: &mut Vec<Child>) {
    nodes.iter_mut().for_each(Child::let_go);
    let late = Instant::now() + END_TIME;
    while nodes.iter_mut().any(|node| !node.has_ended()) && Instant::now() < late {
        Timer::after(PAUSE / 10).await;
    }
    // Those that are left, as they stand still, are killed.
    nodes.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_commands_need_is_said_where_they_need_it() {
        let addrs = |port| [port, port + 1].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let unset = |_: &str| None;
        assert_eq!(needed(&addrs(4321), None, unset), None);
        assert_eq!(needed(&addrs(5001), None, unset).as_deref(), Some("export SKY_NODE=127.0.0.1:5001"));
        let set = |name: &str| (name == "SKY_NODE").then(|| String::from("127.0.0.1:5002"));
        assert_eq!(needed(&addrs(5001), None, set), None);
        assert_eq!(needed(&addrs(4321), None, set).as_deref(), Some("export SKY_NODE=127.0.0.1:4321"));
        assert_eq!(needed(&addrs(4321), Some("it's"), unset).as_deref(), Some(r"export SKY_RING='it'\''s'"));
        let both = |name: &str| (name == "SKY_RING").then(|| String::from("r"));
        assert_eq!(needed(&addrs(4321), Some("r"), both), None);
    }
}
