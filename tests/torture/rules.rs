//! What the network between the nodes of one ring does: rules of `nft` for their datagrams. People's requests pass.
//!
//! Dropped is what arrives, not what leaves: a sender on a cut cable is not told either.

use crate::namespace::run;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

/// One thing that the network does.
#[derive(Clone, Debug)]
pub enum Rule {
    /// Nothing passes from any of these to any of those.
    Cut { from: Vec<SocketAddr>, to: Vec<SocketAddr> },
    /// This share in a hundred of all datagrams to these is lost.
    Lose { to: Vec<SocketAddr>, percent: u32 },
}

impl Rule {
    /// Nothing passes between these and those.
    pub fn cut_both_ways(these: &[SocketAddr], those: &[SocketAddr]) -> [Self; 2] {
        let cut = |from: &[SocketAddr], to: &[SocketAddr]| Self::Cut { from: from.to_vec(), to: to.to_vec() };
        [cut(these, those), cut(those, these)]
    }

    fn text(&self) -> String {
        let set = |addrs: &[SocketAddr]| addrs.iter().map(|addr| addr.ip().to_string()).collect::<Vec<_>>().join(", ");
        match self {
            Self::Cut { from, to } => {
                format!("ip saddr {{ {} }} ip daddr {{ {} }} meta l4proto udp counter drop", set(from), set(to))
            }
            Self::Lose { to, percent } => {
                format!("ip daddr {{ {} }} meta l4proto udp numgen random mod 100 < {percent} counter drop", set(to))
            }
        }
    }
}

/// The rules of one ring, in a table of their own.
#[derive(Debug)]
pub struct Rules {
    table: String,
}

impl Rules {
    pub fn new(name: &str) -> Self {
        Self { table: format!("torture_{name}") }
    }

    /// Whether such rules can be set here at all.
    ///
    /// # Errors
    /// Why not.
    pub fn probe() -> Result<(), String> {
        let rules = Self::new("probe");
        let addr = vec![SocketAddr::from(([127, 0, 0, 2], 1))];
        rules.try_set(&[Rule::Cut { from: addr.clone(), to: addr.clone() }, Rule::Lose { to: addr, percent: 50 }])
    }

    /// From now on these hold, and no others.
    pub fn set(&self, rules: &[Rule]) {
        self.try_set(rules).unwrap_or_else(|why| panic!("{why}"));
    }

    fn try_set(&self, rules: &[Rule]) -> Result<(), String> {
        let table = &self.table;
        // Named first, so that the deletion finds a table; all in one transaction.
        let mut text = format!("table inet {table} {{\n}}\ndelete table inet {table}\ntable inet {table} {{\n");
        text.push_str("chain input {\ntype filter hook input priority 0; policy accept;\n");
        rules.iter().for_each(|rule| writeln!(text, "{}", rule.text()).expect("text grows"));
        text.push_str("}\n}\n");
        let mut child = Command::new("nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("nft: {error}"))?;
        child
            .stdin
            .take()
            .expect("it was piped")
            .write_all(text.as_bytes())
            .map_err(|error| format!("nft: {error}"))?;
        let output = child.wait_with_output().map_err(|error| format!("nft: {error}"))?;
        let first = String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned();
        if output.status.success() { Ok(()) } else { Err(format!("nft: {first}")) }
    }

    /// How many datagrams each rule has dropped so far.
    pub fn dropped(&self) -> Vec<u64> {
        let output = Command::new("nft").args(["list", "table", "inet", &self.table]).output().expect("nft runs");
        let text = String::from_utf8_lossy(&output.stdout);
        text.split("counter packets ").skip(1).filter_map(|rest| rest.split(' ').next()?.parse().ok()).collect()
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        let _ = run(Command::new("nft").args(["delete", "table", "inet", &self.table]), "nft");
    }
}
