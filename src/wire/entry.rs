//! What is stored: versions, operations, entries.

use super::mark::{Kept, Logged, NamesSum};
use super::value::Value;
use crate::limits::{KEY_MAX, OPERATIONS_MAX, TERM_MAX, TIME_MAX_MS, VERSIONS_MAX};
use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// Which write of a key is the newer: compared in the order of the fields. It is the key's ETag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// The term of the arc under which the owner wrote it.
    pub term: u64,
    /// The owner's hybrid logical clock, in milliseconds: never below any version it has seen.
    pub time_ms: u64,
    /// The first half of the owner's id, for the case that all else is the same.
    #[serde(with = "fixed")]
    pub writer: u64,
}

/// Eight bytes instead of a varint: the bits are random.
pub(super) mod fixed {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
        number.to_be_bytes().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        <[u8; 8]>::deserialize(from).map(u64::from_be_bytes)
    }
}

impl Version {
    /// Below all others: no write has it.
    pub const NONE: Self = Self { term: 0, time_ms: 0, writer: 0 };

    /// True if it may have come about by itself: a node builds no other.
    pub const fn is_sound(&self) -> bool {
        self.term <= TERM_MAX && self.time_ms <= TIME_MAX_MS
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}-{:016x}", self.term, self.time_ms, self.writer)
    }
}

/// Which of two entries of a key wins, on every node.
///
/// The higher version does, as a rule. But a write that its owner could tell nobody may turn up after a later owner has
/// answered for an older version: that one was put before the neighbours anew, under a higher ballot, and stays. (The
/// ballots of Paxos: what is accepted under a higher one is what the others had left to choose from.) Only where a ring
/// was cut apart can the higher version have been told to somebody all the same, and then it wins again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rank {
    /// The write that led to the entry.
    pub version: Version,
    /// The highest term under which an owner put it before its neighbours; never below that of the version.
    pub ballot: u64,
    /// Whether whoever tells of it knows that the whole group of an owner held it.
    pub chosen: bool,
}

impl Rank {
    /// The rank of a write that its owner is about to tell.
    pub const fn of_write(version: Version) -> Self {
        Self { version, ballot: version.term, chosen: false }
    }

    /// True if an entry of this rank takes the place of one of the other.
    pub fn beats(&self, other: &Self) -> bool {
        match self.version.cmp(&other.version) {
            Ordering::Equal => self.ballot > other.ballot,
            Ordering::Greater => self.chosen || self.ballot >= other.ballot,
            Ordering::Less => !(other.chosen || other.ballot >= self.ballot),
        }
    }

    /// True if it may have come about by itself: a node builds no other.
    pub const fn is_sound(&self) -> bool {
        self.version.term <= self.ballot && self.ballot <= TERM_MAX && self.version.is_sound()
    }
}

/// Why a text is not a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseVersionError;

impl FromStr for Version {
    type Err = ParseVersionError;

    /// Reads what `Display` writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, ParseVersionError> {
        let mut parts = text.split('-').map(|part| u64::from_str_radix(part, 16).map_err(|_| ParseVersionError));
        let mut next = || parts.next().unwrap_or(Err(ParseVersionError));
        let version = Self { term: next()?, time_ms: next()?, writer: next()? };
        let mut written = heapless::String::<64>::new();
        let same = fmt::Write::write_fmt(&mut written, format_args!("{version}")).is_ok() && written == text;
        same.then_some(version).ok_or(ParseVersionError)
    }
}

/// How much a coordinator had seen of an arc's history before it first sent a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Freshness {
    /// The arc's term.
    pub term: u64,
    /// The hybrid logical clock of whoever answered the lookup, in milliseconds.
    pub time_ms: u64,
}

impl Freshness {
    /// True if it may have come about by itself: a write never gets a version that is out of bounds.
    pub const fn is_sound(self) -> bool {
        self.term <= TERM_MAX && self.time_ms <= TIME_MAX_MS / 2
    }
}

impl From<Version> for Freshness {
    fn from(version: Version) -> Self {
        Self { term: version.term, time_ms: version.time_ms }
    }
}

/// The name of a write, the same in all its repetitions: 128 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OperationId(pub [u8; 16]);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// A write as a coordinator sends it: repeating it cannot apply it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its name.
    pub id: OperationId,
    /// How fresh its first attempt was.
    pub fresh: Freshness,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:x}-{:x}", self.id, self.fresh.term, self.fresh.time_ms)
    }
}

/// Why a text is not the name of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseOperationError;

impl FromStr for OperationId {
    type Err = ParseOperationError;

    /// Reads 32 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, ParseOperationError> {
        let id: crate::id::Id = text.parse().map_err(|_| ParseOperationError)?;
        Ok(Self(id.get().to_be_bytes()))
    }
}

impl FromStr for Operation {
    type Err = ParseOperationError;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, ParseOperationError> {
        let (id, fresh) = text.split_once('-').ok_or(ParseOperationError)?;
        let (term, time_ms) = fresh.split_once('-').ok_or(ParseOperationError)?;
        let number = |text: &str| {
            let digits = (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
            digits.then(|| u64::from_str_radix(text, 16).ok()).flatten().ok_or(ParseOperationError)
        };
        Ok(Self { id: id.parse()?, fresh: Freshness { term: number(term)?, time_ms: number(time_ms)? } })
    }
}

/// The last writes of an entry, and the newest that it has forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationLog {
    recent: heapless::Vec<Logged, OPERATIONS_MAX>,
    forgotten: Freshness,
}

impl OperationLog {
    /// The write of this name, if it is remembered.
    pub fn find(&self, id: OperationId) -> Option<Logged> {
        self.iter().find(|write| write.id == id).copied()
    }

    /// The writes that it remembers, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Logged> {
        self.recent.iter()
    }

    /// One that has forgotten all writes of a coordinator no fresher than this.
    pub fn since(forgotten: Freshness) -> Self {
        Self { recent: heapless::Vec::new(), forgotten }
    }

    /// How many writes it remembers.
    pub fn len(&self) -> usize {
        self.recent.len()
    }

    /// True if it remembers none.
    pub fn is_empty(&self) -> bool {
        self.recent.is_empty()
    }

    /// True if the operation may have been applied and forgotten since. A fresher one was not: its coordinator had seen
    /// an arc newer than every write that this log has forgotten.
    pub fn may_have_forgotten(&self, operation: &Operation) -> bool {
        self.forgotten != Freshness::default() && operation.fresh <= self.forgotten
    }

    /// How fresh the newest write was given to be that it has forgotten.
    pub const fn forgotten(&self) -> Freshness {
        self.forgotten
    }

    /// Remembers a write; returns the oldest one if it was forgotten for it.
    pub fn push(&mut self, write: Logged) -> Option<Logged> {
        let dropped = self.recent.is_full().then(|| self.recent.remove(0));
        if let Some(oldest) = dropped {
            self.forgotten = self.forgotten.max(oldest.version.into());
        }
        let pushed = self.recent.push(write);
        debug_assert!(pushed.is_ok(), "room was made");
        dropped
    }

    /// True if it may have come about by itself: a node builds no other.
    pub fn is_sound(&self) -> bool {
        let forgotten = self.forgotten.term <= TERM_MAX && self.forgotten.time_ms <= TIME_MAX_MS;
        forgotten && self.iter().all(|write| write.version.is_sound())
    }
}

/// On what the present state of a key a write depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// On nothing.
    None,
    /// The key must not exist: create only.
    Absent,
    /// The key must exist, in any version.
    Present,
    /// The key must exist in this version.
    Match(Version),
    /// The key must exist in one of these versions.
    OneOf(Versions),
    /// The key must not exist in one of these versions.
    NoneOf {
        /// These.
        versions: Versions,
        /// It may be absent.
        absent: bool,
    },
}

/// Versions that a condition lists, as a client named them. [`Version::NONE`] fills the places that are left.
pub type Versions = [Version; VERSIONS_MAX];

impl Condition {
    /// True if a key in the version, or absent, meets the condition.
    pub fn holds(self, present: Option<Version>) -> bool {
        match self {
            Self::None => true,
            Self::Absent => present.is_none(),
            Self::Present => present.is_some(),
            Self::Match(version) => present == Some(version),
            Self::OneOf(versions) => present.is_some_and(|version| versions.contains(&version)),
            Self::NoneOf { versions, absent } => present.map_or(absent, |version| !versions.contains(&version)),
        }
    }
}

/// A key with its value, or with the tombstone of a delete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<'a> {
    /// The key: 1 to 255 bytes.
    pub key: &'a [u8],
    /// How it stands against others of its key.
    pub rank: Rank,
    /// The writes that led to it.
    pub log: OperationLog,
    /// Those before them whose names clients gave, as far as they are remembered.
    pub names: Option<NamesSum>,
    /// The value; `None` is a tombstone.
    #[serde(borrow)]
    pub value: Option<Value<'a>>,
    /// Those names, where they had to be asked for. They do not travel with it.
    #[serde(skip)]
    pub came: &'a [Kept],
}

impl Entry<'_> {
    /// True if nothing of its value is missing.
    pub fn is_whole(&self) -> bool {
        self.value.is_none_or(|value| value.body.is_whole())
    }

    /// True if it may have come about by itself: a node builds no other.
    pub fn is_sound(&self) -> bool {
        (1..=KEY_MAX).contains(&self.key.len())
            && self.rank.is_sound()
            && self.log.is_sound()
            && self.names.is_none_or(NamesSum::is_sound)
            && self.value.is_none_or(|value| value.is_sound())
    }
}

/// An entry as a survey lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The id of its key.
    pub id: crate::id::Id,
    /// How it stands against others of its key.
    pub rank: Rank,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(term: u64, time_ms: u64, writer: u64) -> Version {
        Version { term, time_ms, writer }
    }

    #[test]
    fn versions_compare_by_term_then_time_then_writer() {
        let rising = [version(1, 9, 9), version(2, 0, 9), version(2, 1, 0), version(2, 1, 1)];
        assert!(rising.is_sorted());
    }

    #[test]
    fn of_two_entries_one_wins_and_what_was_put_again_under_a_higher_ballot_stays_unless_more_was_chosen() {
        let rank = |term, ballot, chosen| Rank { version: version(term, 0, 0), ballot, chosen };
        assert!(rank(2, 2, false).beats(&rank(1, 1, true)), "the higher version");
        assert!(rank(1, 3, false).beats(&rank(2, 2, false)), "put again when nothing of the other was heard");
        assert!(rank(2, 2, true).beats(&rank(1, 3, true)), "both were told, where the ring was cut apart");
        assert!(rank(2, 3, false).beats(&rank(2, 2, true)) && !rank(2, 2, true).beats(&rank(2, 2, false)));
        let all = [1, 2, 3].into_iter().flat_map(|term| (term..4).map(move |ballot| (term, ballot)));
        let all: std::vec::Vec<Rank> =
            all.flat_map(|(term, ballot)| [false, true].map(|chosen| rank(term, ballot, chosen))).collect();
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
            let same = (one.version, one.ballot) == (other.version, other.ballot);
            assert_eq!(u8::from(one.beats(other)) + u8::from(other.beats(one)), u8::from(!same), "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_version_reads_back_from_its_text_and_nothing_else_does() {
        let it = version(3, 0x0001_93a0_0000_0000, 0xfeed);
        assert_eq!(it.to_string().parse(), Ok(it));
        for wrong in
            ["", "3", "3-1", "3-1-feed", "3-01-000000000000feed", "+3-1-000000000000feed", "3-1-000000000000feed-"]
        {
            assert_eq!(wrong.parse::<Version>(), Err(ParseVersionError), "{wrong:?}");
        }
    }

    #[test]
    fn an_operation_reads_back_from_its_text_and_nothing_else_does() {
        let it = Operation { id: OperationId([0xab; 16]), fresh: Freshness { term: 3, time_ms: 0x1234 } };
        assert_eq!(it.to_string().parse(), Ok(it));
        let id = "ab".repeat(16);
        assert_eq!(id.parse(), Ok(it.id));
        for wrong in ["", "ab-1-2", &id, &format!("{id}-1"), &format!("{id}-+1-2"), &format!("{id}-1-2-3")] {
            assert_eq!(wrong.parse::<Operation>(), Err(ParseOperationError), "{wrong:?}");
        }
    }

    #[test]
    fn a_log_knows_its_last_writes_and_what_it_may_have_forgotten() {
        let mut log = OperationLog::default();
        let id = |n: u8| OperationId([n; 16]);
        let writes = OPERATIONS_MAX as u8 + 2;
        for n in 0..writes {
            log.push(Logged { id: id(n), version: version(1, 10 * u64::from(n), 0), mark: Default::default() });
        }
        let newest = log.find(id(writes - 1)).map(|write| write.version);
        assert_eq!(newest, Some(version(1, 10 * u64::from(writes - 1), 0)));
        assert_eq!(log.find(id(0)), None);
        let fresh = |time_ms| Operation { id: id(99), fresh: Freshness { term: 1, time_ms } };
        assert!(log.may_have_forgotten(&fresh(10)), "as old as the newest forgotten write");
        assert!(!log.may_have_forgotten(&fresh(11)));
    }

    #[test]
    fn conditions_hold_when_they_say() {
        let v = version(1, 1, 1);
        assert!(Condition::None.holds(None) && Condition::None.holds(Some(v)));
        assert!(Condition::Absent.holds(None) && !Condition::Absent.holds(Some(v)));
        assert!(!Condition::Present.holds(None) && Condition::Present.holds(Some(v)));
        assert!(Condition::Match(v).holds(Some(v)) && !Condition::Match(v).holds(Some(version(1, 1, 2))));
        assert!(!Condition::Match(v).holds(None));
        let (other, none) = (version(1, 1, 2), Version::NONE);
        let one_of = Condition::OneOf([other, v, none, none]);
        assert!(one_of.holds(Some(v)) && one_of.holds(Some(other)) && !one_of.holds(None));
        assert!(!one_of.holds(Some(version(1, 1, 3))) && !Condition::OneOf([none; 4]).holds(Some(v)));
        for absent in [false, true] {
            let none_of = Condition::NoneOf { versions: [other, v, none, none], absent };
            assert!(!none_of.holds(Some(v)) && !none_of.holds(Some(other)) && none_of.holds(Some(version(1, 1, 3))));
            assert_eq!(none_of.holds(None), absent);
        }
    }
}
