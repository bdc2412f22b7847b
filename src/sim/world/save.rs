//! What processes save on the disks of their machines.

use super::World;
use crate::node::{Batch, Node};
use crate::sim::disk::Disk;
use crate::sim::host::Input;
use crate::sim::log::Detail;
use crate::sim::queue::Due;
use core::time::Duration;

/// One batch of so many takes longer than [`World::disk_delay`]: up to this.
const SLOW_ONE_IN: f64 = 1.0 / 30.0;
const SLOW: Duration = Duration::from_millis(400);

impl World {
    /// A machine has a disk from now on: processes that are started later save what they hold.
    pub fn give_disk(&mut self, host: usize) {
        self.hosts[host].disk = Some(Disk::default());
    }

    /// The process hands out its next batch, if it has one.
    pub(super) fn save_next(&mut self, host: usize) {
        let it = &mut self.hosts[host];
        let (Some(disk), Some(node)) = (&mut it.disk, &mut it.node) else { return };
        let Some(batch) = node.poll_save() else { return };
        let (life, number) = (it.lives, batch.number);
        let longest = if self.chance.chance(SLOW_ONE_IN) { SLOW } else { self.disk_delay };
        let after = self.chance.between(longest / 20, longest);
        disk.begin(batch);
        self.schedule(self.now + after, Due::Saved { host, life, number });
    }

    /// The disk has done with a batch.
    pub(super) fn saved(&mut self, host: usize, life: u32, number: u64) {
        let fails = self.disk_faults > 0.0 && self.chance.chance(self.disk_faults);
        let it = &mut self.hosts[host];
        let Some(disk) = it.disk.as_mut().filter(|_| it.lives == life && it.node.is_some()) else { return };
        let Some(batch) = disk.take(number) else { return };
        let outcome = if fails {
            self.log.tell(Detail::Lives, self.now, format_args!("{host} cannot save batch {number}"));
            Err(Box::new(batch))
        } else {
            disk.save(batch);
            Ok(number)
        };
        self.arrive(host, Input::Saved(outcome));
    }

    /// A process that has left saves what is still to be saved before it ends.
    pub(super) fn save_last(&mut self, host: usize) {
        let it = &mut self.hosts[host];
        let now = it.local(self.now);
        let (Some(disk), Some(node)) = (&mut it.disk, &mut it.node) else { return };
        let under_way = disk.number();
        disk.end(true);
        if let Some(number) = under_way {
            node.handle_saved(now, Ok(number));
        }
        let rest: Option<Batch> = Node::poll_save(node);
        rest.into_iter().for_each(|batch| disk.save(batch));
    }
}
