//! The floor for every proxy: copies bytes between a client and an origin, and reads none of them.
//!
//! One thread, one upstream connection for each client's, every 20th of them to the new origin. With `--splice` bytes go
//! through a pipe and never reach user space.

use std::{cell::Cell, net::SocketAddr, rc::Rc};

use anyhow::Result;
use clap::Parser;
use rustix::{
    fd::OwnedFd,
    io::Errno,
    pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice},
};
use tokio::{
    io::{AsyncWriteExt as _, Interest, copy_bidirectional_with_sizes},
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Rc::new(Arguments::parse());
    let listener = TcpListener::bind(arguments.listen).await?;
    let accepted = Cell::new(0);
    LocalSet::new()
        .run_until(async move {
            loop {
                let (client, _) = listener.accept().await?;
                accepted.set(accepted.get() + 1);
                let is_new = u64::is_multiple_of(accepted.get(), NEW_EVERY);
                let arguments = Rc::clone(&arguments);
                tokio::task::spawn_local(async move {
                    let origin = if is_new { arguments.new } else { arguments.old };
                    // A connection that either end resets is no news.
                    drop(relay(client, origin, arguments.splice).await);
                });
            }
        })
        .await
}

async fn relay(mut client: TcpStream, origin: SocketAddr, splices: bool) -> Result<()> {
    let mut origin = TcpStream::connect(origin).await?;
    client.set_nodelay(true)?;
    origin.set_nodelay(true)?;
    if splices {
        tokio::try_join!(pour(&client, &origin), pour(&origin, &client))?;
    } else {
        copy_bidirectional_with_sizes(&mut client, &mut origin, BUFFER_BYTES, BUFFER_BYTES).await?;
    }
    origin.shutdown().await?;
    Ok(())
}

/// One direction, until its source ends.
async fn pour(from: &TcpStream, to: &TcpStream) -> Result<()> {
    let (outlet, inlet) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
    fcntl_setpipe_size(&inlet, PIPE_BYTES)?;
    loop {
        let mut held = fill(from, &inlet).await?;
        if held == 0 {
            rustix::net::shutdown(to, rustix::net::Shutdown::Write)?;
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
        match moved {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            other => return Ok(other?),
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
        match moved {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            other => return Ok(other?),
        }
    }
}

fn flags() -> SpliceFlags {
    SpliceFlags::MOVE | SpliceFlags::NONBLOCK
}

fn step(moved: Result<usize, Errno>) -> std::io::Result<usize> {
    Ok(moved?)
}
