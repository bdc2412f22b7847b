//! The seeds of a node that looks for a ring: what each has said of itself, and which of them is to found the ring.
//!
//! Where every seed has answered, and none knows of a ring or brings back data, there is no ring that the seeds could
//! be cut off from: the founder with the lowest id creates it at once. Two with the same seeds do not both do so, as
//! each needs a word of the other that is younger than a round of questions, and ids do not change. A founder that has
//! waited for a seed in vain asks all of them once more before it creates the ring, and says until then that it knows
//! of one: so none of those that come meanwhile creates another.

use crate::limits::SEEDS_MAX;
use crate::time::Instant;
use crate::wire::Place;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// What a seed says of itself when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// Where it stands, or would stand.
    pub place: Place,
    /// It has a place on a ring.
    pub member: bool,
    /// It is one of its own seeds.
    pub founder: bool,
    /// It was on a ring before, and has saved what it held.
    pub recalls: bool,
    /// It is joining a ring, or has heard of one.
    pub knows_ring: bool,
}

impl Said {
    /// True if it would take part in founding a ring at once.
    const fn is_blank(&self) -> bool {
        self.founder && !self.member && !self.recalls && !self.knows_ring
    }
}

/// One seed, as the operator named it.
#[derive(Debug)]
struct Seed {
    /// What its name stands for; nothing while it does not resolve.
    addrs: Vec<Addr>,
}

/// One of the addresses of a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Addr {
    addr: SocketAddr,
    /// What was heard there last, and when that was asked for.
    said: Option<(Instant, Said)>,
}

/// What a node that looks for a ring is to do next, as far as its seeds have told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Wait: a seed is missing, or brings back data, or this node does, or knows of a ring.
    Wait,
    /// Ask these again at once: what they said is old.
    Again(Vec<SocketAddr>),
    /// Ask these again in a moment: they are about to be on a ring, to create it, or to find out that they may.
    Follow(Vec<SocketAddr>),
    /// Create the ring.
    Found,
}

/// All seeds of a node.
#[derive(Debug, Default)]
pub(super) struct Seeds {
    seeds: Vec<Seed>,
    /// There are more than a node keeps: of some nothing is known.
    more: bool,
}

/// For so long what a seed said holds. As long as a round of questions: by then a seed that was asked has answered, or
/// not answered three times.
pub(super) const SAID_HOLDS: Duration = Duration::from_millis(1200);

impl Seeds {
    /// Takes the addresses that each seed has now. What was heard at an address stays known.
    pub fn name(&mut self, named: &[Vec<SocketAddr>]) {
        let before: Vec<Addr> = core::mem::take(&mut self.seeds).into_iter().flat_map(|seed| seed.addrs).collect();
        self.more = named.len() > SEEDS_MAX;
        for addrs in named.iter().take(SEEDS_MAX) {
            let mut addrs = addrs.clone();
            addrs.sort_unstable();
            addrs.dedup();
            self.more |= addrs.len() > SEEDS_MAX;
            addrs.truncate(SEEDS_MAX);
            let known = |addr: SocketAddr| before.iter().find(|it| it.addr == addr).and_then(|it| it.said);
            let addrs: Vec<Addr> = addrs.into_iter().map(|addr| Addr { addr, said: known(addr) }).collect();
            // The same seed named twice is one; two names that do not resolve may be two.
            if addrs.is_empty() || self.seeds.iter().all(|seed| seed.addrs != addrs) {
                self.seeds.push(Seed { addrs });
            }
        }
    }

    /// A seed says this, that was asked then at this address.
    pub fn heard(&mut self, asked_at: Instant, asked: SocketAddr, said: Said) {
        for it in self.seeds.iter_mut().flat_map(|seed| &mut seed.addrs).filter(|it| it.addr == asked) {
            it.said = Some((asked_at, said));
        }
    }

    /// The addresses that have answered what was asked since, and whether a member of a ring lives there.
    pub fn answered_since(&self, since: Instant) -> Vec<(SocketAddr, bool)> {
        let all = self.seeds.iter().flat_map(|seed| &seed.addrs);
        all.filter_map(|it| it.said.filter(|(at, _)| *at > since).map(|(_, said)| (it.addr, said.member))).collect()
    }

    /// All addresses.
    pub fn addrs(&self) -> impl Iterator<Item = SocketAddr> {
        self.seeds.iter().flat_map(|seed| &seed.addrs).map(|it| it.addr)
    }

    /// True if a seed has this address.
    pub fn has(&self, addr: SocketAddr) -> bool {
        self.seeds.iter().flat_map(|seed| &seed.addrs).any(|it| it.addr == addr)
    }

    /// True if the name of a seed did not resolve.
    pub fn lacks_address(&self) -> bool {
        self.seeds.iter().any(|seed| seed.addrs.is_empty())
    }

    /// True if the seed at this address has said of late that it founds rings.
    pub fn is_known(&self, now: Instant, addr: SocketAddr) -> bool {
        let known = |it: &Addr| it.said.is_some_and(|(at, said)| now.since(at) <= SAID_HOLDS && said.founder);
        self.seeds.iter().flat_map(|seed| &seed.addrs).filter(|it| it.addr == addr).all(known)
    }

    /// How many nodes were heard since, this one at its address among them, and of how many seeds. An address that has
    /// not answered counts as a node of its own, unless the seed has answered at an address of the other family.
    pub fn count(&self, own: SocketAddr, since: Instant) -> (usize, usize) {
        let (mut heard, mut known, mut unknown) = (BTreeSet::from([own]), BTreeSet::from([own]), 0);
        for seed in &self.seeds {
            for (at, said) in seed.addrs.iter().filter_map(|it| it.said) {
                known.insert(said.place.addr);
                if at >= since {
                    heard.insert(said.place.addr);
                }
            }
            unknown += seed.families(own).min().unwrap_or(1);
        }
        (heard.len(), known.len() + unknown)
    }

    /// What is to be done next; `own` is what this node says of itself.
    pub fn choose(&self, now: Instant, own: Said) -> Choice {
        let mut first = own.founder.then_some(own.place);
        let (mut old, mut on_the_way, mut missing) = (Vec::new(), Vec::new(), self.more || self.seeds.is_empty());
        for seed in &self.seeds {
            // A name may stand for several nodes: each of them is a seed.
            missing |= seed.families(own.place.addr).all(|unknown| unknown > 0);
            for Addr { addr, said } in &seed.addrs {
                let Some((at, said)) = said.filter(|(_, said)| said.place.addr != own.place.addr) else { continue };
                if now.since(at) > SAID_HOLDS {
                    old.push(*addr);
                } else if said.knows_ring || !said.founder {
                    // One that is no founder may not have the addresses of its seeds yet.
                    on_the_way.push(*addr);
                }
                missing |= !said.is_blank();
                let before = |first: &Place| (said.place.id, said.place.addr) < (first.id, first.addr);
                if first.as_ref().is_none_or(before) {
                    first = Some(said.place);
                }
            }
        }
        match first {
            _ if !on_the_way.is_empty() => Choice::Follow(on_the_way),
            _ if missing || own.recalls || own.knows_ring => Choice::Wait,
            _ if !old.is_empty() => Choice::Again(old),
            Some(place) if place == own.place => Choice::Found,
            Some(place) => Choice::Follow([place.addr].into()),
            None => Choice::Wait,
        }
    }
}

impl Seed {
    /// Of each family of which it has addresses: how many of them have not answered and are not this node's.
    fn families(&self, own: SocketAddr) -> impl Iterator<Item = usize> {
        [SocketAddr::is_ipv4, SocketAddr::is_ipv6].into_iter().filter_map(move |is_of_family| {
            let of_family = || self.addrs.iter().filter(|it| is_of_family(&it.addr));
            let unknown = of_family().filter(|it| it.said.is_none() && it.addr != own).count();
            (of_family().count() > 0).then_some(unknown)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    fn addr(n: u16) -> SocketAddr {
        ([10, 0, 0, 1], n).into()
    }

    /// A founder that knows of no ring, whose id is ten times its number.
    fn blank(n: u16) -> Said {
        let place = Place { addr: addr(n), id: Id::new(u128::from(n) * 10) };
        Said { place, member: false, founder: true, recalls: false, knows_ring: false }
    }

    /// An address of the other family.
    fn other(n: u16) -> SocketAddr {
        ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], n).into()
    }

    /// Three seeds, of which the second has an address of either family.
    fn three() -> Seeds {
        let mut seeds = Seeds::default();
        seeds.name(&[vec![addr(1)], vec![addr(2), other(2)], vec![addr(3)]]);
        seeds
    }

    const NOW: Instant = Instant::from_millis(10_000);

    #[test]
    fn the_lowest_founds_once_every_seed_has_answered_at_one_of_its_addresses() {
        let mut seeds = three();
        assert_eq!(seeds.choose(NOW, blank(1)), Choice::Wait);
        seeds.heard(NOW, other(2), blank(2));
        assert_eq!(seeds.choose(NOW, blank(1)), Choice::Wait, "the third is missing");
        seeds.heard(NOW, addr(3), blank(3));
        assert_eq!(seeds.choose(NOW, blank(1)), Choice::Found);
        let mut of_third = three();
        of_third.heard(NOW, addr(1), blank(1));
        of_third.heard(NOW, addr(2), blank(2));
        assert_eq!(of_third.choose(NOW, blank(3)), Choice::Follow(vec![addr(1)]), "all choose the same");
        // One that is no seed follows the same.
        of_third.heard(NOW, addr(3), blank(3));
        assert_eq!(of_third.choose(NOW, Said { founder: false, ..blank(0) }), Choice::Follow(vec![addr(1)]));
    }

    #[test]
    fn nobody_founds_where_one_may_know_of_a_ring_or_does_not_found_itself() {
        let changes: [fn(&mut Said); 4] = [
            |said| said.member = true,
            |said| said.founder = false,
            |said| said.recalls = true,
            |said| said.knows_ring = true,
        ];
        for change in changes {
            let mut said = blank(3);
            change(&mut said);
            let mut seeds = three();
            seeds.heard(NOW, addr(2), blank(2));
            seeds.heard(NOW, addr(3), said);
            let later = said.knows_ring || !said.founder;
            let wanted = if later { Choice::Follow(vec![addr(3)]) } else { Choice::Wait };
            assert_eq!(seeds.choose(NOW, blank(1)), wanted, "{said:?}");
        }
        for own in [Said { recalls: true, ..blank(1) }, Said { knows_ring: true, ..blank(1) }] {
            let mut seeds = three();
            seeds.heard(NOW, addr(2), blank(2));
            seeds.heard(NOW, addr(3), blank(3));
            assert_eq!(seeds.choose(NOW, own), Choice::Wait, "{own:?}");
        }
        assert_eq!(Seeds::default().choose(NOW, blank(1)), Choice::Wait, "no seeds");
    }

    #[test]
    fn what_was_said_long_ago_is_asked_again() {
        let mut seeds = three();
        seeds.heard(NOW, addr(2), blank(2));
        let later = NOW + SAID_HOLDS + Duration::from_millis(1);
        seeds.heard(later, addr(3), blank(3));
        assert_eq!(seeds.choose(later, blank(1)), Choice::Again(vec![addr(2)]));
        assert!(!seeds.is_known(later, addr(2)) && seeds.is_known(later, addr(3)));
        seeds.heard(later, addr(2), blank(2));
        assert_eq!(seeds.choose(later, blank(1)), Choice::Found);
    }

    #[test]
    fn nodes_are_counted_and_names_that_have_not_answered() {
        let mut seeds = three();
        assert_eq!(seeds.count(addr(1), NOW), (1, 3));
        seeds.heard(NOW, other(2), blank(2));
        assert_eq!(seeds.count(addr(1), NOW), (2, 3));
        assert_eq!(seeds.count(addr(1), NOW + Duration::from_millis(1)), (1, 3), "in a later round");
        assert_eq!(seeds.count(addr(9), NOW), (2, 4), "one that is no seed");
        // Named twice, and by a name that leads back to this node; two do not resolve.
        seeds.name(&[vec![addr(1)], vec![addr(1)], vec![addr(7)], vec![addr(2), other(2)], vec![], vec![]]);
        assert!(seeds.lacks_address() && seeds.has(addr(7)) && !seeds.has(addr(3)));
        assert_eq!(seeds.count(addr(1), NOW), (2, 5), "what was heard of the second stays known");
        seeds.heard(NOW, addr(7), blank(1));
        assert_eq!(seeds.count(addr(1), NOW), (2, 4), "this node is one, however it is named");
        assert_eq!(seeds.choose(NOW, blank(1)), Choice::Wait, "two do not resolve");
        seeds.name(&[vec![addr(7)], vec![addr(2), other(2)]]);
        assert_eq!(seeds.choose(NOW, blank(1)), Choice::Found);
    }

    #[test]
    fn a_name_that_stands_for_several_nodes_is_as_many_seeds() {
        let mut seeds = Seeds::default();
        seeds.name(&[vec![addr(1), addr(2), addr(3)]]);
        assert_eq!(seeds.count(addr(1), NOW), (1, 3));
        seeds.heard(NOW, addr(2), blank(2));
        assert_eq!((seeds.choose(NOW, blank(1)), seeds.count(addr(1), NOW)), (Choice::Wait, (2, 3)), "one is missing");
        seeds.heard(NOW, addr(3), blank(3));
        assert_eq!((seeds.choose(NOW, blank(1)), seeds.count(addr(1), NOW)), (Choice::Found, (3, 3)));
        seeds.heard(NOW, addr(3), Said { member: true, knows_ring: true, ..blank(3) });
        assert_eq!(seeds.choose(NOW, blank(1)), Choice::Follow(vec![addr(3)]));
        // Two addresses of one family that are the same node.
        seeds.name(&[vec![addr(1)], vec![addr(2), addr(12)]]);
        assert_eq!(seeds.choose(NOW, blank(1)), Choice::Wait);
        seeds.heard(NOW, addr(12), blank(2));
        assert_eq!((seeds.choose(NOW, blank(1)), seeds.count(addr(1), NOW)), (Choice::Found, (2, 2)));
    }
}
