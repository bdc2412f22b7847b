//! What a node holds of an arc, as it tells another: sums where that is much, a list where it is little.

use super::entry::Item;
use crate::id::STRETCHES;
use crate::limits::ITEMS_MAX;
use alloc::boxed::Box;
use serde::{Deserialize, Serialize};

/// What a node holds of an arc.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holding {
    /// The same as the asker.
    Same,
    /// These entries, in ring order.
    Items(Box<heapless::Vec<Item, ITEMS_MAX>>),
    /// More than that: cut into so many parts of the same length ([`Arc::parts`](crate::id::Arc::parts)), these are
    /// their sums. Ask for the parts whose sums are not yours.
    Parts(Box<heapless::Vec<Sum, STRETCHES>>),
}

impl Holding {
    /// These entries, or as many as fit.
    pub fn items(items: impl IntoIterator<Item = Item>) -> Self {
        Self::Items(Box::new(items.into_iter().take(ITEMS_MAX).collect()))
    }

    /// The sums of so many parts, at most [`STRETCHES`].
    pub fn parts(sums: impl IntoIterator<Item = Sum>) -> Self {
        Self::Parts(Box::new(sums.into_iter().take(STRETCHES).collect()))
    }
}

/// The sum of what is held of an arc: eight bytes, big endian, since its bits are random.
pub type Sum = [u8; 8];
