//! Sending a head and its body: gathered while pieces are small, one write where one will do.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::Frame;
use thiserror::Error;
use tokio::io::AsyncWrite;

use crate::proxy::{
    buffers::Buffers,
    holdings::Holding,
    pipe::{Drain, Flow, Pipe, SPLICE_MIN},
};

use super::encode::{Framing, write_chunk_size, write_field};

/// A piece up to so long is copied behind what waits to be sent: a copy of four KiB costs less than the kernel's handling of
/// a second buffer.
const JOINED_MAX: usize = 4096;

/// No further piece is gathered once so many bytes wait.
const GATHERED_MAX: usize = 16 * 1024;

/// A message on its way out.
#[derive(Debug)]
pub(crate) struct Writer<B> {
    lent: Lent,
    /// So many of what is gathered are sent.
    sent: usize,
    /// A larger piece, sent behind `out` without a copy.
    piece: Bytes,
    /// Whether `piece` is a chunk, whose line end follows it.
    is_chunk: bool,
    body: B,
    progress: Progress,
    framing: Framing,
    trailers: Trailers,
    is_begun: bool,
}

/// How far a message's body was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// There is none.
    NoBody,
    /// Nothing was taken yet.
    Untouched,
    /// Some was.
    Begun,
    /// It was taken to its end.
    Ended,
}

/// What a writer has of its worker's, until it is dropped.
#[derive(Debug)]
struct Lent {
    buffers: Rc<Buffers>,
    /// Head, framing and small pieces.
    out: Vec<u8>,
    /// A large body on its way from one socket to the other.
    pipe: Option<Pipe>,
    /// What the receiver does not take.
    holding: Holding,
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.buffers.give_back(std::mem::take(&mut self.out));
        if let Some(pipe) = self.pipe.take() {
            self.buffers.give_back_pipe(pipe);
        }
    }
}

/// Whether the receiver takes trailers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trailers {
    /// It does.
    Pass,
    /// It did not say so: they are left out (RFC 9110 section 6.5.1).
    Drop,
}

/// What became of a body's turn to go on within the kernel.
enum Piped {
    /// Some of it went on.
    Some,
    /// It is to be read, and written.
    Nothing,
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

impl<B> Writer<B>
where
    B: Flow,
{
    /// A message whose head is still to be written.
    pub(crate) fn new(buffers: Rc<Buffers>, body: B, framing: Framing, trailers: Trailers) -> Self {
        Self {
            lent: Lent {
                out: buffers.take(),
                pipe: None,
                holding: buffers.holding(),
                buffers,
            },
            sent: 0,
            piece: Bytes::new(),
            is_chunk: false,
            body,
            progress: match framing {
                Framing::None | Framing::Sized(0) => Progress::NoBody,
                Framing::Sized(_) | Framing::Chunked | Framing::UntilClose => Progress::Untouched,
            },
            framing,
            trailers,
            is_begun: false,
        }
    }

    /// Where its head is written.
    pub(crate) const fn head(&mut self) -> &mut Vec<u8> {
        &mut self.lent.out
    }

    /// Whether a byte of it was sent.
    pub(crate) const fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Whether anything was taken from its body.
    pub(crate) const fn is_body_begun(&self) -> bool {
        matches!(self.progress, Progress::Begun | Progress::Ended)
    }

    /// Whether nothing more is to be taken from its body.
    const fn is_ended(&self) -> bool {
        matches!(self.progress, Progress::NoBody | Progress::Ended)
    }

    /// Whether all that was gathered of the message is written.
    fn is_drained(&self) -> bool {
        self.sent == self.lent.out.len() && self.piece.is_empty()
    }

    /// The body.
    pub(crate) const fn body(&mut self) -> &mut B {
        &mut self.body
    }

    /// The body.
    pub(crate) fn into_body(self) -> B {
        self.body
    }

    /// Sends on. Ready once all is sent.
    ///
    /// # Errors
    /// When either end breaks; the connection is of no more use then.
    pub(crate) fn poll<IO: AsyncWrite + Drain + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<B::Error>>> {
        let sent = self.poll_send(io, cx);
        let in_pipe = self.lent.pipe.as_ref().map_or(0, Pipe::held);
        let gathered = self.lent.out.len() - self.sent;
        self.lent.holding.set(gathered + self.piece.len() + in_pipe);
        sent
    }

    fn poll_send<IO: AsyncWrite + Drain + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<B::Error>>> {
        // What came before the body broke is sent first, if the receiver takes it now.
        let mut failure = None;
        loop {
            if failure.is_none() && self.may_pipe(io) {
                match ready!(self.poll_pipe(io, cx)) {
                    Ok(Piped::Some) => continue,
                    Ok(Piped::Nothing) => (),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            if failure.is_none() {
                failure = self.gather(cx).err();
            }
            if self.is_drained() {
                if let Some(failure) = failure {
                    return Poll::Ready(Err(failure));
                }
                ready!(Pin::new(&mut *io).poll_flush(cx)).map_err(WriteError::Io)?;
                return if self.is_ended() {
                    Poll::Ready(Ok(()))
                } else {
                    Poll::Pending
                };
            }
            let waiting = &self.lent.out[self.sent..];
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
        let of_out = count.min(self.lent.out.len() - self.sent);
        self.sent += of_out;
        self.piece.advance(count - of_out);
        if self.is_drained() {
            self.lent.out.clear();
            self.sent = 0;
            self.piece = Bytes::new();
            if std::mem::take(&mut self.is_chunk) {
                self.lent.out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Whether the body is to go on within the kernel.
    fn may_pipe(&self, io: &impl Drain) -> bool {
        let is_large = matches!(self.framing, Framing::Sized(left) if left >= SPLICE_MIN);
        let is_on_its_way = self.lent.pipe.as_ref().is_some_and(|it| !it.is_empty());
        self.is_drained() && (is_large || is_on_its_way) && io.drains()
    }

    fn poll_pipe<IO: Drain>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Piped, WriteError<B::Error>>> {
        if self.lent.pipe.is_none() {
            self.lent.pipe = self.lent.buffers.take_pipe();
        }
        let Some(pipe) = &mut self.lent.pipe else {
            return Poll::Ready(Ok(Piped::Nothing));
        };
        if pipe.is_empty() {
            let count = match ready!(self.body.poll_fill(pipe, cx)) {
                None => return Poll::Ready(Ok(Piped::Nothing)),
                Some(Ok(count)) => count,
                Some(Err(error)) => return Poll::Ready(Err(WriteError::Body(error))),
            };
            self.progress = Progress::Begun;
            if let Err(error) = self.count(count) {
                return Poll::Ready(Err(error));
            }
        }
        let Some(pipe) = &mut self.lent.pipe else {
            return Poll::Ready(Ok(Piped::Nothing));
        };
        while !pipe.is_empty() {
            ready!(io.poll_drain(pipe, cx)).map_err(WriteError::Io)?;
            self.is_begun = true;
        }
        Poll::Ready(Ok(Piped::Some))
    }

    /// Counts bytes of a body whose length was said.
    fn count(&mut self, bytes: usize) -> Result<(), WriteError<B::Error>> {
        if let Framing::Sized(left) = &mut self.framing {
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            *left = left.checked_sub(bytes).ok_or(WriteError::Length)?;
            if *left == 0 {
                // Whoever knows the length does not ask again after the last byte.
                self.progress = Progress::Ended;
            }
        }
        Ok(())
    }

    /// Takes what the body has ready, as far as it is to be sent together.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<(), WriteError<B::Error>> {
        while !self.is_ended() && self.piece.is_empty() && self.lent.out.len() < GATHERED_MAX {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                return Ok(());
            };
            self.progress = Progress::Begun;
            match frame {
                Some(Ok(frame)) => self.take(frame)?,
                Some(Err(error)) => {
                    self.progress = Progress::Ended;
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
        self.count(data.len())?;
        let is_chunk = self.framing == Framing::Chunked;
        if is_chunk {
            write_chunk_size(data.len(), &mut self.lent.out);
        }
        if data.len() > JOINED_MAX {
            self.piece = data;
            self.is_chunk = is_chunk;
            return Ok(());
        }
        self.lent.out.extend_from_slice(&data);
        if is_chunk {
            self.lent.out.extend_from_slice(b"\r\n");
            if self.body.is_end_stream() {
                return self.end(None);
            }
        }
        Ok(())
    }

    fn end(&mut self, trailers: Option<HeaderMap>) -> Result<(), WriteError<B::Error>> {
        self.progress = Progress::Ended;
        match self.framing {
            Framing::Chunked => {
                self.lent.out.extend_from_slice(b"0\r\n");
                if let (Some(trailers), Trailers::Pass) = (trailers, self.trailers) {
                    for (name, value) in &trailers {
                        write_field(name, value, &mut self.lent.out);
                    }
                }
                self.lent.out.extend_from_slice(b"\r\n");
                Ok(())
            }
            Framing::None | Framing::Sized(0) | Framing::UntilClose => Ok(()),
            Framing::Sized(_) => Err(WriteError::Length),
        }
    }
}
