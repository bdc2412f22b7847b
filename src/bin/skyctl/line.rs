//! An entry as a line of JSON. Text stands as it is; what is not UTF-8 stands in base64, under another name.

pub mod base64;

use serde::{Deserialize, Serialize};
use skynode::limits::{Beyond, KEY_MAX, KIND_MAX, Limited, TTL_MAX_S, VALUE_MAX};

/// The longest line, in bytes: key and value with every byte escaped as `\u0000`, and what stands around them.
pub const LINE_MAX: usize = 6 * (KEY_MAX + VALUE_MAX + KIND_MAX) + 256;

/// An entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    /// The media type; empty if there is none.
    pub kind: String,
    /// For how many seconds it is to live; for ever if there is none.
    pub ttl_s: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_s: Option<u32>,
}

/// As text, or in base64.
fn split(bytes: Vec<u8>) -> (Option<String>, Option<String>) {
    match String::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(other) => (None, Some(base64::encode(other.as_bytes()))),
    }
}

fn join(name: &str, text: Option<String>, coded: Option<String>) -> Result<Vec<u8>, String> {
    match (text, coded) {
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(coded)) => base64::decode(&coded).ok_or_else(|| format!("{name}_base64 is not base64")),
        (None, None) => Err(format!("it has neither {name} nor {name}_base64")),
        (Some(_), Some(_)) => Err(format!("it has both {name} and {name}_base64")),
    }
}

/// True of what can be a media type: it stands in a field of answers.
pub fn is_printable(kind: &str) -> bool {
    kind.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

impl Entry {
    /// The line, without its end.
    pub fn write(self) -> serde_json::Result<String> {
        let ((key, key_base64), (value, value_base64)) = (split(self.key), split(self.value));
        let kind = Some(self.kind).filter(|kind| !kind.is_empty());
        serde_json::to_string(&Line { key, key_base64, value, value_base64, kind, ttl_s: self.ttl_s })
    }

    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        let Line { key, key_base64, value, value_base64, kind, ttl_s } =
            serde_json::from_slice(line).map_err(|why| format!("it is no entry in JSON: {why}"))?;
        let (key, value) = (join("key", key, key_base64)?, join("value", value, value_base64)?);
        let kind = kind.unwrap_or_default();
        if !(1..=KEY_MAX).contains(&key.len()) {
            return Err(format!("a key has 1 to {KEY_MAX} bytes, this one {}", key.len()));
        }
        let within = |what, given, limit| Beyond::check(what, given, limit).map_err(|beyond| beyond.to_string());
        within(Limited::Value, value.len() as u64, VALUE_MAX as u64)?;
        within(Limited::Kind, kind.len() as u64, KIND_MAX as u64)?;
        within(Limited::Life, ttl_s.unwrap_or(0).into(), TTL_MAX_S.into())?;
        // It is to stand in a field of a request.
        if !is_printable(&kind) {
            return Err("a type is printable ASCII".into());
        }
        if ttl_s == Some(0) {
            return Err("ttl_s is a number from 1 on".into());
        }
        Ok(Self { key, value, kind, ttl_s })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back() {
        let kind = String::from("text/plain");
        let text = Entry { key: b"a/\"b".into(), value: "h\u{e4}llo\n".into(), kind, ttl_s: Some(60) };
        let line = text.clone().write().unwrap();
        assert_eq!(line, r#"{"key":"a/\"b","value":"hällo\n","type":"text/plain","ttl_s":60}"#);
        assert_eq!(Entry::read(line.as_bytes()), Ok(text));
        let bytes = Entry { key: vec![0xff, 0], value: (0..=255).collect(), ..Entry::default() };
        let line = bytes.clone().write().unwrap();
        assert!(line.starts_with(r#"{"key_base64":"/wA=","value_base64":"AAEC"#) && !line.contains("type"), "{line}");
        assert_eq!(Entry::read(line.as_bytes()), Ok(bytes));
        let longest = Entry { key: vec![1; KEY_MAX], value: vec![1; VALUE_MAX], ..Entry::default() };
        let line = longest.clone().write().unwrap();
        assert!(line.len() < LINE_MAX && Entry::read(line.as_bytes()) == Ok(longest));
    }

    #[test]
    fn what_is_no_entry_is_told() {
        for (line, why) in [
            ("", "no entry in JSON"),
            ("[]", "no entry in JSON"),
            (r#"{"key":"k","value":"v","more":1}"#, "more"),
            (r#"{"key":"k","key":"k","value":"v"}"#, "duplicate"),
            (r#"{"value":"v"}"#, "neither key nor key_base64"),
            (r#"{"key":"k","key_base64":"aw==","value":"v"}"#, "both key"),
            (r#"{"key":"k"}"#, "neither value"),
            (r#"{"key":"k","value_base64":"a"}"#, "value_base64 is not base64"),
            (r#"{"key":"","value":"v"}"#, "1 to 255 bytes"),
            (r#"{"key":"k","value":"v","type":"a\r\nb"}"#, "printable"),
            (r#"{"key":"k","value":"v","ttl":60}"#, "unknown field `ttl`, expected one of"),
            (r#"{"key":"k","value":"v","ttl_s":0}"#, "from 1 on"),
            (r#"{"key":"k","value":"v","ttl_s":400000000}"#, "400,000,000 seconds, the limit is 315,360,000"),
            (r#"{"key":"k","value":"v","ttl_s":-1}"#, "no entry in JSON"),
        ] {
            let told = Entry::read(line.as_bytes()).unwrap_err();
            assert!(told.contains(why), "{line}: {told}");
        }
        let long = format!(r#"{{"key":"{}","value":"v"}}"#, "k".repeat(KEY_MAX + 1));
        assert!(Entry::read(long.as_bytes()).unwrap_err().contains("this one 256"));
        assert!(Entry::read(br#"{"key":"k","value":"v","type":null,"ttl_s":null}"#).is_ok());
    }
}
