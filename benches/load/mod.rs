//! Clients of a ring: some that write all keys, and some that read them at random and note how long it took.

use crate::client::Client;
use crate::ring::Key;
use skynode::rng::Rng;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Connections that write, so many to a node: while one waits for copies, others have work for it.
const WRITERS: usize = 4;
/// A write that is refused for now is tried again so many times.
const TRIES: usize = 50;

/// Writes all keys, each through its owner, which is the shortest way.
pub fn write(addrs: &[SocketAddr], keys: &[Key]) {
    let next: Vec<AtomicUsize> = addrs.iter().map(|_| AtomicUsize::new(0)).collect();
    thread::scope(|scope| {
        for (at, addr) in addrs.iter().enumerate() {
            let owned: Vec<&Key> = keys.iter().filter(|key| key.owner == at).collect();
            for _ in 0..WRITERS {
                let (owned, next) = (owned.clone(), &next[at]);
                scope.spawn(move || {
                    let mut client = Client::new(*addr);
                    while let Some(key) = owned.get(next.fetch_add(1, Ordering::Relaxed)) {
                        write_one(&mut client, key);
                    }
                });
            }
        }
    });
}

fn write_one(client: &mut Client, key: &Key) {
    for _ in 0..TRIES {
        match client.put(&key.name, &vec![b'v'; key.length]).status {
            201 | 204 => return,
            503 | 504 => thread::sleep(Duration::from_millis(100)),
            other => panic!("{}: {other}", key.name),
        }
    }
    panic!("{}: no node takes it", key.name);
}

/// A read as its client saw it.
pub struct Read<'a> {
    /// When it began, since the readers did.
    pub begun: Duration,
    pub took: Duration,
    pub key: &'a Key,
    pub succeeded: bool,
}

/// Readers at work.
pub struct Readers<'scope, 'keys> {
    pub started: Instant,
    stop: &'scope AtomicBool,
    threads: Vec<thread::ScopedJoinHandle<'scope, Vec<Read<'keys>>>>,
}

impl<'scope, 'keys: 'scope> Readers<'scope, 'keys> {
    /// Starts so many readers, which together ask about `rate` times a second for keys of any of the kinds through any
    /// of the nodes. They pause between reads, as one that asks without pause would measure how busy it keeps the
    /// machine.
    pub fn start(
        scope: &'scope thread::Scope<'scope, '_>,
        stop: &'scope AtomicBool,
        (count, rate): (usize, f64),
        addrs: &'scope [SocketAddr],
        kinds: &'scope [&'keys [Key]],
    ) -> Self {
        let started = Instant::now();
        let pause = Duration::from_secs_f64(count as f64 / rate);
        let threads = (0..count as u64)
            .map(|seed| scope.spawn(move || read(Rng::new(seed), started, stop, pause, addrs, kinds)))
            .collect();
        Self { started, stop, threads }
    }

    /// Ends them. → what they saw.
    pub fn end(mut self) -> Vec<Read<'keys>> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).flat_map(|thread| thread.join().unwrap()).collect()
    }
}

/// A bench that fails is not to wait for its readers for ever.
impl Drop for Readers<'_, '_> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn read<'a>(
    mut rng: Rng,
    started: Instant,
    stop: &AtomicBool,
    pause: Duration,
    addrs: &[SocketAddr],
    kinds: &[&'a [Key]],
) -> Vec<Read<'a>> {
    let mut clients: Vec<Client> = addrs.iter().copied().map(Client::new).collect();
    let mut reads = Vec::new();
    let mut next = Instant::now() + rng.between(Duration::ZERO, pause);
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        let (at, kind) = (rng.index(clients.len()), kinds[rng.index(kinds.len())]);
        let key = &kind[rng.index(kind.len())];
        let begun = Instant::now();
        let answer = clients[at].try_ask("GET", &format!("/storage/{}", key.name), "", None);
        let succeeded = answer.is_ok_and(|answer| answer.status == 200 && answer.body.len() == key.length);
        reads.push(Read { begun: begun - started, took: begun.elapsed(), key, succeeded });
        // One that had to wait does not make up for it.
        next = next.max(Instant::now() - pause) + rng.between(pause / 2, pause * 3 / 2);
    }
    reads
}
