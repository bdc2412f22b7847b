//! Stamps prove that a sender's address is real, without anything stored: only who receives at an address can echo the
//! stamp that was sent to it. They also carry their maker's clock, which dates consents.

use crate::time::Instant;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Nine bytes: four of the maker's clock in microseconds, so that what is said at once is in order too, and five of a
/// keyed hash over the whole clock and the address that the stamp was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp([u8; 9]);

impl Stamp {
    fn clock(self) -> u32 {
        u32::from_be_bytes([self.0[0], self.0[1], self.0[2], self.0[3]])
    }

    /// True if this one was made after `other`, a stamp of the same maker less than half an hour away.
    pub fn is_after(self, other: Self) -> bool {
        let ahead = self.clock().wrapping_sub(other.clock());
        ahead != 0 && ahead < u32::MAX / 2
    }
}

/// Makes and reads the stamps of one node.
#[derive(Clone, Debug)]
pub struct Stamper {
    key: [u8; 32],
}

impl Stamper {
    /// How long a stamp proves an address. The clock of a stamp wraps after 71 minutes; the hash covers all of it.
    pub const LIFETIME: Duration = Duration::from_secs(600);

    /// A maker whose stamps nobody without the key can make.
    pub const fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// A stamp for the address, made now.
    pub fn make(&self, now: Instant, addr: SocketAddr) -> Stamp {
        let clock = now.as_micros();
        let mut stamp = [0; 9];
        stamp[..4].copy_from_slice(&(clock as u32).to_be_bytes());
        stamp[4..].copy_from_slice(&self.mac(clock, addr));
        Stamp(stamp)
    }

    /// When the stamp was made; `None` if it is not ours, not for this address, or older than [`Stamper::LIFETIME`].
    pub fn read(&self, now: Instant, addr: SocketAddr, stamp: Stamp) -> Option<Instant> {
        let age = (now.as_micros() as u32).wrapping_sub(stamp.clock());
        let clock = now.as_micros().checked_sub(u64::from(age))?;
        let fresh = u128::from(age) <= Self::LIFETIME.as_micros();
        (fresh && self.mac(clock, addr) == stamp.0[4..]).then(|| Instant::from_micros(clock))
    }

    fn mac(&self, clock_us: u64, addr: SocketAddr) -> [u8; 5] {
        let mut input = [0; 8 + 16 + 2];
        input[..8].copy_from_slice(&clock_us.to_be_bytes());
        let ip = match addr.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        input[8..24].copy_from_slice(&ip.octets());
        input[24..].copy_from_slice(&addr.port().to_be_bytes());
        let mut mac = [0; 5];
        mac.copy_from_slice(&blake3::keyed_hash(&self.key, &input).as_bytes()[..5]);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn a_stamp_tells_its_maker_when_it_was_made_and_nobody_else_anything() {
        let (maker, other) = (Stamper::new([1; 32]), Stamper::new([2; 32]));
        let made = Instant::from_micros(987_654_321);
        let stamp = maker.make(made, addr(1));
        let now = made + Duration::from_secs(3);
        assert_eq!(maker.read(now, addr(1), stamp), Some(made));
        assert_eq!(maker.read(now, addr(2), stamp), None, "for another address");
        assert_eq!(other.read(now, addr(1), stamp), None, "by another maker");
    }

    #[test]
    fn a_stamp_grows_old_and_does_not_come_back_when_its_clock_wraps() {
        let maker = Stamper::new([1; 32]);
        let made = Instant::from_millis(5);
        let stamp = maker.make(made, addr(1));
        assert!(maker.read(made + Stamper::LIFETIME, addr(1), stamp).is_some());
        assert_eq!(maker.read(made + Stamper::LIFETIME + Duration::from_micros(1), addr(1), stamp), None);
        let wrapped = made + Duration::from_micros(1 << 32);
        assert_eq!(maker.read(wrapped, addr(1), stamp), None, "the hash covers the whole clock");
        assert_eq!(maker.read(Instant::ZERO, addr(1), stamp), None, "made in the future");
    }

    #[test]
    fn stamps_of_one_maker_are_ordered_across_the_wrap() {
        let maker = Stamper::new([1; 32]);
        let early = maker.make(Instant::from_micros((1 << 32) - 1), addr(1));
        let late = maker.make(Instant::from_micros(1 << 32), addr(1));
        assert!(late.is_after(early) && !early.is_after(late) && !early.is_after(early));
    }
}
