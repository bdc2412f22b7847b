//! The real world below a node: the only clock, entropy and UDP socket.
//!
//! One task owns the node. A turn of it takes what has come, a bounded number of datagrams and of requests, lets the
//! node's timer run, and hands out what the node has to say; so in a flood of datagrams clients and timers are still
//! served.

mod address;
mod life;
mod names;
mod notes;
mod probe;
mod seeds;
mod sockets;
mod unborn;

pub use address::{outward_address, seen_address};
pub use life::{HANDED_OVER, IN_USE, LISTENING};
pub(crate) use probe::{Probed, Said, probe_all};
pub(crate) use seeds::resolved;
use sockets::as_v6;
pub use sockets::{Http, Sockets, beyond_one_link, bind, bind_udp, lacks_ipv6};
pub use unborn::answer_until;

use crate::disk::{Outcome, Saver};
use crate::handle::{DriverCounters, Handle, Request, Snapshot};
use crate::limits::{DATAGRAM_MAX, FRAME_MAX};
use crate::node::{Census, Event, Life, Node, Reply, Status, Ticket};
use crate::time::{Instant, Now};
use notes::Telling;
use seeds::Wanted;
use smol::channel::{self, Receiver, Sender};
use smol::{Async, Timer, future};
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Datagrams, and requests, that one turn takes: enough that waiting for more costs little beside them, few enough that
/// what waits behind them does so for about a millisecond.
const BATCH: usize = 64;

/// The longest sleep. The timers of the executor stand still while the machine is suspended, the node's clock does not.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// The pause after an error on receiving, so that a lasting one does not become a busy loop.
const ERROR_PAUSE: Duration = Duration::from_millis(20);

/// Those who may watch the node's life at one time.
const WATCHERS_MAX: usize = 64;

/// What the clocks show.
pub fn now() -> Now {
    // It goes on while the machine is suspended, so that no consent outlives its term in a node that slept.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(clock);
    let micros = u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1000;
    let wall = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Now { at: Instant::from_micros(micros), wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX) }
}

/// Random bytes for a node to start from.
///
/// # Errors
/// The system has none.
pub fn entropy() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

/// Runs a node: gives it time, datagrams and commands, and takes away what it has to say.
pub struct Driver {
    node: Node,
    socket: Async<UdpSocket>,
    /// The socket is of IPv6, where addresses of IPv4 appear mapped into it.
    is_v6: bool,
    requests: Receiver<Request>,
    handle: Handle,
    waiting: BTreeMap<Ticket, Sender<Reply>>,
    seeds: Vec<String>,
    /// Who is told what happens in the node's life.
    watchers: Vec<Sender<Life>>,
    /// Where the node saves what it holds, if it does.
    saver: Option<Saver>,
    /// Why it cannot, since the last batch that it could not save.
    fault: Option<Arc<str>>,
    teller: life::Teller,
    /// Once the node has left: whether it handed over all that it held.
    left: Option<bool>,
    /// When the entries were counted last, and what they came to.
    census: Option<(Instant, Census)>,
    telling: Telling,
    started: Instant,
    counters: DriverCounters,
    /// Longer than any datagram should be, so that one which is too long shows.
    datagram: [u8; DATAGRAM_MAX + 1],
    frame: [u8; FRAME_MAX],
}

enum Wake {
    Socket,
    Timer,
    Request(Request),
    Saved(Outcome),
}

/// How long the census of a node holds, for each of its entries: fifty times as long as it takes.
const CENSUS_PAUSE: Duration = Duration::from_micros(10);

/// How long a node that has left waits for its disk.
const LAST_SAVE: Duration = Duration::from_secs(5);

impl Driver {
    /// A driver for the node, and the way for others to reach it. `seeds` are names or addresses, each with its port,
    /// that are resolved whenever the node asks for them. A node with a disk comes with the way to it.
    ///
    /// # Errors
    /// The socket cannot be watched by the reactor.
    pub fn new(node: Node, socket: UdpSocket, seeds: Vec<String>, saver: Option<Saver>) -> io::Result<(Self, Handle)> {
        let way = Handle::new();
        let handle = way.0.clone();
        Ok((Self::reached_by(way, node, socket, seeds, saver)?, handle))
    }

    /// The same for a node that others have a way to already, from [`Handle::new`].
    ///
    /// # Errors
    /// The socket cannot be watched by the reactor.
    pub fn reached_by(
        (handle, requests): (Handle, Receiver<Request>),
        node: Node,
        socket: UdpSocket,
        seeds: Vec<String>,
        saver: Option<Saver>,
    ) -> io::Result<Self> {
        let listen = socket.local_addr()?;
        let (is_v6, telling) = (listen.is_ipv6(), Telling::new(&node, listen));
        Ok(Self {
            node,
            socket: Async::new(socket)?,
            is_v6,
            requests,
            handle,
            waiting: BTreeMap::new(),
            seeds,
            watchers: Vec::new(),
            saver,
            fault: None,
            teller: life::Teller::default(),
            left: None,
            census: None,
            telling,
            started: now().at,
            counters: DriverCounters::default(),
            datagram: [0; DATAGRAM_MAX + 1],
            frame: [0; FRAME_MAX],
        })
    }

    /// Runs the node until it has left its ring. → whether it handed over all that it held.
    pub async fn run(mut self) -> bool {
        // One try at a time: while names are being resolved, asking again changes nothing.
        let (wanted, tries) = channel::bounded(1);
        let (seeds, handle) = (std::mem::take(&mut self.seeds), self.handle.clone());
        let resolver = seeds::resolve(seeds, tries, handle, self.telling.notes_on(&self.node));
        future::or(self.drive(wanted), resolver).await
    }

    async fn drive(mut self, wanted: Sender<Wanted>) -> bool {
        self.hand_out(&wanted);
        loop {
            let (datagrams, failed) = self.take_datagrams(&wanted);
            let mut busy = datagrams == BATCH;
            for taken in 1..=BATCH {
                let Ok(request) = self.requests.try_recv() else { break };
                self.take_request(request, &wanted);
                busy |= taken == BATCH;
            }
            if let Some(outcome) = self.saver.as_ref().and_then(|saver| saver.outcomes.try_recv().ok()) {
                self.saved(outcome, &wanted);
            }
            let now = now();
            if self.node.poll_timeout() <= now.at {
                self.node.handle_timeout(now);
                self.hand_out(&wanted);
            }
            if let Some(addr) = self.telling.look_home(&self.node, now.at) {
                self.node.handle_moved(now, addr);
                self.hand_out(&wanted);
            }
            self.teller.look(now.at, &self.node);
            if let Some(handed_over) = self.left {
                self.refuse_rest();
                let late = async {
                    Timer::after(LAST_SAVE).await;
                };
                future::or(self.save_rest(), late).await;
                return handed_over;
            }
            if busy {
                future::yield_now().await;
                continue;
            }
            let longest = self.telling.look_at(&self.node, now.at).unwrap_or(SLEEP_MAX).min(SLEEP_MAX);
            let due = self.teller.deadline().map_or(self.node.poll_timeout(), |at| at.min(self.node.poll_timeout()));
            let sleep = due.since(now.at).min(longest);
            let socket = async {
                if failed || self.socket.readable().await.is_err() {
                    Timer::after(ERROR_PAUSE).await;
                }
                Wake::Socket
            };
            let request = async {
                match self.requests.recv().await {
                    Ok(request) => Wake::Request(request),
                    // The node has left.
                    Err(_) => future::pending().await,
                }
            };
            let timer = async {
                Timer::after(sleep).await;
                Wake::Timer
            };
            let saved = async {
                match &self.saver {
                    Some(saver) => match saver.outcomes.recv().await {
                        Ok(outcome) => Wake::Saved(outcome),
                        Err(_) => future::pending().await,
                    },
                    None => future::pending().await,
                }
            };
            match future::or(socket, future::or(future::or(request, saved), timer)).await {
                Wake::Request(request) => self.take_request(request, &wanted),
                Wake::Saved(outcome) => self.saved(outcome, &wanted),
                Wake::Socket | Wake::Timer => {}
            }
        }
    }

    /// → how many datagrams were taken in, and whether it ended with an error.
    fn take_datagrams(&mut self, wanted: &Sender<Wanted>) -> (usize, bool) {
        for taken in 0..BATCH {
            match self.socket.get_ref().recv_from(&mut self.datagram) {
                Ok((length, source)) => {
                    // The clock is read after the datagram was taken in: a process that was stopped in between must not
                    // act on a time that is long over.
                    let now = now();
                    let source = SocketAddr::new(source.ip().to_canonical(), source.port());
                    self.node.handle_datagram(now, source, self.datagram.get(..length).unwrap_or_default());
                    self.telling.came_from(source, &self.node);
                    self.hand_out(wanted);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return (taken, false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.counters.unreceived += 1;
                    return (taken, true);
                }
            }
        }
        (BATCH, false)
    }

    fn take_request(&mut self, request: Request, wanted: &Sender<Wanted>) {
        let now = now();
        match request {
            Request::Command(command, to) => {
                let ticket = self.node.handle_command(now, command);
                // Before events are looked at: the reply may be among them.
                if let Some(to) = to {
                    self.waiting.insert(ticket, to);
                }
                self.hand_out(wanted);
            }
            // Who asked may be gone; the answer is dropped then.
            Request::Status(to) => {
                let status = self.status(now.at);
                let (uptime, disk_fault, driver) = (now.at.since(self.started), self.fault.clone(), self.counters);
                let (trouble, homeless) = (self.telling.trouble(&self.node), self.telling.is_homeless(&self.node));
                let loads = false;
                let _ = to.try_send(Snapshot { status, driver, uptime, trouble, homeless, loads, disk_fault });
            }
            Request::Held { after, limit, to } => {
                let _ = to.try_send(self.node.held(now.at, after.as_deref(), limit));
            }
            Request::Watch(to) => {
                self.watchers.retain(|watcher| !watcher.is_closed());
                // One too many finds its channel closed.
                if self.watchers.len() < WATCHERS_MAX {
                    self.watchers.push(to);
                }
            }
        }
    }

    /// How things stand. The census may be some time old, as it may take a fiftieth of the time at most.
    fn status(&mut self, now: Instant) -> Status {
        let fresh = self.census.filter(|(at, census)| now.since(*at) < CENSUS_PAUSE * census.entries as u32);
        let (_, census) = self.census.insert(fresh.unwrap_or_else(|| (now, self.node.census(now))));
        self.node.status_with(now, census)
    }

    /// The disk has done with a batch, or would fail with the next.
    fn saved(&mut self, outcome: Outcome, wanted: &Sender<Wanted>) {
        match outcome {
            Outcome::Saved(number) => {
                self.fault = None;
                self.node.handle_saved(now(), Ok(number));
            }
            Outcome::Failed(batch, why) => {
                self.fault = Some(why);
                self.node.handle_saved(now(), Err(batch));
            }
            Outcome::Doubtful => self.node.handle_doubt(),
        }
        self.hand_out(wanted);
    }

    /// What a node that has left still has to save is saved, if the disk works.
    async fn save_rest(&mut self) {
        let Some(saver) = self.saver.take() else { return };
        while self.node.is_saving() {
            match saver.outcomes.recv().await {
                Ok(Outcome::Saved(number)) => self.node.handle_saved(now(), Ok(number)),
                Ok(Outcome::Doubtful) => {}
                Ok(Outcome::Failed(..)) | Err(_) => return,
            }
            if let Some(batch) = self.node.poll_save() {
                let _ = saver.batches.try_send(batch);
            }
        }
    }

    /// Logs what happened in the node's life, and tells those who watch.
    fn tell(&mut self, life: Life) {
        self.teller.tell(now().at, &life);
        self.watchers.retain(|watcher| watcher.try_send(life).is_ok());
    }

    fn has_left(&mut self, handed_over: bool) {
        self.teller.left(handed_over, self.node.leave_timeout(), &self.node.status(now().at));
        self.left = Some(handed_over);
    }

    /// Answers those who came too late: what they ask for is not done.
    fn refuse_rest(&self) {
        self.requests.close();
        while let Ok(request) = self.requests.try_recv() {
            let refusal = request.refusal();
            if let Request::Command(_, Some(to)) = request {
                let _ = to.try_send(refusal);
            }
        }
    }

    /// Sends and tells what the node has to say.
    fn hand_out(&mut self, wanted: &Sender<Wanted>) {
        while let Some(transmit) = self.node.poll_transmit(&mut self.frame) {
            let to = if self.is_v6 { as_v6(transmit.to) } else { transmit.to };
            let datagram = self.frame.get(..transmit.length).unwrap_or_default();
            // Whatever the reason, full buffers or no route: the datagram is lost, as it could be on any network.
            if self.socket.get_ref().send_to(datagram, to).is_err() {
                self.counters.unsent += 1;
            }
        }
        if let Some(saver) = &self.saver
            && let Some(batch) = self.node.poll_save()
        {
            // There is room: the node hands out one batch at a time. A thread that is gone saves nothing any more.
            let _ = saver.batches.try_send(batch);
        }
        while let Some(event) = self.node.poll_event() {
            match event {
                Event::Reply(ticket, reply) => {
                    if let Some(to) = self.waiting.remove(&ticket) {
                        let _ = to.try_send(reply);
                    }
                }
                Event::SeedsWanted { tries } => {
                    let _ = wanted.try_send(Wanted::of(&self.node, self.telling.here, tries));
                }
                Event::Life(life) => {
                    if let Life::Moved { to, .. } = life {
                        self.telling.here.me = Some(to);
                    }
                    self.tell(life);
                }
                Event::Left { handed_over } => self.has_left(handed_over),
            }
        }
    }
}
