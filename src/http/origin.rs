//! Whose page sent a request: what changes something is refused if a page of another site had a browser send it, unless
//! the operator named that site. Browsers keep answers from a page that is not told that it may see them (Fetch
//! Standard, section 3.3).

use super::parse::{Head, Method};
use super::response::{Response, Status};

/// The header fields that requests to this server may have.
const FIELDS: &str = "Content-Type, If-Match, If-None-Match, Sky-Min-Copies, Sky-Operation, Sky-TTL";

/// The header fields of answers that tell something, beside those that every page sees.
const EXPOSED: &str = "Allow, ETag, Location, Retry-After, Sky-Copies, Sky-Operation, Sky-Owner, Sky-TTL";

/// How long a browser may keep what a preflight told it, in seconds.
const MAX_AGE_S: u32 = 600;

/// The origins of other sites whose pages may use this node, each as browsers write it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl FromIterator<String> for Origins {
    fn from_iter<T: IntoIterator<Item = String>>(origins: T) -> Self {
        Self(origins.into_iter().collect())
    }
}

impl Origins {
    /// Refuses a request that may change something and that the page of a site which is not named made a browser
    /// send. Programs send no `Origin`.
    ///
    /// # Errors
    /// With the answer that refuses.
    pub fn check(&self, head: &Head<'_>) -> Result<(), Response> {
        let is_host = |from: &[u8]| head.host.is_some_and(|host| host.as_bytes().eq_ignore_ascii_case(from));
        let own = |origin: &[u8]| origin.strip_prefix(b"http://").is_some_and(is_host);
        let is_safe = matches!(head.method, Method::Get | Method::Head | Method::Options);
        if is_safe || head.values("origin").all(own) || self.named(head).is_some() {
            return Ok(());
        }
        let detail = "A page of another site may not change anything here, and nothing was done: send this without \
                      Origin, or name the site with --cors.";
        Err(Response::problem(Status::Forbidden, detail))
    }

    /// The one origin of a request, if it is among these.
    fn named(&self, head: &Head<'_>) -> Option<&str> {
        let mut origins = head.values("origin");
        match (origins.next(), origins.next()) {
            (Some(origin), None) => self.0.iter().map(String::as_str).find(|named| named.as_bytes() == origin),
            _ => None,
        }
    }

    /// What the answer to this request tells a browser.
    pub fn tells(&self, head: &Head<'_>) -> Telling {
        let is_preflight = is_preflight(head);
        Telling { varies: !self.0.is_empty(), origin: self.named(head).map(Box::from), is_preflight }
    }
}

/// True if a browser asks whether a page may send what it is about to send.
pub fn is_preflight(head: &Head<'_>) -> bool {
    head.method == Method::Options && head.values("access-control-request-method").next().is_some()
}

/// What an answer tells a browser of who may see it.
#[derive(Debug, Default)]
pub struct Telling {
    /// Another origin may get another answer.
    varies: bool,
    /// Pages of this one may see it.
    origin: Option<Box<str>>,
    /// A browser asks what these pages may send.
    is_preflight: bool,
}

impl Telling {
    /// The answer with the fields that say so.
    pub fn add_to(&self, response: Response) -> Response {
        let response = if self.varies { response.field("Vary", "Origin") } else { response };
        let Some(origin) = &self.origin else { return response };
        let methods = response.fields.iter().find(|(name, _)| *name == "Allow").map(|(_, methods)| methods.clone());
        let response =
            response.field("Access-Control-Allow-Origin", origin).field("Access-Control-Expose-Headers", EXPOSED);
        match methods {
            Some(methods) if self.is_preflight => response
                .field("Access-Control-Allow-Methods", methods)
                .field("Access-Control-Allow-Headers", FIELDS)
                .field("Access-Control-Max-Age", MAX_AGE_S),
            _ => response,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::parse::parse;

    fn tell(origins: &[&str], request: &str) -> (bool, Vec<(&'static str, String)>) {
        let origins: Origins = origins.iter().map(|&origin| origin.to_owned()).collect();
        let text = format!("{request}\r\nHost: h\r\n\r\n");
        let (head, _) = parse(text.as_bytes()).unwrap().unwrap();
        let response = Response::new(Status::NoContent).field("Allow", "GET, PUT");
        (origins.check(&head).is_ok(), origins.tells(&head).add_to(response).fields.split_off(1))
    }

    const APP: &str = "https://app.example";

    #[test]
    fn a_named_page_may_write_and_see_the_answer() {
        let (may, fields) = tell(&["http://x", APP], &format!("PUT /storage/k HTTP/1.1\r\nOrigin: {APP}"));
        let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
        assert!(may);
        assert_eq!(names, ["Vary", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers"]);
        assert_eq!(fields[1].1, APP);
        for name in ["ETag", "Location", "Sky-Copies", "Sky-Owner", "Sky-Operation", "Sky-TTL"] {
            assert!(fields[2].1.contains(name), "{name}");
        }
    }

    #[test]
    fn a_named_page_is_told_what_it_may_send() {
        let ask = format!("OPTIONS /storage/k HTTP/1.1\r\nOrigin: {APP}");
        let (may, fields) = tell(&[APP], &format!("{ask}\r\nAccess-Control-Request-Method: PUT"));
        assert!(may && fields.contains(&("Access-Control-Allow-Methods", String::from("GET, PUT"))), "{fields:?}");
        assert!(fields.iter().any(|(name, value)| name.ends_with("Allow-Headers") && value.contains("If-Match")));
        assert_eq!(tell(&[APP], &ask).1.len(), 3, "no preflight: nothing of one");
    }

    #[test]
    fn a_stranger_is_told_nothing_and_changes_nothing() {
        for fields in [
            "Origin: https://app.example.evil",
            "Origin: https://app.example:443",
            "Origin: http://app.example",
            "Origin: HTTPS://app.example",
            "Origin: https://app.example/",
            "Origin: https://app.exampl",
            "Origin: null",
            "Origin: *",
            "Origin:",
            "Origin: https://app.example\r\nOrigin: https://evil.example",
            "Origin: https://app.example\r\nOrigin: https://app.example",
            "Origin: https://app.example, https://app.example",
        ] {
            let only_varies = vec![("Vary", String::from("Origin"))];
            for method in ["PUT", "POST", "DELETE", "PATCH"] {
                assert_eq!(tell(&[APP], &format!("{method} / HTTP/1.1\r\n{fields}")), (false, only_varies.clone()));
            }
            let preflight = format!("OPTIONS / HTTP/1.1\r\n{fields}\r\nAccess-Control-Request-Method: PUT");
            assert_eq!(tell(&[APP], &preflight), (true, only_varies), "{fields}");
        }
        let preflight = format!("OPTIONS / HTTP/1.1\r\nOrigin: {APP}\r\nAccess-Control-Request-Method: PUT");
        assert_eq!(tell(&[], &preflight), (true, vec![]), "nobody is named");
    }
}
