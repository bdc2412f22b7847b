//! What a node says of its own state, and why it does not answer.

use super::*;
use crate::wire::Room;

/// What a node in this state, silent for this reason, shows at `/readyz` and in `/node`.
fn shown(state: State, silenced: Option<Silenced>) -> (Response, serde_json::Value) {
    let snapshot = snapshot(state, silenced, None);
    (reply::readiness(&snapshot), serde_json::to_value(json::node(&snapshot)).unwrap())
}

fn snapshot(state: State, silenced: Option<Silenced>, trouble: Option<Trouble>) -> Snapshot {
    let status = crate::node::Status {
        me: owner(),
        state,
        silenced,
        predecessor: None,
        successors: Vec::new(),
        fingers: Vec::new(),
        claim: None,
        settled: None,
        term: 0,
        entries: 0,
        owned: 0,
        copied: 0,
        strays: 0,
        under_copied: 0,
        differs_for: None,
        narrow: Vec::new(),
        tombstones: 0,
        names: 0,
        bytes: 0,
        owned_bytes: 0,
        copied_bytes: 0,
        stray_bytes: 0,
        memory: 0,
        memory_max: 0,
        memory_from: crate::config::MemoryFrom::Default,
        room: Default::default(),
        room_beside: Default::default(),
        load: Default::default(),
        min_nodes: 3,
        has_disk: false,
        fails_to_save: false,
        value_max: VALUE_MAX,
        ring: String::from("sky"),
        seeking: None,
        counters: Default::default(),
    };
    Snapshot {
        status,
        driver: Default::default(),
        uptime: Duration::from_secs(5),
        trouble,
        homeless: false,
        loads: false,
        disk_fault: None,
    }
}

/// A node that hears nobody at its only seed.
fn trouble() -> Trouble {
    let seeking =
        crate::node::Seeking { founder: false, answered: Vec::new(), hitch: None, hitched_for: Duration::ZERO };
    let addr = owner().addr();
    let seeds = vec![Seed { name: addr.to_string(), addr: Some(addr), found: Found::Nothing }];
    Trouble { ring: String::from("sky"), listen: addr, me: addr, seeking, seeds }
}

#[test]
fn one_reason_is_told_by_readiness_by_the_node_and_by_each_refusal() {
    let (few, awaits) = (Silenced::Few { known: 1 }, Silenced::Awaits { missing: Some(owner().addr()) });
    for (state, silenced, trouble, parts) in [
        (State::Joining, None, Some(trouble()), &["nothing listens by TCP"][..]),
        // That it knows too few nodes is no reason of its own while it has not joined.
        (State::Silent, Some(few), Some(trouble()), &["nothing listens by TCP"][..]),
        (State::Silent, Some(awaits), Some(trouble()), &["serves none until", "nothing listens by TCP"][..]),
        (State::Silent, Some(few), None, &["knows 1 of at least 3"][..]),
        (State::Settling, None, None, &["waits for the consent"][..]),
    ] {
        let snapshot = snapshot(state, silenced, trouble);
        let node = serde_json::to_value(json::node(&snapshot)).unwrap();
        let why = node["unready"].as_str().unwrap();
        assert!(parts.iter().all(|part| why.contains(part)), "{why}");
        assert!(text(&reply::readiness(&snapshot)).contains(why));
        for reason in [Unavailable::NotMember, Unavailable::Silent, Unavailable::NoOwner] {
            for lines in ["GET /storage/k HTTP/1.1", "DELETE /storage/k HTTP/1.1", "GET /storage?ring=1 HTTP/1.1"] {
                let refused = ask_with(lines, Reply::Unavailable(reason), &snapshot);
                let told = (refused.status, field(&refused, "Retry-After"));
                assert_eq!(told, (Status::ServiceUnavailable, Some("1")));
                assert!(text(&refused).contains(why) && text(&refused).contains("Nothing was changed"), "{refused:?}");
            }
        }
        let busy = ask_with("GET /storage/k HTTP/1.1", Reply::Unavailable(Unavailable::Busy), &snapshot);
        assert!(text(&busy).contains("Too many requests"), "that is another reason: {busy:?}");
    }
    let mut loads = snapshot(State::Joining, None, None);
    loads.loads = true;
    assert!(text(&reply::readiness(&loads)).contains("It reads what it saved"));
    let mut small = snapshot(State::Settling, None, None);
    small.status.room = Room::Values;
    assert!(text(&reply::readiness(&small)).contains("--max-memory"));
    let mut narrow = snapshot(State::Settled, None, None);
    (narrow.status.narrow, narrow.status.room) = (vec![owner().addr()], Room::NoNames);
    let told = text(&reply::readiness(&narrow)).to_owned();
    assert!(told.starts_with("ready, but: The node remembers as many names") && told.contains("1232 bytes"), "{told}");
    // One that had a place, and has lost its neighbours, says that first.
    let mut lost = snapshot(State::Silent, Some(few), Some(trouble()));
    lost.status.counters.settlements = 1;
    let told = text(&reply::readiness(&lost)).to_owned();
    assert!(told.contains("knows 1 of at least 3") && told.contains("nothing listens by TCP"), "{told}");
    let settled = snapshot(State::Settled, None, None);
    let elsewhere = ask_with("GET /storage/k HTTP/1.1", Reply::Unavailable(Unavailable::NoOwner), &settled);
    assert!(text(&elsewhere).contains("The node responsible for this key"), "{elsewhere:?}");
    let node = serde_json::to_value(json::node(&settled)).unwrap();
    assert_eq!((&node["unready"], &node["ring"]), (&serde_json::Value::Null, &"sky".into()));
}

/// The answer of a node in this state that gives this reply.
fn ask_with(lines: &str, reply: Reply, snapshot: &Snapshot) -> Response {
    let text = format!("{lines}\r\nHost: h\r\n\r\n");
    let (head, _) = parse(text.as_bytes()).unwrap().unwrap();
    let (handle, requests) = Handle::new();
    let node = async {
        while let Ok(request) = requests.recv().await {
            match request {
                crate::handle::Request::Command(_, Some(to)) => to.try_send(reply.clone()).unwrap(),
                crate::handle::Request::Status(to) => to.try_send(snapshot.clone()).unwrap(),
                other => panic!("{other:?}"),
            }
        }
        future::pending().await
    };
    smol::block_on(future::or(plan(&head, &Site::default(), VALUE_MAX).run(Vec::new(), &handle), node))
}

#[test]
fn a_node_that_does_not_answer_says_why() {
    for (silenced, part) in [
        (Silenced::Row, "POST /reopen"),
        (Silenced::Told(owner()), "http://192.0.2.1:4321/"),
        (Silenced::Slept, "POST /reopen"),
        (Silenced::Awaits { missing: Some(owner().addr()) }, "until 192.0.2.1:4321"),
        (Silenced::Awaits { missing: None }, "not complete yet"),
        (Silenced::Few { known: 2 }, "knows 2 of at least 3 living nodes"),
    ] {
        let (ready, node) = shown(State::Silent, Some(silenced));
        assert_eq!(ready.status, Status::ServiceUnavailable);
        assert!(field(&ready, "Retry-After").is_some());
        let why = node["silenced"].as_str().unwrap();
        assert!(why.contains(part), "{why}");
        assert!(text(&ready).contains(why) && text(&ready).contains("The node is silent."), "{ready:?}");
        assert_eq!(node["state"], "silent");
    }
    let (ready, node) = shown(State::Leaving, None);
    assert_eq!((ready.status, &node["state"]), (Status::ServiceUnavailable, &"leaving".into()));
    assert!(node["silenced"].is_null() && text(&ready).contains("leaving"));
    assert_eq!(shown(State::Settled, None).0.status, Status::Ok);
}
