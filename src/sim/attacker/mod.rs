//! Who wishes the ring ill: it knows the ring's name, sends from any address, and has recorded datagrams.
//!
//! It never sees what is sent to others in time to make use of it: the stamps and transactions of its forgeries are
//! invented, but for what it says under its own address. What it recorded it sends again as it was, or changed, and
//! then without what it could not have known.

mod forge;

use crate::limits::{DATAGRAM_MAX, FRAME_MAX};
use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::{Peer, RingKey, Stamp};
use core::time::Duration;
use forge::Material;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
    /// Random bytes, some with a right tag.
    Noise,
    /// A recorded datagram with bits flipped or bytes missing.
    Damage,
    /// The same with a right tag.
    Change,
    /// A frame of its own making with a right tag, as a member might send it.
    Forgery,
    /// A recorded datagram as it was, from where it came to where it went.
    Replay,
    /// A recorded datagram as it was, from elsewhere or to someone else.
    Detour,
    /// From its own address, where it hears what it is told: with a good stamp, what only a neighbour may say.
    Stranger,
}

/// All of them, each with how much of it is to be had.
const TRICKS: [(Trick, u64); 7] = [
    (Trick::Noise, 10),
    (Trick::Damage, 10),
    (Trick::Change, 20),
    (Trick::Forgery, 35),
    (Trick::Replay, 15),
    (Trick::Detour, 10),
    (Trick::Stranger, 10),
];

/// A datagram on its way.
#[derive(Clone, Debug)]
pub struct Shot {
    /// Whence it seems to come.
    pub source: SocketAddr,
    /// Whom it hits.
    pub to: SocketAddr,
    /// What it is.
    pub bytes: Box<[u8]>,
}

/// Datagrams kept in order to send them again: the newest, and as many times that of all ages.
const NEWEST: usize = 64;
const OLD: usize = 512;
/// One of so many that pass takes a place among the old.
const KEPT_ONE_IN: u64 = 16;

/// Where a frame has what ties it to a request, and the stamp that it may echo, behind the version: see `wire`.
const TRANSACTION: core::ops::Range<usize> = 0..8;
const HAS_STAMP: usize = 16;
const STAMP: core::ops::Range<usize> = 17..26;
/// Bytes of a tag.
const TAG: usize = 8;

/// One attacker. All that it does follows from its generator and from what it saw.
#[derive(Debug)]
pub struct Attacker {
    rng: Rng,
    ring: RingKey,
    pause: Duration,
    newest: Vec<Shot>,
    next: usize,
    old: Vec<Shot>,
    material: Material,
    /// Stamps that nodes sent to its own address.
    stamps: BTreeMap<SocketAddr, Stamp>,
    sent: u64,
}

impl Attacker {
    /// An attacker on the ring of this name that sends so many datagrams a second.
    pub fn new(ring: &str, rate: u64, rng: Rng) -> Self {
        Self {
            rng,
            ring: RingKey::new(ring),
            pause: Duration::from_secs(1) / u32::try_from(rate.max(1)).unwrap_or(u32::MAX),
            newest: Vec::new(),
            next: 0,
            old: Vec::new(),
            material: Material::default(),
            stamps: BTreeMap::new(),
            sent: 0,
        }
    }

    /// Its own address, where no node is.
    pub const ADDR: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 4321));

    /// A node sends something to its own address.
    pub(super) fn hear(&mut self, from: SocketAddr, bytes: &[u8]) {
        let stamp = self.ring.decode(bytes).ok().and_then(|frame| frame.stamp);
        stamp.map(|stamp| self.stamps.insert(from, stamp));
    }

    /// How many datagrams it has sent.
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// The pause until its next datagram: on average that of its rate.
    pub(super) fn pause(&mut self) -> Duration {
        self.rng.between(self.pause / 2, self.pause * 3 / 2)
    }

    /// What is left to chance in what its datagrams lead to.
    pub(super) const fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// A datagram passes.
    pub fn record(&mut self, source: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let shot = Shot { source, to, bytes: bytes.into() };
        if self.rng.below(KEPT_ONE_IN) == 0 || self.old.len() < NEWEST {
            if let Ok(frame) = self.ring.decode(bytes) {
                self.material.learn(&mut self.rng, &frame.message);
            }
            if self.old.len() < OLD {
                self.old.push(shot.clone());
            } else {
                let at = self.rng.index(OLD);
                self.old[at] = shot.clone();
            }
        }
        if self.newest.len() < NEWEST {
            self.newest.push(shot);
        } else {
            self.newest[self.next] = shot;
            self.next = (self.next + 1) % NEWEST;
        }
    }

    /// Its next datagram, to one of these nodes.
    pub fn shoot(&mut self, now: Instant, nodes: &[Peer]) -> Option<Shot> {
        let to = *nodes.get(self.rng.index(nodes.len()))?;
        self.sent += 1;
        self.material.meet(&mut self.rng, nodes);
        let mut draw = self.rng.below(TRICKS.iter().map(|(_, share)| share).sum());
        let trick = TRICKS.into_iter().find_map(|(trick, share)| {
            let hit = draw < share;
            draw = draw.saturating_sub(share);
            hit.then_some(trick)
        });
        Some(match trick.unwrap_or(Trick::Noise) {
            Trick::Noise => self.noise(to.addr()),
            Trick::Damage => self.damage(to.addr()),
            Trick::Change => self.change(to.addr()),
            Trick::Forgery => self.forgery(now, to),
            Trick::Replay => self.recorded().unwrap_or_else(|| self.noise(to.addr())),
            Trick::Detour => self.detour(to.addr()),
            Trick::Stranger => self.stranger(to),
        })
    }

    /// A member's address, or another one.
    fn source(&mut self) -> SocketAddr {
        self.material.peer(&mut self.rng).addr()
    }

    fn noise(&mut self, to: SocketAddr) -> Shot {
        let longest = if self.rng.chance(0.5) { 80 } else { DATAGRAM_MAX + 9 };
        let length = self.rng.index(longest);
        let mut bytes: Vec<u8> = (0..length).map(|_| self.rng.next_u64() as u8).collect();
        if self.rng.chance(0.5) {
            let mut buffer = [0; FRAME_MAX];
            if let Some(length) = self.ring.tagged(&bytes, &mut buffer) {
                bytes = buffer[..length].to_vec();
            }
        }
        Shot { source: self.source(), to, bytes: bytes.into() }
    }

    fn recorded(&mut self) -> Option<Shot> {
        let from = if self.rng.chance(0.4) { &self.newest } else { &self.old };
        from.get(self.rng.index(from.len())).cloned()
    }

    fn damage(&mut self, to: SocketAddr) -> Shot {
        let Some(shot) = self.recorded() else { return self.noise(to) };
        let mut bytes = shot.bytes.into_vec();
        self.spoil(&mut bytes);
        Shot { bytes: bytes.into(), ..shot }
    }

    /// Flips bits, cuts the end off, or adds to it.
    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        match self.rng.below(6) {
            0 => bytes.truncate(self.rng.index(bytes.len())),
            1 => {
                let more = 1 + self.rng.index(40);
                bytes.extend((0..more).map(|_| self.rng.next_u64() as u8));
            }
            _ => {
                for _ in 0..1 + self.rng.below(4) {
                    let bit = self.rng.index(bytes.len() * 8);
                    if let Some(byte) = bytes.get_mut(bit / 8) {
                        *byte ^= 1 << (bit % 8);
                    }
                }
            }
        }
    }

    fn change(&mut self, to: SocketAddr) -> Shot {
        let Some(shot) = self.recorded() else { return self.noise(to) };
        let end = shot.bytes.len().saturating_sub(TAG).max(1);
        let mut body = shot.bytes.get(1..end).unwrap_or_default().to_vec();
        self.spoil(&mut body);
        // What it could not have known in time.
        let has_stamp = body.get(HAS_STAMP) == Some(&1);
        for unknown in [Some(TRANSACTION), has_stamp.then_some(STAMP)].into_iter().flatten() {
            for byte in body.get_mut(unknown).into_iter().flatten() {
                *byte = self.rng.next_u64() as u8;
            }
        }
        let mut buffer = [0; FRAME_MAX];
        let Some(length) = self.ring.tagged(&body, &mut buffer) else { return self.noise(to) };
        let source = if self.rng.chance(0.8) { shot.source } else { self.source() };
        Shot { source, to: shot.to, bytes: buffer[..length].into() }
    }

    fn detour(&mut self, to: SocketAddr) -> Shot {
        let Some(shot) = self.recorded() else { return self.noise(to) };
        if self.rng.chance(0.5) { Shot { source: self.source(), ..shot } } else { Shot { to, ..shot } }
    }

    fn stranger(&mut self, to: Peer) -> Shot {
        let (mut buffer, stamp) = ([0; FRAME_MAX], self.stamps.get(&to.addr()).copied());
        match self.material.usurped(&mut self.rng, &self.ring, to, stamp, &mut buffer) {
            Some(length) => Shot { source: Self::ADDR, to: to.addr(), bytes: buffer[..length].into() },
            None => self.noise(to.addr()),
        }
    }

    fn forgery(&mut self, now: Instant, to: Peer) -> Shot {
        let mut buffer = [0; FRAME_MAX];
        match self.material.frame(&mut self.rng, &self.ring, now, to, &mut buffer) {
            Some((source, length)) => Shot { source, to: to.addr(), bytes: buffer[..length].into() },
            None => self.noise(to.addr()),
        }
    }
}

#[cfg(test)]
mod tests;
