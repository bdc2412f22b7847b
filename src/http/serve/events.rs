//! A connection whose answer does not end: it tells what happens until one side goes.

use super::{Connection, Shared, Turn, unix_time};
use crate::handle::Gone;
use crate::http::api::Subject;
use crate::http::events::{self, ALIVE, Known};
use crate::http::response::{Line, Response, Status};
use crate::http::table::{Stage, Told};
use crate::http::words::state_name;
use crate::node::Command;
use smol::{Timer, future};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The longest that nothing is said, so that a client that is gone is noticed.
const BREATH: Duration = Duration::from_secs(15);

/// How often one key is looked at.
const GLANCE: Duration = Duration::from_secs(1);

/// Those who may listen at one time, to the node or to keys.
const LISTENERS_MAX: usize = 64;

/// How long the next one waits for the place of the oldest.
const PLACE_WAIT: Duration = Duration::from_secs(1);
const PLACE_LOOK: Duration = Duration::from_millis(100);

/// How long what was sent may be without a sign that it has arrived, in milliseconds: whoever has vanished without a
/// word is noticed so long after the next line.
#[cfg(target_os = "linux")]
const SIGN_MS: u32 = 20_000;

/// A place among those who listen, given up when it is dropped.
struct Place(Rc<Shared>);

impl Place {
    fn new(shared: &Rc<Shared>) -> Self {
        let listeners = &shared.site.listeners;
        listeners.set(listeners.get() + 1);
        Self(Rc::clone(shared))
    }

    /// Takes a place. If all are taken the one that has listened longest gives way: it may be there no more, and
    /// browsers ask again by themselves.
    async fn take(shared: &Rc<Shared>) -> Option<Self> {
        let until = Instant::now() + PLACE_WAIT;
        while shared.site.listeners.get() >= LISTENERS_MAX {
            if Instant::now() >= until {
                return None;
            }
            shared.table.end_oldest_telling();
            shared.table.await_change(PLACE_LOOK).await;
        }
        Some(Self::new(shared))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let listeners = &self.0.site.listeners;
        listeners.set(listeners.get() - 1);
        self.0.table.ring();
    }
}

/// What ends a wait.
enum Wake {
    Say(String),
    Breath,
    End,
}

fn unix_ms() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl Connection {
    /// Tells what happens until the client or the node goes.
    pub(super) async fn tell(&mut self, turn: &Turn, subject: Subject) -> io::Result<()> {
        let Some(_place) = Place::take(&self.shared).await else {
            let detail = "As many listen to this node as may at one time: ask another one, or try again.";
            let response = Response::problem(Status::ServiceUnavailable, detail).field("Retry-After", 1);
            self.shared.site.traffic.count(self.kind, response.status);
            return self.respond(&turn.plan.tell(response), turn.line).await;
        };
        self.shared.site.traffic.count(self.kind, Status::Ok);
        self.seat.set_stage(Stage::Telling);
        #[cfg(target_os = "linux")]
        rustix::net::sockopt::set_tcp_user_timeout(&self.stream, SIGN_MS)?;
        let head = Response::new(Status::Ok)
            .field("Content-Type", "text/event-stream")
            .field("X-Content-Type-Options", "nosniff");
        self.out.clear();
        turn.plan.tell(head).write_endless(&mut self.out, Line { unix_time: unix_time(), ..Line::default() });
        self.send(&Arc::default()).await?;
        if turn.line.head_only {
            return Ok(());
        }
        match subject {
            Subject::Life => self.tell_life().await,
            Subject::Key(key) => self.tell_key(&key).await,
        }
    }

    async fn tell_life(&mut self) -> io::Result<()> {
        let Ok(happenings) = self.shared.node.watch().await else { return Ok(()) };
        let Ok(snapshot) = self.shared.node.status().await else { return Ok(()) };
        let status = &snapshot.status;
        let text = format!("{} is {}", status.me, state_name(status.state));
        self.say(&events::state(text, unix_ms())).await?;
        loop {
            let next = async {
                // It is closed once the node has ended, or when this connection was too slow.
                happenings.recv().await.map_or(Wake::End, |life| Wake::Say(events::life(&life, unix_ms())))
            };
            if !self.say_next(next).await? {
                return Ok(());
            }
        }
    }

    async fn tell_key(&mut self, key: &[u8]) -> io::Result<()> {
        let (node, mut before) = (self.shared.node.clone(), None);
        loop {
            let next = async {
                loop {
                    let known = match node.ask(Command::Glance { key: key.into() }).await {
                        Ok(reply) => Known::from(&reply),
                        Err(Gone) => return Wake::End,
                    };
                    if before.replace(known) != Some(known) {
                        return Wake::Say(events::key(key, known, unix_ms()));
                    }
                    Timer::after(GLANCE).await;
                }
            };
            if !self.say_next(next).await? {
                return Ok(());
            }
        }
    }

    /// Says what comes next, or that nothing did. → whether there may be more.
    async fn say_next(&mut self, next: impl Future<Output = Wake>) -> io::Result<bool> {
        let breath = async {
            Timer::after(BREATH).await;
            Wake::Breath
        };
        let gone = async {
            // What else it sends is of no interest.
            while let Ok(1..) = self.read(Instant::now() + 2 * BREATH, Told::Cut).await {
                self.buffer.clear();
                future::yield_now().await;
            }
            Wake::End
        };
        match future::or(gone, future::or(next, breath)).await {
            Wake::Say(text) => self.say(&text).await?,
            Wake::Breath => self.say(ALIVE).await?,
            Wake::End => return Ok(false),
        }
        Ok(true)
    }

    async fn say(&mut self, text: &str) -> io::Result<()> {
        self.out.clear();
        self.out.extend_from_slice(text.as_bytes());
        self.send(&Arc::default()).await
    }
}
