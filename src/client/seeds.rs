//! The nodes that a client begins with: texts that become addresses, and a socket that reaches them.

use super::{Error, Options};
use crate::limits::RING_NAME_MAX;
use smol::{Timer, future};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// How long names are looked up.
const RESOLVE_TIME: Duration = Duration::from_secs(5);

/// The texts, if each is `host:port`.
pub(super) fn checked<S: AsRef<str>>(seeds: &[S]) -> Result<Vec<String>, Error> {
    if seeds.is_empty() {
        return Err(Error::Seed("name at least one node of the ring, as host:port".into()));
    }
    let check = |seed: &S| {
        let text = seed.as_ref();
        let parts = text.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        let wrong = || Error::Seed(format!("{text:?} is no node: write host:port, as in 127.0.0.1:4321"));
        parts.map(|_| text.to_owned()).ok_or_else(wrong)
    };
    seeds.iter().map(check).collect()
}

/// The addresses that they have now: at least one, or nothing can be reached.
pub(super) async fn addresses(seeds: &[String]) -> Result<Vec<SocketAddr>, Error> {
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    for seed in seeds {
        let late = async {
            Timer::after(RESOLVE_TIME).await;
            Err(io::ErrorKind::TimedOut.into())
        };
        match future::or(smol::net::resolve(seed.as_str()), late).await {
            Ok(addrs) => found.extend(addrs),
            Err(error) => failed.push(format!("{seed}: {error}")),
        }
    }
    if found.is_empty() {
        return Err(Error::Unreachable(format!("no address is known: {}; are the names right?", failed.join("; "))));
    }
    Ok(found)
}

/// A socket from which they can be reached: of IPv6 if one of them is, and IPv4 is reached through that as well.
pub(super) fn socket_for(addrs: &[SocketAddr]) -> io::Result<UdpSocket> {
    let v4: IpAddr = Ipv4Addr::UNSPECIFIED.into();
    if addrs.iter().all(SocketAddr::is_ipv4) {
        return UdpSocket::bind((v4, 0));
    }
    UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).or_else(|error| {
        // A name has addresses of both, and the machine has no IPv6.
        if addrs.iter().any(SocketAddr::is_ipv4) { UdpSocket::bind((v4, 0)) } else { Err(error) }
    })
}

/// Nobody has answered.
pub(super) fn unreachable(seeds: &[String], options: &Options) -> Error {
    let Options { ring, deadline } = options;
    let name = if (1..=RING_NAME_MAX).contains(&ring.len()) { "" } else { ", of 1 to 64 bytes" };
    Error::Unreachable(format!(
        "{} did not answer within {:.1} s as a node of the ring {ring:?}: does it run, is the ring's name right{name}, \
         does a firewall stop UDP, is it reachable at the address that it advertises?",
        seeds.join(", "),
        deadline.as_secs_f64()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_no_nodes_are_told() {
        assert!(checked(&["127.0.0.1:1", "[::1]:2", "sky.example:4321"]).is_ok());
        for wrong in ["", "127.0.0.1", ":1", "host:", "host:70000", "host:port"] {
            assert!(matches!(checked(&[wrong]), Err(Error::Seed(why)) if why.contains("host:port")), "{wrong}");
        }
        assert!(matches!(checked::<&str>(&[]), Err(Error::Seed(_))));
    }
}
