//! What the command line says, and the plan that comes of it.

use super::{path, values};
use argh::FromArgs;
use skynode::id::Id;
use skynode::sim::playground::{Deed, Partition, Plan, Preset, Start, Step};
use skynode::sim::{Clock, Delay};
use std::time::Duration;

/// Run a ring of real nodes on a simulated network, disturb it, and watch it. The same options give the same output.
/// The exit status is 1 if a promise was broken.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "sim", note = "Durations are written 500ms, 90s, 1.4m, 2h.")]
pub struct Sim {
    /// begin with the plan of this name; all other options change it
    #[argh(option, arg_name = "name")]
    preset: Option<String>,
    /// list the presets and exit
    #[argh(switch)]
    pub presets: bool,
    /// nodes at the start (default 16)
    #[argh(option, arg_name = "n")]
    nodes: Option<usize>,
    /// all that is left to chance follows from it (default 1)
    #[argh(option, arg_name = "n")]
    seed: Option<u64>,
    /// how long it is measured (default 60s, with --swarm 180s)
    #[argh(option, arg_name = "t", from_str_fn(values::duration))]
    time: Option<Duration>,
    /// how long it runs before that, disturbed in the same way (default 10s)
    #[argh(option, arg_name = "t", from_str_fn(values::duration))]
    warm_up: Option<Duration>,
    /// size of the identifier space in bits (default 128)
    #[argh(option, arg_name = "m")]
    bits: Option<u32>,
    /// exact positions of the nodes, below 2^bits: 0,1,3
    #[argh(option, arg_name = "list", from_str_fn(values::ids))]
    ids: Option<Vec<u128>>,
    /// length of the successor lists (default 8)
    #[argh(option, arg_name = "n")]
    successors: Option<usize>,
    /// isolated nodes, which may be cut off, serve again after this time (default never)
    #[argh(option, arg_name = "t", from_str_fn(values::duration))]
    reopen_after: Option<Duration>,
    /// only the fingers of the Chord paper, without the nodes half-way between them
    #[argh(switch)]
    plain_fingers: bool,
    /// let the nodes join one after the other; otherwise the ring stands at once
    #[argh(switch)]
    joining: bool,
    /// so many small keys are written, and copied, before the warm-up; the figures then tell what became of them
    /// (default 0)
    #[argh(option, arg_name = "n")]
    keys: Option<usize>,
    /// churn: half of the nodes stay longer than this, and as many join as go
    #[argh(option, arg_name = "t", from_str_fn(values::duration))]
    session: Option<Duration>,
    /// churn: joins and departures a second: 0.4,0.4
    #[argh(option, arg_name = "j,d", from_str_fn(values::churn))]
    churn: Option<(f64, f64)>,
    /// the share of the departures that say good-bye; the others crash (default 0)
    #[argh(option, arg_name = "share", from_str_fn(values::share))]
    graceful: Option<f64>,
    /// the share of the nodes that crash at once when the measurement begins
    #[argh(option, arg_name = "share", from_str_fn(values::share))]
    kill: Option<f64>,
    /// the share of the crashed nodes that come back after 1 to 20 s, with nothing in memory
    #[argh(option, arg_name = "share", from_str_fn(values::share))]
    restarts: Option<f64>,
    /// nodes that are stopped for 1 to 20 s, a second
    #[argh(option, arg_name = "rate", from_str_fn(values::rate))]
    pauses: Option<f64>,
    /// the share of datagrams that are lost
    #[argh(option, arg_name = "share", from_str_fn(values::share))]
    loss: Option<f64>,
    /// the share of datagrams that begin a burst on their path: for up to 0.4 s four of five are lost
    #[argh(option, arg_name = "share", from_str_fn(values::share))]
    burst: Option<f64>,
    /// the share of datagrams that are slow: they take up to 1.5 s
    #[argh(option, arg_name = "share", from_str_fn(values::share))]
    slow: Option<f64>,
    /// the share of datagrams that arrive twice
    #[argh(option, arg_name = "share", from_str_fn(values::share))]
    duplicate: Option<f64>,
    /// the share of datagrams in which a bit is flipped
    #[argh(option, arg_name = "share", from_str_fn(values::share))]
    corrupt: Option<f64>,
    /// how long datagrams take: 50ms, 10ms..80ms, or exp:50ms for exponential about a mean
    #[argh(option, arg_name = "delay", from_str_fn(values::delay))]
    delay: Option<Delay>,
    /// cut the ring into parts: halves@10s+60s at 10 s for 60 s; also alternating, alone, thirds; repeatable
    #[argh(option, arg_name = "cut", from_str_fn(values::partition))]
    partition: Vec<Partition>,
    /// pairs of nodes, every second one neighbours, that cannot talk for 5 to 30 s in one direction or both, a second
    #[argh(option, arg_name = "rate", from_str_fn(values::rate))]
    cuts: Option<f64>,
    /// each machine's wall clock is off by up to so much, and its monotonic clock runs up to so many parts per million,
    /// at most 20000, fast or slow: 6s,10000
    #[argh(option, arg_name = "t,ppm", from_str_fn(values::clocks))]
    clocks: Option<Clock>,
    /// draw all faults but --kill from the seed; options that are given win. Faults end after two thirds of the
    /// measured time, and the exit status is 1, too, if at the end the ring is not ideal or not all have settled
    #[argh(switch)]
    swarm: bool,
    /// lookups of random keys a second (default 1)
    #[argh(option, arg_name = "rate", from_str_fn(values::rate))]
    lookups: Option<f64>,
    /// a node joins: 6@10s; repeatable
    #[argh(option, arg_name = "id@t", from_str_fn(values::moment))]
    join: Vec<(u128, Duration)>,
    /// the node with this position crashes; repeatable
    #[argh(option, arg_name = "id@t", from_str_fn(values::moment))]
    crash: Vec<(u128, Duration)>,
    /// the node with this position leaves; repeatable
    #[argh(option, arg_name = "id@t", from_str_fn(values::moment))]
    leave: Vec<(u128, Duration)>,
    /// end the run at this event
    #[argh(option, arg_name = "n")]
    until_event: Option<u64>,
    /// draw the ring at the end for Graphviz: dot -Tsvg; - is the standard output, and all else goes to standard error
    #[argh(option, arg_name = "file")]
    pub dot: Option<String>,
    /// draw the ring at the end as SVG; the same
    #[argh(option, arg_name = "file")]
    pub svg: Option<String>,
    /// draw the fingers of these nodes; otherwise those of the one that asked for a key
    #[argh(option, arg_name = "list", from_str_fn(values::ids))]
    pub fingers: Option<Vec<u128>>,
    /// look up who owns this position at the end of the measured time, and show the path
    #[argh(option, arg_name = "key", from_str_fn(values::number))]
    trace: Option<u128>,
    /// the position of the node that asks; one by chance if none is given
    #[argh(option, arg_name = "id", from_str_fn(values::number))]
    asker: Option<u128>,
    /// tell in words what every message said and did; for small rings
    #[argh(switch)]
    pub tell: bool,
    /// write the figures as JSON
    #[argh(switch)]
    pub json: bool,
}

/// How long a run with all faults is measured, if nothing is said: in its last third the ring can heal.
const SWARM_TIME: Duration = Duration::from_secs(180);

/// Takes over what was said.
fn set<T>(value: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *value = said;
    }
}

impl Sim {
    /// The plan.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn plan(&self) -> Result<Plan, String> {
        let named = |name: &String| {
            let names: Vec<&str> = Preset::ALL.iter().map(|preset| preset.name).collect();
            Preset::named(name).ok_or_else(|| format!("there is no preset {name:?}; there are {}", names.join(", ")))
        };
        let mut plan = match &self.preset {
            None => Plan::default(),
            Some(name) => (named(name)?.plan)(),
        };
        set(&mut plan.seed, self.seed);
        set(&mut plan.time, self.time);
        set(&mut plan.warm_up, self.warm_up);
        set(&mut plan.bits, self.bits);
        set(&mut plan.keys, self.keys);
        set(&mut plan.successors, self.successors);
        if self.nodes.is_some() || self.ids.is_some() {
            plan.ids = self.ids.clone().unwrap_or_default();
            plan.nodes = self.nodes.unwrap_or(plan.ids.len());
            if !plan.ids.is_empty() && plan.ids.len() != plan.nodes {
                return Err(format!("{} nodes cannot have {} positions", plan.nodes, plan.ids.len()));
            }
        }
        plan.plain_fingers |= self.plain_fingers;
        plan.reopen_after = self.reopen_after.or(plan.reopen_after);
        if self.swarm {
            if self.time.is_none() && self.preset.is_none() {
                plan.time = SWARM_TIME;
            }
            plan.draw_faults();
            if !self.partition.is_empty() {
                plan.partitions.clear();
            }
        }
        if self.joining {
            plan.start = Start::Joining;
        }
        if let Some(session) = self.session {
            if self.churn.is_some() {
                return Err(String::from("--session and --churn say the same in two ways: give one of them"));
            }
            if session < Duration::from_secs(1) {
                return Err(String::from("a session of less than a second is none"));
            }
            plan.joins = Plan::rate_of_session(plan.nodes, session);
            plan.departures = plan.joins;
        }
        if let Some((joins, departures)) = self.churn {
            (plan.joins, plan.departures) = (joins, departures);
        }
        set(&mut plan.graceful, self.graceful);
        set(&mut plan.kill, self.kill);
        set(&mut plan.restarts, self.restarts);
        set(&mut plan.pauses, self.pauses);
        set(&mut plan.cuts, self.cuts);
        set(&mut plan.clocks, self.clocks);
        set(&mut plan.weather.loss, self.loss);
        set(&mut plan.weather.burst, self.burst);
        set(&mut plan.weather.slow, self.slow);
        set(&mut plan.weather.duplicate, self.duplicate);
        set(&mut plan.weather.corrupt, self.corrupt);
        set(&mut plan.weather.delay, self.delay);
        set(&mut plan.lookups, self.lookups);
        plan.partitions.extend(&self.partition);
        let steps = |list: &[(u128, Duration)], deed: fn(u128) -> Deed| -> Vec<Step> {
            list.iter().map(|(id, at)| Step { at: *at, deed: deed(*id) }).collect()
        };
        plan.steps.extend(steps(&self.join, Deed::Join));
        plan.steps.extend(steps(&self.crash, Deed::Crash));
        plan.steps.extend(steps(&self.leave, Deed::Leave));
        path::plan(&mut plan, self.trace, self.asker)?;
        plan.until_event = self.until_event;
        let room = 1u128.checked_shl(plan.bits).filter(|_| plan.bits < Id::BITS).unwrap_or(u128::MAX);
        let told = [&self.join, &self.crash, &self.leave].into_iter().flatten().map(|(id, _)| id);
        match told.chain(&self.trace).chain(&self.asker).find(|id| **id >= room) {
            Some(id) => Err(format!("the position {id} is not below 2^{}", plan.bits)),
            None => Ok(plan),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(words: &str) -> Result<Plan, String> {
        let words: Vec<&str> = words.split_whitespace().collect();
        Sim::from_args(&["sim"], &words).map_err(|early| early.output)?.plan()
    }

    #[test]
    fn each_fault_is_asked_for_by_its_option() {
        let plan = plan("--burst 0.1 --slow 0.2 --cuts 0.3 --restarts 0.4 --clocks 6s,10000").expect("it is right");
        assert_eq!((plan.weather.burst, plan.weather.slow, plan.cuts, plan.restarts), (0.1, 0.2, 0.3, 0.4));
        assert_eq!((plan.clocks.skew_ms, plan.clocks.rate_ppm), (6000, 10_000));
        assert!(plan.quiet.is_zero());
    }

    #[test]
    fn there_are_as_many_keys_as_are_asked_for() {
        let keys = |words| plan(words).map(|plan| plan.keys);
        assert_eq!((keys(""), keys("--preset bamboo --keys 7"), keys("--keys 0")), (Ok(0), Ok(7), Ok(0)));
        assert!(keys("--keys -1").is_err() && plan("--keys 5000000").is_ok_and(|plan| plan.check().is_err()));
    }

    #[test]
    fn senseless_faults_are_refused() {
        for wrong in ["--burst 2", "--slow -1", "--cuts x", "--restarts 1.1", "--clocks 6s,20001", "--clocks 6s"] {
            assert!(plan(wrong).is_err(), "{wrong} was taken");
        }
    }

    #[test]
    fn what_is_given_wins_over_what_is_drawn() {
        for seed in 1..20 {
            let given = "--loss 0.125 --burst 0 --cuts 0.5 --churn 0.25,0.5 --clocks 1s,7 --partition alone@1s+2s";
            let plan = plan(&format!("--swarm --seed {seed} {given}")).expect("it is right");
            assert_eq!((plan.weather.loss, plan.weather.burst, plan.cuts), (0.125, 0.0, 0.5));
            assert_eq!((plan.joins, plan.departures, plan.clocks.rate_ppm), (0.25, 0.5, 7));
            assert_eq!((plan.partitions.len(), plan.time, plan.quiet), (1, SWARM_TIME, SWARM_TIME / 3));
        }
    }
}
