//! How many nodes a lookup asks, beside the half of log2 N that the Chord paper gives for plain fingers (Stoica et al.,
//! SIGCOMM 2001, theorem 2 and figure 10).
//!
//! ```sh
//! cargo test --test hops -- --nocapture
//! ```

use skynode::config::Config;
use skynode::id::Id;
use skynode::node::{Command, Node, Reply};
use skynode::rng::Rng;
use skynode::sim::oracle::{self, Ring};
use skynode::sim::{Clock, Happening, Machine, World};
use skynode::time::Instant;
use std::time::Duration;

/// How long a ring may take to become ideal after the last node was started, in simulated time.
const FORM_MAX: Duration = Duration::from_secs(300);
/// How long the fingers get after that.
const FINGERS: Duration = Duration::from_secs(240);
const LOOKUPS: usize = 5000;

/// Lets the world go on for a while.
fn pass(world: &mut World, time: Duration) {
    let until = world.now() + time;
    while world.next(until).is_some() {}
}

/// A ring of so many nodes that joined in batches, each up to half as large as the ring that is there.
fn ring_of(nodes: usize) -> World {
    let mut world = World::new(nodes as u64, Config::default());
    let mut rng = Rng::new(nodes as u64);
    for number in 0..nodes {
        let addr = ([10, 0, (number >> 8) as u8, number as u8], 4321).into();
        let id = Some(Id::new(u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())));
        world.add(Machine { addr, id, clock: Clock::default() });
    }
    world.start(0, &[]);
    let mut started = 1;
    while started < nodes {
        for _ in 0..(started / 2).clamp(1, nodes - started) {
            let seed = world.host(rng.index(started)).addr();
            world.start(started, &[seed]);
            started += 1;
        }
        pass(&mut world, Duration::from_secs(5));
    }
    let flaw = |world: &World| {
        let settled = world.hosts().iter().filter(|host| host.is_ready(world.now())).count();
        (settled < nodes)
            .then(|| format!("{settled} of {nodes} are ready"))
            .or_else(|| oracle::flaw_of_ideal(&Ring::of(world), world.config().successors))
    };
    let limit = world.now() + FORM_MAX;
    while let Some(flaw) = flaw(&world) {
        assert!(world.now() < limit, "{nodes} nodes formed no ring: {flaw}");
        pass(&mut world, Duration::from_secs(1));
    }
    world
}

/// The lengths of lookups of random ids through random nodes.
fn paths(world: &mut World) -> Vec<usize> {
    let mut rng = Rng::new(1);
    let mut owners: Vec<Id> = world.members().map(|(_, node)| node.me().id()).collect();
    owners.sort_unstable();
    let owner_of = |id: Id| *owners.iter().find(|&&owner| owner >= id).unwrap_or(&owners[0]);
    let mut asked = Vec::new();
    let mut lengths = Vec::new();
    let limit = world.now() + Duration::from_secs(600);
    while lengths.len() < LOOKUPS {
        while asked.len() < LOOKUPS && asked.len() - lengths.len() < 200 {
            let id = Id::new(u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64()));
            world.submit(rng.index(owners.len()), asked.len() as u64, Command::Lookup { id });
            asked.push(id);
        }
        let happening = world.next(limit).expect("a lookup ends within its deadline");
        if let Happening::Reply { tag, reply } = happening {
            let Some(Reply::Owner { owner, path, .. }) = reply else {
                unreachable!("a lookup on a quiet ring found nobody: {reply:?}")
            };
            assert_eq!(owner.id(), owner_of(asked[tag as usize]));
            lengths.push(path.len());
        }
    }
    lengths
}

#[test]
fn lookups_ask_half_of_log2_n_nodes_or_fewer() {
    println!("|     N | mean path | 1/2 log2 N | 99 % | worst | fingers | simulated until ideal |");
    println!("|------:|----------:|-----------:|-----:|------:|--------:|----------------------:|");
    let mut longer = Vec::new();
    for nodes in [128, 1024] {
        let mut world = ring_of(nodes);
        let formed = world.now().since(Instant::ZERO);
        pass(&mut world, FINGERS);
        let mut lengths = paths(&mut world);
        lengths.sort_unstable();
        let mean = lengths.iter().sum::<usize>() as f64 / lengths.len() as f64;
        let bound = (nodes as f64).log2() / 2.0;
        let (late, worst) = (lengths[lengths.len() * 99 / 100], lengths[lengths.len() - 1]);
        let fingers = |node: &Node| node.status(world.host(0).local(world.now()).at).fingers.len();
        let fingers = world.members().map(|(_, node)| fingers(node)).sum::<usize>() as f64 / nodes as f64;
        let formed = formed.as_secs();
        println!(
            "| {nodes:>5} | {mean:>9.2} | {bound:>10.2} | {late:>4} | {worst:>5} | {fingers:>7.1} | {formed:>19} s |"
        );
        if mean > bound {
            longer.push(format!("{mean:.2} nodes asked in the mean at N = {nodes}, more than {bound:.2}"));
        }
    }
    assert!(longer.is_empty(), "{}", longer.join("; "));
}
