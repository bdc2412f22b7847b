//! `skyctl up`: a ring on this machine.

mod child;

use super::{Failure, say};
use argh::FromArgs;
use async_signal::{Signal, Signals};
use child::{Child, Happened};
use serde_json::json;
use skynode::client::{Client, Options, RingNode};
use smol::stream::StreamExt;
use smol::{Timer, channel, future};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The most nodes of one call.
const NODES_MAX: usize = 64;
/// How long a ring may take to become whole: a founder with seeds waits for four seconds.
const WHOLE_TIME: Duration = Duration::from_secs(60);
/// The pause between two looks at the ring.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a node may take to end.
const END_TIME: Duration = Duration::from_secs(10);

/// Run a ring of several nodes on this machine, until Ctrl-C. Written to the standard output: the address of each node,
/// and a line when the ring is whole. Each is a process of its own, of the skynode that lies beside this program, so
/// that one can be killed to see what the others do.
#[derive(FromArgs, Debug)]
#[argh(
    subcommand,
    name = "up",
    example = "skyctl up 3",
    example = "skyctl up 5 --port 4321 --dir sky-data",
    note = "The next program finds the ring with --node, or SKY_NODE, and any of the addresses.",
    note = "With --dir the nodes save what they hold, in a directory below it for each; the same command brings the\n\
            ring back with all of it. Without, all is gone when it ends.",
    error_code(0, "It was ended by SIGINT, SIGTERM or SIGHUP, and all nodes have ended."),
    error_code(1, "A node could not be started, or the ring has not become whole, or no node is left."),
    error_code(2, "The command line was wrong.")
)]
pub struct Arguments {
    /// how many nodes, 1 to 64
    #[argh(positional)]
    nodes: usize,
    /// the port of the first node; the others have those that follow; 0 for any that are free (default 4001)
    #[argh(option, arg_name = "port", default = "4001")]
    port: u16,
    /// where the nodes save what they hold (default: memory only)
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

fn check(options: &Arguments) -> Result<(), Failure> {
    let wrong = |text: String| Err(Failure::Usage(text));
    match options.nodes {
        1..=NODES_MAX => {}
        n => return wrong(format!("a ring of {n} nodes is not for one machine: say 1 to {NODES_MAX}")),
    }
    if options.port == 0 && options.dir.is_some() {
        return wrong("with --dir the nodes must find each other again: give --port, too".into());
    }
    if usize::from(options.port) + options.nodes > usize::from(u16::MAX) + 1 {
        return wrong(format!("there are not so many ports from {} on", options.port));
    }
    Ok(())
}

pub async fn run(options: &Arguments) -> Result<ExitCode, Failure> {
    check(options)?;
    let mut signals = Signals::new([Signal::Int, Signal::Term, Signal::Hup])
        .map_err(|error| Failure::Other(format!("signals cannot be caught: {error}")))?;
    let mut nodes = Vec::new();
    let outcome = future::or(
        async {
            let _ = signals.next().await;
            Ok(())
        },
        live(options, &mut nodes),
    )
    .await;
    if outcome.is_ok() {
        let _ = writeln!(io::stderr(), "the nodes end");
    }
    end(nodes).await;
    outcome.map(|()| ExitCode::SUCCESS)
}

/// Starts the nodes and tells what happens, as long as there are any.
async fn live(options: &Arguments, nodes: &mut Vec<Child>) -> Result<(), Failure> {
    // Each tells two things at most.
    let (tell, told) = channel::bounded(2 * NODES_MAX);
    let mut seeds = seeds(options);
    for number in 1..=options.nodes {
        let port = if options.port == 0 { 0 } else { options.port + number as u16 - 1 };
        nodes.push(Child::start(number, port, &arguments(options, number, &seeds)?, options.verbose, tell.clone())?);
        if seeds.is_empty() {
            seeds = vec![await_addr(nodes, &told).await?];
        }
    }
    while nodes.iter().any(|node| node.addr.is_none()) {
        await_addr(nodes, &told).await?;
    }
    let addrs: Vec<SocketAddr> = nodes.iter().filter_map(|node| node.addr).collect();
    if !options.json {
        addrs.iter().for_each(|addr| say(&format!("http://{addr}/")));
    }
    let begun = Instant::now();
    let whole = async { await_whole(options, &addrs).await };
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
        say(&json!({ "nodes": addrs, "whole_after_s": seconds }).to_string());
    } else {
        let one = addrs[0];
        say(&format!(
            "the ring is whole: {} nodes, after {seconds:.1} s; Ctrl-C ends it\nexport SKY_NODE={one}",
            addrs.len()
        ));
    }
    let mut left = addrs.len();
    while left > 0 {
        if let Ok(Happened::Ended(number)) = told.recv().await {
            left -= 1;
            let _ = writeln!(io::stderr(), "skyctl: {}", nodes[number - 1].failure());
        }
    }
    Err(Failure::Other("no node is left".into()))
}

/// With data all nodes know the same seeds, the first three, so that any may be the first to start the next time.
/// Without, the first creates the ring at once, and the others join it.
fn seeds(options: &Arguments) -> Vec<SocketAddr> {
    let some = options.dir.as_ref().map_or(0, |_| options.nodes.min(3)) as u16;
    (0..some).map(|n| SocketAddr::from(([127, 0, 0, 1], options.port + n))).collect()
}

fn arguments(options: &Arguments, number: usize, seeds: &[SocketAddr]) -> Result<Vec<String>, Failure> {
    let mut all: Vec<String> = seeds.iter().flat_map(|seed| [String::from("--join"), seed.to_string()]).collect();
    // They end all at one time, so there is nobody to hand anything over to.
    all.extend(["--leave-timeout", "0"].map(String::from));
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
async fn await_addr(nodes: &mut [Child], told: &channel::Receiver<Happened>) -> Result<SocketAddr, Failure> {
    match told.recv().await {
        Ok(Happened::Listens(number, addr)) => {
            nodes[number - 1].addr = Some(addr);
            Ok(addr)
        }
        Ok(Happened::Ended(number)) => Err(nodes[number - 1].failure()),
        Err(_) => Err(Failure::Other("no node is left".into())),
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
        return Some(format!("{} of {size} nodes are on it", nodes.len()));
    }
    let wrong = nodes.iter().enumerate().find(|(at, node)| {
        let (next, before) = (nodes[(at + 1) % size].peer, nodes[(at + size - 1) % size].peer);
        let linked = node.successors.first() == Some(&next) && node.predecessor == Some(before);
        !node.settled || (size > 1 && !linked)
    });
    wrong.map(|(_, node)| format!("{} has not settled between its neighbours", node.peer.addr()))
}

/// Ends all nodes at one time.
async fn end(mut nodes: Vec<Child>) {
    nodes.iter_mut().for_each(Child::tell_to_end);
    let late = Instant::now() + END_TIME;
    while nodes.iter_mut().any(|node| !node.has_ended()) && Instant::now() < late {
        Timer::after(PAUSE / 4).await;
    }
    // Those that are left are killed as they go out of scope.
}
