//! The sockets of a node.

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{self, AddressFamily, SocketType, sockopt};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

/// How often another port is tried if the system chose one that is free for UDP but not for TCP.
const PORT_TRIES: usize = 32;

/// Where people are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    /// Where the node listens, on the same port.
    Beside,
    /// At an address of their own.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

/// The sockets of a node, usually both on one address and one port.
#[derive(Debug)]
pub struct Sockets {
    /// Where nodes meet.
    pub udp: UdpSocket,
    /// Its address, with the port that the system chose if it was asked to.
    pub addr: SocketAddr,
    /// Where people ask, if anywhere.
    pub tcp: Option<TcpListener>,
}

/// Binds UDP on the address, and TCP where people are served. Port 0 stands for any that is free, for both if they are
/// beside each other.
///
/// # Errors
/// With the protocol and the address that could not be had.
pub fn bind(listen: SocketAddr, http: Http) -> Result<Sockets, (&'static str, SocketAddr, io::Error)> {
    let mut tries = if listen.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let udp = bind_udp(listen).map_err(|error| ("UDP", listen, error))?;
        let addr = udp.local_addr().map_err(|error| ("UDP", listen, error))?;
        let serve = |addr| bind_tcp(addr).map_err(|error| ("TCP", addr, error));
        match http {
            Http::Off => return Ok(Sockets { udp, addr, tcp: None }),
            Http::At(http) => return Ok(Sockets { udp, addr, tcp: Some(serve(http)?) }),
            Http::Beside => match serve(addr) {
                Ok(tcp) => return Ok(Sockets { udp, addr, tcp: Some(tcp) }),
                Err((.., error)) if tries > 0 && error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            },
        }
    }
}

/// Connections that wait to be accepted, as the standard library has it.
const BACKLOG: i32 = 128;

/// A UDP socket there; on `[::]` it is of both families, whatever the system's default is.
///
/// # Errors
/// The system refuses.
pub fn bind_udp(addr: SocketAddr) -> io::Result<UdpSocket> {
    if !is_of_both(addr) {
        return UdpSocket::bind(addr);
    }
    let socket = of_both(SocketType::DGRAM)?;
    net::bind(&socket, &addr)?;
    Ok(socket.into())
}

fn bind_tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    if !is_of_both(addr) {
        return TcpListener::bind(addr);
    }
    let socket = of_both(SocketType::STREAM)?;
    // A node that is started again does not wait for connections of its earlier life.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    net::bind(&socket, &addr)?;
    net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

const fn is_of_both(addr: SocketAddr) -> bool {
    addr.is_ipv6() && addr.ip().is_unspecified()
}

fn of_both(kind: SocketType) -> io::Result<OwnedFd> {
    let socket = net::socket(AddressFamily::INET6, kind, None)?;
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    sockopt::set_ipv6_v6only(&socket, false)?;
    Ok(socket)
}

/// True if a socket of IPv6 could not be had as this machine has none.
pub fn lacks_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

/// The text of `host:port`, unless it is an address that is good on one link only.
///
/// # Errors
/// It is such an address, or has a zone; in words.
pub fn beyond_one_link(text: &str) -> Result<&str, String> {
    let host = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or_default();
    let what = match host.parse::<Ipv6Addr>() {
        _ if text.contains('%') => "a zone, the part behind %,",
        Ok(ip) if ip.is_unicast_link_local() => "an address of fe80::/10",
        _ => return Ok(text),
    };
    Err(format!(
        "{what} is good on one link of one machine, and nodes pass addresses on to others: take an address that all of \
         them reach, as of fd00::/8"
    ))
}

/// An IPv4 address as a socket of IPv6 takes it.
pub(super) fn as_v6(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), addr.port()),
        IpAddr::V6(_) => addr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_of_ipv6_are_those_of_ipv4_too_whatever_the_system_says() {
        // Where there is no IPv6 there is nothing to see.
        let Ok(socket) = bind_udp("[::]:0".parse().unwrap()) else { return };
        assert!(!sockopt::ipv6_v6only(&socket).unwrap());
        let to = SocketAddr::from(([127, 0, 0, 1], socket.local_addr().unwrap().port()));
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        from.send_to(b"v4", to).unwrap();
        let mut bytes = [0; 2];
        let (_, source) = socket.recv_from(&mut bytes).unwrap();
        assert_eq!((&bytes, source.ip().to_canonical()), (b"v4", to.ip()));
        assert!(!sockopt::ipv6_v6only(bind_tcp("[::]:0".parse().unwrap()).unwrap()).unwrap());
    }

    #[test]
    fn addresses_of_one_link_are_refused_in_words() {
        for text in ["[fe80::1%eth0]:4321", "[fe80::1%2]:4321", "fe80::1%eth0", "[fe80::1]:4321", "[2001:db8::1%1]:1"] {
            assert!(beyond_one_link(text).is_err_and(|why| why.contains("fd00::/8")), "{text}");
        }
        for text in ["[fd00::1]:4321", "[::1]:1", "fe80.example:1", "127.0.0.1:1", "nonsense"] {
            assert_eq!(beyond_one_link(text), Ok(text));
        }
    }
}
