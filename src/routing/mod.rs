//! Tables of other nodes: who comes after this one, and the shortcuts across the ring.

mod fingers;
mod successors;

pub use fingers::Fingers;
pub use successors::Successors;
