//! The floor for every proxy: copies bytes between a client and an origin, and reads none of them.
//!
//! One thread, one upstream connection for each client's, every 20th of them to the new origin. With `--splice` bytes go
//! through a pipe and never reach user space.

use std::{
    cell::{Cell, RefCell},
    io::ErrorKind,
    net::SocketAddr,
    rc::Rc,
};

use anyhow::Result;
use clap::Parser;
use rustix::{
    fd::OwnedFd,
    io::Errno,
    net::{Shutdown, shutdown},
    pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice},
};
use tokio::{
    io::Interest,
    net::{TcpListener, TcpStream},
    task::LocalSet,
};

const BUFFER_BYTES: usize = 64 << 10;
const PIPE_BYTES: usize = 256 << 10;
/// 5 % of connections.
const NEW_EVERY: u64 = 20;

#[derive(Parser)]
struct Arguments {
    /// Where clients connect
    #[arg(long)]
    listen: SocketAddr,
    /// The old origin
    #[arg(long)]
    old: SocketAddr,
    /// The new one
    #[arg(long)]
    new: SocketAddr,
    /// Leave the bytes to the kernel
    #[arg(long)]
    splice: bool,
}

/// How bytes get from one socket into the other.
enum Copying {
    /// One buffer for all connections, so that it stays in the cache.
    Through(RefCell<Vec<u8>>),
    Splice,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let listener = TcpListener::bind(arguments.listen).await?;
    let accepted = Cell::new(0);
    let copying = Rc::new(if arguments.splice {
        Copying::Splice
    } else {
        Copying::Through(RefCell::new(vec![0; BUFFER_BYTES]))
    });
    LocalSet::new()
        .run_until(async move {
            loop {
                let (client, _) = listener.accept().await?;
                accepted.set(accepted.get() + 1);
                let is_new = u64::is_multiple_of(accepted.get(), NEW_EVERY);
                let origin = if is_new { arguments.new } else { arguments.old };
                let copying = Rc::clone(&copying);
                tokio::task::spawn_local(async move {
                    // A connection that either end resets is no news.
                    drop(relay(client, origin, &copying).await);
                });
            }
        })
        .await
}

async fn relay(client: TcpStream, origin: SocketAddr, by: &Copying) -> Result<()> {
    let origin = TcpStream::connect(origin).await?;
    client.set_nodelay(true)?;
    origin.set_nodelay(true)?;
    match by {
        Copying::Splice => {
            tokio::try_join!(pour(&client, &origin), pour(&origin, &client))?;
        }
        Copying::Through(buffer) => {
            let there = carry(&client, &origin, buffer);
            let back = carry(&origin, &client, buffer);
            tokio::try_join!(there, back)?;
        }
    }
    Ok(())
}

/// One direction through the buffer, until its source ends.
async fn carry(from: &TcpStream, to: &TcpStream, buffer: &RefCell<Vec<u8>>) -> Result<()> {
    loop {
        from.readable().await?;
        let rest = {
            let mut buffer = buffer.borrow_mut();
            let Some(count) = unless_blocked(from.try_read(&mut buffer))? else {
                continue;
            };
            if count == 0 {
                shutdown(to, Shutdown::Write)?;
                return Ok(());
            }
            let sent = unless_blocked(to.try_write(&buffer[..count]))?.unwrap_or(0);
            buffer[sent..count].to_vec()
        };
        // Seldom anything: the other end reads more slowly than this one writes.
        let mut sent = 0;
        while sent < rest.len() {
            to.writable().await?;
            sent += unless_blocked(to.try_write(&rest[sent..]))?.unwrap_or(0);
        }
    }
}

/// One direction through a pipe, until its source ends.
async fn pour(from: &TcpStream, to: &TcpStream) -> Result<()> {
    let (outlet, inlet) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
    fcntl_setpipe_size(&inlet, PIPE_BYTES)?;
    loop {
        let mut held = fill(from, &inlet).await?;
        if held == 0 {
            shutdown(to, Shutdown::Write)?;
            return Ok(());
        }
        while held > 0 {
            held -= drain(&outlet, to, held).await?;
        }
    }
}

/// Moves what the socket has into the empty pipe; 0 once it has ended.
async fn fill(from: &TcpStream, inlet: &OwnedFd) -> Result<usize> {
    loop {
        from.readable().await?;
        let moved = from.try_io(Interest::READABLE, || {
            step(splice(from, None, inlet, None, PIPE_BYTES, flags()))
        });
        if let Some(count) = unless_blocked(moved)? {
            return Ok(count);
        }
    }
}

/// Moves some of what the pipe holds into the socket.
async fn drain(outlet: &OwnedFd, to: &TcpStream, held: usize) -> Result<usize> {
    loop {
        to.writable().await?;
        let moved = to.try_io(Interest::WRITABLE, || {
            step(splice(outlet, None, to, None, held, flags()))
        });
        if let Some(count) = unless_blocked(moved)? {
            return Ok(count);
        }
    }
}

fn flags() -> SpliceFlags {
    SpliceFlags::MOVE | SpliceFlags::NONBLOCK
}

fn step(moved: Result<usize, Errno>) -> std::io::Result<usize> {
    Ok(moved?)
}

/// `None` if it would have had to wait.
fn unless_blocked(result: std::io::Result<usize>) -> std::io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
