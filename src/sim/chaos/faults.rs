//! What may befall machines, what the chaos did, and what it leaves to the driver of a run.

/// What may befall machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process dies, or two neighbours at once.
    Crash,
    /// A process stops and goes on later, or two neighbours.
    Pause,
    /// One node, or two neighbours, cannot talk to the others for a while: they are taken for dead.
    Isolate,
    /// Two nodes that talk to each other, mostly neighbours, cannot do so in one direction or both.
    Cut,
    /// A new node joins, sometimes two side by side; of a batch both together, and nodes beside them may die just
    /// then; they go again as they came, or one by one.
    Join,
    /// A write is under way: its owner dies or stops just then.
    Strike,
    /// A node leaves, or two neighbours at once.
    Leave,
    /// A wall clock is set to another time.
    Clock,
}

/// All of them.
pub const FAULTS: [Fault; 8] =
    [Fault::Crash, Fault::Pause, Fault::Isolate, Fault::Cut, Fault::Join, Fault::Strike, Fault::Leave, Fault::Clock];

/// What the chaos did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Processes killed.
    pub crashes: u64,
    /// Times that two neighbours were killed at once; their crashes count above too.
    pub double_crashes: u64,
    /// Processes stopped for a while.
    pub pauses: u64,
    /// Nodes cut off from all others.
    pub isolations: u64,
    /// Pairs that could not talk.
    pub cuts: u64,
    /// Owners hit in the middle of a write.
    pub strikes: u64,
    /// Nodes told to leave.
    pub leaves: u64,
    /// Wall clocks set to another time.
    pub jumps: u64,
    /// Times that a batch came.
    pub batches: u64,
    /// Times that two died beside one that had just joined.
    pub beside: u64,
    /// Times that all machines lost their power.
    pub blackouts: u64,
}

/// What the driver has to do for a fault: the chaos itself only stops and cuts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// Kill these.
    pub crash: Vec<usize>,
    /// Tell these to leave.
    pub leave: Vec<usize>,
    /// Let so many join.
    pub join: usize,
    /// Let these join together.
    pub batch: Vec<usize>,
}
