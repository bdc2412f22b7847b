//! What the driver notes beside the node, to tell people why it cannot join, and who cannot join it.

use super::address::{is_good_elsewhere, outward_address};
use super::seeds::{Here, NOTED_MAX, TELLING_TRY, is_of_this_machine};
use crate::handle::{Found, Seed, Trouble};
use crate::node::{Node, Seeking};
use crate::wire::Flaw;
use log::warn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How the seeds were found, noted by the task that looks them up.
#[derive(Clone, Debug)]
pub struct Notes(Arc<Mutex<Noted>>);

#[derive(Clone, Debug, Default)]
struct Noted {
    seeds: Vec<Seed>,
    /// The name of the node's ring.
    ring: String,
    /// It was found out by TCP what is at the silent ones.
    closer: bool,
}

impl Notes {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        // A panic elsewhere leaves what is in there whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a node of the ring with this name.
    pub fn new(ring: &str) -> Self {
        Self(Arc::new(Mutex::new(Noted { ring: ring.to_owned(), ..Noted::default() })))
    }

    /// The seeds were looked up anew. What was found at an address holds until it is known better.
    pub fn set(&self, mut seeds: Vec<Seed>) {
        seeds.truncate(NOTED_MAX);
        let mut noted = self.noted();
        for seed in seeds.iter_mut().filter(|seed| seed.found == Found::Asked) {
            let same = |known: &&Seed| known.addr == seed.addr;
            if let Some(known) = noted.seeds.iter().find(same) {
                seed.found = known.found.clone();
            }
        }
        noted.seeds = seeds;
    }

    /// This was found at an address that is silent by UDP. That one of this ring is there at all counts from the second
    /// time on: it may have been started after it was asked by UDP.
    pub fn put(&self, addr: SocketAddr, found: &Found) {
        let noted = &mut *self.noted();
        for seed in noted.seeds.iter_mut().filter(|seed| seed.addr == Some(addr)) {
            let same = matches!(found, Found::Runs(name) if name.as_ref().is_none_or(|name| *name == noted.ring));
            let is_new = same && !matches!(seed.found, Found::Appears | Found::Runs(_));
            seed.found = if is_new { Found::Appears } else { found.clone() };
        }
    }

    /// What there is to find out at this try has been found out.
    pub fn looked_closer(&self) {
        let mut noted = self.noted();
        noted.closer = noted.seeds.iter().all(|seed| seed.found != Found::Appears);
    }

    /// The node has its place: what was found says nothing of a later time.
    fn forget(&self) {
        let mut noted = self.noted();
        (noted.seeds, noted.closer) = (Vec::new(), false);
    }

    /// The seeds as they were found.
    pub fn seeds(&self) -> Vec<Seed> {
        self.noted().seeds.clone()
    }

    /// Why the node has no place on a ring, together with what it knows itself.
    pub fn trouble(&self, here: Here, seeking: Seeking) -> Trouble {
        let Noted { mut seeds, ring, .. } = self.noted().clone();
        for seed in &mut seeds {
            if let Some((_, member)) = seeking.answered.iter().find(|(addr, _)| seed.addr == Some(*addr)) {
                seed.found = Found::Answers { member: *member };
            }
        }
        // A founder needs no word on itself.
        seeds.retain(|seed| seed.found == Found::Homeless || seed.addr.is_none_or(|addr| !here.is_me(addr)));
        let Here { listen, me } = here;
        Trouble { ring, listen, me: me.unwrap_or(listen), seeking, seeds }
    }

    /// True once there is enough to tell.
    fn is_telling(&self) -> bool {
        self.noted().closer
    }
}

/// Tells the log why the node cannot join: whenever the reason is another one, but only now and then while it stays.
#[derive(Debug, Default)]
pub struct Teller {
    told: Option<(String, Instant)>,
}

/// Two lines are so far apart, even if the reason changes.
const PAUSE: Duration = Duration::from_secs(30);

/// After so long the same reason is told again.
const AGAIN: Duration = Duration::from_secs(600);

impl Teller {
    /// What is to be told now, if anything.
    fn news(&mut self, now: Instant, trouble: &Trouble) -> Option<String> {
        let text = trouble.to_string();
        let due = self.told.as_ref().is_none_or(|(told, at)| {
            let since = now.saturating_duration_since(*at);
            since >= AGAIN || (*told != text && since >= PAUSE)
        });
        due.then(|| {
            self.told = Some((text.clone(), now));
            text
        })
    }

    /// The node has no place yet.
    pub fn tell(&mut self, notes: &Notes, trouble: &Trouble) {
        if !notes.is_telling() && !trouble.lasts() {
            return;
        }
        if let Some(text) = self.news(Instant::now(), trouble) {
            warn!("cannot join the ring {:?} yet: {text} It goes on trying.", trouble.ring);
        }
    }
}

/// Datagrams of another ring: the last that sent one, and how many there were since that was told.
#[derive(Debug, Default)]
pub struct Foreign {
    count: u64,
    told: Option<Instant>,
}

/// They are told this often at most.
const FOREIGN_PAUSE: Duration = Duration::from_secs(60);

impl Foreign {
    /// One came from there. → what is to be told of it, if anything.
    fn news(&mut self, now: Instant, source: SocketAddr) -> Option<String> {
        self.count += 1;
        if self.told.is_some_and(|at| now.saturating_duration_since(at) < FOREIGN_PAUSE) {
            return None;
        }
        self.told = Some(now);
        let number = match std::mem::take(&mut self.count) {
            1 => String::from("1 datagram"),
            more => format!("{more} datagrams"),
        };
        Some(format!("{number} of another ring from {source}: compare --ring"))
    }

    /// One came from there.
    pub fn note(&mut self, source: SocketAddr) {
        if let Some(text) = self.news(Instant::now(), source) {
            warn!("{text}");
        }
    }
}

/// All that is told beside the node.
#[derive(Debug)]
pub struct Telling {
    /// Where the node is.
    pub here: Here,
    notes: Notes,
    teller: Teller,
    foreign: Foreign,
    /// When it is looked again whether there is something to tell.
    next: crate::time::Instant,
    /// The node had no place when it was looked at last.
    seeks: bool,
    /// How many datagrams of other rings were counted when one was noted last.
    counted: u64,
    /// The machine had the advertised address when the node was started: that it may lose.
    was_home: bool,
    /// When it is looked again whether the machine still has it.
    next_home: crate::time::Instant,
    /// It was told that the machine has lost it.
    told_lost: bool,
}

/// How often it is looked whether the machine still has the address of a node that is alone, or does not serve.
const HOME_LOOK: Duration = Duration::from_secs(5);

/// How often it is looked whether there is something to tell.
const LOOK: Duration = Duration::from_secs(1);

impl Telling {
    /// For this node, which listens there.
    pub fn new(node: &Node, listen: SocketAddr) -> Self {
        let me = node.me().addr();
        let here = Here { listen, me: Some(me) };
        let (was_home, start) = (!node.is_guest() && is_of_this_machine(me.ip()), crate::time::Instant::ZERO);
        let (notes, teller, foreign) = (Notes::new(node.ring_name()), Teller::default(), Foreign::default());
        let (next, next_home) = (start, start);
        Self { here, notes, teller, foreign, next, seeks: false, counted: 0, was_home, next_home, told_lost: false }
    }

    /// Where it is noted how the seeds of a node are found. A guest is told by its own requests who does not answer.
    pub fn notes_on(&self, node: &Node) -> Option<Notes> {
        (!node.is_guest()).then(|| self.notes.clone())
    }

    /// Why the node has no place on a ring, if it looks for one.
    pub fn trouble(&self, node: &Node) -> Option<Trouble> {
        let seeking = node.seeking().filter(|_| !node.is_guest())?;
        Some(self.notes.trouble(self.here, seeking))
    }

    /// Tells the log why the node has no place on a ring. → while it has none, in how long to look again.
    pub fn look_at(&mut self, node: &Node, now: crate::time::Instant) -> Option<Duration> {
        if node.is_member() || node.is_guest() {
            if std::mem::take(&mut self.seeks) {
                self.notes.forget();
                self.teller = Teller::default();
            }
            return None;
        }
        self.seeks = true;
        if now >= self.next {
            self.next = now + LOOK;
            if let Some(trouble) = self.trouble(node) {
                self.teller.tell(&self.notes, &trouble);
            }
        }
        Some(LOOK)
    }

    /// True if the machine has lost the advertised address, and the node cannot serve for that.
    pub fn is_homeless(&self, node: &Node) -> bool {
        self.was_home && !node.is_ready(super::now().at) && !is_of_this_machine(node.me().addr().ip())
    }

    /// Warns if the machine has lost the advertised address. → the one that leads out, which a node has to take that is
    /// alone, so that nobody tells it.
    pub fn look_home(&mut self, node: &Node, now: crate::time::Instant) -> Option<SocketAddr> {
        let (me, alone) = (node.me().addr(), node.is_alone());
        if now < self.next_home || !self.was_home || (node.is_ready(now) && !alone) {
            return None;
        }
        self.next_home = now + HOME_LOOK;
        let lost = !is_of_this_machine(me.ip());
        if !std::mem::replace(&mut self.told_lost, lost) && lost {
            warn!("its address {me} is not one of this machine's any more: others do not reach it there");
        }
        let out = (lost && alone && node.follows_address()).then(|| outward_address(self.here.listen)).flatten();
        out.filter(|out| is_good_elsewhere(*out))
    }

    /// A datagram that came from there was taken in.
    pub fn came_from(&mut self, source: SocketAddr, node: &Node) {
        let counted = node.counters().flaw(Flaw::Tag);
        if std::mem::replace(&mut self.counted, counted) < counted && !node.is_guest() {
            self.foreign.note(source);
        }
    }
}

// How many tries are quiet is what the log of a node promises: two.
const _: () = assert!(TELLING_TRY == 3);

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn seed(port: u16, found: Found) -> Seed {
        Seed { name: addr(port).to_string(), addr: Some(addr(port)), found }
    }

    fn trouble(notes: &Notes, answered: &[(SocketAddr, bool)]) -> Trouble {
        let here = Here { listen: addr(9), me: Some(addr(9)) };
        let hitched_for = Duration::ZERO;
        let seeking = Seeking { founder: false, answered: answered.to_vec(), hitch: None, hitched_for };
        notes.trouble(here, seeking)
    }

    #[test]
    fn what_was_found_holds_until_it_is_known_better_and_an_answer_by_udp_beats_it() {
        let notes = Notes::new("sky");
        notes.set(vec![seed(1, Found::Asked), seed(2, Found::Asked), seed(9, Found::Asked)]);
        notes.put(addr(1), &Found::Nothing);
        notes.set(vec![seed(1, Found::Asked), seed(2, Found::OtherFamily), seed(9, Found::Asked)]);
        assert_eq!(trouble(&notes, &[]).seeds, [seed(1, Found::Nothing), seed(2, Found::OtherFamily)]);
        let answers = Found::Answers { member: false };
        assert_eq!(trouble(&notes, &[(addr(1), false)]).seeds[0], seed(1, answers));
    }

    #[test]
    fn one_that_was_just_started_is_not_taken_for_one_that_udp_does_not_reach() {
        let notes = Notes::new("sky");
        notes.set(vec![seed(1, Found::Asked)]);
        let runs = |ring: &str| Found::Runs(Some(ring.into()));
        for found in [Found::Appears, runs("sky")] {
            notes.put(addr(1), &runs("sky"));
            notes.looked_closer();
            assert_eq!(notes.seeds()[0].found, found);
            assert_eq!(notes.is_telling(), found != Found::Appears);
            notes.set(vec![seed(1, Found::Asked)]);
        }
        notes.put(addr(1), &runs("other"));
        assert_eq!(notes.seeds()[0].found, runs("other"), "that is no matter of time");
    }

    #[test]
    fn a_reason_is_told_when_it_changes_and_rarely_while_it_stays() {
        let (mut teller, notes, start) = (Teller::default(), Notes::new("sky"), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        notes.set(vec![seed(1, Found::Nothing)]);
        let nothing = trouble(&notes, &[]);
        notes.put(addr(1), &Found::Mute);
        let mute = trouble(&notes, &[]);
        assert!(teller.news(at(0), &nothing).is_some());
        assert!((1..600).all(|second| teller.news(at(second), &nothing).is_none()), "not for ten minutes");
        assert!(teller.news(at(600), &nothing).is_some());
        assert_eq!(teller.news(at(605), &mute), None, "too soon");
        assert!(teller.news(at(630), &mute).is_some());
        // However often it changes: two lines a minute.
        let lines = (631..751).filter_map(|second| {
            let trouble = if second % 2 == 0 { &mute } else { &nothing };
            teller.news(at(second), trouble)
        });
        assert!((2..=4).contains(&lines.count()));
    }

    #[test]
    fn another_ring_is_told_at_once_and_then_once_a_minute_with_how_much_came() {
        let (mut foreign, start) = (Foreign::default(), Instant::now());
        let told = |foreign: &mut Foreign, ms| foreign.news(start + Duration::from_millis(ms), addr(7061));
        assert_eq!(told(&mut foreign, 0).unwrap(), "1 datagram of another ring from 127.0.0.1:7061: compare --ring");
        assert!((1..60_000).step_by(5000).all(|ms| told(&mut foreign, ms).is_none()));
        assert_eq!(
            told(&mut foreign, 60_000).unwrap(),
            "13 datagrams of another ring from 127.0.0.1:7061: compare --ring"
        );
    }
}
