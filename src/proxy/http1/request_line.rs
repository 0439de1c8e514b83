//! The request line (RFC 9112 section 3): one token, one target in a form that fits, one of two versions.

use std::ops::Range;

use super::field::is_token;
use crate::{
    measure::Rejection,
    proxy::head::{Authority, ClientScheme, HeadLimits, is_path_and_query},
};

/// The protocol versions that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineVersion {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// The forms of a target that are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A path, or `*`: the authority is `Host`'s alone.
    Origin,
    /// A URI, with the place of its authority.
    Absolute(Range<usize>, ClientScheme),
}

/// What of the request line the rest of the head is held against.
#[derive(Clone, Debug)]
pub(super) struct RequestLine {
    pub(super) method: Range<usize>,
    pub(super) target: Range<usize>,
    pub(super) version: LineVersion,
    pub(super) form: Form,
}

impl RequestLine {
    /// Reads the line that begins at `at` of the head and is given without its line end.
    pub(super) fn parse(line: &[u8], at: usize, limits: &HeadLimits) -> Result<Self, Rejection> {
        let mut words = line.splitn(3, |b| *b == b' ');
        let (Some(method), Some(target), Some(version)) =
            (words.next(), words.next(), words.next())
        else {
            return Err(Rejection::Malformed);
        };
        if target.len() > limits.target_bytes {
            return Err(Rejection::TargetTooLong);
        }
        if method.is_empty() || !is_token(method) {
            return Err(Rejection::Malformed);
        }
        let version = match version {
            b"HTTP/1.1" => LineVersion::Http11,
            b"HTTP/1.0" => LineVersion::Http10,
            _ => return Err(Rejection::Malformed),
        };
        if method == b"CONNECT" {
            return Err(Rejection::Unsupported);
        }
        let target_at = at + method.len() + 1;
        let form = form_of(method, target, target_at).ok_or(Rejection::Malformed)?;
        Ok(Self {
            method: at..at + method.len(),
            target: target_at..target_at + target.len(),
            version,
            form,
        })
    }
}

/// Checks the bytes of the target that begins at `at`; `None` refuses it.
fn form_of(method: &[u8], target: &[u8], at: usize) -> Option<Form> {
    match target.first()? {
        b'/' => is_path_and_query(target).then_some(Form::Origin),
        b'*' => (target == b"*" && method == b"OPTIONS").then_some(Form::Origin),
        _ => {
            let (scheme, rest) = [ClientScheme::Http, ClientScheme::Https]
                .into_iter()
                .find_map(|scheme| Some((scheme, strip_prefix(target, prefix_of(scheme))?)))?;
            let end = rest.iter().position(|b| matches!(b, b'/' | b'?'));
            let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
            Authority::parse(authority)?;
            let start = at + prefix_of(scheme).len();
            let place = start..start + authority.len();
            is_path_and_query(path).then_some(Form::Absolute(place, scheme))
        }
    }
}

const fn prefix_of(scheme: ClientScheme) -> &'static [u8] {
    match scheme {
        ClientScheme::Http => b"http://",
        ClientScheme::Https => b"https://",
    }
}

fn strip_prefix<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}
