//! Tunnels: what becomes of an HTTP/1.1 connection after a 101 that was asked for. Bytes go both ways through bounded
//! buffers until either end closes, nothing moves for the tunnel's idle time, new is withdrawn, or the drain is over.

use std::{
    cell::RefCell,
    fmt, io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use slab::Slab;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional_with_sizes};

use crate::{
    proxy::{
        body::Upload,
        upstream::UpstreamTunnel,
        wheel::{Deadline, Wait},
        worker::Worker,
    },
    split::{Assignment, Cause, Speaker, Withdrawal, WriterCell},
    units::{Side, Timestamp},
};

/// A tunnel about to open.
pub(crate) struct Opening {
    /// The endpoint's end of it.
    pub(crate) endpoint: UpstreamTunnel<Upload>,
    /// The side that the endpoint belongs to.
    pub(crate) side: Side,
    /// How the request got there.
    pub(crate) assignment: Assignment,
    /// Where the client is kept count of, if the plan wants that.
    pub(crate) writer: Option<WriterCell>,
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening")
            .field("side", &self.side)
            .finish_non_exhaustive()
    }
}

/// The open tunnels of one worker.
#[derive(Debug, Default)]
pub(crate) struct Tunnels(RefCell<Slab<Entry>>);

#[derive(Debug)]
struct Entry {
    side: Side,
    assignment: Assignment,
    deadline: Rc<Deadline>,
}

impl Tunnels {
    /// Ends the tunnels that a rollback withdrew, once their grace is over. A tester's own stay.
    pub(crate) fn withdraw(&self, withdrawal: Withdrawal, now: Timestamp) {
        if now < withdrawal.tunnels_end {
            return;
        }
        for (_, tunnel) in &*self.0.borrow() {
            let is_withdrawn = tunnel.side == Side::New
                && tunnel.assignment.generation < withdrawal.generation
                && tunnel.assignment.cause != Cause::Forced;
            if is_withdrawn {
                tunnel.deadline.expire();
            }
        }
    }

    fn enter(&self, entry: Entry) -> usize {
        self.0.borrow_mut().insert(entry)
    }
}

/// Leaves the list when it is dropped.
struct Place<'a> {
    tunnels: &'a Tunnels,
    key: usize,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.tunnels.0.borrow_mut().remove(self.key);
    }
}

/// Carries bytes between `client`, of which `ahead` was read already, and the endpoint, until the tunnel ends.
/// `deadline` is the one that the client's connection touches with every byte.
pub(crate) async fn run<C>(
    worker: &Worker,
    deadline: &Rc<Deadline>,
    opening: Opening,
    client: C,
    ahead: Bytes,
) where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let Opening {
        endpoint,
        side,
        assignment,
        writer,
    } = opening;
    let writing = writer.filter(|_| side == Side::Old);
    let writing = writing.map(|cell| Writing::begin(worker, cell));
    let _counted = worker.recorder.tunnel(side);
    let key = worker.tunnels.enter(Entry {
        side,
        assignment,
        deadline: Rc::clone(deadline),
    });
    let _place = Place {
        tunnels: &worker.tunnels,
        key,
    };
    let buffer = worker.limits().buffer_bytes;
    let carrying = carry(
        (deadline, writing.as_ref()),
        endpoint,
        client,
        ahead,
        buffer,
    );
    match deadline.within(Wait::Tunnel, carrying).await {
        Ok(Ok((up, down))) => tracing::debug!(side = side.as_str(), up, down, "a tunnel ended"),
        Ok(Err(error)) => tracing::debug!(side = side.as_str(), %error, "a tunnel broke"),
        Err(_) => tracing::debug!(side = side.as_str(), "a tunnel was cut"),
    }
}

async fn carry<C>(
    (deadline, writing): (&Deadline, Option<&Writing<'_>>),
    endpoint: UpstreamTunnel<Upload>,
    client: C,
    ahead: Bytes,
    buffer: usize,
) -> io::Result<(u64, u64)>
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    // Counts as a request in flight at the endpoint while it is kept.
    let (socket, said, _in_flight) = endpoint.open().await?;
    let mut client = End {
        io: client,
        deadline,
        who: Who::Client,
        writing,
    };
    let mut endpoint = End {
        io: socket,
        deadline,
        who: Who::Endpoint,
        writing,
    };
    if let Some(writing) = writing.filter(|_| !ahead.is_empty()) {
        writing.says(Who::Client);
    }
    endpoint.write_all(&ahead).await?;
    drop(ahead);
    client.write_all(&said).await?;
    drop(said);
    copy_bidirectional_with_sizes(&mut client, &mut endpoint, buffer, buffer).await
}

/// One end of a tunnel. Once it has closed, the other end may say what it still has to say, but not stay for longer.
struct End<'a, IO> {
    io: IO,
    deadline: &'a Deadline,
    who: Who,
    writing: Option<&'a Writing<'a>>,
}

/// Who is at an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Client,
    Endpoint,
}

/// What the client may write to old in the tunnel, kept count of until it is dropped.
struct Writing<'a> {
    worker: &'a Worker,
    speaker: Speaker,
    place: usize,
}

impl<'a> Writing<'a> {
    fn begin(worker: &'a Worker, cell: WriterCell) -> Self {
        let bound = worker.table.borrow_mut().table().split.read_your_writes;
        Self {
            worker,
            speaker: Speaker::new(cell, bound.unwrap_or_default(), worker.now()),
            place: worker.open_writes.enter(cell),
        }
    }

    fn says(&self, who: Who) {
        let (writers, now) = (&self.worker.writers, self.worker.now());
        match who {
            Who::Client => self.speaker.said(writers, now),
            Who::Endpoint => self.speaker.told(writers, now),
        }
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.says(Who::Endpoint);
        self.worker.open_writes.leave(self.place);
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for End<'_, IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        if buf.filled().len() == before {
            self.deadline.wait(Wait::Leaving);
        } else if let Some(writing) = self.writing {
            writing.says(self.who);
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for End<'_, IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
