//! Another configuration while requests, tunnels and a ramp are under way.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use rcgen::CertifiedKey;
use rustix::process::Signal;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring,
    pki_types::CertificateDer,
};
use serde_json::{Value, json};

use crate::harness::{
    admin,
    environment::Environment,
    eventually,
    load::{Load, Protocol},
    peers::Peer,
    proxy::{Proxy, changeover, configuration},
    turn,
};

const LIMIT: Duration = Duration::from_secs(10);

/// Everybody is drawn anew, and a step takes an hour.
const MORE: &str = r#"
[split]
sticky = "none"
writes = "split"
[ramp]
advance = "bake"
[[ramp.step]]
weight = "50%"
bake = "1h"
[[ramp.step]]
weight = "100%"
bake = "1h"
"#;

/// Writes another configuration and has it read; status and answer.
fn reload(proxy: &Proxy, text: &str) -> (u16, Value) {
    proxy.folder().write("changeover.toml", text);
    let (status, answer) = proxy.post("/api/v1/reload", &json!({}));
    (status, serde_json::from_str(&answer).expect("JSON"))
}

/// A GET on a connection that stays open; the whole answer, whose body is empty.
fn ask(stream: &mut (impl Read + Write)) -> String {
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .expect("the connection is open");
    let mut answer = Vec::new();
    let mut byte = [0; 1];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("an answer");
        answer.push(byte[0]);
    }
    String::from_utf8(answer).expect("text")
}

fn kinds(proxy: &Proxy) -> Vec<String> {
    let kind = |it: &Value| it["change"]["kind"].as_str().expect("a kind").to_owned();
    proxy.events().iter().map(kind).collect()
}

#[test]
fn reloads_under_load_lose_nothing_and_double_nothing() {
    let _turn = turn();
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let (more_old, more_new) = (Environment::start("old"), Environment::start("new"));
    let text = configuration(&old.url(), &new.url(), MORE);
    let wider = text
        .replace(
            &old.url(),
            &format!("{}\", \"{}", old.url(), more_old.url()),
        )
        .replace(
            &new.url(),
            &format!("{}\", \"{}", more_new.url(), new.url()),
        );
    let slower = format!("{text}\n[timeouts]\nclient_idle = \"20s\"\n[limits]\nstreams = 64\n");
    let proxy = Proxy::start(&text);
    proxy.set_weight(50.0);
    let mut kept = TcpStream::connect(proxy.address()).expect("it listens");
    assert!(ask(&mut kept).starts_with("HTTP/1.1 200"));
    let loads = [Protocol::Http1, Protocol::H2c].map(|protocol| {
        let prefix = format!("{protocol:?}");
        let load = Load {
            rate: 500,
            protocol,
            ..Load::new(&prefix)
        };
        load.start(proxy.address())
    });
    let mut sent = 0;
    for text in [&wider, &slower, &text, &wider, &wider, &text] {
        sent += 150;
        eventually("requests are sent", LIMIT, || {
            (loads[0].sent() >= sent).then_some(())
        });
        let (status, answer) = reload(&proxy, text);
        assert_eq!(status, 200, "{answer}\n{}", proxy.log());
        let head = ask(&mut kept);
        assert!(
            head.starts_with("HTTP/1.1 200") && !head.contains("connection: close"),
            "{head}"
        );
    }
    let environments = [&old, &new, &more_old, &more_new];
    let answers: Vec<_> = loads.into_iter().flat_map(|it| it.stop()).collect();
    assert!(answers.len() > 1500, "{}", answers.len());
    let arrived: Vec<_> = environments.iter().map(|it| it.arrived()).collect();
    for answer in &answers {
        assert_eq!(answer.status, Some(200), "{answer:?}\n{}", proxy.log());
        let times: u64 = arrived.iter().filter_map(|it| it.get(&answer.id)).sum();
        assert_eq!(times, 1, "{answer:?}");
    }
    assert!(more_old.requests() > 0 && more_new.requests() > 0);
    assert_eq!(proxy.status()["weight"], 50.0);
    // What was measured stays with whom it was measured at, though the new one stood in front of it for a while.
    let status = proxy.status();
    let endpoints = status["sides"]["new"]["endpoints"]
        .as_array()
        .expect("a list");
    assert_eq!(endpoints.len(), 1);
    assert_eq!(endpoints[0]["address"], new.url());
    let counted = endpoints[0]["requests"].as_u64().expect("a number");
    let seen = new.requests();
    assert!(
        counted <= seen && counted + 40 > seen,
        "{counted} counted, {seen} arrived"
    );
}

#[test]
fn a_websocket_stays_open_over_reloads_though_its_endpoint_is_gone() {
    let old = Environment::start("old");
    let (mut first, mut second) = (
        Peer::start("websocket_server.py", &["first"]),
        Peer::start("websocket_server.py", &["second"]),
    );
    let (first, second) = (
        format!("http://{}", first.address()),
        format!("http://{}", second.address()),
    );
    let text = configuration(&old.url(), &first, MORE);
    let proxy = Proxy::start(&text);
    proxy.set_weight(100.0);
    let target = format!("ws://{}/", proxy.address());
    let mut client = Peer::start("websocket_client.py", &[&target, "talk"]);
    client.say("before");
    assert_eq!(client.line(), "first:before");
    let (status, answer) = reload(&proxy, &text.replace(&first, &second));
    assert_eq!(status, 200, "{answer}");
    client.say("after");
    assert_eq!(client.line(), "first:after");
    let mut other = Peer::start("websocket_client.py", &[&target, "talk"]);
    other.say("new here");
    assert_eq!(other.line(), "second:new here");
}

#[test]
fn an_endpoint_that_is_taken_out_finishes_what_it_has_and_gets_nothing_more() {
    let (old, stays) = (Environment::start("old"), Environment::start("new"));
    let leaves = Environment::start("new");
    let alone = configuration(&old.url(), &stays.url(), MORE);
    let both = configuration(&old.url(), &leaves.url(), MORE);
    let proxy = Proxy::start(&both);
    proxy.set_weight(100.0);
    leaves.behave(200, Duration::from_millis(1_500));
    let mut waiting = TcpStream::connect(proxy.address()).expect("it listens");
    waiting
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx-id: slow\r\nconnection: close\r\n\r\n")
        .expect("it is open");
    eventually("it is on its way", LIMIT, || {
        (leaves.requests() == 1).then_some(())
    });
    assert_eq!(reload(&proxy, &alone).0, 200);
    for _ in 0..20 {
        assert_eq!(admin::call(proxy.address(), "GET", "/", "").0, 200);
    }
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!((leaves.requests(), stays.requests()), (1, 20));
}

#[test]
fn a_ramp_whose_rules_changed_holds_and_says_what_changed() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let text = configuration(&old.url(), &new.url(), MORE);
    let proxy = Proxy::start(&text);
    eventually("every worker reports, and the ramp starts", LIMIT, || {
        (proxy.post("/api/v1/ramp/start", &json!({})).0 == 200).then_some(())
    });
    let (status, answer) = reload(&proxy, &text);
    assert_eq!((status, &answer["changes"]), (200, &json!([])));
    // A certificate or a time-out is no rule of the ramp.
    proxy.folder().write(
        "changeover.toml",
        &format!("{text}[timeouts]\nconnect = \"2s\"\n"),
    );
    proxy.signal(Signal::HUP);
    let has = |count| (kinds(&proxy).len() == count).then_some(());
    eventually("the signal's reload is in the journal", LIMIT, || has(4));
    assert_eq!(kinds(&proxy), ["began", "started", "reloaded", "reloaded"]);
    let event = proxy.events().pop().expect("an entry");
    assert_eq!(event["actor"]["name"], "signal");
    assert_eq!(event["reason"], "[timeouts] connect was 1s, is 2s");
    let status = proxy.status();
    assert_eq!(
        (&status["weight"], &status["generation"]),
        (&json!(50.0), &json!(2))
    );
    assert_eq!(status["ramp"]["state"], "baking");

    let others = text.replace("bake = \"1h\"", "bake = \"2h\"");
    let (code, answer) = reload(&proxy, &others);
    assert_eq!(code, 200, "{answer}");
    let status = proxy.status();
    assert_eq!(
        (&status["weight"], &status["generation"]),
        (&json!(50.0), &json!(2))
    );
    assert_eq!(status["ramp"]["state"], "holding");
    let event = proxy.events().pop().expect("an entry");
    assert_eq!(event["change"]["cause"]["kind"], "plan_changed");
    let reason = event["reason"].as_str().expect("text");
    assert!(
        reason.contains("step 1 was 50% for 3600s") && reason.contains("is 50% for 7200s"),
        "{reason}"
    );
    proxy.does("/api/v1/ramp/resume", &json!({ "reason": "as planned" }));
    let status = proxy.status();
    assert_eq!(status["ramp"]["state"], "baking");
    assert!(
        status["ramp"]["bake_remaining_s"]
            .as_f64()
            .expect("a number")
            > 7_190.0
    );
    // After a restart it goes on under the same plan.
    let folder = proxy.kill();
    let proxy = Proxy::start_in(&folder);
    assert_eq!(proxy.status()["ramp"]["state"], "baking");
}

#[test]
fn a_bad_file_changes_nothing_and_is_explained_everywhere() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let text = configuration(&old.url(), &new.url(), MORE);
    let proxy = Proxy::start(&text);
    proxy.set_weight(30.0);
    let admin = format!("http://{}", proxy.admin);
    let bad = text.replace("writes = \"split\"", "writes = \"both\"\nstick = 1");
    let (status, answer) = reload(&proxy, &bad);
    assert_eq!(status, 422, "{answer}");
    assert_eq!(answer["type"], "urn:changeover:problem:bad-configuration");
    let detail = answer["detail"].as_str().expect("text");
    let places = detail.lines().filter(|it| it.contains("changeover.toml:"));
    assert_eq!(places.count(), 2, "{detail}");
    let output = changeover(&["reload", "--admin", &admin]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.lines().all(|it| it.contains("changeover.toml:")),
        "{said}"
    );
    proxy.signal(Signal::HUP);
    eventually(
        "both faults are logged for each of three reloads",
        LIMIT,
        || {
            let log = proxy.log();
            let faults = log.lines().filter(|it| it.contains("stays in force"));
            (faults.filter(|it| it.contains("changeover.toml:")).count() == 6).then_some(())
        },
    );

    let fixed = format!(
        "workers = 7\n{}",
        text.replace("name = \"it\"", "name = \"ti\"")
    );
    let (status, answer) = reload(&proxy, &fixed);
    let detail = answer["detail"].as_str().expect("text");
    assert_eq!(status, 409, "{detail}");
    assert!(
        detail.contains("workers was") && detail.contains("name was \"it\", is \"ti\""),
        "{detail}"
    );
    let output = changeover(&["reload", "--admin", &admin]);
    assert_eq!(output.status.code(), Some(3));

    fs::remove_file(proxy.folder().path().join("changeover.toml")).expect("it is there");
    let output = changeover(&["reload", "--admin", &admin]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(proxy.status()["weight"], 30.0);
    assert_eq!(kinds(&proxy), ["began", "weight_set"]);
    assert_eq!(admin::call(proxy.address(), "GET", "/", "").0, 200);
}

#[test]
fn what_cannot_change_while_it_runs_is_named() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let text = configuration(&old.url(), &new.url(), MORE);
    let proxy = Proxy::start(&text);
    for (was, is, key) in [
        ("sqlite:it.db", "sqlite:other.db", "[store] url"),
        (
            "url = ",
            "observations = \"1MiB\"\nurl = ",
            "[store] observations",
        ),
        ("127.0.0.1:0", "127.0.0.2:0", "[admin] address"),
        (
            "[[listener]]\naddress = \"127.0.0.1:0\"",
            "[[listener]]\naddress = \"127.0.0.2:0\"",
            "[[listener]] address",
        ),
        (
            "[old]\n",
            "[[listener]]\naddress = \"127.0.0.1:0\"\n[old]\n",
            "[[listener]] address",
        ),
        (
            "sticky = \"none\"",
            "sticky = \"client-ip\"",
            "[split] sticky",
        ),
    ] {
        let (status, answer) = reload(&proxy, &text.replacen(was, is, 1));
        let detail = answer["detail"].as_str().expect("text");
        assert_eq!(status, 409, "{key}: {detail}");
        assert!(detail.contains(&format!("{key} was ")), "{key}: {detail}");
    }
    assert_eq!(reload(&proxy, &text).0, 200);
}

#[test]
fn operators_of_the_new_file_are_asked_for_at_once() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let text = configuration(&old.url(), &new.url(), MORE);
    let proxy = Proxy::start(&text);
    let operator = format!(
        "[[admin.operator]]\nname = \"ada\"\nrole = \"approver\"\ntoken_sha256 = \"{}\"\n",
        "ab".repeat(32)
    );
    assert_eq!(reload(&proxy, &format!("{text}{operator}")).0, 200);
    let status = admin::call(proxy.admin, "GET", "/api/v1/status", "").0;
    assert_eq!(status, 401);
}

/// A certificate for `localhost`, in two files.
fn certify(proxy: &crate::harness::proxy::Folder) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    proxy.write("chain.pem", &cert.pem());
    proxy.write("key.pem", &signing_key.serialize_pem());
    cert.der().clone()
}

fn connect(
    address: SocketAddr,
    trusted: &[CertificateDer<'static>],
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.clone()).expect("a root");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().expect("a name");
    let session = ClientConnection::new(Arc::new(config), name).expect("a session");
    let socket = TcpStream::connect(address).expect("it listens");
    StreamOwned::new(session, socket)
}

#[test]
fn a_replaced_certificate_is_shown_to_new_connections_and_old_ones_live_on() {
    let _turn = turn();
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let folder = crate::harness::proxy::Folder::new();
    let first = certify(&folder);
    let listener = "address = \"127.0.0.1:0\"\ncertificates = [{ chain = \"chain.pem\", key = \"key.pem\" }]\n[old]";
    let text = configuration(&old.url(), &new.url(), MORE);
    let text = text.replace("address = \"127.0.0.1:0\"\n[old]", listener);
    folder.write("changeover.toml", &text);
    let proxy = Proxy::start_in(&folder);
    let trusted = std::slice::from_ref(&first);
    let mut before = connect(proxy.address(), trusted);
    assert!(ask(&mut before).starts_with("HTTP/1.1 200"));

    let second = certify(&folder);
    let (status, answer) = reload(&proxy, &text);
    assert_eq!(status, 200, "{answer}");
    assert!(ask(&mut before).starts_with("HTTP/1.1 200"));
    let mut after = connect(proxy.address(), &[first.clone(), second.clone()]);
    assert!(ask(&mut after).starts_with("HTTP/1.1 200"));
    let shown = after.conn.peer_certificates().expect("a chain");
    assert_eq!(shown[0], second);

    // Nobody who connects meanwhile notices, by either protocol.
    for (protocol, options) in [("HTTP/1.1", &["--h1"][..]), ("HTTP/2", &[])] {
        let url = format!("https://{}/", proxy.address());
        let mut load = Command::new("h2load");
        let load = load
            .args(options)
            // New connections for two seconds.
            .args(["-n", "4000", "-c", "400", "-r", "200", &url])
            .stdout(Stdio::piped());
        let mut load = load.spawn().expect("tests/run has installed it");
        let mut reloads = 0;
        while load.try_wait().expect("it is ours").is_none() {
            certify(&folder);
            assert_eq!(reload(&proxy, &text).0, 200);
            reloads += 1;
        }
        let mut said = String::new();
        let mut output = load.stdout.take().expect("it is piped");
        output.read_to_string(&mut said).expect("text");
        println!("{protocol}: {reloads} reloads\n{said}");
        assert!(said.contains(" 4000 succeeded, 0 failed"), "{said}");
        assert!(reloads >= 5, "{reloads}");
    }
    let second = certify(&folder);
    assert_eq!(reload(&proxy, &text).0, 200);

    // One that cannot be used changes nothing.
    folder.write(
        "key.pem",
        &rcgen::KeyPair::generate().expect("a key").serialize_pem(),
    );
    let (status, answer) = reload(&proxy, &text);
    assert_eq!(status, 422, "{answer}");
    assert!(
        answer["detail"]
            .as_str()
            .is_some_and(|it| it.contains("key.pem")),
        "{answer}"
    );
    let mut still = connect(proxy.address(), std::slice::from_ref(&second));
    assert!(ask(&mut still).starts_with("HTTP/1.1 200"));
}
