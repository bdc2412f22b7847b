//! What the machines around nodes do to them: names that lead home, name servers that are silent, addresses that
//! change, paths that drop large datagrams. Each test has machines of its own, see [`Machines`].

use crate::machines::Machines;
use crate::process::{Node, PATIENCE, eventually};
use std::time::Duration;

const SEEDS: [&str; 6] = ["--join", "198.51.100.1:4321", "--join", "198.51.100.2:4321", "--join", "198.51.100.3:4321"];

fn status(machines: &Machines, machine: u8) -> serde_json::Value {
    let (_, body) = machines.ask(machine, "http://localhost:4321/node");
    serde_json::from_str(&body).unwrap_or_default()
}

fn ring_of_three(machines: &Machines, more: impl Fn(u8) -> Vec<String>) -> Vec<Node> {
    let start = |machine| {
        let own = more(machine);
        machines.start(
            machine,
            "0.0.0.0:4321",
            &[&SEEDS[..], &own.iter().map(String::as_str).collect::<Vec<_>>()].concat(),
        )
    };
    let nodes = (1..=3).map(start).collect();
    (1..=3).for_each(|machine| machines.await_ready(machine, PATIENCE));
    nodes
}

#[test]
fn names_that_stand_for_loopback_on_their_own_machine_form_a_ring_in_any_order() {
    let Some(machines) = Machines::new(3) else { return };
    for own in 1..=3 {
        // As the installer of Debian writes it.
        let line = |other| match other == own {
            true => format!("127.0.1.1 host{other}.lan host{other}\\n"),
            false => format!("198.51.100.{other} host{other}.lan\\n"),
        };
        machines.hosts(own, &(1..=3).map(line).collect::<String>());
    }
    let names = ["--join", "host1.lan:4321", "--join", "host2.lan:4321", "--join", "host3.lan:4321"];
    for (round, order) in [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]].into_iter().enumerate() {
        let listen = |machine| match round % 3 {
            0 => String::from("0.0.0.0:4321"),
            1 => format!("198.51.100.{machine}:4321"),
            _ => String::from("[::]:4321"),
        };
        let nodes = order.map(|machine| machines.start(machine, &listen(machine), &names));
        for (machine, node) in order.into_iter().zip(&nodes) {
            assert_eq!(node.addr.to_string(), format!("198.51.100.{machine}:4321"), "{order:?}");
            eventually(PATIENCE, || {
                let (_, body) = machines.ask(machine, &format!("http://{}/ring", node.addr));
                let ring: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
                let settled = ring["nodes"].as_array().is_some_and(|all| all.len() == 3);
                let (ready, why) = machines.ask(machine, &format!("http://{}/readyz", node.addr));
                if settled && ready == "200" { Ok(()) } else { Err(format!("{order:?}: {machine}: {why} {body}")) }
            });
        }
    }
}

#[test]
fn a_node_follows_the_address_of_its_machine_and_is_alive_meanwhile() {
    for fixed in [None, Some("--id"), Some("--data")] {
        let Some(machines) = Machines::new(3) else { return };
        let dir = std::env::temp_dir().join(format!("sky-moves-{}", std::process::id()));
        let id = "00112233445566778899aabbccddeeff";
        let nodes = ring_of_three(&machines, |machine| match (machine, fixed) {
            (3, Some("--id")) => vec!["--id".into(), id.into()],
            (3, Some("--data")) => vec!["--data".into(), dir.display().to_string()],
            _ => Vec::new(),
        });
        for key in 0..10 {
            let put = format!("-X PUT --data-binary v{key} http://localhost:4321/storage/{key}");
            assert_eq!(machines.ask(1, &put).0, "201");
        }
        let before = status(&machines, 3)["id"].clone();
        machines.run("ip -n m3 addr del 198.51.100.3/24 dev eth0; ip -n m3 addr add 198.51.100.33/24 dev eth0");
        nodes[2].await_line("others see this node at 198.51.100.33:4321, and at 198.51.100.3:4321 no more");
        assert_eq!(machines.ask(3, "http://localhost:4321/healthz").0, "200");
        machines.await_ready(3, PATIENCE);
        let after = status(&machines, 3);
        assert_eq!(after["addr"], "198.51.100.33:4321");
        assert_eq!(after["id"] == before, fixed.is_some(), "{before} {after}");
        for (machine, key) in [(3, 0), (3, 9), (1, 4)] {
            eventually(PATIENCE, || {
                let (code, body) = machines.ask(machine, &format!("http://localhost:4321/storage/{key}"));
                if code == "200" && body == format!("v{key}") { Ok(()) } else { Err(format!("{code} {body}")) }
            });
        }
        let _ = std::fs::remove_dir_all(&dir);
    }
}

#[test]
fn a_machine_without_any_address_is_told_and_a_node_that_is_alone_takes_the_new_one() {
    let Some(machines) = Machines::new(3) else { return };
    let nodes = ring_of_three(&machines, |_| Vec::new());
    machines.run("ip -n m3 addr del 198.51.100.3/24 dev eth0");
    eventually(PATIENCE, || {
        let (code, body) = machines.ask(3, "http://localhost:4321/readyz");
        let told = body.contains("198.51.100.3:4321 is not one of this machine's any more");
        if code == "503" && told { Ok(()) } else { Err(format!("{code} {body}")) }
    });
    drop(nodes);
    machines.run("ip -n m2 route add default via 198.51.100.1");
    let alone = machines.start(2, "0.0.0.0:4321", &[]);
    machines.await_ready(2, PATIENCE);
    machines.run(
        "ip -n m2 addr del 198.51.100.2/24 dev eth0; ip -n m2 addr add 198.51.100.22/24 dev eth0; ip -n m2 route add \
         default via 198.51.100.1",
    );
    alone.await_line("others see this node at 198.51.100.22:4321");
    machines.await_ready(2, PATIENCE);
    assert_eq!(status(&machines, 2)["addr"], "198.51.100.22:4321");
}

#[test]
fn a_name_server_that_never_answers_holds_up_no_seed_that_is_an_address() {
    let Some(machines) = Machines::new(2) else { return };
    let first = machines.start(1, "198.51.100.1:4321", &[]);
    first.await_line("ready: serves its share");
    // Nobody is there, and nobody says so.
    machines.resolves_at(2, "nameserver 192.0.2.53\\noptions timeout:30 attempts:5\\n");
    machines.run(
        "ip -n m2 route add 192.0.2.0/24 dev eth0; ip -n m2 neigh add 192.0.2.53 lladdr 02:00:00:00:00:53 dev eth0",
    );
    let seeds = ["--join", "one.example:4321", "--join", "198.51.100.1:4321", "--join", "two.example:4321"];
    let begun = std::time::Instant::now();
    let node = machines.start(2, "0.0.0.0:4321", &seeds);
    node.await_line("joined the ring");
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
}

#[test]
fn a_path_that_drops_large_datagrams_is_told() {
    let Some(machines) = Machines::new(3) else { return };
    let nodes = ring_of_three(&machines, |_| Vec::new());
    let rules = "nft 'add table ip t; add chain ip t in { type filter hook input priority 0; }; add rule ip t in udp \
                 length > 900 drop; add chain ip t out { type filter hook output priority 0; }; add rule ip t out udp \
                 length > 900 drop'";
    machines.on(3, rules);
    let large = "-X PUT --data-binary @/etc/services http://localhost:4321/storage/large";
    let (code, _) = machines.ask(3, large);
    assert_ne!(code, "201");
    nodes[2].await_line("large datagrams do not reach");
    let narrow = status(&machines, 3)["narrow"].as_array().map_or(0, Vec::len);
    assert!(narrow > 0);
    let (_, metrics) = machines.ask(3, "http://localhost:4321/metrics");
    assert!(metrics.contains(&format!("sky_narrow_paths {narrow}\n")));
    // What is small goes on, and the path is tried until it is mended.
    assert_eq!(machines.ask(3, "-X PUT --data-binary v http://localhost:4321/storage/small").0, "201");
    machines.on(3, "nft delete table ip t");
    eventually(PATIENCE * 3, || {
        let narrow = status(&machines, 3)["narrow"].as_array().map_or(9, Vec::len);
        if narrow == 0 { Ok(()) } else { Err(format!("{narrow} are narrow")) }
    });
    assert_eq!(machines.ask(3, large).0, "201");
}

#[test]
fn both_families_are_served_though_the_system_would_part_them() {
    let Some(machines) = Machines::new(2) else { return };
    machines.on(2, "sysctl -q -w net.ipv6.bindv6only=1");
    let _first = machines.start(1, "198.51.100.1:4321", &[]);
    let second = machines.start(2, "[::]:4321", &["--join", "198.51.100.1:4321"]);
    assert_eq!(second.addr.to_string(), "198.51.100.2:4321");
    machines.await_ready(2, PATIENCE);
    assert_eq!(machines.ask(2, "http://127.0.0.1:4321/healthz").0, "200");
}
