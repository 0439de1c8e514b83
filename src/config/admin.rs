//! `[admin]`: the API's address and the people it knows.

use toml::de::DeValue;

use crate::{
    config::{
        defaults,
        fault::Complaint,
        file, listener,
        reader::{Section, Shape, Value, choice, count, list, parsed, text},
        scalar::{self, ADDRESS, HOST},
    },
    plan::{AdminLimits, AdminPlan, AdminTlsPlan, Operator, Role},
};

/// The keys of `[admin]`.
pub(super) const SHAPE: Shape = Shape {
    path: "admin",
    keys: &[
        "address",
        "hosts",
        "certificates",
        "client_ca",
        "requests_per_second",
        "connections_per_peer",
        "operator",
    ],
};

/// The keys of `[[admin.operator]]`.
pub(super) const OPERATOR: Shape = Shape {
    path: "admin.operator",
    keys: &["name", "token_sha256", "role"],
};

/// The keys of an entry of `certificates`.
pub(super) const CERTIFICATE: Shape = Shape {
    path: "admin.certificates",
    keys: &["chain", "key"],
};

/// More people than ever share one cutover.
const OPERATORS: usize = 1_000;
/// More names than one API has.
const HOSTS: usize = 100;

const ROLES: &[(&str, Role)] = &[
    ("viewer", Role::Viewer),
    ("operator", Role::Operator),
    ("approver", Role::Approver),
];

/// Reads `[admin]`. Without operators the address must be a loopback one.
pub(super) fn read(root: &Section<'_>) -> AdminPlan {
    let section = root.table("admin", &SHAPE);
    let default = defaults::admin();
    let address = section.get("address", parsed(ADDRESS, scalar::address));
    let address = address.unwrap_or(default.address);
    let hosts = section.get("hosts", list(HOSTS, parsed(HOST, scalar::host_and_port)));
    let operators = section.tables("operator", &OPERATOR, OPERATORS);
    if operators.is_empty() && !section.has("operator") && !address.ip().is_loopback() {
        let found = format!("{address} without operators");
        let complaint = Complaint::new(found, "a loopback address, or operators");
        let remedy = "add an [[admin.operator]], or anybody who reaches it could steer";
        section.note_value("address", complaint.remedy(remedy));
    }
    AdminPlan {
        address,
        hosts: hosts.into_iter().flatten().map(|(host, _)| host).collect(),
        tls: read_tls(&section),
        operators: read_operators(&operators),
        limits: read_limits(&section, default.limits),
    }
}

/// TLS, if the file names a certificate; whoever asks for clients' certificates must show one.
fn read_tls(section: &Section<'_>) -> Option<AdminTlsPlan> {
    let certificates = listener::read_certificates(section, &CERTIFICATE);
    let client_ca = section.get("client_ca", file::certificates);
    if !section.has("certificates") {
        if section.has("client_ca") {
            let complaint = Complaint::new("`client_ca` without `certificates`", "both, or none");
            let remedy = "clients show certificates over TLS only";
            section.note_key("client_ca", complaint.remedy(remedy));
        }
        return None;
    }
    if section.has_empty("certificates") {
        let complaint = Complaint::new("no certificate", "at least one, or no `certificates`");
        section.note_value("certificates", complaint);
    }
    Some(AdminTlsPlan {
        certificates,
        client_ca,
    })
}

fn read_limits(section: &Section<'_>, default: AdminLimits) -> AdminLimits {
    let requests = section.get("requests_per_second", count(1..=100_000));
    let connections = section.get("connections_per_peer", count(1..=256));
    AdminLimits {
        requests_per_second: requests.unwrap_or(default.requests_per_second),
        connections_per_peer: connections.unwrap_or(default.connections_per_peer),
    }
}

fn read_operators(sections: &[Section<'_>]) -> Vec<Operator> {
    let mut operators: Vec<Operator> = Vec::new();
    for section in sections {
        let name = section.require("name", text());
        let token_sha256 = section.require("token_sha256", digest);
        let role = section.require("role", choice(ROLES));
        if let Some(name) = &name
            && operators.iter().any(|it| it.name == *name)
        {
            section.note_duplicate("name", name);
        }
        if token_sha256.is_some_and(|it| operators.iter().any(|other| other.token_sha256 == it)) {
            let complaint = Complaint::new("the token of another operator", "one of its own");
            section.note_value("token_sha256", complaint);
        }
        if let (Some(name), Some(token_sha256), Some(role)) = (name, token_sha256, role) {
            operators.push(Operator {
                name,
                token_sha256,
                role,
            });
        }
    }
    operators
}

/// The SHA-256 of a token. What stands there is never shown: it may be the token itself.
fn digest(value: Value<'_>) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let complaint = match value.item() {
        DeValue::String(text) => match hex::decode_to_slice(text.as_bytes(), &mut digest) {
            Ok(()) => return Some(digest),
            Err(_) => Complaint::new("a string that is no SHA-256", "64 hexadecimal digits"),
        },
        _ => Complaint::new(value.kind(), "64 hexadecimal digits in quotes"),
    };
    value.fail(complaint.remedy("see `printf %s TOKEN | sha256sum`"))
}
