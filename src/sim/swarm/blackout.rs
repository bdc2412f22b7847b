//! All machines lose their power at one moment, and get it back one after another: what they had saved is all that is
//! left.

use super::{Phase, Plan, Swarm};
use crate::sim::log::Detail;
use core::time::Duration;

impl Swarm {
    /// The ring has formed: from now on disks may fail, and the power too.
    pub(super) fn plan_blackouts(&mut self) {
        if self.profile.disks && self.scene.is_none() {
            (self.world.disk_faults, self.world.disk_delay) = (self.profile.disk_faults, self.profile.disk_delay);
            for _ in 0..self.profile.blackouts {
                let after = self.rng.between(Duration::from_secs(2), self.profile.chaos);
                self.plan(after, Plan::Blackout);
            }
        }
    }

    /// The time for it has come: at once, or as soon as somebody is told that a write is done.
    pub(super) fn black_out_soon(&mut self) {
        if self.rng.chance(0.3) {
            self.black_out();
        } else {
            self.power_fails = true;
        }
    }

    /// A reply came, and perhaps told somebody what a key holds.
    pub(super) fn told(&mut self, told: bool) {
        if told && self.phase == Phase::Chaos && core::mem::take(&mut self.power_fails) {
            self.black_out();
        }
    }

    /// All die, and all that ever lived come back: whoever is awaited may be one of these.
    pub(super) fn black_out(&mut self) {
        self.world.log.tell(Detail::Lives, self.world.now(), format_args!("BLACKOUT"));
        self.wronged();
        self.orphaned.clear();
        let longest = Duration::from_millis([100, 2000, 8000][self.rng.index(3)]);
        let all: Vec<usize> = (0..self.world.hosts().len()).filter(|&host| self.world.host(host).lives() > 0).collect();
        self.chaos.black_out(&all, self.world.now() + longest);
        for host in all {
            self.forget(host);
            if let Some(counters) = self.world.crash(host) {
                self.tally.add_counters(&counters);
            }
            self.plans.retain(|_, plan| !matches!(plan, Plan::Start { host: waiting } if *waiting == host));
            let after = self.rng.between(Duration::ZERO, longest);
            self.plan(after, Plan::Start { host });
        }
        self.count_hurt();
    }
}
