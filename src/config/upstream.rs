//! `[old]` and `[new]`: the two environments.

mod ejection;
mod health;
mod tls;

use crate::{
    config::{
        defaults,
        fault::Complaint,
        reader::{Section, Shape, choice, list, parsed},
        scalar::{self, HOST, URL},
    },
    plan::{EndpointPlan, HostHeader, Http1Codec, Scheme, UpstreamPlan},
    units::Side,
};

#[cfg(test)]
pub(super) use ejection::SHAPE as EJECTION;
#[cfg(test)]
pub(super) use health::SHAPE as HEALTH;
#[cfg(test)]
pub(super) use tls::{CLIENT_CERTIFICATE, SHAPE as TLS};

/// The keys of `[old]` and `[new]`.
pub(super) const SHAPE: Shape = Shape {
    path: "SIDE",
    keys: &["endpoints", "host", "health", "ejection", "tls", "http1"],
};

/// Whose HTTP/1.1 is spoken, as the file names it.
const CODECS: &[(&str, Http1Codec)] =
    &[("native", Http1Codec::Native), ("hyper", Http1Codec::Hyper)];

/// As many endpoints as one side has.
const ENDPOINTS: usize = 256;

/// Reads one side; `None` without an endpoint.
pub(super) fn read(root: &Section<'_>, side: Side) -> Option<UpstreamPlan> {
    let section = root.table(side.as_str(), &SHAPE);
    if !root.has(side.as_str()) {
        root.note_missing(&format!("[{side}]"));
    }
    let endpoints = match section.is_present() {
        true => read_endpoints(&section),
        false => None,
    };
    let host = section.get("host", parsed(HOST, scalar::host_and_port));
    let http1 = section.get("http1", choice(CODECS)).unwrap_or_default();
    let is_tls = |it: &Vec<EndpointPlan>| it.iter().any(|it| it.scheme == Scheme::Https);
    let health = health::read(&section);
    let ejection = ejection::read(&section);
    let tls = tls::read(&section, endpoints.as_ref().is_none_or(is_tls));
    Some(UpstreamPlan {
        health,
        ejection,
        tls,
        host: host.map_or(HostHeader::Keep, HostHeader::Set),
        http1,
        ..defaults::upstream(endpoints?)
    })
}

fn read_endpoints(section: &Section<'_>) -> Option<Vec<EndpointPlan>> {
    let read = list(ENDPOINTS, parsed(URL, scalar::endpoint));
    let listed = section.require("endpoints", |value| {
        if let toml::de::DeValue::String(_) = value.item() {
            let complaint = Complaint::new("a string", "a list of URLs");
            return value.fail(complaint.remedy("put it in brackets: [\"http://…\"]"));
        }
        if value.item().as_array().is_some_and(|it| it.is_empty()) {
            return value.fail(Complaint::new("an empty list", "at least one URL"));
        }
        read(value)
    })?;
    let mut endpoints = Vec::new();
    for (endpoint, value) in listed {
        if endpoints.contains(&endpoint) {
            let found = format!("\"{endpoint}\" for the second time");
            value.note(Complaint::new(found, "each endpoint once"));
        }
        endpoints.push(endpoint);
    }
    (!endpoints.is_empty()).then_some(endpoints)
}
