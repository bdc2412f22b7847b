//! `skyctl watch`: what happens, as it happens.

mod stream;

use super::client::Unreachable;
use super::ring_options::{asks_node, key};
use super::{Failure, out};
use serde_json::{Value, json};
use skynode::http::parse::escape;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;
use stream::{Event, Stream};

/// The pause before a connection is made anew.
const PAUSE: Duration = Duration::from_secs(1);

asks_node! {
    /// Write what happens at a node, or to one key, a line for each event, until it is interrupted. The node is asked
    /// over HTTP, at the first address that --node names; where the connection ends it is made anew, and that is said
    /// on the standard error, as what happened in between is not known.
    #[argh(
        subcommand,
        name = "watch",
        example = "skyctl watch",
        example = "skyctl watch --json config | jq .",
        example = "skyctl watch --count 2 job && ./start",
        note = "The first event tells how it is now: the node, or the key; after a connection was made anew only if\n\
                that is something else than was told last. A key is looked at once a second, so of two changes within\n\
                that time one may be missed."
    )]
    struct Arguments {
        /// only changes of this key
        #[argh(positional)]
        key: Option<String>,
        /// the key is escaped as in a URL, with %20 for a space: for keys that are no text
        #[argh(switch, short = 'e')]
        escaped: bool,
        /// end after so many events
        #[argh(option, arg_name = "n")]
        count: Option<u64>,
    }
}

pub fn run(options: &Arguments) -> Result<ExitCode, Failure> {
    let node = options.node()?;
    let target = match &options.key {
        None => String::from("/events"),
        Some(text) => format!("/events?key={}", escape(&key(text, options.escaped)?)),
    };
    let (mut left, mut last) = (options.count.unwrap_or(u64::MAX), None::<String>);
    while left > 0 {
        let why = match Stream::open(&node, &target) {
            Ok(mut stream) => {
                // The first event tells how it is: of a stream that was made anew that may be known already.
                let mut known = last.clone();
                last.get_or_insert_with(String::new);
                loop {
                    match stream.next() {
                        Ok(event) => {
                            let said = said(&event);
                            if known.take().is_none_or(|known| known != said) {
                                if !tell(&event, options.json)? {
                                    return Ok(ExitCode::SUCCESS);
                                }
                                left -= 1;
                            }
                            last = Some(said);
                        }
                        Err(why) => break why.to_string(),
                    }
                    if left == 0 {
                        return Ok(ExitCode::SUCCESS);
                    }
                }
            }
            Err(stream::Failure::Refused(text)) => return Err(Failure::Other(text)),
            Err(stream::Failure::Unreachable(why)) if last.is_none() => {
                return Err(Unreachable(format!("{node} cannot be reached: {why}")).into());
            }
            Err(stream::Failure::Unreachable(why)) => why.to_string(),
        };
        let _ = writeln!(io::stderr(), "skyctl: the connection to {node} has ended, it is made anew: {why}");
        std::thread::sleep(PAUSE);
    }
    Ok(ExitCode::SUCCESS)
}

/// → whether somebody still reads.
fn tell(event: &Event, as_json: bool) -> Result<bool, Failure> {
    let told = if as_json { json_line(event) } else { text(event) };
    out::write(format!("{told}\n").as_bytes())
}

/// What it says, apart from when.
fn said(event: &Event) -> String {
    let data = serde_json::from_str::<Value>(&event.data).unwrap_or_default();
    data["text"].as_str().unwrap_or(&event.data).to_owned()
}

/// What it says, with its kind in front.
fn text(event: &Event) -> String {
    let data = serde_json::from_str::<Value>(&event.data).unwrap_or_default();
    let kind = data["event"].as_str().unwrap_or(&event.kind);
    let told = said(event);
    // What is told may name a key, and that may be anything.
    let told: String = told.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    format!("{kind:<12}  {told}")
}

/// One line, whatever the node sent.
fn json_line(event: &Event) -> String {
    match serde_json::from_str::<Value>(&event.data) {
        Ok(data) => data.to_string(),
        Err(_) => json!({ "event": event.kind, "text": event.data }).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_show_as_one_line() {
        let event = |kind: &str, data: &str| Event { kind: kind.into(), data: data.into() };
        let joined = event("joined", r#"{"event": "joined", "text": "joined\u001b the ring", "more": 1}"#);
        assert_eq!(text(&joined), "joined        joined\u{fffd} the ring");
        assert_eq!(json_line(&joined), r#"{"event":"joined","more":1,"text":"joined\u001b the ring"}"#);
        let odd = event("", "no json");
        assert_eq!(text(&odd), "              no json");
        assert_eq!(json_line(&odd), r#"{"event":"","text":"no json"}"#);
    }
}
