//! `skyctl get`: a value, as it is.

use super::ring_options::{asks_key, put_bytes};
use super::{Failure, out, say};
use serde_json::json;
use skynode::client::Value;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::SystemTime;

asks_key! {
    /// Write the value of a key to the standard output, byte by byte as it was stored.
    #[argh(
        subcommand,
        name = "get",
        example = "skyctl get greeting",
        example = "skyctl get photo.jpg > photo.jpg",
        example = "skyctl get --escaped 'a%00b'",
        note = "With --json: key, value (value_base64 if it is no text), type, version, copies, owner, and\n\
                if it ends ttl_s, the seconds that are left, and expires_ms, in milliseconds since 1970 by\n\
                the clock of this machine."
    )]
    struct Arguments {
    }
}

pub async fn run(options: &Arguments) -> Result<ExitCode, Failure> {
    let key = options.key()?;
    let client = options.options().connect().await?;
    let value = client.get(&key).await?;
    let value = value.ok_or_else(|| Failure::Other(format!("no such key: {:?}", options.key)))?;
    if options.json {
        say(&shown(&key, &value))?;
        return Ok(ExitCode::SUCCESS);
    }
    // In a terminal the next prompt stands on a line of its own; all else gets the value and nothing more.
    let end: &[u8] = if io::stdout().is_terminal() && !value.bytes().ends_with(b"\n") { b"\n" } else { b"" };
    out::write(&[value.bytes(), end].concat())?;
    Ok(ExitCode::SUCCESS)
}

fn shown(key: &[u8], value: &Value) -> String {
    let mut json = json!({
        "type": String::from_utf8_lossy(value.kind()),
        "version": value.version.to_string(),
        "copies": value.copies,
        "owner": value.owner,
    });
    put_bytes(&mut json, "key", key);
    put_bytes(&mut json, "value", value.bytes());
    if let Some(left) = value.left() {
        json["ttl_s"] = (left.as_millis().div_ceil(1000) as u64).into();
    }
    let since = value.expires().and_then(|end| end.duration_since(SystemTime::UNIX_EPOCH).ok());
    if let Some(since) = since {
        json["expires_ms"] = (since.as_millis() as u64).into();
    }
    json.to_string()
}
