//! The rules that keep two nodes from answering for one key, and an acknowledged write from being lost, each by its
//! name. The simulator takes them out, one at a time, to see that its oracles notice.

/// A rule of who may answer, of what is acknowledged, or of how a node comes to its place.
///
/// With the feature `mutations` a [`Config`](super::Config) can be told to do without some. No program has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A node speaks only while its predecessor consents.
    PredecessorsConsent,
    /// A node speaks only while its successor consents.
    SuccessorsConsent,
    /// A consent to another, or a claim past it, waits until the pledge that was given has run out or was released.
    WaitForPledges,
    /// A claim grows past a lost predecessor for who stood before it; for others when the living have had time to come.
    FormerClaim,
    /// While a pledge is unexpired, nobody else on that side is consented to, be it farther away or closer.
    OnePledgeASide,
    /// Before a node answers it asks around for what it claims.
    Settling,
    /// Who dropped three neighbours in a row, or is told of it, is silent.
    SilenceOfThree,
    /// Who begins to answer has both neighbours store a term above all that was heard of.
    Term,
    /// A write is known by its name: a repetition gets the first answer.
    OperationIds,
    /// A node joins only between two that are linked both ways.
    LinkedBothWays,
    /// A predecessor's consent counts from the stamp that it echoes, not from when it arrives.
    Stamps,
    /// A settling node asks three nodes on either side, not only its neighbours.
    AskingBeyondNeighbours,
    /// A write is acknowledged only if its owner still speaks, beside the neighbours that stored it.
    CheckBeforeAcknowledging,
    /// A copy and a term are stored only for a present neighbour.
    NeighboursAgreement,
    /// A joiner pulls what its place asks for before it shows itself.
    PullBeforeJoin,
    /// A write is acknowledged only when both neighbours have stored it.
    BothCopies,
    /// What rests on an entry waits until both neighbours are known to hold it.
    CompleteBeforeAnswering,
    /// A copy is stored only under the highest term known for its key.
    HighestTermOnly,
    /// A consent that was asked for before the pointer to its giver was set does not count.
    AskedAfterPointer,
    /// What is to be saved is saved before anyone is told of it.
    SaveBeforeTelling,
    /// A node that comes back with what it saved awaits those who stood beside it.
    AwaitFormerNeighbours,
    /// For one that comes back the ring is whole by the word of a neighbour that has settled, not by that of others
    /// that come back.
    WitnessesHaveSettled,
    /// A stray is dropped only once the whole group of its owner is known to hold it.
    DropWhenConfirmed,
    /// Where tombstones were collected a floor stays, and nothing under it is taken.
    FloorOfTombstones,
    /// A copy of an entry is taken only with the names of clients' writes that it remembers.
    NamesWithCopies,
    /// A tombstone that remembers clients' names of writes is not collected.
    TombstonesKeepNames,
    /// Before their time tombstones are collected only in a group that is whole.
    EarlyWhereWhole,
    /// A copy carries what is left of its value's life.
    CopiesCarryWhatIsLeft,
    /// Who comes back with what it saved, and thinks that more is left of a value than a neighbour does, is told so.
    LessLeftIsTold,
    /// A write that may have been done or refused before, and forgotten since, is refused.
    RefuseForgotten,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 30] = [
        Self::PredecessorsConsent,
        Self::SuccessorsConsent,
        Self::WaitForPledges,
        Self::FormerClaim,
        Self::OnePledgeASide,
        Self::Settling,
        Self::SilenceOfThree,
        Self::Term,
        Self::OperationIds,
        Self::LinkedBothWays,
        Self::Stamps,
        Self::AskingBeyondNeighbours,
        Self::CheckBeforeAcknowledging,
        Self::NeighboursAgreement,
        Self::PullBeforeJoin,
        Self::BothCopies,
        Self::CompleteBeforeAnswering,
        Self::HighestTermOnly,
        Self::AskedAfterPointer,
        Self::SaveBeforeTelling,
        Self::AwaitFormerNeighbours,
        Self::WitnessesHaveSettled,
        Self::DropWhenConfirmed,
        Self::FloorOfTombstones,
        Self::NamesWithCopies,
        Self::TombstonesKeepNames,
        Self::EarlyWhereWhole,
        Self::CopiesCarryWhatIsLeft,
        Self::LessLeftIsTold,
        Self::RefuseForgotten,
    ];
}
