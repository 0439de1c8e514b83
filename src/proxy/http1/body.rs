//! Telling a body from what follows it.

use std::{
    io,
    pin::pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::SizeHint;
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::TcpStream,
};

use super::{
    chunked::{Chunk, Chunks},
    field,
    scan::{Scan, Scanned},
};
use crate::proxy::{head::HeadLimits, pipe::Pipe};

/// Who sends a body: clients are held to the letter, since what they send may be meant to be misread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// A client.
    Client,
    /// An endpoint.
    Endpoint,
}

/// A body that breaks its framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the body breaks its framing")]
pub(crate) struct BodyFault;

/// How far a body has been read.
#[derive(Debug)]
pub(crate) enum BodyReader {
    /// To its end, or there is none.
    Ended,
    /// So many bytes are to come.
    Sized(u64),
    /// Chunks are to come. Boxed, with the trailers' state, since most bodies have neither.
    Chunked(Box<ChunkedReader>),
    /// It ends with its connection.
    UntilClose,
}

/// A chunked body and its trailers.
#[derive(Debug)]
pub(crate) struct ChunkedReader {
    chunks: Chunks,
    /// Present once the last chunk is over.
    trailers: Option<Scan>,
}

/// The next part of a body.
#[derive(Debug)]
pub(crate) enum Part {
    /// Some of it.
    Data(bytes::Bytes),
    /// What follows it; the end.
    Trailers(HeaderMap),
    /// The end.
    End,
    /// More bytes are needed.
    More,
}

impl BodyReader {
    /// A body of so many bytes.
    pub(crate) const fn sized(length: u64) -> Self {
        match length {
            0 => Self::Ended,
            length => Self::Sized(length),
        }
    }

    /// A chunked body.
    pub(crate) fn chunked(sender: Sender) -> Self {
        Self::Chunked(Box::new(ChunkedReader {
            chunks: Chunks::new(sender),
            trailers: None,
        }))
    }

    /// Whether it comes in chunks.
    pub(crate) const fn is_chunked(&self) -> bool {
        matches!(self, Self::Chunked(_))
    }

    /// Whether nothing more is to come.
    pub(crate) const fn is_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }

    /// Whether `bytes`, the first of it that have come, keep to its framing as far as they go.
    ///
    /// # Errors
    /// When [`Self::read`] would find a fault in them.
    pub(crate) fn foresee(&self, bytes: &[u8], limits: &HeadLimits) -> Result<(), BodyFault> {
        let Self::Chunked(chunked) = self else {
            return Ok(());
        };
        let Some(section) = chunked.chunks.foresee(bytes)? else {
            return Ok(());
        };
        let mut scan = Scan::default();
        match scan.trailers(section, limits) {
            Ok(_) => Ok(()),
            Err(_) => Err(BodyFault),
        }
    }

    /// How many bytes are to come, where that is known.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Ended => SizeHint::with_exact(0),
            Self::Sized(left) => SizeHint::with_exact(*left),
            Self::Chunked(_) | Self::UntilClose => SizeHint::default(),
        }
    }

    /// Reads more of it into `bytes`, memory of its own that is handed on without a copy: up to `buffer` bytes at once. 0 at
    /// the end of the stream.
    pub(crate) fn poll_more<IO: AsyncRead + Unpin>(
        &self,
        io: &mut IO,
        bytes: &mut BytesMut,
        buffer: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let room = match self {
            Self::Sized(left) => usize::try_from(*left).map_or(buffer, |it| it.min(buffer)),
            Self::Ended | Self::Chunked(_) | Self::UntilClose => buffer,
        };
        if bytes.capacity() == bytes.len() {
            bytes.reserve(room);
        }
        pin!(io.read_buf(bytes)).poll(cx)
    }

    /// Moves more of it from `socket` into `pipe`; 0 at the end of the stream. `None` where its length is not known.
    pub(crate) fn poll_fill(
        &mut self,
        socket: &TcpStream,
        pipe: &mut Pipe,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<usize>>> {
        let Self::Sized(left) = *self else {
            return Poll::Ready(None);
        };
        let moved = ready!(pipe.poll_fill_from(socket, left, cx));
        if let Ok(count) = moved {
            *self = Self::sized(left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX)));
        }
        Poll::Ready(Some(moved))
    }

    /// Takes the next part from the front of `bytes`.
    ///
    /// # Errors
    /// When the framing is broken; nothing more can be told from this connection then.
    pub(crate) fn read(
        &mut self,
        bytes: &mut BytesMut,
        limits: &HeadLimits,
    ) -> Result<Part, BodyFault> {
        match self {
            Self::Ended => Ok(Part::End),
            Self::Sized(_) | Self::UntilClose if bytes.is_empty() => Ok(Part::More),
            Self::Sized(left) => {
                let here = usize::try_from(*left).map_or(bytes.len(), |it| it.min(bytes.len()));
                // At most `left` is taken, so the difference cannot be negative.
                *self = Self::sized(left.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX)));
                Ok(Part::Data(bytes.split_to(here).freeze()))
            }
            Self::UntilClose => Ok(Part::Data(bytes.split().freeze())),
            Self::Chunked(chunked) => {
                let part = chunked.read(bytes, limits)?;
                if matches!(part, Part::Trailers(_) | Part::End) {
                    *self = Self::Ended;
                }
                Ok(part)
            }
        }
    }
}

impl ChunkedReader {
    fn read(&mut self, bytes: &mut BytesMut, limits: &HeadLimits) -> Result<Part, BodyFault> {
        if self.trailers.is_none() {
            match self.chunks.read(bytes)? {
                Chunk::Data(data) => return Ok(Part::Data(data)),
                Chunk::More => return Ok(Part::More),
                Chunk::Last => (),
            }
        }
        let scan = self.trailers.get_or_insert_default();
        match scan.trailers(bytes, limits) {
            Err(_) => Err(BodyFault),
            Ok(Scanned::Partial) => Ok(Part::More),
            Ok(Scanned::Complete(length, ())) => {
                let section = bytes.split_to(length);
                let trailers = trailers_of(&section, limits).ok_or(BodyFault)?;
                Ok(if trailers.is_empty() {
                    Part::End
                } else {
                    Part::Trailers(trailers)
                })
            }
        }
    }
}

/// The fields of a trailer section that was found to be in order.
fn trailers_of(section: &[u8], limits: &HeadLimits) -> Option<HeaderMap> {
    let mut trailers = HeaderMap::new();
    for line in section.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let (name, place) = field::split(line, limits.underscores)?;
        let name = HeaderName::from_bytes(name).ok()?;
        let value = HeaderValue::from_bytes(&line[place]).ok()?;
        trailers.try_append(name, value).ok()?;
    }
    Some(trailers)
}
