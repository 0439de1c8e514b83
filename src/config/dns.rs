//! `[dns]`: the names that move once the shift is complete.

mod provider;

use std::time::Duration;

use hickory_resolver::proto::rr::Name;

use crate::{
    config::{
        defaults,
        fault::Complaint,
        reader::{Section, Shape, Value, choice, count, duration, list, parsed},
        scalar::{self, DOMAIN, QUIET, quoted},
    },
    plan::dns::{self, DnsMoves, DnsName, DnsPlan, Kind, LookPlan, Quiet, Records, Ttl},
};

#[cfg(test)]
pub(super) use self::provider::SHAPE as PROVIDER;

/// The keys of `[dns]`.
pub(super) const SHAPE: Shape = Shape {
    path: "dns",
    keys: &[
        "zone",
        "move",
        "ttl",
        "gap",
        "quiet",
        "start",
        "port",
        "timeout",
        "resolvers",
        "provider",
        "name",
    ],
};

/// The keys of `[[dns.name]]`.
pub(super) const NAME: Shape = Shape {
    path: "dns.name",
    keys: &["name", "from", "to"],
};

/// The keys of `from`.
pub(super) const FROM: Shape = Shape {
    path: "dns.name.from",
    keys: &KINDS,
};

/// The keys of `to`.
pub(super) const TO: Shape = Shape {
    path: "dns.name.to",
    keys: &KINDS,
};

const KINDS: [&str; 4] = ["A", "AAAA", "CNAME", "HTTPS"];

/// One change holds all of them, and a message of 64 KiB has to hold the change.
const NAMES: usize = 64;

/// Of one name and kind: more do not fit into an answer that resolvers take by UDP.
const VALUES: usize = 32;

/// More to start from, or to watch, are no more reliable.
const SERVERS: usize = 16;

const MOVES: &[(&str, DnsMoves)] = &[
    ("manual", DnsMoves::Manually),
    ("when-complete", DnsMoves::WhenComplete),
    ("after-window", DnsMoves::AfterWindow),
];

/// Reads `[dns]`; `None` where the file has none.
pub(super) fn read(root: &Section<'_>) -> Option<DnsPlan> {
    const TTL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));
    const GAP: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(24 * 3600));
    let section = root.table("dns", &SHAPE);
    if !section.is_present() {
        return None;
    }
    let zone = section.require("zone", parsed(DOMAIN, scalar::domain));
    let ttl = section.get("ttl", duration(TTL.0..=TTL.1));
    let ttl = ttl.map_or(defaults::DNS_TTL, |it| whole_seconds(&section, it));
    let gap = section.get("gap", duration(GAP.0..=GAP.1));
    let quiet = section.get("quiet", parsed(QUIET, scalar::quiet));
    let moves = section.get("move", choice(MOVES));
    let look = look(&section);
    let provider = provider::read(&section);
    let names = names(&section, zone.as_ref());
    Some(DnsPlan {
        zone: zone?,
        names,
        ttl,
        moves: moves.unwrap_or(DnsMoves::Manually),
        gap: gap.unwrap_or(defaults::GATE_GAP),
        quiet: quiet.unwrap_or(Quiet::DEFAULT),
        look,
        provider: provider?,
    })
}

fn look(section: &Section<'_>) -> LookPlan {
    const TIMEOUT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
    let addresses = |key| {
        let read = section.get(key, list(SERVERS, parsed(scalar::ADDRESS, scalar::address)));
        read.into_iter().flatten().map(|(it, _)| it).collect()
    };
    let port = section.get("port", count(1..=u64::from(u16::MAX)));
    let timeout = section.get("timeout", duration(TIMEOUT.0..=TIMEOUT.1));
    LookPlan {
        start: addresses("start"),
        port: port.unwrap_or(defaults::DNS_PORT),
        timeout: timeout.unwrap_or(defaults::DNS_TIMEOUT),
        resolvers: addresses("resolvers"),
    }
}

/// TTLs have no finer unit.
fn whole_seconds(section: &Section<'_>, ttl: Duration) -> Ttl {
    if ttl.subsec_nanos() != 0 {
        let found = scalar::shown_duration(ttl);
        section.note_value("ttl", Complaint::new(found, "whole seconds"));
    }
    // At most a day.
    Ttl(u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX))
}

fn names(section: &Section<'_>, zone: Option<&Name>) -> Vec<DnsName> {
    let sections = section.tables("name", &NAME, NAMES);
    if sections.is_empty() {
        section.note_missing("[[dns.name]]");
    }
    let mut found: Vec<DnsName> = Vec::new();
    for section in &sections {
        let Some(name) = read_one(section, zone) else {
            continue;
        };
        if found.iter().any(|it| it.name == name.name) {
            section.note_duplicate("name", &name.name.to_ascii());
        }
        found.push(name);
    }
    found
}

fn read_one(section: &Section<'_>, zone: Option<&Name>) -> Option<DnsName> {
    let name = section.require("name", parsed(DOMAIN, scalar::domain));
    if let (Some(name), Some(zone)) = (&name, zone)
        && !zone.zone_of(name)
    {
        let expected = format!("a name within the zone {zone}");
        let complaint = Complaint::new(quoted(&name.to_ascii()), expected);
        let remedy = "names of another zone move by a configuration of their own";
        section.note_value("name", complaint.remedy(remedy));
    }
    let from = records(section, "from", &FROM);
    let to = records(section, "to", &TO);
    if from.is_some() && from == to {
        let complaint = Complaint::new("the records of `from`", "other records than those");
        section.note_value("to", complaint);
    }
    let (name, from, to) = (name?, from?, to?);
    let is_alias = |it: &Records| it.contains_key(&Kind::Cname);
    if zone == Some(&name) && (is_alias(&from) || is_alias(&to)) {
        let found = format!("a CNAME of the zone {name} itself");
        let complaint = Complaint::new(found, "addresses: a zone's own name can be no alias");
        section
            .note(complaint.remedy("RFC 1034 section 3.6.2; name the addresses that are served"));
    }
    Some(DnsName { name, from, to })
}

fn records(section: &Section<'_>, key: &'static str, shape: &'static Shape) -> Option<Records> {
    if !section.has(key) {
        section.note_missing(&format!("{key:?}"));
        return None;
    }
    let table = section.table(key, shape);
    let mut records = Records::new();
    for (kind, key) in Kind::ALL.into_iter().zip(KINDS) {
        let values = table.get(key, list(VALUES, |it| value(kind, it)));
        let values = values.into_iter().flatten().map(|(it, _)| it).collect();
        if table.has_empty(key) {
            let expected = "at least one value, or no such key";
            table.note_value(key, Complaint::new("an empty list", expected));
        }
        if table.has(key) {
            records.insert(kind, values);
        }
    }
    if records.is_empty() {
        let found = format!("no records in {}", table.label());
        let complaint = Complaint::new(found, "such as { A = [\"192.0.2.1\"] }");
        table.note(complaint);
        return None;
    }
    let aliases = records.get(&Kind::Cname).map(|it| it.len());
    if aliases.is_some_and(|it| it > 1 || records.len() > 1) {
        let expected = "one CNAME and nothing beside it, as RFC 1034 section 3.6.2 demands";
        table.note_value("CNAME", Complaint::new("a CNAME beside others", expected));
    }
    Some(records)
}

fn value(kind: Kind, value: Value<'_>) -> Option<dns::Value> {
    let expected = match kind {
        Kind::A => "an IPv4 address",
        Kind::Aaaa => "an IPv6 address",
        Kind::Cname => "a name such as \"shop.example.net.\"",
        Kind::Https => "a value such as \"1 . alpn=h2 ipv4hint=192.0.2.1\"",
    };
    let read = |text: &str| {
        let complaint = Complaint::new(quoted(text), expected);
        dns::Value::parse(kind, text).map_err(|error| complaint.remedy(error.why))
    };
    parsed(expected, read)(value)
}
