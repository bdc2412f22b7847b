//! The phases of a run: the ring forms, chaos befalls it, it heals, everything is read once more, and it rests.

use super::{FORM_MAX, POLL, Plan, Swarm};
use crate::sim::log::Detail;
use crate::sim::oracle;

/// What a run is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Forming,
    Chaos,
    Healing,
    Reading,
    Resting,
}

impl Swarm {
    pub(super) fn enter(&mut self, phase: Phase) {
        self.world.log.tell(Detail::Lives, self.world.now(), format_args!("---- {phase:?}"));
        (self.phase, self.since) = (phase, self.world.now());
    }

    pub(super) fn poll(&mut self) {
        let waited = self.world.now().since(self.since);
        match self.phase {
            Phase::Forming => {
                let started = self.world.hosts().iter().filter(|host| host.node().is_some()).count();
                let formed = self.with_scene(|scene, run| scene.has_formed(run));
                if started == self.profile.nodes && formed.unwrap_or_else(|| self.flaw().is_none()) {
                    self.enter(Phase::Chaos);
                    (self.nobody_wronged, self.formed) = (self.rules.strict, self.world.now());
                    self.world.hosts().iter().filter_map(|host| host.node()).for_each(|node| {
                        self.forming.add_counters(node.counters());
                    });
                    self.plan_blackouts();
                    self.start_guests();
                    if self.profile.bursts {
                        self.plan(POLL, Plan::Burst);
                    }
                    (0..self.clients.count()).for_each(|client| self.plan(POLL, Plan::Client(client)));
                    self.plan(POLL, if self.scene.is_some() { Plan::Scene } else { Plan::Chaos });
                } else if waited > FORM_MAX {
                    self.give_up("the ring did not form");
                }
            }
            Phase::Chaos if waited > self.profile.chaos => self.heal(),
            Phase::Healing => {
                if self.flaw().is_none() {
                    self.tally.healing.push(waited);
                    self.with_scene(|scene, run| scene.healed(run, waited));
                    self.end_attack();
                    self.enter(Phase::Reading);
                } else if waited > self.rules.heal_max {
                    self.give_up("the ring did not heal");
                }
            }
            Phase::Reading if !self.clients.is_waiting() => {
                self.clients.read_everywhere(&mut self.world);
                self.enter(Phase::Resting);
            }
            _ => {}
        }
        for overdue in self.clients.take_overdue(&self.world) {
            self.fail(&overdue);
        }
        self.plan(POLL, Plan::Poll);
    }

    fn give_up(&mut self, what: &str) {
        let flaw = self.flaw().unwrap_or_default();
        self.fail(&format!("{what}: {flaw}\n{}", oracle::picture(&self.world)));
        self.enter(Phase::Resting);
    }
}
