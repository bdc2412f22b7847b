//! How positions are named for people: in a small identifier space by their textbook numbers.

use crate::id::{Arc, Id};

/// Spaces of up to so many bits have numbers that people can read.
const NUMBERED_MAX: u32 = 16;

/// Names positions of one identifier space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    bits: u32,
}

impl Names {
    /// Names for a space of so many bits.
    pub const fn new(bits: u32) -> Self {
        Self { bits }
    }

    /// True if positions are named by their numbers, not by hexadecimal digits.
    pub const fn are_numbers(self) -> bool {
        self.bits <= NUMBERED_MAX
    }

    /// How many bits the space has.
    pub const fn bits(self) -> u32 {
        self.bits
    }

    /// The name of a position: its number, or the first 8 hexadecimal digits of 32.
    pub fn of(self, id: Id) -> String {
        let number = self.number(id);
        // Between the numbers there is nothing but what a node made up.
        if self.are_numbers() && number << (Id::BITS - self.bits) == id.get() {
            number.to_string()
        } else {
            format!("{:08x}", id.get() >> 96)
        }
    }

    /// Several, with commas between and "and" before the last.
    pub fn list(self, ids: impl IntoIterator<Item = Id>) -> String {
        let names: Vec<String> = ids.into_iter().map(|id| self.of(id)).collect();
        match names.split_last() {
            None => String::from("nobody"),
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
        }
    }

    /// An arc: what lies after one position, up to and including another.
    pub fn arc(self, arc: Arc) -> String {
        if arc.after == arc.upto {
            return String::from("the whole ring");
        }
        if !self.are_numbers() {
            return format!("({}, {}]", self.of(arc.after), self.of(arc.upto));
        }
        let first = arc.after.plus(1 << (Id::BITS - self.bits));
        if first == arc.upto {
            format!("position {}", self.of(first))
        } else {
            format!("positions {} to {}", self.of(first), self.of(arc.upto))
        }
    }

    /// The distance 2^exponent.
    pub fn power(self, exponent: u32) -> String {
        match exponent.checked_sub(Id::BITS - self.bits).filter(|_| self.are_numbers()) {
            Some(exponent) => format!("+{}", 1u128 << exponent),
            None => format!("2^{exponent}"),
        }
    }

    /// True if this is how people may write the position: its number, or, where it has too many digits, the number
    /// that its name is.
    pub fn means(self, number: u128, id: Id) -> bool {
        number == self.number(id) || !self.are_numbers() && number == id.get() >> 96
    }

    const fn number(self, id: Id) -> u128 {
        id.get() >> (Id::BITS - self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_spaces_have_numbers_and_large_ones_digits() {
        let (small, large) = (Names::new(3), Names::new(128));
        let six = Id::new(6 << 125);
        assert_eq!((small.of(six), large.of(six)), (String::from("6"), String::from("c0000000")));
        assert_eq!(small.of(six.plus(1)), "c0000000", "it is none of the eight");
        assert!(small.means(6, six) && large.means(6 << 125, six) && large.means(0xc000_0000, six));
        assert!(!small.means(0xc000_0000, six));
    }

    #[test]
    fn arcs_are_named_by_what_lies_in_them() {
        let names = Names::new(3);
        let arc = |after: u128, upto: u128| names.arc(Arc::new(Id::new(after << 125), Id::new(upto << 125)));
        assert_eq!(arc(3, 6), "positions 4 to 6");
        assert_eq!(arc(6, 0), "positions 7 to 0");
        assert_eq!(arc(0, 1), "position 1");
        assert_eq!(arc(1, 1), "the whole ring");
        assert_eq!(Names::new(128).arc(Arc::new(Id::new(0), Id::new(1 << 127))), "(00000000, 80000000]");
    }
}
