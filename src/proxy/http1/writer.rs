//! Sending a head and its body: gathered while pieces are small, one write where one will do.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame};
use thiserror::Error;
use tokio::io::AsyncWrite;

use super::encode::{Framing, write_chunk_size, write_field};

/// A piece up to so long is copied behind what waits to be sent: a copy of four KiB costs less than the kernel's handling of
/// a second buffer.
const JOINED_MAX: usize = 4096;

/// No further piece is gathered once so many bytes wait.
const GATHERED_MAX: usize = 16 * 1024;

/// A message on its way out.
#[derive(Debug)]
pub(crate) struct Writer<B> {
    /// Head, framing and small pieces.
    out: Vec<u8>,
    /// So many of `out` are sent.
    sent: usize,
    /// A larger piece, sent behind `out` without a copy.
    piece: Bytes,
    /// Whether `piece` is a chunk, whose line end follows it.
    is_chunk: bool,
    body: B,
    is_body_begun: bool,
    is_body_ended: bool,
    framing: Framing,
    trailers: Trailers,
    is_begun: bool,
}

/// Whether the receiver takes trailers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trailers {
    /// It does.
    Pass,
    /// It did not say so: they are left out (RFC 9110 section 6.5.1).
    Drop,
}

/// Why a message was not sent to its end.
#[derive(Debug, Error)]
pub(crate) enum WriteError<E> {
    /// The receiver's connection broke.
    #[error("write")]
    Io(#[source] io::Error),
    /// The body did.
    #[error("read the body")]
    Body(E),
    /// The body was longer or shorter than was said.
    #[error("the body has another length than was said")]
    Length,
}

impl<B: Body<Data = Bytes> + Unpin> Writer<B> {
    /// A message whose head is in `out` already.
    pub(crate) fn new(out: Vec<u8>, body: B, framing: Framing, trailers: Trailers) -> Self {
        Self {
            out,
            sent: 0,
            piece: Bytes::new(),
            is_chunk: false,
            body,
            is_body_begun: false,
            is_body_ended: matches!(framing, Framing::None | Framing::Sized(0)),
            framing,
            trailers,
            is_begun: false,
        }
    }

    /// Whether a byte of it was sent.
    pub(crate) const fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Whether anything was taken from its body.
    pub(crate) const fn is_body_begun(&self) -> bool {
        self.is_body_begun
    }

    /// Whether all that is known of the message is written.
    fn is_drained(&self) -> bool {
        self.sent == self.out.len() && self.piece.is_empty()
    }

    /// The body.
    pub(crate) const fn body(&mut self) -> &mut B {
        &mut self.body
    }

    /// The body and the buffer.
    pub(crate) fn into_parts(self) -> (B, Vec<u8>) {
        (self.body, self.out)
    }

    /// Sends on. Ready once all is sent.
    ///
    /// # Errors
    /// When either end breaks; the connection is of no more use then.
    pub(crate) fn poll<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<B::Error>>> {
        // What came before the body broke is sent first, if the receiver takes it now.
        let mut failure = None;
        loop {
            if failure.is_none() {
                failure = self.gather(cx).err();
            }
            if self.is_drained() {
                if let Some(failure) = failure {
                    return Poll::Ready(Err(failure));
                }
                ready!(Pin::new(&mut *io).poll_flush(cx)).map_err(WriteError::Io)?;
                return if self.is_body_ended {
                    Poll::Ready(Ok(()))
                } else {
                    Poll::Pending
                };
            }
            let waiting = &self.out[self.sent..];
            let written = if self.piece.is_empty() {
                Pin::new(&mut *io).poll_write(cx, waiting)
            } else if waiting.is_empty() {
                Pin::new(&mut *io).poll_write(cx, &self.piece)
            } else {
                let both = [IoSlice::new(waiting), IoSlice::new(&self.piece)];
                Pin::new(&mut *io).poll_write_vectored(cx, &both)
            };
            match written {
                Poll::Ready(Ok(0)) => {
                    let error = io::ErrorKind::WriteZero.into();
                    return Poll::Ready(Err(WriteError::Io(error)));
                }
                Poll::Ready(Ok(count)) => self.advance(count),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(WriteError::Io(error))),
                Poll::Pending => {
                    return match failure {
                        Some(failure) => Poll::Ready(Err(failure)),
                        None => Poll::Pending,
                    };
                }
            }
        }
    }

    fn advance(&mut self, count: usize) {
        self.is_begun = true;
        let of_out = count.min(self.out.len() - self.sent);
        self.sent += of_out;
        self.piece.advance(count - of_out);
        if self.is_drained() {
            self.out.clear();
            self.sent = 0;
            self.piece = Bytes::new();
            if std::mem::take(&mut self.is_chunk) {
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Takes what the body has ready, as far as it is to be sent together.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<(), WriteError<B::Error>> {
        while !self.is_body_ended && self.piece.is_empty() && self.out.len() < GATHERED_MAX {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                return Ok(());
            };
            self.is_body_begun = true;
            match frame {
                Some(Ok(frame)) => self.take(frame)?,
                Some(Err(error)) => {
                    self.is_body_ended = true;
                    return Err(WriteError::Body(error));
                }
                None => self.end(None)?,
            }
        }
        Ok(())
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Result<(), WriteError<B::Error>> {
        match frame.into_data() {
            Ok(data) => self.take_data(data),
            Err(frame) => self.end(frame.into_trailers().ok()),
        }
    }

    fn take_data(&mut self, data: Bytes) -> Result<(), WriteError<B::Error>> {
        if data.is_empty() {
            return Ok(());
        }
        if let Framing::Sized(left) = &mut self.framing {
            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
            *left = left.checked_sub(length).ok_or(WriteError::Length)?;
            if *left == 0 {
                // Whoever knows the length does not ask again after the last byte.
                self.is_body_ended = true;
            }
        }
        let is_chunk = self.framing == Framing::Chunked;
        if is_chunk {
            write_chunk_size(data.len(), &mut self.out);
        }
        if data.len() > JOINED_MAX {
            self.piece = data;
            self.is_chunk = is_chunk;
            return Ok(());
        }
        self.out.extend_from_slice(&data);
        if is_chunk {
            self.out.extend_from_slice(b"\r\n");
            if self.body.is_end_stream() {
                return self.end(None);
            }
        }
        Ok(())
    }

    fn end(&mut self, trailers: Option<HeaderMap>) -> Result<(), WriteError<B::Error>> {
        self.is_body_ended = true;
        match self.framing {
            Framing::Chunked => {
                self.out.extend_from_slice(b"0\r\n");
                if let (Some(trailers), Trailers::Pass) = (trailers, self.trailers) {
                    for (name, value) in &trailers {
                        write_field(name, value, &mut self.out);
                    }
                }
                self.out.extend_from_slice(b"\r\n");
                Ok(())
            }
            Framing::None | Framing::Sized(0) | Framing::UntilClose => Ok(()),
            Framing::Sized(_) => Err(WriteError::Length),
        }
    }
}
