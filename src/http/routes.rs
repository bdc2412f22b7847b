//! The targets that there are, and what each can be asked with.

use super::parse::Method;
use super::traffic::Kind;

/// A target, or all that begin alike and go on with a key.
#[derive(Debug)]
pub struct Route {
    /// The path; what is in braces stands for anything at its end.
    pub path: &'static str,
    /// The methods that it takes, as `Allow` lists them.
    pub allow: &'static str,
    kinds: &'static [(Method, Kind)],
}

/// What a server as a whole can be asked with (RFC 9110, section 9.3.7).
pub const ALLOW_ALL: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS";

const READ: &str = "GET, HEAD, OPTIONS";

const fn read(path: &'static str, kinds: &'static [(Method, Kind)]) -> Route {
    Route { path, allow: READ, kinds }
}

/// All of them. No path ends like one with a key begins, but for the slash.
pub const ROUTES: &[Route] = &[
    read("/", &[(Method::Get, Kind::Page)]),
    read("/page/{file}", &[(Method::Get, Kind::Page)]),
    read("/events", &[(Method::Get, Kind::Events)]),
    read("/openapi.json", &[(Method::Get, Kind::Page)]),
    read("/healthz", &[(Method::Get, Kind::Health)]),
    read("/readyz", &[(Method::Get, Kind::Health)]),
    read("/metrics", &[(Method::Get, Kind::Metrics)]),
    read("/node", &[(Method::Get, Kind::Node)]),
    read("/ring", &[(Method::Get, Kind::Ring)]),
    read("/ring.dot", &[(Method::Get, Kind::Ring)]),
    read("/fingers", &[(Method::Get, Kind::Ring)]),
    read("/lookup/{key}", &[(Method::Get, Kind::Lookup)]),
    Route { path: "/leave", allow: "POST, OPTIONS", kinds: &[(Method::Post, Kind::Order)] },
    Route { path: "/reopen", allow: "POST, OPTIONS", kinds: &[(Method::Post, Kind::Order)] },
    Route {
        path: "/storage",
        allow: "GET, HEAD, POST, OPTIONS",
        kinds: &[(Method::Get, Kind::List), (Method::Post, Kind::Create)],
    },
    Route {
        path: "/storage/{key}",
        allow: "GET, HEAD, PUT, DELETE, OPTIONS",
        kinds: &[(Method::Get, Kind::Get), (Method::Put, Kind::Put), (Method::Delete, Kind::Delete)],
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
    /// What a request with this method asks for; `None` if the target does not take it.
    pub fn kind(&self, method: Method) -> Option<Kind> {
        let wanted = match method {
            Method::Options => return Some(Kind::Options),
            Method::Head => Method::Get,
            other => other,
        };
        self.kinds.iter().find(|(taken, _)| *taken == wanted).map(|(_, kind)| *kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_takes_what_it_says_that_it_allows() {
        for route in ROUTES {
            let methods = [
                (Method::Get, "GET"),
                (Method::Head, "HEAD"),
                (Method::Post, "POST"),
                (Method::Put, "PUT"),
                (Method::Delete, "DELETE"),
                (Method::Options, "OPTIONS"),
                (Method::Other, ""),
            ];
            let taken = methods.iter().filter(|(method, _)| route.kind(*method).is_some());
            let taken: Vec<&str> = taken.map(|(_, name)| *name).collect();
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
