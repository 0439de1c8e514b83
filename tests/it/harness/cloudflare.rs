//! Cloudflare's DNS API, as its public reference describes it, over one zone held in memory. It is stricter than the real one: what is
//! not in the reference is refused.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::http::Method;
use serde_json::{Value, json};

use super::standin::{Answer, Call, StandIn};

/// What the zone is called.
pub const ZONE_ID: &str = "023e105f4ecef8ad9ca31a8372d0c353";

/// The only token that may change it.
pub const TOKEN: &str = "a-token-of-the-test";

/// The most records on a page, so that several are needed.
const PAGE: usize = 2;

type Records = Arc<Mutex<BTreeMap<String, Value>>>;

/// A running one.
pub struct Cloudflare {
    pub api: StandIn,
    records: Records,
}

impl Cloudflare {
    /// Starts one with records as `name, type, content, TTL, proxied`.
    pub fn start(records: &[(&str, &str, &str, u32, bool)]) -> Self {
        let held: BTreeMap<String, Value> = records
            .iter()
            .enumerate()
            .map(|(number, (name, kind, content, ttl, proxied))| {
                let id = format!("{number:032x}");
                let record = json!({ "id": id, "name": name, "type": kind, "content": content,
                    "ttl": ttl, "proxied": proxied, "proxiable": true, "comment": "kept" });
                (id, record)
            })
            .collect();
        let records = Arc::new(Mutex::new(held));
        let serving = Arc::clone(&records);
        Self {
            api: StandIn::start(move |call| serve(&serving, call)),
            records,
        }
    }

    /// What is there, sorted, each as `name TTL type content`, and its comment if it has one.
    pub fn records(&self) -> Vec<String> {
        let records = self.records.lock().expect("nobody failed holding it");
        let line = |it: &Value| {
            let text = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
            let (name, kind, content) = (text("name"), text("type"), text("content"));
            let line = format!("{name} {} {kind} {content} {}", it["ttl"], text("comment"));
            line.trim_end().to_owned()
        };
        let mut lines: Vec<_> = records.values().map(line).collect();
        lines.sort();
        lines
    }
}

/// An answer as the API wraps it.
pub fn failure(status: u16, code: u32, message: &str) -> Answer {
    let body = json!({ "success": false, "errors": [{ "code": code, "message": message }],
        "messages": [], "result": null });
    Answer::new(status, "application/json", body.to_string())
}

fn success(result: &Value, info: &Value) -> Answer {
    let body = json!({ "success": true, "errors": [], "messages": [], "result": result,
        "result_info": info });
    Answer::new(200, "application/json", body.to_string())
}

fn serve(records: &Records, call: &Call) -> Answer {
    let header = |name: &str| call.headers.get(name).and_then(|it| it.to_str().ok());
    if header("authorization") != Some(&format!("Bearer {TOKEN}")) {
        return failure(403, 9109, "Invalid access token");
    }
    let path = format!("/client/v4/zones/{ZONE_ID}/dns_records");
    let mut records = records.lock().expect("nobody failed holding it");
    if call.method == Method::GET && call.path == path {
        return list(&records, &call.query);
    }
    if call.method == Method::POST && call.path == format!("{path}/batch") {
        if header("content-type") != Some("application/json") || !call.query.is_empty() {
            return failure(400, 6003, "Invalid request headers");
        }
        let mut changed = records.clone();
        let done = serde_json::from_str(&call.body)
            .map_err(|error| failure(400, 9207, &error.to_string()))
            .and_then(|body| batch(&mut changed, &body));
        return match done {
            Ok(result) => {
                *records = changed;
                success(&result, &Value::Null)
            }
            Err(refused) => refused,
        };
    }
    failure(404, 7003, "Could not route to that path")
}

fn list(records: &BTreeMap<String, Value>, query: &str) -> Answer {
    let parameters: BTreeMap<&str, &str> = query
        .split('&')
        .filter_map(|it| it.split_once('='))
        .collect();
    let number = |key: &str| parameters.get(key).and_then(|it| it.parse::<usize>().ok());
    let (Some(name), Some(page @ 1..), Some(wanted @ 1..=5_000_000), 3) = (
        parameters.get("name.exact"),
        number("page"),
        number("per_page"),
        parameters.len(),
    ) else {
        return failure(400, 9001, "unexpected parameters");
    };
    let found: Vec<&Value> = records.values().filter(|it| it["name"] == **name).collect();
    let size = wanted.min(PAGE);
    let shown: Vec<&Value> = found
        .iter()
        .copied()
        .skip((page - 1) * size)
        .take(size)
        .collect();
    let info = json!({ "page": page, "per_page": size, "count": shown.len(),
        "total_count": found.len(), "total_pages": found.len().div_ceil(size) });
    success(&json!(shown), &info)
}

/// Deletes, patches and posts, in this order; the records are thrown away where one of them is refused.
fn batch(records: &mut BTreeMap<String, Value>, body: &Value) -> Result<Value, Answer> {
    only(body, &["deletes", "patches", "puts", "posts"])?;
    let list = |key: &str| body[key].as_array().cloned().unwrap_or_default();
    for delete in list("deletes") {
        only(&delete, &["id"])?;
        let id = delete["id"].as_str().unwrap_or_default();
        let missing = || failure(404, 81044, "Record does not exist.");
        records.remove(id).ok_or_else(missing)?;
    }
    for patch in list("patches") {
        only(&patch, &["id", "ttl"])?;
        let record = records.get_mut(patch["id"].as_str().unwrap_or_default());
        let record = record.ok_or_else(|| failure(404, 81044, "Record does not exist."))?;
        record["ttl"] = ttl(&patch)?;
    }
    for post in list("posts") {
        let content = posted(&post)?;
        let name = post["name"].as_str().filter(|it| !it.ends_with('.'));
        let name = name.ok_or_else(|| failure(400, 9000, "DNS name is invalid."))?;
        let is_alias = |kind: &Value| kind == "CNAME";
        let beside = records.values().filter(|it| it["name"] == name);
        for other in beside {
            if is_alias(&post["type"]) || is_alias(&other["type"]) {
                let said = "An A, AAAA, or CNAME record with that host already exists.";
                return Err(failure(400, 81053, said));
            }
            if other["type"] == post["type"] && other["content"] == content {
                return Err(failure(400, 81058, "An identical record already exists."));
            }
        }
        let id = format!("{:032x}", records.len() + 1000);
        let record = json!({ "id": id, "name": name, "type": post["type"], "content": content,
            "ttl": ttl(&post)?, "proxied": post["proxied"] });
        assert_eq!(records.insert(id, record), None, "ids are unique");
    }
    Ok(json!({ "deletes": [], "patches": [], "puts": [], "posts": [] }))
}

/// What the record says.
fn posted(post: &Value) -> Result<String, Answer> {
    let wrong = || failure(400, 9005, "Content for record is invalid.");
    if post["type"] != "HTTPS" {
        only(post, &["name", "type", "content", "ttl", "proxied"])?;
        let content = post["content"].as_str().filter(|it| !it.ends_with('.'));
        return content.map(str::to_owned).ok_or_else(wrong);
    }
    only(post, &["name", "type", "data", "ttl", "proxied"])?;
    let data = &post["data"];
    only(data, &["priority", "target", "value"])?;
    let priority = data["priority"].as_u64().ok_or_else(wrong)?;
    let target = data["target"].as_str().ok_or_else(wrong)?;
    let value = data["value"].as_str().ok_or_else(wrong)?;
    Ok(format!("{priority} {target} {value}"))
}

fn ttl(of: &Value) -> Result<Value, Answer> {
    let is_allowed = |it: &u64| *it == 1 || (60..=86_400).contains(it);
    let said = "Invalid TTL. Must be between 60 and 86,400 seconds, or 1 for Automatic.";
    let ttl = of["ttl"].as_u64().filter(is_allowed);
    ttl.map(Value::from).ok_or_else(|| failure(400, 9021, said))
}

fn only(object: &Value, keys: &[&str]) -> Result<(), Answer> {
    let object = object.as_object();
    let object = object.ok_or_else(|| failure(400, 9207, "Request body is invalid."))?;
    match object.keys().find(|it| !keys.contains(&it.as_str())) {
        None => Ok(()),
        Some(key) => Err(failure(400, 9207, &format!("unknown field {key}"))),
    }
}
