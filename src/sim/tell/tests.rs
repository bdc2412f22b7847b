use super::*;
use crate::sim::playground::{Deed, Plan, Preset, Step};

/// The story of a plan, a line each.
fn story(plan: Plan) -> Vec<String> {
    let mut run = Playground::new(plan).expect("it can be carried out");
    let mut teller = Teller::new(&mut run).expect("it is small");
    while run.advance(Duration::from_secs(1), &mut |world, happening| teller.hear(world, happening)) {}
    let lines = teller.story(run.world());
    assert!(lines.is_sorted_by_key(|line| line.at), "out of order: {lines:#?}");
    lines.into_iter().map(|line| line.text).collect()
}

fn preset(name: &str) -> Plan {
    (Preset::named(name).expect("it is there").plan)()
}

/// Where each of these is found, one after the other.
fn in_order(story: &[String], wanted: &[&str]) {
    let mut from = 0;
    for text in wanted {
        let at = story[from..].iter().position(|line| line.contains(text));
        from += at.unwrap_or_else(|| unreachable!("no {text:?} from line {from} on: {story:#?}")) + 1;
    }
}

#[test]
fn the_join_is_told_in_order() {
    let story = story(preset("join"));
    in_order(
        &story,
        &[
            "the ring: 0 -> 1 -> 3 -> 0, all settled",
            "node 6 starts, and knows ",
            "I want to join at 6: who comes after me?",
            "node 6 has joined between 3 and 0",
            "node 0 takes node 6 for its predecessor",
            "node 3 takes node 6 for its successor",
            "node 6 has settled: it answers for positions 4 to 6",
            "confirm each other: ",
            "node 1 is to find out who owns key 5",
            "node 1 has found out that node 6 owns key 5",
            "the ring at the end: 0 -> 1 -> 3 -> 6 -> 0, all settled",
        ],
    );
    assert!(story.len() < 120, "{} lines are too many to read", story.len());
}

#[test]
fn a_crash_is_told_from_the_silence_to_the_closed_ring() {
    let story = story(preset("crash"));
    in_order(
        &story,
        &[
            "node 5 crashes",
            "(nobody is there to hear it)",
            "takes node 5 for dead",
            "node 3 takes node 8 for its successor",
            "node 8 has settled: it answers for positions 4 to 8",
            "node 11 has found out that node 8 owns key 4",
        ],
    );
}

#[test]
fn who_leaves_does_not_crash() {
    let mut plan = preset("join");
    plan.steps = vec![Step { at: Duration::from_secs(2), deed: Deed::Leave(1) }];
    let story = story(plan);
    in_order(&story, &["node 1 is to leave", "node 1 has left, and what it held is handed over", "0 -> 3 -> 0"]);
    assert!(story.iter().all(|line| !line.contains("crash")), "{story:#?}");
}

#[test]
fn what_is_lost_is_told_as_lost_and_the_same_seed_tells_the_same() {
    let mut plan = preset("three-bit");
    plan.weather.loss = 0.3;
    let (first, second) = (story(plan.clone()), story(plan));
    assert!(first.iter().any(|line| line.contains("(lost on the way)")), "{first:#?}");
    assert_eq!(first, second);
}

#[test]
fn a_run_is_the_same_whether_it_is_told_or_not() {
    let plan = Plan { until_event: Some(700), ..preset("join") };
    let report = |tells: bool| {
        let mut run = Playground::new(plan.clone()).expect("it can be carried out");
        let mut teller = tells.then(|| Teller::new(&mut run).expect("it is small"));
        while run.advance(Duration::from_secs(1), &mut |world, happening| {
            teller.iter_mut().for_each(|teller| teller.hear(world, happening));
        }) {}
        format!("{:?} {}", run.report(), run.world().log.hash())
    };
    assert_eq!(report(true), report(false));
}

#[test]
fn a_loop_and_a_cut_are_told() {
    in_order(&story(preset("loop")), &["so that the ring goes round 2 times: ", "the ring at the end: "]);
    let story = story(preset("partition"));
    in_order(&story, &["the network is cut for 60.0 s: two halves", "(the way is cut)", "all settled"]);
}

#[test]
fn a_large_ring_is_not_told() {
    let mut run = Playground::new(Plan { nodes: TOLD_MAX + 1, ..Plan::default() }).expect("it can be carried out");
    assert!(Teller::new(&mut run).is_err_and(|wrong| wrong.contains("33 nodes") && wrong.contains("32")));
}
