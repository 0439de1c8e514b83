//! What clients are recognised by: our cookie leaves nothing of itself and everything of the others, and a signed
//! override has one spelling that somebody with the secret wrote.

use std::time::Duration;

use changeover::{
    plan::{CookiePlan, ForcePlan, ForwardingPlan, Secret, Sticky},
    proxy::head::{
        ClientScheme, Fields, Identity, Peer, force_token, identify, recognize, take_force,
    },
    units::{Salt, Side, Timestamp},
};
use http::HeaderName;

const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

pub fn run(data: &[u8]) {
    cookies(data);
    force(data);
}

/// Every line of the input is a `Cookie` field.
fn cookies(data: &[u8]) {
    let plan = CookiePlan {
        name: "changeover_id".into(),
        lifetime: Duration::from_secs(3600),
    };
    let sticky = Sticky::Cookie(plan);
    let mut headers = Fields::new();
    let lines = data.split(|byte| *byte == b'\n').take(16);
    for line in lines.filter(|line| is_value(line)) {
        headers.append(&http::header::COOKIE, line);
    }
    let before: usize = pairs(&headers);
    let client = identify(
        &headers,
        Peer {
            address: "203.0.113.9".parse().expect("an address"),
            scheme: ClientScheme::Https,
        },
        &ForwardingPlan::default(),
    );
    let salt = Salt::new([7; 16]);
    let first = recognize(&mut headers, &sticky, &client, &salt);
    assert!(pairs(&headers) <= before, "cookies were added");
    for line in headers.get_all(&http::header::COOKIE) {
        let ours = line
            .split(|byte| *byte == b';')
            .any(|pair| pair.trim_ascii().starts_with(b"changeover_id="));
        assert!(!ours, "our cookie went on to an endpoint");
    }
    // Whoever was given this id is known by it.
    let id = match &first {
        Identity::Returning(id) | Identity::FirstVisit(id) => *id,
        other => panic!("{other:?} by a cookie"),
    };
    let mut again = Fields::new();
    let cookie = format!("changeover_id={}", id.as_str());
    again.append(&http::header::COOKIE, cookie.as_bytes());
    let second = recognize(&mut again, &sticky, &client, &salt);
    assert_eq!(second, Identity::Returning(id));
}

fn pairs(headers: &Fields) -> usize {
    let lines = headers.get_all(&http::header::COOKIE);
    lines
        .map(|line| line.split(|byte| *byte == b';').count())
        .sum()
}

fn is_value(line: &[u8]) -> bool {
    http::HeaderValue::from_bytes(line).is_ok()
}

/// The input is a token; it is also laid over a valid one.
fn force(data: &[u8]) {
    let header = HeaderName::from_static("x-changeover-force");
    let plan = ForcePlan {
        header: header.clone(),
        secret: Secret::new(vec![9; 32]),
    };
    let valid = force_token(&plan.secret, Side::New, NOW.after(Duration::from_secs(60)));
    let mut mixed = valid.clone().into_bytes();
    for (at, byte) in data.iter().enumerate() {
        if let Some(place) = mixed.get_mut(at) {
            *place ^= byte;
        }
    }
    for token in [data, &mixed] {
        if !is_value(token) {
            continue;
        }
        let mut headers = Fields::new();
        headers.append(&header, token);
        let side = take_force(&mut headers, &plan, NOW);
        assert!(
            !headers.contains(&header),
            "the override went on to an endpoint"
        );
        if side.is_some() {
            assert_eq!(token, valid.as_bytes(), "a token that nobody signed");
        }
    }
}
