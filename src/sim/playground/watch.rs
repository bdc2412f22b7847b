//! The oracles on the whole ring, after every event or now and then, and on who may answer, after every event.

use crate::id::Id;
use crate::node::Life;
use crate::sim::oracle::{self, INVARIANTS, Member, PRINCIPALS_KEPT, Ring};
use crate::sim::speakers::{self, Speakers};
use crate::sim::world::World;
use crate::time::Instant;
use crate::wire::Incarnation;
use core::time::Duration;

/// Up to so many nodes the ring is looked at after every event.
pub const EVERY_EVENT_MAX: usize = 4000;
/// How often a larger one is.
pub const SAMPLING: Duration = Duration::from_secs(1);
/// The invariant rests on nobody alive being taken for dead; so long after it happened all should be mended.
const MENDED_AFTER: Duration = Duration::from_secs(60);
/// Violations that are kept to be shown.
const SHOWN_MAX: usize = 5;

/// Something that should not have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// After which event of the world.
    pub event: u64,
    /// When.
    pub at: Instant,
    /// What.
    pub what: String,
    /// The nodes that it is about, and what they hold of each other.
    pub picture: String,
}

/// What came of watching.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// How often each of [`INVARIANTS`] came to be hurt while its assumptions held.
    pub violations: [u64; INVARIANTS.len()],
    /// How often within a minute after somebody alive was taken for dead, or after more nodes crashed at once than a
    /// list is long: then none is promised.
    pub excused: [u64; INVARIANTS.len()],
    /// How often two nodes would have answered for one id.
    pub two_speakers: u64,
    /// How often somebody alive was taken for dead.
    pub wronged: u64,
    /// How often the whole ring was looked at.
    pub looks: u64,
    /// The first violations.
    pub shown: Vec<Violation>,
}

impl Findings {
    /// All violations together.
    pub fn total(&self) -> u64 {
        self.violations.iter().sum::<u64>() + self.two_speakers
    }
}

/// Watches a world.
pub struct Watch {
    successors: usize,
    every_event: bool,
    ring: Ring,
    /// Which life of each machine's node was last seen as a member, and how often what it held of the ring had changed.
    seen: Vec<Option<(Incarnation, u64)>>,
    /// A list got on its way, or a member holds something else.
    changed: bool,
    /// A member holds something else.
    moved: bool,
    gone: bool,
    ideal_since: Option<Instant>,
    hurt: [bool; INVARIANTS.len()],
    has_base: bool,
    excused_until: Instant,
    bent_until: Instant,
    looked: Instant,
    speakers: Speakers,
    findings: Findings,
}

impl Watch {
    /// Watches a ring of about so many nodes with successor lists of this length, and these ids for who answers.
    pub fn new(nodes: usize, successors: usize, ids: impl IntoIterator<Item = Id>) -> Self {
        Self {
            successors,
            every_event: nodes <= EVERY_EVENT_MAX,
            ring: Ring::default(),
            seen: Vec::new(),
            changed: false,
            moved: false,
            gone: false,
            ideal_since: None,
            hurt: [false; INVARIANTS.len()],
            has_base: false,
            excused_until: Instant::ZERO,
            bent_until: Instant::ZERO,
            looked: Instant::ZERO,
            speakers: Speakers::new(speakers::is_settled, ids),
            findings: Findings::default(),
        }
    }

    /// True if the whole ring is looked at after every event, not only each [`SAMPLING`].
    pub const fn sees_every_event(&self) -> bool {
        self.every_event
    }

    /// What came of it so far.
    pub const fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Since when the ring has been ideal; `None` if it is not.
    pub const fn ideal_since(&self) -> Option<Instant> {
        self.ideal_since
    }

    /// Something happened in the life of a node.
    pub fn hear(&mut self, world: &World, life: &Life) {
        if let Life::Dropped(peer) = life
            && let Some((host, _)) = world.node_of(*peer)
            && world.host(host).is_running()
        {
            self.findings.wronged += 1;
            self.excuse(world.now());
        }
    }

    /// What the invariant rests on is not given, up to this moment: nothing is promised until a while after it.
    pub fn excuse(&mut self, upto: Instant) {
        self.excused_until = self.excused_until.max(upto + MENDED_AFTER);
    }

    /// Up to this moment more is disturbed than any promise holds for, or all tables were changed from outside: not
    /// even who answers is promised until a while after it.
    pub fn excuse_all(&mut self, upto: Instant) {
        self.excuse(upto);
        self.bent_until = self.bent_until.max(upto + MENDED_AFTER);
    }

    /// Looks at a node after its event, and at the ring if that changed it.
    pub fn look(&mut self, world: &mut World, host: usize) {
        if let Err((id, other)) = self.speakers.look(world, host)
            && world.now() > self.bent_until
        {
            self.findings.two_speakers += 1;
            let what = format!("two nodes answer for {id}");
            self.show(world, what, format!("{}{}", member_line(world, host), member_line(world, other)));
        }
        self.take_in(world, host);
        if world.sent_lists() {
            self.changed = true;
        }
        if self.changed && (self.every_event || world.now() >= self.looked + SAMPLING) {
            self.judge(world);
        }
    }

    /// A process ended.
    pub fn lost(&mut self, world: &mut World, host: usize) {
        self.speakers.forget(host);
        self.gone = true;
        self.look(world, host);
    }

    fn take_in(&mut self, world: &World, host: usize) {
        if self.seen.len() <= host {
            self.seen.resize(world.hosts().len().max(host + 1), None);
        }
        let node = world.host(host).node().filter(|node| node.is_member());
        let now = node.map(|node| (node.me().incarnation, node.counters().ring_changes));
        let before = core::mem::replace(&mut self.seen[host], now);
        if now == before {
            return;
        }
        (self.changed, self.moved) = (true, true);
        self.ring.update(world.host(host).id(), node.map(Member::of));
    }

    fn judge(&mut self, world: &mut World) {
        let now = world.now();
        let gone = core::mem::take(&mut self.gone);
        self.changed = false;
        self.looked = now;
        self.findings.looks += 1;
        if core::mem::take(&mut self.moved) {
            let ideal = oracle::is_ideal(&self.ring, self.successors);
            self.ideal_since = ideal.then(|| self.ideal_since.unwrap_or(now));
        }
        self.ring.set_in_flight(world.lists_in_flight());
        let judgement = oracle::judge(&self.ring, self.successors);
        for (at, (name, holds)) in INVARIANTS.iter().zip(judgement.holds).enumerate() {
            let hurt = !holds;
            if hurt && gone && at < 2 {
                // Too many went at once: what the invariant rests on is not given any more.
                self.excuse(now);
            }
            if hurt && !self.hurt[at] {
                // Those who have just come pass on lists that are older than others who came.
                let demanded = at != PRINCIPALS_KEPT;
                if demanded && self.has_base && now > self.excused_until {
                    self.findings.violations[at] += 1;
                    let picture = oracle::explain(&self.ring, at);
                    self.show(world, String::from(*name), picture);
                } else {
                    self.findings.excused[at] += 1;
                }
            }
            self.hurt[at] = hurt;
        }
        if self.every_event {
            // Between two samples others may have taken over what a joiner brought.
            self.ring.set_before(judgement.members);
        }
        // A ring that is still forming has yet to make its base.
        let joining = || world.hosts().iter().filter(|host| host.node().is_some() && !host.is_ready(now)).count();
        let members = self.ring.members().len();
        self.has_base = !self.hurt.contains(&true)
            && (members > self.successors * 4 || members > self.successors + joining())
            || self.has_base;
    }

    fn show(&mut self, world: &World, what: String, picture: String) {
        if self.findings.shown.len() < SHOWN_MAX {
            self.findings.shown.push(Violation { event: world.events(), at: world.now(), what, picture });
        }
    }
}

fn member_line(world: &World, host: usize) -> String {
    world.host(host).node().map_or_else(String::new, |node| oracle::line(&Member::of(node)))
}
