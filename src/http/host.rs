//! The names that this node answers to. A page whose own name was made to point here (DNS rebinding) counts as this
//! node's page for the browser; only the name in `Host` tells that it is not.

use super::parse::Head;
use super::response::{Response, Status};
use std::net::{IpAddr, Ipv6Addr};

/// The names with dots in them under which people reach this node; it answers to addresses and plain names anyway, as
/// no stranger can own these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

impl FromIterator<String> for Hosts {
    fn from_iter<T: IntoIterator<Item = String>>(names: T) -> Self {
        Self(names.into_iter().map(|name| without_dot(&name).to_ascii_lowercase()).collect())
    }
}

impl Hosts {
    /// Refuses a request to a name that is not this node's.
    ///
    /// # Errors
    /// With the answer that refuses.
    pub fn check(&self, head: &Head<'_>) -> Result<(), Response> {
        // Programs of old may name none; every browser does.
        if head.host.is_none_or(|host| self.answers_to(host)) {
            return Ok(());
        }
        let detail = "This node does not know the name in Host for its own, and nothing was done: ask it by its \
                      address, or start it with --host and that name.";
        Err(Response::problem(Status::Misdirected, detail))
    }

    fn answers_to(&self, host: &str) -> bool {
        if let Some((address, port)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            return address.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || port.starts_with(':'));
        }
        let name = without_dot(host.split_once(':').map_or(host, |(name, _)| name));
        !name.contains('.') || name.parse::<IpAddr>().is_ok() || self.0.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// A name may end with the dot of the root.
fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_to_addresses_plain_names_and_its_own() {
        let hosts: Hosts = [String::from("Sky.example."), String::from("other.example")].into_iter().collect();
        for host in [
            "127.0.0.1",
            "192.0.2.7:4321",
            "[::1]",
            "[2001:db8::7]:4321",
            "localhost",
            "node1:4321",
            "sky.example",
            "SKY.EXAMPLE:80",
            "sky.example.:80",
            "other.example",
            "",
        ] {
            assert!(hosts.answers_to(host), "{host}");
        }
        for host in [
            "evil.example",
            "sky.example.evil.example",
            "xsky.example",
            "127.0.0.1.evil.example",
            "192.0.2.7.8",
            "[::1].evil.example",
            "[evil.example]",
            "localhost.evil:4321",
        ] {
            assert!(!hosts.answers_to(host), "{host}");
        }
        assert!(!Hosts::default().answers_to("sky.example"));
    }
}
