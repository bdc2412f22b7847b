//! The messages. This page is the protocol: who asks what, who answers what.
//!
//! A node speaks for the keys between its predecessor and itself while both neighbours *consent* to that; the exchange
//! that asks for consent is `Stabilise`, and all else stands around it:
//!
//! ```text
//! joiner   --FindSuccessor(own id)-->  any node          Closer, Closer, ..., Found{predecessor, owner}
//! joiner   --Survey, Fetch-->          both of them      what they hold of the arcs that it will hold
//! joiner   --Stabilise-->              its successor     "I am your predecessor": Neighbours
//! node     --Stabilise-->              its successor     every 0.65 s: notify, heartbeat, consent and digest in one
//! node     --Release-->                former neighbour  "my pointer moved away from you; perhaps to a closer one"
//! node     --Survey, Settle-->         three a side      before it speaks: what do you hold of my arc; a higher term
//! anyone   --FindSuccessor(key)-->     any node          then Get, Put, Delete to the owner: Value, Stored
//! owner    --Replicate-->              both neighbours   before a write is acknowledged
//! owner    --Floor-->                  both neighbours   before it drops tombstones
//! leaver   --Adopt-->                  three around it   "pull what you are to hold when I am gone"
//! leaver   --Leave-->                  both neighbours   "I answer for nothing any more"
//! newcomer --Mirror-->                 its seeds         "which address of mine do you see?"
//! anyone   --List-->                   the owner         which keys it has, as many as fit, and up to where
//! anyone   --Walk, Fingers-->          any node          where it stands, and its shortcuts, for a picture of the ring
//! receiver --Part-->                   the sender        the rest of a value that did not fit its datagram
//! ```
//!
//! Every request has one kind of answer, named beside it, or a [`Refusal`]. All are idempotent: a request may arrive
//! twice, late, or not at all. Variants are only ever appended, since postcard numbers them by position.

use super::entry::{Condition, Entry, Freshness, Item, Operation, Version};
use super::holding::Holding;
use super::keeping::{Awaits, Keeping};
use super::listing::Listed;
use super::peer::{Finger, Peer, Place};
use super::refusal::Refusal;
use super::stamp::Stamp;
use super::value::{Body, Hash, Value};
use crate::id::{Arc, Id};
use crate::limits::{ALTERNATIVES_MAX, DROPPED_MAX, FINGERS_TOLD_MAX, SUCCESSORS_MAX};
use alloc::boxed::Box;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

/// Nodes in ring order.
pub type PeerList = heapless::Vec<Peer, SUCCESSORS_MAX>;

/// A few nodes named beside an answer.
pub type Alternatives = heapless::Vec<Peer, ALTERNATIVES_MAX>;

/// What a node tells of its fingers.
pub type FingerList = heapless::Vec<Finger, FINGERS_TOLD_MAX>;

/// What a frame says. It is moved a dozen times on its way out of a datagram, so what is long and seldom there, such as
/// a list that has changed, lies in a box; everything else comes and goes without an allocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message<'a> {
    /// It asks.
    #[serde(borrow)]
    Request(Request<'a>),
    /// It answers the request with the same transaction id.
    Answer(Answer<'a>),
}

/// What a node may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request<'a> {
    /// Are you alive? → `Pong`.
    Ping,
    /// Ping this node for me, I do not hear it. → `Pong` if you heard it.
    PingFor(Peer),
    /// Who is the successor of this id? → `Found` by its owner, or by whoever has the owner in its list, else `Closer`.
    FindSuccessor(Id),
    /// You are my successor. → `Neighbours`.
    Stabilise(Stabilise),
    /// You are no longer my neighbour on this side. It ends your pledges to me that are older than the stamp. → `Done`.
    Release {
        /// Which of my pointers moved away from you.
        side: Pledged,
        /// My newest stamp for you.
        stamp: Stamp,
        /// The neighbour that I have instead, if you would find it between us.
        closer: Option<Peer>,
    },
    /// What you have from me is out of date, or a pledge that stood in your way is over: stabilise with me now. →
    /// `Done`.
    Hint,
    /// What do you hold of this arc? → `Surveyed`.
    Survey {
        /// The arc.
        arc: Arc,
        /// The sum of what I hold of it: nothing is listed if yours is the same.
        digest: u64,
    },
    /// Give me the entry with this id, of this rank or one that beats it. → `Fetched`.
    Fetch(Item),
    /// I am about to speak for this arc under this term: take nothing under a lower one. → `Done`.
    Settle {
        /// The arc.
        arc: Arc,
        /// The new term.
        term: u64,
    },
    /// Keep a copy, as my neighbour. → `Done` when stored.
    Replicate(
        /// What to keep. Its ballot is the term that I speak under.
        #[serde(borrow)]
        Entry<'a>,
    ),
    /// I hold this, but neither owner nor neighbour of the owner am I; you are the owner. → `Offered`.
    Offer(Entry<'a>),
    /// What is the value? → `Value`.
    Get {
        /// Of which key.
        key: &'a [u8],
    },
    /// Write the value; creating is writing under the condition that the key is absent. → `Stored`.
    Put {
        /// The name of this write.
        operation: Operation,
        /// The client gave the name, and may give it again.
        named: bool,
        /// The key.
        key: &'a [u8],
        /// When to refuse.
        condition: Condition,
        /// Refuse if the group has fewer nodes.
        min_copies: u8,
        /// For how many seconds it is to live; zero for ever.
        ttl_s: u32,
        /// The media type.
        kind: &'a [u8],
        /// The value.
        body: Body<'a>,
    },
    /// Remove the key. → `Stored`, with the version of the tombstone.
    Delete {
        /// The name of this write.
        operation: Operation,
        /// As of `Put`.
        named: bool,
        /// The key.
        key: &'a [u8],
        /// When to refuse.
        condition: Condition,
        /// Refuse if the group has fewer nodes.
        min_copies: u8,
    },
    /// Tell me your place on the ring, for a picture of it. → `Step`.
    Walk,
    /// I am leaving, and you are to hold this arc when I am gone: pull from me what you lack of it. → `Done` once you
    /// have it.
    Adopt {
        /// The asker.
        place: Place,
        /// The arc.
        arc: Arc,
    },
    /// I have left, and answer for nothing any more: every pledge between us is over. → `Done`.
    Leave {
        /// My predecessor, which is yours now if I was yours.
        predecessor: Option<Peer>,
        /// My next successors: the first is yours now if I was yours.
        successors: Alternatives,
    },
    /// Which address do you see me at? → `Mirrored`.
    Mirror,
    /// You offered me a value that did not fit: give me what comes at this offset. → `Part`.
    Part {
        /// The id of its key.
        id: Id,
        /// BLAKE3 of it.
        hash: Hash,
        /// From which byte on.
        offset: u32,
    },
    /// Which keys do you own of this arc, from its beginning on? → `Listed`.
    List(Arc),
    /// I am about to drop the tombstones of this arc up to this version: know of it. → `Done`.
    Floor {
        /// The arc.
        arc: Arc,
        /// The version.
        floor: Version,
        /// The sum of what I hold of the arc, if that is all that counts: so do you, if yours is the same.
        digest: Option<u64>,
    },
    /// Which fingers have you, for a picture of the ring? → `Fingers`.
    Fingers,
    /// You offered me an entry with names that I do not know. Give me those under this id, of writes before a time of a
    /// version, from an offset in bytes on. → `Part`, of [`NAME_SIZE`](crate::limits::NAME_SIZE) bytes for each.
    Names {
        /// The id of its key.
        id: Id,
        /// The time, in milliseconds.
        before_ms: u64,
        /// From which byte on.
        offset: u32,
    },
}

/// What may be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer<'a> {
    /// I am alive.
    Pong {
        /// Who I am.
        place: Place,
        /// I have a place on the ring.
        member: bool,
        /// I am one of my own seeds, and will create a ring if nobody else has one.
        founder: bool,
        /// I was on a ring before, and have saved what I held: I go before founders that have nothing.
        recalls: bool,
        /// I am or was on a ring, am joining one, have heard of one, or am about to create one: nobody else is to.
        knows_ring: bool,
    },
    /// The successor of the id.
    Found {
        /// The node before the owner; the id is after it. If the answerer is neither of them, it may be out of date.
        predecessor: Peer,
        /// The first node at or after the id.
        owner: Peer,
        /// Whom to ask if the owner is silent: the nodes after it.
        successors: Alternatives,
        /// What the answerer knows of the arc's history, for the first attempt of a write.
        fresh: Freshness,
    },
    /// Nodes between me and the id, the closest to it first.
    Closer(Alternatives),
    /// My neighbours, and my consent.
    Neighbours(Neighbours),
    /// What I hold of the arc, and where I stand.
    Surveyed(Surveyed),
    /// The entry.
    #[serde(borrow)]
    Fetched(Entry<'a>),
    /// Whether all of the owner's group holds the entry, in this version or a higher one.
    Offered {
        /// It does: the stray may be dropped.
        confirmed: bool,
    },
    /// The value.
    Value {
        /// Its version.
        version: Version,
        /// How many nodes hold it.
        copies: u8,
        /// The value.
        value: Value<'a>,
    },
    /// The write is stored by the whole group.
    Stored {
        /// The version that it was given.
        version: Version,
        /// How many nodes that is.
        copies: u8,
        /// The key did not exist before.
        created: bool,
    },
    /// My place on the ring.
    Step(Step),
    /// It is as you said.
    Done,
    /// It cannot be done.
    Refused(Refusal),
    /// The address that your question came from.
    Mirrored(SocketAddr),
    /// [`PART_SIZE`](crate::limits::PART_SIZE) bytes of the value, or what is left of it.
    Part(&'a [u8]),
    /// The keys, as many as fit.
    #[serde(borrow)]
    Listed(Box<Listed<'a>>),
    /// My fingers, nearest first; of too many the farthest.
    Fingers(Box<FingerList>),
}

/// Which side a promise is on, seen from the one who gave it and named after the holder's pointer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pledged {
    /// You were my predecessor.
    Predecessor,
    /// You were my successor.
    Successor,
}

/// The periodic exchange with the successor: notify (Zave 2017), heartbeat, consent and digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stabilise {
    /// The asker.
    pub place: Place,
    /// "You are my successor", counted from the stamp that the frame echoes: that of your last answer to this question.
    pub consents: bool,
    /// My stamp for you: pledges that you give now end by a `Release` with a newer one.
    pub stamp: Stamp,
    /// The id of my predecessor: the arcs that we share end at you and begin after it.
    pub after: Id,
    /// Whom I stood before, if not you: the last that consented to me as its predecessor, or that I joined before.
    pub stood_before: Option<Id>,
    /// The sum of what I hold of them.
    pub digest: u64,
    /// A hash of the list that I have from you.
    pub list: u32,
    /// The nodes that I dropped, one after another, since our arcs last matched. Three of them say that I am silent, if
    /// I found that out myself.
    pub dropped: heapless::Vec<Peer, DROPPED_MAX>,
    /// Whom I await.
    pub awaits: Awaits,
    /// How I keep what I hold.
    pub keeping: Keeping,
}

/// The answer to `Stabilise`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbours {
    /// My predecessor.
    pub predecessor: Named,
    /// My successors; `None` if you have this list already.
    pub successors: Option<Box<PeerList>>,
    /// "You are my predecessor", counted from when you first sent the request.
    pub consents: bool,
    /// If not: for how long a pledge to another stands in the way, in milliseconds.
    pub wait_ms: u16,
    /// The nodes that I dropped, one after another, since the arcs that I share with my successor last matched. Should
    /// you have to drop me, you have lost them too.
    pub dropped: heapless::Vec<Peer, DROPPED_MAX>,
    /// The arcs that we share hold the same entries.
    pub matched: bool,
    /// Whom I await.
    pub awaits: Awaits,
    /// How I keep what I hold.
    pub keeping: Keeping,
}

/// A predecessor as the answer to `Stabilise` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Named {
    /// There is none.
    Nobody,
    /// It is the asker.
    You,
    /// It is this one.
    Other(Peer),
}

/// The answer to `Survey`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surveyed {
    /// My predecessor.
    pub predecessor: Option<Peer>,
    /// My next successors.
    pub successors: Alternatives,
    /// My predecessor's consent is unexpired, or I am alone.
    pub consented: bool,
    /// I may be cut off from a larger ring, and answer for nothing: do not join beside me.
    pub silent: bool,
    /// I await those who stood beside me before I was started, or wait with one who does.
    pub awaiting: bool,
    /// The highest term that I know of any part of the arc.
    pub term: u64,
    /// Where tombstones of the arc were collected, if any were.
    pub footing: Option<Footing>,
    /// What I hold of the arc.
    pub holding: Holding,
}

/// Up to which version tombstones were collected, from the beginning of an arc on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footing {
    /// Up to where the next two hold.
    pub upto: Id,
    /// I hold every value that counts up to this version: what I lack was deleted.
    pub firm: Version,
    /// Tombstones were collected up to this version, whatever I hold.
    pub known: Version,
}

/// The answer to `Walk`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Who I am.
    pub place: Place,
    /// My predecessor.
    pub predecessor: Option<Peer>,
    /// My next successors.
    pub successors: Alternatives,
    /// I speak for the whole of my claim.
    pub settled: bool,
    /// I have settled in this place once, whether or not I speak at this moment.
    pub established: bool,
    /// Entries that I hold, copies and tombstones included.
    pub entries: u32,
}

impl Request<'_> {
    /// True if it may change something at the receiver, or makes it work: then the asker's address must be proven.
    pub const fn changes(&self) -> bool {
        use Request::{Fetch, FindSuccessor, Fingers, Get, Mirror, Names, Part, Ping, Walk};
        let looks = matches!(self, Ping | FindSuccessor(_) | Fetch(_) | Get { .. } | Walk | Mirror | Fingers);
        !(looks || matches!(self, Part { .. } | Names { .. }))
    }
}
