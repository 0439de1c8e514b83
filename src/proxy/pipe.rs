//! Moving bytes between two sockets within the kernel (`splice(2)`), for large bodies of known length between plain
//! connections: they are never copied into this process and out again.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Body;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::{io::Interest, net::TcpStream};

/// A body shorter than this is copied: a pipe costs two more system calls.
pub(crate) const SPLICE_MIN: u64 = 16 * 1024;

/// Bytes that a pipe is to hold: with fewer a body costs half as much again, with more no less.
const PIPE_BYTES: usize = 256 * 1024;

/// What it holds where the system refuses that, as it does once a user has many of them.
const PIPE_BYTES_LEAST: usize = 64 * 1024;

/// A pipe between two sockets. It is filled only when it is empty, so that a refusal always means that its source has
/// nothing.
#[derive(Debug)]
pub(crate) struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    held: usize,
    room: usize,
}

/// Whose bytes may come through a pipe: a body.
pub(crate) trait Fill {
    /// Why it breaks.
    type Fault;

    /// Moves what there is into the empty `pipe`, and tells how much that was. `None` where the body cannot be moved so, now
    /// or ever: it is to be read then.
    fn poll_fill(
        &mut self,
        pipe: &mut Pipe,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<usize, Self::Fault>>>;
}

/// A body that can be sent in pieces, or within the kernel.
pub(crate) trait Flow:
    Body<Data = Bytes> + Fill<Fault = <Self as Body>::Error> + Unpin
{
}

impl<B> Flow for B where B: Body<Data = Bytes> + Fill<Fault = <B as Body>::Error> + Unpin {}

/// What may be written to through a pipe: a connection.
pub(crate) trait Drain {
    /// Whether it can be at all.
    fn drains(&self) -> bool;

    /// Moves what it takes out of `pipe`.
    fn poll_drain(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<io::Result<usize>>;
}

impl Pipe {
    /// An empty pipe.
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let room = fcntl_setpipe_size(&writer, PIPE_BYTES).unwrap_or(PIPE_BYTES_LEAST);
        Ok(Self {
            reader,
            writer,
            held: 0,
            room,
        })
    }

    /// Bytes in it.
    pub(crate) const fn held(&self) -> usize {
        self.held
    }

    /// Whether nothing is in it.
    pub(crate) const fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Moves up to `most` bytes from `source` into it; 0 at the end of the stream.
    pub(crate) fn poll_fill_from(
        &mut self,
        source: &TcpStream,
        most: u64,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        debug_assert!(
            self.is_empty(),
            "a refusal must mean that the source has nothing"
        );
        let most = usize::try_from(most).map_or(self.room, |it| it.min(self.room));
        loop {
            ready!(source.poll_read_ready(cx))?;
            let moved = source.try_io(Interest::READABLE, || {
                let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
                let moved = splice(source.as_fd(), None, &self.writer, None, most, flags)?;
                Ok(moved)
            });
            match moved {
                Ok(count) => {
                    self.held += count;
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Moves what `sink` takes out of it.
    pub(crate) fn poll_drain_to(
        &mut self,
        sink: &TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(sink.poll_write_ready(cx))?;
            let moved = sink.try_io(Interest::WRITABLE, || {
                let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
                let moved = splice(&self.reader, None, sink.as_fd(), None, self.held, flags)?;
                Ok(moved)
            });
            match moved {
                Ok(count) => {
                    self.held = self.held.saturating_sub(count);
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn bytes_pass_in_order_and_the_end_is_told() {
        let (mut source, from) = pair().await;
        let (to, mut sink) = pair().await;
        let sent: Vec<u8> = (0..1_000_000_u32).map(|it| it.to_le_bytes()[1]).collect();
        let expected = sent.clone();
        let writing = tokio::spawn(async move {
            source.write_all(&sent).await.unwrap();
        });
        let reading = tokio::spawn(async move {
            let mut read = vec![0; expected.len()];
            sink.read_exact(&mut read).await.unwrap();
            assert!(read == expected, "the bytes are the same");
        });
        let mut pipe = Pipe::new().unwrap();
        let mut total = 0;
        loop {
            let count = poll_fn(|cx| pipe.poll_fill_from(&from, 1 << 20, cx))
                .await
                .unwrap();
            if count == 0 {
                break;
            }
            total += count;
            while !pipe.is_empty() {
                poll_fn(|cx| pipe.poll_drain_to(&to, cx)).await.unwrap();
            }
        }
        assert_eq!(total, 1_000_000);
        writing.await.unwrap();
        reading.await.unwrap();
    }

    #[tokio::test]
    async fn no_more_is_taken_than_was_asked_for() {
        let (mut source, from) = pair().await;
        source.write_all(b"body and the next").await.unwrap();
        let mut pipe = Pipe::new().unwrap();
        let count = poll_fn(|cx| pipe.poll_fill_from(&from, 4, cx))
            .await
            .unwrap();
        assert_eq!(count, 4);
        let mut rest = [0; 13];
        let mut from = from;
        from.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b" and the next");
    }
}
