use super::*;

fn head(text: &str) -> Head<'_> {
    match parse(text.as_bytes()) {
        Ok(Some((head, taken))) => {
            assert_eq!(taken, text.len());
            head
        }
        other => panic!("{text:?}: {other:?}"),
    }
}

fn status(text: impl AsRef<[u8]>) -> Option<Status> {
    parse(text.as_ref()).err().map(|refusal| refusal.status)
}

/// A request whose header section holds these lines beside Host.
fn with(lines: &str) -> String {
    format!("PUT /storage/k HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n")
}

#[test]
fn a_request_is_taken_apart() {
    let head = head(
        "GET /storage/a%2Fb?x=1&y HTTP/1.1\r\nHost: sky.example:4321\r\nif-MATCH:\t\"1\" \r\nX:\r\nIf-Match: *\r\n\r\n",
    );
    assert_eq!((head.method, head.path, head.query), (Method::Get, "/storage/a%2Fb", "x=1&y"));
    assert_eq!(head.values("If-Match").collect::<Vec<_>>(), [b"\"1\"".as_slice(), b"*"]);
    assert_eq!(head.values("x").collect::<Vec<_>>(), [b""]);
    assert!(head.keep_alive && !head.old && !head.expects_continue && head.framing == Framing::Absent);
}

#[test]
fn what_follows_the_header_section_is_left() {
    let text = b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /next";
    let (_, taken) = parse(text).unwrap().unwrap();
    assert_eq!(text[taken..], *b"GET /next");
}

#[test]
fn every_beginning_of_a_request_waits_for_more() {
    let text = with("Content-Length: 3\r\nExpect: 100-continue");
    for end in 0..text.len() {
        assert_eq!(parse(&text.as_bytes()[..end]), Ok(None), "{:?}", &text[..end]);
    }
    assert_eq!(head(&text).framing, Framing::Length(3));
}

#[test]
fn one_empty_line_before_a_request_is_forgiven() {
    assert_eq!(head("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").path, "/");
    assert_eq!(status("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), Some(Status::BadRequest));
}

#[test]
fn other_protocols_are_recognised_by_their_first_bytes() {
    for text in [&b"\x16\x03\x01\x02\x00\x01"[..], b"\0", b"\xff\xfe", b"GET\t/", b"(GET", b"GET /\x7f", b"\nGET"] {
        assert_eq!(status(text), Some(Status::BadRequest), "{text:?}");
    }
    assert_eq!(status("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Some(Status::VersionNotSupported));
}

#[test]
fn request_lines_have_three_parts_and_nothing_else() {
    for line in [
        "GET /",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET / / HTTP/1.1",
        "GET storage HTTP/1.1",
        "GET /a#b HTTP/1.1",
        "GET /ü HTTP/1.1",
        "GET h:80 HTTP/1.1",
        "GET http:///k HTTP/1.1",
        "GET https:// HTTP/1.1",
        "GET http://u@h/ HTTP/1.1",
        "GET http://u:p@h/ HTTP/1.1",
        "GET http://:80/ HTTP/1.1",
        "GET http://h:x/ HTTP/1.1",
        "GET http://[::1/ HTTP/1.1",
        "GET ftp://h/ HTTP/1.1",
        "GET * HTTP/1.1",
        "OPTIONS *?a HTTP/1.1",
        "GET /% HTTP/1.1",
        "GET /%4 HTTP/1.1",
        "GET /?a=%g0 HTTP/1.1",
        "GET /a|b HTTP/1.1",
        "GET /{a} HTTP/1.1",
        "GET /?[ HTTP/1.1",
        "GET /\\ HTTP/1.1",
        "GET /^ HTTP/1.1",
        "GET /\" HTTP/1.1",
        "G(T / HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1.10",
        "GET / HTTP/11",
        "GET / HTTP/1.x",
        "GET /\rx HTTP/1.1",
        "",
    ] {
        assert_eq!(status(format!("{line}\r\nHost: h\r\n\r\n")), Some(Status::BadRequest), "{line:?}");
    }
    assert_eq!(status("GET / HTTP/3.0\r\n\r\n"), Some(Status::VersionNotSupported));
    assert!(!head("GET / HTTP/1.9\r\nHost: h\r\n\r\n").old);
}

#[test]
fn targets_come_as_proxies_send_them_too() {
    for (target, host, path, query) in [
        ("GET http://a:1/storage/k?q", "a:1", "/storage/k", "q"),
        ("GET HTTP://[::1]/?", "[::1]", "/", ""),
        ("GET http://a", "a", "/", ""),
        ("GET http://a?q", "a", "/", "q"),
        ("OPTIONS http://a", "a", "*", ""),
        ("OPTIONS http://a/", "a", "/", ""),
        ("OPTIONS *", "h", "*", ""),
        ("GET //a/x", "h", "//a/x", ""),
        ("GET /a/../%2E%2e/x:@!$&'()*+,;=~?/?", "h", "/a/../%2E%2e/x:@!$&'()*+,;=~", "/?"),
    ] {
        // The host of the target counts, whatever Host says (RFC 9112, section 3.2.2).
        let text = format!("{target} HTTP/1.1\r\nHost: h\r\n\r\n");
        let head = head(&text);
        assert_eq!((head.host, head.path, head.query), (Some(host), path, query), "{target}");
    }
    assert_eq!(status("GET https://h/ HTTP/1.1\r\nHost: h\r\n\r\n"), Some(Status::Misdirected));
    assert_eq!(head("GET http://a/ HTTP/1.0\r\n\r\n").host, Some("a"));
    assert_eq!(status("CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n"), Some(Status::NotImplemented));
}

#[test]
fn lines_end_in_cr_lf_only() {
    for text in [
        "GET / HTTP/1.1\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\n",
        "GET / HTTP/1.1\r\nHost: h\r\nA: b\rC: d\r\n\r\n",
        "GET / HTTP/1.1\r\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\n\n",
    ] {
        assert_eq!(status(text), Some(Status::BadRequest), "{text:?}");
    }
}

#[test]
fn fields_are_one_name_one_colon_one_line() {
    for line in [
        "A : b",
        "A\t: b",
        " A: b",
        "A: b\r\n folded",
        "A: b\r\n\tfolded",
        ": b",
        "no colon",
        "A(: b",
        "Ä: b",
        "A: \0",
        "A: \x0b",
        "A: \x7f",
    ] {
        assert_eq!(status(with(line)), Some(Status::BadRequest), "{line:?}");
    }
    assert_eq!(head(&with("A: b:c, \"d\" \u{e4}")).values("a").next(), Some("b:c, \"d\" \u{e4}".as_bytes()));
}

#[test]
fn there_is_one_host() {
    assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), Some(Status::BadRequest));
    assert_eq!(status(with("host: h")), Some(Status::BadRequest));
    let said = |host: &str| status(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    for host in [
        "a b", "a/b", "a@b", "<a>", "h, i\"", "\u{e4}", "a:b", "a:1:2", "a:-1", "::1", "[::1", "[a]", "[::1]a",
        "[::1]:x", "[]", "a%", "a%4", "a%zz", "http://a", "a?", "a#", "a\\b", "a|b",
    ] {
        assert_eq!(said(host), Some(Status::BadRequest), "{host:?}");
    }
    for host in [
        "",
        "a",
        "a:",
        "a:80",
        ":80",
        "A-b_c.d~",
        "a%41",
        "1.2.3.4:5",
        "[::1]",
        "[::1]:",
        "[fd00::A]:80",
        "!$&'()*+,;=",
    ] {
        assert_eq!(said(host), None, "{host:?}");
    }
    assert_eq!(status("GET http://a/ HTTP/1.1\r\n\r\n"), Some(Status::BadRequest), "a target does not replace it");
    assert_eq!(status("GET http://a/ HTTP/1.1\r\nHost: <\r\n\r\n"), Some(Status::BadRequest));
    assert!(head("GET / HTTP/1.0\r\n\r\n").old);
    assert_eq!(status("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), Some(Status::BadRequest));
}

#[test]
fn a_body_has_one_length_or_chunks() {
    for (lines, framing) in [
        ("Content-Length: 0", Framing::Length(0)),
        ("Content-Length: 007", Framing::Length(7)),
        ("Content-Length: 5\r\ncontent-length: 5", Framing::Length(5)),
        ("Content-Length: 5, 5", Framing::Length(5)),
        ("Content-Length: 99999999999999999999999999", Framing::Length(u64::MAX)),
        ("Transfer-Encoding: chunked", Framing::Chunked),
        ("transfer-encoding: CHUNKED", Framing::Chunked),
        ("Connection: keep-alive", Framing::Absent),
    ] {
        assert_eq!(head(&with(lines)).framing, framing, "{lines:?}");
    }
    for lines in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: 5,",
        "Content-Length:",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 5;",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding:",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding : chunked",
    ] {
        assert_eq!(status(with(lines)), Some(Status::BadRequest), "{lines:?}");
    }
    assert_eq!(status(with("Transfer-Encoding: gzip, chunked")), Some(Status::NotImplemented));
    assert_eq!(
        status("PUT /storage/k HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Some(Status::BadRequest),
        "chunks of a version that has none"
    );
}

#[test]
fn connections_stay_open_unless_somebody_says_otherwise() {
    let old = |lines: &str| head(&format!("GET / HTTP/1.0\r\n{lines}\r\n\r\n")).keep_alive;
    assert!(head(&with("Connection: Upgrade")).keep_alive);
    assert!(!head(&with("Connection: foo, Close")).keep_alive);
    assert!(!head(&with("Connection: keep-alive\r\nConnection: close")).keep_alive);
    assert!(!old("A: b"));
    assert!(old("Connection: Keep-Alive"));
}

#[test]
fn nothing_is_expected_but_continue() {
    assert!(head(&with("Expect: 100-Continue")).expects_continue);
    assert!(!head("PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue);
    assert!(head(&with("Expect: , 100-continue,,")).expects_continue && !head(&with("Expect:")).expects_continue);
    for lines in ["Expect: a-miracle", "Expect: 100-continue, x", "Expect: 100-continue\r\nExpect: x"] {
        assert_eq!(status(with(lines)), Some(Status::ExpectationFailed), "{lines}");
    }
}

#[test]
fn bounds_hold_to_the_byte() {
    let line = |length: usize| {
        let path = "a".repeat(length - "GET / HTTP/1.1\r\n".len());
        format!("GET /{path} HTTP/1.1\r\nHost: h\r\n\r\n")
    };
    assert_eq!(status(line(LINE_MAX)), None);
    assert_eq!(status(line(LINE_MAX + 1)), Some(Status::UriTooLong));
    assert_eq!(status("G".repeat(LINE_MAX + 1)), Some(Status::UriTooLong));

    let fields = |length: usize| {
        let value = "a".repeat(length - "Host: h\r\nA: \r\n\r\n".len());
        format!("GET / HTTP/1.1\r\nHost: h\r\nA: {value}\r\n\r\n")
    };
    assert_eq!(status(fields(FIELDS_BYTES_MAX)), None);
    assert_eq!(status(fields(FIELDS_BYTES_MAX + 1)), Some(Status::FieldsTooLarge));

    let count = |count: usize| format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(count - 1));
    assert_eq!(status(count(FIELDS_MAX)), None);
    assert_eq!(status(count(FIELDS_MAX + 1)), Some(Status::FieldsTooLarge));
}

#[test]
fn escapes_are_taken_out_once_and_only_if_whole() {
    assert_eq!(unescape("a%2Fb%00%c3%BC+", false).unwrap(), "a/b\0ü+".as_bytes());
    assert_eq!(unescape("a+%2B%20", true).unwrap(), b"a + ");
    assert_eq!(unescape("%252F", false).unwrap(), b"%2F");
    for wrong in ["%", "%1", "%g0", "%0g", "a%", "%%41", "%+1", "%é"] {
        assert_eq!(unescape(wrong, false), None, "{wrong:?}");
    }
}

#[test]
fn what_is_escaped_reads_back() {
    let all: Vec<u8> = (0..=255).collect();
    let text = escape(&all);
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#&+=".contains(&byte)));
    assert_eq!(unescape(&text, false).unwrap(), all);
    assert_eq!(unescape(&text, true).unwrap(), all);
}

/// Random bytes, and requests with random bytes in them: none may panic, and what is understood lies within the input.
#[test]
fn any_bytes_are_harmless() {
    let mut rng = crate::rng::Rng::new(1);
    let good = with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\nConnection: close");
    for _ in 0..20_000 {
        let mut bytes = good.as_bytes().to_vec();
        for _ in 0..=rng.below(4) {
            let at = rng.index(bytes.len());
            match rng.below(3) {
                0 => bytes[at] = rng.next_u64() as u8,
                1 => bytes.truncate(at + 1),
                _ => bytes.insert(at, b"\r\n :,%\0\xff"[rng.index(8)]),
            }
        }
        if let Ok(Some((head, taken))) = parse(&bytes) {
            assert!(taken <= bytes.len());
            let _ = unescape(head.path, false);
        }
        let _ = super::super::chunks::Chunks::default().read(&bytes, &mut Vec::new(), 100);
    }
}
