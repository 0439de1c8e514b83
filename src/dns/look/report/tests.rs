//! Zones as they are met, and what is said of each.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use hickory_resolver::proto::rr::{Name, RecordType};

use super::*;
use crate::{
    dns::look::{
        authority::{Authorities, Server},
        chain::ChainEnd,
        exchange::Unanswered,
        view::{ServerView, Signature},
    },
    plan::{
        Secret,
        dns::{
            DnsMoves, Kind, LookPlan, ProviderPlan, Quiet, Records, Rfc2136Plan, TsigAlgorithm,
            Value,
        },
    },
};

const SHOP: &str = "shop.example.test.";

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

fn values(kind: Kind, values: &[&str]) -> BTreeSet<Value> {
    let value = |it: &&str| Value::parse(kind, it).expect("a value");
    values.iter().map(value).collect()
}

fn records(kinds: &[(Kind, &[&str])]) -> Records {
    kinds
        .iter()
        .map(|(kind, it)| (*kind, values(*kind, it)))
        .collect()
}

fn set(of: &str, kind: Kind, ttl: u32, it: &[&str]) -> RecordSet {
    RecordSet {
        name: name(of),
        kind,
        ttl: Ttl(ttl),
        values: values(kind, it),
    }
}

/// One name that moves from 192.0.2.1 to 198.51.100.1, and two servers that serve it.
struct World {
    plan: DnsPlan,
    seen: Seen,
    now: Timestamp,
}

fn world() -> World {
    let server: SocketAddr = ([127, 0, 0, 1], 53).into();
    let plan = DnsPlan {
        zone: name("example.test."),
        names: vec![DnsName {
            name: name(SHOP),
            from: records(&[(Kind::A, &["192.0.2.1"])]),
            to: records(&[(Kind::A, &["198.51.100.1"])]),
        }],
        ttl: Ttl(60),
        moves: DnsMoves::Manually,
        gap: Duration::from_secs(30),
        quiet: Quiet::DEFAULT,
        look: LookPlan {
            start: Vec::new(),
            port: 53,
            timeout: Duration::from_secs(2),
            resolvers: Vec::new(),
        },
        provider: ProviderPlan::Rfc2136(Rfc2136Plan {
            server,
            key_name: name("mover."),
            algorithm: TsigAlgorithm::HmacSha256,
            secret: Secret::new(Vec::new()),
        }),
    };
    let names = ["ns1.example.test.", "ns2.example.test."].map(name);
    let servers = names.clone().map(|it| Server {
        address: (
            [127, 0, 0, it.iter().next().map_or(0, |it| it[2] - b'0')],
            53,
        )
            .into(),
        name: it,
        named_by: NamedBy::Both,
    });
    let seen = Seen {
        authorities: Authorities {
            zone: name("example.test."),
            servers: servers.to_vec(),
            parent: Some(BTreeSet::from(names.clone())),
            child: BTreeSet::from(names),
            unresolved: BTreeMap::new(),
            parents: vec![server],
        },
        servers: servers.into_iter().map(serving).collect(),
        delegation_signers: Ok(0),
        chains: Vec::new(),
        targets: Vec::new(),
        resolvers: Vec::new(),
    };
    World {
        plan,
        seen,
        now: Timestamp::from_micros(1_800_000_000_000_000),
    }
}

fn serving(server: Server) -> ServerSeen {
    ServerSeen {
        view: ServerView {
            server,
            answers: Ok(Answers {
                sets: vec![set(SHOP, Kind::A, 3600, &["192.0.2.1"])],
                negative_ttl: Ttl(5),
                serial: 1,
                signatures: Vec::new(),
            }),
        },
        udp: Ok(()),
        tcp: Ok(()),
        keys: Ok(0),
    }
}

impl World {
    fn report(&self) -> Report {
        report(&self.plan, &self.seen, self.now)
    }

    fn answers(&mut self, server: usize) -> &mut Answers {
        let seen = self.seen.servers[server].view.answers.as_mut();
        seen.expect("it answers")
    }

    /// Both servers serve these sets.
    fn serve(&mut self, sets: &[RecordSet]) {
        for server in 0..2 {
            self.answers(server).sets = sets.to_vec();
        }
    }

    /// What is said, beside what passes; each as `answer check: object: found`.
    fn faults(&self) -> Vec<String> {
        let findings = self.report().findings;
        let faults = findings.iter().filter(|it| it.answer != Answer::Pass);
        let line = |it: &Finding| {
            let object = it.object.as_deref().unwrap_or("-");
            assert!(it.remedy.is_some(), "{} says what to do", it.check);
            format!("{:?} {}: {object}: {}", it.answer, it.check, it.found)
        };
        faults.map(line).collect()
    }

    /// That exactly one fault is found, and that it begins and goes on like this.
    fn has(&self, begins: &str, holds: &str) {
        let faults = self.faults();
        let [fault] = faults.as_slice() else {
            panic!("one fault was expected: {faults:#?}");
        };
        assert!(fault.starts_with(begins), "{fault}");
        assert!(fault.contains(holds), "{fault}");
    }
}

#[test]
fn a_zone_in_order_passes_every_question() {
    let world = world();
    let report = world.report();
    assert_eq!(world.faults(), [""; 0]);
    assert_eq!((report.passes, report.fails), (QUESTIONS.len(), 0));
    assert_eq!(report.names[0].standing, Standing::From);
    assert_eq!(report.names[0].longest_ttl, Some(3600));
    assert_eq!(report.names[0].sets[0].servers, Some(2));
    assert_eq!(report.negative_ttl, Some(5));
}

#[test]
fn servers_that_only_one_side_names_are_warned_of() {
    let mut world = world();
    world
        .seen
        .authorities
        .child
        .remove(&name("ns2.example.test."));
    world.has(
        "Warn delegation: ns2.example.test: ",
        "the zone itself does not name it",
    );
    let mut world = self::world();
    let parent = world.seen.authorities.parent.as_mut().expect("it is known");
    parent.remove(&name("ns2.example.test."));
    world.has("Warn delegation: ns2.example.test: ", "its parent does not");
    let mut world = self::world();
    world.seen.authorities.servers[1].named_by = NamedBy::Parent;
    world.has(
        "Warn delegation: ns2.example.test (127.0.0.2:53): ",
        "the zone does not",
    );
    let mut world = self::world();
    world.seen.authorities.parent = None;
    world.has("Warn delegation: -: ", "was not seen");
}

#[test]
fn a_silent_server_fails_and_one_out_of_reach_is_not_known() {
    let mut world = world();
    let silent = Unanswered::Silent {
        limit: Duration::from_secs(2),
    };
    let seen = &mut world.seen.servers[1];
    seen.view.answers = Err(silent.clone());
    (seen.udp, seen.tcp) = (Err(silent.clone()), Err(silent.clone()));
    seen.keys = Err(silent.clone());
    world.has(
        "Fail servers: ns2.example.test (127.0.0.2:53): ",
        "no answer within 2s",
    );
    let seen = &mut world.seen.servers[1];
    seen.view.answers = Err(Unanswered::NoRoute);
    world.has(
        "Warn servers: ns2.example.test (127.0.0.2:53): ",
        "no route",
    );
    for seen in &mut world.seen.servers {
        seen.view.answers = Err(silent.clone());
    }
    let report = world.report();
    assert_eq!(report.names[0].standing, Standing::Unknown);
    assert_eq!(report.fails, 2, "each server once: {:#?}", world.faults());
}

#[test]
fn a_server_that_answers_in_one_way_only_is_named() {
    let mut world = world();
    let closed = Unanswered::Closed {
        why: "nobody listens there".to_owned(),
    };
    world.seen.servers[0].tcp = Err(closed.clone());
    world.has("Warn UDP and TCP: ns1", "UDP only");
    world.seen.servers[0].tcp = Ok(());
    world.seen.servers[0].udp = Err(closed);
    world.has("Fail UDP and TCP: ns1", "TCP only");
}

#[test]
fn servers_that_differ_fail_be_it_in_the_ttl_only() {
    let mut world = world();
    world.answers(1).sets = vec![set(SHOP, Kind::A, 60, &["192.0.2.1"])];
    world.has(
        "Fail same answers: shop.example.test A: ",
        "192.0.2.1 for 3600s on ns1.example.test (127.0.0.1:53); 192.0.2.1 for 60s on ns2",
    );
    world.answers(1).sets = vec![set(SHOP, Kind::A, 3600, &["198.51.100.1"])];
    let faults = world.faults();
    assert_eq!(faults.len(), 2, "{faults:#?}");
    assert!(faults[1].starts_with("Fail from: shop.example.test: some servers"));
    assert_eq!(world.report().names[0].standing, Standing::Between);
}

#[test]
fn a_name_that_says_something_else_fails_and_one_that_has_moved_is_warned_of() {
    let mut world = world();
    world.serve(&[set(SHOP, Kind::A, 60, &["203.0.113.9"])]);
    world.has(
        "Fail from: shop.example.test: ",
        "A: expected 192.0.2.1, found 203.0.113.9 (ns1",
    );
    world.serve(&[set(SHOP, Kind::Cname, 60, &["cdn.example.net."])]);
    world.has(
        "Fail from: ",
        "found no record; it is an alias of cdn.example.net.",
    );
    world.serve(&[set(SHOP, Kind::A, 60, &["198.51.100.1"])]);
    world.has("Warn from: shop.example.test: ", "has moved already");
}

#[test]
fn what_the_plan_does_not_name_would_stay_behind() {
    let mut world = world();
    let v4 = set(SHOP, Kind::A, 3600, &["192.0.2.1"]);
    let v6 = set(SHOP, Kind::Aaaa, 3600, &["2001:db8::1"]);
    world.serve(&[v4.clone(), v6]);
    world.has(
        "Fail left behind: shop.example.test: ",
        "AAAA 2001:db8::1 is served",
    );
    let https = set(SHOP, Kind::Https, 3600, &["1 . alpn=h2 ipv4hint=192.0.2.1"]);
    world.serve(&[v4, https]);
    let faults = world.faults();
    assert_eq!(faults.len(), 2, "{faults:#?}");
    assert!(faults[0].starts_with("Fail left behind: shop.example.test: HTTPS 1 . alpn=h2"));
    assert!(
        faults[1].contains("hint 192.0.2.1 is no address of `to`"),
        "{faults:#?}"
    );
}

#[test]
fn a_hint_of_the_plan_itself_has_to_be_an_address_of_new() {
    let mut world = world();
    let served = ["1 . alpn=h2 ipv4hint=192.0.2.1"];
    let v4 = set(SHOP, Kind::A, 3600, &["192.0.2.1"]);
    world.serve(&[v4, set(SHOP, Kind::Https, 3600, &served)]);
    let shop = &mut world.plan.names[0];
    shop.from.insert(Kind::Https, values(Kind::Https, &served));
    assert_eq!(world.faults(), [""; 0], "it goes away");
    let to = |it| values(Kind::Https, &[it]);
    let shop = &mut world.plan.names[0];
    shop.to
        .insert(Kind::Https, to("1 . alpn=h2 ipv4hint=198.51.100.1"));
    assert_eq!(world.faults(), [""; 0]);
    let shop = &mut world.plan.names[0];
    shop.to
        .insert(Kind::Https, to("1 . ipv4hint=198.51.100.1,192.0.2.1"));
    world.has("Fail hints: shop.example.test: ", "hint 192.0.2.1");
}

#[test]
fn a_kind_that_is_new_is_missed_for_the_negative_ttl() {
    let mut world = world();
    let shop = &mut world.plan.names[0];
    shop.to
        .insert(Kind::Aaaa, values(Kind::Aaaa, &["2001:db8::2"]));
    assert_eq!(world.faults(), [""; 0], "5 s are less than 60 s");
    world.answers(1).negative_ttl = Ttl(900);
    world.has(
        "Warn no record: shop.example.test: ",
        "adds AAAA; resolvers keep for up to 900s",
    );
}

#[test]
fn aliases_count_with_their_longest_ttl_and_must_lead_somewhere() {
    let mut world = world();
    let alias = set(SHOP, Kind::Cname, 300, &["cdn.example.net."]);
    world.plan.names[0].from = records(&[(Kind::Cname, &["cdn.example.net."])]);
    world.plan.names[0].to = records(&[(Kind::Cname, &["new.example.net."])]);
    world.serve(std::slice::from_ref(&alias));
    let end = |of, ttl| ChainEnd::Addresses(vec![set(of, Kind::A, ttl, &["192.0.2.1"])]);
    world.seen.chains = vec![Chain {
        name: name(SHOP),
        links: vec![alias],
        end: end("cdn.example.net.", 7200),
    }];
    let target = |end| Chain {
        name: name("new.example.net."),
        links: Vec::new(),
        end,
    };
    world.seen.targets = vec![target(end("new.example.net.", 60))];
    assert_eq!(world.faults(), [""; 0]);
    assert_eq!(world.report().names[0].longest_ttl, Some(7200));
    world.seen.targets = vec![target(ChainEnd::Nothing(name("new.example.net.")))];
    world.has("Fail aliases: new.example.net: ", "which has no address");
}

/// A zone with keys, a DS record at its parent, and signatures that end so many seconds from now.
fn signed(ends: i64) -> World {
    let mut world = world();
    world.seen.delegation_signers = Ok(1);
    let end = world.now.micros() / 1_000_000 + ends;
    for server in 0..2 {
        world.seen.servers[server].keys = Ok(2);
        world.answers(server).signatures = vec![Signature {
            name: name(SHOP),
            covers: RecordType::A,
            ends: u32::try_from(end).expect("before 2106"),
        }];
    }
    world
}

#[test]
fn signatures_must_be_there_and_last_for_the_move() {
    let mut world = signed(86_400);
    assert_eq!(world.faults(), [""; 0]);
    let state = world.report().dnssec;
    assert!(
        state.is_signed && state.is_checked == Some(true),
        "{state:?}"
    );
    assert_eq!(
        state.signatures_end.as_deref(),
        Some("2027-01-16T08:00:00Z")
    );
    world.answers(1).signatures.clear();
    world.has("Fail DNSSEC: ns2", "no signature over shop.example.test A");
    world.seen.servers[1].keys = Ok(0);
    world.has("Fail DNSSEC: ns2", "no keys of the zone");
    // The move takes the longest TTL and the lowered one: an hour and a minute.
    signed(3700).has_none();
    signed(3600).has("Warn DNSSEC: -: ", "shop.example.test A ends at");
    signed(-1).has("Fail DNSSEC: -: ", "ended at");
    let mut world = signed(86_400);
    world.seen.delegation_signers = Ok(0);
    world.has("Warn DNSSEC: -: ", "no DS record");
}

impl World {
    fn has_none(&self) {
        assert_eq!(self.faults(), [""; 0]);
    }
}

#[test]
fn a_resolver_that_keeps_answers_for_too_long_is_warned_of() {
    let mut world = world();
    let resolver = |sets| ResolverView {
        address: ([127, 0, 0, 9], 53).into(),
        sets,
    };
    let told = |ttl, it| Ok(vec![set(SHOP, Kind::A, ttl, &[it])]);
    world.seen.resolvers = vec![resolver(told(3600, "192.0.2.1"))];
    world.has_none();
    world.seen.resolvers = vec![resolver(told(3601, "192.0.2.1"))];
    world.has(
        "Warn resolvers: 127.0.0.9:53, shop.example.test A: ",
        "is told 3600s",
    );
    world.seen.resolvers = vec![resolver(told(60, "203.0.113.9"))];
    world.has("Warn resolvers: ", "it says 203.0.113.9 for 60s");
    world.seen.resolvers = vec![resolver(Err(Unanswered::NoRoute))];
    world.has("Warn resolvers: 127.0.0.9:53: ", "no route");
}
