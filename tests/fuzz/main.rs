//! The fuzz targets, replayed on their seeds: what the fuzzer starts from, and every input that once found a fault.
//!
//! ```sh
//! cargo test --test fuzz                                             # all seeds
//! SKY_LOG=1 cargo test --test fuzz nodes -- --nocapture              # with all that happens between the two nodes
//! SKY_SEED=fuzz/artifacts/nodes/crash-... cargo test --test fuzz nodes -- --nocapture    # this one file
//! ```

#![allow(clippy::panic, reason = "a fault found ends the run")]

mod decode;
mod giver;
mod goods;
mod http;
mod liar;
mod nodes;
mod saved;
mod steps;
mod transfers;

use std::path::PathBuf;

/// Runs a target on each of its seeds, by name.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds")).join(target);
    let mut seeds: Vec<PathBuf> = match std::env::var_os("SKY_SEED") {
        Some(one) => vec![one.into()],
        None => std::fs::read_dir(&folder)
            .expect("the folder of the seeds")
            .map(|entry| entry.expect("a file in it").path())
            .collect(),
    };
    seeds.sort();
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    for seed in seeds {
        println!("{}", seed.display());
        run(&std::fs::read(&seed).expect("a seed that can be read"));
    }
}

#[test]
fn decode_on_its_seeds() {
    replay("decode", decode::decode);
}

#[test]
fn nodes_on_their_seeds() {
    replay("nodes", nodes::nodes);
}

#[test]
fn http_on_its_seeds() {
    replay("http", http::http);
}

#[test]
fn transfers_on_their_seeds() {
    replay("transfers", transfers::transfers);
}

#[test]
fn saved_on_its_seeds() {
    replay("saved", saved::saved);
}

/// They are of the layout that messages have now: else the fuzzer would begin with what is refused.
#[test]
fn seeds_of_messages_are_understood_but_for_those_that_are_flawed() {
    let flawed = |name: &str| {
        let flaw = ["raw-other", "raw-ping-with-a-flipped", "raw-too", "trailing", "truncated", "unknown"];
        name.contains("beyond") || name.contains("overflows") || flaw.iter().any(|flaw| name.starts_with(flaw))
    };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/decode");
    for seed in std::fs::read_dir(folder).expect("the folder of the seeds") {
        let seed = seed.expect("a file in it");
        let name = seed.file_name().into_string().expect("a name");
        let input = std::fs::read(seed.path()).expect("a seed that can be read");
        assert_eq!(decode::is_understood(&input), !flawed(&name), "{name}");
    }
}

/// The same of the layout that records have.
#[test]
fn seeds_with_a_record_hold_one() {
    for seed in ["a-record-that-awaits-nobody", "entries-and-a-record", "with-seeds-and-a-disk-that-fails"] {
        let file = format!("{}/fuzz/seeds/saved/{seed}", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(file).expect("a seed that can be read");
        let mut ends = (0..bytes.len()).filter_map(|at| skynode::node::Record::from_bytes(&bytes[at..]));
        assert!(ends.any(|record| record.ring() == "sky"), "{seed}");
    }
}
