//! What systemd is told, by a socket that stands in its place, and whether it takes our unit.

use std::{
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::Path,
    process::Command,
    time::Duration,
};

use rustix::process::Signal;

use crate::harness::{
    admin::call,
    environment::{Environment, signal_process},
    free_port, peers,
    proxy::{Folder, Proxy, configuration},
    raw::Raw,
};

/// The next words, one a line.
fn words(supervisor: &UnixDatagram) -> String {
    let mut text = [0; 1024];
    let count = supervisor.recv(&mut text).expect("it says something");
    String::from_utf8_lossy(&text[..count]).into_owned()
}

#[test]
fn the_supervisor_is_told_of_every_change() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let folder = Folder::new();
    let text = configuration(&old.url(), &new.url(), "");
    folder.write("changeover.toml", &text);
    let path = folder.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).expect("a socket");
    let patience = Some(Duration::from_secs(10));
    supervisor.set_read_timeout(patience).expect("it is open");
    let mut command = Command::new(env!("CARGO_BIN_EXE_changeover"));
    command.env("NOTIFY_SOCKET", &path);
    let mut proxy = Proxy::start_with(command, &folder);
    assert_eq!(words(&supervisor), "READY=1\n");

    // In force or refused, a reload ends.
    for text in [text.as_str(), "name = 1"] {
        folder.write("changeover.toml", text);
        proxy.signal(Signal::HUP);
        let begin = words(&supervisor);
        let (first, second) = begin.split_once('\n').expect("two lines");
        assert_eq!(first, "RELOADING=1");
        let time = second.trim_end().strip_prefix("MONOTONIC_USEC=");
        assert!(time.is_some_and(|it| it.parse::<u64>().is_ok()), "{begin}");
        assert_eq!(words(&supervisor), "READY=1\n");
    }
    folder.write("changeover.toml", &text);

    let next = proxy.upgrade();
    assert_eq!(words(&supervisor), format!("MAINPID={next}\n"));
    assert!(proxy.wait(Duration::from_secs(10)).success());
    signal_process(next, Signal::TERM);
    assert_eq!(words(&supervisor), "STOPPING=1\n");
}

/// The program as systemd starts it, with sockets at these addresses.
fn activated(addresses: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = peers::tool("python");
    command
        .arg(root.join("tests/it/peers/activated.py"))
        .arg(addresses)
        .arg(env!("CARGO_BIN_EXE_changeover"));
    command
}

#[test]
fn clients_wait_in_sockets_that_were_passed_to_it() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    // Ours, as it would be systemd's, whatever becomes of processes.
    let kept = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let traffic = kept.local_addr().expect("it is bound");
    let admin = free_port();
    let folder = Folder::new();
    let text = configuration(&old.url(), &new.url(), "");
    let text = text
        .replacen("127.0.0.1:0", &format!("127.0.0.1:{admin}"), 1)
        .replacen("127.0.0.1:0", &traffic.to_string(), 1);
    folder.write("changeover.toml", &format!("workers = 3\n{text}"));
    let start = || {
        let mut command = activated(&format!("stdin,127.0.0.1:{admin}"));
        let ours = kept.try_clone().expect("descriptors are left");
        command.stdin(OwnedFd::from(ours));
        Proxy::start_with(command, &folder)
    };
    let early = || {
        let mut client = Raw::to(traffic);
        client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        client
    };
    let mut before = early();
    let mut proxy = start();
    assert_eq!(before.answer("GET").to_string(), "200");
    drop(before);
    assert_eq!(proxy.address(), traffic);
    assert_eq!(proxy.admin.port(), admin);
    for _ in 0..20 {
        assert_eq!(call(proxy.address(), "GET", "/", "").0, 200);
    }
    // They go on to the next process.
    let next = proxy.upgrade();
    assert!(proxy.wait(Duration::from_secs(10)).success());
    assert_eq!(call(proxy.address(), "GET", "/", "").0, 200);
    // And to the one after that, though for a while there is none.
    signal_process(next, Signal::TERM);
    folder.wait_until_nobody_serves();
    let mut between = early();
    let _proxy = start();
    assert_eq!(between.answer("GET").to_string(), "200");
}

#[test]
fn a_socket_that_nobody_would_accept_from_is_refused() {
    let folder = Folder::new();
    let text = configuration("http://127.0.0.1:9", "http://127.0.0.1:9", "");
    let path = folder.write("changeover.toml", &text);
    for (addresses, why) in [
        ("-", "socket 1 of those that systemd passes cannot be used"),
        (
            &format!("127.0.0.1:{}", free_port()),
            "where nothing is configured to listen",
        ),
    ] {
        let mut command = activated(addresses);
        let output = command.args(["serve", "--config"]).arg(&path).output();
        let output = output.expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn the_watchdog_is_fed_as_long_as_the_control_loop_decides() {
    let (old, new) = (Environment::start("old"), Environment::start("new"));
    let folder = Folder::new();
    folder.write(
        "changeover.toml",
        &configuration(&old.url(), &new.url(), ""),
    );
    let path = folder.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).expect("a socket");
    let patience = Some(Duration::from_secs(10));
    supervisor.set_read_timeout(patience).expect("it is open");
    let mut command = Command::new(env!("CARGO_BIN_EXE_changeover"));
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "30000000");
    let proxy = Proxy::start_with(command, &folder);
    assert_eq!(words(&supervisor), "READY=1\n");
    assert_eq!(words(&supervisor), "WATCHDOG=1\n");
    assert_eq!(words(&supervisor), "WATCHDOG=1\n");
    proxy.upgrade();
    // Its words come from the process that leads, and from no other.
    while words(&supervisor) == "WATCHDOG=1\n" {}
    assert_eq!(words(&supervisor), "WATCHDOG=1\n");
}

#[test]
fn the_unit_is_one_that_systemd_takes_and_finds_tight() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/systemd");
    let analyze = |arguments: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        let output = command.current_dir(&folder).args(arguments).output();
        let output = output.expect("tests/run has installed it");
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).into_owned()
    };
    let faults = analyze(&[
        "verify",
        "--man=no",
        "./changeover.service",
        "./changeover.socket",
    ]);
    // The binary is not installed where tests run.
    let faults: Vec<_> = faults
        .lines()
        .filter(|it| it.contains("changeover.") && !it.contains("is not executable"))
        .collect();
    assert!(faults.is_empty(), "{faults:?}");
    let exposure = analyze(&["security", "--offline=true", "./changeover.service"]);
    let (_, level) = exposure
        .split_once("Overall exposure level for changeover.service: ")
        .expect("a level");
    let level: f64 = level
        .split_whitespace()
        .next()
        .and_then(|it| it.parse().ok())
        .expect("a number");
    assert!(level <= 2.0, "{exposure}");
}
