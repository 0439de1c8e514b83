//! Idle connections to lease and give back, for `benches/micro.rs`.

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tokio::{
    net::TcpStream,
    runtime::{self, Runtime},
};

use crate::{
    clock,
    plan::Limits,
    proxy::{
        buffers::Buffers,
        upstream::{
            connection::Http1Connection,
            dial::Want,
            http1::Http1,
            pool::{Connection, Pool, Turn},
            socket::{Protocol, Socket, Transport},
        },
    },
};

/// Idle connections of one worker to one endpoint.
#[derive(Debug)]
pub struct IdleConnections {
    pool: Pool<()>,
    // Dropped after the connections, which are registered with it.
    _runtime: Runtime,
}

impl IdleConnections {
    /// So many, of HTTP/1.1, to whatever listens at `address`.
    ///
    /// # Errors
    /// A socket's.
    pub fn open(address: SocketAddr, count: usize, limits: &Limits) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let pool = Pool::new(limits, Some(Protocol::Http1));
        let buffers = Rc::new(Buffers::default());
        for _ in 0..count {
            let tcp = runtime.block_on(TcpStream::connect(address))?;
            let socket = Socket::new(Transport::Tcp(tcp), None);
            let connection = Http1::new(socket, limits, Rc::clone(&buffers));
            pool.put(Http1Connection::Native(Box::new(connection)), clock::now());
        }
        Ok(Self {
            pool,
            _runtime: runtime,
        })
    }

    /// Leases one and gives it back, which had become idle at `now`; `false` where none was to be had.
    pub fn lease(&self, now: Instant) -> bool {
        let mut turn = pin!(self.pool.turn(Want::Any, Duration::ZERO));
        let turn = turn.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        match turn {
            Poll::Ready(Ok(Turn::Reuse(Connection::Http1(connection)))) => {
                self.pool.put(connection, now);
                true
            }
            _ => false,
        }
    }
}
