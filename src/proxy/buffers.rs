//! Memory that the connections of a worker share, and bounds on the buffers that either leg may be given.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

/// The smallest buffer that hyper accepts.
pub(crate) const BUFFER_MIN: usize = 8192;

/// The largest window that HTTP/2 allows (RFC 9113 section 6.9.1).
const WINDOW_MAX: u32 = (1 << 31) - 1;

/// Bytes that one read into the shared memory takes: more than most heads with the beginning of their body.
const SHARED_BYTES: usize = 16 * 1024;

/// Written buffers that are kept for the next message, and the largest of them that are: a few connections write at any
/// moment, and one large message must not occupy memory for good.
const SPARE_MAX: usize = 64;
const SPARE_BYTES: usize = 32 * 1024;

/// The window for so many bytes, as far as HTTP/2 allows.
pub(crate) fn window(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX).min(WINDOW_MAX)
}

/// Memory that a worker's connections use in turns. A connection that waits holds none of it, and what is used over and over
/// stays in the core's cache.
#[derive(Debug)]
pub(crate) struct Buffers {
    shared: RefCell<Box<[u8]>>,
    spare: RefCell<Vec<Vec<u8>>>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            shared: RefCell::new(vec![0; SHARED_BYTES].into_boxed_slice()),
            spare: RefCell::new(Vec::new()),
        }
    }
}

impl Buffers {
    /// Reads once into shared memory, and lets `take` have what came: nothing, at the end of the stream.
    pub(crate) fn poll_read<IO: AsyncRead + Unpin, T>(
        &self,
        io: &mut IO,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Poll<io::Result<T>> {
        let mut shared = self.shared.borrow_mut();
        let mut buf = ReadBuf::new(&mut shared);
        ready!(Pin::new(io).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(take(buf.filled())))
    }

    /// An empty buffer to write into.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives a buffer back.
    pub(crate) fn give_back(&self, mut buffer: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_MAX && buffer.capacity() <= SPARE_BYTES {
            buffer.clear();
            spare.push(buffer);
        }
    }
}
