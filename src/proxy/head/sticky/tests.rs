//! Recognition by each of the rules, and our cookie among others.

use std::time::Duration;

use http::HeaderName;
use proptest::prelude::*;

use super::*;
use crate::proxy::head::{Peer, Trust};

const SALT: Salt = Salt::new([7; 16]);

fn client(address: &str) -> Client {
    let address: IpAddr = address.parse().expect("an address");
    let scheme = ClientScheme::Http;
    Client {
        peer: Peer { address, scheme },
        trust: Trust::Untrusted,
        address,
        scheme,
    }
}

fn cookie() -> CookiePlan {
    CookiePlan {
        name: "changeover".to_owned(),
        lifetime: Duration::from_secs(3600),
    }
}

fn recognize_with(headers: &mut Fields, address: &str) -> Identity {
    recognize(headers, &Sticky::Cookie(cookie()), &client(address), &SALT)
}

fn with_cookies(lines: &[&str]) -> Fields {
    let line = |line: &&str| (COOKIE, line.to_string());
    lines.iter().map(line).collect()
}

const ID: &str = "7zzzzzzzzzzzzzzzzzzzzzzzz0";

#[test]
fn a_returning_client_is_known_by_its_id_and_the_endpoint_does_not_see_it() {
    let check = |lines: &[&str], is_known: bool, kept: &[&str]| {
        let mut headers = with_cookies(lines);
        let identity = recognize_with(&mut headers, "192.0.2.1");
        match identity {
            Identity::Returning(id) => {
                assert!(is_known, "{lines:?}");
                assert_eq!(id.as_str(), ID);
            }
            other => assert!(
                !is_known && matches!(other, Identity::FirstVisit(_)),
                "{lines:?}"
            ),
        }
        let left: Vec<_> = headers.get_all(COOKIE).collect();
        let kept: Vec<_> = kept.iter().map(|it| it.as_bytes()).collect();
        assert_eq!(left, kept, "{lines:?}");
    };
    let ours = format!("changeover={ID}");
    check(&[&ours], true, &[]);
    check(
        &[&format!("a=b; {ours}; c=\"d e\"")],
        true,
        &["a=b; c=\"d e\""],
    );
    check(&[&format!("{ours}; a=b")], true, &["a=b"]);
    check(&[&format!("a=b;{ours}")], true, &["a=b"]);
    check(&["a=b", &ours, "c=d"], true, &["a=b", "c=d"]);
    check(&[&format!("changeover=junk; {ours}")], true, &[]);
    check(&[&format!("a=b;; c ;{ours} ;d=e")], true, &["a=b;; c ;d=e"]);
    check(&["a=b;; c ; d=e"], false, &["a=b;; c ; d=e"]);
    check(&["changeover=junk; a=b"], false, &["a=b"]);
    check(&["changeover="], false, &[]);
    check(
        &[&format!("xchangeover={ID}")],
        false,
        &[&format!("xchangeover={ID}")],
    );
    check(
        &[&format!("changeoverx={ID}")],
        false,
        &[&format!("changeoverx={ID}")],
    );
    check(
        &[&format!("Changeover={ID}")],
        false,
        &[&format!("Changeover={ID}")],
    );
}

#[test]
fn only_what_we_could_have_given_is_an_id() {
    let check = |text: &str, expected| {
        assert_eq!(
            ClientId::parse(text.as_bytes()).is_some(),
            expected,
            "{text}"
        );
    };
    check(ID, true);
    check("00000000000000000000000000", true);
    check("80000000000000000000000000", false);
    check("7zzzzzzzzzzzzzzzzzzzzzzzz", false);
    check("7zzzzzzzzzzzzzzzzzzzzzzzz00", false);
    check("7ZZZZZZZZZZZZZZZZZZZZZZZZ0", false);
    check("7izzzzzzzzzzzzzzzzzzzzzzz0", false);
    check("", false);
}

#[test]
fn parallel_first_requests_agree() {
    let agent = |text: &str| -> Fields { [(USER_AGENT, text)].into_iter().collect() };
    let first = recognize_with(&mut agent("a"), "192.0.2.1");
    assert!(matches!(first, Identity::FirstVisit(_)));
    assert_eq!(recognize_with(&mut agent("a"), "192.0.2.1"), first);
    assert_ne!(recognize_with(&mut agent("b"), "192.0.2.1"), first);
    assert_ne!(recognize_with(&mut agent("a"), "192.0.2.2"), first);
    assert_ne!(recognize_with(&mut Fields::new(), "192.0.2.1"), first);
}

#[test]
fn the_id_that_is_set_is_the_one_that_comes_back() {
    let Identity::FirstVisit(id) = recognize_with(&mut Fields::new(), "192.0.2.1") else {
        panic!("it has no cookie");
    };
    let written = |scheme| {
        let mut out = Vec::new();
        write_cookie(&id, &cookie(), scheme, &mut out);
        String::from_utf8(out).expect("it is ASCII")
    };
    let set = written(ClientScheme::Https);
    let pair = set.split(';').next().expect("it has a pair");
    let attributes = "; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure";
    assert_eq!(set, format!("{pair}{attributes}"));
    let back = recognize_with(&mut with_cookies(&[pair]), "198.51.100.9");
    assert_eq!(back, Identity::Returning(id));
    let draw = Draw(0);
    assert_eq!(
        back.slot(&SALT, draw),
        Identity::FirstVisit(id).slot(&SALT, draw)
    );
    let plain = written(ClientScheme::Http);
    assert!(plain.ends_with("SameSite=Lax"));
}

#[test]
fn the_other_rules() {
    let name = HeaderName::from_static("x-tenant");
    let tenant = |value: &str| -> Fields { [(name.clone(), value)].into_iter().collect() };
    let check = |sticky, mut headers: Fields, expected| {
        assert_eq!(
            recognize(&mut headers, &sticky, &client("192.0.2.1"), &SALT),
            expected
        );
    };
    let address = || Identity::Address("192.0.2.1".parse().expect("an address"));
    check(Sticky::None, Fields::new(), Identity::Nobody);
    check(Sticky::ClientIp, Fields::new(), address());
    let header = || Sticky::Header(name.clone());
    check(header(), tenant("acme"), Identity::Header(b"acme".to_vec()));
    check(header(), tenant(""), address());
    check(header(), Fields::new(), address());
    assert_eq!(Identity::Nobody.slot(&SALT, Draw(10_042)).number(), 42);
}

#[test]
fn no_white_space_is_left_where_our_cookie_stood() {
    let mut headers = with_cookies(&[&format!("a=b ;changeover={ID}")]);
    assert!(matches!(
        recognize_with(&mut headers, "::1"),
        Identity::Returning(_)
    ));
    assert_eq!(headers.get(COOKIE), Some(&b"a=b"[..]));
}

proptest! {
    #[test]
    fn every_id_reads_back(bits: u128) {
        let id = ClientId::from_bits(bits);
        prop_assert_eq!(ClientId::parse(id.as_str().as_bytes()), Some(id));
    }

    #[test]
    fn other_cookies_stay_byte_for_byte(line in "[ -:<-~]{0,40}") {
        // Nothing in the line is called like ours, for there is no `=` in it.
        let ours = format!("{line};changeover={ID}");
        let mut headers = with_cookies(&[&ours]);
        let expected = headers[COOKIE][..line.len()].trim_ascii().to_vec();
        prop_assert!(matches!(recognize_with(&mut headers, "::1"), Identity::Returning(_)));
        let left = headers.get(COOKIE).map(<[u8]>::to_vec).unwrap_or_default();
        let without_empty_start = |it: &[u8]| {
            let start = it.iter().position(|b| !matches!(b, b';' | b' ')).unwrap_or(it.len());
            it[start..].to_vec()
        };
        prop_assert_eq!(without_empty_start(&left), without_empty_start(&expected));
    }
}

#[test]
fn the_digits_are_told_from_all_other_bytes() {
    for byte in 0..=u8::MAX {
        assert_eq!(is_digit(byte), DIGITS.contains(&byte), "{byte}");
    }
}
