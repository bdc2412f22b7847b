//! The course of a run: alarms tell when something is to be done to the ring.

use super::keys::is_write;
use super::plan::{Shape, Start};
use super::step::Deed;
use super::{ANSWER_MAX, Phase, Playground, Trace};
use crate::id::Id;
use crate::node::Command;
use crate::sim::network::exponential;
use crate::sim::world::{Happening, World};
use core::time::Duration;
use std::collections::BTreeSet;

/// How often it is looked whether the next nodes may join a ring that forms.
const FORM_STEP: Duration = Duration::from_secs(1);
/// After this time they join even if not all before them have settled.
const FORM_MAX: Duration = Duration::from_secs(60);
/// For so long a node is stopped.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(20));

/// What is to be done at an alarm, named by its place in the list of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Form,
    Fill,
    Measure,
    End,
    Join,
    Depart,
    Pause,
    Cut,
    Restart,
    Quiet,
    Lookup,
    Step(usize),
    Partition(usize),
}

impl Playground {
    pub(super) fn begin(&mut self) {
        let steps = (0..self.plan.steps.len()).map(Due::Step);
        let partitions = (0..self.plan.partitions.len()).map(Due::Partition);
        let fixed = [Due::Form, Due::Fill, Due::Measure, Due::End];
        let chance = [Due::Join, Due::Depart, Due::Pause, Due::Lookup, Due::Cut, Due::Restart, Due::Quiet];
        self.due = fixed.into_iter().chain(chance).chain(steps).chain(partitions).collect();
        self.population.begin(&mut self.world, self.plan.start);
        self.deeds.joins = 0;
        if self.plan.start == Start::Joining {
            self.waiting = (1..self.plan.nodes).rev().collect();
            self.alarm(Duration::ZERO, Due::Form);
        } else {
            self.formed();
        }
    }

    /// Goes on for some simulated time; what happens is told in order. False when the run is over.
    pub fn advance(&mut self, time: Duration, hear: &mut dyn FnMut(&World, &Happening)) -> bool {
        let slice = self.world.now() + time;
        loop {
            let limit = match self.phase {
                Phase::Done => return false,
                Phase::Draining(until) if self.lookups.under_way() == 0 || self.world.now() >= until => {
                    self.count_time();
                    self.phase = Phase::Done;
                    continue;
                }
                Phase::Draining(until) => until.min(slice),
                _ => slice,
            };
            let Some(happening) = self.world.next(limit) else {
                if limit == slice {
                    return true;
                }
                continue;
            };
            hear(&self.world, &happening);
            if matches!(happening, Happening::Sent { .. }) {
                // The run is the same whether or not it is overheard.
                continue;
            }
            self.take(happening);
            if self.plan.until_event.is_some_and(|last| self.world.events() >= last) {
                self.count_time();
                self.phase = Phase::Done;
            }
        }
    }

    fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Alarm(number) => self.go_off(self.due[number as usize]),
            Happening::Reply { tag, reply } if is_write(tag) => self.has_written(tag, reply.as_ref()),
            Happening::Reply { tag, reply } => {
                let answer = self.lookups.ended(self.world.now(), tag, reply);
                if let (Some((number, from, key)), Some((owner, path))) = (self.traced, answer)
                    && number == tag
                {
                    self.trace = Some(Trace { from, key, owner, path });
                }
            }
            Happening::Life { life, .. } => self.watch.hear(&self.world, &life),
            Happening::Left { host, counters, .. } => {
                self.repairs.add(&counters);
                self.lost(host);
            }
            Happening::Touched { host } => {
                self.lookups.look(&self.world, host);
                self.watch.look(&mut self.world, host);
            }
            Happening::Astray { .. } | Happening::Sent { .. } => {}
        }
    }

    pub(super) fn alarm(&mut self, after: Duration, due: Due) {
        if let Some(number) = self.due.iter().position(|other| *other == due) {
            self.world.alarm(self.world.now() + after, number as u64);
        }
    }

    /// The next of events that come so often a second in the mean.
    pub(super) fn again(&mut self, rate: f64, due: Due) {
        if rate > 0.0 {
            let pause = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX);
            let after = exponential(&mut self.rng, pause);
            // What would come in years does not come.
            if after < Duration::from_secs(1 << 30) {
                self.alarm(after, due);
            }
        }
    }

    fn go_off(&mut self, due: Due) {
        let disturbing = matches!(self.phase, Phase::WarmUp | Phase::Measured(_)) && !self.faults.are_over(due);
        match due {
            Due::Form => self.form(),
            Due::Fill => self.fill(),
            Due::Measure => self.measure(),
            Due::End => {
                self.count_time();
                self.measure.traffic_at_end = Some(self.world.network.traffic());
                self.phase = Phase::Draining(self.world.now() + ANSWER_MAX);
            }
            _ if !disturbing => {}
            Due::Join => {
                self.join(None);
                self.again(self.plan.joins, Due::Join);
            }
            Due::Depart => {
                let graceful = self.rng.chance(self.plan.graceful);
                if let Some(host) = self.population.any().filter(|_| self.may_lose_one()) {
                    if graceful { self.leave(host) } else { self.crash(host) }
                }
                self.again(self.plan.departures, Due::Depart);
            }
            Due::Pause => {
                if let Some(host) = self.population.any() {
                    let until = self.world.now() + self.rng.between(PAUSE.0, PAUSE.1);
                    self.world.pause(host, until);
                    self.deeds.pauses += 1;
                }
                self.again(self.plan.pauses, Due::Pause);
            }
            Due::Cut => self.cut(),
            Due::Restart => self.restart(),
            Due::Quiet => self.quiet(),
            Due::Lookup => {
                if let Some(from) = self.population.any_settled(&self.world) {
                    let key = self.plan.random_position(&mut self.rng);
                    self.look_up(from, key);
                }
                self.again(self.plan.lookups, Due::Lookup);
            }
            Due::Step(at) => self.step(self.plan.steps[at].deed),
            Due::Partition(at) => self.part(at),
        }
    }

    /// Lets the next nodes join a ring that forms: half as many as there are.
    fn form(&mut self) {
        let now = self.world.now();
        let Phase::Forming(last) = self.phase else { return };
        let ready = self.population.alive().iter().all(|host| self.world.host(*host).is_ready(now));
        if ready || now >= last + FORM_MAX {
            if self.waiting.is_empty() {
                return self.formed();
            }
            self.phase = Phase::Forming(now);
            for _ in 0..self.population.alive().len().div_ceil(2).min(self.waiting.len()) {
                let next = self.waiting.pop();
                self.join(next);
            }
        }
        self.alarm(FORM_STEP, Due::Form);
    }

    pub(super) fn warm_up(&mut self) {
        let now = self.world.now();
        self.phase = Phase::WarmUp;
        self.measure.from = now + self.plan.warm_up;
        self.again(self.plan.joins, Due::Join);
        self.again(self.plan.departures, Due::Depart);
        self.again(self.plan.pauses, Due::Pause);
        self.begin_cuts();
        self.alarm(self.plan.warm_up, Due::Measure);
    }

    fn measure(&mut self) {
        let now = self.world.now();
        self.phase = Phase::Measured(now + self.plan.time);
        self.alarm(self.plan.time, Due::End);
        self.plan_quiet();
        (self.measure.from, self.measure.counted) = (now, now);
        self.measure.traffic = self.world.network.traffic();
        if let Start::Wound(turns) = self.plan.start {
            self.watch.excuse_all(now);
            self.world.wind(turns);
        }
        for host in self.population.share(self.plan.kill) {
            self.crash(host);
        }
        for at in 0..self.plan.steps.len() {
            self.alarm(self.plan.steps[at].at, Due::Step(at));
        }
        for at in 0..self.plan.partitions.len() {
            self.alarm(self.plan.partitions[at].at, Due::Partition(at));
        }
        self.again(self.plan.lookups, Due::Lookup);
    }

    /// Adds up the time that nodes lived; called before their number changes.
    fn count_time(&mut self) {
        if let Phase::Measured(end) = self.phase {
            let now = self.world.now().min(end);
            let alive = self.population.alive().len() as f64;
            self.measure.node_seconds += alive * now.since(self.measure.counted).as_secs_f64();
            self.measure.counted = now;
        }
    }

    /// A process starts on a machine, or on a new one, and joins through a node that is there.
    fn join(&mut self, host: Option<usize>) {
        self.deeds.joins += 1;
        self.enter(host);
    }

    pub(super) fn enter(&mut self, host: Option<usize>) {
        let seed = self.population.any_settled(&self.world).or_else(|| self.population.any());
        let seeds: Vec<_> = seed.map(|seed| self.world.host(seed).addr()).into_iter().collect();
        self.count_time();
        let host = host.unwrap_or_else(|| self.population.add_machine(&mut self.world, None));
        self.population.start(&mut self.world, host, &seeds);
    }

    fn crash(&mut self, host: usize) {
        self.world.crash(host).iter().for_each(|counters| self.repairs.add(counters));
        self.deeds.crashes += 1;
        self.lost(host);
        self.come_back(host);
    }

    fn leave(&mut self, host: usize) {
        self.world.leave(host);
        self.deeds.leaves += 1;
    }

    fn lost(&mut self, host: usize) {
        self.count_time();
        self.population.lost(host);
        self.lookups.look(&self.world, host);
        self.watch.lost(&mut self.world, host);
    }

    fn look_up(&mut self, from: usize, key: Id) -> u64 {
        let number = self.lookups.ask(self.world.now(), key);
        self.world.submit(from, number, Command::Lookup { id: key });
        number
    }

    /// The living node with this position.
    fn living(&self, number: u128) -> Option<usize> {
        let id = self.plan.position(number);
        self.population.alive().iter().copied().find(|host| self.world.host(*host).id() == id)
    }

    fn step(&mut self, deed: Deed) {
        match deed {
            Deed::Join(number) if self.living(number).is_none() => {
                let id = self.plan.position(number);
                let host = self.population.add_machine(&mut self.world, Some(id));
                self.join(Some(host));
            }
            Deed::Join(_) => {}
            Deed::Crash(number) => {
                if let Some(host) = self.living(number) {
                    self.crash(host);
                }
            }
            Deed::Leave(number) => {
                if let Some(host) = self.living(number) {
                    self.leave(host);
                }
            }
            Deed::Lookup { from, key } => {
                let from = if let Some(number) = from {
                    self.living(number)
                } else {
                    self.population.any_settled(&self.world)
                };
                if let Some(from) = from {
                    let key = self.plan.position(key);
                    self.traced = Some((self.look_up(from, key), from, key));
                }
            }
        }
    }

    /// Cuts the ring into parts.
    fn part(&mut self, at: usize) {
        let partition = self.plan.partitions[at];
        let until = self.world.now() + partition.lasting;
        let mut order = self.population.alive().to_vec();
        order.sort_by_key(|host| self.world.host(*host).id());
        let part = |place: usize| partition.shape.part(place, order.len());
        for number in 1..=Shape::PARTS_MAX {
            let nodes: BTreeSet<usize> =
                (0..order.len()).filter(|place| part(*place) == number).map(|place| order[place]).collect();
            if !nodes.is_empty() {
                self.world.network.isolate(nodes, until);
            }
        }
        self.deeds.partitions += 1;
        // Nodes on the other side are taken for dead: of the ring nothing is promised until the parts have met again.
        // Nor of who answers, where of any seven in a row three are on either side, and never three in a row on one.
        if partition.shape == Shape::Alternating {
            self.watch.excuse_all(until);
        } else {
            self.watch.excuse(until);
        }
    }
}
