//! The address that others reach this node at, when it listens on all that its machine has.

use super::names::Names;
use super::notes::{Notes, Teller};
use super::seeds::{Here, TELLING_TRY, is_of_one_link, leads_home, look_closer};
use super::unborn::{Unborn, trouble};
use super::{as_v6, entropy};
use crate::config::Config;
use crate::handle::{Found, Request, Seed};
use crate::limits::{DATAGRAM_MAX, FRAME_MAX};
use crate::node::{Mirror, Reflection};
use log::{debug, info, warn};
use smol::channel::Receiver;
use smol::{Async, Timer, future};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// How long the seeds get to answer at the first try; half as long again at each that follows.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest time between two tries.
const LAST_PAUSE: Duration = Duration::from_secs(15);

/// How long the other seeds get, once one has answered.
const OTHERS_TIME: Duration = Duration::from_millis(300);

/// Addresses that exist on no network, in IPv4 and in IPv6 (RFC 5737, RFC 3849).
const NOWHERE: [&str; 2] = ["192.0.2.1:9", "[2001:db8::1]:9"];

/// Asks the seeds which address of this node they see, until one has answered. Meanwhile those who ask the node that
/// will be, through `requests`, are told why it does not serve yet.
///
/// # Errors
/// The socket cannot be watched by the reactor, or the system has no random numbers.
pub async fn seen_address(
    socket: &UdpSocket,
    seeds: &[String],
    config: &Config,
    requests: &Receiver<Request>,
) -> io::Result<SocketAddr> {
    let here = Here { listen: socket.local_addr()?, me: None };
    let notes = Notes::new(&config.ring);
    let mut unborn = Unborn::new(config, here, notes.clone())?;
    future::or(ask_around(socket, seeds, &config.ring, here, &notes), unborn.serve(requests)).await
}

async fn ask_around(
    socket: &UdpSocket,
    seeds: &[String],
    ring: &str,
    here: Here,
    notes: &Notes,
) -> io::Result<SocketAddr> {
    let socket = Async::new(socket.try_clone()?)?;
    let is_v6 = here.listen.is_ipv6();
    let mirror = Mirror::new(ring, entropy()?);
    let (mut pause, mut buffer, mut teller) = (FIRST_PAUSE, [0; FRAME_MAX], Teller::default());
    let length = mirror.question(&mut buffer);
    let mut names = Names::new(seeds);
    for number in 1u32.. {
        let question = format!("asks {} at which address this node is seen (try {number})", seeds.join(", "));
        if number < TELLING_TRY {
            info!("{question}");
        } else {
            debug!("{question}");
        }
        names.look_up();
        notes.set(names.seeds(here));
        let asking = async {
            let mut asked = Vec::new();
            loop {
                let news = names.seeds(here).into_iter().filter_map(|seed| seed.addr);
                for addr in news.filter(|addr| !asked.contains(addr)).collect::<Vec<_>>() {
                    // Whatever the reason, no route to it or a full buffer: it is asked again at the next try.
                    let _ = socket.get_ref().send_to(&buffer[..length], if is_v6 { as_v6(addr) } else { addr });
                    asked.push(addr);
                }
                names.news().await;
                notes.set(names.seeds(here));
            }
        };
        let closer = async {
            if number >= TELLING_TRY {
                look_closer(notes, here, &[]).await;
                teller.tell(notes, &trouble(notes, here));
            }
        };
        let listening = future::or(listen(&socket, &mirror, is_v6, pause), asking);
        let (mut seen, ()) = future::zip(listening, closer).await;
        for late in [false, true] {
            let found = names.seeds(here);
            if let Some(addr) = best(&seen) {
                match way_out(addr, &found, here.listen, names.are_pending()) {
                    Some(addr) => return Ok(addr),
                    None if names.are_pending() => {}
                    None => notes.set(found.iter().map(homeless).collect()),
                }
                if !late {
                    // It answers itself at once; others may take their time.
                    seen.extend(listen(&socket, &mirror, is_v6, pause).await);
                }
            }
        }
        pause = (pause * 3 / 2).min(LAST_PAUSE);
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// A seed that leads home while nothing tells the way out.
fn homeless(seed: &Seed) -> Seed {
    let is_home = seed.addr.is_some_and(|addr| addr.ip().is_loopback());
    Seed { found: if is_home { Found::Homeless } else { seed.found.clone() }, ..seed.clone() }
}

/// The address to take for the own one where this one is seen. A loopback address is seen by this machine alone: unless
/// all seeds are on it, it is the address that leads to the others; or, where a name for others stands for loopback
/// here, or some names stand for nothing, the one that leads out. `None` if there is no such way, or `pending` names
/// may show one: then it is too early to tell.
fn way_out(seen: SocketAddr, seeds: &[Seed], listen: SocketAddr, pending: bool) -> Option<SocketAddr> {
    if is_good_elsewhere(seen) {
        return Some(seen);
    }
    let beyond = seeds.iter().filter_map(|seed| seed.addr).filter(|addr| is_good_elsewhere(*addr));
    let homing = seeds.iter().find(|seed| seed.addr.is_some_and(|addr| leads_home(&seed.name, addr)));
    let unknown = seeds.iter().any(|seed| seed.addr.is_none());
    let mut towards = beyond.map(|addr| address_towards(addr, listen));
    let out = match towards.next() {
        None if homing.is_none() && !unknown => return Some(seen),
        None if pending => None,
        None => outward_address(listen),
        Some(first) => core::iter::once(first).chain(towards).flatten().find(|out| is_good_elsewhere(*out)),
    };
    let out = out.filter(|out| is_good_elsewhere(*out))?;
    if let Some(Seed { name, addr: Some(addr), .. }) = homing {
        warn!(
            "{name} stands for {addr} on this machine (see /etc/hosts), which others cannot use: takes {out} for its \
             own address; if nodes cannot reach that, say where with --advertise"
        );
    }
    Some(out)
}

/// True of an address that means the same machine elsewhere.
pub(super) const fn is_good_elsewhere(addr: SocketAddr) -> bool {
    !addr.ip().is_loopback() && !is_of_one_link(addr.ip())
}

/// What the seeds say in this time, or soon after the first of them.
async fn listen(socket: &Async<UdpSocket>, mirror: &Mirror, is_v6: bool, time: Duration) -> Vec<SocketAddr> {
    let mut seen = Vec::new();
    let mut deadline = Instant::now() + time;
    let (mut datagram, mut buffer) = ([0; DATAGRAM_MAX + 1], [0; FRAME_MAX]);
    loop {
        let late = async {
            Timer::at(deadline).await;
            None
        };
        let received = async { Some(socket.recv_from(&mut datagram).await) };
        match future::or(late, received).await {
            None => return seen,
            Some(Err(error)) => {
                warn!("cannot receive: {error}");
                Timer::at(deadline).await;
                return seen;
            }
            Some(Ok((length, source))) => {
                let source = SocketAddr::new(source.ip().to_canonical(), source.port());
                match mirror.take(source, &datagram[..length], &mut buffer) {
                    Reflection::Seen(addr) => {
                        if seen.is_empty() {
                            deadline = deadline.min(Instant::now() + OTHERS_TIME);
                        }
                        seen.push(addr);
                    }
                    Reflection::Asked(length) => {
                        let to = if is_v6 { as_v6(source) } else { source };
                        let _ = socket.get_ref().send_to(&buffer[..length], to);
                    }
                    Reflection::Nothing => {}
                }
                if seen.len() >= SEEN_MAX {
                    return seen;
                }
            }
        }
    }
}

/// More answers than there can be seeds to count.
const SEEN_MAX: usize = 64;

/// The address that most see; one that is good on this machine alone only if nobody sees another.
fn best(seen: &[SocketAddr]) -> Option<SocketAddr> {
    let votes = |addr: &SocketAddr| seen.iter().filter(|other| *other == addr).count();
    // The first one wins if others have as many votes.
    let best = seen.iter().rev().max_by_key(|addr| (is_good_elsewhere(**addr), votes(addr))).copied()?;
    if let Some(other) = seen.iter().find(|addr| **addr != best && is_good_elsewhere(**addr)) {
        warn!("seeds see this node at {best} and at {other}: if others cannot reach {best}, name one with --advertise");
    }
    Some(best)
}

/// The address from which this machine would reach the Internet; nothing is sent. `None` if it has no way there.
pub fn outward_address(listen: SocketAddr) -> Option<SocketAddr> {
    NOWHERE.iter().find_map(|nowhere| address_towards(nowhere.parse().ok()?, listen))
}

/// The address from which a node that listens there would reach this one; nothing is sent. `None` if it has no way.
fn address_towards(to: SocketAddr, listen: SocketAddr) -> Option<SocketAddr> {
    if to.is_ipv6() && listen.is_ipv4() {
        return None;
    }
    let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(to).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(SocketAddr::new(ip, listen.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seen: &[&str]) -> Option<String> {
        let seen: Vec<SocketAddr> = seen.iter().map(|text| text.parse().unwrap()).collect();
        best(&seen).map(|addr| addr.to_string())
    }

    #[test]
    fn loopback_is_advertised_only_where_all_seeds_are_on_it() {
        let seed = |name: &str, addr: Option<&str>| Seed {
            name: name.into(),
            addr: addr.map(|addr| addr.parse().unwrap()),
            found: Found::Asked,
        };
        let home: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let out = |seeds: &[Seed], pending| way_out(home, seeds, "0.0.0.0:1".parse().unwrap(), pending);
        let (local, unknown) = (seed("localhost:2", Some("127.0.0.1:2")), seed("host2.lan:1", None));
        assert_eq!(out(&[local.clone(), seed("127.0.0.1:1", Some("127.0.0.1:1"))], false), Some(home));
        assert_eq!(out(&[local.clone(), unknown], true), None, "its name is being looked up");
        let elsewhere = [local, seed("192.0.2.2:1", Some("192.0.2.2:1")), seed("h.lan:1", Some("127.0.1.1:1"))];
        assert_ne!(out(&elsewhere, false), Some(home));
        let seen = "192.0.2.1:1".parse().unwrap();
        assert_eq!(way_out(seen, &elsewhere, home, true), Some(seen), "whatever else there is");
    }

    #[test]
    fn the_address_that_most_see_is_taken_and_the_own_machines_last() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["127.0.0.1:1"]).as_deref(), Some("127.0.0.1:1"));
        assert_eq!(of(&["127.0.0.1:1", "127.0.0.1:1", "192.0.2.1:1"]).as_deref(), Some("192.0.2.1:1"));
        assert_eq!(of(&["192.0.2.2:1", "192.0.2.1:1", "192.0.2.1:1"]).as_deref(), Some("192.0.2.1:1"));
        assert_eq!(of(&["192.0.2.2:1", "192.0.2.1:1"]).as_deref(), Some("192.0.2.2:1"), "the first");
        assert_eq!(of(&["[::1]:1", "[2001:db8::1]:1"]).as_deref(), Some("[2001:db8::1]:1"));
    }
}
