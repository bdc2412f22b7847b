//! Whether the system gives the process what it needs: threads and files. Libraries that get none end the program
//! without a word that helps; so they are asked for at the start, and given back.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Barrier};
use std::thread;

/// Files that a node opens: sockets, signals, the database, and those by which it waits for all of them.
const FILES: usize = 16;

/// Threads beside the first: for waiting, for the disk, for names.
const THREADS: usize = 3;

/// Asks for all of it.
///
/// # Errors
/// What the system refuses, and the limit that is to be raised.
pub fn look() -> Result<(), String> {
    let files: io::Result<Vec<_>> = (0..FILES).map(|_| io::stdin().as_fd().try_clone_to_owned()).collect();
    match files {
        // Without standard input there is nothing to try it with.
        Err(error) if error.kind() != io::ErrorKind::InvalidInput && is_refused(&error) => {
            return Err(format!("the system gives no more files: {error}{}", advice(&error)));
        }
        _ => {}
    }
    let all = Arc::new(Barrier::new(THREADS + 1));
    let mut started = Vec::new();
    for at in 0..THREADS {
        let others = Arc::clone(&all);
        match thread::Builder::new().spawn(move || others.wait()) {
            Ok(one) => started.push(one),
            Err(error) => {
                // Those that were started wait for as many as are missing: the program ends with them.
                let had = at + 1;
                return Err(format!(
                    "the system gives no thread, or no memory for one: {error}. This one has {had} and needs {}: raise \
                     the limit of processes (ulimit -u, pids.max) or of memory (ulimit -v)",
                    THREADS + 1
                ));
            }
        }
    }
    all.wait();
    started.into_iter().for_each(|one| drop(one.join()));
    Ok(())
}

/// What to do about an error, as the end of a text that tells it.
pub fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        _ if is_refused(error) => ". Raise the limit of open files (ulimit -n)",
        // EAGAIN, ENOMEM: of a thread.
        Some(11 | 12) => ". Raise the limit of processes (ulimit -u, pids.max) or of memory (ulimit -v)",
        _ => "",
    }
}

fn is_refused(error: &io::Error) -> bool {
    // EMFILE, ENFILE.
    matches!(error.raw_os_error(), Some(23 | 24))
}
