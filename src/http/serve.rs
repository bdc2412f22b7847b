//! The listener: connections, their limits and their timeouts.
//!
//! One task per connection on the node's thread; requests of a connection are answered one after another, in the order
//! in which they came.

mod body;
mod events;

use super::api::{self, Plan};
use super::budget::{Budget, Share};
use super::parse::{Framing, Method, Refusal, parse};
use super::response::{Line, Response, Status};
use super::site::Site;
use super::table::{Seat, Table};
use super::traffic::Kind;
use crate::handle::Handle;
use crate::limits::VALUE_MAX;
use log::{debug, warn};
use smol::io::AsyncWriteExt;
use smol::{Async, LocalExecutor, Timer, future};
use std::cell::RefCell;
use std::future::Future;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

/// Bytes read from a connection at one time.
const READ_SIZE: usize = 8192;

/// Bytes of buffers that a connection keeps while it waits for its next request.
const KEPT_SIZE: usize = 2048;

/// What is still read after the last answer, so that the client gets to see it: closing a socket with unread bytes
/// resets the connection, and a reset throws away what is still under way.
const LINGER_SIZE: usize = 1 << 20;
const LINGER_TIME: Duration = Duration::from_secs(2);

/// How long the last answers may take to be sent, once the node has ended.
const FLUSH_TIME: Duration = Duration::from_millis(500);

/// The pause after the system had no socket for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many connections there may be, and how long each may take for what.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at one time. The next one takes the place of that which has waited longest for a request; if none
    /// waits, it is answered 503 and closed. Default 256.
    pub connections: usize,
    /// How long a connection may lie idle. Default 60 s.
    pub idle: Duration,
    /// How long a request may take from its first byte to the end of its header section. Default 10 s.
    pub head: Duration,
    /// How long a body may take. Default 30 s.
    pub body: Duration,
    /// How long an answer may take to be sent. Default 30 s.
    pub write: Duration,
    /// The longest value that clients may write, in bytes. Default 1 MiB.
    pub value_max: usize,
    /// How many bytes bodies may take in memory, of all connections together, if less than usual. Default 32 MiB.
    pub bodies: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            idle: Duration::from_secs(60),
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            write: Duration::from_secs(30),
            value_max: VALUE_MAX,
            bodies: None,
        }
    }
}

/// Accepts connections and answers what they ask of the node, at this site, until it has ended and the last answers are
/// sent. The tasks of the connections run on the executor.
///
/// # Errors
/// The listener cannot be watched by the reactor. Nothing that a client does ends it.
pub async fn serve(
    executor: &LocalExecutor<'static>,
    listener: TcpListener,
    node: Handle,
    site: Site,
    limits: Limits,
) -> io::Result<()> {
    let listener = Async::<TcpListener>::new(listener)?;
    let table = Rc::new(RefCell::new(Table::default()));
    let site = Rc::new(site);
    future::or(node.ended(), accept(executor, &listener, &table, &node, &site, limits)).await;
    drop(listener);
    finish(&table).await;
    Ok(())
}

/// Lets the answers under way be sent, and closes all other connections.
async fn finish(table: &RefCell<Table>) {
    let answered = table.borrow_mut().close();
    let sent = async {
        for task in answered {
            task.await;
        }
    };
    let late = async {
        Timer::after(FLUSH_TIME).await;
    };
    future::or(sent, late).await;
}

/// Accepts connections for ever.
async fn accept(
    executor: &LocalExecutor<'static>,
    listener: &Async<TcpListener>,
    table: &Rc<RefCell<Table>>,
    node: &Handle,
    site: &Rc<Site>,
    limits: Limits,
) {
    let budget = Rc::new(Budget::new(limits.bodies));
    loop {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!("a connection could not be accepted: {error}");
                table.borrow_mut().evict();
                Timer::after(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let full = table.borrow().len() >= limits.connections;
        if full && !table.borrow_mut().evict() {
            debug!("{client}: refused, {} connections are busy", limits.connections);
            site.traffic.turn_away();
            turn_away(&stream);
            continue;
        }
        // Answers are written in one piece: waiting for more to send would only delay them.
        if let Err(error) = stream.get_ref().set_nodelay(true) {
            debug!("{client}: {error}");
        }
        let seat = Table::seat(table);
        let number = seat.number();
        let (node, site, budget) = (node.clone(), Rc::clone(site), Rc::clone(&budget));
        let (buffer, out, kind) = (Vec::new(), Vec::new(), Kind::Other);
        let connection = Connection { stream, client, node, site, limits, seat, budget, buffer, out, kind };
        let task = executor.spawn(async move {
            if let Err(error) = connection.run().await {
                debug!("{client}: {error}");
            }
        });
        table.borrow_mut().set_task(number, task);
    }
}

/// Says no without waiting for anything.
fn turn_away(stream: &Async<TcpStream>) {
    let busy = "This node has as many connections as it can serve: try again.";
    let response = Response::problem(Status::ServiceUnavailable, busy).field("Retry-After", 1);
    let mut out = Vec::new();
    response.write(&mut out, Line { unix_time: unix_time(), ..Line::default() });
    let mut stream = stream.get_ref();
    // The socket is new and its buffer empty, so this does not block; if it fails, the client sees a closed connection.
    let _ = stream.write(&out).and_then(|_| stream.shutdown(Shutdown::Write));
    let _ = stream.read(&mut [0; READ_SIZE]);
}

fn unix_time() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}

struct Connection {
    stream: Async<TcpStream>,
    client: SocketAddr,
    node: Handle,
    site: Rc<Site>,
    limits: Limits,
    seat: Seat,
    /// Shared by all connections.
    budget: Rc<Budget>,
    /// What has come and was not understood yet.
    buffer: Vec<u8>,
    /// The answer that is being sent.
    out: Vec<u8>,
    /// What the request asks for, once its header section was understood.
    kind: Kind,
}

/// A request whose header section was understood.
struct Turn {
    plan: Plan,
    framing: Framing,
    expects_continue: bool,
    line: Line,
    taken: usize,
    name: String,
}

/// Why a connection does not go on.
enum Stop {
    /// The client is gone, or silent.
    Quiet(io::Error),
    /// The client is told why.
    Refuse(Response),
}

impl Stop {
    /// The same, with what a browser has to know.
    fn told_by(self, plan: &Plan) -> Self {
        match self {
            Self::Refuse(response) => Self::Refuse(plan.tell(response)),
            quiet => quiet,
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Quiet(error)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal.into())
    }
}

impl Connection {
    async fn run(mut self) -> io::Result<()> {
        loop {
            match self.answer_one().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(Stop::Quiet(error)) => return Err(error),
                Err(Stop::Refuse(response)) => {
                    debug!("{}: refused with {}", self.client, response.status.code());
                    self.site.traffic.count(self.kind, response.status);
                    self.respond(&response, Line::default()).await?;
                    break;
                }
            }
            // A client that sends without pause does not keep the others from being served.
            future::yield_now().await;
        }
        self.linger().await
    }

    /// Reads a request and answers it. → whether another may follow.
    async fn answer_one(&mut self) -> Result<bool, Stop> {
        self.seat.set_waiting(Some(Instant::now()));
        self.kind = Kind::Other;
        let Some(mut turn) = self.next_turn().await? else { return Ok(false) };
        self.kind = turn.plan.kind;
        self.seat.set_waiting(Some(Instant::now()));
        if turn.expects_continue && turn.plan.is_refusal() {
            // The body that the client holds back is not wanted; whether it comes all the same is not known.
            return Err(Stop::Refuse(turn.plan.run(Vec::new(), &self.node).await));
        }
        let mut share = Share::new(&self.budget);
        let body = self.body(&turn, &mut share).await.map_err(|stop| stop.told_by(&turn.plan))?;
        turn.plan.mind(&body);
        if let Some(subject) = turn.plan.subject() {
            self.tell(&turn, subject).await?;
            return Ok(false);
        }
        self.seat.set_waiting(None);
        let begun = Instant::now();
        self.site.traffic.set_connections(self.seat.connections());
        let mut response = turn.plan.run(body, &self.node).await;
        // It is in memory twice while it is sent.
        if !share.grow(2 * response.body.len()) {
            response = body::crowded();
        }
        self.site.traffic.time(self.kind, begun.elapsed());
        self.site.traffic.count(self.kind, response.status);
        if log::log_enabled!(log::Level::Debug) {
            debug!("{}: {} {}", self.client, turn.name, response.status.code());
        }
        // There is no next request for a node that has ended.
        let line = Line { keep_alive: turn.line.keep_alive && !self.node.has_ended(), ..turn.line };
        self.respond(&response, line).await?;
        self.buffer.shrink_to(KEPT_SIZE);
        self.out.shrink_to(KEPT_SIZE);
        Ok(line.keep_alive)
    }

    /// The next request; `None` if the client has no more.
    async fn next_turn(&mut self) -> Result<Option<Turn>, Stop> {
        let mut deadline = None;
        loop {
            if let Some(turn) = understand(&self.buffer, &self.site, self.limits.value_max)? {
                self.buffer.drain(..turn.taken.min(self.buffer.len()));
                return Ok(Some(turn));
            }
            let now = Instant::now();
            let begun = !self.buffer.is_empty();
            let until = if begun { *deadline.get_or_insert(now + self.limits.head) } else { now + self.limits.idle };
            match self.read(until).await {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return if begun { Err(Stop::Refuse(too_slow())) } else { Ok(None) };
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Appends to the buffer what has come, or waits for it. → how many bytes; none if there will be no more.
    async fn read(&mut self, deadline: Instant) -> io::Result<usize> {
        loop {
            match self.read_now() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    before(deadline, self.stream.readable()).await?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    // Apart from the waiting, so that an idle connection holds no buffer of this size.
    fn read_now(&mut self) -> io::Result<usize> {
        let mut piece = [0; READ_SIZE];
        let length = self.stream.get_ref().read(&mut piece)?;
        self.buffer.extend_from_slice(piece.get(..length).unwrap_or_default());
        Ok(length)
    }

    async fn respond(&mut self, response: &Response, line: Line) -> io::Result<()> {
        self.out.clear();
        response.write(&mut self.out, Line { unix_time: unix_time(), ..line });
        self.send().await
    }

    async fn send(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + self.limits.write;
        before(deadline, self.stream.write_all(&self.out)).await
    }

    /// Closes in a way that lets the client read the last answer.
    async fn linger(mut self) -> io::Result<()> {
        self.seat.set_waiting(Some(Instant::now()));
        self.stream.get_ref().shutdown(Shutdown::Write)?;
        let deadline = Instant::now() + LINGER_TIME;
        let mut read = 0;
        while read < LINGER_SIZE {
            self.buffer.clear();
            match self.read(deadline).await {
                Ok(0) | Err(_) => break,
                Ok(length) => read += length,
            }
        }
        Ok(())
    }
}

fn understand(buffer: &[u8], site: &Site, value_max: usize) -> Result<Option<Turn>, Refusal> {
    let Some((head, taken)) = parse(buffer)? else { return Ok(None) };
    let name =
        if log::log_enabled!(log::Level::Debug) { format!("{:?} {}", head.method, head.path) } else { String::new() };
    Ok(Some(Turn {
        plan: api::plan(&head, site, value_max),
        framing: head.framing,
        expects_continue: head.expects_continue,
        line: Line { head_only: head.method == Method::Head, keep_alive: head.keep_alive, old: head.old, unix_time: 0 },
        taken,
        name,
    }))
}

fn too_slow() -> Response {
    Response::problem(Status::RequestTimeout, "The request did not come in time: send it faster.")
}

/// What the work gives, or `TimedOut` if the deadline comes first.
async fn before<T>(deadline: Instant, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    future::or(work, async {
        Timer::at(deadline).await;
        Err(io::ErrorKind::TimedOut.into())
    })
    .await
}

#[cfg(test)]
mod tests;
