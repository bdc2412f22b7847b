//! A ring of nodes, and what is to be waited for.

use crate::client::Client;
use crate::node::{Node, POLL};
use crate::rules::Rules;
use crate::shown;
use serde_json::Value;
use skynode::config::Config;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long is waited for what must happen, where no tighter bound is checked.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The nodes, running or not, and the network between them.
#[derive(Debug)]
pub struct Ring {
    pub nodes: Vec<Node>,
    /// `None` where the network cannot be changed.
    pub rules: Option<Rules>,
}

impl Ring {
    /// Nodes at these addresses, not started yet. All know the first three, so that each may be started again.
    pub fn new(addrs: &[SocketAddr], rules: Option<Rules>, logs: &Path, saves: bool) -> Self {
        let seeds: Vec<String> =
            addrs.iter().take(3).flat_map(|seed| [String::from("--join"), seed.to_string()]).collect();
        let log = |addr: &SocketAddr| logs.join(format!("{}.log", addr.ip()));
        let arguments = |(number, addr): (usize, &SocketAddr)| {
            let data = [String::from("--data"), logs.join(format!("{}.data", addr.ip())).display().to_string()];
            if saves && number % 2 == 0 { [&seeds[..], &data].concat() } else { seeds.clone() }
        };
        let nodes =
            addrs.iter().enumerate().map(|(number, addr)| Node::new(*addr, log(addr), arguments((number, addr))));
        let nodes = nodes.collect();
        Self { nodes, rules }
    }

    /// The place of a node in the list.
    pub fn number_of(&self, node: &Node) -> usize {
        self.nodes.iter().position(|other| other.addr == node.addr).expect("one of the ring")
    }

    pub fn start(&self) {
        self.nodes.iter().for_each(Node::launch);
        self.nodes.iter().for_each(Node::await_listening);
        self.nodes.iter().for_each(|node| node.open_to_clients(true));
    }

    pub fn rules(&self) -> &Rules {
        self.rules.as_ref().expect("this scene runs where there are rules")
    }

    /// The nodes whose process is there.
    pub fn up(&self) -> Vec<&Node> {
        self.nodes.iter().filter(|node| node.is_up()).collect()
    }

    /// The running nodes in the order of their ids, once the ring is whole.
    pub fn in_order(&self) -> Result<Vec<&Node>, String> {
        let up = self.up();
        let order = eventually(PATIENCE, || shown::ring(&mut Client::new(up[0].addr), up.len()))?;
        let node = |addr: &String| up.iter().copied().find(|node| node.addr.to_string() == *addr);
        order
            .iter()
            .map(|addr| node(addr).ok_or_else(|| format!("{addr} is on the ring, and is none of ours")))
            .collect()
    }

    /// Waits until all running nodes show the same correct ring of themselves, know all others where their lists are
    /// long enough, and are ready. → how long it took.
    pub fn await_whole(&self, patience: Duration) -> Result<Duration, String> {
        let started = Instant::now();
        let up = self.up();
        let mut clients: Vec<Client> = up.iter().map(|node| Client::new(node.addr)).collect();
        eventually(patience, || {
            let mut first: Option<Vec<String>> = None;
            for client in &mut clients {
                let shown = shown::ring(client, up.len())?;
                match &first {
                    Some(first) if *first != shown => return Err(format!("different rings: {first:?} and {shown:?}")),
                    _ => first = Some(shown),
                }
            }
            for client in &mut clients {
                let ready = client.try_ask("GET", "/readyz", "", None).map_err(|error| error.to_string())?;
                if ready.status != 200 {
                    return Err(format!("{}: {}", client.addr, ready.text()));
                }
            }
            clients.iter_mut().try_for_each(|client| names(client, &up))
        })?;
        Ok(started.elapsed())
    }

    /// Waits until all running nodes are ready, and point at their neighbours in the order of ids. Asks each for its
    /// own pointers only, so that it can be told while datagrams are lost. → how long it took.
    pub fn await_formed(&self, patience: Duration) -> Result<Duration, String> {
        let started = Instant::now();
        let mut clients: Vec<Client> = self.up().iter().map(|node| Client::new(node.addr)).collect();
        eventually(patience, || {
            let mut nodes = clients.iter_mut().map(shown_node).collect::<Result<Vec<_>, _>>()?;
            nodes.sort_by_key(|node| node["id"].as_str().map(str::to_owned));
            let size = nodes.len();
            for (place, node) in nodes.iter().enumerate() {
                let (next, before) = (&nodes[(place + 1) % size], &nodes[(place + size - 1) % size]);
                let right = node["successors"][0]["id"] == next["id"] && node["predecessor"]["id"] == before["id"];
                if !right || node["state"] != "settled" {
                    return Err(format!("{} is {}, its pointers right: {right}", node["addr"], node["state"]));
                }
            }
            Ok(())
        })?;
        Ok(started.elapsed())
    }
}

/// What a node shows of itself.
pub fn shown_node(client: &mut Client) -> Result<Value, String> {
    let answer = client.try_ask("GET", "/node", "", None).map_err(|error| error.to_string())?;
    if answer.status == 200 { Ok(answer.json()) } else { Err(format!("{}: {}", client.addr, answer.text())) }
}

/// The addresses in the node's list of successors.
pub fn successors(shown: &Value) -> Vec<&str> {
    let list = shown["successors"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|peer| peer["addr"].as_str()).collect()
}

/// Whether the node's list names all others, or as many as it has room for.
fn names(client: &mut Client, all: &[&Node]) -> Result<(), String> {
    let shown = shown_node(client)?;
    let list = successors(&shown);
    if list.len() >= Config::default().successors {
        return Ok(());
    }
    let missing = all.iter().find(|node| node.addr != client.addr && !list.contains(&node.addr.to_string().as_str()));
    missing.map_or(Ok(()), |node| Err(format!("{} does not know {}", client.addr, node.addr)))
}

/// Asks again until it holds, or says what it says at the end of the patience.
pub fn eventually<T>(patience: Duration, mut check: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let started = Instant::now();
    loop {
        match check() {
            Ok(done) => return Ok(done),
            Err(why) if started.elapsed() >= patience => return Err(format!("not within {patience:?}: {why}")),
            Err(_) => std::thread::sleep(POLL),
        }
    }
}
