//! Nodes as child processes.

use crate::client::Client;
use skynode::udp::LISTENING;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for what must happen, where it checks no tighter bound.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What the log of a node says that came back and waits for its former neighbours.
pub const AWAITS: &str = "from disk; not serving until";

/// A running node. Dropping it kills it, as a crash would.
pub struct Node {
    pub addr: SocketAddr,
    arguments: Vec<String>,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Node {
    /// Starts a node with these arguments beside `--listen`, and waits until it says where it listens.
    pub fn start(listen: SocketAddr, arguments: &[String]) -> Self {
        Self::run(Command::new(env!("CARGO_BIN_EXE_skynode")).env_clear(), listen, arguments)
    }

    /// The same through another program, which ends by running it.
    pub fn run(program: &mut Command, listen: SocketAddr, arguments: &[String]) -> Self {
        let mut child = program
            .arg("--listen")
            .arg(listen.to_string())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("skynode starts");
        let log = BufReader::new(child.stderr.take().expect("it was piped"));
        let (told, addr) = mpsc::channel();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once(LISTENING) {
                    let _ = told.send(rest.split('/').next().unwrap_or_default().parse());
                }
                // Shown by the test harness if the test fails.
                println!("{listen} | {line}");
                kept.lock().expect("nobody panics with it").push(line);
            }
        });
        let addr = match addr.recv_timeout(PATIENCE) {
            Ok(Ok(addr)) => addr,
            other => {
                let _ = child.kill();
                panic!("the node did not say where it listens: {other:?}, {:?}", child.wait());
            }
        };
        Self { addr, arguments: arguments.to_vec(), child, log: lines }
    }

    /// A node alone on an address of this test's own.
    pub fn alone() -> Self {
        Self::start(own_addr(), &[])
    }

    /// A node that joins the ring of another.
    pub fn joining(other: SocketAddr) -> Self {
        Self::start(own_addr(), &join(&[other]))
    }

    /// A connection for requests.
    pub fn client(&self) -> Client {
        Client::new(self.addr)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it without a word, as `kill -9` does.
    pub fn crash(&mut self) {
        self.child.kill().expect("the child is ours");
        self.child.wait().expect("the child is ours");
    }

    /// Stops it for a while, as a debugger or a frozen machine does; its connections stay open.
    pub fn pause(&self, time: Duration) {
        self.signal("-STOP");
        thread::sleep(time);
        self.signal("-CONT");
    }

    /// Sends it a signal, named as `kill` wants it: `-TERM`.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits until it has ended by itself. → how it did.
    pub fn await_end(&mut self, patience: Duration) -> ExitStatus {
        eventually(patience, || {
            self.child.try_wait().expect("the child is ours").ok_or_else(|| format!("{} still runs", self.addr))
        })
    }

    /// Waits until its log has a line that contains this.
    pub fn await_line(&self, part: &str) {
        eventually(PATIENCE, || {
            let log = self.log.lock().expect("nobody panics with it");
            if log.iter().any(|line| line.contains(part)) { Ok(()) } else { Err(format!("no line says {part:?}")) }
        });
    }

    /// How many lines of its log contain this.
    pub fn lines_with(&self, part: &str) -> usize {
        self.log.lock().expect("nobody panics with it").iter().filter(|line| line.contains(part)).count()
    }

    /// Kills it if it still runs, and starts it again as it was, under the same address.
    pub fn restart(&mut self) {
        self.crash();
        *self = Self::start(self.addr, &self.arguments);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The arguments that name seeds.
pub fn join(seeds: &[SocketAddr]) -> Vec<String> {
    seeds.iter().flat_map(|seed| [String::from("--join"), seed.to_string()]).collect()
}

/// An address, any port, that no other test of this run uses: all of 127.0.0.0/8 is this machine.
pub fn own_addr() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let (process, number) = (std::process::id().to_be_bytes(), NEXT.fetch_add(1, Ordering::Relaxed));
    let ip = Ipv4Addr::new(127, 1 + process[2] % 250, process[3], 1 + (number % 250) as u8);
    SocketAddr::from((ip, 0))
}

/// An address that is free now, its port included, for nodes that have to know each other before they start. Nobody
/// else asks for ports of this address, so it stays free.
pub fn reserved_addr() -> SocketAddr {
    let udp = UdpSocket::bind(own_addr()).expect("there is a free port");
    let addr = udp.local_addr().expect("it is bound");
    TcpListener::bind(addr).expect("the address is used by nobody else");
    addr
}

/// The first of so many ports in a row that are free on all addresses and for both protocols, for nodes that have to
/// know each other before they start. They lie below those that the system gives to whoever asks for any port, so that
/// no connection of another test takes one of them meanwhile.
pub fn reserved_ports(number: u16) -> u16 {
    const FIRST: u32 = 12_000;
    const PORTS: u32 = 18_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let is_free = |port: u16| {
        let any = (Ipv4Addr::UNSPECIFIED, port);
        UdpSocket::bind(any).is_ok() && TcpListener::bind(any).is_ok()
    };
    let mut firsts = (0..PORTS / u32::from(number)).map(|_| {
        let taken = NEXT.fetch_add(number.into(), Ordering::Relaxed);
        // Processes of tests that run beside this one begin elsewhere.
        (FIRST + (std::process::id() * 64 + taken) % PORTS) as u16
    });
    firsts.find(|first| (0..number).all(|n| is_free(first + n))).expect("ports are free")
}

/// Asks again until it holds. Panics with what it says at the end of the patience.
pub fn eventually<T>(patience: Duration, mut check: impl FnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match check() {
            Ok(done) => return done,
            Err(why) => assert!(started.elapsed() < patience, "not within {patience:?}: {why}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}
