//! Addresses for the nodes: every ring has a network of its own on the loopback, every node an address of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

const PORT: u16 = 4321;

/// Where the rings of this run are.
#[derive(Debug)]
pub struct Places {
    block: u8,
    /// Keeps other runs on this machine out of the block.
    _gate: TcpListener,
}

impl Places {
    /// In a namespace it is always the same block, so that a seed finds the same ring; elsewhere the first free one.
    pub fn claim(own_network: bool) -> Self {
        let mut blocks = if own_network { 0..=0 } else { 64..=127 };
        let gate = |block: u8| TcpListener::bind((Ipv4Addr::new(127, block, 0, 2), PORT)).ok();
        let (block, gate) = blocks.find_map(|block| Some((block, gate(block)?))).expect("a block is free");
        Self { block, _gate: gate }
    }

    /// The address of a node of the ring of this number, both from zero on.
    pub fn addr(&self, ring: usize, node: usize) -> SocketAddr {
        SocketAddr::from(([127, self.block, 1 + ring as u8, 1 + node as u8], PORT))
    }
}
