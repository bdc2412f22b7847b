//! What two nodes compare instead of all entries: sums of hashes over an arc, cut into stretches. Those of the arcs
//! that are asked for all the time follow every change, so that an arc at rest costs nothing to compare.

use crate::id::{Arc, Id, STRETCHES};
use alloc::boxed::Box;

/// Arcs that are kept summed up: the two that a node shares with either neighbour, the three of which tombstones are
/// collected, and some that were so before.
const KEPT: usize = 8;

/// An arc summed up, stretch by stretch.
#[derive(Clone, Debug)]
pub struct Sums {
    arc: Arc,
    /// Entries, and the sum of their hashes.
    stretches: [(u32, u64); STRETCHES],
}

impl Sums {
    /// These entries of an arc.
    pub fn of(arc: Arc, entries: impl Iterator<Item = (Id, u64)>) -> Self {
        let mut sums = Self { arc, stretches: [(0, 0); STRETCHES] };
        entries.for_each(|(id, hash)| sums.change(id, 1, hash));
        sums
    }

    fn change(&mut self, id: Id, count: i32, hash: u64) {
        let (entries, sum) = &mut self.stretches[self.arc.stretch_of(id)];
        *entries = entries.wrapping_add_signed(count);
        *sum = sum.wrapping_add(hash);
    }

    /// The sum of all: equal sums mean the same keys in the same versions, under the same ballots.
    pub fn total(&self) -> u64 {
        self.stretches.iter().fold(0, |total: u64, (_, sum)| total.wrapping_add(*sum))
    }

    /// How many entries there are.
    pub fn count(&self) -> usize {
        self.stretches.iter().map(|(count, _)| *count as usize).sum()
    }

    /// The sums of so many stretches, a power of two up to [`STRETCHES`].
    pub fn stretches(&self, parts: usize) -> impl Iterator<Item = u64> {
        let each = STRETCHES / parts.clamp(1, STRETCHES);
        self.stretches.chunks(each).map(|chunk| chunk.iter().fold(0, |total: u64, (_, sum)| total.wrapping_add(*sum)))
    }
}

/// The arcs that are kept summed up, the one asked for last in front.
#[derive(Clone, Debug, Default)]
pub struct Digests([Option<Box<Sums>>; KEPT]);

impl Digests {
    /// The sums of an arc, if they are kept.
    pub fn get(&self, arc: Arc) -> Option<&Sums> {
        self.0.iter().flatten().find(|sums| sums.arc == arc).map(|sums| &**sums)
    }

    /// Puts an arc in front; it is summed up if it is not kept yet.
    pub fn touch(&mut self, arc: Arc, sum_up: impl FnOnce() -> Sums) -> &Sums {
        match self.0.iter().position(|kept| kept.as_ref().is_some_and(|sums| sums.arc == arc)) {
            Some(at) => self.0[..=at].rotate_right(1),
            None => {
                self.0.rotate_right(1);
                self.0[0] = None;
            }
        }
        self.0[0].get_or_insert_with(|| Box::new(sum_up()))
    }

    /// An entry came, went, or changed: so many more of them, and this much more to the sum.
    pub fn change(&mut self, id: Id, count: i32, hash: u64) {
        for sums in self.0.iter_mut().flatten().filter(|sums| sums.arc.contains(id)) {
            sums.change(id, count, hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn random_id(rng: &mut Rng) -> Id {
        Id::new(u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64()))
    }

    #[test]
    fn the_sums_of_the_parts_are_those_of_the_arcs_that_it_is_cut_into() {
        let mut rng = Rng::new(7);
        let whole = random_id(&mut rng);
        let short = |rng: &mut Rng, length| {
            let after = random_id(rng);
            Arc::new(after, after.plus(length))
        };
        let arcs = [
            Arc::new(whole, whole),
            Arc::new(random_id(&mut rng), random_id(&mut rng)),
            short(&mut rng, 1),
            short(&mut rng, 64),
            short(&mut rng, 65),
            short(&mut rng, 1000),
            short(&mut rng, u128::MAX - 5),
        ];
        for arc in arcs {
            let mut random = || (arc.after.plus(1 + random_id(&mut rng).get() % arc.span().max(1)), rng.next_u64());
            let mut entries: Vec<(Id, u64)> = (0..500).map(|_| random()).collect();
            entries.retain(|(id, _)| arc.contains(*id));
            let sums = Sums::of(arc, entries.iter().copied());
            assert_eq!(sums.count(), entries.len());
            for parts in [1, 2, 8, STRETCHES] {
                let cut: Vec<Arc> = arc.parts(parts).collect();
                assert!(cut.len() == parts || arc.span() < STRETCHES as u128, "{arc}");
                if cut.len() < parts {
                    continue;
                }
                assert!(cut.windows(2).all(|pair| pair[0].upto == pair[1].after), "they follow on each other");
                assert_eq!((cut[0].after, cut[parts - 1].upto), (arc.after, arc.upto));
                let of_part = |part: &Arc| {
                    let inside = entries.iter().filter(|(id, _)| part.contains(*id));
                    inside.fold(0u64, |sum, (_, hash)| sum.wrapping_add(*hash))
                };
                assert_eq!(sums.stretches(parts).collect::<Vec<_>>(), cut.iter().map(of_part).collect::<Vec<_>>());
            }
            assert_eq!(sums.total(), entries.iter().fold(0u64, |sum, (_, hash)| sum.wrapping_add(*hash)));
        }
    }
}
