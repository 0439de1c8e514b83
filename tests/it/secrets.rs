//! No secret is shown: not in what the API answers, not in what is printed, not in a log at its most talkative.

use std::process::Command;

use sha2::{Digest, Sha256};

use crate::harness::{
    environment::Environment,
    peers::succeeded,
    proxy::{Folder, Proxy, changeover, configuration},
};

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
    for (what, text) in &shown {
        for secret in &secrets {
            assert_eq!(shows(text, secret), None, "{what} shows {secret}");
        }
    }
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
        "/api/v1/status",
        "/api/v1/events",
        "/metrics",
        "/openapi.json",
        "/nowhere",
    ];
    for path in paths {
        for token in [TOKEN, WRONG] {
            let answer = curl(&format!("http://{}{path}", proxy.admin), token, &[]);
            shown.push((path, answer));
        }
    }
    let weight = format!("http://{}/api/v1/weight", proxy.admin);
    let reason = r#"{"percent":5,"reason":"x"}"#;
    let answer = curl(&weight, TOKEN, &["--request", "PUT", "--json", reason]);
    assert!(answer.contains("generation"), "{answer}");
    shown.push(("a command", answer));
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

/// The line that shows it.
fn shows(text: &str, secret: &str) -> Option<String> {
    let line = text.lines().find(|it| it.contains(secret))?;
    Some(line.chars().take(300).collect())
}
