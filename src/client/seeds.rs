//! The nodes that a client begins with: texts that become addresses, and a socket that reaches them.

use super::{Error, Options};
use crate::handle::Handle;
use crate::limits::RING_NAME_MAX;
use crate::udp::{self, Probed, Said};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The text, if it is `host:port`.
///
/// # Errors
/// What is wrong with it.
pub fn node(text: &str) -> Result<String, String> {
    let parts = udp::beyond_one_link(text)?
        .rsplit_once(':')
        .filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
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
    udp::bind_udp((Ipv6Addr::UNSPECIFIED, 0).into()).or_else(|error| {
        // A name has addresses of both, and the machine has no IPv6.
        if addrs.iter().any(SocketAddr::is_ipv4) { UdpSocket::bind((v4, 0)) } else { Err(error) }
    })
}

/// Nobody has answered who is on a ring. Those who run all the same tell by TCP what is in the way.
pub(super) async fn unreachable(seeds: &[String], addrs: Vec<SocketAddr>, options: &Options, handle: &Handle) -> Error {
    let Options { ring, deadline } = options;
    let ringless = handle.status().await.ok().and_then(|snapshot| snapshot.status.seeking);
    let ringless = ringless.map(|seeking| seeking.answered).unwrap_or_default();
    let mut told = Vec::new();
    for (addr, probed) in ask_by_tcp(addrs).await {
        let by_udp = ringless.iter().any(|(known, _)| *known == addr);
        told.extend(match probed {
            Probed::Node(Said { ring: Some(other), .. }) if other != *ring => {
                Some(format!("{addr} is a node of the ring {other:?}, and {ring:?} was asked for: compare --ring"))
            }
            Probed::Node(said) => Some(not_serving(addr, &said).unwrap_or_else(|| {
                format!(
                    "{addr} runs, and says by TCP that it is ready, but did not answer by UDP within {:.1} s: does a \
                     firewall stop UDP?",
                    deadline.as_secs_f64()
                )
            })),
            _ if by_udp => Some(format!("{addr} runs, but is on no ring yet: its log says why")),
            Probed::Stranger => Some(format!("at {addr} something answers by TCP that is no node")),
            Probed::NoWay(why) => Some(format!("there is no way to {addr}: {why}")),
            Probed::Nothing | Probed::Mute => None,
        });
    }
    if told.is_empty() {
        let name = if (1..=RING_NAME_MAX).contains(&ring.len()) { "" } else { ", of 1 to 64 bytes" };
        let text =
            format!("no ring {ring:?} at {}. If it runs there: compare --ring{name}, check UDP", seeds.join(", "));
        return Error::Unreachable(text);
    }
    Error::Unreachable(told.join("; "))
}

/// So many addresses are asked by TCP.
const TCP_MAX: usize = 8;

async fn ask_by_tcp(mut addrs: Vec<SocketAddr>) -> Vec<(SocketAddr, Probed)> {
    addrs.sort_unstable();
    addrs.dedup();
    addrs.truncate(TCP_MAX);
    udp::probe_all(addrs).await
}

fn not_serving(addr: SocketAddr, said: &Said) -> Option<String> {
    let why = said.unready.as_ref()?;
    Some(format!("{addr} runs, but is {}: {why}", said.state))
}

/// Asks nodes, each `host:port`, by TCP whether they serve. → of the first that does not, why, in words for people;
/// `None` if none says so. Takes a second, beside what names take.
///
/// ```
/// # smol::block_on(async {
/// assert_eq!(skynode::client::why_not_serving(&["127.0.0.1:9"]).await, None);
/// # });
/// ```
pub async fn why_not_serving<S: AsRef<str>>(nodes: &[S]) -> Option<String> {
    let nodes: Vec<String> = nodes.iter().map(|node| node.as_ref().to_owned()).collect();
    let (addrs, _) = udp::resolved(&nodes).await;
    let found = ask_by_tcp(addrs).await;
    found.iter().find_map(|(addr, probed)| match probed {
        Probed::Node(said) => not_serving(*addr, said),
        _ => None,
    })
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
