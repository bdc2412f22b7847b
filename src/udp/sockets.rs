//! The sockets of a node.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

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
        let udp = UdpSocket::bind(listen).map_err(|error| ("UDP", listen, error))?;
        let addr = udp.local_addr().map_err(|error| ("UDP", listen, error))?;
        let serve = |addr| TcpListener::bind(addr).map_err(|error| ("TCP", addr, error));
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

/// An IPv4 address as a socket of IPv6 takes it.
pub(super) fn as_v6(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), addr.port()),
        IpAddr::V6(_) => addr,
    }
}
