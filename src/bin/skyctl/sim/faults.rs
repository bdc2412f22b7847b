//! The faults of a plan, written as the options that give them.

use serde_json::{Map, Value};
use skynode::sim::Delay;
use skynode::sim::playground::{Plan, Shape};
use std::time::Duration;

fn span(time: Duration) -> String {
    format!("{}ms", time.as_micros() as f64 / 1e3)
}

fn delay(delay: Delay) -> String {
    match delay {
        Delay::Between(shortest, longest) => format!("{}..{}", span(shortest), span(longest)),
        Delay::Exponential(mean) => format!("exp:{}", span(mean)),
    }
}

/// Each option with its value, those of faults that are missing left out.
fn options(plan: &Plan) -> Vec<(&'static str, String)> {
    let (weather, clocks) = (&plan.weather, &plan.clocks);
    let rates = [
        ("loss", weather.loss),
        ("burst", weather.burst),
        ("slow", weather.slow),
        ("duplicate", weather.duplicate),
        ("corrupt", weather.corrupt),
        ("kill", plan.kill),
        ("graceful", plan.graceful),
        ("restarts", plan.restarts),
        ("pauses", plan.pauses),
        ("cuts", plan.cuts),
    ];
    let written = |number: f64| format!("{}", (number * 1e6).round() / 1e6);
    let mut all: Vec<(&str, String)> =
        rates.into_iter().filter(|(_, rate)| *rate > 0.0).map(|(name, rate)| (name, written(rate))).collect();
    if plan.joins > 0.0 || plan.departures > 0.0 {
        all.push(("churn", format!("{},{}", written(plan.joins), written(plan.departures))));
    }
    if clocks.skew_ms > 0 || clocks.rate_ppm > 0 {
        all.push(("clocks", format!("{}ms,{}", clocks.skew_ms, clocks.rate_ppm)));
    }
    all.push(("delay", delay(weather.delay)));
    for cut in &plan.partitions {
        let name = Shape::ALL.iter().find(|(_, shape)| *shape == cut.shape).map_or("", |(name, _)| *name);
        all.push(("partition", format!("{name}@{}+{}", span(cut.at), span(cut.lasting))));
    }
    all
}

/// In a line.
pub fn text(plan: &Plan) -> String {
    let written: Vec<String> = options(plan).into_iter().map(|(name, value)| format!("--{name} {value}")).collect();
    written.join(" ")
}

/// The same for programs: the value of each option, as it would be written; of a repeated one the last.
pub fn json(plan: &Plan) -> Value {
    let written: Map<String, Value> =
        options(plan).into_iter().map(|(name, value)| (String::from(name), Value::String(value))).collect();
    Value::Object(written)
}

#[cfg(test)]
mod tests {
    use super::super::Sim;
    use super::*;
    use argh::FromArgs;

    #[test]
    fn what_is_written_gives_the_same_faults() {
        for seed in 0..50 {
            let mut plan = Plan { seed, ..Plan::default() };
            plan.draw_faults();
            let words = text(&plan);
            let words: Vec<&str> = words.split_whitespace().collect();
            let read = Sim::from_args(&["sim"], &words).expect("options").plan().expect("a plan");
            assert_eq!(json(&read), json(&plan), "{words:?}");
        }
    }
}
