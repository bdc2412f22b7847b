//! Three nodes in one process: a ring to try things with, or to test a program against. One of them dies, and what was
//! written is still there.
//!
//! `cargo run --example three_nodes`

use skynode::client::{Client, Options};
use skynode::config::Config;
use skynode::node::{Identity, Node};
use skynode::udp::{self, Driver, Http};
use smol::{Task, Timer};
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

/// A node on this machine, that joins the ring of the seeds, or founds one without. Dropping the task kills it.
fn start(seeds: &[SocketAddr]) -> Result<(SocketAddr, Task<bool>), Box<dyn Error>> {
    let bound = udp::bind("127.0.0.1:0".parse()?, Http::Off);
    let sockets = bound.map_err(|(protocol, addr, error)| format!("{addr} ({protocol}): {error}"))?;
    let identity = Identity { addr: sockets.addr, id: None };
    let node = Node::new(Config::default(), identity, !seeds.is_empty(), udp::entropy()?, udp::now());
    let seeds = seeds.iter().map(SocketAddr::to_string).collect();
    let (driver, _handle) = Driver::new(node, sockets.udp, seeds, None)?;
    Ok((sockets.addr, smol::spawn(driver.run())))
}

/// Waits until so many nodes are on the ring and answer for all of it.
async fn whole(client: &Client, size: usize) -> Result<(), Box<dyn Error>> {
    loop {
        let nodes = client.ring(size + 1).await?;
        if nodes.len() == size && nodes.iter().all(|node| node.settled) {
            return Ok(());
        }
        Timer::after(Duration::from_millis(50)).await;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let (first, task) = start(&[])?;
        let mut nodes = vec![task];
        let (second, task) = start(&[first])?;
        nodes.push(task);
        let (third, task) = start(&[first])?;
        nodes.push(task);

        let client = Client::connect(&[first, second, third].map(|addr| addr.to_string()), Options::default()).await?;
        whole(&client, 3).await?;
        println!("a ring of three: {first}, {second}, {third}");

        // Acknowledged once three nodes hold it.
        let stored = client.put("greeting", "hello").min_copies(3).await?;
        println!("stored by {} nodes, {} answers for it", stored.copies, stored.owner);

        // The second node dies without a word.
        drop(nodes.remove(1));
        println!("{second} is dead");
        let value = client.get("greeting").await?.ok_or("it was lost")?;
        println!("still there: {}", String::from_utf8_lossy(value.bytes()));
        whole(&client, 2).await?;
        println!("and the two others are a ring again");
        Ok(())
    })
}
