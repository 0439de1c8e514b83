//! Memory that the connections of a worker share, and bounds on the buffers that either leg may be given.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, ReadBuf};

use crate::proxy::{
    holdings::{Account, Holding},
    pipe::Pipe,
};

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

/// Pipes of one worker, each of which takes two descriptors: as many bodies as move within the kernel at once.
const PIPES_MAX: usize = 128;

/// How long a pipe is kept that nobody uses. Bodies that follow one another take the same few; those that one burst has needed
/// would else hold their descriptors, and their part of what the system grants all pipes of a user, for good.
const PIPE_IDLE: Duration = Duration::from_secs(5);

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
    /// Those that nobody has, in the order in which they were given back.
    pipes: RefCell<Vec<Pipe>>,
    pipes_open: Cell<usize>,
    /// So many of the first of them were taken by nobody since the last sweep.
    pipes_unused: Cell<usize>,
    swept: Cell<Option<Instant>>,
    account: Rc<Account>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self::new(Account::default())
    }
}

impl Buffers {
    /// Nothing yet, with the account of what waits in them.
    pub(crate) fn new(account: Account) -> Self {
        Self {
            shared: RefCell::new(vec![0; SHARED_BYTES].into_boxed_slice()),
            spare: RefCell::new(Vec::new()),
            pipes: RefCell::new(Vec::new()),
            pipes_open: Cell::new(0),
            pipes_unused: Cell::new(0),
            swept: Cell::new(None),
            account: Rc::new(account),
        }
    }

    /// What waits.
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// An entry for something that may have to wait.
    pub(crate) fn holding(&self) -> Holding {
        Holding::new(Rc::clone(&self.account))
    }

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

    /// An empty pipe; `None` where there are enough of them, or the system gives none: then bytes are copied.
    pub(crate) fn take_pipe(&self) -> Option<Pipe> {
        let mut pipes = self.pipes.borrow_mut();
        if let Some(pipe) = pipes.pop() {
            let unused = self.pipes_unused.get().min(pipes.len());
            self.pipes_unused.set(unused);
            return Some(pipe);
        }
        if self.pipes_open.get() >= PIPES_MAX {
            return None;
        }
        let pipe = Pipe::new().ok()?;
        self.pipes_open.set(self.pipes_open.get() + 1);
        Some(pipe)
    }

    /// Gives a pipe back; one that still holds something is closed.
    pub(crate) fn give_back_pipe(&self, pipe: Pipe) {
        if pipe.is_empty() {
            self.pipes.borrow_mut().push(pipe);
        } else {
            self.pipes_open.set(self.pipes_open.get() - 1);
        }
    }

    /// Closes the pipes that nobody has used for [`PIPE_IDLE`], and at most twice that.
    pub(crate) fn sweep(&self, now: Instant) {
        let swept = self.swept.get().unwrap_or(now);
        if now.saturating_duration_since(swept) < PIPE_IDLE {
            self.swept.set(Some(swept));
            return;
        }
        self.swept.set(Some(now));
        let mut pipes = self.pipes.borrow_mut();
        let unused = pipes.drain(..self.pipes_unused.get()).count();
        self.pipes_open.set(self.pipes_open.get() - unused);
        self.pipes_unused.set(pipes.len());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn pipes_that_a_burst_has_left_are_closed_and_those_in_use_are_kept() {
        let buffers = Buffers::default();
        let start = clock::now();
        buffers.sweep(start);
        let burst: Vec<_> = (0..3).map(|_| buffers.take_pipe().unwrap()).collect();
        for pipe in burst {
            buffers.give_back_pipe(pipe);
        }
        buffers.sweep(start + PIPE_IDLE);
        assert_eq!(buffers.pipes_open.get(), 3, "they were in use just now");
        let pipe = buffers.take_pipe().unwrap();
        buffers.give_back_pipe(pipe);
        buffers.sweep(start + PIPE_IDLE * 2);
        assert_eq!(buffers.pipes_open.get(), 1);
        let pipe = buffers.take_pipe().unwrap();
        buffers.sweep(start + PIPE_IDLE * 3);
        buffers.sweep(start + PIPE_IDLE * 4);
        assert_eq!(buffers.pipes_open.get(), 1, "it is somebody's");
        buffers.give_back_pipe(pipe);
        buffers.sweep(start + PIPE_IDLE * 5);
        buffers.sweep(start + PIPE_IDLE * 6);
        assert_eq!(buffers.pipes_open.get(), 0);
        assert!(buffers.pipes.borrow().is_empty());
    }
}
