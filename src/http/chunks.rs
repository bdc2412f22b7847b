//! The chunked transfer coding (RFC 9112, section 7), one piece at a time.

use super::parse::{FIELDS_BYTES_MAX, FIELDS_MAX, Lines, Refusal, bad, field};
use super::response::Status;
use super::strict::is_late;
use super::syntax::{blanks, quoted, token};

/// The longest line that begins a chunk, in bytes: its size, and extensions that nobody here understands.
pub const CHUNK_LINE_MAX: usize = 256;

/// Takes chunks apart; keeps where it is between two pieces of the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunks {
    state: State,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailer {
        fields: usize,
        bytes_left: usize,
    },
    Done,
}

impl Chunks {
    /// True once the body has come to its end.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Reads on, appends what the chunks hold to `body`, and returns how many bytes of the input were used. What is
    /// left over is to be handed in again, together with what comes next; after the end it belongs to the next request.
    ///
    /// # Errors
    /// The coding is broken, or the body would grow beyond `max` bytes.
    pub fn read(&mut self, input: &[u8], body: &mut Vec<u8>, max: usize) -> Result<usize, Refusal> {
        let mut lines = Lines { rest: input, taken: 0 };
        loop {
            match &mut self.state {
                State::Size => {
                    let Some(line) = lines.next(&mut { CHUNK_LINE_MAX }, Status::BadRequest)? else { break };
                    let size = size(line)?;
                    if size > (max.saturating_sub(body.len())) as u64 {
                        return Err(Refusal { status: Status::ContentTooLarge, detail: "The body is too long." });
                    }
                    self.state = match size {
                        0 => State::Trailer { fields: 0, bytes_left: FIELDS_BYTES_MAX },
                        _ => State::Data(size),
                    };
                }
                State::Data(left) => {
                    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(lines.rest.len());
                    let Some((data, rest)) = lines.rest.split_at_checked(here) else { break };
                    body.extend_from_slice(data);
                    lines.rest = rest;
                    lines.taken += here;
                    *left -= here as u64;
                    if *left > 0 {
                        break;
                    }
                    self.state = State::DataEnd;
                }
                State::DataEnd => match lines.rest {
                    [b'\r', b'\n', rest @ ..] => {
                        lines.rest = rest;
                        lines.taken += 2;
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => break,
                    _ => return bad("A chunk is longer than its size says."),
                },
                State::Trailer { fields, bytes_left } => match lines.next(bytes_left, Status::FieldsTooLarge)? {
                    None => break,
                    Some([]) => {
                        self.state = State::Done;
                        break;
                    }
                    Some(line) => {
                        // Trailers mean nothing to this server, but they have to be well formed, and what would have
                        // meant something before the body is not passed over.
                        if is_late(field(line)?.0) {
                            return bad("A field of Sky's own, a condition, or what the content is, comes behind the \
                                        body, and nothing was done: send it before the body.");
                        }
                        *fields += 1;
                        if *fields > FIELDS_MAX {
                            let detail = "A trailer section has at most 64 fields.";
                            return Err(Refusal { status: Status::FieldsTooLarge, detail });
                        }
                    }
                },
                State::Done => break,
            }
        }
        Ok(lines.taken)
    }
}

/// The size that a chunk begins with, its extensions checked and left out.
fn size(line: &[u8]) -> Result<u64, Refusal> {
    let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (number, rest) = line.split_at_checked(digits).unwrap_or_default();
    if extensions(rest).is_none() {
        return bad("A chunk begins with its size in hexadecimal digits, and perhaps ;name=value.");
    }
    let number = str::from_utf8(number).unwrap_or_default();
    // More than 16 digits do not fit, even if the first are zeros: nobody writes that in good faith.
    match u64::from_str_radix(number, 16) {
        Ok(size) if number.len() <= 16 => Ok(size),
        _ => bad("A chunk begins with its size in 1 to 16 hexadecimal digits."),
    }
}

/// Reads over extensions (RFC 9112, section 7.1.1) to the end of the line. → `None` if something else stands there.
fn extensions(mut rest: &[u8]) -> Option<()> {
    while !rest.is_empty() {
        let name = blanks(rest).strip_prefix(b";")?;
        rest = token(blanks(name))?;
        if let Some(value) = blanks(rest).strip_prefix(b"=") {
            let value = blanks(value);
            rest = if value.starts_with(b"\"") { quoted(value) } else { token(value) }?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(input: &[u8], max: usize) -> Result<(Vec<u8>, usize, bool), Refusal> {
        let (mut chunks, mut body) = (Chunks::default(), Vec::new());
        let used = chunks.read(input, &mut body, max)?;
        Ok((body, used, chunks.is_done()))
    }

    #[test]
    fn chunks_are_joined_and_what_follows_is_left() {
        let input = b"4\r\nWiki\r\n6;name=\"v\"\r\npedia \r\nE ; x\r\nin \r\n\r\nchunks.\r\n0\r\nTrailer: t\r\n\r\nGET";
        let (body, used, done) = read_all(input, 100).unwrap();
        assert_eq!(body, b"Wikipedia in \r\n\r\nchunks.");
        assert!(done && input[used..] == *b"GET");
    }

    #[test]
    fn every_way_to_cut_the_body_gives_the_same() {
        let input = b"3\r\nabc\r\n00a;e\r\n0123456789\r\n0\r\nA: b\r\n\r\n";
        for cut in 0..input.len() {
            let (mut chunks, mut body) = (Chunks::default(), Vec::new());
            let used = chunks.read(&input[..cut], &mut body, 100).unwrap();
            assert!(used <= cut && !chunks.is_done());
            let rest = &input[used..];
            assert_eq!(chunks.read(rest, &mut body, 100), Ok(rest.len()), "cut at {cut}");
            assert!(chunks.is_done());
            assert_eq!(body, b"abc0123456789");
        }
    }

    #[test]
    fn broken_codings_are_refused() {
        let wrong: [&[u8]; 23] = [
            b"\r\n",
            b"g\r\n",
            b"+5\r\nhello\r\n",
            b"-5\r\n",
            b"0x5\r\nhello\r\n",
            b"5 \r\nhello\r\n",
            b" 5\r\nhello\r\n",
            b"5\nhello\r\n",
            b"5\r\nhelloo\r\n",
            b"5\r\nhello\n",
            b"5\r\nhello\rX",
            b"5;\r\nhello\r\n",
            b"5;\x00\r\nhello\r\n",
            b"5;a\rb\r\nhello\r\n",
            b"00000000000000005\r\nhello\r\n",
            b"fffffffffffffffff\r\n",
            b"0\r\nno colon\r\n\r\n",
            b"0\r\n folded: x\r\n\r\n",
            b"0\r\nA: b\n\r\n",
            b"0\r\nSky-TTL: 60\r\n\r\n",
            b"0\r\nif-none-match: *\r\n\r\n",
            b"0\r\nContent-Range: bytes 0-4/9\r\n\r\n",
            b"\xff\r\n",
        ];
        for input in wrong {
            let refused = read_all(input, 100).map_err(|refusal| refusal.status);
            assert_eq!(refused, Err(Status::BadRequest), "{:?}", String::from_utf8_lossy(input));
        }
    }

    #[test]
    fn extensions_are_read_to_their_end() {
        for (extensions, good) in [
            (";a", true),
            (";a=b", true),
            (";a=\"\"", true),
            (" ;\ta = \"b;\\\" \u{e4}\" ; c", true),
            (";a;b=c;d=\"e\"", true),
            (";", false),
            (";;a", false),
            (";a;", false),
            (";a ", false),
            (";a=", false),
            (";a=;b", false),
            (";=b", false),
            (";a b", false),
            (";a=b c", false),
            (";a=\"b", false),
            (";a=\"b\\\"", false),
            (";a=\"b\"c", false),
            (";a=\"\x7f\"", false),
            (";a=(b)", false),
            (";a=b\x01", false),
            ("a=b", false),
            (",a=b", false),
            (" ", false),
        ] {
            let input = format!("1{extensions}\r\nx\r\n0{extensions}\r\n\r\n");
            assert_eq!(read_all(input.as_bytes(), 9).is_ok(), good, "{extensions:?}");
        }
    }

    #[test]
    fn bounds_hold_before_anything_is_stored() {
        let status = |input: &[u8]| read_all(input, 4).map_err(|refusal| refusal.status);
        assert_eq!(status(b"4\r\nabcd\r\n0\r\n\r\n").map(|(body, ..)| body.len()), Ok(4));
        assert_eq!(status(b"5\r\n"), Err(Status::ContentTooLarge));
        assert_eq!(status(b"ffffffffffffffff\r\n"), Err(Status::ContentTooLarge));
        assert_eq!(status(b"3\r\nabc\r\n2\r\n"), Err(Status::ContentTooLarge));
        assert_eq!(status(&[b'0'; CHUNK_LINE_MAX + 1]), Err(Status::BadRequest));
        let endless = [b"0\r\n".as_slice(), &b"A: b\r\n".repeat(FIELDS_MAX + 1)].concat();
        assert_eq!(status(&endless), Err(Status::FieldsTooLarge));
        let long = [b"0\r\nA: ".as_slice(), &[b'b'; FIELDS_BYTES_MAX]].concat();
        assert_eq!(status(&long), Err(Status::FieldsTooLarge));
    }
}
