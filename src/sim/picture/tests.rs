use super::*;
use crate::sim::playground::{Plan, Preset};
use core::time::Duration;

fn run(plan: Plan) -> Playground {
    let mut run = Playground::new(plan).expect("it can be carried out");
    while run.advance(Duration::from_secs(1), &mut |_, _| {}) {}
    run
}

fn preset(name: &str) -> Playground {
    run((Preset::named(name).expect("it is there").plan)())
}

fn times(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn the_ring_of_the_textbook_has_each_node_once_and_the_path_in_order() {
    let picture = Picture::of(&preset("three-bit"), &[]).expect("no fingers are asked for");
    let (dot, svg) = (picture.dot(), picture.svg());
    for number in [0u128, 1, 3] {
        let id = Id::new(number << 125);
        assert_eq!(times(&dot, &format!("  n{id} [label=\"{number}\"")), 1, "{dot}");
        assert_eq!(times(&svg, &format!("id=\"n{id}\"")), 1, "{svg}");
    }
    assert_eq!((times(&dot, " [label=\""), times(&svg, "<circle class=\"node")), (4, 5), "and the key, and the legend");
    let name = |number: u128| format!("n{}", Id::new(number << 125));
    for (from, to) in [(0, 1), (1, 3), (3, 0)] {
        assert_eq!(times(&dot, &format!("  {} -> {};\n", name(from), name(to))), 1, "{dot}");
        let back = format!("  {} -> {} [style=dashed, color=grey];\n", name(to), name(from));
        assert_eq!(times(&dot, &back), 1, "{dot}");
    }
    let hop = format!("  {} -> {} [color=orangered, penwidth=2, fontcolor=orangered, label=\"1\"];", name(3), name(1));
    assert_eq!((times(&dot, &hop), times(&dot, "color=orangered")), (1, 2), "{dot}");
    assert!(dot.contains("key 1") && svg.contains(">key 1<"));
    let fingers: Vec<&Arrow> = picture.arrows.iter().filter(|arrow| arrow.meaning == Meaning::Finger).collect();
    let labels: Vec<&str> = fingers.iter().map(|arrow| arrow.label.as_str()).collect();
    assert_eq!(labels, ["+1 +2 +4"], "all three fingers of node 3 are node 0, which is five on");
}

#[test]
fn hops_are_numbered_in_order_and_silent_nodes_are_drawn_as_gone() {
    let (mut picture, run) = (preset("crash"), preset("crash"));
    let trace = run.trace().expect("it was answered");
    let picture = {
        while picture.advance(Duration::from_secs(1), &mut |_, _| {}) {}
        Picture::of(&picture, &[]).expect("no fingers are asked for")
    };
    let hops: Vec<(usize, Id)> = picture
        .arrows
        .iter()
        .filter_map(|arrow| match arrow.meaning {
            Meaning::Hop(step) => Some((step, picture.spots[arrow.to].id)),
            _ => None,
        })
        .collect();
    let path: Vec<(usize, Id)> = trace.path.iter().enumerate().map(|(at, hop)| (at + 1, hop.peer.id())).collect();
    assert!(path.len() >= 2 && hops == path, "{hops:?} is not {path:?}");
    assert!(picture.spots.iter().all(|spot| spot.name != "5"), "nobody points to the dead one any more");
}

#[test]
fn a_node_that_died_is_drawn_as_long_as_others_point_to_it() {
    let plan = (Preset::named("crash").expect("it is there").plan)();
    let mut run = Playground::new(plan).expect("it can be carried out");
    run.advance(Duration::from_millis(11_200), &mut |_, _| {});
    let picture = Picture::of(&run, &[]).expect("no fingers are asked for");
    let dead: Vec<&Spot> = picture.spots.iter().filter(|spot| spot.state == State::Gone).collect();
    assert!(dead.len() == 1 && dead[0].name == "5", "{dead:?}");
    assert_eq!(picture.spots.len(), 6);
}

#[test]
fn a_hundred_nodes_are_each_there_once() {
    let run = run(Plan { nodes: 100, time: Duration::from_secs(5), ..Plan::default() });
    let picture = Picture::of(&run, &[]).expect("no fingers are asked for");
    let (dot, svg) = (picture.dot(), picture.svg());
    for host in run.world().hosts() {
        assert_eq!(times(&dot, &format!("  n{} [", host.id())), 1);
        assert_eq!(times(&svg, &format!("id=\"n{}\"", host.id())), 1);
    }
    assert_eq!(
        (times(&dot, "fillcolor=palegreen"), times(&svg, "<path class=\"finger\"")),
        (0, 0),
        "nothing was traced"
    );
}

#[test]
fn fingers_are_those_of_the_nodes_named_and_each_node_is_pointed_to_once() {
    let run = run(Plan { nodes: 64, bits: 16, time: Duration::from_secs(60), ..Plan::default() });
    let ids: Vec<Id> = run.world().hosts().iter().map(crate::sim::host::Host::id).collect();
    let me = ids[5].get() >> 112;
    let picture = Picture::of(&run, &[me]).expect("it is there");
    let fingers: Vec<&Arrow> = picture.arrows.iter().filter(|arrow| arrow.meaning == Meaning::Finger).collect();
    let mut pointed: Vec<usize> = fingers.iter().map(|arrow| arrow.to).collect();
    pointed.sort_unstable();
    pointed.dedup();
    assert_eq!(pointed.len(), fingers.len(), "each once");
    assert!(fingers.iter().all(|arrow| picture.spots[arrow.from].id == ids[5]));
    // The farthest is the first node half way round.
    let half = ids[5].plus(1 << 127);
    let first = ids.iter().min_by_key(|id| half.distance_to(**id)).expect("there are nodes");
    assert_eq!(picture.spots[fingers.last().expect("there are fingers").to].id, *first);
    assert!(Picture::of(&run, &[65536]).is_err_and(|wrong| wrong.contains("65536")));
}
