//! Seeds: names and addresses that become addresses, and what is found at those that are silent.

use super::names::Names;
use super::notes::Notes;
use super::probe::{Probed, probe_all};
use crate::handle::{Found, Handle, Seed};
use crate::node::{Command, Node};
use log::{debug, info};
use smol::channel::{Receiver, RecvError};
use smol::{Timer, future};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// How long a client waits for the first name that resolves, and for the others once an address is known.
const RESOLVE_TIME: Duration = Duration::from_secs(5);
const OTHERS_TIME: Duration = Duration::from_millis(250);

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
    /// True of an address that is this node's own: nothing else can have its port on any address of this machine if it
    /// listens on all of them.
    pub fn is_me(&self, addr: SocketAddr) -> bool {
        let same_port = self.listen.ip().is_unspecified() && addr.port() == self.listen.port();
        self.me == Some(addr) || self.listen == addr || (same_port && is_of_this_machine(addr.ip()))
    }

    /// The advertised address, if it is known and this address of a seed with this name stands for the node itself.
    /// That a name for other machines leads home means this machine; what listens there at the node's own port is the
    /// node, unless that is on loopback itself.
    pub fn own(&self, name: &str, addr: SocketAddr) -> Option<SocketAddr> {
        let me = self.me.filter(|me| !me.ip().is_loopback())?;
        let own_port = addr.port() == self.listen.port() || addr.port() == me.port();
        (self.is_me(addr) || (own_port && leads_home(name, addr))).then_some(me)
    }

    /// What is to be expected of a seed with this address, before it was asked.
    pub(super) fn expects(&self, name: &str, addr: SocketAddr) -> Found {
        let (listen, ip) = (self.listen.ip(), addr.ip());
        let only_v6 = listen.is_ipv6() && !listen.is_unspecified();
        match () {
            () if listen.is_ipv4() != ip.is_ipv4() && (listen.is_ipv4() || only_v6) => Found::OtherFamily,
            () if is_of_one_link(ip) => Found::LinkLocal,
            () if listen.is_loopback() && !ip.is_loopback() => Found::OutOfLoopback,
            () if listen.is_loopback() || !leads_home(name, addr) || self.is_me(addr) => Found::Asked,
            () if self.own(name, addr).is_none() => Found::Loopback,
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

/// True of an address that this machine has at this moment.
pub fn is_of_this_machine(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// True of an address that means another machine on each link, as `fe80::1`.
pub const fn is_of_one_link(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// What the node wants of its seeds.
#[derive(Debug)]
pub struct Wanted {
    /// How many tries have failed before; `None` if it has a place on a ring.
    pub tries: Option<u32>,
    /// Those that have answered of late.
    pub answered: Vec<SocketAddr>,
    /// Where it is.
    pub here: Here,
}

impl Wanted {
    /// What this node wants.
    pub fn of(node: &Node, here: Here, tries: Option<u32>) -> Self {
        let answered = node.seeking().map(|seeking| seeking.answered).unwrap_or_default();
        Self { tries, answered: answered.into_iter().map(|(addr, _)| addr).collect(), here }
    }
}

/// Resolves the seeds anew whenever the node wants them, and hands it all addresses: those that are known at once, and
/// again as names are resolved, each by itself. What is found out about those that are silent is noted, if there are
/// notes. Never ends by itself.
pub async fn resolve<T>(seeds: Vec<String>, wanted: Receiver<Wanted>, handle: Handle, notes: Option<Notes>) -> T {
    let mut names = Names::new(&seeds);
    let mut next = wanted.recv().await;
    while let Ok(Wanted { tries, answered, here }) = next {
        let number = tries.map_or(0, |tries| tries.saturating_add(1));
        match number {
            // A node that has its place looks once a minute, and of that there is nothing to tell.
            0 => {}
            1..TELLING_TRY => info!("looking for the ring at {} (try {number})", seeds.join(", ")),
            _ => debug!("looking for the ring at {} (try {number})", seeds.join(", ")),
        }
        names.look_up();
        let (mut told, mut closer) = (false, number >= TELLING_TRY);
        let notes = notes.as_ref().filter(|_| tries.is_some());
        next = loop {
            let found = names.seeds(here);
            // Names that stand in /etc/hosts are known in no time; until one is known there is nobody to ask.
            told |= names.addrs().next().is_some() || !names.are_pending();
            if told && handle.tell(Command::Seeds(addresses(&found))).await.is_err() {
                break Err(RecvError);
            }
            if let Some(notes) = notes {
                notes.set(found);
            }
            let again = async { Some(wanted.recv().await) };
            let news = async {
                names.news().await;
                None
            };
            let looking = async {
                if let Some(notes) = notes.filter(|_| closer) {
                    look_closer(notes, here, &answered).await;
                    closer = false;
                }
                future::pending().await
            };
            if let Some(again) = future::or(news, future::or(again, looking)).await {
                break again;
            }
        };
    }
    // The driver has ended, and this with it.
    future::pending().await
}

/// The addresses of seeds, those of each by themselves, none of one that did not resolve.
pub fn addresses(seeds: &[Seed]) -> Vec<Vec<SocketAddr>> {
    let mut named: Vec<(&str, Vec<SocketAddr>)> = Vec::new();
    for seed in seeds {
        match named.iter_mut().find(|(name, _)| *name == seed.name) {
            Some((_, addrs)) => addrs.extend(seed.addr),
            None => named.push((&seed.name, seed.addr.into_iter().collect())),
        }
    }
    named.into_iter().map(|(_, addrs)| addrs).collect()
}

/// Finds out by TCP what is at the seeds that have not answered, and notes it.
pub async fn look_closer(notes: &Notes, here: Here, answered: &[SocketAddr]) {
    let asks = |seed: &Seed| {
        let moot = matches!(seed.found, Found::OtherFamily | Found::OutOfLoopback | Found::Loopback | Found::LinkLocal);
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

/// The addresses that nodes have, each a host and a port, as soon as one is known and the others have had their time
/// for it; and of those that have none, why.
pub async fn resolved(nodes: &[String]) -> (Vec<SocketAddr>, Vec<(String, String)>) {
    let mut names = Names::new(nodes);
    names.look_up();
    let begun = Instant::now();
    while names.are_pending() {
        let patience = if names.addrs().next().is_some() { OTHERS_TIME } else { RESOLVE_TIME };
        let late = async {
            Timer::at(begun + patience).await;
            true
        };
        let news = async {
            names.news().await;
            false
        };
        if future::or(news, late).await {
            break;
        }
    }
    let unknown = names.unknown().map(|(name, why)| (name.to_owned(), why.to_owned()));
    (names.addrs().collect(), unknown.collect())
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
        assert_eq!(expected(v4, v4, "host1.lan:1", "127.0.1.1:1"), Found::Asked, "that is itself");
        assert_eq!(expected(v4, v4, "host1.lan:2", "127.0.1.1:2"), Found::Loopback);
        assert_eq!(expected(all, v4, "host2.local:1", "[fe80::2]:1"), Found::LinkLocal);
        assert_eq!(expected(v4, v4, "localhost:2", "127.0.0.1:2"), Found::Asked);
        assert_eq!(expected("127.0.0.1:1", "127.0.0.1:1", "host1.lan:1", "127.0.1.1:1"), Found::Asked);
    }

    #[test]
    fn whoever_listens_on_all_addresses_has_its_port_on_each_of_this_machines() {
        let everywhere = here("0.0.0.0:1", "192.0.2.1:1");
        let is_me = |addr: &str| everywhere.is_me(addr.parse().unwrap());
        assert!(is_me("127.0.1.1:1") && is_me("192.0.2.1:1") && !is_me("127.0.1.1:2") && !is_me("203.0.113.2:1"));
        assert!(!here("192.0.2.1:1", "192.0.2.1:1").is_me("127.0.1.1:1".parse().unwrap()));
    }

    #[test]
    fn each_seed_has_its_own_addresses_and_one_that_does_not_resolve_has_none() {
        let seed = |name: &str, addr: Option<&str>| {
            let found = addr.map_or_else(|| Found::Unresolved(String::new()), |_| Found::Asked);
            Seed { name: name.into(), addr: addr.map(|addr| addr.parse().unwrap()), found }
        };
        let seeds = [seed("a", Some("192.0.2.1:1")), seed("a", Some("[2001:db8::1]:1")), seed("b", None)];
        let named = addresses(&seeds);
        assert_eq!(named.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0]);
    }
}
