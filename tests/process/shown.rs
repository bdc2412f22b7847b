//! The ring as a node shows it.

use crate::client::Client;
use serde_json::Value;

/// The ring as this node walks it, beginning with the lowest id: addresses in order. An error unless it is one ring of
/// this many nodes, in the order of their ids, all pointers right.
pub fn ring(client: &mut Client, size: usize) -> Result<Vec<String>, String> {
    let answer = client.try_ask("GET", "/ring", "", None).map_err(|error| error.to_string())?;
    if answer.status != 200 {
        return Err(format!("{}: {}", client.addr, answer.text()));
    }
    let ring = answer.json();
    let mut nodes: Vec<&Value> = ring["nodes"].as_array().expect("a list").iter().collect();
    let wrong = |why: &str| Err(format!("{why} in the ring that {} shows: {ring:#}", client.addr));
    if nodes.len() != size {
        return wrong(&format!("{} nodes instead of {size}", nodes.len()));
    }
    nodes.sort_by_key(|node| node["id"].as_str().map(str::to_owned));
    for (place, node) in nodes.iter().enumerate() {
        let (next, before) = (nodes[(place + 1) % size], nodes[(place + size - 1) % size]);
        if size > 1 && (node["successors"][0]["id"] != next["id"] || node["predecessor"]["id"] != before["id"]) {
            return wrong(&format!("a wrong pointer of {}", node["addr"]));
        }
    }
    if !ring["next"].is_null() {
        return wrong("an open end");
    }
    Ok(nodes.iter().map(|node| node["addr"].as_str().expect("an address").to_owned()).collect())
}
