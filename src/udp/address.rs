//! The address that others reach this node at, when it listens on all that its machine has.

use super::{as_v6, seeds};
use crate::limits::{DATAGRAM_MAX, FRAME_MAX};
use crate::node::{Mirror, Reflection};
use log::{info, warn};
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

/// Asks the seeds which address of this node they see, until one has answered.
///
/// # Errors
/// The socket cannot be watched by the reactor.
pub async fn seen_address(
    socket: &UdpSocket,
    seeds: &[String],
    ring: &str,
    entropy: [u8; 32],
) -> io::Result<SocketAddr> {
    let socket = Async::new(socket.try_clone()?)?;
    let is_v6 = socket.get_ref().local_addr()?.is_ipv6();
    let mirror = Mirror::new(ring, entropy);
    let (mut pause, mut buffer) = (FIRST_PAUSE, [0; FRAME_MAX]);
    for number in 1u32.. {
        info!("asks {} at which address this node is seen (try {number})", seeds.join(", "));
        let length = mirror.question(&mut buffer);
        for addr in seeds::addresses(seeds, log::Level::Warn).await.into_iter().flatten() {
            // Whatever the reason, no route to it or a full buffer: it is asked again at the next try.
            let _ = socket.get_ref().send_to(&buffer[..length], if is_v6 { as_v6(addr) } else { addr });
        }
        if let Some(addr) = best(&listen(&socket, &mirror, is_v6, pause).await) {
            return Ok(addr);
        }
        pause = (pause * 3 / 2).min(LAST_PAUSE);
    }
    Err(io::ErrorKind::TimedOut.into())
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
    NOWHERE.iter().find_map(|nowhere| {
        let nowhere: SocketAddr = nowhere.parse().ok().filter(|it: &SocketAddr| listen.is_ipv6() || it.is_ipv4())?;
        let any: IpAddr = if nowhere.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(nowhere).ok()?;
        let ip = socket.local_addr().ok()?.ip();
        (!ip.is_unspecified()).then_some(SocketAddr::new(ip, listen.port()))
    })
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
