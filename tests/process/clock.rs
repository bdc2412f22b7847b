//! Wall clocks that are wrong, or jump: nothing that is promised hangs on them.

use crate::process::{Node, eventually, own_addr};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// Adds the seconds that stand in a file to the wall clock of a process, and to no other clock.
const PRELOADED: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, clock, time);
    if (clock != CLOCK_REALTIME || result != 0) return result;
    char text[32] = {0};
    int file = open(getenv("WALL"), O_RDONLY);
    if (file < 0 || read(file, text, sizeof text - 1) <= 0) abort();
    close(file);
    time->tv_sec += atol(text);
    return 0;
}
"#;

/// The wall clock of a node.
struct Wall(PathBuf);

impl Wall {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("sky-clock-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory of our own");
        let wall = Self(dir);
        fs::write(wall.0.join("wall.c"), PRELOADED).expect("it is ours");
        // Where Rust links there is a C compiler.
        let mut built = Command::new("cc");
        built.args(["-shared", "-fPIC", "-o"]).args([wall.library(), wall.0.join("wall.c")]);
        assert!(built.status().expect("cc runs: a linker for Rust is one").success());
        wall.set(0);
        wall
    }

    fn library(&self) -> PathBuf {
        self.0.join("wall.so")
    }

    /// Sets it so many seconds ahead. A node that looks meanwhile sees one or the other.
    fn set(&self, ahead_s: i64) {
        fs::write(self.0.join("next"), ahead_s.to_string()).expect("it is ours");
        fs::rename(self.0.join("next"), self.file()).expect("it is ours");
    }

    fn file(&self) -> PathBuf {
        self.0.join("ahead")
    }

    fn node(&self, arguments: &[String]) -> Node {
        let mut program = Command::new(env!("CARGO_BIN_EXE_skynode"));
        program.env_clear().env("LD_PRELOAD", self.library()).env("WALL", self.file());
        Node::run(&mut program, own_addr(), arguments)
    }
}

impl Drop for Wall {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(Path::new(&self.0));
    }
}

#[test]
fn a_value_lives_as_long_as_was_said_whatever_the_wall_clock_does() {
    let wall = Wall::new("lives");
    let node = wall.node(&[]);
    let (mut client, day) = (node.client(), 86_400);
    let at_first = client.ask("HEAD", "/storage/none", "", None).field("Date").map(String::from);
    assert_eq!(client.ask("PUT", "/storage/hour", "Sky-TTL: 3600\r\n", Some(b"v")).status, 201);
    assert_eq!(client.ask("PUT", "/storage/second", "Sky-TTL: 1\r\n", Some(b"v")).status, 201);
    for ahead in [3 * day, -20_000 * day, 0, 40 * day, -day] {
        wall.set(ahead);
        let read = client.get("/storage/hour");
        let left = read.field("Sky-TTL").and_then(|left| left.parse::<u32>().ok());
        assert!(read.status == 200 && left.is_some_and(|left| (3500..=3600).contains(&left)), "{ahead}: {left:?}");
    }
    assert_ne!(client.get("/storage/hour").field("Date").map(String::from), at_first, "its wall clock is another");
    eventually(PATIENCE, || match client.get("/storage/second").status {
        404 => Ok(()),
        status => Err(format!("{status}")),
    });
    wall.set(-30 * day);
    assert_eq!(client.get("/storage/second").status, 404, "it stays ended");
    assert_eq!(client.put("second", b"again").status, 201);
    assert_eq!(client.get("/storage/second").body, b"again");
}
