//! Pages of the ring.
//!
//! A walk from a node goes once around the ring, so going on from the middle would never end by itself. Each page
//! therefore tells the next one where the first began: `next` is `ip:port/id`, the node to go on from and the id of the
//! node that the whole walk started with. What the client gets is the ring once, from there around.

use super::fields::address;
use super::response::{Response, Status};
use crate::id::Id;
use crate::node::RingNode;
use std::fmt;
use std::net::SocketAddr;

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The first node of the page.
    pub addr: SocketAddr,
    /// The first node of the whole walk; `None` if this is its first page.
    pub start: Option<Id>,
}

impl Start {
    /// Reads `ip:port` or `ip:port/id`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        match text.split_once('/') {
            Some((addr, start)) => Some(Self { addr: address(addr)?, start: Some(start.parse().ok()?) }),
            None => Some(Self { addr: address(text)?, start: None }),
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.addr)?;
        self.start.map_or(Ok(()), |start| write!(f, "/{start}"))
    }
}

/// The nodes of a page, without those that an earlier page showed, and where the next one begins.
///
/// # Errors
/// The answer to give if there is no node at all.
pub fn page(
    mut nodes: Vec<RingNode>,
    next: Option<SocketAddr>,
    start: Option<Id>,
) -> Result<(Vec<RingNode>, Option<Start>), Response> {
    let Some(first) = nodes.first().map(|node| node.peer.id()) else {
        let detail = "The walk could not begin: its first node does not answer, or too many walks are under way. \
                      GET /ring begins anew.";
        return Err(Response::problem(Status::ServiceUnavailable, detail).field("Retry-After", 1));
    };
    let start = start.unwrap_or(first);
    // The walk is round where it reaches its start, or, should that node be gone, passes it.
    let passes = |pair: &[RingNode]| match pair {
        [a, b] => b.peer.id() == start || start.is_between(a.peer.id(), b.peer.id()),
        _ => false,
    };
    match nodes.windows(2).position(passes) {
        Some(last) => {
            nodes.truncate(last + 1);
            Ok((nodes, None))
        }
        None => Ok((nodes, next.map(|addr| Start { addr, start: Some(start) }))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Incarnation, Peer, Place};

    fn nodes(ports: &[u16]) -> Vec<RingNode> {
        let node = |&port: &u16| {
            let place = Place { addr: addr(port), id: Id::new(port.into()) };
            let peer = Peer { place, incarnation: Incarnation::new(1) };
            RingNode { peer, predecessor: None, successors: Vec::new(), settled: true, entries: 0, heard: true }
        };
        ports.iter().map(node).collect()
    }

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn shown(ports: &[u16], next: Option<u16>, start: Option<u16>) -> (Vec<u16>, Option<String>) {
        let (nodes, next) = page(nodes(ports), next.map(addr), start.map(|id| Id::new(id.into()))).unwrap();
        (nodes.iter().map(|node| node.peer.addr().port()).collect(), next.map(|from| from.to_string()))
    }

    #[test]
    fn pages_together_are_the_ring_once() {
        let start = format!("{}", Id::new(3));
        assert_eq!(shown(&[3, 5], Some(7), None), (vec![3, 5], Some(format!("127.0.0.1:7/{start}"))));
        assert_eq!(shown(&[7, 1], Some(3), Some(3)), (vec![7, 1], Some(format!("127.0.0.1:3/{start}"))));
        assert_eq!(shown(&[7, 1, 3], Some(5), Some(3)), (vec![7, 1], None));
        assert_eq!(shown(&[7, 1, 5], None, Some(3)), (vec![7, 1], None), "the first node is gone");
        assert_eq!(shown(&[3, 5, 7, 1], None, None), (vec![3, 5, 7, 1], None));
        assert_eq!(shown(&[3], None, None), (vec![3], None));
        assert!(page(Vec::new(), Some(addr(1)), None).is_err());
    }

    #[test]
    fn where_to_go_on_reads_back() {
        let text = format!("127.0.0.1:7/{}", Id::new(3));
        let from = Start::parse(text.as_bytes()).unwrap();
        assert_eq!((from.addr, from.start, from.to_string()), (addr(7), Some(Id::new(3)), text));
        assert_eq!(Start::parse(b"127.0.0.1:7"), Some(Start { addr: addr(7), start: None }));
        for wrong in ["", "127.0.0.1", "127.0.0.1:7/", "127.0.0.1:7/3", "host:7"] {
            assert_eq!(Start::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
