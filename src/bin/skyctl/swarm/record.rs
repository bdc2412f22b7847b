//! What one seed came to, as a line of a file, and what all of them amount to.

use serde_json::{Value, json};
use skynode::sim::Times;
use skynode::sim::oracle::INVARIANTS;
use skynode::sim::swarm::Outcome;
use std::fmt::Write;
use std::time::Duration;

/// The outcome of one seed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The seed.
    pub seed: u64,
    /// What should not have been.
    pub failures: Vec<String>,
    /// More was disturbed at some time than the promises hold for.
    pub beyond: bool,
    /// Simulated time.
    pub simulated_ms: u64,
    /// For how long of it nobody alive had been taken for dead, so that the invariants were assured.
    pub assured_ms: u64,
    /// Operations of clients that were answered.
    pub answered: u64,
    /// From the end of all faults until the ring was whole.
    pub healing_ms: Option<u64>,
    /// From crashes to takeovers.
    pub takeovers_ms: Vec<u64>,
    /// The same of two neighbours at once.
    pub of_two_ms: Vec<u64>,
}

fn milliseconds(times: &Times) -> Vec<u64> {
    times.as_slice().iter().map(|time| time.as_millis() as u64).collect()
}

impl Record {
    /// Of a run.
    pub fn of(outcome: &Outcome) -> Self {
        let tally = &outcome.tally;
        Self {
            seed: outcome.seed,
            failures: outcome.failures.clone(),
            beyond: tally.beyond > 0,
            simulated_ms: tally.simulated.as_millis() as u64,
            assured_ms: tally.assured.as_millis() as u64,
            answered: tally.outcomes.answered(),
            healing_ms: milliseconds(&tally.healing).first().copied(),
            takeovers_ms: milliseconds(&tally.takeover),
            of_two_ms: milliseconds(&tally.double_takeover),
        }
    }

    /// As a line of the file.
    pub fn line(&self) -> String {
        json!({
            "seed": self.seed, "failures": self.failures, "beyond": self.beyond, "simulated_ms": self.simulated_ms,
            "assured_ms": self.assured_ms, "answered": self.answered, "healing_ms": self.healing_ms,
            "takeovers_ms": self.takeovers_ms, "of_two_ms": self.of_two_ms,
        })
        .to_string()
    }

    /// A line of the file; `None` if it is something else.
    pub fn read(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let numbers = |name: &str| -> Option<Vec<u64>> { value[name].as_array()?.iter().map(Value::as_u64).collect() };
        let failures = value["failures"].as_array()?.iter().map(|text| text.as_str().map(String::from));
        Some(Self {
            seed: value["seed"].as_u64()?,
            failures: failures.collect::<Option<_>>()?,
            beyond: value["beyond"].as_bool()?,
            simulated_ms: value["simulated_ms"].as_u64()?,
            assured_ms: value["assured_ms"].as_u64()?,
            answered: value["answered"].as_u64()?,
            healing_ms: value["healing_ms"].as_u64(),
            takeovers_ms: numbers("takeovers_ms")?,
            of_two_ms: numbers("of_two_ms")?,
        })
    }
}

/// All together.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    runs: usize,
    /// The seeds that failed.
    pub failed: Vec<u64>,
    beyond: usize,
    simulated: Duration,
    assured: Duration,
    answered: u64,
    healing: Times,
    takeovers: Times,
    of_two: Times,
}

impl Summary {
    /// Of these.
    pub fn of(records: &[Record]) -> Self {
        let mut all = Self { runs: records.len(), ..Self::default() };
        for record in records {
            if !record.failures.is_empty() {
                all.failed.push(record.seed);
            }
            all.beyond += usize::from(record.beyond);
            all.simulated += Duration::from_millis(record.simulated_ms);
            all.assured += Duration::from_millis(record.assured_ms);
            all.answered += record.answered;
            let pairs = [(&record.takeovers_ms, &mut all.takeovers), (&record.of_two_ms, &mut all.of_two)];
            for (from, to) in pairs {
                from.iter().for_each(|ms| to.push(Duration::from_millis(*ms)));
            }
            record.healing_ms.iter().for_each(|ms| all.healing.push(Duration::from_millis(*ms)));
        }
        all.failed.sort_unstable();
        all
    }

    /// As a table.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut row = |name: &str, value: String| {
            let _ = writeln!(text, "{name:<18} {value}");
        };
        let hours = |time: Duration| time.as_secs_f64() / 3600.0;
        row("rings", format!("{}, {:.1} simulated hours", self.runs, hours(self.simulated)));
        let failed: Vec<String> = self.failed.iter().map(u64::to_string).collect();
        row("failed", format!("{}  {}", failed.len(), failed.join(" ")));
        row("beyond the bound", format!("{}, judged only by whether they heal", self.beyond));
        row(
            "invariants",
            format!("{}, held for {:.1} h without a wrong suspicion", INVARIANTS.len(), hours(self.assured)),
        );
        row("operations", format!("{} answered, each in the one history of its key", self.answered));
        row("takeover", self.takeovers.to_string());
        row("of two at once", self.of_two.to_string());
        row("healing", self.healing.to_string());
        text
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let times = |times: &Times| {
            let seconds = |time: Duration| time.as_secs_f64();
            json!({ "times": times.len(), "median_s": seconds(times.quantile(0.5)),
                "late_s": seconds(times.quantile(0.95)), "worst_s": seconds(times.worst()) })
        };
        json!({
            "runs": self.runs, "failed": self.failed, "beyond": self.beyond,
            "simulated_s": self.simulated.as_secs_f64(), "assured_s": self.assured.as_secs_f64(),
            "answered": self.answered, "takeover": times(&self.takeovers), "takeover_of_two": times(&self.of_two),
            "healing": times(&self.healing),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let failed = Record {
            seed: u64::MAX,
            failures: vec![String::from("two nodes\nanswer for \"one\" id")],
            takeovers_ms: vec![2400, 4700],
            ..Record::default()
        };
        let healed =
            Record { seed: 1, healing_ms: Some(300), beyond: true, simulated_ms: 120_000, ..Record::default() };
        for record in [&failed, &healed] {
            assert!(!record.line().contains('\n'));
            assert_eq!(Record::read(&record.line()).as_ref(), Some(record));
        }
        assert_eq!((Record::read("{}"), Record::read("[1]"), Record::read("")), (None, None, None));
        let summary = Summary::of(&[failed, healed]);
        assert_eq!((summary.runs, summary.failed.len(), summary.beyond), (2, 1, 1));
        assert_eq!(summary.takeovers.worst(), Duration::from_millis(4700));
    }
}
