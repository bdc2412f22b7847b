//! What a node holds of an arc, as it tells another: sums where that is much, a list where it is little.

use super::entry::Item;
use crate::id::STRETCHES;
use crate::limits::ITEMS_MAX;
use serde::{Deserialize, Serialize};

/// What a node holds of an arc.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holding {
    /// The same as the asker.
    Same,
    /// These entries, in ring order.
    Items(heapless::Vec<Item, ITEMS_MAX>),
    /// More than that: cut into so many parts of the same length ([`Arc::parts`](crate::id::Arc::parts)), these are
    /// their sums. Ask for the parts whose sums are not yours.
    Parts(heapless::Vec<Sum, STRETCHES>),
}

/// The sum of what is held of an arc: eight bytes, big endian, since its bits are random.
pub type Sum = [u8; 8];
