//! `skyctl sim`: a ring in one process, and what it did.

mod draw;
mod faults;
mod options;
mod path;
mod story;
mod table;
mod values;

pub use options::Sim;

use super::progress::Progress;
use super::{Failure, say};
use serde_json::Value;
use skynode::sim::playground::{Playground, Preset};
use skynode::sim::tell::Teller;
use skynode::sim::{Happening, World};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// How much simulated time passes between two looks at the wall clock.
const SLICE: Duration = Duration::from_secs(1);

/// Carries out what the options say.
///
/// # Errors
/// What is wrong with the options, or what cannot be written.
pub fn run(options: &Sim) -> Result<ExitCode, Failure> {
    if options.presets {
        let list: Vec<String> =
            Preset::ALL.iter().map(|preset| format!("{:<18}{}\n", preset.name, preset.about)).collect();
        say(&list.concat())?;
        return Ok(ExitCode::SUCCESS);
    }
    draw::check(options).map_err(Failure::Usage)?;
    let mut playground = options.plan().and_then(Playground::new).map_err(Failure::Usage)?;
    let mut teller = options.tell.then(|| Teller::new(&mut playground)).transpose().map_err(Failure::Usage)?;
    let mut hear = |world: &World, happening: &Happening| {
        teller.iter_mut().for_each(|teller| teller.hear(world, happening));
    };
    let mut progress = Progress::new();
    while playground.advance(SLICE, &mut hear) {
        progress.show(playground.progress());
    }
    let took = progress.elapsed().as_secs_f64();
    progress.clear();
    let report = playground.report();
    let told = teller.map(|teller| teller.story(playground.world()));
    let figures = if options.json {
        let mut figures = table::json(playground.plan(), &report);
        figures["path"] = path::json(&playground);
        figures["story"] = told.map_or(Value::Null, |story| story::json(&story));
        figures.to_string()
    } else {
        told.map_or_else(String::new, |story| story::text(&story))
            + &path::text(&playground).unwrap_or_default()
            + &table::text(playground.plan(), &report)
    };
    if draw::takes_output(options) {
        let _ = writeln!(std::io::stderr(), "{}", figures.trim_end());
    } else {
        say(&figures)?;
    }
    draw::write(&playground, options)?;
    // What depends on the machine is not part of the output: the same seed gives the same bytes.
    let memory = peak_resident().map_or_else(String::new, |bytes| {
        let each = bytes as f64 / 1024.0 / report.nodes.max(1) as f64;
        format!(", {each:.1} KiB of memory a node at the peak, all included")
    });
    let _ = writeln!(std::io::stderr(), "{took:.1} s, {:.0} events a second{memory}", report.events as f64 / took);
    let healed = report.healed != Some(false);
    if !healed {
        let (seed, quiet) = (playground.plan().seed, playground.plan().quiet.as_secs_f64());
        let _ = writeln!(std::io::stderr(), "seed {seed}: the ring has not healed in {quiet:.1} s without faults");
    }
    Ok(if report.findings.total() == 0 && healed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The most memory that this process ever had, in bytes, where the system tells.
fn peak_resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
