//! An endpoint that does exactly what a test says, byte by byte: each connection is a script's.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{SendFlags, send},
};
use socket2::SockRef;

use super::now;

/// No script waits for longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running endpoint; it takes no more connections when dropped.
pub struct Scripted {
    pub address: SocketAddr,
    taken: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    accepting: Option<thread::JoinHandle<()>>,
}

/// The proxy, on one of its connections to the endpoint.
pub struct Caller {
    /// How many connections came before.
    pub number: usize,
    stream: TcpStream,
}

impl Scripted {
    /// Starts one on a free port; `script` handles each connection on a thread of its own.
    pub fn start(script: impl Fn(&mut Caller) + Send + Sync + 'static) -> Self {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), script)
    }

    /// Starts one at an address that an earlier one had.
    pub fn start_at(
        address: SocketAddr,
        script: impl Fn(&mut Caller) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("the address is free");
        let address = listener.local_addr().expect("it is bound");
        let taken = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let script = Arc::new(script);
        let (count, stopped) = (Arc::clone(&taken), Arc::clone(&stop));
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.expect("descriptors are left");
                stream.set_nodelay(true).expect("it is open");
                stream.set_read_timeout(Some(PATIENCE)).expect("it is open");
                let number = count.fetch_add(1, Ordering::SeqCst);
                let script = Arc::clone(&script);
                thread::spawn(move || script(&mut Caller { number, stream }));
            }
        });
        Self {
            address,
            taken,
            stop,
            accepting: Some(accepting),
        }
    }

    /// `http://ADDRESS`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections that it took so far.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // The one that is waiting is woken by a last connection.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            accepting.join().expect("it does not panic");
        }
    }
}

impl Caller {
    /// The next request head; `None` when the proxy has closed the connection.
    pub fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match self.stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                Ok(_) | Err(_) => return None,
            }
        }
        Some(String::from_utf8_lossy(&head).into_owned())
    }

    /// The next request, and its target; its body is read as its length says.
    pub fn request(&mut self) -> Option<String> {
        let head = self.head()?;
        let length = field(&head, "content-length").and_then(|it| it.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut body).ok()?;
        let target = head.split(' ').nth(1).expect("a target");
        Some(target.to_owned())
    }

    /// So many bytes, which must come.
    pub fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Says it again and again, and takes what comes back, until the proxy closes the connection.
    pub fn flood(&mut self, what: &[u8]) {
        let what = what.repeat((16 << 10) / what.len() + 1);
        let mut back = vec![0; 64 << 10];
        self.stream.set_nonblocking(true).expect("it is open");
        let ends = now() + PATIENCE;
        while now() < ends {
            let mut rest = &what[..];
            while !rest.is_empty() {
                if matches!(self.stream.read(&mut back), Ok(0)) {
                    return;
                }
                match send(&self.stream, rest, SendFlags::NOSIGNAL) {
                    Ok(count) => rest = &rest[count..],
                    Err(Errno::AGAIN) => thread::yield_now(),
                    Err(_) => return,
                }
            }
        }
    }

    /// Says something, which nobody may want any more.
    pub fn say(&mut self, what: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(what.as_ref());
    }

    /// Waits until the proxy closes the connection, whatever it still says.
    pub fn wait_closed(&mut self) {
        let mut space = [0; 4096];
        while matches!(self.stream.read(&mut space), Ok(1..)) {}
    }

    /// Closes it with a reset instead of an end.
    pub fn reset(&self) {
        self.reset_when_closed(true);
    }

    /// Whether closing it is a reset, or an end.
    pub fn reset_when_closed(&self, is_reset: bool) {
        SockRef::from(&self.stream)
            .set_linger(is_reset.then_some(Duration::ZERO))
            .expect("it is open");
    }

    /// Whether something of the next request comes within `patience`.
    pub fn is_asked_within(&self, patience: Duration) -> bool {
        self.stream
            .set_read_timeout(Some(patience))
            .expect("it is open");
        let is_asked = matches!(self.stream.peek(&mut [0]), Ok(1..));
        self.stream
            .set_read_timeout(Some(PATIENCE))
            .expect("it is open");
        is_asked
    }
}

/// A field of a head; its name in lower case.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// A whole answer with a body.
pub fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
