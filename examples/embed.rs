//! A node inside a program: it founds a ring of one, and the program reads and writes through it. A second program
//! could join with the address that is printed.
//!
//! `cargo run --example embed`

use skynode::config::Config;
use skynode::id::Id;
use skynode::node::{Command, Identity, Node, Reply};
use skynode::store::Content;
use skynode::udp::{self, Driver, Http};
use skynode::wire::Condition;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    // Port 0: any that is free. `Http::Beside` would bind TCP as well, for `skynode::http::serve::serve`.
    let bound = udp::bind("127.0.0.1:0".parse()?, Http::Off);
    let sockets = bound.map_err(|(protocol, addr, error)| format!("{addr} ({protocol}): {error}"))?;

    // The node itself has no clock, no socket and no randomness: all of that is handed to it.
    let identity = Identity { addr: sockets.addr, id: None };
    let node = Node::new(Config::default(), identity, false, udp::entropy()?, udp::now());

    // The driver gives it time and datagrams, the handle reaches it from any task. To join a ring, name some of its
    // nodes here, and say above that there are seeds.
    let (driver, handle) = Driver::new(node, sockets.udp, Vec::new(), None)?;

    smol::block_on(async {
        let running = smol::spawn(driver.run());
        println!("a node at {}, position {}", sockets.addr, Id::of_addr(sockets.addr));

        let put = Command::Put {
            key: Box::from(*b"greeting"),
            content: Content::new(*b"hello", b"text/plain", 0),
            ttl_s: 0,
            condition: Condition::None,
            min_copies: 0,
            attempt: None,
        };
        match handle.ask(put).await? {
            Reply::Stored { version, copies, .. } => println!("stored as {version}, copies: {copies}"),
            other => return Err(format!("not stored: {other:?}").into()),
        }
        match handle.ask(Command::Get { key: Box::from(*b"greeting") }).await? {
            Reply::Value { content, .. } => println!("read: {}", String::from_utf8_lossy(content.bytes())),
            other => return Err(format!("not read: {other:?}").into()),
        }

        // A node that leaves hands over what it holds; alone there is nobody to take it.
        handle.ask(Command::Leave).await?;
        println!("left; all was handed over: {}", running.await);
        Ok(())
    })
}
