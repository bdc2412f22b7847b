//! Any bytes as what a client of the HTTP interface sends, answered by a real node that is alone on its ring: never a
//! panic, every answer well formed, and the same however the bytes are cut into pieces.

use skynode::config::Config;
use skynode::handle::{DriverCounters, Handle, Request, Snapshot};
use skynode::http::api::{self, Plan};
use skynode::http::chunks::Chunks;
use skynode::http::parse::{Framing, Head, Method, Refusal, parse};
use skynode::http::response::{Line, Response};
use skynode::http::site::Site;
use skynode::limits::{FRAME_MAX, VALUE_MAX};
use skynode::node::{Command, Event, Identity, Node, Reply};
use skynode::time::{Instant, Now};
use smol::channel::Receiver;

/// Inputs up to this length are cut at every place, others at sixteen.
const CUT_EVERYWHERE: usize = 64;

/// What a client meets: its answers, and whether the connection was closed for a mistake of its own.
type Talk = (Vec<Vec<u8>>, bool);

/// The bytes of one connection.
pub fn http(input: &[u8]) {
    look_at_prefixes(input);
    let whole = talk(&[input]);
    whole.0.iter().for_each(|answer| look_at_answer(answer));
    for cut in cuts(input.len()) {
        let (first, second) = input.split_at(cut);
        assert_eq!(talk(&[first, second]), whole, "cut at {cut}");
    }
}

fn cuts(length: usize) -> impl Iterator<Item = usize> {
    let step = if length <= CUT_EVERYWHERE { 1 } else { length.div_ceil(16) };
    (0..length).step_by(step).skip(1)
}

/// What was found in a part of the bytes is not taken back when more of them come.
fn look_at_prefixes(input: &[u8]) {
    let whole = parse(input);
    for cut in cuts(input.len()) {
        match parse(&input[..cut]) {
            Ok(None) => {}
            Ok(Some((head, taken))) => {
                assert!(taken <= cut, "{taken} of {cut} bytes taken");
                assert_eq!(whole, Ok(Some((head, taken))), "cut at {cut}");
            }
            Err(refusal) => assert!(whole.is_err(), "{refusal:?} at {cut}, then {whole:?}"),
        }
    }
    if let Ok(Some((head, taken))) = &whole {
        assert_eq!(parse(&input[..*taken]), Ok(Some((head.clone(), *taken))));
        assert_eq!(parse(&input[..taken - 1]), Ok(None));
    }
}

/// Sends the pieces over a connection, one after another.
fn talk(pieces: &[&[u8]]) -> Talk {
    let mut server = Server::new();
    let mut connection = Connection::default();
    for piece in pieces {
        connection.buffer.extend_from_slice(piece);
        if connection.read(&mut server).is_err() {
            return (connection.answers, true);
        }
    }
    (connection.answers, false)
}

/// A request whose body has yet to come.
struct Turn {
    plan: Plan,
    framing: Framing,
    chunks: Chunks,
    body: Vec<u8>,
    line: Line,
}

#[derive(Default)]
struct Connection {
    buffer: Vec<u8>,
    turn: Option<Turn>,
    answers: Vec<Vec<u8>>,
    closed: bool,
}

impl Connection {
    /// Answers what has come, as [`skynode::http::serve`] does.
    fn read(&mut self, server: &mut Server) -> Result<(), Refusal> {
        while !self.closed {
            if self.turn.is_none() {
                let Some((head, taken)) = parse(&self.buffer)? else { break };
                self.turn = Some(Turn::of(&head));
                self.buffer.drain(..taken);
            }
            let Some(turn) = &mut self.turn else { break };
            let max = turn.plan.body_max;
            let complete = match turn.framing {
                Framing::Absent => true,
                Framing::Length(length) => {
                    let Some(length) = usize::try_from(length).ok().filter(|length| *length <= max) else {
                        let refusal = turn.plan.too_large();
                        assert!(refusal.status.code() >= 400);
                        self.say(&refusal, Line::default());
                        break;
                    };
                    let here = self.buffer.len().min(length - turn.body.len());
                    turn.body.extend(self.buffer.drain(..here));
                    turn.body.len() == length
                }
                Framing::Chunked => {
                    let used = turn.chunks.read(&self.buffer, &mut turn.body, max)?;
                    assert!(used <= self.buffer.len() && turn.body.len() <= max);
                    self.buffer.drain(..used);
                    turn.chunks.is_done()
                }
            };
            if !complete {
                break;
            }
            if let Some(turn) = self.turn.take() {
                let response = server.run(turn.plan, turn.body);
                self.say(&response, turn.line);
            }
        }
        Ok(())
    }

    fn say(&mut self, response: &Response, line: Line) {
        let mut answer = Vec::new();
        response.write(&mut answer, line);
        self.answers.push(answer);
        self.closed = line.keep_alive.is_none();
    }
}

impl Turn {
    fn of(head: &Head<'_>) -> Self {
        Self {
            plan: api::plan(head, &Site::default(), VALUE_MAX),
            framing: head.framing,
            chunks: Chunks::default(),
            body: Vec::new(),
            line: Line {
                head_only: head.method == Method::Head,
                keep_alive: head.keep_alive.then_some(75),
                unix_time: 1_700_000_000,
            },
        }
    }
}

/// The node and the way to it, on a clock that goes on only while the node is waited for.
struct Server {
    node: Node,
    clock: Instant,
    handle: Handle,
    requests: Receiver<Request>,
}

fn now(at: Instant) -> Now {
    Now { at, wall_ms: 1_700_000_000_000 + at.as_millis() }
}

impl Server {
    fn new() -> Self {
        let identity = Identity { addr: ([10, 0, 0, 1], 4321).into(), id: None };
        let node = Node::new(Config::default(), identity, false, [7; 32], now(Instant::ZERO));
        let (handle, requests) = Handle::new();
        Self { node, clock: Instant::ZERO, handle, requests }
    }

    fn run(&mut self, plan: Plan, body: Vec<u8>) -> Response {
        let (handle, requests) = (self.handle.clone(), self.requests.clone());
        let serve = async {
            loop {
                match requests.recv().await {
                    Ok(request) => self.serve(request),
                    // The handle lives as long as this.
                    Err(_) => std::future::pending().await,
                }
            }
        };
        smol::block_on(smol::future::or(plan.run(body, &handle), serve))
    }

    /// An answer that nobody waits for is lost.
    fn serve(&mut self, request: Request) {
        match request {
            Request::Command(command, to) => {
                let reply = self.reply(command);
                if let Some(to) = to {
                    let _ = to.try_send(reply);
                }
            }
            Request::Status(to) => {
                let (status, driver) = (self.node.status(self.clock), DriverCounters::default());
                let uptime = self.clock.since(Instant::ZERO);
                let _ = to.try_send(Snapshot {
                    status,
                    driver,
                    uptime,
                    trouble: None,
                    homeless: false,
                    loads: false,
                    disk_fault: None,
                });
            }
            Request::Held { after, limit, to } => {
                let _ = to.try_send(self.node.held(self.clock, after.as_deref(), limit));
            }
            // Nothing happens in this node's life.
            Request::Watch(_) => {}
        }
    }

    /// Has the node do something; what it sends is lost.
    fn reply(&mut self, command: Command) -> Reply {
        let ticket = self.node.handle_command(now(self.clock), command);
        loop {
            while self.node.poll_transmit(&mut [0; FRAME_MAX]).is_some() {}
            while let Some(event) = self.node.poll_event() {
                match event {
                    Event::Reply(of, reply) if of == ticket => return reply,
                    _ => {}
                }
            }
            self.clock = self.clock.max(self.node.poll_timeout());
            assert!(self.clock < Instant::FAR, "there will be no reply");
            self.node.handle_timeout(now(self.clock));
        }
    }
}

/// An answer is lines of text, and a body of the length that they say.
fn look_at_answer(answer: &[u8]) {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("the head ends");
    let (head, body) = (&answer[..end], &answer[end + 4..]);
    let head = str::from_utf8(head).expect("the head is text");
    assert!(head.split("\r\n").all(|line| !line.contains(|c: char| c.is_control())), "{head:?}");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length = length.map(|length| length.parse::<usize>().expect("a length is a number"));
    assert!(body.is_empty() || length == Some(body.len()), "{} bytes after {head:?}", body.len());
}
