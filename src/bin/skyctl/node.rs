//! `skyctl node`: what a node says of itself.

use super::client::{Client, Request};
use super::ring_options::asks_node;
use super::{Failure, say};
use serde_json::Value;
use std::fmt::Write as _;
use std::process::ExitCode;

asks_node! {
    /// Show what a node says of itself: its state, its neighbours, what it holds, its counters. It is asked over HTTP,
    /// at the first address that --node names.
    #[argh(subcommand, name = "node", example = "skyctl node --node 127.0.0.1:4321")]
    struct Arguments {
        /// with all counters
        #[argh(switch)]
        counters: bool,
    }
}

pub fn run(options: &Arguments) -> Result<ExitCode, Failure> {
    let mut client = Client::new(options.node()?);
    let answer = client.ask(Request { method: "GET", target: "/node", ..Request::default() })?;
    if answer.status != 200 {
        return Err(Failure::Other(answer.words()));
    }
    let node: Value = serde_json::from_slice(&answer.body)
        .map_err(|error| Failure::Other(format!("the answer of the node cannot be read: {error}")))?;
    say(&if options.json { node.to_string() } else { text(&node, options.counters) })?;
    Ok(ExitCode::SUCCESS)
}

/// What is asked for most.
const FIELDS: [&str; 18] = [
    "addr",
    "id",
    "ring",
    "state",
    "unready",
    "term",
    "entries",
    "owned",
    "copied",
    "strays",
    "under_copied",
    "tombstones",
    "names",
    "bytes",
    "disk",
    "room",
    "incarnation",
    "version",
];

fn text(node: &Value, counters: bool) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for name in FIELDS.iter().filter(|name| !node[**name].is_null()) {
        let _ = writeln!(text, "{name:<14}{}", plain(&node[*name]));
    }
    let peer = |peer: &Value| format!("{}  {}", plain(&peer["id"]), plain(&peer["addr"]));
    for name in ["claim", "settled"] {
        if let Some(arc) = node[name].as_object() {
            let ends = |end| arc.get(end).map_or_else(String::new, plain);
            let _ = writeln!(text, "{name:<14}after {} up to {}", ends("after"), ends("upto"));
        }
    }
    if node["predecessor"].is_object() {
        let _ = writeln!(text, "{:<14}{}", "predecessor", peer(&node["predecessor"]));
    }
    for name in ["successors", "fingers"] {
        for (at, one) in node[name].as_array().into_iter().flatten().enumerate() {
            let _ = writeln!(text, "{:<14}{}", if at == 0 { name } else { "" }, peer(one));
        }
    }
    for (name, count) in node["counters"].as_object().into_iter().flatten().filter(|_| counters) {
        let _ = writeln!(text, "{name:<24}{count:>12}");
    }
    text
}

/// A text without its quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_shows_in_lines() {
        let peer = serde_json::json!({ "id": "0a", "addr": "127.0.0.1:2" });
        let node = serde_json::json!({
            "addr": "127.0.0.1:1", "state": "settled", "unready": null, "entries": 3, "predecessor": peer,
            "successors": [peer, peer], "claim": { "after": "01", "upto": "02" }, "counters": { "reads": 7 },
        });
        let told = text(&node, true);
        assert!(told.contains("state         settled\n") && told.contains("entries       3\n"), "{told}");
        assert!(told.contains("claim         after 01 up to 02\n") && !told.contains("unready"), "{told}");
        assert_eq!(told.matches("0a  127.0.0.1:2\n").count(), 3, "{told}");
        assert!(told.contains("reads ") && !text(&node, false).contains("reads"), "{told}");
    }
}
