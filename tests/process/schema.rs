//! The part of JSON Schema that the description of the interface uses. Another keyword is an error, so that nothing in
//! the description goes unchecked.

#[path = "../../src/http/api/tests/pattern.rs"]
mod pattern;

use pattern::matches;
use serde_json::Value;

/// Finds out whether a value fits a schema; `all` is the document that references lead into.
pub fn check(all: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let keywords = schema.as_object().ok_or_else(|| format!("a schema is an object, not {schema}"))?;
    for (keyword, wanted) in keywords {
        let holds = match keyword.as_str() {
            "$ref" => {
                check(all, refer(all, wanted), value)?;
                true
            }
            "type" => match wanted {
                Value::Array(types) => types.iter().any(|wanted| is_of(value, wanted)),
                one => is_of(value, one),
            },
            "const" => value == wanted,
            "enum" => wanted.as_array().is_some_and(|list| list.contains(value)),
            "oneOf" => {
                let fits = |schema: &&Value| check(all, schema, value).is_ok();
                wanted.as_array().is_some_and(|schemas| schemas.iter().filter(fits).count() == 1)
            }
            "minimum" => value.as_f64().is_none_or(|number| Some(number) >= wanted.as_f64()),
            "maximum" => value.as_f64().is_none_or(|number| Some(number) <= wanted.as_f64()),
            "minLength" => value.as_str().is_none_or(|text| Some(text.chars().count() as u64) >= wanted.as_u64()),
            "maxLength" => value.as_str().is_none_or(|text| Some(text.chars().count() as u64) <= wanted.as_u64()),
            "pattern" => value.as_str().is_none_or(|text| matches(wanted.as_str().expect("a pattern"), text)),
            "required" => {
                let has = |name: &Value| value.get(name.as_str().expect("a name")).is_some();
                wanted.as_array().is_some_and(|names| names.iter().all(has))
            }
            "properties" => {
                for (name, schema) in wanted.as_object().expect("an object") {
                    value.get(name).map_or(Ok(()), |inner| check(all, schema, inner))?;
                }
                true
            }
            "additionalProperties" => {
                let named = keywords.get("properties");
                let others = value.as_object().into_iter().flatten();
                let mut others = others.filter(|(name, _)| named.is_none_or(|named| named.get(name).is_none()));
                match wanted {
                    Value::Bool(allowed) => *allowed || others.next().is_none(),
                    schema => {
                        others.try_for_each(|(_, inner)| check(all, schema, inner))?;
                        true
                    }
                }
            }
            "items" => {
                value.as_array().into_iter().flatten().try_for_each(|inner| check(all, wanted, inner))?;
                true
            }
            "description" => true,
            other => return Err(format!("the keyword {other} is not known here")),
        };
        if !holds {
            return Err(format!("{value} is not as {keyword}: {wanted} says"));
        }
    }
    Ok(())
}

/// What a reference leads to.
pub fn refer<'a>(all: &'a Value, reference: &Value) -> &'a Value {
    let path = reference.as_str().and_then(|text| text.strip_prefix('#')).expect("a reference within the document");
    all.pointer(path).unwrap_or_else(|| panic!("{path} leads nowhere"))
}

fn is_of(value: &Value, wanted: &Value) -> bool {
    match wanted.as_str().expect("a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the type {other} is not known here"),
    }
}

#[test]
fn what_does_not_fit_is_found() {
    let all = serde_json::json!({"n": {"type": "integer", "minimum": 1}});
    let fits = |schema: &str, value: &str| {
        let (schema, value) = (serde_json::from_str(schema).unwrap(), serde_json::from_str(value).unwrap());
        check(&all, &schema, &value).is_ok()
    };
    let object = r##"{"type": "object", "required": ["a"], "additionalProperties": false,
                      "properties": {"a": {"$ref": "#/n"},
                                     "b": {"type": ["string", "null"], "pattern": "^x[0-9a-f]{2}$"}}}"##;
    for (value, wanted) in [
        (r#"{"a": 1}"#, true),
        (r#"{"a": 1, "b": "x0f"}"#, true),
        (r#"{"a": 1, "b": null}"#, true),
        (r#"{"a": 0}"#, false),
        (r#"{"a": 1.5}"#, false),
        (r#"{"a": "1"}"#, false),
        (r#"{"b": "x0f"}"#, false),
        (r#"{"a": 1, "b": "x0g"}"#, false),
        (r#"{"a": 1, "b": "x0ff"}"#, false),
        (r#"{"a": 1, "c": 1}"#, false),
        ("[]", false),
    ] {
        assert_eq!(fits(object, value), wanted, "{value}");
    }
    assert!(!fits(r##"{"items": {"$ref": "#/n"}}"##, "[1, 0]") && fits(r##"{"items": {"$ref": "#/n"}}"##, "[1, 2]"));
    assert!(!fits(r##"{"additionalProperties": {"$ref": "#/n"}}"##, r#"{"x": 0}"#));
    assert!(!fits(r#"{"oneOf": [{"type": "string"}, {"const": "a"}]}"#, r#""a""#), "both");
    assert!(!fits(r#"{"format": "date"}"#, "1"), "unknown keywords are no promise");
    assert!(!matches("^[0-9a-f]+-[0-9a-f]+$", "1-") && matches("^[0-9a-f]+-[0-9a-f]+$", "1-23"));
}
