//! Torture of real processes: rings of `skynode` are killed, stopped, cut apart and rained on while clients write and
//! read through them, and every answer is checked.
//!
//! ```sh
//! cargo test --test torture                                     # the short form of all scenes
//! cargo test --test torture -- kill cut                         # those whose names hold one of the words
//! SKY_TORTURE=long cargo test --test torture                    # many rounds, long cuts
//! SKY_TORTURE=long SKY_ROUNDS=3 SKY_SEED=7 SKY_LOG=1 cargo test --test torture -- stop --test-threads 1
//! ```
//!
//! `SKY_ROUNDS` says how many rounds the scenes with rounds have, `SKY_SEED` who is hit, when, and with which keys,
//! `SKY_LOG` shows what happened in scenes that pass too; one that fails shows it always.
//!
//! The scenes that cut the network need Linux with `ip` and `nft` and the right to make a network namespace; which were
//! not run for want of it is said, and is a failure with `SKY_TORTURE_ALL=1`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers fail as their tests do")]

mod arguments;
mod attack;
#[path = "../process/client.rs"]
#[allow(dead_code, reason = "the other tests use more of it")]
mod client;
mod clients;
mod figures;
mod ledger;
mod namespace;
mod node;
mod places;
mod ring;
mod rules;
mod runner;
mod scenes;
#[path = "../process/shown.rs"]
mod shown;
mod stage;

use arguments::Arguments;
use namespace::Inside;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::read(std::env::args().skip(1));
    let chosen = scenes::chosen(&arguments);
    if arguments.list {
        chosen.iter().for_each(|scene| println!("{}: test", scene.name));
        return ExitCode::SUCCESS;
    }
    match namespace::inside() {
        Some(Inside::Probe) => namespace::answer_probe(),
        Some(Inside::Run) => runner::run(&chosen, &arguments, Ok(())),
        None if chosen.is_empty() => runner::run(&chosen, &arguments, Ok(())),
        None => match namespace::probe() {
            Ok(()) => namespace::run_again_inside(),
            Err(why) => runner::run(&chosen, &arguments, Err(why)),
        },
    }
}
