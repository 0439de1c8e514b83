//! Who may steer, by what, and with which rights: the admin API over TLS, its description, and the process itself.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt, chown},
    process::{Command, Output, Stdio},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{
    admin,
    environment::Environment,
    eventually,
    peers::{succeeded, tool},
    proxy::{Folder, Proxy, configuration},
};

/// SHA-256 of `ada-token`.
const ADA: &str = r#"
[[admin.operator]]
name = "ada"
token_sha256 = "54a976f1f7ea57f6add41516b340083a827ac641daefa7ce4e5f13cc1f9351d8"
role = "approver"
"#;

/// An authority, a server's certificate and a client's, in files of the folder.
fn issue(folder: &Folder) {
    let key = || KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // Whoever has the name of its issuer passes for self-signed with OpenSSL.
    params
        .distinguished_name
        .push(DnType::CommonName, "authority");
    let issuer = CertifiedIssuer::self_signed(params, key()).expect("an authority");
    folder.write("ca.pem", &issuer.pem());
    for (file, name) in [("server", "127.0.0.1"), ("client", "ada")] {
        let key = key();
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &issuer).expect("it is signed");
        folder.write(&format!("{file}.pem"), &certificate.pem());
        folder.write(&format!("{file}.key"), &key.serialize_pem());
    }
}

fn configure(folder: &Folder, admin: &str) {
    let text = configuration("http://127.0.0.1:9", "http://127.0.0.1:10", "");
    let text = text.replacen("[admin]\n", &format!("[admin]\n{admin}\n"), 1);
    folder.write("changeover.toml", &text);
}

/// curl's exit code, and what the server answered.
fn curl(proxy: &Proxy, folder: &Folder, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "10", "--include"]);
    command.args(arguments).current_dir(folder.path());
    let url = format!("https://{}/api/v1/status", proxy.admin);
    let output = command.arg(url).output().expect("curl is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text)
}

/// One of our own commands, in the folder with the certificates.
fn changeover(proxy: &Proxy, folder: &Folder, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_changeover"))
        .args(arguments)
        .env("CHANGEOVER_ADMIN", format!("https://{}", proxy.admin))
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn curl_and_our_own_commands_reach_the_admin_api_over_tls() {
    let folder = Folder::new();
    issue(&folder);
    let certificates = r#"certificates = [{ chain = "server.pem", key = "server.key" }]"#;
    configure(&folder, certificates);
    let proxy = Proxy::start_in(&folder);
    for version in ["--tlsv1.3", "--tls-max=1.2"] {
        let version: Vec<&str> = version.split('=').collect();
        let arguments = [&version[..], &["--cacert", "ca.pem"]].concat();
        let (code, answer) = curl(&proxy, &folder, &arguments);
        assert_eq!(code, Some(0), "{answer}");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    // 35 is a failed handshake, 60 an authority that is not trusted.
    let old = ["--tls-max", "1.1", "--cacert", "ca.pem"];
    assert_eq!(curl(&proxy, &folder, &old).0, Some(35));
    assert_eq!(curl(&proxy, &folder, &[]).0, Some(60));
    let known = changeover(&proxy, &folder, &["status", "--ca", "ca.pem"]);
    assert_eq!(known.status.code(), Some(0), "{}", said(&known));
    let unknown = changeover(&proxy, &folder, &["status"]);
    assert_eq!(unknown.status.code(), Some(1), "{}", said(&unknown));
    assert!(said(&unknown).contains("certificate"), "{}", said(&unknown));
    let nowhere = changeover(&proxy, &folder, &["status", "--ca", "nowhere.pem"]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(said(&nowhere).contains("nowhere.pem"), "{}", said(&nowhere));

    // Another authority's certificate in the same files: the next connection sees it once they are read again.
    issue(&folder);
    assert_ne!(curl(&proxy, &folder, &["--cacert", "ca.pem"]).0, Some(0));
    proxy.signal(Signal::HUP);
    eventually("the new certificate", Duration::from_secs(10), || {
        let (code, answer) = curl(&proxy, &folder, &["--cacert", "ca.pem"]);
        (code == Some(0) && answer.starts_with("HTTP/1.1 200")).then_some(())
    });
}

#[test]
fn with_a_client_ca_only_its_certificates_get_through() {
    let folder = Folder::new();
    issue(&folder);
    let admin = r#"certificates = [{ chain = "server.pem", key = "server.key" }]
client_ca = "ca.pem""#;
    configure(&folder, admin);
    let proxy = Proxy::start_in(&folder);
    let (code, answer) = curl(&proxy, &folder, &["--cacert", "ca.pem"]);
    assert_ne!(code, Some(0), "{answer}");
    assert_eq!(answer, "");
    let shown = [
        "--cacert",
        "ca.pem",
        "--cert",
        "client.pem",
        "--key",
        "client.key",
    ];
    let (code, answer) = curl(&proxy, &folder, &shown);
    assert_eq!(code, Some(0), "{answer}");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Somebody else's authority is none.
    let other = rcgen::generate_simple_self_signed(["ada".to_owned()]).expect("a certificate");
    folder.write("other.pem", &other.cert.pem());
    folder.write("other.key", &other.signing_key.serialize_pem());
    let other = [
        "--cacert",
        "ca.pem",
        "--cert",
        "other.pem",
        "--key",
        "other.key",
    ];
    assert_ne!(curl(&proxy, &folder, &other).0, Some(0));
    let without = changeover(&proxy, &folder, &["status", "--ca", "ca.pem"]);
    assert_eq!(without.status.code(), Some(1), "{}", said(&without));
    let with = [
        "status",
        "--ca",
        "ca.pem",
        "--client-certificate",
        "client.pem",
        "--client-key",
        "client.key",
    ];
    let with = changeover(&proxy, &folder, &with);
    assert_eq!(with.status.code(), Some(0), "{}", said(&with));

    // Another authority in the place of the first one: whoever has only the first one's certificate stays outside.
    for kind in ["pem", "key"] {
        let path = |name: &str| folder.path().join(format!("{name}.{kind}"));
        fs::rename(path("client"), path("former")).expect("it is there");
    }
    issue(&folder);
    proxy.signal(Signal::HUP);
    eventually("the new authority", Duration::from_secs(10), || {
        let (code, answer) = curl(&proxy, &folder, &shown);
        (code == Some(0) && answer.starts_with("HTTP/1.1 200")).then_some(())
    });
    let former = [
        "--cacert",
        "ca.pem",
        "--cert",
        "former.pem",
        "--key",
        "former.key",
    ];
    let (code, answer) = curl(&proxy, &folder, &former);
    assert_ne!(code, Some(0), "{answer}");
    assert_eq!(answer, "");
}

#[test]
fn schemathesis_finds_nothing() {
    // With everything that has operations of its own, though nobody is there.
    let more = format!("{ADA}{EVERYTHING}");
    let text = configuration("http://127.0.0.1:9", "http://127.0.0.1:10", &more);
    let proxy = Proxy::start(&text);
    let folder = proxy.folder();
    // A database that is not there is no fault of the API.
    folder.write(
        "schemathesis.toml",
        "[[operations]]\ninclude-path = \"/api/v1/replication/setup\"\n\
         checks.not_a_server_error.expected-statuses = [\"2xx\", \"4xx\", 502]\n",
    );
    // The stream has no end, which the tests of the API itself know how to handle.
    let mut command = tool("schemathesis");
    command
        .arg("run")
        .arg(format!("http://{}/openapi.json", proxy.admin))
        .args(["--header", "Authorization: Bearer ada-token"])
        .args(["--exclude-path", "/api/v1/events/stream"])
        .args([
            "--phases",
            "coverage,fuzzing",
            "--max-time",
            "20",
            "--seed",
            "7",
        ])
        .args([
            "--max-examples",
            "10",
            "--request-timeout",
            "10",
            "--no-color",
        ])
        .current_dir(folder.path())
        .stdin(Stdio::null());
    let said = succeeded(&mut command);
    println!("{said}");
    let document = include_str!("../../src/admin/openapi.json");
    let document: Value = serde_json::from_str(document).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let methods = paths.values().filter_map(Value::as_object);
    let operations: usize = methods.map(serde_json::Map::len).sum();
    assert!(operations > 20, "{operations}");
    // All but the stream, and the description that it began with.
    let tested = format!("Tested: {}\n", operations - 2);
    assert!(said.contains(&tested), "{operations} operations: {said}");
}

/// A database, a zone and shadow traffic.
const EVERYTHING: &str = r#"
[shadow]
[[replication]]
name = "shop"
kind = "postgres"
old = "postgres://changeover@127.0.0.1:9/shop?sslmode=disable"
new = "postgres://changeover@127.0.0.1:10/shop?sslmode=disable"
[dns]
zone = "example.test"
start = ["127.0.0.1:9"]
provider = { kind = "manual" }
[[dns.name]]
name = "shop.example.test"
from = { A = ["192.0.2.1"] }
to = { A = ["192.0.2.2"] }
"#;

#[test]
fn it_runs_as_nobody_with_no_capability_but_the_ports() {
    if !rustix::process::getuid().is_root() {
        println!("not run: only root can give up what root has");
        return;
    }
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let port = (600..1024).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let port = port.expect("a free port below 1024");
    let folder = Folder::new();
    let text = configuration(&old.url(), &new.url(), "");
    let listener = format!("[[listener]]\naddress = \"127.0.0.1:{port}\"");
    let text = text.replacen("[[listener]]\naddress = \"127.0.0.1:0\"", &listener, 1);
    folder.write("changeover.toml", &text);
    // A build folder may lie where nobody else may look.
    let binary = folder.path().join("changeover");
    fs::copy(env!("CARGO_BIN_EXE_changeover"), &binary).expect("it is copied");
    for path in [
        folder.path().to_owned(),
        folder.path().join("changeover.toml"),
    ] {
        chown(&path, Some(NOBODY), Some(NOBODY)).expect("root may");
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--no-new-privs",
        ])
        .args([
            "--bounding-set=-all,+net_bind_service",
            "--inh-caps=-all,+net_bind_service",
        ])
        .arg("--ambient-caps=-all,+net_bind_service")
        .arg(&binary);
    let mut proxy = Proxy::start_with(command, &folder);
    let status = fs::read_to_string(format!("/proc/{}/status", proxy.pid())).expect("it runs");
    let line = |name: &str| {
        let line = status.lines().find_map(|it| it.strip_prefix(name));
        line.expect("the kernel says so").trim().to_owned()
    };
    assert_eq!(line("Uid:"), "65534\t65534\t65534\t65534");
    // The kernel gives root what a process keeps to itself: no core dump, and nobody else of its user reads its memory.
    let owner = |pid| fs::metadata(format!("/proc/{pid}/mem")).map(|it| it.uid());
    assert_eq!(owner(proxy.pid()).ok(), Some(0));
    // CAP_NET_BIND_SERVICE is number 10.
    for set in ["CapPrm:", "CapEff:", "CapBnd:"] {
        assert_eq!(line(set), "0000000000000400", "{set}");
    }
    let (status, body) = admin::call(proxy.address(), "GET", "/", "");
    assert_eq!(status, 200, "{body}");
    assert_eq!(proxy.address().port(), port);
    eventually("the request is counted", Duration::from_secs(5), || {
        (proxy.status()["sides"]["old"]["requests"] == 1).then_some(())
    });
    // So is the process that takes over, which has the port from it.
    let next = proxy.upgrade();
    assert_eq!(owner(next).ok(), Some(0));
    assert!(proxy.wait(Duration::from_secs(10)).success());
    let (status, body) = admin::call(proxy.address(), "GET", "/", "");
    assert_eq!(status, 200, "{body}");
}

const NOBODY: u32 = 65534;
