//! What a listener knows beside the request that it answers.

use super::host::Hosts;
use super::origin::Origins;
use super::traffic::Traffic;
use std::cell::Cell;
use std::rc::Rc;

/// It.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The names that the node answers to.
    pub hosts: Hosts,
    /// The pages of other sites that may use it.
    pub origins: Origins,
    /// What was counted.
    pub traffic: Rc<Traffic>,
    /// How many listen to events.
    pub listeners: Rc<Cell<usize>>,
}
