//! `[[route]]`: requests that are treated differently.

use http::Method;

use crate::{
    config::{
        defaults,
        fault::Complaint,
        nearest::did_you_mean,
        reader::{Section, Shape, choice, list, parsed, text},
        scalar::{self, HOST, quoted},
        shadow,
        split::WRITES,
    },
    plan::{RouteId, RoutePlan},
    units::Side,
};

/// The keys of `[[route]]`.
pub(super) const SHAPE: Shape = Shape {
    path: "route",
    keys: &["name", "host", "path", "methods", "pin", "writes", "shadow"],
};

/// Each route has measurements of its own.
const ROUTES: usize = 2000;
/// More methods than there are.
const METHODS: usize = 64;

const SIDES: &[(&str, Side)] = &[("old", Side::Old), ("new", Side::New)];

/// Reads every `[[route]]`.
pub(super) fn read(root: &Section<'_>) -> Vec<RoutePlan> {
    let mut routes: Vec<RoutePlan> = Vec::new();
    for section in root.tables("route", &SHAPE, ROUTES) {
        let Some(route) = read_one(&section) else {
            continue;
        };
        let is_same = |it: &&RoutePlan| {
            (&it.host, &it.path, &it.methods) == (&route.host, &route.path, &route.methods)
        };
        if routes.iter().any(|it| it.name == route.name) {
            section.note_duplicate("name", &route.name);
        } else if let Some(same) = routes.iter().find(is_same) {
            let found = format!("a route that matches what {} matches", quoted(&same.name));
            section.note(Complaint::new(found, "another host, path or methods"));
        }
        routes.push(route);
    }
    routes
}

fn read_one(section: &Section<'_>) -> Option<RoutePlan> {
    let name = section.require("name", text());
    if name.as_deref() == Some(RouteId::REST_NAME) {
        let complaint = Complaint::new(quoted(RouteId::REST_NAME), "another name");
        let remedy = "this one stands for what no route matches";
        section.note_value("name", complaint.remedy(remedy));
    }
    let host = section.get("host", parsed(HOST, scalar::host_as_sent));
    let path = section.get("path", parsed(PATH, path_prefix));
    let methods = section.get(
        "methods",
        list(METHODS, parsed("a method such as \"GET\"", method)),
    );
    let pin = section.get("pin", choice(SIDES));
    let writes = section.get("writes", choice(WRITES));
    let copied = section.get("shadow", choice(shadow::METHODS));
    if section.has("pin") && section.has("writes") {
        let complaint = Complaint::new("`writes` beside `pin`", "one of them");
        section.note_key("writes", complaint.remedy("a pin decides for every method"));
    }
    let mut methods: Vec<Method> = methods.into_iter().flatten().map(|(it, _)| it).collect();
    methods.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    methods.dedup();
    Some(RoutePlan {
        name: name?,
        host,
        path: path.unwrap_or_else(|| defaults::ROUTE_PATH.to_owned()),
        methods,
        pin,
        writes,
        copied,
    })
}

const PATH: &str = "a path prefix such as \"/api\"";

/// A prefix of the normalised path: what normalising would change could never match.
fn path_prefix(text: &str) -> Result<String, Complaint> {
    let wrong = || Complaint::new(quoted(text), PATH);
    if !text.starts_with('/') {
        return Err(wrong().remedy(format!(
            "begin with a slash: {}",
            quoted(&format!("/{text}"))
        )));
    }
    if text.contains(['?', '#', '*']) {
        return Err(wrong().remedy("a prefix covers everything below it; leave out ?, # and *"));
    }
    if !text.bytes().all(|it| it.is_ascii_graphic()) {
        return Err(wrong().remedy("percent-encode spaces and what is not ASCII"));
    }
    if text.split('/').any(|it| it == "." || it == "..") {
        return Err(wrong().remedy("leave out the dot segments"));
    }
    match needless_escape(text) {
        Some(escape) => Err(wrong().remedy(format!("write the character itself for {escape:?}"))),
        None => Ok(text.to_owned()),
    }
}

/// The first escape of an unreserved octet (RFC 3986 section 6.2.2.2), or one that is none.
fn needless_escape(text: &str) -> Option<&str> {
    text.match_indices('%').find_map(|(at, _)| {
        let escape = text.get(at..at + 3).unwrap_or("%");
        let octet = escape
            .get(1..)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let is_unreserved = |it: u8| it.is_ascii_alphanumeric() || b"-._~".contains(&it);
        octet.is_none_or(is_unreserved).then_some(escape)
    })
}

fn method(text: &str) -> Result<Method, Complaint> {
    const KNOWN: [&str; 8] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE",
    ];
    let wrong = || Complaint::new(quoted(text), "a method such as \"GET\", in capitals");
    let is_custom = text.bytes().all(|it| it.is_ascii_uppercase() || it == b'-');
    let near = did_you_mean(text, KNOWN);
    match Method::from_bytes(text.as_bytes()) {
        Ok(method) if KNOWN.contains(&text) => Ok(method),
        Ok(method) if is_custom && near.is_none() => Ok(method),
        _ => Err(wrong().maybe(near)),
    }
}
