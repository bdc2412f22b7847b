//! Pages of keys.
//!
//! Keys are any bytes, JSON strings are not: `key` is `null` unless the key is UTF-8, `path` always leads to it.

use super::Text;
use crate::http::parse::escape;
use crate::id::Id;
use crate::node::{Held, OwnedKey};
use crate::wire::Version;
use serde::Serialize;
use std::net::SocketAddr;

#[derive(Serialize)]
struct KeyJson {
    key: Option<String>,
    path: String,
    id: Text<Id>,
    version: Text<Version>,
    bytes: usize,
    /// Of what a node holds itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    owned: Option<bool>,
    /// Of what the whole ring holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<SocketAddr>,
}

impl KeyJson {
    fn new(key: &[u8], id: Id, version: Version, bytes: usize) -> Self {
        Self {
            key: str::from_utf8(key).ok().map(str::to_owned),
            path: format!("/storage/{}", escape(key)),
            id: Text(id),
            version: Text(version),
            bytes,
            owned: None,
            owner: None,
        }
    }
}

#[derive(Serialize)]
struct KeysJson {
    keys: Vec<KeyJson>,
    /// The target of the next page, if there may be one.
    next: Option<String>,
}

/// `GET /storage`: a page of at most `limit` keys.
pub fn keys(held: &[Held], limit: usize) -> impl Serialize + use<> {
    let key = |held: &Held| KeyJson {
        owned: Some(held.owned),
        ..KeyJson::new(&held.key, held.id, held.version, held.length)
    };
    let last = held.last().filter(|_| held.len() >= limit);
    KeysJson {
        keys: held.iter().map(key).collect(),
        next: last.map(|last| format!("/storage?limit={limit}&after={}", escape(&last.key))),
    }
}

/// `GET /storage?ring=1`: a page of at most `limit` keys.
///
/// The next page goes on behind the last key, or, where owners have said that there is none up to a later position,
/// from there.
pub fn ring_keys(entries: &[OwnedKey], next: Option<Id>, limit: usize) -> impl Serialize + use<> {
    let key = |entry: &OwnedKey| KeyJson {
        owner: Some(entry.owner),
        ..KeyJson::new(&entry.key, entry.id, entry.version, entry.length as usize)
    };
    let place = |next| match entries.last().filter(|last| last.id == next) {
        Some(last) => format!("after={}", escape(&last.key)),
        None => format!("from={next}"),
    };
    KeysJson {
        keys: entries.iter().map(key).collect(),
        next: next.map(|next| format!("/storage?ring=1&limit={limit}&{}", place(next))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_no_text_have_a_path_all_the_same() {
        let held = |key: &[u8]| Held {
            key: key.to_vec(),
            id: Id::new(1),
            version: Version { term: 1, time_ms: 2, writer: 3 },
            length: 4,
            owned: true,
        };
        let list = [held("a/ü".as_bytes()), held(b"\xff\0")];
        let json = serde_json::to_value(keys(&list, 2)).unwrap();
        assert_eq!(json["keys"][0]["key"], "a/ü");
        assert_eq!(json["keys"][0]["path"], "/storage/a%2F%C3%BC");
        assert_eq!(json["keys"][0]["version"], "1-2-0000000000000003");
        assert!(json["keys"][1]["key"].is_null());
        assert_eq!(json["keys"][1]["path"], "/storage/%FF%00");
        assert_eq!(json["next"], "/storage?limit=2&after=%FF%00");
        assert!(serde_json::to_value(keys(&list, 3)).unwrap()["next"].is_null());
    }

    #[test]
    fn the_next_page_of_the_ring_goes_on_behind_the_last_key_or_where_there_is_none() {
        let (key, owner) = (Box::from(&b"\xff/"[..]), SocketAddr::from(([127, 0, 0, 1], 9)));
        let version = Version { term: 1, time_ms: 2, writer: 3 };
        let entry = OwnedKey { id: Id::of_key(&key), key, version, length: 4, owner };
        let page = |next| serde_json::to_value(ring_keys(core::slice::from_ref(&entry), next, 5)).unwrap();
        let json = page(Some(entry.id));
        assert_eq!((&json["keys"][0]["path"], &json["keys"][0]["bytes"]), (&"/storage/%FF%2F".into(), &4.into()));
        assert_eq!((&json["keys"][0]["owner"], &json["keys"][0]["key"]), (&"127.0.0.1:9".into(), &().into()));
        assert_eq!(json["next"], "/storage?ring=1&limit=5&after=%FF%2F");
        assert_eq!(page(Some(Id::new(7)))["next"], format!("/storage?ring=1&limit=5&from={}", Id::new(7)));
        assert!(page(None)["next"].is_null());
    }
}
