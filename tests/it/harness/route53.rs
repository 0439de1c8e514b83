//! Route 53's API of 2013-04-01, as its public reference describes it, over one hosted zone held in memory. It is stricter than the
//! real one: what is not in the reference is refused, and so is every signature that is not as the specification has it.

mod signature;
mod xml;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::http::Method;

use self::xml::Node;
use super::standin::{Answer, Call, StandIn};

/// What the zone is called, and by its API.
pub const ZONE: &str = "example.test.";
pub const ZONE_ID: &str = "Z1D633PJN98FT9";

/// The only key that may change it.
pub const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// The most sets on a page, so that several are needed.
const PAGE: usize = 2;

const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

/// A running one.
pub struct Route53 {
    pub api: StandIn,
    zone: Arc<Mutex<Zone>>,
}

struct Zone {
    sets: Vec<Set>,
    /// The ids of changes, each with whether all servers have it.
    changes: BTreeMap<String, bool>,
    /// Whether a change is everywhere at once.
    is_quick: bool,
    /// The session token that has to come with the key.
    token: Option<String>,
    /// What the sets are once the next change arrives, before it is looked at.
    meanwhile: Option<Vec<Set>>,
    /// Each call that was carried out, as method and path.
    calls: Vec<String>,
}

/// A record set.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    name: String,
    kind: String,
    ttl: Option<u32>,
    values: Vec<String>,
    identifier: Option<String>,
    /// What else it holds, as elements before and after the TTL.
    more: (String, String),
}

impl Set {
    pub fn new(name: &str, kind: &str, ttl: u32, values: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            ttl: Some(ttl),
            values: values.iter().map(|it| (*it).to_owned()).collect(),
            identifier: None,
            more: Default::default(),
        }
    }

    /// An alias instead of records.
    pub fn alias(name: &str, kind: &str, target: &str) -> Self {
        let target = format!(
            "<AliasTarget><HostedZoneId>Z35SXDOTRQ7X7K</HostedZoneId><DNSName>{target}</DNSName>\
             <EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget>"
        );
        Self {
            ttl: None,
            more: (target, String::new()),
            ..Self::new(name, kind, 0, &[])
        }
    }

    /// One of several sets of this name and kind, chosen by what these elements say.
    pub fn chosen_by(mut self, identifier: &str, elements: &str) -> Self {
        self.identifier = Some(identifier.to_owned());
        self.more.0 = format!("<SetIdentifier>{identifier}</SetIdentifier>{elements}");
        self
    }

    /// With these elements at its end.
    pub fn with(mut self, elements: &str) -> Self {
        self.more.1 = elements.to_owned();
        self
    }

    pub fn is(&self, name: &str, kind: &str) -> bool {
        self.name == name && self.kind == kind
    }

    /// By what sets are sorted: their labels from the last one on, then their types.
    fn place(&self) -> (Vec<&str>, &str, Option<&str>) {
        let labels = self.name.trim_end_matches('.').rsplit('.');
        (labels.collect(), &self.kind, self.identifier.as_deref())
    }

    fn element(&self) -> String {
        let (name, kind) = (xml::escaped(&self.name), &self.kind);
        let ttl = self.ttl.map(|it| format!("<TTL>{it}</TTL>"));
        let value = |it: &String| {
            let value = xml::escaped(it);
            format!("<ResourceRecord><Value>{value}</Value></ResourceRecord>")
        };
        let values: String = self.values.iter().map(value).collect();
        let records = match values.is_empty() {
            true => String::new(),
            false => format!("<ResourceRecords>{values}</ResourceRecords>"),
        };
        let (before, after) = &self.more;
        format!(
            "<ResourceRecordSet><Name>{name}</Name><Type>{kind}</Type>{before}{}{records}{after}</ResourceRecordSet>",
            ttl.unwrap_or_default()
        )
    }
}

impl Route53 {
    /// Starts one with these sets, whose changes are everywhere at once.
    pub fn start(sets: &[Set]) -> Self {
        let zone = Arc::new(Mutex::new(Zone {
            sets: sets.to_vec(),
            changes: BTreeMap::new(),
            is_quick: true,
            token: None,
            meanwhile: None,
            calls: Vec::new(),
        }));
        let serving = Arc::clone(&zone);
        Self {
            api: StandIn::start(move |call| {
                let mut zone = serving.lock().expect("nobody failed holding it");
                serve(&mut zone, call)
            }),
            zone,
        }
    }

    fn zone(&self) -> MutexGuard<'_, Zone> {
        self.zone.lock().expect("nobody failed holding it")
    }

    /// Changes that are made from now on are on their way until [`Route53::arrive`].
    pub fn dawdle(&self) {
        self.zone().is_quick = false;
    }

    /// Every change is everywhere.
    pub fn arrive(&self) {
        let mut zone = self.zone();
        zone.changes.values_mut().for_each(|it| *it = true);
        zone.is_quick = true;
    }

    /// The key is a temporary one from now on.
    pub fn demand_token(&self, token: &str) {
        self.zone().token = Some(token.to_owned());
    }

    /// Somebody else makes these sets of all that there is, just before the next change arrives.
    pub fn before_the_next_change(&self, sets: &[Set]) {
        self.zone().meanwhile = Some(sets.to_vec());
    }

    /// What is there, sorted, each as `name TTL type values`.
    pub fn sets(&self) -> Vec<String> {
        let zone = self.zone();
        let line = |it: &Set| {
            let (name, kind, values) = (&it.name, &it.kind, it.values.join(", "));
            format!("{name} {} {kind} {values}", it.ttl.unwrap_or_default())
        };
        let mut lines: Vec<_> = zone.sets.iter().map(line).collect();
        lines.sort();
        lines
    }

    /// The calls that were carried out since this was asked last, each as its method and path.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.zone().calls)
    }
}

/// An answer as the API has it where something is wrong.
pub fn failure(status: u16, code: &str, message: &str) -> Answer {
    let message = xml::escaped(message);
    document(
        status,
        "ErrorResponse",
        &format!(
            "<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             <RequestId>9c2b8d5e-2f4a-11e4-a8e8-9f105805808f</RequestId>"
        ),
    )
}

fn document(status: u16, root: &str, content: &str) -> Answer {
    let text = format!("<?xml version=\"1.0\"?>\n<{root} xmlns=\"{NAMESPACE}\">{content}</{root}>");
    Answer::new(status, "text/xml", text)
}

fn serve(zone: &mut Zone, call: &Call) -> Answer {
    if let Err(refused) = signature::check(call, zone.token.as_deref()) {
        return refused;
    }
    zone.calls.push(format!("{} {}", call.method, call.path));
    let is_get = call.method == Method::GET;
    if is_get && (!call.body.is_empty() || call.headers.contains_key("content-type")) {
        return failure(400, "InvalidInput", "a body");
    }
    if let Some(id) = call.path.strip_prefix("/2013-04-01/change/") {
        return match zone.changes.get(id) {
            Some(is_everywhere) if is_get && call.query.is_empty() => {
                let info = info(id, *is_everywhere);
                document(200, "GetChangeResponse", &info)
            }
            Some(_) | None => failure(404, "NoSuchChange", &format!("no change {id}")),
        };
    }
    let rest = call.path.strip_prefix("/2013-04-01/hostedzone/");
    match rest.and_then(|it| it.split_once('/')) {
        Some((ZONE_ID, "rrset")) => (),
        Some((id, "rrset")) => {
            let said = format!("No hosted zone found with ID: {id}");
            return failure(404, "NoSuchHostedZone", &said);
        }
        Some(_) | None => return failure(404, "UnknownOperationException", "no such path"),
    }
    match call.method {
        Method::GET => list(zone, &call.query),
        Method::POST if call.query.is_empty() => change(zone, call),
        _ => failure(405, "InvalidAction", "no such method"),
    }
}

fn info(id: &str, is_everywhere: bool) -> String {
    let status = if is_everywhere { "INSYNC" } else { "PENDING" };
    format!(
        "<ChangeInfo><Id>/change/{id}</Id><Status>{status}</Status>\
         <SubmittedAt>2026-11-26T20:00:00.000Z</SubmittedAt></ChangeInfo>"
    )
}

fn list(zone: &Zone, query: &str) -> Answer {
    let invalid = |why: &str| failure(400, "InvalidInput", why);
    let mut parameters = BTreeMap::new();
    for (key, value) in signature::parameters(query) {
        if !["name", "type", "identifier", "maxitems"].contains(&key.as_str()) {
            return invalid(&format!("unknown parameter {key}"));
        }
        parameters.insert(key, value);
    }
    let wanted = parameters.get("maxitems").map(|it| it.parse::<usize>());
    let Some(Ok(wanted @ 1..=300)) = wanted else {
        return invalid("maxitems");
    };
    let (name, kind) = (parameters.get("name"), parameters.get("type"));
    let identifier = parameters.get("identifier");
    if (kind.is_some() && name.is_none()) || (identifier.is_some() && kind.is_none()) {
        return invalid("a type without a name");
    }
    let start = Set {
        identifier: identifier.cloned(),
        ..Set::new(
            name.map_or("", String::as_str),
            kind.map_or("", String::as_str),
            0,
            &[],
        )
    };
    let mut sets: Vec<&Set> = zone.sets.iter().collect();
    sets.sort_by(|one, other| one.place().cmp(&other.place()));
    sets.retain(|it| it.place() >= start.place());
    let (shown, rest) = sets.split_at(sets.len().min(wanted.min(PAGE)));
    let next = rest.first().map(|it| {
        let identifier = it
            .identifier
            .as_ref()
            .map(|it| format!("<NextRecordIdentifier>{it}</NextRecordIdentifier>"));
        format!(
            "<NextRecordName>{}</NextRecordName><NextRecordType>{}</NextRecordType>{}",
            xml::escaped(&it.name),
            it.kind,
            identifier.unwrap_or_default()
        )
    });
    let elements: String = shown.iter().map(|it| it.element()).collect();
    document(
        200,
        "ListResourceRecordSetsResponse",
        &format!(
            "<ResourceRecordSets>{elements}</ResourceRecordSets><IsTruncated>{}</IsTruncated>{}<MaxItems>{wanted}</MaxItems>",
            next.is_some(),
            next.unwrap_or_default()
        ),
    )
}

/// Carries out all steps in their order, or none of them.
fn change(zone: &mut Zone, call: &Call) -> Answer {
    let kind = call.headers.get("content-type");
    if kind.is_none_or(|it| it != "application/xml") {
        return failure(400, "InvalidInput", "the content type");
    }
    let steps = match xml::read(&call.body).and_then(|root| steps(&root)) {
        Ok(steps) => steps,
        Err(why) => return failure(400, "InvalidInput", &why),
    };
    if let Some(meanwhile) = zone.meanwhile.take() {
        zone.sets = meanwhile;
    }
    let mut changed = zone.sets.clone();
    let wrong = steps.iter().filter_map(|it| it.take(&mut changed).err());
    let messages: Vec<String> = wrong.collect();
    if !messages.is_empty() {
        let message = |it: &String| format!("<Message>{}</Message>", xml::escaped(it));
        let messages: String = messages.iter().map(message).collect();
        let content = format!("<Messages>{messages}</Messages><RequestId>1</RequestId>");
        return document(400, "InvalidChangeBatch", &content);
    }
    zone.sets = changed;
    let id = format!("C{:013}", zone.changes.len() + 1);
    let info = info(&id, zone.is_quick);
    zone.changes.insert(id, zone.is_quick);
    document(200, "ChangeResourceRecordSetsResponse", &info)
}

/// One step of a change.
struct Step {
    is_delete: bool,
    set: Set,
}

fn steps(root: &Node) -> Result<Vec<Step>, String> {
    if root.name != "ChangeResourceRecordSetsRequest"
        || root.namespace.as_deref() != Some(NAMESPACE)
    {
        return Err("another root".to_owned());
    }
    let [batch] = root.children(["ChangeBatch"])?;
    let [changes] = batch.children(["Changes"])?;
    changes.all("Change")?.iter().map(Step::read).collect()
}

impl Step {
    fn read(change: &Node) -> Result<Self, String> {
        let [action, set] = change.children(["Action", "ResourceRecordSet"])?;
        let is_delete = match action.text()? {
            "DELETE" => true,
            "CREATE" => false,
            other => return Err(format!("the action {other}, which compares nothing")),
        };
        let [name, kind, ttl, records] =
            set.children(["Name", "Type", "TTL", "ResourceRecords"])?;
        let mut values = Vec::new();
        for record in records.all("ResourceRecord")? {
            let [value] = record.children(["Value"])?;
            values.push(value.text()?.to_owned());
        }
        let ttl: Option<u32> = ttl.text()?.parse().ok();
        let ttl = ttl.filter(|it| i32::try_from(*it).is_ok());
        Ok(Self {
            is_delete,
            set: Set {
                ttl: Some(ttl.ok_or("the TTL")?),
                values,
                ..Set::new(name.text()?, kind.text()?, 0, &[])
            },
        })
    }

    fn take(&self, sets: &mut Vec<Set>) -> Result<(), String> {
        let Set { name, kind, .. } = &self.set;
        let label = format!("[name='{name}', type='{kind}']");
        let found = sets.iter().position(|it| it.is(name, kind));
        if self.is_delete {
            let Some(at) = found else {
                return Err(format!(
                    "Tried to delete resource record set {label} but it was not found"
                ));
            };
            let there = &sets[at];
            let is_same = there.ttl == self.set.ttl
                && sorted(&there.values) == sorted(&self.set.values)
                && there.more == self.set.more;
            if !is_same {
                return Err(format!(
                    "Tried to delete resource record set {label} but the values provided do not match the current values"
                ));
            }
            sets.remove(at);
            return Ok(());
        }
        if found.is_some() {
            return Err(format!(
                "Tried to create resource record set {label} but it already exists"
            ));
        }
        if name != ZONE && !name.ends_with(&format!(".{ZONE}")) {
            return Err(format!(
                "RRSet with DNS name {name} is not permitted in zone {ZONE}"
            ));
        }
        let mut beside = sets.iter().filter(|it| it.name == *name);
        if beside.any(|it| it.kind == "CNAME" || kind == "CNAME") {
            return Err(format!(
                "RRSet of type {kind} with DNS name {name} is not permitted as it conflicts with other records with the same DNS \
                 name in zone {ZONE}"
            ));
        }
        if let Some(wrong) = self.set.values.iter().find(|it| !is_value(kind, it)) {
            return Err(format!(
                "Invalid Resource Record: {wrong:?} is no value of {kind}"
            ));
        }
        sets.push(self.set.clone());
        Ok(())
    }
}

fn sorted(values: &[String]) -> Vec<&String> {
    let mut sorted: Vec<_> = values.iter().collect();
    sorted.sort();
    sorted
}

/// Whether it is written as the reference has it.
fn is_value(kind: &str, text: &str) -> bool {
    match kind {
        "A" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "AAAA" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "CNAME" => text.ends_with('.') && !text.contains(' '),
        "HTTPS" => {
            let mut words = text.split(' ');
            let priority = words.next().is_some_and(|it| it.parse::<u16>().is_ok());
            let target = words.next().is_some_and(|it| it.ends_with('.'));
            priority && target && words.all(is_parameter)
        }
        _ => false,
    }
}

fn is_parameter(word: &str) -> bool {
    const KEYS: [&str; 6] = ["mandatory", "alpn", "port", "ipv4hint", "ech", "ipv6hint"];
    match word.split_once('=') {
        None => word == "no-default-alpn",
        Some((key, value)) => {
            let held = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
            KEYS.contains(&key) && held.is_some_and(|it| !it.is_empty() && !it.contains('"'))
        }
    }
}
