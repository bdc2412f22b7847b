//! Values that take many datagrams, end, or are to have so many copies.

use crate::process::{Node, eventually};
use crate::ring::{await_all, one_at_a_time, start_ring};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

fn long(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 31 % 251) as u8).collect()
}

#[test]
fn a_mebibyte_is_written_and_read_through_every_node_and_outlives_a_crash() {
    let _alone = one_at_a_time();
    let mut nodes = start_ring(5);
    await_all(&nodes.iter().collect::<Vec<_>>());
    for (at, length) in [1_048_576, 600, 65_536, 0, 200_000].into_iter().enumerate() {
        let (key, value) = (format!("long/{at}"), long(length));
        let fields = "Content-Type: image/x-noise\r\nSky-Min-Copies: 3\r\n";
        let written = nodes[at].client().ask("PUT", &format!("/storage/{key}"), fields, Some(&value));
        assert_eq!((written.status, written.field("Sky-Copies")), (201, Some("3")), "{}", written.text());
        for node in &nodes {
            let read = node.client().get(&format!("/storage/{key}"));
            assert!(read.status == 200 && read.body == value, "{} bytes through {}", length, node.addr);
            assert_eq!(read.field("Content-Type"), Some("image/x-noise"));
        }
    }
    let beyond = nodes[0].client().put("beyond", &long(1_048_577));
    assert_eq!(beyond.status, 413);
    nodes[2].crash();
    let left: Vec<&Node> = nodes.iter().enumerate().filter(|(at, _)| *at != 2).map(|(_, node)| node).collect();
    for node in &left {
        let mut client = node.client();
        eventually(PATIENCE, || {
            let read = client.get("/storage/long/0");
            let whole = read.status == 200 && read.body == long(1_048_576);
            if whole { Ok(()) } else { Err(format!("{} of {} bytes", read.status, read.body.len())) }
        });
    }
}

#[test]
fn a_value_that_lives_for_a_second_ends_for_every_node() {
    let _alone = one_at_a_time();
    let nodes = start_ring(3);
    await_all(&nodes.iter().collect::<Vec<_>>());
    let written = nodes[0].client().ask("PUT", "/storage/brief", "Sky-TTL: 1\r\n", Some(b"v"));
    assert_eq!(written.status, 201);
    let read = nodes[1].client().get("/storage/brief");
    assert!(read.status == 404 || read.field("Sky-TTL").is_some(), "{}", read.status);
    for node in &nodes {
        let mut client = node.client();
        eventually(PATIENCE, || match client.get("/storage/brief").status {
            404 => Ok(()),
            status => Err(format!("{status}")),
        });
    }
    assert_eq!(nodes[2].client().ask("PUT", "/storage/brief", "If-None-Match: *\r\n", Some(b"w")).status, 201);
}

#[test]
fn a_ring_of_one_cannot_keep_two_copies() {
    let node = Node::alone();
    let refused = node.client().ask("PUT", "/storage/k", "Sky-Min-Copies: 2\r\n", Some(b"v"));
    assert_eq!((refused.status, refused.field("Retry-After")), (503, Some("1")));
    assert_eq!(node.client().get("/storage/k").status, 404);
}

#[test]
fn a_full_store_says_so_and_deleting_helps() {
    let node = Node::start(crate::process::own_addr(), &["--max-memory".into(), "4".into()]);
    let mut client = node.client();
    let stored = |client: &mut crate::client::Client, n: u32| client.put(&format!("k{n}"), &long(1 << 20)).status;
    let statuses: Vec<u16> = (0..4).map(|n| stored(&mut client, n)).collect();
    assert_eq!(statuses, [201, 201, 201, 507]);
    assert_eq!(client.ask("DELETE", "/storage/k1", "", None).status, 204);
    assert_eq!(stored(&mut client, 3), 201);
    assert_eq!(client.get("/storage/k1").status, 404);
}
