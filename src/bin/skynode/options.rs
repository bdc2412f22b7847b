//! The command line.

use argh::FromArgs;
use log::LevelFilter;
use skynode::id::Id;
use std::ffi::OsString;
use std::net::SocketAddr;

/// The longest name of a ring, in bytes.
const RING_MAX: usize = 64;

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
            has found one; names are resolved anew each time.",
    note = "Anyone who reaches the port can read and change everything: listen only where you trust the network.",
    error_code(1, "The node could not start, for instance because the port is in use."),
    error_code(2, "The command line was wrong.")
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
    let Arguments { listen, join, id, advertise, ring, log, version: _ } = arguments;
    if listen.ip().is_unspecified() && advertise.is_none() {
        let text = format!(
            "{listen} stands for every address of this machine: say with --advertise ip:port which one others reach"
        );
        return Err(Exit::Wrong(text));
    }
    Ok(Options { listen, join, id, advertise, ring, log })
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
    }

    #[test]
    fn every_option_is_read() {
        #[rustfmt::skip]
        let options = read_texts(&[
            "-l", "[::]:0", "-j", "a.example:1", "--join", "[::1]:65535", "-i", "000102030405060708090a0b0c0d0e0f",
            "-a", "192.0.2.7:4", "--ring", "mine", "--log", "trace",
        ]);
        let options = options.unwrap();
        assert_eq!(options.listen, "[::]:0".parse().unwrap());
        assert_eq!(options.join, ["a.example:1", "[::1]:65535"]);
        assert_eq!(options.id.unwrap().to_string(), "000102030405060708090a0b0c0d0e0f");
        assert_eq!(options.advertise, Some("192.0.2.7:4".parse().unwrap()));
        assert_eq!((options.ring.as_str(), options.log), ("mine", LevelFilter::Trace));
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
