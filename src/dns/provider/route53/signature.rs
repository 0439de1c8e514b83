//! Signs calls with version 4 of Amazon's signatures, which the `aws-sigv4` crate computes: over the method, the path and query, the
//! headers and the body, for some minutes around the time of signing.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4::SigningParams,
};
use http::{HeaderName, HeaderValue, Method, Uri, header::HOST};

use crate::dns::provider::{ProviderError, api::sensitive};

/// What a signature is good for.
pub(super) struct Scope<'s> {
    pub(super) region: &'s str,
    pub(super) service: &'s str,
}

/// What is signed, as it is sent.
pub(super) struct Unsigned<'u> {
    pub(super) method: &'u Method,
    pub(super) url: &'u str,
    pub(super) headers: &'u [(HeaderName, &'u str)],
    pub(super) body: &'u str,
}

/// The headers to send it with: its own, the host, and those of the signature.
///
/// # Errors
/// [`ProviderError::Invalid`] where it cannot be signed.
pub(super) fn signed(
    credentials: Credentials,
    scope: &Scope<'_>,
    unsigned: &Unsigned<'_>,
    at: SystemTime,
) -> Result<Vec<(HeaderName, HeaderValue)>, ProviderError> {
    let host = host(unsigned.url)?;
    let own = unsigned
        .headers
        .iter()
        .map(|(name, it)| (name.as_str(), *it));
    let own = own.chain([(HOST.as_str(), host.as_str())]);
    let body = SignableBody::Bytes(unsigned.body.as_bytes());
    let request = SignableRequest::new(unsigned.method.as_str(), unsigned.url, own, body);
    let request = request.map_err(|error| unsignable(&error))?;
    let identity = credentials.into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(at)
        .settings(SigningSettings::default())
        .build();
    let params = params.map_err(|error| unsignable(&error))?.into();
    let signature = sign(request, &params).map_err(|error| unsignable(&error))?;
    let (instructions, _signature) = signature.into_parts();
    let mut headers = vec![(HOST, sensitive(host.as_bytes())?)];
    for (name, value) in unsigned.headers {
        headers.push((name.clone(), sensitive(value.as_bytes())?));
    }
    for (name, value) in instructions.headers() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| unsignable(&error))?;
        headers.push((name, sensitive(value.as_bytes())?));
    }
    Ok(headers)
}

/// The host as it is sent: with its port, unless that is the scheme's own.
fn host(url: &str) -> Result<String, ProviderError> {
    let uri: Uri = url.parse().map_err(|error| unsignable(&error))?;
    let host = uri.host().unwrap_or_default();
    let is_default = |port: &u16| {
        matches!(
            (uri.scheme_str(), port),
            (Some("http"), 80) | (Some("https"), 443)
        )
    };
    Ok(match uri.port_u16().filter(|it| !is_default(it)) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

fn unsignable(error: &dyn std::error::Error) -> ProviderError {
    ProviderError::Invalid {
        why: format!("it cannot be signed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// 2015-08-30T12:36:00Z, of Amazon's published examples.
    const AT: u64 = 1_440_938_160;

    fn example(token: Option<&str>, method: &Method, url: &str) -> Vec<(String, String)> {
        let credentials = Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            token.map(str::to_owned),
            None,
            "test",
        );
        let scope = Scope {
            region: "us-east-1",
            service: "service",
        };
        let unsigned = Unsigned {
            method,
            url,
            headers: &[],
            body: "",
        };
        let at = UNIX_EPOCH + Duration::from_secs(AT);
        let headers = signed(credentials, &scope, &unsigned, at).expect("it can be signed");
        let shown = |(name, value): &(HeaderName, HeaderValue)| {
            assert!(!format!("{value:?}").contains("AKID"), "it is shown");
            let value = value.to_str().expect("text").to_owned();
            (name.to_string(), value)
        };
        headers.iter().map(shown).collect()
    }

    fn signature(headers: &[(String, String)]) -> &str {
        let (_, value) = headers
            .iter()
            .find(|(name, _)| name == "authorization")
            .expect("it is signed");
        value
    }

    /// `get-vanilla` of the published test suite.
    #[test]
    fn a_published_example_is_signed_as_published() {
        let headers = example(None, &Method::GET, "https://example.amazonaws.com/");
        assert_eq!(
            signature(&headers),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
        let expected = ("x-amz-date".to_owned(), "20150830T123600Z".to_owned());
        assert!(headers.contains(&expected), "{headers:?}");
    }

    /// `get-vanilla-query-order-key-case` and `post-vanilla` of the same.
    #[test]
    fn a_query_and_a_method_are_a_part_of_what_is_signed() {
        let url = "https://example.amazonaws.com/?Param2=value2&Param1=value1";
        let headers = example(None, &Method::GET, url);
        let expected = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500";
        assert!(signature(&headers).ends_with(expected), "{headers:?}");
        let headers = example(None, &Method::POST, "https://example.amazonaws.com/");
        let expected = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
        assert!(signature(&headers).ends_with(expected), "{headers:?}");
    }

    #[test]
    fn a_session_token_is_sent_and_signed() {
        let headers = example(
            Some("a-token"),
            &Method::GET,
            "https://example.amazonaws.com/",
        );
        assert!(signature(&headers).contains("SignedHeaders=host;x-amz-date;x-amz-security-token"));
        let expected = ("x-amz-security-token".to_owned(), "a-token".to_owned());
        assert!(headers.contains(&expected), "{headers:?}");
    }

    #[test]
    fn the_host_is_sent_with_a_port_of_its_own_only() {
        let check = |url: &str, expected: &str| {
            assert_eq!(host(url).expect("a host"), expected);
        };
        check("https://route53.amazonaws.com/x", "route53.amazonaws.com");
        check(
            "https://route53.amazonaws.com:443/",
            "route53.amazonaws.com",
        );
        check("http://127.0.0.1:8080/", "127.0.0.1:8080");
        check("https://[::1]:80/", "[::1]:80");
    }
}
