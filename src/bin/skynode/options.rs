//! The command line.

use argh::FromArgs;
use log::LevelFilter;
use skynode::config::Config;
use skynode::id::Id;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The longest name of a ring, in bytes.
const RING_MAX: usize = 64;

/// How long a node may take to leave, in seconds.
const LEAVE_TIMES: RangeInclusive<f64> = 0.0..=3600.0;

/// After how long a node may end its own silence, in seconds: up to a year.
const REOPEN_TIMES: RangeInclusive<f64> = 1.0..=31_536_000.0;

/// The command line as argh reads it.
#[derive(FromArgs, Debug)]
#[argh(
    description = "A key-value store with no master. This starts one node of it: alone it is a ring of one, with\n\
                   --join it takes its place on the ring that the given node belongs to. People reach it over\n\
                   HTTP, other nodes over UDP, on the same address and port.",
    example = "A ring of one on this machine:\n\n\
               \x20 {command_name}\n\
               \x20 curl -X PUT --data-binary hello http://127.0.0.1:4321/storage/greeting\n\
               \x20 curl http://127.0.0.1:4321/storage/greeting\n",
    example = "Three nodes on this machine, all told the same seeds:\n\n\
               \x20 {command_name} -l 127.0.0.1:4001 -j 127.0.0.1:4001 -j 127.0.0.1:4002\n\
               \x20 {command_name} -l 127.0.0.1:4002 -j 127.0.0.1:4001 -j 127.0.0.1:4002\n\
               \x20 {command_name} -l 127.0.0.1:4003 -j 127.0.0.1:4001 -j 127.0.0.1:4002\n",
    example = "A node on every address of a machine that others know as 192.0.2.7:\n\n\
               \x20 {command_name} -l 0.0.0.0:4321 -a 192.0.2.7:4321 -j sky.example:4321",
    note = "Give every node of a lasting ring the same seeds, itself included: then a node that is started again\n\
            joins the ring that is there instead of founding a second one. A node looks for its seeds until it\n\
            has found one; names are resolved anew each time. One that is a seed itself creates the ring after four\n\
            seconds if no other is on one; of three seeds or more it must hear most first, itself included.",
    note = "SIGTERM, SIGINT and POST /leave have the node hand over what it holds and leave the ring; then it exits\n\
            with 0. A second signal ends it at once.",
    note = "Anyone who reaches the port can read and change everything: listen only where you trust the network.",
    error_code(1, "The node could not start, for instance because the port is in use."),
    error_code(2, "The command line was wrong."),
    error_code(130, "SIGINT came while the node was leaving already."),
    error_code(143, "SIGTERM came while the node was leaving already.")
)]
struct Arguments {
    /// address to listen on, ip:port, for UDP and HTTP; port 0 takes any free one and logs it (default 127.0.0.1:4321)
    #[argh(
        option,
        short = 'l',
        arg_name = "ip:port",
        from_str_fn(listen),
        default = "SocketAddr::from(([127, 0, 0, 1], 4321))"
    )]
    listen: SocketAddr,

    /// a node of the ring to join, name or address; may be given several times
    #[argh(option, short = 'j', arg_name = "host:port", from_str_fn(join))]
    join: Vec<String>,

    /// position on the ring, 32 hexadecimal digits (default: the hash of the advertised address)
    #[argh(option, short = 'i', arg_name = "id", from_str_fn(id))]
    id: Option<Id>,

    /// address that other nodes reach this one at (default: the one listened on)
    #[argh(option, short = 'a', arg_name = "ip:port", from_str_fn(advertise))]
    advertise: Option<SocketAddr>,

    /// name of the ring, 1 to 64 bytes: nodes of rings with other names are not heard (default sky)
    #[argh(option, arg_name = "name", from_str_fn(ring), default = "String::from(\"sky\")")]
    ring: String,

    /// how long the node may take to hand over what it holds when it is told to leave, 0 to 3600; 0 leaves at once
    /// (default 8, less than the 10 after which Docker kills)
    #[argh(option, arg_name = "seconds", from_str_fn(leave_timeout), default = "Config::default().leave_timeout")]
    leave_timeout: Duration,

    /// after how long a node that may be cut off answers again by itself: longer than any partition lasts, or keys get
    /// two histories (default: never, only after POST /reopen)
    #[argh(option, arg_name = "seconds", from_str_fn(reopen_after))]
    reopen_after: Option<Duration>,

    /// how many living nodes this one must know, itself included, to answer for any key (default 1)
    #[argh(option, arg_name = "n", from_str_fn(min_nodes), default = "Config::default().min_nodes")]
    min_nodes: usize,

    /// how much is written to standard error: error, warn, info, debug, trace or off (default info)
    #[argh(option, arg_name = "level", from_str_fn(level), default = "LevelFilter::Info")]
    log: LevelFilter,

    /// print the version and exit
    #[argh(switch)]
    version: bool,
}

/// What the command line asks for.
#[derive(Debug)]
pub struct Options {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Seeds, each a host and a port.
    pub join: Vec<String>,
    /// The node's id, if it is not to follow from the address.
    pub id: Option<Id>,
    /// Where others reach it, if not where it listens.
    pub advertise: Option<SocketAddr>,
    /// The name of the ring.
    pub ring: String,
    /// How long leaving may take.
    pub leave_timeout: Duration,
    /// After how long a silence ends by itself, if at all.
    pub reopen_after: Option<Duration>,
    /// How many living nodes it must know.
    pub min_nodes: usize,
    /// How much to log.
    pub log: LevelFilter,
}

/// Why the program ends before it has begun.
#[derive(Debug)]
pub enum Exit {
    /// It was asked to tell something, and here it is.
    Told(String),
    /// The command line is wrong, for the reason given in one line.
    Wrong(String),
}

/// Reads the command line; the first argument is the program's name.
pub fn read(arguments: impl Iterator<Item = OsString>) -> Result<Options, Exit> {
    let texts: Vec<String> = arguments
        .skip(1)
        .map(OsString::into_string)
        .collect::<Result<_, _>>()
        .map_err(|wrong| Exit::Wrong(format!("the argument {wrong:?} is not UTF-8")))?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let arguments = Arguments::from_args(&["skynode"], &texts).map_err(|early| match early.status {
        Ok(()) => Exit::Told(early.output),
        Err(()) => Exit::Wrong(one_line(&early.output)),
    })?;
    if arguments.version {
        return Err(Exit::Told(format!("skynode {}", env!("CARGO_PKG_VERSION"))));
    }
    let Arguments { listen, join, id, advertise, ring, leave_timeout, reopen_after, min_nodes, log, version: _ } =
        arguments;
    if listen.ip().is_unspecified() && advertise.is_none() {
        let text = format!(
            "{listen} stands for every address of this machine: say with --advertise ip:port which one others reach"
        );
        return Err(Exit::Wrong(text));
    }
    Ok(Options { listen, join, id, advertise, ring, leave_timeout, reopen_after, min_nodes, log })
}

/// What argh says over several lines, in one that also says where to read on.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    format!("{} (skynode --help tells more)", words.join(" ").trim_end_matches('.'))
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| String::from("an address is ip:port, like 127.0.0.1:4321 or [::1]:4321"))
}

fn advertise(text: &str) -> Result<SocketAddr, String> {
    let addr = listen(text)?;
    if addr.ip().is_unspecified() || addr.port() == 0 {
        return Err(String::from("others cannot reach that: name one address and its port, like 192.0.2.7:4321"));
    }
    Ok(addr)
}

fn join(text: &str) -> Result<String, String> {
    const SHAPE: &str = "a node to join is host:port, like sky.example:4321 or [2001:db8::7]:4321";
    let (host, port) = text.rsplit_once(':').ok_or(SHAPE)?;
    let port_is_right =
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let host_is_right = text.parse::<SocketAddr>().is_ok() || (!host.is_empty() && host.bytes().all(name));
    if port_is_right && host_is_right { Ok(text.to_owned()) } else { Err(String::from(SHAPE)) }
}

fn id(text: &str) -> Result<Id, String> {
    text.parse().map_err(|error: skynode::id::ParseIdError| error.to_string())
}

fn ring(text: &str) -> Result<String, String> {
    match text.len() {
        1..=RING_MAX => Ok(text.to_owned()),
        _ => Err(format!("the name of a ring is 1 to {RING_MAX} bytes long")),
    }
}

fn leave_timeout(text: &str) -> Result<Duration, String> {
    seconds(text, LEAVE_TIMES).ok_or_else(|| String::from("the time for leaving is 0 to 3600 seconds, like 8 or 2.5"))
}

fn reopen_after(text: &str) -> Result<Duration, String> {
    let wrong = || String::from("the time until a node reopens is 1 to 31536000 seconds, a year, like 3600");
    seconds(text, REOPEN_TIMES).ok_or_else(wrong)
}

/// Whole or decimal seconds, written without sign and exponent.
fn seconds(text: &str, range: RangeInclusive<f64>) -> Option<Duration> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds = text.parse().ok().filter(|seconds| is_plain && range.contains(seconds))?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn min_nodes(text: &str) -> Result<usize, String> {
    // A node counts itself and its successors.
    let most = Config::default().successors + 1;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| is_plain && (1..=most).contains(number));
    number.ok_or_else(|| format!("a node can wait for 1 to {most} living nodes: that many it knows, itself included"))
}

fn level(text: &str) -> Result<LevelFilter, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read_texts(texts: &[&str]) -> Result<Options, Exit> {
        read(["skynode"].iter().chain(texts).map(OsString::from))
    }

    fn wrong(texts: &[&str]) -> String {
        match read_texts(texts) {
            Err(Exit::Wrong(text)) => text,
            other => panic!("{texts:?}: {other:?}"),
        }
    }

    #[test]
    fn nothing_given_is_a_ring_of_one_on_this_machine() {
        let options = read_texts(&[]).unwrap();
        assert_eq!(options.listen.to_string(), "127.0.0.1:4321");
        assert!(options.join.is_empty() && options.id.is_none() && options.advertise.is_none());
        assert_eq!((options.ring.as_str(), options.log), ("sky", LevelFilter::Info));
        assert_eq!((options.leave_timeout, options.reopen_after), (Duration::from_secs(8), None));
        assert_eq!(options.min_nodes, 1);
    }

    #[test]
    fn every_option_is_read() {
        #[rustfmt::skip]
        let options = read_texts(&[
            "-l", "[::]:0", "-j", "a.example:1", "--join", "[::1]:65535", "-i", "000102030405060708090a0b0c0d0e0f",
            "-a", "192.0.2.7:4", "--ring", "mine", "--log", "trace", "--leave-timeout", "0.25",
            "--reopen-after", "3600", "--min-nodes", "9",
        ]);
        let options = options.unwrap();
        assert_eq!(options.listen, "[::]:0".parse().unwrap());
        assert_eq!(options.join, ["a.example:1", "[::1]:65535"]);
        assert_eq!(options.id.unwrap().to_string(), "000102030405060708090a0b0c0d0e0f");
        assert_eq!(options.advertise, Some("192.0.2.7:4".parse().unwrap()));
        assert_eq!((options.ring.as_str(), options.log), ("mine", LevelFilter::Trace));
        assert_eq!(options.leave_timeout, Duration::from_millis(250));
        assert_eq!((options.reopen_after, options.min_nodes), (Some(Duration::from_secs(3600)), 9));
        assert_eq!(read_texts(&["--leave-timeout", "0"]).unwrap().leave_timeout, Duration::ZERO);
        assert_eq!(read_texts(&["--leave-timeout", "3600"]).unwrap().leave_timeout, Duration::from_secs(3600));
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line_with_what_is_allowed() {
        for (texts, part) in [
            (&["--fast"][..], "--fast"),
            (&["stray"], "stray"),
            (&["-l"], "--help"),
            (&["-l", "nonsense"], "ip:port"),
            (&["-l", "127.0.0.1"], "ip:port"),
            (&["-l", "127.0.0.1:65536"], "ip:port"),
            (&["-l", "localhost:4321"], "ip:port"),
            (&["-l", "0.0.0.0:4321"], "--advertise"),
            (&["-l", "[::]:4321"], "--advertise"),
            (&["-l", "127.0.0.1:1", "-l", "127.0.0.1:2"], "duplicate"),
            (&["-j", "sky.example"], "host:port"),
            (&["-j", "sky.example:"], "host:port"),
            (&["-j", "sky.example:0"], "host:port"),
            (&["-j", "sky.example:+1"], "host:port"),
            (&["-j", ":4321"], "host:port"),
            (&["-j", "::1:4321"], "host:port"),
            (&["-j", "a b:4321"], "host:port"),
            (&["-i", "12"], "32 hexadecimal digits"),
            (&["-i", "g00102030405060708090a0b0c0d0e0f"], "32 hexadecimal digits"),
            (&["-a", "0.0.0.0:4321"], "others cannot reach"),
            (&["-a", "192.0.2.7:0"], "others cannot reach"),
            (&["--ring", ""], "1 to 64 bytes"),
            (&["--ring", &"x".repeat(65)], "1 to 64 bytes"),
            (&["--leave-timeout", ""], "0 to 3600 seconds"),
            (&["--leave-timeout", "-1"], "0 to 3600 seconds"),
            (&["--leave-timeout", "1e3"], "0 to 3600 seconds"),
            (&["--leave-timeout", "inf"], "0 to 3600 seconds"),
            (&["--leave-timeout", "8s"], "0 to 3600 seconds"),
            (&["--leave-timeout", "1.2.3"], "0 to 3600 seconds"),
            (&["--leave-timeout", "3600.1"], "0 to 3600 seconds"),
            (&["--reopen-after", "0.9"], "1 to 31536000 seconds"),
            (&["--reopen-after", "31536001"], "1 to 31536000 seconds"),
            (&["--reopen-after", "never"], "1 to 31536000 seconds"),
            (&["--min-nodes", "0"], "1 to 9 living nodes"),
            (&["--min-nodes", "10"], "1 to 9 living nodes"),
            (&["--min-nodes", "+3"], "1 to 9 living nodes"),
            (&["--log", "loud"], "error, warn, info, debug, trace, off"),
        ] {
            let text = wrong(texts);
            assert!(text.contains(part) && !text.contains('\n'), "{texts:?}: {text}");
        }
    }

    #[test]
    fn an_argument_that_is_no_text_is_refused() {
        use std::os::unix::ffi::OsStringExt;
        let arguments = [OsString::from("skynode"), OsString::from_vec(vec![0xff])];
        assert!(matches!(read(arguments.into_iter()), Err(Exit::Wrong(_))));
    }

    #[test]
    fn help_is_a_manual_and_version_a_line() {
        let Err(Exit::Told(help)) = read_texts(&["--help"]) else { panic!("help is told") };
        for part in ["Usage: skynode", "--listen", "Examples:", "curl", "Error codes:", "  2 "] {
            assert!(help.contains(part), "{part} is missing: {help}");
        }
        let Err(Exit::Told(version)) = read_texts(&["--version"]) else { panic!("the version is told") };
        assert_eq!(version, format!("skynode {}", env!("CARGO_PKG_VERSION")));
    }
}
