//! A node as a child process.

use super::super::Failure;
use skynode::udp::{HANDED_OVER, IN_USE, LISTENING};
use smol::channel::Sender;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
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

/// A running node. It is killed when it goes out of scope; when this program is killed itself, it ends too.
pub struct Child {
    process: std::process::Child,
    /// It runs as long as this is open.
    lifeline: Option<ChildStdin>,
    number: usize,
    /// Where it was told to listen; the port may be any.
    told: SocketAddr,
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
        told: SocketAddr,
        arguments: &[String],
        verbose: bool,
        tell: Sender<Happened>,
    ) -> Result<Self, Failure> {
        let program = std::env::current_exe().map(|own| own.with_file_name("skynode"));
        let program =
            program.map_err(|error| Failure::Other(format!("where this program lies is not known: {error}")))?;
        let mut process = Command::new(&program)
            .args(["--tied", "--listen", &told.to_string()])
            .args(arguments)
            // What is meant for a single node of this machine must not reach all of them.
            .env_remove("SKY_JOIN")
            .env_remove("SKY_ID")
            .env_remove("SKY_ADVERTISE")
            .env_remove("SKY_HTTP")
            .env_remove("SKY_DATA")
            .env_remove("SKY_LOG")
            .stdin(Stdio::piped())
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
                    if let Some(addr) = listens(&line) {
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
        let lifeline = process.stdin.take();
        Ok(Self { process, lifeline, number, told, addr: None, last })
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    fn lines(&self) -> Vec<String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The address that it was told, if it ended because another program listens there.
    pub fn found_taken(&self) -> Option<SocketAddr> {
        let taken = format!("{} {IN_USE}", self.told);
        self.lines().last().is_some_and(|line| line.contains(&taken)).then_some(self.told)
    }

    /// How it has ended unasked. It has closed its log, so that it ends is a matter of moments.
    pub fn failure(&mut self) -> Failure {
        let addr = self.addr.unwrap_or(self.told);
        let how = match self.process.wait() {
            Ok(status) => how(status, &self.lines()),
            Err(error) => format!("is gone: {error}"),
        };
        Failure::Other(format!("node {} ({addr}) {how}", self.number))
    }

    /// Has it end at once.
    pub fn let_go(&mut self) {
        self.lifeline = None;
    }

    /// True if it has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }
}

/// Where a node listens, if this line of its log says so.
fn listens(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(LISTENING)?;
    rest.split('/').next()?.parse().ok()
}

/// How a node ended that nobody here has ended, and with what last words.
fn how(status: ExitStatus, log: &[String]) -> String {
    let told = || match log {
        [] => String::new(),
        [line] => format!(". Last line of its log:\n  {line}"),
        lines => format!(". Last lines of its log:\n  {}", lines.join("\n  ")),
    };
    match (status.code(), status.signal()) {
        (Some(0), _) if log.last().is_some_and(|line| line.contains(HANDED_OVER)) => {
            String::from("left the ring, as asked")
        }
        (Some(0), _) => {
            let last = log.last().map_or_else(String::new, |line| format!(". Last line of its log:\n  {line}"));
            format!("ended, as asked{last}")
        }
        (Some(code), _) => format!("ended with code {code}{}", told()),
        (None, Some(signal)) => format!("was killed by signal {signal}{}", told()),
        (None, None) => format!("is gone{}", told()),
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_an_end_is_told_and_no_old_lines_for_one() {
        let log = |lines: &[&str]| lines.iter().map(|line| String::from(*line)).collect::<Vec<_>>();
        // As wait(2) gives them: a signal in the low bits, a code above.
        let ended = |raw: i32, lines: &[&str]| how(ExitStatus::from_raw(raw), &log(lines));
        assert_eq!(ended(0, &["joined", &format!("INFO {HANDED_OVER}")]), "left the ring, as asked");
        assert_eq!(ended(0, &["a", "left early"]), "ended, as asked. Last line of its log:\n  left early");
        assert_eq!(ended(9, &["a", "b"]), "was killed by signal 9. Last lines of its log:\n  a\n  b");
        assert_eq!(ended(1 << 8, &["no disk"]), "ended with code 1. Last line of its log:\n  no disk");
        assert_eq!(ended(9, &[]), "was killed by signal 9");
    }

    #[test]
    fn the_address_is_read_from_the_line_that_names_it() {
        let addr = "127.0.0.1:7001".parse().ok();
        assert_eq!(listens("now INFO  [skynode] listening on http://127.0.0.1:7001/ (UDP on the same port)"), addr);
        assert_eq!(listens("INFO see http://127.0.0.1:7001/readyz"), None);
    }
}
