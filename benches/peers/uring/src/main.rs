//! The floor once more, on io_uring instead of epoll: copies bytes between a client and an origin, and reads none of them.
//!
//! One thread, one upstream connection for each client's, every 20th of them to the new origin: what `relay` does, so that
//! the two differ in how they talk to the kernel and in nothing else.

use std::{cell::Cell, net::SocketAddr};

use anyhow::Result;
use clap::Parser;
use monoio::{
    IoUringDriver, RuntimeBuilder,
    io::{AsyncReadRent, AsyncWriteRent, AsyncWriteRentExt, Splitable},
    net::{TcpListener, TcpStream},
};

const BUFFER_BYTES: usize = 16 << 10;
/// 5 % of connections.
const NEW_EVERY: u64 = 20;
/// Places in the submission queue, more than connections that become ready in one turn.
const ENTRIES: u32 = 1024;

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
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut runtime = RuntimeBuilder::<IoUringDriver>::new()
        .with_entries(ENTRIES)
        .build()?;
    runtime.block_on(serve(arguments))
}

async fn serve(arguments: Arguments) -> Result<()> {
    let listener = TcpListener::bind(arguments.listen)?;
    let accepted = Cell::new(0);
    loop {
        let (client, _) = listener.accept().await?;
        accepted.set(accepted.get() + 1);
        let is_new = u64::is_multiple_of(accepted.get(), NEW_EVERY);
        let origin = if is_new { arguments.new } else { arguments.old };
        monoio::spawn(async move {
            // A connection that either end resets is no news.
            drop(relay(client, origin).await);
        });
    }
}

async fn relay(client: TcpStream, origin: SocketAddr) -> Result<()> {
    let origin = TcpStream::connect(origin).await?;
    client.set_nodelay(true)?;
    origin.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_origin, to_origin) = origin.into_split();
    let (there, back) = monoio::join!(carry(from_client, to_origin), carry(from_origin, to_client));
    there.and(back)
}

/// One direction, until its source ends. The kernel owns the buffer while it fills or empties it, so each direction needs
/// one of its own.
async fn carry(mut from: impl AsyncReadRent, mut to: impl AsyncWriteRent) -> Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    loop {
        let (count, filled) = from.read(buffer).await;
        if count? == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        let (written, emptied) = to.write_all(filled).await;
        written?;
        buffer = emptied;
        buffer.clear();
    }
}
