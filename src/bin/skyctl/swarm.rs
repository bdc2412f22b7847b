//! `skyctl swarm`: many seeded rings under all faults, and whether each held and healed.

mod record;

use super::progress::Progress;
use super::{Failure, say};
use argh::FromArgs;
use record::{Record, Summary};
use skynode::sim::swarm;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// Run many rings, each with all that befalls it drawn from its seed, on all cores: crashes, pauses, cuts, loss, wrong
/// clocks, attackers. Each is watched by all oracles, must heal, and must have one history for every key. The exit
/// status is 1 if one did not.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "swarm", note = "To see one again: skyctl swarm --seeds 17..18 --json")]
pub struct Arguments {
    /// the seeds, the last one not included (default 0..500)
    #[argh(option, arg_name = "first..end", from_str_fn(seeds), default = "0..500")]
    seeds: Range<u64>,
    /// a file that each outcome is added to; seeds that stand in it are not run again, so that a run that was
    /// interrupted goes on where it was
    #[argh(option, arg_name = "file")]
    resume: Option<PathBuf>,
    /// runs at one time (default: one for each core)
    #[argh(option, arg_name = "n")]
    threads: Option<usize>,
    /// write the summary as JSON
    #[argh(switch)]
    json: bool,
}

/// `FIRST..END`.
fn seeds(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("{text:?} is no range of seeds: write 0..20000");
    let (first, end) = text.split_once("..").ok_or_else(wrong)?;
    let (first, end) = (first.parse().map_err(|_| wrong())?, end.parse().map_err(|_| wrong())?);
    if first < end { Ok(first..end) } else { Err(format!("there is no seed in {text}")) }
}

/// The file of outcomes, and what stands in it.
fn open(path: &PathBuf) -> Result<(File, Vec<Record>), String> {
    let tell = |why: std::io::Error| format!("{}: {why}", path.display());
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(tell)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(tell)?;
    // What was cut short in the middle of a line is run again.
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let records: Result<Vec<Record>, String> = text[..whole]
        .lines()
        .enumerate()
        .map(|(at, line)| {
            Record::read(line).ok_or_else(|| format!("{}: line {} is none of ours", path.display(), at + 1))
        })
        .collect();
    let records = records?;
    file.set_len(whole as u64).map_err(tell)?;
    Ok((file, records))
}

/// Carries out what the options say.
///
/// # Errors
/// What is wrong with them, or with the file.
pub fn run(options: &Arguments) -> Result<ExitCode, Failure> {
    let (mut file, mut records) = match &options.resume {
        Some(path) => open(path).map(|(file, records)| (Some(file), records)).map_err(Failure::Usage)?,
        None => (None, Vec::new()),
    };
    records.retain(|record| options.seeds.contains(&record.seed));
    let done: BTreeSet<u64> = records.iter().map(|record| record.seed).collect();
    let left: Vec<u64> = options.seeds.clone().filter(|seed| !done.contains(seed)).collect();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let threads = options.threads.unwrap_or(cores).clamp(1, left.len().max(1));
    let (next, stop) = (AtomicUsize::new(0), AtomicUsize::new(left.len()));
    let (sender, receiver) = mpsc::channel();
    let mut progress = Progress::new();
    let mut trouble = None;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next, stop, left) = (sender.clone(), &next, &stop, &left);
            scope.spawn(move || {
                let take =
                    || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < stop.load(Ordering::Relaxed));
                while let Some(seed) = take().and_then(|at| left.get(at)) {
                    if sender.send(Record::of(&swarm::run(*seed))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for record in receiver {
            if !record.failures.is_empty() {
                progress.clear();
                let _ = writeln!(std::io::stderr(), "seed {}: {}", record.seed, record.failures.join("\n  "));
            }
            let written = file.as_mut().map(|file| writeln!(file, "{}", record.line()));
            if let Some(Err(why)) = written {
                // What is not kept would have to be run again: better to end.
                stop.store(0, Ordering::Relaxed);
                trouble = Some(format!("the outcome of seed {} cannot be kept: {why}", record.seed));
            }
            records.push(record);
            progress.show((records.len() - done.len()) as f64 / left.len() as f64);
        }
    });
    progress.clear();
    if let Some(trouble) = trouble {
        return Err(Failure::Other(trouble));
    }
    let summary = Summary::of(&records);
    say(&if options.json { summary.json().to_string() } else { summary.text() })?;
    let (took, runs) = (progress.elapsed().as_secs_f64(), left.len());
    let _ = writeln!(std::io::stderr(), "{runs} runs in {took:.0} s on {threads} threads");
    Ok(if summary.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_with_something_in_it() {
        assert_eq!(seeds("0..20000"), Ok(0..20000));
        for wrong in ["", "5", "..", "5..5", "9..3", "-1..3", "a..b", "0..99999999999999999999"] {
            assert!(seeds(wrong).is_err(), "{wrong} was read");
        }
    }

    #[test]
    fn what_was_run_is_not_run_again_and_half_a_line_is_nothing() {
        let path = std::env::temp_dir().join(format!("skyctl-swarm-{}", std::process::id()));
        let whole = Record { seed: 3, healing_ms: Some(250), ..Record::default() };
        std::fs::write(&path, format!("{}\n{{\"seed\":4,", whole.line())).expect("a file in the folder for such");
        let (_, records) = open(&path).expect("it can be opened");
        assert_eq!(records, [whole]);
        std::fs::write(&path, "something else\n").expect("it can be written");
        assert!(open(&path).is_err_and(|why| why.contains("line 1")), "a file of something else is left alone");
        std::fs::remove_file(&path).expect("it can be removed");
    }
}
