//! Rings of real processes: how they form, what they survive, and that a quiet one stays quiet.
//!
//! The tests share this machine, and check how long things take: one at a time.

use crate::client::Client;
use crate::process::{Node, PATIENCE, eventually, join, own_addr, reserved_addr};
use crate::shown::ring;
use skynode::rng::Rng;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed has nothing to hide from the next one.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until all these nodes show the same correct ring of themselves.
fn await_ring(nodes: &[&Node], patience: Duration) {
    let mut clients: Vec<Client> = nodes.iter().map(|node| node.client()).collect();
    eventually(patience, || {
        let mut rings = Vec::new();
        for client in &mut clients {
            rings.push(ring(client, nodes.len())?);
        }
        if rings.windows(2).all(|pair| pair[0] == pair[1]) {
            Ok(())
        } else {
            Err(format!("different rings: {rings:?}"))
        }
    });
}

fn await_ready(nodes: &[&Node], patience: Duration) {
    eventually(patience, || {
        for node in nodes {
            let answer = node.client().try_ask("GET", "/readyz", "", None).map_err(|error| error.to_string())?;
            if answer.status != 200 {
                return Err(format!("{}: {}", node.addr, answer.text()));
            }
        }
        Ok(())
    });
}

pub fn await_all(nodes: &[&Node]) {
    await_ring(nodes, PATIENCE);
    await_ready(nodes, PATIENCE);
}

/// A first node, and others that join it, all started at one moment.
pub fn start_ring(size: usize) -> Vec<Node> {
    let first = Node::alone();
    let seed = first.addr;
    let others: Vec<_> = (1..size).map(|_| thread::spawn(move || Node::joining(seed))).collect();
    let mut nodes = vec![first];
    nodes.extend(others.into_iter().map(|other| other.join().expect("it starts")));
    nodes
}

/// A ring whose nodes all know the first three of them, so that each may be started again at any time.
fn start_lasting_ring(size: usize) -> Vec<Node> {
    let addrs: Vec<SocketAddr> = (0..size).map(|_| reserved_addr()).collect();
    let seeds = join(&addrs[..size.min(3)]);
    addrs.iter().map(|&addr| Node::start(addr, &seeds)).collect()
}

fn counter(node: &Node, name: &str) -> u64 {
    node.client().get("/node").json()["counters"][name].as_u64().expect("a counter")
}

/// One history per key, as a client can check it that writes ever higher numbers: what is read is never below what was
/// acknowledged or read before, and never what nobody wrote.
#[derive(Default)]
pub struct History {
    keys: Mutex<BTreeMap<String, Numbers>>,
}

#[derive(Clone, Copy, Default)]
struct Numbers {
    /// The highest number acknowledged or read.
    known: Option<u64>,
    /// The highest number sent.
    tried: u64,
}

impl History {
    /// Writes the next number. → whether it was acknowledged.
    pub fn write(&self, client: &mut Client, key: &str) -> bool {
        let number = {
            let mut keys = self.keys.lock().unwrap();
            let numbers = keys.entry(key.to_owned()).or_default();
            numbers.tried += 1;
            numbers.tried
        };
        let Ok(answer) = client.try_ask("PUT", &format!("/storage/{key}"), "", Some(number.to_string().as_bytes()))
        else {
            return false;
        };
        match answer.status {
            201 | 204 => {
                let mut keys = self.keys.lock().unwrap();
                let numbers = keys.get_mut(key).expect("it was tried");
                numbers.known = numbers.known.max(Some(number));
                true
            }
            503 | 504 => false,
            _ => panic!("{key}: {answer:?}"),
        }
    }

    /// Reads the key; a wrong answer panics. → whether there was one.
    pub fn read(&self, client: &mut Client, key: &str) -> bool {
        let before = self.keys.lock().unwrap().get(key).copied().unwrap_or_default();
        let Ok(answer) = client.try_ask("GET", &format!("/storage/{key}"), "", None) else { return false };
        let number = match answer.status {
            200 => Some(answer.text().parse::<u64>().expect("a number")),
            404 => None,
            503 | 504 => return false,
            _ => panic!("{key}: {answer:?}"),
        };
        let mut keys = self.keys.lock().unwrap();
        let numbers = keys.entry(key.to_owned()).or_default();
        assert!(number >= before.known, "{key} through {}: read {number:?} after {:?}", client.addr, before.known);
        assert!(number <= Some(numbers.tried), "{key}: read {number:?}, but wrote {}", numbers.tried);
        numbers.known = numbers.known.max(number);
        true
    }

    pub fn acknowledged(&self) -> Vec<String> {
        let keys = self.keys.lock().unwrap();
        keys.iter().filter(|(_, numbers)| numbers.known.is_some()).map(|(key, _)| key.clone()).collect()
    }

    /// Waits until every acknowledged key can be read through every one of the nodes. → when the last key was had that
    /// had to be waited for; reading all of them takes its time even if none has.
    pub fn await_readable(&self, nodes: &[&Node], patience: Duration) -> Duration {
        let (started, last) = (Instant::now(), Mutex::new(Duration::ZERO));
        thread::scope(|scope| {
            for node in nodes {
                scope.spawn(|| {
                    let mut client = node.client();
                    for key in self.acknowledged() {
                        let asked = Instant::now();
                        eventually(patience.saturating_sub(started.elapsed()), || match self.read(&mut client, &key) {
                            true => Ok(()),
                            false => Err(format!("{key} is not readable through {}", client.addr)),
                        });
                        if asked.elapsed() > Duration::from_millis(250) {
                            let mut last = last.lock().unwrap();
                            *last = last.max(started.elapsed());
                        }
                    }
                });
            }
        });
        last.into_inner().unwrap()
    }

    /// Writes and reads through these nodes, chosen at random, until told to stop.
    pub fn go_on(&self, addrs: &[SocketAddr], seed: u64, stop: &AtomicBool) {
        let mut rng = Rng::new(seed);
        let mut clients: Vec<Client> = addrs.iter().map(|&addr| Client::new(addr)).collect();
        while !stop.load(Ordering::Relaxed) {
            let key = format!("{seed}-{}", rng.below(100));
            let client = &mut clients[rng.index(addrs.len())];
            if rng.chance(0.5) {
                self.write(client, &key);
            } else {
                self.read(client, &key);
            }
        }
    }
}

#[test]
fn eight_nodes_started_at_once_form_one_ring_and_share_what_is_stored() {
    let _turn = one_at_a_time();
    let nodes = start_ring(8);
    let last_start = Instant::now();
    let all: Vec<&Node> = nodes.iter().collect();
    await_ring(&all, PATIENCE);
    println!("one correct ring after {:?}", last_start.elapsed());
    await_ready(&all, PATIENCE);
    println!("all ready after {:?}", last_start.elapsed());

    let mut rng = Rng::new(8);
    let mut clients: Vec<Client> = nodes.iter().map(Node::client).collect();
    for number in 0..1000 {
        let answer = clients[rng.index(8)].put(&format!("key {number}").replace(' ', "%20"), &[number as u8; 100]);
        assert_eq!((answer.status, answer.field("Sky-Copies")), (201, Some("3")), "{}", answer.text());
    }
    for client in &mut clients {
        for number in 0..1000 {
            let answer = client.get(&format!("/storage/key%20{number}"));
            assert_eq!(
                (answer.status, answer.body),
                (200, vec![number as u8; 100]),
                "{number} through {}",
                client.addr
            );
        }
    }
    let (mut owned, mut held) = (0, 0);
    for client in &mut clients {
        let node = client.get("/node").json();
        owned += node["owned"].as_u64().unwrap();
        held += node["entries"].as_u64().unwrap();
    }
    assert_eq!((owned, held), (1000, 3000), "each key has one owner and two copies");
}

/// Three nodes with the same seeds, themselves included, start together or a second apart; `SKY_ROUNDS` says how often.
/// On an idle machine they are ready within half a second; one that waited for the others would need four.
#[test]
fn seeds_that_found_their_ring_are_ready_as_soon_as_the_last_has_started() {
    let _turn = one_at_a_time();
    let rounds = std::env::var("SKY_ROUNDS").map_or(4, |text| text.parse().expect("SKY_ROUNDS is a number"));
    let mut all = Vec::new();
    for round in 0..rounds {
        let addrs = [reserved_addr(), reserved_addr(), reserved_addr()];
        let apart = if round % 2 == 0 { Duration::ZERO } else { Duration::from_secs(1) };
        let mut nodes = Vec::new();
        let mut last_start = Instant::now();
        for addr in addrs {
            if !nodes.is_empty() {
                thread::sleep(apart);
            }
            last_start = Instant::now();
            nodes.push(Node::start(addr, &join(&addrs)));
        }
        await_ready(&nodes.iter().collect::<Vec<_>>(), Duration::from_secs(3));
        all.push(last_start.elapsed());
        println!("{apart:?} apart: all ready {:?} after the last start", last_start.elapsed());
        await_ring(&nodes.iter().collect::<Vec<_>>(), PATIENCE);
    }
    println!("at the worst {:?} of {rounds}", all.iter().max());
}

#[test]
fn a_crash_costs_no_acknowledged_key_and_the_node_comes_back() {
    let _turn = one_at_a_time();
    let mut nodes = start_lasting_ring(8);
    await_all(&nodes.iter().collect::<Vec<_>>());
    let addrs: Vec<SocketAddr> = nodes.iter().map(|node| node.addr).collect();
    let (history, stop) = (History::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..2)
            .map(|seed| {
                let (history, addrs, stop) = (&history, &addrs, &stop);
                scope.spawn(move || history.go_on(addrs, seed, stop))
            })
            .collect();
        let stopped = StopOnDrop(&stop);
        for victim in [0, 3, 6] {
            eventually(PATIENCE, || if history.acknowledged().len() > 100 { Ok(()) } else { Err("few keys".into()) });
            nodes[victim].crash();
            let crashed = Instant::now();
            let left: Vec<&Node> = nodes.iter().filter(|node| node.addr != addrs[victim]).collect();
            let readable = history.await_readable(&left, PATIENCE);
            assert!(readable <= Duration::from_secs(5), "all keys are readable only after {readable:?}");
            println!("all readable after {readable:?}");
            await_ring(&left, PATIENCE);
            println!("one correct ring after {:?}", crashed.elapsed());
            nodes[victim].restart();
            let all: Vec<&Node> = nodes.iter().collect();
            await_all(&all);
            history.await_readable(&all, PATIENCE);
        }
        drop(stopped);
        for client in clients {
            client.join().expect("no wrong answer");
        }
    });
}

/// Ends the clients of a test also when it panics, so that their scope can end.
pub struct StopOnDrop<'a>(pub &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_ring_shrinks_to_one_and_grows_again() {
    let _turn = one_at_a_time();
    let history = History::default();
    let mut nodes = start_ring(3);
    await_all(&nodes.iter().collect::<Vec<_>>());
    let fill = |node: &Node, name: &str| {
        let mut client = node.client();
        for number in 0..50 {
            let key = format!("{name}-{number}");
            eventually(PATIENCE, || if history.write(&mut client, &key) { Ok(()) } else { Err(key.clone()) });
        }
    };
    fill(&nodes[0], "three");
    // The first node goes first, then the middle one: either end of a ring of two has to carry on alone.
    nodes[0].crash();
    await_all(&[&nodes[1], &nodes[2]]);
    history.await_readable(&[&nodes[1], &nodes[2]], PATIENCE);
    fill(&nodes[1], "two");
    nodes[1].crash();
    await_all(&[&nodes[2]]);
    history.await_readable(&[&nodes[2]], PATIENCE);
    fill(&nodes[2], "one");
    // Back they come, told to look for the one that is left.
    let second = Node::joining(nodes[2].addr);
    await_all(&[&nodes[2], &second]);
    fill(&second, "two-again");
    let third = Node::joining(second.addr);
    await_all(&[&nodes[2], &second, &third]);
    fill(&third, "three-again");
    history.await_readable(&[&nodes[2], &second, &third], PATIENCE);
}

#[test]
fn a_ring_of_two_survives_the_loss_of_either() {
    let _turn = one_at_a_time();
    for victim in 0..2 {
        let history = History::default();
        let mut nodes = start_ring(2);
        await_all(&nodes.iter().collect::<Vec<_>>());
        let mut client = nodes[victim].client();
        for number in 0..50 {
            assert!(history.write(&mut client, &number.to_string()));
        }
        nodes[victim].crash();
        let left = &nodes[1 - victim];
        await_all(&[left]);
        history.await_readable(&[left], PATIENCE);
    }
}

#[test]
fn a_first_node_started_again_joins_the_ring_that_is_there() {
    let _turn = one_at_a_time();
    let mut nodes = start_lasting_ring(4);
    await_all(&nodes.iter().collect::<Vec<_>>());
    let history = History::default();
    let mut client = nodes[1].client();
    for number in 0..50 {
        assert!(history.write(&mut client, &number.to_string()));
    }
    for _ in 0..2 {
        nodes[0].restart();
        let all: Vec<&Node> = nodes.iter().collect();
        history.await_readable(&all, PATIENCE);
        await_all(&all);
    }
}

#[test]
#[ignore = "takes more than a minute and all of the machine"]
fn a_quiet_ring_stays_quiet_on_a_busy_machine() {
    let _turn = one_at_a_time();
    let nodes = start_ring(8);
    let all: Vec<&Node> = nodes.iter().collect();
    await_all(&all);
    let before: Vec<[u64; 3]> = all.iter().map(|node| calm(node)).collect();
    let stop = AtomicBool::new(false);
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let asked = thread::scope(|scope| {
        for seed in 0..cores as u64 {
            let stop = &stop;
            scope.spawn(move || {
                let mut rng = Rng::new(seed);
                while !stop.load(Ordering::Relaxed) {
                    std::hint::black_box(rng.next_u64());
                }
            });
        }
        let _stopped = StopOnDrop(&stop);
        let mut rng = Rng::new(60);
        let mut clients: Vec<Client> = nodes.iter().map(Node::client).collect();
        let (started, mut asked) = (Instant::now(), 0);
        let seconds = std::env::var("SKY_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
        while started.elapsed() < Duration::from_secs(seconds) {
            let key = rng.below(500).to_string();
            let client = &mut clients[rng.index(8)];
            let answer = if rng.chance(0.5) { client.put(&key, b"v") } else { client.get(&format!("/storage/{key}")) };
            assert!(matches!(answer.status, 200 | 201 | 204 | 404), "{answer:?} after {:?}", started.elapsed());
            asked += 1;
        }
        asked
    });
    println!("{asked} requests");
    let after: Vec<[u64; 3]> = all.iter().map(|node| calm(node)).collect();
    assert_eq!(before, after, "lapses, suspicions, takeovers");
}

/// Two of eight nodes at a time crash or are stopped for a while, at every distance from each other; no client may see
/// it in what it reads.
#[test]
#[ignore = "takes minutes"]
fn no_crash_and_no_pause_of_two_nodes_is_seen_in_any_answer() {
    let _turn = one_at_a_time();
    let mut rng = Rng::new(28);
    let mut nodes = start_lasting_ring(8);
    await_all(&nodes.iter().collect::<Vec<_>>());
    let addrs: Vec<SocketAddr> = nodes.iter().map(|node| node.addr).collect();
    let (history, stop) = (History::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        let _stopped = StopOnDrop(&stop);
        for seed in 0..3 {
            let (history, addrs, stop) = (&history, &addrs, &stop);
            scope.spawn(move || history.go_on(addrs, seed, stop));
        }
        for round in 0..20 {
            let order = ring(&mut nodes[0].client(), 8).expect("it is whole");
            let first = rng.index(8);
            let second = (first + 1 + rng.index(7)) % 8;
            thread::scope(|scope| {
                for node in &mut nodes {
                    let mine = node.addr.to_string();
                    if mine != order[first] && mine != order[second] {
                        continue;
                    }
                    let mut rng = rng.fork();
                    scope.spawn(move || {
                        let time = rng.between(Duration::from_millis(200), Duration::from_secs(9));
                        let crash = rng.chance(0.5);
                        println!(
                            "round {round}: {mine} {} for {time:?}",
                            if crash { "is gone" } else { "stands still" }
                        );
                        if crash {
                            node.crash();
                            thread::sleep(time);
                            node.restart();
                        } else {
                            node.pause(time);
                        }
                    });
                }
            });
            let all: Vec<&Node> = nodes.iter().collect();
            let healing = Instant::now();
            await_all(&all);
            println!("round {round}: whole after {:?}", healing.elapsed());
            history.await_readable(&all, PATIENCE);
        }
    });
}

fn calm(node: &Node) -> [u64; 3] {
    ["lapses", "suspicions", "takeovers"].map(|name| counter(node, name))
}

#[test]
fn a_node_that_is_its_own_only_seed_founds_a_ring() {
    let _turn = one_at_a_time();
    let addr = reserved_addr();
    let node = Node::start(addr, &join(&[addr]));
    await_all(&[&node]);
    assert_eq!(node.client().put("k", b"v").status, 201);
}

#[test]
fn a_node_whose_seeds_are_silent_waits_and_says_so() {
    let _turn = one_at_a_time();
    let seed = reserved_addr();
    let node = Node::start(own_addr(), &join(&[seed]));
    let mut client = node.client();
    let answer = client.get("/readyz");
    assert_eq!((answer.status, answer.field("Retry-After")), (503, Some("1")));
    assert_eq!(client.get("/healthz").status, 200);
    assert_eq!(client.get("/node").json()["state"], "joining");
    let refused = client.put("k", b"v");
    assert_eq!((refused.status, refused.field("Retry-After")), (503, Some("1")), "{}", refused.text());
    let _first = Node::start(seed, &[]);
    await_ready(&[&node], PATIENCE);
}
