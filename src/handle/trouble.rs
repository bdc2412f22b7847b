//! Why a node has no place on a ring yet, in words for its log, for `/readyz`, and for all that refuse something for
//! that: there is one reason, and it is told in one place.

use crate::node::{Hitch, Seeking};
use core::fmt;
use core::time::Duration;
use std::io;
use std::net::SocketAddr;

/// What keeps a node from joining: what it knows itself, and what its driver has found out about its seeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The name of its ring.
    pub ring: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// The address that others reach it at.
    pub me: SocketAddr,
    /// What the node knows.
    pub seeking: Seeking,
    /// Its seeds, one for each of their addresses.
    pub seeds: Vec<Seed>,
}

/// A seed, as one of its addresses was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// `host:port`, as it was given.
    pub name: String,
    /// What the name stands for; `None` if it stands for nothing.
    pub addr: Option<SocketAddr>,
    /// How it was found.
    pub found: Found,
}

/// How a seed was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It was asked by UDP, and nothing else was tried yet.
    Asked,
    /// The name does not resolve, for this reason.
    Unresolved(String),
    /// The name resolves to a loopback address, which on every machine is that machine.
    Loopback,
    /// The name resolves to a loopback address and to nothing else, the port is the node's own, and nothing tells which
    /// address of this machine others reach.
    Homeless,
    /// It is an address of one link, good only together with the name of a network interface.
    LinkLocal,
    /// It has an address of IPv6 and the node listens on one of IPv4, or the other way round.
    OtherFamily,
    /// It is on another machine, and the node listens on a loopback address.
    OutOfLoopback,
    /// It is silent by UDP, and nothing listens there by TCP.
    Nothing,
    /// It is silent by UDP, and by TCP nothing comes back in time.
    Mute,
    /// It is silent by UDP, and by TCP there is no way to it.
    NoWay(io::ErrorKind),
    /// By TCP a node of this ring answers, where by UDP none has: it may just have been started.
    Appears,
    /// It is silent by UDP, and by TCP a node answers that names this ring; one of an older version names none.
    Runs(Option<String>),
    /// It is silent by UDP, and by TCP something else answers than a node.
    Stranger,
    /// It answers by UDP.
    Answers {
        /// It is on a ring.
        member: bool,
    },
}

/// Seeds of one kind that are named; of more their number is told.
const NAMED_MAX: usize = 4;

/// Kinds that are told.
const WAYS_MAX: usize = 8;

/// For so long a place that cannot be had is no trouble yet: a node that is started again waits until its earlier life
/// has been dropped.
const HITCH: Duration = Duration::from_secs(5);

/// The same at the node's own address, where most likely nothing has to be done.
const HITCH_OF_OWN: Duration = Duration::from_secs(15);

impl Trouble {
    /// True if it has lasted longer than joining takes where nothing is wrong; of seeds that are silent the one who
    /// tries them knows.
    pub fn lasts(&self) -> bool {
        match self.seeking.hitch {
            Some(Hitch::Taken(peer)) if peer.addr() == self.me => self.seeking.hitched_for >= HITCH_OF_OWN,
            Some(_) => self.seeking.hitched_for >= HITCH,
            None => false,
        }
    }

    fn hitch(&self, f: &mut fmt::Formatter<'_>, hitch: Hitch) -> fmt::Result {
        match hitch {
            Hitch::Taken(peer) if peer.addr() == self.me => f.write_str(
                "Its place is still held by its own earlier life, which the nodes beside it drop after some seconds; \
                 if that does not end, another node advertises the same address.",
            ),
            Hitch::Taken(peer) => write!(
                f,
                "Its id {} is taken by {}: give every node an --id of its own, or none, and no copy of another's \
                 --data. If that is this node's former address, it is dropped after some seconds.",
                peer.id(),
                peer.addr()
            ),
            Hitch::Lost(contact) => write!(
                f,
                "The ring answers at {contact}, but none of the nodes that it names on the way to this node's place: \
                 can this machine reach them by UDP, at the addresses that they advertise?"
            ),
            Hitch::Between(one, other) => write!(
                f,
                "Its place is between {one} and {other}, but one of them does not answer, or is not the other's \
                 neighbour at this moment: can this machine reach both by UDP?"
            ),
            Hitch::CutOff(beside) => write!(
                f,
                "Its place is beside {beside}, which may be cut off from a larger ring, and nobody joins there: \
                 http://{beside}/readyz says why."
            ),
        }
    }

    /// What is to be said of seeds that were found like this.
    fn sentence(&self, found: &Found, seeds: &str) -> String {
        let (ring, listen, port) = (&self.ring, self.listen, self.listen.port());
        match found {
            Found::Asked => format!("It looks for its place on the ring, and at {seeds} nobody has answered yet."),
            Found::Answers { member: true } => {
                format!("It has found the ring at {seeds}, and looks for its place there.")
            }
            Found::Answers { member: false } if self.seeking.founder => {
                format!("At {seeds} a node answers that is on no ring itself.")
            }
            Found::Answers { member: false } => format!(
                "At {seeds} a node answers that is on no ring itself; this node is none of its own seeds, so it \
                 creates no ring: give one of them itself as a seed too."
            ),
            Found::Runs(Some(other)) if other != ring => {
                format!("At {seeds} runs the ring {other:?}, and this node is of {ring:?}: compare --ring.")
            }
            Found::Runs(_) => format!(
                "At {seeds} runs this ring, as it says by TCP, but UDP does not come through: open the port for UDP, \
                 both ways."
            ),
            Found::Appears => {
                format!("At {seeds} runs this ring, as it says by TCP, but by UDP it has not answered yet.")
            }
            Found::Nothing => format!(
                "At {seeds} nobody answers by UDP, and nothing listens by TCP: does a node run there, on that port? \
                 If it does, and its HTTP is off or elsewhere, it may be of another ring, or UDP may be blocked: \
                 compare --ring."
            ),
            Found::Mute => format!(
                "At {seeds} nobody answers, neither by UDP nor by TCP: is the address right, is that machine up, does \
                 a firewall drop what is sent there?"
            ),
            Found::NoWay(why) => format!("There is no way from here to {seeds}: {why}."),
            Found::Stranger => format!(
                "At {seeds} something answers by TCP that is no node, and nothing by UDP: is the address right?"
            ),
            Found::Unresolved(why) => format!("The name of {seeds} does not resolve: {why}."),
            Found::Loopback => format!(
                "At {seeds} the name stands for the machine that looks it up, often by a line of its /etc/hosts, and \
                 nothing answers there: name the address that other machines reach."
            ),
            Found::Homeless => format!(
                "{seeds} stands for this machine itself, by a loopback address that others cannot use, and nothing \
                 tells which of its addresses they reach: say it with --advertise."
            ),
            Found::LinkLocal => format!(
                "The address of {seeds} is good on one link only (fe80::/10), and nodes pass addresses on to others: \
                 name one that all of them reach."
            ),
            Found::OutOfLoopback => format!(
                "It listens on {listen}, which no other machine reaches, and {seeds} is on one: start it with \
                 --listen 0.0.0.0:{port}, or with an address of its own."
            ),
            Found::OtherFamily => {
                let (mine, theirs) = if listen.is_ipv4() { ("IPv4", "IPv6") } else { ("IPv6", "IPv4") };
                format!(
                    "It listens on {listen}, {mine} alone, and {seeds} is {theirs}: they do not meet. --listen \
                     [::]:{port} takes both."
                )
            }
        }
    }

    /// One sentence for each way that seeds were found in.
    fn sentences(&self) -> Vec<String> {
        let mut ways: Vec<(&Found, Vec<&Seed>)> = Vec::new();
        for seed in &self.seeds {
            match ways.iter_mut().find(|(found, _)| **found == seed.found) {
                Some((_, seeds)) => seeds.push(seed),
                None => ways.push((&seed.found, vec![seed])),
            }
        }
        let sentence = |(found, seeds): (&Found, Vec<&Seed>)| {
            let mut list = seeds.iter().take(NAMED_MAX).map(ToString::to_string).collect::<Vec<_>>().join(", ");
            if seeds.len() > NAMED_MAX {
                list += &format!(" and {} more", seeds.len() - NAMED_MAX);
            }
            self.sentence(found, &list)
        };
        ways.into_iter().take(WAYS_MAX).map(sentence).collect()
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addr {
            Some(addr) if addr.to_string() != self.name => write!(f, "{} ({addr})", self.name),
            _ => f.write_str(&self.name),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(hitch) = self.seeking.hitch {
            return self.hitch(f, hitch);
        }
        let met = self.seeds.iter().any(|seed| seed.found == Found::Answers { member: true });
        if self.seeking.founder && !met {
            f.write_str("It is one of its own seeds, and creates a ring once it has heard most of them. ")?;
        }
        match self.sentences() {
            none if none.is_empty() => f.write_str("It looks for its place on the ring."),
            some => f.write_str(&some.join(" ")),
        }
    }
}

#[cfg(test)]
mod tests;
