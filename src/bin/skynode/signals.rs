//! What ends the node: the first signal has it leave the ring, the second ends it at once; so does the end of standard
//! input, if it is tied to that.
//!
//! Both are caught explicitly, so they also work in a container, where the first process would not hear them otherwise.
//! So are those that mean nothing to a node, and would end it: that its terminal was closed, say, or that its log has
//! reached the longest file that the shell allows.

use async_signal::{Signal, Signals};
use log::{debug, info, warn};
use skynode::handle::Handle;
use skynode::node::Command;
use smol::io::AsyncReadExt;
use smol::stream::StreamExt;
use smol::{Async, future};
use std::io;
use std::process::ExitCode;

/// Starts to catch the signals.
///
/// # Errors
/// The system refuses.
pub fn catch() -> Result<Signals, String> {
    let ignored = [Signal::Hup, Signal::Pipe, Signal::Usr1, Signal::Usr2, Signal::Xfsz];
    Signals::new([Signal::Term, Signal::Int].into_iter().chain(ignored))
        .map_err(|error| format!("signals cannot be caught: {error}"))
}

/// `None` at the first signal: there is no node yet that could leave.
pub async fn end_before_birth<T>(signals: &mut Signals) -> Option<T> {
    // Not within the line: what nobody reads is not waited for.
    let signal = next(signals).await;
    info!("{} received: ends before it has found out its address", name(signal));
    None
}

/// Has the node leave at the first signal. → after the second, the exit code that a shell gives to a program which that
/// signal has killed.
pub async fn obey(mut signals: Signals, node: Handle) -> ExitCode {
    let first = next(&mut signals).await;
    info!("{} received; a second signal ends the node at once", name(first));
    let leave = async {
        // If the node has left already, there is nothing more to do.
        let _ = node.ask(Command::Leave).await;
        future::pending().await
    };
    let second = future::or(next(&mut signals), leave).await;
    warn!("{} again: ends at once; of what it had not handed over the copies beside it remain", name(second));
    ExitCode::from(if second == Signal::Int { 130 } else { 143 })
}

/// Standard input, as long as the program that started the node holds the other end.
pub struct Lifeline(Async<io::Stdin>);

impl Lifeline {
    /// Takes hold of it.
    ///
    /// # Errors
    /// It is no pipe, nor anything else that can be waited for.
    pub fn new() -> Result<Self, String> {
        let wrong = |error| format!("--tied needs a pipe as standard input: {error}");
        Async::new(io::stdin()).map(Self).map_err(wrong)
    }

    /// → the exit code, once the other end is closed, by intent or because that program is dead. Nothing is handed
    /// over, as the whole ring ends.
    pub async fn cut(mut self) -> ExitCode {
        let mut some = [0; 64];
        while matches!(self.0.read(&mut some).await, Ok(1..)) {}
        info!("standard input was closed: ends at once, with its ring");
        ExitCode::SUCCESS
    }
}

/// The next signal that is to end the node. An error of the pipe through which they come is as good as none.
async fn next(signals: &mut Signals) -> Signal {
    loop {
        match signals.next().await {
            Some(Ok(signal @ (Signal::Term | Signal::Int))) => return signal,
            Some(Ok(other)) => debug!("{} received: the node goes on", name(other)),
            other => {
                let error = other.and_then(Result::err).unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
                warn!("signals are not heard any more, end the node with POST /leave: {error}");
                return future::pending().await;
            }
        }
    }
}

const fn name(signal: Signal) -> &'static str {
    match signal {
        Signal::Int => "SIGINT",
        Signal::Hup => "SIGHUP",
        Signal::Pipe => "SIGPIPE",
        Signal::Usr1 => "SIGUSR1",
        Signal::Usr2 => "SIGUSR2",
        Signal::Xfsz => "SIGXFSZ",
        _ => "SIGTERM",
    }
}
