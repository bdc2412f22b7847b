//! The listener: connections, their limits and their timeouts.
//!
//! One task per connection on the node's thread; requests of a connection are answered one after another, in the order
//! in which they came.

mod accept;
mod body;
mod events;
mod files;
mod line;

use super::api::{self, Plan};
use super::budget::{Budget, Share};
use super::gate::Gate;
use super::parse::{Framing, Method, Refusal, is_head, parse};
use super::response::{Line, Response, Status};
use super::site::Site;
use super::table::{Class, Seat, Stage, Table, Told};
use super::traffic::Kind;
use crate::handle::Handle;
use crate::limits::{CLIENT_MAX, VALUE_MAX};
use log::debug;
use smol::{Async, LocalExecutor, Timer, future};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

/// Bytes of each of its two buffers that a connection keeps while it waits for its next request.
const KEPT_SIZE: usize = 1024;

/// How much sooner than the node a client takes an idle connection for closed, so that no request meets a closed one.
const SOONER: Duration = Duration::from_secs(5);

/// How long the last answers may take to be sent, once the node has ended.
const FLUSH_TIME: Duration = Duration::from_millis(500);

/// Connections that have had their last answer, beyond those that there may be.
const PARTING_MAX: usize = 128;

/// Connections beyond those that there may be, for those who ask for the node's health, and to tell others that there
/// is no room; and how long their requests may take to come.
const SPARE_MAX: usize = 32;
const SPARE_TIME: Duration = Duration::from_secs(1);

/// Bytes of answers about the node's health that may be in memory at one time: a hundred that nobody reads.
const HEALTH_BODIES: usize = 2 << 20;

/// Requests for keys that the node has in work at one time; others wait for them, and are refused as busy if that takes
/// longer. The node itself would refuse at once beyond twice as many.
const WORKING_MAX: usize = CLIENT_MAX / 2;
const WORKING_WAIT: Duration = Duration::from_secs(10);

/// How many connections there may be, and how long each may take for what.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at one time. While others wait, answers close their connections, and connections that are idle are
    /// closed; if there are none, the next is answered 503. Default 1,024.
    pub connections: usize,
    /// How long a connection may lie idle; its answers promise five seconds less. Default 80 s.
    pub idle: Duration,
    /// How long a request may take from its first byte to the end of its header section. Default 10 s.
    pub head: Duration,
    /// How long a body may take. Default 30 s.
    pub body: Duration,
    /// How long an answer may take to be sent. Default 30 s.
    pub write: Duration,
    /// The longest value that clients may write, in bytes. Default 1 MiB.
    pub value_max: usize,
    /// Bytes of long bodies that may be in memory at one time, coming or going. Default 32 MiB.
    pub bodies: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            idle: Duration::from_secs(80),
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            write: Duration::from_secs(30),
            value_max: VALUE_MAX,
            bodies: 32 * VALUE_MAX,
        }
    }
}

impl Limits {
    /// The same where bodies may take so many bytes of memory, if that is less than usual. Two of the longest values
    /// may always come.
    #[must_use]
    pub fn within_memory(self, bodies: Option<usize>) -> Self {
        let bodies = bodies.map_or(self.bodies, |bodies| bodies.clamp((2 * VALUE_MAX).min(self.bodies), self.bodies));
        Self { bodies, ..self }
    }
}

/// What all connections share.
struct Shared {
    node: Handle,
    site: Site,
    limits: Limits,
    table: Rc<Table>,
    /// Memory for long bodies, and for answers about the node's health.
    budget: Rc<Budget>,
    health_budget: Rc<Budget>,
    /// Passes of requests for keys.
    working: Gate,
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
    let listener = accept::listener(listener)?;
    site.traffic.set_limit(limits.connections);
    let shared = Rc::new(Shared {
        node,
        site,
        limits,
        table: Rc::default(),
        budget: Budget::new(limits.bodies),
        health_budget: Budget::new(HEALTH_BODIES),
        working: Gate::new(WORKING_MAX),
    });
    let ended = async {
        shared.node.ended().await;
        Ok(())
    };
    future::or(ended, accept::accept(executor, &listener, &shared)).await?;
    drop(listener);
    finish(&shared.table).await;
    Ok(())
}

/// Lets the answers under way be sent, and closes all other connections.
async fn finish(table: &Table) {
    let answered = table.close();
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

fn unix_time() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}

struct Connection {
    stream: Async<TcpStream>,
    client: SocketAddr,
    shared: Rc<Shared>,
    limits: Limits,
    seat: Rc<Seat>,
    /// What has come and was not understood yet.
    buffer: Vec<u8>,
    /// The answer that is being sent, but for a long body.
    out: Vec<u8>,
    /// Bytes that came or went since it was last taken for coming on.
    moved: usize,
    /// What the request asks for, once its header section was understood.
    kind: Kind,
    /// The client has said that it has no more to ask.
    is_done: bool,
    /// The request is HEAD: its answer has no body, whatever is wrong with it.
    head_only: bool,
}

/// A request whose header section was understood.
struct Turn {
    plan: Plan,
    framing: Framing,
    expects_continue: bool,
    line: Line,
    /// The client expects the connection to stay open.
    keep_alive: bool,
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
    fn new(stream: Async<TcpStream>, client: SocketAddr, shared: &Rc<Shared>, seat: Seat) -> Self {
        let short = Limits { idle: SPARE_TIME, head: SPARE_TIME, body: SPARE_TIME, ..shared.limits };
        let limits = if seat.class() == Class::Spare { short } else { shared.limits };
        let (shared, seat) = (Rc::clone(shared), Rc::new(seat));
        let (buffer, out, kind) = (Vec::new(), Vec::new(), Kind::Other);
        Self { stream, client, shared, limits, seat, buffer, out, moved: 0, kind, is_done: false, head_only: false }
    }

    async fn run(mut self) -> io::Result<()> {
        loop {
            match self.answer_one().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(Stop::Quiet(error)) => return Err(error),
                Err(Stop::Refuse(response)) => {
                    debug!("{}: refused with {}", self.client, response.status.code());
                    self.shared.site.traffic.count(self.kind, response.status);
                    self.seat.set_stage(Stage::Sending);
                    self.respond(&response, Line { head_only: self.head_only, ..Line::default() }).await?;
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
        self.kind = Kind::Other;
        let Some(mut turn) = self.next_turn().await? else { return Ok(false) };
        self.kind = turn.plan.kind;
        self.find_seat(&turn).await?;
        if turn.expects_continue && turn.plan.is_refusal() {
            // The body that the client holds back is not wanted; whether it comes all the same is not known.
            return Err(Stop::Refuse(turn.plan.run(Vec::new(), &self.shared.node).await));
        }
        let about_health = matches!(self.kind, Kind::Health | Kind::Metrics);
        let budget = if about_health { &self.shared.health_budget } else { &self.shared.budget };
        let (mut share, answered) = (Share::new(budget, &self.seat), Share::new(budget, &self.seat));
        let body = self.body(&turn, &mut share).await.map_err(|stop| stop.told_by(&turn.plan))?;
        turn.plan.mind(&body);
        if let Some(subject) = turn.plan.subject() {
            self.tell(&turn, subject).await?;
            return Ok(false);
        }
        let (wanted, line, name) = (turn.keep_alive, turn.line, std::mem::take(&mut turn.name));
        let mut response = self.work(turn.plan, body).await;
        drop(share);
        let mut share = answered;
        if !share.carry(&mut response.body).await {
            response = body::crowded();
        }
        self.shared.site.traffic.count(self.kind, response.status);
        if log::log_enabled!(log::Level::Debug) {
            debug!("{}: {} {}", self.client, name, response.status.code());
        }
        // There is no next request for a node that has ended.
        let goes_on = wanted && !self.shared.node.has_ended() && !self.seat.gives_way();
        let kept_s = self.limits.idle.saturating_sub(SOONER).as_secs();
        self.seat.set_stage(Stage::Sending);
        self.respond(&response, Line { keep_alive: goes_on.then_some(kept_s), ..line }).await?;
        self.is_done = !wanted && self.buffer.is_empty();
        self.buffer.shrink_to(KEPT_SIZE);
        self.out.clear();
        self.out.shrink_to(KEPT_SIZE);
        Ok(goes_on)
    }

    /// Has the node do what was asked for.
    async fn work(&mut self, plan: Plan, body: Vec<u8>) -> Response {
        self.seat.set_stage(Stage::Working);
        let (begun, shared) = (Instant::now(), Rc::clone(&self.shared));
        shared.site.traffic.set_connections(shared.table.total());
        let keys = matches!(self.kind, Kind::Get | Kind::Put | Kind::Create | Kind::Delete | Kind::List | Kind::Lookup);
        let late = async {
            Timer::after(WORKING_WAIT).await;
            None
        };
        let pass = match keys {
            true => Some(future::or(async { Some(shared.working.pass().await) }, late).await),
            false => None,
        };
        let response = match pass {
            Some(None) => {
                let busy = "Too many requests are under way, nothing was changed: try again.";
                plan.tell(Response::problem(Status::ServiceUnavailable, busy).field("Retry-After", 1))
            }
            _ => plan.run(body, &shared.node).await,
        };
        shared.site.traffic.time(self.kind, begun.elapsed());
        response
    }

    /// The next request; `None` if the client has no more, or is to ask anew over another connection.
    async fn next_turn(&mut self) -> Result<Option<Turn>, Stop> {
        let mut deadline = None;
        loop {
            self.head_only = is_head(&self.buffer);
            if let Some(turn) = understand(&self.buffer, &self.shared.site, self.limits.value_max)? {
                self.buffer.drain(..turn.taken.min(self.buffer.len()));
                self.seat.set_stage(Stage::Asking);
                return Ok(Some(turn));
            }
            let now = Instant::now();
            let begun = !self.buffer.is_empty();
            let (until, unless) = if begun {
                (*deadline.get_or_insert(now + self.limits.head), Told::Cut)
            } else {
                (now + self.limits.idle, Told::Close)
            };
            self.seat.set_stage(if begun { Stage::Asking } else { Stage::Idle });
            match self.read(until, unless).await {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::ConnectionAborted) => {
                    let told = error.kind() == io::ErrorKind::ConnectionAborted;
                    if begun {
                        if told {
                            self.shared.site.traffic.cut();
                        }
                        return Err(Stop::Refuse(too_slow()));
                    }
                    // What has come just now is answered all the same.
                    match self.read_now() {
                        Ok(1..) => continue,
                        _ if told => self.shared.site.traffic.close_idle(),
                        _ => {}
                    }
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
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
        line: Line { head_only: head.method == Method::Head, ..Line::default() },
        keep_alive: head.keep_alive,
        taken,
        name,
    }))
}

fn too_slow() -> Response {
    Response::problem(Status::RequestTimeout, "The request did not come in time: send it faster.")
}

#[cfg(test)]
mod tests;
