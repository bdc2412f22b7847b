//! How long writes of one key take while others write it as well: real processes on loopback, kept-alive HTTP.
//!
//! ```sh
//! cargo bench --bench hot_key                          # 1, 4, 16 and 64 writers, five seconds each
//! SKY_NODES=5 SKY_SECONDS=20 cargo bench --bench hot_key
//! SKY_PROGRAM=/usr/bin/skynode cargo bench --bench hot_key   # another build of the program
//! ```

#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::panic, reason = "helpers of tests, and no API")]

#[path = "../tests/process/client.rs"]
mod client;
mod measure;
#[path = "../tests/process/process.rs"]
mod process;

use measure::number;
use process::Node;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const WRITERS: [usize; 4] = [1, 4, 16, 64];
/// So many put at one moment through one node.
const AT_ONCE: usize = 256;

/// What one writer saw.
#[derive(Default)]
struct Seen {
    took: Vec<Duration>,
    statuses: BTreeMap<u16, usize>,
}

impl Seen {
    fn sum(all: Vec<Self>) -> Self {
        let mut sum = Self::default();
        for seen in all {
            sum.took.extend(seen.took);
            for (status, times) in seen.statuses {
                *sum.statuses.entry(status).or_default() += times;
            }
        }
        sum.took.sort_unstable();
        sum
    }

    /// So many of a hundred took no longer, in milliseconds.
    fn ms(&self, percent: usize) -> f64 {
        let at = (self.took.len() * percent / 100).min(self.took.len() - 1);
        self.took[at].as_secs_f64() * 1000.0
    }

    fn tell(&self, what: &str, seconds: f64) {
        let rate = self.took.len() as f64 / seconds;
        let (median, late, worst) = (self.ms(50), self.ms(99), self.ms(100));
        println!("{what:<22}{rate:>10.0}{median:>10.2}{late:>10.2}{worst:>10.2}  {:?}", self.statuses);
    }
}

/// A connection that is kept. It reads more than a byte at a time, unlike that of the tests.
struct Connection {
    to: TcpStream,
    from: BufReader<TcpStream>,
    host: SocketAddr,
}

impl Connection {
    fn open(host: SocketAddr) -> Self {
        let to = client::connect(host).unwrap();
        Self { from: BufReader::new(to.try_clone().unwrap()), to, host }
    }

    /// Writes the key, and notes how that went.
    fn put(&mut self, value: usize, seen: &mut Seen) {
        let value = value.to_string();
        let (host, length) = (self.host, value.len());
        let request = format!("PUT /storage/hot HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{value}");
        let begun = Instant::now();
        self.to.write_all(request.as_bytes()).unwrap();
        let (mut line, mut status, mut rest) = (String::new(), 0, 0);
        while line != "\r\n" {
            line.clear();
            assert!(self.from.read_line(&mut line).unwrap() > 0, "{host} closed the connection");
            match line.split_once(": ") {
                Some(("Content-Length", length)) => rest = length.trim().parse().unwrap(),
                None if status == 0 => status = line.split(' ').nth(1).unwrap().parse().unwrap(),
                _ => {}
            }
        }
        self.from.read_exact(&mut vec![0; rest]).unwrap();
        seen.took.push(begun.elapsed());
        *seen.statuses.entry(status).or_default() += 1;
    }
}

/// So many write for so long, each through all nodes in turn.
fn write(addrs: &[SocketAddr], writers: usize, time: Duration) -> Seen {
    let all = Barrier::new(writers);
    let one = |writer: usize| {
        let mut seen = Seen::default();
        let mut connections: Vec<Connection> = addrs.iter().copied().map(Connection::open).collect();
        all.wait();
        let end = Instant::now() + time;
        while Instant::now() < end {
            let count = seen.took.len();
            connections[(writer + count) % addrs.len()].put(writer + writers * count, &mut seen);
        }
        seen
    };
    let one = &one;
    Seen::sum(thread::scope(|scope| {
        let writers: Vec<_> = (0..writers).map(|writer| scope.spawn(move || one(writer))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    }))
}

/// So many put once, all at one moment, through one node.
fn write_at_once(addr: SocketAddr, writers: usize) -> Seen {
    let all = Barrier::new(writers);
    let one = |writer: usize| {
        let (mut seen, mut connection) = (Seen::default(), Connection::open(addr));
        all.wait();
        connection.put(writer, &mut seen);
        seen
    };
    let one = &one;
    Seen::sum(thread::scope(|scope| {
        let writers: Vec<_> = (0..writers).map(|writer| scope.spawn(move || one(writer))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    }))
}

fn main() {
    let (size, seconds) = (number("SKY_NODES", 3) as usize, number("SKY_SECONDS", 5));
    let program = std::env::var("SKY_PROGRAM").unwrap_or_else(|_| String::from(env!("CARGO_BIN_EXE_skynode")));
    let start = |seeds: &[SocketAddr]| {
        Node::run(Command::new(&program).env_clear(), process::own_addr(), &process::join(seeds))
    };
    let mut nodes = vec![start(&[])];
    for _ in 1..size {
        nodes.push(start(&[nodes[0].addr]));
    }
    process::eventually(process::PATIENCE, || {
        let unready = nodes.iter().find(|node| node.client().get("/readyz").status != 200);
        unready.map_or(Ok(()), |node| Err(format!("{} is not ready", node.addr)))
    });
    let addrs: Vec<SocketAddr> = nodes.iter().map(|node| node.addr).collect();
    println!("{:<22}{:>10}{:>10}{:>10}{:>10}  answers by status", "", "a second", "50 % ms", "99 %", "max");
    let time = Duration::from_secs(seconds);
    let seen = WRITERS.map(|writers| {
        let seen = write(&addrs, writers, time);
        seen.tell(&format!("{writers} writers"), time.as_secs_f64());
        seen
    });
    for addr in &addrs {
        let begun = Instant::now();
        write_at_once(*addr, AT_ONCE).tell(&format!("{AT_ONCE} at once"), begun.elapsed().as_secs_f64());
    }
    println!("99 % of {} writers, in terms of one: {:.1}", WRITERS[3], seen[3].ms(99) / seen[0].ms(99));
}
