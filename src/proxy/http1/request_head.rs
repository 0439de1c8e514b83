//! One request head, judged line by line as it comes, and then taken apart.

use std::ops::Range;

use http::{Method, Version};

use super::{
    body::{BodyReader, Sender},
    encode::Persistence,
    field,
    request_line::{Form, LineVersion, RequestLine},
    scan::{Scan, Scanned},
};
use crate::{
    measure::Rejection,
    proxy::head::{Authority, Fields, HeadLimits, RequestHead},
};

/// Reads one connection's request heads.
#[derive(Debug)]
pub(crate) struct RequestReader {
    limits: HeadLimits,
    scan: Scan,
    lines: Lines,
}

/// A complete request head, with what it says about its connection.
#[derive(Debug)]
pub(crate) struct ReadRequest {
    /// What it asks for.
    pub(crate) head: RequestHead,
    /// How its body ends.
    pub(crate) body: BodyReader,
    /// Whether the client means to go on after the answer.
    pub(crate) persistence: Persistence,
}

impl RequestReader {
    /// Before the first head.
    pub(crate) fn new(limits: HeadLimits) -> Self {
        Self {
            limits,
            scan: Scan::default(),
            lines: Lines::default(),
        }
    }

    /// Reads on. `bytes` begins where the head does; those that were given before are not looked at again. A complete head
    /// comes with its length, and the next call begins the next head.
    ///
    /// # Errors
    /// The reason to refuse it, found at the same byte however the bytes are cut.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<Scanned<ReadRequest>, Rejection> {
        match self.scan.head(bytes, &mut self.lines, &self.limits)? {
            Scanned::Partial => Ok(Scanned::Partial),
            Scanned::Complete(length, ()) => {
                let head = self.lines.take(&bytes[..length])?;
                self.scan = Scan::default();
                Ok(Scanned::Complete(length, head))
            }
        }
    }
}

/// What the lines so far said. Places are counted from the head's first byte.
#[derive(Debug, Default)]
pub(super) struct Lines {
    line: Option<RequestLine>,
    fields: Vec<Field>,
    host: Option<Range<usize>>,
    content_length: Option<u64>,
    is_chunked: bool,
    options: Options,
}

/// What `Connection` asks for.
#[derive(Debug, Default)]
struct Options {
    close: bool,
    keep_alive: bool,
}

#[derive(Clone, Debug)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

impl Lines {
    /// Takes in the line at `at..` of the head, without its line end.
    pub(super) fn take_line(
        &mut self,
        line: &[u8],
        at: usize,
        limits: &HeadLimits,
    ) -> Result<(), Rejection> {
        if self.line.is_none() {
            self.line = Some(RequestLine::parse(line, at, limits)?);
            return Ok(());
        }
        let (name, place) = field::split(line, limits.underscores).ok_or(Rejection::Malformed)?;
        let field = Field {
            name: at..at + name.len(),
            value: at + place.start..at + place.end,
        };
        self.take_field(name, &line[place], field.value.clone())
            .ok_or(Rejection::Malformed)?;
        self.fields.push(field);
        Ok(())
    }

    fn take_field(&mut self, name: &[u8], value: &[u8], place: Range<usize>) -> Option<()> {
        // The lengths of the few names that mean something here.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                let repeated = self.host.replace(place).is_some();
                (!repeated && Authority::parse(value).is_some()).then_some(())
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                // Some servers would take a length that begins so for an octal one.
                if value.len() > 1 && value.starts_with(b"0") {
                    return None;
                }
                let length = parse_length(value)?;
                let repeated = self.content_length.replace(length).is_some();
                (!repeated).then_some(())
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let repeated = std::mem::replace(&mut self.is_chunked, true);
                (!repeated && value.eq_ignore_ascii_case(b"chunked")).then_some(())
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                    self.options.close |= option.eq_ignore_ascii_case(b"close");
                    self.options.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
                Some(())
            }
            _ => Some(()),
        }
    }

    /// The whole head, judged by what no line alone can show; ready for the next one then.
    fn take(&mut self, bytes: &[u8]) -> Result<ReadRequest, Rejection> {
        let body = self.judge(bytes).ok_or(Rejection::Malformed)?;
        let line = self.line.take().ok_or(Rejection::Malformed)?;
        let persistence = match line.version {
            _ if self.options.close => Persistence::Close,
            LineVersion::Http11 => Persistence::KeepAlive,
            LineVersion::Http10 if self.options.keep_alive => Persistence::KeepAliveHttp10,
            LineVersion::Http10 => Persistence::Close,
        };
        let head = self.take_apart(&line, bytes).ok_or(Rejection::Malformed)?;
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self {
            fields,
            ..Self::default()
        };
        Ok(ReadRequest {
            head,
            body,
            persistence,
        })
    }

    fn judge(&self, head: &[u8]) -> Option<BodyReader> {
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
        match (self.is_chunked, self.content_length) {
            (true, None) if line.version == LineVersion::Http11 => {
                Some(BodyReader::chunked(Sender::Client))
            }
            (true, _) => None,
            (false, length) => Some(BodyReader::sized(length.unwrap_or(0))),
        }
    }

    /// The head as types, copied out of what it was read into, which can then take the next connection's.
    fn take_apart(&self, line: &RequestLine, bytes: &[u8]) -> Option<RequestHead> {
        let mut headers =
            Fields::with_capacity(self.fields.len() + ADDED_FIELDS, bytes.len() + ADDED_BYTES);
        for field in &self.fields {
            headers.append_read(&bytes[field.name.clone()], &bytes[field.value.clone()]);
        }
        let target = str::from_utf8(&bytes[line.target.clone()]).ok()?;
        let (scheme, authority, target) = match &line.form {
            Form::Origin => (None, None, target.to_owned()),
            Form::Absolute(place, scheme) => {
                let authority = str::from_utf8(&bytes[place.clone()]).ok()?;
                let rest = str::from_utf8(&bytes[place.end..line.target.end]).ok()?;
                // RFC 9112 sections 3.2.1 and 3.2.4: an empty path is sent as "/", and as "*" with OPTIONS.
                let is_options = &bytes[line.method.clone()] == b"OPTIONS";
                let missing = match rest.as_bytes().first() {
                    Some(b'/') => "",
                    None if is_options => "*",
                    _ => "/",
                };
                (
                    Some(*scheme),
                    Some(authority.to_owned()),
                    format!("{missing}{rest}"),
                )
            }
        };
        Some(RequestHead {
            method: Method::from_bytes(&bytes[line.method.clone()]).ok()?,
            version: match line.version {
                LineVersion::Http10 => Version::HTTP_10,
                LineVersion::Http11 => Version::HTTP_11,
            },
            scheme,
            authority,
            target,
            headers,
        })
    }
}

/// Room for what is added on the way, so that nothing grows: `Via`, `X-Forwarded-*`, `Forwarded`, `X-Request-Id`,
/// `traceparent` and such.
const ADDED_FIELDS: usize = 10;
const ADDED_BYTES: usize = 512;

/// Digits only, and far enough below 2^64 that no sum of lengths overflows anywhere.
pub(crate) fn parse_length(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let length: u64 = digits.then(|| str::from_utf8(value).ok())??.parse().ok()?;
    (length <= u64::MAX / 2).then_some(length)
}
