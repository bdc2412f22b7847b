//! Numbers of things, in words: "1 node", "2 nodes".

use core::fmt;

/// So many things, with the word for one of them and the word for several.
///
/// ```
/// # use skynode::count::Count;
/// assert_eq!(Count(1, "node", "nodes").to_string(), "1 node");
/// assert_eq!(Count(0, "entry", "entries").to_string(), "0 entries");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub usize, pub &'static str, pub &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number, one, several) = *self;
        write!(f, "{number} {}", if number == 1 { one } else { several })
    }
}
