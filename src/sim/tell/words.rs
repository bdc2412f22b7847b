//! What nodes say, in words.

use super::{Answer, Duration, Id, Life, Names, Request, World};
use crate::count::Count;
use crate::node::{Node, Unsettled};
use crate::sim::playground::Shape;
use crate::wire::{Holding, Named, Neighbours, Peer, Pledged, Refusal};

/// What a question is about, as far as its answer is told by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Who owns an id?
    Find {
        /// What for, if that is known.
        purpose: Purpose,
    },
    /// The exchange of neighbours.
    Stabilise {
        /// The asker consents.
        consents: bool,
    },
    /// A term is announced.
    Settle,
    /// Something is told, and who is told it only says that it has heard it.
    Told,
    /// Is somebody there?
    Alive,
    /// Anything else.
    Other,
}

/// What an owner is looked up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The asker wants to join there.
    Join,
    /// It asks for its own place: on a ring that formed apart, another would have it.
    Own,
    /// A finger, so many powers of two on.
    Finger(u32),
    /// Anything else.
    Key,
}

/// What one says that has dropped others.
pub const DROPPED: &str = "I have dropped ";

/// The position with this number.
pub const fn position(names: Names, number: u128) -> Id {
    Id::new(if names.bits() >= Id::BITS { number } else { number << (Id::BITS - names.bits()) })
}

fn ids(peers: &[Peer]) -> impl Iterator<Item = Id> {
    peers.iter().map(Peer::id)
}

/// What a request is about; without a lookup under way, what is a power of two on is a finger.
pub fn kind(world: &World, from: usize, request: &Request<'_>, no_lookup: bool) -> Kind {
    let host = world.host(from);
    let member = host.node().is_some_and(Node::is_member);
    match request {
        Request::FindSuccessor(id) => {
            let distance = host.id().distance_to(*id);
            let purpose = match () {
                () if distance == 0 && !member => Purpose::Join,
                () if distance == 0 => Purpose::Own,
                () if no_lookup && distance.is_power_of_two() => Purpose::Finger(distance.trailing_zeros()),
                () => Purpose::Key,
            };
            Kind::Find { purpose }
        }
        Request::Stabilise(said) => Kind::Stabilise { consents: said.consents },
        Request::Settle { .. } | Request::Floor { .. } => Kind::Settle,
        Request::Release { .. } | Request::Hint | Request::Leave { .. } => Kind::Told,
        Request::Ping | Request::PingFor(_) => Kind::Alive,
        _ => Kind::Other,
    }
}

/// A request: its verb, and what it says.
pub fn request(names: Names, kind: Kind, request: &Request<'_>) -> (&'static str, String) {
    let name = |id: Id| names.of(id);
    let (tells, asks) = ("tells", "asks");
    match request {
        Request::Ping => (asks, String::from("are you there?")),
        Request::PingFor(peer) => (asks, format!("I do not hear node {}: do you?", name(peer.id()))),
        Request::FindSuccessor(id) => (
            asks,
            match kind {
                Kind::Find { purpose: Purpose::Join } => {
                    format!("I want to join at {}: who comes after me?", name(*id))
                }
                Kind::Find { purpose: Purpose::Own } => format!("is it me who owns {}, where I stand?", name(*id)),
                Kind::Find { purpose: Purpose::Finger(exponent) } => {
                    format!("who owns {}? It is for my finger {} on", name(*id), names.power(exponent))
                }
                _ => format!("who owns {}?", name(*id)),
            },
        ),
        Request::Stabilise(said) => {
            let mut text = String::from("you are my successor");
            if said.consents {
                text += ", and I consent to that";
            }
            if !said.dropped.is_empty() {
                text += &format!("; {DROPPED}{}", names.list(ids(&said.dropped)));
            }
            (asks, text + ". Am I your predecessor?")
        }
        Request::Release { side, closer, .. } => {
            let side = match side {
                Pledged::Predecessor => "predecessor",
                Pledged::Successor => "successor",
            };
            let instead = closer.map_or_else(String::new, |peer| format!(", node {} is", name(peer.id())));
            (tells, format!("you are no longer my {side}{instead}: your promise to me is over"))
        }
        Request::Hint => (tells, String::from("something has changed: ask me again now")),
        Request::Survey { arc, .. } => (asks, format!("what do you hold of {}?", names.arc(*arc))),
        Request::Fetch(item) => (asks, format!("give me the entry at {}", name(item.id))),
        Request::Settle { arc, term } => (
            tells,
            format!("I am about to answer for {} under term {term}: take nothing under a lower one", names.arc(*arc)),
        ),
        Request::Floor { arc, .. } => {
            (tells, format!("I drop old tombstones of {}: take nothing that was older", names.arc(*arc)))
        }
        Request::Replicate(_) => (tells, String::from("keep a copy of this entry")),
        Request::Offer(_) => (tells, String::from("this entry is yours, not mine")),
        Request::Get { .. } => (asks, String::from("what is the value of this key?")),
        Request::Put { .. } => (asks, String::from("write this value")),
        Request::Delete { .. } => (asks, String::from("delete this key")),
        Request::Walk => (asks, String::from("where do you stand on the ring?")),
        Request::Adopt { arc, .. } => (tells, format!("I am leaving: take over {}", names.arc(*arc))),
        Request::Leave { predecessor, successors } => {
            let before = predecessor.map_or_else(String::new, |peer| format!("; before me was {}", name(peer.id())));
            (tells, format!("I have left{before}, after me came {}", names.list(ids(successors))))
        }
        Request::Names { .. } => (asks, String::from("which writes does the entry remember?")),
        Request::Part { offset, .. } => (asks, format!("what of the value comes after {}?", bytes(*offset as usize))),
        Request::List(arc) => (asks, format!("which keys do you own of {}?", names.arc(*arc))),
        Request::Fingers => (asks, String::from("which fingers have you?")),
        Request::Mirror => (asks, String::from("which address of mine do you see?")),
    }
}

/// True if this answer changes nothing for one who knows that it is the predecessor.
pub fn is_idle(answer: &Answer<'_>) -> bool {
    matches!(answer, Answer::Neighbours(it) if it.predecessor == Named::You && it.successors.is_none() && it.consents
        && it.wait_ms == 0 && it.matched)
}

fn bytes(number: usize) -> Count {
    Count(number, "byte", "bytes")
}

/// An answer.
pub fn answer(names: Names, kind: Kind, answer: &Answer<'_>, from: Id, to: Id, consent: Duration) -> String {
    let name = |id: Id| names.of(id);
    match answer {
        Answer::Pong { member: true, .. } => String::from("I am here"),
        Answer::Pong { founder: true, .. } => String::from("I am here, and would create a ring if there is none"),
        Answer::Pong { .. } => String::from("I am here, but have no place on a ring"),
        Answer::Found { predecessor, owner, .. } => {
            let (owner, before) = (owner.id(), name(predecessor.id()));
            match kind {
                Kind::Find { purpose: Purpose::Join } if owner == from => format!("I do; before me is {before}"),
                Kind::Find { purpose: Purpose::Join } => format!("node {}; before it is {before}", name(owner)),
                Kind::Find { purpose: Purpose::Own } if owner == to => format!("it is; before you is {before}"),
                _ if owner == to => format!("you do; before you is {before}"),
                _ if owner == from => format!("I do; before me is {before}"),
                _ => format!("node {} does; before it is {before}", name(owner)),
            }
        }
        Answer::Closer(closer) => format!("not me; closer to it is {}, ask there", names.list(ids(closer))),
        Answer::Neighbours(it) => neighbours(names, it, consent),
        Answer::Surveyed(it) => {
            let what = match &it.holding {
                Holding::Same => String::from("nothing that you lack"),
                Holding::Items(items) => Count(items.len(), "entry", "entries").to_string(),
                Holding::Parts(sums) => {
                    format!("more than fits here; these are the sums of {}", Count(sums.len(), "part", "parts"))
                }
            };
            let silent = if it.silent { "; I may be cut off" } else { "" };
            format!("{what}; its highest term is {}{silent}", it.term)
        }
        Answer::Fetched(_) => String::from("here it is"),
        Answer::Offered { confirmed: true } => String::from("we have it"),
        Answer::Offered { .. } => String::from("not all of us have it yet"),
        Answer::Value { .. } => String::from("here is the value"),
        Answer::Stored { copies, .. } => format!("stored by {}", Count((*copies).into(), "node", "nodes")),
        Answer::Step(it) => format!("I stand at {}", name(it.place.id)),
        Answer::Done if kind == Kind::Settle => String::from("agreed"),
        Answer::Done if kind == Kind::Alive => String::from("yes"),
        Answer::Done => String::from("done"),
        Answer::Refused(refusal) => format!("no: {}", refused(*refusal)),
        Answer::Part(part) => format!("here: {}", bytes(part.len())),
        Answer::Listed(it) => format!("these {} up to {}", it.items.len(), name(it.upto)),
        Answer::Fingers(list) => format!("these: {}", names.list(list.iter().map(|finger| finger.peer.id()))),
        Answer::Mirrored(addr) => format!("I see you at {addr}"),
    }
}

fn neighbours(names: Names, it: &Neighbours, consent: Duration) -> String {
    let is_you = it.predecessor == Named::You;
    let mut parts = vec![match it.predecessor {
        Named::You => String::from("yes"),
        Named::Other(peer) => format!("no, my predecessor is {}", names.of(peer.id())),
        Named::Nobody => String::from("no, I have no predecessor"),
    }];
    if it.consents {
        parts[0] += &format!(", and I consent to that for {:.1} s", consent.as_secs_f64());
    } else if it.wait_ms > 0 {
        let wait = f64::from(it.wait_ms) / 1e3;
        parts.push(format!("I cannot consent for another {wait:.3} s, as I promised that to another"));
    } else if is_you {
        parts[0] += ", but I do not consent yet";
    }
    if let Some(list) = &it.successors {
        let are = if list.len() == 1 { "successor is" } else { "successors are" };
        parts.push(format!("my {are} {}", names.list(ids(list))));
    }
    if !it.dropped.is_empty() {
        parts.push(format!("{DROPPED}{}", names.list(ids(&it.dropped))));
    }
    if is_you && !it.matched {
        parts.push(String::from("our copies differ"));
    }
    parts.join("; ")
}

const fn refused(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Unproven => "echo this stamp first, to prove that you are where you say",
        Refusal::NotMember => "I am not on the ring, or not the one you mean",
        Refusal::NotOwner => "that is not mine",
        Refusal::NotSettled => "I may not answer yet",
        Refusal::NotNeighbour => "you are not my neighbour on that side",
        Refusal::Stale { .. } => "I know a higher term",
        Refusal::Conflict { .. } => "the condition does not hold",
        Refusal::NotFound => "there is none",
        Refusal::Newer { .. } => "I hold a newer one",
        Refusal::TooLarge => "that is too large",
        Refusal::Busy => "too much at one time",
        Refusal::Unreachable => "I do not hear it either",
        Refusal::Unknown => "I cannot say whether it will stay",
        Refusal::Forgotten => "that is too old to be known",
        Refusal::Full { .. } => "there is no room",
        Refusal::Silent => "I may be cut off",
        Refusal::TooFew { .. } => "there are fewer nodes than that",
        Refusal::Leaving => "I am leaving, too, and go first",
        Refusal::Reused => "another write has that name",
        Refusal::TooOld => "that is too old to be known to anybody",
        Refusal::NoNames => "I remember as many names as I may",
    }
}

/// What happened in a node's life.
pub fn life(names: Names, life: &Life) -> String {
    let name = |id: Id| names.of(id);
    match life {
        Life::Created => String::from("creates a ring, and is alone on it"),
        Life::SeedsMissing { heard, needed, .. } => {
            format!("hears {}, and creates no ring without {needed}", Count(*heard, "seed", "seeds"))
        }
        Life::Joined { predecessor, successor } => {
            format!("has joined between {} and {}", name(predecessor.id()), name(successor.id()))
        }
        Life::Predecessor(Some(peer)) => format!("takes node {} for its predecessor", name(peer.id())),
        Life::Predecessor(None) => String::from("has no predecessor any more"),
        Life::Successor(Some(peer)) => format!("takes node {} for its successor", name(peer.id())),
        Life::Successor(None) => String::from("has no successor any more"),
        Life::Dropped(peer) => format!("takes node {} for dead", name(peer.id())),
        Life::Settled { arc, term } => format!("has settled: it answers for {} under term {term}", names.arc(*arc)),
        Life::Unsettled(Unsettled::Leaving) => String::from("answers for nothing any more, as it leaves"),
        Life::Unsettled(why) => format!("answers for nothing until it has settled again, {}", unsettled(*why)),
        Life::Alone => String::from("is alone"),
        Life::Silent => String::from("is silent, as it may be cut off"),
        Life::Heard => String::from("is silent no longer: it has heard one that it had lost"),
        Life::Reopened => String::from("is silent no longer"),
        Life::Awaits { entries, .. } => {
            format!("comes back with {}, and looks for its neighbours", Count(*entries, "entry", "entries"))
        }
        Life::Moved { to, .. } => format!("is at {to} now, and joins again"),
        Life::Narrow(peer) => format!("does not reach node {} with large datagrams", name(peer.id())),
        Life::Wide(peer) => format!("reaches node {} with large datagrams again", name(peer.id())),
        Life::Whole => String::from("has found its ring again"),
        Life::SavesNot => String::from("cannot save anything"),
        Life::Saves => String::from("can save again"),
        Life::Leaving => String::from("hands over what it holds"),
        Life::Few { known, needed } => {
            format!(
                "knows {} and answers for nothing with less than {needed}",
                Count(*known, "living node,", "living nodes,")
            )
        }
        Life::Pulled { from, entries } => {
            let entries = Count(*entries as usize, "entry", "entries");
            format!("has taken over {entries} from node {}", name(from.id()))
        }
    }
}

const fn unsettled(why: Unsettled) -> &'static str {
    match why {
        Unsettled::Neighbour => "as a neighbour changed",
        Unsettled::Lapse => "as a consent ran out",
        Unsettled::Silent => "as it may be cut off",
        Unsettled::Term => "as there is a higher term",
        Unsettled::Few => "as it knows too few others",
        Unsettled::Leaving => "as it leaves",
    }
}

/// Who is cut off from whom.
pub const fn parts(shape: Shape) -> &'static str {
    match shape {
        Shape::Halves => "two halves, each in a row",
        Shape::Alternating => "every second node from the others",
        Shape::Alone => "one node from all others",
        Shape::Thirds => "three thirds, each in a row",
    }
}

/// The members in order, each with its successor where that is not the next one.
pub fn ring(names: Names, world: &World) -> String {
    let mut members: Vec<_> = world.members().collect();
    members.sort_by_key(|(_, node)| node.me().id());
    let Some((_, first)) = members.first() else { return String::from("nobody") };
    // As far as successors lead from the first one.
    let mut chain = vec![first.me().id()];
    while let Some((_, node)) = members.iter().find(|(_, node)| chain.last() == Some(&node.me().id()))
        && let Some(next) = node.successors().first()
        && chain.len() <= members.len()
    {
        chain.push(next.id());
        if next.id() == chain[0] {
            break;
        }
    }
    let settled = members.iter().filter(|(host, _)| world.host(*host).is_ready(world.now())).count();
    let way = chain.iter().map(|id| names.of(*id)).collect::<Vec<_>>().join(" -> ");
    let beside: Vec<Id> = members.iter().map(|(_, node)| node.me().id()).filter(|id| !chain.contains(id)).collect();
    let odd = if beside.is_empty() { String::new() } else { format!(", and not on it {}", names.list(beside)) };
    match members.len() - settled {
        0 => format!("{way}{odd}, all settled"),
        more => format!("{way}{odd}, {more} not settled"),
    }
}
