//! What small keys cost one node as they grow in number: memory of the process for each, and the time of a put.
//!
//! ```sh
//! cargo bench --bench keys              # up to a million
//! cargo bench --bench keys -- 100000
//! ```

use skynode::config::Config;
use skynode::limits::{FRAME_MAX, MEMORY_DEFAULT};
use skynode::node::{Command, Event, Identity, Node, Reply};
use skynode::store::Content;
use skynode::time::{Instant, Now};
use skynode::wire::Condition;
use std::time::Instant as Clock;

const KEYS: u64 = 1_000_000;
/// Bytes of a value.
const LENGTH: usize = 32;

fn main() {
    let most = std::env::args().filter_map(|text| text.parse().ok()).next().unwrap_or(KEYS);
    let identity = Identity { addr: ([127, 0, 0, 1], 4321).into(), id: None };
    let now = Now { at: Instant::from_millis(1000), wall_ms: 1_700_000_000_000 };
    let config = Config { memory_max: MEMORY_DEFAULT * 16, ..Config::default() };
    let mut node = Node::new(config, identity, false, [7; 32], now);
    let empty = resident();
    println!("keys of 16 bytes with values of {LENGTH}: the node alone takes {} KiB", empty / 1024);
    let (mut begun, mut written) = (Clock::now(), 0);
    let mut next = 1000.min(most);
    for n in 0..most {
        put(&mut node, now, n);
        if n + 1 < next {
            continue;
        }
        let micros = begun.elapsed().as_secs_f64() * 1e6 / (next - written) as f64;
        let each = resident().saturating_sub(empty) as f64 / next as f64;
        println!(
            "{next:>9} keys: {each:5.0} bytes of memory a key, {micros:5.2} us a put of the last {}",
            next - written
        );
        written = next;
        next = (next * 10).min(most);
        begun = Clock::now();
    }
}

fn put(node: &mut Node, now: Now, n: u64) {
    let key = blake3::hash(&n.to_le_bytes()).as_bytes()[..16].into();
    let content = Content::new([n as u8; LENGTH], b"", 0);
    let command = Command::Put { key, content, ttl_s: 0, condition: Condition::None, min_copies: 0, attempt: None };
    let ticket = node.handle_command(now, command);
    node.handle_timeout(now);
    while node.poll_transmit(&mut [0; FRAME_MAX]).is_some() {}
    while let Some(event) = node.poll_event() {
        if let Event::Reply(of, reply) = event {
            assert!(of == ticket && matches!(reply, Reply::Stored { .. }), "{reply:?}");
        }
    }
}

/// Bytes of memory that the process has.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = pages.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or_default();
    pages * 4096
}
