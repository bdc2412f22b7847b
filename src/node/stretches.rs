//! What is known of each id of the ring where much is the same from one node to the next: terms and floors.

use crate::id::{Arc, Id};
use crate::limits::STRETCHES_MAX;
use crate::wire::Version;
use alloc::vec::Vec;

/// Something that is known of an id, and only grows.
pub(super) trait Level: Copy + Default + Ord {
    /// How far they are apart.
    fn apart(self, other: Self) -> u64;
}

impl Level for u64 {
    fn apart(self, other: Self) -> u64 {
        self.abs_diff(other)
    }
}

impl Level for Version {
    fn apart(self, other: Self) -> u64 {
        self.time_ms.abs_diff(other.time_ms)
    }
}

/// A level for every id, as stretches of the ring: each begins at its id and ends where the next begins. What was never
/// heard of has the lowest. When there are too many stretches two neighbours merge.
#[derive(Debug)]
pub(super) struct Stretches<T> {
    stretches: Vec<(Id, T)>,
    /// What two that merge have then.
    merged: fn(T, T) -> T,
    /// They were changed since they were last saved.
    pub changed: bool,
}

impl<T: Level> Stretches<T> {
    /// Of two that merge the higher level counts.
    pub fn rising() -> Self {
        Self { stretches: Vec::new(), merged: T::max, changed: false }
    }

    /// Of two that merge the lower level counts.
    pub fn sinking() -> Self {
        Self { stretches: Vec::new(), merged: T::min, changed: false }
    }

    /// How many stretches there are.
    pub fn len(&self) -> usize {
        self.stretches.len()
    }

    /// The level of one id.
    pub fn at(&self, id: Id) -> T {
        self.around(id).map_or(T::default(), |(_, level)| *level)
    }

    /// The level of one id, and after which other it begins.
    pub fn since(&self, id: Id) -> (Id, T) {
        self.around(id).map_or((id, T::default()), |(start, level)| (start.plus(u128::MAX), *level))
    }

    fn around(&self, id: Id) -> Option<&(Id, T)> {
        let before = self.stretches.partition_point(|(start, _)| *start <= id);
        // Before the first start the last stretch goes on: the ring wraps.
        before.checked_sub(1).map_or(self.stretches.last(), |i| self.stretches.get(i))
    }

    /// The levels of the arc's parts, in no order.
    fn levels(&self, arc: Arc) -> impl Iterator<Item = T> {
        let inside = self.stretches.iter().filter(move |(start, _)| arc.contains(*start)).map(|(_, level)| *level);
        inside.chain([self.at(arc.after.plus(1))])
    }

    /// The highest level of any part of the arc.
    pub fn highest(&self, arc: Arc) -> T {
        self.levels(arc).max().unwrap_or_default()
    }

    /// The lowest level of any part of the arc.
    pub fn lowest(&self, arc: Arc) -> T {
        self.levels(arc).min().unwrap_or_default()
    }

    /// Raises all of the arc to at least this level.
    pub fn raise(&mut self, arc: Arc, level: T) {
        if self.lowest(arc) < level {
            self.change(arc, |known| known.max(level));
        }
    }

    /// All of the arc has the lowest level again.
    pub fn forget(&mut self, arc: Arc) {
        if self.highest(arc) != T::default() {
            self.change(arc, |_| T::default());
        }
    }

    fn change(&mut self, arc: Arc, level: impl Fn(T) -> T) {
        self.changed = true;
        let whole = arc.after == arc.upto;
        self.split(arc.after.plus(1));
        if !whole {
            self.split(arc.upto.plus(1));
        }
        let inside = self.stretches.iter_mut().filter(|(start, _)| arc.contains(*start));
        inside.for_each(|(_, known)| *known = level(*known));
        self.stretches.dedup_by_key(|(_, level)| *level);
        while self.stretches.len() > STRETCHES_MAX {
            self.merge_two();
        }
    }

    /// How far from the beginning of the arc on it has the same level.
    pub fn even_upto(&self, arc: Arc) -> Id {
        let first = self.at(arc.after.plus(1));
        let others = self.stretches.iter().filter(|(start, level)| arc.contains(*start) && *level != first);
        let next = others.map(|(start, _)| *start).min_by_key(|start| arc.after.distance_to(*start).wrapping_sub(1));
        next.map_or(arc.upto, |start| start.plus(u128::MAX))
    }

    /// The arc in parts that have one level each, those of the lowest left out.
    pub fn parts(&self, arc: Arc) -> Vec<(Arc, T)> {
        let (mut parts, mut after) = (Vec::new(), arc.after);
        while parts.len() <= STRETCHES_MAX {
            let rest = Arc::new(after, arc.upto);
            let (upto, level) = (self.even_upto(rest), self.at(after.plus(1)));
            if level != T::default() {
                parts.push((Arc::new(after, upto), level));
            }
            if upto == arc.upto {
                break;
            }
            after = upto;
        }
        parts
    }

    /// All of them, to be saved.
    pub fn stretches(&self) -> &[(Id, T)] {
        &self.stretches
    }

    /// With those that were saved. They need be neither in order nor within bounds.
    #[must_use]
    pub fn restored(mut self, stretches: &[(Id, T)]) -> Self {
        let ends = stretches.iter().skip(1).chain(stretches.first());
        for ((start, level), (end, _)) in stretches.iter().zip(ends) {
            self.raise(Arc::new(start.plus(u128::MAX), end.plus(u128::MAX)), *level);
        }
        self.changed = false;
        self
    }

    /// Makes a stretch begin at the id.
    fn split(&mut self, id: Id) {
        if let Err(at) = self.stretches.binary_search_by_key(&id, |(start, _)| *start) {
            let level = self.at(id);
            self.stretches.insert(at, (id, level));
        }
    }

    /// Merges the two adjacent stretches whose levels differ least.
    fn merge_two(&mut self) {
        let apart = |pair: &[(Id, T)]| pair[0].1.apart(pair[1].1);
        let closest = self.stretches.windows(2).enumerate().min_by_key(|(_, pair)| apart(pair)).map(|(i, _)| i);
        if let Some(i) = closest {
            let (_, level) = self.stretches.remove(i + 1);
            self.stretches[i].1 = (self.merged)(self.stretches[i].1, level);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn at(n: u64) -> Id {
        Id::new(u128::from(n) << 124)
    }

    #[test]
    fn agrees_with_a_plain_array_on_a_ring_of_sixteen() {
        let mut rng = Rng::new(5);
        for _ in 0..200 {
            let (mut terms, mut plain) = (Stretches::<u64>::rising(), [0u64; 16]);
            for _ in 0..12 {
                let (a, b, term) = (rng.below(16), rng.below(16), rng.below(9));
                let arc = Arc::new(at(a), at(b));
                let inside = |n: &u64| arc.contains(at(*n));
                // The positions between the sixteen belong to the arc too; the array cannot show those after `a`.
                let expected = (0..16).filter(inside).map(|n| plain[n as usize]).max();
                assert!(terms.highest(arc) >= expected.unwrap_or(0));
                if rng.below(4) == 0 {
                    terms.forget(arc);
                    (0..16).filter(inside).for_each(|n| plain[n as usize] = 0);
                } else {
                    terms.raise(arc, term);
                    (0..16).filter(inside).for_each(|n| plain[n as usize] = plain[n as usize].max(term));
                }
                (0..16).for_each(|n| assert_eq!(terms.at(at(n)), plain[n as usize]));
                let (start, level) = terms.since(at(3));
                let before = (0..16).filter(|n| Arc::new(start, at(3)).contains(at(*n)));
                before.for_each(|n| assert_eq!(plain[n as usize], level));
                let parts = terms.parts(arc);
                for n in 0..16 {
                    let found = parts.iter().find(|(part, _)| part.contains(at(n))).map_or(0, |(_, level)| *level);
                    assert_eq!(found, if inside(&n) { plain[n as usize] } else { 0 });
                }
                let even = Arc::new(arc.after, terms.even_upto(arc));
                assert!(arc.covers(even) && terms.lowest(even) == terms.highest(even));
            }
        }
    }

    #[test]
    fn never_more_stretches_than_the_limit_and_those_that_merge_rise_or_sink() {
        let (mut rising, mut sinking) = (Stretches::<u64>::rising(), Stretches::<u64>::sinking());
        let mut raised = Vec::new();
        for n in 0..1000u64 {
            let id = Id::of_key(&n.to_be_bytes());
            let arc = Arc::new(id, id.plus(1 << 100));
            raised.push((arc, n));
            rising.raise(arc, n);
            sinking.raise(arc, n);
            assert!(rising.len() <= STRETCHES_MAX && sinking.len() <= STRETCHES_MAX);
            assert!(rising.at(id.plus(1)) >= n);
            let most = raised.iter().filter(|(arc, _)| arc.contains(id.plus(1))).map(|(_, n)| *n).max();
            assert!(Some(sinking.at(id.plus(1))) <= most);
        }
    }

    #[test]
    fn the_whole_ring_is_one_stretch() {
        let mut terms = Stretches::<u64>::rising();
        let me = Id::new(77);
        terms.raise(Arc::new(me, me), 3);
        assert_eq!((terms.at(me), terms.at(Id::new(0)), terms.len()), (3, 3, 1));
        assert_eq!(terms.since(me), (me, 3));
        assert_eq!(terms.parts(Arc::new(me, me)), [(Arc::new(me, me), 3)]);
    }
}
