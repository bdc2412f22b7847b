//! The command line, and the environment where it says nothing.

mod values;

use argh::FromArgs;
use log::LevelFilter;
use skynode::config::{Config, MemoryFrom};
use skynode::http::host::Hosts;
use skynode::http::origin::Origins;
use skynode::id::Id;
use skynode::limits::{MEMORY_DEFAULT, PORT_DEFAULT, VALUE_MAX};
use skynode::udp::Http;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use values::{
    advertise, cors, data, host, http, id, join, leave_timeout, level, listen, max_memory, max_value, min_nodes,
    reopen_after, ring, wait,
};

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
    example = "Three nodes on this machine, each told the same seeds:\n\n\
               \x20 {command_name} -l 127.0.0.1:4321 -j 127.0.0.1:4321 -j 127.0.0.1:4322\n\
               \x20 {command_name} -l 127.0.0.1:4322 -j 127.0.0.1:4321 -j 127.0.0.1:4322\n\
               \x20 {command_name} -l 127.0.0.1:4323 -j 127.0.0.1:4321 -j 127.0.0.1:4322\n",
    example = "A node on every address of its machine, which it learns from the node that it joins through; and\n\
               the same told by the environment:\n\n\
               \x20 {command_name} -l 0.0.0.0:4321 -j sky.example:4321\n\
               \x20 SKY_LISTEN=0.0.0.0:4321 SKY_JOIN=sky.example:4321,sky2.example:4321 {command_name}",
    note = "Give every node of a lasting ring the same seeds, itself included: then a node that is started again\n\
            joins the ring that is there instead of founding a second one. A node looks for its seeds until it\n\
            has found one; names are resolved anew each time. A node that is a seed itself creates the ring if no\n\
            seed is on one; of three seeds or more it must hear most first, itself included.",
    note = "SIGTERM, SIGINT and POST /leave have the node hand over what it holds and leave the ring; then it exits\n\
            with 0. A second signal ends it at once.",
    note = "What is not given here is taken from the environment, where every flag but --alone, --check, --tied,\n\
            --version and --wait has a variable:\n\
            SKY_LISTEN, SKY_JOIN, SKY_HOST and SKY_CORS (several separated by commas), SKY_ADVERTISE,\n\
            SKY_HTTP, SKY_ID, SKY_RING, SKY_LEAVE_TIMEOUT, SKY_REOPEN_AFTER, SKY_MIN_NODES, SKY_MAX_VALUE,\n\
            SKY_MAX_MEMORY, SKY_DATA, SKY_LOG. An empty one counts as not there.",
    note = "A node that listens on 0.0.0.0 or [::] asks its seeds which address they see, and takes that for its own;\n\
            one without seeds takes the address from which its machine would reach the Internet. It follows when its\n\
            machine gets another one. --advertise says it instead, once and for all.",
    note = "With --data a ring that was stopped or killed as a whole comes back with all that it held. A node that is\n\
            started again serves nothing until the nodes that stood beside it are back, or until a complete ring\n\
            takes it in: its log and GET /readyz name them. If they are gone for good: POST /reopen, or --alone.",
    note = "Anyone who reaches the port can read and change everything: listen only where you trust the network.",
    error_code(1, "The node could not start, for instance because the port is in use; with --check: it is not ready."),
    error_code(2, "The command line or the environment was wrong."),
    error_code(130, "SIGINT came while the node was leaving already."),
    error_code(143, "SIGTERM came while the node was leaving already.")
)]
struct Arguments {
    /// address to listen on, ip:port, for UDP and HTTP; port 0 takes any free one and logs it (default 127.0.0.1:4321)
    #[argh(option, short = 'l', arg_name = "ip:port", from_str_fn(listen))]
    listen: Option<SocketAddr>,

    /// a node of the ring to join, name or address; may be given several times
    #[argh(option, short = 'j', arg_name = "host:port", from_str_fn(join))]
    join: Vec<String>,

    /// address that other nodes reach this one at (default: the one listened on; if that is 0.0.0.0 or [::], the one
    /// that the nodes to join see)
    #[argh(option, short = 'a', arg_name = "ip:port", from_str_fn(advertise))]
    advertise: Option<SocketAddr>,

    /// where HTTP is served: another address than the one listened on, or off
    #[argh(option, arg_name = "ip:port|off", from_str_fn(http))]
    http: Option<Http>,

    /// a name with dots that people use for this node in URLs; requests to other such names are refused with 421, as
    /// they may come from a page that had its own name point here; may be given several times
    #[argh(option, arg_name = "name", from_str_fn(host))]
    host: Vec<String>,

    /// origin of another site whose pages may read and change everything here, like https://app.example, as browsers
    /// send it; may be given several times, or several separated by commas (default: none)
    #[argh(option, arg_name = "origin", from_str_fn(cors))]
    cors: Vec<Vec<String>>,

    /// position on the ring, 32 hexadecimal digits (default: the hash of the advertised address)
    #[argh(option, short = 'i', arg_name = "id", from_str_fn(id))]
    id: Option<Id>,

    /// name of the ring, 1 to 64 bytes: nodes of rings with other names are not heard (default sky)
    #[argh(option, arg_name = "name", from_str_fn(ring))]
    ring: Option<String>,

    /// how long the node may take to hand over what it holds when it is told to leave, 0 to 3600; 0 leaves at once
    /// (default 8, less than the 10 after which Docker kills)
    #[argh(option, arg_name = "seconds", from_str_fn(leave_timeout))]
    leave_timeout: Option<Duration>,

    /// after how long an isolated node, which may be cut off from a larger ring, serves again by itself: longer than
    /// any partition lasts, or keys get two histories (default: never, only after POST /reopen)
    #[argh(option, arg_name = "seconds", from_str_fn(reopen_after))]
    reopen_after: Option<Duration>,

    /// how many living nodes this one must know, itself included, to serve any key (default 1)
    #[argh(option, arg_name = "n", from_str_fn(min_nodes))]
    min_nodes: Option<usize>,

    /// longest value that clients may write through this node, in bytes, 512 to 1048576 (default 1048576)
    #[argh(option, arg_name = "bytes", from_str_fn(max_value))]
    max_value: Option<usize>,

    /// how much memory the entries may take, in MiB, 4 to 1048576; beyond it writes are refused with 507 (default 128,
    /// or what the limits of the process leave)
    #[argh(option, arg_name = "MiB", from_str_fn(max_memory))]
    max_memory: Option<usize>,

    /// directory in which the node saves what it holds, made if it is not there; one for each node. A write is on the
    /// disk of every node that holds it before it is acknowledged (default: memory only)
    #[argh(option, short = 'd', arg_name = "dir", from_str_fn(data))]
    data: Option<PathBuf>,

    /// with --data: serve without waiting for the nodes that stood beside this one when it ended. Only if they are gone
    /// for good, or this node holds the newest of everything
    #[argh(switch)]
    alone: bool,

    /// how much is written to standard error: error, warn, info, debug, trace or off (default info)
    #[argh(option, arg_name = "level", from_str_fn(level))]
    log: Option<LevelFilter>,

    /// start no node, but ask the one with these flags whether it is ready: exits with 0 if it is, with 1 and a line
    /// that says why if it is not, after 3 seconds at most
    #[argh(switch)]
    check: bool,

    /// with --check: for how many seconds to ask again while the node is not ready, 0 to 3600 (default 0). A reason
    /// that lasts is written to standard error once
    #[argh(option, arg_name = "seconds", from_str_fn(wait))]
    wait: Option<Duration>,

    /// end at once, without leaving the ring, when standard input is closed: for a program that starts nodes and must
    /// not leave them behind, as skyctl up does
    #[argh(switch)]
    tied: bool,

    /// print the version and exit
    #[argh(switch)]
    version: bool,
}

/// What the command line and the environment ask for.
#[derive(Debug)]
pub struct Options {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Seeds, each a host and a port.
    pub join: Vec<String>,
    /// Where others reach it, if not where it listens.
    pub advertise: Option<SocketAddr>,
    /// Where people are served.
    pub http: Http,
    /// Under which names.
    pub hosts: Hosts,
    /// The other sites whose pages may use it.
    pub origins: Origins,
    /// The node's id, if it is not to follow from the address.
    pub id: Option<Id>,
    /// What can be set of a node itself.
    pub config: Config,
    /// Where to save what the node holds.
    pub data: Option<PathBuf>,
    /// Wait for nobody.
    pub alone: bool,
    /// How much to log.
    pub log: LevelFilter,
    /// Do not start a node, but ask whether it is ready.
    pub check: bool,
    /// For how long to ask again.
    pub wait: Duration,
    /// End with standard input.
    pub tied: bool,
}

/// Why the program ends before it has begun.
#[derive(Debug)]
pub enum Exit {
    /// It was asked to tell something, and here it is.
    Told(String),
    /// The command line is wrong, for the reason given in one line.
    Wrong(String),
}

/// Reads the command line, whose first argument is the program's name; what it does not say, the environment may.
///
/// # Errors
/// With what the program has to say instead of starting.
pub fn read(
    arguments: impl Iterator<Item = OsString>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Options, Exit> {
    let texts: Vec<String> = arguments
        .skip(1)
        .map(OsString::into_string)
        .collect::<Result<_, _>>()
        .map_err(|wrong| Exit::Wrong(format!("the argument {wrong:?} is not UTF-8")))?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let arguments = Arguments::from_args(&["skynode"], &texts).map_err(|early| match early.status {
        Ok(()) => Exit::Told(early.output),
        Err(()) => Exit::Wrong(wrong_arguments(&texts, &early.output)),
    })?;
    if arguments.version {
        return Err(Exit::Told(format!("skynode {}", env!("CARGO_PKG_VERSION"))));
    }
    let given = Given { environment };
    let Config { ring: ring_name, leave_timeout: leaves_within, min_nodes: nodes, .. } = Config::default();
    let memory = given.one(arguments.max_memory, "SKY_MAX_MEMORY", max_memory)?;
    let config = Config {
        ring: given.one(arguments.ring, "SKY_RING", ring)?.unwrap_or(ring_name),
        leave_timeout: given.one(arguments.leave_timeout, "SKY_LEAVE_TIMEOUT", leave_timeout)?.unwrap_or(leaves_within),
        reopen_after: given.one(arguments.reopen_after, "SKY_REOPEN_AFTER", reopen_after)?,
        min_nodes: given.one(arguments.min_nodes, "SKY_MIN_NODES", min_nodes)?.unwrap_or(nodes),
        value_max: given.one(arguments.max_value, "SKY_MAX_VALUE", max_value)?.unwrap_or(VALUE_MAX),
        memory_max: memory.unwrap_or(MEMORY_DEFAULT),
        memory_from: if memory.is_some() { MemoryFrom::Flag } else { MemoryFrom::Default },
        ..Config::default()
    };
    let directory = given.one(arguments.data, "SKY_DATA", data)?;
    if arguments.alone && directory.is_none() {
        return Err(Exit::Wrong(String::from("--alone says something of what was saved: it needs --data")));
    }
    if arguments.wait.is_some() && !arguments.check {
        return Err(Exit::Wrong(String::from("--wait says how long to ask: it needs --check")));
    }
    let listens = given.one(arguments.listen, "SKY_LISTEN", listen)?;
    Ok(Options {
        listen: listens.unwrap_or(SocketAddr::from(([127, 0, 0, 1], PORT_DEFAULT))),
        join: given.several(arguments.join, "SKY_JOIN", join)?,
        advertise: given.one(arguments.advertise, "SKY_ADVERTISE", advertise)?,
        http: given.one(arguments.http, "SKY_HTTP", http)?.unwrap_or(Http::Beside),
        hosts: given.several(arguments.host, "SKY_HOST", host)?.into_iter().collect(),
        origins: given.several(arguments.cors, "SKY_CORS", cors)?.into_iter().flatten().collect(),
        id: given.one(arguments.id, "SKY_ID", id)?,
        config,
        data: directory,
        alone: arguments.alone,
        log: given.one(arguments.log, "SKY_LOG", level)?.unwrap_or(LevelFilter::Info),
        check: arguments.check,
        wait: arguments.wait.unwrap_or_default(),
        tied: arguments.tied,
    })
}

/// What the environment gives for a flag that the command line leaves out.
struct Given<E> {
    environment: E,
}

impl<E: Fn(&str) -> Option<OsString>> Given<E> {
    /// The text of a variable; an empty one counts as none, as files that describe containers cannot leave one out.
    fn text(&self, name: &str) -> Result<Option<String>, Exit> {
        let text = (self.environment)(name).filter(|text| !text.is_empty()).map(OsString::into_string);
        text.transpose().map_err(|wrong| Exit::Wrong(format!("{name}={wrong:?} in the environment is not UTF-8")))
    }

    fn one<T>(&self, flag: Option<T>, name: &str, read: fn(&str) -> Result<T, String>) -> Result<Option<T>, Exit> {
        if flag.is_some() {
            return Ok(flag);
        }
        self.text(name)?.map(|text| read(&text).map_err(|error| wrong(name, &text, &error))).transpose()
    }

    fn several<T>(&self, flags: Vec<T>, name: &str, read: fn(&str) -> Result<T, String>) -> Result<Vec<T>, Exit> {
        if !flags.is_empty() {
            return Ok(flags);
        }
        let text = self.text(name)?.unwrap_or_default();
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| read(part).map_err(|error| wrong(name, part, &error))).collect()
    }
}

fn wrong(name: &str, text: &str, error: &str) -> Exit {
    Exit::Wrong(format!("{name}={text:?} in the environment: {error} (skynode --help tells more)"))
}

/// What is wrong with the command line.
fn wrong_arguments(texts: &[&str], said: &str) -> String {
    match said.trim().strip_prefix("Unrecognized argument: ") {
        Some(word) if word.starts_with('-') => format!("no flag {word:?} (skynode --help lists them)"),
        Some(word) if texts.first() == Some(&word) => {
            format!(
                "no command {word:?}: skynode starts a node, and takes flags only (skynode --help); see skyctl --help"
            )
        }
        Some(word) => format!("{word:?} is no flag, and belongs to none (skynode --help lists them)"),
        None => one_line(said),
    }
}

/// What argh says over several lines, in one that also says where to read on.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    format!("{} (skynode --help tells more)", words.join(" ").trim_end_matches('.'))
}

#[cfg(test)]
mod tests;
