//! `GET /openapi.json`: the description of this interface.
//!
//! What is written down is what tells targets apart. What they have in common is added here: HEAD beside every GET,
//! OPTIONS everywhere, and the answers that any request may get.

use super::response::Response;
use serde_json::{Map, Value, json};

const WRITTEN: &str = include_str!("openapi.json");

/// An entity tag (RFC 9110, section 8.8.3), as a pattern in JSON; field values are read as ISO 8859-1.
const TAG: &str = r#"(W/)?\"[!#-~\u0080-\u00ff]*\""#;

/// The address of a node, as a pattern in JSON (RFC 3986, section 3.2.2).
fn address() -> String {
    const BYTE: &str = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    const GROUP: &str = "[0-9a-fA-F]{1,4}";
    const PORT: &str = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";
    let v4 = format!("{BYTE}([.]{BYTE}){{3}}");
    let last = format!("({GROUP}:{GROUP}|{v4})");
    let mut v6 = format!("({GROUP}:){{6}}{last}");
    // So many groups before the double colon, and up to so many behind it.
    for (before, behind) in (0..8).zip((0..8).rev()) {
        let before = if before == 0 { String::new() } else { format!("{GROUP}(:{GROUP}){{{}}}", before - 1) };
        let behind = match behind {
            0 => String::new(),
            1 => format!("({GROUP})?"),
            more => format!("(({GROUP}:){{0,{}}}{last}|{GROUP})?", more - 2),
        };
        v6 += &format!("|{before}::{behind}");
    }
    format!(r"({v4}|\\[({v6})\\]):{PORT}")
}

/// Answers that any request may get, by their place among the components.
const COMMON: [(&str, &str); 4] =
    [("400", "Invalid"), ("421", "Misdirected"), ("503", "Unavailable"), ("default", "Protocol")];

const METHODS: [&str; 6] = ["get", "head", "post", "put", "delete", "options"];

/// The answer.
pub fn answer() -> Response {
    Response::json(&description())
}

fn description() -> Value {
    // A test reads it.
    let written = WRITTEN.replace("<tag>", TAG).replace("<address>", &address());
    let mut all: Value = serde_json::from_str(&written).unwrap_or_default();
    if let Some(version) = all.pointer_mut("/info").and_then(Value::as_object_mut) {
        version.insert("version".into(), env!("CARGO_PKG_VERSION").into());
    }
    let paths = all.pointer_mut("/paths").and_then(Value::as_object_mut);
    for (path, target) in paths.into_iter().flatten() {
        if let Some(target) = target.as_object_mut() {
            complete(path, target);
        }
    }
    let shared = all.pointer_mut("/components/responses").and_then(Value::as_object_mut);
    shared.into_iter().flatten().for_each(|(_, response)| not_kept(response));
    all
}

/// Adds to an answer that is described here what it tells caches, unless that is said.
fn not_kept(response: &mut Value) {
    if let Some(response) = response.as_object_mut().filter(|response| !response.contains_key("$ref")) {
        let fields = response.entry("headers").or_insert_with(|| json!({}));
        if let Some(fields) = fields.as_object_mut().filter(|fields| !fields.contains_key("Cache-Control")) {
            fields.insert("Cache-Control".into(), json!({"$ref": "#/components/headers/NoStore"}));
        }
    }
}

/// Adds to a target what goes without saying.
fn complete(path: &str, target: &mut Map<String, Value>) {
    if let Some(Value::Object(mut head)) = target.get("get").cloned() {
        let name = head.get("operationId").and_then(Value::as_str).unwrap_or_default();
        head.extend([
            (String::from("operationId"), format!("{name}Head").into()),
            (String::from("summary"), "As GET, without the body.".into()),
        ]);
        target.insert("head".into(), head.into());
    }
    let mut options = json!({
        "operationId": format!("options{}", path.replace(['/', '{', '}', '.'], "_")),
        "tags": ["operating"],
        "summary": "What the target can be asked with.",
        "responses": {"204": {"$ref": "#/components/responses/Methods"}},
    });
    if let Some(options) = options.as_object_mut().filter(|_| path.ends_with("{key}")) {
        options.insert("parameters".into(), json!([{"$ref": "#/components/parameters/AnyKey"}]));
    }
    target.insert("options".into(), options);
    for method in METHODS {
        let responses = target.get_mut(method).and_then(|operation| operation.get_mut("responses"));
        if let Some(responses) = responses.and_then(Value::as_object_mut) {
            let refer =
                |(status, name)| (String::from(status), json!({"$ref": format!("#/components/responses/{name}")}));
            responses.values_mut().for_each(not_kept);
            responses.extend(COMMON.map(refer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::parse::Method;
    use crate::http::routes::{Query, ROUTES};
    use std::collections::BTreeSet;

    #[test]
    fn every_route_is_described_with_its_methods_and_nothing_else() {
        let all = description();
        let described: BTreeSet<(String, String)> = all["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, target)| target.as_object().unwrap().keys().map(|key| (path.clone(), key.clone())))
            .filter(|(_, key)| METHODS.contains(&key.as_str()))
            .collect();
        let allowed = |allow: &str| allow.to_ascii_lowercase().split(", ").map(str::to_owned).collect::<Vec<_>>();
        // What the page is made of is nothing for programs.
        let routed: BTreeSet<(String, String)> = ROUTES
            .iter()
            .filter(|route| route.path != "/page/{file}")
            .flat_map(|route| allowed(route.allow).into_iter().map(|method| (route.path.to_owned(), method)))
            .collect();
        assert_eq!(described, routed);
    }

    /// What is described of the query, of Sky's own fields and of conditions, is what requests may have.
    #[test]
    fn every_parameter_is_described_with_its_limit_and_nothing_else() {
        let all = description();
        let resolve = |what: &Value| match what.get("$ref").and_then(Value::as_str) {
            Some(target) => all.pointer(&target[1..]).unwrap().clone(),
            None => what.clone(),
        };
        for route in ROUTES.iter().filter(|route| route.path != "/page/{file}") {
            for method in Method::ALL {
                let Some(ask) = route.ask(method) else { continue };
                let operation = &all["paths"][route.path][method.name().to_ascii_lowercase()];
                let described: Vec<Value> =
                    operation["parameters"].as_array().into_iter().flatten().map(&resolve).collect();
                let of = |place: &'static str| {
                    let there = described.iter().filter(move |parameter| parameter["in"] == place);
                    there.map(|it| (it["name"].as_str().unwrap(), it["schema"]["maximum"].as_u64()))
                };
                let Query::Of(known) = ask.query else { continue };
                let known = known.iter().map(|known| (known.name, known.highest.map(|highest| highest as u64)));
                assert_eq!(of("query").collect::<BTreeSet<_>>(), known.collect(), "{} {}", method.name(), route.path);
                let fields: BTreeSet<&str> = of("header").map(|(name, _)| name).collect();
                assert_eq!(fields, ask.fields.iter().copied().collect(), "{} {}", method.name(), route.path);
                assert_eq!(operation.get("requestBody").is_some(), ask.takes_body, "{}", route.path);
            }
        }
    }

    #[test]
    fn what_is_referred_to_is_there_and_used() {
        let text = description().to_string();
        let referred: BTreeSet<&str> =
            text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        let all = description();
        for target in &referred {
            assert!(all.pointer(target).is_some(), "{target}");
        }
        for (kind, components) in all["components"].as_object().unwrap() {
            for name in components.as_object().unwrap().keys() {
                assert!(referred.contains(format!("/components/{kind}/{name}").as_str()), "{kind}/{name} is not used");
            }
        }
        let names: Vec<&str> =
            text.split("\"operationId\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "each operation has a name of its own");
    }
}
