//! How a ring comes to be: seeds, founders, those who wait.

use super::*;

#[test]
fn a_node_that_is_its_only_seed_creates_the_ring() {
    let mut net = Net::new();
    net.start_as(1, true);
    net.run(10);
    assert!(net.all_ready());
}

#[test]
fn nodes_given_all_the_same_seeds_create_one_ring() {
    for started_first in 1..=3 {
        let mut net = Net::new();
        net.seeds = vec![addr(1), addr(2), addr(3)];
        net.start_as(started_first, true);
        net.run(1500);
        (1..=3).filter(|n| *n != started_first).for_each(|n| net.start_as(n, true));
        net.run(12_000);
        net.assert_ideal();
        assert!(net.all_ready());
    }
}

#[test]
fn seeds_that_all_answer_found_their_ring_without_waiting_for_each_other() {
    for pause in [0, 1, 1000, 2500] {
        let mut net = Net::new();
        net.seeds = vec![addr(1), addr(2), addr(3)];
        (1..=3).for_each(|n| {
            net.run(pause);
            net.start_as(n, true);
        });
        net.run(500);
        net.assert_ideal();
        assert!(net.all_ready(), "{pause} ms apart");
    }
}

#[test]
fn a_name_that_stands_for_all_seeds_founds_one_ring() {
    let mut net = Net::new();
    net.names = Some(vec![vec![addr(1), addr(2), addr(3)]]);
    (1..=3).for_each(|n| net.start_as(n, true));
    net.run(500);
    net.assert_ideal();
    assert!(net.all_ready());
}

#[test]
fn what_a_seed_said_before_this_process_stood_still_founds_nothing() {
    let mut net = Net::new();
    net.seeds = vec![addr(1), addr(2)];
    let low = if Id::of_addr(addr(1)) < Id::of_addr(addr(2)) { 1 } else { 2 };
    net.start_as(3 - low, true);
    net.run(10);
    // The lower one asks, and stands still before it reads the answer.
    let mut entropy = [7; 32];
    entropy[0] = 1;
    let identity = Identity { addr: addr(low), id: None };
    let mut stopped = Node::new(Config::default(), identity, true, entropy, net.now);
    while stopped.poll_event().is_some() {}
    stopped.handle_command(net.now, Command::Seeds(vec![vec![addr(1)], vec![addr(2)]]));
    let (mut buffer, mut answers) = ([0; FRAME_MAX], Vec::new());
    while let Some(sent) = stopped.poll_transmit(&mut buffer) {
        let other = net.nodes.get_mut(&sent.to).unwrap();
        other.handle_datagram(net.now, addr(low), &buffer[..sent.length]);
        let mut answer = [0; FRAME_MAX];
        while let Some(told) = other.poll_transmit(&mut answer) {
            answers.push(answer[..told.length].to_vec());
        }
    }
    assert!(!answers.is_empty());
    net.run(30_000);
    assert!(net.nodes[&addr(3 - low)].is_member(), "it has founded a ring of its own");
    for answer in answers {
        stopped.handle_datagram(net.now, addr(3 - low), &answer);
    }
    assert!(!stopped.is_member());
    net.nodes.insert(addr(low), stopped);
    net.run(20_000);
    net.assert_ideal();
}

#[test]
fn strangers_that_ask_do_not_keep_a_founder_from_its_ring_while_a_name_does_not_resolve() {
    let mut net = Net::new();
    net.names = Some(vec![vec![addr(1)], vec![]]);
    net.start_as(1, true);
    // They have another seed: the one that founds.
    for n in 10..40 {
        net.names = Some(vec![vec![addr(1)], vec![]]);
        net.start_as(n, true);
        net.run(200);
    }
    assert!(net.nodes[&addr(1)].is_member());
}

#[test]
fn while_a_seed_is_missing_the_others_wait_for_it_before_they_found_their_ring() {
    let mut net = Net::new();
    net.seeds = vec![addr(1), addr(2), addr(3)];
    net.start_as(1, true);
    net.start_as(2, true);
    net.run(3900);
    assert!(net.nodes.values().all(|node| !node.is_member()));
    net.run(6000);
    net.assert_ideal();
}

#[test]
fn a_first_node_that_comes_back_joins_the_ring_that_is_there() {
    let mut net = Net::new();
    net.seeds = vec![addr(1), addr(2), addr(3)];
    (1..=3).for_each(|n| net.start_as(n, true));
    net.run(12_000);
    net.put(2, "k", "v");
    net.start_as(1, true);
    net.run(5000);
    net.assert_ideal();
    assert_eq!(net.get(1, "k").as_deref(), Some("v"));
}

#[test]
fn a_seed_that_is_not_there_yet_is_tried_again_for_ever() {
    let mut net = Net::new();
    net.start(2);
    net.run(600_000);
    assert!(!net.nodes[&addr(2)].is_member());
    net.start(1);
    net.run(17_000);
    net.assert_ideal();
}

#[test]
fn any_of_several_seeds_will_do() {
    let mut net = Net::new();
    net.start(1);
    net.seeds = vec![addr(70), addr(71), addr(1)];
    net.start(2);
    net.run(2000);
    net.assert_ideal();
}

#[test]
fn a_lone_node_joins_the_ring_that_its_seeds_belong_to() {
    let mut net = Net::new();
    net.seeds = vec![addr(1), addr(2)];
    net.start_as(2, true);
    net.run(6000);
    assert!(net.nodes[&addr(2)].is_ready(net.now.at), "it was its own seed, and alone");
    net.start_as(1, false);
    net.run(30_000);
    net.assert_ideal();
}
