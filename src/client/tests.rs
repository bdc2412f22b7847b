//! Clients of real nodes, in this process and over loopback.

use super::*;
use crate::config::Config;
use crate::node::Identity;
use crate::udp::{Http, Sockets, bind};
use smol::future;
use std::net::SocketAddr;
use std::time::Duration;

/// A running node. Dropping the task kills it.
fn start(listen: &str, seeds: &[SocketAddr]) -> (SocketAddr, Task<bool>) {
    let Sockets { udp, addr, .. } = bind(listen.parse().unwrap(), Http::Off).unwrap();
    let identity = Identity { addr, id: None };
    let node = Node::new(Config::default(), identity, !seeds.is_empty(), entropy().unwrap(), now());
    let seeds = seeds.iter().map(SocketAddr::to_string).collect();
    (addr, smol::spawn(Driver::new(node, udp, seeds, None).unwrap().0.run()))
}

async fn client_of(addr: SocketAddr) -> Client {
    Client::connect(&[addr.to_string()], Options::default()).await.unwrap()
}

/// Waits until so many nodes answer for the whole ring.
async fn await_ring(client: &Client, size: usize) {
    loop {
        let nodes = client.ring(100).await.unwrap();
        if nodes.len() == size && nodes.iter().all(|node| node.settled) {
            return;
        }
        future::yield_now().await;
    }
}

#[test]
fn a_client_does_all_that_there_is_to_do_with_a_ring() {
    smol::block_on(async {
        let (first, _first) = start("127.0.0.1:0", &[]);
        let (_, _second) = start("127.0.0.1:0", &[first]);
        let (_, _third) = start("127.0.0.1:0", &[first]);
        let client = client_of(first).await;
        await_ring(&client, 3).await;

        let large: Vec<u8> = (0..400_000u32).map(|n| (n % 253) as u8).collect();
        let stored = client.create("large", large.clone()).kind("a/b").min_copies(3).await.unwrap();
        assert!(stored.created && stored.copies == 3);
        let value = client.get("large").await.unwrap().unwrap();
        assert!(value.bytes() == large && value.kind() == b"a/b" && value.expires().is_none());
        assert_eq!((value.version, value.owner), (stored.version, stored.owner));
        let found = client.lookup("large").await.unwrap();
        assert_eq!((found.owner.addr(), found.id), (stored.owner, Id::of_key(b"large")));
        assert!(found.arc.contains(found.id) && found.path.last().is_some_and(|hop| hop.peer == found.owner));

        // Clones work at one time.
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                let client = client.clone();
                smol::spawn(async move {
                    let key = format!("k{n}");
                    client.put(&key, key.clone()).await.unwrap();
                    client.get(&key).await.unwrap().map(|value| value.bytes() == key.as_bytes())
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await, Some(true));
        }
        let mut keys = client.keys();
        let mut all = Vec::new();
        while let Some(page) = keys.page(7).await.unwrap() {
            assert!(page.len() <= 7);
            all.extend(page);
        }
        assert_eq!(all.len(), 101);
        assert!(all.is_sorted_by(|a, b| a.id < b.id));
        let behind = client.keys().after(&all[50].key).page(1000).await.unwrap().unwrap();
        assert_eq!(behind, all[51..]);

        let deleted = client.delete("large").if_match(stored.version).await.unwrap();
        assert!(deleted.is_some() && client.get("large").await.unwrap().is_none());
        assert!(client.delete("large").await.unwrap().is_none());
        assert!(matches!(client.delete("large").if_present().await, Err(Error::Conflict { version: None })));
    });
}

#[test]
fn what_cannot_be_is_told_and_nothing_is_changed() {
    smol::block_on(async {
        let (addr, _node) = start("127.0.0.1:0", &[]);
        let client = client_of(addr).await;
        assert!(matches!(client.get("").await, Err(Error::Key { length: 0 })));
        assert!(matches!(client.put([1; 256], "v").await, Err(Error::Key { length: 256 })));
        let told = |put: Put| async { put.await.unwrap_err().to_string() };
        let long = told(client.put("k", vec![0; 2_000_000])).await;
        assert_eq!(long, "the value has 2,000,000 bytes, the limit is 1,048,576: nothing was changed");
        let typed = told(client.put("k", "v").kind([b'x'; 97])).await;
        assert_eq!(typed, "the media type has 97 bytes, the limit is 96: nothing was changed");
        let lasting = told(client.put("k", "v").ttl(Duration::from_secs(400_000_000))).await;
        assert_eq!(lasting, "the time to live is 400,000,000 seconds, the limit is 315,360,000: nothing was changed");
        assert!(matches!(client.put("k", "v").ttl(Duration::MAX).await, Err(Error::TooLarge(_))));
        let few = client.put("k", "v").min_copies(2).await;
        assert!(matches!(few, Err(Error::Unavailable(Unavailable::TooFew { copies: 1 }))), "{few:?}");
        assert!(matches!(client.put("k", "v").if_present().await, Err(Error::Conflict { version: None })));
        assert!(client.get("k").await.unwrap().is_none());
        let brief = client.put("k", "v").ttl(Duration::from_millis(59_100)).await.unwrap();
        let value = client.get("k").await.unwrap().unwrap();
        assert!(value.expires().is_some_and(|end| end > std::time::SystemTime::now()));
        // A name that was drawn before, for a program that may be started anew.
        let again = client.put("k", "v").ttl(Duration::from_secs(60)).again(brief.operation).await.unwrap();
        assert_eq!((again.version, again.created), (brief.version, true));
        let other = client.put("k", "w").ttl(Duration::from_secs(60)).again(brief.operation).await;
        assert!(matches!(other, Err(Error::Reused)), "{other:?}");
        let fresh = crate::wire::Freshness { term: 1, time_ms: (1 << 47) + 1 };
        let invented = client.put("k", "v").again(Operation { fresh, ..brief.operation }).await;
        assert!(matches!(invented, Err(Error::Invented)), "{invented:?}");
        let seed = Client::connect(&["there"], Options::default()).await;
        assert!(matches!(seed, Err(Error::Seed(why)) if why.contains("host:port")));
        let name = Client::connect(&["nowhere.invalid:1"], Options::default()).await;
        assert!(matches!(name, Err(Error::Unreachable(why)) if why.contains("nowhere.invalid")));
        let options = Options::default().ring("other").deadline(Duration::from_millis(100));
        let ring = Client::connect(&[addr.to_string()], options).await;
        assert!(matches!(ring, Err(Error::Unreachable(why)) if why.contains("\"other\"")));
    });
}

#[test]
fn the_task_ends_with_the_last_clone() {
    smol::block_on(async {
        let (addr, _node) = start("127.0.0.1:0", &[]);
        let client = client_of(addr).await;
        let (clone, handle) = (client.clone(), client.shared.handle.clone());
        drop(client);
        clone.put("k", "v").await.unwrap();
        assert!(!handle.has_ended());
        drop(clone);
        handle.ended().await;
    });
}

#[test]
fn a_ring_of_ipv6_is_reached() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        return;
    }
    smol::block_on(async {
        let (addr, _node) = start("[::1]:0", &[]);
        let client = client_of(addr).await;
        client.put("k", "v").await.unwrap();
        assert_eq!(client.get("k").await.unwrap().map(|value| value.owner), Some(addr));
    });
}
