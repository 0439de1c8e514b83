//! What the tests stand on: the binary, environments, load, and waiting for states.

pub mod admin;
pub mod bind;
pub mod cloudflare;
pub mod disk;
pub mod environment;
pub mod frames;
pub mod h2;
pub mod knot;
pub mod load;
pub mod metrics;
pub mod names;
pub mod peers;
pub mod postgres;
pub mod powerdns;
pub mod process;
pub mod proxy;
pub mod raw;
pub mod recorder;
pub mod relay;
pub mod route53;
pub mod scatter;
pub mod scripted;
pub mod secure;
pub mod standin;

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Waits until `look` gives something, asking every few milliseconds.
///
/// # Panics
/// After `limit`, with what was waited for.
pub fn eventually<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(now() < deadline, "not within {limit:?}: {what}");
        pause(Duration::from_millis(5));
    }
}

/// One test at a time among those that load the machine or measure times.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed in its turn says nothing about the next one.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A free port, for what cannot be handed a socket. Somebody else may take it first; what is told to listen there then says so
/// and ends the test.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

#[expect(clippy::disallowed_methods, reason = "tests measure the real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Between two looks at a state; never instead of one.
#[expect(clippy::disallowed_methods, reason = "a test's own thread may block")]
pub fn pause(span: Duration) {
    std::thread::sleep(span);
}

/// What the harness says of others must hold for itself: without a proxy between them, load and environment
/// keep the rate, and agree on every request.
#[test]
fn load_and_environment_agree_without_a_proxy() {
    let _turn = turn();
    let environment = environment::Environment::start("alone");
    for protocol in [load::Protocol::Http1, load::Protocol::H2c] {
        let load = load::Load {
            rate: 2000,
            protocol,
            ..load::Load::new(&format!("{protocol:?}"))
        };
        let load = load.start(environment.address);
        eventually("4,000 requests are sent", Duration::from_secs(4), || {
            (load.sent() >= 4000).then_some(())
        });
        let answers = load.stop();
        assert!(answers.iter().all(|it| it.status == Some(200)));
        let arrived = environment.arrived();
        assert!(answers.iter().all(|it| arrived.get(&it.id) == Some(&1)));
    }
}
