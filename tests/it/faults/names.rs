//! Names of endpoints that lead elsewhere, and resolvers that fail.

use std::net::{Ipv4Addr, SocketAddr};

use super::{SOON, answers, endpoint, get, logs, nobody, start, url};
use crate::harness::{
    eventually,
    metrics::requests,
    names::{NameServer, Says},
    raw::Raw,
    scripted::Scripted,
};

/// Two endpoints on one port, at 127.0.0.1 and 127.0.0.2, and a name for them.
fn named() -> (Scripted, Scripted, String) {
    let one = Scripted::start(answers("one"));
    let other = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), one.address.port()));
    // One connection a request, so that each needs an address.
    let two = Scripted::start_at(other, |caller| {
        if caller.request().is_some() {
            caller.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\ntwo");
        }
    });
    let url = format!("http://shop.test:{}", one.address.port());
    (one, two, url)
}

fn resolver(server: &NameServer) -> String {
    format!("[resolver]\naddresses = [\"{}\"]\n", server.address)
}

#[test]
fn a_name_that_leads_elsewhere_and_a_resolver_that_fails() {
    let (one, two, name) = named();
    let server = NameServer::start(Says::Addresses(vec![Ipv4Addr::LOCALHOST]));
    let proxy = start(&[name], &[url(nobody())], &resolver(&server));
    let mut kept = Raw::to(proxy.address());
    assert_eq!(kept.ask("GET", "/").to_string(), "200 one");
    let status = proxy.status();
    assert_eq!(endpoint(&status, "old", 0)["resolved"][0], "127.0.0.1");
    // Busy all the time, the connection to the first address is given up nevertheless.
    server.say(Says::Addresses(vec![Ipv4Addr::new(127, 0, 0, 2)]));
    eventually("the name leads elsewhere", SOON, || {
        (kept.ask("GET", "/").to_string() == "200 two").then_some(())
    });
    logs(&proxy, &["INFO", "name was resolved", "127.0.0.2"]);
    assert_eq!(one.taken(), 1);
    // A server that says nothing is asked again before it is given up.
    for (says, limit) in [
        (Says::Failure, SOON),
        (Says::NoSuchName, SOON),
        (Says::Nothing, SOON * 4),
    ] {
        server.say(says);
        let status = proxy.status_when("it is said", limit, |it| {
            endpoint(it, "old", 0)["name_error"].is_string()
        });
        assert_eq!(endpoint(&status, "old", 0)["resolved"][0], "127.0.0.2");
        let warnings = status["warnings"].to_string();
        assert!(
            warnings.contains("its last addresses are used"),
            "{warnings}"
        );
        let taken = two.taken();
        assert_eq!(get(&proxy), "200 two");
        assert_eq!(two.taken(), taken + 1, "by a connection of its own");
        server.say(Says::Addresses(vec![Ipv4Addr::new(127, 0, 0, 2)]));
        proxy.status_when("it is well again", SOON, |it| {
            endpoint(it, "old", 0)["name_error"].is_null()
        });
    }
    logs(&proxy, &["WARN", "name cannot be resolved", "127.0.0.2"]);
    server.say(Says::Addresses(vec![Ipv4Addr::LOCALHOST]));
    eventually("it leads back", SOON, || {
        (get(&proxy) == "200 one").then_some(())
    });
    proxy.status_when("nothing is wrong", SOON, |it| {
        endpoint(it, "old", 0)["name_error"].is_null()
    });
    logs(&proxy, &["INFO", "can be resolved again"]);
    assert!(requests(proxy.admin, "old", "connect") < 0.5);
}

#[test]
fn a_name_that_cannot_be_resolved_at_the_start() {
    let (_one, _two, name) = named();
    let server = NameServer::start(Says::NoSuchName);
    let proxy = start(&[name], &[url(nobody())], &resolver(&server));
    assert_eq!(get(&proxy), "502 (connect)");
    logs(
        &proxy,
        &["WARN", "cannot be connected to", "resolve the name"],
    );
    server.say(Says::Addresses(vec![Ipv4Addr::LOCALHOST]));
    eventually("it is there", SOON, || {
        (get(&proxy) == "200 one").then_some(())
    });
}

#[test]
fn a_name_that_leads_elsewhere_brings_an_endpoint_back_from_its_ejection() {
    let (other, alive) = (
        Scripted::start(answers("other")),
        Scripted::start(answers("alive")),
    );
    let name = format!("http://shop.test:{}", alive.address.port());
    let server = NameServer::start(Says::Addresses(vec![Ipv4Addr::new(127, 0, 0, 3)]));
    let more = format!("[old.ejection]\ntime = \"10m\"\n{}", resolver(&server));
    let proxy = start(&[name, other.url()], &[url(nobody())], &more);
    eventually("it is ejected", SOON, || {
        assert_eq!(get(&proxy), "200 other");
        (endpoint(&proxy.status(), "old", 0)["standing"] == "ejected").then_some(())
    });
    server.say(Says::Addresses(vec![Ipv4Addr::LOCALHOST]));
    eventually("it has requests again", SOON, || {
        (get(&proxy) == "200 alive").then_some(())
    });
    proxy.status_when("it is in choice", SOON, |it| {
        endpoint(it, "old", 0)["standing"] == "usable"
    });
}
