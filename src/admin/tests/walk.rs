//! A walk through the description: every path with every method, by everybody.

use serde_json::Value;

use super::World;

const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE",
];

/// Everybody, with the roles that their token gives, as the description names them.
const PEOPLE: [(Option<&str>, &[&str]); 5] = [
    (None, &[]),
    (Some("mallory"), &[]),
    (Some("vera"), &["viewer"]),
    (Some("otto"), &["viewer", "operator"]),
    (Some("ada"), &["viewer", "operator", "approver"]),
];

#[tokio::test]
async fn whoever_lacks_the_role_gets_nowhere() {
    let description = World::local()
        .ask("GET /openapi.json", &[], None)
        .await
        .json();
    let mut tried = 0;
    for (path, item) in description["paths"].as_object().unwrap() {
        // Wrong tokens are limited, so each path gets a server that has seen none.
        let world = World::guarded();
        for method in METHODS {
            // HTTP has a HEAD wherever there is a GET, with the same rules.
            let described = match method {
                "HEAD" => &item["get"],
                _ => &item[method.to_ascii_lowercase()],
            };
            for (name, roles) in PEOPLE {
                // Following has no end; a malformed query shows that the caller got through.
                let query = if path.ends_with("/stream") {
                    "?after=x"
                } else {
                    ""
                };
                let line = format!("{method} {path}{query}");
                let body = body_for(&description, described);
                let answer = match name {
                    Some(name) => world.ask_as(name, &line, body.as_deref()).await,
                    None => world.ask(&line, &[], body.as_deref()).await,
                };
                check(
                    described,
                    roles,
                    answer.status,
                    &format!("{line} by {name:?}"),
                );
                tried += 1;
            }
        }
        let callers = world.control.commands.lock().unwrap().clone();
        let names: Vec<_> = callers.iter().map(|(_, who)| who.to_string()).collect();
        assert!(
            names.iter().all(|it| it == "otto" || it == "ada"),
            "{names:?}"
        );
    }
    assert!(tried >= 14 * METHODS.len() * PEOPLE.len());
}

fn check(described: &Value, roles: &[&str], status: u16, what: &str) {
    if described.is_null() {
        // Strangers need not learn which methods there are.
        let expected: &[u16] = match roles.is_empty() {
            true => &[401, 405],
            false => &[403, 405],
        };
        assert!(
            expected.contains(&status),
            "{what}, which is not described: {status}"
        );
        return;
    }
    match described["x-role"].as_str() {
        Some(_) if roles.is_empty() => assert_eq!(status, 401, "{what}"),
        Some(role) if !roles.contains(&role) => assert_eq!(status, 403, "{what}"),
        Some(_) | None => {
            assert!(![401, 403, 405].contains(&status), "{what}: {status}");
            let listed = &described["responses"][status.to_string()];
            assert!(listed.is_object(), "{what}: {status} is not described");
        }
    }
}

/// A body that the description allows.
fn body_for(description: &Value, described: &Value) -> Option<String> {
    let schema = &described["requestBody"]["content"]["application/json"]["schema"];
    let name = schema["$ref"].as_str()?.rsplit('/').next()?;
    let schema = &description["components"]["schemas"][name];
    // Of several shapes the first one will do.
    let shape = schema["oneOf"].get(0).unwrap_or(schema);
    let mut body = serde_json::Map::new();
    for field in shape["required"].as_array()? {
        let field = field.as_str()?;
        let value = match field {
            "percent" => Value::from(5),
            "old" | "new" => serde_json::json!({ "user": "tested" }),
            _ => Value::from("tested"),
        };
        body.insert(field.to_owned(), value);
    }
    Some(Value::Object(body).to_string())
}
