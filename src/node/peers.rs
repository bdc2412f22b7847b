//! What a node remembers of others: of an address how to speak to it, of a neighbour what was said.

use crate::limits::PEERS_MAX;
use crate::time::Instant;
use crate::wire::{Incarnation, Peer, Stamp, Stamper};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::net::SocketAddr;
use core::time::Duration;

/// The way to an address.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Path {
    used: Instant,
    /// The stamp that came from there last: echoing it proves our address.
    pub stamp: Option<Stamp>,
    round_trip: RoundTrip,
}

/// What is known of the time from a request to its answer: mean and deviation (Jacobson 1988, as in RFC 6298).
#[derive(Clone, Copy, Debug, Default)]
struct RoundTrip(Option<(Duration, Duration)>);

impl RoundTrip {
    /// Takes in one measured round trip.
    fn measured(&mut self, sample: Duration) {
        self.0 = Some(match self.0 {
            None => (sample, sample / 2),
            Some((mean, deviation)) => {
                let off = sample.abs_diff(mean);
                ((mean * 7 + sample) / 8, (deviation * 3 + off) / 4)
            }
        });
    }

    /// How long to wait for an answer before the request is sent again.
    fn timeout(self, shortest: Duration, longest: Duration) -> Duration {
        self.0.map_or(shortest, |(mean, deviation)| (mean + deviation * 4).clamp(shortest, longest))
    }
}

/// What passed between a node and one incarnation of a neighbour.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Relation {
    used: Instant,
    /// The stamp of its last answer that named us its predecessor, and when that arrived: our consent rests on it.
    pub link: Option<(Stamp, Instant)>,
    /// Its answers made up to this stamp of its own do not count as a link any more.
    pub link_after: Option<(Stamp, Instant)>,
    /// Consents of it that rest on a stamp of ours made before this do not count: we had named it a closer node.
    pub void_before: Instant,
    /// Since when a question of ours is open and nothing was heard.
    pub open_since: Option<Instant>,
    /// Its newest `Stabilise`: its own stamp in it, its transaction, and when it arrived.
    said: Option<(Stamp, [u8; 8], Instant)>,
    /// When its last request arrived.
    pub heard_request: Option<Instant>,
    /// When its last answer arrived.
    pub heard_answer: Option<Instant>,
    /// When a probe of it last failed.
    pub down: Option<Instant>,
}

impl Relation {
    /// A `Stabilise` came that carries this stamp of its own. True if it is a new one, and no copy of one that came
    /// before, nor one that was overtaken: what such a one says is no news, however often it comes.
    pub fn is_news(&mut self, now: Instant, stamp: Stamp, transaction: [u8; 8]) -> bool {
        let said = self.said.filter(|(_, _, at)| *at + Stamper::LIFETIME > now);
        // Two of one turn carry the same stamp.
        let news = said.is_none_or(|(last, of, _)| stamp.is_after(last) || (stamp == last && transaction != of));
        if news {
            self.said = Some((stamp, transaction, now));
        }
        news
    }

    /// The link, unless it is so old that its stamp cannot be compared with new ones any more.
    pub fn recent_link(&self, now: Instant) -> Option<Stamp> {
        self.link.filter(|(_, at)| *at + Stamper::LIFETIME > now).map(|(stamp, _)| stamp)
    }

    /// The same of the stamp up to which links do not count.
    pub fn recent_link_after(&self, now: Instant) -> Option<Stamp> {
        self.link_after.filter(|(_, at)| *at + Stamper::LIFETIME > now).map(|(stamp, _)| stamp)
    }
}

/// Both tables, bounded: who was met longest ago is forgotten.
#[derive(Debug, Default)]
pub(super) struct Peers {
    paths: BTreeMap<SocketAddr, Path>,
    relations: BTreeMap<(SocketAddr, Incarnation), Box<Relation>>,
    /// Of whomever: what is to be expected of an address that has not answered yet.
    round_trip: RoundTrip,
}

impl Peers {
    /// How many there are of both.
    pub fn len(&self) -> usize {
        self.paths.len() + self.relations.len()
    }

    /// The way to an address, if there is one already.
    pub fn path(&self, addr: SocketAddr) -> Option<&Path> {
        self.paths.get(&addr)
    }

    /// An answer came from the address: with a stamp, and with a round trip if it answers a request sent only once.
    pub fn answered(&mut self, now: Instant, addr: SocketAddr, stamp: Option<Stamp>, round_trip: Option<Duration>) {
        make_room(&mut self.paths, &addr, |path| path.used);
        let path = self.paths.entry(addr).or_default();
        path.used = now;
        path.stamp = stamp.or(path.stamp);
        if let Some(sample) = round_trip {
            // One sample says little of how samples differ: that of all others stands in for it.
            path.round_trip.0 = path.round_trip.0.or(self.round_trip.0);
            path.round_trip.measured(sample);
            self.round_trip.measured(sample);
        }
    }

    /// How long to wait for an answer of this address before the request is sent again.
    pub fn timeout(&self, addr: SocketAddr, shortest: Duration, longest: Duration) -> Duration {
        let own = self.paths.get(&addr).map(|path| path.round_trip).filter(|own| own.0.is_some());
        own.unwrap_or(self.round_trip).timeout(shortest, longest)
    }

    /// What passed between us and the peer, if anything did.
    pub fn get(&self, peer: &Peer) -> Option<&Relation> {
        self.relations.get(&(peer.addr(), peer.incarnation)).map(|relation| &**relation)
    }

    /// The same, to be added to.
    pub fn relation(&mut self, now: Instant, peer: &Peer) -> &mut Relation {
        let name = (peer.addr(), peer.incarnation);
        make_room(&mut self.relations, &name, |relation| relation.used);
        let relation = self.relations.entry(name).or_default();
        relation.used = now;
        relation
    }

    /// The peer lives no more: what it said is void, and comes to nothing should it come again.
    pub fn forget(&mut self, peer: &Peer) {
        if let Some(relation) = self.relations.get_mut(&(peer.addr(), peer.incarnation)) {
            **relation = Relation { used: relation.used, said: relation.said, ..Relation::default() };
        }
    }

    /// Everything said is void, as we start a new life; the ways remain.
    pub fn forget_all(&mut self) {
        self.relations.clear();
    }
}

fn make_room<K: Ord + Copy, V>(table: &mut BTreeMap<K, V>, for_key: &K, used: impl Fn(&V) -> Instant) {
    if table.len() >= PEERS_MAX && !table.contains_key(for_key) {
        let oldest = table.iter().min_by_key(|(_, value)| used(value)).map(|(key, _)| *key);
        oldest.map(|key| table.remove(&key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_follows_the_measured_round_trip_within_its_bounds() {
        let (shortest, longest) = (Duration::from_millis(150), Duration::from_secs(1));
        let mut path = RoundTrip::default();
        assert_eq!(path.timeout(shortest, longest), shortest);
        path.measured(Duration::from_millis(100));
        assert_eq!(path.timeout(shortest, longest), Duration::from_millis(300));
        (0..50).for_each(|_| path.measured(Duration::from_millis(2)));
        assert_eq!(path.timeout(shortest, longest), shortest);
        (0..50).for_each(|_| path.measured(Duration::from_secs(9)));
        assert_eq!(path.timeout(shortest, longest), longest);
    }

    #[test]
    fn the_one_met_longest_ago_makes_room() {
        let mut peers = Peers::default();
        let addr = |n: usize| SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 1));
        for n in 0..=PEERS_MAX {
            peers.answered(Instant::from_millis(n as u64), addr(n), None, None);
        }
        assert!(
            peers.path(addr(0)).is_none() && peers.path(addr(1)).is_some() && peers.path(addr(PEERS_MAX)).is_some()
        );
    }
}
