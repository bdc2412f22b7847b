//! The time before there is a node, while a machine finds out its own address or reads what was saved: people are
//! answered already, that it is alive, and why it does not serve.

use super::notes::Notes;
use super::seeds::Here;
use super::{entropy, now};
use crate::config::Config;
use crate::handle::{DriverCounters, Request, Snapshot, Trouble};
use crate::node::{Command, Event, Identity, Node, Reply, Seeking, Unavailable};
use crate::time::Instant;
use smol::channel::Receiver;
use smol::future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// What answers in the place of the node.
#[derive(Debug)]
pub struct Unborn {
    /// It looks for nobody, and stands at the address where the node listens.
    stand_in: Node,
    here: Here,
    notes: Notes,
    started: Instant,
    /// It reads what it had saved; else it looks for its address.
    loads: bool,
}

/// Tells clients that ask through `requests` that the node reads what it had saved, until this work is done.
///
/// # Errors
/// The system has no random numbers.
pub async fn answer_until<T>(
    config: &Config,
    listen: SocketAddr,
    requests: &Receiver<Request>,
    loaded: impl Future<Output = T>,
) -> io::Result<T> {
    let unborn = Unborn::new(config, Here { listen, me: None }, Notes::new(&config.ring))?;
    let mut unborn = Unborn { loads: true, ..unborn };
    Ok(future::or(loaded, unborn.serve(requests)).await)
}

impl Unborn {
    /// For a node that listens there.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn new(config: &Config, here: Here, notes: Notes) -> io::Result<Self> {
        let identity = Identity { addr: here.listen, id: None };
        let stand_in = Node::new(config.clone(), identity, true, entropy()?, now());
        Ok(Self { stand_in, here, notes, started: now().at, loads: false })
    }

    /// Answers without end. When the node is there it goes on with the same requests.
    pub async fn serve<T>(&mut self, requests: &Receiver<Request>) -> T {
        while let Ok(request) = requests.recv().await {
            self.answer(request);
        }
        future::pending().await
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Command(command, to) => {
                let reply = self.reply(command);
                if let Some(to) = to {
                    let _ = to.try_send(reply);
                }
            }
            Request::Status(to) => {
                let now = now().at;
                let (status, driver) = (self.stand_in.status(now), DriverCounters::default());
                let trouble = (!self.loads).then(|| trouble(&self.notes, self.here));
                let _ = to.try_send(Snapshot {
                    status,
                    driver,
                    uptime: now.since(self.started),
                    trouble,
                    homeless: false,
                    loads: self.loads,
                    disk_fault: None,
                });
            }
            Request::Held { to, .. } => {
                let _ = to.try_send(Vec::new());
            }
            // Whoever watches finds the channel closed, and comes again.
            Request::Watch(_) => {}
        }
    }

    /// What a node says that has no place on a ring.
    fn reply(&mut self, command: Command) -> Reply {
        if command == Command::Leave {
            return Reply::Unavailable(Unavailable::NotMember);
        }
        let ticket = self.stand_in.handle_command(now(), command);
        while let Some(event) = self.stand_in.poll_event() {
            if let Event::Reply(of, reply) = event
                && of == ticket
            {
                return reply;
            }
        }
        Reply::Unavailable(Unavailable::NotMember)
    }
}

/// Why the seeds have not told the address.
pub fn trouble(notes: &Notes, here: Here) -> Trouble {
    let seeking = Seeking { founder: false, answered: Vec::new(), hitch: None, hitched_for: Duration::ZERO };
    notes.trouble(here, seeking)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handle::Handle;

    #[test]
    fn whoever_asks_is_told_that_the_node_reads_what_it_saved_until_it_has() {
        smol::block_on(async {
            let (handle, requests) = Handle::new();
            let (done, awaited) = smol::channel::bounded(1);
            let (config, listen) = (Config::default(), ([127, 0, 0, 1], 4321).into());
            let client = async {
                let snapshot = handle.status().await.expect("it is answered");
                assert!(snapshot.loads && snapshot.trouble.is_none());
                done.send(7).await.expect("it is awaited");
                future::pending().await
            };
            let loaded = answer_until(&config, listen, &requests, async { awaited.recv().await });
            assert_eq!(future::or(loaded, client).await.expect("there is entropy"), Ok(7));
        });
    }
}
