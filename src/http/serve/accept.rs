//! New connections, and what gives way to them.
//!
//! While there is no room, whoever comes waits in the system's queue: for answers that close their connections, which
//! loses nothing, and then for connections that are idle. Where nothing gives way for longer, a few connections beyond
//! the limit are served with 503, and those that ask for the node's health with that.

use super::{Connection, PARTING_MAX, SPARE_MAX, Shared, Stop, Turn};
use crate::http::response::{Response, Status};
use crate::http::table::{Class, Stage};
use crate::http::traffic::Kind;
use log::{debug, warn};
use smol::{Async, LocalExecutor, Timer, future};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How many connections may wait for the node to take them; the system may allow fewer.
const BACKLOG: i32 = 4096;

/// Connections taken without a pause for what else there is to do.
const BATCH: usize = 16;

/// Answers that may close their connections while another one waits.
const WANTED: usize = 8;

/// How long new connections wait for such answers, before those give way that have been idle for shorter.
const YIELD_TIME: Duration = Duration::from_millis(150);

/// How long nothing has given way before there is no room.
const JAM_TIME: Duration = Duration::from_millis(250);

/// How often it is looked whether something has become idle meanwhile.
const LOOK: Duration = Duration::from_millis(25);

/// How long a request that has come waits for a seat, while there are idle connections that will give way.
const SEAT_WAIT: Duration = Duration::from_millis(2500);

/// The pause after the system had no socket for a new connection.
const PAUSE: Duration = Duration::from_millis(100);

/// A listener, with a queue as long as may be.
///
/// # Errors
/// It cannot be watched by the reactor.
pub(super) fn listener(listener: TcpListener) -> io::Result<Async<TcpListener>> {
    // A shorter queue than wished for still serves.
    if let Err(error) = rustix::net::listen(&listener, BACKLOG) {
        debug!("the queue of new connections stays as it is: {error}");
    }
    Async::new(listener)
}

/// Accepts connections for ever.
pub(super) async fn accept(
    executor: &LocalExecutor<'static>,
    listener: &Async<TcpListener>,
    shared: &Rc<Shared>,
) -> io::Result<()> {
    let table = &shared.table;
    let (mut taken, mut failing) = (0, false);
    // Since when others wait and no seat was left to them.
    let mut pressed: Option<Instant> = None;
    loop {
        let (class, is_made) = if shared.has_room() {
            (Class::Seated, false)
        } else {
            listener.readable().await?;
            let since = *pressed.get_or_insert_with(Instant::now);
            table.want(WANTED);
            await_room(shared, since).await
        };
        match take(listener) {
            Ok((stream, client)) => {
                failing = false;
                if class == Class::Seated && pressed.is_some() {
                    shared.site.traffic.wait();
                    if !is_made {
                        pressed = Some(Instant::now());
                    }
                }
                let seat = table.seat(class);
                let number = seat.number();
                let connection = Connection::new(stream, client, shared, seat);
                let task = executor.spawn(async move {
                    if let Err(error) = connection.run().await {
                        debug!("{client}: {error}");
                    }
                });
                table.set_task(number, task);
                taken += 1;
                if taken % BATCH == 0 {
                    future::yield_now().await;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                pressed = None;
                table.want(0);
                listener.readable().await?;
            }
            // The client has gone meanwhile.
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => {}
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    warn!("no connection can be accepted: {error}");
                }
                table.make_room(true);
                Timer::after(PAUSE).await;
            }
        }
    }
}

fn take(listener: &Async<TcpListener>) -> io::Result<(Async<TcpStream>, SocketAddr)> {
    let (stream, client) = listener.get_ref().accept()?;
    // Answers are written in as few pieces as may be: waiting for more to send would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        debug!("{client}: {error}");
    }
    Ok((Async::new(stream)?, client))
}

/// Waits until there is a seat, or until there is none for so long that it is told. → what the next one counts as, and
/// whether a connection was closed for it.
async fn await_room(shared: &Shared, since: Instant) -> (Class, bool) {
    let (table, mut is_made) = (&shared.table, false);
    loop {
        if shared.has_room() {
            return (Class::Seated, is_made);
        }
        let waited = since.elapsed();
        let told = table.make_room(waited >= YIELD_TIME);
        is_made |= told;
        let spares = if table.has(&[Stage::Idle]) { SPARE_MAX / 2 } else { SPARE_MAX };
        if !told && waited >= JAM_TIME && table.number(Class::Spare) < spares {
            return (Class::Spare, is_made);
        }
        if table.number(Class::Parting) >= PARTING_MAX {
            table.drop_parted();
        }
        table.await_change(LOOK).await;
    }
}

impl Connection {
    /// A connection without a seat takes one, as soon as there is one. Questions about the node's health need none.
    pub(super) async fn find_seat(&mut self, turn: &Turn) -> Result<(), Stop> {
        if self.seat.class() != Class::Spare || matches!(self.kind, Kind::Health | Kind::Metrics) {
            return Ok(());
        }
        let (shared, until) = (Rc::clone(&self.shared), Instant::now() + SEAT_WAIT);
        while !shared.has_room() {
            if !shared.table.has(&[Stage::New, Stage::Idle]) || Instant::now() >= until {
                shared.site.traffic.turn_away();
                let busy = "This node has as many connections as it can serve, and nothing was done: try again.";
                let response = Response::problem(Status::ServiceUnavailable, busy).field("Retry-After", 1);
                return Err(Stop::Refuse(turn.plan.tell(response)));
            }
            shared.table.want(WANTED);
            shared.table.make_room(true);
            shared.table.await_change(LOOK).await;
        }
        self.seat.set_class(Class::Seated);
        self.limits = shared.limits;
        Ok(())
    }
}

impl Shared {
    /// True if one more connection can be seated.
    pub(super) fn has_room(&self) -> bool {
        let (seated, parting) = (self.table.number(Class::Seated), self.table.number(Class::Parting));
        seated < self.limits.connections && seated + parting < self.limits.connections + PARTING_MAX
    }
}
