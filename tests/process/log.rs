//! A node outlives whatever takes its log, and the signals that have nothing to say to a node.

use crate::client::Client;
use crate::process::{Node, PATIENCE, eventually, reserved_addr};
use rustix::io::ioctl_fionbio;
use skynode::udp::LISTENING;
use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A running node. Dropping it kills it.
struct Own {
    addr: SocketAddr,
    child: Child,
}

impl Own {
    /// Starts a node with such a log, and waits until it serves.
    fn start(log: impl Into<Stdio>, arguments: &[&str]) -> Self {
        Self::run(Command::new(env!("CARGO_BIN_EXE_skynode")).stderr(log), arguments)
    }

    fn run(program: &mut Command, arguments: &[&str]) -> Self {
        let addr = reserved_addr();
        let program = program.env_clear().args(["-l", &addr.to_string()]).args(arguments);
        let own = Self { addr, child: program.stdin(Stdio::null()).spawn().expect("it starts") };
        own.await_ready();
        own
    }

    fn await_ready(&self) {
        eventually(PATIENCE, || match Client::new(self.addr).try_ask("GET", "/readyz", "", None) {
            Ok(answer) if answer.status == 200 => Ok(()),
            Ok(answer) => Err(answer.text().to_owned()),
            Err(error) => Err(error.to_string()),
        });
    }

    /// It is told to leave. → how it ended.
    fn ends(&mut self) -> ExitStatus {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(told.expect("kill runs").success());
        eventually(PATIENCE, || self.child.try_wait().expect("it is ours").ok_or_else(|| "it still runs".into()))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pipe that has no room left. → its ends, and how much it holds.
fn full_pipe() -> (PipeReader, PipeWriter, usize) {
    let (reader, mut writer) = io::pipe().expect("there are pipes");
    ioctl_fionbio(&writer, true).expect("pipes can");
    let mut holds = 0;
    // From page by page down to the last byte.
    for length in [4096, 1] {
        while let Ok(written) = writer.write(&vec![b'\n'; length]) {
            holds += written;
        }
    }
    (reader, writer, holds)
}

#[test]
fn a_full_disk_under_the_log_ends_no_node() {
    let mut node = Own::start(File::options().write(true).open("/dev/full").expect("it is there"), &["--log", "debug"]);
    assert_eq!(Client::new(node.addr).put("k", b"v").status, 201);
    assert_eq!(node.ends().code(), Some(0));
    // Nor does it change how one ends that cannot start.
    let taken = Node::alone();
    let full = File::options().write(true).open("/dev/full").expect("it is there");
    let second =
        Command::new(env!("CARGO_BIN_EXE_skynode")).args(["-l", &taken.addr.to_string()]).stderr(full).status();
    assert_eq!(second.expect("it runs").code(), Some(1));
}

#[test]
fn a_log_that_nobody_reads_stops_no_node_and_all_of_it_comes_when_it_is_read() {
    for waits in [true, false] {
        let (reader, writer, filled) = full_pipe();
        ioctl_fionbio(&writer, !waits).expect("pipes can");
        let mut node = Own::start(writer, &["--log", "debug"]);
        for n in 0..50 {
            assert_eq!(Client::new(node.addr).put(&n.to_string(), b"v").status, 201);
        }
        let mut lines = BufReader::new(reader).lines().map(|line| line.expect("text"));
        let before: Vec<String> = lines.by_ref().take(filled).collect();
        assert!(before.iter().all(String::is_empty), "the log came before there was room for it");
        let first = lines.next().expect("a line");
        assert!(first.contains(&format!("{LISTENING}{}", node.addr)), "{first}");
        assert_eq!(node.ends().code(), Some(0));
        let rest: Vec<String> = lines.collect();
        assert!(rest.iter().all(|line| line.contains(" [skynode")), "whole lines, and none lost: {rest:?}");
        assert!(rest.last().is_some_and(|line| line.contains("only node of its ring")), "{rest:?}");
    }
}

#[test]
fn a_log_that_nobody_will_ever_read_does_not_keep_a_node_from_its_end() {
    let (_reader, writer, _) = full_pipe();
    ioctl_fionbio(&writer, false).expect("pipes can");
    let mut node = Own::start(writer, &[]);
    assert_eq!(node.ends().code(), Some(0));
}

/// As where a program that starts it has closed them: its first sockets would get their numbers, and log lines would go
/// to other nodes.
#[test]
fn standard_streams_that_are_closed_become_no_sockets() {
    let shell = ["-c", "exec \"$0\" \"$@\" <&- >&- 2>&-", env!("CARGO_BIN_EXE_skynode")];
    let mut node = Own::run(Command::new("sh").args(shell), &["--log", "debug"]);
    if cfg!(target_os = "linux") {
        for number in 0..3 {
            let leads = std::fs::read_link(format!("/proc/{}/fd/{number}", node.child.id())).expect("it is open");
            let leads = leads.to_string_lossy();
            assert!(leads == "/dev/null" || leads.starts_with("pipe:"), "{number}: {leads}");
        }
    }
    assert_eq!(node.ends().code(), Some(0));
}

#[test]
fn signals_that_say_nothing_to_a_node_end_none() {
    let mut node = Node::start(reserved_addr(), &["--log".into(), "debug".into()]);
    for name in ["SIGHUP", "SIGPIPE", "SIGUSR1", "SIGUSR2", "SIGXFSZ"] {
        node.signal(&format!("-{}", &name[3..]));
        if name != "SIGPIPE" {
            node.await_line(&format!("{name} received: the node goes on"));
        }
    }
    assert_eq!(node.client().put("k", b"v").status, 201);
    node.signal("-TERM");
    assert_eq!(node.await_end(Duration::from_secs(10)).code(), Some(0));
}
