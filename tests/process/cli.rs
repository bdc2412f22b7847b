//! Command lines: what is wrong is said in one line, and the exit code tells whose fault it was.

use crate::process::own_addr;
use std::net::{TcpListener, UdpSocket};
use std::process::{Command, Output};

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).env_clear().args(arguments).output().expect("it runs")
}

fn skynode(arguments: &[&str]) -> Output {
    run(env!("CARGO_BIN_EXE_skynode"), arguments)
}

#[track_caller]
fn fails(output: &Output, code: i32, parts: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.ends_with('\n') && text.lines().count() == 1, "one line: {text:?}");
    assert!(output.stdout.is_empty());
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
}

#[test]
fn a_wrong_command_line_ends_with_2_and_one_line() {
    fails(&skynode(&["--frobnicate"]), 2, &["skynode: no flag \"--frobnicate\"", "--help"]);
    fails(&skynode(&["surplus"]), 2, &["no command \"surplus\"", "skyctl --help"]);
    fails(&skynode(&["--check", "surplus"]), 2, &["\"surplus\" is no flag", "--help"]);
    fails(&skynode(&["--tied"]), 1, &["--tied", "pipe"]);
    fails(&skynode(&["-l", "there"]), 2, &["there", "ip:port"]);
    fails(&skynode(&["--http", "on"]), 2, &["ip:port", "off"]);
    fails(&skynode(&["--host", "sky.example:80"]), 2, &["without a port"]);
    fails(&skynode(&["--check", "-l", "127.0.0.1:0"]), 1, &["any port", "--listen"]);
    fails(&skynode(&["--check", "--http", "off"]), 1, &["off"]);
    fails(&skynode(&["--wait", "3"]), 2, &["--wait", "--check"]);
    fails(&skynode(&["--check", "--wait", "-1"]), 2, &["0 to 3600 seconds"]);
    fails(&skynode(&["-j", "sky.example"]), 2, &["sky.example", "host:port"]);
    fails(&skynode(&["-i", "1"]), 2, &["32 hexadecimal digits"]);
    fails(&skynode(&["--ring", ""]), 2, &["1 to 64 bytes"]);
    fails(&skynode(&["--leave-timeout", "long"]), 2, &["0 to 3600 seconds"]);
    fails(&skynode(&["--reopen-after", "0"]), 2, &["1 to 31536000 seconds"]);
    fails(&skynode(&["--min-nodes", "10"]), 2, &["1 to 9 living nodes"]);
    fails(&skynode(&["--log", "loud"]), 2, &["error, warn, info, debug, trace"]);
    let skyctl = |arguments: &[&str]| run(env!("CARGO_BIN_EXE_skyctl"), arguments);
    let list =
        "Commands: get put create del ls lookup ring dot node watch bench up export import sim swarm (skyctl --help)";
    fails(&skyctl(&["surplus"]), 2, &["skyctl: no command \"surplus\". ", list]);
    fails(&skyctl(&["surplus", "--help"]), 2, &["no command \"surplus\". ", list]);
    fails(&skyctl(&[]), 2, &["no command given. ", list]);
    fails(&skyctl(&["--node", "a:1", "get", "k"]), 2, &["\"--node\" cannot stand before a command. ", list]);
    fails(&skyctl(&["get", "k", "surplus"]), 2, &["\"surplus\" is one argument too many (skyctl get --help)"]);
    fails(&skyctl(&["get", "--surplus", "k"]), 2, &["no flag \"--surplus\" (skyctl get --help)"]);
    fails(&skyctl(&["get"]), 2, &["key", "(skyctl get --help)"]);
    for command in ["export", "import"] {
        fails(&run(env!("CARGO_BIN_EXE_skyctl"), &[command]), 2, &["--node", "SKY_NODE"]);
        fails(&run(env!("CARGO_BIN_EXE_skyctl"), &[command, "--node", "there"]), 2, &["there", "host:port"]);
    }
}

#[test]
fn a_wrong_variable_ends_with_2_and_one_line() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skynode"));
    let output = command.env_clear().env("SKY_JOIN", "a.example:1,b.example").output().expect("it runs");
    fails(&output, 2, &["SKY_JOIN", "b.example", "host:port"]);
}

#[test]
fn a_port_in_use_ends_with_1_and_one_line() {
    let tcp = TcpListener::bind(own_addr()).unwrap();
    let addr = tcp.local_addr().unwrap().to_string();
    fails(&skynode(&["-l", &addr]), 1, &[&addr, "TCP", "in use", "--listen"]);
    let udp = UdpSocket::bind(own_addr()).unwrap();
    let addr = udp.local_addr().unwrap().to_string();
    fails(&skynode(&["-l", &addr]), 1, &[&addr, "UDP", "in use", "--listen"]);
}

#[test]
fn help_and_version_go_to_standard_output() {
    for program in [env!("CARGO_BIN_EXE_skynode"), env!("CARGO_BIN_EXE_skyctl")] {
        for (argument, part) in [("--help", "Usage: sky"), ("--version", env!("CARGO_PKG_VERSION"))] {
            let output = run(program, &[argument]);
            assert!(output.status.success() && output.stderr.is_empty());
            assert!(String::from_utf8(output.stdout).unwrap().contains(part));
        }
    }
    let help = String::from_utf8(skynode(&["--help"]).stdout).unwrap();
    for part in [
        "--listen",
        "--join",
        "--id",
        "--advertise",
        "--http",
        "--host",
        "--check",
        "SKY_JOIN",
        "--ring",
        "--leave-timeout",
        "--reopen-after",
        "--min-nodes",
        "--log",
        "Examples:",
        "Error codes:",
    ] {
        assert!(help.contains(part), "{part}");
    }
}
