//! Real clients, each through a split of both sides: curl, h2load, a gRPC and a WebSocket client.

use std::{process::Command, time::Duration};

use serde_json::{Value, json};

use crate::harness::{
    environment::Environment,
    peers::{self, Peer, succeeded},
    proxy::{Folder, Proxy, configuration},
    turn,
};

/// Every request is drawn anew, writes as well, so that both sides see every kind.
const DRAWN: &str = r#"
[split]
sticky = "none"
writes = "split"
reveal = true
"#;

fn both_sides(output: &str) -> bool {
    let has = |side: &str| output.contains(&format!("x-changeover-side: {side}"));
    has("old") && has("new")
}

/// Runs curl 24 times in one process, and returns all heads and bodies. At 50 % the chance that one side gets
/// none of them is 1 in 8 million.
fn curl(url: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--fail",
        "--include",
        "--max-time",
        "20",
    ]);
    command.args(arguments).args([url; 24]);
    succeeded(&mut command)
}

#[test]
fn curl_speaks_http1_and_h2c() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let proxy = Proxy::start(&configuration(&old.url(), &new.url(), DRAWN));
    proxy.set_weight(50.0);
    let url = format!("http://{}/echo?a=1", proxy.address());
    let plain = curl(&url, &["--http1.1"]);
    assert_eq!(plain.matches("HTTP/1.1 200").count(), 24, "{plain}");
    assert!(both_sides(&plain), "{plain}");
    // One process each: curl 7.88 cannot send a second request over a connection that began as h2c.
    let mut prior_knowledge = String::new();
    for _ in 0..24 {
        let mut command = Command::new("curl");
        command.args([
            "--silent",
            "--show-error",
            "--fail",
            "--include",
            "--max-time",
            "20",
        ]);
        prior_knowledge += &succeeded(command.args(["--http2-prior-knowledge", &url]));
    }
    assert_eq!(prior_knowledge.matches("HTTP/2 200").count(), 24);
    assert!(both_sides(&prior_knowledge), "{prior_knowledge}");
    // A body over 1 KiB makes curl ask with Expect: 100-continue first.
    let folder = Folder::new();
    let body = folder.write("body", &"0123456789abcdef".repeat(8192));
    let body = format!("@{}", body.display());
    let posted = curl(
        &url,
        &[
            "--http1.1",
            "--data-binary",
            &body,
            "-H",
            "Expect: 100-continue",
        ],
    );
    assert!(both_sides(&posted), "{posted}");
    assert_eq!(posted.matches("0123456789abcdef").count(), 24 * 8192);
}

#[test]
fn curl_speaks_tls_with_http1_and_h2_and_chooses_certificates_by_name() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let folder = Folder::new();
    let mut certificates = Vec::new();
    for name in ["shop.test", "api.test"] {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        folder.write(&format!("{name}.pem"), &made.cert.pem());
        folder.write(&format!("{name}.key"), &made.signing_key.serialize_pem());
        certificates.push(format!(r#"{{ chain = "{name}.pem", key = "{name}.key" }}"#));
    }
    let text = configuration(&old.url(), &new.url(), DRAWN).replacen(
        "address = \"127.0.0.1:0\"\n[old]",
        &format!(
            "address = \"127.0.0.1:0\"\ncertificates = [{}]\n[old]",
            certificates.join(", ")
        ),
        1,
    );
    folder.write("changeover.toml", &text);
    let proxy = Proxy::start_in(&folder);
    proxy.set_weight(50.0);
    for (name, version, line) in [
        ("shop.test", "--http1.1", "HTTP/1.1 200"),
        ("api.test", "--http2", "HTTP/2 200"),
    ] {
        let address = proxy.address();
        let resolve = format!("{name}:{}:127.0.0.1", address.port());
        let ca = folder.path().join(format!("{name}.pem"));
        let ca = ca.to_str().expect("the path is text");
        let url = format!("https://{name}:{}/echo", address.port());
        let output = curl(&url, &[version, "--resolve", &resolve, "--cacert", ca]);
        assert_eq!(output.matches(line).count(), 24, "{output}");
        assert!(both_sides(&output), "{output}");
    }
}

#[test]
fn h2load_gets_every_answer_over_h2c_and_http1() {
    let _turn = turn();
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    // A connection that takes its time on a busy machine is none that old has to answer for.
    let plan = format!("{DRAWN}[timeouts]\nconnect = \"10s\"\n");
    let proxy = Proxy::start(&configuration(&old.url(), &new.url(), &plan));
    proxy.set_weight(50.0);
    let url = format!("http://{}/", proxy.address());
    for version in [&[][..], &["--h1"][..]] {
        let mut command = Command::new("h2load");
        command
            .args(["-n", "4000", "-c", "20", "-m", "10"])
            .args(version);
        let output = succeeded(command.arg(&url));
        assert!(output.contains("4000 2xx, 0 3xx, 0 4xx, 0 5xx"), "{output}");
    }
    assert_eq!(old.requests() + new.requests(), 8000);
    assert!(old.requests() > 3000 && new.requests() > 3000);
}

#[test]
fn grpc_streams_of_all_four_kinds_reach_both_sides() {
    let mut old = Peer::start("grpc_server.py", &["old"]);
    let mut new = Peer::start("grpc_server.py", &["new"]);
    let url = |address| format!("h2c://{address}");
    let text = configuration(&url(old.address()), &url(new.address()), DRAWN);
    let proxy = Proxy::start(&text);
    proxy.set_weight(50.0);
    let answered = peers::run("grpc_client.py", &[&proxy.address().to_string(), "30"]);
    let answered: Value = serde_json::from_str(&answered).expect("JSON");
    for kind in ["unary", "server", "client", "bidirectional"] {
        for side in ["old", "new"] {
            let count = answered[kind][side].as_u64();
            assert!(
                count.is_some_and(|it| it > 0),
                "{kind} on {side}: {answered}"
            );
        }
    }
    // Its one deliberate failure came in trailers, under HTTP 200.
    let errors = |it: &Value, side| it["sides"][side]["errors"].as_u64().expect("a number");
    proxy.status_when("the gRPC status is counted", Duration::from_secs(5), |it| {
        errors(it, "old") + errors(it, "new") == 1
    });
}

#[test]
fn websockets_are_tunnels_and_end_after_a_rollback() {
    let mut old = Peer::start("websocket_server.py", &["old"]);
    let mut new = Peer::start("websocket_server.py", &["new"]);
    let url = |address| format!("http://{address}");
    let more = format!("{DRAWN}\n[rollback]\ntunnels = \"300ms\"\n");
    let text = configuration(&url(old.address()), &url(new.address()), &more);
    let proxy = Proxy::start(&text);
    proxy.set_weight(50.0);
    let target = format!("ws://{}/", proxy.address());
    let answered = peers::run("websocket_client.py", &[&target, "24"]);
    let answered: Value = serde_json::from_str(&answered).expect("JSON");
    for side in ["old", "new"] {
        assert!(
            answered[side].as_u64().is_some_and(|it| it > 0),
            "{answered}"
        );
    }
    proxy.set_weight(100.0);
    let mut held = Peer::start("websocket_client.py", &[&target, "hold"]);
    assert_eq!(held.line(), "new:hold");
    proxy.status_when("the tunnel is counted", Duration::from_secs(5), |it| {
        it["sides"]["new"]["tunnels"] == 1
    });
    proxy.does("/api/v1/rollback", &json!({ "reason": "test" }));
    assert_eq!(held.line(), "closed");
    proxy.status_when("no tunnel is left", Duration::from_secs(5), |it| {
        it["sides"]["new"]["tunnels"] == 0
    });
}
