//! The smallest picture of what is wrong: only the nodes that it is about.

use super::{Member, Ring, cycles, names, skipped, winding};
use crate::wire::Peer;
use core::fmt::Write as _;

/// So many nodes are named at the most.
const NAMED_MAX: usize = 12;

/// What a member holds, as a line.
pub fn line(member: &Member) -> String {
    let (before, after) = (names(member.predecessor.as_slice()), names(&member.successors));
    format!("{} before {before}after {after}\n", names(&[member.me]).trim_end())
}

/// Why one of [`super::INVARIANTS`], named by its place there, does not hold: the nodes that it is about, a line each.
pub fn explain(ring: &Ring, invariant: usize) -> String {
    let members = ring.members();
    let lines = |chosen: Vec<usize>| {
        let more = chosen.len().saturating_sub(NAMED_MAX);
        let mut text: String = chosen.iter().take(NAMED_MAX).map(|&at| line(&members[at])).collect();
        if more > 0 {
            let _ = writeln!(text, "and {more} more");
        }
        text
    };
    match invariant {
        0 => lines((0..members.len()).filter(|&at| ring.best_successor(at).is_none()).collect()),
        1 => {
            let skipped = skipped(ring);
            let (mut text, mut named) = (String::from("skipped by some list:\n"), 0);
            for at in (0..members.len()).filter(|&at| skipped[at]) {
                named += 1;
                if named <= NAMED_MAX {
                    let _ = writeln!(text, "{}", names(&[members[at].me]));
                }
            }
            let _ = writeln!(text, "{named} of {}", members.len());
            text
        }
        2 => lines((0..members.len()).filter(|&at| !super::is_ordered(&members[at])).collect()),
        3 => {
            let cycles = cycles(ring);
            let mut text = format!("{} cycles of first living successors\n", cycles.len());
            for cycle in cycles.iter().take(NAMED_MAX) {
                let some: Vec<_> = cycle.iter().take(NAMED_MAX).map(|&at| members[at].me).collect();
                let _ = writeln!(text, "one of {}: {}", cycle.len(), names(&some));
            }
            text
        }
        5 => lines(super::outside(&skipped(ring), &cycles(ring)).collect()),
        6 => {
            let lost = super::demoted(ring, &skipped(ring));
            let skips = |me: &Peer, list: &[Peer]| lost.iter().any(|&at| super::skips(me, list, members[at].me.id()));
            let mut text = lines(lost.clone());
            let held = members.iter().filter(|member| skips(&member.me, &member.successors)).take(NAMED_MAX);
            held.for_each(|member| text += &format!("skipped by {}", line(member)));
            for (me, list) in ring.in_flight.iter().filter(|(me, list)| skips(me, list)).take(NAMED_MAX) {
                let _ = writeln!(text, "skipped on the way to {}: {}", names(&[*me]).trim_end(), names(list));
            }
            text
        }
        _ => {
            let wound = cycles(ring).into_iter().find(|cycle| winding(ring, cycle) != 1).unwrap_or_default();
            let mut text = format!("a cycle that goes round {} times\n", winding(ring, &wound));
            text += &lines(wound);
            text
        }
    }
}
