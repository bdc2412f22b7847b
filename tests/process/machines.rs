//! Machines of a test's own: network namespaces on one bridge, each with an address, an `/etc/hosts` and a name server
//! of its own. They go with the namespace that holds them, which goes with the test.

use crate::process::{Node, eventually};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// Set where a test that cannot have machines is to fail: by `.ci/run`.
const NEEDED: &str = "SKY_TORTURE_ALL";

/// So many machines, 198.51.100.1 and so on.
pub struct Machines {
    /// A process that holds the namespaces of them all.
    holder: Child,
}

impl Machines {
    /// Makes them. `None`, said aloud, where this system allows no namespaces.
    pub fn new(number: u8) -> Option<Self> {
        let mut script = String::from(
            "set -e; mount -t tmpfs none /run; mkdir -p /run/netns /run/etc; ip link set lo up; ip link add br0 type \
             bridge; ip link set br0 up; ",
        );
        for n in 1..=number {
            script += &format!(
                "ip netns add m{n}; cp /etc/hosts /run/etc/hosts{n}; \
                 ip link add v{n} type veth peer name eth0 netns m{n}; ip link set v{n} master br0 up; \
                 ip -n m{n} link set lo up; ip -n m{n} addr add 198.51.100.{n}/24 dev eth0; \
                 ip -n m{n} link set eth0 up; "
            );
        }
        script += "echo ready; exec sleep infinity";
        let mut holder = Command::new("unshare")
            .args(["--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let mut line = String::new();
        let out = holder.stdout.take().expect("it was piped");
        let read = std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line);
        if read.is_ok() && line == "ready\n" {
            return Some(Self { holder });
        }
        let _ = holder.kill();
        let why = holder.wait_with_output().map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
        assert!(std::env::var_os(NEEDED).is_none(), "there are to be namespaces: {why:?}");
        println!("left out, there are no namespaces: {why:?}");
        None
    }

    /// What runs a program among them.
    fn inside(&self) -> Command {
        // The holder is the child of `unshare`, which waits for it.
        let children = format!("/proc/{0}/task/{0}/children", self.holder.id());
        let child = std::fs::read_to_string(children).expect("it runs").trim().to_owned();
        let mut command = Command::new("nsenter");
        command.args(["--target", &child, "--user", "--preserve-credentials", "--net", "--mount"]);
        command
    }

    /// Runs a shell command where all of them are in sight. → what it printed.
    pub fn run(&self, command: &str) -> Output {
        let output = self.inside().args(["sh", "-c", command]).output().expect("nsenter runs");
        assert!(output.status.success(), "{command}: {output:?}");
        output
    }

    /// Writes the `/etc/hosts` of a machine.
    pub fn hosts(&self, machine: u8, lines: &str) {
        self.run(&format!("printf '127.0.0.1 localhost\\n{lines}' >/run/etc/hosts{machine}"));
    }

    /// Says where the machine asks for names.
    pub fn resolves_at(&self, machine: u8, lines: &str) {
        self.run(&format!("printf '{lines}' >/run/etc/resolv{machine}"));
    }

    /// Runs a command on a machine.
    pub fn on(&self, machine: u8, command: &str) -> Output {
        self.run(&format!("ip netns exec m{machine} {command}"))
    }

    /// Starts a node on a machine, and waits until it has found out its address.
    pub fn start(&self, machine: u8, listen: &str, arguments: &[&str]) -> Node {
        let arguments: Vec<String> = arguments.iter().copied().map(String::from).collect();
        let mut command = self.inside();
        let files = format!(
            "mount --bind /run/etc/hosts{machine} /etc/hosts && {{ [ ! -e /run/etc/resolv{machine} ] || mount --bind \
             /run/etc/resolv{machine} /etc/resolv.conf; }} && exec \"$@\""
        );
        command.args(["ip", "netns", "exec", &format!("m{machine}"), "sh", "-c", &files, "sh"]);
        command.args(["env", "-i", env!("CARGO_BIN_EXE_skynode")]);
        Node::run(&mut command, listen.parse().expect("an address"), &arguments)
    }

    /// Asks with curl, on the machine itself. → status and body.
    pub fn ask(&self, machine: u8, arguments: &str) -> (String, String) {
        let output = self.on(machine, &format!("curl -s -m 5 -w '\\n%{{http_code}}' {arguments}; true"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap_or_default();
        (status.to_owned(), body.to_owned())
    }

    /// Waits until the node on the machine is ready.
    #[track_caller]
    pub fn await_ready(&self, machine: u8, patience: Duration) {
        eventually(patience, || {
            let (status, body) = self.ask(machine, "http://localhost:4321/readyz");
            if status == "200" { Ok(()) } else { Err(format!("{machine}: {status} {body}")) }
        });
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
