//! The targets that there are, and what each can be asked with.

use super::parse::Method;
use super::traffic::Kind;
use crate::limits::{LIST_MAX, WALK_MAX};

/// A parameter of the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// The highest that it may be, if it is a number; the lowest is 1.
    pub highest: Option<usize>,
}

/// What a query may hold.
#[derive(Clone, Copy, Debug)]
pub enum Query {
    /// Anything: addresses of pages are passed on with what others add to them, and nothing depends on it.
    Any,
    /// Each of these once.
    Of(&'static [Parameter]),
}

/// What a target can be asked for, with one method.
#[derive(Debug)]
pub struct Ask {
    /// The method; HEAD goes with GET.
    pub method: Method,
    /// What it asks for.
    pub kind: Kind,
    /// What its query may hold.
    pub query: Query,
    /// The conditions, and the fields of Sky's own, that mean something to it.
    pub fields: &'static [&'static str],
    /// Its body means something.
    pub takes_body: bool,
}

/// A target, or all that begin alike and go on with a key.
#[derive(Debug)]
pub struct Route {
    /// The path; what is in braces stands for anything at its end.
    pub path: &'static str,
    /// The methods that it takes, as `Allow` lists them.
    pub allow: &'static str,
    /// What it is asked for.
    pub asks: &'static [Ask],
}

/// What a server as a whole can be asked with (RFC 9110, section 9.3.7).
pub const ALLOW_ALL: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS";

const fn word(name: &'static str) -> Parameter {
    Parameter { name, highest: None }
}

/// How many keys a page may have.
pub const LIMIT: Parameter = Parameter { name: "limit", highest: Some(LIST_MAX) };
/// How many nodes a walk may visit.
pub const MAX: Parameter = Parameter { name: "max", highest: Some(WALK_MAX) };
/// Where a page begins: a node, or a position on the ring.
pub const FROM: Parameter = word("from");
/// The key behind which a page begins.
pub const AFTER: Parameter = word("after");
/// Whether the keys of the whole ring are meant.
pub const RING: Parameter = word("ring");
/// The node that is meant.
pub const OF: Parameter = word("of");
/// The key that is meant.
pub const KEY: Parameter = word("key");

const fn get(kind: Kind, query: Query) -> Ask {
    Ask { method: Method::Get, kind, query, fields: &[], takes_body: false }
}

const fn order() -> Ask {
    Ask { method: Method::Post, kind: Kind::Order, query: Query::Of(&[]), fields: &[], takes_body: false }
}

const fn read(path: &'static str, asks: &'static [Ask]) -> Route {
    Route { path, allow: "GET, HEAD, OPTIONS", asks }
}

/// All of them. No path ends like one with a key begins, but for the slash.
pub const ROUTES: &[Route] = &[
    read("/", &[get(Kind::Page, Query::Any)]),
    read("/page/{file}", &[get(Kind::Page, Query::Any)]),
    read("/events", &[get(Kind::Events, Query::Of(&[KEY]))]),
    read("/openapi.json", &[get(Kind::Page, Query::Of(&[]))]),
    read("/healthz", &[get(Kind::Health, Query::Of(&[]))]),
    read("/readyz", &[get(Kind::Health, Query::Of(&[]))]),
    read("/metrics", &[get(Kind::Metrics, Query::Of(&[]))]),
    read("/node", &[get(Kind::Node, Query::Of(&[]))]),
    read("/ring", &[get(Kind::Ring, Query::Of(&[MAX, FROM]))]),
    read("/ring.dot", &[get(Kind::Ring, Query::Of(&[MAX, FROM]))]),
    read("/fingers", &[get(Kind::Ring, Query::Of(&[OF]))]),
    read("/lookup/{key}", &[get(Kind::Lookup, Query::Of(&[]))]),
    Route { path: "/leave", allow: "POST, OPTIONS", asks: &[order()] },
    Route { path: "/reopen", allow: "POST, OPTIONS", asks: &[order()] },
    Route {
        path: "/storage",
        allow: "GET, HEAD, POST, OPTIONS",
        asks: &[
            get(Kind::List, Query::Of(&[RING, LIMIT, AFTER, FROM])),
            Ask {
                method: Method::Post,
                kind: Kind::Create,
                query: Query::Of(&[]),
                fields: &["Sky-Min-Copies", "Sky-Operation", "Sky-TTL"],
                takes_body: true,
            },
        ],
    },
    Route {
        path: "/storage/{key}",
        allow: "GET, HEAD, PUT, DELETE, OPTIONS",
        asks: &[
            Ask { fields: &["If-Match", "If-None-Match"], ..get(Kind::Get, Query::Of(&[])) },
            Ask {
                method: Method::Put,
                kind: Kind::Put,
                query: Query::Of(&[]),
                fields: &["If-Match", "If-None-Match", "Sky-Min-Copies", "Sky-Operation", "Sky-TTL"],
                takes_body: true,
            },
            Ask {
                method: Method::Delete,
                kind: Kind::Delete,
                query: Query::Of(&[]),
                fields: &["If-Match", "If-None-Match", "Sky-Min-Copies", "Sky-Operation"],
                takes_body: false,
            },
        ],
    },
];

/// The route of a path, if there is one.
pub fn find(path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| match route.path.split_once('{') {
        Some((start, _)) => path.starts_with(start),
        None => path == route.path,
    })
}

impl Route {
    /// What a request with this method asks for; `None` if the target does not take it, or of OPTIONS.
    pub fn ask(&self, method: Method) -> Option<&'static Ask> {
        let wanted = if method == Method::Head { Method::Get } else { method };
        self.asks.iter().find(|ask| ask.method == wanted)
    }

    /// The kind of such a request; `None` if the target does not take it.
    pub fn kind(&self, method: Method) -> Option<Kind> {
        if method == Method::Options { Some(Kind::Options) } else { self.ask(method).map(|ask| ask.kind) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_takes_what_it_says_that_it_allows() {
        for route in ROUTES {
            let taken = Method::ALL.iter().filter(|method| route.kind(**method).is_some());
            let taken: Vec<&str> = taken.map(|method| method.name()).collect();
            assert_eq!(taken.join(", "), route.allow, "{}", route.path);
            assert!(taken.iter().all(|name| ALLOW_ALL.contains(name)));
        }
    }

    #[test]
    fn a_slash_is_part_of_a_key() {
        let found = |path| find(path).map(|route| route.path);
        assert_eq!(found("/storage"), Some("/storage"));
        assert_eq!(found("/storage/"), Some("/storage/{key}"));
        assert_eq!(found("/storage/a/b"), Some("/storage/{key}"));
        assert_eq!(found("/lookup"), None);
        assert_eq!(found("/ring/"), None);
    }
}
