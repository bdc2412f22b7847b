//! The node: command line, logger, sockets, and the tasks that make it: one for other nodes, one for people, one for
//! signals.

mod logger;
mod options;
mod signals;

use log::info;
use options::{Exit, Options};
use skynode::config::Config;
use skynode::http::serve::{Limits, serve};
use skynode::node::{Identity, Node};
use skynode::udp::{Driver, Sockets, bind, entropy, now};
use smol::{LocalExecutor, future};
use std::io::Write;
use std::process::ExitCode;
use std::rc::Rc;

fn main() -> ExitCode {
    let options = match options::read(std::env::args_os()) {
        Ok(options) => options,
        Err(Exit::Told(text)) => {
            // A reader that has gone away, as `head` does, is no failure.
            let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(Exit::Wrong(text)) => return fail(2, &text),
    };
    match run(options) {
        Ok(code) => code,
        Err(text) => fail(1, &text),
    }
}

fn fail(code: u8, text: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "skynode: {text}");
    ExitCode::from(code)
}

fn run(options: Options) -> Result<ExitCode, String> {
    logger::start(options.log)?;
    let signals = signals::catch()?;
    let listen = options.listen;
    let Sockets { udp, tcp, addr } = bind(listen).map_err(|(protocol, error)| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!(
                "{listen} is in use ({protocol}): end the program that listens there, or choose another with --listen"
            )
        }
        _ => format!("cannot listen on {listen} ({protocol}): {error}"),
    })?;
    let advertised = options.advertise.unwrap_or(addr);
    info!("people ask this node at http://{advertised}/, other nodes at {advertised} over UDP; it listens on {addr}");
    let Options { leave_timeout, reopen_after, min_nodes, .. } = options;
    let config = Config { ring: options.ring, leave_timeout, reopen_after, min_nodes, ..Config::default() };
    let identity = Identity { addr: advertised, id: options.id };
    let entropy = entropy().map_err(|error| format!("the system has no random numbers: {error}"))?;
    let node = Node::new(config, identity, !options.join.is_empty(), entropy, now());
    let (driver, handle) = Driver::new(node, udp, options.join, min_nodes)
        .map_err(|error| format!("the UDP socket cannot be used: {error}"))?;
    // Tasks of their own, so that what wakes one does not poll the other.
    let executor = Rc::new(LocalExecutor::new());
    let driven = executor.spawn(driver.run());
    let told_to_end = executor.spawn(signals::obey(signals, handle.clone()));
    let served = executor.spawn({
        let executor = Rc::clone(&executor);
        async move { serve(&executor, tcp, handle, Limits::default()).await }
    });
    let left = async {
        // The server ends after the node, once the last answers are sent.
        served.await.map_err(|error| format!("the TCP socket cannot be used: {error}"))?;
        driven.await;
        Ok(ExitCode::SUCCESS)
    };
    smol::block_on(executor.run(future::or(left, async { Ok(told_to_end.await) })))
}
