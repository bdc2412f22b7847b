//! Taking over what another node holds of an arc: compare sums, cut the arc where they differ, list what is left, then
//! fetch what is newer there. One mechanism for joining, settling, repair and leaving.

use super::Node;
use super::floors::FloorList;
use super::join::JoinPart;
use super::life::Life;
use super::pace::Pace;
use super::pending::{Purpose, Silence};
use super::settle::Side;
use super::speak::Asked;
use super::timers::Timer;
use super::transfer::Parcel;
use crate::config::Rule;
use crate::id::{Arc, Id};
use crate::limits::{FRAME_MAX, PULL_LARGE, PULL_WINDOW, PULLS_MAX, SURVEY_WINDOW, SURVEYS_MAX, TERM_MAX};
use crate::store::Untaken;
use crate::time::Instant;
use crate::wire::{Entry, Holding, Item, Peer, Refusal, Request, Surveyed};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

/// Why an arc is pulled; tells who hears of the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PullFor {
    /// To have what the place on the ring asks for, before taking it.
    Join(JoinPart),
    /// To know the newest before answering.
    Settle(Side),
    /// Because the stores differ.
    Repair,
    /// Because the other node leaves, which waits to hear that it is done.
    Adopt(Asked),
}

impl PullFor {
    /// True if nobody waits for it.
    const fn can_wait(&self) -> bool {
        matches!(self, Self::Repair | Self::Join(_))
    }
}

/// Where the other node stood when it listed the last page.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    /// Its predecessor.
    pub predecessor: Option<Peer>,
    /// Its next successors.
    pub successors: Vec<Peer>,
    /// It had its predecessor's consent.
    pub consented: bool,
    /// The highest term that it knew of the arc.
    pub term: u64,
    /// It might be cut off, and did not answer for anything.
    pub silent: bool,
    /// It has come back to a ring that was not whole yet.
    pub awaiting: bool,
}

#[derive(Debug)]
struct Pull {
    peer: Peer,
    arc: Arc,
    purpose: PullFor,
    /// What is still to be compared, the next last.
    todo: Vec<Arc>,
    wanted: VecDeque<Item>,
    surveys: usize,
    fetching: Vec<Item>,
    /// So many are yet to come that fit a frame before it counts as one of small entries: the next may be large.
    large_for: usize,
    /// How many surveys there were.
    surveyed: u32,
    /// No value can be received in parts just now, or enough has come for a while.
    stalled: bool,
    /// How often an entry changed while it was received.
    renewed: u32,
    /// The arc is to be compared once more before this ends.
    again: bool,
    /// Lists of which something has yet to come.
    lists: Vec<FloorList>,
    merged: u32,
    standing: Option<Standing>,
}

impl Pull {
    /// How many entries may be asked for at one time.
    const fn window(&self) -> usize {
        if self.purpose.can_wait() && self.large_for > 0 { PULL_LARGE } else { PULL_WINDOW }
    }
}

/// The pulls under way.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    table: BTreeMap<u64, Box<Pull>>,
    /// Of those that can wait, the parts of their values included.
    pub pace: Pace,
    /// When a leaver last handed an arc over.
    adopted: Option<Instant>,
}

impl Pulls {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True if nobody waits for the end of this one.
    pub fn can_wait(&self, number: u64) -> bool {
        self.table.get(&number).is_some_and(|pull| pull.purpose.can_wait())
    }

    /// Ends those for such a purpose without a word. Answers still to come find nobody.
    pub fn abandon(&mut self, like: impl Fn(&PullFor) -> bool) {
        self.table.retain(|_, pull| !like(&pull.purpose));
    }

    /// How many leavers wait to hear that an arc was adopted.
    pub fn adoptions(&self) -> u64 {
        self.table.values().filter(|pull| matches!(pull.purpose, PullFor::Adopt(_))).count() as u64
    }

    /// True while some of what is held here may belong here only once a leaver has gone.
    pub fn has_adopted(&self, now: Instant) -> bool {
        self.adopted.is_some_and(|at| now.since(at) < ADOPTION)
    }
}

/// For how long an adopted arc is kept even if it belongs elsewhere.
const ADOPTION: Duration = Duration::from_secs(10);

/// So many times a pull begins anew with an entry that changed under it. An honest sender has no more.
const RENEWALS_MAX: u32 = 256;

/// Lists that a pull keeps open at one time: those of the surveys under way, and of what they left to be fetched.
const OPEN_LISTS_MAX: usize = 64;

/// Arcs that are adopted at one time: those of two leavers.
const ADOPTIONS_MAX: usize = 4;

impl Node {
    /// Begins to pull. False if too much is under way.
    pub(super) fn start_pull(&mut self, peer: Peer, arc: Arc, purpose: PullFor) -> bool {
        if self.pulls.table.len() >= PULLS_MAX {
            return false;
        }
        let number = self.next_number();
        let pull = Pull {
            peer,
            arc,
            purpose,
            todo: alloc::vec![arc],
            wanted: VecDeque::new(),
            surveys: 0,
            fetching: Vec::new(),
            large_for: PULL_WINDOW,
            surveyed: 0,
            stalled: false,
            renewed: 0,
            again: false,
            lists: Vec::new(),
            merged: 0,
            standing: None,
        };
        self.pulls.table.insert(number, Box::new(pull));
        self.pull_on(number);
        true
    }

    /// This neighbour's store differs from ours: take over what it has. It does the same.
    pub(super) fn pull_from_neighbour(&mut self, neighbour: Peer) {
        let under_way = self.pulls.table.values().filter(|pull| pull.purpose == PullFor::Repair);
        if under_way.clone().count() >= 2 || under_way.clone().any(|pull| pull.peer == neighbour) {
            return;
        }
        let me = self.me.id();
        let before = self.predecessor.map_or(me, |predecessor| predecessor.id());
        // With the successor we share our arc and its own; with the predecessor its arc and ours, and it knows where
        // its begins.
        let arc = match self.successors.head() {
            Some(head) if head == neighbour => Arc::new(before, head.id()),
            _ => match self.ring.before_predecessor {
                Some(start) => Arc::new(start, me),
                None => Arc::new(before, me),
            },
        };
        self.start_pull(neighbour, arc, PullFor::Repair);
    }

    /// A leaver hands an arc over. While the transfer is under way it asks again.
    pub(super) fn serve_adopt(&mut self, asked: &Asked, leaver: Peer, arc: Arc) {
        if self.leaving.as_ref().is_some_and(|_| self.me.id() < leaver.id()) {
            // Of two neighbours that leave, the lower id goes first.
            return self.refuse(asked, Refusal::Leaving);
        }
        self.pulls.adopted = Some(self.now.at);
        let mut adopting = self.pulls.table.values_mut().filter(|pull| matches!(pull.purpose, PullFor::Adopt(_)));
        if let Some(under_way) = adopting.find(|pull| pull.peer == leaver && pull.arc == arc) {
            let former = core::mem::replace(&mut under_way.purpose, PullFor::Adopt(*asked));
            // What was written since it listed the arc is not on its list. A repetition of the same question can wait.
            under_way.again |= !matches!(former, PullFor::Adopt(earlier) if earlier.is_same(asked));
            self.counters.repeated += 1;
        } else if adopting.count() >= ADOPTIONS_MAX || !self.start_pull(leaver, arc, PullFor::Adopt(*asked)) {
            self.refuse(asked, Refusal::Busy);
        }
    }

    /// Asks for whatever is next.
    fn pull_on(&mut self, number: u64) {
        let (manner, buries) = (self.patient(), self.config.keeps(Rule::FloorOfTombstones));
        loop {
            let Some(pull) = self.pulls.table.get_mut(&number).filter(|pull| !pull.stalled) else { return };
            let peer = pull.peer;
            if pull.purpose.can_wait()
                && let Some(pause) = self.pulls.pace.wait(self.now.at)
            {
                pull.stalled = true;
                return self.timers.set_earlier(Timer::Pulls, self.now.at + pause);
            }
            if pull.fetching.len() < pull.window()
                && let Some(item) = pull.wanted.pop_front()
            {
                let coming = pull.fetching.contains(&item);
                if coming || self.store.has(item) || (buries && self.floors.buries(&self.store, item)) {
                    continue;
                }
                pull.fetching.push(item);
                if !self.ask(peer, Request::Fetch(item), Purpose::Fetch(number, item), manner) {
                    return self.pull_failed(number);
                }
            } else if pull.surveys < SURVEY_WINDOW
                && pull.wanted.len() < PULL_WINDOW
                && let Some(arc) = pull.todo.pop()
            {
                pull.surveys += 1;
                pull.surveyed += 1;
                let (whole, beyond) = (arc == pull.arc, pull.surveyed > SURVEYS_MAX);
                let digest = if whole { self.store.digest(arc) } else { self.store.sums(arc).total() };
                let request = Request::Survey { arc, digest };
                if beyond || !self.ask(peer, request, Purpose::Survey(number, arc, digest), manner) {
                    return self.pull_failed(number);
                }
            } else if pull.surveys == 0 && pull.fetching.is_empty() && core::mem::take(&mut pull.again) {
                pull.todo.push(pull.arc);
            } else if pull.surveys == 0 && pull.fetching.is_empty() {
                return self.pull_ended(number);
            } else {
                return;
            }
        }
    }

    /// What the other node holds of an arc, of which the sum of this one's entries was told.
    pub(super) fn pull_surveyed(&mut self, number: u64, (arc, told): (Arc, u64), answer: Surveyed) {
        if !self.pulls.table.contains_key(&number) {
            return;
        }
        let told = self.take_floors(arc, told, &answer);
        let Some(pull) = self.pulls.table.get_mut(&number) else { return };
        pull.surveys -= 1;
        let wants = self.config.keeps(Rule::PullBeforeJoin) || !matches!(pull.purpose, PullFor::Join(_));
        let Surveyed { predecessor, successors, consented, term, silent, awaiting, holding, .. } = answer;
        pull.todo.extend(told.rest.into_iter().rev());
        // A list that is forgotten costs no more than a comparison later.
        pull.lists.extend(told.list.filter(|_| pull.lists.len() < OPEN_LISTS_MAX));
        let term = pull.standing.as_ref().map_or(term, |before| before.term.max(term)).min(TERM_MAX);
        let successors = successors.to_vec();
        pull.standing = Some(Standing { predecessor, successors, consented, term, silent, awaiting });
        match holding {
            Holding::Same => {}
            Holding::Items(items) if wants => {
                pull.wanted.extend(items.iter().filter(|item| told.even.contains(item.id)))
            }
            Holding::Parts(theirs) if wants && theirs.len().is_power_of_two() => {
                let sums = self.store.sums(arc);
                let parts = arc.parts(theirs.len()).zip(theirs.iter()).zip(sums.stretches(theirs.len()));
                // An arc that was not cut would be asked for again and again.
                let differing = parts.filter(|((part, sum), ours)| u64::from_be_bytes(**sum) != *ours && *part != arc);
                let todo: Vec<Arc> = differing.map(|((part, _), _)| part).collect();
                pull.todo.extend(todo.into_iter().rev());
            }
            Holding::Items(_) | Holding::Parts(_) => {}
        }
        self.pull_on(number);
    }

    /// An entry arrived.
    pub(super) fn pull_fetched(&mut self, number: u64, item: Item, from: Peer, entry: &Entry<'_>) {
        let fits = Id::of_key(entry.key) == item.id && !self.is_dead(Item { rank: entry.rank, ..item });
        let taken = if fits { self.take_entry(entry) } else { Ok(false) };
        let length = entry.key.len() + entry.value.map_or(0, |value| value.body.length as usize);
        if let Some(pull) = self.pulls.table.get_mut(&number) {
            pull.large_for = if length > FRAME_MAX { PULL_WINDOW } else { pull.large_for.saturating_sub(1) };
        }
        if let Err(missing @ (Untaken::Partial | Untaken::Nameless)) = taken {
            if !self.pulls.table.contains_key(&number) {
                return;
            }
            return self.take_parcel(from, entry, missing, |entry| Parcel::Fetched(number, item, entry));
        }
        let repairs = self.pulls.table.get(&number).is_some_and(|pull| pull.purpose == PullFor::Repair);
        if taken == Err(Untaken::Full) && !repairs {
            // Without it this node would say that there is no such key.
            return self.pull_failed(number);
        }
        let newer = taken == Ok(true);
        // What came, not what was said: the length of an entry that is not sound may be any.
        let bytes = entry.key.len() + entry.value.map_or(0, |value| value.body.first.len());
        let Some(pull) = self.pulls.table.get_mut(&number) else { return };
        pull.fetching.retain(|coming| *coming != item);
        pull.merged += u32::from(newer);
        self.counters.pulled += u64::from(newer);
        if pull.purpose == PullFor::Repair && newer {
            self.counters.repaired += 1;
            self.counters.repaired_bytes += bytes as u64;
        }
        let around = pull.lists.iter().position(|list| list.arc.contains(item.id));
        let open = around.map(|at| pull.lists.swap_remove(at)).and_then(|list| self.close_list(list));
        if let Some(pull) = self.pulls.table.get_mut(&number) {
            pull.lists.extend(open);
        }
        if self.pulls.can_wait(number) {
            // The parts of a value were paid for as they were asked for.
            self.pulls.pace.spend(self.now.at, bytes.min(FRAME_MAX));
        }
        self.pull_on(number);
    }

    /// An entry did not arrive.
    pub(super) fn fetch_failed(&mut self, number: u64, item: Item, silence: Silence) {
        if silence != Silence::Refused(Refusal::NotFound) {
            return self.pull_failed(number);
        }
        // It was dropped there since it was listed, which happens to strays that others hold.
        if let Some(pull) = self.pulls.table.get_mut(&number) {
            // Or a tombstone was collected: what is left of it is a floor, which the next comparison brings.
            pull.renewed += 1;
            pull.again |= pull.renewed < RENEWALS_MAX;
            pull.lists.retain(|list| !list.arc.contains(item.id));
            pull.fetching.retain(|coming| *coming != item);
            self.pull_on(number);
        }
    }

    /// The value of an entry did not arrive. It may have been replaced by another meanwhile: that one is asked for.
    pub(super) fn fetch_again(&mut self, number: u64, item: Item, silence: Silence) {
        let Some(pull) = self.pulls.table.get_mut(&number) else { return };
        match silence {
            Silence::Refused(Refusal::Busy) => pull.stalled = true,
            Silence::Refused(Refusal::NotFound) if pull.renewed < RENEWALS_MAX => pull.renewed += 1,
            _ => return self.pull_failed(number),
        }
        pull.fetching.retain(|coming| *coming != item);
        pull.wanted.push_front(item);
        self.pull_on(number);
    }

    /// There is room for another value to be received, or time has passed: whoever waited for that goes on.
    pub(super) fn pulls_on(&mut self) {
        let stalled = self.pulls.table.iter().filter(|(_, pull)| pull.stalled).map(|(number, _)| *number);
        for number in stalled.collect::<Vec<_>>() {
            if let Some(pull) = self.pulls.table.get_mut(&number) {
                pull.stalled = false;
                self.pull_on(number);
            }
        }
    }

    /// The other node is silent, or refuses.
    pub(super) fn pull_failed(&mut self, number: u64) {
        let Some(pull) = self.pulls.table.remove(&number) else { return };
        match pull.purpose {
            PullFor::Join(_) => self.join_retry(),
            PullFor::Settle(side) => self.settle_unheard(side),
            PullFor::Adopt(asked) => self.refuse(&asked, Refusal::Busy),
            PullFor::Repair => {}
        }
    }

    fn pull_ended(&mut self, number: u64) {
        let Some(pull) = self.pulls.table.remove(&number) else { return };
        let (from, entries) = (pull.peer, pull.merged);
        // Where something of a list did not come it may be another time.
        pull.lists.into_iter().for_each(|list| drop(self.close_list(list)));
        if entries > 0 {
            self.live(Life::Pulled { from, entries });
        }
        let Some(standing) = pull.standing else { return };
        match pull.purpose {
            PullFor::Join(part) => self.join_pulled(part, pull.arc, standing),
            PullFor::Settle(side) => self.settle_heard(side, standing),
            PullFor::Adopt(asked) => self.answer_saved(&asked, true),
            PullFor::Repair => {}
        }
    }
}
