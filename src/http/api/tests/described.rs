//! What `/openapi.json` says of a parameter, a field or a text is what is taken: no more, and no less. The two judge
//! texts that its patterns make, the same with faults, and texts that people would try.

use super::pattern::{Part, matches, read};
use super::*;
use crate::http::openapi;
use crate::rng::Rng;
use serde_json::Value;
use std::collections::BTreeSet;

/// Texts that people would try, each for every parameter.
const TRIED: &[&str] = &[
    "",
    "0",
    "1",
    "2",
    "3",
    "4",
    "00",
    "01",
    "007",
    "+1",
    "-1",
    "1.0",
    "1e2",
    "0x1",
    " 1",
    "99",
    "100",
    "999",
    "1000",
    "1001",
    "315360000",
    "315360001",
    "99999999999999999999",
    "x",
    "*",
    "**",
    "*, *",
    "\"x\"",
    "W/\"x\"",
    "w/\"x\"",
    "\"\"",
    "\"x",
    "x\"",
    "\"x\" \"y\"",
    "\"x\",\"y\"",
    ",\"x\"",
    "\"x\",,\"y\"",
    "\"x\", ,",
    ",",
    "*, \"x\"",
    "\"a b\"",
    "\"a\\\"b\"",
    "\"1\",\"2\",\"3\",\"4\"",
    "\"1\",\"2\",\"3\",\"4\",\"5\"",
    "127.0.0.1",
    "127.0.0.1:1",
    "127.0.0.1:0",
    "127.0.0.1:01",
    "127.0.0.1:65535",
    "127.0.0.1:65536",
    "127.0.0.01:1",
    "256.0.0.1:1",
    "1.2.3:4",
    "localhost:1",
    "[::1]:1",
    "[::]:1",
    "[::1]",
    "::1:1",
    "[::1%1]:1",
    "[1:2:3:4:5:6:7:8]:9",
    "[1:2:3:4:5:6:7::]:9",
    "[1:2:3:4:5:6:7:8::]:9",
    "[::2:3:4:5:6:7:8]:9",
    "[::1:2:3:4:5:6:7:8]:9",
    "[1::2::3]:9",
    "[::ffff:1.2.3.4]:9",
    "[1:2:3:4:5:6:1.2.3.4]:9",
    "[1:2:3:4:5:6:7:1.2.3.4]:9",
    "[::12345]:9",
    "[1.2.3.4::]:9",
    "[FD00::A]:9",
    "127.0.0.1:1/00000000000000000000000000000000",
    "127.0.0.1:1/0",
    "127.0.0.1:1/",
    "00112233445566778899aabbccddeeff",
    "00112233445566778899AABBCCDDEEFF",
    "00112233445566778899aabbccddeef",
    "00112233445566778899aabbccddeeff-1-2",
    "00112233445566778899aabbccddeeff-0-0",
    "00112233445566778899aabbccddeeff-01-2",
    "00112233445566778899aabbccddeeff-1-",
    "00112233445566778899aabbccddeeff-1000000000000-800000000000",
    "00112233445566778899aabbccddeeff-1000000000001-1",
    "00112233445566778899aabbccddeeff-1-800000000001",
    "00112233445566778899aabbccddeeff-1-2-3",
];

impl Part {
    /// A text that fits.
    fn make(&self, rng: &mut Rng, text: &mut String) {
        match self {
            Self::Class(list) => {
                let (from, to) = list[rng.index(list.len())];
                let code = u64::from(u32::from(from)) + rng.below(u64::from(u32::from(to) - u32::from(from)) + 1);
                text.push(char::from_u32(code as u32).unwrap());
            }
            Self::Row(parts) => parts.iter().for_each(|part| part.make(rng, text)),
            Self::Choice(parts) => parts[rng.index(parts.len())].make(rng, text),
            Self::Repeat(part, least, most) => {
                let often = least + rng.index((most - least).min(3) + 1);
                (0..often).for_each(|_| part.make(rng, text));
            }
        }
    }
}

/// The same with a character more, less, or another one.
fn spoilt(rng: &mut Rng, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = rng.index(chars.len() + 1);
    let others: Vec<char> = "09aFg:.-/, \"*[]W\u{e4}".chars().collect();
    let other = others[rng.index(others.len())];
    match rng.below(3) {
        0 => chars.insert(at, other),
        1 if at < chars.len() => drop(chars.remove(at)),
        _ if at < chars.len() => chars[at] = other,
        _ => {}
    }
    chars.into_iter().collect()
}

/// True if a text fits what a schema says of it.
fn fits(schema: &Value, text: &str) -> bool {
    let number = text.parse::<u64>().ok().filter(|number| number.to_string() == text);
    let length = text.chars().count() as u64;
    schema.as_object().unwrap().iter().all(|(keyword, wanted)| match keyword.as_str() {
        "type" => wanted == "string" || wanted == "integer" && number.is_some(),
        "enum" => wanted.as_array().unwrap().iter().any(|one| Some(one) == number.map(Value::from).as_ref()),
        "minimum" => number >= wanted.as_u64(),
        "maximum" => number.is_some() && number <= wanted.as_u64(),
        "minLength" => Some(length) >= wanted.as_u64(),
        "maxLength" => Some(length) <= wanted.as_u64(),
        "pattern" => matches(wanted.as_str().unwrap(), text),
        "default" | "description" => true,
        other => panic!("{other} is not known here"),
    })
}

/// What is tried of a parameter: its keys are of ASCII, as schemas count characters and keys are counted in bytes.
fn tried(schema: &Value) -> BTreeSet<String> {
    let mut texts: BTreeSet<String> = TRIED.iter().map(|&text| text.into()).collect();
    texts.extend([255, 256, 96, 97].map(|length| "k".repeat(length)));
    let Some(pattern) = schema["pattern"].as_str() else { return texts };
    let (pattern, mut rng) = (read(pattern), Rng::new(1));
    for _ in 0..400 {
        let mut text = String::new();
        pattern.make(&mut rng, &mut text);
        texts.insert(spoilt(&mut rng, &text));
        texts.insert(text);
    }
    texts
}

/// True if a request is understood in which the parameter has this value.
fn is_taken(path: &str, method: &str, parameter: &Value, text: &str) -> bool {
    let (name, place) = (parameter["name"].as_str().unwrap(), parameter["in"].as_str().unwrap());
    let ring = if (path, name) == ("/storage", "from") { "ring=1&" } else { "" };
    let escaped = escape(text.as_bytes());
    let (target, fields) = match place {
        "path" => (path.replace("{key}", &escaped), String::new()),
        "query" => (format!("{path}?{ring}{name}={escaped}"), String::new()),
        _ => (path.replace("{key}", "k"), format!("{name}: {text}\r\n")),
    };
    let length =
        if ["PUT", "POST"].contains(&method) && path.starts_with("/storage") { "Content-Length: 1\r\n" } else { "" };
    let request = format!("{method} {target} HTTP/1.1\r\nHost: h\r\n{length}{fields}\r\n");
    // Fields are read as ISO 8859-1.
    let bytes: Vec<u8> = request.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect();
    matches!(parse(&bytes), Ok(Some((head, _))) if !plan(&head, &Site::default(), VALUE_MAX).is_refusal())
}

#[test]
fn what_is_described_of_a_parameter_is_what_is_taken() {
    let all: Value = serde_json::from_slice(&openapi::answer().body).unwrap();
    let resolve = |what: &Value| match what["$ref"].as_str() {
        Some(place) => all.pointer(&place[1..]).unwrap().clone(),
        None => what.clone(),
    };
    let (mut parameters, mut verdicts) = (0, [0, 0]);
    for (path, target) in all["paths"].as_object().unwrap() {
        for (method, operation) in target.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters") {
            let of_all = target["parameters"].as_array().into_iter().flatten().filter(|_| method != "options");
            for parameter in of_all.chain(operation["parameters"].as_array().into_iter().flatten()).map(resolve) {
                let schema = &parameter["schema"];
                let is_field = parameter["in"] == "header";
                // White space around the value of a field is none of it.
                let texts = tried(schema).into_iter().filter(|text| !is_field || text.trim() == text);
                for text in texts.filter(|text| is_field || text.is_ascii()) {
                    let (fits, method) = (fits(schema, &text), method.to_ascii_uppercase());
                    let taken = is_taken(path, &method, &parameter, &text);
                    assert_eq!(taken, fits, "{method} {path}: {} = {text:?}", parameter["name"]);
                    verdicts[usize::from(fits)] += 1;
                }
                parameters += 1;
            }
        }
    }
    assert!(parameters > 30 && verdicts.iter().all(|number| *number > 2_000), "{parameters}: {verdicts:?}");
}

#[test]
fn a_pattern_holds_from_beginning_to_end() {
    for (pattern, text, wanted) in [
        ("^[0-9a-f]+-[0-9a-f]{2}$", "1f-23", true),
        ("^[0-9a-f]+-[0-9a-f]{2}$", "-23", false),
        ("^[0-9a-f]+-[0-9a-f]{2}$", "1-234", false),
        ("^(a|ab)(c|bcd)?$", "abcd", true),
        ("^(a|ab)(c|bcd)?$", "abc", true),
        ("^(a|ab)(c|bcd)?$", "abb", false),
        ("^a*(ab){0,2}$", "aaabab", true),
        ("^a*(ab){0,2}$", "aaababab", false),
        ("^[ \\t,]*\\*$", "\t,*", true),
    ] {
        assert_eq!(matches(pattern, text), wanted, "{pattern} {text}");
    }
}
