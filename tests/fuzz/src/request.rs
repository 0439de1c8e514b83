//! Streams of HTTP/1 requests: read the same however they are cut, and what is sent on for each is one request with the
//! same method and target, to our own reader and to another one.

use std::{path::Path, sync::LazyLock};

use changeover::{
    config,
    plan::Plan,
    proxy::{
        head::{ClientScheme, Peer, RequestHead},
        stages::{Reader, Request, encode_request},
    },
    split::{RouteTable, SplitTable},
    units::{Generation, Salt, Side, Timestamp, Weight},
};

use super::stream::{LIMITS, Outcome, read_body};

/// The plan and the table of every target that takes requests in.
pub struct World {
    pub plan: Plan,
    pub table: SplitTable,
}

pub static WORLD: LazyLock<World> = LazyLock::new(|| {
    let text = r#"
[old]
endpoints = ["http://127.0.0.1:9001"]
[new]
endpoints = ["http://127.0.0.1:9002"]
host = "new.example"
[split]
writes = "split"
[[route]]
name = "api"
host = "shop.example"
path = "/api"
methods = ["POST"]
writes = "old"
[[route]]
name = "static"
path = "/static/"
pin = "new"
[forwarding]
trusted = ["10.0.0.0/8"]
"#;
    let loaded = config::parse(text, Path::new("x.toml"), Path::new("/nonexistent"));
    let plan = loaded.expect("it is right").plan;
    let table = SplitTable {
        generation: Generation::new(1),
        weight: Weight::from_basis_points(5000).expect("a half"),
        salt: Salt::new([7; 16]),
        edition: 0,
        split: plan.split.clone().into(),
        routes: RouteTable::new(&plan.routes).into(),
        withdrawal: None,
    };
    World { plan, table }
});

/// As many requests as a stream is read for.
const REQUESTS_MAX: usize = 8;

pub fn run(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else {
        return;
    };
    let mut rest = bytes;
    for _ in 0..REQUESTS_MAX {
        let whole = read(rest, rest.len());
        let in_pieces = read(rest, usize::from(*cut));
        match (&whole, &in_pieces) {
            (Ok(Some((head, body))), Ok(Some((other, other_body)))) => {
                assert_eq!(format!("{head:?}"), format!("{other:?}"));
                assert_eq!(body.data, other_body.data);
                assert_eq!(body.last, other_body.last);
            }
            (whole, in_pieces) => {
                let shown = |it| format!("{it:?}");
                assert_eq!(shown(whole), shown(in_pieces), "pieces change the outcome");
            }
        }
        let Ok(Some((head, body))) = whole else {
            return;
        };
        pass_on(&head);
        if !matches!(
            body.last,
            changeover::proxy::stages::Piece::End | changeover::proxy::stages::Piece::Trailers(_)
        ) {
            return;
        }
        rest = &rest[rest.len() - body.rest.len()..];
    }
}

type ReadOutcome = Result<Option<(RequestHead, Outcome)>, changeover::measure::Rejection>;

/// Reads one request whose bytes come in two pieces.
fn read(bytes: &[u8], cut: usize) -> ReadOutcome {
    let mut reader = Reader::new(LIMITS);
    let first = reader.read_on(&bytes[..cut.min(bytes.len())])?;
    let found = match first {
        Some(found) => Some(found),
        None => reader.read_on(bytes)?,
    };
    Ok(found.map(|(length, head, body)| {
        let after = &bytes[length..];
        (head, read_body(body, after, cut))
    }))
}

/// What would be sent to an endpoint of either side.
fn pass_on(head: &RequestHead) {
    let World { plan, table } = &*WORLD;
    for address in ["10.1.2.3", "203.0.113.9"] {
        for side in Side::ALL {
            let mut head = head.clone();
            let peer = Peer {
                address: address.parse().expect("an address"),
                scheme: ClientScheme::Http,
            };
            let now = Timestamp::from_micros(1_790_000_000_000_000);
            let Some(request) = Request::take_in(plan, peer, &mut head, table, now) else {
                continue;
            };
            let assignment = request.assign(table);
            assert_eq!(assignment, request.assign(table), "assigned anew");
            request.address(plan, side, &mut head);
            let mut sent = Vec::new();
            encode_request(&head, &mut sent);
            reads_as_one(&sent, &head);
        }
    }
}

/// The head is one head, to its last byte, and says what it was made from.
pub fn reads_as_one(sent: &[u8], head: &RequestHead) {
    // What is added on the way may take a head over the limits of clients.
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut peer = httparse::Request::new(&mut fields);
    let parsed = peer.parse(sent).expect("another parser takes it");
    assert_eq!(
        parsed,
        httparse::Status::Complete(sent.len()),
        "more than one head"
    );
    assert_eq!(peer.method, Some(head.method.as_str()));
    assert_eq!(peer.path, Some(head.target.as_str()));
    let hosts = peer
        .headers
        .iter()
        .filter(|it| it.name.eq_ignore_ascii_case("host"));
    assert_eq!(hosts.count(), 1, "one Host");
    let mut ours: Vec<(&str, &[u8])> = head.headers.iter().collect();
    let mut theirs: Vec<(String, &[u8])> = peer
        .headers
        .iter()
        .map(|it| (it.name.to_ascii_lowercase(), it.value))
        .collect();
    ours.sort_unstable();
    theirs.sort_unstable();
    let theirs: Vec<(&str, &[u8])> = theirs
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    // What says how the body is framed is the encoder's own.
    let is_framing =
        |name: &str| matches!(name, "content-length" | "transfer-encoding" | "connection");
    ours.retain(|(name, _)| !is_framing(name));
    let theirs: Vec<_> = theirs
        .into_iter()
        .filter(|(name, _)| !is_framing(name))
        .collect();
    assert_eq!(ours, theirs, "fields were added or lost on the wire");
}
