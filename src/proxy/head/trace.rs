//! Marks that let a request be followed: `x-request-id`, `traceparent` and `Via`.

use http::Version;

use crate::{
    proxy::head::{
        Fields, Trust,
        names::{TRACEPARENT, TRACESTATE, VIA, X_REQUEST_ID},
    },
    units::Timestamp,
};

/// Bytes of a request id that is kept: enough for every format in use, too few to fill logs.
const REQUEST_ID_BYTES: usize = 128;

/// What new ids are made of.
#[derive(Clone, Copy, Debug)]
pub struct TraceSource {
    /// The time now.
    pub now: Timestamp,
    /// 128 random bits for the request id and a trace id.
    pub random: u128,
    /// 64 random bits for a span id.
    pub span: u64,
}

/// Writes all three for the endpoint. `version` is the one that the client spoke.
///
/// A trusted peer's request id is kept if it is well-formed, anybody else's is replaced by a new UUIDv7: it goes into
/// logs. A trace is continued whoever began it, with a new span; a new one begins as sampled, since endpoints that
/// follow their parent's choice would otherwise stop tracing as soon as a proxy stands before them.
pub fn stamp_request(headers: &mut Fields, trust: Trust, version: Version, source: TraceSource) {
    via(headers, version);
    let traceparent = continue_trace(headers, source.span).unwrap_or_else(|| {
        // State belongs to the trace that it came with.
        headers.remove(TRACESTATE);
        let mut trace = [0; 32];
        // An id of zeros is void.
        write_hex(source.random.max(1), &mut trace);
        traceparent(&trace, source.span, "01")
    });
    headers.insert(TRACEPARENT, &traceparent);
    let is_kept =
        trust == Trust::Trusted && headers.single(X_REQUEST_ID).is_some_and(is_request_id);
    if !is_kept {
        headers.remove(X_REQUEST_ID);
        headers.append_with(X_REQUEST_ID, |out| write_request_id(source, out));
    }
}

/// Appends ourselves to `Via` (RFC 9110 section 7.6.3); `version` is the one that the message was received in.
pub fn via(headers: &mut Fields, version: Version) {
    let ours = match version {
        Version::HTTP_2 => "2.0 changeover",
        Version::HTTP_10 => "1.0 changeover",
        _ => "1.1 changeover",
    };
    headers.append(VIA, ours.as_bytes());
}

fn is_request_id(bytes: &[u8]) -> bool {
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:=+/@".contains(b);
    !bytes.is_empty() && bytes.len() <= REQUEST_ID_BYTES && bytes.iter().all(is_plain)
}

fn write_request_id(source: TraceSource, out: &mut Vec<u8>) {
    let millis = u64::try_from(source.now.micros() / 1000).unwrap_or(0);
    let [.., a, b, c, d, e, f, g, h, i, j] = source.random.to_be_bytes();
    let random = [a, b, c, d, e, f, g, h, i, j];
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    let mut buffer = uuid::Uuid::encode_buffer();
    let text = id.hyphenated().encode_lower(&mut buffer);
    out.extend_from_slice(text.as_bytes());
}

/// The incoming `traceparent` with our span in it; `None` when there is none that is well-formed (W3C Trace Context
/// section 3.2). One of a later version is continued in the form of version 00, as its section 3.2.4 says.
fn continue_trace(headers: &Fields, span: u64) -> Option<Traceparent> {
    let text = str::from_utf8(headers.single(TRACEPARENT)?).ok()?;
    let mut fields = text.splitn(5, '-');
    let mut field = |length| {
        fields
            .next()
            .filter(|it| it.len() == length && is_lower_hex(it))
    };
    let (version, trace, parent, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
    let is_zero = |it: &str| it.bytes().all(|b| b == b'0');
    let has_more = fields.next().is_some();
    if version == "ff" || (version == "00" && has_more) || is_zero(trace) || is_zero(parent) {
        return None;
    }
    let flags = if version == "00" {
        flags
    } else {
        known_flags(flags)
    };
    Some(traceparent(trace.as_bytes(), span, flags))
}

/// Of a later version's flags only the sampled bit is known.
fn known_flags(flags: &str) -> &'static str {
    let is_sampled = u8::from_str_radix(flags, 16).is_ok_and(|it| it & 1 == 1);
    if is_sampled { "01" } else { "00" }
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The text of a `traceparent` in version 00.
type Traceparent = [u8; 55];

fn traceparent(trace: &[u8], span: u64, flags: &str) -> Traceparent {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    text[3..35].copy_from_slice(trace);
    write_hex(u128::from(span.max(1)), &mut text[36..52]);
    text[53..].copy_from_slice(flags.as_bytes());
    text
}

/// Writes the low digits of `number` over all of `digits`.
fn write_hex(number: u128, digits: &mut [u8]) {
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[usize::try_from(rest & 15).unwrap_or(0)];
        rest >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SOURCE: TraceSource = TraceSource {
        now: Timestamp::from_micros(1_790_000_000_123_456),
        random: 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
        span: 0xfeed,
    };

    const NEW_TRACE: &str = "00-00112233445566778899aabbccddeeff-000000000000feed-01";

    fn stamp(trust: Trust, fields: &[(&'static str, &str)]) -> Fields {
        let mut headers = Fields::new();
        for (name, value) in fields {
            headers.append(*name, value.as_bytes());
        }
        stamp_request(&mut headers, trust, Version::HTTP_2, SOURCE);
        headers
    }

    #[test]
    fn only_a_trusted_peers_well_formed_request_id_is_kept() {
        let check = |trust, fields: &[(&'static str, &str)], is_kept: bool| {
            let headers = stamp(trust, fields);
            let ids: Vec<_> = headers.get_all(X_REQUEST_ID).collect();
            assert_eq!(ids.len(), 1);
            assert_eq!(
                fields.first().is_some_and(|it| ids[0] == it.1.as_bytes()),
                is_kept,
                "{fields:?}"
            );
        };
        check(Trust::Trusted, &[], false);
        check(Trust::Trusted, &[("x-request-id", "abc-1.2:3")], true);
        check(Trust::Untrusted, &[("x-request-id", "abc-1.2:3")], false);
        check(Trust::Trusted, &[("x-request-id", "a b")], false);
        check(Trust::Trusted, &[("x-request-id", "")], false);
        check(Trust::Trusted, &[("x-request-id", &"a".repeat(129))], false);
        check(
            Trust::Trusted,
            &[("x-request-id", "a"), ("x-request-id", "a")],
            false,
        );
    }

    #[test]
    fn a_new_request_id_is_a_uuid_of_version_7() {
        let headers = stamp(Trust::Untrusted, &[]);
        let id = str::from_utf8(&headers[X_REQUEST_ID]).expect("it is ASCII");
        let id: uuid::Uuid = id.parse().expect("it is a UUID");
        assert_eq!(id.get_version_num(), 7);
        let (seconds, nanos) = id.get_timestamp().expect("it has one").to_unix();
        assert_eq!((seconds, nanos), (1_790_000_000, 123_000_000));
    }

    #[test]
    fn a_trace_is_continued_or_begun() {
        const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        let check = |value: String, expected: &str| {
            let state = ("tracestate", "a=b");
            let headers = stamp(Trust::Untrusted, &[("traceparent", &value), state]);
            assert_eq!(&headers[TRACEPARENT], expected.as_bytes(), "{value}");
            assert_eq!(
                headers.contains(TRACESTATE),
                expected != NEW_TRACE,
                "{value}"
            );
        };
        let parent = "00f067aa0ba902b7";
        let continued = |flags: &str| format!("00-{TRACE}-000000000000feed-{flags}");
        check(format!("00-{TRACE}-{parent}-01"), &continued("01"));
        check(format!("00-{TRACE}-{parent}-00"), &continued("00"));
        check(format!("cc-{TRACE}-{parent}-03-more"), &continued("01"));
        check(format!("cc-{TRACE}-{parent}-02"), &continued("00"));
        check(format!("00-{TRACE}-{parent}-01-more"), NEW_TRACE);
        check(format!("ff-{TRACE}-{parent}-01"), NEW_TRACE);
        check(format!("00-{}-{parent}-01", "0".repeat(32)), NEW_TRACE);
        check(format!("00-{TRACE}-{}-01", "0".repeat(16)), NEW_TRACE);
        check(
            format!("00-{}-{parent}-01", TRACE.to_uppercase()),
            NEW_TRACE,
        );
        check(format!("00-{TRACE}-{parent}"), NEW_TRACE);
        check(String::new(), NEW_TRACE);
    }

    #[test]
    fn two_traces_are_none() {
        let value = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let headers = stamp(
            Trust::Trusted,
            &[("traceparent", value), ("traceparent", value)],
        );
        assert_eq!(headers.get_all(TRACEPARENT).count(), 1);
        assert_eq!(&headers[TRACEPARENT], NEW_TRACE.as_bytes());
    }

    #[test]
    fn via_names_the_version_received() {
        let check = |version, expected: &str| {
            let mut headers = Fields::new();
            headers.append(VIA, b"1.1 front");
            via(&mut headers, version);
            let lines: Vec<_> = headers.get_all(VIA).collect();
            assert_eq!(lines, [b"1.1 front", expected.as_bytes()]);
        };
        check(Version::HTTP_10, "1.0 changeover");
        check(Version::HTTP_11, "1.1 changeover");
        check(Version::HTTP_2, "2.0 changeover");
    }

    proptest! {
        #[test]
        fn what_is_sent_is_always_well_formed(value in "[0-9a-fA-F-]{0,70}", span: u64) {
            let mut headers = Fields::new();
            headers.insert(TRACEPARENT, value.as_bytes());
            stamp_request(&mut headers, Trust::Trusted, Version::HTTP_11, TraceSource { span, ..SOURCE });
            prop_assert_eq!(headers[TRACEPARENT].len(), 55);
            prop_assert!(continue_trace(&headers, 1).is_some());
        }
    }
}
