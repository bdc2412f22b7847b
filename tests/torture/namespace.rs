//! A network of this program's own: it runs itself again in a namespace, where it may cut and drop as it likes.
//!
//! The namespace of processes goes with it: when the program ends, however it ends, the system kills all nodes.

use crate::rules::Rules;
use std::io::Read;
use std::process::{Command, ExitCode, Stdio};
use std::thread;

/// Tells the program that it is inside, and what for.
const INSIDE: &str = "SKY_TORTURE_INSIDE";

/// What the program was started for, inside.
pub enum Inside {
    /// To find out whether the rules can be set.
    Probe,
    Run,
}

/// What for, if the program is inside a namespace of its own.
pub fn inside() -> Option<Inside> {
    match std::env::var(INSIDE).ok()?.as_str() {
        "probe" => Some(Inside::Probe),
        _ => Some(Inside::Run),
    }
}

/// This program again, in new namespaces; as a user without rights, being root of them only.
fn again(what_for: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--pid", "--map-root-user", "--fork", "--kill-child"]);
    command.arg(std::env::current_exe().expect("a program knows its file")).args(std::env::args_os().skip(1));
    command.env(INSIDE, what_for).stdin(Stdio::piped());
    command
}

/// Whether a namespace can be made and the rules set in it.
///
/// # Errors
/// Why not, in one line.
pub fn probe() -> Result<(), String> {
    let output = again("probe").output().map_err(|error| format!("unshare: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(text.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason given").trim().to_owned())
}

/// The other end of [`probe`].
pub fn answer_probe() -> ExitCode {
    match raise_loopback().and_then(|()| Rules::probe()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the scenes inside.
pub fn run_again_inside() -> ExitCode {
    let mut child = again("run").spawn().expect("it was started before");
    // The child's standard input stays open as long as this process lives.
    let stdin = child.stdin.take();
    let status = child.wait().expect("the child is ours");
    drop(stdin);
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Makes the namespace ready, and ends everything in it should the process outside end first.
pub fn settle_in() {
    raise_loopback().unwrap_or_else(|why| panic!("{why}"));
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
}

fn raise_loopback() -> Result<(), String> {
    run(Command::new("ip").args(["link", "set", "lo", "up"]), "ip")
}

/// Runs a tool to its end.
///
/// # Errors
/// What it says, or that it is not there.
pub fn run(command: &mut Command, name: &str) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
