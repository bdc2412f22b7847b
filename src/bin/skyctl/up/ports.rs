//! The ports of the nodes: as told, as they were the last time, or those that are usual, or any that are free.

use super::super::Failure;
use skynode::limits::PORT_DEFAULT;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The file in the directory of a ring that remembers its ports, one a line.
const FILE: &str = "ports";

/// Where the ports are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// `--port`.
    Told,
    /// The directory.
    Remembered,
    /// Nobody said anything.
    Usual,
}

/// The ports of the nodes, in their order; 0 stands for any that is free.
#[derive(Debug)]
pub struct Ports {
    source: Source,
    pub all: Vec<u16>,
}

impl Ports {
    /// The ports for so many nodes.
    ///
    /// # Errors
    /// There are not so many; or what the directory remembers cannot be read.
    pub fn new(nodes: usize, first: Option<u16>, dir: Option<&Path>) -> Result<Self, Failure> {
        let (source, mut all) = match (first, dir) {
            (Some(0), Some(_)) => {
                let why =
                    "--port 0 takes other ports each time, and those of --dir must stay the same: leave --port out";
                return Err(Failure::Usage(format!("{why}, then they are remembered")));
            }
            (Some(0), None) => (Source::Told, vec![0; nodes]),
            (Some(first), _) => (Source::Told, from(first, nodes)?),
            (None, dir) => match dir.map(remembered).transpose()?.flatten() {
                Some(all) => (Source::Remembered, all),
                None => (Source::Usual, from(PORT_DEFAULT, nodes)?),
            },
        };
        // A ring that has grown since.
        all.resize(nodes, 0);
        Ok(Self { source, all })
    }

    /// Any others, if nobody minds which.
    pub fn others(&self) -> Option<Self> {
        (self.source == Source::Usual).then(|| Self { source: Source::Told, all: vec![0; self.all.len()] })
    }

    /// What to do about an address that is in use.
    pub fn advice(&self, taken: SocketAddr, dir: Option<&Path>) -> String {
        let end = "end the program that listens there, or choose other ports with --port";
        match dir.filter(|_| self.source == Source::Remembered) {
            Some(dir) => format!("{taken}, which the ring in {} had the last time, is in use: {end}", dir.display()),
            None => format!("{taken} is in use: {end}"),
        }
    }
}

/// So many from this one on.
fn from(first: u16, nodes: usize) -> Result<Vec<u16>, Failure> {
    let all: Vec<u16> = (first..=u16::MAX).take(nodes).collect();
    let enough = all.len() == nodes;
    enough.then_some(all).ok_or_else(|| Failure::Usage(format!("there are not so many ports from {first} on")))
}

fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// The ports that a directory remembers, if it does.
fn remembered(dir: &Path) -> Result<Option<Vec<u16>>, Failure> {
    let path = path(dir);
    let wrong = |why: &str| {
        let path = path.display();
        Failure::Other(format!("{path}: {why}. It has the port of each node in a line of its own; --port replaces it"))
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(&error.to_string())),
    };
    let ports: Option<Vec<u16>> = text.lines().map(|line| line.parse().ok().filter(|port| *port > 0)).collect();
    ports.filter(|ports| !ports.is_empty()).map(Some).ok_or_else(|| wrong("these are no ports"))
}

/// Has the directory remember where the nodes listen; of those that were not started this time it forgets nothing.
///
/// # Errors
/// It cannot be written.
pub fn remember(dir: &Path, addrs: &[SocketAddr]) -> Result<(), Failure> {
    let mut ports: Vec<u16> = addrs.iter().map(SocketAddr::port).collect();
    let known = remembered(dir).ok().flatten().unwrap_or_default();
    ports.extend(known.into_iter().skip(addrs.len()));
    let text: String = ports.iter().map(|port| format!("{port}\n")).collect();
    let (path, part) = (path(dir), dir.join(format!("{FILE}.part")));
    let written = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, &path));
    written.map_err(|error| Failure::Other(format!("{} cannot be written: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_those_told_or_remembered_or_usual() {
        let dir = std::env::temp_dir().join(format!("skyctl-ports-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let dir = dir.as_path();
        let ports = |nodes, first, dir| Ports::new(nodes, first, dir).unwrap().all;
        assert_eq!(ports(3, None, None), [4321, 4322, 4323]);
        assert_eq!(ports(2, Some(0), None), [0, 0]);
        assert_eq!(ports(2, Some(65534), Some(dir)), [65534, 65535]);
        assert!(matches!(Ports::new(3, Some(65534), None), Err(Failure::Usage(_))));
        assert!(matches!(Ports::new(3, Some(0), Some(dir)), Err(Failure::Usage(_))));
        assert_eq!(ports(1, None, Some(dir)), [4321]);
        let addr = |port| SocketAddr::from(([127, 0, 0, 1], port));
        remember(dir, &[addr(5), addr(7), addr(6)]).unwrap();
        assert_eq!(ports(4, None, Some(dir)), [5, 7, 6, 0]);
        remember(dir, &[addr(9)]).unwrap();
        assert_eq!(ports(3, None, Some(dir)), [9, 7, 6]);
        assert_eq!(ports(1, None, Some(dir)), [9]);
        assert_eq!(ports(2, Some(20), Some(dir)), [20, 21]);
        for junk in ["", "x\n", "5\n0\n", "70000\n"] {
            std::fs::write(path(dir), junk).unwrap();
            assert!(Ports::new(1, None, Some(dir)).is_err_and(|why| why.to_string().contains("--port")), "{junk:?}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn only_usual_ports_give_way_to_others() {
        let taken = SocketAddr::from(([127, 0, 0, 1], 4321));
        let usual = Ports::new(2, None, None).unwrap();
        assert_eq!(usual.others().unwrap().all, [0, 0]);
        assert!(usual.others().unwrap().others().is_none(), "once");
        let told = Ports::new(2, Some(4321), None).unwrap();
        assert!(told.others().is_none());
        assert_eq!(
            told.advice(taken, None),
            "127.0.0.1:4321 is in use: end the program that listens there, or choose other ports with --port"
        );
        let remembered = Ports { source: Source::Remembered, all: vec![4321] };
        assert!(remembered.others().is_none());
        assert!(remembered.advice(taken, Some(Path::new("d"))).contains("the ring in d had the last time, is in use"));
    }
}
