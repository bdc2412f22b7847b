//! How long what clients ask for may wait for its answer.

use super::world::World;
use crate::time::Instant;
use core::time::Duration;
use std::collections::BTreeMap;

/// How much later than the deadline a reply may come.
const SLACK: Duration = Duration::from_millis(1500);

/// True if what this machine was asked at that moment should have been answered by now. A guest may have to find a node
/// of the ring first.
pub(super) fn is_late(world: &World, host: usize, asked: Instant) -> bool {
    let tries = if world.guests().contains(&host) { 2 } else { 1 };
    let since = asked.max(world.host(host).running_since());
    since + (tries * world.config().deadline + SLACK) < world.now()
}

/// Takes out what waits for longer than it may, at machines that run. Each is asked for the machine and the moment.
pub(super) fn take_late<T>(
    waiting: &mut BTreeMap<u64, T>,
    world: &World,
    asked: impl Fn(&T) -> (usize, Instant),
) -> Vec<T> {
    let late = waiting.extract_if(.., |_, one| {
        let (host, at) = asked(one);
        world.host(host).is_running() && is_late(world, host, at)
    });
    late.map(|(_, one)| one).collect()
}
