//! Standard error of a node that outlives whatever takes its log.
//!
//! The logger writes to standard error, where a full disk would end the program, and a pipe that nobody reads would
//! stop the node. So standard error leads into a pipe of the program's own. One thread always empties it; another
//! writes the lines to where the log goes, and may wait there for as long as that takes.

use super::room::advice;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::stdio::dup2_stderr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{panic, thread};

/// Bytes of lines that wait to be written; further lines are lost.
const WAITING_MAX: usize = 1 << 20;
/// Bytes of a line that are written at once.
const LINE_MAX: u64 = 4096;
/// How long the last lines may take when the program ends.
const END_TIME: Duration = Duration::from_secs(1);
/// What the two threads need is little.
const STACK: usize = 64 << 10;

/// The way of the log to where it goes.
pub struct Relay {
    real: Arc<File>,
    /// Closed once all lines are written.
    written: Mutex<Receiver<()>>,
}

impl Relay {
    /// Leads standard error through the relay, until its end. A panic is told after the lines before it.
    ///
    /// # Errors
    /// The system has no pipe or no thread left.
    pub fn start() -> Result<Arc<Self>, String> {
        let relay = lead().map_err(|error| format!("the log cannot be started: {error}{}", advice(&error)))?;
        let (of_hook, told) = (Arc::clone(&relay), panic::take_hook());
        panic::set_hook(Box::new(move |what| {
            of_hook.end();
            told(what);
        }));
        Ok(relay)
    }

    /// Whether the log goes to a terminal.
    pub fn is_terminal(&self) -> bool {
        self.real.is_terminal()
    }

    /// Waits until all lines are written, or a second. Standard error leads to where it did before.
    pub fn end(&self) {
        // The pipe has no other writer, so its reader finds its end.
        let _ = dup2_stderr(&*self.real);
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let _: Result<(), RecvTimeoutError> = written.recv_timeout(END_TIME);
    }
}

fn lead() -> io::Result<Arc<Relay>> {
    let real = Arc::new(File::from(io::stderr().as_fd().try_clone_to_owned()?));
    let (reader, writer) = io::pipe()?;
    let (to_write, lines) = mpsc::channel();
    let (end, written) = mpsc::channel();
    let waiting = Arc::new(Waiting::default());
    let (of_reader, of_writer, out) = (Arc::clone(&waiting), waiting, Out::new(Patient(Arc::clone(&real))));
    let thread = |name: &str| thread::Builder::new().name(name.into()).stack_size(STACK);
    thread("log in").spawn(move || take(reader, &to_write, &of_reader))?;
    thread("log out").spawn(move || {
        give(&lines, out, &of_writer);
        drop(end);
    })?;
    dup2_stderr(&writer)?;
    Ok(Arc::new(Relay { real, written: Mutex::new(written) }))
}

/// What the two threads know of each other.
#[derive(Default)]
struct Waiting {
    /// Bytes that wait to be written.
    bytes: AtomicUsize,
    /// Lines that had no room there, and were not told yet.
    lost: AtomicUsize,
}

/// Takes lines until nobody writes any more. It never waits for anything else.
fn take(reader: PipeReader, to_write: &Sender<Vec<u8>>, waiting: &Waiting) {
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        match reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut line) {
            Ok(1..) => {}
            _ => return,
        }
        let length = line.len();
        let fits = waiting.bytes.fetch_add(length, Ordering::Relaxed) + length <= WAITING_MAX;
        if !fits || to_write.send(line).is_err() {
            waiting.bytes.fetch_sub(length, Ordering::Relaxed);
            waiting.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes lines until no more come.
fn give<W: Write>(lines: &Receiver<Vec<u8>>, mut out: Out<W>, waiting: &Waiting) {
    loop {
        let line = match lines.try_recv() {
            Err(TryRecvError::Empty) => {
                out.add_lost(waiting.lost.swap(0, Ordering::Relaxed));
                let _ = out.tell_lost();
                lines.recv().ok()
            }
            line => line.ok(),
        };
        let Some(line) = line else { break };
        waiting.bytes.fetch_sub(line.len(), Ordering::Relaxed);
        out.line(&line);
    }
    out.add_lost(waiting.lost.swap(0, Ordering::Relaxed));
    let _ = out.tell_lost();
}

/// Where the log goes.
struct Out<W> {
    to: W,
    /// Lines that were lost and not told yet, and why.
    lost: usize,
    why: String,
    /// The last line was cut off in its middle.
    torn: bool,
}

impl<W: Write> Out<W> {
    const fn new(to: W) -> Self {
        Self { to, lost: 0, why: String::new(), torn: false }
    }

    fn line(&mut self, line: &[u8]) {
        if let Err(error) = self.tell_lost().and_then(|()| self.put(line)) {
            self.lost += 1;
            self.why = error.to_string();
        }
    }

    /// Lines for which there was no room.
    fn add_lost(&mut self, lines: usize) {
        if lines > 0 {
            self.lost += lines;
            self.why = String::from("they were not taken in time");
        }
    }

    fn tell_lost(&mut self) -> io::Result<()> {
        if self.lost > 0 {
            let (lost, why) = (self.lost, &self.why);
            let s = if lost == 1 { "" } else { "s" };
            self.put(format!("skynode: {lost} line{s} of this log could not be written: {why}\n").as_bytes())?;
            self.lost = 0;
        }
        Ok(())
    }

    /// Writes a line, where possible in one piece, so that it does not mix with those of other programs.
    fn put(&mut self, line: &[u8]) -> io::Result<()> {
        let ended;
        let mut rest = line;
        if self.torn {
            ended = [b"\n", line].concat();
            rest = &ended;
        }
        while !rest.is_empty() {
            match self.to.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => {
                    rest = &rest[length..];
                    self.torn = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Waits where it does not take anything now, also if another program has told it not to.
struct Patient(Arc<File>);

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match (&*self.0).write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&*self.0, PollFlags::OUT)], None)?;
                }
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes in all, and no more than a few at once.
    struct Disk {
        room: usize,
        holds: Vec<u8>,
    }

    impl Write for &mut Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let length = bytes.len().min(self.room).min(16);
            if length == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= length;
            self.holds.extend(&bytes[..length]);
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_found_no_room_are_counted_and_told_before_the_next_line() {
        let mut disk = Disk { room: 24, holds: Vec::new() };
        let mut out = Out::new(&mut disk);
        out.line(b"the first one is whole\n");
        out.line(b"the second is torn\n");
        out.line(b"the third is lost\n");
        out.to.room = 1000;
        out.line(b"the fourth\n");
        out.line(b"the fifth\n");
        let why = io::Error::from(io::ErrorKind::StorageFull);
        let lost = format!("skynode: 2 lines of this log could not be written: {why}\n");
        let expected = format!("the first one is whole\nt\n{lost}the fourth\nthe fifth\n");
        assert_eq!(String::from_utf8_lossy(&disk.holds), expected);
    }

    #[test]
    fn what_does_not_flow_is_bounded_and_what_was_lost_is_told_when_it_flows_again() {
        let (reader, mut writer) = io::pipe().unwrap();
        let (to_write, lines) = mpsc::channel();
        let waiting = Waiting::default();
        let line = [b'x'; 1023];
        let fed = thread::spawn(move || {
            for _ in 0..1500 {
                writer.write_all(&[&line[..], b"\n"].concat()).unwrap();
            }
        });
        // Nothing is given on, so this ends only because it never waits for that.
        take(reader, &to_write, &waiting);
        fed.join().unwrap();
        drop(to_write);
        assert_eq!(waiting.bytes.load(Ordering::Relaxed), WAITING_MAX);
        let mut disk = Disk { room: usize::MAX, holds: Vec::new() };
        give(&lines, Out::new(&mut disk), &waiting);
        let told = String::from_utf8(disk.holds).unwrap();
        assert_eq!(told.lines().filter(|told| told.as_bytes() == line).count(), 1024);
        assert!(
            told.ends_with("x\nskynode: 476 lines of this log could not be written: they were not taken in time\n")
        );
        assert_eq!(waiting.bytes.load(Ordering::Relaxed), 0);
    }
}
