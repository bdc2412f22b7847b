//! Looks at the ring while datagrams are lost: no living node is left out without a word.
//!
//! ```sh
//! cargo test --test looks -- --nocapture
//! ```

use skynode::config::Config;
use skynode::node::{Command, Reply, RingNode};
use skynode::sim::Weather;
use skynode::sim::{Clock, Happening, Machine, World};
use skynode::time::Instant;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

const NODES: usize = 8;
const LOOKS: usize = 160;
const GUEST: usize = NODES;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

fn addr(number: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number as u8], 4321))
}

fn pass(world: &mut World, time: Duration) {
    let until = world.now() + time;
    while world.next(until).is_some() {}
}

/// A ring of eight, and a guest beside it.
fn ring(seed: u64) -> World {
    let mut world = World::new(seed, Config::default());
    let machine = |number| Machine { addr: addr(number), id: None, clock: Clock::default() };
    for number in 0..NODES {
        world.add(machine(number));
        world.start(number, &[addr(0)][..number.min(1)]);
        pass(&mut world, Duration::from_secs(2));
    }
    world.add_guest(machine(GUEST));
    world.start(GUEST, &[addr(0)]);
    pass(&mut world, Duration::from_secs(10));
    assert!(world.hosts()[..NODES].iter().all(|host| host.is_ready(world.now())));
    world
}

/// What this one sees of the ring.
fn look(world: &mut World, host: usize) -> Vec<RingNode> {
    world.submit(host, 1, Command::Walk { from: None, max: usize::MAX });
    loop {
        match world.next(Instant::FAR) {
            Some(Happening::Reply { tag: 1, reply: Some(Reply::Ring { nodes, next: None }) }) => return nodes,
            Some(Happening::Reply { reply, .. }) => unreachable!("a look that is none: {reply:?}"),
            _ => {}
        }
    }
}

#[test]
fn at_15_percent_loss_a_look_leaves_no_living_node_out_in_silence() {
    for seed in 0..3 {
        let mut world = ring(seed);
        world.network.weather = Weather { loss: 0.15, ..Weather::QUIET };
        let (mut unheard, mut seen) = (0, 0);
        for number in 0..LOOKS {
            // Nodes look, and guests, as skyctl is one.
            let nodes = look(&mut world, number % (NODES + 1));
            let shown: Vec<SocketAddr> = nodes.iter().map(|node| node.peer.addr()).collect();
            let all: BTreeSet<SocketAddr> = (0..NODES).map(addr).collect();
            assert_eq!(shown.iter().copied().collect::<BTreeSet<_>>(), all, "seed {seed}, look {number}: {shown:?}");
            assert_eq!(shown.len(), NODES, "seed {seed}, look {number}: one is there twice: {shown:?}");
            let ids: Vec<_> = nodes.iter().map(|node| node.peer.id()).collect();
            let falls = (0..NODES).filter(|&at| ids[at] > ids[(at + 1) % NODES]).count();
            assert_eq!(falls, 1, "seed {seed}, look {number}: out of order: {ids:?}");
            (seen, unheard) = (seen + NODES, unheard + nodes.iter().filter(|node| !node.heard).count());
            pass(&mut world, PAUSE);
        }
        println!("seed {seed}: {unheard} of {seen} not heard");
        // Six losses in a row, of the way there or back, are rare.
        assert!(unheard * 200 < seen, "seed {seed}: {unheard} of {seen} not heard");
    }
}

#[test]
fn who_is_dead_is_shown_as_not_heard_until_the_ring_is_whole_without_it() {
    let mut world = ring(9);
    world.crash(3);
    let nodes = look(&mut world, 0);
    let unheard: Vec<SocketAddr> = nodes.iter().filter(|node| !node.heard).map(|node| node.peer.addr()).collect();
    assert_eq!((nodes.len(), unheard), (NODES, vec![addr(3)]));
    assert!(nodes.iter().filter(|node| !node.heard).all(|node| !node.settled && node.successors.is_empty()));
    pass(&mut world, Duration::from_secs(30));
    let nodes = look(&mut world, GUEST);
    assert!(nodes.len() == NODES - 1 && nodes.iter().all(|node| node.heard), "{nodes:?}");
}
