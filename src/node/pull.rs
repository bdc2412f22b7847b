//! Taking over what another node holds of an arc: list it, then fetch what is newer there. One mechanism for joining,
//! settling and repair.

use super::Node;
use super::command::Life;
use super::join::JoinPart;
use super::pending::{Purpose, Silence};
use super::settle::Side;
use super::speak::Asked;
use crate::config::Rule;
use crate::id::{Arc, Id};
use crate::limits::{KEY_MAX, PULL_WINDOW, PULLS_MAX, TERM_MAX, VALUE_MAX};
use crate::store::Full;
use crate::time::Instant;
use crate::wire::{Answer, Entry, Item, Peer, Refusal, Request, Surveyed};
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
}

#[derive(Debug)]
struct Pull {
    peer: Peer,
    arc: Arc,
    purpose: PullFor,
    listed_upto: Option<Id>,
    more: bool,
    wanted: VecDeque<Item>,
    in_flight: usize,
    /// The arc is to be listed once more before this ends.
    again: bool,
    merged: u32,
    standing: Option<Standing>,
}

/// The transfers under way.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    table: BTreeMap<u64, Box<Pull>>,
    /// When a leaver last handed an arc over.
    adopted: Option<Instant>,
}

impl Pulls {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
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

/// Arcs that are adopted at one time: those of two leavers.
const ADOPTIONS_MAX: usize = 4;

impl Node {
    /// Begins to pull. False if too much is under way.
    pub(super) fn start_pull(&mut self, peer: Peer, arc: Arc, purpose: PullFor) -> bool {
        if self.pulls.table.len() >= PULLS_MAX {
            return false;
        }
        let number = self.next_number();
        let (more, wanted) = (true, VecDeque::new());
        let (listed_upto, in_flight, again, merged, standing) = (None, 0, false, 0, None);
        let pull = Pull { peer, arc, purpose, listed_upto, more, wanted, in_flight, again, merged, standing };
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
        let manner = self.patient();
        loop {
            let Some(pull) = self.pulls.table.get_mut(&number) else { return };
            let (peer, arc, from) = (pull.peer, pull.arc, pull.listed_upto);
            if pull.in_flight >= PULL_WINDOW {
                return;
            }
            if let Some(item) = pull.wanted.pop_front() {
                if self.store.has(item) {
                    continue;
                }
                pull.in_flight += 1;
                if !self.ask(peer, Request::Fetch(item), Purpose::Fetch(number, item), manner) {
                    return self.pull_failed(number);
                }
            } else if pull.in_flight > 0 {
                return;
            } else if pull.more {
                let digest = if from.is_none() { self.store.digest(arc) } else { 0 };
                if !self.ask(peer, Request::Survey { arc, digest, from }, Purpose::Survey(number), manner) {
                    self.pull_failed(number);
                }
                return;
            } else if core::mem::take(&mut pull.again) {
                (pull.more, pull.listed_upto) = (true, None);
            } else {
                return self.pull_ended(number);
            }
        }
    }

    /// A page of the list arrived.
    pub(super) fn pull_surveyed(&mut self, number: u64, answer: Surveyed) {
        let Some(pull) = self.pulls.table.get_mut(&number) else { return };
        // A page that leads nowhere would be asked for again and again.
        let last = answer.items.last().map(|item| item.id).filter(|last| pull.arc.contains(*last));
        let onward = |last: Id| {
            let listed = pull.listed_upto.unwrap_or(pull.arc.after);
            Arc::new(listed, pull.arc.upto).contains(last) && listed != last
        };
        pull.more = answer.more && last.is_some_and(onward);
        pull.listed_upto = last.or(pull.listed_upto);
        if self.config.keeps(Rule::PullBeforeJoin) || !matches!(pull.purpose, PullFor::Join(_)) {
            pull.wanted.extend(answer.items);
        }
        let Surveyed { predecessor, successors, consented, term, silent, .. } = answer;
        let term = pull.standing.as_ref().map_or(term, |before| before.term.max(term)).min(TERM_MAX);
        let successors = successors.to_vec();
        pull.standing = Some(Standing { predecessor, successors, consented, term, silent });
        self.pull_on(number);
    }

    /// An entry arrived.
    pub(super) fn pull_fetched(&mut self, number: u64, item: Item, entry: &Entry<'_>) {
        let newer = Id::of_key(entry.key) == item.id && self.take_entry(entry) == Ok(true);
        let Some(pull) = self.pulls.table.get_mut(&number) else { return };
        pull.in_flight -= 1;
        pull.merged += u32::from(newer);
        self.counters.pulled += u64::from(newer);
        self.pull_on(number);
    }

    /// An entry did not arrive.
    pub(super) fn fetch_failed(&mut self, number: u64, silence: Silence) {
        if silence != Silence::Refused(Refusal::NotFound) {
            return self.pull_failed(number);
        }
        // It was dropped there since it was listed, which happens to strays that others hold.
        if let Some(pull) = self.pulls.table.get_mut(&number) {
            pull.in_flight -= 1;
            self.pull_on(number);
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
        if entries > 0 {
            self.live(Life::Pulled { from, entries });
        }
        let Some(standing) = pull.standing else { return };
        match pull.purpose {
            PullFor::Join(part) => self.join_pulled(part, pull.arc, standing),
            PullFor::Settle(side) => self.settle_heard(side, standing),
            PullFor::Adopt(asked) => self.answer(&asked, Answer::Done),
            PullFor::Repair => {}
        }
    }

    /// Takes an entry into the store if it is sound and beats what is there. Tells whether it did.
    ///
    /// # Errors
    /// [`Full`] if there is no room, or the entry is beyond the limits; nothing was changed.
    pub(super) fn take_entry(&mut self, entry: &Entry<'_>) -> Result<bool, Full> {
        let sound = (1..=KEY_MAX).contains(&entry.key.len())
            && entry.value.is_none_or(|value| value.len() <= VALUE_MAX)
            && entry.rank.is_sound();
        if !sound {
            return Err(Full);
        }
        self.clock_ms = self.clock_ms.max(entry.rank.version.time_ms);
        self.store.merge(entry)
    }
}
