//! What may be given for each flag, and what is said of anything else.

use log::LevelFilter;
use skynode::config::Config;
use skynode::id::Id;
use skynode::limits::{FIRST_MAX, MEMORY_MIN, VALUE_MAX};
use skynode::udp::{Http, beyond_one_link};
use std::net::{Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// The longest name of a ring, in bytes.
const RING_MAX: usize = 64;

/// The longest name of a host, in bytes.
const HOST_MAX: usize = 253;

/// How long a node may take to leave, in seconds.
const LEAVE_TIMES: RangeInclusive<f64> = 0.0..=3600.0;
/// How long --check may ask again.
const WAIT_TIMES: RangeInclusive<f64> = 0.0..=3600.0;

/// After how long a node may end its own silence, in seconds: up to a year.
const REOPEN_TIMES: RangeInclusive<f64> = 1.0..=31_536_000.0;

pub fn listen(text: &str) -> Result<SocketAddr, String> {
    let wrong = |_| String::from("an address is ip:port, like 127.0.0.1:4321 or [::1]:4321");
    beyond_one_link(text)?.parse().map_err(wrong)
}

pub fn advertise(text: &str) -> Result<SocketAddr, String> {
    let addr = listen(text)?;
    if addr.ip().is_unspecified() || addr.port() == 0 {
        return Err(String::from("others cannot reach that: name one address and its port, like 192.0.2.7:4321"));
    }
    Ok(addr)
}

pub fn join(text: &str) -> Result<String, String> {
    const SHAPE: &str = "a node to join is host:port, like sky.example:4321 or [2001:db8::7]:4321";
    let (host, port) = beyond_one_link(text)?.rsplit_once(':').ok_or(SHAPE)?;
    let port_is_right =
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let host_is_right = text.parse::<SocketAddr>().is_ok() || is_name(host);
    if port_is_right && host_is_right { Ok(text.to_owned()) } else { Err(String::from(SHAPE)) }
}

fn is_name(text: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (1..=HOST_MAX).contains(&text.len()) && text.bytes().all(part)
}

pub fn http(text: &str) -> Result<Http, String> {
    if text == "off" {
        return Ok(Http::Off);
    }
    let wrong = |_| {
        let zone =
            if text.contains('%') { "; a zone is given by its number, as `ip link` lists it: fe80::1%2" } else { "" };
        format!("HTTP is served at ip:port, like 127.0.0.1:8080, or nowhere: off{zone}")
    };
    text.parse().map(Http::At).map_err(wrong)
}

pub fn host(text: &str) -> Result<String, String> {
    let wrong = "a name that people use for this node is like sky.example, without a port";
    if is_name(text) { Ok(text.to_owned()) } else { Err(String::from(wrong)) }
}

/// One origin, or several separated by commas.
pub fn cors(text: &str) -> Result<Vec<String>, String> {
    text.split(',').map(|part| origin(part.trim())).collect()
}

/// What browsers send as `Origin`: compared byte by byte, so anything that they would write in another way is refused.
fn origin(text: &str) -> Result<String, String> {
    const SHAPE: &str = "an origin is what browsers send as Origin, like https://app.example or http://localhost:8080: \
                         small letters, no path, and no port that the scheme implies";
    if text == "*" || text == "null" {
        let why = "would let every page that somebody opens read, change and delete everything here: name each origin";
        return Err(format!("{text} {why}"));
    }
    let (scheme, rest) = text.split_once("://").ok_or(SHAPE)?;
    let implied = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return Err(String::from(SHAPE)),
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !rest.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let number = port.map(str::parse::<u16>);
    let plain = port.is_none_or(|port| !port.starts_with(['0', '+']));
    let port_is_right = plain && !matches!(number, Some(Err(_))) && number != Some(Ok(implied));
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_is_right = match inside {
        Some(inside) => inside.parse::<Ipv6Addr>().is_ok_and(|ip| ip.to_string() == inside),
        None => is_name(host) && !host.bytes().any(|byte| byte.is_ascii_uppercase()),
    };
    if port_is_right && host_is_right { Ok(text.to_owned()) } else { Err(String::from(SHAPE)) }
}

pub fn id(text: &str) -> Result<Id, String> {
    text.parse().map_err(|error: skynode::id::ParseIdError| error.to_string())
}

pub fn ring(text: &str) -> Result<String, String> {
    match text.len() {
        1..=RING_MAX => Ok(text.to_owned()),
        _ => Err(format!("the name of a ring is 1 to {RING_MAX} bytes long")),
    }
}

pub fn leave_timeout(text: &str) -> Result<Duration, String> {
    seconds(text, LEAVE_TIMES).ok_or_else(|| String::from("the time for leaving is 0 to 3600 seconds, like 8 or 2.5"))
}

pub fn wait(text: &str) -> Result<Duration, String> {
    seconds(text, WAIT_TIMES).ok_or_else(|| String::from("the time to wait is 0 to 3600 seconds, like 30"))
}

pub fn reopen_after(text: &str) -> Result<Duration, String> {
    let wrong = || String::from("the time until a node reopens is 1 to 31536000 seconds, a year, like 3600");
    seconds(text, REOPEN_TIMES).ok_or_else(wrong)
}

/// Whole or decimal seconds, written without sign and exponent.
fn seconds(text: &str, range: RangeInclusive<f64>) -> Option<Duration> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds = text.parse().ok().filter(|seconds| is_plain && range.contains(seconds))?;
    Duration::try_from_secs_f64(seconds).ok()
}

pub fn min_nodes(text: &str) -> Result<usize, String> {
    // A node counts itself and its successors.
    let most = Config::default().successors + 1;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| is_plain && (1..=most).contains(number));
    number.ok_or_else(|| format!("a node can wait for 1 to {most} living nodes: that many it knows, itself included"))
}

pub fn max_value(text: &str) -> Result<usize, String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| is_plain && (FIRST_MAX..=VALUE_MAX).contains(number));
    number.ok_or_else(|| format!("the longest value is {FIRST_MAX} to {VALUE_MAX} bytes"))
}

/// In MiB, as bytes.
pub fn max_memory(text: &str) -> Result<usize, String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<usize>().ok().filter(|number| is_plain && (MEMORY_MIN >> 20..=1 << 20).contains(number));
    number.map(|number| number << 20).ok_or_else(|| String::from("the memory for entries is 4 to 1048576 MiB"))
}

pub fn data(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err(String::from("the directory needs a name, like /var/lib/sky")) } else { Ok(text.into()) }
}

pub fn level(text: &str) -> Result<LevelFilter, String> {
    match text {
        "off" => Ok(LevelFilter::Off),
        "error" => Ok(LevelFilter::Error),
        "warn" => Ok(LevelFilter::Warn),
        "info" => Ok(LevelFilter::Info),
        "debug" => Ok(LevelFilter::Debug),
        "trace" => Ok(LevelFilter::Trace),
        _ => Err(String::from("a level is one of error, warn, info, debug, trace, off")),
    }
}
