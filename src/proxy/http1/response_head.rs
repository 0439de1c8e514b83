//! One response head, read by `httparse` and judged by what its framing could be taken for.

use std::mem::MaybeUninit;

use http::{Method, StatusCode, Version};
use httparse::{Header, ParserConfig, Status};
use thiserror::Error;

use super::{
    body::{BodyReader, Sender},
    request_head::parse_length,
};
use crate::proxy::head::{
    Fields, HeadLimits, ResponseHead,
    names::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING},
};

/// Fields for which there is room without an allocation.
const FIELDS: usize = 128;

/// A complete response head.
#[derive(Debug)]
pub(crate) struct ReadResponse {
    /// What it says.
    pub(crate) head: ResponseHead,
    /// How its body ends.
    pub(crate) body: BodyReader,
    /// Whether the endpoint takes another request after it.
    pub(crate) persists: bool,
}

/// Why what an endpoint sent is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum HeadFault {
    /// It is no HTTP/1.
    #[error("no HTTP/1 response")]
    Malformed,
    /// More than the limits allow.
    #[error("a response head over the limits")]
    TooLarge,
    /// Its length could be read in two ways, or in none.
    #[error("a response of ambiguous length")]
    Framing,
}

/// Reads the head at the beginning of `bytes`, which answers a request with `method`; `None` while it is incomplete, else
/// its length comes with it.
///
/// # Errors
/// When it is no response, over the limits, or when its end could be read in two ways (RFC 9112 section 6.3): a length
/// beside a transfer coding, two lengths, a transfer coding other than `chunked`, or any in HTTP/1.0.
pub(crate) fn read_response(
    bytes: &[u8],
    method: &Method,
    limits: &HeadLimits,
) -> Result<Option<(usize, ReadResponse)>, HeadFault> {
    if limits.headers <= FIELDS {
        let mut fields = [const { MaybeUninit::uninit() }; FIELDS];
        return read(bytes, method, limits, &mut fields);
    }
    let mut fields = vec![MaybeUninit::uninit(); limits.headers];
    read(bytes, method, limits, &mut fields)
}

fn read<'a>(
    bytes: &'a [u8],
    method: &Method,
    limits: &HeadLimits,
    fields: &mut [MaybeUninit<Header<'a>>],
) -> Result<Option<(usize, ReadResponse)>, HeadFault> {
    let mut response = httparse::Response::new(&mut []);
    let parsed =
        ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, fields);
    let length = match parsed {
        Ok(Status::Complete(length)) if length > limits.head_bytes => {
            return Err(HeadFault::TooLarge);
        }
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if bytes.len() >= limits.head_bytes => return Err(HeadFault::TooLarge),
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(HeadFault::TooLarge),
        Err(_) => return Err(HeadFault::Malformed),
    };
    if response.headers.len() > limits.headers {
        return Err(HeadFault::TooLarge);
    }
    let status = response.code.and_then(|it| StatusCode::from_u16(it).ok());
    let mut head = ResponseHead {
        status: status.ok_or(HeadFault::Malformed)?,
        version: match response.version {
            Some(0) => Version::HTTP_10,
            _ => Version::HTTP_11,
        },
        headers: fields_of(length, response.headers),
    };
    let body = framing(&mut head, method)?;
    let persists = persists(&head);
    let read = ReadResponse {
        head,
        body,
        persists,
    };
    Ok(Some((length, read)))
}

/// Whether the end of a response with this head could be read in two ways, for a codec that takes one of them.
///
/// # Errors
/// As for [`read_response`].
pub(crate) fn check_framing(head: &mut ResponseHead) -> Result<(), HeadFault> {
    told_framing(head).map(|_| ())
}

fn fields_of(length: usize, read: &[Header<'_>]) -> Fields {
    let mut fields = Fields::with_capacity(read.len() + ADDED_FIELDS, length + ADDED_BYTES);
    for field in read {
        fields.append_read(field.name.as_bytes(), field.value);
    }
    fields
}

/// Room for what is added on the way: `Via`, a cookie and the side.
const ADDED_FIELDS: usize = 3;
const ADDED_BYTES: usize = 192;

fn framing(head: &mut ResponseHead, method: &Method) -> Result<BodyReader, HeadFault> {
    let (is_chunked, length) = told_framing(head)?;
    let has_none = *method == Method::HEAD
        || head.status.is_informational()
        || head.status == StatusCode::NO_CONTENT
        || head.status == StatusCode::NOT_MODIFIED;
    Ok(match (is_chunked, length) {
        _ if has_none => BodyReader::Ended,
        (true, _) => BodyReader::chunked(Sender::Endpoint),
        (false, Some(length)) => BodyReader::sized(length),
        (false, None) => BodyReader::UntilClose,
    })
}

/// Whether the body is chunked, or its length.
fn told_framing(head: &mut ResponseHead) -> Result<(bool, Option<u64>), HeadFault> {
    let is_chunked = is_chunked(head)?;
    let length = length_of(&mut head.headers)?;
    if is_chunked && length.is_some() {
        return Err(HeadFault::Framing);
    }
    Ok((is_chunked, length))
}

fn is_chunked(head: &ResponseHead) -> Result<bool, HeadFault> {
    let mut codings = head.headers.get_all(TRANSFER_ENCODING);
    let Some(coding) = codings.next() else {
        return Ok(false);
    };
    let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
    if !is_chunked || codings.next().is_some() || head.version == Version::HTTP_10 {
        return Err(HeadFault::Framing);
    }
    Ok(true)
}

/// The length; one that is repeated, in one line or several, is told once (RFC 9112 section 6.3), and one that begins with zeros
/// without them: some clients would take it for an octal one.
fn length_of(headers: &mut Fields) -> Result<Option<u64>, HeadFault> {
    let mut length = None;
    let mut is_plain = true;
    for line in headers.get_all(CONTENT_LENGTH) {
        for element in line.split(|b| *b == b',') {
            let this = parse_length(element.trim_ascii()).ok_or(HeadFault::Framing)?;
            if length.is_some_and(|it| it != this) {
                return Err(HeadFault::Framing);
            }
            is_plain &= length.is_none() && (line == b"0" || !line.starts_with(b"0"));
            length = Some(this);
        }
    }
    if let Some(length) = length
        && !is_plain
    {
        headers.insert(CONTENT_LENGTH, length.to_string().as_bytes());
    }
    Ok(length)
}

fn persists(head: &ResponseHead) -> bool {
    let says = |what: &[u8]| {
        let lines = head.headers.get_all(CONNECTION);
        let mut options = lines.flat_map(|it| it.split(|b| *b == b','));
        options.any(|it| it.trim_ascii().eq_ignore_ascii_case(what))
    };
    match head.version {
        Version::HTTP_10 => says(b"keep-alive") && !says(b"close"),
        _ => !says(b"close"),
    }
}
