//! The node: command line, logger, sockets, and the tasks that make it: one for other nodes, one for people, one for
//! signals.

mod check;
mod logger;
mod memory;
mod options;
mod relay;
mod room;
mod signals;

use async_signal::Signals;
use log::{info, warn};
use options::{Exit, Options};
use relay::Relay;
use skynode::config::Config;
use skynode::disk::{Disk, Saver};
use skynode::handle::{Handle, Request};
use skynode::http::serve::{Limits, serve};
use skynode::http::site::Site;
use skynode::node::{Identity, Node, Record};
use skynode::store::Store;
use skynode::udp::{
    Driver, Http, IN_USE, LISTENING, Sockets, answer_until, bind, entropy, lacks_ipv6, now, outward_address,
    seen_address,
};
use smol::channel::Receiver;
use smol::{LocalExecutor, Task, future};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::thread;

fn main() -> ExitCode {
    let relay = match Relay::start() {
        Ok(relay) => relay,
        Err(text) => return fail(1, &text),
    };
    let code = begin(relay.is_terminal());
    relay.end();
    code
}

fn begin(with_colors: bool) -> ExitCode {
    let options = match options::read(std::env::args_os(), |name| std::env::var_os(name)) {
        Ok(options) => options,
        Err(Exit::Told(text)) => return tell(&text),
        Err(Exit::Wrong(text)) => return fail(2, &text),
    };
    if options.check {
        return match check::check(options.listen, options.http, options.wait) {
            Ok(text) => tell(&text),
            Err(text) => fail(1, &text),
        };
    }
    match run(options, with_colors) {
        Ok(code) => code,
        Err(text) => fail(1, &text),
    }
}

fn tell(text: &str) -> ExitCode {
    // A reader that has gone away, as `head` does, is no failure.
    let _ = writeln!(io::stdout(), "{}", text.trim_end());
    ExitCode::SUCCESS
}

fn fail(code: u8, text: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "skynode: {text}");
    ExitCode::from(code)
}

fn run(mut options: Options, with_colors: bool) -> Result<ExitCode, String> {
    logger::start(options.log, with_colors)?;
    room::look()?;
    let mut signals = signals::catch()?;
    let shares = memory::share(options.config.memory_max, options.config.memory_from);
    (options.config.memory_max, options.config.memory_from) = (shares.entries, shares.from);
    if let Some(warning) = &shares.warning {
        warn!("{warning}");
    }
    let Sockets { udp, tcp, addr } = bind(options.listen, options.http).map_err(not_bound)?;
    let served_at = tcp.as_ref().map(TcpListener::local_addr).transpose().map_err(no_tcp)?;
    let executor = Rc::new(LocalExecutor::new());
    let lifeline = options.tied.then(signals::Lifeline::new).transpose()?;
    let cut = async {
        match lifeline {
            Some(lifeline) => Ok(lifeline.cut().await),
            None => future::pending().await,
        }
    };
    let life = executor.run(async {
        // People are answered from now on, if only that there is no node yet.
        let way = Handle::new();
        let served = tcp.map(|tcp| {
            let (own, handle, value_max) = (Rc::clone(&executor), way.0.clone(), options.config.value_max);
            let (hosts, origins) = (options.hosts.clone(), options.origins.clone());
            let limits = Limits { value_max, ..Limits::default() }.within_files().within_memory(shares.bodies);
            let site = Site { hosts, origins, ..Site::default() };
            executor.spawn(async move { serve(&own, tcp, handle, site, limits).await })
        });
        let advertised = own_address(&options, &udp, addr, &way.1);
        let born = async { Some(advertised.await) };
        let Some(advertised) = future::or(born, signals::end_before_birth(&mut signals)).await else {
            return Ok(ExitCode::SUCCESS);
        };
        let places = Places { advertised: advertised?, listens: addr, served_at };
        live(&executor, (options, shares.saved), (udp, served), places, way, signals).await
    });
    smol::block_on(future::or(cut, life))
}

fn no_tcp(error: io::Error) -> String {
    format!("the TCP socket cannot be used: {error}")
}

fn not_bound((protocol, addr, error): (&str, SocketAddr, io::Error)) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let other = "end the program that listens there, or choose another with --listen or --http";
            format!("{addr} {IN_USE} ({protocol}): {other}")
        }
        _ if addr.is_ipv6() && lacks_ipv6(&error) => {
            let port = addr.port();
            let why = "this machine has no such address, or its IPv6 is off";
            format!("cannot listen on {addr} ({protocol}): {why}; 0.0.0.0:{port} stands for all of IPv4")
        }
        _ => format!("cannot listen on {addr} ({protocol}): {error}"),
    }
}

fn fresh_entropy() -> Result<[u8; 32], String> {
    entropy().map_err(no_random)
}

fn no_random(error: io::Error) -> String {
    format!("the system has no random numbers: {error}")
}

/// The address that other nodes reach this one at: as told, or where it listens, or as others see it.
async fn own_address(
    options: &Options,
    udp: &UdpSocket,
    addr: SocketAddr,
    requests: &Receiver<Request>,
) -> Result<SocketAddr, String> {
    match options.advertise {
        Some(advertised) => Ok(advertised),
        None if !addr.ip().is_unspecified() => Ok(addr),
        None if options.join.is_empty() => outward_address(addr).ok_or_else(|| {
            format!("{addr} stands for every address of this machine, and none leads out: name one with --advertise")
        }),
        None => {
            let seen = seen_address(udp, &options.join, &options.config, requests).await;
            seen.map_err(|error| format!("the UDP socket cannot be used: {error}"))
        }
    }
}

/// That it listens: where people reach it, and other nodes.
fn listening(http: Option<SocketAddr>, advertised: SocketAddr, udp: SocketAddr) -> String {
    let mut text = match http {
        None => format!("listening on UDP {udp}, HTTP is off"),
        Some(http) if http == advertised => format!("{LISTENING}{http}/ (UDP on the same port)"),
        Some(http) => format!("{LISTENING}{http}/ and UDP {udp}"),
    };
    if udp != advertised {
        text += &match http == Some(advertised) {
            true => format!(", bound to {udp}"),
            false => format!(", advertised as {advertised}"),
        };
    }
    text
}

/// Opens the directory of a node.
fn open(
    dir: &Path,
    config: &Config,
    most: Option<usize>,
    alone: bool,
) -> Result<(Disk, Store, Option<Record>), String> {
    let (disk, store, record) = Disk::open_within(dir, config.memory_max, most.unwrap_or(usize::MAX))?;
    if let Some(other) = record.as_ref().map(Record::ring).filter(|ring| *ring != config.ring) {
        let (dir, ring) = (dir.display(), &config.ring);
        return Err(format!("{dir} belongs to a node of the ring {other}, and this one is of {ring}: see --ring"));
    }
    Ok((disk, store, if alone { record.map(Record::alone) } else { record }))
}

/// The stack of the thread that reads what was saved, which counts where little address space is left.
const READER_STACK: usize = 512 << 10;

/// The same on a thread of its own, which has ended by then: to read much takes time.
async fn open_beside(
    dir: PathBuf,
    config: Config,
    most: Option<usize>,
    alone: bool,
) -> Result<(Saver, Store, Option<Record>), String> {
    let (done, opened) = smol::channel::bounded(1);
    let work = move || drop(done.send_blocking(open(&dir, &config, most, alone)));
    let thread = thread::Builder::new().stack_size(READER_STACK).spawn(work).map_err(no_thread)?;
    let opened = opened.recv().await;
    // Nothing but its end is left of it.
    drop(thread.join());
    let (disk, store, record) = opened.map_err(|_| "the disk's thread has ended unasked")??;
    Ok((disk.start().map_err(no_thread)?, store, record))
}

fn no_thread(error: io::Error) -> String {
    format!("no thread can be started for the disk: {error}{}", room::advice(&error))
}

/// Where a node is.
struct Places {
    /// Other nodes reach it there.
    advertised: SocketAddr,
    /// It listens there.
    listens: SocketAddr,
    /// It listens there for people, if it does.
    served_at: Option<SocketAddr>,
}

/// Runs the node until it has left its ring, or is told to end at once.
async fn live(
    executor: &Rc<LocalExecutor<'static>>,
    (options, most): (Options, Option<usize>),
    (udp, served): (UdpSocket, Option<Task<io::Result<()>>>),
    Places { advertised, listens, served_at }: Places,
    way: (Handle, Receiver<Request>),
    mut signals: Signals,
) -> Result<ExitCode, String> {
    let Options { join, advertise, config, id, http, data, alone, .. } = options;
    // One that listens everywhere and was told no address has found out its own, and may find out another.
    let follows_address = advertise.is_none() && listens.ip().is_unspecified();
    let config = Config { follows_address, measures_paths: true, ..config };
    let people = if http == Http::Beside { Some(advertised) } else { served_at };
    info!("{}", listening(people, advertised, listens));
    let (seeded, entropy) = (!join.is_empty(), fresh_entropy()?);
    let (node, saver) = match data {
        None => (Node::new(config, Identity { addr: advertised, id }, seeded, entropy, now()), None),
        Some(dir) => {
            let opened = async { Some(open_beside(dir, config.clone(), most, alone).await) };
            let opened = future::or(opened, signals::end_before_birth(&mut signals));
            let opened = answer_until(&config, listens, &way.1, opened).await.map_err(no_random)?;
            let Some(opened) = opened else { return Ok(ExitCode::SUCCESS) };
            let (saver, store, record) = opened?;
            // Where it stood it stands again, under whatever address.
            let id = id.or_else(|| record.as_ref().map(Record::id));
            let identity = Identity { addr: advertised, id };
            (Node::with_disk(config, identity, seeded, entropy, now(), (store, record)), Some(saver))
        }
    };
    let handle = way.0.clone();
    let driver = Driver::reached_by(way, node, udp, join, saver)
        .map_err(|error| format!("the UDP socket cannot be used: {error}"))?;
    // Tasks of their own, so that what wakes one does not poll the other.
    let driven = executor.spawn(driver.run());
    let told_to_end = executor.spawn(signals::obey(signals, handle));
    let left = async {
        // The server ends after the node, once the last answers are sent.
        if let Some(served) = served {
            served.await.map_err(no_tcp)?;
        }
        driven.await;
        Ok(ExitCode::SUCCESS)
    };
    future::or(left, async { Ok(told_to_end.await) }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_node_that_listens_names_each_address_once() {
        let addr = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (own, any, seen) = (addr("127.0.0.1:7001"), addr("0.0.0.0:7001"), addr("192.0.2.7:7001"));
        let other = addr("127.0.0.1:8080");
        for (http, advertised, udp, expected) in [
            (Some(own), own, own, "listening on http://127.0.0.1:7001/ (UDP on the same port)"),
            (
                Some(seen),
                seen,
                any,
                "listening on http://192.0.2.7:7001/ (UDP on the same port), bound to 0.0.0.0:7001",
            ),
            (Some(other), own, own, "listening on http://127.0.0.1:8080/ and UDP 127.0.0.1:7001"),
            (None, own, own, "listening on UDP 127.0.0.1:7001, HTTP is off"),
            (None, seen, any, "listening on UDP 0.0.0.0:7001, HTTP is off, advertised as 192.0.2.7:7001"),
        ] {
            assert_eq!(listening(http, advertised, udp), expected);
        }
    }
}
