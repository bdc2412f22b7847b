//! What the grammars of fields and chunks have in common (RFC 9110, section 5.6). Each function takes something off the
//! beginning of a text and returns the rest.

/// The characters of methods and names (section 5.6.2).
pub const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// Spaces and tabs, if there are any.
pub fn blanks(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(text.len());
    text.get(end..).unwrap_or_default()
}

/// A token.
pub fn token(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().position(|&byte| !is_token(byte)).unwrap_or(text.len());
    if end == 0 { None } else { text.get(end..) }
}

/// A quoted string (section 5.6.4).
pub fn quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        let (byte, after) = match rest.split_first()? {
            (b'"', after) => return Some(after),
            (b'\\', after) => after.split_first()?,
            plain => plain,
        };
        if byte.is_ascii_control() && *byte != b'\t' {
            return None;
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_string_ends_where_no_backslash_stands_before_the_quote() {
        for (text, rest) in [
            (&b"\"\""[..], Some(&b""[..])),
            (b"\"a\tb\xff\"c", Some(b"c")),
            (br#""a\"b\\";"#, Some(b";")),
            (br#""a\""#, None),
            (br#""a"#, None),
            (b"\"a\x7f\"", None),
            (b"\"a\\\0\"", None),
            (b"a\"\"", None),
            (b"", None),
        ] {
            assert_eq!(quoted(text), rest, "{}", text.escape_ascii());
        }
    }
}
