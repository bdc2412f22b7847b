//! What a node saves of itself beside its entries: where it stood, who stood beside it, which terms it knew. With that
//! it finds its ring again, or raises it together with the others when all of them were stopped.

use super::Node;
use super::floors::Floors;
use super::stretches::{Level, Stretches};
use crate::id::Id;
use crate::limits::{RING_NAME_MAX, STRETCHES_MAX, SUCCESSORS_MAX, TERM_MAX, TIME_MAX_MS};
use crate::wire::{Peer, Place, Version};
use alloc::vec::Vec;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

/// The two neighbours of a node; one, if it is both.
pub(super) type Neighbourhood = heapless::Vec<Place, 2>;

/// What was known of the ring, stretch by stretch.
type Saved<T> = heapless::Vec<(Id, T), STRETCHES_MAX>;

/// A node as it was when it last saved itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    ring: heapless::String<RING_NAME_MAX>,
    id: Id,
    /// Who stood beside it.
    pub(super) beside: Neighbourhood,
    /// Others that it knew.
    pub(super) others: heapless::Vec<SocketAddr, SUCCESSORS_MAX>,
    /// The terms that it spoke under itself, or was about to.
    spoke_under: Saved<u64>,
    terms: Saved<u64>,
    /// The floors that it knew of.
    known: Saved<Version>,
    /// Those that it stood on.
    firm: Saved<Version>,
    clock_ms: u64,
}

impl Record {
    /// Reads what [`Record::to_bytes`] wrote; `None` if that cannot have been it.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (record, rest) = postcard::take_from_bytes::<Self>(bytes).ok()?;
        let mut terms = record.terms.iter().chain(&record.spoke_under);
        let bounded = terms.all(|(_, term)| *term <= TERM_MAX) && record.clock_ms <= TIME_MAX_MS;
        let sound = record.known.iter().chain(&record.firm).all(|(_, floor)| floor.is_sound());
        (rest.is_empty() && bounded && sound).then_some(record)
    }

    /// The record in bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        // It allocates what it needs, and the record has no type that postcard refuses.
        postcard::to_extend(self, Vec::new()).unwrap_or_default()
    }

    /// The name of the ring.
    pub fn ring(&self) -> &str {
        &self.ring
    }

    /// The position on it.
    pub const fn id(&self) -> Id {
        self.id
    }

    /// The same for a node that is to wait for nobody: its operator knows that it holds the newest of everything.
    #[must_use]
    pub fn alone(self) -> Self {
        Self { beside: Neighbourhood::new(), others: heapless::Vec::new(), ..self }
    }

    pub(super) fn terms(&self) -> &[(Id, u64)] {
        &self.terms
    }

    pub(super) fn spoke_under(&self) -> &[(Id, u64)] {
        &self.spoke_under
    }

    pub(super) fn floors(&self) -> Floors {
        let Floors { known, firm } = Floors::default();
        Floors { known: known.restored(&self.known), firm: firm.restored(&self.firm) }
    }

    pub(super) const fn clock_ms(&self) -> u64 {
        self.clock_ms
    }
}

fn saved<T: Level>(stretches: &Stretches<T>) -> Saved<T> {
    stretches.stretches().iter().copied().take(STRETCHES_MAX).collect()
}

impl Node {
    /// The record of this moment.
    pub(super) fn record(&self) -> Record {
        let successors = self.successors.as_slice().iter().skip(1).map(Peer::addr);
        Record {
            // It is no longer than that, as the configuration was checked.
            ring: heapless::String::try_from(&*self.config.ring).unwrap_or_default(),
            id: self.me.id(),
            beside: self.beside.clone(),
            others: successors.take(SUCCESSORS_MAX).collect(),
            spoke_under: saved(&self.spoke_under),
            terms: saved(&self.terms),
            known: saved(&self.floors.known),
            firm: saved(&self.floors.firm),
            clock_ms: self.clock_ms.min(TIME_MAX_MS),
        }
    }

    /// The node has settled: who stands beside it now is whom it is to await when it is started again. Whoever stands
    /// there while it may not answer, as beside one that is cut off, says nothing of the ring.
    pub(super) fn note_beside(&mut self) {
        let beside: Neighbourhood = match (self.predecessor, self.successors.head()) {
            (Some(one), Some(other)) if one.addr() == other.addr() => core::iter::once(one.place).collect(),
            (Some(one), Some(other)) => [one.place, other.place].into_iter().collect(),
            _ => Neighbourhood::new(),
        };
        if self.beside != beside {
            self.beside = beside;
            if let Some(saving) = &mut self.saving {
                saving.record_changed = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floor(term: u64) -> Version {
        Version { term, time_ms: 8, writer: 9 }
    }

    fn record() -> Record {
        let addr = |n: u8| SocketAddr::from(([192, 0, 2, n], 4321));
        Record {
            ring: "sky".chars().collect(),
            id: Id::new(7),
            beside: [1, 2].map(|n| Place { addr: addr(n), id: Id::new(n.into()) }).into_iter().collect(),
            others: core::iter::once(addr(3)).collect(),
            spoke_under: core::iter::once((Id::new(1), 5)).collect(),
            terms: [(Id::new(1), 5), (Id::new(9), 6)].into_iter().collect(),
            known: core::iter::once((Id::new(3), floor(7))).collect(),
            firm: core::iter::once((Id::new(4), floor(6))).collect(),
            clock_ms: 77,
        }
    }

    #[test]
    fn a_record_reads_back_and_nothing_else_does() {
        let bytes = record().to_bytes();
        assert_eq!(Record::from_bytes(&bytes), Some(record()));
        assert!((0..bytes.len()).all(|length| Record::from_bytes(&bytes[..length]).is_none()));
        assert_eq!(Record::from_bytes(&[&bytes[..], &[0]].concat()), None);
        let beyond = Record { clock_ms: TIME_MAX_MS + 1, ..record() };
        assert_eq!(Record::from_bytes(&beyond.to_bytes()), None);
        let unsound = Record { firm: core::iter::once((Id::new(4), floor(u64::MAX))).collect(), ..record() };
        assert_eq!(Record::from_bytes(&unsound.to_bytes()), None);
        let alone = record().alone();
        assert!(alone.beside.is_empty() && alone.others.is_empty() && alone.terms() == record().terms());
    }
}
