//! Names that move, and come back: the real binary in front of a real BIND.

use std::{net::SocketAddr, os::unix::fs::PermissionsExt, time::Duration};

use changeover::{
    dns::provider::Applied,
    plan::dns::{Kind, Ttl},
};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{apply, change, mover, set};
use crate::harness::{
    bind::{Bind, SECRET_BASE64, role::Named},
    environment::Environment,
    eventually,
    load::Load,
    metrics,
    proxy::{Folder, Proxy, changeover, configuration},
    route53::{ACCESS_KEY_ID, Route53, SECRET, Set, ZONE_ID},
};

pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// Steps that are over soon, and whatever the requests say.
const RAMP: &str = r#"[split]
writes = "split"
[ramp]
start = "automatic"
advance = "bake"
[[ramp.step]]
weight = "100%"
bake = "1s"
requests = 0
[evidence]
false_alarms = 0
[[trigger]]
name = "never"
reading = "error_rate"
above = "99%"
"#;

/// Clients are led here before, and to new itself after.
pub(super) const FROM: &str = "127.0.0.1";
pub(super) const TO: &str = "127.0.0.2";

/// `[dns]`, with the servers that this one names.
pub(super) fn dns(server: SocketAddr, provider: &str, more: &str) -> String {
    let port = server.port();
    format!(
        "{RAMP}[dns]\nzone = \"example.test\"\nttl = \"1s\"\ngap = \"10s\"\nstart = [\"{server}\"]\nport = {port}\n{more}\n\
         {provider}\n[[dns.name]]\nname = \"shop.example.test\"\n\
         from = {{ A = [\"{FROM}\"], HTTPS = [\"1 . alpn=h2\"] }}\nto = {{ A = [\"{TO}\"] }}\n"
    )
}

pub(super) fn rfc2136(server: SocketAddr) -> String {
    format!(
        "[dns.provider]\nkind = \"rfc2136\"\nserver = \"{server}\"\nkey_name = \"mover\"\nsecret_file = \"tsig.secret\""
    )
}

/// A zone that may be kept for so many seconds.
pub(super) fn zone(ttl: u32) -> Bind {
    Bind::start(&format!(
        "shop {ttl} IN A {FROM}\nshop {ttl} IN HTTPS 1 . alpn=h2"
    ))
}

pub(super) struct World {
    pub(super) old: Environment,
    pub(super) new: Environment,
    pub(super) proxy: Proxy,
}

impl World {
    /// With a shift that is complete.
    pub(super) fn complete(dns: &str) -> Self {
        let (old, new) = (Environment::start("old"), Environment::start("new"));
        let folder = Folder::new();
        folder.write("tsig.secret", SECRET_BASE64);
        folder.write(
            "changeover.toml",
            &configuration(&old.url(), &new.url(), dns),
        );
        let proxy = Proxy::start_in(&folder);
        // A step bakes from new's first answer on.
        let load = Load {
            rate: 100,
            connections: 4,
            ..Load::new("shift")
        };
        let load = load.start(proxy.address());
        proxy.status_when("the shift is complete", LIMIT, |it| {
            it["ramp"]["state"] == "complete"
        });
        drop(load.stop());
        Self { old, new, proxy }
    }

    /// `changeover dns …` against this server; its exit code, and what it printed.
    pub(super) fn command(&self, words: &[&str]) -> (Option<i32>, String) {
        let admin = format!("http://{}", self.proxy.admin);
        let output = changeover(&[&["dns"], words, &["--admin", &admin]].concat());
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    pub(super) fn ordered(&self, words: &[&str]) -> String {
        let (code, text) = self.command(&[words, &["--reason", "test"]].concat());
        assert_eq!(code, Some(0), "{words:?}: {text}\n{}", self.proxy.log());
        text
    }

    /// Waits until the last order is this one, and in this state.
    pub(super) fn is(&self, purpose: &str, state: &str) -> Value {
        order_is(&self.proxy, purpose, state)
    }

    pub(super) fn lowered(&self) {
        self.ordered(&["lower-ttl"]);
        self.is("lower-ttl", "served");
        self.proxy.status_when("the TTL has run out", LIMIT, |it| {
            it["dns"]["ttl"]["satisfied"] == true
        });
    }

    /// What the journal says of names.
    pub(super) fn journal(&self) -> Vec<String> {
        let events = self.proxy.events();
        let names = events.iter().filter_map(|it| {
            let kind = it["change"]["kind"].as_str()?.strip_prefix("dns_")?;
            let purpose = it["change"]["purpose"].as_str();
            let what = purpose.map_or_else(|| kind.to_owned(), |it| format!("{it} {kind}"));
            Some(format!(
                "{what} by {}",
                it["actor"]["name"].as_str().unwrap_or("plan")
            ))
        });
        names.collect()
    }
}

fn order_is(proxy: &Proxy, purpose: &str, state: &str) -> Value {
    proxy.status_when(&format!("{purpose} is {state}"), LIMIT, |it| {
        it["dns"]["order"]["purpose"] == purpose && it["dns"]["order"]["state"] == state
    })
}

#[test]
fn names_move_under_traffic_and_a_rollback_leads_them_back_without_a_lost_request() {
    let bind = zone(3);
    let world = World::complete(&dns(bind.address, &rfc2136(bind.address), ""));
    let load = Load {
        rate: 200,
        connections: 8,
        ..Load::new("straggler")
    };
    let load = load.start(world.proxy.address());
    let (code, text) = world.command(&["move", "--reason", "too soon"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("lower it first"), "{text}");
    let plan = world.command(&["lower-ttl", "--plan"]).1;
    assert!(plan.contains("nothing was"), "{plan}");
    assert!(plan.contains("to 1s: takes 3s in all"), "{plan}");
    assert_eq!(bind.dig("shop", "A"), [format!("3 A {FROM}")], "only shown");

    world.lowered();
    assert_eq!(bind.dig("shop", "A"), [format!("1 A {FROM}")]);
    let text = world.ordered(&["move"]);
    assert!(text.contains("the way back"), "{text}");
    let status = world.is("move", "served");
    assert_eq!(status["dns"]["leads"], "to");
    assert!(
        status["dns"]["order"]["stale_until"].is_string(),
        "{status}"
    );
    assert_eq!(bind.dig("shop", "A"), [format!("1 A {TO}")]);
    assert_eq!(bind.dig("shop", "HTTPS"), [""; 0], "all kinds are one unit");
    // Who looks the name up goes to new itself, and who does not is served as before.
    let sent = load.sent();
    eventually("stragglers are served", LIMIT, || {
        (load.sent() > sent + 100).then_some(())
    });
    let refused = world.command(&["restore-ttl", "--reason", "too soon"]);
    assert_eq!(refused.0, Some(3), "{}", refused.1);

    let rollback = json!({ "reason": "test" });
    world.proxy.does("/api/v1/rollback", &rollback);
    let status = world.is("revert", "served");
    assert_eq!(status["dns"]["leads"], "from");
    assert_eq!(bind.dig("shop", "A"), [format!("1 A {FROM}")]);
    assert_eq!(bind.dig("shop", "HTTPS").len(), 1);
    world.ordered(&["restore-ttl"]);
    world.is("restore-ttl", "served");
    assert_eq!(bind.dig("shop", "A"), [format!("3 A {FROM}")]);

    for answer in load.stop() {
        assert_eq!(
            answer.status,
            Some(200),
            "{answer:?}\n{}",
            world.proxy.log()
        );
    }
    assert!(world.old.requests() > 0 && world.new.requests() > 0);
    let expected = [
        "lower-ttl ordered by local",
        "lower-ttl served by plan",
        "move ordered by local",
        "move served by plan",
        "revert ordered by plan",
        "revert served by plan",
        "restore-ttl ordered by local",
        "restore-ttl served by plan",
    ];
    assert_eq!(world.journal(), expected);
    let text = changeover(&[
        "status",
        "--admin",
        &format!("http://{}", world.proxy.admin),
    ]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.lines().all(|it| it.chars().count() <= 80), "{text}");
    assert!(text.contains("restore-ttl by local"), "{text}");
}

/// What `/metrics` says, summed up over what carries these labels.
fn shows(proxy: &Proxy, metric: &str, labels: &[(&str, &str)], expected: f64) {
    let shown = metrics::sum(proxy.admin, metric, labels);
    assert!((shown - expected).abs() < 1e-9, "{metric} is {shown}");
}

#[test]
fn names_move_by_themselves_when_the_plan_says_so() {
    let bind = zone(2);
    let more = "move = \"when-complete\"";
    let world = World::complete(&dns(bind.address, &rfc2136(bind.address), more));
    world.ordered(&["lower-ttl"]);
    world.is("move", "served");
    assert_eq!(bind.dig("shop", "A"), [format!("1 A {TO}")]);
    shows(&world.proxy, "changeover_dns_moved", &[], 1.0);
    let served = [("order", "move"), ("state", "served")];
    shows(&world.proxy, "changeover_dns_order_state", &served, 1.0);
    let expected = "move ordered by plan".to_owned();
    assert!(world.journal().contains(&expected), "{:?}", world.journal());
}

#[test]
fn a_stale_server_holds_the_time_up_until_it_has_caught_up() {
    let bind = Bind::start(&format!(
        "shop 3 IN A {FROM}\nshop 3 IN HTTPS 1 . alpn=h2\n@ IN NS ns2\nns2 IN AAAA ::1"
    ));
    let stale = Named::secondary_of(bind.address);
    let world = World::complete(&dns(bind.address, &rfc2136(bind.address), ""));
    world.ordered(&["lower-ttl"]);
    let status = world.proxy.status_when("one server is late", LIMIT, |it| {
        let says = |index: usize| it["dns"]["servers"][index]["says"][0]["ttl"].as_u64();
        let mut ttls = [says(0), says(1)];
        ttls.sort_unstable();
        ttls == [Some(1), Some(3)]
    });
    assert_eq!(status["dns"]["order"]["state"], "ordered", "{status}");
    assert!(status["dns"]["ttl"]["since"].is_null(), "{status}");
    // Summed up over both servers, of which one is late.
    shows(&world.proxy, "changeover_dns_server_answers", &[], 2.0);
    shows(&world.proxy, "changeover_dns_server_as_expected", &[], 1.0);
    shows(&world.proxy, "changeover_dns_server_ttl_seconds", &[], 4.0);
    shows(
        &world.proxy,
        "changeover_dns_ttl_remaining_seconds",
        &[],
        3.0,
    );
    let (code, text) = world.command(&["move", "--reason", "too soon"]);
    assert_eq!(code, Some(3), "{text}");
    drop(stale);
    let _caught_up = Named::secondary_of(bind.address);
    world.is("lower-ttl", "served");
    shows(&world.proxy, "changeover_dns_server_as_expected", &[], 2.0);
}

#[test]
fn a_crash_after_the_change_and_before_its_entry_is_recovered_by_looking() {
    let bind = zone(2);
    let world = World::complete(&dns(bind.address, "provider = { kind = \"manual\" }", ""));
    let text = world.ordered(&["lower-ttl"]);
    assert!(text.contains("no way to try"), "{text}");
    let status = world.is("lower-ttl", "ordered");
    let progress = status["dns"]["progress"].as_str().unwrap_or_default();
    let progress = match progress.is_empty() {
        true => world.proxy.status_when("it says what to do", LIMIT, |it| {
            it["dns"]["progress"].is_string()
        })["dns"]["progress"]
            .to_string(),
        false => progress.to_owned(),
    };
    assert!(progress.contains("shop.example.test"), "{progress}");
    let World {
        proxy,
        old: _old,
        new: _new,
    } = world;
    let folder = proxy.kill();
    // Somebody makes it while nobody watches.
    let before = vec![
        set(Kind::A, 2, &[FROM]),
        set(Kind::Https, 2, &["1 . alpn=h2"]),
    ];
    let after = before.iter().map(|it| it.with_ttl(Ttl(1))).collect();
    let made = apply(&mover(bind.address), &change(before, after));
    assert_eq!(made, Ok(Applied::Done));
    let proxy = Proxy::start_in(&folder);
    order_is(&proxy, "lower-ttl", "served");
}

#[test]
fn an_update_that_was_made_already_is_done_and_not_a_conflict() {
    let bind = zone(2);
    let provider = mover(bind.address);
    let before = vec![
        set(Kind::A, 2, &[FROM]),
        set(Kind::Https, 2, &["1 . alpn=h2"]),
    ];
    let moved = change(before, vec![set(Kind::A, 1, &[TO])]);
    for _ in 0..2 {
        assert_eq!(apply(&provider, &moved), Ok(Applied::Done));
    }
}

#[test]
fn somebody_elses_change_stops_an_order_with_both_versions_shown() {
    let bind = zone(2);
    let folder = Folder::new();
    let program = folder.write(
        "change-dns",
        "#!/bin/sh\nread question\ncase $question in\n*'\"action\":\"validate\"'*) echo '{\"status\":\"held\"}' ;;\n\
         *) echo '{\"status\":\"conflict\",\"found\":[{\"name\":\"shop.example.test.\",\"type\":\"A\",\"ttl\":2,\
         \"values\":[\"203.0.113.7\"]}]}' ;;\nesac\n",
    );
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&program, executable).expect("it is ours");
    let provider = format!(
        "provider = {{ kind = \"exec\", command = [\"{}\"] }}",
        program.display()
    );
    let world = World::complete(&dns(bind.address, &provider, ""));
    world.ordered(&["lower-ttl"]);
    let status = world.is("lower-ttl", "stopped");
    let why = status["dns"]["order"]["why"].as_str().unwrap_or_default();
    assert!(why.contains(FROM) && why.contains("203.0.113.7"), "{why}");
    // Nothing was done, and it may be ordered again.
    world.ordered(&["lower-ttl"]);
    world.is("lower-ttl", "stopped");
    assert_eq!(world.journal().len(), 4, "{:?}", world.journal());
}

#[test]
fn a_zone_that_somebody_else_changed_or_whose_server_is_gone_is_left_alone() {
    let bind = zone(2);
    let world = World::complete(&dns(bind.address, &rfc2136(bind.address), ""));
    let other = change(
        vec![set(Kind::A, 2, &[FROM])],
        vec![set(Kind::A, 2, &["203.0.113.7"])],
    );
    assert_eq!(apply(&mover(bind.address), &other), Ok(Applied::Done));
    world.proxy.status_when("the change is seen", LIMIT, |it| {
        it["dns"]["servers"][0]["says"][0]["values"][0] == "203.0.113.7"
    });
    let (code, text) = world.command(&["lower-ttl", "--reason", "test"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("`from` has other values"), "{text}");
    assert!(world.journal().is_empty());
    drop(bind);
    world.proxy.status_when("the server is gone", LIMIT, |it| {
        it["dns"]["servers"][0]["fault"].is_string()
    });
    let (code, text) = world.command(&["lower-ttl", "--reason", "test"]);
    assert_eq!(code, Some(3), "{text}");
}

#[test]
fn an_upgrade_goes_on_with_the_order_and_the_time_of_the_ttl() {
    let bind = zone(4);
    let mut world = World::complete(&dns(bind.address, &rfc2136(bind.address), ""));
    world.ordered(&["lower-ttl"]);
    world.is("lower-ttl", "served");
    let before = world.proxy.status();
    world.proxy.signal(Signal::USR2);
    assert!(world.proxy.wait(LIMIT).success(), "{}", world.proxy.log());
    let after = world.proxy.status_when("the TTL has run out", LIMIT, |it| {
        it["dns"]["ttl"]["satisfied"] == true
    });
    assert_eq!(before["dns"]["ttl"]["since"], after["dns"]["ttl"]["since"]);
    world.ordered(&["move"]);
    world.is("move", "served");
}

#[test]
fn a_revert_that_is_refused_is_tried_until_it_is_done() {
    let bind = zone(2);
    let folder = Folder::new();
    let answer = folder.write("answer", "{\"status\":\"done\"}");
    let program = folder.write(
        "change-dns",
        &format!(
            "#!/bin/sh\nread question\ncase $question in\n*'\"action\":\"validate\"'*) echo '{{\"status\":\"held\"}}' ;;\n\
             *) cat '{}' ;;\nesac\n",
            answer.display()
        ),
    );
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&program, executable).expect("it is ours");
    let provider = format!(
        "provider = {{ kind = \"exec\", command = [\"{}\"] }}",
        program.display()
    );
    let world = World::complete(&dns(bind.address, &provider, ""));
    // The program only says so; each change is made beside it.
    let hint = &["1 . alpn=h2"];
    let sets = |ttl| vec![set(Kind::A, ttl, &[FROM]), set(Kind::Https, ttl, hint)];
    let moved = change(sets(1), vec![set(Kind::A, 1, &[TO])]);
    world.ordered(&["lower-ttl"]);
    let lower = change(sets(2), sets(1));
    assert_eq!(apply(&mover(bind.address), &lower), Ok(Applied::Done));
    world.proxy.status_when("the TTL has run out", LIMIT, |it| {
        it["dns"]["ttl"]["satisfied"] == true
    });
    world.ordered(&["move"]);
    assert_eq!(apply(&mover(bind.address), &moved), Ok(Applied::Done));
    world.is("move", "served");

    folder.write("answer", "{\"status\":\"refused\",\"why\":\"maintenance\"}");
    world
        .proxy
        .does("/api/v1/rollback", &json!({ "reason": "test" }));
    let status = world.proxy.status_when("it is tried again", LIMIT, |it| {
        let progress = it["dns"]["progress"].as_str().unwrap_or_default();
        progress.contains("maintenance") && progress.contains("tried again")
    });
    assert_eq!(status["dns"]["order"]["purpose"], "revert", "{status}");
    assert_eq!(status["dns"]["order"]["state"], "ordered", "{status}");
    folder.write("answer", "{\"status\":\"done\"}");
    world.proxy.status_when("it is done", LIMIT, |it| {
        let progress = it["dns"]["progress"].as_str().unwrap_or_default();
        progress.contains("the provider has made the change")
    });
    let back = apply(&mover(bind.address), &moved.reversed());
    assert_eq!(back, Ok(Applied::Done));
    world.is("revert", "served");
}

/// The addresses of its servers stand for many places, and a BIND plays the nearest one.
#[test]
fn what_route_53_does_not_have_everywhere_is_not_served() {
    let bind = zone(2);
    let route53 = Route53::start(&[
        Set::new("shop.example.test.", "A", 2, &[FROM]),
        Set::new("shop.example.test.", "HTTPS", 2, &["1 . alpn=\"h2\""]),
    ]);
    route53.dawdle();
    let folder = Folder::new();
    let secret = folder.write("aws.secret", SECRET);
    let provider = format!(
        "[dns.provider]\nkind = \"route53\"\nurl = \"{}\"\nzone_id = \"{ZONE_ID}\"\naccess_key_id = \"{ACCESS_KEY_ID}\"\n\
         secret_file = \"{}\"",
        route53.api.url,
        secret.display()
    );
    let world = World::complete(&dns(bind.address, &provider, ""));
    world.ordered(&["lower-ttl"]);
    world.proxy.status_when("it is made", LIMIT, |it| {
        let progress = it["dns"]["progress"].as_str().unwrap_or_default();
        progress.contains("not all of its servers")
    });
    let sets = |ttl| {
        let hint = &["1 . alpn=h2"];
        vec![set(Kind::A, ttl, &[FROM]), set(Kind::Https, ttl, hint)]
    };
    let lower = change(sets(2), sets(1));
    assert_eq!(apply(&mover(bind.address), &lower), Ok(Applied::Done));
    let status = world.proxy.status_when("the nearest has it", LIMIT, |it| {
        it["dns"]["servers"][0]["says"][0]["ttl"] == 1
    });
    let unknown = status["dns"]["unknown"].as_str().unwrap_or_default();
    assert!(unknown.contains("not all of its servers"), "{status}");
    assert_eq!(status["dns"]["order"]["state"], "ordered", "{status}");
    assert!(status["dns"]["ttl"]["since"].is_null(), "{status}");
    route53.arrive();
    let status = world.is("lower-ttl", "served");
    assert!(status["dns"]["unknown"].is_null(), "{status}");
    let (_, log) = world.proxy.stop();
    assert!(!log.contains(SECRET), "{log}");
}
