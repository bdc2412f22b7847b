//! Many that write one key at one time.

use crate::client::Client;
use crate::ring::{await_all, start_ring};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const WRITERS: usize = 64;
const AT_ONCE: usize = 256;
const TIME: Duration = Duration::from_secs(2);

/// An answer to a write: its version, and the value that was written.
type Written = (String, String);

/// Writes a value of its own, however long it takes. Any answer but that it is stored ends the test.
fn put(client: &mut Client, key: &str, value: String) -> Written {
    let answer = client.put(key, value.as_bytes());
    assert!([201, 204].contains(&answer.status), "{value}: {} {}", answer.status, answer.text());
    (answer.field("ETag").expect("a version").to_owned(), value)
}

/// So many run at one time, from one moment on. → all that they wrote.
fn together(writers: usize, write: impl Fn(usize, &Barrier) -> Vec<Written> + Sync) -> Vec<Written> {
    let (all, write) = (Barrier::new(writers), &write);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..writers)
            .map(|writer| {
                scope.spawn({
                    let all = &all;
                    move || write(writer, all)
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("each write is stored")).collect()
    })
}

/// Each write has a version of its own, and what is there in the end is what was written in that version.
fn check(addrs: &[SocketAddr], key: &str, written: &[Written]) {
    let versions: BTreeSet<&String> = written.iter().map(|(version, _)| version).collect();
    assert_eq!(versions.len(), written.len(), "some have the same version");
    for addr in addrs {
        let answer = Client::new(*addr).get(&format!("/storage/{key}"));
        let found = (answer.field("ETag").expect("a version").to_owned(), answer.text().to_owned());
        assert!(written.contains(&found), "{found:?} was not written");
    }
}

#[test]
fn many_writers_of_one_key_are_all_answered_and_each_counts() {
    let nodes = start_ring(3);
    await_all(&nodes.iter().collect::<Vec<_>>());
    let addrs: Vec<SocketAddr> = nodes.iter().map(|node| node.addr).collect();
    let written = together(WRITERS, |writer, all| {
        let mut client = Client::new(addrs[writer % addrs.len()]);
        all.wait();
        let end = Instant::now() + TIME;
        let values = (0..).map(|n| format!("{writer}-{n}"));
        values.take_while(|_| Instant::now() < end).map(|value| put(&mut client, "hot", value)).collect()
    });
    assert!(written.len() > WRITERS);
    check(&addrs, "hot", &written);
    for addr in &addrs {
        let key = format!("at-once-{}", addr.port());
        let written = together(AT_ONCE, |writer, all| {
            let mut client = Client::new(*addr);
            all.wait();
            vec![put(&mut client, &key, writer.to_string())]
        });
        assert_eq!(written.len(), AT_ONCE);
        check(&addrs, &key, &written);
    }
}
