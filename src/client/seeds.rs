//! The nodes that a client begins with: texts that become addresses, and a socket that reaches them.

use super::{Error, Options};
use crate::limits::RING_NAME_MAX;
use crate::udp;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The text, if it is `host:port`.
///
/// # Errors
/// What is wrong with it.
pub fn node(text: &str) -> Result<String, String> {
    let parts = text.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    parts.map(|_| text.to_owned()).ok_or_else(|| format!("{text:?} is no node: write host:port, as in 127.0.0.1:4321"))
}

/// The texts, if each is `host:port`.
pub(super) fn checked<S: AsRef<str>>(seeds: &[S]) -> Result<Vec<String>, Error> {
    if seeds.is_empty() {
        return Err(Error::Seed("name at least one node of the ring, as host:port".into()));
    }
    seeds.iter().map(|seed| node(seed.as_ref()).map_err(Error::Seed)).collect()
}

/// The addresses that they have now: at least one, or nothing can be reached.
pub(super) async fn addresses(seeds: &[String]) -> Result<Vec<SocketAddr>, Error> {
    let (found, unknown) = udp::resolved(seeds).await;
    let found = found.concat();
    if found.is_empty() {
        let unknown: Vec<String> = unknown.iter().map(|(seed, why)| format!("{seed}: {why}")).collect();
        return Err(Error::Unreachable(format!("no address is known: {}; are the names right?", unknown.join("; "))));
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
        for wrong in ["", "127.0.0.1", ":1", "host:", "host:70000", "host:port", "http://host/"] {
            assert!(matches!(checked(&[wrong]), Err(Error::Seed(why)) if why.contains("host:port")), "{wrong}");
        }
        assert!(matches!(checked::<&str>(&[]), Err(Error::Seed(_))));
    }
}
