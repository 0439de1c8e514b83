//! Every fault behind the proxy, as `docs/reference/faults.md` has it: what the client sees, whom it is counted against, what
//! status and log say, and how soon the endpoint is back.

mod http2;
mod names;

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Mutex, mpsc},
    time::Duration,
};

use serde_json::Value;

use crate::harness::{
    environment::Environment,
    eventually,
    metrics::{await_requests, requests, sum},
    now,
    proxy::{Folder, Proxy},
    raw::Raw,
    relay::Relay,
    scripted::{Caller, Scripted, ok},
    secure::{Authority, Secure},
};

const SOON: Duration = Duration::from_secs(5);

/// Short time-outs, so that no test waits for long.
const SHORT: &str = r#"
[timeouts]
connect = "300ms"
response_head = "300ms"
body_idle = "300ms"
upstream_idle = "1m"
"#;

/// A configuration with these endpoints, one worker, and short time-outs.
fn configuration(old: &[String], new: &[String], more: &str) -> String {
    format!(
        r#"name = "it"
workers = 1
[store]
url = "sqlite:it.db"
[admin]
address = "127.0.0.1:0"
[[listener]]
address = "127.0.0.1:0"
[old]
endpoints = {old:?}
[new]
endpoints = {new:?}
{more}{SHORT}"#
    )
}

fn start(old: &[String], new: &[String], more: &str) -> Proxy {
    Proxy::start(&configuration(old, new, more))
}

/// Answers every request with `name`.
fn answers(name: &'static str) -> impl Fn(&mut Caller) + Send + Sync + 'static {
    move |caller| {
        while caller.request().is_some() {
            caller.say(ok(name));
        }
    }
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("it is bound")
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn get(proxy: &Proxy) -> String {
    Raw::to(proxy.address()).ask("GET", "/").to_string()
}

/// Waits until the log has a line with all of `parts`.
fn logs(proxy: &Proxy, parts: &[&str]) {
    eventually(&format!("the log says {parts:?}"), SOON, || {
        let log = proxy.log();
        let has = |line: &str| parts.iter().all(|it| line.contains(it));
        log.lines().any(has).then_some(())
    });
}

fn endpoint<'a>(status: &'a Value, side: &str, index: usize) -> &'a Value {
    &status["sides"][side]["endpoints"][index]
}

#[test]
fn an_endpoint_that_refuses() {
    let address = nobody();
    let proxy = start(&[url(address)], &[url(nobody())], "");
    assert_eq!(get(&proxy), "502 (connect)");
    await_requests(proxy.admin, "old", "connect", 1.0);
    logs(
        &proxy,
        &["WARN", "cannot be connected to", "Connection refused"],
    );
    let _back = Scripted::start_at(address, answers("back"));
    assert_eq!(get(&proxy), "200 back", "with the next request");
    logs(&proxy, &["INFO", "can be connected to again"]);
    await_requests(proxy.admin, "old", "2xx", 1.0);
}

#[test]
fn new_endpoints_that_refuse_are_answered_for_by_old() {
    let old = Scripted::start(answers("old"));
    for count in [1, 3] {
        let dead: Vec<String> = (0..count).map(|_| url(nobody())).collect();
        let proxy = start(&[old.url()], &dead, "");
        proxy.set_weight(100.0);
        assert_eq!(get(&proxy), "200 old");
        await_requests(proxy.admin, "new", "connect", 1.0);
        assert!(requests(proxy.admin, "old", "2xx") < 0.5, "it is new's");
        let failovers = sum(
            proxy.admin,
            "changeover_failovers_total",
            &[("side", "new")],
        );
        assert!((failovers - 1.0).abs() < 0.5, "{failovers}");
    }
}

#[test]
fn an_endpoint_that_swallows_everything() {
    let environment = Environment::start("slow");
    let relay = Relay::start(environment.address);
    let proxy = start(&[relay.url()], &[url(nobody())], "");
    assert_eq!(get(&proxy), "200");
    let fillers = relay.go_silent();
    // On the connection that is there, and then on one that is not.
    assert_eq!(get(&proxy), "504 (timeout)");
    let began = now();
    assert_eq!(get(&proxy), "502 (connect)");
    let waited = now() - began;
    assert!(waited >= Duration::from_millis(300), "{waited:?}");
    await_requests(proxy.admin, "old", "timeout", 1.0);
    await_requests(proxy.admin, "old", "connect", 1.0);
    logs(&proxy, &["WARN", "cannot be connected to", "timed out"]);
    drop(fillers);
    relay.go_on();
    eventually("it is back", SOON, || (get(&proxy) == "200").then_some(()));
}

#[test]
fn an_endpoint_that_resets() {
    let endpoint = Scripted::start(|caller| {
        while let Some(target) = caller.request() {
            match target.as_str() {
                "/before" => (),
                "/head" => caller.say("HTTP/1.1 200 OK\r\nContent-"),
                "/body" => caller.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha"),
                _ => {
                    caller.say(ok("well"));
                    continue;
                }
            }
            caller.reset();
            return;
        }
    });
    let proxy = start(&[endpoint.url()], &[url(nobody())], "");
    let ask = |method: &str, target: &str| {
        let said = Raw::to(proxy.address()).ask(method, target);
        assert_eq!(get(&proxy), "200 well", "the next one");
        said.to_string()
    };
    assert_eq!(ask("GET", "/before"), "502 (reset)");
    let attempts = || sum(proxy.admin, "changeover_attempts_total", &[("side", "old")]);
    await_requests(proxy.admin, "old", "2xx", 1.0);
    assert!((attempts() - 3.0).abs() < 0.5, "sent twice: {}", attempts());
    assert_eq!(ask("POST", "/before"), "502 (reset)");
    await_requests(proxy.admin, "old", "2xx", 2.0);
    assert!((attempts() - 5.0).abs() < 0.5, "sent once: {}", attempts());
    assert_eq!(ask("GET", "/head"), "502 (reset)");
    let said = ask("GET", "/body");
    // A reset may overtake what was sent before it.
    let is_either = ["200 ha, broken off", "502 (reset)"].contains(&said.as_str());
    assert!(is_either, "{said}");
    await_requests(proxy.admin, "old", "reset", 4.0);
}

#[test]
fn an_endpoint_that_stalls() {
    let endpoint = Scripted::start(|caller| {
        while let Some(target) = caller.request() {
            match target.as_str() {
                "/head" => caller.say("HTTP/1.1 200 OK\r\nContent-"),
                "/body" => caller.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha"),
                "/nothing" => (),
                _ => {
                    caller.say(ok("well"));
                    continue;
                }
            }
            caller.wait_closed();
            return;
        }
    });
    let proxy = start(&[endpoint.url()], &[url(nobody())], "");
    let ask = |target: &str| Raw::to(proxy.address()).ask("GET", target).to_string();
    assert_eq!(ask("/nothing"), "504 (timeout)");
    assert_eq!(ask("/head"), "504 (timeout)");
    assert_eq!(ask("/body"), "200 ha, broken off");
    assert_eq!(ask("/"), "200 well");
    await_requests(proxy.admin, "old", "timeout", 3.0);
    assert_eq!(endpoint.taken(), 4, "none of them is used again");
}

#[test]
fn an_endpoint_that_takes_no_head_or_body() {
    let (over, is_over) = mpsc::channel::<()>();
    let is_over = Mutex::new(is_over);
    let endpoint = Scripted::start(move |_| {
        let _ = is_over.lock().expect("no panic").recv();
    });
    let proxy = start(&[endpoint.url()], &[url(nobody())], "");
    let filler = format!("a: {}\r\n", "b".repeat(15 << 10)).repeat(4);
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\n{filler}\r\n");
    let mut client = Raw::to(proxy.address());
    client.say(large);
    assert_eq!(client.answer("GET").to_string(), "504 (timeout)");
    // Its client pauses as well, since nobody takes more of it, and is not blamed for that.
    let mut client = Raw::to(proxy.address());
    client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    let taken = client.say_until_full();
    assert!(taken < 64 << 20, "{taken} bytes, and nobody took them");
    assert_eq!(client.answer("POST").to_string(), "504 (timeout)");
    await_requests(proxy.admin, "old", "timeout", 2.0);
    assert!(requests(proxy.admin, "old", "client_abort") < 0.5);
    drop(over);
}

#[test]
fn an_endpoint_that_floods_its_head() {
    let endpoint = Scripted::start(|caller| {
        while let Some(target) = caller.request() {
            let fields = match target.as_str() {
                "/fields" => "a: b\r\n".repeat(101),
                "/bytes" => format!("a: {}\r\n", "b".repeat(80 << 10)),
                "/endless" => "a: b\r\n".repeat(1 << 20),
                _ => "a: b\r\n".repeat(99),
            };
            caller.say(format!(
                "HTTP/1.1 200 OK\r\n{fields}Content-Length: 4\r\n\r\nwell"
            ));
        }
    });
    let proxy = start(&[endpoint.url()], &[url(nobody())], "");
    let ask = |target: &str| Raw::to(proxy.address()).ask("GET", target).to_string();
    for target in ["/fields", "/bytes", "/endless"] {
        assert_eq!(ask(target), "502 (protocol)", "{target}");
    }
    assert_eq!(ask("/"), "200 well");
    await_requests(proxy.admin, "old", "reset", 3.0);
}

/// A proxy that believes `authority` of this endpoint, which is to be `shop.test`.
fn believing(authority: &Authority, secure: &Secure) -> Proxy {
    let folder = Folder::new();
    folder.write("ca.pem", &authority.pem());
    let more = "[old.tls]\nca = \"ca.pem\"\nserver_name = \"shop.test\"\n";
    let old = [format!("https://{}", secure.address)];
    folder.write(
        "changeover.toml",
        &configuration(&old, &[url(nobody())], more),
    );
    Proxy::start_in(&folder)
}

#[test]
fn an_endpoint_that_changes_its_certificate() {
    let (ours, another) = (Authority::new("ours"), Authority::new("another"));
    let secure = Secure::start(ours.issue("shop.test"));
    let proxy = believing(&ours, &secure);
    assert_eq!(get(&proxy), "200 safe");
    secure.show(ours.issue("shop.test"));
    assert_eq!(get(&proxy), "200 safe", "another one of the same authority");
    secure.show(another.issue("shop.test"));
    assert_eq!(get(&proxy), "502 (connect)");
    logs(&proxy, &["WARN", "TLS handshake", "UnknownIssuer"]);
    secure.show(ours.issue("shop.test"));
    assert_eq!(get(&proxy), "200 safe", "with the next request");
    secure.show(ours.issue("other.test"));
    assert_eq!(get(&proxy), "502 (connect)", "a name that is not its own");
    await_requests(proxy.admin, "old", "connect", 2.0);
    await_requests(proxy.admin, "old", "2xx", 3.0);
}

#[test]
fn an_endpoint_whose_certificate_is_out_of_date() {
    let authority = Authority::new("ours");
    let secure = Secure::start(authority.issue_expired("shop.test"));
    let proxy = believing(&authority, &secure);
    assert_eq!(get(&proxy), "502 (connect)");
    logs(&proxy, &["WARN", "TLS handshake", "expired"]);
    await_requests(proxy.admin, "old", "connect", 1.0);
    secure.show(authority.issue("shop.test"));
    assert_eq!(get(&proxy), "200 safe", "with the next request");
}

const BACK_SOON: &str = "[old.ejection]\ntime = \"1s\"\n";

#[test]
fn one_of_three_endpoints_that_is_dead() {
    let (one, two) = (
        Scripted::start(answers("well")),
        Scripted::start(answers("well")),
    );
    let dead = nobody();
    let proxy = start(
        &[one.url(), two.url(), url(dead)],
        &[url(nobody())],
        BACK_SOON,
    );
    // Clients at once, so that no connection is there for many of them.
    let ask = || {
        let mut clients: Vec<_> = (0..8).map(|_| Raw::to(proxy.address())).collect();
        for client in &mut clients {
            client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        let said = clients.iter_mut().map(|it| it.answer("GET").to_string());
        said.collect::<Vec<_>>()
    };
    let mut asked = 0;
    let status = eventually("it is ejected", SOON, || {
        asked += 8;
        assert_eq!(ask(), ["200 well"; 8], "nobody notices");
        let status = proxy.status();
        (endpoint(&status, "old", 2)["standing"] == "ejected").then_some(status)
    });
    assert_eq!(endpoint(&status, "old", 0)["standing"], "usable");
    logs(&proxy, &["WARN", "ejected an endpoint", &dead.to_string()]);
    let back = Scripted::start_at(dead, answers("well"));
    eventually("it gets requests again", SOON, || {
        asked += 8;
        assert_eq!(ask(), ["200 well"; 8]);
        (back.taken() > 0).then_some(())
    });
    await_requests(proxy.admin, "old", "2xx", f64::from(asked));
    let errors = sum(proxy.admin, "changeover_errors_total", &[("side", "old")]);
    assert!(errors < 0.5, "{errors}");
}

#[test]
fn all_endpoints_dead() {
    let dead = [nobody(), nobody(), nobody()];
    let proxy = start(&dead.map(url), &[url(nobody())], BACK_SOON);
    for _ in 0..4 {
        assert_eq!(get(&proxy), "502 (connect)");
    }
    await_requests(proxy.admin, "old", "connect", 4.0);
    let status = proxy.status();
    let usable = (0..3).filter(|it| endpoint(&status, "old", *it)["standing"] == "usable");
    assert!(
        usable.count() > 0,
        "the last ones are not ejected: {status}"
    );
    let _back = Scripted::start_at(dead[1], answers("back"));
    eventually("one of them is enough", SOON, || {
        (get(&proxy) == "200 back").then_some(())
    });
}
