//! `skyctl lookup`: who owns a key, and the way there.

use super::ring_options::asks_key;
use super::{Failure, say};
use skynode::client::{Hop, Owner};
use skynode::http::json;
use std::fmt::Write as _;
use std::process::ExitCode;

asks_key! {
    /// Find the owner of a key, whether that exists or not, and show the way to it, hop by hop.
    #[argh(
        subcommand,
        name = "lookup",
        example = "skyctl lookup greeting",
        note = "Each hop is a node that was asked: it named the next one, or is the owner. Those that were asked\n\
                beside the way, as another was slow, and those that did not answer are marked."
    )]
    struct Arguments {
    }
}

pub async fn run(options: &Arguments) -> Result<ExitCode, Failure> {
    let key = options.key()?;
    let found = options.options().connect().await?.lookup(&key).await?;
    let Owner { id, owner, arc, path } = &found;
    if options.json {
        let json = serde_json::to_string(&json::lookup(*id, owner, *arc, path));
        say(&json.map_err(|error| Failure::Other(error.to_string()))?)?;
    } else {
        say(&text(&options.key, &found))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(key: &str, found: &Owner) -> String {
    let Owner { id, owner, arc, path } = found;
    let mut text = format!("key    {key:?}\nid     {id}\n");
    let mut number = 0;
    for Hop { peer, answered, led_on } in path {
        number += u32::from(*led_on);
        let (hop, word) = match (led_on, answered) {
            (true, _) if peer == owner => (number.to_string(), "  owner"),
            (true, _) => (number.to_string(), ""),
            (false, true) => (String::from("-"), "  asked beside the way"),
            (false, false) => (String::from("-"), "  no answer"),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{hop:>5}  {}  {}{word}", peer.id(), peer.addr());
    }
    let _ = writeln!(text, "owner  {}\narc    after {} up to {}", owner.addr(), arc.after, arc.upto);
    text
}
