//! Whether what is served is what the description says.

use serde_json::Value;

use super::World;
use crate::admin::fixture;

#[tokio::test]
async fn documents_are_as_described() {
    let world = World::local();
    *world.journal.entries.lock().unwrap() = fixture::entries();
    let description = world.ask("GET /openapi.json", &[], None).await.json();
    let check = async |line: &str, body: Option<&str>, name: &str| {
        let document = world.ask(line, &[], body).await.json();
        let schema = &description["components"]["schemas"][name];
        let checked = conforms(&description, schema, &document, name);
        assert_eq!(checked, Ok(()), "{line}: {document}");
    };
    check("GET /api/v1/status", None, "Status").await;
    check("GET /api/v1/events", None, "EventPage").await;
    check("GET /api/v1/events?after=4", None, "EventPage").await;
    check("POST /api/v1/ramp/hold", None, "Done").await;
    check("GET /nowhere", None, "Problem").await;
}

#[tokio::test]
async fn the_description_knows_the_plan_and_the_version() {
    let world = World::local();
    let description = world.ask("GET /openapi.json", &[], None).await.json();
    let step = &description["components"]["schemas"]["Resume"]["properties"]["step"];
    assert_eq!(step["maximum"], 3);
    assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
}

/// Whether `value` has every required field, no undescribed one, and the described types all the way down.
fn conforms(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        let target = &root["components"]["schemas"][name];
        assert!(target.is_object(), "{name} is not described");
        return conforms(root, target, value, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fits = |it: &&Value| conforms(root, it, value, at).is_ok();
        let count = choices.iter().filter(fits).count();
        return match count {
            1 => Ok(()),
            _ => Err(format!("{at}: {count} choices fit {value}")),
        };
    }
    if !schema["const"].is_null() && schema["const"] != *value {
        return Err(format!("{at}: {value} is not {}", schema["const"]));
    }
    let allowed = schema["enum"].as_array();
    if allowed.is_some_and(|words| !words.contains(value)) {
        return Err(format!("{at}: {value} is none of {}", schema["enum"]));
    }
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{at}: unknown type {other}"),
    };
    let fits = match &schema["type"] {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().any(|kind| is(kind.as_str().unwrap())),
        other => panic!("{at}: no type but {other}"),
    };
    if !fits {
        return Err(format!("{at}: {value} is no {}", schema["type"]));
    }
    for item in value.as_array().into_iter().flatten() {
        conforms(root, &schema["items"], item, at)?;
    }
    let Some(fields) = value.as_object() else {
        return Ok(());
    };
    for required in schema["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(required.as_str().unwrap()) {
            return Err(format!("{at}: {required} is missing"));
        }
    }
    for (name, field) in fields {
        let described = &schema["properties"][name];
        if described.is_null() {
            return Err(format!("{at}: {name} is not described"));
        }
        conforms(root, described, field, &format!("{at}.{name}"))?;
    }
    Ok(())
}
