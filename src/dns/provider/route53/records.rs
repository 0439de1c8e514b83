//! Record sets as Route 53 holds them, pure: what each of them says, and which of them are not simply records.

use hickory_resolver::proto::rr::Name;

use crate::{
    dns::provider::{
        ProviderError,
        route53::{document::Listed, name},
    },
    plan::dns::{Kind, RecordSet, Ttl, Value},
};

/// A set of records, and how Route 53 writes it.
pub(super) struct Held {
    pub(super) set: RecordSet,
    pub(super) name: String,
    pub(super) values: Vec<String>,
}

impl Held {
    /// `None` if it is not of these names and kinds.
    ///
    /// # Errors
    /// [`ProviderError::Refused`] if it is not simply records, or not ours to read, with what was found.
    pub(super) fn of(
        name: &Name,
        listed: Listed,
        subjects: &[(Name, Kind)],
    ) -> Result<Option<Self>, ProviderError> {
        let refused = |why: String| Err(ProviderError::Refused { why });
        let Ok(kind) = listed.kind.parse::<Kind>() else {
            return Ok(None);
        };
        if !subjects.iter().any(|(of, it)| of == name && *it == kind) {
            return Ok(None);
        }
        if let Some(why) = more_than_records(&listed) {
            return refused(format!("{name} {kind} {why}"));
        }
        let Some(ttl) = listed.ttl else {
            return refused(format!("{name} {kind} has no TTL"));
        };
        let written = listed.values();
        let values = written.iter().map(|it| Value::parse(kind, it));
        let values = match values.collect::<Result<_, _>>() {
            Ok(values) => values,
            Err(error) => return refused(format!("{name}: {error}")),
        };
        Ok(Some(Self {
            set: RecordSet {
                name: name.clone(),
                kind,
                ttl: Ttl(ttl),
                values,
            },
            name: listed.name,
            values: written,
        }))
    }

    /// A set as it would be written anew.
    pub(super) fn canonical(set: &RecordSet) -> Self {
        let values = set.values.iter().map(|it| it.text().to_owned());
        Self {
            name: name::written(&set.name),
            values: values.collect(),
            set: set.clone(),
        }
    }
}

/// The sets without how they are written.
pub(super) fn sets(held: &[Held]) -> Vec<RecordSet> {
    held.iter().map(|it| it.set.clone()).collect()
}

/// Why a set must not be changed as if clients were simply given its records, with what to do.
fn more_than_records(listed: &Listed) -> Option<String> {
    if let Some(target) = &listed.alias_target {
        return Some(format!(
            "is an alias of {}, so clients are given what Route 53 looks up there, with a TTL that is not its own; put records \
             in its place first, or move it by hand",
            target.name
        ));
    }
    if let Some(policy) = &listed.traffic_policy_instance_id {
        return Some(format!(
            "is made by the traffic policy instance {policy}, which puts back what is changed beside it; delete that first, or \
             move the name by its policy"
        ));
    }
    if listed.set_identifier.is_some() || listed.multi_value_answer == Some(true) {
        return Some(format!(
            "is one of several sets of which Route 53 chooses ({}); leave one simple set in their place first, or move the name \
             by hand",
            choice(listed)
        ));
    }
    let check = listed.health_check_id.as_ref()?;
    Some(format!(
        "has the health check {check}, by which Route 53 decides whether it is given out; take that off first, or move the name \
         by hand"
    ))
}

/// By what Route 53 chooses this one of several sets.
fn choice(listed: &Listed) -> String {
    let mut found = Vec::new();
    if let Some(identifier) = &listed.set_identifier {
        found.push(format!("{identifier:?}"));
    }
    if let Some(weight) = listed.weight {
        found.push(format!("weight {weight}"));
    }
    if let Some(region) = &listed.region {
        found.push(format!("latency from {region}"));
    }
    if let Some(failover) = &listed.failover {
        found.push(format!("failover {failover}"));
    }
    for (is_so, word) in [
        (listed.geo_location.is_some(), "geolocation"),
        (listed.geo_proximity_location.is_some(), "geoproximity"),
        (listed.cidr_routing_config.is_some(), "CIDR"),
        (listed.multi_value_answer == Some(true), "multivalue answer"),
    ] {
        if is_so {
            found.push(word.to_owned());
        }
    }
    if let Some(check) = &listed.health_check_id {
        found.push(format!("health check {check}"));
    }
    found.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::provider::route53::document::{self, Document};

    fn shop() -> Name {
        Name::from_ascii("shop.example.test.").expect("a name")
    }

    /// Reads one set with these elements.
    fn held(kind: &str, elements: &str) -> Result<Option<Held>, ProviderError> {
        let text = format!(
            "<ListResourceRecordSetsResponse><ResourceRecordSets><ResourceRecordSet><Name>shop.example.test.</Name>\
             <Type>{kind}</Type>{elements}</ResourceRecordSet></ResourceRecordSets><IsTruncated>false</IsTruncated>\
             </ListResourceRecordSetsResponse>"
        );
        let Ok(Document::ListResourceRecordSetsResponse(page)) = document::read(&text) else {
            panic!("it is a page: {text}");
        };
        let (sets, _) = page.parts()?;
        let set = sets.into_iter().next().expect("one set");
        let subjects = [(shop(), Kind::A), (shop(), Kind::Https)];
        Held::of(&shop(), set, &subjects)
    }

    fn records(ttl: &str, value: &str) -> String {
        format!(
            "{ttl}<ResourceRecords><ResourceRecord><Value>{value}</Value></ResourceRecord></ResourceRecords>"
        )
    }

    #[test]
    fn a_set_is_read_and_keeps_how_it_is_written() {
        let elements = records("<TTL>60</TTL>", "1  . port=443 alpn=\"h2\"");
        let held = held("HTTPS", &elements).expect("it is read");
        let held = held.expect("it is asked for");
        assert_eq!(
            held.set.to_string(),
            "shop.example.test. 60 HTTPS 1 . alpn=h2 port=443"
        );
        assert_eq!(held.values, ["1  . port=443 alpn=\"h2\""]);
    }

    #[test]
    fn kinds_that_are_not_asked_for_are_none_of_ours() {
        for kind in ["AAAA", "TXT", "NAPTR"] {
            let elements = records("<TTL>60</TTL>", "anything");
            let held = held(kind, &elements).expect("it is not looked at");
            assert!(held.is_none(), "{kind}");
        }
    }

    #[test]
    fn what_is_not_simply_records_is_refused_with_what_it_is() {
        let simple = records("<TTL>60</TTL>", "192.0.2.1");
        let check = |elements: &str, expected: &str| {
            let why = match held("A", elements) {
                Err(ProviderError::Refused { why }) => why,
                Err(error) => panic!("{error}"),
                Ok(_) => panic!("{elements} was taken"),
            };
            assert!(why.contains(expected), "{why}");
        };
        let of = |identifier: &str| format!("<SetIdentifier>{identifier}</SetIdentifier>");
        let alias = "<AliasTarget><DNSName>lb.test.</DNSName></AliasTarget>";
        check(alias, "is an alias of lb.test.,");
        let (weighted, failover) = ("<Weight>0</Weight>", "<Failover>PRIMARY</Failover>");
        check(&[&of("a"), weighted, &simple].concat(), "(\"a\", weight 0)");
        check(&[&of("a"), failover, &simple].concat(), "failover PRIMARY");
        let several = "<MultiValueAnswer>true</MultiValueAnswer>";
        check(&[&of("a"), several, &simple].concat(), "multivalue answer");
        let cidr = "<CidrRoutingConfig><LocationName>*</LocationName></CidrRoutingConfig>";
        check(&[&of("a"), cidr, &simple].concat(), "CIDR");
        let near = "<GeoProximityLocation><Bias>1</Bias></GeoProximityLocation>";
        check(&[&of("a"), near, &simple].concat(), "geoproximity");
        let checked = [&simple, "<HealthCheckId>h-1</HealthCheckId>"].concat();
        check(&checked, "has the health check h-1,");
        let policy = "<TrafficPolicyInstanceId>t-1</TrafficPolicyInstanceId>";
        check(&[&simple, policy].concat(), "traffic policy instance t-1");
        check(&records("", "192.0.2.1"), "has no TTL");
        check(&records("<TTL>60</TTL>", "nonsense"), "no value of A");
    }
}
