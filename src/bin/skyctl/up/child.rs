//! A node as a child process.

use super::super::Failure;
use smol::channel::Sender;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Lines of its log that are kept, to be shown when it ends unasked.
const LINES: usize = 5;

/// What a child has done.
pub enum Happened {
    /// It listens there.
    Listens(usize, SocketAddr),
    /// It has closed its log: it has ended.
    Ended(usize),
}

/// A running node. It is killed when it goes out of scope.
pub struct Child {
    process: std::process::Child,
    number: usize,
    pub addr: Option<SocketAddr>,
    last: Arc<Mutex<VecDeque<String>>>,
}

impl Child {
    /// Starts the node with this number.
    ///
    /// # Errors
    /// The program is not there.
    pub fn start(
        number: usize,
        port: u16,
        arguments: &[String],
        verbose: bool,
        tell: Sender<Happened>,
    ) -> Result<Self, Failure> {
        let program = std::env::current_exe().map(|own| own.with_file_name("skynode"));
        let program =
            program.map_err(|error| Failure::Other(format!("where this program lies is not known: {error}")))?;
        let mut process = Command::new(&program)
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args(arguments)
            // What is meant for a single node of this machine must not reach all of them.
            .env_remove("SKY_JOIN")
            .env_remove("SKY_ID")
            .env_remove("SKY_ADVERTISE")
            .env_remove("SKY_HTTP")
            .env_remove("SKY_DATA")
            .env_remove("SKY_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C is for the parent, which ends them.
            .process_group(0)
            .spawn()
            .map_err(|error| {
                let program = program.display();
                Failure::Other(format!("{program} cannot be started, put it beside skyctl: {error}"))
            })?;
        let last = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(log) = process.stderr.take() {
            let kept = Arc::clone(&last);
            thread::spawn(move || {
                for line in BufReader::new(log).lines().map_while(Result::ok) {
                    let addr = line
                        .split_once("people ask this node at http://")
                        .and_then(|(_, rest)| rest.split('/').next()?.parse().ok());
                    if let Some(addr) = addr {
                        let _ = tell.try_send(Happened::Listens(number, addr));
                    }
                    if verbose {
                        let _ = writeln!(io::stderr(), "{number} | {line}");
                    }
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.push_back(line);
                    if kept.len() > LINES {
                        kept.pop_front();
                    }
                }
                let _ = tell.try_send(Happened::Ended(number));
            });
        }
        Ok(Self { process, number, addr: None, last })
    }

    /// That it has ended unasked, with the last that it said.
    pub fn failure(&self) -> Failure {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&str> = last.iter().map(String::as_str).collect();
        let addr = self.addr.map_or_else(String::new, |addr| format!(" at {addr}"));
        Failure::Other(format!("node {}{addr} has ended: {}", self.number, lines.join("\n  ")))
    }

    /// Tells it to end, as Ctrl-C would.
    pub fn tell_to_end(&mut self) {
        if !self.has_ended()
            && let Some(pid) = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw)
        {
            // It may have ended just now; its number is its own until it is waited for.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }

    /// True if it has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
