//! What the alarms of a run stand for, for whoever tells its story.

use super::run::Due;
use super::{Deed, Partition, Playground};
use std::collections::BTreeMap;

/// What is done to the ring when an alarm goes off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cue {
    /// The measurement begins.
    Measure,
    /// A step of the script.
    Deed(Deed),
    /// The ring is cut.
    Partition(Partition),
}

impl Playground {
    /// The alarms that tell something, by their numbers.
    pub fn cues(&self) -> BTreeMap<u64, Cue> {
        let cue = |due: &Due| match due {
            Due::Measure => Some(Cue::Measure),
            Due::Step(at) => Some(Cue::Deed(self.plan.steps[*at].deed)),
            Due::Partition(at) => Some(Cue::Partition(self.plan.partitions[*at])),
            _ => None,
        };
        (0..).zip(&self.due).filter_map(|(number, due)| Some((number, cue(due)?))).collect()
    }

    /// From now on whoever hears what happens hears every datagram, too. The run stays the same.
    pub const fn overhear(&mut self) {
        self.world.overhear();
    }
}
