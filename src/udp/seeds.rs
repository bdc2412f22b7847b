//! Seeds: names and addresses that become addresses.

use crate::handle::Handle;
use crate::node::Command;
use log::{Level, info, log};
use smol::channel::Receiver;
use smol::{Task, Timer, future};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// How long names are resolved before the addresses found so far are used.
const RESOLVE_TIME: Duration = Duration::from_secs(5);

/// Resolves the seeds anew whenever the node wants them, and hands it all addresses found. Never ends by itself.
pub async fn resolve<T>(seeds: Vec<String>, tries: Receiver<Option<u32>>, handle: Handle) -> T {
    while let Ok(tries) = tries.recv().await {
        // A node that has its place looks once a minute, and of that there is nothing to tell.
        if let Some(tries) = tries {
            info!("looking for the ring at {} (try {})", seeds.join(", "), tries.saturating_add(1));
        }
        let found = addresses(&seeds, if tries.is_some() { Level::Warn } else { Level::Debug }).await;
        if handle.tell(Command::Seeds(found)).await.is_err() {
            break;
        }
    }
    // The driver has ended, and this with it.
    future::pending().await
}

/// The addresses that each seed has now; what could not be resolved in time is told on this level.
pub async fn addresses(seeds: &[String], level: Level) -> Vec<Vec<SocketAddr>> {
    let (found, unknown) = resolved(seeds).await;
    for (seed, why) in unknown {
        log!(level, "the address of {seed} is not known, it will be looked up again: {why}");
    }
    found
}

/// The addresses that each seed has now, and the seeds that could not be resolved in time, with the reason.
pub async fn resolved(seeds: &[String]) -> (Vec<Vec<SocketAddr>>, Vec<(&String, io::Error)>) {
    let (mut found, mut unknown, mut tasks) = (vec![Vec::new(); seeds.len()], Vec::new(), Vec::new());
    for (seed, found) in seeds.iter().zip(&mut found) {
        match seed.parse::<SocketAddr>() {
            Ok(addr) => found.push(addr),
            Err(_) => tasks.push((seed, found, look_up(seed.clone()))),
        }
    }
    let deadline = std::time::Instant::now() + RESOLVE_TIME;
    for (seed, found, task) in tasks {
        let late = async {
            Timer::at(deadline).await;
            Err(io::ErrorKind::TimedOut.into())
        };
        match future::or(task, late).await {
            Ok(addrs) => found.extend(addrs),
            Err(error) => unknown.push((seed, error)),
        }
    }
    (found, unknown)
}

/// Begins to look a name up; the system's resolver blocks, so it does that on another thread.
fn look_up(name: String) -> Task<io::Result<Vec<SocketAddr>>> {
    smol::unblock(move || name.to_socket_addrs().map(Vec::from_iter))
}
