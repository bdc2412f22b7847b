//! A scene: what befalls a ring by a plan of its own, in place of the chaos drawn from the seed.

use super::{HEAL_MAX, Plan, RUN_MIN, Swarm};
use crate::config::Config;
use crate::node::Reply;
use crate::sim::chaos::Profile;
use core::time::Duration;
use std::collections::BTreeMap;

/// What was measured, under a name that says the unit.
pub type Figures = BTreeMap<String, Vec<f64>>;

/// What a run is held to.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// One history per key and one speaker per id. Beyond the bound of the promises these are only counted, and the
    /// highest acknowledged version of every key must be there in the end.
    pub strict: bool,
    /// The ring must be whole this long after the end.
    pub heal_max: Duration,
    /// The run lasts at least so long.
    pub run_min: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self { strict: true, heal_max: HEAL_MAX, run_min: RUN_MIN }
    }
}

/// What a scene does at its moments. It lasts from when the ring has formed until it ends all that it brought about.
pub trait Scene: Send {
    /// Before the first node starts.
    fn begin(&mut self, _run: &mut Swarm) {}

    /// True once the scene can begin: the ring is whole.
    fn has_formed(&mut self, run: &mut Swarm) -> bool {
        run.flaw().is_none()
    }

    /// The next step; returns the pause until the one after it, `None` to end all faults.
    fn step(&mut self, run: &mut Swarm) -> Option<Duration>;

    /// A node has created a ring.
    fn created(&mut self, _run: &mut Swarm, _host: usize) {}

    /// A command has ended.
    fn replied(&mut self, _run: &mut Swarm, _tag: u64, _reply: Option<&Reply>) {}

    /// A node has left.
    fn left(&mut self, _run: &mut Swarm, _host: usize, _handed_over: bool) {}

    /// The ring is whole again, so long after the end.
    fn healed(&mut self, _run: &mut Swarm, _after: Duration) {}
}

impl Swarm {
    /// A run in which a scene takes place.
    pub fn staged(seed: u64, profile: Profile, config: Config, rules: Rules, scene: Box<dyn Scene>) -> Self {
        Self { scene: Some(scene), rules, ..Self::with(seed, profile, config) }
    }

    /// Notes what was measured.
    pub fn figure(&mut self, name: &str, value: f64) {
        self.figures.entry(name.into()).or_default().push(value);
    }

    pub(super) fn with_scene<T>(&mut self, act: impl FnOnce(&mut dyn Scene, &mut Self) -> T) -> Option<T> {
        let mut scene = self.scene.take()?;
        let result = act(&mut *scene, self);
        self.scene = Some(scene);
        Some(result)
    }

    pub(super) fn play(&mut self) {
        match self.with_scene(|scene, run| scene.step(run)).flatten() {
            Some(pause) => self.plan(pause, Plan::Scene),
            None => self.heal(),
        }
    }

    /// Through every node the same was read in the end, and nothing older than what anyone was ever told of.
    pub(super) fn judge_last_look(&mut self) {
        for key in 0..self.clients.keys().len() {
            let found = self.clients.last_look(key);
            let Some(&newest) = found.last() else { continue };
            let acknowledged = self.clients.keys().acknowledged(key);
            let speaker = self.clients.keys().speaker(&self.world, key);
            // Of a deleted key the answer names no version.
            let name = self.clients.keys().name(key);
            let seen = |version| speaker.is_some_and(|(_, node)| node.has_seen(name, version));
            let old = match newest {
                Some(newest) => Some(newest) < acknowledged,
                None => acknowledged.is_some_and(|version| !seen(version)),
            };
            if found.len() > 1 || old {
                let text = format!("key {key}: {found:?} was found in the end, {acknowledged:?} was acknowledged");
                self.fail(&text);
            }
        }
    }
}
