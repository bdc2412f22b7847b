//! Every capacity, with its unit and its reason, and the relations between them checked when the crate is compiled.

mod beyond;

pub use beyond::{Beyond, Limited, grouped};

/// The port that a node listens on unless it is told another, and that its clients look for it on.
pub const PORT_DEFAULT: u16 = 4321;

/// The largest datagram, in bytes of UDP payload: IPv6's minimum MTU of 1,280 less 40 (IPv6) and 8 (UDP).
pub const DATAGRAM_MAX: usize = 1232;

/// Bytes of a datagram kept free, so that authenticated encryption can wrap it later without changing a message.
pub const SEAL_RESERVE: usize = 40;

/// The largest frame that a node builds, in bytes.
pub const FRAME_MAX: usize = DATAGRAM_MAX - SEAL_RESERVE;

/// The longest key, in bytes. A key is any bytes, at least one.
pub const KEY_MAX: usize = 255;

/// The longest value, in bytes: 1 MiB. A node may be told to take less from its clients.
pub const VALUE_MAX: usize = 1 << 20;

/// The longest value, in bytes, that always goes in one frame: with the longest key and media type and a full log of
/// operations. Longer ones do so if what is beside them is short; else the receiver asks for the rest.
pub const FIRST_MAX: usize = 512;

/// The longest media type of a value, in bytes.
pub const KIND_MAX: usize = 96;

/// The longest time to live of a value, in seconds: ten years.
pub const TTL_MAX_S: u32 = 315_360_000;
/// The most that can be left of a life, in milliseconds: what lengthens one comes nowhere near.
pub const LEFT_MAX_MS: u64 = 2000 * TTL_MAX_S as u64;

/// Bytes of a value that one answer brings of what did not fit.
pub const PART_SIZE: usize = 1120;

/// Values that a node receives in parts at one time, and as many parts of them all that are asked for at one time: a
/// socket's buffer holds them.
pub const TRANSFERS_MAX: usize = 16;
/// See [`TRANSFERS_MAX`]: those that only the ring itself may still begin when clients have used up theirs.
pub const TRANSFERS_RESERVE: usize = 4;
/// See [`TRANSFERS_MAX`]: those for pulls that nobody waits for. The copies that reads and writes rest on find room.
pub const TRANSFERS_WAITING: usize = 2 * PULL_LARGE;
/// See [`TRANSFERS_MAX`].
pub const PARTS_MAX: usize = 64;
/// Those of them for pulls that nobody waits for: beside what a node asks for, its socket's buffer has to hold what
/// others ask of it, and a client whose part is lost there waits until it is asked for again.
pub const PARTS_WAITING: usize = 8;

/// Versions in the condition of one write.
pub const VERSIONS_MAX: usize = 4;

/// How many of its last writes an entry remembers, so that a repeated write gets its first answer.
pub const OPERATIONS_MAX: usize = 4;

/// For how long the name of a write that its client gave is remembered after the entry has done with it: ten minutes,
/// and what clocks may differ by.
pub const NAMES_KEPT: core::time::Duration = core::time::Duration::from_secs(660);
/// How many such names are remembered of one key: each save of the entry holds them.
pub const NAMES_MAX: usize = 2048;
/// Bytes of memory that a name is reckoned to take, and what a key with names takes beside them.
pub const NAME_COST: usize = 72;
/// See [`NAME_COST`].
pub const NAMED_COST: usize = 128;
/// The part of a node's memory that names may take: an eighth. Beyond it a write with a further one is refused.
pub const NAMES_SHARE: usize = 8;
/// Bytes of a name as it is sent: name, version, mark, what is left of its time.
pub const NAME_SIZE: usize = 16 + 24 + 8 + 8;

/// The longest successor list. The default is 8; simulations of published experiments use 20.
pub const SUCCESSORS_MAX: usize = 20;
/// Fingers that a node tells of when it is asked; on a ring of a million it has fewer.
pub const FINGERS_TOLD_MAX: usize = 20;

/// The shortest successor list that the ring's invariant was checked with while nodes are wrongly suspected.
pub const SUCCESSORS_MIN: usize = 3;

/// How many nodes half-way between fingers a node knows: enough for a thousand nodes, and of more those farthest.
pub const HALVES_MAX: usize = 6;

/// How many nodes that answer a lookup or a survey are named beside the answer.
pub const ALTERNATIVES_MAX: usize = 6;

/// How many entries, as id and rank, one answer to a survey lists. Where there are more it gives sums.
pub const ITEMS_MAX: usize = 12;

/// How many keys one answer lists at most: more of an average length would not fit.
pub const LISTED_MAX: usize = 32;
/// Bytes of such an answer that are not keys: what a frame has around a message, the position, the number of keys.
pub const LISTED_OVERHEAD: usize = 37 + 2 + 16 + 1;
/// Entries that an owner looks at for one such answer, tombstones among them: it has other work.
pub const LISTED_WORK: usize = 1024;

/// Lists of all keys that a node gathers for its clients at one time, and keys in each of them; a further list is
/// refused as busy.
pub const LISTS_MAX: usize = 16;
/// See [`LISTS_MAX`].
pub const LIST_MAX: usize = 1000;

/// How many dropped nodes in a row one Stabilise names; three are enough to silence its receiver.
pub const DROPPED_MAX: usize = 4;

/// From how many neighbours dropped in a row on a node must think itself cut off, and be silent.
pub const ROW_MAX: usize = 3;

/// How many nodes a settling node asks on either side: two that have just joined, and lack copies, may stand before the
/// one that holds them.
pub const SETTLE_DEPTH: usize = 3;

/// Peers of which a node remembers stamps and round-trip times. The one used longest ago makes room.
pub const PEERS_MAX: usize = 256;

/// Dropped nodes that a node remembers in order to probe them, and as many that it once knew.
pub const REMEMBERED_MAX: usize = 32;

/// Requests of a node that may wait for an answer at one time. Beyond it a client's request is refused as busy;
/// the last `PENDING_RESERVE` are kept for the ring itself.
pub const PENDING_MAX: usize = 1024;

/// Requests that only the maintenance of the ring may still open when clients have used up theirs.
pub const PENDING_RESERVE: usize = 256;

/// Nodes that one node pings for others at one time, and for each of them.
pub const RELAYS_MAX: usize = 32;
/// See [`RELAYS_MAX`]: a node suspects its neighbours only.
pub const RELAYS_EACH_MAX: usize = 4;

/// Operations of clients that a node coordinates at one time; the next is refused as busy.
pub const CLIENT_MAX: usize = 512;

/// Nodes of a ring that a guest remembers to begin lookups at; who was heard longest ago makes room.
pub const GUEST_CONTACTS_MAX: usize = 64;
/// Owners that a guest remembers with their arcs; the one found longest ago makes room.
pub const GUEST_ARCS_MAX: usize = 256;

/// Operations that an owner has under way or queued at one time; the next is refused as busy.
pub const OWNER_MAX: usize = 512;
/// Bytes of the values that these operations bring, together; one more is refused as busy.
pub const OWNER_BYTES_MAX: usize = 16 * VALUE_MAX;
/// Writes of one key that go to the copies together.
pub const BATCH_MAX: usize = 256;
/// Writes that an owner remembers beyond the logs of the entries that it wrote: more than can be written while one
/// waits in its queue.
pub const RECALL_MAX: usize = 4 * OWNER_MAX;

/// Answers of a node that wait for its disk at one time; the next is refused as busy.
pub const HELD_MAX: usize = 1024;

/// The longest name of a ring, in bytes.
pub const RING_NAME_MAX: usize = 64;

/// Refused writes that an owner remembers, so that a late copy of one is refused alike; as many as its queue may have.
pub const REFUSALS_MAX: usize = OWNER_MAX;
/// Writes of other coordinators that an owner remembers to have done, so that a late copy of one is known for it.
pub const DONE_MAX: usize = 1024;

/// Arcs that a node pulls at one time: two to join or to settle, two to repair.
pub const PULLS_MAX: usize = 8;

/// Entries that one pull asks for at one time, and lists of what there is.
pub const PULL_WINDOW: usize = 16;
/// The same of entries that do not fit a frame, if nobody waits for the pull.
pub const PULL_LARGE: usize = 4;
/// See [`PULL_WINDOW`].
pub const SURVEY_WINDOW: usize = 4;
/// Lists that one pull asks for in all: enough for all entries that a store may have.
pub const SURVEYS_MAX: u32 = 1 << 19;

/// Bytes of datagrams that wait to be sent; beyond it they are dropped, as a network would, and counted.
pub const OUTBOX_MAX: usize = 1 << 20;

/// Events that wait to be taken by the driver; beyond it the oldest that is not a reply is dropped.
pub const EVENTS_MAX: usize = 4096;

/// Stretches of the ring with a term, or a floor, of their own; beyond it the two most alike merge.
pub const STRETCHES_MAX: usize = 64;

/// Entries of a store, tombstones included, before writes are refused.
pub const ENTRIES_MAX: usize = 1 << 22;

/// Bytes of memory that an entry is reckoned to take beside its key and its value, as `cargo bench --bench keys` shows.
pub const ENTRY_COST: usize = 580;
/// The same for the end of a value that has one.
pub const END_COST: usize = 48;

/// The least that a store may be bounded to, and what it is bounded to unless told otherwise, in bytes.
pub const MEMORY_MIN: usize = 4 << 20;
/// See [`MEMORY_MIN`].
pub const MEMORY_DEFAULT: usize = 128 << 20;

/// The highest term, and the latest time of a version in milliseconds: far beyond any that comes about by itself, and
/// far below where arithmetic ends.
pub const TERM_MAX: u64 = 1 << 48;
/// See [`TERM_MAX`]: the year 10,889.
pub const TIME_MAX_MS: u64 = 1 << 48;
/// The latest that a wall clock is believed, in milliseconds since 1970: the year 4199.
pub const WALL_MAX_MS: u64 = TIME_MAX_MS / 4;
/// The latest time that an owner believes a write to have begun at, unless its own clock is beyond: later than any wall
/// clock that is believed, and far before the end of versions.
pub const CLAIM_MAX_MS: u64 = TIME_MAX_MS / 8 * 3;

/// Steps of a lookup, before it is given up: far beyond log2 of any ring.
pub const LOOKUP_STEPS_MAX: usize = 160;

/// Seeds that a node keeps, and addresses that it tries at one time, however many the names stand for.
pub const SEEDS_MAX: usize = 32;

/// Nodes that one printing of the ring visits, unless asked for fewer.
pub const WALK_MAX: usize = 1000;

/// Bytes of a frame with an entry that are neither key, media type, value nor log of operations.
const ENTRY_OVERHEAD: usize =
    // version, transaction, incarnations, stamp, kind of message, extension, tag; length of the key, rank, forgotten,
    // length of the log, names
    (1 + 8 + 4 + 4 + 10 + 1 + 1 + 8) + (2 + RANK_SIZE + 14 + 1 + 11)
    // a value is there; length of its media type, what is left, restored, length, hash, length of the first part
    + (1 + 1 + 6 + 1 + 3 + 33 + 2);
/// A rank at its longest: version, ballot, chosen.
const RANK_SIZE: usize = VERSION_SIZE + 7 + 1;
/// One entry of the log of operations: id, version, mark.
const OPERATION_SIZE: usize = 16 + VERSION_SIZE + 8;
/// A peer at its longest: id, IPv6 address, port, incarnation.
const PEER_SIZE: usize = 17 + 20 + 4;
const ITEM_SIZE: usize = 16 + RANK_SIZE;
/// A version at its longest: term, time, writer. A number up to 2⁴⁸ takes seven bytes.
const VERSION_SIZE: usize = 7 + 7 + 8;

/// How many bytes of a value fit one frame beside a key and a media type of these lengths and a log of so many
/// operations.
pub const fn room_for_value(key: usize, kind: usize, operations: usize) -> usize {
    FRAME_MAX.saturating_sub(ENTRY_OVERHEAD + key + kind + operations * OPERATION_SIZE)
}

const _: () = assert!(room_for_value(KEY_MAX, KIND_MAX, OPERATIONS_MAX) >= FIRST_MAX);
const _: () = assert!(37 + 3 + PART_SIZE <= FRAME_MAX);
const _: () = assert!(PART_SIZE.is_multiple_of(NAME_SIZE) && NAMES_MAX * NAME_SIZE <= VALUE_MAX && NAMES_MAX < 1 << 14);
const _: () = assert!(TRANSFERS_WAITING < TRANSFERS_MAX - TRANSFERS_RESERVE);
const _: () = assert!(TRANSFERS_RESERVE < TRANSFERS_MAX && TRANSFERS_MAX <= PARTS_MAX && PARTS_WAITING < PARTS_MAX);
const _: () = assert!(PARTS_MAX + PENDING_RESERVE < PENDING_MAX && VALUE_MAX <= u32::MAX as usize);
const _: () = assert!(37 + 40 + 28 + (1 + SUCCESSORS_MAX + DROPPED_MAX) * PEER_SIZE <= FRAME_MAX);
const _: () = assert!(37 + 3 + FINGERS_TOLD_MAX * (1 + PEER_SIZE) <= FRAME_MAX);
const _: () =
    assert!(37 + 40 + 18 + 2 * VERSION_SIZE + ITEMS_MAX * ITEM_SIZE + (ALTERNATIVES_MAX + 1) * PEER_SIZE <= FRAME_MAX);
const _: () = assert!(LISTED_OVERHEAD + 2 + KEY_MAX + 28 + 5 <= FRAME_MAX);
const _: () = assert!(SUCCESSORS_MIN >= 2 && SUCCESSORS_MIN < SUCCESSORS_MAX);
const _: () = assert!(ROW_MAX <= DROPPED_MAX);
const _: () = assert!(PENDING_RESERVE < PENDING_MAX);
