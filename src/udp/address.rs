//! The address that others reach this node at, when it listens on all that its machine has.

use super::notes::{Notes, Teller};
use super::seeds::{Here, TELLING_TRY, addresses, leads_home, look, look_closer};
use super::unborn::{Unborn, trouble};
use super::{as_v6, entropy};
use crate::config::Config;
use crate::handle::{Request, Seed};
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
    for number in 1u32.. {
        let question = format!("asks {} at which address this node is seen (try {number})", seeds.join(", "));
        if number < TELLING_TRY {
            info!("{question}");
        } else {
            debug!("{question}");
        }
        let length = mirror.question(&mut buffer);
        let found = look(seeds, here).await;
        for addr in addresses(&found, here).into_iter().flatten() {
            // Whatever the reason, no route to it or a full buffer: it is asked again at the next try.
            let _ = socket.get_ref().send_to(&buffer[..length], if is_v6 { as_v6(addr) } else { addr });
        }
        notes.set(found.clone());
        let closer = async {
            if number >= TELLING_TRY {
                look_closer(notes, here, &[]).await;
                teller.tell(notes, &trouble(notes, here));
            }
        };
        let (seen, ()) = future::zip(listen(&socket, &mirror, is_v6, pause), closer).await;
        if let Some(addr) = best(&seen) {
            return Ok(way_out(addr, &found, here.listen));
        }
        pause = (pause * 3 / 2).min(LAST_PAUSE);
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// The address to take for the own one where this one is seen. A loopback address is seen by this machine alone: where
/// the seeds are on others, or a name for others stands for one here, it is the address that leads there.
fn way_out(seen: SocketAddr, seeds: &[Seed], listen: SocketAddr) -> SocketAddr {
    let beyond = seeds.iter().filter_map(|seed| seed.addr).find(|addr| !addr.ip().is_loopback());
    let homing = seeds.iter().find(|seed| seed.addr.is_some_and(|addr| leads_home(&seed.name, addr)));
    let out = match beyond {
        _ if !seen.ip().is_loopback() => None,
        Some(addr) => address_towards(addr, listen),
        None if homing.is_some() => outward_address(listen),
        None => None,
    };
    let Some(out) = out.filter(|out| !out.ip().is_loopback()) else { return seen };
    if let Some(Seed { name, addr: Some(addr), .. }) = homing {
        warn!(
            "{name} stands for {addr} on this machine (see /etc/hosts), which others cannot use: takes {out} for its \
             own address; if nodes cannot reach that, say where with --advertise"
        );
    }
    out
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
    let best = seen.iter().rev().max_by_key(|addr| (!addr.ip().is_loopback(), votes(addr))).copied()?;
    if let Some(other) = seen.iter().find(|addr| **addr != best && !addr.ip().is_loopback()) {
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
    fn the_address_that_most_see_is_taken_and_the_own_machines_last() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["127.0.0.1:1"]).as_deref(), Some("127.0.0.1:1"));
        assert_eq!(of(&["127.0.0.1:1", "127.0.0.1:1", "192.0.2.1:1"]).as_deref(), Some("192.0.2.1:1"));
        assert_eq!(of(&["192.0.2.2:1", "192.0.2.1:1", "192.0.2.1:1"]).as_deref(), Some("192.0.2.1:1"));
        assert_eq!(of(&["192.0.2.2:1", "192.0.2.1:1"]).as_deref(), Some("192.0.2.2:1"), "the first");
        assert_eq!(of(&["[::1]:1", "[2001:db8::1]:1"]).as_deref(), Some("[2001:db8::1]:1"));
    }
}
