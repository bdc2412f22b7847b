//! `skyctl ls`: the keys of the whole ring.

use super::ring_options::{asks_ring, key, put_bytes, shown};
use super::{Failure, out};
use serde_json::json;
use skynode::client::{Error, OwnedKey};
use skynode::limits::{KEY_MAX, LIST_MAX};
use std::process::ExitCode;

asks_ring! {
    /// Write the keys of the whole ring, one a line, in the order of their positions on the ring. Every key that exists
    /// from the beginning to the end is there exactly once.
    #[argh(
        subcommand,
        name = "ls",
        example = "skyctl ls | sort",
        example = "skyctl ls --long",
        example = "skyctl ls --escaped | while read key; do skyctl del --escaped -- $key; done",
        note = "Keys that are no text, or no single line, are escaped as in a URL; with --escaped all are. With\n\
                --json each line is an object with key (or key_base64), id, version, bytes and owner.",
        note = "Pages of a thousand keys are asked for one after the other, so it does not show a single moment."
    )]
    struct Arguments {
        /// with id, version, length in bytes, and owner before each key
        #[argh(switch, short = 'l')]
        long: bool,
        /// escape all keys as in a URL; what --after names is escaped then, too
        #[argh(switch, short = 'e')]
        escaped: bool,
        /// only keys behind this one, which need not exist
        #[argh(option, arg_name = "key")]
        after: Option<String>,
        /// at most so many
        #[argh(option, arg_name = "n")]
        limit: Option<usize>,
    }
}

pub async fn run(options: &Arguments) -> Result<ExitCode, Failure> {
    let after = options.after.as_deref().map(|text| key(text, options.escaped)).transpose()?;
    // An empty one is a variable that was not set, and would begin anywhere.
    if let Some(length) = after.as_ref().map(Vec::len).filter(|length| !(1..=KEY_MAX).contains(length)) {
        return Err(Error::Key { length }.into());
    }
    let client = options.options().connect().await?;
    let mut keys = client.keys();
    if let Some(after) = after {
        keys = keys.after(after);
    }
    let mut left = options.limit.unwrap_or(usize::MAX);
    while left > 0
        && let Some(page) = keys.page(left.min(LIST_MAX)).await?
    {
        left -= page.len().min(left);
        let lines: String = page.iter().map(|key| line(options, key) + "\n").collect();
        if !out::write(lines.as_bytes())? {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(options: &Arguments, entry: &OwnedKey) -> String {
    let OwnedKey { key, id, version, length, owner } = entry;
    if options.json {
        let (id, version) = (id.to_string(), version.to_string());
        let mut json = json!({ "id": id, "version": version, "bytes": length, "owner": owner });
        put_bytes(&mut json, "key", key);
        return json.to_string();
    }
    let key = shown(key, options.escaped);
    if options.long { format!("{id}  {version:<34}  {length:>7}  {owner:<21}  {key}") } else { key }
}
