//! One request head, judged line by line as it comes.

use std::ops::Range;

use super::{
    field,
    request_line::{Form, LineVersion, RequestLine},
};
use crate::{
    measure::Rejection,
    proxy::head::{Authority, GuardLimits},
};

/// The body that a head announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes, or none.
    Sized(u64),
    /// Chunks.
    Chunked,
}

/// What a complete head means for the bytes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) body: Body,
    /// Whether an upgrade is asked for, so that what follows may be no request.
    pub(super) asks_upgrade: bool,
}

/// What the lines so far said. Places are counted from the head's first byte.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestHead {
    line: Option<RequestLine>,
    host: Option<Range<usize>>,
    content_length: Option<u64>,
    is_chunked: bool,
    asks_upgrade: bool,
}

impl RequestHead {
    /// Takes in the line at `at..` of the head, without its line end.
    pub(super) fn take_line(
        &mut self,
        line: &[u8],
        at: usize,
        limits: &GuardLimits,
    ) -> Result<(), Rejection> {
        if self.line.is_none() {
            self.line = Some(RequestLine::parse(line, at, limits)?);
            return Ok(());
        }
        let field = field::split(line, limits.underscores);
        let taken = field.and_then(|(name, place)| {
            let value = &line[place.clone()];
            self.take_field(name, value, at + place.start)
        });
        taken.ok_or(Rejection::Malformed)
    }

    /// Judges what no line alone can show. `head` is the whole head.
    pub(super) fn finish(&self, head: &[u8]) -> Result<Verdict, Rejection> {
        self.judge(head).ok_or(Rejection::Malformed)
    }

    fn take_field(&mut self, name: &[u8], value: &[u8], at: usize) -> Option<()> {
        if name.eq_ignore_ascii_case(b"host") {
            let repeated = self.host.replace(at..at + value.len()).is_some();
            (!repeated && Authority::parse(value).is_some()).then_some(())
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let length = parse_length(value)?;
            let repeated = self.content_length.replace(length).is_some();
            (!repeated).then_some(())
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let repeated = std::mem::replace(&mut self.is_chunked, true);
            (!repeated && value.eq_ignore_ascii_case(b"chunked")).then_some(())
        } else {
            self.asks_upgrade |= name.eq_ignore_ascii_case(b"upgrade");
            Some(())
        }
    }

    fn judge(&self, head: &[u8]) -> Option<Verdict> {
        let line = self.line.as_ref()?;
        let host = self.host.clone().map(|place| &head[place]);
        match (&line.form, host) {
            (_, None) if line.version == LineVersion::Http11 => return None,
            (_, None) | (Form::Origin, Some(_)) => (),
            (Form::Absolute(place, scheme), Some(host)) => {
                let [named, host] = [&head[place.clone()], host].map(Authority::parse);
                named?.is_same(&host?, *scheme).then_some(())?;
            }
        }
        let body = match (self.is_chunked, self.content_length) {
            (true, None) if line.version == LineVersion::Http11 => Body::Chunked,
            (true, _) => return None,
            (false, length) => Body::Sized(length.unwrap_or(0)),
        };
        Some(Verdict {
            body,
            asks_upgrade: self.asks_upgrade,
        })
    }
}

/// Digits only, and far enough below 2^64 that no sum of lengths overflows anywhere.
fn parse_length(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let length: u64 = digits.then(|| str::from_utf8(value).ok())??.parse().ok()?;
    (length <= u64::MAX / 2).then_some(length)
}
