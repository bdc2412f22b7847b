//! What comes and goes over a connection.

use super::{Connection, unix_time};
use crate::http::response::{Line, Response};
use crate::http::table::{Class, Stage, Told};
use smol::{Timer, future};
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes read from a connection at one time.
const READ_SIZE: usize = 8192;

/// Bytes of a long body after which it counts as coming on.
const STEP: usize = 16 << 10;

/// What is still read after the last answer, so that the client gets to see it: closing a socket with unread bytes
/// resets the connection, and a reset throws away what is still under way.
const LINGER_SIZE: usize = 1 << 20;
const LINGER_TIME: Duration = Duration::from_secs(2);

impl Connection {
    /// Appends to the buffer what has come, or waits for it, unless the connection is told otherwise. → how many
    /// bytes; none if there will be no more.
    pub(super) async fn read(&mut self, deadline: Instant, unless: Told) -> io::Result<usize> {
        loop {
            match self.read_now() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.wait(deadline, self.stream.readable(), unless).await?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(length) => {
                    self.comes_on(length);
                    return Ok(length);
                }
                failed => return failed,
            }
        }
    }

    // Apart from the waiting, so that an idle connection holds no buffer of this size.
    pub(super) fn read_now(&mut self) -> io::Result<usize> {
        let mut piece = [0; READ_SIZE];
        let length = self.stream.get_ref().read(&mut piece)?;
        self.buffer.extend_from_slice(piece.get(..length).unwrap_or_default());
        Ok(length)
    }

    /// So many bytes have come or gone. Of a long body it takes some for others to wait for the rest.
    fn comes_on(&mut self, bytes: usize) {
        self.moved += bytes;
        if self.moved >= STEP || self.seat.held() == 0 {
            self.moved = 0;
            self.seat.come_on();
        }
    }

    /// Waits for the socket until the deadline, or until the connection is told something.
    async fn wait(
        &self,
        deadline: Instant,
        ready: impl Future<Output = io::Result<()>>,
        unless: Told,
    ) -> io::Result<()> {
        let told = async {
            self.seat.told(unless).await;
            Err(ErrorKind::ConnectionAborted.into())
        };
        let late = async {
            Timer::at(deadline).await;
            Err(ErrorKind::TimedOut.into())
        };
        future::or(ready, future::or(told, late)).await
    }

    pub(super) async fn respond(&mut self, response: &Response, line: Line) -> io::Result<()> {
        self.out.clear();
        let body = response.write(&mut self.out, Line { unix_time: unix_time(), ..line });
        self.send(&body).await
    }

    /// Sends what is in `out`, and this behind it.
    pub(super) async fn send(&mut self, body: &Arc<[u8]>) -> io::Result<()> {
        let deadline = Instant::now() + self.limits.write;
        let mut sent = 0;
        while sent < self.out.len() + body.len() {
            let head = self.out.get(sent..).unwrap_or_default();
            let rest = body.get(sent.saturating_sub(self.out.len())..).unwrap_or_default();
            let mut stream = self.stream.get_ref();
            match stream.write_vectored(&[IoSlice::new(head), IoSlice::new(rest)]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(length) => {
                    sent += length;
                    self.comes_on(length);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.wait(deadline, self.stream.writable(), Told::Cut).await.inspect_err(|error| {
                        if error.kind() == ErrorKind::ConnectionAborted {
                            self.shared.site.traffic.cut();
                        }
                    })?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Closes in a way that lets the client read the last answer.
    pub(super) async fn linger(mut self) -> io::Result<()> {
        self.seat.set_stage(Stage::Sending);
        self.seat.set_class(Class::Parting);
        // One that was answered as it wished to be, and has sent nothing more, has all that it needs.
        if self.is_done && matches!(self.read_now(), Err(error) if error.kind() == ErrorKind::WouldBlock) {
            return Ok(());
        }
        self.stream.get_ref().shutdown(Shutdown::Write)?;
        let deadline = Instant::now() + LINGER_TIME;
        let mut read = 0;
        (self.buffer, self.out) = Default::default();
        while read < LINGER_SIZE {
            match self.read_now() {
                Ok(0) => break,
                Ok(length) => read += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    before(deadline, self.stream.readable()).await?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.buffer.clear();
        }
        Ok(())
    }
}

/// What the work gives, or `TimedOut` if the deadline comes first.
async fn before<T>(deadline: Instant, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    future::or(work, async {
        Timer::at(deadline).await;
        Err(ErrorKind::TimedOut.into())
    })
    .await
}
