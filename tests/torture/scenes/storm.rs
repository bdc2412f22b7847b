//! Everything at once, for as long as one likes: nodes are killed, told to leave, stopped and started again, at random
//! and within the bound of the promises, while clients work and thousands of keys with values of all lengths lie there.
//! Half of the nodes have a directory.

use crate::client::Client;
use crate::figures::Times;
use crate::node::Node;
use crate::ring::{PATIENCE, eventually};
use crate::stage::Stage;
use skynode::rng::Rng;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// The shortest and the longest value, in bytes.
const LENGTHS: (f64, f64) = (10.0, 200_000.0);
/// Those who write what lies there, and who look whether it is still there.
const HANDS: u64 = 4;
/// So many rounds are some ten minutes.
const LONG: usize = 70;

/// The value of a key that is written once: its length is anything, lengths of one order are as likely as of another.
fn value(key: u64) -> Vec<u8> {
    let mut rng = Rng::new(key);
    let share = rng.below(1 << 20) as f64 / f64::from(1 << 20);
    let length = (LENGTHS.0 * (LENGTHS.1 / LENGTHS.0).powf(share)) as usize;
    let mut bytes = format!("value of {key} ").into_bytes();
    bytes.resize(length.max(bytes.len()), rng.below(256) as u8);
    bytes
}

fn target(key: u64) -> String {
    format!("/storage/lying-{key}")
}

/// One that is to be there is read through some node. → whether it was answered.
fn look(stage: &Stage, clients: &mut [Client], rng: &mut Rng, key: u64) -> bool {
    let open: Vec<usize> = (0..clients.len()).filter(|&at| stage.ring.nodes[at].is_open()).collect();
    let Some(&at) = open.get(rng.index(open.len())) else { return false };
    let Ok(answer) = clients[at].try_ask("GET", &target(key), "", None) else { return false };
    match answer.status {
        200 if answer.body == value(key) => return true,
        503 | 504 => return false,
        200 => stage.fault(format!("key {key} through {}: another value", clients[at].addr)),
        status => stage.fault(format!("key {key} through {}: {status}", clients[at].addr)),
    }
    true
}

fn clients_of(stage: &Stage) -> Vec<Client> {
    stage.ring.nodes.iter().map(|node| Client::new(node.addr)).collect()
}

/// Every one of these keys, shared out among some hands.
fn each(
    stage: &Stage,
    keys: u64,
    work: impl Fn(&mut [Client], &mut Rng, u64) -> Result<(), String> + Sync,
) -> Result<(), String> {
    let (next, wrong) = (AtomicU64::new(0), Mutex::new(Ok(())));
    thread::scope(|scope| {
        for _ in 0..HANDS {
            scope.spawn(|| {
                let (mut clients, mut rng) = (clients_of(stage), stage.rng());
                loop {
                    let key = next.fetch_add(1, Ordering::Relaxed);
                    if key >= keys {
                        return;
                    }
                    if let Err(why) = work(&mut clients, &mut rng, key) {
                        *wrong.lock().expect("nobody panics with it") = Err(why);
                        return;
                    }
                }
            });
        }
    });
    wrong.into_inner().expect("nobody panics with it")
}

pub fn play(stage: &Stage) -> Result<(), String> {
    stage.ring.start();
    stage.ring.await_whole(PATIENCE)?;
    let keys = if stage.settings.long { 10_000 } else { 300 };
    each(stage, keys, |clients, rng, key| {
        let bytes = value(key);
        eventually(PATIENCE, || {
            let at = rng.index(clients.len());
            let answer =
                clients[at].try_ask("PUT", &target(key), "", Some(&bytes)).map_err(|error| error.to_string())?;
            if matches!(answer.status, 201 | 204) { Ok(()) } else { Err(format!("key {key}: {}", answer.status)) }
        })
    })?;
    stage.note(format!("{keys} keys lie there"));
    let (stop, looks, mut healings) = (AtomicBool::new(false), AtomicU64::new(0), Times::default());
    let played = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let (mut clients, mut rng) = (clients_of(stage), stage.rng());
                while !stop.load(Ordering::Relaxed) {
                    let key = rng.below(keys);
                    looks.fetch_add(u64::from(look(stage, &mut clients, &mut rng, key)), Ordering::Relaxed);
                }
            });
        }
        let played = stage.with_clients(|| {
            for round in 0..stage.rounds(4, LONG) {
                if round % 10 == 0 {
                    stage.new_page()?;
                }
                healings.add(disturb(stage, round)?);
            }
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        played
    });
    played?;
    each(stage, keys, |clients, rng, key| {
        eventually(PATIENCE, || match look(stage, clients, rng, key) {
            true => Ok(()),
            false => Err(format!("key {key} is not readable in the end")),
        })
    })?;
    stage.await_readable(&stage.ring.up(), PATIENCE)?;
    let looks = looks.into_inner();
    stage.figure(format!("{keys} keys, {looks} reads of them meanwhile; whole again after each round: {healings}"));
    Ok(())
}

/// One or two nodes, neighbours or not, are killed, told to leave, or stopped, each as it comes. → how long it took
/// until the ring was whole again.
fn disturb(stage: &Stage, round: usize) -> Result<Duration, String> {
    let mut rng = stage.rng();
    let order = stage.ring.in_order()?;
    let first = rng.index(order.len());
    let count = 1 + rng.index(2);
    let apart = if rng.chance(0.5) { 1 } else { 2 + rng.index(order.len() - 3) };
    let victims: Vec<&Node> = (0..count).map(|number| order[(first + number * apart) % order.len()]).collect();
    for victim in victims {
        let (away, name) = (rng.between(Duration::ZERO, Duration::from_secs(6)), victim.addr);
        match rng.below(3) {
            0 => {
                stage.note(format!("round {round}: kills {name} for {away:?}"));
                victim.kill();
                thread::sleep(away);
                victim.start();
            }
            1 => {
                stage.note(format!("round {round}: has {name} leave for {away:?}"));
                victim.open_to_clients(false);
                victim.terminate();
                let status = victim.await_end()?;
                if !status.success() {
                    stage.fault(format!("round {round}: {name} left with {status}"));
                }
                thread::sleep(away);
                victim.start();
            }
            _ => {
                stage.note(format!("round {round}: stops {name} for {away:?}"));
                victim.stop();
                thread::sleep(away);
                victim.go_on();
            }
        }
    }
    stage.ring.await_whole(PATIENCE)
}
