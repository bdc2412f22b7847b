//! Names that become addresses, each by itself: a name server that never answers holds up neither the seeds that are
//! given by address nor other names. At most one question for each name is under way.

use super::seeds::Here;
use crate::handle::{Found, Seed};
use smol::{Task, future};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::task::Poll;

/// Why a name has no addresses before the first answer.
const PENDING: &str = "no name server has answered yet";

/// Seeds, and what their names stand for.
#[derive(Debug)]
pub struct Names {
    names: Vec<Name>,
}

#[derive(Debug)]
struct Name {
    text: String,
    /// What it stood for when that was found out last.
    addrs: Vec<SocketAddr>,
    /// Why there are none.
    why: String,
    /// It is an address itself.
    fixed: bool,
    asked: Option<Task<io::Result<Vec<SocketAddr>>>>,
}

impl Names {
    /// For these, each a host and a port. No name is looked up yet.
    pub fn new(texts: &[String]) -> Self {
        let name = |text: &String| {
            let addr = text.parse().ok();
            let addrs = addr.into_iter().collect();
            Name { text: text.clone(), addrs, why: PENDING.into(), fixed: addr.is_some(), asked: None }
        };
        Self { names: texts.iter().map(name).collect() }
    }

    /// Looks every name up anew, but for those that are still being looked up.
    pub fn look_up(&mut self) {
        for name in self.names.iter_mut().filter(|name| !name.fixed && name.asked.is_none()) {
            let text = name.text.clone();
            // The system's resolver blocks, so it is asked on another thread.
            name.asked = Some(smol::unblock(move || text.to_socket_addrs().map(Vec::from_iter)));
        }
    }

    /// True while a name is being looked up.
    pub fn are_pending(&self) -> bool {
        self.names.iter().any(|name| name.asked.is_some())
    }

    /// Waits until something is found out of a name that is being looked up; without end if none is. Nothing is lost if
    /// it is not waited for to the end.
    pub async fn news(&mut self) {
        future::poll_fn(|context| {
            let mut news = false;
            for name in &mut self.names {
                let Some(task) = &mut name.asked else { continue };
                if let Poll::Ready(outcome) = Pin::new(task).poll(context) {
                    name.asked = None;
                    name.take(outcome);
                    news = true;
                }
            }
            if news { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// The addresses that are known now, one after another.
    pub fn addrs(&self) -> impl Iterator<Item = SocketAddr> {
        self.names.iter().flat_map(|name| &name.addrs).copied()
    }

    /// The seeds without an address, and why they have none.
    pub fn unknown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names.iter().filter(|name| name.addrs.is_empty()).map(|name| (&*name.text, &*name.why))
    }

    /// The seeds as a node there has to take them, one for each address of use.
    pub fn seeds(&self, here: Here) -> Vec<Seed> {
        self.names.iter().flat_map(|name| name.seeds(here)).collect()
    }
}

impl Name {
    fn take(&mut self, outcome: io::Result<Vec<SocketAddr>>) {
        (self.addrs, self.why) = match outcome {
            Ok(addrs) if addrs.is_empty() => (addrs, "it has no address".into()),
            Ok(addrs) => (addrs, String::new()),
            Err(error) => (Vec::new(), error.to_string()),
        };
    }

    fn seeds(&self, here: Here) -> Vec<Seed> {
        let seed = |addr, found| Seed { name: self.text.clone(), addr, found };
        if self.addrs.is_empty() {
            return vec![seed(None, Found::Unresolved(self.why.clone()))];
        }
        let found = self.addrs.iter().map(|addr| (*addr, here.expects(&self.text, *addr)));
        let all: Vec<(SocketAddr, Found)> = found.collect();
        // A name may have addresses of both families, or one that every machine has for itself: that some of them are
        // of no use here is of no interest where others are.
        let is_of_use = |(addr, found): &(SocketAddr, Found)| {
            let at_home = !self.fixed && addr.ip().is_loopback() && !here.listen.ip().is_loopback();
            !at_home && !matches!(found, Found::OtherFamily | Found::LinkLocal)
        };
        let some = all.iter().any(is_of_use);
        let useful = all.into_iter().filter(|it| !some || is_of_use(it));
        // One that is this node's own stands for its advertised address, once there is one.
        useful.map(|(addr, found)| seed(Some(here.own(&self.text, addr).unwrap_or(addr)), found)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str, addrs: &[&str]) -> Name {
        let addrs = addrs.iter().map(|addr| addr.parse().unwrap()).collect();
        Name { text: text.into(), addrs, why: PENDING.into(), fixed: false, asked: None }
    }

    fn seen(name: &Name, listen: &str, me: &str) -> Vec<String> {
        let here = Here { listen: listen.parse().unwrap(), me: me.parse().ok() };
        name.seeds(here).iter().filter_map(|seed| seed.addr.map(|addr| addr.to_string())).collect()
    }

    #[test]
    fn loopback_answers_for_a_name_are_passed_over_where_there_are_others() {
        let both = named("host2.lan:1", &["127.0.1.1:1", "203.0.113.2:1", "[2001:db8::2]:1"]);
        assert_eq!(seen(&both, "0.0.0.0:1", "192.0.2.1:1"), ["203.0.113.2:1"]);
        assert_eq!(seen(&both, "[::]:1", "192.0.2.1:1"), ["203.0.113.2:1", "[2001:db8::2]:1"]);
        assert_eq!(seen(&both, "127.0.0.1:1", "127.0.0.1:1").len(), 2, "on loopback they count");
        let home = named("host1.lan:2", &["127.0.1.1:2"]);
        assert_eq!(seen(&home, "192.0.2.1:1", "192.0.2.1:1"), ["127.0.1.1:2"], "another port is another program");
        let zoned = named("host2.local:1", &["[fe80::2]:1", "203.0.113.2:1"]);
        assert_eq!(seen(&zoned, "[::]:1", "192.0.2.1:1"), ["203.0.113.2:1"]);
    }

    #[test]
    fn the_own_name_on_loopback_is_the_node_itself_wherever_it_listens() {
        let home = named("host1.lan:1", &["127.0.1.1:1"]);
        for (listen, me, stands_for) in [
            ("0.0.0.0:1", "192.0.2.1:1", "192.0.2.1:1"),
            ("192.0.2.1:1", "192.0.2.1:1", "192.0.2.1:1"),
            ("192.0.2.1:1", "198.51.100.1:9", "198.51.100.1:9"),
            ("0.0.0.0:1", "127.0.0.1:1", "127.0.1.1:1"),
        ] {
            assert_eq!(seen(&home, listen, me), [stands_for], "{listen}");
        }
    }

    #[test]
    fn a_name_that_nobody_answers_for_holds_up_no_other() {
        smol::block_on(async {
            let mut names = Names::new(&["192.0.2.7:1".into(), "slow.example:1".into(), "localhost:7".into()]);
            assert_eq!(names.addrs().collect::<Vec<_>>(), ["192.0.2.7:1".parse().unwrap()], "at once");
            let (answer, asked) = smol::channel::bounded::<()>(1);
            names.look_up();
            names.names[1].asked = Some(smol::unblock(move || {
                let _ = asked.recv_blocking();
                Ok(vec!["203.0.113.8:1".parse().unwrap()])
            }));
            names.news().await;
            assert!(names.addrs().any(|addr| addr.port() == 7) && names.are_pending());
            assert_eq!(names.unknown().collect::<Vec<_>>(), [("slow.example:1", PENDING)]);
            // Asked for again, it is not looked up twice; the other is.
            names.look_up();
            names.news().await;
            assert!(names.are_pending() && names.names[2].asked.is_none());
            answer.send(()).await.unwrap();
            names.news().await;
            assert!(!names.are_pending() && names.addrs().any(|addr| addr == "203.0.113.8:1".parse().unwrap()));
        });
    }
}
