//! Seeds: names and addresses that become addresses, and what is found at those that are silent.

use super::notes::Notes;
use super::probe::{Probed, probe_all};
use crate::handle::{Found, Handle, Seed};
use crate::node::{Command, Node};
use log::{debug, info};
use smol::channel::Receiver;
use smol::{Task, Timer, future};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// How long names are resolved before the addresses found so far are used.
const RESOLVE_TIME: Duration = Duration::from_secs(5);

/// From this try on it is found out by TCP what is at seeds that are silent by UDP, and told why the node cannot join.
pub const TELLING_TRY: u32 = 3;

/// Addresses that are asked by TCP at one try.
const PROBES_MAX: usize = 8;

/// Addresses of seeds of which something is noted.
pub const NOTED_MAX: usize = 64;

/// Where the node is that looks for its seeds.
#[derive(Clone, Copy, Debug)]
pub struct Here {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The address that others reach it at, once that is known.
    pub me: Option<SocketAddr>,
}

impl Here {
    /// True of an address that is this node's own: nothing else can have its port on this machine's loopback addresses
    /// if it listens on all addresses.
    pub fn is_me(&self, addr: SocketAddr) -> bool {
        let on_loopback = self.listen.ip().is_unspecified() && addr.ip().is_loopback();
        self.me == Some(addr) || self.listen == addr || (on_loopback && addr.port() == self.listen.port())
    }

    /// What is to be expected of a seed with this address, before it was asked.
    fn expects(&self, name: &str, addr: SocketAddr) -> Found {
        let (listen, ip) = (self.listen.ip(), addr.ip());
        let only_v6 = listen.is_ipv6() && !listen.is_unspecified();
        match () {
            () if listen.is_ipv4() != ip.is_ipv4() && (listen.is_ipv4() || only_v6) => Found::OtherFamily,
            () if listen.is_loopback() && !ip.is_loopback() => Found::OutOfLoopback,
            () if !listen.is_loopback() && leads_home(name, addr) && !self.is_me(addr) => Found::Loopback,
            () => Found::Asked,
        }
    }
}

/// True of a name that other machines may use as well, but which stands for a loopback address here: as the installers
/// of some systems write a machine's own name into its `/etc/hosts`.
pub fn leads_home(name: &str, addr: SocketAddr) -> bool {
    let host = name.rsplit_once(':').map_or(name, |(host, _)| host).trim_end_matches('.');
    let is_local = host == "localhost" || host.ends_with(".localhost") || host.ends_with(".localdomain");
    addr.ip().is_loopback() && name.parse::<SocketAddr>().is_err() && !is_local
}

/// What the node wants of its seeds.
#[derive(Debug)]
pub struct Wanted {
    /// How many tries have failed before; `None` if it has a place on a ring.
    pub tries: Option<u32>,
    /// Those that have answered of late.
    pub answered: Vec<SocketAddr>,
}

impl Wanted {
    /// What this node wants.
    pub fn of(node: &Node, tries: Option<u32>) -> Self {
        let answered = node.seeking().map(|seeking| seeking.answered).unwrap_or_default();
        Self { tries, answered: answered.into_iter().map(|(addr, _)| addr).collect() }
    }
}

/// Resolves the seeds anew whenever the node wants them, and hands it all addresses found. What is found out about
/// those that are silent is noted, if there are notes. Never ends by itself.
pub async fn resolve<T>(
    seeds: Vec<String>,
    here: Here,
    wanted: Receiver<Wanted>,
    handle: Handle,
    notes: Option<Notes>,
) -> T {
    while let Ok(Wanted { tries, answered }) = wanted.recv().await {
        let number = tries.map_or(0, |tries| tries.saturating_add(1));
        match number {
            // A node that has its place looks once a minute, and of that there is nothing to tell.
            0 => {}
            1..TELLING_TRY => info!("looking for the ring at {} (try {number})", seeds.join(", ")),
            _ => debug!("looking for the ring at {} (try {number})", seeds.join(", ")),
        }
        let found = look(&seeds, here).await;
        if handle.tell(Command::Seeds(addresses(&found, here))).await.is_err() {
            break;
        }
        if let Some(notes) = notes.as_ref().filter(|_| tries.is_some()) {
            notes.set(found);
            if number >= TELLING_TRY {
                look_closer(notes, here, &answered).await;
            }
        }
    }
    // The driver has ended, and this with it.
    future::pending().await
}

/// The addresses of seeds that were looked up, those of each by themselves, none of one that did not resolve. One that
/// is this node's own stands for its advertised address.
pub fn addresses(seeds: &[Seed], here: Here) -> Vec<Vec<SocketAddr>> {
    let own = |addr| here.me.filter(|me| here.is_me(addr) && !me.ip().is_loopback()).unwrap_or(addr);
    let mut named: Vec<(&str, Vec<SocketAddr>)> = Vec::new();
    for seed in seeds {
        let addr = seed.addr.map(own);
        match named.iter_mut().find(|(name, _)| *name == seed.name) {
            Some((_, addrs)) => addrs.extend(addr),
            None => named.push((&seed.name, addr.into_iter().collect())),
        }
    }
    named.into_iter().map(|(_, addrs)| addrs).collect()
}

/// Looks up what the seeds stand for now.
pub async fn look(seeds: &[String], here: Here) -> Vec<Seed> {
    let (found, unknown) = resolved_by_name(seeds).await;
    let mut looked = Vec::new();
    for (name, addrs) in found {
        let all: Vec<(SocketAddr, Found)> = addrs.into_iter().map(|addr| (addr, here.expects(name, addr))).collect();
        // A name may have addresses of both families: that one of them is of no use here is of no interest then.
        let some = all.iter().any(|(_, found)| *found != Found::OtherFamily);
        let useful = all.into_iter().filter(|(_, found)| !some || *found != Found::OtherFamily);
        looked.extend(useful.map(|(addr, found)| Seed { name: name.clone(), addr: Some(addr), found }));
    }
    for (name, why) in unknown {
        debug!("{name} does not resolve: {why}");
        looked.push(Seed { name: name.clone(), addr: None, found: Found::Unresolved(why.to_string()) });
    }
    looked
}

/// Finds out by TCP what is at the seeds that have not answered, and notes it.
pub async fn look_closer(notes: &Notes, here: Here, answered: &[SocketAddr]) {
    let asks = |seed: &Seed| {
        let moot = matches!(seed.found, Found::OtherFamily | Found::OutOfLoopback | Found::Loopback);
        seed.addr.filter(|addr| !moot && !answered.contains(addr) && !here.is_me(*addr))
    };
    let mut silent: Vec<SocketAddr> = notes.seeds().iter().filter_map(asks).collect();
    silent.sort_unstable();
    silent.dedup();
    silent.truncate(PROBES_MAX);
    for (addr, probed) in probe_all(silent).await {
        let found = match probed {
            Probed::Nothing => Found::Nothing,
            Probed::Mute => Found::Mute,
            Probed::NoWay(why) => Found::NoWay(why),
            Probed::Stranger => Found::Stranger,
            Probed::Node(said) => Found::Runs(said.ring),
        };
        notes.put(addr, &found);
    }
    notes.looked_closer();
}

/// All addresses that the seeds have now, and the seeds that could not be resolved in time, with the reason.
pub async fn resolved(seeds: &[String]) -> (Vec<SocketAddr>, Vec<(&String, io::Error)>) {
    let (found, unknown) = resolved_by_name(seeds).await;
    (found.into_iter().flat_map(|(_, addrs)| addrs).collect(), unknown)
}

type ByName<'a, T> = Vec<(&'a String, T)>;

async fn resolved_by_name(seeds: &[String]) -> (ByName<'_, Vec<SocketAddr>>, ByName<'_, io::Error>) {
    let (mut found, mut unknown, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
    for seed in seeds {
        match seed.parse::<SocketAddr>() {
            Ok(addr) => found.push((seed, vec![addr])),
            Err(_) => tasks.push((seed, look_up(seed.clone()))),
        }
    }
    let deadline = std::time::Instant::now() + RESOLVE_TIME;
    for (seed, task) in tasks {
        let late = async {
            Timer::at(deadline).await;
            Err(io::ErrorKind::TimedOut.into())
        };
        match future::or(task, late).await {
            Ok(addrs) if addrs.is_empty() => unknown.push((seed, io::Error::other("it has no address"))),
            Ok(addrs) => found.push((seed, addrs)),
            Err(error) => unknown.push((seed, error)),
        }
    }
    (found, unknown)
}

/// Begins to look a name up; the system's resolver blocks, so it does that on another thread.
fn look_up(name: String) -> Task<io::Result<Vec<SocketAddr>>> {
    smol::unblock(move || name.to_socket_addrs().map(Vec::from_iter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(listen: &str, me: &str) -> Here {
        Here { listen: listen.parse().unwrap(), me: me.parse().ok() }
    }

    fn expected(listen: &str, me: &str, name: &str, addr: &str) -> Found {
        here(listen, me).expects(name, addr.parse().unwrap())
    }

    #[test]
    fn what_cannot_meet_is_known_before_it_is_tried() {
        let (v4, v6, all) = ("192.0.2.1:1", "[2001:db8::1]:1", "[::]:1");
        for (listen, addr, found) in [
            (v4, "[2001:db8::2]:1", Found::OtherFamily),
            ("0.0.0.0:1", "[::1]:1", Found::OtherFamily),
            (v6, "192.0.2.2:1", Found::OtherFamily),
            (all, "192.0.2.2:1", Found::Asked),
            (all, "[2001:db8::2]:1", Found::Asked),
            ("127.0.0.1:1", "192.0.2.2:1", Found::OutOfLoopback),
            ("127.0.0.1:1", "127.0.0.2:1", Found::Asked),
            (v4, "127.0.0.2:1", Found::Asked),
        ] {
            assert_eq!(expected(listen, listen, addr, addr), found, "{listen} {addr}");
        }
        assert_eq!(expected(v4, v4, "host1.lan:1", "127.0.1.1:1"), Found::Loopback);
        assert_eq!(expected(v4, v4, "localhost:2", "127.0.0.1:2"), Found::Asked);
        assert_eq!(expected("127.0.0.1:1", "127.0.0.1:1", "host1.lan:1", "127.0.1.1:1"), Found::Asked);
    }

    #[test]
    fn the_own_port_on_loopback_is_the_node_itself_if_it_listens_on_all_addresses() {
        let seed =
            |name: &str, addr: &str| Seed { name: name.into(), addr: Some(addr.parse().unwrap()), found: Found::Asked };
        let seeds = [seed("host1.lan:1", "127.0.1.1:1"), seed("host1.lan:2", "127.0.1.1:2"), seed("b", "192.0.2.2:1")];
        let as_text = |here| addresses(&seeds, here).concat().iter().map(ToString::to_string).collect::<Vec<_>>();
        let everywhere = here("0.0.0.0:1", "192.0.2.1:1");
        assert_eq!(as_text(everywhere), ["192.0.2.1:1", "127.0.1.1:2", "192.0.2.2:1"]);
        assert_eq!(everywhere.expects("host1.lan:1", "127.0.1.1:1".parse().unwrap()), Found::Asked);
        assert_eq!(as_text(here("192.0.2.1:1", "192.0.2.1:1"))[0], "127.0.1.1:1", "that may be another program");
        assert_eq!(as_text(here("0.0.0.0:1", "127.0.0.1:1"))[0], "127.0.1.1:1", "it is on loopback itself");
    }

    #[test]
    fn each_seed_has_its_own_addresses_and_one_that_does_not_resolve_has_none() {
        let seed = |name: &str, addr: Option<&str>| {
            let found = addr.map_or_else(|| Found::Unresolved(String::new()), |_| Found::Asked);
            Seed { name: name.into(), addr: addr.map(|addr| addr.parse().unwrap()), found }
        };
        let seeds = [seed("a", Some("192.0.2.1:1")), seed("a", Some("[2001:db8::1]:1")), seed("b", None)];
        let named = addresses(&seeds, here("[::]:1", "192.0.2.3:1"));
        assert_eq!(named.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0]);
    }
}
