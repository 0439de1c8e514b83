//! What is seen of a zone, on real BINDs in a namespace of our own.

use std::{net::SocketAddr, process::Command, time::Duration};

use changeover::{
    clock,
    dns::look::{
        Answer, Comparison, LookError, NamedBy, Report, Standing, Unanswered, ask, look, report,
        servers,
    },
    plan::{
        Secret,
        dns::{
            DnsMoves, DnsName, DnsPlan, Kind, LookPlan, ProviderPlan, Quiet, Records, Rfc2136Plan,
            TsigAlgorithm, Ttl, Value,
        },
    },
};
use hickory_resolver::proto::{op::ResponseCode, rr::Name};

use super::{run, set, shop};
use crate::harness::{
    bind::{
        SECRET_BASE64, ZONE,
        role::{Named, Namespace, Zone, zone},
    },
    eventually,
    proxy::{Folder, configuration},
};

const SHOP: &str = "shop 3600 IN A 192.0.2.1";

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

/// One name of a kind with one value before and one after.
fn moving(of: &str, kind: Kind, from: &str, to: &str) -> DnsName {
    let records = |it: &str| {
        let value = Value::parse(kind, it).expect("a value");
        Records::from([(kind, [value].into())])
    };
    DnsName {
        name: name(of),
        from: records(from),
        to: records(to),
    }
}

fn plan(namespace: &Namespace, names: Vec<DnsName>) -> DnsPlan {
    let start = namespace.root.address;
    DnsPlan {
        zone: name(ZONE),
        names,
        ttl: Ttl(60),
        moves: DnsMoves::Manually,
        gap: Duration::from_secs(30),
        quiet: Quiet::DEFAULT,
        look: LookPlan {
            start: vec![start],
            port: namespace.port(),
            timeout: Duration::from_secs(3),
            resolvers: Vec::new(),
        },
        provider: ProviderPlan::Rfc2136(Rfc2136Plan {
            server: start,
            key_name: name("mover."),
            algorithm: TsigAlgorithm::HmacSha256,
            secret: Secret::new(Vec::new()),
        }),
    }
}

fn shop_moves() -> Vec<DnsName> {
    let kind = Kind::A;
    vec![moving(
        "shop.example.test.",
        kind,
        "192.0.2.1",
        "198.51.100.1",
    )]
}

fn seen(plan: &DnsPlan) -> Report {
    let seen = run(look(plan)).expect("the servers are found");
    report(plan, &seen, clock::wall())
}

/// What is said beside what passes: answer, check and object of each.
fn faults(report: &Report) -> Vec<(Answer, &str, &str)> {
    let faults = report
        .findings
        .iter()
        .filter(|it| it.answer != Answer::Pass);
    let faults = faults.map(|it| {
        let object = it.object.as_deref().unwrap_or_default();
        (it.answer, it.check, object)
    });
    faults.collect()
}

/// What was found by the one finding of this check that is not a pass.
fn found<'r>(report: &'r Report, check: &str) -> &'r str {
    let mut of_check = report
        .findings
        .iter()
        .filter(|it| it.check == check && it.answer != Answer::Pass);
    let found = of_check
        .next()
        .unwrap_or_else(|| panic!("no {check}: {report:#?}"));
    assert_eq!(of_check.next(), None);
    &found.found
}

#[test]
fn a_zone_in_order_is_found_on_both_families_and_passes() {
    let namespace = Namespace::start(SHOP);
    let report = seen(&plan(&namespace, shop_moves()));
    assert_eq!(faults(&report), []);
    assert_eq!((report.fails, report.warns), (0, 0));
    let servers = report.servers.iter();
    let servers: Vec<_> = servers
        .map(|it| (it.name.as_str(), it.address.clone()))
        .collect();
    let address = |it: &Named| it.address.to_string();
    assert_eq!(
        servers,
        [
            ("ns1.example.test", address(&namespace.primary)),
            ("ns2.example.test", address(&namespace.secondary)),
        ]
    );
    for server in &report.servers {
        assert!(server.udp && server.tcp, "{server:?}");
        assert_eq!((server.serial, server.named_by), (Some(1), NamedBy::Both));
    }
    assert_eq!(report.names[0].standing, Standing::From);
    assert_eq!(report.names[0].longest_ttl, Some(3600));
    assert_eq!(report.negative_ttl, Some(5));
    assert!(!report.dnssec.is_signed);
}

#[test]
fn a_stale_secondary_differs_and_one_that_dies_is_unknown() {
    let mut namespace = Namespace::differing("shop 60 IN A 192.0.2.1", SHOP);
    let plan = plan(&namespace, shop_moves());
    let report = seen(&plan);
    assert_eq!(
        faults(&report),
        [(Answer::Fail, "same answers", "shop.example.test A")]
    );
    assert!(found(&report, "same answers").contains("192.0.2.1 for 3600s on ns2"));

    let authorities = run(servers(&plan.zone, &plan.look)).expect("they are found");
    let subjects = [(shop(), Kind::A), (shop(), Kind::Aaaa)];
    let expected = [set(Kind::A, 60, &["192.0.2.1"])];
    let views = run(ask(&authorities, &subjects, &plan.look));
    assert_eq!(views[0].compare(&expected), Comparison::Serves);
    let Comparison::Differs(differences) = views[1].compare(&expected) else {
        panic!("{:?}", views[1]);
    };
    let found = differences[0].found.expect("it is served");
    assert_eq!(found.ttl, Ttl(3600));

    namespace.secondary.kill();
    let views = run(ask(&authorities, &subjects, &plan.look));
    assert_eq!(views[0].compare(&expected), Comparison::Serves);
    let unknown = views[1].compare(&expected);
    assert!(
        matches!(unknown, Comparison::Unknown(Unanswered::Closed { .. })),
        "{unknown:?}"
    );
    // It is found all the same: parent and zone still name it.
    let report = seen(&plan);
    let server = format!("ns2.example.test ({})", namespace.secondary.address);
    assert_eq!(
        faults(&report),
        [(Answer::Fail, "servers", server.as_str())]
    );
    namespace.primary.kill();
    let report = seen(&plan);
    assert_eq!(report.names[0].standing, Standing::Unknown);
    namespace.root.kill();
    let error = run(look(&plan)).expect_err("nobody leads there");
    assert!(matches!(error, LookError::NoAnswer { .. }), "{error}");
}

#[test]
fn a_server_that_refuses_or_does_not_hold_the_zone_fails() {
    let (own, refusing) = (zone(SHOP, ""), zone(SHOP, "allow-query { none; };"));
    let namespace = Namespace::of("", &[own.as_zone()], &[refusing.as_zone()]);
    let plan_of = |it: &Namespace| plan(it, shop_moves());
    let plan = plan_of(&namespace);
    assert!(found(&seen(&plan), "servers").contains("Refused"));
    let authorities = run(servers(&plan.zone, &plan.look)).expect("they are found");
    let views = run(ask(&authorities, &[(shop(), Kind::A)], &plan.look));
    let code = ResponseCode::Refused;
    assert_eq!(views[1].answers, Err(Unanswered::Refused { code }));
    drop(namespace);

    let other = Zone {
        name: "other.test.",
        records: "@ IN NS ns1.example.test.",
        statement: "",
    };
    let namespace = Namespace::of("", &[own.as_zone()], &[other]);
    assert!(found(&seen(&plan_of(&namespace)), "servers").contains("Refused"));
}

#[test]
fn servers_that_only_the_parent_or_only_the_zone_names_are_found_and_said() {
    let hidden = zone(&format!("{SHOP}\n@ IN NS ns3\nns3 IN A 127.0.0.1"), "");
    let lame = "example.test. IN NS ns4.example.test.\nns4.example.test. IN A 127.0.0.1\n";
    let namespace = Namespace::of(lame, &[hidden.as_zone()], &[hidden.as_zone()]);
    let report = seen(&plan(&namespace, shop_moves()));
    let check = "delegation";
    assert_eq!(
        faults(&report),
        [
            (Answer::Warn, check, "ns4.example.test"),
            (Answer::Warn, check, "ns3.example.test"),
        ]
    );
    let text = |index: usize| {
        let mut of_check = report.findings.iter().filter(|it| it.check == check);
        of_check
            .nth(index)
            .map(|it| it.found.as_str())
            .unwrap_or_default()
    };
    assert!(
        text(0).contains("zone itself does not name it"),
        "{report:#?}"
    );
    assert!(text(1).contains("its parent does not"), "{report:#?}");
}

#[test]
fn aliases_are_followed_over_zones_and_servers_without_glue_are_looked_up() {
    let own = zone(
        "www 300 IN CNAME cdn.other.test.\nshop 60 IN A 192.0.2.1",
        "",
    );
    let zones = [
        own.as_zone(),
        Zone {
            name: "other.test.",
            records: "@ IN NS ns1.example.test.\ncdn 7200 IN CNAME edge.away.test.",
            statement: "",
        },
        Zone {
            name: "hosted.net.",
            records: "@ IN NS ns1.example.test.\nns IN A 127.0.0.1",
            statement: "",
        },
        Zone {
            name: "away.test.",
            records: "@ IN NS ns.hosted.net.\nedge 30 IN A 203.0.113.7\nedge 40 IN AAAA 2001:db8::7",
            statement: "",
        },
    ];
    let namespace = Namespace::of("", &zones, &[own.as_zone()]);
    let www = "www.example.test.";
    let missing = "nothing.away.test.";
    let names = vec![moving(www, Kind::Cname, "cdn.other.test.", missing)];
    let report = seen(&plan(&namespace, names));
    assert_eq!(
        faults(&report),
        [(Answer::Fail, "aliases", "nothing.away.test")]
    );
    let www = &report.names[0];
    assert_eq!(
        (www.standing, www.longest_ttl),
        (Standing::From, Some(7200))
    );
    let chain = www.chain.as_ref().expect("it is an alias");
    let link = |index: usize| (chain.links[index].name.as_str(), chain.links[index].ttl);
    assert_eq!(
        [link(0), link(1)],
        [("www.example.test", 300), ("cdn.other.test", 7200)]
    );
    let ends: Vec<_> = chain.addresses.iter().map(|it| (it.kind, it.ttl)).collect();
    assert_eq!(ends, [("A", 30), ("AAAA", 40)]);

    let away = plan(&namespace, Vec::new()).look;
    let found = run(servers(&name("away.test."), &away)).expect("they are found");
    let addresses: Vec<SocketAddr> = found.servers.iter().map(|it| it.address).collect();
    assert_eq!(addresses, [namespace.primary.address]);
    assert_eq!(found.servers[0].named_by, NamedBy::Both);
    for no_zone in ["www.example.test.", "shop.example.test."] {
        let within = run(servers(&name(no_zone), &away));
        let error = within.expect_err("it is none");
        assert!(
            error
                .to_string()
                .contains("its records are in example.test;"),
            "{error}"
        );
    }
}

#[test]
fn a_hint_and_a_kind_that_the_plan_forgot_are_left_behind() {
    let namespace = Namespace::start(
        "shop 60 IN A 192.0.2.1\nshop 60 IN AAAA 2001:db8::1\n\
         shop 60 IN HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1",
    );
    let report = seen(&plan(&namespace, shop_moves()));
    let object = "shop.example.test";
    assert_eq!(
        faults(&report),
        [
            (Answer::Fail, "left behind", object),
            (Answer::Fail, "left behind", object),
            (Answer::Fail, "hints", object),
        ]
    );
    assert!(found(&report, "hints").contains("hint 192.0.2.1 is no address of `to`"));
}

#[test]
fn a_signed_zone_is_told_from_one_that_only_its_parent_calls_signed() {
    let digest = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let ds = format!("example.test. IN DS 12345 13 2 {digest}\n");
    let signing = zone(SHOP, "dnssec-policy default; inline-signing yes;");
    let unsigned = zone(SHOP, "");
    let namespace = Namespace::of(&ds, &[signing.as_zone()], &[unsigned.as_zone()]);
    eventually("the zone is signed", Duration::from_secs(20), || {
        let answer = namespace
            .primary
            .dig("shop.example.test", "A", &["+dnssec"]);
        answer.contains("RRSIG").then_some(())
    });
    let report = seen(&plan(&namespace, shop_moves()));
    let server = format!("ns2.example.test ({})", namespace.secondary.address);
    assert_eq!(faults(&report), [(Answer::Fail, "DNSSEC", server.as_str())]);
    assert!(found(&report, "DNSSEC").contains("no keys"));
    assert!(report.dnssec.is_signed);
    assert_eq!(report.dnssec.is_checked, Some(true));
    // BIND signs for two weeks and signs anew five days before that.
    let end = report
        .dnssec
        .signatures_end
        .as_deref()
        .expect("it is signed");
    let end: jiff::Timestamp = end.parse().expect("a time");
    let left = end.duration_since(clock::wall().calendar()).as_hours();
    assert!((5 * 24..15 * 24).contains(&left), "{left} hours");
}

#[test]
fn a_resolver_that_stretches_ttls_is_caught() {
    let namespace = Namespace::start("shop 1 IN A 192.0.2.1");
    let resolver = namespace.clamping_resolver();
    let mut plan = plan(&namespace, shop_moves());
    plan.look.resolvers = vec![resolver.address];
    let report = seen(&plan);
    let what = format!("{}, shop.example.test A", resolver.address);
    assert_eq!(
        faults(&report),
        [(Answer::Warn, "resolvers", what.as_str())]
    );
    assert!(found(&report, "resolvers").contains("is told 1s"));
    assert!(report.resolvers[0].sets[0].ttl > 1);
    drop(resolver);
    let report = seen(&plan);
    assert!(found(&report, "resolvers").contains("nobody listens"));
}

/// `changeover dns show` with a configuration that moves the shop: exit code, standard output, standard error.
fn shown(namespace: &Namespace, resolver: SocketAddr, arguments: &[&str]) -> (i32, String, String) {
    let folder = Folder::new();
    let (start, port) = (namespace.root.address, namespace.port());
    let dns = format!(
        "[dns]\nzone = \"example.test\"\nstart = [\"{start}\"]\nport = {port}\ntimeout = \"3s\"\n\
         resolvers = [\"{resolver}\"]\n\
         [dns.provider]\nkind = \"rfc2136\"\nserver = \"{start}\"\nkey_name = \"mover\"\n\
         secret_file = \"tsig.secret\"\n\
         [[dns.name]]\nname = \"shop.example.test\"\n\
         from = {{ A = [\"192.0.2.1\"] }}\nto = {{ A = [\"198.51.100.1\"] }}\n\
         [[dns.name]]\nname = \"www.example.test\"\n\
         from = {{ CNAME = [\"shop.example.test.\"] }}\nto = {{ A = [\"198.51.100.1\"] }}\n"
    );
    folder.write("tsig.secret", SECRET_BASE64);
    let text = configuration("http://127.0.0.1:1", "http://127.0.0.1:1", &dns);
    folder.write("changeover.toml", &text);
    let output = Command::new(env!("CARGO_BIN_EXE_changeover"))
        .args(["dns", "show", "--config", "changeover.toml"])
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    let code = output.status.code().expect("it ends by itself");
    (code, text(output.stdout), text(output.stderr))
}

#[test]
fn the_command_says_it_all_on_80_columns_and_as_json() {
    let fresh = "shop 60 IN A 192.0.2.1\nshop 60 IN HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1\n\
                 www 300 IN CNAME shop";
    let stale = fresh.replace("shop 60", "shop 3600");
    let namespace = Namespace::differing(fresh, &stale);
    let resolver = namespace.clamping_resolver();
    let (code, page, errors) = shown(&namespace, resolver.address, &[]);
    assert_eq!(code, 1, "{page}\n{errors}");
    assert_eq!(errors, "changeover: 4 findings have to be put right\n");
    for line in page.lines() {
        assert!(line.chars().count() <= 80, "too wide: {line}\n{page}");
    }
    let secondary = namespace.secondary.address;
    for expected in [
        "Zone      example.test, 2 server addresses\n",
        &format!("          ns2.example.test {secondary}: UDP and TCP, serial 1\n"),
        "Name      shop.example.test: says what the plan has in `from`\n",
        "  A       192.0.2.1 for 3600s, says 1 of 2 servers\n",
        "  CNAME   shop.example.test. for 300s\n          -> shop.example.test A 192.0.2.1 for ",
        "for 3600s, says 1 of 2 servers\n  wait    a change may go unseen for 3600s (1h 0m)\n\nName      www",
        // The alias itself may be kept for less than what it leads to on the stale server.
        "s\n  wait    a change may go unseen for 3600s (1h 0m)\n\nNo record",
        "No record that there is none is kept for up to 5s\n",
        "DNSSEC    not signed\n",
        "FAIL      same answers: shop.example.test A: 192.0.2.1 for 60s on\n",
        "Pass      delegation: parent and zone name the same servers, with the same\n",
        "8 pass, 0 warn, 4 fail\n",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }

    let (code, json, _) = shown(&namespace, resolver.address, &["--json"]);
    assert_eq!(code, 1);
    let document: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(document["zone"], "example.test");
    assert_eq!(document["fails"], 4);
    assert_eq!(document["servers"][1]["address"], secondary.to_string());
    assert_eq!(document["names"][0]["standing"], "from");
    assert_eq!(document["names"][0]["sets"][0]["values"][0], "192.0.2.1");
    assert_eq!(document["names"][1]["chain"]["links"][0]["ttl"], 300);
    assert_eq!(document["dnssec"]["is_signed"], false);
    assert_eq!(document["findings"][0]["answer"], "pass");
    assert!(!format!("{page}{json}").contains(SECRET_BASE64));

    drop(namespace);
    let gone = Namespace::start("shop 60 IN A 192.0.2.1\nwww 60 IN CNAME shop");
    let resolver = gone.clamping_resolver();
    let (code, page, errors) = shown(&gone, resolver.address, &[]);
    assert_eq!((code, errors.as_str()), (0, ""), "{page}");
}
