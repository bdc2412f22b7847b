//! A node under every pressure at once: more clients than it has connections for, clients that do not read, a key that
//! many write, and a store that becomes full.

use crate::client::Client;
use crate::crowd::{Caller, Told, raise_files};
use crate::process::{Node, join, own_addr};
use crate::ring::{await_all, one_at_a_time};
use skynode::rng::Rng;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, LocalExecutor, Timer, future};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

/// What the entries of a node may take, in MiB, and what the process may take beside them.
const MEMORY_MIB: u64 = 16;
const BESIDE_MIB: u64 = 64;

const KEPT: u64 = 1000;
const AT_ONCE: usize = 600;
const WRITERS: u64 = 64;
const LISTENERS: usize = 64;
const SLOW: usize = 16;
const FILLERS: u32 = 4;

/// What was seen.
#[derive(Default)]
struct Seen {
    statuses: BTreeMap<(&'static str, u16), u64>,
    wrong: BTreeMap<String, u64>,
}

impl Seen {
    /// Every answer says that it was done, or why not.
    fn judge(&mut self, who: &'static str, told: io::Result<Told>) {
        match told {
            Ok(told) => {
                *self.statuses.entry((who, told.status)).or_default() += 1;
                let fine = match told.status {
                    200..=299 => true,
                    503 => told.has_retry_after && told.length > 0,
                    507 => told.length > 0,
                    _ => false,
                };
                if !fine {
                    *self.wrong.entry(format!("{who}: {told:?}")).or_default() += 1;
                }
            }
            Err(error) => *self.wrong.entry(format!("{who}: {error}")).or_default() += 1,
        }
    }
}

type Shared = Rc<RefCell<Seen>>;

async fn pause(longest_ms: u64, rng: &mut Rng) {
    Timer::after(Duration::from_millis(rng.below(longest_ms))).await;
}

async fn kept(addr: SocketAddr, number: u64, end: Instant, seen: Shared) {
    let (mut caller, mut rng) = (Caller::new(addr, true), Rng::new(number));
    while Instant::now() < end {
        pause(1000, &mut rng).await;
        let target = format!("/storage/small{}", rng.below(500));
        let told = match rng.chance(0.8) {
            true => caller.ask("GET", &target, b"").await,
            false => caller.ask("PUT", &target, b"small").await,
        };
        seen.borrow_mut().judge("kept", told);
    }
}

async fn hot(addr: SocketAddr, number: u64, end: Instant, seen: Shared) {
    let mut caller = Caller::new(addr, true);
    while Instant::now() < end {
        let told = caller.ask("PUT", "/storage/hot", format!("writer {number}").as_bytes()).await;
        let refused = told.as_ref().is_ok_and(|told| told.status >= 500);
        seen.borrow_mut().judge("hot", told);
        if refused {
            // As it is told to.
            Timer::after(Duration::from_secs(1)).await;
        }
    }
}

/// Makes the store full from the middle of the time on.
async fn fill(addr: SocketAddr, filler: u32, time: Duration, end: Instant, seen: Shared) {
    let mut caller = Caller::new(addr, true);
    let value = vec![7; 64 << 10];
    // Half of the time for all that a store takes, beside what each write takes.
    let step = time / 2 / (MEMORY_MIB as u32 * 16 / FILLERS);
    for number in 0u32.. {
        if Instant::now() >= end {
            break;
        }
        let told = caller.ask("PUT", &format!("/storage/fill{filler}/{number}"), &value).await;
        let refused = told.as_ref().is_ok_and(|told| told.status >= 500);
        seen.borrow_mut().judge("fill", told);
        // On a machine that has much to do it is behind by then.
        if refused || Instant::now() + time / 2 < end {
            Timer::after(step).await;
        }
    }
}

/// Clients that come all at one moment, each for one question.
async fn at_once(addr: SocketAddr, end: Instant, seen: Shared, executor: Rc<LocalExecutor<'static>>) {
    while Instant::now() < end {
        let asked: Vec<_> = (0..AT_ONCE)
            .map(|number| {
                let seen = Rc::clone(&seen);
                executor.spawn(async move {
                    let target = format!("/storage/small{}", number % 500);
                    let told = Caller::new(addr, false).ask("GET", &target, b"").await;
                    seen.borrow_mut().judge("at once", told);
                })
            })
            .collect();
        for one in asked {
            one.await;
        }
        Timer::after(Duration::from_secs(2)).await;
    }
}

/// Asks for this time and again, and does not read. Where the node cuts it off it begins anew.
async fn silent(addr: SocketAddr, target: &'static str, times: usize, end: Instant) {
    while Instant::now() < end {
        let Ok(mut stream) = Async::<TcpStream>::connect(addr).await else { continue };
        let request = format!("GET {target} HTTP/1.1\r\nHost: {addr}\r\n\r\n").repeat(times);
        if stream.write_all(request.as_bytes()).await.is_err() {
            continue;
        }
        // The end of its time, or what is sent to it beyond what it takes.
        let over = async {
            Timer::at(end).await;
        };
        let looked = async {
            let mut few = [0; 16];
            while let Ok(1..) = stream.read(&mut few).await {
                Timer::after(Duration::from_secs(1)).await;
            }
        };
        future::or(over, looked).await;
    }
}

/// How long the node had something to do and no processor to do it on.
fn kept_waiting(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    let waited = text.split_whitespace().nth(1).and_then(|number| number.parse().ok());
    Duration::from_nanos(waited.unwrap_or(0))
}

/// Asks for the metrics four times a second, from a thread of its own, over a kept connection and over new ones.
/// → how long each took but for the time in which the machine did not let the node run, and what was wrong.
fn scrape(addr: SocketAddr, pid: u32, keeps: bool, end: Instant) -> (Vec<Duration>, Vec<String>) {
    let (mut client, mut times, mut wrong) = (Client::new(addr), Vec::new(), Vec::new());
    while Instant::now() < end {
        let (begun, waited) = (Instant::now(), kept_waiting(pid));
        let told = client.try_ask("GET", "/metrics", "", None);
        let took = begun.elapsed().saturating_sub(kept_waiting(pid) - waited);
        if !told.as_ref().is_ok_and(|told| told.status == 200) || took > Duration::from_secs(1) {
            wrong.push(format!("/metrics took {took:?}: {:?}", told.map(|told| told.status)));
        }
        times.push(took);
        thread::sleep(Duration::from_millis(250));
        if !keeps {
            client = Client::new(addr);
        }
    }
    (times, wrong)
}

fn peak_kib(node: &Node) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("it has memory");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

/// For 20 s, or as many as `SKY_SECONDS` says.
#[test]
fn every_pressure_at_once_leaves_no_request_unanswered() {
    let _turn = one_at_a_time();
    raise_files();
    let memory = ["--max-memory".to_owned(), MEMORY_MIB.to_string()];
    let first = Node::start(own_addr(), &memory);
    let seeds = [join(&[first.addr]), memory.to_vec()].concat();
    let nodes = [Node::start(own_addr(), &seeds), Node::start(own_addr(), &seeds), first];
    await_all(&nodes.iter().collect::<Vec<_>>());
    let addr = nodes[0].addr;
    for number in 0..500 {
        assert_eq!(nodes[0].client().put(&format!("small{number}"), b"small").status, 201);
    }
    assert_eq!(nodes[0].client().put("large", &vec![7; 1 << 20]).status, 201);

    let seconds = std::env::var("SKY_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let time = Duration::from_secs(seconds);
    let (seen, executor) = (Shared::default(), Rc::new(LocalExecutor::new()));
    let end = Instant::now() + time;
    let mut tasks = Vec::new();
    let look = || Rc::clone(&seen);
    tasks.extend((0..KEPT).map(|number| executor.spawn(kept(addr, number, end, look()))));
    tasks.extend((0..WRITERS).map(|number| executor.spawn(hot(addr, number, end, look()))));
    tasks.extend((0..SLOW).map(|_| executor.spawn(silent(addr, "/storage/large", 20, end))));
    tasks.extend((0..LISTENERS).map(|_| executor.spawn(silent(addr, "/events", 1, end))));
    tasks.extend((0..FILLERS).map(|number| executor.spawn(fill(addr, number, time, end, look()))));
    tasks.push(executor.spawn(at_once(addr, end, look(), Rc::clone(&executor))));
    let pid = nodes[0].pid();
    let scrapers = [true, false].map(|keeps| thread::spawn(move || scrape(addr, pid, keeps, end)));
    smol::block_on(executor.run(async {
        for task in tasks {
            task.await;
        }
    }));

    let seen = seen.borrow();
    let (mut times, mut wrong) = (Vec::new(), Vec::new());
    for scraper in scrapers {
        let (took, were_wrong) = scraper.join().expect("it does not panic");
        times.extend(took);
        wrong.extend(were_wrong);
    }
    times.sort();
    let [median, most, worst] = [times.len() / 2, times.len() * 99 / 100, times.len() - 1].map(|at| times[at]);
    let most_kib = nodes.iter().map(peak_kib).max().unwrap_or(0);
    println!("answers by what was asked: {:?}", seen.statuses);
    println!("/metrics: 50 % {median:?}, 99 % {most:?}, worst {worst:?} of {}", times.len());
    println!("memory of the largest node at its peak: {:.1} MiB", most_kib as f64 / 1024.0);
    assert!(seen.wrong.is_empty() && wrong.is_empty(), "{:#?} {wrong:#?}", seen.wrong);
    assert!(seen.statuses.contains_key(&("fill", 507)), "the store became full: {:?}", seen.statuses);
    assert!(most_kib <= (MEMORY_MIB + BESIDE_MIB) << 10, "{most_kib} KiB");
}

/// With few files a node serves fewer connections, and says so; where none gives way questions are refused with a
/// reason, those for its health are answered, and all is counted.
#[test]
fn a_node_with_few_files_says_so_and_tells_its_health_however_full_it_is() {
    let limited = "ulimit -n 300; exec \"$0\" \"$@\"";
    let mut program = Command::new("sh");
    program.env_clear().args(["-c", limited, env!("CARGO_BIN_EXE_skynode")]);
    let node = Node::run(&mut program, own_addr(), &[]);
    node.await_line("serves at most 76 connections, not 1024");
    let requests = |stream: &mut TcpStream| io::Write::write_all(stream, b"GET /node HTTP/1.1\r\nHost: h\r\n").unwrap();
    let mut busy: Vec<TcpStream> = (0..76).map(|_| crate::client::connect(node.addr).unwrap()).collect();
    busy.iter_mut().for_each(requests);
    let refused = node.client().get("/node");
    assert_eq!((refused.status, refused.field("Retry-After")), (503, Some("1")), "{refused:?}");
    for health in ["/healthz", "/metrics"] {
        assert_eq!(node.client().get(health).status, 200, "{health}");
    }
    let metrics = node.client().get("/metrics");
    let line = |name: &str| metrics.text().lines().find(|line| line.starts_with(name)).map(str::to_owned);
    assert_eq!(line("sky_http_turned_away_total"), Some("sky_http_turned_away_total 1".to_owned()));
    assert_eq!(line("sky_http_connections_limit"), Some("sky_http_connections_limit 76".to_owned()));
    for stream in &mut busy {
        io::Write::write_all(stream, b"\r\n").unwrap();
        assert_eq!(crate::client::read_answer(stream, false).unwrap().status, 200, "it was let finish");
    }
}
