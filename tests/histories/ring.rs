//! A ring of real nodes on the loopback of a network of its own, each with a wall clock that can be put.

use crate::client::Client;
use crate::namespace::run;
use crate::rules::Rules;
use crate::shown;
use skynode::rng::Rng;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a ring may take to be whole again after the last fault.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// How far a wall clock is put, at most.
const FAR_S: u64 = 400 * 86_400;

/// What a seed says of its ring.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub size: usize,
    /// All nodes have `--data`.
    pub saves: bool,
}

impl Plan {
    /// Six seeds in a row are all that there are.
    pub const fn of(seed: u64) -> Self {
        Self { size: [3, 5, 8][(seed % 3) as usize], saves: seed / 3 % 2 == 1 }
    }
}

/// One node.
pub struct Node {
    pub addr: SocketAddr,
    child: Mutex<Option<Child>>,
    /// It is stopped, or not there: most clients ask others.
    away: AtomicBool,
}

/// All nodes of one run.
pub struct Ring {
    pub plan: Plan,
    pub nodes: Vec<Node>,
    pub rules: Rules,
    folder: PathBuf,
}

/// Whether a wall clock can be put here.
///
/// # Errors
/// Why not.
pub fn probe() -> Result<(), String> {
    run(Command::new("cc").arg("--version"), "cc")
}

impl Ring {
    /// Starts the ring of this seed, and waits until it is whole.
    pub fn start(seed: u64, plan: Plan) -> Self {
        let folder = new_folder(seed);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories/wall.c");
        run(Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(folder.join("wall.so")).arg(source), "cc")
            .unwrap_or_else(|why| panic!("{why}"));
        let node = |number: usize| Node {
            addr: SocketAddr::from(([127, 0, 3, 1 + number as u8], 4321)),
            child: Mutex::default(),
            away: AtomicBool::new(false),
        };
        let nodes = (0..plan.size).map(node).collect();
        let ring = Self { plan, nodes, rules: Rules::new("histories"), folder };
        let mut rng = Rng::new(seed);
        for number in 0..plan.size {
            ring.put_clock(number, &mut rng);
        }
        (0..plan.size).for_each(|number| ring.launch(number));
        ring.await_whole().unwrap_or_else(|why| panic!("no ring: {why}"));
        // The clocks are put in truth: each log begins on another day.
        let today = Command::new("date").args(["-u", "+%F"]).output().expect("date runs").stdout;
        for number in 0..plan.size {
            let log = std::fs::read(ring.log(number)).expect("it was written");
            assert!(log.len() > 10 && log[..10] != today[..10], "the wall clock of node {number} was not put");
        }
        ring
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All went well: what it left behind is of no use.
    pub fn forget(self) {
        self.nodes.iter().for_each(Node::kill);
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    fn log(&self, number: usize) -> PathBuf {
        self.folder.join(format!("{number}.log"))
    }

    /// Starts a node, without waiting for anything.
    pub fn launch(&self, number: usize) {
        let node = &self.nodes[number];
        let log = File::options().create(true).append(true).open(self.log(number)).expect("the log can be written");
        let mut program = Command::new(env!("CARGO_BIN_EXE_skynode"));
        program.env_clear().env("LD_PRELOAD", self.folder.join("wall.so"));
        program.env("WALL_FILE", self.folder.join(format!("{number}.wall")));
        program.args(["--ring", "histories", "--log", "debug", "--listen", &node.addr.to_string()]);
        for seed in self.nodes.iter().take(3) {
            program.args(["--join", &seed.addr.to_string()]);
        }
        if self.plan.size == 3 {
            // Of three one that is cut off cannot tell that from two crashes.
            program.args(["--min-nodes", "2"]);
        }
        if self.plan.saves {
            program.arg("--data").arg(self.folder.join(format!("{number}.data")));
        }
        let child = program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("skynode starts");
        *node.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        node.away.store(false, Ordering::Relaxed);
    }

    /// Puts the wall clock of a node, by two to four hundred days back or forward from the true time.
    pub fn put_clock(&self, number: usize, rng: &mut Rng) -> i64 {
        let far = (2 * 86_400 + rng.below(FAR_S - 2 * 86_400)).cast_signed();
        let seconds = if rng.chance(0.5) { far } else { -far };
        let (file, new) = (self.folder.join(format!("{number}.wall")), self.folder.join("new.wall"));
        // Renamed, as a node may read it at this moment.
        std::fs::write(&new, seconds.to_string()).and_then(|()| std::fs::rename(&new, &file)).expect("it is written");
        seconds
    }

    /// The address of a node for a client. One that does not answer now is seldom chosen.
    pub fn any(&self, rng: &mut Rng) -> SocketAddr {
        let chosen = &self.nodes[rng.index(self.nodes.len())];
        let other = &self.nodes[rng.index(self.nodes.len())];
        if chosen.away.load(Ordering::Relaxed) && rng.chance(0.9) { other.addr } else { chosen.addr }
    }

    /// Waits until all nodes show the same whole ring, serve, and miss no copy.
    ///
    /// # Errors
    /// What is not right at the end of the patience.
    pub fn await_whole(&self) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            match self.flaw() {
                Ok(()) => return Ok(()),
                Err(why) if begun.elapsed() > PATIENCE => return Err(format!("not whole within {PATIENCE:?}: {why}")),
                Err(_) => std::thread::sleep(POLL),
            }
        }
    }

    fn flaw(&self) -> Result<(), String> {
        for node in &self.nodes {
            let mut client = Client::new(node.addr);
            shown::ring(&mut client, self.nodes.len())?;
            let told = client.try_ask("GET", "/node", "", None).map_err(|error| error.to_string())?.json();
            if told["state"] != "settled" || told["under_copied"] != 0 {
                return Err(format!("{} is {}, and misses {}", node.addr, told["state"], told["under_copied"]));
            }
        }
        Ok(())
    }
}

impl Node {
    /// As `kill -9` does.
    pub fn kill(&self) {
        self.away.store(true, Ordering::Relaxed);
        if let Some(mut child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Tells it to leave, and waits until it has ended.
    ///
    /// # Errors
    /// It did not end well.
    pub fn leave(&self) -> Result<(), String> {
        self.away.store(true, Ordering::Relaxed);
        self.signal("-TERM");
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        let status = child.expect("it runs").wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", self.addr)) }
    }

    /// Has it stand still.
    pub fn stop(&self) {
        self.away.store(true, Ordering::Relaxed);
        self.signal("-STOP");
    }

    pub fn go_on(&self) {
        self.signal("-CONT");
        self.away.store(false, Ordering::Relaxed);
    }

    fn signal(&self, signal: &str) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = child.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill runs").success());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

fn new_folder(seed: u64) -> PathBuf {
    let since = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis());
    let folder = std::env::temp_dir().join(format!("skynode-histories-{since}-{seed}"));
    std::fs::create_dir(&folder).expect("a folder of its own");
    folder
}
