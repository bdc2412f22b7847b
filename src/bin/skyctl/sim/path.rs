//! The way of one lookup.

use serde_json::{Value, json};
use skynode::sim::Names;
use skynode::sim::playground::{Deed, Plan, Playground, Step, Trace};
use std::time::Duration;

/// So long before the end of the measured time a lookup is asked for.
const BEFORE_END: Duration = Duration::from_millis(1);

/// Adds the lookup to a plan.
///
/// # Errors
/// Why it cannot be.
pub fn plan(plan: &mut Plan, key: Option<u128>, asker: Option<u128>) -> Result<(), String> {
    let Some(key) = key else {
        return if asker.is_none() { Ok(()) } else { Err(String::from("--asker is for a lookup: give --trace, too")) };
    };
    if plan.time <= BEFORE_END {
        return Err(String::from("--trace looks up at the end of the measured time: there is none"));
    }
    plan.steps.push(Step { at: plan.time - BEFORE_END, deed: Deed::Lookup { from: asker, key } });
    Ok(())
}

/// The lookup that was traced last, in a line; `None` if there was to be none.
pub fn text(playground: &Playground) -> Option<String> {
    let names = Names::new(playground.plan().bits);
    let asked = |step: &&Step| matches!(step.deed, Deed::Lookup { .. });
    let planned = playground.plan().steps.iter().rfind(asked);
    let told = match playground.trace() {
        Some(trace) => words(playground, names, trace),
        None => planned.map(|_| String::from("the lookup was not answered, or there was nobody to ask"))?,
    };
    Some(format!("{:<20} {told}\n", "path"))
}

fn words(playground: &Playground, names: Names, trace: &Trace) -> String {
    let (asker, key) = (names.of(playground.world().host(trace.from).id()), names.of(trace.key));
    let asked: Vec<String> =
        trace.path.iter().map(|hop| names.of(hop.peer.id()) + if hop.answered { "" } else { " (no answer)" }).collect();
    if asked.is_empty() {
        return format!("node {asker} asks nobody for key {key}, as it owns that itself");
    }
    format!("node {asker} asks for key {key}: {}, the owner", asked.join(", then "))
}

/// The same for programs.
pub fn json(playground: &Playground) -> Value {
    let names = Names::new(playground.plan().bits);
    playground.trace().map_or(Value::Null, |trace| {
        let node = |id: skynode::id::Id| json!({ "name": names.of(id), "id": id.to_string() });
        let hops: Vec<Value> =
            trace.path.iter().map(|hop| json!({ "node": node(hop.peer.id()), "answered": hop.answered })).collect();
        json!({
            "key": node(trace.key),
            "asker": node(playground.world().host(trace.from).id()),
            "owner": node(trace.owner.id()),
            "hops": hops,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use skynode::sim::playground::Preset;

    fn run(plan: Plan) -> Playground {
        let mut run = Playground::new(plan).expect("it can be carried out");
        while run.advance(Duration::from_secs(1), &mut |_, _| {}) {}
        run
    }

    #[test]
    fn a_lookup_at_the_end_is_traced_and_told() {
        let mut join = (Preset::named("join").expect("it is there").plan)();
        plan(&mut join, Some(7), Some(3)).expect("there is time for it");
        let run = run(join);
        assert_eq!(text(&run).as_deref(), Some("path                 node 3 asks for key 7: 0, the owner\n"));
        let json = json(&run);
        assert_eq!((json["hops"][0]["node"]["name"].as_str(), json["asker"]["name"].as_str()), (Some("0"), Some("3")));
    }

    #[test]
    fn a_lookup_that_nobody_asked_is_told_as_such() {
        let mut join = (Preset::named("three-bit").expect("it is there").plan)();
        join.steps.clear();
        assert_eq!(text(&run(join.clone())), None);
        plan(&mut join, Some(7), Some(5)).expect("there is time for it");
        let run = run(join);
        assert!(text(&run).is_some_and(|text| text.contains("nobody")) && json(&run).is_null());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(plan(&mut Plan::default(), None, Some(1)).is_err_and(|wrong| wrong.contains("--trace")));
        let mut short = Plan { time: Duration::ZERO, ..Plan::default() };
        assert!(plan(&mut short, Some(1), None).is_err());
    }
}
