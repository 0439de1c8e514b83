//! The signed override by which a tester chooses a side.
//!
//! `new;exp=1790000000;sig=<64 hex digits>`: the side, the Unix second at which it ends, and the HMAC-SHA256 of
//! everything before `;sig=` under the plan's secret. The form is exact, so that one token has one spelling.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{
    plan::{ForcePlan, Secret},
    proxy::head::Fields,
    units::{Side, Timestamp},
};

const EXPIRY: &str = ";exp=";
const SIGNATURE: &str = ";sig=";

/// Makes the header's value. `expires` counts by the second, rounded down.
#[must_use]
pub fn force_token(secret: &Secret, side: Side, expires: Timestamp) -> String {
    let mut token = format!("{side}{EXPIRY}{}", expires.micros().div_euclid(1_000_000));
    let signature = mac(secret, &token).finalize().into_bytes();
    token.push_str(SIGNATURE);
    token.push_str(&hex::encode(signature));
    token
}

/// Removes the header, whatever it holds, and returns the side that a valid one names. Two of them are none.
pub fn take_force(headers: &mut Fields, plan: &ForcePlan, now: Timestamp) -> Option<Side> {
    let token = headers.single(&plan.header).map(<[u8]>::to_vec);
    headers.remove(&plan.header);
    verify(str::from_utf8(&token?).ok()?, &plan.secret, now)
}

fn verify(token: &str, secret: &Secret, now: Timestamp) -> Option<Side> {
    let (signed, signature) = token.split_once(SIGNATURE)?;
    let (side, expiry) = signed.split_once(EXPIRY)?;
    // Hexadecimal digits have two cases, and a token one spelling.
    if signature.bytes().any(|it| it.is_ascii_uppercase()) {
        return None;
    }
    let mut given = [0; 32];
    hex::decode_to_slice(signature, &mut given).ok()?;
    // Compares in constant time.
    mac(secret, signed).verify_slice(&given).ok()?;
    let expires: i64 = expiry.parse().ok()?;
    let is_valid = now < Timestamp::from_micros(expires.checked_mul(1_000_000)?);
    let side = Side::ALL.into_iter().find(|it| it.as_str() == side)?;
    is_valid.then_some(side)
}

fn mac(secret: &Secret, text: &str) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose()).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderName;
    use proptest::prelude::*;

    use super::*;

    const HEADER: HeaderName = HeaderName::from_static("x-changeover-force");

    fn plan() -> ForcePlan {
        ForcePlan {
            header: HEADER,
            secret: Secret::new(b"secret".to_vec()),
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_micros(1_790_000_000_000_000)
    }

    fn take(value: &str) -> Option<Side> {
        let mut headers = Fields::new();
        headers.insert(HEADER, value.as_bytes());
        let side = take_force(&mut headers, &plan(), now());
        assert!(headers.is_empty());
        side
    }

    #[test]
    fn a_token_forces_its_side_until_it_expires() {
        let token = |side, seconds| {
            force_token(
                &plan().secret,
                side,
                now().after(Duration::from_secs(seconds)),
            )
        };
        assert_eq!(take(&token(Side::New, 60)), Some(Side::New));
        assert_eq!(take(&token(Side::Old, 1)), Some(Side::Old));
        assert_eq!(take(&token(Side::New, 0)), None);
    }

    #[test]
    fn a_token_has_one_spelling() {
        let expires = now().after(Duration::from_secs(60));
        let token = force_token(&plan().secret, Side::New, expires);
        let (signed, signature) = token.split_once(";sig=").expect("it is signed");
        let shouted = format!("{signed};sig={}", signature.to_ascii_uppercase());
        assert_ne!(shouted, token);
        assert_eq!(take(&shouted), None);
        assert_eq!(take(&format!(" {token}")), None);
    }

    #[test]
    fn the_form_is_the_documented_one() {
        // echo -n "new;exp=1790000060" | openssl dgst -sha256 -hmac secret
        let token = force_token(
            &plan().secret,
            Side::New,
            now().after(Duration::from_secs(60)),
        );
        let (signed, signature) = token.split_once(";sig=").expect("it is signed");
        assert_eq!(signed, "new;exp=1790000060");
        assert_eq!(
            signature,
            "90251b919163c0e867f37f641b1ccb8c65d1cf768928dc6e083dc06a56fbc9b3"
        );
    }

    #[test]
    fn what_is_not_signed_forces_nothing() {
        let good = force_token(
            &plan().secret,
            Side::New,
            now().after(Duration::from_secs(60)),
        );
        let other = Secret::new(b"other".to_vec());
        let check = |token: &str| assert_eq!(take(token), None, "{token}");
        check("");
        check("new");
        check("new;exp=9999999999");
        check("new;exp=9999999999;sig=");
        check(&good.replace("new", "old"));
        check(&good.replace("1790000060", "1790000061"));
        check(good.strip_suffix(|_: char| true).expect("it is not empty"));
        check(&format!("{good}00"));
        check(&force_token(
            &other,
            Side::New,
            now().after(Duration::from_secs(60)),
        ));
    }

    #[test]
    fn two_tokens_are_none_and_both_are_removed() {
        let good = force_token(
            &plan().secret,
            Side::New,
            now().after(Duration::from_secs(60)),
        );
        let mut headers = Fields::new();
        headers.append(HEADER, good.as_bytes());
        headers.append(HEADER, good.as_bytes());
        assert_eq!(take_force(&mut headers, &plan(), now()), None);
        assert!(headers.is_empty());
    }

    proptest! {
        #[test]
        fn any_change_of_a_token_makes_it_void(place in any::<prop::sample::Index>(), byte in 0x21..0x7f_u8) {
            let good = force_token(&plan().secret, Side::New, now().after(Duration::from_secs(60)));
            let mut bytes = good.into_bytes();
            let place = place.index(bytes.len());
            prop_assume!(!bytes[place].eq_ignore_ascii_case(&byte));
            bytes[place] = byte;
            prop_assert_eq!(take(&String::from_utf8(bytes).unwrap()), None);
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "(old|new|;exp=|;sig=|[0-9a-f]{0,64}|-){0,8}") {
            prop_assert_eq!(verify(&text, &plan().secret, now()), None);
        }
    }
}
