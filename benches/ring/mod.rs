//! A ring of real processes at even distances, so that all arcs are equal, and who holds which of its keys.

use crate::client::Client;
use crate::process::{self, Node, PATIENCE};
use serde_json::Value;
use skynode::id::Id;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

/// A key, with a value of so many bytes.
pub struct Key {
    pub name: String,
    pub length: usize,
    /// The number of the node that owns it while all live.
    pub owner: usize,
}

/// The keys of a ring of `size`: so many with values of this length.
pub fn keys(size: usize, kind: &str, count: usize, length: usize) -> Vec<Key> {
    let ids: Vec<Id> = (0..size).map(|at| place(size, at)).collect();
    let key = |number| {
        let name = format!("{kind}-{number}");
        // The last node stands at the highest position, so none lies behind it.
        let owner = ids.partition_point(|id| *id < Id::of_key(name.as_bytes()));
        Key { name, length, owner }
    };
    (0..count).map(key).collect()
}

/// The position of a node: the last one stands at the highest.
fn place(size: usize, at: usize) -> Id {
    Id::new(u128::MAX - u128::MAX / size as u128 * (size - 1 - at) as u128)
}

/// Starts a ring whose nodes have room for so many bytes each. → the nodes in ring order, all ready.
pub fn start(size: usize, room: usize) -> Vec<Node> {
    let start = move |at, seeds: &[SocketAddr]| {
        // A tenth is kept for copies, and entries take more than their bytes.
        let mib = (room >> 20) + (room >> 22) + 64;
        let own = ["--id", &place(size, at).to_string(), "--max-memory", &mib.to_string()].map(String::from);
        Node::start(process::own_addr(), &[process::join(seeds), own.to_vec()].concat())
    };
    let mut nodes = vec![start(0, &[])];
    let seed = nodes[0].addr;
    let others: Vec<_> = (1..size).map(|at| thread::spawn(move || start(at, &[seed]))).collect();
    nodes.extend(others.into_iter().map(|other| other.join().unwrap()));
    let living: Vec<usize> = (0..size).collect();
    process::eventually(PATIENCE, || Watch::new(&nodes).look(&nodes, &living).unready());
    nodes
}

/// Waits until every copy is where it belongs.
pub fn await_copies(nodes: &[Node], keys: &[Key], patience: Duration) {
    let living: Vec<usize> = (0..nodes.len()).collect();
    process::eventually(patience, || Watch::new(nodes).look(nodes, &living).uncopied(keys));
}

/// Whether the node `holder` of these keeps a key while they are the ring.
fn holds(living: &[usize], holder: usize, key: &Key) -> bool {
    let owner = living.partition_point(|at| *at < key.owner) % living.len();
    let group = [owner, (owner + 1) % living.len(), (owner + living.len() - 1) % living.len()];
    group.iter().any(|at| living[*at] == holder)
}

/// Entries and bytes that have to move if all have what they need once one of the ring is dead.
pub fn bare_minimum(size: usize, victim: usize, keys: &[Key]) -> (usize, usize) {
    let all: Vec<usize> = (0..size).collect();
    let living: Vec<usize> = (0..size).filter(|at| *at != victim).collect();
    let lacks = |holder, key: &&Key| holds(&living, holder, key) && !holds(&all, holder, key);
    let missing = living.iter().flat_map(|holder| keys.iter().filter(move |key| lacks(*holder, key)));
    missing.fold((0, 0), |(entries, bytes), key| (entries + 1, bytes + key.name.len() + key.length))
}

/// Connections over which the ring is looked at.
pub struct Watch(Vec<Client>);

impl Watch {
    pub fn new(nodes: &[Node]) -> Self {
        Self(nodes.iter().map(Node::client).collect())
    }

    /// What those of the nodes that live say of themselves.
    pub fn look(&mut self, nodes: &[Node], living: &[usize]) -> View {
        let said = living.iter().map(|at| {
            let client = &mut self.0[*at];
            // A connection that lay idle may have been closed just now: the next try opens another.
            let answer = client.try_ask("GET", "/node", "", None).unwrap_or_else(|_| client.get("/node"));
            (*at, answer.json())
        });
        let said = said.collect();
        View { said, addrs: living.iter().map(|at| nodes[*at].addr.to_string()).collect() }
    }
}

/// What all living nodes say of themselves at about one time.
pub struct View {
    said: Vec<(usize, Value)>,
    addrs: Vec<String>,
}

impl View {
    /// # Errors
    /// What is missing for one ring of the living that answers for all keys.
    pub fn unready(&self) -> Result<(), String> {
        let count = self.addrs.len();
        for (place, (at, said)) in self.said.iter().enumerate() {
            let (before, next) = (&self.addrs[(place + count - 1) % count], &self.addrs[(place + 1) % count]);
            let beside = said["predecessor"]["addr"] == **before && said["successors"][0]["addr"] == **next;
            if !beside || said["state"] != "settled" {
                return Err(format!("node {at} is {}, between {}", said["state"], said["predecessor"]["addr"]));
            }
        }
        Ok(())
    }

    /// # Errors
    /// What is missing for every copy to be where it belongs.
    pub fn uncopied(&self, keys: &[Key]) -> Result<(), String> {
        self.unready()?;
        let living: Vec<usize> = self.said.iter().map(|(at, _)| *at).collect();
        for (at, said) in &self.said {
            let held = number(said, "owned") + number(said, "copied");
            let due = keys.iter().filter(|key| holds(&living, *at, key)).count() as u64;
            if number(said, "under_copied") > 0 || !said["differs_for_s"].is_null() || held < due {
                let (short, differs) = (&said["under_copied"], &said["differs_for_s"]);
                return Err(format!("node {at} holds {held} of {due}, {short} short of copies, differs for {differs}"));
            }
        }
        Ok(())
    }

    /// The sum of a counter over all.
    pub fn sum(&self, counter: &str) -> u64 {
        self.said.iter().map(|(_, said)| number(&said["counters"], counter)).sum()
    }
}

fn number(said: &Value, name: &str) -> u64 {
    said[name].as_u64().unwrap_or_else(|| panic!("no {name} in {said}"))
}
