//! An attack on real nodes: datagrams with forged sources, through a raw socket, and nonsense over TCP.

use crate::client;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto};
use skynode::rng::Rng;
use skynode::sim::Attacker;
use skynode::wire::Peer;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bytes of the headers of IPv4 and UDP.
const IP: usize = 20;
const HEADERS: usize = IP + 8;
/// Tells the attack's own datagrams from those that it records.
const TTL: u8 = 77;
/// The pause between two bursts.
const PAUSE: Duration = Duration::from_millis(1);
/// A longer one tells that the machine had no time for the attacker, and so perhaps none for the nodes.
const STALL: Duration = Duration::from_millis(300);

/// How it went.
#[derive(Debug, Default)]
pub struct Attacked {
    pub sent: u64,
    pub recorded: u64,
    /// Those that the system did not take.
    pub unsent: u64,
    pub took: Duration,
    /// Times that the machine had no time for the attacker.
    pub stalls: u64,
}

/// Headers of IPv4 and UDP before these bytes; the system adds the checksum of the former, the latter needs none.
fn packet(source: SocketAddrV4, to: SocketAddrV4, bytes: &[u8]) -> Vec<u8> {
    let length = |headers: usize| u16::try_from(headers + bytes.len()).expect("a datagram").to_be_bytes();
    let mut packet = vec![0x45, 0];
    packet.extend(length(HEADERS));
    packet.extend([0, 0, 0, 0, TTL, 17, 0, 0]);
    packet.extend(source.ip().octets());
    packet.extend(to.ip().octets());
    packet.extend(source.port().to_be_bytes());
    packet.extend(to.port().to_be_bytes());
    packet.extend(length(HEADERS - IP));
    packet.extend([0, 0]);
    packet.extend(bytes);
    packet
}

/// Source, destination and content of a packet of another sender.
fn unpacked(packet: &[u8]) -> Option<(SocketAddr, SocketAddr, &[u8])> {
    let addr = |ip: usize, port: usize| {
        let ip = Ipv4Addr::new(packet[ip], packet[ip + 1], packet[ip + 2], packet[ip + 3]);
        SocketAddr::from((ip, u16::from_be_bytes([packet[port], packet[port + 1]])))
    };
    let is_other = packet.len() >= HEADERS && packet[0] == 0x45 && packet[8] != TTL;
    is_other.then(|| (addr(12, IP), addr(16, IP + 2), &packet[HEADERS..]))
}

fn raw(protocol: rustix::net::Protocol) -> Result<OwnedFd, String> {
    rustix::net::socket_with(AddressFamily::INET, SocketType::RAW, SocketFlags::NONBLOCK, Some(protocol))
        .map_err(|error| format!("a raw socket: {error}"))
}

/// Sends so many datagrams a second to these nodes for so long. It hears all that they say, and sends it again too.
pub fn datagrams(nodes: &[Peer], ring: &str, rate: u64, time: Duration, rng: Rng) -> Result<Attacked, String> {
    let (out, heard) = (raw(ipproto::RAW)?, raw(ipproto::UDP)?);
    let mut attacker = Attacker::new(ring, rate, rng);
    let (started, mut attacked) = (Instant::now(), Attacked::default());
    let (mut last, mut buffer) = (started, [0; 2048]);
    let is_member = |addr: SocketAddr| nodes.iter().any(|node| node.addr() == addr);
    while started.elapsed() < time {
        while let Ok((length, _)) = rustix::net::recv(&heard, &mut buffer, RecvFlags::DONTWAIT) {
            let Some((source, to, bytes)) = unpacked(&buffer[..length]) else { continue };
            if is_member(source) && is_member(to) {
                attacker.record(source, to, bytes);
                attacked.recorded += 1;
            }
        }
        let due = started.elapsed().as_micros() as u64 * rate / 1_000_000;
        while attacker.sent() < due {
            let at = skynode::time::Instant::from_millis(started.elapsed().as_millis() as u64);
            let Some(shot) = attacker.shoot(at, nodes) else { break };
            let (SocketAddr::V4(source), SocketAddr::V4(to)) = (shot.source, shot.to) else { continue };
            match rustix::net::sendto(&out, &packet(source, to, &shot.bytes), SendFlags::empty(), &to) {
                Ok(_) => attacked.sent += 1,
                // No room for now, or an address that nothing may come from.
                Err(Errno::PERM | Errno::ACCESS) => return Err("the system forbids to send".into()),
                Err(_) => attacked.unsent += 1,
            }
        }
        std::thread::sleep(PAUSE);
        attacked.stalls += u64::from(last.elapsed() > STALL);
        last = Instant::now();
    }
    attacked.took = started.elapsed();
    Ok(attacked)
}

/// What is sent over TCP, beside random bytes: none of it changes anything if it is understood after all.
const LINES: [&str; 14] = [
    "GET /storage/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /storage/nobody HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /ring?max=99999999999999999999 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /ring.dot?from=zz HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /storage?limit=-1&after=%ff HTTP/1.1\r\nHost: x\r\n\r\n",
    "PUT /storage/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
    "PUT /storage/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\n",
    "PUT /storage/nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    "PUT /storage/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nshort",
    "DELETE /storage/nobody HTTP/1.1\r\nHost: x\r\nIf-Match: \"9-9-zz\"\r\n\r\n",
    "BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/9.9\r\n\r\n",
    "POST /storage HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n{\"k",
    "\r\n\r\n\0\0\0",
];

/// Sends nonsense over TCP until told to stop. → how many connections it made.
pub fn nonsense(nodes: &[SocketAddr], stop: &AtomicBool, mut rng: Rng) -> u64 {
    let mut made = 0;
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(10));
        let addr = nodes[rng.index(nodes.len())];
        debug_assert!(matches!(addr.ip(), IpAddr::V4(_)));
        let Ok(mut stream) = client::connect(addr) else { continue };
        made += 1;
        let mut bytes = LINES[rng.index(LINES.len())].as_bytes().to_vec();
        match rng.below(4) {
            0 => bytes = (0..rng.index(3000)).map(|_| rng.next_u64() as u8).collect(),
            1 => {
                let at = rng.index(bytes.len());
                bytes[at] = rng.next_u64() as u8;
            }
            2 => bytes.truncate(rng.index(bytes.len())),
            _ => {}
        }
        // The node may have closed in the middle of it, and may wait for more.
        let _ = stream.write_all(&bytes);
        if rng.chance(0.5) {
            let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
            let _ = stream.read(&mut [0; 512]);
        }
    }
    made
}
