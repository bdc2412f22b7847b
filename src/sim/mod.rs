//! The simulated world: many real [`Node`](crate::node::Node)s in one process, on a network that loses, delays and
//! repeats, on machines that crash, stop and come back, with clocks that disagree; and the oracles that judge them.
//!
//! Everything follows from one seed, and the same seed gives the same run to the last bit.
//!
//! - [`World`] holds the machines and the one queue of events; it knows nothing of what should be.
//! - [`Network`] decides what happens to a datagram, [`Clock`] what a node believes to be the time.
//! - [`Attacker`] sends what it likes from whatever address.
//! - [`oracle`] looks at the whole ring, [`Speakers`] at who may answer, [`history`] at what clients were told.
//! - [`playground`] is a ring of any size to try things on, with figures of its lookups and traffic.
//! - [`picture`] draws a ring of it.
//! - [`tell`] tells in words what its nodes said and did.
//! - [`swarm`] puts it together: chaos drawn from a seed, then healing, and a judgement.

mod attacker;
mod bound;
pub mod chaos;
mod client;
mod clock;
mod disk;
mod host;
mod ledger;
mod lists;
mod log;
mod names;
mod network;
mod patience;
mod queue;
mod repeats;
mod speakers;
mod tally;
mod world;

pub mod history;
pub mod oracle;
pub mod picture;
pub mod playground;
pub mod swarm;
pub mod tell;

pub use attacker::{Attacker, Shot, Trick};
pub use bound::{Bound, Keys};
pub use client::{Clients, Outcomes};
pub use clock::Clock;
pub use host::{Host, Machine};
pub use log::{Detail, Log};
pub use names::Names;
pub use network::{Delay, Fate, Network, Traffic, Weather};
pub use speakers::{Samples, Speakers, is_settled, may_settle};
pub use tally::{Tally, Times};
pub use world::{Happening, World};
