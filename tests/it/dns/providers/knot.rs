//! RFC 2136 on a real Knot, which is silent where others change a TTL.

use changeover::{
    dns::provider::{Applied, Validation},
    plan::dns::{Kind, Ttl},
};

use crate::{
    dns::{RECORDS, apply, change, mover, set, the_move, validate},
    harness::knot::Knot,
};

#[test]
fn all_kinds_move_and_come_back_as_one() {
    let knot = Knot::start(RECORDS);
    let provider = mover(knot.address);
    assert_eq!(validate(&provider, &the_move()), Ok(Validation::Held));
    assert_eq!(apply(&provider, &the_move()), Ok(Applied::Done));
    assert_eq!(knot.dig("shop", "A"), ["60 A 198.51.100.1"]);
    assert_eq!(knot.dig("shop", "AAAA"), [""; 0]);
    assert_eq!(knot.dig("shop", "HTTPS"), ["60 HTTPS 1 . alpn=\"h2,h3\""]);
    let again = apply(&provider, &the_move());
    assert_eq!(again, Ok(Applied::Done), "what is there already is done");
    assert_eq!(apply(&provider, &the_move().reversed()), Ok(Applied::Done));
    assert_eq!(
        knot.dig("shop", "A"),
        ["3600 A 192.0.2.1", "3600 A 192.0.2.2"]
    );
    assert_eq!(knot.dig("shop", "AAAA"), ["3600 AAAA 2001:db8::1"]);
}

#[test]
fn a_ttl_alone_really_changes() {
    let knot = Knot::start("shop 3600 IN A 192.0.2.1");
    let slow = set(Kind::A, 3600, &["192.0.2.1"]);
    let lower = change(vec![slow.clone()], vec![slow.with_ttl(Ttl(30))]);
    assert_eq!(apply(&mover(knot.address), &lower), Ok(Applied::Done));
    assert_eq!(knot.dig("shop", "A"), ["30 A 192.0.2.1"]);
}
