//! All entries of a ring: listed through any node, written to a file, and put back into another ring.

use crate::client::Client;
use crate::process::{Node, reserved_addr};
use crate::ring::{await_all, one_at_a_time, start_ring};
use skynode::http::parse::{escape, unescape};
use skynode::id::Id;
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

type Entries = BTreeMap<(Id, Vec<u8>), Vec<u8>>;

/// Some hundred keys, of every kind that there is, with values of every kind.
fn entries() -> Entries {
    let mut all = Entries::new();
    let mut add = |key: &[u8], value: Vec<u8>| all.insert((Id::of_key(key), key.to_vec()), value);
    for n in 0..300_u32 {
        add(format!("key/{n}").as_bytes(), format!("value {n}\n\"").into());
    }
    for n in 0..40_u8 {
        add(&[0xff, n, b'/', b'%'], vec![n; usize::from(n) * 7]);
    }
    add("100 % gr\u{fc}\u{df}e + ?&=#\r\n".as_bytes(), Vec::new());
    add(&[0], vec![0xff, 0xfe, 0]);
    add(&[b'k'; 255], (0..=255).cycle().take(200_000).collect());
    add(b"large", "text \u{1f30d} ".repeat(15_000).into());
    all
}

/// All pages, one after the other.
fn listed(client: &mut Client, limit: usize) -> Vec<(Id, Vec<u8>, u64)> {
    let (mut target, mut all) = (format!("/storage?ring=1&limit={limit}"), Vec::new());
    loop {
        let answer = client.get(&target);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let page = answer.json();
        let keys = page["keys"].as_array().expect("a list");
        assert!(keys.len() <= limit);
        for key in keys {
            let path = key["path"].as_str().and_then(|path| path.strip_prefix("/storage/")).expect("a path");
            let bytes = unescape(path, false).expect("it is escaped");
            assert_eq!(key["key"].as_str(), str::from_utf8(&bytes).ok());
            assert!(key["owner"].is_string() && key["version"].is_string());
            let id = key["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
            all.push((id, bytes, key["bytes"].as_u64().expect("a number")));
        }
        match page["next"].as_str() {
            Some(next) => target = next.to_owned(),
            None => return all,
        }
    }
}

fn skyctl(node: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_skyctl"))
        .env_clear()
        .env("SKY_NODE", node)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut stdin = child.stdin.take().expect("it was piped");
    let input = input.to_vec();
    std::thread::spawn(move || stdin.write_all(&input));
    child.wait_with_output().expect("it ends")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn sorted(output: &[u8]) -> Vec<String> {
    let mut lines: Vec<String> = String::from_utf8(output.to_vec()).expect("text").lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("sky-entries-{}-{name}", std::process::id()))
}

#[test]
fn all_entries_are_listed_through_every_node_and_move_to_another_ring() {
    let _turn = one_at_a_time();
    let first = start_ring(5);
    await_all(&first.iter().collect::<Vec<_>>());
    let truth = entries();
    let mut clients: Vec<Client> = first.iter().map(Node::client).collect();
    for (n, ((_, key), value)) in truth.iter().enumerate() {
        let kind = if str::from_utf8(value).is_ok() { "Content-Type: text/plain\r\n" } else { "" };
        let ttl = if n % 50 == 0 { "Sky-TTL: 315360000\r\n" } else { "" };
        let target = format!("/storage/{}", escape(key));
        let stored = clients[n % 5].ask("PUT", &target, &format!("{kind}{ttl}"), Some(value));
        assert_eq!(stored.status, 201, "{}", stored.text());
    }
    // What is not there any more is not listed.
    clients[0].put("deleted", b"v");
    assert_eq!(clients[1].ask("DELETE", "/storage/deleted", "", None).status, 204);
    clients[2].ask("PUT", "/storage/brief", "Sky-TTL: 1\r\n", Some(b"v"));
    std::thread::sleep(std::time::Duration::from_millis(1200));

    let expected: Vec<_> = truth.iter().map(|((id, key), value)| (*id, key.clone(), value.len() as u64)).collect();
    for (client, limit) in clients.iter_mut().zip([1000, 500, 17, 100, 3]) {
        let begun = Instant::now();
        assert_eq!(listed(client, limit), expected, "through {}", client.addr);
        println!("{} keys in pages of {limit}: {:?}", expected.len(), begun.elapsed());
    }

    let begun = Instant::now();
    let exported = skyctl(&first[0].addr.to_string(), &["export"], b"");
    assert!(exported.status.success(), "{}", told(&exported));
    println!("exported in {:?}: {}", begun.elapsed(), told(&exported));
    let lines = sorted(&exported.stdout);
    assert_eq!(lines.len(), truth.len());
    assert!(lines.iter().any(|line| line.contains(r#""key":"key/7","value":"value 7\n\"","type":"text/plain""#)));
    assert!(lines.iter().any(|line| line.starts_with(r#"{"key":"\u0000","value_base64":"//4A""#)));
    drop(clients);
    drop(first);

    let second = start_ring(5);
    await_all(&second.iter().collect::<Vec<_>>());
    let node = second[3].addr.to_string();
    let begun = Instant::now();
    let imported = skyctl(&node, &["import"], &exported.stdout);
    assert!(imported.status.success(), "{}", told(&imported));
    println!("imported in {:?}: {}", begun.elapsed(), told(&imported));
    let path = file("export");
    let again = skyctl(&second[1].addr.to_string(), &["export", "--file", path.to_str().unwrap()], b"");
    assert!(again.status.success() && again.stdout.is_empty(), "{}", told(&again));
    let without_ttl = |lines: Vec<String>| -> Vec<String> {
        lines.into_iter().map(|line| line.split(",\"ttl_s\":").next().unwrap_or_default().to_owned()).collect()
    };
    let written = sorted(&std::fs::read(&path).expect("it was written"));
    assert_eq!(written.iter().filter(|line| line.contains("ttl_s")).count(), truth.len().div_ceil(50));
    assert_eq!(without_ttl(written), without_ttl(lines));

    // What exists is kept, and what does not is stored.
    let line = b"{\"key\":\"key/7\",\"value\":\"new\"}\n{\"key\":\"key/new\",\"value\":\"new\"}\n";
    let kept = skyctl(&node, &["import", "--keep"], line);
    assert!(kept.status.success() && told(&kept).contains("imported 1 entry"), "{}", told(&kept));
    let mut client = second[0].client();
    assert_eq!(client.get("/storage/key/7").body, b"value 7\n\"");
    assert_eq!(client.get("/storage/key/new").body, b"new");
    let over = skyctl(&node, &["import", "--file", path.to_str().unwrap()], b"");
    assert!(over.status.success(), "{}", told(&over));
    // All values are in it: it is its user's own, unless one with other rights was there.
    let rights = |path: &Path| std::fs::metadata(path).expect("it was written").permissions().mode() & 0o777;
    let set = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
    assert_eq!(rights(&path), 0o600);
    let part = PathBuf::from(format!("{}.part", path.display()));
    std::fs::write(&part, "of an export that did not end").expect("it can be written");
    set(&part, 0o644);
    for wanted in [0o640, 0o600] {
        set(&path, wanted);
        let again = skyctl(&node, &["export", "--file", path.to_str().unwrap()], b"");
        assert!(again.status.success() && !part.exists(), "{}", told(&again));
        assert_eq!(rights(&path), wanted);
    }
    std::fs::remove_file(&path).expect("it was written");
    std::fs::write(&part, "of an export that did not end").expect("it can be written");
    set(&part, 0o644);
    assert!(skyctl(&node, &["export", "--file", path.to_str().unwrap()], b"").status.success());
    assert_eq!(rights(&path), 0o600);
    std::fs::remove_file(&path).expect("it was written");
}

#[test]
fn what_is_wrong_is_told_and_nothing_is_sent() {
    let node = Node::alone();
    let addr = node.addr.to_string();
    let wrong = skyctl(&addr, &["import"], b"{\"key\":\"a\",\"value\":\"v\"}\n{\"key\":\"b\"}\n");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(told(&wrong).contains("line 2") && told(&wrong).contains("value"), "{}", told(&wrong));
    assert_eq!(node.client().get("/storage/a").status, 404);
    let nowhere = reserved_addr().to_string();
    for (command, input) in [("export", &b""[..]), ("import", b"{\"key\":\"a\",\"value\":\"v\"}\n")] {
        let output = skyctl(&nowhere, &[command], input);
        assert_eq!(output.status.code(), Some(3), "{}", told(&output));
        assert!(told(&output).contains(&nowhere), "{}", told(&output));
    }
    let absent = skyctl(&addr, &["import", "--file", "/nonexistent/file"], b"");
    assert!(absent.status.code() == Some(1) && told(&absent).contains("/nonexistent/file"), "{}", told(&absent));
    let empty = skyctl(&addr, &["export"], b"");
    assert!(empty.status.success() && empty.stdout.is_empty() && told(&empty).contains("0 entries"));
    let seeking = Node::start(crate::process::own_addr(), &crate::process::join(&[reserved_addr()]));
    assert_eq!(seeking.client().get("/storage?ring=1").status, 503);
}
