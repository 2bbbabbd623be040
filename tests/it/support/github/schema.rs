//! GitHub's description of its API as JSON Schema: OpenAPI 3.0 says a few
//! things in words of its own, and is looser than a test wants.
//!
//! Three changes, made in place so that every pointer into the description
//! stays good: `nullable` becomes a type, `oneOf` becomes `anyOf` (some of
//! GitHub's alternatives overlap), and an object has no fields but those that
//! are described.

use serde_json::{Value, json};

/// Rewrites everything below `value` that is a schema.
pub(super) fn rewrite(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(rewrite),
        Value::Object(_) => rewrite_object(value),
        _ => (),
    }
}

fn rewrite_object(value: &mut Value) {
    let Some(object) = value.as_object_mut() else { return };
    for (key, inner) in object.iter_mut() {
        match (key.as_str(), inner) {
            // The keys of these are names, whatever they look like.
            ("properties", Value::Object(named)) => named.values_mut().for_each(rewrite),
            // The parts of a whole know nothing of each other's fields.
            ("allOf", Value::Array(parts)) => parts.iter_mut().for_each(|part| {
                rewrite(part);
                if let Some(part) = part.as_object_mut() {
                    part.remove("additionalProperties");
                }
            }),
            (_, inner) => rewrite(inner),
        }
    }
    if let Some(alternatives) = object.remove("oneOf") {
        object.insert("anyOf".to_owned(), alternatives);
    }
    if object.get("properties").is_some_and(Value::is_object) {
        object.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    if object.remove("nullable") == Some(Value::Bool(true)) {
        let described = value.take();
        *value = json!({ "anyOf": [described, { "type": "null" }] });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(mut schema: Value) -> Value {
        rewrite(&mut schema);
        schema
    }

    #[test]
    fn what_may_be_null_says_so_in_json_schema() {
        assert_eq!(
            rewritten(json!({ "type": "string", "enum": ["a"], "nullable": true })),
            json!({ "anyOf": [{ "type": "string", "enum": ["a"] }, { "type": "null" }] })
        );
    }

    #[test]
    fn a_field_may_be_called_like_a_keyword() {
        let schema = json!({ "properties": { "nullable": { "type": "boolean" } } });
        let mut closed = schema.clone();
        closed["additionalProperties"] = json!(false);
        assert_eq!(rewritten(schema), closed);
    }

    #[test]
    fn the_parts_of_a_whole_stay_open() {
        let schema = json!({ "allOf": [{ "properties": { "a": {} } }, { "$ref": "#/b" }] });
        assert_eq!(rewritten(schema.clone()), schema);
    }
}
