//! Changes of a zone, and what is seen of one, on real BINDs.

mod exchange;
mod journey;
mod moving;
mod show;

mod providers;

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use changeover::{
    dns::provider::{Applied, Provider, ProviderError, Rfc2136, Validation},
    plan::{
        Secret,
        dns::{Change, Kind, RecordSet, Rfc2136Plan, TsigAlgorithm, Ttl, Value},
    },
};
use hickory_resolver::proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RecordType},
};

use crate::harness::{
    bind::{Bind, SECRET, ZONE},
    eventually, pause,
};

const RECORDS: &str = "shop 3600 IN A 192.0.2.1\nshop 3600 IN A 192.0.2.2\n\
    shop 3600 IN AAAA 2001:db8::1\nshop 3600 IN HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1";

#[test]
fn all_kinds_move_and_come_back_as_one() {
    let bind = Bind::start(RECORDS);
    for (key, algorithm) in [
        ("mover", TsigAlgorithm::HmacSha256),
        ("mover512", TsigAlgorithm::HmacSha512),
    ] {
        let provider = signed_by(bind.address, key, algorithm, SECRET);
        assert!(provider.guarantee().is_atomic);
        assert_eq!(validate(&provider, &the_move()), Ok(Validation::Held));
        assert_eq!(
            bind.dig("shop", "AAAA"),
            ["3600 AAAA 2001:db8::1"],
            "only tried"
        );
        assert_eq!(apply(&provider, &the_move()), Ok(Applied::Done));
        assert_eq!(bind.dig("shop", "A"), ["60 A 198.51.100.1"]);
        assert_eq!(bind.dig("shop", "AAAA"), [""; 0]);
        assert_eq!(bind.dig("shop", "HTTPS"), ["60 HTTPS 1 . alpn=\"h2,h3\""]);
        assert_eq!(apply(&provider, &the_move().reversed()), Ok(Applied::Done));
        assert_eq!(
            bind.dig("shop", "A"),
            ["3600 A 192.0.2.1", "3600 A 192.0.2.2"]
        );
        assert_eq!(bind.dig("shop", "AAAA"), ["3600 AAAA 2001:db8::1"]);
    }
}

#[test]
fn a_ttl_is_lowered_and_a_name_becomes_an_alias() {
    let bind = Bind::start("shop 3600 IN A 192.0.2.1");
    let provider = mover(bind.address);
    let slow = set(Kind::A, 3600, &["192.0.2.1"]);
    let quick = slow.with_ttl(Ttl(30));
    let lower = change(vec![slow], vec![quick.clone()]);
    assert_eq!(apply(&provider, &lower), Ok(Applied::Done));
    assert_eq!(bind.dig("shop", "A"), ["30 A 192.0.2.1"]);
    let alias = change(
        vec![quick],
        vec![set(Kind::Cname, 30, &["new.example.net."])],
    );
    assert_eq!(apply(&provider, &alias), Ok(Applied::Done));
    assert_eq!(bind.dig("shop", "CNAME"), ["30 CNAME new.example.net."]);
    assert_eq!(apply(&provider, &alias.reversed()), Ok(Applied::Done));
    assert_eq!(bind.dig("shop", "ANY"), ["30 A 192.0.2.1"]);
}

#[test]
fn what_somebody_else_changed_meanwhile_is_left_alone() {
    let bind = Bind::start(RECORDS);
    let provider = mover(bind.address);
    let expected = vec![set(Kind::Aaaa, 3600, &["2001:db8::1"])];
    let other = change(expected, vec![set(Kind::Aaaa, 60, &["2001:db8::9"])]);
    assert_eq!(apply(&provider, &other), Ok(Applied::Done));
    let before = the_move().before().to_vec();
    let conflict =
        |it| matches!(it, Err(ProviderError::Conflict { expected, .. }) if expected == before);
    assert!(conflict(apply(&provider, &the_move())));
    assert!(matches!(
        validate(&provider, &the_move()),
        Err(ProviderError::Conflict { .. })
    ));
    assert_eq!(bind.dig("shop", "AAAA"), ["60 AAAA 2001:db8::9"]);
    assert_eq!(bind.dig("shop", "A").len(), 2, "nothing was changed");
    // A set that the change would make new, and that is there already, is somebody else's.
    let adding = change(
        vec![set(Kind::A, 3600, &["192.0.2.1", "192.0.2.2"])],
        vec![
            set(Kind::A, 60, &["198.51.100.1"]),
            set(Kind::Aaaa, 60, &["2001:db8::2"]),
        ],
    );
    assert!(matches!(
        apply(&provider, &adding),
        Err(ProviderError::Conflict { .. })
    ));
    assert_eq!(bind.dig("shop", "A").len(), 2, "nothing was changed");
}

#[test]
fn a_wrong_key_and_a_refusal_change_nothing_and_say_which() {
    let bind = Bind::start(RECORDS);
    let sha256 = TsigAlgorithm::HmacSha256;
    let forged = signed_by(
        bind.address,
        "mover",
        sha256,
        b"another secret of another one...",
    );
    assert_eq!(
        apply(&forged, &the_move()),
        Err(ProviderError::Unauthorized)
    );
    let unknown = signed_by(bind.address, "nobody", sha256, SECRET);
    assert_eq!(
        apply(&unknown, &the_move()),
        Err(ProviderError::Unauthorized)
    );
    let stranger = signed_by(bind.address, "stranger", sha256, SECRET);
    let refused = apply(&stranger, &the_move());
    let Err(ProviderError::Refused { why }) = &refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("may not change these records"), "{why}");
    assert_eq!(bind.dig("shop", "A").len(), 2, "nothing was changed");
    assert!(!format!("{forged:?}").contains("another secret"));
}

#[test]
fn a_server_that_goes_away_leaves_the_outcome_unknown_only_once_it_was_asked() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = thread::spawn(move || {
        // The first one is closed without an answer, the second gets an unsigned one that claims success.
        for answers in [false, true] {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut length = [0; 2];
            stream.read_exact(&mut length).expect("a length");
            let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut bytes).expect("a message");
            if answers {
                let asked = Message::from_vec(&bytes).expect("a message");
                let mut answer = Message::response(asked.id, asked.op_code);
                answer.metadata.response_code = ResponseCode::NoError;
                let bytes = answer.to_vec().expect("it can be sent");
                let length = u16::try_from(bytes.len()).expect("it is short");
                let framed = [&length.to_be_bytes()[..], &bytes].concat();
                stream.write_all(&framed).expect("it is sent");
            }
        }
    });
    let provider = mover(address);
    for _ in 0..2 {
        let outcome = apply(&provider, &the_move());
        assert!(
            matches!(outcome, Err(ProviderError::Unknown { .. })),
            "{outcome:?}"
        );
    }
    server.join().expect("the server did as it was told");
    // A process that another test starts may hold the socket for a moment.
    eventually("nobody listens", Duration::from_secs(5), || {
        TcpStream::connect(address).is_err().then_some(())
    });
    let outcome = apply(&provider, &the_move());
    let Err(ProviderError::Refused { why }) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(why.contains("nothing was sent"), "{why}");
}

#[test]
fn whoever_resolves_through_moves_and_reverts_never_gets_an_empty_answer() {
    let bind = Bind::start(RECORDS);
    let provider = mover(bind.address);
    let (is_over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let client = scope.spawn(|| resolve_until(bind.address, &is_over, &asked));
        let mut moves = 0;
        while !client.is_finished() && (moves < 25 || asked.load(Ordering::Relaxed) < 100) {
            assert_eq!(apply(&provider, &the_move()), Ok(Applied::Done));
            assert_eq!(apply(&provider, &the_move().reversed()), Ok(Applied::Done));
            moves += 1;
        }
        is_over.store(true, Ordering::Relaxed);
        client.join().expect("no answer was empty");
    });
}

/// Asks for the address again and again, and counts the answers.
fn resolve_until(server: SocketAddr, is_over: &AtomicBool, asked: &AtomicUsize) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let limit = Some(Duration::from_secs(5));
    socket.set_read_timeout(limit).expect("it can be set");
    let mut query = Message::query();
    query.add_query(Query::query(shop(), RecordType::A));
    let bytes = query.to_vec().expect("it can be sent");
    while !is_over.load(Ordering::Relaxed) {
        socket.send_to(&bytes, server).expect("it is sent");
        let mut buffer = [0; 1024];
        let length = socket.recv(&mut buffer).expect("an answer");
        let answer = Message::from_vec(&buffer[..length]).expect("a message");
        assert_eq!(answer.response_code, ResponseCode::NoError);
        assert!(!answer.answers.is_empty(), "an empty answer");
        asked.fetch_add(1, Ordering::Relaxed);
        pause(Duration::from_millis(1));
    }
}

fn the_move() -> Change {
    let before = vec![
        set(Kind::A, 3600, &["192.0.2.1", "192.0.2.2"]),
        set(Kind::Aaaa, 3600, &["2001:db8::1"]),
        set(Kind::Https, 3600, &["1 . alpn=h2 ipv4hint=192.0.2.1"]),
    ];
    let after = vec![
        set(Kind::A, 60, &["198.51.100.1"]),
        set(Kind::Https, 60, &["1 . alpn=h2,h3"]),
    ];
    change(before, after)
}

fn shop() -> Name {
    Name::from_ascii(format!("shop.{ZONE}")).expect("a name")
}

fn set(kind: Kind, ttl: u32, values: &[&str]) -> RecordSet {
    let value = |it: &&str| Value::parse(kind, it).expect("a value");
    RecordSet {
        name: shop(),
        kind,
        ttl: Ttl(ttl),
        values: values.iter().map(value).collect(),
    }
}

fn change(before: Vec<RecordSet>, after: Vec<RecordSet>) -> Change {
    let zone = Name::from_ascii(ZONE).expect("a name");
    Change::new(zone, before, after).expect("a change")
}

fn mover(server: SocketAddr) -> Provider {
    signed_by(server, "mover", TsigAlgorithm::HmacSha256, SECRET)
}

fn signed_by(server: SocketAddr, key: &str, algorithm: TsigAlgorithm, secret: &[u8]) -> Provider {
    Provider::Rfc2136(Rfc2136::new(Rfc2136Plan {
        server,
        key_name: Name::from_ascii(format!("{key}.")).expect("a name"),
        algorithm,
        secret: Secret::new(secret.to_vec()),
    }))
}

fn apply(provider: &Provider, change: &Change) -> Result<Applied, ProviderError> {
    run(provider.apply(change))
}

fn validate(provider: &Provider, change: &Change) -> Result<Validation, ProviderError> {
    run(provider.validate(change))
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    runtime.block_on(future)
}
