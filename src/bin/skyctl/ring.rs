//! `skyctl ring` and `skyctl dot`: the nodes in ring order.

mod draw;

use super::ring_options::asks_ring;
use super::{Failure, say};
use skynode::client::RingNode;
use skynode::http::json;
use std::fmt::Write as _;
use std::process::ExitCode;

asks_ring! {
    /// Show the ring: drawn, each node where its id is, clockwise from the top, and as a table in ring order.
    #[argh(
        subcommand,
        name = "ring",
        example = "skyctl ring",
        example = "watch skyctl ring --plain",
        note = "The nodes are asked one after the other, so it shows no single moment. A node that is not settled\n\
                does not answer for all of its arc at this moment. One that is not heard was asked twice in vain: it\n\
                may be dead, or the network loses much. The share is that of all keys which the node owns; entries\n\
                are all that it holds, copies and tombstones included."
    )]
    struct Arguments {
        /// only the table
        #[argh(switch)]
        plain: bool,
        /// at most so many nodes
        #[argh(option, arg_name = "n", default = "usize::MAX")]
        max: usize,
    }
}

asks_ring! {
    /// Write the ring in the language of Graphviz: solid arrows to successors, dashed ones to predecessors.
    #[argh(subcommand, name = "dot", example = "skyctl dot | dot -Tsvg > ring.svg")]
    struct Dot {
        /// at most so many nodes
        #[argh(option, arg_name = "n", default = "usize::MAX")]
        max: usize,
    }
}

pub async fn run(options: &Arguments) -> Result<ExitCode, Failure> {
    let nodes = options.options().connect().await?.ring(options.max).await?;
    if options.json {
        say(&as_json(&nodes)?)?;
    } else {
        let drawn = if options.plain { String::new() } else { draw::draw(&nodes) + "\n" };
        say(&(drawn + &table(&nodes)))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn dot(options: &Dot) -> Result<ExitCode, Failure> {
    let nodes = options.options().connect().await?.ring(options.max).await?;
    say(&if options.json { as_json(&nodes)? } else { json::dot(&nodes) })?;
    Ok(ExitCode::SUCCESS)
}

fn as_json(nodes: &[RingNode]) -> Result<String, Failure> {
    serde_json::to_string(&json::ring(nodes, None)).map_err(|error| Failure::Other(error.to_string()))
}

fn table(nodes: &[RingNode]) -> String {
    let mut text = format!("{:>4}  {:<32}  {:<21}  {:>6}  {:>8}  state\n", "node", "id", "address", "share", "entries");
    for (at, RingNode { peer, predecessor, settled, entries, heard, .. }) in nodes.iter().enumerate() {
        let (number, id, addr) = (at + 1, peer.id(), peer.addr().to_string());
        if !heard {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{number:>4}  {id}  {addr:<21}  {:>6}  {:>8}  not heard", "", "");
            continue;
        }
        let before = predecessor.map_or(peer.id(), |predecessor| predecessor.id());
        // Alone it owns all.
        let span =
            if before == peer.id() { f64::from(u128::BITS).exp2() } else { before.distance_to(peer.id()) as f64 };
        let share = 100.0 * span / f64::from(u128::BITS).exp2();
        let state = if *settled { "settled" } else { "not settled" };
        let _ = writeln!(text, "{number:>4}  {id}  {addr:<21}  {share:>5.1}%  {entries:>8}  {state}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use skynode::client::Peer;
    use skynode::id::Id;
    use skynode::wire::{Incarnation, Place};

    pub fn node(number: u16, of: u16) -> RingNode {
        let peer = |n: u16| {
            let id = Id::new((u128::MAX / u128::from(of)) * u128::from(n % of));
            let addr = ([127, 0, 0, 1], 4000 + n % of).into();
            Peer { place: Place { addr, id }, incarnation: Incarnation::new(1) }
        };
        let (predecessor, successors) = (Some(peer(number + of - 1)), vec![peer(number + 1)]);
        RingNode { peer: peer(number), predecessor, successors, settled: number != 1, entries: 3, heard: true }
    }

    #[test]
    fn the_table_tells_each_nodes_share() {
        let text = table(&[node(0, 4), node(1, 4), node(2, 4), node(3, 4)]);
        assert_eq!(text.matches(" 25.0%         3  settled").count(), 3, "{text}");
        assert_eq!(text.matches("not settled").count(), 1, "{text}");
        let silent = RingNode { predecessor: None, successors: Vec::new(), heard: false, ..node(2, 4) };
        let text = table(&[node(0, 4), node(1, 4), silent, node(3, 4)]);
        assert!(text.contains("not heard\n") && text.matches("25.0%").count() == 3, "{text}");
        let alone = table(&[RingNode { predecessor: None, ..node(0, 1) }]);
        assert!(alone.contains("100.0%"), "{alone}");
    }
}
