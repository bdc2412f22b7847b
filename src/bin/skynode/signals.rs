//! The signals that end the node: the first has it leave the ring, the second ends it at once.
//!
//! Both are caught explicitly, so they also work in a container, where the first process would not hear them otherwise.

use async_signal::{Signal, Signals};
use log::{info, warn};
use skynode::handle::Handle;
use skynode::node::Command;
use smol::future;
use smol::stream::StreamExt;
use std::io;
use std::process::ExitCode;

/// Starts to catch the signals.
///
/// # Errors
/// The system refuses.
pub fn catch() -> Result<Signals, String> {
    Signals::new([Signal::Term, Signal::Int]).map_err(|error| format!("signals cannot be caught: {error}"))
}

/// `None` at the first signal: there is no node yet that could leave.
pub async fn end_before_birth<T>(signals: &mut Signals) -> Option<T> {
    // Not within the line: what nobody reads is not waited for.
    let signal = next(signals).await;
    info!("{}: ends, before it found out its address", name(signal));
    None
}

/// Has the node leave at the first signal. → after the second, the exit code that a shell gives to a program which that
/// signal has killed.
pub async fn obey(mut signals: Signals, node: Handle) -> ExitCode {
    let first = next(&mut signals).await;
    info!("{}: leaves the ring; a second signal ends the node at once", name(first));
    let leave = async {
        // If the node has left already, there is nothing more to do.
        let _ = node.ask(Command::Leave).await;
        future::pending().await
    };
    let second = future::or(next(&mut signals), leave).await;
    warn!("{} again: ends at once; what was not handed over its neighbours repair from their copies", name(second));
    ExitCode::from(if second == Signal::Int { 130 } else { 143 })
}

/// The next signal. An error of the pipe through which they come is as good as none.
async fn next(signals: &mut Signals) -> Signal {
    match signals.next().await {
        Some(Ok(signal)) => signal,
        other => {
            let error = other.and_then(Result::err).unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
            warn!("signals are not heard any more, end the node with POST /leave: {error}");
            future::pending().await
        }
    }
}

const fn name(signal: Signal) -> &'static str {
    match signal {
        Signal::Int => "SIGINT",
        _ => "SIGTERM",
    }
}
