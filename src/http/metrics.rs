//! `GET /metrics`: what the node and its listener count, for Prometheus.
//!
//! Every label comes from a fixed list, so that their number is bounded. A new counter cannot be forgotten: what is
//! counted is taken apart field by field.

mod memory;
mod text;

use super::response::{Response, Status as HttpStatus};
use super::traffic::{Kind, Outcome, Traffic};
use super::words::{disk_name, state_name};
use crate::config::MemoryFrom;
use crate::handle::{DriverCounters, Snapshot};
use crate::node::{Counters, Load, State, Status};
use crate::wire::Room;
use text::Text;

/// The format that this is written in.
const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The answer.
pub fn answer(snapshot: &Snapshot, traffic: &Traffic) -> Response {
    let mut text = Text::default();
    process(&mut text, snapshot);
    place(&mut text, &snapshot.status);
    store(&mut text, &snapshot.status);
    datagrams(&mut text, &snapshot.status.counters, snapshot.driver);
    life(&mut text, &snapshot.status.counters);
    tables(&mut text, &snapshot.status.load);
    people(&mut text, traffic);
    Response::with_body(HttpStatus::Ok, TYPE, text.into_bytes())
}

fn process(to: &mut Text, snapshot: &Snapshot) {
    to.family("sky_build_info", "gauge", "The version of the program; the value is always 1.");
    to.sample("sky_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    to.gauge("sky_uptime_seconds", "How long the node has run.", snapshot.uptime.as_secs_f64());
    if let Some(bytes) = memory::resident() {
        to.gauge("sky_resident_memory_bytes", "Memory of the process that is not swapped out.", bytes);
    }
}

fn place(to: &mut Text, status: &Status) {
    to.family("sky_node_state", "gauge", "1 for the state that the node is in: only a settled one answers for keys.");
    for state in [State::Joining, State::Settling, State::Settled, State::Silent, State::Leaving] {
        to.sample("sky_node_state", &[("state", state_name(state))], u8::from(state == status.state));
    }
    to.family("sky_disk_state", "gauge", "1 for how the disk is: one that fails takes no writes.");
    let disk = disk_name(status);
    for name in ["none", "works", "fails"] {
        to.sample("sky_disk_state", &[("state", name)], u8::from(name == disk));
    }
    to.gauge("sky_successors", "Nodes on the successor list.", status.successors.len());
    to.gauge("sky_fingers", "Distinct nodes among the fingers.", status.fingers.len());
}

fn store(to: &mut Text, status: &Status) {
    let Status { owned, copied, strays, owned_bytes, copied_bytes, stray_bytes, .. } = *status;
    to.family("sky_entries", "gauge", "Entries held, tombstones included, by whose they are.");
    for (part, number) in [("owned", owned), ("copied", copied), ("stray", strays)] {
        to.sample("sky_entries", &[("part", part)], number);
    }
    to.family("sky_entry_bytes", "gauge", "Bytes of keys, values and media types held, by whose they are.");
    for (part, number) in [("owned", owned_bytes), ("copied", copied_bytes), ("stray", stray_bytes)] {
        to.sample("sky_entry_bytes", &[("part", part)], number);
    }
    let help = "Own entries that are not known to be on both neighbours.";
    to.gauge("sky_entries_under_copied", help, status.under_copied);
    to.gauge("sky_tombstones", "Entries of deleted keys.", status.tombstones);
    to.gauge("sky_remembered_names", "Names of writes that clients gave and that are remembered.", status.names);
    let help = "For how long what is shared with a neighbour has differed from what that one holds; 0 if nothing does.";
    let differs_for = status.differs_for.map_or(0.0, |since| since.as_secs_f64());
    to.gauge("sky_oldest_difference_seconds", help, differs_for);
    let help = "Neighbours that large datagrams do not reach, while small ones do.";
    to.gauge("sky_narrow_paths", help, status.narrow.len());
    to.gauge("sky_store_memory_bytes", "Memory that the entries take, as reckoned for --max-memory.", status.memory);
    let help = "Memory that the entries may take: --max-memory, or what the system allows.";
    to.gauge("sky_store_memory_limit_bytes", help, status.memory_max);
    let help = "1 for who sets that limit: the default, --max-memory, a control group, the limit of address space.";
    to.family("sky_store_memory_limit_from", "gauge", help);
    for from in [MemoryFrom::Default, MemoryFrom::Flag, MemoryFrom::Cgroup, MemoryFrom::AddressSpace] {
        to.sample("sky_store_memory_limit_from", &[("from", from.name())], u8::from(from == status.memory_from));
    }
    let help = "1 for what the node is full of, so that it takes no writes that need room: enough means that it does.";
    to.family("sky_store_room", "gauge", help);
    for (room, name) in Room::NAMES {
        to.sample("sky_store_room", &[("room", name)], u8::from(room == status.room));
    }
}

fn datagrams(to: &mut Text, counters: &Counters, driver: DriverCounters) {
    let Counters { datagrams_in, bytes_in, datagrams_out, bytes_out, overflowed, .. } = *counters;
    let Counters { heard, unasked, answered, repeated, .. } = *counters;
    let DriverCounters { unsent, unreceived } = driver;
    to.counter("sky_datagrams_received_total", "Datagrams received.", datagrams_in);
    to.counter("sky_received_bytes_total", "Their bytes of UDP payload.", bytes_in);
    to.counter("sky_datagrams_sent_total", "Datagrams handed out to be sent.", datagrams_out);
    to.counter("sky_sent_bytes_total", "Their bytes of UDP payload.", bytes_out);
    let help = "Datagrams received that are done with, by what came of them: flawed ones were dropped, refused ones \
                answered with a refusal.";
    to.family("sky_datagrams_done_total", "counter", help);
    let done = [("heard", heard), ("unasked", unasked), ("answered", answered), ("repeated", repeated)];
    let flawed = Counters::FLAWED.into_iter().zip(counters.flawed);
    let refused = Counters::REFUSED.into_iter().zip(counters.refused);
    for (outcome, number) in done.into_iter().chain(flawed).chain(refused) {
        to.sample("sky_datagrams_done_total", &[("outcome", outcome)], number);
    }
    let help = "Datagrams lost in this machine, by cause: the node's outbox was full, the system did not take one, \
                receiving failed.";
    to.family("sky_datagrams_lost_total", "counter", help);
    for (cause, number) in [("overflowed", overflowed), ("unsent", unsent), ("unreceived", unreceived)] {
        to.sample("sky_datagrams_lost_total", &[("cause", cause)], number);
    }
}

/// Everything else that a node counts.
fn life(to: &mut Text, counters: &Counters) {
    let Counters {
        // Told by `datagrams`.
        datagrams_in: _,
        bytes_in: _,
        datagrams_out: _,
        bytes_out: _,
        flawed: _,
        heard: _,
        unasked: _,
        answered: _,
        refused: _,
        repeated: _,
        overflowed: _,
        retries,
        timeouts,
        suspicions,
        lapses,
        settlements,
        ring_changes,
        takeovers,
        silences,
        pulled,
        repaired,
        repaired_bytes,
        collected,
        writes,
        reads,
        lookups,
        hops,
    } = *counters;
    for (name, help, number) in [
        ("sky_request_retries_total", "Requests to nodes sent again because no answer came.", retries),
        ("sky_request_timeouts_total", "Requests to nodes given up.", timeouts),
        ("sky_suspicions_total", "Neighbours dropped or suspected.", suspicions),
        ("sky_consents_lapsed_total", "Times that a neighbour's consent ran out while the node was settled.", lapses),
        ("sky_settlements_total", "Times that the node began to answer for an arc.", settlements),
        ("sky_ring_changes_total", "Changes of the predecessor or of the successor list.", ring_changes),
        ("sky_takeovers_total", "Times that the claim grew because a neighbour was lost.", takeovers),
        ("sky_silences_total", "Times that the node fell silent as it might be cut off.", silences),
        ("sky_entries_pulled_total", "Entries pulled from other nodes.", pulled),
        ("sky_entries_repaired_total", "Those pulled because copies differed.", repaired),
        ("sky_repaired_bytes_total", "Bytes of their keys and values.", repaired_bytes),
        ("sky_entries_collected_total", "Tombstones collected, and what else was under a floor.", collected),
        ("sky_owner_writes_total", "Writes acknowledged as owner of the key.", writes),
        ("sky_owner_reads_total", "Reads answered as owner of the key.", reads),
    ] {
        to.counter(name, help, number);
    }
    let help = "Nodes asked in lookups of this node's own clients that found an owner.";
    to.family("sky_lookup_hops", "histogram", help);
    let bounds = (0..=Counters::HOPS_MAX).map(|hops| hops.to_string()).chain([String::from("+Inf")]);
    let mut sum = 0;
    for (bound, number) in bounds.zip(lookups) {
        sum += number;
        to.sample("sky_lookup_hops_bucket", &[("le", &bound)], sum);
    }
    to.sample("sky_lookup_hops_sum", &[], hops);
    to.sample("sky_lookup_hops_count", &[], sum);
}

fn tables(to: &mut Text, load: &Load) {
    to.family("sky_table_entries", "gauge", "How full the node's tables are; those of bytes count bytes.");
    let label = |table: &str| table.replace(' ', "_");
    for (table, number) in load.tables() {
        to.sample("sky_table_entries", &[("table", &label(table))], number);
    }
    to.family("sky_table_limit", "gauge", "The most that each of them takes.");
    for (table, limit, _) in Load::LIMITS {
        to.sample("sky_table_limit", &[("table", &label(table))], limit);
    }
}

fn people(to: &mut Text, traffic: &Traffic) {
    let help = "Requests answered, by what they asked for and how they ended.";
    to.family("sky_http_requests_total", "counter", help);
    for kind in Kind::ALL {
        for outcome in Outcome::ALL {
            let labels = [("kind", kind.label()), ("outcome", outcome.label())];
            to.sample("sky_http_requests_total", &labels, traffic.answered(kind, outcome));
        }
    }
    let help = "Time from the end of a request to its answer, which is then sent.";
    to.family("sky_http_request_duration_seconds", "histogram", help);
    for kind in Kind::ALL {
        let (times, kind) = (traffic.times(kind), ("kind", kind.label()));
        let mut count = 0;
        for (bound, number) in times.cumulative() {
            to.sample("sky_http_request_duration_seconds_bucket", &[kind, ("le", bound)], number);
            count = number;
        }
        to.sample("sky_http_request_duration_seconds_sum", &[kind], times.sum_s());
        to.sample("sky_http_request_duration_seconds_count", &[kind], count);
    }
    to.gauge("sky_http_connections", "Connections of clients, the one that asks included.", traffic.connections());
    to.gauge("sky_http_connections_limit", "How many there may be at one time.", traffic.limit());
    let [turned_away, waited, closed_idle, cut] = traffic.crowds();
    let help = "Requests refused with 503 as there was no room for their connections.";
    to.counter("sky_http_turned_away_total", help, turned_away);
    to.counter("sky_http_waited_total", "Connections that waited until there was room.", waited);
    to.counter("sky_http_closed_idle_total", "Idle connections closed to make room for others.", closed_idle);
    let help = "Requests and answers given up as their clients did not send or read on while others waited for room.";
    to.counter("sky_http_cut_off_total", help, cut);
}

#[cfg(test)]
mod tests;
