//! A program that uses a ring: writes under conditions, a lock that ends by itself, a list of all keys.
//!
//! `cargo run --example client -- 127.0.0.1:4321` asks the ring of that node; without an address it starts one of its
//! own.

use skynode::client::{Client, Error, Options};
use skynode::config::Config;
use skynode::node::{Identity, Node};
use skynode::udp::{self, Driver, Http};
use std::time::Duration;

/// Adds one to a number that others may change at the same time.
async fn increment(client: &Client, key: &str) -> Result<u64, Box<dyn std::error::Error>> {
    loop {
        let (number, written) = match client.get(key).await? {
            None => (1, client.create(key, "1").await),
            Some(value) => {
                let number = str::from_utf8(value.bytes())?.parse::<u64>()? + 1;
                (number, client.put(key, number.to_string()).if_match(value.version).await)
            }
        };
        match written {
            Ok(_) => return Ok(number),
            // Somebody was faster: once more, from what there is now.
            Err(Error::Conflict { .. }) => {}
            Err(other) => return Err(other.into()),
        }
    }
}

/// Writes, and repeats what has no known outcome: the name of the write makes that safe.
async fn put_for_sure(client: &Client, key: &str, value: &str) -> Result<(), Error> {
    let mut put = client.put(key, value);
    loop {
        match put.await {
            Err(Error::Unknown { operation }) => put = client.put(key, value).again(operation),
            outcome => return outcome.map(drop),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    smol::block_on(async {
        let seed = match std::env::args().nth(1) {
            Some(seed) => seed,
            None => start()?,
        };
        let client = Client::connect(&[seed], Options::default()).await?;

        println!("visitor number {}", increment(&client, "example/visitors").await?);
        println!("visitor number {}", increment(&client, "example/visitors").await?);
        put_for_sure(&client, "example/greeting", "hello").await?;

        // Whoever creates the key has the lock; if this program dies it ends after a minute.
        let lock = client.create("example/lock", "me").ttl(Duration::from_secs(60)).await?;
        match client.create("example/lock", "you").await {
            Err(Error::Conflict { .. }) => println!("the lock is taken"),
            other => println!("this is no lock: {other:?}"),
        }
        client.delete("example/lock").if_match(lock.version).await?;

        let mut keys = client.keys();
        while let Some(page) = keys.page(100).await? {
            for key in page {
                println!("{:>5} bytes at {}: {}", key.length, key.owner, String::from_utf8_lossy(&key.key));
            }
        }
        Ok(())
    })
}

/// A ring of one in this process.
fn start() -> Result<String, Box<dyn std::error::Error>> {
    let bound = udp::bind("127.0.0.1:0".parse()?, Http::Off);
    let sockets = bound.map_err(|(protocol, addr, error)| format!("{addr} ({protocol}): {error}"))?;
    let identity = Identity { addr: sockets.addr, id: None };
    let node = Node::new(Config::default(), identity, false, udp::entropy()?, udp::now());
    smol::spawn(Driver::new(node, sockets.udp, Vec::new(), None)?.0.run()).detach();
    Ok(sockets.addr.to_string())
}
