//! An endpoint that keeps every byte it was sent, so that a test can say that nothing reached it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// What the endpoint answers to everything.
pub const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A running endpoint of HTTP/1.1; its threads end with the process.
pub struct Recorder {
    pub address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    bytes: AtomicUsize,
    requests: Mutex<Vec<Vec<u8>>>,
}

impl Recorder {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::new(Seen::default());
        let kept = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, seen) = (stream.expect("descriptors are left"), Arc::clone(&kept));
                thread::spawn(move || serve(stream, &seen));
            }
        });
        Self { address, seen }
    }

    /// `http://ADDRESS`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Bytes that came in so far.
    pub fn bytes(&self) -> usize {
        self.seen.bytes.load(Ordering::SeqCst)
    }

    /// Whole requests, in their order, since the last call.
    pub fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.seen.requests.lock().expect("no panic"))
    }
}

fn serve(mut stream: TcpStream, seen: &Seen) {
    let mut request = Vec::new();
    let mut space = [0; 16 << 10];
    while let Ok(count @ 1..) = stream.read(&mut space) {
        seen.bytes.fetch_add(count, Ordering::SeqCst);
        request.extend_from_slice(&space[..count]);
        if is_whole(&request) {
            let whole = std::mem::take(&mut request);
            let answer = answer_to(&whole);
            seen.requests.lock().expect("no panic").push(whole);
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// Grants an upgrade where one is asked for, and gives hints for a path that asks for them.
fn answer_to(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    if text.contains("\r\nupgrade: ") {
        return "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n".to_owned();
    }
    if text.starts_with("GET /hints ") {
        return format!(
            "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\nconnection: x\r\n\r\n{ANSWER}"
        );
    }
    ANSWER.to_owned()
}

/// Whether the bytes end a request, as the proxy frames it.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    match length {
        Some(length) => body.len() >= length.parse().expect("a length"),
        None if head.contains("transfer-encoding: chunked") => {
            let has_last = body.starts_with("0\r\n") || body.contains("\r\n0\r\n");
            has_last && body.ends_with("\r\n\r\n")
        }
        None => true,
    }
}
