//! Judgements over the whole ring at one moment, from what its members hold of each other.
//!
//! [`INVARIANTS`] are the invariant of the corrected Chord protocol and what follows from it (Zave, "Reasoning about
//! identifier spaces: How to make Chord correct", arXiv:1610.01140). Her proof assumes that only dead nodes are
//! dropped; under false suspicion they may be hurt for a while, so they are counted. [`is_ideal`] is what must come
//! in the end.
//!
//! In her model an exchange is one step. Here its answer takes time, and may be older than a join that it knows nothing
//! of: the list that it brings counts while it is on its way, so that whom it skips is not a principal yet. Otherwise
//! principals would be lost by its arrival. (A joiner is the exception: see [`keeps_principals`].)

use super::world::World;
use crate::id::Id;
use crate::node::Node;
use crate::wire::Peer;
use core::fmt::Write as _;

/// What one member holds of its neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Itself.
    pub me: Peer,
    /// Its predecessor.
    pub predecessor: Option<Peer>,
    /// Its successors, nearest first; empty if it is alone.
    pub successors: Vec<Peer>,
}

impl Member {
    /// What a node holds now.
    pub fn of(node: &Node) -> Self {
        Self { me: node.me(), predecessor: node.predecessor(), successors: node.successors().to_vec() }
    }
}

/// All members at one moment, in ring order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    members: Vec<Member>,
    /// Successor lists on their way, as their receivers would have them.
    in_flight: Vec<(Peer, Vec<Peer>)>,
    /// Who was there when the ring was judged before, in ring order, and whether as a principal.
    before: Vec<(Peer, bool)>,
}

impl FromIterator<Member> for Ring {
    fn from_iter<T: IntoIterator<Item = Member>>(members: T) -> Self {
        let mut members: Vec<Member> = members.into_iter().collect();
        members.sort_by_key(|member| member.me.id());
        Self { members, ..Self::default() }
    }
}

impl Ring {
    /// The ring of a world: every living member, paused ones too.
    pub fn of(world: &World) -> Self {
        world.members().map(|(_, node)| Member::of(node)).collect()
    }

    /// The same with the successor lists that are on their way to those who may adopt them.
    pub fn with_lists_in_flight(world: &mut World) -> Self {
        let in_flight = world.lists_in_flight();
        Self { in_flight, ..Self::of(world) }
    }

    /// The members, in ring order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Takes in what a member holds now, or that whoever had its place is no member any more.
    pub fn update(&mut self, id: Id, member: Option<Member>) {
        match (self.members.binary_search_by_key(&id, |member| member.me.id()), member) {
            (Ok(at), Some(member)) => self.members[at] = member,
            (Ok(at), None) => drop(self.members.remove(at)),
            (Err(at), Some(member)) => self.members.insert(at, member),
            (Err(_), None) => {}
        }
    }

    /// What the member at an id holds, if there is one.
    pub fn member(&self, id: Id) -> Option<&Member> {
        self.members.binary_search_by_key(&id, |member| member.me.id()).ok().map(|at| &self.members[at])
    }

    /// The same ring with these successor lists on their way, and no others.
    pub fn set_in_flight(&mut self, in_flight: Vec<(Peer, Vec<Peer>)>) {
        self.in_flight = in_flight;
    }

    /// The same ring, of which these were the members, and which of them principals, when it was judged before.
    pub fn set_before(&mut self, before: Vec<(Peer, bool)>) {
        self.before = before;
    }

    fn is_alive(&self, peer: &Peer) -> bool {
        self.index_of(*peer).is_some()
    }

    fn index_of(&self, peer: Peer) -> Option<usize> {
        let at = self.members.binary_search_by_key(&peer.id(), |member| member.me.id()).ok()?;
        (self.members[at].me == peer).then_some(at)
    }

    /// The first of a member's successors that lives; itself if it is alone.
    fn best_successor(&self, at: usize) -> Option<usize> {
        if self.members[at].successors.is_empty() && self.members.len() == 1 {
            return Some(at);
        }
        self.members[at].successors.iter().find_map(|&peer| self.index_of(peer))
    }
}

/// What a [`Judgement`] is about, each named by what is wrong if it does not hold.
pub const INVARIANTS: [&str; 7] = [
    "a member without a living successor",
    "fewer principals than a list is long, and one",
    "a list out of order",
    "more than one ring",
    "a ring out of order",
    "a principal outside the ring",
    "a living principal that is none any more",
];

/// What was found out about a ring at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// For each of [`INVARIANTS`] whether it holds.
    pub holds: [bool; INVARIANTS.len()],
    /// The members now, and which are principals: for [`Ring::set_before`] ahead of the next.
    pub members: Vec<(Peer, bool)>,
}

/// Judges a ring whose successor lists are this long.
pub fn judge(ring: &Ring, successors: usize) -> Judgement {
    let (skipped, cycles) = (skipped(ring), cycles(ring));
    let principals = skipped.iter().zip(misnamed(ring)).filter(|(skipped, misnamed)| !**skipped && !misnamed).count();
    let based = ring.members.len() > successors;
    let one_live = has_one_live_successor(ring);
    let holds = [
        one_live,
        !based || principals > successors,
        has_ordered_lists(ring),
        ring.members.is_empty() || (one_live && cycles.len() == 1),
        cycles.iter().all(|cycle| winding(ring, cycle) == 1),
        !based || outside(&skipped, &cycles).next().is_none(),
        !based || demoted(ring, &skipped).is_empty(),
    ];
    let members = ring.members.iter().zip(&skipped).map(|(member, skipped)| (member.me, !skipped)).collect();
    Judgement { holds, members }
}

/// I1: every member has a living member in its list, and in each that is on its way to it.
pub fn has_one_live_successor(ring: &Ring) -> bool {
    (0..ring.members.len()).all(|at| ring.best_successor(at).is_some())
        && ring.in_flight.iter().all(|(_, list)| list.iter().any(|peer| ring.is_alive(peer)))
}

/// I2: there are more principals than a list is long. A principal is a member that nobody's list skips, nor one on its
/// way; of those that a list names by an earlier life none counts. A ring that never had so many members is not judged:
/// it counts all as good.
pub fn has_sufficient_principals(ring: &Ring, successors: usize) -> bool {
    judge(ring, successors).holds[1]
}

/// For each member whether some list names an earlier life of it: once that is dropped, the list goes past the member.
fn misnamed(ring: &Ring) -> Vec<bool> {
    let mut misnamed = vec![false; ring.members.len()];
    for peer in ring.members.iter().flat_map(|member| &member.successors) {
        if let Ok(at) = ring.members.binary_search_by_key(&peer.id(), |member| member.me.id()) {
            misnamed[at] |= ring.members[at].me != *peer;
        }
    }
    misnamed
}

/// For each member whether some list skips it: it lies between two neighbours of a list, or of one on its way.
fn skipped(ring: &Ring) -> Vec<bool> {
    let members = ring.members();
    let mut skipped = vec![false; members.len()];
    let mut mark = |me: &Peer, successors: &[Peer]| {
        let after = |id: Id| members.partition_point(|member| member.me.id() <= id) % members.len();
        let mut at = after(me.id());
        let mut last = me.id();
        for next in successors.iter().map(Peer::id) {
            for _ in 0..members.len() {
                if !members[at].me.id().is_between(last, next) {
                    break;
                }
                skipped[at] = true;
                at = (at + 1) % members.len();
            }
            // In a list that is in order, all of it alive, this is the next member.
            at = if members[at].me.id() == next { (at + 1) % members.len() } else { after(next) };
            last = next;
        }
    };
    members.iter().for_each(|member| mark(&member.me, &member.successors));
    ring.in_flight.iter().for_each(|(me, list)| mark(me, list));
    skipped
}

/// Every list goes once round at the most: in order, nobody twice, its owner not in it.
pub fn has_ordered_lists(ring: &Ring) -> bool {
    ring.members.iter().all(is_ordered)
}

fn is_ordered(member: &Member) -> bool {
    let away = |peer: &Peer| member.me.id().distance_to(peer.id());
    let next = member.successors.iter().skip(1);
    member.successors.first().is_none_or(|head| away(head) != 0)
        && member.successors.iter().zip(next).all(|(a, b)| away(a) < away(b))
}

/// The members that lie on a cycle of best successors, each cycle in its order from some member on.
fn cycles(ring: &Ring) -> Vec<Vec<usize>> {
    let mut seen = vec![0; ring.members.len()];
    let mut cycles = Vec::new();
    for start in 0..ring.members.len() {
        let walk = start + 1;
        let mut path: Vec<usize> = Vec::new();
        let mut here = Some(start);
        while let Some(at) = here.filter(|&at| seen[at] == 0) {
            seen[at] = walk;
            path.push(at);
            here = ring.best_successor(at);
        }
        // It met itself, not the path of an earlier walk: the last part of it is a new cycle.
        if let Some(from) =
            here.filter(|&at| seen[at] == walk).and_then(|at| path.iter().position(|&other| other == at))
        {
            cycles.push(path.split_off(from));
        }
    }
    cycles
}

/// There is exactly one cycle of best successors, and all members reach it.
pub fn is_one_ring(ring: &Ring) -> bool {
    ring.members.is_empty() || (has_one_live_successor(ring) && cycles(ring).len() == 1)
}

/// How often a cycle goes round: once, unless it is a loop.
fn winding(ring: &Ring, cycle: &[usize]) -> u32 {
    let ids = |at: usize| ring.members[at].me.id();
    let next = cycle.iter().cycle().skip(1);
    let mut rounds = 0;
    let mut gone: u128 = 0;
    for (&from, &to) in cycle.iter().zip(next) {
        let (sum, over) = gone.overflowing_add(ids(from).distance_to(ids(to)));
        (gone, rounds) = (sum, rounds + u32::from(over));
    }
    // A member alone goes the whole way round in one step, which a distance does not say.
    if cycle.len() == 1 { 1 } else { rounds }
}

/// Every cycle of best successors goes round exactly once.
pub fn is_ordered_ring(ring: &Ring) -> bool {
    cycles(ring).iter().all(|cycle| winding(ring, cycle) == 1)
}

/// Every principal lies on a cycle of best successors. Judged as [`has_sufficient_principals`] is.
pub fn has_principals_on_ring(ring: &Ring, successors: usize) -> bool {
    judge(ring, successors).holds[5]
}

/// The principals that lie on no cycle.
fn outside(skipped: &[bool], cycles: &[Vec<usize>]) -> impl Iterator<Item = usize> {
    let mut passed = skipped.to_vec();
    cycles.iter().flatten().for_each(|at| passed[*at] = true);
    (0..passed.len()).filter(move |&at| !passed[at])
}

/// The number of this invariant among [`INVARIANTS`].
pub const PRINCIPALS_KEPT: usize = 6;

/// Principals are lost only by failing, or by a joiner: whoever was one when the ring was judged before, and is still a
/// member, is skipped by nobody who was there before. Judged as [`has_sufficient_principals`] is.
///
/// In Zave's model a join is one step. Here a joiner shows itself with a list that it pulled a while before, and does
/// not know of another that came to the ring meanwhile, even if all others do by then; and it passes that list on.
/// So this is counted, and not demanded.
pub fn keeps_principals(ring: &Ring, successors: usize) -> bool {
    judge(ring, successors).holds[PRINCIPALS_KEPT]
}

/// Those who live, were principals, and are skipped now by a list that no joiner has just brought.
fn demoted(ring: &Ring, skipped: &[bool]) -> Vec<usize> {
    let principals = ring.before.iter().filter(|(_, principal)| *principal);
    let mut lost: Vec<usize> =
        principals.filter_map(|(peer, _)| ring.index_of(*peer)).filter(|&at| skipped[at]).collect();
    if !lost.is_empty() {
        let was_there = |me: &Peer| ring.before.iter().any(|(peer, _)| peer == me);
        let held = ring.members.iter().map(|member| (&member.me, &member.successors));
        let lists: Vec<_> =
            held.filter(|(me, _)| was_there(me)).chain(ring.in_flight.iter().map(|(a, b)| (a, b))).collect();
        lost.retain(|&at| lists.iter().any(|(me, list)| skips(me, list, ring.members[at].me.id())));
    }
    lost
}

/// True if the id lies between two neighbours of a list.
fn skips(me: &Peer, list: &[Peer], id: Id) -> bool {
    core::iter::once(me).chain(list).zip(list).any(|(one, next)| id.is_between(one.id(), next.id()))
}

/// What is missing for the ideal ring: every list the next members in order, as many as there are or as a list is long,
/// and every predecessor the member before. `None` if nothing is.
pub fn flaw_of_ideal(ring: &Ring, successors: usize) -> Option<String> {
    let members = ring.members();
    let n = members.len();
    for (at, member) in members.iter().enumerate() {
        let next: Vec<Peer> = (1..n).map(|step| members[(at + step) % n].me).take(successors).collect();
        if member.successors != next {
            return Some(format!("{} has the successors {}", member.me, names(&member.successors)));
        }
        let before = (n > 1).then(|| members[(at + n - 1) % n].me);
        if member.predecessor != before {
            return Some(format!("{} has the predecessor {}", member.me, names(member.predecessor.as_slice())));
        }
    }
    None
}

/// True if nothing is missing for the ideal ring.
pub fn is_ideal(ring: &Ring, successors: usize) -> bool {
    flaw_of_ideal(ring, successors).is_none()
}

fn names(peers: &[Peer]) -> String {
    peers.iter().fold(String::new(), |mut text, peer| {
        let _ = write!(text, "{:08x} ", peer.id().get() >> 96);
        text
    })
}

/// The ring as text, a line for each machine in ring order, for failures.
pub fn picture(world: &World) -> String {
    let mut hosts: Vec<(usize, &super::host::Host)> = world.hosts().iter().enumerate().collect();
    hosts.sort_by_key(|(_, host)| host.id());
    let mut text = String::new();
    for (number, host) in hosts {
        let _ = write!(text, "{number:>3} {:08x} ", host.id().get() >> 96);
        if let Some(node) = host.node() {
            let at = host.local(world.now()).at;
            let status = node.status(at);
            let paused = if host.is_paused() { " (paused)" } else { "" };
            let settled = status.settled.map_or_else(|| String::from("nothing"), |arc| arc.to_string());
            let claim = status.claim.map_or_else(|| String::from("nothing"), |arc| arc.to_string());
            let before = names(node.predecessor().as_slice());
            let after = names(node.successors());
            let _ = writeln!(
                text,
                "{:?}{paused} before {before}after {after}claims {claim} settled for {settled} term {}",
                status.state, status.term
            );
        } else {
            let _ = writeln!(text, "dead");
        }
    }
    text
}

mod explain;
pub use explain::{explain, line};

#[cfg(test)]
mod tests;
