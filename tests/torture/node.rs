//! One node: a process that is killed, stopped and started again, and the log that it leaves.

use crate::client;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a process may take to listen, or to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often is looked whether something has come about.
pub const POLL: Duration = Duration::from_millis(20);

/// A node of a ring. Dropping it kills it.
#[derive(Debug)]
pub struct Node {
    pub addr: SocketAddr,
    pub log: PathBuf,
    arguments: Vec<String>,
    child: Mutex<Option<Child>>,
    /// How often it was started: connections to an earlier process are of no use.
    pub starts: AtomicU32,
    /// Clients that wait for an answer of it now.
    pub waiting: AtomicUsize,
    /// Clients may choose it.
    open: AtomicBool,
    /// Since when it is cut off so far that it must answer nothing: see [`Node::must_be_mute`].
    mute_since: Mutex<Option<Instant>>,
}

impl Node {
    pub fn new(addr: SocketAddr, log: PathBuf, arguments: Vec<String>) -> Self {
        Self {
            addr,
            log,
            arguments,
            child: Mutex::default(),
            starts: AtomicU32::new(0),
            waiting: AtomicUsize::new(0),
            open: AtomicBool::new(false),
            mute_since: Mutex::default(),
        }
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        // A client that failed has left the process as it was.
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts it, without waiting for anything.
    pub fn launch(&self) {
        let log = File::options().create(true).append(true).open(&self.log).expect("the log can be written");
        let child = Command::new(env!("CARGO_BIN_EXE_skynode"))
            .env_clear()
            .args(["--ring", "torture", "--listen", &self.addr.to_string()])
            // Room is not what is tried here, and arcs differ in length.
            .args(["--max-memory", "512"])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("skynode starts");
        *self.child() = Some(child);
        self.starts.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until it listens.
    pub fn await_listening(&self) {
        let started = Instant::now();
        while let Err(error) = client::connect(self.addr) {
            let ended = self.child().as_mut().and_then(|child| child.try_wait().expect("the child is ours"));
            assert!(ended.is_none(), "{} ended: {ended:?}", self.addr);
            assert!(started.elapsed() < PATIENCE, "{} does not listen: {error}", self.addr);
            std::thread::sleep(POLL);
        }
    }

    /// Starts it, and opens it to clients as soon as it listens.
    pub fn start(&self) {
        self.launch();
        self.await_listening();
        self.open_to_clients(true);
    }

    /// From now on clients may choose it, or not.
    pub fn open_to_clients(&self, open: bool) {
        self.open.store(open, Ordering::Relaxed);
    }

    /// Whether clients may choose it.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// True if its process is there, be it stopped.
    pub fn is_up(&self) -> bool {
        self.child().is_some()
    }

    /// Kills it without a word, as `kill -9` does. Clients may be asking it at this moment.
    pub fn kill(&self) {
        if let Some(mut child) = self.child().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.open_to_clients(false);
    }

    /// Stops it, as a debugger or a frozen machine does; its connections stay open.
    pub fn stop(&self) {
        self.signal("-STOP");
    }

    /// Ends what [`Node::stop`] began.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    fn signal(&self, signal: &str) {
        let child = self.child();
        let pid = child.as_ref().expect("it runs").id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits until the process has ended by itself.
    pub fn await_end(&self) -> Result<ExitStatus, String> {
        let started = Instant::now();
        loop {
            let ended = self.child().as_mut().expect("it ran").try_wait().expect("the child is ours");
            if let Some(status) = ended {
                *self.child() = None;
                return Ok(status);
            }
            if started.elapsed() > PATIENCE {
                return Err(format!("{} has not ended within {PATIENCE:?}", self.addr));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Bytes of memory that its process has at this moment, if the system tells. The numbers of processes are others in
    /// a namespace than where the system's files show them, so it is known by its command line and its network.
    pub fn resident(&self) -> Option<u64> {
        let network = std::fs::read_link("/proc/self/ns/net").ok()?;
        let is_it = |path: &PathBuf| {
            let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
            let mut words = line.split(|&byte| byte == 0).skip_while(|word| *word != b"--listen");
            words.nth(1) == Some(self.addr.to_string().as_bytes())
                && std::fs::read_link(path.join("ns/net")).is_ok_and(|other| other == network)
        };
        let path = std::fs::read_dir("/proc").ok()?.filter_map(|entry| Some(entry.ok()?.path())).find(is_it)?;
        let text = std::fs::read_to_string(path.join("statm")).ok()?;
        let pages = text.split(' ').nth(1)?.parse::<u64>().ok()?;
        Some(pages * rustix::param::page_size() as u64)
    }

    /// From `since` on no request through it may get anything but a refusal; `None`: no longer.
    pub fn must_be_mute(&self, since: Option<Instant>) {
        *self.mute_since.lock().unwrap() = since;
    }

    /// Whether a request that was asked then and is answered now must have been refused.
    pub fn is_mute_for(&self, asked: Instant) -> bool {
        self.mute_since.lock().unwrap().is_some_and(|since| asked >= since)
    }

    /// The end of its log.
    pub fn last_lines(&self, count: usize) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}
