//! The terms that a node knows of: which is the highest that anyone spoke under for each part of the ring.

use crate::id::{Arc, Id};
use crate::limits::{TERM_MAX, TERMS_MAX};
use alloc::vec::Vec;

/// A term for every id, as stretches of the ring: each begins at its id and ends where the next begins. What was never
/// heard of has the term 0. When there are too many stretches two neighbours merge, and the higher term counts.
#[derive(Debug, Default)]
pub(super) struct Terms {
    stretches: Vec<(Id, u64)>,
    /// They were changed since they were last saved.
    pub changed: bool,
}

impl Terms {
    /// How many stretches there are.
    pub fn len(&self) -> usize {
        self.stretches.len()
    }

    /// The term of one id.
    pub fn at(&self, id: Id) -> u64 {
        let before = self.stretches.partition_point(|(start, _)| *start <= id);
        // Before the first start the last stretch goes on: the ring wraps.
        let stretch = before.checked_sub(1).or(self.stretches.len().checked_sub(1));
        stretch.and_then(|i| self.stretches.get(i)).map_or(0, |(_, term)| *term)
    }

    /// The highest term of any part of the arc.
    pub fn highest(&self, arc: Arc) -> u64 {
        let inside = self.stretches.iter().filter(|(start, _)| arc.contains(*start)).map(|(_, term)| *term);
        inside.max().unwrap_or(0).max(self.at(arc.after.plus(1)))
    }

    /// Raises all of the arc to at least this term, or to the highest that there is.
    pub fn raise(&mut self, arc: Arc, term: u64) {
        let term = term.min(TERM_MAX);
        if self.highest(arc) == 0 && term == 0 {
            return;
        }
        self.changed |= self.stretches.is_empty() || self.lowest(arc) < term;
        let whole = arc.after == arc.upto;
        self.split(arc.after.plus(1));
        if !whole {
            self.split(arc.upto.plus(1));
        }
        self.stretches.iter_mut().filter(|(start, _)| arc.contains(*start)).for_each(|(_, t)| *t = term.max(*t));
        self.join_equal();
        while self.stretches.len() > TERMS_MAX {
            self.merge_two();
        }
    }

    /// The lowest term of any part of the arc.
    fn lowest(&self, arc: Arc) -> u64 {
        let inside = self.stretches.iter().filter(|(start, _)| arc.contains(*start)).map(|(_, term)| *term);
        inside.min().unwrap_or(u64::MAX).min(self.at(arc.after.plus(1)))
    }

    /// All of them, to be saved.
    pub fn stretches(&self) -> &[(Id, u64)] {
        &self.stretches
    }

    /// The terms that were saved. They need be neither in order nor within bounds.
    pub fn restored(stretches: &[(Id, u64)]) -> Self {
        let mut terms = Self::default();
        let ends = stretches.iter().skip(1).chain(stretches.first());
        for ((start, term), (end, _)) in stretches.iter().zip(ends) {
            terms.raise(Arc::new(start.plus(u128::MAX), end.plus(u128::MAX)), *term);
        }
        terms.changed = false;
        terms
    }

    /// Makes a stretch begin at the id.
    fn split(&mut self, id: Id) {
        if let Err(at) = self.stretches.binary_search_by_key(&id, |(start, _)| *start) {
            let term = self.at(id);
            self.stretches.insert(at, (id, term));
        }
    }

    fn join_equal(&mut self) {
        self.stretches.dedup_by_key(|(_, term)| *term);
    }

    /// Merges the two adjacent stretches whose terms differ least.
    fn merge_two(&mut self) {
        let gap = |pair: &[(Id, u64)]| pair[0].1.abs_diff(pair[1].1);
        let closest = self.stretches.windows(2).enumerate().min_by_key(|(_, pair)| gap(pair)).map(|(i, _)| i);
        if let Some(i) = closest {
            let (_, term) = self.stretches.remove(i + 1);
            self.stretches[i].1 = self.stretches[i].1.max(term);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn agrees_with_a_plain_array_on_a_ring_of_sixteen() {
        let at = |n: u64| Id::new(u128::from(n) << 124);
        let mut rng = Rng::new(5);
        for _ in 0..200 {
            let (mut terms, mut plain) = (Terms::default(), [0u64; 16]);
            for _ in 0..12 {
                let (a, b, term) = (rng.below(16), rng.below(16), rng.below(9));
                let arc = Arc::new(at(a), at(b));
                let expected = (0..16).filter(|n| arc.contains(at(*n))).map(|n| plain[n as usize]).max();
                // The positions between the sixteen belong to the arc too; the array cannot show those after `a`.
                assert!(terms.highest(arc) >= expected.unwrap_or(0));
                terms.raise(arc, term);
                (0..16).filter(|n| arc.contains(at(*n))).for_each(|n| plain[n as usize] = plain[n as usize].max(term));
                (0..16).for_each(|n| assert_eq!(terms.at(at(n)), plain[n as usize]));
            }
        }
    }

    #[test]
    fn never_more_stretches_than_the_limit_and_never_a_lower_term() {
        let mut terms = Terms::default();
        for n in 0..1000u64 {
            let id = Id::of_key(&n.to_be_bytes());
            terms.raise(Arc::new(id, id.plus(1 << 100)), n);
            assert!(terms.stretches.len() <= TERMS_MAX);
            assert!(terms.at(id.plus(1)) >= n);
        }
    }

    #[test]
    fn the_whole_ring_is_one_stretch() {
        let mut terms = Terms::default();
        let me = Id::new(77);
        terms.raise(Arc::new(me, me), 3);
        assert_eq!((terms.at(me), terms.at(Id::new(0)), terms.stretches.len()), (3, 3, 1));
    }
}
