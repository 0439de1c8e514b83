//! HTTP/2 requests for HTTP/1.1 endpoints: what is admitted is one head on the wire, without anything smuggled.
//!
//! The input is lines: the method, the path, the authority, then `name: value` fields, as the frames would carry them.

use changeover::proxy::{
    head::{ClientScheme, Peer, RequestHead},
    stages::{Request, encode_request},
};
use changeover::units::{Side, Timestamp};
use http::{HeaderName, HeaderValue, Method, Uri, Version};

use super::request::{WORLD, World, reads_as_one};

pub fn run(data: &[u8]) {
    let Some(head) = head_of(data) else {
        return;
    };
    let World { plan, table } = &*WORLD;
    for side in Side::ALL {
        let mut head = head.clone();
        let peer = Peer {
            address: "10.1.2.3".parse().expect("an address"),
            scheme: ClientScheme::Https,
        };
        let now = Timestamp::from_micros(1_790_000_000_000_000);
        let Some(request) = Request::take_in(plan, peer, &mut head, table, now) else {
            return;
        };
        request.address(plan, side, &mut head);
        assert_eq!(head.version, Version::HTTP_11);
        let mut sent = Vec::new();
        encode_request(&head, &mut sent);
        reads_as_one(&sent, &head);
        for name in [
            "transfer-encoding",
            "upgrade",
            "keep-alive",
            "proxy-connection",
        ] {
            let has = head.headers.iter().any(|(it, _)| it == name);
            assert!(!has, "{name} came through");
        }
    }
}

/// The head as hyper gives it; `None` where HTTP/2 itself refuses what stands there.
fn head_of(data: &[u8]) -> Option<RequestHead> {
    // A field's value may hold anything but what the `http` crate refuses, so lines end with a byte that it refuses.
    let mut lines = data.split(|byte| *byte == 0);
    let method = Method::from_bytes(lines.next()?).ok()?;
    let path = str::from_utf8(lines.next()?).ok()?;
    let authority = str::from_utf8(lines.next()?).ok()?;
    let uri = Uri::builder()
        .scheme("https")
        .authority(authority)
        .path_and_query(path);
    let mut request = http::Request::builder()
        .method(method)
        .version(Version::HTTP_2)
        .uri(uri.build().ok()?);
    for line in lines.take(24) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(&line[colon + 1..]).ok()?;
        request = request.header(name, value);
    }
    let (parts, ()) = request.body(()).ok()?.into_parts();
    RequestHead::try_from(&parts).ok()
}
