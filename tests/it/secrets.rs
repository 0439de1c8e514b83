//! No secret is shown: not in what the API answers, not in what is printed, not in a log at its most talkative.

use std::{fs, net::SocketAddr, process::Command, time::Duration};

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::harness::{
    admin,
    bind::{Bind, SECRET, SECRET_BASE64, ZONE},
    environment::Environment,
    eventually,
    peers::succeeded,
    postgres::{Cluster, DATABASE},
    proxy::{Folder, Proxy, changeover, configuration},
};

const LIMIT: Duration = Duration::from_secs(30);

const TOKEN: &str = "marked-token-of-ada-7d1f";
const WRONG: &str = "marked-wrong-token-52aa";
const FORCE: &str = "marked-force-secret-of-thirty-two-bytes-9c";
const PASSWORD: &str = "marked-password-81be";
const CLIENTS: &str = "marked-token-of-a-client-e3f0";

#[test]
fn nothing_that_is_printed_or_answered_shows_a_secret() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let folder = Folder::new();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = made.signing_key.serialize_pem();
    folder.write("it.pem", &made.cert.pem());
    folder.write("it.key", &key);
    folder.write("force.secret", FORCE);
    let digest = hex(&Sha256::digest(TOKEN));
    let text = configuration(&old.url(), &new.url(), &with_secrets(&digest));
    let path = folder.write("changeover.toml", &text);
    let path = path.to_str().expect("text");
    // A client's own token, and an override that is ours.
    let forced = [
        "force-token",
        "--side",
        "new",
        "--expires",
        "1h",
        "--config",
        path,
    ];
    let forced = both(&changeover(&forced));
    let forced = forced.trim();

    let mut shown = vec![("check", both(&changeover(&["check", "--config", path])))];
    let mut command = Command::new(env!("CARGO_BIN_EXE_changeover"));
    command.env("CHANGEOVER_LOG", "trace");
    let proxy = Proxy::start_with(command, &folder);
    ask_the_api(&proxy, &mut shown);
    ask_the_environments(&proxy, forced);
    let (_, log) = proxy.stop();
    assert!(
        log.contains("TRACE"),
        "the log is not at its most talkative"
    );
    shown.push(("the log", log));

    let mut secrets = vec![TOKEN, WRONG, FORCE, CLIENTS, &digest, forced];
    // The lines of the key between its armour.
    secrets.extend(key.lines().filter(|it| !it.starts_with("-----")));
    // Debug output shows bytes as a list of numbers.
    let numbers = format!("{:?}", Sha256::digest(TOKEN).as_slice());
    secrets.push(numbers.trim_matches(['[', ']']));
    show_none(&shown, &secrets);
}

#[test]
fn secrets_of_databases_and_zones_stay_where_they_are() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let bind = Bind::start("shop 60 IN A 127.0.0.1");
    let cluster = Cluster::start(&[]);
    cluster.sql("postgres", &format!("CREATE DATABASE {DATABASE}"));
    cluster.shop(&format!(
        "CREATE ROLE with_password LOGIN PASSWORD '{PASSWORD}'"
    ));
    let folder = Folder::new();
    folder.write("tsig.secret", SECRET_BASE64);
    folder.write("database.password", PASSWORD);
    cluster.sql("postgres", "CREATE DATABASE other");
    let more = with_other_secrets(&cluster, bind.address);
    folder.write(
        "changeover.toml",
        &configuration(&old.url(), &new.url(), &more),
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_changeover"));
    command.env("CHANGEOVER_LOG", "trace");
    let proxy = Proxy::start_with(command, &folder);
    // Both are used: a session is open, and a change is signed.
    proxy.status_when("the database lets it in", LIMIT, |it| {
        let why = it["replications"][0]["unknown"].as_str();
        // What only a session can tell: nothing is prepared there.
        why.is_some_and(|why| why.contains("does not exist"))
    });
    eventually("the zone was asked, and is to change", LIMIT, || {
        let (status, _) = proxy.post("/api/v1/dns/lower-ttl", &json!({ "reason": "secrets" }));
        (status == 200).then_some(())
    });
    proxy.status_when("the zone takes it", LIMIT, |it| {
        it["dns"]["order"]["state"] == "served"
    });
    let paths = ["/api/v1/status", "/api/v1/events", "/metrics"];
    let mut shown: Vec<_> = paths
        .iter()
        .map(|path| (*path, admin::get(proxy.admin, path)))
        .collect();
    let (_, log) = proxy.stop();
    assert!(log.contains("TRACE"), "the log says little");
    shown.push(("the log", log));
    let secret = String::from_utf8_lossy(SECRET);
    let numbers = format!("{:?}", SECRET.as_slice());
    let secrets = [
        PASSWORD,
        SECRET_BASE64,
        &secret,
        numbers.trim_matches(['[', ']']),
    ];
    show_none(&shown, &secrets);
}

/// A database that is watched by a password, and a zone that is changed by a key.
fn with_other_secrets(cluster: &Cluster, server: SocketAddr) -> String {
    let url = cluster.url("with_password");
    let other = url.replace(&format!("/{DATABASE}"), "/other");
    let (zone, port) = (ZONE.trim_end_matches('.'), server.port());
    format!(
        r#"
[[replication]]
name = "shop"
kind = "postgres"
old = "{url}"
old_password_file = "database.password"
new = "{other}"
new_password_file = "database.password"
[dns]
zone = "{zone}"
ttl = "1s"
gap = "10s"
start = ["{server}"]
port = {port}
[dns.provider]
kind = "rfc2136"
server = "{server}"
key_name = "mover"
secret_file = "tsig.secret"
[[dns.name]]
name = "shop.{zone}"
from = {{ A = ["127.0.0.1"] }}
to = {{ A = ["127.0.0.2"] }}
"#
    )
}

/// A listener with a key, an override's key, and an operator's digest.
fn with_secrets(digest: &str) -> String {
    format!(
        r#"
[[listener]]
address = "127.0.0.1:0"
certificates = [{{ chain = "it.pem", key = "it.key" }}]
[split]
force = {{ secret_file = "force.secret" }}
[[admin.operator]]
name = "ada"
token_sha256 = "{digest}"
role = "approver"
"#
    )
}

/// Every document, an error and a command, with a right token and a wrong one.
fn ask_the_api(proxy: &Proxy, shown: &mut Vec<(&str, String)>) {
    let paths = [
        "/",
        "/healthz",
        "/readyz",
        "/api/v1/status",
        "/api/v1/events",
        "/api/v1/explain",
        "/api/v1/shadow",
        "/metrics",
        "/openapi.json",
        "/nowhere",
    ];
    for path in paths {
        // More wrong tokens than ten are not even looked at.
        let wrong = path.starts_with("/api/").then_some(WRONG);
        for token in [TOKEN].into_iter().chain(wrong) {
            let answer = curl(&format!("http://{}{path}", proxy.admin), token, &[]);
            shown.push((path, answer));
        }
    }
    let weight = format!("http://{}/api/v1/weight", proxy.admin);
    let reason = r#"{"percent":5,"reason":"x"}"#;
    let answer = curl(&weight, TOKEN, &["--request", "PUT", "--json", reason]);
    assert!(answer.contains("generation"), "{answer}");
    shown.push(("a command", answer));
    // A configuration that cannot be used, whose fault stands beside what is secret.
    let path = proxy.folder().path().join("changeover.toml");
    let good = fs::read_to_string(&path).expect("it is there");
    for (was, is) in [
        ("token_sha256 = \"", "token_sha256 = \"0"),
        ("force.secret", WRONG),
    ] {
        let bad = good.replacen(was, is, 1);
        proxy.folder().write("changeover.toml", &bad);
        let reload = format!("http://{}/api/v1/reload", proxy.admin);
        let answer = curl(&reload, TOKEN, &["--request", "POST", "--json", "{}"]);
        assert!(answer.contains(" 422 "), "{answer}");
        shown.push(("a reload", answer));
    }
    proxy.folder().write("changeover.toml", &good);
    let status = Command::new(env!("CARGO_BIN_EXE_changeover"))
        .args(["status", "--admin", &format!("http://{}", proxy.admin)])
        .env("CHANGEOVER_TOKEN", WRONG)
        .output()
        .expect("it starts");
    assert_eq!(status.status.code(), Some(3), "{}", both(&status));
    shown.push(("our own command", both(&status)));
}

/// Requests with a client's token and the override, over each protocol.
fn ask_the_environments(proxy: &Proxy, forced: &str) {
    let header = format!("x-changeover-force: {forced}");
    for (scheme, address, version) in [
        ("http", proxy.listeners[0], "--http1.1"),
        ("http", proxy.listeners[0], "--http2-prior-knowledge"),
        ("https", proxy.listeners[1], "--http2"),
    ] {
        let url = format!("{scheme}://{address}/");
        let answer = curl(&url, CLIENTS, &[version, "--insecure", "--header", &header]);
        assert!(answer.contains(" 200"), "{answer}");
    }
}

/// What stands in the wrong place in a configuration is not shown where it may be a secret.
#[test]
fn faults_of_a_configuration_show_no_secret() {
    let folder = Folder::new();
    let wrong = [
        format!("[old]\nendpoints = [\"http://ada:{PASSWORD}@10.0.0.1:80\"]"),
        format!("[new]\nendpoints = [\"{PASSWORD}://ada:{PASSWORD}@10.0.0.1/x\"]"),
        format!("[store]\nurl = \"postgres://ada:{PASSWORD}@10.0.0.1/x\""),
        format!("[store]\nurl = \"mysql://ada:{PASSWORD}@10.0.0.1/x\""),
        format!("[split]\nforce = {{ secret_file = \"{PASSWORD}\" }}"),
        format!("[split]\nforce = {{ secret_env = \"{PASSWORD}\" }}"),
        format!(
            "[[admin.operator]]\nname = \"a\"\nrole = \"viewer\"\ntoken_sha256 = \"{PASSWORD}\""
        ),
    ];
    for text in wrong {
        let path = folder.write("wrong.toml", &text);
        let path = path.to_str().expect("text");
        for command in [["check", "--config", path], ["serve", "--config", path]] {
            let said = both(&changeover(&command));
            assert!(said.contains("wrong.toml:"), "{said}");
            assert!(!said.contains(PASSWORD), "{text}\n{said}");
        }
    }
    let url = format!("http://ada:{PASSWORD}@10.0.0.1");
    let serve = ["serve", "--old", &url, "--new", "http://10.0.0.2"];
    let status = ["status", "--admin", &url];
    for arguments in [&serve[..], &status] {
        let output = changeover(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(!both(&output).contains(PASSWORD), "{}", both(&output));
    }
}

fn both(output: &std::process::Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

fn curl(url: &str, token: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--include", "--max-time", "10"]);
    command.args(["--header", &format!("Authorization: Bearer {token}")]);
    succeeded(command.args(arguments).arg(url))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// None of the texts shows one of the secrets.
fn show_none(shown: &[(&str, String)], secrets: &[&str]) {
    for (what, text) in shown {
        for secret in secrets {
            assert_eq!(shows(text, secret), None, "{what} shows {secret}");
        }
    }
}

/// The line that shows it.
fn shows(text: &str, secret: &str) -> Option<String> {
    let line = text.lines().find(|it| it.contains(secret))?;
    Some(line.chars().take(300).collect())
}
