//! A TCP relay in front of an environment that can turn into a black hole: open connections go silent, and new
//! ones are never accepted nor refused, as behind a firewall that drops.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    thread,
    time::Duration,
};

use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// The accept queue while relaying: a few clients that connect at the same moment must fit, since the kernel drops
/// what does not, and the client tries again a second later.
const SPEAKING: i32 = 128;
/// The accept queue of a black hole. The kernel completes one handshake more before it drops the next.
const SILENT: i32 = 1;

/// A running relay; it ends when dropped.
pub struct Relay {
    pub address: SocketAddr,
    socket: Socket,
    silent: Arc<watch::Sender<bool>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Relay {
    /// Relays to `target` on a free port.
    pub fn start(target: SocketAddr) -> Self {
        Self::start_on((Ipv4Addr::LOCALHOST, 0).into(), target)
    }

    /// The same on this address.
    pub fn start_on(address: SocketAddr, target: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&address.into()).expect("nobody listens there");
        socket.listen(SPEAKING).expect("it is bound");
        socket.set_nonblocking(true).expect("it is open");
        let listener =
            std::net::TcpListener::from(socket.try_clone().expect("descriptors are left"));
        let address = listener.local_addr().expect("it is bound");
        let (silent, silence) = watch::channel(false);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = relay(listener, target, silence) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            socket,
            silent: Arc::new(silent),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// `http://ADDRESS`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Swallows everything from now on. Returns once new connections hang as well; they do until the value that
    /// is returned is dropped.
    pub fn go_silent(&self) -> Vec<Socket> {
        self.silent.send_replace(true);
        self.socket.listen(SILENT).expect("it listens");
        // Fills the accept queue until a connection is neither completed nor refused.
        let mut fillers = Vec::new();
        loop {
            let filler = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            let limit = Duration::from_millis(100);
            let connected = filler.connect_timeout(&self.address.into(), limit);
            if connected.is_err() {
                return fillers;
            }
            fillers.push(filler);
            assert!(fillers.len() < 16, "the accept queue has no end");
        }
    }

    /// Goes on relaying, on connections old and new.
    pub fn go_on(&self) {
        self.socket.listen(SPEAKING).expect("it listens");
        self.silent.send_replace(false);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the relay does not panic");
        }
    }
}

async fn relay(
    listener: std::net::TcpListener,
    target: SocketAddr,
    mut silence: watch::Receiver<bool>,
) {
    let listener = TcpListener::from_std(listener).expect("it does not block");
    let mut connections = JoinSet::new();
    loop {
        speaks(&mut silence).await;
        let mut silence_begins = silence.clone();
        // Silence first: nobody is taken out of a queue that is being filled.
        let accepted = tokio::select! {
            biased;
            _ = silence_begins.wait_for(|it| *it) => continue,
            accepted = listener.accept() => accepted,
        };
        let (client, _) = accepted.expect("descriptors are left");
        connections.spawn(connection(client, target, silence.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn speaks(silence: &mut watch::Receiver<bool>) {
    silence
        .wait_for(|silent| !silent)
        .await
        .expect("the relay outlives it");
}

async fn connection(client: TcpStream, target: SocketAddr, silence: watch::Receiver<bool>) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        copy(from_client, to_server, silence.clone()),
        copy(from_server, to_client, silence)
    );
}

async fn copy(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut silence: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        speaks(&mut silence).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
