//! The page: hand-written files that are part of the program, and ask nobody but the node that serves them.

use super::parse::Head;
use super::response::{Response, Status};

/// What the page may do: load these files, and ask its own node. Nothing else runs, and nobody frames it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'";

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Targets, what they are, and what they hold.
const FILES: [(&str, &str, &str); 11] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/page/style.css", STYLE, include_str!("page/style.css")),
    ("/page/main.js", SCRIPT, include_str!("page/main.js")),
    ("/page/api.js", SCRIPT, include_str!("page/api.js")),
    ("/page/data.js", SCRIPT, include_str!("page/data.js")),
    ("/page/details.js", SCRIPT, include_str!("page/details.js")),
    ("/page/log.js", SCRIPT, include_str!("page/log.js")),
    ("/page/place.js", SCRIPT, include_str!("page/place.js")),
    ("/page/question.js", SCRIPT, include_str!("page/question.js")),
    ("/page/ring.js", SCRIPT, include_str!("page/ring.js")),
    ("/page/value.js", SCRIPT, include_str!("page/value.js")),
];

/// The file of the page under this target.
pub fn file(path: &str) -> Option<Response> {
    let (_, kind, text) = FILES.iter().find(|(target, ..)| *target == path)?;
    let response = Response::with_body(Status::Ok, kind, text.as_bytes())
        .field("Content-Security-Policy", POLICY)
        .field("X-Content-Type-Options", "nosniff")
        .field("Referrer-Policy", "no-referrer")
        // Another version of the program has other files.
        .field("Cache-Control", "no-cache");
    Some(if path == "/" { response.field("Vary", "Accept") } else { response })
}

/// What `GET /` shows: the page to a browser, and a list of what there is to everybody else.
pub fn index(head: &Head<'_>) -> Response {
    let wants_page = head.values("accept").any(|kinds| kinds.split(|byte| *byte == b',').any(is_html));
    let list = || Response::with_body(Status::Ok, "text/plain; charset=utf-8", *include_bytes!("index.txt"));
    let list = || list().field("Vary", "Accept").field("Cache-Control", "no-cache");
    file("/").filter(|_| wants_page).unwrap_or_else(list)
}

/// True of an element of `Accept` that names HTML, but not to say that it is not wanted (RFC 9110, section 12.4.2).
fn is_html(kind: &[u8]) -> bool {
    let mut parts = kind.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let is_none = |weight: &[u8]| weight.iter().all(|byte| matches!(byte, b'0' | b'.'));
    let is_unwanted = |part: &[u8]| matches!(part, [b'q' | b'Q', b'=', weight @ ..] if is_none(weight));
    parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/html")) && !parts.any(is_unwanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_for_those_who_want_html() {
        for (accept, wanted) in [
            ("text/html", true),
            ("text/plain, TEXT/HTML;q=0.5", true),
            ("text/html;q=1.0;level=1", true),
            ("*/*", false),
            ("text/html;q=0", false),
            ("text/html; Q=0.000, text/plain", false),
        ] {
            assert_eq!(accept.split(',').any(|kind| is_html(kind.as_bytes())), wanted, "{accept}");
        }
    }

    #[test]
    fn the_page_is_small_and_names_no_other_site() {
        let bytes: usize = FILES.iter().map(|(.., text)| text.len()).sum();
        assert!(bytes <= 60 * 1024, "{bytes} bytes");
        for (target, _, text) in FILES {
            let foreign = text
                .split("://")
                .skip(1)
                .find(|rest| !rest.starts_with("${addr}/") && !rest.starts_with("www.w3.org/"));
            assert_eq!(foreign, None, "{target}");
        }
    }

    #[test]
    fn every_file_that_the_page_asks_for_is_there_and_no_other() {
        let asked = |target: &str| FILES.iter().any(|(.., text)| text.contains(target));
        for (target, ..) in FILES {
            assert!(asked(target), "nothing asks for {target}");
        }
        let words = FILES.iter().flat_map(|(.., text)| text.split(['"', '\'']));
        for target in words.filter(|word| word.starts_with("/page/")) {
            assert!(file(target).is_some(), "{target}");
        }
    }

    #[test]
    fn nothing_in_the_page_makes_html_of_text() {
        for (target, _, text) in FILES {
            for sink in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "style=", "onclick="]
            {
                assert!(!text.contains(sink), "{target} has {sink}");
            }
        }
    }
}
