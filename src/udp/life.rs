//! What an operator reads in the log of a node's life.

use crate::count::Count;
use crate::node::{Life, Node, State, Status, Unsettled};
use crate::time::Instant;
use log::{Level, info, log, warn};
use std::time::Duration;

/// The log line of a node that listens begins with this, and goes on with its URL and a slash, if it has one: what
/// starts nodes on any free port reads the address from it.
pub const LISTENING: &str = "listening on http://";

/// Behind an address in the last line of a node that could not start: another program listens there.
pub const IN_USE: &str = "is in use";

/// The last line of a node that has left the ring as it should.
pub const HANDED_OVER: &str = "left the ring: all that it held was handed over";

/// Settling takes milliseconds; what takes longer is worth a line.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tells the life of a node. Of the ring's inner workings an operator hears where they are not as they should be.
#[derive(Debug, Default)]
pub(super) struct Teller {
    /// It had a place on a ring.
    had_place: bool,
    /// It has served.
    served: bool,
    /// It has a place and does not serve: since when, and whether that was told.
    waits: Option<(Instant, bool)>,
}

impl Teller {
    /// Something has happened.
    pub(super) fn tell(&mut self, now: Instant, life: &Life) {
        let level = match () {
            () if life.is_warning() => Level::Warn,
            () if life.is_detail() => Level::Debug,
            () => Level::Info,
        };
        log!(level, "{life}");
        match life {
            Life::Created | Life::Joined { .. } => {
                self.had_place = true;
                self.waits.get_or_insert((now, false));
            }
            Life::Leaving | Life::Unsettled(Unsettled::Leaving) => self.waits = None,
            Life::Unsettled(_) => {
                self.waits.get_or_insert((now, false));
            }
            Life::Settled { .. } => self.serves(now),
            _ => {}
        }
    }

    fn serves(&mut self, now: Instant) {
        let waited = self.waits.take();
        if !std::mem::replace(&mut self.served, true) {
            info!("ready: serves its share of the ring");
        } else if let Some((since, true)) = waited {
            info!("serves again, after {:.1} s", now.since(since).as_secs_f64());
        }
    }

    /// When [`Teller::look`] may have something to tell.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waits.filter(|(_, told)| !told).map(|(since, _)| since + PATIENCE)
    }

    /// Says what the node waits for, if it has done so for long.
    pub(super) fn look(&mut self, now: Instant, node: &Node) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        let since = self.waits.as_mut().map(|(since, told)| {
            *told = true;
            *since
        });
        let waited = now.since(since.unwrap_or(now)).as_secs_f64();
        let what = match (node.state(now), node.missing_consent(now)) {
            (State::Settling, Some(peer)) => format!("waits for the lease of {}", peer.addr()),
            (State::Settling, None) => String::from("waits for its neighbours, which change or sync"),
            (State::Joining, _) => String::from("has no place on the ring any more, and looks for one"),
            // It serves; or that it does not, and why, was told in words of its own.
            (State::Settled | State::Silent | State::Leaving, _) => return,
        };
        info!("not serving for {waited:.1} s: {what}");
    }

    /// How it ended.
    pub(super) fn left(&self, handed_over: bool, leave_timeout: Duration, status: &Status) {
        let (level, text) = ending(self.had_place, handed_over, leave_timeout, status);
        match level {
            Level::Warn => warn!("{text}"),
            _ => info!("{text}"),
        }
    }
}

fn ending(had_place: bool, handed_over: bool, leave_timeout: Duration, status: &Status) -> (Level, String) {
    let keys = status.entries.saturating_sub(status.tombstones);
    let (entries, has_disk) = (Count(keys, "entry", "entries"), status.has_disk);
    let alone = status.predecessor.is_none() && status.successors.is_empty();
    let stay = || if keys == 1 { "stays" } else { "stay" };
    let are = || if keys == 1 { "is" } else { "are" };
    match () {
        () if !had_place && has_disk && keys > 0 => {
            (Level::Info, format!("ended without a place on a ring: its {entries} {} on its disk", stay()))
        }
        () if !had_place => (Level::Info, String::from("ended without a place on a ring")),
        () if handed_over && !(alone && keys == 0) => (Level::Info, HANDED_OVER.into()),
        () if alone && keys == 0 => {
            (Level::Info, String::from("ended: it was the only node of its ring, which held nothing"))
        }
        () if alone && has_disk => {
            (Level::Info, format!("ended: it was the only node of its ring, and its {entries} {} on its disk", stay()))
        }
        () if alone => {
            (Level::Warn, format!("ended: it was the only node of its ring, and its {entries} {} gone with it", are()))
        }
        () if leave_timeout.is_zero() => (
            Level::Warn,
            format!("left without handing over {entries} (--leave-timeout 0): the copies beside it remain"),
        ),
        () => {
            let seconds = leave_timeout.as_secs_f64();
            let text = "left without handing over all of";
            (Level::Warn, format!("{text} {entries} within {seconds} s (--leave-timeout): the copies beside it remain"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::node::Identity;
    use crate::time::Now;
    use crate::wire::{Incarnation, Peer, Place};
    use crate::{id::Id, node::Command};

    fn status() -> Status {
        let identity = Identity { addr: ([127, 0, 0, 1], 1).into(), id: None };
        let now = Now { at: Instant::ZERO, wall_ms: 1 };
        Node::new(Config::default(), identity, false, [7; 32], now).status(Instant::ZERO)
    }

    #[test]
    fn the_last_line_says_what_becomes_of_the_entries() {
        let place = Place { addr: ([127, 0, 0, 1], 2).into(), id: Id::new(1) };
        let peer = Peer { place, incarnation: Incarnation::new(1) };
        let (none, eight) = (Duration::ZERO, Duration::from_secs(8));
        for (had_place, handed_over, timeout, beside, entries, has_disk, level, part) in [
            (false, true, eight, false, 0, false, Level::Info, "without a place on a ring"),
            (false, true, eight, false, 2, true, Level::Info, "its 2 entries stay on its disk"),
            (true, true, eight, true, 3, false, Level::Info, HANDED_OVER),
            (true, true, eight, false, 0, false, Level::Info, "the only node of its ring, which held nothing"),
            (true, false, eight, false, 1, false, Level::Warn, "the only node of its ring, and its 1 entry is gone"),
            (true, false, eight, false, 1, true, Level::Info, "its 1 entry stays on its disk"),
            (true, false, none, true, 12, false, Level::Warn, "handing over 12 entries (--leave-timeout 0)"),
            (true, false, eight, true, 1, true, Level::Warn, "all of 1 entry within 8 s (--leave-timeout)"),
        ] {
            let predecessor = beside.then_some(peer);
            let status = Status { predecessor, entries, has_disk, ..status() };
            let (told_at, text) = ending(had_place, handed_over, timeout, &status);
            assert!(told_at == level && text.contains(part), "{part:?} at {level}: {told_at} {text}");
        }
    }

    #[test]
    fn a_node_that_settles_late_says_so_once_and_when_it_serves_again() {
        let ms = |n: u64| Instant::from_micros(n * 1000);
        let mut teller = Teller::default();
        teller.tell(ms(0), &Life::Created);
        assert_eq!(teller.deadline(), Some(ms(1000)));
        let arc = crate::id::Arc::new(Id::new(1), Id::new(1));
        teller.tell(ms(2), &Life::Settled { arc, term: 1 });
        assert_eq!(teller.deadline(), None);
        teller.tell(ms(5000), &Life::Unsettled(Unsettled::Lapse));
        teller.tell(ms(5500), &Life::Unsettled(Unsettled::Neighbour));
        assert_eq!(teller.deadline(), Some(ms(6000)), "since it served last");
        let identity = Identity { addr: ([127, 0, 0, 1], 1).into(), id: None };
        let mut node = Node::new(Config::default(), identity, false, [7; 32], Now { at: ms(0), wall_ms: 1 });
        teller.look(ms(5999), &node);
        assert_eq!(teller.deadline(), Some(ms(6000)));
        teller.look(ms(6000), &node);
        assert_eq!((teller.deadline(), teller.waits), (None, Some((ms(5000), true))));
        node.handle_command(Now { at: ms(6000), wall_ms: 1 }, Command::Leave);
        teller.tell(ms(6001), &Life::Leaving);
        assert_eq!(teller.waits, None, "it is not to serve again");
    }
}
