use super::*;
use crate::id::Id;
use crate::wire::{Incarnation, Peer, Place};

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn seed(name: &str, addr: Option<&str>, found: Found) -> Seed {
    Seed { name: name.into(), addr: addr.map(|text| text.parse().unwrap()), found }
}

fn at(text: &str, found: Found) -> Seed {
    seed(text, Some(text), found)
}

fn trouble(seeds: Vec<Seed>) -> Trouble {
    let seeking = Seeking { founder: false, answered: Vec::new(), hitch: None, hitched_for: Duration::ZERO };
    Trouble { ring: "sky".into(), listen: addr("192.0.2.9:4321"), me: addr("192.0.2.9:4321"), seeking, seeds }
}

fn said(seeds: Vec<Seed>) -> String {
    trouble(seeds).to_string()
}

#[track_caller]
fn says(seeds: Vec<Seed>, parts: &[&str]) {
    let text = said(seeds);
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
    assert!(text.ends_with(['.', '?']), "whole sentences: {text}");
}

const ONE: &str = "192.0.2.1:4321";

#[test]
fn each_cause_has_words_of_its_own() {
    let other = || Found::Runs(Some("other".into()));
    says(vec![at(ONE, other())], &[ONE, "runs the ring \"other\", and this node is of \"sky\"", "--ring"]);
    let twice = said(vec![at(ONE, other()), at("192.0.2.2:4321", other())]);
    assert_eq!(twice.matches("the ring \"other\"").count(), 1, "{twice}");
    says(vec![at(ONE, Found::Runs(Some("sky".into())))], &[ONE, "runs this ring", "UDP does not come through"]);
    says(vec![at(ONE, Found::Runs(None))], &["UDP does not come through"]);
    says(vec![at(ONE, Found::Nothing)], &[ONE, "nothing listens by TCP", "may be of another ring", "--ring"]);
    says(vec![at(ONE, Found::Mute)], &[ONE, "neither by UDP nor by TCP"]);
    says(vec![at(ONE, Found::NoWay(io::ErrorKind::NetworkUnreachable))], &[ONE, "network unreachable"]);
    says(vec![at(ONE, Found::Stranger)], &[ONE, "no node"]);
    says(vec![at(ONE, Found::Asked)], &[ONE, "nobody has answered yet"]);
    let v6 = "[2001:db8::1]:4321";
    says(vec![at(v6, Found::OtherFamily)], &[v6, "IPv4 alone", "is IPv6", "--listen [::]:4321"]);
    let lan = Some("127.0.1.1:4321");
    says(vec![seed("host1.lan:4321", lan, Found::Loopback)], &["host1.lan:4321 (127.0.1.1:4321)", "/etc/hosts"]);
    let why = "no such name".into();
    says(vec![seed("gone.lan:1", None, Found::Unresolved(why))], &["gone.lan:1 does not resolve: no such name"]);
    let home = Trouble { listen: addr("127.0.0.1:4321"), ..trouble(vec![at(ONE, Found::OutOfLoopback)]) };
    assert!(home.to_string().contains("--listen 0.0.0.0:4321"), "{home}");
    says(vec![at(ONE, Found::Answers { member: false })], &["is on no ring itself", "none of its own seeds"]);
    says(vec![at(ONE, Found::Answers { member: true })], &["has found the ring at 192.0.2.1:4321"]);
    assert_eq!(said(Vec::new()), "It looks for its place on the ring.");
}

#[test]
fn causes_stand_beside_each_other_and_the_list_is_short_however_many_seeds_there_are() {
    let many = (1..=60).map(|n| at(&format!("192.0.2.{n}:1"), Found::Nothing));
    let text = said(many.chain([at(ONE, Found::Mute)]).collect());
    assert!(text.contains("192.0.2.4:1 and 56 more nobody answers by UDP"), "{text}");
    assert!(text.contains("neither by UDP nor by TCP") && text.len() < 1000, "{text}");
}

#[test]
fn a_place_that_cannot_be_had_is_the_reason_whatever_the_seeds_do() {
    let place = Place { addr: addr("192.0.2.2:1"), id: Id::new(7) };
    let peer = Peer { place, incarnation: Incarnation::new(1) };
    let mut trouble = trouble(vec![at(ONE, Found::Nothing)]);
    for (hitch, parts) in [
        (Hitch::Taken(peer), ["taken by 192.0.2.2:1", "--id"]),
        (Hitch::Lost(peer.addr()), ["192.0.2.2:1", "advertise"]),
        (Hitch::Between(peer.addr(), addr(ONE)), ["192.0.2.2:1", ONE]),
        (Hitch::CutOff(peer.addr()), ["cut off", "http://192.0.2.2:1/readyz"]),
    ] {
        trouble.seeking.hitch = Some(hitch);
        let text = trouble.to_string();
        assert!(parts.iter().all(|part| text.contains(part)) && !text.contains("TCP"), "{text}");
    }
    // An earlier life of the same node is no trouble before it should be gone.
    trouble.seeking = Seeking { hitch: Some(Hitch::Taken(peer)), hitched_for: HITCH, ..trouble.seeking };
    assert!(trouble.lasts());
    trouble.me = peer.addr();
    assert!(!trouble.lasts() && trouble.to_string().contains("its own earlier life"), "{trouble}");
    trouble.seeking.hitched_for = HITCH_OF_OWN;
    assert!(trouble.lasts());
}

#[test]
fn a_founder_says_what_it_waits_for() {
    let mut trouble = trouble(vec![at(ONE, Found::Nothing)]);
    trouble.seeking.founder = true;
    let text = trouble.to_string();
    assert!(text.starts_with("It is one of its own seeds") && text.contains("nothing listens by TCP"), "{text}");
    trouble.seeds[0].found = Found::Answers { member: false };
    assert!(!trouble.to_string().contains("none of its own seeds"), "{trouble}");
}
