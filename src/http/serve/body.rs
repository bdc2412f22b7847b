//! The body of a request.

use super::super::budget::Share;
use super::super::chunks::Chunks;
use super::super::parse::Framing;
use super::super::response::{Response, Status};
use super::super::table::Told;
use super::{Connection, Stop, Turn, too_slow};
use std::io;
use std::sync::Arc;
use std::time::Instant;

impl Connection {
    /// Reads it, within what it may take.
    pub(super) async fn body(&mut self, turn: &Turn, share: &mut Share) -> Result<Vec<u8>, Stop> {
        let max = turn.plan.body_max;
        let deadline = Instant::now() + self.limits.body;
        let mut body = Vec::new();
        let mut expected = turn.expects_continue;
        match turn.framing {
            Framing::Absent => {}
            Framing::Length(length) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                if length > max {
                    return Err(Stop::Refuse(turn.plan.too_large()));
                }
                if !share.grow_to(length).await {
                    return Err(Stop::Refuse(crowded()));
                }
                body.reserve_exact(length);
                loop {
                    let here = self.buffer.len().min(length - body.len());
                    body.extend(self.buffer.drain(..here));
                    if body.len() == length {
                        break;
                    }
                    self.more(deadline, &mut expected).await?;
                }
            }
            Framing::Chunked => {
                let mut chunks = Chunks::default();
                loop {
                    let used = chunks.read(&self.buffer, &mut body, max).map_err(|refusal| match refusal.status {
                        Status::ContentTooLarge => Stop::Refuse(turn.plan.too_large()),
                        _ => refusal.into(),
                    })?;
                    if !share.grow_to(body.capacity()).await {
                        return Err(Stop::Refuse(crowded()));
                    }
                    self.buffer.drain(..used.min(self.buffer.len()));
                    if chunks.is_done() {
                        break;
                    }
                    self.more(deadline, &mut expected).await?;
                }
            }
        }
        Ok(body)
    }

    /// Waits for more of a body; says first that it may come, if the client waits for that.
    async fn more(&mut self, deadline: Instant, expected: &mut bool) -> Result<(), Stop> {
        if std::mem::take(expected) && self.buffer.is_empty() {
            self.out.clear();
            self.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            self.send(&Arc::default()).await?;
        }
        match self.read(deadline, Told::Cut).await {
            Ok(0) => Err(Stop::Quiet(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(Stop::Refuse(too_slow())),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {
                self.shared.site.traffic.cut();
                Err(Stop::Refuse(too_slow()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The answer where bodies would take too much memory.
pub(super) fn crowded() -> Response {
    let detail = "Too many long values are under way through this node, nothing was changed: try again.";
    Response::problem(Status::ServiceUnavailable, detail).field("Retry-After", 1)
}
